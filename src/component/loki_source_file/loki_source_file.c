/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loki.source.file: one follow per target. Where the kernel tells of changes nothing is polled; a timer runs only
 * while a file is missing or its directory cannot be watched.
 */
#include <errno.h>
#include <inttypes.h>

#include "follow.h"
#include "followed.h"
#include "packed.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/codec/legacy_positions.h"
#include "longship/flow/lane.h"
#include "longship/flow/path_patterns.h"
#include "longship/flow/placed.h"
#include "longship/flow/runtime.h"
#include "longship/os/file.h"
#include "longship/os/loop.h"
#include "longship/positions/positions.h"

#define POLL_SHARE      20 /* a twentieth of a processor at most for looking at thousands of files that are polled or missing */
#define MISSING_LOOK_NS (1 * NS_PER_S)

struct file_watch_args {
	int64_t min_poll_ns, max_poll_ns;
};

struct file_match_args {
	bool enabled;
	int64_t sync_period_ns, ignore_older_than_ns;
};

struct source_args {
	struct target_list targets;
	struct ptr_list forward_to;
	bool tail_from_end;
	struct file_watch_args *file_watch;
	struct file_match_args *file_match;
	struct str legacy_positions_file;
	int on_positions_file_error;
	int64_t deleted_limit_bytes;
	struct content_args content;
};

/* In the order of enum invalid_position. */
static const char *const invalid_choices[] = {"restart_from_beginning", "restart_from_end", "skip", NULL};

static const struct arg_spec file_watch_spec[] = {
	{.name = "min_poll_frequency", .kind = ARG_DURATION, .offset = offsetof(struct file_watch_args, min_poll_ns), .fallback = "\"250ms\"",
		.min = NS_PER_MS, .max = INT64_MAX, .doc = "How often files are looked at where the kernel does not tell of changes."},
	{.name = "max_poll_frequency", .kind = ARG_DURATION, .offset = offsetof(struct file_watch_args, max_poll_ns), .fallback = "\"250ms\"",
		.min = NS_PER_MS, .max = INT64_MAX, .doc = "The same for files that have been quiet; the smaller of the two is used."},
	{0},
};

static const struct arg_spec file_match_spec[] = {
	{.name = "enabled", .kind = ARG_BOOL, .offset = offsetof(struct file_match_args, enabled), .fallback = "false",
		.doc = "Whether __path__ is a pattern, and __path_exclude__ one for paths to leave out."},
	{.name = "sync_period", .kind = ARG_DURATION, .offset = offsetof(struct file_match_args, sync_period_ns), .fallback = "\"10s\"",
		.min = 1, .max = INT64_MAX, .doc = "How often to look for files."},
	{.name = "ignore_older_than", .kind = ARG_DURATION, .offset = offsetof(struct file_match_args, ignore_older_than_ns),
		.fallback = "\"0s\"", .max = INT64_MAX, .doc = "Files not written for longer are not begun with; 0 begins with all."},
	{0},
};

static const struct arg_spec source_spec[] = {
	{.name = "targets", .kind = ARG_TARGETS, .flags = ARG_REQUIRED | ARG_PATHS, .offset = offsetof(struct source_args, targets),
		.doc = "Files to follow: __path__ names the file, other labels go to its entries."},
	{.name = "forward_to", .kind = ARG_CAPSULE_LIST, .flags = ARG_REQUIRED, .offset = offsetof(struct source_args, forward_to),
		.capsule = &capsule_logs_receiver, .doc = "Receivers of the entries."},
	{.name = "tail_from_end", .kind = ARG_BOOL, .offset = offsetof(struct source_args, tail_from_end), .fallback = "false",
		.doc = "Starts at the end of files that have no stored position."},
	{.name = "file_watch", .kind = ARG_BLOCK, .offset = offsetof(struct source_args, file_watch), .sub = file_watch_spec,
		.sub_size = sizeof(struct file_watch_args), .doc = "How files are polled."},
	{.name = "file_match", .kind = ARG_BLOCK, .offset = offsetof(struct source_args, file_match), .sub = file_match_spec,
		.sub_size = sizeof(struct file_match_args), .doc = "Looks for files by itself, as local.file_match does."},
	{.name = "legacy_positions_file", .kind = ARG_STRING, .offset = offsetof(struct source_args, legacy_positions_file), .fallback = "\"\"",
		.doc = "Positions file of Promtail or the Grafana Agent, taken over once: when this component has no positions yet."},
	{.name = "on_positions_file_error", .kind = ARG_CHOICE, .offset = offsetof(struct source_args, on_positions_file_error),
		.fallback = "\"restart_from_beginning\"", .choices = invalid_choices,
		.doc = "What becomes of a file whose position in such a file is not a number."},
	{.name = "deleted_limit", .kind = ARG_SIZE, .offset = offsetof(struct source_args, deleted_limit_bytes), .fallback = "\"0B\"", .min = 0,
		.max = INT64_MAX,
		.doc = "How much disk space deleted files may take that are not read to their end; over it the oldest are let go unread. 0: any."},
	{.kind = ARG_SQUASH, .offset = offsetof(struct source_args, content), .sub = content_spec, .sub_size = sizeof(struct content_args)},
	{0},
};

struct file_source {
	struct component *component;
	struct follow_shared shared;
	struct ptr_list forward_to; /* own copy: lanes read it */
	int64_t poll_ns;
	struct loop_timer *timer;
	struct path_patterns patterns; /* of file_match */
	struct target_list listed;     /* its patterns */
	struct arena *listed_arena;
	struct loop_timer *match_timer;
	bool has_positions;
	struct followed followed;
};

static void
look_again(void *ptr)
{
	struct file_source *s = ptr;
	int64_t start_ns = clock_mono_ns(), cost_ns, every_ns;
	bool polled = false, missing = false;

	followed_recover(&s->followed);
	for (size_t i = 0; i < s->shared.follows.len; i++) {
		struct follow *f = s->shared.follows.items[i];

		if (follow_polled(f) || f->missing)
			follow_look(f);
		polled |= follow_polled(f);
		missing |= f->missing;
	}
	cost_ns = POLL_SHARE * (clock_mono_ns() - start_ns);
	every_ns = polled ? s->poll_ns : MISSING_LOOK_NS;
	if (polled || missing)
		loop_timer_start(s->timer, every_ns > cost_ns ? every_ns : cost_ns, 0);
}

static void
look_soon(struct component *c)
{
	struct file_source *s = c->state;

	if (s->timer != NULL && !loop_timer_running(s->timer))
		loop_timer_start(s->timer, MISSING_LOOK_NS, 0);
}

/* Generations that the store knows of, from keys "file|COMPONENT|IDENTITY|GENERATION". */
static bool
note_generation(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	struct file_source *s = ptr;
	struct str kind, id, identity, generation, rest;
	uint64_t n;

	(void)path;
	(void)labels;
	(void)position;
	(void)str_cut(key, '|', &kind, &rest);
	(void)str_cut(rest, '|', &id, &rest);
	if (!str_is(kind, "file") || !str_is(id, s->component->id) || !str_cut(rest, '|', &identity, &generation) ||
		!str_to_u64(generation, &n) || n >= UINT32_MAX)
		return true;
	if (n > 0 && (uintptr_t)map_get(&s->shared.generations, identity) < n + 1)
		(void)map_set(&s->shared.generations, identity, (void *)(uintptr_t)(n + 1));
	return true;
}

static void
set_forward_to(struct file_source *s, const struct ptr_list *list)
{
	mem_free(s->forward_to.items);
	s->forward_to.n = list->n;
	s->forward_to.items = mem_alloc(list->n * sizeof(void *));
	if (list->n > 0)
		memcpy(s->forward_to.items, list->items, list->n * sizeof(void *));
}

static void
set_targets(struct file_source *s, const struct target_list *targets)
{
	if (followed_set(&s->followed, targets))
		look_again(s);
}

/* ---- Files that it looks for by itself ---- */

/* Without files that are not followed yet and were not written for a while. */
static struct path_set *
without_old(const struct file_source *s, const struct path_set *paths, int64_t oldest_ns)
{
	struct arena *arena = arena_new(0);
	struct path_walk *walk = arena_make(arena, struct path_walk);
	VEC(struct str) kept = {0};
	struct path_set *set;
	struct str path;

	path_walk_begin(walk, paths);
	while (path_walk_next(walk, &path)) {
		struct file_identity file;

		if (folders_have(&s->shared.folders, path.s) || (file_identify_path(path.s, &file) == 0 && file.mtime_ns >= oldest_ns))
			vec_push(&kept, arena_str(arena, path));
	}
	set = path_set_new(kept.items, kept.len);
	vec_done(&kept);
	arena_free(arena);
	return set;
}

static struct path_targets *
leave_out_old(const struct file_source *s, const struct path_targets *found, int64_t ignore_older_than_ns)
{
	struct path_targets *targets = path_targets_new(found->n);

	for (size_t i = 0; i < found->n; i++)
		path_targets_set(targets, i, &found->groups[i].labels,
			without_old(s, found->groups[i].paths, clock_now_ns() - ignore_older_than_ns));
	return targets;
}

static void
set_found(void *ptr, struct path_targets *found)
{
	struct file_source *s = ptr;

	set_targets(s, &(struct target_list){.n = found->len, .paths = found});
}

static void
look_for_files(void *ptr)
{
	struct file_source *s = ptr;
	const struct source_args *args = s->component->args;
	struct path_matches found = path_patterns_look(&s->patterns, s->component, &s->listed, 0);

	if (!found.exhausted && args->file_match->ignore_older_than_ns > 0) {
		struct path_targets *recent = leave_out_old(s, found.targets, args->file_match->ignore_older_than_ns);

		set_found(s, recent);
		path_targets_unref(recent);
	} else if (!found.exhausted) {
		set_found(s, found.targets);
	}
	if (found.at_fault > 0)
		component_set_health(s->component, HEALTH_UNHEALTHY, "%zu of %zu patterns are at fault; see the log", found.at_fault,
			args->targets.n);
}

static void
on_match_time(void *ptr)
{
	struct file_source *s = ptr;
	const struct source_args *args = s->component->args;

	if (args->file_match->ignore_older_than_ns > 0 || !path_patterns_unchanged(&s->patterns))
		look_for_files(s);
}

/* Patterns that another component has found are needed one by one. */
static void
list_patterns(struct file_source *s, const struct target_list *targets)
{
	arena_free(s->listed_arena);
	s->listed_arena = arena_new(0);
	s->listed = path_targets_list(s->listed_arena, targets);
}

static void
take_targets(struct file_source *s, const struct source_args *args)
{
	if (args->file_match == NULL || !args->file_match->enabled) {
		loop_timer_stop(s->match_timer);
		path_patterns_done(&s->patterns);
		set_targets(s, &args->targets);
		return;
	}
	path_patterns_reset(&s->patterns, args->targets.n);
	list_patterns(s, &args->targets);
	path_patterns_tell(&s->patterns, args->file_match->ignore_older_than_ns > 0 ? NULL : set_found, s);
	look_for_files(s);
	path_patterns_time(&s->patterns, s->match_timer, args->file_match->sync_period_ns);
}

static struct content_rules *
make_rules(struct file_source *s, const struct content_args *args)
{
	struct metrics *m = s->component->runtime->metrics;
	const char *id = s->component->id;
	const struct content_metrics metrics = {
		.split = metric_get(m, METRIC_COUNTER, "longship_source_lines_split_total", "Pieces of lines that are longer than the limit.",
			id, NULL),
		.truncated = metric_get(m, METRIC_COUNTER, "longship_source_lines_truncated_total",
			"Lines that were cut off because they are longer than the limit.", id, NULL),
		.invalid = metric_get(m, METRIC_COUNTER, "longship_source_lines_invalid_total",
			"Lines with bytes that are not of their encoding and were replaced.", id, NULL),
		.nul_bytes = metric_get(m, METRIC_COUNTER, "longship_source_nul_bytes_total",
			"NUL bytes between lines, which were left out.", id, NULL),
	};

	return content_rules_new(args, &metrics);
}

static void
take_rules(struct file_source *s, const struct content_args *args)
{
	struct content_rules *rules = make_rules(s, args);

	s->followed.renew = s->shared.rules != NULL && !content_rules_equal(rules, s->shared.rules);
	if (s->shared.rules != NULL && !s->followed.renew) {
		content_rules_set_waits(s->shared.rules, args);
		content_rules_unref(rules);
		return;
	}
	content_rules_unref(s->shared.rules);
	s->shared.rules = rules;
}

static void
take_args(struct file_source *s, const struct source_args *args)
{
	take_rules(s, &args->content);
	s->shared.tail_from_end = args->tail_from_end;
	s->shared.deleted.limit_bytes = args->deleted_limit_bytes;
	s->shared.on_invalid = (enum invalid_position)args->on_positions_file_error;
	s->poll_ns = args->file_watch == NULL ? 250 * NS_PER_MS
		: args->file_watch->min_poll_ns < args->file_watch->max_poll_ns ? args->file_watch->min_poll_ns
										 : args->file_watch->max_poll_ns;
}

static bool
note_own(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	struct file_source *s = ptr;
	struct str kind, id, rest;

	(void)path, (void)labels, (void)position;
	(void)str_cut(key, '|', &kind, &rest);
	(void)str_cut(rest, '|', &id, &rest);
	s->has_positions = s->has_positions || ((str_is(kind, "file") || str_is(kind, "path")) && str_is(id, s->component->id));
	return !s->has_positions;
}

static int
refuse_legacy(struct file_source *s, int err, const char *path, struct str why)
{
	return component_fail(s->component, err,
		"legacy positions file %s exists but could not be read, refusing to start (its files would be sent from the "
		"beginning): %.*s",
		path, STR_FMT(why));
}

static int
place_legacy(struct file_source *s, const struct legacy_positions *legacy, struct arena *arena)
{
	struct placed *items = arena_array(arena, struct placed, legacy->n);
	size_t n = 0;
	int r;

	for (size_t i = 0; i < legacy->n; i++) {
		struct placed *p = &items[n];

		if (str_starts(legacy->items[i].path, STR("cursor-")) || str_starts(legacy->items[i].path, STR("journal-")))
			continue;
		*p = (struct placed){.component = str_from(s->component->id), .path = legacy->items[i].path,
			.labels = legacy->items[i].labels, .kind = PLACED_OFFSET};
		if (!str_to_u64(legacy->items[i].value, &p->offset)) {
			p->kind = PLACED_INVALID;
			p->text = str_head(legacy->items[i].value, POSITIONS_CURSOR_BYTES_MAX);
		}
		placed_identify(arena_z(arena, p->path), &p->file);
		n++;
	}
	r = placed_put(s->component->runtime->positions, items, n);
	log_info(s->component->id, "took over the legacy positions file", "files", log_i64((int64_t)n), NULL);
	return r == -ENAMETOOLONG ? r : 0; /* a store that cannot be written keeps it in memory */
}

/* Takes over Promtail's positions, once: when the store knows nothing of this component yet. */
static int
take_legacy(struct file_source *s, struct str file)
{
	struct arena *arena;
	struct legacy_positions legacy;
	struct str error;
	const char *path;
	struct buf text;
	int r;

	if (file.len == 0 || s->component->runtime->positions == NULL)
		return 0;
	positions_each(s->component->runtime->positions, note_own, s);
	if (s->has_positions)
		return 0;
	arena = arena_new(0);
	path = arena_z(arena, file);
	buf_init(&text, LEGACY_POSITIONS_BYTES_MAX);
	r = file_read(path, &text);
	if (r == -ENOENT)
		r = 0;
	else if (r < 0)
		r = refuse_legacy(s, r, path, str_from(strerror(-r)));
	else if (!legacy_positions_parse(arena, buf_view(&text), LEGACY_POSITIONS_AUTO, &legacy, &error))
		r = refuse_legacy(s, -EINVAL, path, error);
	else if ((r = place_legacy(s, &legacy, arena)) < 0)
		r = refuse_legacy(s, r, path, STR("a path or a position in it is too long"));
	buf_done(&text);
	arena_free(arena);
	return r;
}

static int
start(struct component *c, const void *ptr)
{
	const struct source_args *args = ptr;
	struct file_source *s = c->state;
	int r;

	s->component = c;
	s->followed.shared = &s->shared;
	s->shared = (struct follow_shared){.component = c, .forward_to = &s->forward_to, .look_soon = look_soon};
	s->shared.ledger = ledger_new(c->runtime->metrics, c->id);
	s->shared.files_active = metric_get(c->runtime->metrics, METRIC_GAUGE, "loki_source_file_files_active_total",
		"Number of active files.", c->id, NULL);
	s->shared.synthetic = metric_get(c->runtime->metrics, METRIC_COUNTER, "longship_entries_synthetic_total",
		"Lines that longship itself added.", c->id, "reason", "abandoned", NULL);
	r = follow_shared_init(&s->shared);
	if (r == 0)
		r = loop_timer_new(c->runtime->loop, look_again, s, &s->timer);
	if (r == 0)
		r = loop_timer_new(c->runtime->loop, on_match_time, s, &s->match_timer);
	if (r < 0)
		return component_fail(c, r, "cannot make a timer: %s", strerror(-r));
	if (c->runtime->positions != NULL)
		positions_each(c->runtime->positions, note_generation, s);
	r = take_legacy(s, args->legacy_positions_file);
	if (r < 0)
		return r;
	take_args(s, args);
	set_forward_to(s, &args->forward_to);
	take_targets(s, args);
	return 0;
}

static void
update(struct component *c, const void *old_args, const void *ptr)
{
	const struct source_args *args = ptr;
	struct file_source *s = c->state;
	bool rewired = args->forward_to.n != s->forward_to.n ||
		(args->forward_to.n > 0 && memcmp(args->forward_to.items, s->forward_to.items, args->forward_to.n * sizeof(void *)) != 0);

	(void)old_args;
	take_args(s, args);
	if (rewired) {
		lanes_park(c->runtime->lanes);
		set_forward_to(s, &args->forward_to);
		lanes_resume(c->runtime->lanes);
	}
	take_targets(s, args);
}

static void
stop(struct component *c)
{
	struct file_source *s = c->state;

	if (s->component == NULL)
		return;
	lanes_park(c->runtime->lanes);
	followed_done(&s->followed);
	follow_shared_done(&s->shared);
	lanes_resume(c->runtime->lanes);
	loop_timer_free(s->timer);
	loop_timer_free(s->match_timer);
	path_patterns_done(&s->patterns);
	arena_free(s->listed_arena);
	ledger_close(s->shared.ledger);
	mem_free(s->forward_to.items);
	s->component = NULL;
}

static void
unpack_paths(struct file_source *s, const struct map *paths)
{
	struct arena *arena = arena_new(0);

	for (size_t i = 0; s->component != NULL && i < map_len(paths); i++)
		unpack_path(&s->shared, arena_z(arena, map_key(paths, i)));
	arena_free(arena);
}

static void
release(struct component *c, const struct map *paths)
{
	struct file_source *s = c->state;

	unpack_paths(s, paths);
	for (size_t i = 0; s->component != NULL && i < s->shared.follows.len; i++)
		if (map_has(paths, str_from(s->shared.follows.items[i]->path)))
			follow_release(s->shared.follows.items[i]);
}

static void
reopen(struct component *c)
{
	struct file_source *s = c->state;

	if (s->component == NULL)
		return;
	s->shared.keep_taken = true;
	for (size_t i = 0; i < s->shared.follows.len; i++)
		if (s->shared.follows.items[i]->current == NULL)
			follow_look(s->shared.follows.items[i]);
	s->shared.keep_taken = false;
	follow_forget_taken(&s->shared);
}

static bool
check(const void *ptr, struct src_pos at, struct diags *d)
{
	const struct source_args *args = ptr;

	if (args->tail_from_end && args->content.decompression != NULL && args->content.decompression->enabled) {
		diag_error(d, at, "tail_from_end: a compressed file cannot be read from its end");
		return false;
	}
	return content_check(&args->content, at, d);
}

const struct component_type loki_source_file = {
	.name = "loki.source.file",
	.flags = COMPONENT_SOURCE | COMPONENT_FORWARDS,
	.args = source_spec,
	.args_size = sizeof(struct source_args),
	.state_size = sizeof(struct file_source),
	.doc = "Follows files and forwards their lines.",
	.check = check,
	.start = start,
	.update = update,
	.stop = stop,
	.release = release,
	.reopen = reopen,
};

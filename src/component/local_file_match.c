/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local.file_match: expands the patterns in __path__ of its targets into the files that exist, again every
 * sync_period. Dependants hear of it only when the list has changed. A pattern that finds nothing, or that
 * is none, is said once, and again when it changes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/codec/glob.h"
#include "longship/flow/component.h"
#include "longship/flow/labels.h"
#include "longship/flow/runtime.h"
#include "longship/flow/targets.h"
#include "longship/os/loop.h"

#define TARGETS_MAX 1000000 /* exported: a machine has fewer logs */

struct match_args {
	struct target_list path_targets;
	int64_t sync_period_ns, ignore_older_than_ns;
};

/* What was last said about a pattern. */
enum told { TOLD_NOTHING, TOLD_EMPTY, TOLD_INVALID, TOLD_LIMIT, TOLD_EXHAUSTED };

struct state {
	struct loop_timer *timer;
	uint8_t *told; /* enum told, for each path target */
	size_t n_told;
};

static const struct arg_spec spec[] = {
	{.name = "path_targets", .kind = ARG_TARGETS, .flags = ARG_REQUIRED, .offset = offsetof(struct match_args, path_targets),
		.doc = "Targets whose __path__ is a pattern; __path_exclude__ is one for paths to leave out."},
	{.name = "sync_period", .kind = ARG_DURATION, .offset = offsetof(struct match_args, sync_period_ns), .fallback = "\"10s\"", .min = 1,
		.max = INT64_MAX, .doc = "How often to look for files."},
	{.name = "ignore_older_than", .kind = ARG_DURATION, .offset = offsetof(struct match_args, ignore_older_than_ns), .fallback = "\"0s\"",
		.doc = "Files not written for longer are left out; 0 keeps all."},
	{0},
};

static const char *const exports[] = {"targets", NULL};

/* Says what the state of a pattern is when it was another one before. */
static void
tell(struct component *c, size_t i, enum told now, struct arena *arena, struct str pattern)
{
	struct state *s = c->state;
	struct str base = glob_base(arena, pattern);

	if (s->told[i] == (uint8_t)now)
		return;
	s->told[i] = (uint8_t)now;
	if (now == TOLD_INVALID) {
		log_error(c->id, "not a path pattern", "path", arena_z(arena, pattern), "err", "syntax error in pattern", NULL);
	} else if (now == TOLD_LIMIT) {
		log_warn(c->id, "the pattern finds too much, the rest is left out", "path", arena_z(arena, pattern), NULL);
	} else if (now == TOLD_EXHAUSTED) {
		log_error(c->id, "cannot look for files; those of before are kept", "path", arena_z(arena, pattern), "err",
			"out of file descriptors or memory", "hint", "raise LimitNOFILE", NULL);
	} else if (now == TOLD_EMPTY) {
		const char *err = access(arena_z(arena, base), R_OK | X_OK) != 0 ? strerror(errno) : "nothing matches";

		log_warn(c->id, "no file found", "path", arena_z(arena, pattern), "dir", arena_z(arena, base), "err", err, NULL);
	}
}

/* Relative to the working directory, as Go's filepath.Abs. NULL: there is no working directory. */
static struct str
absolute(struct arena *arena, struct str path)
{
	char *dir;
	struct str result;

	if (path.len > 0 && path.s[0] == '/')
		return path;
	dir = getcwd(NULL, 0);
	if (dir == NULL)
		return STR_EMPTY;
	result = glob_clean(arena, arena_printf(arena, "%s/%.*s", dir, STR_FMT(path)));
	free(dir); /* of libc */
	return result;
}

static bool
is_wanted(const struct match_args *args, struct str path, int64_t now_ns)
{
	struct stat st;

	if (stat(path.s, &st) != 0 || S_ISDIR(st.st_mode))
		return false;
	return args->ignore_older_than_ns == 0 ||
		st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec >= now_ns - args->ignore_older_than_ns;
}

static struct target
with_path(struct arena *arena, const struct target *target, struct str path)
{
	struct labels_builder builder;

	(void)targets_to_labels(target, &builder);
	(void)labels_builder_set(&builder, STR("__path__"), path);
	return targets_from_labels(arena, &builder);
}

/* Adds the files of one path target to the list; how it went. */
static enum told
expand(const struct match_args *args, const struct target *target, struct arena *arena, int64_t now_ns, struct target_list *list, size_t *cap)
{
	struct str pattern = targets_label(target, STR("__path__")), exclude = targets_label(target, STR("__path_exclude__"));
	struct glob_paths paths;
	int r = glob_walk(arena, pattern, &paths);
	size_t before = list->n;

	if (r == -EINVAL)
		return TOLD_INVALID;
	if (r < 0 && r != -E2BIG)
		return TOLD_EXHAUSTED;
	for (size_t i = 0; i < paths.n && list->n < TARGETS_MAX; i++) {
		struct str path;

		if (exclude.len > 0 && glob_match(exclude, paths.items[i]))
			continue;
		path = absolute(arena, paths.items[i]);
		if (path.len == 0 || !is_wanted(args, path, now_ns))
			continue;
		if (list->n == *cap) {
			*cap = *cap * 2 + 16;
			list->items = mem_realloc(list->items, *cap * sizeof(list->items[0]));
		}
		list->items[list->n++] = with_path(arena, target, path);
	}
	if (r == -E2BIG || list->n == TARGETS_MAX)
		return TOLD_LIMIT;
	return list->n == before ? TOLD_EMPTY : TOLD_NOTHING;
}

static void
look(void *ptr)
{
	struct component *c = ptr;
	const struct match_args *args = c->args;
	struct arena *arena = arena_new(0);
	struct target_list list = {0};
	struct value value;
	size_t cap = 0, at_fault = 0;
	bool exhausted = false;
	int64_t now_ns = clock_now_ns();

	check_magic(c, COMPONENT_MAGIC);
	for (size_t i = 0; i < args->path_targets.n; i++) {
		enum told told = expand(args, &args->path_targets.items[i], arena, now_ns, &list, &cap);

		at_fault += told == TOLD_INVALID || told == TOLD_LIMIT || told == TOLD_EXHAUSTED;
		exhausted |= told == TOLD_EXHAUSTED;
		tell(c, i, told, arena, targets_label(&args->path_targets.items[i], STR("__path__")));
	}
	value = targets_value(arena, &list);
	if (!exhausted) /* files that were not seen are not files that are gone */
		component_export(c, "targets", &value);
	if (at_fault > 0)
		component_set_health(c, HEALTH_UNHEALTHY, "%zu of %zu patterns are at fault; see the log", at_fault, args->path_targets.n);
	else
		component_set_health(c, HEALTH_HEALTHY, "%zu files found", list.n);
	mem_free(list.items);
	arena_free(arena);
}

static void
forget_told(struct state *s, size_t n)
{
	mem_free(s->told);
	s->told = mem_zalloc(n + 1);
	s->n_told = n;
}

static int
start(struct component *c, const void *arguments)
{
	const struct match_args *args = arguments;
	struct state *s = c->state;
	int r;

	r = loop_timer_new(c->runtime->loop, look, c, &s->timer);
	if (r < 0)
		return component_fail(c, r, "no timer: %s", strerror(-r));
	forget_told(s, args->path_targets.n);
	look(c);
	loop_timer_start(s->timer, args->sync_period_ns, args->sync_period_ns);
	return 0;
}

static const struct arg_spec patterns_only[] = {
	{.name = "path_targets", .kind = ARG_TARGETS, .offset = offsetof(struct match_args, path_targets), .doc = "The patterns."},
	{0},
};

static void
update(struct component *c, const void *old_arguments, const void *arguments)
{
	const struct match_args *args = arguments;
	struct state *s = c->state;

	if (!args_equal(patterns_only, old_arguments, arguments))
		forget_told(s, args->path_targets.n);
	look(c);
	loop_timer_start(s->timer, args->sync_period_ns, args->sync_period_ns);
}

static void
stop(struct component *c)
{
	struct state *s = c->state;

	loop_timer_free(s->timer);
	mem_free(s->told);
	*s = (struct state){0};
}

static struct value
zero_export(struct arena *arena, const char *name)
{
	(void)arena;
	(void)name;
	return targets_none();
}

const struct component_type local_file_match = {
	.name = "local.file_match",
	.args = spec,
	.args_size = sizeof(struct match_args),
	.state_size = sizeof(struct state),
	.exports = exports,
	.doc = "Finds files by path patterns and exports them as targets.",
	.start = start,
	.update = update,
	.stop = stop,
	.zero_export = zero_export,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loki.source.file: one follow per target. Where the kernel tells of changes nothing is polled; a timer runs only
 * while a file is missing or its directory cannot be watched.
 */
#include <inttypes.h>

#include "follow.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"
#include "longship/positions/positions.h"

#define MISSING_LOOK_NS (1 * NS_PER_S)

struct file_watch_args {
	int64_t min_poll_ns, max_poll_ns;
};

struct source_args {
	struct target_list targets;
	struct ptr_list forward_to;
	bool tail_from_end;
	struct file_watch_args *file_watch;
};

static const struct arg_spec file_watch_spec[] = {
	{.name = "min_poll_frequency", .kind = ARG_DURATION, .offset = offsetof(struct file_watch_args, min_poll_ns), .fallback = "\"250ms\"",
		.min = NS_PER_MS, .max = INT64_MAX, .doc = "How often files are looked at where the kernel does not tell of changes."},
	{.name = "max_poll_frequency", .kind = ARG_DURATION, .offset = offsetof(struct file_watch_args, max_poll_ns), .fallback = "\"250ms\"",
		.min = NS_PER_MS, .max = INT64_MAX, .doc = "The same for files that have been quiet; the smaller of the two is used."},
	{0},
};

static const struct arg_spec source_spec[] = {
	{.name = "targets", .kind = ARG_TARGETS, .flags = ARG_REQUIRED, .offset = offsetof(struct source_args, targets),
		.doc = "Files to follow: __path__ names the file, other labels go to its entries."},
	{.name = "forward_to", .kind = ARG_CAPSULE_LIST, .flags = ARG_REQUIRED, .offset = offsetof(struct source_args, forward_to),
		.capsule = &capsule_logs_receiver, .doc = "Receivers of the entries."},
	{.name = "tail_from_end", .kind = ARG_BOOL, .offset = offsetof(struct source_args, tail_from_end), .fallback = "false",
		.doc = "Starts at the end of files that have no stored position."},
	{.name = "file_watch", .kind = ARG_BLOCK, .offset = offsetof(struct source_args, file_watch), .sub = file_watch_spec,
		.sub_size = sizeof(struct file_watch_args), .doc = "How files are polled."},
	{0},
};

struct file_source {
	struct component *component;
	struct follow_shared shared;
	struct ptr_list forward_to; /* own copy: lanes read it */
	int64_t poll_ns;
	VEC(struct follow *) follows;
	struct loop_timer *timer;
};

static void
look_again(void *ptr)
{
	struct file_source *s = ptr;
	bool polled = false, missing = false;

	for (size_t i = 0; i < s->follows.len; i++) {
		struct follow *f = s->follows.items[i];

		if (f->polled || f->missing)
			follow_look(f);
		polled |= f->polled;
		missing |= f->missing;
	}
	if (polled)
		loop_timer_start(s->timer, s->poll_ns, 0);
	else if (missing)
		loop_timer_start(s->timer, MISSING_LOOK_NS, 0);
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

static bool
has_path(const struct target *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (str_is(t->labels[i].name, "__path__"))
			return t->labels[i].value.len > 0 && memchr(t->labels[i].value.s, '\0', t->labels[i].value.len) == NULL;
	}
	return false;
}

static struct str
path_of(const struct target *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (str_is(t->labels[i].name, "__path__"))
			return t->labels[i].value;
	}
	return STR_EMPTY;
}

static bool
same_public_labels(const struct target *a, const struct target *b)
{
	size_t i = 0, k = 0;

	for (;;) {
		while (i < a->n && str_starts(a->labels[i].name, STR("__")))
			i++;
		while (k < b->n && str_starts(b->labels[k].name, STR("__")))
			k++;
		if (i == a->n || k == b->n)
			return i == a->n && k == b->n;
		if (!str_eq(a->labels[i].name, b->labels[k].name) || !str_eq(a->labels[i].value, b->labels[k].value))
			return false;
		i++;
		k++;
	}
}

/* The number of the target among those of its path; false for a repeated (path, labels). */
static bool
target_ordinal(const struct target_list *targets, const struct map *first_of_path, size_t i, uint32_t *ret)
{
	const struct target *t = &targets->items[i];
	size_t first = (size_t)(uintptr_t)map_get(first_of_path, path_of(t)) - 1;
	uint32_t ordinal = 0;

	for (size_t k = first; k < i; k++) {
		if (!has_path(&targets->items[k]) || !str_eq(path_of(&targets->items[k]), path_of(t)))
			continue;
		if (same_public_labels(&targets->items[k], t))
			return false;
		ordinal++;
	}
	*ret = ordinal;
	return true;
}

/* Follows by path and ordinal; a taken one is NULL. */
static struct str
follow_key(struct arena *arena, struct str path, uint32_t ordinal)
{
	return arena_printf(arena, "%" PRIu32 "|%.*s", ordinal, STR_FMT(path));
}

/* Moves the follows that stay to s->follows and begins new ones. A file whose labels have changed is followed anew from
 * its position: what is unsettled of it has to be given up first, so that no line arrives under both. */
static size_t
match_targets(struct file_source *s, const struct target_list *targets, struct map *old, struct arena *arena, bool *parked)
{
	struct map first_of_path;
	size_t without_path = 0;

	map_init(&first_of_path);
	for (size_t i = 0; i < targets->n; i++) {
		const struct target *t = &targets->items[i];
		struct follow *f;
		struct str key;
		uint32_t ordinal = 0;

		if (!has_path(t)) {
			without_path++;
			continue;
		}
		if (!map_has(&first_of_path, path_of(t)))
			(void)map_set(&first_of_path, path_of(t), (void *)(uintptr_t)(i + 1));
		if (!target_ordinal(targets, &first_of_path, i, &ordinal))
			continue;
		key = follow_key(arena, path_of(t), ordinal);
		f = map_get(old, key);
		if (f != NULL)
			(void)map_set(old, key, NULL);
		if (f != NULL && !follow_is(f, t, ordinal)) {
			if (!*parked)
				lanes_park(s->component->runtime->lanes);
			*parked = true;
			vec_push(&s->follows, follow_new(&s->shared, t, ordinal));
			follow_replace(f, s->follows.items[s->follows.len - 1]);
			continue;
		}
		vec_push(&s->follows, f != NULL ? f : follow_new(&s->shared, t, ordinal));
	}
	map_done(&first_of_path);
	return without_path;
}

/* Keeps what is followed already, begins the new, ends the rest. */
static void
set_targets(struct file_source *s, const struct target_list *targets)
{
	struct arena *arena = arena_new(0);
	struct map old;
	bool parked = false;
	size_t without_path;

	map_init(&old);
	for (size_t i = 0; i < s->follows.len; i++) {
		struct follow *f = s->follows.items[i];

		(void)map_set(&old, follow_key(arena, str_from(f->path), f->ordinal), f);
	}
	s->follows.len = 0;
	without_path = match_targets(s, targets, &old, arena, &parked);
	for (size_t i = 0; i < map_len(&old); i++) {
		if (map_value(&old, i) != NULL)
			follow_free(map_value(&old, i));
	}
	map_done(&old);
	arena_free(arena);
	for (size_t i = 0; i < s->follows.len; i++) {
		if (s->follows.items[i]->current == NULL)
			follow_look(s->follows.items[i]);
	}
	if (parked)
		lanes_resume(s->component->runtime->lanes);
	if (without_path > 0)
		log_error(s->component->id, "targets without __path__ are not followed", "targets", log_i64((int64_t)without_path), NULL);
	look_again(s);
	component_set_health(s->component, HEALTH_HEALTHY, "%zu targets", s->follows.len);
}

static void
take_args(struct file_source *s, const struct source_args *args)
{
	s->shared.tail_from_end = args->tail_from_end;
	s->poll_ns = args->file_watch == NULL ? 250 * NS_PER_MS
		: args->file_watch->min_poll_ns < args->file_watch->max_poll_ns ? args->file_watch->min_poll_ns
										 : args->file_watch->max_poll_ns;
}

static int
start(struct component *c, const void *ptr)
{
	const struct source_args *args = ptr;
	struct file_source *s = c->state;
	int r;

	s->component = c;
	s->shared = (struct follow_shared){.component = c, .forward_to = &s->forward_to, .look_soon = look_soon};
	s->shared.ledger = ledger_new(c->runtime->metrics, c->id);
	s->shared.files_active = metric_get(c->runtime->metrics, METRIC_GAUGE, "loki_source_file_files_active_total",
		"Number of active files.", c->id, NULL);
	s->shared.lines_split = metric_get(c->runtime->metrics, METRIC_COUNTER, "longship_source_lines_split_total",
		"Pieces of lines that are longer than the limit.", c->id, NULL);
	follow_shared_init(&s->shared);
	r = loop_timer_new(c->runtime->loop, look_again, s, &s->timer);
	if (r < 0)
		return component_fail(c, r, "cannot make a timer: %s", strerror(-r));
	if (c->runtime->positions != NULL)
		positions_each(c->runtime->positions, note_generation, s);
	take_args(s, args);
	set_forward_to(s, &args->forward_to);
	set_targets(s, &args->targets);
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
	set_targets(s, &args->targets);
}

static void
stop(struct component *c)
{
	struct file_source *s = c->state;

	if (s->component == NULL)
		return;
	lanes_park(c->runtime->lanes);
	for (size_t i = 0; i < s->follows.len; i++)
		follow_free(s->follows.items[i]);
	follow_shared_done(&s->shared);
	lanes_resume(c->runtime->lanes);
	vec_done(&s->follows);
	loop_timer_free(s->timer);
	ledger_close(s->shared.ledger);
	mem_free(s->forward_to.items);
	s->component = NULL;
}

const struct component_type loki_source_file = {
	.name = "loki.source.file",
	.flags = COMPONENT_SOURCE | COMPONENT_FORWARDS,
	.args = source_spec,
	.args_size = sizeof(struct source_args),
	.state_size = sizeof(struct file_source),
	.doc = "Follows files and forwards their lines.",
	.start = start,
	.update = update,
	.stop = stop,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "followed.h"

#include <inttypes.h>

#include "follow.h"
#include "generations.h"
#include "packed.h"
#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/flow/targets.h"
#include "longship/lang/path_targets.h"

#define MANY_FOLLOWS 1000 /* to compare so many with their targets takes memory that is worth giving back */

/* ---- The targets, one after the other ---- */

struct cursor {
	const struct target_list *list;
	struct path_walk *walk; /* of paths */
	size_t group, i;	/* the group and number of the target that came last */
	bool begun;
	struct str_pair *labels; /* of that target, of paths */
};

static void
cursor_begin(struct cursor *c, const struct target_list *list, struct arena *arena)
{
	size_t labels = 0;

	*c = (struct cursor){.list = list};
	if (list->paths == NULL)
		return;
	for (size_t i = 0; i < list->paths->n; i++) {
		if (list->paths->groups[i].labels.n > labels)
			labels = list->paths->groups[i].labels.n;
	}
	c->walk = arena_make(arena, struct path_walk);
	c->labels = arena_array(arena, struct str_pair, labels + 1);
	if (list->paths->n > 0)
		path_walk_begin(c->walk, list->paths->groups[0].paths);
}

/* The target is valid until the next call. */
static bool
cursor_next(struct cursor *c, struct target *ret)
{
	struct str path;

	if (c->list->paths == NULL) {
		c->i += c->begun;
		c->begun = true;
		if (c->i >= c->list->n)
			return false;
		*ret = c->list->items[c->i];
		return true;
	}
	while (c->group < c->list->paths->n && !path_walk_next(c->walk, &path)) {
		if (++c->group < c->list->paths->n)
			path_walk_begin(c->walk, c->list->paths->groups[c->group].paths);
	}
	if (c->group == c->list->paths->n)
		return false;
	ret->labels = c->labels;
	path_group_target(&c->list->paths->groups[c->group], path, ret);
	return true;
}

static struct str
path_of(const struct target *t)
{
	return targets_label(t, STR("__path__"));
}

static bool
has_path(const struct target *t)
{
	struct str path = path_of(t);

	return path.len > 0 && memchr(path.s, '\0', path.len) == NULL;
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

/* ---- Ordinals ---- */

/* The number of the target among those of its path, of which the first has this place in the list; false for a repeated (path, labels). */
static bool
list_ordinal(const struct target_list *targets, size_t first, size_t i, uint32_t *ret)
{
	const struct target *t = &targets->items[i];
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

/* The same of a path in a group. */
static bool
group_ordinal(const struct path_targets *targets, size_t first, size_t group, struct str path, uint32_t *ret)
{
	uint32_t ordinal = 0;

	for (size_t k = first; k < group; k++) {
		if (!path_set_has(targets->groups[k].paths, path))
			continue;
		if (same_public_labels(&targets->groups[k].labels, &targets->groups[group].labels))
			return false;
		ordinal++;
	}
	*ret = ordinal;
	return true;
}

static bool
ordinal_of(const struct cursor *c, const struct target *t, struct map *first_of_path, uint32_t *ret)
{
	size_t place = c->list->paths != NULL ? c->group : c->i, first;

	*ret = 0;
	if (c->list->paths != NULL && c->list->paths->n == 1)
		return true;
	first = (size_t)(uintptr_t)map_get(first_of_path, path_of(t));
	if (first == 0)
		(void)map_set(first_of_path, path_of(t), (void *)(uintptr_t)(place + 1));
	else if (c->list->paths != NULL)
		return group_ordinal(c->list->paths, first - 1, place, path_of(t), ret);
	else
		return list_ordinal(c->list, first - 1, place, ret);
	return true;
}

/* ---- Follows ---- */

struct change { /* of the follows, by one list of targets */
	struct followed *followed;
	const struct target_list *targets;
	struct arena *arena;
	struct map paths; /* that have come or gone, of paths that are compared */
	VEC(struct follow *) fresh; /* to be looked at */
	bool parked;
};

static void
begin_follow(struct change *c, const struct target *t, uint32_t ordinal)
{
	struct follow *f = follow_new(c->followed->shared, t, ordinal);

	vec_push(&c->fresh, f);
}

/* A file whose labels or rules have changed is followed anew from its position: what is unsettled of it has to be given up first, so that no
 * line arrives under both. */
static void
keep_follow(struct change *c, struct follow *f, const struct target *t, uint32_t ordinal)
{
	if (!c->followed->renew && follow_is(f, t, ordinal))
		return;
	if (!c->parked)
		lanes_park(c->followed->shared->component->runtime->lanes);
	c->parked = true;
	begin_follow(c, t, ordinal);
	follow_replace(f, c->fresh.items[c->fresh.len - 1]);
}

static void
match_target(struct change *c, const struct target *t, uint32_t ordinal)
{
	struct follow *f;

	if (!c->followed->renew && packed_is(c->followed->shared, t, ordinal))
		return;
	f = follow_find(c->followed->shared, path_of(t).s, ordinal);
	if (f != NULL)
		keep_follow(c, f, t, ordinal);
	else
		begin_follow(c, t, ordinal);
}

/* ---- All targets ---- */

static struct str
follow_key(struct arena *arena, struct str path, uint32_t ordinal)
{
	return arena_printf(arena, "%" PRIu32 "|%.*s", ordinal, STR_FMT(path));
}

/* Marks what the targets want; the follows that are not marked end. Returns how many targets have no path. */
static size_t
match_all(struct change *c)
{
	struct follow_shared *shared = c->followed->shared;
	struct map first_of_path, wanted;
	size_t without_path = 0, had = shared->follows.len + shared->n_packed;
	struct cursor cursor;
	struct target t;
	uint32_t ordinal;

	map_init(&first_of_path);
	map_init(&wanted);
	cursor_begin(&cursor, c->targets, c->arena);
	while (cursor_next(&cursor, &t)) {
		if (!has_path(&t)) {
			without_path++;
			continue;
		}
		if (!ordinal_of(&cursor, &t, &first_of_path, &ordinal))
			continue;
		match_target(c, &t, ordinal);
		if (had > 0)
			(void)map_set(&wanted, follow_key(c->arena, path_of(&t), ordinal), c);
	}
	if (shared->n_packed > 0)
		unpack_others(shared, &wanted);
	for (size_t i = shared->follows.len; had > 0 && i > 0; i--) {
		struct follow *f = shared->follows.items[i - 1];

		if (!map_has(&wanted, follow_key(c->arena, str_from(f->path), f->ordinal)))
			follow_free(f);
	}
	map_done(&wanted);
	map_done(&first_of_path);
	return without_path;
}

/* ---- Found files that have come or gone ---- */

static bool
note_path(void *ptr, struct str path, bool added)
{
	struct change *c = ptr;

	(void)added;
	(void)map_set(&c->paths, path, c);
	return true;
}

/* The follows of one path. A repeated group has an ordinal and no follow. */
static void
match_path(struct change *c, struct str path)
{
	const struct path_targets *targets = c->targets->paths;
	bool *wanted = arena_array(c->arena, bool, targets->n);
	uint32_t ordinal = 0;
	struct follow *f;

	for (size_t i = 0; i < targets->n; i++) {
		const struct path_group *g = &targets->groups[i];
		struct target t = {.labels = arena_array(c->arena, struct str_pair, g->labels.n + 1)};

		if (!path_set_has(g->paths, path) || !group_ordinal(targets, 0, i, path, &ordinal))
			continue;
		path_group_target(g, path, &t);
		match_target(c, &t, ordinal);
		wanted[ordinal] = true;
	}
	for (size_t i = 0; i < targets->n; i++) {
		if (!wanted[i] && (f = follow_find(c->followed->shared, path.s, (uint32_t)i)) != NULL)
			follow_free(f);
	}
}

static void
match_changed(struct change *c)
{
	const struct path_targets *before = c->followed->targets, *now = c->targets->paths;

	for (size_t i = 0; i < now->n; i++)
		path_set_compare(before->groups[i].paths, now->groups[i].paths, note_path, c);
	for (size_t i = 0; i < map_len(&c->paths); i++)
		match_path(c, str_from(arena_z(c->arena, map_key(&c->paths, i))));
}

/* ---- Both ---- */

/* Of a follow whose file may be open already: then that waits for what was found. */
static bool
recover_one(struct past *past, struct follow *f)
{
	size_t before = f->rotated.len;
	bool all = generations_recover(past, f);

	if (f->current != NULL && f->rotated.len > before)
		tail_follow_on_later(f->current, f->rotated.items[f->rotated.len - 1]);
	return all;
}

static void
recover(struct follow_shared *shared, struct follow *const *follows, size_t n)
{
	struct past past;
	bool due = false;

	past_init(&past, shared);
	for (size_t i = 0; i < n; i++) {
		if (follows[i]->past_due) {
			past_want(&past, follows[i]);
			due = true;
		}
	}
	if (due)
		past_load(&past);
	for (size_t i = 0; due && i < n; i++) {
		struct follow *f = follows[i];

		if (!f->past_due)
			continue;
		f->past_due = !recover_one(&past, f);
		f->missing = true; /* it was not looked at meanwhile */
	}
	past_done(&past);
}

void
followed_recover(struct followed *followed)
{
	const struct follow_shared *shared = followed->shared;
	VEC(struct follow *) due = {0};

	for (size_t i = 0; i < shared->follows.len; i++) {
		if (shared->follows.items[i]->past_due)
			vec_push(&due, shared->follows.items[i]);
	}
	recover(followed->shared, due.items, due.len);
	vec_done(&due);
}

/* A look begins and ends no follow. */
static void
look_at(struct follow_shared *shared, struct follow *const *follows, size_t n)
{
	recover(shared, follows, n);
	for (size_t i = 0; i < n; i++) {
		struct follow *f = follows[i];

		if (f->current == NULL && !f->resting)
			follow_look(f);
		if (f->missing || follow_polled(f))
			shared->look_soon(shared->component);
	}
}

bool
followed_set(struct followed *followed, const struct target_list *targets)
{
	struct follow_shared *shared = followed->shared;
	struct change c = {.followed = followed, .targets = targets, .arena = arena_new(0)};
	bool compared = targets->paths != NULL && followed->targets != NULL && !followed->renew &&
		path_targets_alike(followed->targets, targets->paths);
	size_t without_path = 0;

	map_init(&c.paths);
	shared->keep_taken = true;
	if (compared)
		match_changed(&c);
	else
		without_path = match_all(&c);
	c.fresh.len = compared ? c.fresh.len : 0;
	for (size_t i = 0; !compared && i < shared->follows.len; i++)
		vec_push(&c.fresh, shared->follows.items[i]);
	look_at(shared, c.fresh.items, c.fresh.len); /* which may unpack others */
	shared->keep_taken = false;
	followed->renew = false;
	follow_forget_taken(shared);
	if (c.parked)
		lanes_resume(shared->component->runtime->lanes);
	if (without_path > 0)
		log_error(shared->component->id, "targets without __path__ are not followed", "targets", log_i64((int64_t)without_path), NULL);
	path_targets_unref(followed->targets);
	followed->targets = targets->paths != NULL ? path_targets_ref(targets->paths) : NULL;
	if (c.fresh.len > MANY_FOLLOWS)
		mem_trim();
	vec_done(&c.fresh);
	map_done(&c.paths);
	arena_free(c.arena);
	component_set_health(shared->component, HEALTH_HEALTHY, "%zu targets", shared->follows.len + shared->n_packed);
	return !compared;
}

void
followed_done(struct followed *followed)
{
	struct follow_shared *shared = followed->shared;

	while (shared->follows.len > 0)
		follow_free(shared->follows.items[shared->follows.len - 1]);
	vec_done(&shared->follows);
	path_targets_unref(followed->targets);
	followed->targets = NULL;
}

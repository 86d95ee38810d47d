/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/path_targets.h"

#include "longship/base/check.h"
#include "longship/base/mem.h"

#define LABELS_ARENA_BYTES 512

struct path_targets *
path_targets_new(size_t n)
{
	struct path_targets *t = mem_zalloc(sizeof(*t) + n * sizeof(t->groups[0]));

	t->refs = 1;
	t->arena = arena_new(LABELS_ARENA_BYTES);
	t->n = n;
	return t;
}

struct path_targets *
path_targets_ref(struct path_targets *t)
{
	assert(t->refs > 0);
	t->refs++;
	return t;
}

void
path_targets_unref(struct path_targets *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	for (size_t i = 0; i < t->n; i++)
		path_set_unref(t->groups[i].paths);
	arena_free(t->arena);
	mem_free(t);
}

static void
unref(void *ptr)
{
	path_targets_unref(ptr);
}

void
path_targets_keep(struct path_targets *t, struct arena *arena)
{
	arena_defer(arena, unref, path_targets_ref(t));
}

void
path_targets_set(struct path_targets *t, size_t i, const struct target *labels, struct path_set *paths)
{
	struct path_group *g = &t->groups[i];

	assert(i < t->n && g->paths == NULL);
	g->labels.labels = arena_array(t->arena, struct str_pair, labels->n + 1);
	for (; g->labels.n < labels->n; g->labels.n++)
		g->labels.labels[g->labels.n] = (struct str_pair){arena_str(t->arena, labels->labels[g->labels.n].name),
			arena_str(t->arena, labels->labels[g->labels.n].value)};
	g->paths = paths;
	t->len += path_set_len(paths);
}

struct path_targets *
path_targets_with(const struct path_targets *from, size_t i, struct path_set *paths)
{
	struct path_targets *t = path_targets_new(from->n);

	for (size_t k = 0; k < from->n; k++)
		path_targets_set(t, k, &from->groups[k].labels, k == i ? paths : path_set_ref(from->groups[k].paths));
	return t;
}

static bool
same_labels(const struct target *a, const struct target *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!str_eq(a->labels[i].name, b->labels[i].name) ||
			(!str_is(a->labels[i].name, "__path__") && !str_eq(a->labels[i].value, b->labels[i].value)))
			return false;
	}
	return true;
}

bool
path_targets_alike(const struct path_targets *a, const struct path_targets *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!same_labels(&a->groups[i].labels, &b->groups[i].labels))
			return false;
	}
	return true;
}

bool
path_targets_equal(const struct path_targets *a, const struct path_targets *b)
{
	if (a == b)
		return true;
	if (a->len != b->len || !path_targets_alike(a, b))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!path_set_equal(a->groups[i].paths, b->groups[i].paths))
			return false;
	}
	return true;
}

void
path_group_target(const struct path_group *g, struct str path, struct target *ret)
{
	ret->n = g->labels.n;
	for (size_t i = 0; i < ret->n; i++) {
		ret->labels[i] = g->labels.labels[i];
		if (str_is(ret->labels[i].name, "__path__"))
			ret->labels[i].value = path;
	}
}

static struct value
expand_one(struct arena *arena, const struct path_group *g, const struct value *values, struct str path)
{
	struct value target = {.kind = VALUE_TARGET};
	struct field *fields = arena_array(arena, struct field, g->labels.n);
	struct value *at = arena_make(arena, struct value);

	*at = value_string(arena_str(arena, path));
	for (size_t i = 0; i < g->labels.n; i++)
		fields[i] = (struct field){g->labels.labels[i].name, str_is(g->labels.labels[i].name, "__path__") ? at : &values[i]};
	target.object.fields = fields;
	target.object.n = g->labels.n;
	return target;
}

/* Values of labels are shared by all targets of a group. */
struct value
path_targets_expand(struct arena *arena, const struct path_targets *t)
{
	struct value *items = arena_array(arena, struct value, t->len + 1);
	struct path_walk *w = mem_new(struct path_walk);
	size_t n = 0;

	path_targets_keep((struct path_targets *)t, arena);
	for (size_t i = 0; i < t->n; i++) {
		const struct path_group *g = &t->groups[i];
		struct value *values = arena_array(arena, struct value, g->labels.n + 1);
		struct str path;

		for (size_t k = 0; k < g->labels.n; k++)
			values[k] = value_string(g->labels.labels[k].value);
		path_walk_begin(w, g->paths);
		while (path_walk_next(w, &path))
			items[n++] = expand_one(arena, g, values, path);
	}
	mem_free(w);
	assert(n == t->len);
	return (struct value){.kind = VALUE_ARRAY, .array = {items, n}};
}

struct target_list
path_targets_list(struct arena *arena, const struct target_list *list)
{
	struct target_list items = {.items = arena_array(arena, struct target, list->n + 1)};
	struct path_walk *w;

	if (list->paths == NULL)
		return *list;
	w = arena_make(arena, struct path_walk);
	path_targets_keep(list->paths, arena);
	for (size_t i = 0; i < list->paths->n; i++) {
		const struct path_group *g = &list->paths->groups[i];
		struct str path;

		path_walk_begin(w, g->paths);
		while (path_walk_next(w, &path)) {
			items.items[items.n].labels = arena_array(arena, struct str_pair, g->labels.n + 1);
			path_group_target(g, arena_str(arena, path), &items.items[items.n++]);
		}
	}
	return items;
}

struct value
path_targets_expanded(struct arena *arena, const struct value *v)
{
	struct value_object_builder builder = {.arena = arena};
	bool some = false;

	if (v->kind == VALUE_PATHS)
		return path_targets_expand(arena, v->paths);
	for (size_t i = 0; v->kind == VALUE_OBJECT && i < v->object.n; i++)
		some |= v->object.fields[i].value->kind == VALUE_PATHS;
	if (!some)
		return *v;
	for (size_t i = 0; i < v->object.n; i++)
		value_object_add(&builder, v->object.fields[i].name, path_targets_expanded(arena, v->object.fields[i].value));
	return value_object_end(&builder);
}

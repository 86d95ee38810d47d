/* SPDX-License-Identifier: Apache-2.0 */
#include "shared_labels.h"

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"

#define SET_ARENA_BYTES 512

static bool
is_path(struct str name)
{
	return str_is(name, "__path__");
}

/* Lengths before texts, so that no two sets have one key. */
static void
put_key(struct buf *key, const struct target *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct str_pair *l = &t->labels[i];

		if (is_path(l->name))
			continue;
		buf_append(key, (const char *)&l->name.len, sizeof(l->name.len));
		buf_str(key, l->name);
		buf_append(key, (const char *)&l->value.len, sizeof(l->value.len));
		buf_str(key, l->value);
	}
}

static struct shared_labels *
set_new(const struct target *t)
{
	struct shared_labels *set = mem_new(struct shared_labels);

	set->arena = arena_new(SET_ARENA_BYTES);
	set->labels.labels = arena_array(set->arena, struct str_pair, t->n + 1);
	for (size_t i = 0; i < t->n; i++) {
		if (!is_path(t->labels[i].name))
			set->labels.labels[set->labels.n++] = (struct str_pair){
				arena_str(set->arena, t->labels[i].name), arena_str(set->arena, t->labels[i].value)};
	}
	return set;
}

struct shared_labels *
shared_labels_get(struct map *sets, const struct target *t)
{
	struct shared_labels *set;
	struct buf key;

	buf_init(&key, SIZE_MAX / 2);
	put_key(&key, t);
	set = map_get(sets, buf_view(&key));
	if (set == NULL) {
		set = set_new(t);
		(void)map_set(sets, buf_view(&key), set);
	}
	buf_done(&key);
	set->refs++;
	return set;
}

void
shared_labels_unref(struct map *sets, struct shared_labels *set)
{
	struct buf key;

	assert(set->refs > 0);
	if (--set->refs > 0)
		return;
	buf_init(&key, SIZE_MAX / 2);
	put_key(&key, &set->labels);
	(void)map_remove(sets, buf_view(&key));
	buf_done(&key);
	arena_free(set->arena);
	mem_free(set);
}

bool
shared_labels_are_of(const struct shared_labels *set, const struct target *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct str_pair *l = &t->labels[i], *own = &set->labels.labels[n];

		if (is_path(l->name))
			continue;
		if (n == set->labels.n || !str_eq(own->name, l->name) || !str_eq(own->value, l->value))
			return false;
		n++;
	}
	return n == set->labels.n;
}

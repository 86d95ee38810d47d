/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A hash map from byte strings to pointers. Keys are copied. Iteration goes in order of insertion
 * (a removed key leaves no hole in the order). One thread at a time.
 *
 *	struct map m;
 *	map_init(&m);
 *	map_set(&m, STR("a"), thing);
 *	for (size_t i = 0; i < map_len(&m); i++) use(map_key(&m, i), map_value(&m, i));
 *	map_done(&m);
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/str.h"

struct map_entry {
	char *key;
	size_t key_len;
	uint64_t hash;
	void *value;
};

struct map {
	struct map_entry *entries; /* in order of insertion, until one is removed */
	size_t len, cap;
	uint32_t *slots; /* index + 1 into entries, 0 = free; slots_len is a power of two */
	size_t slots_len;
};

void map_init(struct map *);
void map_done(struct map *); /* frees the keys, not the values */
void *map_get(const struct map *, struct str key); /* NULL when absent */
bool map_has(const struct map *, struct str key);
/* Returns the value that stood there before, or NULL. */
void *map_set(struct map *, struct str key, void *value);
/* Returns the removed value, or NULL. The last entry takes the place of the removed one. */
void *map_remove(struct map *, struct str key);
static inline size_t
map_len(const struct map *m)
{
	return m->len;
}
static inline struct str
map_key(const struct map *m, size_t i)
{
	return (struct str){m->entries[i].key, m->entries[i].key_len};
}
static inline void *
map_value(const struct map *m, size_t i)
{
	return m->entries[i].value;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/map.h"

#include "longship/base/check.h"
#include "longship/base/hash.h"
#include "longship/base/mem.h"

void
map_init(struct map *m)
{
	*m = (struct map){0};
}

void
map_done(struct map *m)
{
	for (size_t i = 0; i < m->len; i++)
		mem_free(m->entries[i].key);
	mem_free(m->entries);
	mem_free(m->slots);
	*m = (struct map){0};
}

/* The slot of a key, or the free slot where it would go. */
static size_t
find_slot(const struct map *m, struct str key, uint64_t hash)
{
	size_t mask = m->slots_len - 1;
	size_t at = (size_t)hash & mask;

	for (; m->slots[at] != 0; at = (at + 1) & mask) {
		const struct map_entry *e = &m->entries[m->slots[at] - 1];

		if (e->hash == hash && str_eq((struct str){e->key, e->key_len}, key))
			break;
	}
	return at;
}

static void
rehash(struct map *m, size_t slots_len)
{
	mem_free(m->slots);
	m->slots = mem_zalloc(slots_len * sizeof(*m->slots));
	m->slots_len = slots_len;
	for (size_t i = 0; i < m->len; i++) {
		size_t at = (size_t)m->entries[i].hash & (slots_len - 1);

		while (m->slots[at] != 0)
			at = (at + 1) & (slots_len - 1);
		m->slots[at] = (uint32_t)(i + 1);
	}
}

void *
map_get(const struct map *m, struct str key)
{
	uint32_t slot;

	if (m->len == 0)
		return NULL;
	slot = m->slots[find_slot(m, key, hash_str(key))];
	return slot != 0 ? m->entries[slot - 1].value : NULL;
}

bool
map_has(const struct map *m, struct str key)
{
	return m->len > 0 && m->slots[find_slot(m, key, hash_str(key))] != 0;
}

void *
map_set(struct map *m, struct str key, void *value)
{
	uint64_t hash = hash_str(key);
	size_t at;
	void *old;

	if ((m->len + 1) * 4 > m->slots_len * 3)
		rehash(m, m->slots_len > 0 ? m->slots_len * 2 : 16);
	at = find_slot(m, key, hash);
	if (m->slots[at] != 0) {
		old = m->entries[m->slots[at] - 1].value;
		m->entries[m->slots[at] - 1].value = value;
		return old;
	}
	if (m->len == m->cap) {
		m->cap = m->cap > 0 ? m->cap * 2 : 8;
		m->entries = mem_realloc(m->entries, m->cap * sizeof(*m->entries));
	}
	m->entries[m->len] = (struct map_entry){mem_alloc(key.len), key.len, hash, value};
	if (key.len > 0)
		memcpy(m->entries[m->len].key, key.s, key.len);
	m->len++;
	m->slots[at] = (uint32_t)m->len;
	return NULL;
}

/* Frees a slot and closes the gap, so that no tombstones gather. */
static void
free_slot(struct map *m, size_t gap)
{
	size_t mask = m->slots_len - 1;

	for (size_t at = (gap + 1) & mask; m->slots[at] != 0; at = (at + 1) & mask) {
		size_t home = (size_t)m->entries[m->slots[at] - 1].hash & mask;

		if (((at - home) & mask) >= ((at - gap) & mask)) {
			m->slots[gap] = m->slots[at];
			gap = at;
		}
	}
	m->slots[gap] = 0;
}

void *
map_remove(struct map *m, struct str key)
{
	size_t at, i;
	void *old;

	if (m->len == 0)
		return NULL;
	at = find_slot(m, key, hash_str(key));
	if (m->slots[at] == 0)
		return NULL;
	i = m->slots[at] - 1;
	free_slot(m, at);
	old = m->entries[i].value;
	mem_free(m->entries[i].key);
	m->len--;
	if (i < m->len) {
		const struct map_entry *last = &m->entries[m->len];

		m->slots[find_slot(m, (struct str){last->key, last->key_len}, last->hash)] = (uint32_t)i + 1;
		m->entries[i] = *last;
	}
	return old;
}

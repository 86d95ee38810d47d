/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/memory.h"

#include <string.h>

#include "longship/base/mem.h"

/* Moves slot i to the front. */
static void
touch(struct memory *m, size_t i)
{
	struct memory_slot slot = m->slots[i];

	memmove(&m->slots[1], &m->slots[0], i * sizeof(slot));
	m->slots[0] = slot;
}

bool
memory_get(struct memory *m, uint64_t key, int64_t *ret)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->slots[i].key == key) {
			touch(m, i);
			*ret = m->slots[0].value;
			return true;
		}
	}
	return false;
}

void
memory_set(struct memory *m, uint64_t key, int64_t value)
{
	size_t i = 0;

	while (i < m->n && m->slots[i].key != key)
		i++;
	if (i == m->n) {
		if (m->n < MEMORY_SLOTS_MAX)
			m->n++;
		else
			i = m->n - 1;
		m->slots[i].key = key;
	}
	touch(m, i);
	m->slots[0].value = value;
}

void
memory_copy(struct memory *to, const struct memory *from)
{
	to->n = from != NULL ? from->n : 0;
	if (to->n > 0)
		memcpy(to->slots, from->slots, to->n * sizeof(to->slots[0]));
}

size_t
memory_bytes(const struct memory *kept)
{
	return kept != NULL ? offsetof(struct memory, slots) + kept->n * sizeof(kept->slots[0]) : 0;
}

struct memory *
memory_keep(const struct memory *m)
{
	struct memory *kept;

	if (m == NULL || m->n == 0)
		return NULL;
	kept = mem_alloc(memory_bytes(m));
	memory_copy(kept, m);
	return kept;
}

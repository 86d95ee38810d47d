/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/columns.h"

static void
done_numbers(void *ptr)
{
	map_done(ptr);
}

void
columns_init(struct columns *c, struct arena *arena)
{
	*c = (struct columns){.arena = arena};
	map_init(&c->numbers);
	arena_defer(arena, done_numbers, &c->numbers);
}

size_t
columns_number(struct columns *c, struct str name)
{
	size_t number = columns_find(c, name);

	if (number != SIZE_MAX)
		return number;
	if (c->n == c->cap) {
		struct str *names;

		c->cap = c->cap > 0 ? c->cap * 2 : 16;
		names = arena_array(c->arena, struct str, c->cap);
		if (c->n > 0)
			memcpy(names, c->names, c->n * sizeof(*names));
		c->names = names;
	}
	c->names[c->n] = arena_str(c->arena, name);
	(void)map_set(&c->numbers, name, (void *)(uintptr_t)(c->n + 1));
	return c->n++;
}

size_t
columns_find(const struct columns *c, struct str name)
{
	uintptr_t number = (uintptr_t)map_get(&c->numbers, name);

	return number > 0 ? (size_t)number - 1 : SIZE_MAX;
}

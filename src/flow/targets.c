/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/targets.h"

#include <stdlib.h>

#include "longship/flow/labels.h"

struct value
targets_value(struct arena *arena, const struct target_list *list)
{
	struct value *items = arena_array(arena, struct value, list->n + 1);

	for (size_t i = 0; i < list->n; i++) {
		const struct target *target = &list->items[i];
		struct value_object_builder builder = {.arena = arena};

		for (size_t l = 0; l < target->n; l++)
			value_object_add(&builder, target->labels[l].name, value_string(target->labels[l].value));
		items[i] = value_object_end(&builder);
		items[i].kind = VALUE_TARGET;
	}
	return (struct value){.kind = VALUE_ARRAY, .array = {items, list->n}};
}

struct value
targets_none(void)
{
	return (struct value){.kind = VALUE_ARRAY};
}

struct str
targets_label(const struct target *target, struct str name)
{
	for (size_t i = 0; i < target->n; i++)
		if (str_eq(target->labels[i].name, name))
			return target->labels[i].value;
	return STR_EMPTY;
}

static int
by_name(const void *a, const void *b)
{
	return str_cmp(((const struct str_pair *)a)->name, ((const struct str_pair *)b)->name);
}

struct target
targets_from_labels(struct arena *arena, const struct labels_builder *builder)
{
	struct target target = {.labels = arena_array(arena, struct str_pair, builder->n + 1)};

	for (size_t i = 0; i < builder->n; i++)
		if (builder->items[i].value.len > 0)
			target.labels[target.n++] = (struct str_pair){builder->items[i].name, builder->items[i].value};
	qsort(target.labels, target.n, sizeof(target.labels[0]), by_name);
	return target;
}

bool
targets_to_labels(const struct target *target, struct labels_builder *ret)
{
	bool all = true;

	ret->n = 0;
	for (size_t i = 0; i < target->n; i++)
		all &= labels_builder_set(ret, target->labels[i].name, target->labels[i].value);
	return all;
}

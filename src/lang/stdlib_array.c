/* SPDX-License-Identifier: Apache-2.0 */
#include "stdlib_priv.h"

#include "longship/base/limits.h"
#include "longship/base/map.h"

/* Arrays of values: joining, crossing and grouping them. Results share the items of their arguments. */

/* Pairs that one combine_maps may compare: 3,000 targets with 3,000 others. */
#define PAIRS_MAX 10000000u

static bool
is_array(const struct value *v)
{
	return v->kind == VALUE_ARRAY || v->kind == VALUE_BYTES;
}

static size_t
array_len(const struct value *v)
{
	return v->kind == VALUE_BYTES ? v->text.len : v->array.n;
}

static struct value
array_item(const struct value *v, size_t i)
{
	if (v->kind == VALUE_BYTES)
		return value_int((unsigned char)v->text.s[i]);
	return v->array.items[i];
}

static bool
is_object(const struct value *v)
{
	return v->kind == VALUE_OBJECT || v->kind == VALUE_TARGET;
}

static bool
array_concat(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	size_t total = 0, at = 0;
	struct value *items;

	for (size_t i = 0; i < n; i++) {
		if (!is_array(&args[i]))
			return stdlib_type_error(call, (int)i, args, NULL, "array");
		total += array_len(&args[i]);
	}
	if (n == 1) {
		*ret = args[0];
		return true;
	}
	if (!stdlib_room(call, total * sizeof(*items)))
		return false;
	items = arena_array(call->arena, struct value, total);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < array_len(&args[i]); j++)
			items[at++] = array_item(&args[i], j);
	}
	*ret = (struct value){.kind = VALUE_ARRAY, .array = {items, total}};
	return true;
}

/* True when every key is in both and holds the same. */
static bool
keys_match(const struct value *left, const struct value *right, const struct value *keys)
{
	for (size_t i = 0; i < keys->array.n; i++) {
		const struct value *l = value_get(left, keys->array.items[i].text);
		const struct value *r = value_get(right, keys->array.items[i].text);

		if (l == NULL || r == NULL || !value_equal(l, r))
			return false;
	}
	return true;
}

static struct value
merge(struct arena *arena, const struct value *left, const struct value *right)
{
	struct value_object_builder b = {.arena = arena};

	for (size_t i = 0; i < left->object.n; i++)
		value_object_add(&b, left->object.fields[i].name, *left->object.fields[i].value);
	for (size_t i = 0; i < right->object.n; i++)
		value_object_add(&b, right->object.fields[i].name, *right->object.fields[i].value);
	return value_object_end(&b);
}

static bool
check_combine_maps(struct function_call *call, const struct value *args, size_t n)
{
	if (n != 3 && n != 4)
		return function_fail(call, -1, "combine_maps: expected 3 or 4 arguments, got %zu", n);
	for (int i = 0; i < 2; i++) {
		if (!is_array(&args[i]))
			return stdlib_type_error(call, i, args, NULL, "array");
		for (size_t j = 0; j < array_len(&args[i]); j++) {
			if (args[i].kind == VALUE_BYTES)
				return function_fail(call, i, "should hold objects, got numbers");
			if (!is_object(&args[i].array.items[j]))
				return stdlib_type_error(call, i, args, &args[i].array.items[j], "object");
		}
	}
	if (args[2].kind != VALUE_ARRAY)
		return stdlib_type_error(call, 2, args, NULL, "array");
	if (args[2].array.n == 0)
		return function_fail(call, 2, "combine_maps: merge conditions must not be empty");
	for (size_t i = 0; i < args[2].array.n; i++) {
		if (args[2].array.items[i].kind != VALUE_STRING)
			return stdlib_type_error(call, 2, args, &args[2].array.items[i], "string");
	}
	if (n == 4 && args[3].kind != VALUE_BOOL)
		return stdlib_type_error(call, 3, args, NULL, "bool");
	if (array_len(&args[0]) > 0 && array_len(&args[1]) > PAIRS_MAX / array_len(&args[0]))
		return function_fail(call, -1, "combine_maps: more than %u pairs to compare", PAIRS_MAX);
	return true;
}

/* As in Alloy keep_left adds the left item once for every right one that does not match it. */
static bool
array_combine_maps(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	bool keep_left = n == 4 && args[3].kind == VALUE_BOOL && args[3].boolean;
	struct value *items = NULL;
	size_t len = 0, cap = 0;

	if (!check_combine_maps(call, args, n))
		return false;
	for (size_t i = 0; i < array_len(&args[0]); i++) {
		for (size_t j = 0; j < array_len(&args[1]); j++) {
			const struct value *left = &args[0].array.items[i], *right = &args[1].array.items[j];
			bool match = keys_match(left, right, &args[2]);

			if (!match && !keep_left)
				continue;
			if (len == cap) {
				size_t more = cap > 0 ? cap * 2 : 16;
				struct value *grown;

				if (!stdlib_room(call, more * sizeof(*items)))
					return false;
				grown = arena_array(call->arena, struct value, more);
				if (len > 0)
					memcpy(grown, items, len * sizeof(*items));
				items = grown;
				cap = more;
			}
			items[len++] = match ? merge(call->arena, left, right) : *left;
			if (match && !stdlib_room(call, 0))
				return false;
		}
	}
	*ret = (struct value){.kind = VALUE_ARRAY, .array = {items, len}};
	return true;
}

struct group {
	struct str key;
	size_t n, at;
	struct value *items;
};

static bool
check_group_by(struct function_call *call, const struct value *args, size_t n)
{
	if (n != 3)
		return function_fail(call, -1, "group_by: expected 3 arguments, got %zu", n);
	if (!is_array(&args[0]))
		return stdlib_type_error(call, 0, args, NULL, "array");
	if (args[0].kind == VALUE_BYTES && args[0].text.len > 0)
		return function_fail(call, 0, "should hold objects, got numbers");
	if (args[1].kind != VALUE_STRING)
		return stdlib_type_error(call, 1, args, NULL, "string");
	if (args[2].kind != VALUE_BOOL)
		return stdlib_type_error(call, 2, args, NULL, "bool");
	for (size_t i = 0; i < array_len(&args[0]); i++) {
		const struct value *item = &args[0].array.items[i], *key;

		if (!is_object(item))
			return stdlib_type_error(call, 0, args, item, "object");
		key = value_get(item, args[1].text);
		if (key != NULL && key->kind != VALUE_STRING)
			return stdlib_type_error(call, 0, args, key, "string");
	}
	return true;
}

static struct value
group_object(struct arena *arena, struct str key, const struct group *group)
{
	struct value_object_builder b = {.arena = arena};

	value_object_add(&b, key, value_string(group->key));
	value_object_add(&b, STR("items"), (struct value){.kind = VALUE_ARRAY, .array = {group->items, group->n}});
	return value_object_end(&b);
}

/* Where the item belongs; false when it is to be dropped. */
static bool
group_key(const struct value *item, const struct value *args, struct str *ret)
{
	const struct value *key = value_get(item, args[1].text);

	*ret = key != NULL ? key->text : STR_EMPTY;
	return key != NULL || !args[2].boolean;
}

/* Groups come in the order in which their first items do. */
static bool
array_group_by(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	size_t n_items;
	struct value *result;
	struct map groups;
	struct str key;

	if (!check_group_by(call, args, n))
		return false;
	n_items = array_len(&args[0]);
	map_init(&groups);
	for (size_t i = 0; i < n_items; i++) {
		struct group *group;

		if (!group_key(&args[0].array.items[i], args, &key))
			continue;
		group = map_get(&groups, key);
		if (group == NULL) {
			group = arena_make(call->arena, struct group);
			group->key = key;
			map_set(&groups, key, group);
		}
		group->n++;
	}
	for (size_t i = 0; i < n_items; i++) {
		struct group *group;

		if (!group_key(&args[0].array.items[i], args, &key))
			continue;
		group = map_get(&groups, key);
		if (group->items == NULL)
			group->items = arena_array(call->arena, struct value, group->n);
		group->items[group->at++] = args[0].array.items[i];
	}
	result = arena_array(call->arena, struct value, map_len(&groups));
	for (size_t i = 0; i < map_len(&groups); i++)
		result[i] = group_object(call->arena, args[1].text, map_value(&groups, i));
	*ret = (struct value){.kind = VALUE_ARRAY, .array = {result, map_len(&groups)}};
	map_done(&groups);
	return true;
}

const struct function stdlib_array_functions[] = {
	{.name = "array.concat",
		.args_max = FUNCTION_ARGS_ANY,
		.params = {PARAM_ANY},
		.call = array_concat,
		.doc = "Joins arrays into one."},
	{.name = "concat",
		.replaced_by = "array.concat",
		.args_max = FUNCTION_ARGS_ANY,
		.params = {PARAM_ANY},
		.call = array_concat,
		.doc = "Former name of array.concat."},
	/* Their number of arguments is theirs to check: Alloy words it differently here. */
	{.name = "array.combine_maps",
		.experimental = true,
		.args_max = FUNCTION_ARGS_ANY,
		.params = {PARAM_ANY},
		.call = array_combine_maps,
		.doc = "Merges the objects of two arrays that agree in the given keys."},
	{.name = "array.group_by",
		.experimental = true,
		.args_max = FUNCTION_ARGS_ANY,
		.params = {PARAM_ANY},
		.call = array_group_by,
		.doc = "Groups the objects of an array by the text under a key."},
	{0},
};

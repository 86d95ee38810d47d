/* SPDX-License-Identifier: Apache-2.0 */
#include "jmespath_priv.h"

#include <math.h>

#include "longship/base/check.h"

/* The functions on numbers, arrays and objects, and the table of all. Objects keep the order of their members. */

enum {
	T_NUMBER = 1 << JMESPATH_NUMBER,
	T_STRING = 1 << JMESPATH_STRING,
	T_ARRAY = 1 << JMESPATH_ARRAY,
	T_OBJECT = 1 << JMESPATH_OBJECT,
	T_EXPREF = 1 << JMESPATH_EXPREF,
	T_ANY = (1 << (JMESPATH_EXPREF + 1)) - 1,
	T_NUMBERS = 1 << (JMESPATH_EXPREF + 1), /* an array of */
	T_STRINGS = 1 << (JMESPATH_EXPREF + 2),
};

/* ---- numbers ---- */

static bool
call_abs(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)run;
	(void)n;
	*ret = jmespath_value_number(fabs(args[0].number));
	return true;
}

static bool
call_ceil(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)run;
	(void)n;
	*ret = jmespath_value_number(ceil(args[0].number));
	return true;
}

static bool
call_floor(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)run;
	(void)n;
	*ret = jmespath_value_number(floor(args[0].number));
	return true;
}

static bool
call_sum(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	double sum = 0;

	(void)run;
	(void)n;
	for (size_t i = 0; i < args[0].array.n; i++)
		sum += args[0].array.items[i].number;
	*ret = jmespath_value_number(sum);
	return true;
}

static bool
call_avg(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	*ret = (struct jmespath_value){0};
	if (args[0].array.n == 0)
		return true;
	(void)call_sum(run, args, n, ret);
	ret->number /= (double)args[0].array.n;
	return true;
}

/* ---- order ---- */

/* Numbers or strings. */
static bool
is_less(const struct jmespath_value *a, const struct jmespath_value *b)
{
	return a->kind == JMESPATH_NUMBER ? a->number < b->number : str_cmp(a->text, b->text) < 0;
}

/* The best of the keys; the first of equal ones. */
static size_t
best_of(const struct jmespath_value *keys, size_t n, bool greatest)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++) {
		if (greatest ? is_less(&keys[best], &keys[i]) : is_less(&keys[i], &keys[best]))
			best = i;
	}
	return best;
}

static bool
best_item(const struct jmespath_value *args, bool greatest, struct jmespath_value *ret)
{
	*ret = (struct jmespath_value){0};
	if (args[0].array.n > 0)
		*ret = args[0].array.items[best_of(args[0].array.items, args[0].array.n, greatest)];
	return true;
}

static bool
call_max(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)run;
	(void)n;
	return best_item(args, true, ret);
}

static bool
call_min(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)run;
	(void)n;
	return best_item(args, false, ret);
}

/* What the reference gives for each item: all numbers or all strings. NULL: an error. */
static struct jmespath_value *
keys_of(struct jmespath_run *run, const struct jmespath_value *array, const struct jmespath_value *expref)
{
	struct jmespath_value *keys = jmespath_eval_alloc(run, array->array.n, sizeof(*keys));

	for (size_t i = 0; i < array->array.n && keys != NULL; i++) {
		if (!jmespath_eval(run, expref->expref, &array->array.items[i], &keys[i]))
			return NULL;
		if ((keys[i].kind != JMESPATH_NUMBER && keys[i].kind != JMESPATH_STRING) ||
			keys[i].kind != keys[0].kind)
			return NULL;
	}
	return keys;
}

static bool
best_by(struct jmespath_run *run, const struct jmespath_value *args, bool greatest, struct jmespath_value *ret)
{
	const struct jmespath_value *keys;

	if (args[0].array.n < 2) { /* go-jmespath does not look at the key of a single item */
		*ret = args[0].array.n == 1 ? args[0].array.items[0] : (struct jmespath_value){0};
		return true;
	}
	keys = keys_of(run, &args[0], &args[1]);
	if (keys == NULL)
		return false;
	*ret = args[0].array.items[best_of(keys, args[0].array.n, greatest)];
	return true;
}

static bool
call_max_by(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	return best_by(run, args, true, ret);
}

static bool
call_min_by(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	return best_by(run, args, false, ret);
}

static bool
key_less(const void *ptr, size_t a, size_t b)
{
	const struct jmespath_value *keys = ptr;

	/* NaN comes first. */
	if (keys[a].kind == JMESPATH_NUMBER && isnan(keys[a].number))
		return !isnan(keys[b].number);
	return is_less(&keys[a], &keys[b]);
}

static bool
sort_items(struct jmespath_run *run, const struct jmespath_value *array, const struct jmespath_value *keys,
	struct jmespath_value *ret)
{
	size_t n = array->array.n;
	uint32_t *order = jmespath_eval_alloc(run, n, sizeof(*order));
	struct jmespath_value *items = jmespath_eval_alloc(run, n, sizeof(*items));

	if (order == NULL || items == NULL || !jmespath_value_order(run, n, order, key_less, keys))
		return false;
	for (size_t i = 0; i < n; i++)
		items[i] = array->array.items[order[i]];
	*ret = jmespath_value_array(items, n);
	return true;
}

static bool
call_sort(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	return sort_items(run, &args[0], args[0].array.items, ret);
}

static bool
call_sort_by(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	const struct jmespath_value *keys;

	(void)n;
	*ret = args[0];
	if (args[0].array.n < 2)
		return true;
	keys = keys_of(run, &args[0], &args[1]);
	return keys != NULL && sort_items(run, &args[0], keys, ret);
}

/* ---- arrays ---- */

static bool
call_contains(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	bool found = false;

	if (args[0].kind == JMESPATH_STRING)
		return jmespath_string_contains(run, args, n, ret);
	for (size_t i = 0; i < args[0].array.n && !found; i++)
		found = jmespath_value_equal(run, &args[1], &args[0].array.items[i]);
	*ret = jmespath_value_bool(found);
	return !run->exhausted;
}

static bool
call_length(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	size_t length = args[0].kind == JMESPATH_ARRAY	  ? args[0].array.n
			: args[0].kind == JMESPATH_OBJECT ? args[0].object.n
							  : jmespath_string_length(args[0].text);

	(void)n;
	*ret = jmespath_value_number((double)length);
	return args[0].kind != JMESPATH_STRING || jmespath_eval_steps(run, args[0].text.len / 16);
}

static bool
call_map(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	struct jmespath_value *items = jmespath_eval_alloc(run, args[1].array.n, sizeof(*items));

	(void)n;
	if (items == NULL)
		return false;
	for (size_t i = 0; i < args[1].array.n; i++) {
		if (!jmespath_eval(run, args[0].expref, &args[1].array.items[i], &items[i]))
			return false;
	}
	*ret = jmespath_value_array(items, args[1].array.n);
	return true;
}

static bool
call_reverse(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	size_t length = args[0].array.n;
	struct jmespath_value *items;

	(void)n;
	if (args[0].kind == JMESPATH_STRING)
		return jmespath_string_reverse(run, args[0].text, ret);
	items = jmespath_eval_alloc(run, length, sizeof(*items));
	if (items == NULL || !jmespath_eval_steps(run, length / 16))
		return false;
	for (size_t i = 0; i < length; i++)
		items[i] = args[0].array.items[length - 1 - i];
	*ret = jmespath_value_array(items, length);
	return true;
}

static bool
call_to_array(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)run;
	(void)n;
	*ret = args[0].kind == JMESPATH_ARRAY ? args[0] : jmespath_value_array(args, 1);
	return true;
}

static bool
call_zip(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	struct jmespath_value *rows, *items;
	size_t length = args[0].array.n;

	for (size_t i = 1; i < n; i++)
		length = args[i].array.n < length ? args[i].array.n : length;
	rows = jmespath_eval_alloc(run, length, sizeof(*rows));
	items = jmespath_eval_alloc(run, length, n * sizeof(*items));
	if (rows == NULL || items == NULL || !jmespath_eval_steps(run, length * n / 16))
		return false;
	for (size_t i = 0; i < length; i++) {
		for (size_t k = 0; k < n; k++)
			items[i * n + k] = args[k].array.items[i];
		rows[i] = jmespath_value_array(&items[i * n], n);
	}
	*ret = jmespath_value_array(rows, length);
	return true;
}

/* ---- objects ---- */

static bool
call_keys(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	struct jmespath_value *items = jmespath_eval_alloc(run, args[0].object.n, sizeof(*items));

	(void)n;
	for (size_t i = 0; i < args[0].object.n && items != NULL; i++)
		items[i] = jmespath_value_string(args[0].object.members[i].name);
	*ret = jmespath_value_array(items, args[0].object.n);
	return items != NULL;
}

static bool
call_values(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	struct jmespath_value *items = jmespath_eval_alloc(run, args[0].object.n, sizeof(*items));

	(void)n;
	for (size_t i = 0; i < args[0].object.n && items != NULL; i++)
		items[i] = args[0].object.members[i].value;
	*ret = jmespath_value_array(items, args[0].object.n);
	return items != NULL;
}

static bool
call_items(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	struct jmespath_value *rows = jmespath_eval_alloc(run, args[0].object.n, sizeof(*rows));
	struct jmespath_value *pairs = jmespath_eval_alloc(run, args[0].object.n, 2 * sizeof(*pairs));

	(void)n;
	if (rows == NULL || pairs == NULL)
		return false;
	for (size_t i = 0; i < args[0].object.n; i++) {
		pairs[2 * i] = jmespath_value_string(args[0].object.members[i].name);
		pairs[2 * i + 1] = args[0].object.members[i].value;
		rows[i] = jmespath_value_array(&pairs[2 * i], 2);
	}
	*ret = jmespath_value_array(rows, args[0].object.n);
	return true;
}

static bool
make_object(struct jmespath_run *run, struct jmespath_member *members, size_t n, struct jmespath_value *ret)
{
	if (!jmespath_value_unique(run, members, &n) || !jmespath_eval_steps(run, n / 4))
		return false;
	*ret = jmespath_value_object(members, n);
	return true;
}

static bool
call_from_items(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	struct jmespath_member *members = jmespath_eval_alloc(run, args[0].array.n, sizeof(*members));

	(void)n;
	for (size_t i = 0; i < args[0].array.n && members != NULL; i++) {
		const struct jmespath_value *pair = &args[0].array.items[i];

		if (pair->kind != JMESPATH_ARRAY || pair->array.n != 2 || pair->array.items[0].kind != JMESPATH_STRING)
			return false;
		members[i] = (struct jmespath_member){pair->array.items[0].text, pair->array.items[1]};
	}
	return members != NULL && make_object(run, members, args[0].array.n, ret);
}

static bool
call_merge(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	struct jmespath_member *members;
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += args[i].object.n;
	members = jmespath_eval_alloc(run, total, sizeof(*members));
	if (members == NULL)
		return false;
	total = 0;
	for (size_t i = 0; i < n; i++) {
		if (args[i].object.n > 0)
			memcpy(members + total, args[i].object.members, args[i].object.n * sizeof(*members));
		total += args[i].object.n;
	}
	return make_object(run, members, total, ret);
}

/* Items in the order of their keys: those of one key stand together, as before among themselves. */
static bool
group(struct jmespath_run *run, const struct jmespath_value *array, const struct jmespath_value *keys,
	struct jmespath_value *ret)
{
	struct jmespath_member *members = jmespath_eval_alloc(run, array->array.n, sizeof(*members));
	uint32_t *order = jmespath_eval_alloc(run, array->array.n, sizeof(*order));
	struct jmespath_value *items = jmespath_eval_alloc(run, array->array.n, sizeof(*items));
	size_t n = 0;

	if (members == NULL || order == NULL || items == NULL ||
		!jmespath_value_order(run, array->array.n, order, key_less, keys))
		return false;
	for (size_t i = 0; i < array->array.n; i++) {
		struct str key = keys[order[i]].text;

		items[i] = array->array.items[order[i]];
		if (n == 0 || !str_eq(members[n - 1].name, key))
			members[n++] = (struct jmespath_member){key, jmespath_value_array(&items[i], 0)};
		members[n - 1].value.array.n++;
	}
	*ret = jmespath_value_object(members, n);
	return true;
}

static bool
call_group_by(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	const struct jmespath_value *keys;

	(void)n;
	*ret = (struct jmespath_value){0};
	if (args[0].array.n == 0)
		return true;
	keys = keys_of(run, &args[0], &args[1]);
	return keys != NULL && keys[0].kind == JMESPATH_STRING && group(run, &args[0], keys, ret);
}

/* ---- any type ---- */

static bool
call_not_null(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)run;
	*ret = (struct jmespath_value){0};
	for (size_t i = 0; i < n && ret->kind == JMESPATH_NULL; i++)
		*ret = args[i];
	return true;
}

static bool
call_type(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	static const char *const names[] = {[JMESPATH_NULL] = "null",
		[JMESPATH_BOOL] = "boolean",
		[JMESPATH_NUMBER] = "number",
		[JMESPATH_STRING] = "string",
		[JMESPATH_ARRAY] = "array",
		[JMESPATH_OBJECT] = "object"};

	(void)run;
	(void)n;
	if (args[0].kind == JMESPATH_EXPREF)
		return false;
	*ret = jmespath_value_string(str_from(names[args[0].kind]));
	return true;
}

/* ---- the table ---- */

static const struct jmespath_function functions[] = {
	{"abs", call_abs, {T_NUMBER}, 0, false},
	{"avg", call_avg, {T_NUMBERS}, 0, false},
	{"ceil", call_ceil, {T_NUMBER}, 0, false},
	{"contains", call_contains, {T_ARRAY | T_STRING, T_ANY}, 0, false},
	{"ends_with", jmespath_string_ends_with, {T_STRING, T_STRING}, 0, false},
	{"find_first", jmespath_string_find_first, {T_STRING, T_STRING, T_NUMBER, T_NUMBER}, 2, false},
	{"find_last", jmespath_string_find_last, {T_STRING, T_STRING, T_NUMBER, T_NUMBER}, 2, false},
	{"floor", call_floor, {T_NUMBER}, 0, false},
	{"from_items", call_from_items, {T_ARRAY}, 0, false},
	{"group_by", call_group_by, {T_ARRAY, T_EXPREF}, 0, false},
	{"items", call_items, {T_OBJECT}, 0, false},
	{"join", jmespath_string_join, {T_STRING, T_STRINGS}, 0, false},
	{"keys", call_keys, {T_OBJECT}, 0, false},
	{"length", call_length, {T_STRING | T_ARRAY | T_OBJECT}, 0, false},
	{"lower", jmespath_string_lower, {T_STRING}, 0, false},
	{"map", call_map, {T_EXPREF, T_ARRAY}, 0, false},
	{"max", call_max, {T_NUMBERS | T_STRINGS}, 0, false},
	{"max_by", call_max_by, {T_ARRAY, T_EXPREF}, 0, false},
	{"merge", call_merge, {T_OBJECT}, 0, true},
	{"min", call_min, {T_NUMBERS | T_STRINGS}, 0, false},
	{"min_by", call_min_by, {T_ARRAY, T_EXPREF}, 0, false},
	{"not_null", call_not_null, {T_ANY}, 0, true},
	{"pad_left", jmespath_string_pad_left, {T_STRING, T_NUMBER, T_STRING}, 1, false},
	{"pad_right", jmespath_string_pad_right, {T_STRING, T_NUMBER, T_STRING}, 1, false},
	{"replace", jmespath_string_replace, {T_STRING, T_STRING, T_STRING, T_NUMBER}, 1, false},
	{"reverse", call_reverse, {T_ARRAY | T_STRING}, 0, false},
	{"sort", call_sort, {T_STRINGS | T_NUMBERS}, 0, false},
	{"sort_by", call_sort_by, {T_ARRAY, T_EXPREF}, 0, false},
	{"split", jmespath_string_split, {T_STRING, T_STRING, T_NUMBER}, 1, false},
	{"starts_with", jmespath_string_starts_with, {T_STRING, T_STRING}, 0, false},
	{"sum", call_sum, {T_NUMBERS}, 0, false},
	{"to_array", call_to_array, {T_ANY}, 0, false},
	{"to_number", jmespath_string_to_number, {T_ANY}, 0, false},
	{"to_string", jmespath_string_to_string, {T_ANY}, 0, false},
	{"trim", jmespath_string_trim, {T_STRING, T_STRING}, 1, false},
	{"trim_left", jmespath_string_trim_left, {T_STRING, T_STRING}, 1, false},
	{"trim_right", jmespath_string_trim_right, {T_STRING, T_STRING}, 1, false},
	{"type", call_type, {T_ANY}, 0, false},
	{"upper", jmespath_string_upper, {T_STRING}, 0, false},
	{"values", call_values, {T_OBJECT}, 0, false},
	{"zip", call_zip, {T_ARRAY, T_ARRAY}, 0, true},
};

const struct jmespath_function *
jmespath_function_find(struct str name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (str_is(name, functions[i].name))
			return &functions[i];
	}
	return NULL;
}

static bool
all_of(const struct jmespath_value *array, enum jmespath_kind kind)
{
	for (size_t i = 0; i < array->array.n; i++) {
		if (array->array.items[i].kind != kind)
			return false;
	}
	return true;
}

static bool
has_type(struct jmespath_run *run, const struct jmespath_value *v, unsigned types)
{
	if ((types & (1u << v->kind)) != 0)
		return true;
	if (v->kind != JMESPATH_ARRAY || !jmespath_eval_steps(run, v->array.n / 16))
		return false;
	return ((types & T_NUMBERS) != 0 && all_of(v, JMESPATH_NUMBER)) ||
	       ((types & T_STRINGS) != 0 && all_of(v, JMESPATH_STRING));
}

bool
jmespath_function_call(struct jmespath_run *run, const struct jmespath_function *f, const struct jmespath_value *args,
	size_t n, struct jmespath_value *ret)
{
	size_t max = 0;

	while (max < sizeof(f->types) / sizeof(f->types[0]) && f->types[max] != 0)
		max++;
	assert(max > 0);
	if (n + f->optional < max || (n > max && !f->variadic))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!has_type(run, &args[i], f->types[i < max ? i : max - 1]))
			return false;
	}
	return f->call(run, args, n, ret);
}

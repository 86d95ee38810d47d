/* SPDX-License-Identifier: Apache-2.0 */
#include "value_convert_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "literal_priv.h"
#include "longship/base/check.h"
#include "longship/base/duration.h"
#include "longship/base/limits.h"
#include "longship/base/size.h"
#include "longship/codec/regex.h"

/*
 * One function a C type. Texts of another syntax (durations, sizes, choices, regular expressions) go by way of
 * string, so that whatever converts to a string converts to them.
 */

static struct value_path
item_path(const struct value_path *up, size_t i)
{
	return (struct value_path){.up = up, .value = &up->value->array.items[i], .index = i};
}

static struct value_path
field_path(const struct value_path *up, size_t i)
{
	const struct field *field = &up->value->object.fields[i];

	return (struct value_path){.up = up, .value = field->value, .is_field = true, .field = field->name};
}

bool
convert_to_string(struct eval *ev, const struct value_path *path, struct str *ret)
{
	const struct value *v = path->value;

	switch (v->kind) {
	case VALUE_NULL:
		*ret = STR("");
		return true;
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_FLOAT:
		*ret = value_number_text(ev->arena, v);
		return true;
	case VALUE_OPTIONAL_SECRET:
		if (v->is_secret)
			return eval_fail(ev, path, "secrets may not be converted into strings");
		*ret = arena_str(ev->arena, v->text);
		return true;
	case VALUE_SECRET:
		return eval_fail(ev, path, "secrets may not be converted into strings");
	case VALUE_STRING:
	case VALUE_BYTES:
		*ret = arena_str(ev->arena, v->text);
		return true;
	default:
		return eval_fail_type(ev, path, "string");
	}
}

bool
convert_to_secret(struct eval *ev, const struct value_path *path, struct str *ret)
{
	const struct value *v = path->value;

	switch (v->kind) {
	case VALUE_NULL:
		*ret = STR("");
		return true;
	case VALUE_STRING:
	case VALUE_SECRET:
	case VALUE_OPTIONAL_SECRET:
		*ret = arena_str(ev->arena, v->text);
		return true;
	default:
		return eval_fail_type(ev, path, "capsule");
	}
}

bool
convert_to_bool(struct eval *ev, const struct value_path *path, bool *ret)
{
	const struct value *v = path->value;

	if (v->kind != VALUE_BOOL && v->kind != VALUE_NULL)
		return eval_fail_type(ev, path, "bool");
	*ret = v->kind == VALUE_BOOL && v->boolean;
	return true;
}

/* A number from any value that has one: strings by their look, "-" signed, ".eE" float, else unsigned. */
static bool
to_number(struct eval *ev, const struct value_path *path, struct value *ret)
{
	const struct value *v = path->value;
	struct str s = v->text;
	int64_t i;
	uint64_t u;
	double f;

	if (value_is_number(v)) {
		*ret = *v;
		return true;
	}
	if (v->kind == VALUE_NULL) {
		*ret = value_int(0);
		return true;
	}
	if (v->kind != VALUE_STRING && (v->kind != VALUE_OPTIONAL_SECRET || v->is_secret))
		return eval_fail_type(ev, path, "number");
	if (str_starts(s, STR("-"))) {
		if (!str_to_i64(s, &i))
			return eval_fail_type(ev, path, "number");
		*ret = value_int(i);
	} else if (s.len > 0 && (memchr(s.s, '.', s.len) != NULL || memchr(s.s, 'e', s.len) != NULL ||
					memchr(s.s, 'E', s.len) != NULL)) {
		if (!literal_parse_float(s, &f))
			return eval_fail_type(ev, path, "number");
		*ret = value_float(f);
	} else {
		if (!str_to_u64(s, &u))
			return eval_fail_type(ev, path, "number");
		*ret = (struct value){.kind = VALUE_UINT, .u = u};
	}
	return true;
}

bool
convert_to_int(struct eval *ev, const struct value_path *path, int64_t *ret)
{
	struct value number;

	if (!to_number(ev, path, &number))
		return false;
	*ret = operation_to_int(&number);
	return true;
}

bool
convert_to_number(struct eval *ev, const struct value_path *path, double *ret)
{
	struct value number;

	if (!to_number(ev, path, &number))
		return false;
	*ret = number.kind == VALUE_FLOAT ? number.f : number.kind == VALUE_INT ? (double)number.i : (double)number.u;
	return true;
}

static bool
is_unit(struct str s)
{
	static const char *const units[] = {"ns", "us", "\xc2\xb5s", "\xce\xbcs", "ms", "s", "m", "h"};

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_is(s, units[i]))
			return true;
	return false;
}

static size_t
count_of(struct str s, const char *set, bool in)
{
	size_t n = 0;

	while (n < s.len && (s.s[n] != '\0' && strchr(set, s.s[n]) != NULL) == in)
		n++;
	return n;
}

/* What is wrong with a duration, in Go's words. */
static bool
fail_duration(struct eval *ev, const struct value_path *path, struct str whole)
{
	struct str s = whole;

	if (str_starts(s, STR("-")) || str_starts(s, STR("+")))
		s = str_from_offset(s, 1);
	while (s.len > 0) {
		size_t digits = count_of(s, "0123456789.", true), letters;
		struct str unit;

		if (digits == 0 || (digits == 1 && s.s[0] == '.'))
			break;
		s = str_from_offset(s, digits);
		letters = count_of(s, "0123456789.", false);
		unit = str_head(s, letters);
		if (letters == 0)
			return eval_fail(
				ev, path, "time: missing unit in duration \"%.*s\"", STR_FMT(whole));
		if (!is_unit(unit))
			return eval_fail(ev, path, "time: unknown unit \"%.*s\" in duration \"%.*s\"", STR_FMT(unit),
				STR_FMT(whole));
		s = str_from_offset(s, letters);
	}
	return eval_fail(ev, path, "time: invalid duration \"%.*s\"", STR_FMT(whole));
}

bool
convert_to_duration(struct eval *ev, const struct value_path *path, int64_t *ret_ns)
{
	struct str text;

	if (path->value->kind == VALUE_NULL) {
		*ret_ns = 0;
		return true;
	}
	if (!convert_to_string(ev, path, &text))
		return false;
	return duration_parse(text, ret_ns) || fail_duration(ev, path, text);
}

bool
convert_to_size(struct eval *ev, const struct value_path *path, int64_t *ret_bytes)
{
	struct str text;
	uint64_t bytes;

	if (path->value->kind == VALUE_NULL) {
		*ret_bytes = 0;
		return true;
	}
	if (!convert_to_string(ev, path, &text))
		return false;
	if (!size_parse(text, &bytes) || bytes > INT64_MAX)
		return eval_fail(ev, path, "is not a size: \"%.*s\" (examples: 512, 100KB, 1.5MiB)", STR_FMT(text));
	*ret_bytes = (int64_t)bytes;
	return true;
}

bool
convert_to_choice(struct eval *ev, const struct value_path *path, const char *const *choices, int *ret)
{
	struct str text, list;
	const char *nearest;
	struct buf buf;
	size_t n = 0;

	if (path->value->kind == VALUE_NULL) {
		*ret = 0;
		return true;
	}
	if (!convert_to_string(ev, path, &text))
		return false;
	for (; choices[n] != NULL; n++)
		if (str_is(text, choices[n])) {
			*ret = (int)n;
			return true;
		}
	buf_init(&buf, 4096);
	for (size_t i = 0; i < n; i++)
		buf_printf(&buf, "%s\"%s\"", i > 0 ? ", " : "", choices[i]);
	nearest = str_nearest(text, choices, n);
	list = buf_view(&buf);
	eval_fail(ev, path, "should be one of %.*s, got \"%.*s\"%s%s%s", STR_FMT(list), STR_FMT(text),
		nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
	buf_done(&buf);
	return false;
}

bool
convert_to_regex(struct eval *ev, const struct value_path *path, struct str *ret)
{
	struct arena *scratch;
	struct str text, error;
	size_t off;
	bool ok;

	if (!convert_to_string(ev, path, &text))
		return false;
	scratch = arena_new(0);
	ok = regex_compile(scratch, text, 0, &error, &off) != NULL;
	if (!ok)
		eval_fail(ev, path, "%.*s", STR_FMT(error));
	arena_free(scratch);
	if (ok)
		*ret = text;
	return ok;
}

/* The elements of an array value, or none for null. Byte arrays have numbers, which no list here wants. */
static bool
list_length(struct eval *ev, const struct value_path *path, size_t *ret_n)
{
	if (path->value->kind == VALUE_NULL)
		*ret_n = 0;
	else if (path->value->kind == VALUE_ARRAY)
		*ret_n = path->value->array.n;
	else
		return eval_fail_type(ev, path, "array");
	return true;
}

bool
convert_to_strings(struct eval *ev, const struct value_path *path, struct str_list *ret)
{
	struct str_list list;

	if (!list_length(ev, path, &list.n))
		return false;
	list.items = arena_array(ev->arena, struct str, list.n);
	for (size_t i = 0; i < list.n; i++) {
		struct value_path item = item_path(path, i);

		if (!convert_to_string(ev, &item, &list.items[i]))
			return false;
	}
	*ret = list;
	return true;
}

static bool
map_length(struct eval *ev, const struct value_path *path, size_t *ret_n)
{
	if (path->value->kind == VALUE_NULL)
		*ret_n = 0;
	else if (path->value->kind == VALUE_OBJECT || path->value->kind == VALUE_TARGET)
		*ret_n = path->value->object.n;
	else
		return eval_fail_type(ev, path, "object");
	return true;
}

static bool
convert_to_map(struct eval *ev, const struct value_path *path,
	bool (*convert)(struct eval *, const struct value_path *, struct str *), struct str_map *ret)
{
	struct str_map map;

	if (!map_length(ev, path, &map.n))
		return false;
	map.items = arena_array(ev->arena, struct str_pair, map.n);
	for (size_t i = 0; i < map.n; i++) {
		struct value_path field = field_path(path, i);

		map.items[i].name = arena_str(ev->arena, field.field);
		if (!convert(ev, &field, &map.items[i].value))
			return false;
	}
	*ret = map;
	return true;
}

bool
convert_to_string_map(struct eval *ev, const struct value_path *path, struct str_map *ret)
{
	return convert_to_map(ev, path, convert_to_string, ret);
}

/* A secret, or a list of them joined by ", ". */
static bool
convert_to_secrets(struct eval *ev, const struct value_path *path, struct str *ret)
{
	struct buf joined;
	bool ok = true;

	if (path->value->kind != VALUE_ARRAY)
		return convert_to_secret(ev, path, ret);
	buf_init(&joined, CONFIG_VALUE_BYTES_MAX);
	for (size_t i = 0; ok && i < path->value->array.n; i++) {
		struct value_path item = item_path(path, i);
		struct str text = STR_EMPTY;

		ok = convert_to_secret(ev, &item, &text);
		buf_z(&joined, i > 0 ? ", " : "");
		buf_str(&joined, text);
	}
	if (ok)
		*ret = arena_str(ev->arena, buf_view(&joined));
	buf_done(&joined);
	return ok;
}

bool
convert_to_secret_map(struct eval *ev, const struct value_path *path, struct str_map *ret)
{
	return convert_to_map(ev, path, convert_to_secrets, ret);
}

/* As Go prints a float64 with %v: an exponent below 1e-4 and from 1e21 on. */
static struct str
float_text(struct arena *arena, double f)
{
	char text[40];

	if ((f >= 1e-4 && f < 1e21) || (f <= -1e-4 && f > -1e21) || f == 0 || f != f || f - f != 0) {
		struct value v = value_float(f);

		return value_number_text(arena, &v);
	}
	for (int digits = 0; digits < 17; digits++) {
		snprintf(text, sizeof(text), "%.*e", digits, f);
		if (strtod(text, NULL) == f)
			break;
	}
	return arena_str(arena, str_from(text));
}

/* A label of a target: scalars are printed, what is no scalar is refused. */
static bool
convert_label(struct eval *ev, const struct value_path *path, struct str *ret)
{
	const struct value *v = path->value;

	switch (v->kind) {
	case VALUE_STRING:
		*ret = arena_str(ev->arena, v->text);
		return true;
	case VALUE_NULL:
		return eval_fail(ev, path->up, "target::ConvertFrom: cannot convert a nil value to a target value");
	case VALUE_SECRET:
		return eval_fail(ev, path->up, "target::ConvertFrom: cannot use a secret as a target value");
	case VALUE_OPTIONAL_SECRET:
		if (v->is_secret)
			return eval_fail(ev, path->up, "target::ConvertFrom: cannot use a secret as a target value");
		*ret = arena_str(ev->arena, v->text);
		return true;
	case VALUE_BOOL:
		*ret = v->boolean ? STR("true") : STR("false");
		return true;
	case VALUE_INT:
	case VALUE_UINT:
		*ret = value_number_text(ev->arena, v);
		return true;
	case VALUE_FLOAT:
		*ret = float_text(ev->arena, v->f);
		return true;
	default:
		return eval_fail(ev, path, "should be string, got %s", value_type_name(v));
	}
}

static int
compare_pairs(const void *pa, const void *pb)
{
	const struct str_pair *a = pa, *b = pb;

	return str_cmp(a->name, b->name);
}

/* Most targets of a list have the same names and values, but for the path. */
static struct str
shared_text(struct arena *arena, struct str text, struct str before)
{
	return before.s != NULL && str_eq(text, before) ? before : arena_str(arena, text);
}

/* before: of the list, whose texts it may share. The texts of a component's targets are borrowed from its exports. */
static bool
convert_to_target(struct eval *ev, const struct value_path *path, const struct target *before, struct target *ret)
{
	const struct value *v = path->value;
	struct target target = {0};

	if (v->kind != VALUE_NULL && v->kind != VALUE_OBJECT && v->kind != VALUE_TARGET)
		return eval_fail_type(ev, path, "capsule");
	target.n = v->kind == VALUE_NULL ? 0 : v->object.n;
	target.labels = arena_array(ev->arena, struct str_pair, target.n);
	for (size_t i = 0; i < target.n; i++) {
		struct value_path field = field_path(path, i);
		struct str_pair shared = i < before->n ? before->labels[i] : (struct str_pair){0};

		target.labels[i].name = shared_text(ev->arena, field.field, shared.name);
		if (field.value->kind == VALUE_STRING && str_eq(field.value->text, shared.value) && shared.value.s != NULL)
			target.labels[i].value = shared.value;
		else if (v->kind == VALUE_TARGET && field.value->kind == VALUE_STRING)
			target.labels[i].value = field.value->text;
		else if (!convert_label(ev, &field, &target.labels[i].value))
			return false;
	}
	if (target.n > 1)
		qsort(target.labels, target.n, sizeof(*target.labels), compare_pairs);
	*ret = target;
	return true;
}

bool
convert_to_targets(struct eval *ev, const struct value_path *path, struct target_list *ret)
{
	struct target_list list = {0};

	if (!list_length(ev, path, &list.n))
		return false;
	list.items = arena_array(ev->arena, struct target, list.n);
	for (size_t i = 0; i < list.n; i++) {
		struct value_path item = item_path(path, i);

		if (!convert_to_target(ev, &item, i > 0 ? &list.items[i - 1] : &(struct target){0}, &list.items[i]))
			return false;
	}
	*ret = list;
	return true;
}

/* "capsule("LogsReceiver")", or the type of what is no capsule. */
static const char *
describe(struct arena *arena, const struct value *v)
{
	switch (v->kind) {
	case VALUE_CAPSULE:
		return arena_printf(arena, "capsule(\"%s\")", v->capsule.type->name).s;
	case VALUE_TARGET:
		return "capsule(\"discovery.Target\")";
	case VALUE_SECRET:
		return "capsule(\"alloytypes.Secret\")";
	case VALUE_OPTIONAL_SECRET:
		return "capsule(\"alloytypes.OptionalSecret\")";
	default:
		return value_type_name(v);
	}
}

bool
convert_to_capsule(struct eval *ev, const struct value_path *path, const struct capsule_type *type, void **ret)
{
	const struct value *v = path->value;

	if (v->kind == VALUE_NULL) {
		*ret = NULL;
		return true;
	}
	if (!str_is(str_from(value_type_name(v)), "capsule"))
		return eval_fail_type(ev, path, "capsule");
	if (v->kind != VALUE_CAPSULE || v->capsule.type != type)
		return eval_fail(ev, path, "expected capsule(\"%s\"), got %s", type->name, describe(ev->arena, v));
	*ret = v->capsule.ptr;
	return true;
}

bool
convert_to_capsules(
	struct eval *ev, const struct value_path *path, const struct capsule_type *type, struct ptr_list *ret)
{
	struct ptr_list list = {0};
	size_t n = 0;

	if (!list_length(ev, path, &n))
		return false;
	list.items = arena_array(ev->arena, void *, n);
	for (size_t i = 0; i < n; i++) {
		struct value_path item = item_path(path, i);

		if (!convert_to_capsule(ev, &item, type, &list.items[list.n]))
			return false;
		if (list.items[list.n] != NULL)
			list.n++;
	}
	*ret = list;
	return true;
}

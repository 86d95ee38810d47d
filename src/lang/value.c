/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/value.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/lang/path_targets.h"

/*
 * Objects keep the order of the text. What needs another order (JSON, comparing, finding repeated names)
 * sorts a list of pointers, so that a large object costs n log n.
 */

#define FIELDS_LINEAR_MAX 16 /* up to here looking through all is cheaper than sorting */

const char *
value_type_name(const struct value *v)
{
	static const char *const names[VALUE_KIND_COUNT] = {
		[VALUE_NULL] = "null",
		[VALUE_BOOL] = "bool",
		[VALUE_INT] = "number",
		[VALUE_UINT] = "number",
		[VALUE_FLOAT] = "number",
		[VALUE_STRING] = "string",
		[VALUE_BYTES] = "array",
		[VALUE_ARRAY] = "array",
		[VALUE_PATHS] = "array",
		[VALUE_OBJECT] = "object",
		[VALUE_TARGET] = "capsule",
		[VALUE_SECRET] = "capsule",
		[VALUE_OPTIONAL_SECRET] = "capsule",
		[VALUE_FUNCTION] = "function",
		[VALUE_CAPSULE] = "capsule",
	};

	return names[v->kind];
}

void
value_object_add(struct value_object_builder *b, struct str name, struct value value)
{
	struct value *copy = arena_alloc(b->arena, sizeof(*copy));

	if (b->n == b->cap) {
		size_t cap = b->cap == 0 ? 8 : 2 * b->cap;
		struct field *fields = arena_array(b->arena, struct field, cap);

		if (b->n > 0)
			memcpy(fields, b->fields, b->n * sizeof(*fields));
		b->fields = fields;
		b->cap = cap;
	}
	*copy = value;
	b->fields[b->n++] = (struct field){name, copy};
}

/* By name, then by address: in the order of the text. */
static int
compare_fields(const void *pa, const void *pb)
{
	const struct field *a = *(const struct field *const *)pa, *b = *(const struct field *const *)pb;
	int c = str_cmp(a->name, b->name);

	return c != 0 ? c : a < b ? -1 : a > b;
}

/* Pointers to the fields, sorted; the caller frees the list. */
static const struct field **
sort_fields(const struct field *fields, size_t n)
{
	const struct field **list = mem_zalloc((n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++)
		list[i] = &fields[i];
	if (n > 1)
		qsort(list, n, sizeof(*list), compare_fields);
	return list;
}

/* Gives each repeated name's first field the last value and takes the others out. */
static size_t
join_repeated(struct field *fields, size_t n)
{
	const struct field **list = sort_fields(fields, n);
	size_t kept = 0;

	for (size_t i = 0, first = 0; i < n; i++) {
		struct field *field = &fields[list[i] - fields];

		if (i == 0 || !str_eq(list[i]->name, fields[list[first] - fields].name)) {
			first = i;
			continue;
		}
		fields[list[first] - fields].value = field->value;
		field->value = NULL;
	}
	mem_free(list);
	for (size_t i = 0; i < n; i++)
		if (fields[i].value != NULL)
			fields[kept++] = fields[i];
	return kept;
}

struct value
value_object_end(struct value_object_builder *b)
{
	b->n = join_repeated(b->fields, b->n);
	return (struct value){.kind = VALUE_OBJECT, .object = {b->fields, b->n}};
}

static struct value *
copy_items(struct arena *arena, const struct value *items, size_t n)
{
	struct value *copy = arena_array(arena, struct value, n);

	for (size_t i = 0; i < n; i++)
		copy[i] = value_copy(arena, &items[i]);
	return copy;
}

struct value
value_copy(struct arena *arena, const struct value *v)
{
	struct value copy = *v;
	struct field *fields;
	struct value *values;

	copy.origin = 0;
	switch (v->kind) {
	case VALUE_STRING:
	case VALUE_BYTES:
	case VALUE_SECRET:
	case VALUE_OPTIONAL_SECRET:
		copy.text = arena_str(arena, v->text);
		break;
	case VALUE_ARRAY:
		copy.array.items = copy_items(arena, v->array.items, v->array.n);
		break;
	case VALUE_PATHS:
		path_targets_keep(v->paths, arena);
		break;
	case VALUE_OBJECT:
	case VALUE_TARGET:
		fields = arena_array(arena, struct field, v->object.n);
		values = arena_array(arena, struct value, v->object.n);
		for (size_t i = 0; i < v->object.n; i++) {
			values[i] = value_copy(arena, v->object.fields[i].value);
			fields[i] = (struct field){arena_str(arena, v->object.fields[i].name), &values[i]};
		}
		copy.object.fields = fields;
		break;
	default:
		break;
	}
	return copy;
}

const struct value *
value_get(const struct value *v, struct str name)
{
	assert(v->kind == VALUE_OBJECT || v->kind == VALUE_TARGET);
	for (size_t i = 0; i < v->object.n; i++)
		if (str_eq(v->object.fields[i].name, name))
			return v->object.fields[i].value;
	return NULL;
}

static double
as_float(const struct value *v)
{
	return v->kind == VALUE_FLOAT ? v->f : v->kind == VALUE_INT ? (double)v->i : (double)v->u;
}

static bool
numbers_equal(const struct value *a, const struct value *b)
{
	if (a->kind == VALUE_FLOAT || b->kind == VALUE_FLOAT)
		return as_float(a) == as_float(b);
	return a->u == b->u; /* int64 and uint64 meet as int64: the same bits */
}

static bool
objects_equal(const struct value *a, const struct value *b)
{
	const struct field **fa, **fb;
	bool equal = true;

	if (a->object.n != b->object.n)
		return false;
	if (a->object.n <= FIELDS_LINEAR_MAX) {
		for (size_t i = 0; i < a->object.n && equal; i++) {
			const struct value *other = value_get(b, a->object.fields[i].name);

			equal = other != NULL && value_equal(a->object.fields[i].value, other);
		}
		return equal;
	}
	fa = sort_fields(a->object.fields, a->object.n);
	fb = sort_fields(b->object.fields, b->object.n);
	for (size_t i = 0; i < a->object.n && equal; i++)
		equal = str_eq(fa[i]->name, fb[i]->name) && value_equal(fa[i]->value, fb[i]->value);
	mem_free(fa);
	mem_free(fb);
	return equal;
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
		return (struct value){.kind = VALUE_UINT, .u = (unsigned char)v->text.s[i]};
	return v->array.items[i];
}

static bool
arrays_equal(const struct value *a, const struct value *b)
{
	if (array_len(a) != array_len(b))
		return false;
	for (size_t i = 0; i < array_len(a); i++) {
		struct value x = array_item(a, i), y = array_item(b, i);

		if (!value_equal(&x, &y))
			return false;
	}
	return true;
}

static bool
is_array(const struct value *v)
{
	return v->kind == VALUE_ARRAY || v->kind == VALUE_BYTES;
}

/* One of them at least is a VALUE_PATHS. */
static bool
paths_equal(const struct value *a, const struct value *b)
{
	struct arena *arena;
	struct value x, y;
	bool equal;

	if (a->kind == b->kind)
		return path_targets_equal(a->paths, b->paths);
	arena = arena_new(0);
	x = path_targets_expanded(arena, a);
	y = path_targets_expanded(arena, b);
	equal = value_equal(&x, &y);
	arena_free(arena);
	return equal;
}

bool
value_equal(const struct value *a, const struct value *b)
{
	if (a->kind == VALUE_PATHS || b->kind == VALUE_PATHS)
		return paths_equal(a, b);
	if (value_is_number(a) && value_is_number(b))
		return numbers_equal(a, b);
	if (is_array(a) && is_array(b))
		return arrays_equal(a, b);
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return a->boolean == b->boolean;
	case VALUE_STRING:
	case VALUE_SECRET:
		return str_eq(a->text, b->text);
	case VALUE_OPTIONAL_SECRET:
		return a->is_secret == b->is_secret && str_eq(a->text, b->text);
	case VALUE_OBJECT:
	case VALUE_TARGET:
		return objects_equal(a, b);
	case VALUE_CAPSULE:
		return a->capsule.type == b->capsule.type && a->capsule.ptr == b->capsule.ptr;
	default:
		return false; /* functions are never equal */
	}
}

/* The shortest digits that read back as f, in printf's %e form: "-1.25e+07". */
static void
shortest(double f, char out[40])
{
	for (int digits = 0; digits < DBL_DECIMAL_DIG; digits++) {
		snprintf(out, 40, "%.*e", digits, f);
		if (strtod(out, NULL) == f)
			return;
	}
}

/* Digits without an exponent, however many: Go's FormatFloat(f, 'f', -1, 64). out: 400 bytes. */
static size_t
format_plain(double f, char out[400])
{
	char e[40], digits[24];
	size_t n = 0, n_digits = 0;
	int exponent;

	if (isnan(f) || isinf(f))
		return (size_t)snprintf(out, 400, "%s", isnan(f) ? "NaN" : f > 0 ? "+Inf" : "-Inf");
	shortest(f, e);
	exponent = (int)strtol(strchr(e, 'e') + 1, NULL, 10);
	for (const char *p = e; *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			digits[n_digits++] = *p;
	if (e[0] == '-')
		out[n++] = '-';
	if (exponent < 0) {
		out[n++] = '0';
		out[n++] = '.';
		for (int i = -1; i > exponent; i--)
			out[n++] = '0';
	}
	for (size_t i = 0; i < n_digits; i++) {
		out[n++] = digits[i];
		if (exponent >= 0 && i == (size_t)exponent && i + 1 < n_digits)
			out[n++] = '.';
	}
	for (int i = (int)n_digits; i <= exponent; i++)
		out[n++] = '0';
	return n;
}

struct str
value_number_text(struct arena *arena, const struct value *v)
{
	char text[400];

	assert(value_is_number(v));
	if (v->kind == VALUE_INT)
		return arena_printf(arena, "%lld", (long long)v->i);
	if (v->kind == VALUE_UINT)
		return arena_printf(arena, "%llu", (unsigned long long)v->u);
	return arena_str(arena, (struct str){text, format_plain(v->f, text)});
}

/* As Go's encoding/json: an exponent below 1e-6 and from 1e21 on, "1e-7" rather than "1e-07". */
static void
put_json_float(double f, struct buf *out)
{
	char text[400], *e;
	double size = fabs(f);

	if (isnan(f) || isinf(f)) {
		buf_z(out, "null");
		return;
	}
	if (f == 0 || (size >= 1e-6 && size < 1e21)) {
		buf_append(out, text, format_plain(f, text));
		return;
	}
	shortest(f, text);
	e = strstr(text, "e-0");
	if (e != NULL)
		memmove(e + 2, e + 3, strlen(e + 3) + 1);
	buf_z(out, text);
}

static void
put_json_rune(uint32_t rune, struct str bytes, struct buf *out, bool html)
{
	static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *e = rune != 0 && rune < 0x80 ? strchr(escaped, (int)rune) : NULL;

	if (e != NULL) {
		buf_putc(out, '\\');
		buf_putc(out, letters[e - escaped]);
	} else if (rune < 0x20 || (html && (rune == '<' || rune == '>' || rune == '&')) || rune == 0x2028 ||
		rune == 0x2029) {
		buf_printf(out, "\\u%04x", rune);
	} else {
		buf_str(out, bytes);
	}
}

static void
put_json_string(struct str s, struct buf *out, bool html)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < s.len;) {
		uint32_t rune;
		size_t width = str_utf8_decode(str_from_offset(s, i), &rune);

		if (width == 0) {
			buf_z(out, "\\ufffd");
			i++;
			continue;
		}
		put_json_rune(rune, str_head(str_from_offset(s, i), width), out, html);
		i += width;
	}
	buf_putc(out, '"');
}

static void
put_json_object(const struct value *v, struct buf *out, bool html)
{
	const struct field **fields = sort_fields(v->object.fields, v->object.n);

	buf_putc(out, '{');
	for (size_t i = 0; i < v->object.n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		put_json_string(fields[i]->name, out, html);
		buf_putc(out, ':');
		value_to_json(fields[i]->value, out, html);
	}
	buf_putc(out, '}');
	mem_free(fields);
}

static void
put_json_array(const struct value *v, struct buf *out, bool html)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < v->array.n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		value_to_json(&v->array.items[i], out, html);
	}
	buf_putc(out, ']');
}

static void
put_json_paths(const struct value *v, struct buf *out, bool html)
{
	struct arena *arena = arena_new(0);
	struct value array = path_targets_expand(arena, v->paths);

	put_json_array(&array, out, html);
	arena_free(arena);
}

void
value_to_json(const struct value *v, struct buf *out, bool html)
{
	switch (v->kind) {
	case VALUE_NULL:
		buf_z(out, "null");
		return;
	case VALUE_BOOL:
		buf_z(out, v->boolean ? "true" : "false");
		return;
	case VALUE_INT:
		buf_printf(out, "%lld", (long long)v->i);
		return;
	case VALUE_UINT:
		buf_printf(out, "%llu", (unsigned long long)v->u);
		return;
	case VALUE_FLOAT:
		put_json_float(v->f, out);
		return;
	case VALUE_STRING:
	case VALUE_BYTES:
		put_json_string(v->text, out, html);
		return;
	case VALUE_PATHS:
		put_json_paths(v, out, html);
		return;
	case VALUE_ARRAY:
		put_json_array(v, out, html);
		return;
	case VALUE_OBJECT:
	case VALUE_TARGET:
		put_json_object(v, out, html);
		return;
	case VALUE_SECRET:
		put_json_string(STR("(secret)"), out, html);
		return;
	case VALUE_OPTIONAL_SECRET:
		put_json_string(v->is_secret ? STR("(secret)") : v->text, out, html);
		return;
	case VALUE_FUNCTION:
		put_json_string(STR("function"), out, html);
		return;
	case VALUE_CAPSULE:
		buf_printf(out, "\"capsule(\\\"%s\\\")\"", v->capsule.type->name);
		return;
	default:
		assert(false && "kind of a value");
	}
}

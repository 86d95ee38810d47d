/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/json_tree.h"

#include <jansson.h>
#include <threads.h>

#include "json_check_priv.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"

/*
 * jansson builds the tree, but it is stricter than Go in what it reads (bad UTF-8, big numbers) and words its
 * errors differently: json_check goes first and hands over a text that jansson always takes. The tree is then
 * copied into the arena in its final form and jansson's is freed.
 */

/* What the check writes is at most six times as long: a bad byte in a string becomes three, "e0" joins numbers. */
#define CHECKED_BYTES_FACTOR 6

static once_flag memory_once = ONCE_FLAG_INIT;

static void
use_our_memory(void)
{
	json_set_alloc_funcs(mem_alloc, mem_free);
}

static struct json copy_value(struct arena *, json_t *);

static struct json
copy_array(struct arena *arena, json_t *from)
{
	size_t n = json_array_size(from);
	struct json *items = arena_array(arena, struct json, n);

	for (size_t i = 0; i < n; i++)
		items[i] = copy_value(arena, json_array_get(from, i));
	return (struct json){.kind = JSON_TREE_ARRAY, .array = {items, n}};
}

static struct json
copy_object(struct arena *arena, json_t *from)
{
	size_t n = 0;
	struct json_field *fields = arena_array(arena, struct json_field, json_object_size(from));

	for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at)) {
		fields[n].name = arena_str(arena, str_from(json_object_iter_key(at)));
		fields[n++].value = copy_value(arena, json_object_iter_value(at));
	}
	return (struct json){.kind = JSON_TREE_OBJECT, .object = {fields, n}};
}

/* Recursion is bounded by the depth that json_check allows. */
static struct json
copy_value(struct arena *arena, json_t *from)
{
	switch (json_typeof(from)) {
	case JSON_TRUE:
	case JSON_FALSE:
		return (struct json){.kind = JSON_TREE_BOOL, .boolean = json_is_true(from)};
	case JSON_INTEGER:
		return (struct json){.kind = JSON_TREE_INT, .i = json_integer_value(from)};
	case JSON_REAL:
		return (struct json){.kind = JSON_TREE_FLOAT, .f = json_real_value(from)};
	case JSON_STRING:
		return (struct json){.kind = JSON_TREE_STRING,
			.text = arena_str(arena, (struct str){json_string_value(from), json_string_length(from)})};
	case JSON_ARRAY:
		return copy_array(arena, from);
	case JSON_OBJECT:
		return copy_object(arena, from);
	default:
		return (struct json){.kind = JSON_TREE_NULL};
	}
}

const struct json *
json_tree_parse(struct arena *arena, struct str text, unsigned flags, struct str *ret_error)
{
	struct buf checked;
	json_error_t error;
	json_t *root = NULL;
	struct json *copy = NULL;

	call_once(&memory_once, use_our_memory);
	buf_init(&checked, text.len * CHECKED_BYTES_FACTOR + 64);
	if (json_check(text, (flags & JSON_TREE_BIG_AS_TEXT) != 0, arena, &checked, ret_error)) {
		root = json_loadb(checked.data, checked.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
		if (root == NULL)
			*ret_error = arena_str(arena, str_from(error.text));
	}
	if (root != NULL) {
		copy = arena_make(arena, struct json);
		*copy = copy_value(arena, root);
		json_decref(root);
	}
	buf_done(&checked);
	return copy;
}

const struct json *
json_tree_get(const struct json *v, struct str name)
{
	if (v == NULL || v->kind != JSON_TREE_OBJECT)
		return NULL;
	for (size_t i = 0; i < v->object.n; i++) {
		if (str_eq(v->object.fields[i].name, name))
			return &v->object.fields[i].value;
	}
	return NULL;
}

struct str
json_tree_get_text(const struct json *v, struct str name)
{
	const struct json *field = json_tree_get(v, name);

	return field != NULL && field->kind == JSON_TREE_STRING ? field->text : STR_EMPTY;
}

bool
json_tree_number(const struct json *v, double *ret)
{
	if (v == NULL || (v->kind != JSON_TREE_INT && v->kind != JSON_TREE_FLOAT))
		return false;
	*ret = v->kind == JSON_TREE_INT ? (double)v->i : v->f;
	return true;
}

static void
quote_rune(struct buf *out, struct str bytes, uint32_t rune, bool html)
{
	static const char named[] = "\b\f\n\r\t";
	const char *at;

	if (rune == '"' || rune == '\\')
		buf_printf(out, "\\%c", (char)rune);
	else if (rune != 0 && rune < ' ' && (at = strchr(named, (int)rune)) != NULL)
		buf_printf(out, "\\%c", "bfnrt"[at - named]);
	else if (rune < ' ' || (html && (rune == '<' || rune == '>' || rune == '&')) || rune == 0x2028 ||
		 rune == 0x2029)
		buf_printf(out, "\\u%04x", rune);
	else
		buf_str(out, bytes);
}

/* How many bytes at the start stand for themselves. */
static size_t
count_plain(struct str text, bool html)
{
	size_t n = 0;

	for (; n < text.len; n++) {
		unsigned char c = (unsigned char)text.s[n];

		if (c < ' ' || c >= 0x80 || c == '"' || c == '\\' || (html && (c == '<' || c == '>' || c == '&')))
			break;
	}
	return n;
}

bool
json_tree_quote(struct buf *out, struct str text, bool html)
{
	buf_putc(out, '"');
	for (;;) {
		size_t plain = count_plain(text, html), n;
		uint32_t rune;

		buf_str(out, str_head(text, plain));
		text = str_from_offset(text, plain);
		if (text.len == 0)
			break;
		n = str_utf8_decode(text, &rune);
		if (n > 0)
			quote_rune(out, str_head(text, n), rune, html);
		else
			buf_z(out, "\\ufffd");
		text = str_from_offset(text, n > 0 ? n : 1);
	}
	buf_putc(out, '"');
	return !out->overflow;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "stdlib_priv.h"

#include "longship/base/limits.h"
#include "longship/codec/gofmt.h"
#include "longship/codec/unicode.h"

/* Texts as Go's strings and fmt packages treat them: by UTF-8 characters where it matters, else by bytes. */

static bool
return_text(struct value *ret, struct str text)
{
	*ret = value_string(text);
	return true;
}

/* Values become fmt's arguments; whole numbers stay whole, so that %s of one shows Go's mismatch text. */
static bool
to_arg(struct function_call *call, const struct value *v, struct gofmt_arg *ret)
{
	struct gofmt_arg *items;
	struct gofmt_field *fields;

	switch (v->kind) {
	case VALUE_NULL:
		*ret = (struct gofmt_arg){.kind = GOFMT_NIL};
		return true;
	case VALUE_BOOL:
		*ret = (struct gofmt_arg){.kind = GOFMT_BOOL, .boolean = v->boolean};
		return true;
	case VALUE_INT:
		*ret = gofmt_int(v->i);
		return true;
	case VALUE_UINT:
		*ret = (struct gofmt_arg){.kind = GOFMT_UINT, .u = v->u};
		return true;
	case VALUE_FLOAT:
		*ret = (struct gofmt_arg){.kind = GOFMT_FLOAT, .f = v->f};
		return true;
	case VALUE_STRING:
	case VALUE_OPTIONAL_SECRET:
		*ret = gofmt_string(v->text);
		return true;
	case VALUE_BYTES:
		if (!stdlib_room(call, v->text.len * sizeof(*items)))
			return false;
		items = arena_array(call->arena, struct gofmt_arg, v->text.len);
		for (size_t i = 0; i < v->text.len; i++)
			items[i] = gofmt_int((unsigned char)v->text.s[i]);
		*ret = (struct gofmt_arg){.kind = GOFMT_LIST, .list = {items, v->text.len}};
		return true;
	case VALUE_ARRAY:
		items = arena_array(call->arena, struct gofmt_arg, v->array.n);
		for (size_t i = 0; i < v->array.n; i++) {
			if (!to_arg(call, &v->array.items[i], &items[i]))
				return false;
		}
		*ret = (struct gofmt_arg){.kind = GOFMT_LIST, .list = {items, v->array.n}};
		return true;
	case VALUE_OBJECT:
	case VALUE_TARGET:
		fields = arena_array(call->arena, struct gofmt_field, v->object.n);
		for (size_t i = 0; i < v->object.n; i++) {
			fields[i].name = v->object.fields[i].name;
			if (!to_arg(call, v->object.fields[i].value, &fields[i].value))
				return false;
		}
		*ret = (struct gofmt_arg){.kind = GOFMT_MAP, .map = {fields, v->object.n}};
		return true;
	default:
		return function_fail(call, -1, "cannot format a %s", value_type_name(v));
	}
}

static bool
string_format(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct gofmt_arg *list = arena_array(call->arena, struct gofmt_arg, n);
	struct buf text;
	bool ok;

	for (size_t i = 1; i < n; i++) {
		if (stdlib_holds_secret(&args[i]))
			return function_fail(call, (int)i, "secrets may not be converted into strings");
		if (!to_arg(call, &args[i], &list[i - 1])) {
			call->error_arg = call->error_arg < 0 ? (int)i : call->error_arg;
			return false;
		}
	}
	buf_init(&text, CONFIG_VALUE_BYTES_MAX);
	ok = gofmt_format(&text, stdlib_text(&args[0]), list, n - 1) && stdlib_room(call, text.len);
	if (ok)
		return_text(ret, arena_str(call->arena, buf_view(&text)));
	else if (text.overflow)
		stdlib_room(call, CONFIG_VALUE_BYTES_MAX + 1);
	buf_done(&text);
	return ok;
}

static bool
string_join(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	const struct value *list = &args[0];
	size_t len = list->kind == VALUE_BYTES ? list->text.len : list->kind == VALUE_ARRAY ? list->array.n : 0;
	struct str separator = stdlib_text(&args[1]);
	struct buf text;
	bool ok = true;

	(void)n;
	buf_init(&text, CONFIG_VALUE_BYTES_MAX);
	for (size_t i = 0; i < len && ok; i++) {
		struct value byte = value_int(list->kind == VALUE_BYTES ? (unsigned char)list->text.s[i] : 0);
		const struct value *item = list->kind == VALUE_BYTES ? &byte : &list->array.items[i];
		struct str part = STR_EMPTY;
		const char *error;

		if (!stdlib_to_string(call, item, &part, &error)) {
			call->error_value = item;
			ok = function_fail(call, 0, "%s", error);
			break;
		}
		if (i > 0)
			buf_str(&text, separator);
		buf_str(&text, part);
	}
	ok = ok && stdlib_room(call, text.overflow ? CONFIG_VALUE_BYTES_MAX + 1 : text.len);
	if (ok)
		return_text(ret, arena_str(call->arena, buf_view(&text)));
	buf_done(&text);
	return ok;
}

/* Bytes of the first character. */
static size_t
rune_len(struct str s)
{
	uint32_t rune;
	size_t n = str_utf8_decode(s, &rune);

	return n > 0 ? n : 1;
}

static bool
string_replace(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct str rest = stdlib_text(&args[0]), old = stdlib_text(&args[1]), new = stdlib_text(&args[2]);
	struct buf text;
	bool ok;

	(void)n;
	buf_init(&text, CONFIG_VALUE_BYTES_MAX);
	if (old.len == 0) {
		buf_str(&text, new);
		while (rest.len > 0 && !text.overflow) {
			buf_str(&text, str_head(rest, rune_len(rest)));
			buf_str(&text, new);
			rest = str_from_offset(rest, rune_len(rest));
		}
	}
	while (old.len > 0 && !text.overflow) {
		ptrdiff_t at = str_find(rest, old);

		if (at < 0)
			break;
		buf_str(&text, str_head(rest, (size_t)at));
		buf_str(&text, new);
		rest = str_from_offset(rest, (size_t)at + old.len);
	}
	buf_str(&text, rest);
	ok = stdlib_room(call, text.overflow ? CONFIG_VALUE_BYTES_MAX + 1 : text.len);
	if (ok)
		return_text(ret, arena_str(call->arena, buf_view(&text)));
	buf_done(&text);
	return ok;
}

/* The next part of a text: up to the separator, or one character when that is empty. */
static struct str
next_part(struct str *rest, struct str separator)
{
	struct str part = *rest;
	ptrdiff_t at;

	if (separator.len == 0) {
		part = str_head(*rest, rune_len(*rest));
		*rest = str_from_offset(*rest, rune_len(*rest));
		return part;
	}
	at = str_find(*rest, separator);
	if (at >= 0) {
		part = str_head(*rest, (size_t)at);
		*rest = str_from_offset(*rest, (size_t)at + separator.len);
	} else {
		*rest = STR_EMPTY;
	}
	return part;
}

static size_t
count_parts(struct str text, struct str separator)
{
	size_t n = separator.len > 0;

	if (separator.len == 0) {
		for (; text.len > 0; n++)
			text = str_from_offset(text, rune_len(text));
		return n;
	}
	for (ptrdiff_t at; (at = str_find(text, separator)) >= 0; n++)
		text = str_from_offset(text, (size_t)at + separator.len);
	return n;
}

static bool
string_split(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct str rest = stdlib_text(&args[0]), separator = stdlib_text(&args[1]);
	size_t parts = count_parts(rest, separator);
	struct value *items;

	(void)n;
	if (!stdlib_room(call, parts * sizeof(*items)))
		return false;
	items = arena_array(call->arena, struct value, parts);
	for (size_t i = 0; i < parts; i++)
		items[i] = value_string(next_part(&rest, separator));
	*ret = (struct value){.kind = VALUE_ARRAY, .array = {items, parts}};
	return true;
}

static bool
string_to_lower(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)n;
	return stdlib_room(call, stdlib_text(&args[0]).len * 3) &&
	       return_text(ret, unicode_lower(call->arena, stdlib_text(&args[0])));
}

static bool
string_to_upper(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)n;
	return stdlib_room(call, stdlib_text(&args[0]).len * 3) &&
	       return_text(ret, unicode_upper(call->arena, stdlib_text(&args[0])));
}

/* A byte that is not UTF-8 counts as U+FFFD, in the text and in the set. */
static uint32_t
rune_or_error(struct str s, size_t *ret_len)
{
	uint32_t rune;
	size_t n = str_utf8_decode(s, &rune);

	*ret_len = n > 0 ? n : 1;
	return n > 0 ? rune : 0xfffd;
}

static bool
in_set(uint32_t rune, struct str set)
{
	while (set.len > 0) {
		size_t len;

		if (rune_or_error(set, &len) == rune)
			return true;
		set = str_from_offset(set, len);
	}
	return false;
}

/* The last character of a text that is not empty. */
static uint32_t
last_rune(struct str s, size_t *ret_len)
{
	uint32_t rune;

	for (size_t len = 1; len <= 4 && len <= s.len; len++) {
		if (str_utf8_decode((struct str){s.s + s.len - len, len}, &rune) == len) {
			*ret_len = len;
			return rune;
		}
	}
	*ret_len = 1;
	return 0xfffd;
}

static bool
string_trim(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct str text = stdlib_text(&args[0]), set = stdlib_text(&args[1]);
	size_t len;

	(void)call;
	(void)n;
	while (text.len > 0 && in_set(rune_or_error(text, &len), set))
		text = str_from_offset(text, len);
	while (text.len > 0 && in_set(last_rune(text, &len), set))
		text.len -= len;
	return return_text(ret, text);
}

static bool
string_trim_prefix(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct str text = stdlib_text(&args[0]), prefix = stdlib_text(&args[1]);

	(void)call;
	(void)n;
	return return_text(ret, str_starts(text, prefix) ? str_from_offset(text, prefix.len) : text);
}

static bool
string_trim_suffix(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct str text = stdlib_text(&args[0]), suffix = stdlib_text(&args[1]);

	(void)call;
	(void)n;
	return return_text(ret, str_ends(text, suffix) ? str_head(text, text.len - suffix.len) : text);
}

static bool
string_trim_space(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)call;
	(void)n;
	return return_text(ret, unicode_trim_space(stdlib_text(&args[0])));
}

/* A function under its name of today and its former one at the top level. */
#define STRING_FUNCTION(short_name, min, max, p0, p1, p2, text)                                                        \
	{.name = "string." #short_name,                                                                                \
		.args_min = (min),                                                                                     \
		.args_max = (max),                                                                                     \
		.params = {p0, p1, p2},                                                                                \
		.call = string_##short_name,                                                                           \
		.doc = text},                                                                                          \
	{                                                                                                              \
		.name = #short_name, .replaced_by = "string." #short_name, .args_min = (min), .args_max = (max),       \
		.params = {p0, p1, p2}, .call = string_##short_name, .doc = "Former name of string." #short_name "."   \
	}

const struct function stdlib_string_functions[] = {
	STRING_FUNCTION(format, 1, FUNCTION_ARGS_ANY, PARAM_STRING, PARAM_ANY, PARAM_ANY,
		"Formats values with the verbs of Go's fmt package."),
	STRING_FUNCTION(join, 2, 2, PARAM_ARRAY, PARAM_STRING, PARAM_ANY, "Joins texts with a separator between them."),
	STRING_FUNCTION(
		replace, 3, 3, PARAM_STRING, PARAM_STRING, PARAM_STRING, "Replaces every occurrence of a text."),
	STRING_FUNCTION(split, 2, 2, PARAM_STRING, PARAM_STRING, PARAM_ANY,
		"Splits a text at a separator; an empty one splits it into characters."),
	STRING_FUNCTION(to_lower, 1, 1, PARAM_STRING, PARAM_ANY, PARAM_ANY, "The text in lower case."),
	STRING_FUNCTION(to_upper, 1, 1, PARAM_STRING, PARAM_ANY, PARAM_ANY, "The text in upper case."),
	STRING_FUNCTION(
		trim, 2, 2, PARAM_STRING, PARAM_STRING, PARAM_ANY, "Takes the characters of a set off both ends."),
	STRING_FUNCTION(
		trim_prefix, 2, 2, PARAM_STRING, PARAM_STRING, PARAM_ANY, "Takes a prefix off, if it is there."),
	STRING_FUNCTION(
		trim_suffix, 2, 2, PARAM_STRING, PARAM_STRING, PARAM_ANY, "Takes a suffix off, if it is there."),
	STRING_FUNCTION(trim_space, 1, 1, PARAM_STRING, PARAM_ANY, PARAM_ANY, "Takes white space off both ends."),
	{0},
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/legacy_positions.h"

#include <string.h>

#include "longship/base/map.h"
#include "longship/base/vec.h"
#include "longship/codec/base64.h"
#include "longship/codec/yaml.h"

/*
 * One tree serves both formats: a scalar key is Promtail's, a mapping key Alloy's, and a file holds one kind. What is
 * written is quoted so that every YAML reader takes it for the same string: plain where it can be nothing else,
 * single quotes where all is printable, double quotes with escapes, !!binary where it is not UTF-8.
 */

#define PLAIN_KEY_BYTES_MAX 900 /* libyaml and its ports: a key without "?" has to end within 1,024 bytes */

struct position_list { /* as base/vec.h wants it */
	struct legacy_position *items;
	size_t len, cap;
};

static bool
fail(struct arena *arena, const struct yaml_tree *at, const char *what, struct str *ret_error)
{
	*ret_error = arena_printf(arena, "line %u: %s", at->line, what);
	return false;
}

static bool
is_scalar(const struct yaml_tree *v)
{
	return v->kind != YAML_TREE_SEQUENCE && v->kind != YAML_TREE_MAPPING;
}

static struct str
text_of(const struct yaml_tree *v)
{
	return v == NULL || v->kind == YAML_TREE_NULL ? STR_EMPTY : v->text;
}

static bool
read_pair(struct arena *arena, const struct yaml_tree_pair *pair, struct legacy_position *ret, struct str *ret_error)
{
	if (!is_scalar(pair->value))
		return fail(arena, pair->value, "a position is no list and no mapping", ret_error);
	ret->value = text_of(pair->value);
	if (is_scalar(pair->key)) {
		ret->path = text_of(pair->key);
		ret->labels = STR("{}");
	} else {
		ret->path = text_of(yaml_tree_get(pair->key, STR("path")));
		ret->labels = text_of(yaml_tree_get(pair->key, STR("labels")));
	}
	if (ret->path.len == 0)
		return fail(arena, pair->key, "a position without a path", ret_error);
	if (memchr(ret->path.s, '\0', ret->path.len) != NULL)
		return fail(arena, pair->key, "a path with a NUL byte", ret_error);
	return true;
}

static bool
read_positions(struct arena *arena, const struct yaml_tree *positions, enum legacy_positions_format format,
	struct legacy_positions *ret, struct str *ret_error)
{
	struct legacy_position *items = arena_array(arena, struct legacy_position, positions->mapping.n);

	for (size_t i = 0; i < positions->mapping.n; i++) {
		const struct yaml_tree_pair *pair = &positions->mapping.pairs[i];
		enum legacy_positions_format kind =
			is_scalar(pair->key) ? LEGACY_POSITIONS_PROMTAIL : LEGACY_POSITIONS_ALLOY;

		if (format == LEGACY_POSITIONS_AUTO)
			format = kind;
		if (kind != format)
			return fail(arena, pair->key,
				format == LEGACY_POSITIONS_PROMTAIL ? "this is a key of Alloy's format"
								    : "this is a key of Promtail's format",
				ret_error);
		if (!read_pair(arena, pair, &items[i], ret_error))
			return false;
	}
	*ret = (struct legacy_positions){items, positions->mapping.n, format};
	return true;
}

bool
legacy_positions_parse(struct arena *arena, struct str text, enum legacy_positions_format format,
	struct legacy_positions *ret, struct str *ret_error)
{
	const struct yaml_tree *doc, *positions;
	struct yaml_tree_error error;

	if (text.len > LEGACY_POSITIONS_BYTES_MAX) {
		*ret_error = STR("the file is larger than 64 MiB");
		return false;
	}
	doc = yaml_tree_parse_mapping_keys(arena, text, &error);
	if (doc == NULL) {
		*ret_error = arena_printf(arena, "line %u: %.*s", error.line, STR_FMT(error.text));
		return false;
	}
	if (doc->kind != YAML_TREE_MAPPING && doc->kind != YAML_TREE_NULL)
		return fail(arena, doc, "this is no positions file: a mapping with \"positions\" is expected", ret_error);
	positions = yaml_tree_get(doc, STR("positions"));
	if (positions == NULL || positions->kind == YAML_TREE_NULL) {
		*ret = (struct legacy_positions){0};
		return true;
	}
	if (positions->kind != YAML_TREE_MAPPING)
		return fail(arena, positions, "\"positions\" is no mapping", ret_error);
	return read_positions(arena, positions, format, ret, ret_error);
}

static bool
is_plain(struct str s)
{
	if (!str_starts(s, STR("/")) && !str_starts(s, STR("cursor-")) && !str_starts(s, STR("journal-")))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-", s.s[i]) == NULL)
			return false;
	return true;
}

/* YAML's line breaks beyond ASCII, and what is not printable, need escapes. */
static bool
needs_escapes(struct str s)
{
	uint32_t rune;

	for (size_t i = 0; i < s.len; i += str_utf8_decode(str_from_offset(s, i), &rune)) {
		(void)str_utf8_decode(str_from_offset(s, i), &rune);
		if (rune < 0x20 || (rune >= 0x7f && rune < 0xa0) || rune == 0x2028 || rune == 0x2029 || rune == 0xfeff ||
			rune == 0xfffe || rune == 0xffff)
			return true;
	}
	return false;
}

static void
put_double_quoted(struct buf *out, struct str s)
{
	uint32_t rune;

	buf_putc(out, '"');
	for (size_t i = 0, n; i < s.len; i += n) {
		n = str_utf8_decode(str_from_offset(s, i), &rune);
		if (rune == '"' || rune == '\\')
			buf_printf(out, "\\%c", (char)rune);
		else if (rune < 0x20 || rune == 0x7f)
			buf_printf(out, "\\x%02x", rune);
		else if (rune >= 0x80 && rune <= 0xffff)
			buf_printf(out, "\\u%04x", rune);
		else
			buf_append(out, s.s + i, n);
	}
	buf_putc(out, '"');
}

static void
put_string(struct buf *out, struct str s)
{
	if (!str_utf8_valid(s)) {
		struct arena *arena = arena_new(0);

		buf_printf(out, "!!binary \"%.*s\"", STR_FMT(base64_encode(arena, s, BASE64_STANDARD)));
		arena_free(arena);
	} else if (needs_escapes(s)) {
		put_double_quoted(out, s);
	} else if (is_plain(s)) {
		buf_str(out, s);
	} else {
		buf_putc(out, '\'');
		for (size_t i = 0; i < s.len; i++)
			buf_append(out, s.s[i] == '\'' ? "''" : &s.s[i], s.s[i] == '\'' ? 2 : 1);
		buf_putc(out, '\'');
	}
}

/* Offsets stand in double quotes in either format. */
static void
put_value(struct buf *out, struct str value)
{
	if (str_utf8_valid(value))
		put_double_quoted(out, value);
	else
		put_string(out, value);
	buf_putc(out, '\n');
}

bool
legacy_positions_print(
	const struct legacy_position *items, size_t n, enum legacy_positions_format format, struct buf *out)
{
	struct map written;

	map_init(&written);
	buf_z(out, n > 0 ? "positions:\n" : "positions: {}\n");
	for (size_t i = 0; i < n && !out->overflow; i++) {
		bool explicit = format == LEGACY_POSITIONS_ALLOY || items[i].path.len > PLAIN_KEY_BYTES_MAX;

		if (format != LEGACY_POSITIONS_ALLOY && map_set(&written, items[i].path, out) != NULL)
			continue;
		buf_z(out, explicit ? "  ? " : "  ");
		if (format == LEGACY_POSITIONS_ALLOY)
			buf_z(out, "path: ");
		put_string(out, items[i].path);
		if (format == LEGACY_POSITIONS_ALLOY) {
			buf_z(out, "\n    labels: ");
			put_string(out, items[i].labels);
		}
		buf_z(out, explicit ? "\n  : " : ": ");
		put_value(out, items[i].value);
	}
	map_done(&written);
	return !out->overflow;
}

bool
legacy_positions_format_parse(struct str s, enum legacy_positions_format *ret)
{
	if (str_is(s, "auto"))
		*ret = LEGACY_POSITIONS_AUTO;
	else if (str_is(s, "promtail"))
		*ret = LEGACY_POSITIONS_PROMTAIL;
	else if (str_is(s, "alloy"))
		*ret = LEGACY_POSITIONS_ALLOY;
	else
		return false;
	return true;
}

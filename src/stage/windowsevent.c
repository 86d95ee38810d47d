/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/unicode.h"
#include "longship/flow/windows_message.h"

/*
 * stage.windowsevent: the message of a Windows event, whose sections are separated by empty lines, becomes extracted
 * values. The first section is the description; in the others a title prefixes the keys that follow it.
 */

static const struct drop_reason invalid = {.name = "windowsevent_invalid"};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct windows_message_args *a = arguments;

	if (!stage_label_name_valid(a->source))
		return stage_fail(b, "invalid label name: %.*s", STR_FMT(a->source));
	return windows_message_build(b, a);
}

/* The text without these characters. */
static struct str
without(struct arena *arena, struct str text, const char *characters)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t k = 0; k < text.len; k++) {
		if (text.s[k] == '\0' || strchr(characters, text.s[k]) == NULL)
			out[len++] = text.s[k];
	}
	return (struct str){out, len};
}

static void
set_value(const struct windows_message *s, struct batch *b, size_t i, struct str key, struct str value)
{
	key = without(b->arena, key, "\t\r\n ");
	value = unicode_trim_space(without(b->arena, value, "\t\r\n"));
	windows_message_set(s, b, i, key, key.len == 0 || !str_utf8_valid(key), value);
}

/* The line up to \r\n, which goes with it. */
static struct str
next_line(struct str *rest, bool *more)
{
	ptrdiff_t at = str_find(*rest, STR("\r\n"));
	struct str line = at < 0 ? *rest : str_head(*rest, (size_t)at);

	*more = at >= 0;
	*rest = at < 0 ? STR_EMPTY : str_from_offset(*rest, (size_t)at + 2);
	return line;
}

/* Lines without a colon that follow a value belong to it, joined by commas. */
static struct str
with_continuation(struct arena *arena, struct str value, struct str *rest, bool *more)
{
	char *out = NULL;
	size_t len = value.len;

	while (*more) {
		struct str after = *rest;
		bool still;
		struct str line = next_line(&after, &still);

		if (line.len == 0 || memchr(line.s, ':', line.len) != NULL)
			break;
		/* All that follows fits: a line takes a comma for its \r\n. */
		if (out == NULL) {
			out = arena_alloc(arena, value.len + rest->len + 1);
			if (value.len > 0)
				memcpy(out, value.s, value.len);
		}
		out[len++] = ',';
		memcpy(out + len, line.s, line.len);
		len += line.len;
		*rest = after;
		*more = still;
	}
	return out != NULL ? (struct str){out, len} : value;
}

static void
take_section(const struct windows_message *s, struct batch *b, size_t i, struct str section)
{
	struct str rest = section, prefix = STR_EMPTY, key, value;
	bool more = true, first = true;

	while (more) {
		struct str line = next_line(&rest, &more);
		bool is_first = first;

		first = false;
		if (!str_cut(line, ':', &key, &value))
			continue;
		if (value.len == 0) {
			if (is_first)
				prefix = key;
			continue;
		}
		value = with_continuation(b->arena, value, &rest, &more);
		if (prefix.len > 0)
			key = windows_message_concat(b->arena, windows_message_concat(b->arena, prefix, STR("_")), key);
		set_value(s, b, i, key, value);
	}
}

static void
take_message(const struct windows_message *s, struct batch *b, size_t i, struct str text)
{
	bool first = true, more = true;

	while (more) {
		ptrdiff_t at = str_find(text, STR("\r\n\r\n"));
		struct str section = at < 0 ? text : str_head(text, (size_t)at);

		more = at >= 0;
		text = more ? str_from_offset(text, (size_t)at + 4) : STR_EMPTY;
		if (first)
			set_value(s, b, i, STR("Description"), section);
		else
			take_section(s, b, i, section);
		first = false;
	}
}

static void
apply(void *state, struct batch *b)
{
	windows_message_apply(state, b, &invalid, take_message);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_windowsevent = {
	.name = "windowsevent",
	.args = windows_message_args,
	.args_size = sizeof(struct windows_message_args),
	.type = &type,
	.doc = "Extracts the fields of a Windows event's message, section by section.",
};

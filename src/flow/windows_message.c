/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/windows_message.h"

const struct arg_spec windows_message_args[] = {
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct windows_message_args, source),
		.fallback = "\"message\"",
		.doc = "Extracted value that holds the message."},
	{.name = "drop_invalid_labels",
		.kind = ARG_BOOL,
		.offset = offsetof(struct windows_message_args, drop_invalid_labels),
		.doc = "Leave out keys that are no label names, instead of changing them."},
	{.name = "overwrite_existing",
		.kind = ARG_BOOL,
		.offset = offsetof(struct windows_message_args, overwrite_existing),
		.doc = "Overwrite extracted values of the same name, instead of adding \"_extracted\" to the key."},
	{0},
};

struct windows_message *
windows_message_build(struct stage_builder *b, const struct windows_message_args *a)
{
	struct windows_message *s = arena_make(b->arena, struct windows_message);

	s->source = columns_number(b->columns, a->source);
	s->drop_invalid = a->drop_invalid_labels;
	s->overwrite = a->overwrite_existing;
	return s;
}

void
windows_message_apply(const struct windows_message *s, struct batch *b, const struct drop_reason *null_message,
	void (*take)(const struct windows_message *, struct batch *, size_t i, struct str text))
{
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		struct cell cell = batch_cell(b, s->source, i);

		if (cell.kind == CELL_ABSENT)
			continue;
		if (stage_text(b, s->source, i, &text))
			take(s, b, i, text);
		else
			batch_drop(b, i, null_message);
	}
}

/* What Prometheus' legacy rule refuses becomes "_"; made text goes to the arena. */
static struct str
sanitized(struct arena *arena, struct str name)
{
	char *out = arena_alloc(arena, name.len + 1);
	size_t len = 0;

	if (name.len == 0)
		return STR("_");
	for (size_t at = 0; at < name.len;) {
		uint32_t rune;
		size_t n = str_utf8_decode(str_from_offset(name, at), &rune);
		char c = name.s[at];
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9' && at > 0);

		out[len++] = fine ? c : '_';
		at += n > 0 ? n : 1;
	}
	return (struct str){out, len};
}

struct str
windows_message_concat(struct arena *arena, struct str a, struct str b)
{
	char *out = arena_alloc(arena, a.len + b.len + 1);

	if (a.len > 0)
		memcpy(out, a.s, a.len);
	if (b.len > 0)
		memcpy(out + a.len, b.s, b.len);
	return (struct str){out, a.len + b.len};
}

static void
set_found(struct batch *b, size_t i, struct str name, struct str value, bool overwrite)
{
	if (!overwrite && batch_named(b, name, i).kind != CELL_ABSENT)
		name = windows_message_concat(b->arena, name, STR("_extracted"));
	batch_set_named(b, name, i, cell_string(value));
}

void
windows_message_set(const struct windows_message *s, struct batch *b, size_t i, struct str key, bool no_name, struct str value)
{
	if (no_name && s->drop_invalid)
		return;
	if (no_name)
		key = sanitized(b->arena, key);
	if (str_utf8_valid(value))
		set_found(b, i, key, value, s->overwrite);
}

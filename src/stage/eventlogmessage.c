/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/unicode.h"

/* stage.eventlogmessage: the "Key: value" lines of a Windows event's message become extracted values. */

struct eventlogmessage_args {
	struct str source;
	bool drop_invalid_labels, overwrite_existing;
};

static const struct arg_spec args[] = {
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct eventlogmessage_args, source),
		.fallback = "\"message\"",
		.doc = "Extracted value that holds the message."},
	{.name = "drop_invalid_labels",
		.kind = ARG_BOOL,
		.offset = offsetof(struct eventlogmessage_args, drop_invalid_labels),
		.doc = "Leave out keys that are no label names, instead of changing them."},
	{.name = "overwrite_existing",
		.kind = ARG_BOOL,
		.offset = offsetof(struct eventlogmessage_args, overwrite_existing),
		.doc = "Overwrite extracted values of the same name, instead of adding \"_extracted\" to the key."},
	{0},
};

struct state {
	size_t source;
	bool drop_invalid, overwrite;
};

/* Alloy drops an entry whose message is null, and counts nothing; here it is counted in the ledger. */
static const struct drop_reason invalid = {.name = "eventlogmessage_invalid"};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct eventlogmessage_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (!labels_name_legacy(a->source))
		return stage_fail(b, "invalid label name: %.*s", STR_FMT(a->source));
	s->source = columns_number(b->columns, a->source);
	s->drop_invalid = a->drop_invalid_labels;
	s->overwrite = a->overwrite_existing;
	return s;
}

static void
take_line(const struct state *s, struct batch *b, size_t i, struct str line)
{
	struct str key, value;

	if (!str_cut(line, ':', &key, &value))
		return;
	if (!labels_name_legacy(key)) {
		if (s->drop_invalid)
			return;
		key = stage_name_sanitized(b->arena, key);
	}
	value = unicode_trim_space(value);
	if (str_utf8_valid(value))
		stage_set_found(b, i, key, value, s->overwrite);
}

static void
take_message(const struct state *s, struct batch *b, size_t i, struct str text)
{
	ptrdiff_t at;

	while ((at = str_find(text, STR("\r\n"))) >= 0) {
		take_line(s, b, i, str_head(text, (size_t)at));
		text = str_from_offset(text, (size_t)at + 2);
	}
	take_line(s, b, i, text);
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		struct cell cell = batch_cell(b, s->source, i);

		if (cell.kind == CELL_ABSENT)
			continue;
		if (stage_text(b, s->source, i, &text))
			take_message(s, b, i, text);
		else
			batch_drop(b, i, &invalid);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_eventlogmessage = {
	.name = "eventlogmessage",
	.args = args,
	.args_size = sizeof(struct eventlogmessage_args),
	.type = &type,
	.doc = "Extracts the fields of a Windows event's message.",
};

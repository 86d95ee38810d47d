/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/unicode.h"
#include "longship/flow/windows_message.h"

/* stage.eventlogmessage: the "Key: value" lines of a Windows event's message become extracted values. */

static const struct drop_reason invalid = {.name = "eventlogmessage_invalid"};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct windows_message_args *a = arguments;

	if (!labels_name_legacy(a->source))
		return stage_fail(b, "invalid label name: %.*s", STR_FMT(a->source));
	return windows_message_build(b, a);
}

static void
take_line(const struct windows_message *s, struct batch *b, size_t i, struct str line)
{
	struct str key, value;

	if (!str_cut(line, ':', &key, &value))
		return;
	windows_message_set(s, b, i, key, !labels_name_legacy(key), unicode_trim_space(value));
}

static void
take_message(const struct windows_message *s, struct batch *b, size_t i, struct str text)
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
	windows_message_apply(state, b, &invalid, take_message);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_eventlogmessage = {
	.name = "eventlogmessage",
	.args = windows_message_args,
	.args_size = sizeof(struct windows_message_args),
	.type = &type,
	.doc = "Extracts the fields of a Windows event's message.",
};

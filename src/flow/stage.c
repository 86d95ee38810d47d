/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/stage.h"

#include <stdarg.h>
#include <stdio.h>

#include "longship/codec/regex.h"

/* What most stages need to be built and to read their source. */

#define MESSAGE_BYTES 1024

void *
stage_fail(struct stage_builder *b, const char *format, ...)
{
	char text[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	diag_error(b->diags, b->pos, "%s", text);
	return NULL;
}

const struct drop_reason *
stage_drop_reason(struct stage_builder *b, struct str name)
{
	struct drop_reason *reason = arena_make(b->arena, struct drop_reason);

	reason->name = arena_z(b->arena, name);
	if (b->metrics != NULL)
		reason->counter = &metric_get(b->metrics, METRIC_COUNTER, "loki_process_dropped_lines_total",
			"A count of all log lines dropped as a result of a pipeline stage", b->component_id, "reason",
			reason->name, NULL)
					   ->count;
	return reason;
}

struct regex *
stage_regex_compile(struct stage_builder *b, struct str pattern, const char *prefix)
{
	struct str error = STR_EMPTY;
	size_t offset = 0;
	struct regex *regex = regex_compile(b->arena, pattern, 0, &error, &offset);

	if (regex == NULL)
		(void)stage_fail(b, "%s%.*s", prefix != NULL ? prefix : "", STR_FMT(error));
	return regex;
}

bool
stage_label_name_valid(struct str name)
{
	return name.len > 0 && str_utf8_valid(name) && memchr(name.s, '"', name.len) == NULL &&
	       memchr(name.s, '\\', name.len) == NULL;
}

bool
stage_source(struct stage_builder *b, struct str source, size_t *ret_column)
{
	if (source.s == NULL) {
		*ret_column = STAGE_NO_COLUMN;
		return true;
	}
	if (source.len == 0) {
		(void)stage_fail(b, "empty source");
		return false;
	}
	*ret_column = columns_number(b->columns, source);
	return true;
}

bool
stage_text_made(const struct batch *b, size_t column, size_t i, struct str *ret)
{
	if (column == STAGE_NO_COLUMN)
		*ret = b->line[i];
	else if (!batch_cell_text(b, batch_cell(b, column, i), ret))
		return false;
	if (ret->s == NULL)
		ret->s = "";
	return true;
}

struct str
stage_name_sanitized(struct arena *arena, struct str name)
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
stage_concat(struct arena *arena, struct str a, struct str b)
{
	char *out = arena_alloc(arena, a.len + b.len + 1);

	if (a.len > 0)
		memcpy(out, a.s, a.len);
	if (b.len > 0)
		memcpy(out + a.len, b.s, b.len);
	return (struct str){out, a.len + b.len};
}

void
stage_set_found(struct batch *b, size_t i, struct str name, struct str value, bool overwrite)
{
	if (!overwrite && batch_named(b, name, i).kind != CELL_ABSENT)
		name = stage_concat(b->arena, name, STR("_extracted"));
	batch_set_named(b, name, i, cell_string(value));
}

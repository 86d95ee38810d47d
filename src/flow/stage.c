/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/stage.h"

#include <stdarg.h>
#include <stdio.h>

#include "longship/codec/regex.h"
#include "longship/flow/label_memo.h"

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

struct stage_names
stage_names_copy(struct stage_builder *b, const struct str_list *list)
{
	struct stage_names names = {list->n, arena_array(b->arena, struct str, list->n + 1)};

	for (size_t i = 0; i < list->n; i++)
		names.items[i] = arena_str(b->arena, list->items[i]);
	return names;
}

bool
stage_names_have(const struct stage_names *names, struct str name)
{
	for (size_t i = 0; i < names->n; i++)
		if (str_eq(names->items[i], name))
			return true;
	return false;
}

static const struct labels *
filtered(const struct stage_names *names, bool keep, struct labels_table *table, const struct labels *base)
{
	struct label items[LABELS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < base->n; i++)
		if (stage_names_have(names, base->items[i].name) == keep)
			items[n++] = base->items[i];
	return labels_intern(table, items, n);
}

void
stage_filter_labels(const struct stage_names *names, bool keep, struct batch *b)
{
	struct label_memo *memo = label_memo_new(b->arena, 0);

	for (size_t i = 0; i < b->n; i++) {
		const struct labels **result = label_memo_at(memo, b->labels[i], NULL);

		if (*result == NULL)
			*result = filtered(names, keep, b->table, b->labels[i]);
		b->labels[i] = *result;
	}
}

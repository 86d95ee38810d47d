/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include "longship/base/check.h"
#include "longship/base/str.h"

#define GAP 2

void
table_init(struct table *table, struct arena *arena, size_t columns)
{
	assert(columns > 0 && columns <= TABLE_COLUMNS_MAX);
	*table = (struct table){.arena = arena, .columns = columns};
}

/* Columns of a terminal: one for each rune. */
static size_t
width_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* Paths and messages can hold any byte; escape sequences must not reach the terminal. */
static const char *
clean(struct arena *arena, const char *text)
{
	struct str copy = arena_str(arena, str_from(text));
	char *p = (char *)(uintptr_t)copy.s;

	for (size_t i = 0, n; i < copy.len; i += n) {
		uint32_t rune = 0;

		n = str_utf8_decode(str_from_offset(copy, i), &rune);
		if (n == 0 || rune < 0x20 || (rune >= 0x7f && rune < 0xa0)) {
			n = n > 0 ? n : 1;
			memset(p + i, '?', n);
		}
	}
	return copy.s;
}

void
table_row(struct table *table, const char *const *cells)
{
	const char **row = arena_array(table->arena, const char *, table->columns);

	for (size_t i = 0; i < table->columns; i++) {
		size_t width;

		row[i] = clean(table->arena, cells[i]);
		width = width_of(row[i]);
		if (width > table->widths[i])
			table->widths[i] = width;
	}
	vec_push(&table->rows, row);
}

static bool
is_number(const char *text)
{
	return *text >= '0' && *text <= '9';
}

/* A column is aligned as its first cell wants it. */
static void
print_row(const struct table *table, const char *const *row, FILE *out)
{
	for (size_t i = 0; i < table->columns; i++) {
		bool right = is_number(table->rows.items[1][i]), last = i + 1 == table->columns;
		int pad = (int)(table->widths[i] - width_of(row[i]));

		if (right)
			fprintf(out, "%*s%s", pad, "", row[i]);
		else
			fprintf(out, "%s%*s", row[i], last ? 0 : pad, "");
		fprintf(out, "%*s", last ? 0 : GAP, "");
	}
	fputc('\n', out);
}

void
table_print(struct table *table, FILE *out)
{
	if (table->rows.len > 1)
		fputc('\n', out);
	for (size_t i = 0; table->rows.len > 1 && i < table->rows.len; i++)
		print_row(table, table->rows.items[i], out);
	vec_done(&table->rows);
}

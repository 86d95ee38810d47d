/* SPDX-License-Identifier: Apache-2.0 */
#include "layout_priv.h"

#include "longship/base/limits.h"

/*
 * Elastic tab stops with the rules that gofmt made familiar: a column is as wide as its widest cell and one
 * blank; indentation is made of empty cells, which print as tabs while no text came before them.
 */

#define COLUMN_GAP 1
#define TAB_WIDTH 8
#define TEXT_BYTES_MAX (4 * CONFIG_FILE_BYTES_MAX) /* indentation can outgrow the file's own */

static void
open_line(struct layout *l)
{
	struct layout_line line = {.first = l->cells.len, .n = 1};
	struct layout_cell cell = {.start = l->text.len};

	vec_push(&l->lines, line);
	vec_push(&l->cells, cell);
	l->at_start = true;
	l->blanks = 0;
}

void
layout_init(struct layout *l)
{
	*l = (struct layout){.empty = true};
	buf_init(&l->text, TEXT_BYTES_MAX);
	open_line(l);
}

void
layout_done(struct layout *l)
{
	buf_done(&l->text);
	vec_done(&l->cells);
	vec_done(&l->lines);
}

void
layout_blank(struct layout *l)
{
	l->blanks++;
	l->at_start = l->empty = false;
}

static void
append(struct layout *l, struct str s)
{
	struct layout_cell *cell = &l->cells.items[l->cells.len - 1];

	for (; l->blanks > 0; l->blanks--) {
		buf_putc(&l->text, ' ');
		cell->width++;
	}
	buf_str(&l->text, s);
	for (size_t i = 0; i < s.len; i++)
		cell->width += ((unsigned char)s.s[i] & 0xc0) != 0x80;
	cell->len = l->text.len - cell->start;
	l->at_start = l->empty = false;
}

void
layout_text(struct layout *l, struct str s)
{
	append(l, s);
}

void
layout_literal(struct layout *l, struct str s)
{
	struct str line, rest;

	while (str_cut(s, '\n', &line, &rest)) {
		append(l, line);
		layout_newline(l, true);
		s = rest;
	}
	append(l, line);
}

void
layout_tab(struct layout *l, bool soft)
{
	struct layout_cell cell;

	append(l, STR_EMPTY);
	l->cells.items[l->cells.len - 1].soft = soft;
	cell = (struct layout_cell){.start = l->text.len};
	vec_push(&l->cells, cell);
	l->lines.items[l->lines.len - 1].n++;
}

void
layout_newline(struct layout *l, bool ends_section)
{
	l->lines.items[l->lines.len - 1].ends_section = ends_section;
	l->empty = false;
	open_line(l);
}

/* Gives the cells of one column, which starts in this line, their width. */
static void
align_column(struct layout *l, size_t line, size_t column)
{
	size_t width = 0, end = line;
	bool left_out = true;

	for (; end < l->lines.len && column + 1 < l->lines.items[end].n; end++) {
		struct layout_cell *cell = &l->cells.items[l->lines.items[end].first + column];

		if (cell->width + COLUMN_GAP > width)
			width = cell->width + COLUMN_GAP;
		if (cell->width > 0 || !cell->soft)
			left_out = false;
		if (l->lines.items[end].ends_section) {
			end++;
			break;
		}
	}
	for (size_t i = line; i < end; i++) {
		struct layout_cell *cell = &l->cells.items[l->lines.items[i].first + column];

		/* From here on width is what the cell needs behind its text. */
		cell->width = left_out ? 0 : width - cell->width;
	}
}

static void
align(struct layout *l)
{
	for (size_t i = 0; i < l->lines.len; i++) {
		size_t above = 0; /* columns that go on from the line above */

		if (i > 0 && !l->lines.items[i - 1].ends_section)
			above = l->lines.items[i - 1].n - 1;
		for (size_t column = above; column + 1 < l->lines.items[i].n; column++)
			align_column(l, i, column);
	}
}

static void
print_line(const struct layout *l, const struct layout_line *line, struct buf *out)
{
	const struct layout_cell *cells = &l->cells.items[line->first];
	size_t n = line->n;
	bool leading = true;

	while (n > 0 && cells[n - 1].len == 0)
		n--;
	for (size_t i = 0; i < n; i++) {
		buf_append(out, l->text.data + cells[i].start, cells[i].len);
		leading = leading && cells[i].len == 0;
		if (i + 1 == n)
			break;
		for (size_t k = 0; k < cells[i].width; k += leading ? TAB_WIDTH : 1)
			buf_putc(out, leading ? '\t' : ' ');
	}
}

void
layout_print(struct layout *l, struct buf *out)
{
	align(l);
	for (size_t i = 0; i < l->lines.len; i++) {
		if (i > 0)
			buf_putc(out, '\n');
		print_line(l, &l->lines.items[i], out);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Text in cells that stand aligned in columns, for the formatter. A cell ends with a tab; the last one of a
 * line has none and is no part of a column. A column is a run of neighbouring lines that have a cell there;
 * a section's end ends all columns.
 */
#include "longship/base/buf.h"
#include "longship/base/vec.h"

struct layout_cell {
	size_t start, len; /* in text */
	size_t width;      /* in code points; later of the column */
	bool soft;         /* ended by an alignment tab: an empty column of such is left out */
};

struct layout_line {
	size_t first, n; /* cells */
	bool ends_section;
};

struct layout {
	struct buf text;
	VEC(struct layout_cell) cells;
	VEC(struct layout_line) lines;
	size_t blanks; /* not yet written; dropped at a line's end */
	bool at_start; /* nothing on this line yet */
	bool empty;    /* nothing at all yet */
};

void layout_init(struct layout *);
void layout_done(struct layout *);
void layout_blank(struct layout *);
/* Text of one line, or of several when it is kept in one cell (a comment). */
void layout_text(struct layout *, struct str);
/* A literal: its line ends are ends of lines. */
void layout_literal(struct layout *, struct str);
void layout_tab(struct layout *, bool soft);
void layout_newline(struct layout *, bool ends_section);
/* Appends the aligned text, without white space at line ends and without a last line end. */
void layout_print(struct layout *, struct buf *out);

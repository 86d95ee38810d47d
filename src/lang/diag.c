/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"

/*
 * The excerpt repeats the lines of the range with one more on each side. Lines are walked from the first
 * one needed; a caret stands under each character of the range, blanks under what precedes it.
 */

#define TAB_COLUMNS 4
#define CONTEXT_LINES 1

void
diags_init(struct diags *d, struct arena *arena, const struct source *source)
{
	*d = (struct diags){.arena = arena, .source = source};
}

void
diags_done(struct diags *d)
{
	if (d == NULL)
		return;
	mem_free(d->items);
	d->items = NULL;
	d->n = d->cap = 0;
}

static void
add(struct diags *d, enum diag_level level, struct src_pos pos, struct str text)
{
	if (level == DIAG_ERROR)
		d->n_errors++;
	if (d->n == CONFIG_DIAGS_MAX)
		return;
	if (d->n == d->cap) {
		d->cap = d->cap == 0 ? 16 : 2 * d->cap;
		d->items = mem_realloc(d->items, d->cap * sizeof(*d->items));
	}
	d->items[d->n++] = (struct diag){level, pos, text};
}

static void __attribute__((format(printf, 4, 0)))
add_formatted(struct diags *d, enum diag_level level, struct src_pos pos, const char *format, va_list args)
{
	struct buf text;

	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	buf_vprintf(&text, format, args);
	add(d, level, pos, arena_str(d->arena, buf_view(&text)));
	buf_done(&text);
}

void
diag_error(struct diags *d, struct src_pos pos, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_formatted(d, DIAG_ERROR, pos, format, args);
	va_end(args);
}

void
diag_warning(struct diags *d, struct src_pos pos, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_formatted(d, DIAG_WARNING, pos, format, args);
	va_end(args);
}

void
diags_merge(struct diags *d, const struct diags *from)
{
	for (size_t i = 0; i < from->n; i++)
		add(d, from->items[i].level, from->items[i].pos, arena_str(d->arena, from->items[i].text));
}

/* One place in the shape that printing needs. */
struct place {
	uint32_t line, col; /* 1-based; 0: no position */
	uint32_t end_line, end_col; /* inclusive */
};

static bool
has_position(const struct diags *d, struct src_pos pos)
{
	return d->source != NULL && pos.file > 0 && pos.file <= d->source->n_files;
}

static struct place
place_of(const struct diags *d, struct src_pos pos)
{
	struct place p;
	struct src_pos last = pos;

	source_line_col(d->source, pos, &p.line, &p.col);
	if (pos.len > 1)
		last.off += pos.len - 1;
	source_line_col(d->source, last, &p.end_line, &p.end_col);
	return p;
}

/* "file:line:col", "line:col" for a nameless file, "-" for nowhere. */
static void
put_position(const struct diags *d, struct src_pos pos, struct buf *out)
{
	struct str name;
	uint32_t line, col;

	if (!has_position(d, pos)) {
		buf_putc(out, '-');
		return;
	}
	name = d->source->files[pos.file - 1].name;
	source_line_col(d->source, pos, &line, &col);
	if (name.len > 0) {
		buf_str(out, name);
		buf_putc(out, ':');
	}
	buf_printf(out, "%u:%u", line, col);
}

static void
put_repeated(struct buf *out, char c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_putc(out, c);
}

/* Cuts the next line off the text; false at the end. "a\n" has two lines, the second is empty. */
static bool
next_line(struct str *rest, struct str *ret_line)
{
	struct str tail;

	if (rest->s == NULL)
		return false;
	if (str_cut(*rest, '\n', ret_line, &tail))
		*rest = (struct str){ret_line->s + ret_line->len + 1, tail.len};
	else
		*rest = STR_EMPTY;
	return true;
}

static void
put_line(struct buf *out, struct str line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.s[i] == '\t' || line.s[i] == '\v')
			put_repeated(out, ' ', TAB_COLUMNS);
		else if (line.s[i] != '\r')
			buf_putc(out, line.s[i]);
	}
	buf_putc(out, '\n');
}

static bool
in_range(const struct place *p, uint32_t line, uint32_t col)
{
	if (line < p->line || line > p->end_line)
		return false;
	if (line == p->line)
		return col >= p->col;
	return line != p->end_line || col <= p->end_col;
}

static void
put_carets(struct buf *out, struct str line, uint32_t number, const struct place *p)
{
	char blank = p->end_line > p->line ? '_' : ' ';
	size_t width;
	uint32_t rune;

	for (size_t i = 0; i < line.len; i += width) {
		uint32_t col = (uint32_t)i + 1;

		width = str_utf8_decode(str_from_offset(line, i), &rune);
		if (width == 0)
			width = 1;
		if (number == p->end_line && col > p->end_col)
			break;
		if (line.s[i] == '\t' || line.s[i] == '\v')
			put_repeated(out, blank, TAB_COLUMNS);
		else
			buf_putc(out, in_range(p, number, col) ? '^' : blank);
	}
	buf_putc(out, '\n');
}

static void
put_excerpt(const struct diags *d, struct src_pos pos, struct buf *out)
{
	struct place p = place_of(d, pos);
	bool several = p.end_line > p.line;
	uint32_t first = p.line > CONTEXT_LINES ? p.line - CONTEXT_LINES : 1, last = p.end_line + CONTEXT_LINES;
	struct str rest = d->source->files[pos.file - 1].text, line;
	uint32_t lines = 1;
	int width;

	for (size_t i = 0; i < rest.len; i++)
		lines += rest.s[i] == '\n';
	if (last > lines)
		last = lines;
	width = snprintf(NULL, 0, "%u", last);
	if (rest.s == NULL)
		rest = STR("");
	buf_putc(out, '\n');
	for (uint32_t n = 1; n <= last && next_line(&rest, &line); n++) {
		if (n < first)
			continue;
		buf_printf(out, "%*u | ", width, n);
		if (several)
			buf_z(out, in_range(&p, n, 0) ? "| " : "  ");
		put_line(out, line);
		if (n != p.line && (!several || n != p.end_line))
			continue;
		put_repeated(out, ' ', (size_t)width);
		buf_z(out, !several ? " | " : n == p.line ? " |  _" : " | |_");
		put_carets(out, line, n, &p);
	}
}

static void
put_header(const struct diags *d, const struct diag *item, struct buf *out, bool colour)
{
	bool error = item->level == DIAG_ERROR;

	if (colour)
		buf_z(out, error ? "\x1b[31;1m" : "\x1b[33;1m");
	buf_z(out, error ? "Error: " : "Warning: ");
	if (colour)
		buf_z(out, "\x1b[0m\x1b[1m");
	put_position(d, item->pos, out);
	buf_z(out, ": ");
	buf_str(out, item->text);
	if (colour)
		buf_z(out, "\x1b[0m");
	buf_putc(out, '\n');
}

/* By position; what stands nowhere comes last. Equal ones in the order of reporting. */
static int
compare(const void *pa, const void *pb)
{
	const struct diag *a = *(const struct diag *const *)pa, *b = *(const struct diag *const *)pb;

	if ((a->pos.file == 0) != (b->pos.file == 0))
		return a->pos.file == 0 ? 1 : -1;
	if (a->pos.file != b->pos.file)
		return a->pos.file < b->pos.file ? -1 : 1;
	if (a->pos.off != b->pos.off)
		return a->pos.off < b->pos.off ? -1 : 1;
	return a < b ? -1 : a > b;
}

static bool
same(const struct diag *a, const struct diag *b)
{
	return a->level == b->level && a->pos.file == b->pos.file && a->pos.off == b->pos.off &&
		a->pos.len == b->pos.len && str_eq(a->text, b->text);
}

void
diags_print(const struct diags *d, FILE *f, bool colour)
{
	const struct diag **order = mem_zalloc((d->n + 1) * sizeof(*order));

	for (size_t i = 0; i < d->n; i++)
		order[i] = &d->items[i];
	if (d->n > 1)
		qsort(order, d->n, sizeof(*order), compare);
	for (size_t i = 0, printed = 0; i < d->n; i++) {
		struct buf out;

		if (i > 0 && same(order[i - 1], order[i]))
			continue;
		buf_init(&out, 4 * CONFIG_FILE_BYTES_MAX);
		if (printed++ > 0)
			buf_putc(&out, '\n');
		put_header(d, order[i], &out, colour);
		if (has_position(d, order[i]->pos))
			put_excerpt(d, order[i]->pos, &out);
		fwrite(out.data, 1, out.len, f);
		buf_done(&out);
	}
	mem_free(order);
}

void
diags_summary(const struct diags *d, struct buf *out)
{
	if (d->n == 0) {
		buf_z(out, "no errors");
		return;
	}
	put_position(d, d->items[0].pos, out);
	buf_z(out, ": ");
	buf_str(out, d->items[0].text);
	if (d->n > 1)
		buf_printf(out, " (and %zu more diagnostics)", d->n - 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "case_diff_priv.h"

#include <stdlib.h>

#include "longship/codec/json_tree.h"

/*
 * What differs between the entries that a case expects and those that came. Entries that are equal at both ends are
 * set aside; of those between, the first is compared with the first, and what is left over is missing or too much.
 */

#define TEXT_SHOWN_BYTES 300 /* of a value; around the first difference */
#define TEXT_BEFORE	 40  /* of it before the difference, when it is cut */

struct side { /* pairs of one entry, by name */
	const struct label *items;
	size_t n;
};

static struct str
value_of(struct side side, struct str name)
{
	for (size_t i = side.n; i > 0; i--)
		if (str_eq(side.items[i - 1].name, name))
			return side.items[i - 1].value;
	return STR_EMPTY;
}

static bool
has(struct side side, struct str name)
{
	for (size_t i = 0; i < side.n; i++)
		if (str_eq(side.items[i].name, name))
			return true;
	return false;
}

static bool
same_pairs(struct side want, struct side got)
{
	for (size_t i = 0; i < want.n; i++)
		if (!has(got, want.items[i].name) || !str_eq(value_of(want, want.items[i].name), value_of(got, want.items[i].name)))
			return false;
	for (size_t i = 0; i < got.n; i++)
		if (!has(want, got.items[i].name))
			return false;
	return true;
}

static struct side
labels_of(const struct entry_json *e)
{
	return (struct side){e->labels, e->n_labels};
}

static struct side
metadata_of(const struct entry_json *e)
{
	return e->metadata != NULL ? (struct side){e->metadata->items, e->metadata->n} : (struct side){0};
}

static bool
same(const struct case_entry *want, const struct entry_json *got)
{
	return (!want->has_line || str_eq(want->entry.line, got->line)) && (!want->entry.has_ts || want->entry.ts_ns == got->ts_ns) &&
	       (!want->has_labels || same_pairs(labels_of(&want->entry), labels_of(got))) &&
	       (!want->has_metadata || same_pairs(metadata_of(&want->entry), metadata_of(got)));
}

/* ---- printing ---- */

static void
put_quoted(struct buf *out, struct str s)
{
	if (str_utf8_valid(s))
		(void)json_tree_quote(out, s, false);
	else
		(void)buf_z(out, "bytes that are no UTF-8: "), (void)json_tree_quote(out, s, false);
}

/* Where two texts part, on the start of a character. */
static size_t
parting(struct str a, struct str b)
{
	size_t at = 0;

	while (at < a.len && at < b.len && a.s[at] == b.s[at])
		at++;
	while (at > 0 && at < a.len && ((unsigned char)a.s[at] & 0xc0) == 0x80)
		at--;
	return at;
}

static void
put_cut(struct buf *out, struct str s, size_t at)
{
	size_t from = s.len > TEXT_SHOWN_BYTES && at > TEXT_BEFORE ? at - TEXT_BEFORE : 0;
	struct str shown = str_head(str_from_offset(s, from), TEXT_SHOWN_BYTES);

	if (from > 0)
		(void)buf_printf(out, "(%zu bytes) … ", from);
	put_quoted(out, shown);
	if (from + shown.len < s.len)
		(void)buf_printf(out, " … (%zu bytes)", s.len - from - shown.len);
}

static void
put_text(struct buf *out, const char *what, struct str name, struct str want, struct str got)
{
	size_t at = parting(want, got);

	(void)buf_printf(out, "    %s", what);
	if (name.len > 0) {
		(void)buf_putc(out, ' ');
		(void)json_tree_quote(out, name, false);
	}
	(void)buf_z(out, "\n      want ");
	put_cut(out, want, at);
	(void)buf_z(out, "\n      got  ");
	put_cut(out, got, at);
	(void)buf_putc(out, '\n');
}

static void
put_one(struct buf *out, const char *what, struct str name, const char *how, struct str value)
{
	(void)buf_printf(out, "    %s ", what);
	(void)json_tree_quote(out, name, false);
	(void)buf_printf(out, " %s ", how);
	put_cut(out, value, 0);
	(void)buf_putc(out, '\n');
}

static void
put_pairs(struct buf *out, const char *what, struct side want, struct side got)
{
	for (size_t i = 0; i < want.n; i++) {
		struct str name = want.items[i].name, value = value_of(want, name);

		if (!has(got, name))
			put_one(out, what, name, "is missing, want", value);
		else if (!str_eq(value, value_of(got, name)))
			put_text(out, what, name, value, value_of(got, name));
	}
	for (size_t i = 0; i < got.n; i++)
		if (!has(want, got.items[i].name))
			put_one(out, what, got.items[i].name, "is not expected, got", got.items[i].value);
}

static void
put_times(struct buf *out, int64_t want, int64_t got)
{
	(void)buf_z(out, "    ts\n      want ");
	entry_json_print_time(out, want);
	(void)buf_z(out, "\n      got  ");
	entry_json_print_time(out, got);
	(void)buf_putc(out, '\n');
}

static void
put_changed(struct buf *out, size_t number, const struct case_entry *want, const struct entry_json *got)
{
	(void)buf_printf(out, "  entry %zu\n", number);
	if (want->has_line && !str_eq(want->entry.line, got->line))
		put_text(out, "line", STR_EMPTY, want->entry.line, got->line);
	if (want->entry.has_ts && want->entry.ts_ns != got->ts_ns)
		put_times(out, want->entry.ts_ns, got->ts_ns);
	if (want->has_labels)
		put_pairs(out, "label", labels_of(&want->entry), labels_of(got));
	if (want->has_metadata)
		put_pairs(out, "structured metadata", metadata_of(&want->entry), metadata_of(got));
}

static void
put_whole(struct buf *out, size_t number, const char *how, const struct entry_json *e, bool has_line)
{
	(void)buf_printf(out, "  entry %zu %s", number, how);
	if (has_line) {
		(void)buf_z(out, ": ");
		put_cut(out, e->line, 0);
	}
	(void)buf_putc(out, '\n');
}

bool
case_diff(struct buf *out, const struct case_entry *want, size_t n_want, const struct entry_json *got, size_t n_got)
{
	size_t head = 0, tail = 0, i;

	while (head < n_want && head < n_got && same(&want[head], &got[head]))
		head++;
	if (head == n_want && head == n_got)
		return true;
	while (tail < n_want - head && tail < n_got - head && same(&want[n_want - 1 - tail], &got[n_got - 1 - tail]))
		tail++;
	if (n_want != n_got)
		(void)buf_printf(out, "  %zu entries expected, %zu came\n", n_want, n_got);
	for (i = head; i < n_want - tail && i < n_got - tail; i++)
		if (!same(&want[i], &got[i]))
			put_changed(out, i + 1, &want[i], &got[i]);
	for (size_t k = i; k < n_want - tail; k++)
		put_whole(out, k + 1, "is missing", &want[k].entry, want[k].has_line);
	for (size_t k = i; k < n_got - tail; k++)
		put_whole(out, k + 1, "is not expected", &got[k], true);
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of a span as batches. The first loop is the way of nearly all lines: UTF-8 that needs no look. What is odd about
 * a line (it is too long, begins with NUL, is to be checked, or is in another encoding) is left to the slower ways behind it.
 */
#include "content.h"

#include <string.h>

#include "content_rules.h"
#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/flow/batch.h"
#include "longship/flow/lane.h"
#include "longship/flow/metric.h"
#include "longship/flow/receipt.h"
#include "longship/flow/stream.h"

#define CONTINUED_BYTES   SPAN_BEFORE_BYTES
#define ESCAPE_GROWTH_MAX 4 /* \xNN for a byte */

struct out {
	const struct content *c;
	struct stream *stream;
	struct lane *lane;
	struct receipt *receipt;
	struct batch *b; /* NULL: none yet */
	uint32_t line;
	bool continues; /* the first line began before this span */
	bool goes_on;   /* if there is only one it does not end in it */

	/* Where the current line stands: from … to of the text, which begins at the receipt's offset. */
	const char *text, *from, *to;
	struct open_run *find; /* nothing is handed on: lines are only looked for; those before `found` are */
	size_t n_find, found;
};

/* The batch, with room for n more. A span of very short lines makes many: what one needed is not kept for the next, so
 * texts in the lane's arena are made after this. */
static struct batch *
room(struct out *o, size_t n)
{
	assert(n <= BATCH_ENTRIES_MAX);
	if (o->find != NULL)
		return NULL;
	if (o->b != NULL && o->b->cap - o->b->n >= n)
		return o->b;
	if (o->b != NULL) {
		stream_emit(o->stream, o->b);
		arena_clear(lane_arena(o->lane));
		labels_table_trim(lane_labels(o->lane), LABEL_TABLE_BYTES_MAX);
	}
	o->b = stream_batch(o->stream, o->lane, o->receipt, BATCH_ENTRIES_MAX);
	return o->b;
}

static void
find(struct out *o)
{
	uint64_t base = o->receipt->from;

	for (size_t i = o->found; i < o->n_find && o->find[i].line <= o->line; i++) {
		struct open_run *run = &o->find[i];

		if (run->line == o->line)
			run->from = base + (uint64_t)(o->from - o->text);
		if (run->line + run->lines == o->line + 1)
			run->to = base + (uint64_t)(o->to - o->text);
		if (i == o->found && run->line + run->lines <= o->line)
			o->found++;
	}
}

static void
put(struct out *o, struct str line)
{
	struct batch *b = o->b;

	if (o->find != NULL) {
		find(o);
		o->line++;
		return;
	}
	if (!receipt_wants(o->receipt, o->line, o->receipt->from + (uint64_t)(o->from - o->text))) {
		o->line++;
		return;
	}

	b->ts[b->n] = o->receipt->base_ns + o->line;
	b->line[b->n] = line;
	b->labels[b->n] = o->stream->labels;
	b->origin[b->n] = (struct origin){o->line, 1};
	b->n++;
	o->line++;
}

static void
count(const struct out *o, struct metric *m, uint64_t n)
{
	if (m != NULL && n > 0 && !o->receipt->again && o->find == NULL)
		metric_add(m, n);
}

/* How many entries a line of so many bytes makes at most, when characters are not cut in the middle. */
static size_t
pieces(const struct out *o, size_t bytes)
{
	return bytes / (o->c->rules->limit_bytes - 3) + 1;
}

static const struct content plain; /* UTF-8 */

static void
put_truncated(struct out *o, struct str line, bool continues)
{
	const struct content_rules *rules = o->c->rules;
	struct str head;
	char *text;

	/* What follows the part that is kept. */
	if (continues)
		return;
	head = str_head(line, rules->limit_bytes - rules->mark.len);
	head.len = content_cut(&plain, head);
	text = arena_alloc(lane_arena(o->lane), head.len + rules->mark.len);
	memcpy(text, head.s, head.len);
	if (rules->mark.len > 0)
		memcpy(text + head.len, rules->mark.s, rules->mark.len);
	put(o, (struct str){text, head.len + rules->mark.len});
	count(o, rules->metrics.truncated, 1);
}

static struct str
next_piece(const struct out *o, struct str *line)
{
	struct str piece = str_head(*line, o->c->rules->limit_bytes);

	if (piece.len < line->len)
		piece.len = content_cut(&plain, piece);
	*line = str_from_offset(*line, piece.len);
	return piece;
}

/* A line as UTF-8, for which there is room. */
static void
put_any(struct out *o, struct str line, bool continues, bool goes_on)
{
	const struct content_rules *rules = o->c->rules;

	if (line.len <= rules->limit_bytes && !continues && !goes_on) {
		put(o, line);
		return;
	}
	if (rules->action == LONG_TRUNCATE) {
		put_truncated(o, line, continues);
		return;
	}
	while (line.len > 0) {
		put(o, next_piece(o, &line));
		count(o, rules->metrics.split, 1);
	}
}

/* Each byte that is not part of a character as U+FFFD or \xNN. */
static struct str
mend(const struct out *o, struct str line)
{
	static const char digits[] = "0123456789abcdef";
	bool escape = o->c->rules->invalid == INVALID_ESCAPE;
	char *text = arena_alloc(lane_arena(o->lane), line.len * ESCAPE_GROWTH_MAX);
	size_t n = 0, len;
	uint32_t rune;

	for (; line.len > 0; line = str_from_offset(line, len)) {
		unsigned char byte = (unsigned char)line.s[0];

		len = str_utf8_decode(line, &rune);
		if (len > 0) {
			memcpy(text + n, line.s, len);
			n += len;
			continue;
		}
		len = 1;
		memcpy(text + n, escape ? "\\x00" : "\xef\xbf\xbd", escape ? 4 : 3);
		if (escape) {
			text[n + 2] = digits[byte >> 4];
			text[n + 3] = digits[byte & 15];
		}
		n += escape ? 4 : 3;
	}
	return (struct str){text, n};
}

/* A line in UTF-8 that is odd, or has to be looked at. raw: without its line feed; last: the text ends with it. */
static void
put_odd(struct out *o, struct str raw, bool first, bool last)
{
	bool continues = first && o->continues, goes_on = first && last && o->goes_on;
	size_t nuls = 0;

	while (nuls < raw.len && raw.s[nuls] == '\0')
		nuls++;
	raw = str_from_offset(raw, nuls);
	for (; goes_on && raw.len > 0 && raw.s[raw.len - 1] == '\0'; raw.len--)
		nuls++;
	count(o, o->c->rules->metrics.nul_bytes, nuls);
	if (raw.len == 0 && (nuls > 0 || goes_on))
		return;
	(void)room(o, pieces(o, raw.len * ESCAPE_GROWTH_MAX));
	if (o->c->rules->invalid != INVALID_KEEP && !str_utf8_valid(raw)) {
		raw = mend(o, raw);
		count(o, o->c->rules->metrics.invalid, 1);
	}
	put_any(o, raw, continues, goes_on);
}

/* One line of UTF-8 from p: where the next begins. */
static const char *
take_odd(struct out *o, const char *begin, const char *p, const char *end)
{
	const char *newline = memchr(p, '\n', (size_t)(end - p));
	struct str raw = {p, (size_t)((newline != NULL ? newline : end) - p)};

	o->from = p;
	o->to = newline != NULL ? newline + 1 : end;
	if (newline != NULL && raw.len > 0 && raw.s[raw.len - 1] == '\r')
		raw.len--;
	put_odd(o, raw, p == begin, newline == NULL);
	return newline != NULL ? newline + 1 : end;
}

/* Whole lines that need no look, from p on, as many as the batch has room for: where the first other one begins. */
static const char *
take_plain(struct out *o, const char *p, const char *end)
{
	const size_t limit = o->c->rules->limit_bytes, cap = o->b->cap;
	const struct labels *labels = o->stream->labels, **labels_of = o->b->labels;
	int64_t *ts = o->b->ts, base_ns = o->receipt->base_ns;
	struct origin *origin = o->b->origin;
	struct str *lines = o->b->line;
	size_t n = o->b->n;
	uint32_t line = o->line;

	for (; p < end && n < cap; n++, line++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)(newline - p);

		if (len > limit || *p == '\0')
			break;
		ts[n] = base_ns + line;
		lines[n] = (struct str){p, len - (len > 0 && newline[-1] == '\r')};
		labels_of[n] = labels;
		origin[n] = (struct origin){line, 1};
		p = newline + 1;
	}
	o->b->n = n;
	o->line = line;
	return p;
}

static void
emit_utf8(struct out *o, struct str text)
{
	const char *p = text.s, *const end = text.s + text.len;
	const char *newline = text.len > 0 ? memrchr(text.s, '\n', text.len) : NULL;
	const char *whole = newline != NULL ? newline + 1 : p; /* all before it ends with a line feed */
	bool look = o->receipt->choosy || o->find != NULL || (o->c->rules->invalid != INVALID_KEEP && !str_utf8_valid(text));

	if (p < end && o->continues)
		p = take_odd(o, text.s, p, end);
	while (p < end) {
		if (!look && p < whole) {
			(void)room(o, 1);
			p = take_plain(o, p, whole);
		}
		if (p < end && (look || p >= whole || o->b->n < o->b->cap))
			p = take_odd(o, text.s, p, end);
	}
}

static void
emit_decoded(struct out *o, struct str text)
{
	const struct charset *charset = o->c->charset;
	const struct content_rules *rules = o->c->rules;
	const char *begin = text.s;

	while (text.len > 0) {
		size_t end = charset_line_end(charset, text), nuls;
		struct str raw = str_head(text, end);
		bool first = text.s == begin, last = end == text.len, bad = false;

		o->from = text.s;
		o->to = last ? text.s + text.len : text.s + end + charset_unit(charset);
		text = last ? STR_EMPTY : str_from_offset(text, end + charset_unit(charset));
		nuls = charset_nuls(charset, raw);
		raw = str_from_offset(raw, nuls);
		count(o, rules->metrics.nul_bytes, nuls);
		if (raw.len == 0 && (nuls > 0 || last))
			continue;
		(void)room(o, pieces(o, raw.len * CHARSET_GROWTH_MAX));
		raw = charset_decode(charset, lane_arena(o->lane), last ? raw : charset_without_cr(charset, raw), &bad);
		count(o, rules->metrics.invalid, bad);
		put_any(o, raw, first && o->continues, first && last && o->goes_on);
	}
}

/* The text goes on with a line that was too long for a span: there is no line feed anywhere before it. A short piece is the last
 * line of a file that was thought to be finished: what is added to it is a line of its own. NULs stand between lines. */
static bool
is_continued(const struct content *c, struct str text, uint64_t offset, size_t before)
{
	size_t unit = c->charset != NULL ? charset_unit(c->charset) : 1;
	struct str last = {text.s - before, before};

	if (before < CONTINUED_BYTES)
		return false;
	if (c->charset == NULL)
		return memrchr(last.s, '\n', last.len) == NULL && text.s[-1] != '\0';
	last = str_from_offset(last, (size_t)((before - offset) % unit));
	return charset_lines(c->charset, last) == 0 && charset_nuls(c->charset, str_from_offset(last, last.len - unit)) == 0;
}

static void
take_text(struct out *o, struct str text, size_t before)
{
	const struct content *c = o->c;
	uint64_t offset = o->receipt->from;

	o->text = text.s;
	o->continues = is_continued(c, text, offset, before);
	o->goes_on = text.len >= content_cut_min(c);
	if (offset < c->bom)
		text = str_from_offset(text, c->bom - offset);
	else if (c->charset != NULL)
		text = str_from_offset(text, (size_t)(-offset % charset_unit(c->charset)));
	if (c->charset == NULL)
		emit_utf8(o, text);
	else
		emit_decoded(o, text);
}

uint32_t
content_emit(const struct content *c, struct stream *s, struct lane *lane, struct receipt *receipt, struct str text, size_t before)
{
	struct out o = {.c = c, .stream = s, .lane = lane, .receipt = receipt};

	take_text(&o, text, before);
	if (o.b != NULL)
		stream_emit(s, o.b);
	return o.line;
}

bool
content_locate(const struct content *c, struct stream *s, struct lane *lane, struct receipt *receipt, struct str text, size_t before,
	struct open_run *runs, size_t n)
{
	struct out o = {.c = c, .stream = s, .lane = lane, .receipt = receipt, .find = runs, .n_find = n};

	for (size_t i = 0; i < n; i++)
		runs[i].from = runs[i].to = 0;
	take_text(&o, text, before);
	for (size_t i = 0; i < n; i++) {
		if (runs[i].to == 0)
			return false;
	}
	return true;
}

uint32_t
content_pass(const struct content *c, const struct receipt *receipt)
{
	struct metric *nul_bytes = c->rules->metrics.nul_bytes;

	if (nul_bytes != NULL && !receipt->again)
		metric_add(nul_bytes, receipt->to - receipt->from);
	return 0;
}

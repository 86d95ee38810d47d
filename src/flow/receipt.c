/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/receipt.h"

#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/flow/budget.h"
#include "longship/flow/lag.h"
#include "longship/flow/lane.h"
#include "longship/flow/ledger.h"
#include "longship/flow/stream.h"
#include "longship/positions/positions.h"

/*
 * The queue of a stream's receipts is ordered as the source is. Receipts settle in any order; the position
 * moves over the settled ones at the head of the queue, and over those of which only held lines are left: they go to
 * the list of passed ones. A discarded receipt stays where it is until the stream is rewound, which turns it into a replay.
 */

#define HOLD (UINT64_C(1) << 32) /* one hold, in refs */

static inline bool
unreferenced(uint64_t refs)
{
	return (refs & (HOLD - 1)) == 0;
}

static struct receipt *
make(struct stream *stream, uint64_t from, uint64_t to, int64_t base_ns, uint64_t times)
{
	struct receipt *r = mem_new(struct receipt);

	assert(to >= from);
	r->stream = stream;
	r->from = from;
	r->to = to;
	r->base_ns = base_ns;
	r->times = times;
	atomic_init(&r->refs, 1);
	stream_ref(stream);
	return r;
}

/* Lock held. */
static void
put_passed(struct stream *s, struct receipt *r)
{
	struct receipt **link = &s->passed;

	while (*link != NULL && (*link)->from < r->from)
		link = &(*link)->next;
	r->next = *link;
	*link = r;
	r->passed = true;
	s->n_passed++;
	s->n_holes += r->open.len;
}

struct receipt *
receipt_new(struct stream *stream, uint64_t from, uint64_t to, int64_t base_ns, uint64_t times)
{
	struct receipt *r = make(stream, from, to, base_ns, times);

	(void)pthread_mutex_lock(&stream->ledger->lock);
	if (stream->newest != NULL)
		stream->newest->next = r;
	else
		stream->oldest = r;
	stream->newest = r;
	stream->n_receipts++;
	(void)pthread_mutex_unlock(&stream->ledger->lock);
	return r;
}

struct receipt *
receipt_new_passed(struct stream *stream, uint64_t from, uint64_t to, int64_t base_ns, uint64_t times, const struct open_run *open,
	size_t n)
{
	struct receipt *r = make(stream, from, to, base_ns, times);

	for (size_t i = 0; i < n; i++)
		vec_push(&r->open, open[i]);
	r->choosy = true;
	(void)pthread_mutex_lock(&stream->ledger->lock);
	put_passed(stream, r);
	(void)pthread_mutex_unlock(&stream->ledger->lock);
	return r;
}

static void
receipt_free(struct receipt *r)
{
	mem_free(r->before);
	mem_free(r->after);
	mem_free(r->cursor);
	mem_free(r->extra_branches);
	mem_free(r->drops);
	mem_free(r->refused);
	mem_free(r->left);
	mem_free(r->mine);
	mem_free(r->refusals);
	vec_done(&r->holds);
	vec_done(&r->open);
	vec_done(&r->begun);
	budget_give(r->budget_bytes);
	mem_free(r);
}

/* What does not fit stays: such a line is never counted as dropped. */
#define BRANCHES_MAX UINT16_MAX

/* A span has no more lines than bytes; once it is processed one knows better. */
static size_t
branches_bytes(const struct receipt *r)
{
	return (r->span_lines > 0 ? r->span_lines : (size_t)(r->to - r->from)) * sizeof(*r->extra_branches);
}

void
receipt_split(struct receipt *r, struct origin origin, size_t more)
{
	if (more == 0)
		return;
	if (r->extra_branches == NULL) {
		r->extra_branches = mem_zalloc(branches_bytes(r));
		if (r->budget_bytes > 0) {
			budget_take(branches_bytes(r));
			r->budget_bytes += branches_bytes(r);
		}
	}
	for (uint32_t k = 0; k < origin.lines; k++) {
		uint16_t *extra = &r->extra_branches[origin.line + k];

		*extra = more > (size_t)(BRANCHES_MAX - *extra) ? BRANCHES_MAX : (uint16_t)(*extra + more);
	}
}

static void
count_reason(struct receipt_count **list, size_t *n, const char *reason, uint32_t lines)
{
	struct receipt_count *counts = *list;
	size_t i = 0;

	if (counts == NULL)
		*list = counts = mem_alloc(DROP_REASONS_MAX * sizeof(*counts));
	while (i < *n && counts[i].reason != reason && strcmp(counts[i].reason, reason) != 0)
		i++;
	if (i == DROP_REASONS_MAX)
		i = DROP_REASONS_MAX - 1;
	else if (i == *n)
		counts[(*n)++] = (struct receipt_count){.reason = reason};
	counts[i].lines += lines;
}

void
receipt_drop(struct receipt *r, struct origin origin, const char *reason)
{
	uint32_t gone = 0;

	for (uint32_t k = 0; k < origin.lines; k++) {
		uint16_t *extra = r->extra_branches != NULL ? &r->extra_branches[origin.line + k] : NULL;

		if (extra == NULL || *extra == 0)
			gone++;
		else if (*extra < BRANCHES_MAX)
			(*extra)--;
	}
	if (gone > 0)
		count_reason(&r->drops, &r->n_drops, reason, gone);
}

void
receipt_processed(struct receipt *r)
{
	struct ledger *l = r->stream->ledger;

	if (atomic_load(&r->refs) < HOLD) {
		mem_free(r->extra_branches);
		r->extra_branches = NULL;
	} else if (r->extra_branches != NULL) {
		r->extra_branches = mem_realloc(r->extra_branches, branches_bytes(r));
	}
	r->budget_bytes = sizeof(*r) + (r->extra_branches != NULL ? branches_bytes(r) : 0) + memory_bytes(r->before) + memory_bytes(r->after) +
		(r->drops != NULL ? DROP_REASONS_MAX * sizeof(*r->drops) : 0);
	budget_take(r->budget_bytes);
	(void)pthread_mutex_lock(&l->lock);
	if (!r->silent && r->lines >= r->lines_again) {
		l->read += r->lines - r->lines_again;
		l->in_flight += r->lines - r->lines_again;
		r->stream->unsettled_lines += r->lines - r->lines_again;
	} else if (!r->silent) {
		ledger_give_up(l, r->lines_again - r->lines); /* the source was written over meanwhile */
		r->stream->unsettled_lines -= r->lines_again - r->lines;
	}
	if (r->resent && !r->stream->reads_lag)
		l->resent += r->lines;
	(void)pthread_mutex_unlock(&l->lock);
}

void
receipt_ref(struct receipt *r)
{
	(void)atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

/* How many lines a bitmap has room for: a span has no more lines than bytes. */
static size_t
bitmap_words(const struct receipt *r)
{
	return ((size_t)(r->to - r->from) + 63) / 64;
}

/* Lines in both sets (b NULL: in a) that are not in `not` (NULL: none). */
static uint32_t
count_lines(const struct receipt *r, const uint64_t *a, const uint64_t *b, const uint64_t *not)
{
	uint32_t n = 0;

	for (size_t i = 0; a != NULL && i < bitmap_words(r); i++) {
		uint64_t word = a[i] & (b != NULL ? b[i] : UINT64_MAX) & (not != NULL ? ~not[i] : UINT64_MAX);

		n += (uint32_t)__builtin_popcountll(word);
	}
	return n;
}

/* A span of the stream itself. Lines that are left to readers go to the pool; where one of them was refused, too, that is remembered. */
static void
count_span(struct ledger *l, const struct receipt *r, uint32_t n)
{
	uint32_t left = count_lines(r, r->left, NULL, NULL), owed = left > 0 ? count_lines(r, r->refused, r->left, NULL) : 0, stored = n - left;
	struct stream *s = r->stream;

	assert(left <= n && n <= r->lines);
	ledger_settle(l, s, n, left);
	for (size_t i = 0; i < r->n_drops; i++) {
		ledger_reason(l, r->drops[i].reason)->dropped += r->drops[i].lines;
		stored -= r->drops[i].lines;
	}
	for (size_t i = 0; i < r->n_refusals; i++) {
		uint32_t debt = r->refusals[i].lines < owed ? r->refusals[i].lines : owed;

		if (debt > 0)
			count_reason(&s->debts, &s->n_debts, ledger_reason(l, r->refusals[i].reason)->name, debt);
		owed -= debt;
		ledger_reason(l, r->refusals[i].reason)->rejected += r->refusals[i].lines - debt;
		stored -= r->refusals[i].lines - debt;
	}
	assert(stored <= n);
	l->acknowledged += stored;
}

/* Takes n lines that were refused from the list. */
static uint32_t
count_rejected(struct ledger *l, struct receipt_count *list, size_t n_list, uint32_t n)
{
	uint32_t taken = 0;

	for (size_t i = 0; i < n_list && taken < n; i++) {
		uint32_t k = list[i].lines < n - taken ? list[i].lines : n - taken;

		ledger_reason(l, list[i].reason)->rejected += k;
		list[i].lines -= k;
		taken += k;
	}
	return taken;
}

/* A span that the reader of a lag has read again. */
static void
count_lagged(struct ledger *l, struct receipt *r)
{
	struct stream *s = r->stream->lag->main;
	uint32_t n = count_lines(r, r->mine, NULL, r->left), refused = n > 0 ? count_lines(r, r->refused, r->mine, r->left) : 0;

	if (r->counted)
		return;
	ledger_settle_pool(l, s, n, r->to <= s->restored_at);
	n -= count_rejected(l, r->refusals, r->n_refusals, refused);
	n -= count_rejected(l, s->debts, s->n_debts, n);
	l->acknowledged += n;
}

/* The first n of the lines in flight are settled: with all drops and refusals so far. Lock held. */
static void
count_settled(struct ledger *l, struct receipt *r, uint32_t n)
{
	if (r->stream->lag != NULL)
		count_lagged(l, r);
	else if (!r->silent && !r->stream->reads_lag)
		count_span(l, r, n);
	else
		return;
	r->lines -= n;
	r->n_drops = r->n_refusals = 0;
	mem_free(r->refused);
	mem_free(r->left);
	r->refused = r->left = NULL;
}

static int
by_line(const void *a, const void *b)
{
	const struct open_run *x = a, *y = b;

	return x->line < y->line ? -1 : x->line > y->line;
}

/* The holds, ascending and without overlap, as what is left open. Returns their lines. */
static uint32_t
open_holds(struct receipt *r)
{
	uint32_t lines = 0;

	r->open.len = 0;
	qsort(r->holds.items, r->holds.len, sizeof(r->holds.items[0]), by_line);
	for (size_t i = 0; i < r->holds.len; i++) {
		const struct open_run *h = &r->holds.items[i];
		struct open_run *last = r->open.len > 0 ? &r->open.items[r->open.len - 1] : NULL;

		if (last == NULL || h->line > last->line + last->lines) {
			vec_push(&r->open, *h);
		} else if (h->line + h->lines > last->line + last->lines) {
			last->lines = h->line + h->lines - last->line;
			last->to = h->to;
		}
	}
	for (size_t i = 0; i < r->open.len; i++)
		lines += r->open.items[i].lines;
	return lines;
}

static bool
refused_any(const struct receipt *r, const struct open_run *run)
{
	for (uint32_t i = run->line; i < run->line + run->lines; i++) {
		uint64_t bit = UINT64_C(1) << (i % 64);

		if ((r->refused != NULL && (r->refused[i / 64] & bit) != 0) || (r->left != NULL && (r->left[i / 64] & bit) != 0))
			return true;
	}
	return false;
}

/* Nothing but held lines is unsettled, and it is known where they stand. A line that another branch has refused already is
 * counted at its end. Lock held. */
static bool
is_only_held(const struct receipt *r)
{
	uint64_t refs = atomic_load(&r->refs);

	for (size_t i = 0; i < r->holds.len; i++) {
		if (refused_any(r, &r->holds.items[i]))
			return false;
	}
	return refs >= HOLD && unreferenced(refs) && r->n_ending == 0 && r->located && !atomic_load(&r->discarded);
}

/* And the store can note them as holes. Lock held. */
static bool
can_pass(const struct stream *s, const struct receipt *r)
{
	return is_only_held(r) && s->n_holes + r->holds.len <= POSITIONS_HOLES_MAX;
}

/* Lock held. */
static void
move_position(struct stream *s, struct receipt *r)
{
	s->oldest = r->next;
	if (s->oldest == NULL)
		s->newest = NULL;
	s->n_receipts--;
	s->position = r->to;
	if (r->cursor != NULL) {
		mem_free(s->position_cursor);
		s->position_cursor = r->cursor;
		r->cursor = NULL;
	}
	memory_copy(&s->position_memory, r->after);
	if (r->tail_hash != 0)
		stream_prove(s, r->to, r->tail_hash);
	r->next = NULL;
}

/* Lock held. Moves the position over the head of the queue; appends the receipts that are done to a list. */
static bool
take_settled(struct stream *s, struct receipt **end)
{
	uint64_t before = s->position;

	while (s->oldest != NULL) {
		struct receipt *r = s->oldest;

		if (r->settled) {
			move_position(s, r);
			*end = r;
			end = &r->next;
		} else if (can_pass(s, r)) {
			uint32_t held = open_holds(r);

			move_position(s, r);
			count_settled(s->ledger, r, r->lines - held);
			put_passed(s, r);
		} else {
			break;
		}
	}
	return s->position != before;
}

/* Of passed receipts some holds may have ended: their lines are settled, and no holes any more. Lock held. */
static bool
shrink_passed(struct stream *s)
{
	bool any = false;

	for (struct receipt *r = s->passed; r != NULL; r = r->next) {
		size_t before = r->open.len;
		uint32_t held;

		if (!is_only_held(r))
			continue;
		held = open_holds(r);
		s->n_holes = s->n_holes - before + r->open.len;
		if (held >= r->lines)
			continue;
		count_settled(s->ledger, r, r->lines - held);
		any = true;
	}
	return any;
}

/* Lock held. */
static void
leave_passed(struct stream *s, struct receipt *r)
{
	struct receipt **link = &s->passed;

	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	r->next = NULL;
	s->n_passed--;
	s->n_holes -= r->open.len;
}

/* Frees what is done. */
static void
finish(struct stream *s, struct receipt *done)
{
	while (done != NULL) {
		struct receipt *next = done->next;

		receipt_free(done);
		stream_unref(s);
		done = next;
	}
}

/* The source is told between the counting and the moment from which another thread may free the receipt. */
static void
settle(struct receipt *r)
{
	struct stream *s = r->stream;
	bool discarded = atomic_load(&r->discarded), moved = false, last;
	struct receipt *done = NULL, **end = &done;

	(void)pthread_mutex_lock(&s->ledger->lock);
	if (!discarded)
		count_settled(s->ledger, r, r->lines);
	if (s->ops->settled != NULL) {
		(void)pthread_mutex_unlock(&s->ledger->lock);
		s->ops->settled(s, r);
		(void)pthread_mutex_lock(&s->ledger->lock);
	}
	r->settled = !discarded;
	if (r->passed && r->settled) {
		leave_passed(s, r);
		done = r;
		end = &r->next;
		moved = true;
	}
	moved = take_settled(s, end) || moved;
	last = done != NULL && s->oldest == NULL && s->passed == NULL;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	if (moved)
		progress_note(s);
	if (last && atomic_load(&s->ended))
		lane_wake(s);
	finish(s, done);
}

/* Of a receipt only holds are left. It may be gone itself by now: its stream is kept by the caller. */
static void
pass(struct stream *s)
{
	struct receipt *done = NULL;
	bool moved;

	(void)pthread_mutex_lock(&s->ledger->lock);
	moved = take_settled(s, &done);
	moved = shrink_passed(s) || moved;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	if (moved)
		progress_note(s);
	finish(s, done);
}

void
receipt_unref(struct receipt *r)
{
	struct stream *s = r->stream;
	uint64_t left;

	stream_ref(s);
	left = atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) - 1;
	if (left == 0)
		settle(r);
	else if (unreferenced(left))
		pass(s);
	stream_unref(s);
}

void
receipt_hold(struct receipt *r, uint32_t line, uint32_t lines)
{
	struct ledger *l = r->stream->ledger;
	struct open_run hold = {.line = line, .lines = lines};

	(void)pthread_mutex_lock(&l->lock);
	for (size_t i = 0; r->located && i < r->holds.len; i++) {
		const struct open_run *h = &r->holds.items[i];

		if (h->line <= line && line + lines <= h->line + h->lines) {
			hold.from = h->from;
			hold.to = h->to;
		}
	}
	r->located = r->located && hold.to > 0;
	vec_push(&r->holds, hold);
	(void)pthread_mutex_unlock(&l->lock);
	atomic_store(&r->stream->holds_lines, true);
	(void)atomic_fetch_add(&r->refs, HOLD);
}

void
receipt_ending(struct receipt *r)
{
	struct ledger *l = r->stream->ledger;

	(void)pthread_mutex_lock(&l->lock);
	r->n_ending++;
	(void)pthread_mutex_unlock(&l->lock);
}

void
receipt_unhold(struct receipt *r, uint32_t line, uint32_t lines, bool discard)
{
	struct stream *s = r->stream;
	uint64_t left;
	size_t i = 0;

	if (discard)
		atomic_store(&r->discarded, true);
	stream_ref(s);
	(void)pthread_mutex_lock(&s->ledger->lock);
	while (r->holds.items[i].line != line || r->holds.items[i].lines != lines)
		i++;
	vec_remove(&r->holds, i);
	if (!discard && r->n_ending > 0)
		r->n_ending--;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	left = atomic_fetch_sub_explicit(&r->refs, HOLD, memory_order_acq_rel) - HOLD;
	if (left == 0)
		settle(r);
	else if (unreferenced(left))
		pass(s);
	stream_unref(s);
}

static bool
has_branches(const struct receipt *r, uint32_t line, uint32_t lines)
{
	for (uint32_t i = line; r->extra_branches != NULL && i < line + lines; i++) {
		if (r->extra_branches[i] > 0)
			return true;
	}
	return false;
}

void
receipt_begun(struct receipt *r, uint32_t line, uint32_t lines, uint64_t from)
{
	struct ledger *l = r->stream->ledger;

	if (has_branches(r, line, lines))
		return;
	(void)pthread_mutex_lock(&l->lock);
	vec_push(&r->begun, ((struct begun_run){.line = line, .lines = lines, .from = from}));
	(void)pthread_mutex_unlock(&l->lock);
	atomic_store(&r->marked, false);
}

bool
receipt_wants_open(struct receipt *r, uint32_t line, uint64_t offset)
{
	for (size_t i = 0; i < r->begun.len; i++) {
		const struct begun_run *b = &r->begun.items[i];

		if (b->settled && line >= b->line && line < b->line + b->lines)
			return false;
	}
	for (size_t i = 0; r->passed && i < r->open.len; i++) {
		if (offset >= r->open.items[i].from && offset < r->open.items[i].to) {
			r->wanted++;
			return true;
		}
	}
	return !r->passed;
}

/* Lock held. How many of the lines were not in the set. */
static uint32_t
set_lines(const struct receipt *r, uint64_t **set, uint32_t line, uint32_t n)
{
	uint32_t fresh = 0, lines_max = (uint32_t)(r->to - r->from);

	if (*set == NULL)
		*set = mem_zalloc(bitmap_words(r) * sizeof(**set));
	for (uint32_t i = line; i < line + n && i < lines_max; i++) {
		uint64_t bit = UINT64_C(1) << (i % 64);

		fresh += ((*set)[i / 64] & bit) == 0;
		(*set)[i / 64] |= bit;
	}
	return fresh;
}

void
receipt_leave(struct receipt *r, uint32_t line, uint32_t n)
{
	(void)pthread_mutex_lock(&r->stream->ledger->lock);
	(void)set_lines(r, &r->left, line, n);
	(void)pthread_mutex_unlock(&r->stream->ledger->lock);
}

void
receipt_claim(struct receipt *r, uint32_t line, uint32_t n)
{
	(void)pthread_mutex_lock(&r->stream->ledger->lock);
	(void)set_lines(r, &r->mine, line, n);
	(void)pthread_mutex_unlock(&r->stream->ledger->lock);
}

void
receipt_refuse(struct receipt *r, uint32_t line, uint32_t n, const char *reason)
{
	struct ledger *l = r->stream->ledger;
	uint32_t fresh;

	(void)pthread_mutex_lock(&l->lock);
	fresh = set_lines(r, &r->refused, line, n);
	if (fresh > 0)
		count_reason(&r->refusals, &r->n_refusals, reason, fresh);
	(void)pthread_mutex_unlock(&l->lock);
}

void
receipt_return(struct receipt *r, uint32_t line, uint32_t n, const char *reason)
{
	receipt_refuse(r, line, n, reason);
	atomic_store(&r->returned, true);
}

void
receipt_give_up(struct receipt *r)
{
	struct stream *s = r->stream;

	assert(atomic_load(&r->refs) == 0);
	receipt_free(r);
	stream_unref(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/receipt.h"

#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/flow/budget.h"
#include "longship/flow/lane.h"
#include "longship/flow/ledger.h"
#include "longship/flow/stream.h"

/*
 * The queue of a stream's receipts is ordered as the source is. Receipts settle in any order; the position
 * moves over the settled ones at the head of the queue. A discarded receipt stays in the queue until the
 * stream is rewound, which turns it into a replay.
 */

struct receipt *
receipt_new(struct stream *stream, uint64_t from, uint64_t to, int64_t base_ns, uint64_t times)
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

static void
receipt_free(struct receipt *r)
{
	mem_free(r->before);
	mem_free(r->after);
	mem_free(r->cursor);
	mem_free(r->extra_branches);
	mem_free(r->drops);
	mem_free(r->refused);
	mem_free(r->refusals);
	budget_give(r->budget_bytes);
	mem_free(r);
}

/* What does not fit stays: such a line is never counted as dropped. */
#define BRANCHES_MAX UINT16_MAX

void
receipt_split(struct receipt *r, struct origin origin, size_t more)
{
	if (more == 0)
		return;
	/* A span has no more lines than bytes. */
	if (r->extra_branches == NULL)
		r->extra_branches = mem_zalloc((size_t)(r->to - r->from) * sizeof(*r->extra_branches));
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

	mem_free(r->extra_branches);
	r->extra_branches = NULL;
	r->budget_bytes = sizeof(*r) + memory_bytes(r->before) + memory_bytes(r->after) +
		(r->drops != NULL ? DROP_REASONS_MAX * sizeof(*r->drops) : 0);
	budget_take(r->budget_bytes);
	(void)pthread_mutex_lock(&l->lock);
	if (!r->silent && r->lines >= r->lines_again) {
		l->read += r->lines - r->lines_again;
		l->in_flight += r->lines - r->lines_again;
	} else if (!r->silent) {
		ledger_give_up(l, r->lines_again - r->lines); /* the source was written over meanwhile */
	}
	if (r->resent)
		l->resent += r->lines;
	(void)pthread_mutex_unlock(&l->lock);
}

void
receipt_ref(struct receipt *r)
{
	(void)atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

static uint32_t
count_refused(const struct receipt *r)
{
	uint32_t n = 0;

	for (size_t i = 0; r->refused != NULL && i < (r->lines + 63) / 64; i++)
		n += (uint32_t)__builtin_popcountll(r->refused[i]);
	return n;
}

/* Lock held. */
static void
count_settled(struct ledger *l, const struct receipt *r)
{
	uint32_t left = r->lines;

	if (r->silent)
		return;
	for (size_t i = 0; i < r->n_drops; i++) {
		ledger_reason(l, r->drops[i].reason)->dropped += r->drops[i].lines;
		left -= r->drops[i].lines;
	}
	for (size_t i = 0; i < r->n_refusals; i++)
		ledger_reason(l, r->refusals[i].reason)->rejected += r->refusals[i].lines;
	left -= count_refused(r);
	assert(left <= r->lines && l->in_flight >= r->lines);
	l->acknowledged += left;
	l->in_flight -= r->lines;
}

/* Lock held. Moves the position over the settled head; returns the list of receipts that are done. */
static struct receipt *
take_settled(struct stream *s)
{
	struct receipt *done = NULL, **end = &done;

	while (s->oldest != NULL && s->oldest->settled) {
		struct receipt *r = s->oldest;

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
		*end = r;
		end = &r->next;
	}
	return done;
}

/* The source is told between the counting and the moment from which another thread may free the receipt. */
static void
settle(struct receipt *r)
{
	struct stream *s = r->stream;
	bool discarded = atomic_load(&r->discarded), last;
	struct receipt *done;

	(void)pthread_mutex_lock(&s->ledger->lock);
	if (!discarded)
		count_settled(s->ledger, r);
	if (s->ops->settled != NULL) {
		(void)pthread_mutex_unlock(&s->ledger->lock);
		s->ops->settled(s, r);
		(void)pthread_mutex_lock(&s->ledger->lock);
	}
	r->settled = !discarded;
	done = take_settled(s);
	last = done != NULL && s->oldest == NULL;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	if (done != NULL)
		progress_note(s);
	if (last && atomic_load(&s->ended))
		lane_wake(s);
	while (done != NULL) {
		struct receipt *next = done->next;

		receipt_free(done);
		stream_unref(s);
		done = next;
	}
}

void
receipt_unref(struct receipt *r)
{
	if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
		settle(r);
}

void
receipt_refuse(struct receipt *r, uint32_t line, uint32_t n, const char *reason)
{
	struct ledger *l = r->stream->ledger;
	uint32_t fresh = 0, lines_max = (uint32_t)(r->to - r->from);

	(void)pthread_mutex_lock(&l->lock);
	if (r->refused == NULL)
		r->refused = mem_zalloc((size_t)(lines_max + 63) / 64 * sizeof(*r->refused));
	for (uint32_t i = line; i < line + n && i < lines_max; i++) {
		uint64_t bit = UINT64_C(1) << (i % 64);

		fresh += (r->refused[i / 64] & bit) == 0;
		r->refused[i / 64] |= bit;
	}
	if (fresh > 0)
		count_reason(&r->refusals, &r->n_refusals, reason, fresh);
	(void)pthread_mutex_unlock(&l->lock);
}

void
receipt_give_up(struct receipt *r)
{
	struct stream *s = r->stream;

	assert(atomic_load(&r->refs) == 0);
	receipt_free(r);
	stream_unref(s);
}

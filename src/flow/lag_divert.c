/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a consumer has for a parked destination is left to the reader of a lag: how a lag begins, and what its reader is told.
 */
#include "lag_priv.h"

#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"

#define SPANS_NOTED_MAX 256 /* of a main stream whose times a reader remembers; behind them lines get new ones */

/* ---- Beginning ---- */

/* A span of the main stream, in its place among those that the reader is to give the same times. */
static void
insert_span(struct lag *lag, const struct receipt *r)
{
	struct stream *reader = lag->reader;
	size_t at = reader->replays.len;

	while (at > reader->next_replay && reader->replays.items[at - 1].from >= r->from)
		at--;
	if (at < reader->replays.len && reader->replays.items[at].from == r->from)
		return;
	vec_push(&reader->replays, (struct replay){0});
	memmove(&reader->replays.items[at + 1], &reader->replays.items[at], (reader->replays.len - 1 - at) * sizeof(reader->replays.items[0]));
	reader->replays.items[at] = (struct replay){.from = r->from, .to = r->to, .has_base = true, .base_ns = r->base_ns,
		.before = memory_keep(r->before)};
}

/* The spans of the main stream from an offset on that are not settled. */
static void
take_spans(struct lag *lag, uint64_t from)
{
	struct stream *main = lag->main;

	(void)pthread_mutex_lock(&main->ledger->lock);
	for (const struct receipt *r = main->oldest; r != NULL && lag->notes; r = r->next) {
		if (r->from >= from && r->to > r->from)
			insert_span(lag, r);
	}
	(void)pthread_mutex_unlock(&main->ledger->lock);
}

/* The lag begins with this line; its reader has read nothing yet. Its position is that of the oldest span of which requests may have lines,
 * from `floor` on. */
static void
place(struct lag *lag, const struct receipt *r, uint32_t line, uint64_t floor)
{
	struct stream *reader = lag->reader;
	const struct receipt *low = r;

	lag->begin = r->from;
	lag->begin_line = line;
	mem_free(lag->begin_memory);
	lag->begin_memory = memory_keep(r->before);
	(void)pthread_mutex_lock(&reader->ledger->lock);
	for (const struct receipt *o = lag->main->oldest; o != NULL && lag->queue != NULL; o = o->next) {
		if (o->from >= floor && o->from < low->from)
			low = o;
	}
	reader->read_offset = reader->settled_to = r->from;
	memory_copy(&reader->memory, r->before);
	reader->position = low->from;
	memory_copy(&reader->position_memory, low->before);
	reader->oldest_ns = low->base_ns;
	(void)pthread_mutex_unlock(&reader->ledger->lock);
	take_spans(lag, reader->position);
	if (reader->ops->rewound != NULL)
		reader->ops->rewound(reader);
	/* The destination may have lines of what is carried, or of this span: they get the same times after a crash, too. */
	lag->marked_to = 0;
	lag_store_marks(lag, lag->queue != NULL || line > 0 ? r->to : 0);
}

/* Lines of this span, from this one on, come to the lag, too. Its reader has not begun. */
static void
begin_earlier(struct lag *lag, const struct receipt *r, uint32_t line)
{
	if (r->from < lag->begin) {
		place(lag, r, line, lag->queue != NULL ? lag->reader->position : r->from);
	} else if (r->from == lag->begin && line < lag->begin_line) {
		lag->begin_line = line;
	}
}

static void
send_to_lane(struct lag *lag)
{
	struct lane *lane = lag->main->lane;

	lag->waits = false;
	atomic_store(&lag->reader->ended, false);
	if (lag->reader->lane != NULL)
		lane_wake(lag->reader);
	else if (lane != NULL)
		(void)lanes_add(lag->main->runtime->lanes, lag->reader, lane_number(lane));
}

/* An earlier generation of the file has a lag of the same destination: its lines go first. */
const struct lag *
lag_before(const struct stream *main, uint64_t id)
{
	for (const struct stream *s = main->predecessor; s != NULL; s = s->predecessor) {
		for (size_t i = 0; i < s->lags.len; i++) {
			if (s->lags.items[i]->id == id && !s->lags.items[i]->waits)
				return s->lags.items[i];
		}
	}
	return NULL;
}

static unsigned
free_slot(const struct stream *main)
{
	unsigned slot = 0;

	for (size_t i = 0; i < main->lags.len; i++) {
		if (main->lags.items[i]->slot == slot) {
			slot++;
			i = (size_t)-1;
		}
	}
	return slot;
}

/* Where the lags that the destination has already end, if it has any. */
static uint64_t
last_until(const struct stream *main, uint64_t id)
{
	uint64_t until = 0;

	for (size_t i = 0; i < main->lags.len; i++) {
		const struct lag *lag = main->lags.items[i];

		if (lag->id == id && lag->until > until)
			until = lag->until;
	}
	return until;
}

/* The destination takes nothing from this line on. carried: its queue in this lane may have earlier ones. */
static struct lag *
open_lag(struct stream *main, struct send_queue *q, const struct receipt *r, uint32_t line, bool carried)
{
	struct destination *d = send_queue_destination(q);
	const struct lag *before = lag_before(main, destination_id(d));
	uint64_t floor = last_until(main, destination_id(d));
	struct lag *lag;

	if (!lag_can(main))
		return NULL;
	lag = lag_add(main, free_slot(main), destination_id(d));
	lag_bind(lag, d);
	lag->known = true;
	lag->notes = before == NULL || before->notes;
	if (carried) {
		lag->queue = q;
		lag->carried = send_queue_submitted(q);
	}
	place(lag, r, line, floor);
	if (atomic_load(&main->removed))
		atomic_store(&lag->reader->removed, true);
	send_to_lane(lag);
	return lag;
}

/* The same in the middle of a span: what is open of it is submitted first, so that it has a number. */
static struct lag *
open_lag_here(struct stream *main, struct send_queue *q, const struct receipt_run *first)
{
	struct lag *lag;

	if (lane_current() != NULL)
		lane_flush_all(lane_current());
	lag = open_lag(main, q, first->receipt, first->line, send_queue_len(q) > 0);
	if (lag == NULL)
		destination_warn_full(send_queue_destination(q), main->name);
	return lag;
}

/* ---- What consumers ask ---- */

/* What the destination has already, since the main stream sent it, is nobody's but the main stream's. */
static void
leave(struct lag *lag, const struct receipt_run *run)
{
	struct receipt *r = run->receipt;
	uint32_t line = run->line, end = run->line + run->lines;

	if (r->from < lag->counted_from)
		return;
	if (r->from < lag->begin || (r->from == lag->begin && line < lag->begin_line)) {
		if (!lag_has_begun(lag))
			begin_earlier(lag, r, line);
		else
			line = r->from == lag->begin && lag->begin_line < end ? lag->begin_line : end;
	}
	if (line < end)
		receipt_leave(r, line, end - line);
}

/* The reader is to give the lines the times that they have here, as long as there is room for that, and it does so for all before: lines
 * behind them get times of their reading, which are later. */
static void
note_span(struct lag *lag, const struct receipt *r)
{
	if (!lag->notes || r->from < lag->reader->read_offset || r->to == r->from || r->from == lag->noted_from)
		return;
	lag->noted_from = r->from;
	if (lag->reader->replays.len >= SPANS_NOTED_MAX) {
		lag->notes = false;
		return;
	}
	insert_span(lag, r);
	if (r->resent)
		lag_store_marks(lag, r->to);
}

static const struct receipt_run *
first_run(const struct receipt_run *runs, size_t n)
{
	const struct receipt_run *first = &runs[0];

	for (size_t i = 1; i < n; i++)
		if (runs[i].receipt->from < first->receipt->from)
			first = &runs[i];
	return first;
}

/* The destination of this lag had the line before it began. */
static bool
is_before(const struct lag *lag, const struct receipt_run *run)
{
	return run->receipt->from < lag->begin || (run->receipt->from == lag->begin && run->line + run->lines <= lag->begin_line);
}

static bool
reader_sends(struct lag *lag, struct destination *d, const struct receipt_run *runs, size_t n)
{
	if (lag->destination == d || lag->id == destination_id(d)) {
		lag_bind(lag, d);
		lag->known = true;
		if (n == 1 && is_before(lag, &runs[0]))
			return false;
		for (size_t i = 0; i < n; i++)
			receipt_claim(runs[i].receipt, runs[i].line, runs[i].lines);
		lag->emitted = true;
		return true;
	}
	/* The last one that comes to a line settles it. */
	for (size_t i = 0; i < n; i++) {
		const struct lag *other = lag_find_for(lag->main, d, runs[i].receipt->from);

		if (other != NULL && runs[i].receipt->from >= other->counted_from && other->reader->read_offset <= runs[i].receipt->from &&
			!is_before(other, &runs[i]))
			receipt_leave(runs[i].receipt, runs[i].line, runs[i].lines);
	}
	return false;
}

bool
lag_is_plain(const struct destination *d, const struct batch *b)
{
	struct stream *s = b->receipt != NULL ? b->receipt->stream : NULL;

	if (s == NULL || s->lag != NULL || s->lags.len > 0 || s->predecessor != NULL || !destination_is_open(d))
		return false;
	s->span_sent = true;
	return true;
}

bool
lag_reads(const struct batch *b)
{
	return b->receipt != NULL && b->receipt->stream->reads_lag;
}

bool
lag_diverts(struct send_queue *q, const struct batch *b, size_t i)
{
	struct destination *d = send_queue_destination(q);
	struct receipt_run one;
	const struct receipt_run *runs, *first;
	size_t n = batch_runs(b, i, &one, &runs);
	struct stream *s;
	struct lag *lag;

	if (n == 0)
		return false;
	s = runs[0].receipt->stream;
	if (s->lag != NULL)
		return !reader_sends(s->lag, d, runs, n);
	first = first_run(runs, n);
	lag = lag_find_for(s, d, first->receipt->from);
	if (lag == NULL && !(destination_is_open(d) && lag_before(s, destination_id(d)) == NULL))
		lag = open_lag_here(s, q, first);
	if (lag == NULL) {
		s->span_sent = true;
		return false;
	}
	for (size_t k = 0; k < n; k++) {
		note_span(lag, runs[k].receipt);
		leave(lag, &runs[k]);
	}
	s->span_skipped = true;
	return true;
}

/* A reader's request comes to nothing: its spans are read again. */
static void
take_back_reader(struct lag *lag, struct receipt *r)
{
	atomic_store(&r->discarded, true);
	lag->rewind = true;
	lane_wake(lag->reader);
}

static void
take_back_run(struct send_queue *q, const struct request_run *run, bool was_sent)
{
	struct receipt *r = run->receipt;
	struct stream *s = r->stream;
	struct lag *lag;

	if (s->lag != NULL) {
		take_back_reader(s->lag, r);
		return;
	}
	lag = lag_find_for(s, send_queue_destination(q), r->from);
	if (lag == NULL)
		lag = open_lag(s, q, r, run->line, false);
	else
		begin_earlier(lag, r, run->line);
	if (was_sent || r->resent)
		lag_store_marks(lag, r->to);
	receipt_leave(r, run->line, run->lines);
}

/* A lag that has begun is not where a main stream's request belongs: then that goes out as it is. */
static bool
can_take_back(struct destination *d, const struct request *r)
{
	if (r->part)
		return false;
	for (size_t i = 0; i < r->n_runs; i++) {
		const struct receipt *receipt = r->runs[i].receipt;
		const struct lag *lag;

		if (receipt->stream->reads_lag)
			continue;
		lag = lag_find_for(receipt->stream, d, receipt->from);
		if (lag == NULL ? !lag_can(receipt->stream) : lag_has_begun(lag) || receipt->from < lag->counted_from)
			return false;
	}
	return true;
}

bool
lag_take_back(struct destination *d, const struct request *first)
{
	for (const struct request *r = first; r != NULL; r = r->next) {
		if (!can_take_back(d, r))
			return false;
	}
	for (const struct request *r = first; r != NULL; r = r->next) {
		for (size_t i = 0; i < r->n_runs; i++)
			take_back_run(r->queue, &r->runs[i], r->attempts > 0);
	}
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a consumer has for a parked destination is left to the reader of a lag: how a lag begins, and what its reader is told.
 */
#include "lag_priv.h"

#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/positions/positions.h"

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
	(void)progress_set(main->runtime->positions, lag->reader, NULL, 0);
}

/* The destination may have lines of it: they get the same times after a crash, too. */
static void
store_mark(struct lag *lag, const struct receipt *r)
{
	struct stream *reader = lag->reader;
	struct position_mark mark = {.from = r->from, .to = r->to, .base_ns = r->base_ns, .lines = r->to - r->from,
		.memory = memory_pack(r->before)};

	if (!reader->own_times && r->to > r->from)
		(void)progress_set(reader->runtime->positions, reader, &mark, 1);
}

/* Sets a reader that has read nothing yet to the beginning of a span. */
static void
place(struct lag *lag, const struct receipt *r)
{
	struct stream *reader = lag->reader;

	(void)pthread_mutex_lock(&reader->ledger->lock);
	reader->position = reader->read_offset = reader->settled_to = r->from;
	memory_copy(&reader->memory, r->before);
	memory_copy(&reader->position_memory, r->before);
	reader->oldest_ns = r->base_ns;
	(void)pthread_mutex_unlock(&reader->ledger->lock);
	take_spans(lag, r->from);
	if (reader->ops->rewound != NULL)
		reader->ops->rewound(reader);
}

/* Settling moves it, in other threads. */
static uint64_t
position_of(struct stream *reader)
{
	uint64_t position;

	(void)pthread_mutex_lock(&reader->ledger->lock);
	position = reader->position;
	(void)pthread_mutex_unlock(&reader->ledger->lock);
	return position;
}

static bool
has_begun(struct stream *reader)
{
	bool begun;

	(void)pthread_mutex_lock(&reader->ledger->lock);
	begun = reader->n_receipts > 0 || reader->read_offset != reader->position;
	(void)pthread_mutex_unlock(&reader->ledger->lock);
	return begun;
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

/* It had joined, and its last requests are still out: it goes on behind what the main stream has sent since. Should they come to nothing,
 * it is rewound and reads all of that. */
static void
go_on(struct lag *lag, const struct receipt *r)
{
	struct stream *reader = lag->reader;

	if (r->from > reader->read_offset) {
		reader->read_offset = r->from;
		memory_copy(&reader->memory, r->before);
		if (reader->ops->rewound != NULL)
			reader->ops->rewound(reader);
	}
	take_spans(lag, r->from);
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

/* The destination takes nothing from this span on; lines before `line` of it have been sent. */
static struct lag *
open_lag(struct stream *main, struct destination *d, const struct receipt *r, uint32_t line)
{
	struct lag *lag = lag_find(main, d);
	const struct lag *before = lag_before(main, destination_id(d));
	bool notes = before == NULL || before->notes;

	if (!lag_has_room(main, d))
		return NULL;
	if (lag == NULL) {
		lag = lag_add(main, free_slot(main), destination_id(d));
		lag_bind(lag, d);
		lag->notes = notes;
		place(lag, r);
	} else {
		lag_set_until(lag, LAG_OPEN);
		lag->lost = lag->restored = false;
		lag->notes = notes;
		if (has_begun(lag->reader))
			go_on(lag, r);
		else
			place(lag, r);
	}
	lag->first_from = r->from;
	lag->first_line = line;
	if (atomic_load(&main->removed))
		atomic_store(&lag->reader->removed, true);
	send_to_lane(lag);
	return lag;
}
/* ---- What consumers ask ---- */

static void
leave(struct lag *lag, const struct receipt_run *runs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct receipt *r = runs[i].receipt;

		/* What the reader of an earlier process has settled is nobody's but the main stream's now. */
		if (r->from >= lag->reader->read_offset || r->from >= lag->counted_from)
			receipt_leave(r, runs[i].line, runs[i].lines);
	}
}

/* The reader is to give the lines the times that they have here. It must where the span was on the wire before, since the destination could
 * have them already; otherwise as long as there is room, and as it does so for all before: lines behind them get times of their reading, which are
 * later. Behind a lag of an earlier process nothing was on the wire that its own marks do not tell. */
static void
note_span(struct lag *lag, const struct receipt *r)
{
	if (lag->restored || r->from < lag->reader->read_offset || r->to == r->from || r->from == lag->noted_from)
		return;
	lag->noted_from = r->from;
	if (lag->reader->replays.len >= SPANS_NOTED_MAX)
		lag->notes = false;
	if (r->resent || lag->notes)
		insert_span(lag, r);
	if (r->resent)
		store_mark(lag, r);
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

static bool
reader_sends(struct lag *lag, struct destination *d, const struct receipt_run *runs, size_t n)
{
	struct lag *other;

	if (lag->destination == d || lag->id == destination_id(d)) {
		lag_bind(lag, d);
		if (n == 1 && runs[0].receipt->from == lag->first_from && runs[0].line + runs[0].lines <= lag->first_line)
			return false;
		for (size_t i = 0; i < n; i++)
			receipt_claim(runs[i].receipt, runs[i].line, runs[i].lines);
		lag->emitted = true;
		return true;
	}
	/* The last one that comes to a line settles it. */
	other = lag_find(lag->main, d);
	for (size_t i = 0; other != NULL && i < n; i++) {
		uint64_t from = runs[i].receipt->from;

		if (lag_covers(other, from) && other->reader->read_offset <= from)
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
lag_diverts(struct destination *d, const struct batch *b, size_t i)
{
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
	lag = lag_find(s, d);
	if (lag == NULL || !lag_covers(lag, first->receipt->from)) {
		if (destination_is_open(d) && lag_before(s, destination_id(d)) == NULL) {
			s->span_sent = true;
			return false;
		}
		lag = open_lag(s, d, first->receipt, 0);
		if (lag == NULL) {
			destination_warn_full(d, s->name);
			s->span_sent = true;
			return false;
		}
	} else if (first->receipt->from < position_of(lag->reader) && first->receipt->from >= lag->counted_from && !has_begun(lag->reader)) {
		place(lag, first->receipt);
	}
	for (size_t k = 0; k < n; k++)
		note_span(lag, runs[k].receipt);
	leave(lag, runs, n);
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
take_back_run(struct destination *d, const struct request_run *run, bool was_sent)
{
	struct stream *s = run->receipt->stream;
	struct lag *lag;

	if (s->lag != NULL) {
		take_back_reader(s->lag, run->receipt);
		return;
	}
	lag = lag_find(s, d);
	if (lag == NULL || !lag_covers(lag, run->receipt->from)) {
		lag = open_lag(s, d, run->receipt, run->line);
	} else if (has_begun(lag->reader)) {
		if (run->receipt->from < lag->reader->read_offset) {
			lag->rewind = true;
			lane_wake(lag->reader);
		}
	} else if (run->receipt->from < position_of(lag->reader)) {
		place(lag, run->receipt);
		lag->first_from = run->receipt->from;
		lag->first_line = run->line;
	}
	if (run->receipt->from == lag->first_from && run->line < lag->first_line)
		lag->first_line = run->line;
	if (was_sent) {
		insert_span(lag, run->receipt);
		store_mark(lag, run->receipt);
	}
	receipt_leave(run->receipt, run->line, run->lines);
}

bool
lag_take_back(struct lane *lane, struct destination *d, const struct request *r)
{
	(void)lane;
	if (r->part)
		return false;
	for (size_t i = 0; i < r->n_runs; i++) {
		const struct stream *s = r->runs[i].receipt->stream;

		if (s->lag == NULL && !lag_has_room(s, d))
			return false;
	}
	for (size_t i = 0; i < r->n_runs; i++)
		take_back_run(d, &r->runs[i], r->attempts > 0);
	return true;
}

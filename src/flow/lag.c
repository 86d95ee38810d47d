/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/lag.h"

#include <inttypes.h>
#include <stdio.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/flow/sender.h"
#include "longship/positions/positions.h"

#define OPEN UINT64_MAX              /* until: the main stream does not serve the destination yet */
#define LOOK_NS (20 * NS_PER_MS)     /* how soon a reader looks again whether its requests are gone */
#define WAIT_NS (100 * NS_PER_MS)    /* a reader whose source gave nothing although there should be more */
#define IDLE_AFTER_NS (60 * NS_PER_S) /* a stream that sent nothing for so long goes to lagging destinations alone */
#define SPANS_NOTED_MAX 256         /* of a main stream whose times a reader remembers; behind them lines get new ones */

/* ---- Names in the store ---- */

static struct str
reader_key(struct arena *arena, struct str main_key, unsigned slot)
{
	return arena_printf(arena, "lag|%02u|%.*s", slot, STR_FMT(main_key));
}

void
lag_cursor(const struct lag *lag, char ret[LAG_CURSOR_BYTES])
{
	if (lag->until == OPEN)
		(void)snprintf(ret, LAG_CURSOR_BYTES, "lag %016" PRIx64 " -", lag->id);
	else
		(void)snprintf(ret, LAG_CURSOR_BYTES, "lag %016" PRIx64 " %" PRIu64, lag->id, lag->until);
}

static bool
parse_cursor(const char *text, uint64_t *ret_id, uint64_t *ret_until)
{
	int end = 0;

	if (text == NULL || sscanf(text, "lag %16" SCNx64 " %n", ret_id, &end) != 1 || end == 0)
		return false;
	*ret_until = OPEN;
	return strcmp(text + end, "-") == 0 || str_to_u64(str_from(text + end), ret_until);
}

/* ---- The lags of a stream ---- */

static bool
is_waiting(const struct lag *lag)
{
	return lag->waits;
}

static bool
covers(const struct lag *lag, uint64_t offset)
{
	return offset < lag->until;
}

static void
set_until(struct lag *lag, uint64_t until)
{
	(void)pthread_mutex_lock(&lag->main->ledger->lock);
	lag->until = until;
	(void)pthread_mutex_unlock(&lag->main->ledger->lock);
}

static void
bind(struct lag *lag, struct destination *d)
{
	if (lag->destination == d)
		return;
	if (lag->destination != NULL) {
		destination_lags(lag->destination, -1);
		destination_unref(lag->destination);
	}
	lag->destination = d;
	if (d != NULL) {
		destination_ref(d);
		destination_lags(d, 1);
	}
}

/* By identity: after a reload an endpoint has new destinations. */
static struct lag *
find(const struct stream *main, struct destination *d)
{
	for (size_t i = 0; i < main->lags.len; i++) {
		if (main->lags.items[i]->destination == d)
			return main->lags.items[i];
	}
	for (size_t i = 0; i < main->lags.len; i++) {
		if (main->lags.items[i]->id == destination_id(d)) {
			bind(main->lags.items[i], d);
			return main->lags.items[i];
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

static struct lag *
add_lag(struct stream *main, unsigned slot, uint64_t id)
{
	struct arena *arena = arena_new(0);
	struct str key = reader_key(arena, main->key, slot);
	struct lag *lag = mem_new(struct lag);

	lag->main = main;
	lag->slot = slot;
	lag->id = id;
	lag->until = OPEN;
	lag->noted_from = UINT64_MAX;
	lag->reader = main->ops->reader(main, key, main->name);
	lag->reader->reads_lag = true;
	(void)pthread_mutex_lock(&main->ledger->lock);
	lag->reader->lag = lag;
	(void)pthread_mutex_unlock(&main->ledger->lock);
	if (main->runtime->positions != NULL)
		positions_declare(main->runtime->positions, key, str_from(main->name), STR_EMPTY);
	vec_push(&main->lags, lag);
	atomic_store(&main->runtime->lags, LAGS_SOME);
	arena_free(arena);
	return lag;
}

static void
free_lag(struct lag *lag)
{
	bind(lag, NULL);
	(void)pthread_mutex_lock(&lag->main->ledger->lock);
	lag->reader->lag = NULL;
	(void)pthread_mutex_unlock(&lag->main->ledger->lock);
	stream_unref(lag->reader);
	mem_free(lag);
}

bool
lag_can(const struct stream *main)
{
	return !main->reads_lag && main->key.len > 0 && main->ops->reader != NULL && main->lags.len < LAGS_MAX && !atomic_load(&main->holds_lines);
}

static bool
has_room(const struct stream *main, struct destination *d)
{
	return lag_can(main) || (find(main, d) != NULL && !atomic_load(&main->holds_lines));
}

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
static const struct lag *
lag_before(const struct stream *main, uint64_t id)
{
	for (const struct stream *s = main->predecessor; s != NULL; s = s->predecessor) {
		for (size_t i = 0; i < s->lags.len; i++) {
			if (s->lags.items[i]->id == id && !is_waiting(s->lags.items[i]))
				return s->lags.items[i];
		}
	}
	return NULL;
}

/* The destination takes nothing from this span on; lines before `line` of it have been sent. */
static struct lag *
open_lag(struct stream *main, struct destination *d, const struct receipt *r, uint32_t line)
{
	struct lag *lag = find(main, d);
	const struct lag *before = lag_before(main, destination_id(d));
	bool notes = before == NULL || before->notes;

	if (!has_room(main, d))
		return NULL;
	if (lag == NULL) {
		lag = add_lag(main, free_slot(main), destination_id(d));
		bind(lag, d);
		lag->notes = notes;
		place(lag, r);
	} else {
		set_until(lag, OPEN);
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
		bind(lag, d);
		if (n == 1 && runs[0].receipt->from == lag->first_from && runs[0].line + runs[0].lines <= lag->first_line)
			return false;
		for (size_t i = 0; i < n; i++)
			receipt_claim(runs[i].receipt, runs[i].line, runs[i].lines);
		lag->emitted = true;
		return true;
	}
	/* The last one that comes to a line settles it. */
	other = find(lag->main, d);
	for (size_t i = 0; other != NULL && i < n; i++) {
		uint64_t from = runs[i].receipt->from;

		if (covers(other, from) && other->reader->read_offset <= from)
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
	lag = find(s, d);
	if (lag == NULL || !covers(lag, first->receipt->from)) {
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
	lag = find(s, d);
	if (lag == NULL || !covers(lag, run->receipt->from)) {
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

		if (s->lag == NULL && !has_room(s, d))
			return false;
	}
	for (size_t i = 0; i < r->n_runs; i++)
		take_back_run(d, &r->runs[i], r->attempts > 0);
	return true;
}

/* ---- Running ---- */

static void
give_leave_back(struct lag *lag)
{
	if (lag->probing && lag->destination != NULL)
		destination_return_probe(lag->destination, lag->emitted);
	lag->probing = lag->emitted = false;
}

/* No request carries lines of it any more. */
static bool
is_quiet(struct stream *reader)
{
	bool quiet = true;

	(void)pthread_mutex_lock(&reader->ledger->lock);
	for (const struct receipt *r = reader->oldest; r != NULL && quiet; r = r->next)
		quiet = atomic_load(&r->refs) == 0;
	(void)pthread_mutex_unlock(&reader->ledger->lock);
	return quiet;
}

static uint64_t
end_of(const struct lag *lag)
{
	return lag->until < lag->main->read_offset ? lag->until : lag->main->read_offset;
}

/* It has come as far as the main stream, which serves the destination from here on. */
static void
join(struct lag *lag)
{
	if (lag->until == OPEN)
		set_until(lag, lag->reader->read_offset);
	give_leave_back(lag);
	progress_note(lag->reader);
}

static void
abandon(struct lag *lag)
{
	struct stream *reader = lag->reader;
	uint64_t end = end_of(lag);

	log_warn(NULL, "file was cut or cannot be read any more before a lagging destination had all of it; that part is lost for it", "path",
		reader->name, "tenant", lag->destination != NULL ? destination_tenant(lag->destination).s : "", "bytes",
		log_i64((int64_t)(end - reader->read_offset)), NULL);
	stream_drop_replays(reader);
	reader->read_offset = end;
	lag->lost = true;
	join(lag);
}

/* The leave to run, where the destination gives only one at a time. */
static bool
may_run(struct lag *lag)
{
	if (lag->destination == NULL || destination_is_open(lag->destination)) {
		lag->probing = false;
		return true;
	}
	if (lag->probing && !lag->emitted)
		return true;
	lag->probing = destination_take_probe(lag->destination);
	lag->emitted = false;
	return lag->probing;
}

bool
lag_is_held(const struct stream *reader)
{
	const struct lag *lag = reader->lag;

	if (lag == NULL || lag->rewind || atomic_load(&reader->ended))
		return false;
	if (lag_before(lag->main, lag->id) != NULL)
		return true;
	if (lag->destination == NULL || destination_is_open(lag->destination))
		return false;
	return (lag->probing && !lag->emitted) ? false : !destination_has_probe(lag->destination);
}

static enum stream_state
wait_for(struct stream *reader, int64_t ns)
{
	reader->wake_at_ns = clock_mono_ns() + ns;
	return STREAM_WAIT;
}

enum stream_state
lag_run(struct stream *reader, struct lane *lane)
{
	struct lag *lag = reader->lag;
	enum stream_state state;

	if (lag == NULL)
		return STREAM_DONE;
	if (lag->rewind) {
		if (!is_quiet(reader))
			return wait_for(reader, LOOK_NS);
		stream_rewind(reader);
		lag->rewind = false;
		atomic_store(&reader->ended, false);
	}
	if (atomic_load(&reader->removed))
		return STREAM_DONE;
	if (reader->read_offset >= end_of(lag)) {
		join(lag);
		return STREAM_DONE;
	}
	if (!may_run(lag))
		return wait_for(reader, LOOK_NS);
	state = reader->ops->run(reader, lane);
	if (lag->probing && lag->emitted)
		lane_flush(lane);
	if (reader->read_offset >= end_of(lag)) {
		join(lag);
		return STREAM_DONE;
	}
	if (state == STREAM_DONE) {
		abandon(lag);
		return STREAM_DONE;
	}
	return state == STREAM_MORE ? state : wait_for(reader, WAIT_NS);
}

static void
drop_predecessor(struct stream *main)
{
	for (struct stream *s = main->predecessor; s != NULL; s = s->predecessor) {
		for (size_t i = 0; i < s->lags.len; i++) {
			if (!is_waiting(s->lags.items[i]))
				return;
		}
	}
	stream_unref(main->predecessor);
	main->predecessor = NULL;
}

/* Both are settled up to where the main stream took over, or nothing more can come. */
static bool
is_over(const struct lag *lag)
{
	bool over;

	if (!is_waiting(lag))
		return false;
	(void)pthread_mutex_lock(&lag->main->ledger->lock);
	over = lag->lost || (lag->until != OPEN && lag->reader->position >= lag->until && lag->main->position >= lag->until);
	(void)pthread_mutex_unlock(&lag->main->ledger->lock);
	return over;
}

static void
drop_ended(struct stream *main)
{
	for (size_t i = main->lags.len; i > 0; i--) {
		struct lag *lag = main->lags.items[i - 1];

		if (!is_over(lag))
			continue;
		(void)progress_forget(main->runtime->positions, lag->reader);
		vec_remove(&main->lags, i - 1);
		free_lag(lag);
	}
	if (main->lags.len > 0)
		return;
	(void)pthread_mutex_lock(&main->ledger->lock);
	ledger_close_pool(main->ledger, main);
	(void)pthread_mutex_unlock(&main->ledger->lock);
}

void
lag_begin_run(struct stream *main, struct lane *lane)
{
	main->span_sent = main->span_skipped = false;
	if (main->predecessor != NULL)
		drop_predecessor(main);
	if (main->lags.len == 0)
		return;
	for (size_t i = 0; i < main->lags.len; i++) {
		struct lag *lag = main->lags.items[i];

		if (atomic_load(&main->removed) && !atomic_load(&lag->reader->removed)) {
			atomic_store(&lag->reader->removed, true);
			lane_remove(lag->reader);
		}
		if (!is_waiting(lag) && lag->reader->lane == NULL)
			(void)lanes_add(main->runtime->lanes, lag->reader, lane_number(lane));
	}
	drop_ended(main);
}

bool
lag_idles(const struct stream *main)
{
	return main->span_skipped && !main->span_sent && clock_mono_ns() - main->sent_at_ns > IDLE_AFTER_NS;
}

bool
lag_has_readers(const struct stream *main)
{
	for (size_t i = 0; i < main->lags.len; i++) {
		if (main->lags.items[i]->reader->lane != NULL)
			return true;
	}
	return false;
}

void
lag_reader_gone(struct stream *reader)
{
	struct lag *lag = reader->lag;

	if (lag == NULL)
		return;
	give_leave_back(lag);
	lag->waits = true;
	lane_wake(lag->main);
}

uint64_t
lag_limit(const struct stream *s)
{
	const struct stream *main = s->lag != NULL ? s->lag->main : s;
	uint64_t limit = UINT64_MAX;

	if (s->lag != NULL)
		limit = end_of(s->lag);
	if (s->lag != NULL && main->restored_at > s->read_offset && main->restored_at < limit)
		limit = main->restored_at;
	for (size_t i = 0; i < main->lags.len; i++) {
		const struct lag *lag = main->lags.items[i];
		uint64_t at = lag->reader->read_offset;

		if (lag->reader != s && at > s->read_offset && at < limit)
			limit = at;
		if (lag->until != OPEN && lag->until > s->read_offset && lag->until < limit)
			limit = lag->until;
	}
	return limit;
}

/* ---- With the stream ---- */

static void
restore_one(struct stream *main, unsigned slot)
{
	struct lag *lag = add_lag(main, slot, 0);
	struct stream *reader = lag->reader;

	(void)stream_restore(reader);
	if (parse_cursor(reader->position_cursor, &lag->id, &lag->until)) {
		lag->counted_from = reader->position;
		lag->restored = true;
		lag->waits = reader->position >= lag->until;
		mem_free(reader->position_cursor);
		reader->position_cursor = NULL;
		return;
	}
	(void)progress_forget(main->runtime->positions, reader);
	main->lags.len--;
	free_lag(lag);
}

static bool
find_lag(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	(void)path;
	(void)labels;
	(void)position;
	*(bool *)ptr = str_starts(key, STR("lag|"));
	return !*(bool *)ptr;
}

/* Whether the store had entries of lags when it was asked first, or was given any since. */
static bool
store_has_lags(struct runtime *runtime)
{
	if (atomic_load(&runtime->lags) == LAGS_UNKNOWN) {
		bool some = false;

		positions_each(runtime->positions, find_lag, &some);
		atomic_store(&runtime->lags, some ? LAGS_SOME : LAGS_NONE);
	}
	return atomic_load(&runtime->lags) == LAGS_SOME;
}

bool
lag_is_stored(struct runtime *runtime, struct str main_key)
{
	struct arena *arena;
	bool lags = false;

	if (runtime->positions == NULL || !store_has_lags(runtime))
		return false;
	arena = arena_new(0);
	for (unsigned slot = 0; slot < LAGS_MAX && !lags; slot++) {
		struct position position;
		uint64_t id, until;

		lags = positions_get(runtime->positions, reader_key(arena, main_key, slot), arena, &position) &&
			parse_cursor(arena_z(arena, position.cursor), &id, &until) && position.offset < until;
	}
	arena_free(arena);
	return lags;
}

void
lag_restore(struct stream *main)
{
	struct positions *store = main->runtime->positions;
	struct arena *arena;
	struct position position;

	if (main->ops->reader == NULL)
		return;
	arena = arena_new(0);
	for (unsigned slot = 0; slot < LAGS_MAX; slot++) {
		if (positions_get(store, reader_key(arena, main->key, slot), arena, &position))
			restore_one(main, slot);
		else if (slot == 0 && !store_has_lags(main->runtime))
			break;
	}
	arena_free(arena);
}

void
lag_inherit(struct stream *main, struct stream *from)
{
	for (size_t i = 0; i < from->lags.len; i++) {
		struct lag *old = from->lags.items[i], *lag = add_lag(main, old->slot, old->id);

		stream_inherit(lag->reader, old->reader);
		set_until(lag, old->until);
		lag->counted_from = old->counted_from;
		lag->waits = old->waits;
		lag->lost = old->lost;
		lag->restored = old->restored;
		lag->notes = old->notes;
	}
	lag_done(from);
}

void
lag_go_back(struct stream *main, uint64_t offset)
{
	for (size_t i = 0; i < main->lags.len; i++) {
		struct lag *lag = main->lags.items[i];
		struct stream *reader = lag->reader;

		if (reader->position > offset) {
			stream_drop_replays(reader);
			reader->position = reader->read_offset = reader->settled_to = offset;
		}
		if (lag->counted_from > offset)
			lag->counted_from = offset;
		lag->waits = reader->position >= lag->until;
	}
}

void
lag_done(struct stream *main)
{
	for (size_t i = 0; i < main->lags.len; i++)
		free_lag(main->lags.items[i]);
	main->lags.len = 0;
	stream_unref(main->predecessor);
	main->predecessor = NULL;
}

void
lag_rewound(struct stream *reader)
{
	struct lag *lag = reader->lag;

	if (lag == NULL)
		return;
	lag->rewind = false;
	give_leave_back(lag);
	lag->first_from = UINT64_MAX;
}

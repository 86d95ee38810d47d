/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers run in the lane of their stream, until they have come as far as that.
 */
#include "lag_priv.h"

#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"

#define LOOK_NS (20 * NS_PER_MS)      /* how soon a reader looks again whether its requests are gone */
#define WAIT_NS (100 * NS_PER_MS)     /* a reader whose source gave nothing although there should be more */
#define IDLE_AFTER_NS (60 * NS_PER_S) /* a stream that sent nothing for so long goes to lagging destinations alone */

void
lag_give_leave_back(struct lag *lag)
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

/* What the main stream reads again is the reader's: it has left those lines before, and gives them the times of their first reading, which
 * can be older than those that the reader has given to the lines in front of them. */
static bool
may_join(const struct lag *lag)
{
	return lag->until != LAG_OPEN || lag->main->next_replay == lag->main->replays.len;
}

static void
count_abandoned(const struct lag *lag, const char *reason, uint64_t bytes)
{
	const struct ledger *l = lag->main->ledger;

	metric_add(metric_get(l->metrics, METRIC_COUNTER, "longship_source_abandoned_bytes_total", "Bytes that could not be read.", l->component_id,
			   "reason", reason, NULL), bytes);
}

/* All that the destination had yet to get was read, and nobody had anything for it: its endpoint or tenant has another name now, or is gone. */
static void
tell_orphan(const struct lag *lag)
{
	uint64_t bytes = lag->orphan_to - lag->orphan_from;

	if (lag->known || lag->orphan_to <= lag->orphan_from)
		return;
	count_abandoned(lag, "destination_gone", bytes);
	log_warn(lag->main->ledger->component_id, "a destination that lagged behind this file is not configured any more, or nothing goes to it; what it had yet to get is dropped for it",
		"path", lag->main->name, "host", lag->destination != NULL ? destination_host(lag->destination).s : "", "tenant",
		lag->destination != NULL ? destination_tenant(lag->destination).s : "", "bytes", log_i64((int64_t)bytes), NULL);
}

/* It has come as far as the main stream, which serves the destination from here on. */
static void
join(struct lag *lag)
{
	if (lag->until == LAG_OPEN) {
		/* The main stream's times are later, also after a crash. */
		lag_store_marks(lag, lag->reader->read_offset);
		lag_set_until(lag, lag->reader->read_offset);
	}
	lag_give_leave_back(lag);
	tell_orphan(lag);
	lag->known = true;
	progress_note(lag->reader);
}

static void
abandon(struct lag *lag)
{
	struct stream *reader = lag->reader;
	uint64_t end = end_of(lag);

	count_abandoned(lag, "lagging_destination", end - reader->read_offset);
	log_warn(NULL, "file was cut or cannot be read any more before a lagging destination had all of it; that part is lost for it", "path",
		reader->name, "tenant", lag->destination != NULL ? destination_tenant(lag->destination).s : "", "bytes",
		log_i64((int64_t)(end - reader->read_offset)), NULL);
	stream_drop_replays(reader);
	reader->read_offset = end;
	lag->lost = lag->known = true;
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

/* An earlier lag of the same destination has yet to come to its end. */
static bool
has_earlier(const struct lag *lag)
{
	const struct stream *main = lag->main;

	for (size_t i = 0; i < main->lags.len; i++) {
		const struct lag *other = main->lags.items[i];

		if (other->id == lag->id && other->until < lag->until && !other->waits)
			return true;
	}
	return false;
}

bool
lag_is_held(const struct stream *reader)
{
	const struct lag *lag = reader->lag;

	if (lag == NULL || lag->rewind || atomic_load(&reader->ended))
		return false;
	if (lag_before(lag->main, lag->id) != NULL || has_earlier(lag))
		return true;
	if (lag->queue != NULL && !send_queue_is_past(lag->queue, lag->carried))
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
	if (lag->queue != NULL)
		lag_set_out(lag);
	if (reader->read_offset >= end_of(lag)) {
		if (!may_join(lag))
			return wait_for(reader, LOOK_NS);
		join(lag);
		return STREAM_DONE;
	}
	if (!may_run(lag))
		return wait_for(reader, LOOK_NS);
	state = reader->ops->run(reader, lane);
	if (lag->probing && lag->emitted)
		lane_flush(lane);
	if (reader->read_offset >= end_of(lag)) {
		if (!may_join(lag))
			return wait_for(reader, LOOK_NS);
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
			if (!s->lags.items[i]->waits)
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

	if (!lag->waits)
		return false;
	(void)pthread_mutex_lock(&lag->main->ledger->lock);
	over = lag->lost || (lag->until != LAG_OPEN && lag->reader->position >= lag->until && lag->main->position >= lag->until);
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
		/* After a crash the main stream must not begin below the end of a lag that nobody knows any more. */
		(void)progress_set(main->runtime->positions, main, NULL, 0);
		(void)progress_forget(main->runtime->positions, lag->reader);
		vec_remove(&main->lags, i - 1);
		lag_free(lag);
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
		if (!lag->waits && lag->reader->lane == NULL)
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
	lag_give_leave_back(lag);
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
		if (lag->until != LAG_OPEN && lag->until > s->read_offset && lag->until < limit)
			limit = lag->until;
	}
	return limit;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lags of a stream: which there are, and what becomes of them where the stream itself is made, set back or let go.
 */
#include "lag_priv.h"

#include "longship/base/arena.h"
#include "longship/base/mem.h"
#include "longship/flow/runtime.h"
#include "longship/positions/positions.h"

void
lag_set_until(struct lag *lag, uint64_t until)
{
	(void)pthread_mutex_lock(&lag->main->ledger->lock);
	lag->until = until;
	(void)pthread_mutex_unlock(&lag->main->ledger->lock);
}

void
lag_bind(struct lag *lag, struct destination *d)
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

struct lag *
lag_find_for(const struct stream *main, struct destination *d, uint64_t from)
{
	struct lag *found = NULL;

	for (size_t i = 0; i < main->lags.len; i++) {
		struct lag *lag = main->lags.items[i];

		if ((lag->destination == d || lag->id == destination_id(d)) && lag_covers(lag, from) && (found == NULL || lag->until < found->until))
			found = lag;
	}
	if (found != NULL)
		lag_bind(found, d);
	return found;
}

struct lag *
lag_add(struct stream *main, unsigned slot, uint64_t id)
{
	struct arena *arena = arena_new(0);
	struct str key = lag_key(arena, main->key, slot);
	struct lag *lag = mem_new(struct lag);

	lag->main = main;
	lag->slot = slot;
	lag->id = id;
	lag->until = LAG_OPEN;
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

void
lag_free(struct lag *lag)
{
	lag_bind(lag, NULL);
	(void)pthread_mutex_lock(&lag->main->ledger->lock);
	lag->reader->lag = NULL;
	(void)pthread_mutex_unlock(&lag->main->ledger->lock);
	stream_unref(lag->reader);
	mem_free(lag->begin_memory);
	mem_free(lag);
}

bool
lag_can(const struct stream *main)
{
	return !main->reads_lag && main->key.len > 0 && main->ops->reader != NULL && main->lags.len < LAGS_MAX && !atomic_load(&main->holds_lines);
}

bool
lag_has_begun(const struct lag *lag)
{
	const struct stream *reader = lag->reader;
	bool begun;

	if (lag->queue != NULL)
		return false;
	(void)pthread_mutex_lock(&reader->ledger->lock);
	begun = reader->n_receipts > 0 || reader->read_offset != reader->position || reader->position > lag->begin;
	(void)pthread_mutex_unlock(&reader->ledger->lock);
	return begun;
}

/* The reader, which has not begun, stands where the lag begins. */
static void
set_position(struct lag *lag, uint64_t offset, const struct memory *memory)
{
	struct stream *reader = lag->reader;

	stream_drop_replays_below(reader, offset);
	(void)pthread_mutex_lock(&reader->ledger->lock);
	reader->position = reader->read_offset = reader->settled_to = offset;
	memory_copy(&reader->position_memory, memory);
	memory_copy(&reader->memory, memory);
	(void)pthread_mutex_unlock(&reader->ledger->lock);
	progress_note(reader);
}

void
lag_set_out(struct lag *lag)
{
	lag->queue = NULL;
	set_position(lag, lag->begin, lag->begin_memory);
}

/* The first span of the main stream, set back to its position, from here on that is not settled. NULL: none. */
static const struct replay *
first_unsettled(const struct stream *main, uint64_t from)
{
	for (size_t i = 0; i < main->replays.len; i++) {
		const struct replay *r = &main->replays.items[i];

		if (r->from >= from && !r->silent)
			return r;
	}
	return NULL;
}

/* What the main stream carried for the lag is given up: the lag begins with the first of it. What the main stream has settled is silent for
 * the reader, too. */
static void
take_carried(struct lag *lag)
{
	struct stream *reader = lag->reader;
	const struct replay *first = first_unsettled(lag->main, reader->position);

	if (first == NULL || first->from >= lag->begin) {
		lag_set_out(lag);
		return;
	}
	lag->queue = NULL;
	set_position(lag, first->from, first->before);
	for (size_t i = 0; i < reader->replays.len && reader->replays.items[i].from < lag->begin; i++) {
		struct replay *r = &reader->replays.items[i];
		const struct replay *again = first_unsettled(lag->main, r->from);

		r->silent = again == NULL || again->from != r->from;
	}
	lag->begin = first->from;
	lag->begin_line = 0;
}

void
lag_inherit(struct stream *main, struct stream *from)
{
	for (size_t i = 0; i < from->lags.len; i++) {
		struct lag *old = from->lags.items[i], *lag = lag_add(main, old->slot, old->id);

		stream_inherit(lag->reader, old->reader);
		lag_set_until(lag, old->until);
		lag->begin = old->begin;
		lag->begin_line = old->begin_line;
		lag->counted_from = old->counted_from;
		lag->known = old->known;
		lag->orphan_from = old->orphan_from;
		lag->orphan_to = old->orphan_to;
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
		if (lag->begin > offset) {
			lag->begin = offset;
			lag->begin_line = 0;
		}
		lag->waits = reader->position >= lag->until;
	}
}

void
lag_done(struct stream *main)
{
	for (size_t i = 0; i < main->lags.len; i++)
		lag_free(main->lags.items[i]);
	main->lags.len = 0;
	stream_unref(main->predecessor);
	main->predecessor = NULL;
}

void
lag_rewound(struct stream *main)
{
	for (size_t i = 0; i < main->lags.len; i++) {
		struct lag *lag = main->lags.items[i];

		lag->rewind = false;
		lag_give_leave_back(lag);
		if (lag->queue != NULL)
			take_carried(lag);
		if (lag->counted_from < lag->begin)
			lag->counted_from = lag->begin;
		lag->known = lag->waits;
		lag->orphan_from = lag->reader->position;
		lag->orphan_to = main->position < lag->until ? main->position : lag->until;
	}
}

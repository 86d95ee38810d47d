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

/* By identity: after a reload an endpoint has new destinations. */
struct lag *
lag_find(const struct stream *main, struct destination *d)
{
	for (size_t i = 0; i < main->lags.len; i++) {
		if (main->lags.items[i]->destination == d)
			return main->lags.items[i];
	}
	for (size_t i = 0; i < main->lags.len; i++) {
		if (main->lags.items[i]->id == destination_id(d)) {
			lag_bind(main->lags.items[i], d);
			return main->lags.items[i];
		}
	}
	return NULL;
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
	mem_free(lag);
}

bool
lag_can(const struct stream *main)
{
	return !main->reads_lag && main->key.len > 0 && main->ops->reader != NULL && main->lags.len < LAGS_MAX && !atomic_load(&main->holds_lines);
}

bool
lag_has_room(const struct stream *main, struct destination *d)
{
	return lag_can(main) || (lag_find(main, d) != NULL && !atomic_load(&main->holds_lines));
}

void
lag_inherit(struct stream *main, struct stream *from)
{
	for (size_t i = 0; i < from->lags.len; i++) {
		struct lag *old = from->lags.items[i], *lag = lag_add(main, old->slot, old->id);

		stream_inherit(lag->reader, old->reader);
		lag_set_until(lag, old->until);
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
		lag_free(main->lags.items[i]);
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
	lag_give_leave_back(lag);
	lag->first_from = UINT64_MAX;
}

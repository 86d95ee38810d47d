/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lags in the store. A lag is an entry of its own, beside that of its stream: the position is the reader's, the cursor says whose lag it
 * is and up to where.
 */
#include "lag_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include "longship/base/arena.h"
#include "longship/base/mem.h"
#include "longship/flow/runtime.h"
#include "longship/positions/positions.h"

struct str
lag_key(struct arena *arena, struct str main_key, unsigned slot)
{
	return arena_printf(arena, "lag|%02u|%.*s", slot, STR_FMT(main_key));
}

void
lag_cursor(const struct lag *lag, char ret[LAG_CURSOR_BYTES])
{
	if (lag->until == LAG_OPEN)
		(void)snprintf(ret, LAG_CURSOR_BYTES, "lag %016" PRIx64 " -", lag->id);
	else
		(void)snprintf(ret, LAG_CURSOR_BYTES, "lag %016" PRIx64 " %" PRIu64, lag->id, lag->until);
}

static bool
lag_parse_cursor(const char *text, uint64_t *ret_id, uint64_t *ret_until)
{
	int end = 0;

	if (text == NULL || sscanf(text, "lag %16" SCNx64 " %n", ret_id, &end) != 1 || end == 0)
		return false;
	*ret_until = LAG_OPEN;
	return strcmp(text + end, "-") == 0 || str_to_u64(str_from(text + end), ret_until);
}

struct marks_made {
	VEC(struct position_mark) marks;
	VEC(struct memory *) kept;
};

static void
add_mark(struct marks_made *m, uint64_t from, uint64_t to, int64_t base_ns, const struct memory *before)
{
	struct memory *kept = memory_keep(before);

	vec_push(&m->kept, kept);
	vec_push(&m->marks, ((struct position_mark){.from = from, .to = to, .base_ns = base_ns, .lines = to - from, .memory = memory_pack(kept)}));
}

void
lag_store_marks(struct lag *lag, uint64_t below)
{
	struct stream *reader = lag->reader;
	struct marks_made m = {0};

	(void)pthread_mutex_lock(&reader->ledger->lock);
	for (const struct receipt *r = reader->own_times ? NULL : reader->oldest; r != NULL; r = r->next) {
		if (r->from >= lag->marked_to && r->from < below && r->to > r->from)
			add_mark(&m, r->from, r->to, r->base_ns, r->before);
	}
	(void)pthread_mutex_unlock(&reader->ledger->lock);
	for (size_t i = reader->next_replay; i < reader->replays.len && !reader->own_times; i++) {
		const struct replay *r = &reader->replays.items[i];

		if (r->from >= lag->marked_to && r->from < below && r->has_base)
			add_mark(&m, r->from, r->to, r->base_ns, r->before);
	}
	(void)progress_set(reader->runtime->positions, reader, m.marks.items, m.marks.len);
	if (below > lag->marked_to)
		lag->marked_to = below;
	for (size_t i = 0; i < m.kept.len; i++)
		mem_free(m.kept.items[i]);
	vec_done(&m.kept);
	vec_done(&m.marks);
}

static void
restore_one(struct stream *main, unsigned slot)
{
	struct lag *lag = lag_add(main, slot, 0);
	struct stream *reader = lag->reader;

	(void)stream_restore(reader);
	if (lag_parse_cursor(reader->position_cursor, &lag->id, &lag->until)) {
		lag->counted_from = lag->begin = reader->position;
		lag->orphan_from = reader->position;
		lag->orphan_to = main->position < lag->until ? main->position : lag->until;
		lag->restored = true;
		lag->waits = reader->position >= lag->until;
		mem_free(reader->position_cursor);
		reader->position_cursor = NULL;
		return;
	}
	(void)progress_forget(main->runtime->positions, reader);
	main->lags.len--;
	lag_free(lag);
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

		lags = positions_get(runtime->positions, lag_key(arena, main_key, slot), arena, &position) &&
			lag_parse_cursor(arena_z(arena, position.cursor), &id, &until) && position.offset < until;
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
		if (positions_get(store, lag_key(arena, main->key, slot), arena, &position))
			restore_one(main, slot);
		else if (slot == 0 && !store_has_lags(main->runtime))
			break;
	}
	arena_free(arena);
}

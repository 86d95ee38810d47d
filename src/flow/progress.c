/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams whose position has moved, until it is written. A turn of the sender writes all of them, and the
 * marks of what goes out next, with one write to the store.
 */
#include <pthread.h>

#include "longship/base/check.h"
#include "longship/base/vec.h"
#include "longship/flow/lag.h"
#include "longship/flow/stream.h"
#include "longship/positions/positions.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Held through a write, taken before the other: who has called progress_write knows that nothing older is on its way. */
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static struct stream *dirty; /* one reference each */

void
progress_note(struct stream *s)
{
	if (s->key.len == 0)
		return;
	(void)pthread_mutex_lock(&lock);
	if (!s->dirty) {
		s->dirty = true;
		s->dirty_next = dirty;
		dirty = s;
		stream_ref(s);
	}
	(void)pthread_mutex_unlock(&lock);
}

/* At once: another stream may get the same key. */
int
progress_forget(struct positions *store, struct stream *s)
{
	struct position_update update = {.kind = POSITION_FORGET, .key = s->key};
	int r;

	(void)pthread_mutex_lock(&writing);
	(void)pthread_mutex_lock(&lock);
	s->forgotten = true;
	(void)pthread_mutex_unlock(&lock);
	r = store != NULL ? positions_write(store, &update, 1) : 0;
	(void)pthread_mutex_unlock(&writing);
	return r;
}

bool
progress_pending(void)
{
	bool pending;

	(void)pthread_mutex_lock(&lock);
	pending = dirty != NULL;
	(void)pthread_mutex_unlock(&lock);
	return pending;
}

/* A stream may be noted again while it is being written: the list is copied out under the lock. */
struct moved {
	VEC(struct stream *) streams;
};

static void
take_dirty(struct moved *moved)
{
	(void)pthread_mutex_lock(&lock);
	for (; dirty != NULL; dirty = dirty->dirty_next) {
		dirty->dirty = false;
		vec_push(&moved->streams, dirty);
	}
	(void)pthread_mutex_unlock(&lock);
}

struct str
memory_pack(const struct memory *m)
{
	if (m == NULL || m->n == 0)
		return STR_EMPTY;
	return (struct str){(const char *)m->slots, m->n * sizeof(m->slots[0])};
}

/* What one update points to; held until the write is done. */
struct record {
	struct position position;
	struct position_mark mark;
	struct memory memory;
	char cursor[POSITIONS_CURSOR_BYTES_MAX];
	char packed[POSITIONS_MEMORY_BYTES_MAX];
};

/* Those of two spans stay apart: each is read again with its span's times. Where there are too many, with what lies between. */
static void
add_hole(struct position *p, const struct open_run *run)
{
	struct position_hole *last = p->n_holes > 0 ? &p->holes[p->n_holes - 1] : NULL;

	if (last != NULL && (run->from < last->to || p->n_holes == POSITIONS_HOLES_MAX))
		last->to = run->to > last->to ? run->to : last->to;
	else
		p->holes[p->n_holes++] = (struct position_hole){run->from, run->to};
}

/* What was passed and is not settled, ascending. Lock of the ledger held. */
static void
fill_holes(const struct stream *s, struct position *p)
{
	for (const struct receipt *r = s->passed; r != NULL; r = r->next) {
		for (size_t i = 0; i < r->open.len; i++)
			add_hole(p, &r->open.items[i]);
	}
	for (size_t i = 0; i < s->unread.len; i++)
		add_hole(p, &s->unread.items[i]);
}

static void
fill_position(struct stream *s, struct record *record, struct position_update *update)
{
	record->position = (struct position){0};
	(void)pthread_mutex_lock(&s->ledger->lock);
	record->position.offset = s->position;
	fill_holes(s, &record->position);
	record->memory = s->position_memory;
	if (s->proof != NULL)
		proof_put(s->proof, &record->position);
	if (s->lag != NULL) {
		lag_cursor(s->lag, record->cursor);
		record->position.cursor = str_from(record->cursor);
	} else if (s->position_cursor != NULL) {
		record->position.cursor = str_head(str_from(s->position_cursor), sizeof(record->cursor));
		memcpy(record->cursor, record->position.cursor.s, record->position.cursor.len);
		record->position.cursor.s = record->cursor;
	}
	(void)pthread_mutex_unlock(&s->ledger->lock);
	record->position.memory = memory_pack(&record->memory);
	*update = (struct position_update){.kind = POSITION_SET, .key = s->key, .position = &record->position};
}

/* Read by stream.c. */
static struct str
pack_mark(const struct receipt *r, char *out)
{
	struct str slots = memory_pack(r->before);
	size_t n = 0, len = slots.len;

	if (slots.len > 0)
		memcpy(out, slots.s, slots.len);
	(void)pthread_mutex_lock(&r->stream->ledger->lock);
	for (; n < r->begun.len && n < PACKED_BEGUN_MAX && len + sizeof(struct packed_begun) < POSITIONS_MEMORY_BYTES_MAX; n++) {
		const struct begun_run *b = &r->begun.items[n];

		memcpy(out + len, &(struct packed_begun){b->from, b->line, b->lines}, sizeof(struct packed_begun));
		len += sizeof(struct packed_begun);
	}
	(void)pthread_mutex_unlock(&r->stream->ledger->lock);
	if (n > 0)
		out[len++] = (char)n;
	return (struct str){out, len};
}

static void
fill_mark(const struct receipt *r, struct record *record, struct position_update *update)
{
	record->mark = (struct position_mark){.from = r->from, .to = r->to, .base_ns = r->base_ns, .lines = r->times,
		.memory = pack_mark(r, record->packed)};
	*update = (struct position_update){.kind = POSITION_MARK, .key = r->stream->key, .mark = &record->mark};
}

/* Updates and what they point to, until they are written. */
struct writing {
	VEC(struct position_update) updates;
	VEC(struct record *) records;
};

static struct record *
add(struct writing *w)
{
	vec_push(&w->records, mem_new(struct record));
	vec_push(&w->updates, (struct position_update){0});
	return w->records.items[w->records.len - 1];
}

static void
add_moved(struct writing *w, struct stream *s)
{
	bool forgotten;

	(void)pthread_mutex_lock(&lock);
	forgotten = s->forgotten;
	(void)pthread_mutex_unlock(&lock);
	if (!forgotten) {
		struct record *record = add(w);

		fill_position(s, record, &w->updates.items[w->updates.len - 1]);
	}
}

static int
put(struct writing *w, struct positions *store)
{
	int r = 0;

	if (w->updates.len > 0 && store != NULL)
		r = positions_write(store, w->updates.items, w->updates.len);
	for (size_t i = 0; i < w->records.len; i++)
		mem_free(w->records.items[i]);
	vec_done(&w->records);
	vec_done(&w->updates);
	return r;
}

int
progress_write(struct positions *store, struct receipt *const *unmarked, size_t n)
{
	struct moved moved = {0};
	struct writing w = {0};
	int r;

	(void)pthread_mutex_lock(&writing);
	take_dirty(&moved);
	/* Where a write is torn, a lag is known before the position that has gone past it. */
	for (int reader = 1; reader >= 0; reader--) {
		for (size_t i = 0; i < moved.streams.len; i++) {
			if (moved.streams.items[i]->reads_lag == (reader == 1))
				add_moved(&w, moved.streams.items[i]);
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (unmarked[i]->stream->key.len > 0 && !unmarked[i]->stream->own_times) {
			struct record *record = add(&w);

			fill_mark(unmarked[i], record, &w.updates.items[w.updates.len - 1]);
		}
	}
	r = put(&w, store);
	(void)pthread_mutex_unlock(&writing);
	for (size_t i = 0; i < moved.streams.len; i++)
		stream_unref(moved.streams.items[i]);
	vec_done(&moved.streams);
	return r;
}

int
progress_set(struct positions *store, struct stream *s, const struct position_mark *marks, size_t n)
{
	struct writing w = {0};
	int r;

	(void)pthread_mutex_lock(&writing);
	add_moved(&w, s);
	for (size_t i = 0; i < n; i++)
		vec_push(&w.updates, ((struct position_update){.kind = POSITION_MARK, .key = s->key, .mark = &marks[i]}));
	r = put(&w, store);
	(void)pthread_mutex_unlock(&writing);
	return r;
}

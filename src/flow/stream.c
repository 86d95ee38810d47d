/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/stream.h"

#include <stdlib.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/flow/component.h"
#include "longship/flow/lag.h"
#include "longship/flow/lane.h"
#include "longship/flow/mark.h"
#include "longship/flow/runtime.h"
#include "longship/positions/positions.h"

static char *
copy_bytes(struct str s)
{
	char *copy = mem_alloc(s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.s, s.len);
	copy[s.len] = '\0';
	return copy;
}

void
stream_init(struct stream *s, const struct stream_ops *ops, struct runtime *runtime, struct ledger *ledger, struct str key,
	const char *name)
{
	static _Atomic uint64_t lineages;

	*s = (struct stream){.magic = STREAM_MAGIC, .ops = ops, .runtime = runtime, .ledger = ledger};
	s->lineage = atomic_fetch_add(&lineages, 1) + 1;
	s->key = (struct str){copy_bytes(key), key.len};
	s->name = copy_bytes(str_from(name));
	atomic_init(&s->refs, 1);
	ledger_ref(ledger);
	(void)pthread_mutex_lock(&ledger->lock);
	s->ledger_next = ledger->streams;
	s->ledger_link = &ledger->streams;
	if (s->ledger_next != NULL)
		s->ledger_next->ledger_link = &s->ledger_next;
	ledger->streams = s;
	(void)pthread_mutex_unlock(&ledger->lock);
}

void
stream_ref(struct stream *s)
{
	(void)atomic_fetch_add(&s->refs, 1);
}

static void
leave_ledger(struct stream *s)
{
	struct ledger *l = s->ledger;

	(void)pthread_mutex_lock(&l->lock);
	*s->ledger_link = s->ledger_next;
	if (s->ledger_next != NULL)
		s->ledger_next->ledger_link = s->ledger_link;
	(void)pthread_mutex_unlock(&l->lock);
	ledger_unref(l);
}

/* What was in flight with it and was not read again. */
static void
give_up_replay(struct stream *s, struct replay *r)
{
	if (!r->again || r->silent || r->lines == 0)
		return;
	(void)pthread_mutex_lock(&s->ledger->lock);
	ledger_give_up(s->ledger, r->lines);
	s->unsettled_lines -= r->lines;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	r->lines = 0;
}

static void
replay_done(struct replay *r)
{
	mem_free(r->before);
	vec_done(&r->open);
	vec_done(&r->begun);
}

void
stream_drop_replays(struct stream *s)
{
	for (size_t i = 0; i < s->replays.len; i++) {
		give_up_replay(s, &s->replays.items[i]);
		replay_done(&s->replays.items[i]);
	}
	s->replays.len = s->next_replay = 0;
}

void
stream_drop_replays_below(struct stream *s, uint64_t offset)
{
	size_t n = 0;

	assert(s->reads_lag); /* nothing is in flight with its replays */
	while (n < s->replays.len && s->replays.items[n].from < offset)
		replay_done(&s->replays.items[n++]);
	if (n > 0)
		memmove(s->replays.items, s->replays.items + n, (s->replays.len - n) * sizeof(s->replays.items[0]));
	s->replays.len -= n;
	s->next_replay = 0;
}

void
stream_unref(struct stream *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	assert(s->oldest == NULL && s->passed == NULL && s->lane == NULL);
	lag_done(s);
	/* In this order: readers may be ahead of what is given up. */
	(void)pthread_mutex_lock(&s->ledger->lock);
	ledger_close_pool(s->ledger, s);
	(void)pthread_mutex_unlock(&s->ledger->lock);
	stream_drop_replays(s);
	leave_ledger(s);
	mem_free(s->debts);
	vec_done(&s->lags);
	vec_done(&s->replays);
	vec_done(&s->unread);
	mem_free(s->position_cursor);
	mem_free(s->proof);
	mem_free((void *)(uintptr_t)s->key.s);
	mem_free((void *)(uintptr_t)s->name);
	s->magic = 0;
	s->ops->free(s);
}

/* Stream memory as the store keeps it: (key, value) pairs, little-endian, most recent first. */
static void
unpack_memory(struct str packed, struct memory *m)
{
	m->n = packed.len / sizeof(struct memory_slot);
	if (m->n > MEMORY_SLOTS_MAX)
		m->n = MEMORY_SLOTS_MAX;
	if (m->n > 0)
		memcpy(m->slots, packed.s, m->n * sizeof(struct memory_slot));
}

/* What the memory of a mark is: that of the stream, and what of the span began earlier. progress.c writes it. */
static void
unpack_mark(struct str packed, struct memory *m, struct replay *r)
{
	const struct packed_begun *begun;
	size_t n = 0;

	if (packed.len % sizeof(struct memory_slot) == 1)
		n = (unsigned char)packed.s[packed.len - 1];
	if (n * sizeof(*begun) > packed.len)
		n = 0;
	begun = (const struct packed_begun *)(packed.s + packed.len - packed.len % sizeof(struct memory_slot) - n * sizeof(*begun));
	for (size_t i = 0; i < n; i++) {
		struct packed_begun b;

		memcpy(&b, &begun[i], sizeof(b));
		vec_push(&r->begun, ((struct begun_run){.line = b.line, .lines = b.lines, .from = b.from}));
	}
	unpack_memory(str_head(packed, packed.len - packed.len % sizeof(struct memory_slot) - n * sizeof(*begun)), m);
}

/* Lines whose entry began in a span that is not read again were settled with it. */
static void
settle_begun(struct stream *s, struct replay *r)
{
	for (size_t i = 0; i < r->begun.len; i++) {
		struct begun_run *b = &r->begun.items[i];

		b->settled = false;
		if (b->from == BEGUN_CLOSED)
			continue;
		if (b->from == BEGUN_EARLIER) {
			b->settled = s->ops->waits == NULL || !s->ops->waits(s);
			continue;
		}
		/* From the position on all is read again. */
		b->settled = b->from < r->from && b->from < s->settled_to;
		for (size_t k = 0; k < s->replays.len && b->settled; k++)
			b->settled = s->replays.items[k].from != b->from;
	}
}

static struct proof *
proof_of(struct stream *s)
{
	if (s->proof == NULL)
		s->proof = mem_new(struct proof);
	return s->proof;
}

/* Over what is settled: to the next replay, or to where everything is wanted again. */
static void
skip_settled(struct stream *s)
{
	uint64_t to = s->settled_to;

	if (s->read_offset >= s->settled_to)
		return;
	if (s->next_replay < s->replays.len && s->replays.items[s->next_replay].from < to)
		to = s->replays.items[s->next_replay].from;
	if (to > s->read_offset)
		s->read_offset = to;
	if (to == s->settled_to)
		memory_copy(&s->memory, &s->position_memory);
}

/* Reading begins at the position, or at the first replay behind it. Lock held, or nobody else knows the stream. */
static void
start_reading(struct stream *s)
{
	s->unread.len = 0;
	for (size_t i = 0; i < s->replays.len; i++) {
		for (size_t k = 0; k < s->replays.items[i].open.len; k++)
			vec_push(&s->unread, s->replays.items[i].open.items[k]);
	}
	s->settled_to = s->read_offset = s->position;
	if (s->replays.len > 0 && s->replays.items[0].from < s->position)
		s->read_offset = s->replays.items[0].from;
	memory_copy(&s->memory, &s->position_memory);
}

static void
add_hole(struct replay *r, const struct position_hole *hole)
{
	vec_push(&r->open, ((struct open_run){.from = hole->from, .to = hole->to}));
}

static void
restore_mark(struct stream *s, const struct position_mark *mark)
{
	struct replay r = {.from = mark->from, .to = mark->to, .has_base = true, .base_ns = mark->base_ns, .resent = true};
	struct memory before = {0};

	unpack_mark(mark->memory, &before, &r);
	r.before = memory_keep(&before);
	vec_push(&s->replays, r);
}

/* The holes are read with the times of their span, where it was on the wire: mostly not with these lines. */
static void
restore_holes(struct stream *s, const struct position *p, const struct position_mark *marks, size_t n_marks)
{
	size_t m = 0;

	for (size_t i = 0; i < p->n_holes; i++) {
		const struct position_hole *hole = &p->holes[i];
		struct replay *last = s->replays.len > 0 ? &s->replays.items[s->replays.len - 1] : NULL;

		if (hole->to <= hole->from || hole->to > p->offset || (last != NULL && hole->from < last->open.items[last->open.len - 1].to))
			continue;
		while (m < n_marks && marks[m].to <= hole->from)
			m++;
		if (last != NULL && hole->to <= last->to) {
			add_hole(last, hole);
			continue;
		}
		if (m < n_marks && marks[m].from <= hole->from && hole->to <= marks[m].to && marks[m].to <= p->offset)
			restore_mark(s, &marks[m]);
		else
			vec_push(&s->replays, ((struct replay){.from = hole->from, .to = hole->to}));
		last = &s->replays.items[s->replays.len - 1];
		last->resent = false;
		add_hole(last, hole);
	}
}

bool
stream_restore(struct stream *s)
{
	struct positions *store = s->runtime->positions;
	struct arena *arena;
	struct position position;
	struct position_mark *marks;
	size_t n_marks;
	bool known;

	if (store == NULL || s->key.len == 0)
		return false;
	arena = arena_new(0);
	known = positions_get(store, s->key, arena, &position);
	n_marks = positions_marks(store, s->key, arena, &marks);
	if (known) {
		s->position = position.offset;
		s->position_cursor = position.cursor.len > 0 ? copy_bytes(position.cursor) : NULL;
		unpack_memory(position.memory, &s->position_memory);
		if (position.n_checkpoints > 0)
			proof_get(proof_of(s), &position);
		if (s->ops->locate != NULL)
			restore_holes(s, &position, marks, n_marks);
	}
	for (size_t i = 0; i < n_marks; i++) {
		/* A mark that the position cuts tells nothing about the rest of its span's lines. */
		if (marks[i].from >= s->position && marks[i].to > marks[i].from)
			restore_mark(s, &marks[i]);
	}
	arena_free(arena);
	start_reading(s);
	s->restored_at = s->position;
	if (!s->reads_lag)
		lag_restore(s);
	return known || s->replays.len > 0;
}

void
stream_inherit(struct stream *s, struct stream *from)
{
	assert(s->ledger == from->ledger && str_eq(s->key, from->key) && from->lane == NULL && from->oldest == NULL &&
		from->passed == NULL);
	s->position = from->position;
	mem_free(s->position_cursor);
	s->position_cursor = from->position_cursor;
	from->position_cursor = NULL;
	memory_copy(&s->position_memory, &from->position_memory);
	mem_free(s->proof);
	s->proof = from->proof;
	from->proof = NULL;
	for (size_t i = from->next_replay; i < from->replays.len; i++) {
		vec_push(&s->replays, from->replays.items[i]);
		from->replays.items[i] = (struct replay){0};
	}
	start_reading(s);
	s->restored_at = from->restored_at;
	(void)pthread_mutex_lock(&s->ledger->lock);
	s->unsettled_lines = from->unsettled_lines;
	s->pool = from->pool;
	s->debts = from->debts;
	s->n_debts = from->n_debts;
	from->unsettled_lines = 0;
	from->pool = 0;
	from->debts = NULL;
	from->n_debts = 0;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	lag_inherit(s, from);
}

void
stream_prove(struct stream *s, uint64_t offset, uint64_t tail_hash)
{
	proof_add(proof_of(s), offset, tail_hash, clock_mono_ns());
}

void
stream_prove_head(struct stream *s, uint64_t bytes, uint64_t hash)
{
	bool first;

	(void)pthread_mutex_lock(&s->ledger->lock);
	proof_of(s)->head = (struct position_checkpoint){bytes, hash};
	first = s->position == 0;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	if (first)
		progress_note(s); /* with the first mark, so that the file is recognised after a crash before anything has settled */
}

void
stream_go_back(struct stream *s, uint64_t offset)
{
	assert(offset <= s->position && s->oldest == NULL && s->lane == NULL);
	for (size_t i = s->replays.len; i-- > 0;) {
		struct replay *r = &s->replays.items[i];

		if (r->open.len > 0 && r->to > offset) {
			give_up_replay(s, r);
			replay_done(r);
			vec_remove(&s->replays, i);
		}
	}
	s->position = offset;
	start_reading(s);
	s->restored_at = offset;
	lag_go_back(s, offset);
	if (s->proof != NULL)
		proof_cut(s->proof, offset);
}

uint64_t
stream_next_limit(const struct stream *s)
{
	uint64_t limit = lag_limit(s);
	const struct replay *r;

	if (s->next_replay == s->replays.len)
		return limit;
	r = &s->replays.items[s->next_replay];
	if (s->read_offset < r->from)
		return r->from < limit ? r->from : limit;
	return r->to < limit ? r->to : limit;
}

/* The record of [read_offset, to) or of more: a source that was cut shorter meanwhile may give only the first part now. */
static struct replay *
find_replay(struct stream *s, uint64_t from, uint64_t to)
{
	struct replay *again = s->next_replay < s->replays.len ? &s->replays.items[s->next_replay] : NULL;

	return again != NULL && again->from == from && to <= again->to ? again : NULL;
}

/* The receipt has the holes now that were still to be read up to its end. */
static void
forget_unread(struct stream *s, const struct receipt *r)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&s->ledger->lock);
	while (n < s->unread.len && s->unread.items[n].to <= r->to)
		n++;
	if (n > 0)
		memmove(s->unread.items, s->unread.items + n, (s->unread.len - n) * sizeof(s->unread.items[0]));
	s->unread.len -= n;
	(void)pthread_mutex_unlock(&s->ledger->lock);
}

struct receipt *
stream_begin(struct stream *s, struct lane *lane, uint64_t to, uint64_t lines_max, int64_t seen_ns)
{
	struct replay *again = find_replay(s, s->read_offset, to);
	struct receipt *r;

	(void)lane;

	assert(to > s->read_offset || s->key.len == 0);
	if (again != NULL) {
		int64_t base = again->has_base ? again->base_ns : marks_take(s->runtime->marks, seen_ns, lines_max);

		settle_begun(s, again);
		if (again->open.len > 0) {
			r = receipt_new_passed(s, s->read_offset, to, base, lines_max, again->open.items, again->open.len);
			forget_unread(s, r);
		} else {
			r = receipt_new(s, s->read_offset, to, base, lines_max);
		}
		for (size_t i = 0; i < again->begun.len; i++) {
			vec_push(&r->begun, again->begun.items[i]);
			r->choosy = r->choosy || again->begun.items[i].settled;
		}
		r->again = again->again;
		r->silent = again->silent;
		r->resent = again->resent;
		if (again->has_base)
			memory_copy(&s->memory, again->before);
	} else {
		/* Records with times of their own need none from the allocator, which would have to go on from them. */
		int64_t base = s->own_times ? seen_ns : marks_take(s->runtime->marks, seen_ns, lines_max);

		r = receipt_new(s, s->read_offset, to, base, lines_max);
	}
	if (s->reads_lag) {
		r->counted = r->silent;
		r->silent = true;
		r->again = false;
	}
	r->before = memory_keep(&s->memory);
	return r;
}

struct batch *
stream_batch(struct stream *s, struct lane *lane, struct receipt *r, size_t cap)
{
	struct batch *b = batch_new(lane_arena(lane), lane_labels(lane), cap);

	b->receipt = r;
	b->memory = &s->memory;
	return b;
}

void
stream_emit(struct stream *s, struct batch *b)
{
	component_forward(s->forward_to, b);
}

/* So many of its first lines are read. */
static void
count_begun_from(struct replay *r, uint32_t lines)
{
	size_t n = 0;

	for (size_t i = 0; i < r->begun.len; i++) {
		struct begun_run b = r->begun.items[i];
		uint32_t read = b.line >= lines ? 0 : lines - b.line < b.lines ? lines - b.line : b.lines;

		b.line = b.line + read - lines;
		b.lines -= read;
		if (b.lines > 0)
			r->begun.items[n++] = b;
	}
	r->begun.len = n;
}

/* A replay begins later now: entries that began in it are not settled because of that. */
static void
follow_begin(struct stream *s, uint64_t from, uint64_t to)
{
	for (size_t i = s->next_replay + 1; i < s->replays.len; i++) {
		struct replay *later = &s->replays.items[i];

		for (size_t k = 0; k < later->begun.len; k++) {
			if (later->begun.items[k].from == from)
				later->begun.items[k].from = to;
		}
	}
}

/* The receipt takes over what the record had in flight; what is left of the record begins behind it, with the next line's time. */
static void
use_replay(struct stream *s, struct receipt *r, uint32_t lines)
{
	struct replay *again = find_replay(s, r->from, r->to);

	if (again == NULL)
		return;
	if (again->again)
		r->lines_again = r->to == again->to || r->lines > again->lines ? again->lines : r->lines;
	again->lines -= r->lines_again;
	if (r->to == again->to)
		return;
	follow_begin(s, again->from, r->to);
	again->from = r->to;
	again->base_ns += lines;
	count_begun_from(again, lines);
	mem_free(again->before);
	again->before = memory_keep(&s->memory);
}

static int
by_line(const void *a, const void *b)
{
	const struct open_run *x = a, *y = b;

	return x->line < y->line ? -1 : x->line > y->line;
}

/* Where the lines stand that are held beyond the span. */
static void
locate_holds(struct stream *s, struct lane *lane, struct receipt *r)
{
	VEC(struct open_run) runs = {0};
	bool known = s->ops->locate != NULL;

	(void)pthread_mutex_lock(&s->ledger->lock);
	for (size_t i = 0; i < r->holds.len; i++)
		vec_push(&runs, r->holds.items[i]);
	(void)pthread_mutex_unlock(&s->ledger->lock);
	if (runs.len > 0 && known)
		qsort(runs.items, runs.len, sizeof(runs.items[0]), by_line);
	known = known && runs.len > 0 && s->ops->locate(s, lane, r, runs.items, runs.len);
	for (size_t i = 0; known && i < runs.len; i++)
		known = runs.items[i].to > runs.items[i].from;
	(void)pthread_mutex_lock(&s->ledger->lock);
	for (size_t i = 0; known && i < runs.len; i++)
		r->holds.items[i] = runs.items[i];
	r->located = known;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	vec_done(&runs);
}

void
stream_end(struct stream *s, struct lane *lane, struct receipt *r, uint32_t lines)
{
	r->span_lines = lines;
	r->lines = r->passed ? r->wanted : lines;
	locate_holds(s, lane, r);
	r->after = memory_keep(&s->memory);
	s->read_offset = r->to;
	use_replay(s, r, lines);
	for (; s->next_replay < s->replays.len && s->replays.items[s->next_replay].to <= s->read_offset; s->next_replay++)
		give_up_replay(s, &s->replays.items[s->next_replay]);
	if (s->next_replay > 0 && s->next_replay == s->replays.len)
		stream_drop_replays(s);
	skip_settled(s);
	receipt_processed(r);
	receipt_unref(r);
}

static struct replay
replay_of(const struct receipt *r)
{
	struct replay replay = {.from = r->from, .to = r->to, .has_base = true, .base_ns = r->base_ns, .before = memory_keep(r->before),
		.again = !r->silent, .silent = (r->stream->reads_lag ? r->counted : r->silent) || r->settled, .lines = r->lines,
		.resent = !r->passed && (r->resent || atomic_load(&r->marked))};

	for (size_t i = 0; i < r->begun.len; i++)
		vec_push(&replay.begun, r->begun.items[i]);
	for (size_t i = 0; i < r->open.len; i++)
		vec_push(&replay.open, r->open.items[i]);
	return replay;
}

/* The unsettled receipts become replays, before those that are still ahead. Lock held. */
static void
turn_into_replays(struct stream *s, const struct receipt *passed, const struct receipt *oldest)
{
	VEC(struct replay) replays = {0};

	for (const struct receipt *r = passed; r != NULL; r = r->next)
		vec_push(&replays, replay_of(r));
	for (const struct receipt *r = oldest; r != NULL; r = r->next)
		vec_push(&replays, replay_of(r));
	for (size_t i = 0; i < s->replays.len; i++) {
		if (i >= s->next_replay)
			vec_push(&replays, s->replays.items[i]);
		else
			replay_done(&s->replays.items[i]);
	}
	vec_done(&s->replays);
	s->replays.items = replays.items;
	s->replays.len = replays.len;
	s->replays.cap = replays.cap;
	s->next_replay = 0;
}

/* A source that cannot be read again: its lines end here. Lock held. */
static void
count_given_up(struct stream *s, const struct receipt *oldest)
{
	for (const struct receipt *r = oldest; r != NULL; r = r->next) {
		if (!r->settled && !r->silent)
			ledger_give_up(s->ledger, r->lines);
		if (!r->settled && !r->silent)
			s->unsettled_lines -= r->lines;
	}
}

static void
give_up_all(struct receipt *r)
{
	while (r != NULL) {
		struct receipt *next = r->next;

		receipt_give_up(r);
		r = next;
	}
}

void
stream_rewind(struct stream *s)
{
	struct receipt *passed, *oldest;

	(void)pthread_mutex_lock(&s->ledger->lock);
	passed = s->passed;
	oldest = s->oldest;
	s->passed = s->oldest = s->newest = NULL;
	s->n_receipts = s->n_passed = s->n_holes = 0;
	if (s->key.len > 0)
		turn_into_replays(s, passed, oldest);
	else
		count_given_up(s, oldest);
	start_reading(s);
	(void)pthread_mutex_unlock(&s->ledger->lock);
	give_up_all(passed);
	give_up_all(oldest);
	if (s->ops->rewound != NULL)
		s->ops->rewound(s);
}

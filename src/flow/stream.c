/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/stream.h"

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/flow/component.h"
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
	*s = (struct stream){.magic = STREAM_MAGIC, .ops = ops, .runtime = runtime, .ledger = ledger};
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
	(void)pthread_mutex_unlock(&s->ledger->lock);
	r->lines = 0;
}

static void
drop_replays(struct stream *s)
{
	for (size_t i = 0; i < s->replays.len; i++) {
		give_up_replay(s, &s->replays.items[i]);
		mem_free(s->replays.items[i].before);
	}
	s->replays.len = s->next_replay = 0;
}

void
stream_unref(struct stream *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	assert(s->oldest == NULL && s->lane == NULL);
	drop_replays(s);
	leave_ledger(s);
	vec_done(&s->replays);
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

static struct proof *
proof_of(struct stream *s)
{
	if (s->proof == NULL)
		s->proof = mem_new(struct proof);
	return s->proof;
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
	if (known) {
		s->read_offset = s->position = position.offset;
		s->position_cursor = position.cursor.len > 0 ? copy_bytes(position.cursor) : NULL;
		unpack_memory(position.memory, &s->memory);
		memory_copy(&s->position_memory, &s->memory);
		if (position.n_checkpoints > 0)
			proof_get(proof_of(s), &position);
	}
	n_marks = positions_marks(store, s->key, arena, &marks);
	for (size_t i = 0; i < n_marks; i++) {
		struct memory before = {0};

		/* A mark that the position cuts tells nothing about the rest of its span's lines. */
		if (marks[i].from < s->read_offset || marks[i].to <= marks[i].from)
			continue;
		unpack_memory(marks[i].memory, &before);
		vec_push(&s->replays, ((struct replay){.from = marks[i].from, .to = marks[i].to,
			.base_ns = marks[i].base_ns, .before = memory_keep(&before), .resent = true}));
	}
	arena_free(arena);
	return known || s->replays.len > 0;
}

void
stream_inherit(struct stream *s, struct stream *from)
{
	assert(s->ledger == from->ledger && str_eq(s->key, from->key) && from->lane == NULL && from->oldest == NULL);
	s->read_offset = s->position = from->position;
	mem_free(s->position_cursor);
	s->position_cursor = from->position_cursor;
	from->position_cursor = NULL;
	memory_copy(&s->position_memory, &from->position_memory);
	memory_copy(&s->memory, &from->position_memory);
	mem_free(s->proof);
	s->proof = from->proof;
	from->proof = NULL;
	for (size_t i = from->next_replay; i < from->replays.len; i++) {
		vec_push(&s->replays, from->replays.items[i]);
		from->replays.items[i] = (struct replay){0};
	}
}

void
stream_prove(struct stream *s, uint64_t offset, uint64_t tail_hash)
{
	proof_add(proof_of(s), offset, tail_hash, clock_mono_ns());
}

void
stream_prove_head(struct stream *s, uint64_t bytes, uint64_t hash)
{
	(void)pthread_mutex_lock(&s->ledger->lock);
	proof_of(s)->head = (struct position_checkpoint){bytes, hash};
	(void)pthread_mutex_unlock(&s->ledger->lock);
}

void
stream_go_back(struct stream *s, uint64_t offset)
{
	assert(offset <= s->position && s->oldest == NULL && s->lane == NULL);
	s->read_offset = s->position = offset;
	if (s->proof != NULL)
		proof_cut(s->proof, offset);
}

uint64_t
stream_next_limit(const struct stream *s)
{
	const struct replay *r;

	if (s->next_replay == s->replays.len)
		return UINT64_MAX;
	r = &s->replays.items[s->next_replay];
	return s->read_offset < r->from ? r->from : r->to;
}

/* The record of [read_offset, to) or of more: a source that was cut shorter meanwhile may give only the first part now. */
static struct replay *
find_replay(struct stream *s, uint64_t from, uint64_t to)
{
	struct replay *again = s->next_replay < s->replays.len ? &s->replays.items[s->next_replay] : NULL;

	return again != NULL && again->from == from && to <= again->to ? again : NULL;
}

struct receipt *
stream_begin(struct stream *s, struct lane *lane, uint64_t to, uint64_t lines_max, int64_t seen_ns)
{
	struct replay *again = find_replay(s, s->read_offset, to);
	struct receipt *r;

	(void)lane;

	assert(to > s->read_offset || s->key.len == 0);
	if (again != NULL) {
		r = receipt_new(s, s->read_offset, to, again->base_ns, lines_max);
		r->again = again->again;
		r->silent = again->silent;
		r->resent = again->resent;
		memory_copy(&s->memory, again->before);
	} else {
		/* Records with times of their own need none from the allocator, which would have to go on from them. */
		int64_t base = s->own_times ? seen_ns : marks_take(s->runtime->marks, seen_ns, lines_max);

		r = receipt_new(s, s->read_offset, to, base, lines_max);
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

/* The receipt takes over what the record had in flight; what is left of the record begins behind it, with the next line's time. */
static void
use_replay(struct stream *s, struct receipt *r)
{
	struct replay *again = find_replay(s, r->from, r->to);

	if (again == NULL)
		return;
	if (again->again)
		r->lines_again = r->to == again->to || r->lines > again->lines ? again->lines : r->lines;
	again->lines -= r->lines_again;
	if (r->to == again->to)
		return;
	again->from = r->to;
	again->base_ns += r->lines;
	mem_free(again->before);
	again->before = memory_keep(&s->memory);
}

void
stream_end(struct stream *s, struct lane *lane, struct receipt *r, uint32_t lines)
{
	(void)lane;
	r->lines = lines;
	r->after = memory_keep(&s->memory);
	s->read_offset = r->to;
	use_replay(s, r);
	for (; s->next_replay < s->replays.len && s->replays.items[s->next_replay].to <= s->read_offset; s->next_replay++)
		give_up_replay(s, &s->replays.items[s->next_replay]);
	if (s->next_replay > 0 && s->next_replay == s->replays.len)
		drop_replays(s);
	receipt_processed(r);
	receipt_unref(r);
}

/* The unsettled receipts become replays, before those that are still ahead. Lock held. */
static void
turn_into_replays(struct stream *s, struct receipt *oldest)
{
	VEC(struct replay) replays = {0};

	for (const struct receipt *r = oldest; r != NULL; r = r->next) {
		vec_push(&replays, ((struct replay){.from = r->from, .to = r->to, .base_ns = r->base_ns,
			.before = memory_keep(r->before), .again = !r->silent, .silent = r->silent || r->settled, .lines = r->lines,
			.resent = r->resent || r->marked}));
	}
	for (size_t i = 0; i < s->replays.len; i++) {
		if (i >= s->next_replay)
			vec_push(&replays, s->replays.items[i]);
		else
			mem_free(s->replays.items[i].before);
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
	}
}

void
stream_rewind(struct stream *s)
{
	struct receipt *oldest;

	(void)pthread_mutex_lock(&s->ledger->lock);
	oldest = s->oldest;
	s->oldest = s->newest = NULL;
	s->n_receipts = 0;
	if (s->key.len > 0)
		turn_into_replays(s, oldest);
	else
		count_given_up(s, oldest);
	s->read_offset = s->position;
	memory_copy(&s->memory, &s->position_memory);
	(void)pthread_mutex_unlock(&s->ledger->lock);
	while (oldest != NULL) {
		struct receipt *next = oldest->next;

		receipt_give_up(oldest);
		oldest = next;
	}
	if (s->ops->rewound != NULL)
		s->ops->rewound(s);
}

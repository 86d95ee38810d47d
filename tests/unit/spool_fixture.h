/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A component with a spool, and a source that cannot be read again: its line n says its number, and has labels, a time and metadata that
 * follow from it. What the component sends is remembered by number.
 */
#include "flow_fixture.h"
#include "longship/flow/spool.h"

#define LINES_MAX 200000

struct board { /* what a process did; may be shared with its parent */
	_Atomic bool acknowledged[LINES_MAX], returned[LINES_MAX];
	_Atomic int arrived[LINES_MAX];
	_Atomic uint64_t n_arrived, wrong, n_settled, n_returned;
};

struct pusher {
	struct stream stream; /* first */
	struct board *board;
	_Atomic uint64_t wanted, pushed; /* lines */
	_Atomic uint64_t push_lines;
	size_t pad;
};

struct outpost {
	struct component component;
	struct spool *spool;
	struct board *board;
	_Atomic bool hold; /* keeps what it gets instead of settling it */
	pthread_mutex_t lock;
	VEC(struct receipt *) held;
	uint64_t last; /* number of the line that came last, + 1 */
	_Atomic bool disordered;
};

static inline struct str
push_line(struct arena *arena, uint64_t n, size_t pad)
{
	char *text = arena_alloc(arena, 16 + pad);
	uint64_t random = n;

	(void)snprintf(text, 16, "%09llu ", (unsigned long long)n);
	for (size_t i = 0; i < pad; i++) { /* does not pack away */
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		text[10 + i] = (char)('a' + (random >> 40) % 26);
	}
	return (struct str){text, 10 + pad};
}

static inline const struct labels *
push_labels(struct labels_table *table, uint64_t n)
{
	const struct label set[] = {{STR("app"), n % 7 < 3 ? STR("a") : STR("b\n\"")}, {STR("__tenant_id__"), STR("t")}};

	return labels_intern(table, set, n % 7 == 6 ? 2 : 1);
}

static inline const struct metadata *
push_metadata(struct arena *arena, uint64_t n)
{
	struct metadata *m = arena_zalloc(arena, sizeof(*m) + 2 * sizeof(m->items[0]));

	m->n = n % 3;
	m->items[0] = (struct label){STR("trace"), STR("x y")};
	m->items[1] = (struct label){STR("empty"), STR_EMPTY};
	return m->n > 0 ? m : NULL;
}

static inline int64_t
push_ns(uint64_t n)
{
	return n % 11 == 5 ? -(int64_t)n : SEEN_NS + (int64_t)n * 1000;
}

static enum stream_state
pusher_run(struct stream *s, struct lane *lane)
{
	struct pusher *p = (struct pusher *)s;
	uint64_t first = p->pushed, n = p->push_lines;
	struct receipt *r;
	struct batch *b;

	if (first >= p->wanted)
		return STREAM_IDLE;
	n = n < p->wanted - first ? n : p->wanted - first;
	r = stream_begin(s, lane, s->read_offset + n, n, SEEN_NS);
	r->ptr = (void *)(uintptr_t)(first + 1);
	b = stream_batch(s, lane, r, n);
	for (uint64_t i = 0; i < n; i++) {
		b->ts[i] = push_ns(first + i);
		b->line[i] = push_line(lane_arena(lane), first + i, p->pad);
		b->labels[i] = push_labels(lane_labels(lane), first + i);
		b->metadata[i] = push_metadata(lane_arena(lane), first + i);
		b->origin[i] = (struct origin){(uint32_t)i, 1};
	}
	b->n = n;
	stream_emit(s, b);
	stream_end(s, lane, r, (uint32_t)n);
	p->pushed = first + n;
	return STREAM_MORE;
}

static void
pusher_settled(struct stream *s, struct receipt *r)
{
	struct pusher *p = (struct pusher *)s;
	uint64_t first = (uintptr_t)r->ptr - 1, n = r->span_lines;
	bool ok = !atomic_load(&r->discarded) && !atomic_load(&r->returned);

	for (uint64_t i = first; i < first + n; i++)
		atomic_store(ok ? &p->board->acknowledged[i] : &p->board->returned[i], true);
	(void)atomic_fetch_add(ok ? &p->board->n_settled : &p->board->n_returned, n);
}

static void
pusher_free(struct stream *s)
{
	mem_free(s);
}

static const struct stream_ops pusher_ops = {.run = pusher_run, .settled = pusher_settled, .free = pusher_free};

static bool
same_metadata(const struct metadata *a, const struct metadata *b)
{
	bool same = (a == NULL) == (b == NULL) && (a == NULL || a->n == b->n);

	for (size_t i = 0; same && a != NULL && i < a->n; i++)
		same = str_eq(a->items[i].name, b->items[i].name) && str_eq(a->items[i].value, b->items[i].value);
	return same;
}

static void
note_arrival(struct outpost *o, const struct batch *b, size_t i)
{
	uint64_t n = 0;
	struct str line = b->line[i];

	for (size_t k = 0; k < 9 && k < line.len; k++)
		n = n * 10 + (uint64_t)(line.s[k] - '0');
	if (line.len < 10 || n >= LINES_MAX || b->ts[i] != push_ns(n) || b->labels[i] != push_labels(b->table, n) ||
		!same_metadata(b->metadata[i], push_metadata(b->arena, n)) || !str_eq(line, push_line(b->arena, n, line.len - 10))) {
		(void)atomic_fetch_add(&o->board->wrong, 1);
		return;
	}
	if (n + 1 <= o->last)
		atomic_store(&o->disordered, true);
	o->last = n + 1;
	(void)atomic_fetch_add(&o->board->arrived[n], 1);
	(void)atomic_fetch_add(&o->board->n_arrived, 1);
}

static void
outpost_consume(struct component *c, struct batch *b)
{
	struct outpost *o = c->state;

	if (o->spool != NULL && spool_put(o->spool, b))
		return;
	(void)pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < b->n; i++) {
		note_arrival(o, b, i);
		if (o->hold) {
			receipt_ref(b->receipt);
			vec_push(&o->held, b->receipt);
		}
	}
	(void)pthread_mutex_unlock(&o->lock);
}

static const struct component_type outpost_type = {.name = "test.outpost", .flags = COMPONENT_CONSUMES, .consume = outpost_consume};

struct stand {
	struct path path;
	struct outpost out;
	struct ptr_list receivers;
	void *receiver;
	struct pusher *pusher;
	struct board *board;
};

static inline void
open_spool(struct stand *s, const struct spool_options *options)
{
	s->out.last = 0;
	s->out.spool = spool_new(&s->out.component, options);
	assert_non_null(s->out.spool);
	spool_run(s->out.spool);
}

/* What it holds is given up, as the sender does. */
static inline void
let_go(struct stand *s, bool discard)
{
	(void)pthread_mutex_lock(&s->out.lock);
	for (size_t i = 0; i < s->out.held.len; i++) {
		if (discard)
			atomic_store(&s->out.held.items[i]->discarded, true);
		receipt_unref(s->out.held.items[i]);
	}
	s->out.held.len = 0;
	(void)pthread_mutex_unlock(&s->out.lock);
}

/* As the graph stops a component. */
static inline void
close_spool(struct stand *s)
{
	lanes_park(s->path.runtime.lanes);
	spool_free(s->out.spool);
	s->out.spool = NULL;
	lanes_resume(s->path.runtime.lanes);
}

/* The parts on an open store. */
static inline void
stand_connect(struct stand *s)
{
	struct path *p = &s->path;

	if (p->runtime.metrics == NULL) {
		p->runtime.metrics = metrics_new();
		p->runtime.marks = marks_new(0);
		p->runtime.lanes = lanes_new(&p->runtime, 2);
		p->ledger = ledger_new(p->runtime.metrics, "test.source");
	}
	p->runtime.storage_path = p->dir;
	s->out = (struct outpost){.component = {.magic = COMPONENT_MAGIC, .type = &outpost_type, .id = "test.outpost", .runtime = &p->runtime},
		.board = s->board};
	s->out.component.state = &s->out;
	(void)pthread_mutex_init(&s->out.lock, NULL);
	s->receiver = &s->out.component;
	s->receivers = (struct ptr_list){&s->receiver, 1};
	s->pusher = mem_new(struct pusher);
	s->pusher->board = s->board;
	s->pusher->push_lines = 10;
	stream_init(&s->pusher->stream, &pusher_ops, &p->runtime, p->ledger, STR_EMPTY, "pusher");
	s->pusher->stream.forward_to = &s->receivers;
	(void)lanes_add(p->runtime.lanes, &s->pusher->stream, 0);
}

static inline void
stand_init(struct stand *s, struct board *board)
{
	*s = (struct stand){.board = board};
	path_init(&s->path, 2, false);
	stand_connect(s);
}

static inline void
stand_done(struct stand *s)
{
	if (s->out.spool != NULL)
		close_spool(s);
	lanes_park(s->path.runtime.lanes);
	lanes_evict(s->path.runtime.lanes, &s->pusher->stream);
	lanes_resume(s->path.runtime.lanes);
	stream_unref(&s->pusher->stream);
	vec_done(&s->out.held);
	(void)pthread_mutex_destroy(&s->out.lock);
	path_done(&s->path);
}

static inline void
push(struct stand *s, uint64_t lines)
{
	s->pusher->wanted += lines;
	lane_wake(&s->pusher->stream);
}

static inline void
find_status(void *ptr, const struct spool_status *s)
{
	*(struct spool_status *)ptr = *s;
}

static inline struct spool_status
spool_status_now(void)
{
	struct spool_status s = {0};

	spools_each(find_status, &s);
	return s;
}

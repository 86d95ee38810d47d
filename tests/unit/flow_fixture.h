/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A data path for tests: lanes over a toy source, whose line n is its number in nine digits, and receivers that hold what
 * they get until the test settles it.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/flow/batch.h"
#include "longship/flow/budget.h"
#include "longship/flow/component.h"
#include "longship/flow/lane.h"
#include "longship/flow/mark.h"
#include "longship/flow/metric.h"
#include "longship/flow/receipt.h"
#include "longship/flow/runtime.h"
#include "longship/flow/sender.h"
#include "longship/flow/stream.h"
#include "longship/positions/positions.h"

#define LINE_BYTES 10
#define PATIENCE_NS (10 * NS_PER_S)
#define SEEN_NS INT64_C(1700000000000000000)

struct toy {
	struct stream stream; /* first */
	_Atomic uint64_t size;
	_Atomic uint64_t span_lines;
	_Atomic uint32_t lines_factor; /* as if the bytes had been written over with shorter lines */
	_Atomic bool finished;         /* nothing more comes */
	_Atomic int runs, closed, freed_flag;
	_Atomic bool running;
	_Atomic int *freed;
	_Atomic bool announces;      /* each span begins with an entry that is no line */
	struct lane_hold *hold;      /* put into the lane with the first run; may be NULL */
	_Atomic uint32_t hold_lines; /* bits: these lines of each span are held instead of being handed on */
};

static enum stream_state
toy_run(struct stream *s, struct lane *lane)
{
	struct toy *t = (struct toy *)s;
	uint64_t to = s->read_offset + t->span_lines * LINE_BYTES, size = t->size, limit = stream_next_limit(s);
	struct receipt *r;
	struct batch *b;
	uint32_t n;

	atomic_store(&t->running, true);
	if (t->hold != NULL && t->runs == 0)
		lane_hold_add(lane, t->hold);
	t->runs++;
	to = to < size ? to : size;
	to = to < limit ? to : limit;
	if (to <= s->read_offset) {
		atomic_store(&t->running, false);
		return t->finished ? STREAM_DONE : STREAM_IDLE;
	}
	if (s->labels == NULL)
		s->labels = labels_ref(labels_intern(lane_labels(lane), (struct label[]){{STR("toy"), str_from(s->name)}}, 1));
	r = stream_begin(s, lane, to, to - s->read_offset, SEEN_NS);
	b = stream_batch(s, lane, r, BATCH_ENTRIES_MAX);
	n = (uint32_t)(to - s->read_offset) / LINE_BYTES * t->lines_factor;
	if (t->announces) {
		b->ts[0] = r->base_ns;
		b->line[0] = STR("announced");
		b->labels[0] = s->labels;
		b->origin[0] = (struct origin){0, 0};
		b->n = 1;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!receipt_wants(r, i, s->read_offset + i * LINE_BYTES))
			continue;
		if (i < 32 && (t->hold_lines >> i & 1) != 0) {
			receipt_hold(r, i, 1);
			continue;
		}
		b->ts[b->n] = r->base_ns + i;
		b->line[b->n] = arena_printf(lane_arena(lane), "%09llu", (unsigned long long)(s->read_offset / LINE_BYTES + i));
		b->labels[b->n] = s->labels;
		b->origin[b->n++] = (struct origin){i, 1};
	}
	stream_emit(s, b);
	stream_end(s, lane, r, n);
	atomic_store(&t->running, false);
	return STREAM_MORE;
}

static void
toy_closed(struct stream *s)
{
	((struct toy *)s)->closed++;
}

static void
toy_free(struct stream *s)
{
	struct toy *t = (struct toy *)s;

	if (t->freed != NULL)
		(*t->freed)++;
	mem_free(t);
}

static bool
toy_locate(struct stream *s, struct lane *lane, struct receipt *r, struct open_run *runs, size_t n)
{
	(void)s;
	(void)lane;
	for (size_t i = 0; i < n; i++) {
		runs[i].from = r->from + runs[i].line * LINE_BYTES;
		runs[i].to = runs[i].from + runs[i].lines * LINE_BYTES;
	}
	return true;
}

static const struct stream_ops toy_ops = {.run = toy_run, .closed = toy_closed, .free = toy_free, .locate = toy_locate};

/* ---- Receivers ---- */

enum sink_mode { SINK_HOLD, SINK_PASS, SINK_DROP };

struct held {
	struct receipt *receipt;
	uint32_t line;
	int64_t ts;
	char text[LINE_BYTES];
};

struct sink {
	struct component component;
	pthread_mutex_t lock;
	_Atomic enum sink_mode mode;
	VEC(struct held) held; /* one reference to the receipt each, until released */
	size_t released;
};

static const struct drop_reason sink_drop = {.name = "sink_drop"};

static void
sink_consume(struct component *c, struct batch *b)
{
	struct sink *s = c->state;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < b->n; i++) {
		struct held h = {.receipt = b->receipt, .line = b->origin[i].line, .ts = b->ts[i]};

		if (s->mode == SINK_DROP) {
			batch_drop(b, i, &sink_drop);
			continue;
		}
		memcpy(h.text, b->line[i].s, b->line[i].len < sizeof(h.text) ? b->line[i].len : sizeof(h.text) - 1);
		if (s->mode == SINK_HOLD)
			receipt_ref(b->receipt);
		else
			h.receipt = NULL;
		vec_push(&s->held, h);
	}
	(void)pthread_mutex_unlock(&s->lock);
	batch_compact(b);
}

static const struct component_type sink_type = {.name = "test.sink", .flags = COMPONENT_CONSUMES, .consume = sink_consume};

static inline void
sink_init(struct sink *s, enum sink_mode mode)
{
	*s = (struct sink){.component = {.magic = COMPONENT_MAGIC, .type = &sink_type, .id = "test.sink"}};
	s->component.state = s;
	s->mode = mode;
	(void)pthread_mutex_init(&s->lock, NULL);
}

static inline size_t
sink_count(struct sink *s)
{
	size_t n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->held.len;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

/* Settles entry i, or gives it up as the sender does. */
static inline void
sink_release(struct sink *s, size_t i, bool discard)
{
	struct receipt *r;

	(void)pthread_mutex_lock(&s->lock);
	r = s->held.items[i].receipt;
	s->held.items[i].receipt = NULL;
	(void)pthread_mutex_unlock(&s->lock);
	if (r == NULL)
		return;
	if (discard)
		atomic_store(&r->discarded, true);
	receipt_unref(r);
}

static inline void
sink_release_all(struct sink *s, bool discard)
{
	for (size_t i = 0; i < sink_count(s); i++)
		sink_release(s, i, discard);
}

static inline void
sink_done(struct sink *s)
{
	vec_done(&s->held);
	(void)pthread_mutex_destroy(&s->lock);
}

/* ---- All of it ---- */

struct path {
	struct runtime runtime;
	struct ledger *ledger;
	char dir[64];
};

static inline void
path_init(struct path *p, unsigned lanes, bool with_sender)
{
	struct positions_report report;
	int pid;

	*p = (struct path){0};
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/longship-flow-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(positions_open(p->dir, &p->runtime.positions, &report, &pid), 0);
	p->runtime.metrics = metrics_new();
	p->runtime.marks = marks_new(0);
	if (with_sender)
		p->runtime.sender = sender_new(&p->runtime);
	p->runtime.lanes = lanes_new(&p->runtime, lanes);
	p->ledger = ledger_new(p->runtime.metrics, "test.source");
}

static inline void
path_done(struct path *p)
{
	char command[128];

	lanes_free(p->runtime.lanes);
	sender_free(p->runtime.sender);
	(void)progress_write(p->runtime.positions, NULL, 0);
	ledger_close(p->ledger);
	marks_free(p->runtime.marks);
	positions_close(p->runtime.positions);
	metrics_free(p->runtime.metrics);
	(void)snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(budget_used(), 0);
}

static inline struct toy *
toy_new(struct path *p, const char *key, const struct ptr_list *receivers, uint64_t lines, uint64_t span_lines)
{
	struct toy *t = mem_new(struct toy);

	stream_init(&t->stream, &toy_ops, &p->runtime, p->ledger, str_from(key), key);
	t->stream.forward_to = receivers;
	t->size = lines * LINE_BYTES;
	t->span_lines = span_lines;
	t->lines_factor = 1;
	if (key[0] != '\0')
		positions_declare(p->runtime.positions, str_from(key), STR_EMPTY, STR_EMPTY);
	return t;
}

#define wait_until(condition)                                                                  \
	do {                                                                                   \
		int64_t until_ = clock_mono_ns() + PATIENCE_NS;                                \
		while (!(condition) && clock_mono_ns() < until_)                               \
			(void)usleep(500);                                                     \
		assert_true(condition);                                                        \
	} while (0)

struct sums {
	uint64_t read, acknowledged, rejected, dropped, in_flight, resent;
};

/* The equation must hold whenever one looks. */
static inline struct sums
sums_of(struct ledger *l)
{
	struct sums s;

	(void)pthread_mutex_lock(&l->lock);
	s = (struct sums){.read = l->read, .acknowledged = l->acknowledged, .in_flight = l->in_flight, .resent = l->resent};
	for (size_t i = 0; i < l->n_reasons; i++) {
		s.rejected += l->reasons[i].rejected;
		s.dropped += l->reasons[i].dropped;
	}
	(void)pthread_mutex_unlock(&l->lock);
	assert_int_equal(s.read, s.acknowledged + s.rejected + s.dropped + s.in_flight);
	return s;
}

static inline uint64_t
position_of(struct toy *t)
{
	uint64_t position;

	(void)pthread_mutex_lock(&t->stream.ledger->lock);
	position = t->stream.position;
	(void)pthread_mutex_unlock(&t->stream.ledger->lock);
	return position;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a request apart is rare (an answer that concerns some of its entries), so nothing is kept for it but runs and
 * turns: the entries are read back from the body, which was written by codec/loki_push and is trusted.
 */
#include "longship/flow/request.h"

#include <stdlib.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/codec/snappy.h"
#include "longship/flow/budget.h"
#include "longship/flow/ledger.h"
#include "longship/flow/stream.h"

/* batch_size is at most REQUEST_BYTES_MAX, lines and labels come on top (component/loki_write/outlet.c). */
#define BODY_BYTES_MAX (4ull * REQUEST_BYTES_MAX)

struct request *
request_new(char *body, size_t body_bytes, struct request_run *runs, size_t n_runs, struct request_turn *turns, size_t n_turns)
{
	struct request *r = mem_new(struct request);

	r->body = body;
	r->body_bytes = body_bytes;
	r->runs = runs;
	r->n_runs = n_runs;
	r->turns = turns;
	r->n_turns = n_turns;
	r->budget_bytes = body_bytes + n_runs * sizeof(*runs) + n_turns * sizeof(*turns) + sizeof(*r);
	budget_take(r->budget_bytes);
	return r;
}

void
request_free(struct request *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_runs; i++)
		receipt_unref(r->runs[i].receipt);
	budget_give(r->budget_bytes);
	mem_free(r->runs);
	mem_free(r->turns);
	mem_free(r->body);
	mem_free(r);
}

static uint64_t
read_varint(struct str s, size_t *at)
{
	uint64_t n = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		unsigned char byte;

		assert(*at < s.len);
		byte = (unsigned char)s.s[(*at)++];
		n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			break;
	}
	return n;
}

/* A field of bytes behind its tag. */
static struct str
read_bytes(struct str s, size_t *at)
{
	uint64_t len = read_varint(s, at);
	struct str field;

	assert(len <= s.len - *at);
	field = (struct str){s.s + *at, (size_t)len};
	*at += (size_t)len;
	return field;
}

static int64_t
read_timestamp(struct str s)
{
	int64_t seconds = 0, nanos = 0;

	for (size_t at = 0; at < s.len;) {
		char tag = s.s[at++];
		int64_t n = (int64_t)read_varint(s, &at);

		if (tag == 0x08)
			seconds = n;
		else
			nanos = n;
	}
	return (int64_t)((uint64_t)seconds * 1000000000u + (uint64_t)nanos);
}

static struct request_entry
read_entry(struct str s, size_t begin, size_t *at, uint32_t stream)
{
	struct str entry = read_bytes(s, at);
	struct request_entry e = {.stream = stream, .encoded = {s.s + begin, *at - begin}};

	for (size_t k = 0; k < entry.len;) {
		size_t from = k;
		char tag = entry.s[k++];
		struct str field = read_bytes(entry, &k);

		if (tag == 0x0a)
			e.ts_ns = read_timestamp(field);
		else if (tag == 0x12)
			e.line = field;
		else if (e.metadata.s == NULL)
			e.metadata = (struct str){entry.s + from, entry.len - from}; /* they are the last fields */
	}
	return e;
}

bool
request_metadata(const struct request_entry *e, size_t *at, struct push_label *ret)
{
	struct str pair;

	if (*at >= e->metadata.len)
		return false;
	(*at)++;
	pair = read_bytes(e->metadata, at);
	*ret = (struct push_label){STR_EMPTY, STR_EMPTY};
	for (size_t k = 0; k < pair.len;) {
		char tag = pair.s[k++];
		struct str field = read_bytes(pair, &k);

		if (tag == 0x0a)
			ret->name = field;
		else
			ret->value = field;
	}
	return true;
}

struct reading {
	VEC(struct request_stream) streams;
	VEC(struct request_entry) entries;
};

static void
read_body(struct str body, struct reading *to)
{
	for (size_t at = 0; at < body.len;) {
		struct request_stream stream = {.first = (uint32_t)to->entries.len};
		struct str s;

		at++;
		s = read_bytes(body, &at);
		for (size_t k = 0; k < s.len;) {
			size_t begin = k;

			if (s.s[k++] == 0x0a)
				stream.text = read_bytes(s, &k);
			else
				vec_push(&to->entries, read_entry(s, begin, &k, (uint32_t)to->streams.len));
		}
		stream.n = (uint32_t)to->entries.len - stream.first;
		vec_push(&to->streams, stream);
	}
}

/* Hands the source lines of runs to entries in the order in which they were added. */
struct walk {
	const struct request *request;
	size_t run;
	uint32_t done; /* lines of it */
};

static void
take_lines(struct walk *w, struct request_entry *e)
{
	const struct request_run *run = &w->request->runs[w->run];

	assert(w->run < w->request->n_runs);
	e->run = (uint32_t)w->run;
	for (e->n_runs = 1; run->goes_on; e->n_runs++) {
		run = &w->request->runs[++w->run];
		assert(w->run < w->request->n_runs && w->done == 0);
	}
	e->at = run->line + w->done;
	e->lines = run->lines_each;
	w->done += run->lines_each;
	if (w->done >= run->lines) {
		w->run++;
		w->done = 0;
	}
}

struct receipt_run
request_entry_run(const struct request *r, const struct request_entry *e, uint32_t k)
{
	const struct request_run *run = &r->runs[e->run + k];

	assert(k < e->n_runs);
	if (k + 1 < e->n_runs)
		return (struct receipt_run){run->receipt, run->line, run->lines};
	return (struct receipt_run){run->receipt, e->at, e->lines};
}

static void
assign_lines(const struct request *r, struct request_view *v)
{
	struct walk walk = {.request = r};
	uint32_t *next;

	if (r->turns == NULL) {
		for (size_t i = 0; i < v->n_entries; i++)
			take_lines(&walk, &v->entries[i]);
		return;
	}
	next = mem_zalloc(v->n_streams * sizeof(*next));
	for (size_t t = 0; t < r->n_turns; t++) {
		uint32_t stream = r->turns[t].stream;

		assert(stream < v->n_streams);
		for (uint32_t i = 0; i < r->turns[t].entries; i++) {
			assert(next[stream] < v->streams[stream].n);
			take_lines(&walk, &v->entries[v->streams[stream].first + next[stream]++]);
		}
	}
	mem_free(next);
}

struct request_view *
request_open(const struct request *r)
{
	struct request_view *v = mem_new(struct request_view);
	struct reading reading = {0};
	struct buf body;

	buf_init(&body, BODY_BYTES_MAX);
	if (snappy_block_uncompress(&body, (struct str){r->body, r->body_bytes}) < 0)
		abort(); /* the sender's own bytes */
	read_body(buf_view(&body), &reading);
	v->body = body.data;
	v->streams = reading.streams.items;
	v->n_streams = reading.streams.len;
	v->entries = reading.entries.items;
	v->n_entries = reading.entries.len;
	assert(v->n_entries == r->entries);
	assign_lines(r, v);
	return v;
}

void
request_view_free(struct request_view *v)
{
	if (v == NULL)
		return;
	mem_free(v->streams);
	mem_free(v->entries);
	mem_free(v->body);
	mem_free(v);
}

struct making {
	VEC(struct request_run) runs;
	uint64_t entries, source_bytes;
	char *body;
	size_t body_bytes;
};

static void
make_run(struct making *m, const struct receipt_run *run, bool goes_on)
{
	uint32_t lines_each = goes_on ? 0 : run->lines;
	struct request_run *last = lines_each > 0 && m->runs.len > 0 ? &m->runs.items[m->runs.len - 1] : NULL;

	if (last != NULL && last->receipt == run->receipt && last->lines_each == lines_each && last->line + last->lines == run->line) {
		last->lines += run->lines;
		return;
	}
	receipt_ref(run->receipt);
	vec_push(&m->runs, ((struct request_run){run->receipt, run->line, run->lines, lines_each, goes_on}));
}

static void
make_runs(struct making *m, const struct request *whole, const struct request_entry *e)
{
	m->entries++;
	m->source_bytes += e->line.len + 1;
	for (uint32_t k = 0; k < e->n_runs; k++) {
		struct receipt_run run = request_entry_run(whole, e, k);

		make_run(m, &run, k + 1 < e->n_runs);
	}
}

static void
make_stream(struct making *m, const struct request *whole, const struct request_view *v, const struct request_stream *s)
{
	size_t bytes = 0;

	for (uint32_t i = s->first; i < s->first + s->n; i++)
		bytes += v->entries[i].picked ? v->entries[i].encoded.len : 0;
	if (bytes == 0)
		return;
	m->body = mem_realloc(m->body, m->body_bytes + loki_push_stream_header_bytes_max(s->text.len) + bytes);
	m->body_bytes += loki_push_stream_header(m->body + m->body_bytes, s->text, bytes);
	for (uint32_t i = s->first; i < s->first + s->n; i++) {
		const struct request_entry *e = &v->entries[i];

		if (!e->picked)
			continue;
		memcpy(m->body + m->body_bytes, e->encoded.s, e->encoded.len);
		m->body_bytes += e->encoded.len;
		make_runs(m, whole, e);
	}
}

struct request *
request_part(const struct request *whole, const struct request_view *v)
{
	struct making m = {0};
	struct request *r;
	char *packed;
	size_t packed_bytes;

	for (size_t i = 0; i < v->n_streams; i++)
		make_stream(&m, whole, v, &v->streams[i]);
	if (m.entries == 0)
		return NULL;
	packed = mem_alloc(snappy_block_bytes_max(m.body_bytes));
	packed_bytes = snappy_block_compress(packed, (struct str){m.body, m.body_bytes});
	mem_free(m.body);
	r = request_new(mem_realloc(packed, packed_bytes), packed_bytes, m.runs.items, m.runs.len, NULL, 0);
	r->entries = m.entries;
	r->source_bytes = m.source_bytes;
	r->oldest_ns = whole->oldest_ns;
	r->attempts = whole->attempts;
	r->in_window = whole->in_window;
	r->maybe_stored = whole->maybe_stored;
	r->part = whole->part;
	r->queue = whole->queue;
	r->destination = whole->destination;
	return r;
}

/* Where about half of the bytes are through; between 1 and n_entries - 1. */
static size_t
find_half(const struct request_view *v, bool at_streams)
{
	size_t bytes = 0, so_far = 0, last = 0;

	for (size_t i = 0; i < v->n_entries; i++)
		bytes += v->entries[i].encoded.len;
	for (size_t i = 0; i < v->n_entries; i++) {
		if (i > 0 && (!at_streams || v->entries[i].stream != v->entries[i - 1].stream)) {
			last = i;
			if (so_far + v->entries[i].encoded.len / 2 >= bytes / 2)
				break;
		}
		so_far += v->entries[i].encoded.len;
	}
	return last;
}

bool
request_pick_half(struct request_view *v, bool by_stream)
{
	size_t half = find_half(v, v->n_streams > 1 || by_stream);

	for (size_t i = 0; i < v->n_entries; i++)
		v->entries[i].picked = i < half;
	return half > 0;
}

void
request_pick_others(struct request_view *v)
{
	for (size_t i = 0; i < v->n_entries; i++)
		v->entries[i].picked = !v->entries[i].picked;
}

void
request_count_resent(const struct request *r)
{
	for (size_t i = 0; i < r->n_runs; i++) {
		struct ledger *l = r->runs[i].receipt->stream->ledger;

		if (r->runs[i].receipt->silent && !r->runs[i].receipt->stream->reads_lag)
			continue;
		(void)pthread_mutex_lock(&l->lock);
		l->resent += r->runs[i].lines;
		(void)pthread_mutex_unlock(&l->lock);
	}
}

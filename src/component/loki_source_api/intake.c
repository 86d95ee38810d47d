/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A push is held by the list it waits on (its lane's queue, while it is read), and by each of its receipts. Whoever lets go
 * last puts it on the list of the done, from which the control thread answers.
 *
 * A span is one batch: up to BATCH_ENTRIES_MAX entries or SPAN_BYTES_MAX bytes. Lines point into the unpacked body, which
 * outlives the batch.
 */
#include "intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/codec/gzip.h"
#include "longship/codec/push_json.h"
#include "longship/codec/snappy.h"
#include "longship/flow/batch.h"
#include "longship/flow/lane.h"
#include "longship/flow/stream.h"
#include "longship/os/loop.h"

#define INTAKE_MAGIC 0x1874a6e0u

struct push {
	struct push *next;
	void *request;
	enum intake_form form;
	enum intake_encoding encoding;
	struct buf body;
	char *tenant; /* "": none */
	int64_t arrived_ns;

	/* The lane that reads it. */
	bool begun; /* under the intake's lock */
	bool further; /* a span of it was handed on */
	struct buf unpacked;
	struct str text; /* what is read: body or unpacked */
	struct push_place place;

	/* Its end. */
	_Atomic unsigned refs;
	_Atomic bool lost; /* a span was given up, or returned */
	unsigned status;
	char error[INTAKE_ERROR_BYTES];
};

struct api_stream {
	struct stream stream; /* first */
	struct intake *intake;
	struct push *first, **last; /* waiting; the first one may be begun. Under the intake's lock */
};

struct intake {
	unsigned magic;
	struct runtime *runtime;
	struct ledger *ledger;
	struct metric *entries_written;
	struct intake_options options;
	intake_answer *answer;
	void *ctx;
	_Atomic unsigned refs; /* the component and each stream */

	pthread_mutex_t lock;
	struct push *done;
	bool posted, closed;
	struct api_stream **streams;
	unsigned n_streams, next_stream;
};

static void
push_free(struct push *p)
{
	buf_done(&p->body);
	buf_done(&p->unpacked);
	mem_free(p->tenant);
	mem_free(p);
}

static void
intake_unref(struct intake *in)
{
	if (atomic_fetch_sub(&in->refs, 1) != 1)
		return;
	(void)pthread_mutex_destroy(&in->lock);
	in->magic = 0;
	mem_free(in->streams);
	mem_free(in);
}

/* ---- Answers ---- */

static void
answer_done(void *ptr)
{
	struct intake *in = ptr;
	struct push *done;

	check_magic(in, INTAKE_MAGIC);
	(void)pthread_mutex_lock(&in->lock);
	done = in->done;
	in->done = NULL;
	in->posted = false;
	(void)pthread_mutex_unlock(&in->lock);
	while (done != NULL) {
		struct push *p = done;
		bool lost = atomic_load(&p->lost);

		done = p->next;
		if (lost)
			in->answer(in->ctx, p->request, 503, "the entries could not be delivered, send them again");
		else
			in->answer(in->ctx, p->request, p->status, p->error);
		push_free(p);
	}
}

static void
push_unref(struct intake *in, struct push *p)
{
	bool post;

	if (atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	(void)pthread_mutex_lock(&in->lock);
	if (in->closed) {
		(void)pthread_mutex_unlock(&in->lock);
		push_free(p);
		return;
	}
	p->next = in->done;
	in->done = p;
	post = !in->posted;
	in->posted = true;
	/* Under the lock: when the component has closed the intake, nothing is posted any more. */
	if (post)
		loop_post(in->runtime->loop, answer_done, in);
	(void)pthread_mutex_unlock(&in->lock);
}

/* ---- Unpacking ---- */

static bool
refuse(struct push *p, const char *text)
{
	p->status = 400;
	(void)snprintf(p->error, sizeof(p->error), "%s", text);
	return false;
}

/* Replaces the text by what fn makes of it. */
static bool
unpack(struct push *p, size_t max, int (*fn)(struct buf *, struct str), const char *what)
{
	struct buf out;
	int r;

	buf_init(&out, max);
	r = fn(&out, p->text);
	if (r == 0) {
		buf_done(&p->unpacked);
		buf_done(&p->body);
		p->unpacked = out;
		p->text = buf_view(&p->unpacked);
		return true;
	}
	buf_done(&out);
	p->status = 400;
	if (r == -EMSGSIZE)
		(void)snprintf(p->error, sizeof(p->error), "message size too large than max (unpacked, vs %zu)", max);
	else
		(void)snprintf(p->error, sizeof(p->error), "%s: corrupt input", what);
	return false;
}

static int
gunzip(struct buf *out, struct str in)
{
	return gzip_uncompress(out, in, GZIP_FORMAT_GZIP);
}

/* HTTP means zlib by "deflate", Go and Loki mean the bare format. */
static int
inflate_body(struct buf *out, struct str in)
{
	int r = gzip_uncompress(out, in, GZIP_FORMAT_DEFLATE);

	if (r == -EBADMSG) {
		buf_clear(out);
		r = gzip_uncompress(out, in, GZIP_FORMAT_ZLIB);
	}
	return r;
}

static int
unsnap_body(struct buf *out, struct str in)
{
	return str_starts(in, STR("\xff\x06")) ? snappy_framed_uncompress(out, in) : snappy_block_uncompress(out, in);
}

/* Alloy takes a JSON body marked "snappy" as it is. */
static bool
is_bare_json(struct str text)
{
	text = str_trim(text);
	return text.len == 0 || text.s[0] == '{';
}

static bool
push_unpack(struct push *p, size_t max)
{
	p->text = buf_view(&p->body);
	if (p->encoding == INTAKE_GZIP && !unpack(p, max, gunzip, "gzip"))
		return false;
	if (p->encoding == INTAKE_DEFLATE && !unpack(p, max, inflate_body, "deflate"))
		return false;
	if (p->form == INTAKE_PROTOBUF)
		return unpack(p, max, snappy_block_uncompress, "snappy");
	if (p->encoding == INTAKE_SNAPPY && !(p->form == INTAKE_JSON && is_bare_json(p->text)))
		return unpack(p, max, unsnap_body, "snappy");
	return true;
}

/* False: refused. */
static bool
push_begin(struct intake *in, struct push *p)
{
	const struct push_sink none = {0};
	const char *error = NULL;
	bool ok = true;

	if (!push_unpack(p, in->options.body_bytes_max))
		return false;
	if (p->form == INTAKE_JSON)
		ok = push_json_decode(p->text, NULL, &none, NULL, &error);
	else if (p->form == INTAKE_PROTOBUF)
		ok = push_decode_protobuf(p->text, NULL, &none, NULL, &error);
	p->status = 204;
	return ok || refuse(p, error);
}

/* ---- A span ---- */

struct span {
	struct intake *intake;
	struct push *push;
	struct receipt *receipt;
	struct batch *batch;
	struct arena *arena;
	struct labels_table *table;
	const struct labels *labels; /* of the stream that is read; NULL: its entries are dropped under `reason` */
	const char *reason;
	uint32_t lines;
	size_t bytes;
};

static bool
is_internal(struct str name)
{
	return name.len >= 2 && name.s[0] == '_' && name.s[1] == '_';
}

static void
strip_internal(struct labels_builder *b)
{
	for (size_t i = b->n; i-- > 0;)
		if (is_internal(b->items[i].name))
			labels_builder_del(b, b->items[i].name);
}

/* NULL with the reason for which the stream's entries are dropped. */
static const struct labels *
make_labels(struct span *span, const struct push_label *labels, size_t n)
{
	const struct intake_options *o = &span->intake->options;
	struct labels_builder b = {.n = 0};
	bool room = true;

	for (size_t i = 0; i < n; i++)
		if (labels[i].value.len > 0)
			room = labels_builder_set(&b, labels[i].name, labels[i].value) && room;
	for (size_t i = 0; i < o->labels->n; i++)
		room = labels_builder_set(&b, o->labels->items[i].name, o->labels->items[i].value) && room;
	span->reason = "too_many_labels";
	if (!room)
		return NULL;
	span->reason = "relabel_rules";
	if (o->rules != NULL && !relabel_apply(o->rules, &b, span->arena))
		return NULL;
	strip_internal(&b);
	span->reason = "empty_labels";
	if (b.n == 0)
		return NULL;
	if (span->push->tenant[0] != '\0')
		(void)labels_builder_set(&b, STR("__tenant_id__"), str_from(span->push->tenant));
	return labels_intern(span->table, b.items, b.n);
}

static bool
on_stream(void *ctx, const struct push_label *labels, size_t n, const char *bad)
{
	struct span *span = ctx;

	if (bad != NULL) {
		/* The others are taken all the same, and the client is told. */
		(void)refuse(span->push, bad);
		return false;
	}
	span->labels = make_labels(span, labels, n);
	return true;
}

static const struct metadata *
copy_metadata(struct arena *arena, const struct push_label *labels, size_t n)
{
	struct metadata *m;

	if (n == 0)
		return NULL;
	m = arena_alloc(arena, sizeof(*m) + n * sizeof(m->items[0]));
	m->n = n;
	for (size_t i = 0; i < n; i++)
		m->items[i] = (struct label){labels[i].name, labels[i].value};
	return m;
}

static bool
on_entry(void *ctx, int64_t ts_ns, struct str line, const struct push_label *metadata, size_t n)
{
	struct span *span = ctx;
	struct batch *b = span->batch;
	struct origin origin = {.line = span->lines++, .lines = 1};
	size_t i = b->n;

	span->bytes += line.len;
	if (span->labels == NULL) {
		receipt_drop(span->receipt, origin, span->reason);
	} else {
		b->n++;
		b->ts[i] = span->intake->options.use_incoming_timestamp && span->push->form != INTAKE_RAW ?
			ts_ns : span->receipt->base_ns + origin.line;
		b->line[i] = line;
		b->labels[i] = span->labels;
		b->metadata[i] = copy_metadata(span->arena, metadata, n);
		b->origin[i] = origin;
	}
	return span->lines < BATCH_ENTRIES_MAX && span->bytes < SPAN_BYTES_MAX;
}

/* Plain text: each line that is not empty, under the component's labels alone. */
static void
read_raw(struct span *span)
{
	struct push *p = span->push;
	const struct str_map *labels = span->intake->options.labels;
	struct labels_builder b = {.n = 0};
	bool more = true;

	for (size_t i = 0; i < labels->n; i++)
		(void)labels_builder_set(&b, labels->items[i].name, labels->items[i].value);
	span->reason = "empty_labels";
	if (b.n > 0 && p->tenant[0] != '\0')
		(void)labels_builder_set(&b, STR("__tenant_id__"), str_from(p->tenant));
	span->labels = b.n > 0 ? labels_intern(span->table, b.items, b.n) : NULL;
	while (more && p->place.entry < p->text.len) {
		struct str line, rest;

		(void)str_cut(str_from_offset(p->text, p->place.entry), '\n', &line, &rest);
		p->place.entry = p->text.len - rest.len;
		while (line.len > 0 && line.s[line.len - 1] == '\r')
			line.len--;
		if (line.len > 0)
			more = on_entry(span, 0, line, NULL, 0);
	}
	p->place.stopped = p->place.entry < p->text.len;
}

/* Hands the next span on. */
static void
push_span(struct intake *in, struct push *p, struct stream *s, struct lane *lane)
{
	struct span span = {.intake = in, .push = p, .arena = lane_arena(lane), .table = lane_labels(lane)};
	const struct push_sink sink = {on_stream, on_entry, &span};
	const char *error;
	bool ok = true;

	span.receipt = stream_begin(s, lane, s->read_offset + BATCH_ENTRIES_MAX, BATCH_ENTRIES_MAX, p->arrived_ns);
	span.receipt->ptr = p;
	span.receipt->further = p->further;
	p->further = true;
	(void)atomic_fetch_add(&p->refs, 1);
	span.batch = stream_batch(s, lane, span.receipt, BATCH_ENTRIES_MAX);
	if (p->form == INTAKE_RAW)
		read_raw(&span);
	else if (p->form == INTAKE_JSON)
		ok = push_json_decode(p->text, span.arena, &sink, &p->place, &error);
	else
		ok = push_decode_protobuf(p->text, span.arena, &sink, &p->place, &error);
	assert(ok); /* it was checked whole */
	metric_add(in->entries_written, span.batch->n);
	if (span.batch->n > 0)
		stream_emit(s, span.batch);
	stream_end(s, lane, span.receipt, span.lines);
}

/* ---- The stream ---- */

static struct push *
begin_first(struct api_stream *a)
{
	struct push *p;

	(void)pthread_mutex_lock(&a->intake->lock);
	p = a->first;
	if (p != NULL && !p->begun)
		p->begun = true;
	(void)pthread_mutex_unlock(&a->intake->lock);
	return p;
}

/* The push has been read: leaves the queue. True: another one waits. */
static bool
end_first(struct api_stream *a)
{
	struct push *p;
	bool more;

	(void)pthread_mutex_lock(&a->intake->lock);
	p = a->first;
	a->first = p->next;
	if (a->first == NULL)
		a->last = &a->first;
	more = a->first != NULL;
	(void)pthread_mutex_unlock(&a->intake->lock);
	push_unref(a->intake, p);
	return more;
}

static enum stream_state
api_run(struct stream *s, struct lane *lane)
{
	struct api_stream *a = (struct api_stream *)s;
	struct push *p = begin_first(a);
	bool more;

	if (p == NULL)
		return STREAM_IDLE;
	if (p->status != 0 || push_begin(a->intake, p)) {
		if (!atomic_load(&p->lost)) {
			push_span(a->intake, p, s, lane);
			if (p->place.stopped)
				return STREAM_MORE;
		}
	}
	more = end_first(a);
	/* A client waits for the answer: what is open goes out now. While it is on its way, further pushes gather. */
	if (!more)
		lane_flush(lane);
	return more ? STREAM_MORE : STREAM_IDLE;
}

static void
api_settled(struct stream *s, struct receipt *r)
{
	struct api_stream *a = (struct api_stream *)s;
	struct push *p = r->ptr;

	if (p == NULL)
		return;
	if (atomic_load(&r->discarded) || atomic_load(&r->returned))
		atomic_store(&p->lost, true);
	push_unref(a->intake, p);
}

static void
api_free(struct stream *s)
{
	struct api_stream *a = (struct api_stream *)s;

	intake_unref(a->intake);
	mem_free(a);
}

static const struct stream_ops api_ops = {.run = api_run, .settled = api_settled, .free = api_free};

/* ---- The control thread's side ---- */

/* Takes it out of the queue unless it is begun. Lock held. */
static struct push *
take_waiting(struct api_stream *a, const void *request)
{
	struct push **link = &a->first;
	struct push *p;

	while (*link != NULL && ((*link)->begun || (*link)->request != request))
		link = &(*link)->next;
	p = *link;
	if (p == NULL)
		return NULL;
	*link = p->next;
	if (a->last == &p->next)
		a->last = link;
	return p;
}

void
intake_put(struct intake *in, void *request, enum intake_form form, enum intake_encoding encoding, struct buf *body,
	struct str tenant)
{
	struct api_stream *a = in->streams[in->next_stream++ % in->n_streams];
	struct push *p = mem_new(struct push);

	check_magic(in, INTAKE_MAGIC);
	p->request = request;
	p->form = form;
	p->encoding = encoding;
	p->body = *body;
	*body = (struct buf){0};
	p->tenant = mem_alloc(tenant.len + 1);
	if (tenant.len > 0)
		memcpy(p->tenant, tenant.s, tenant.len);
	p->tenant[tenant.len] = '\0';
	p->arrived_ns = clock_now_ns();
	atomic_init(&p->refs, 1);
	(void)pthread_mutex_lock(&in->lock);
	*a->last = p;
	a->last = &p->next;
	(void)pthread_mutex_unlock(&in->lock);
	lane_wake(&a->stream);
}

bool
intake_forget(struct intake *in, const void *request)
{
	struct push *found = NULL;

	(void)pthread_mutex_lock(&in->lock);
	for (unsigned i = 0; i < in->n_streams && found == NULL; i++)
		found = take_waiting(in->streams[i], request);
	(void)pthread_mutex_unlock(&in->lock);
	if (found == NULL)
		return false;
	push_free(found);
	return true;
}

void
intake_update(struct intake *in, const struct intake_options *options)
{
	in->options = *options;
	for (unsigned i = 0; i < in->n_streams; i++)
		in->streams[i]->stream.forward_to = options->forward_to;
}

struct intake *
intake_new(struct runtime *runtime, const char *component_id, const struct intake_options *options, intake_answer *answer,
	void *ctx)
{
	struct intake *in = mem_new(struct intake);

	in->magic = INTAKE_MAGIC;
	in->runtime = runtime;
	in->answer = answer;
	in->ctx = ctx;
	(void)pthread_mutex_init(&in->lock, NULL);
	in->ledger = ledger_new(runtime->metrics, component_id);
	in->entries_written = metric_get(runtime->metrics, METRIC_COUNTER, "loki_source_api_entries_written",
		"Total number of entries written.", component_id, NULL);
	in->n_streams = lanes_count(runtime->lanes);
	in->streams = mem_zalloc(in->n_streams * sizeof(*in->streams));
	atomic_init(&in->refs, 1 + in->n_streams);
	for (unsigned i = 0; i < in->n_streams; i++) {
		struct api_stream *a = mem_new(struct api_stream);

		in->streams[i] = a;
		a->intake = in;
		a->last = &a->first;
		stream_init(&a->stream, &api_ops, runtime, in->ledger, STR_EMPTY, component_id);
	}
	intake_update(in, options);
	for (unsigned i = 0; i < in->n_streams; i++)
		lanes_add(runtime->lanes, &in->streams[i]->stream, i);
	return in;
}

static void
free_list(struct push *p)
{
	while (p != NULL) {
		struct push *next = p->next;

		push_free(p);
		p = next;
	}
}

void
intake_free(struct intake *in)
{
	if (in == NULL)
		return;
	check_magic(in, INTAKE_MAGIC);
	(void)pthread_mutex_lock(&in->lock);
	in->closed = true;
	free_list(in->done);
	in->done = NULL;
	(void)pthread_mutex_unlock(&in->lock);
	loop_unpost(in->runtime->loop, in);
	for (unsigned i = 0; i < in->n_streams; i++) {
		struct api_stream *a = in->streams[i];

		/* A begun one may still be held by receipts: it goes with the last of them. */
		while (a->first != NULL)
			(void)end_first(a);
		lane_remove(&a->stream);
		stream_unref(&a->stream);
	}
	ledger_unref(in->ledger);
	intake_unref(in);
}

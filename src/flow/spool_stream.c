/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/batch.h"
#include "longship/flow/lag.h"
#include "longship/flow/lane.h"
#include "longship/flow/ledger.h"
#include "longship/flow/runtime.h"
#include "longship/positions/positions.h"
#include "spool_priv.h"

/*
 * The spool as a source. A stream reads the segments in order, a span being what there is of whole records up to the usual
 * limits, or a part of a record where an earlier span ended in it. Destinations that lag get a second stream on the same files (flow/lag.h).
 */

#define LOOK_NS (200 * NS_PER_MS) /* while entries are unsettled: how often files are looked at that may be passed by then */
#define LOG_INTERVAL_NS (60 * NS_PER_S)
#define UNPACK_KEEP_BYTES (512u << 10)

struct spool_stream {
	struct stream stream; /* first */
	struct spool *spool;
	bool is_reader;       /* of a lag */
	struct spool_walk walk;
	bool open;
	uint64_t segment;     /* that the walk is in: its first number */
	struct buf unpacked;  /* the span's records: it does not grow while a line points into it */
};

static const struct stream_ops ops, reader_ops;

/* ---- Where it stands ---- */

static void
close_file(struct spool_stream *t)
{
	if (!t->open)
		return;
	(void)close(t->walk.fd);
	spool_walk_done(&t->walk);
	t->open = false;
}

static void
rewound(struct stream *s)
{
	close_file((struct spool_stream *)s);
}

/* What no stream needs any more. The lag's entries of the stream belong to this thread. */
static void
tell_settled(struct spool_stream *t)
{
	struct stream *s = &t->stream;
	struct spool *sp = t->spool;
	uint64_t to;
	bool lagging = false;

	(void)pthread_mutex_lock(&s->ledger->lock);
	to = s->position;
	for (size_t i = 0; i < s->lags.len; i++) {
		const struct lag *lag = s->lags.items[i];

		if (lag->reader->position < lag->until && lag->reader->position < to) {
			to = lag->reader->position;
			lagging = true;
		}
	}
	(void)pthread_mutex_unlock(&s->ledger->lock);
	(void)pthread_mutex_lock(&sp->lock);
	sp->lagging = lagging;
	if (to != sp->trim_to) {
		sp->trim_to = to;
		(void)pthread_cond_signal(&sp->wake);
	}
	(void)pthread_mutex_unlock(&sp->lock);
}

/* The segment that holds entry `offset`, or the first one behind it. False: there is none; then an empty one at the end. */
static bool
find_segment(struct spool *sp, uint64_t offset, struct spool_segment *ret, bool *ret_first)
{
	bool found = false;

	(void)pthread_mutex_lock(&sp->lock);
	for (size_t i = 0; i < sp->segments.len && !found; i++) {
		if (sp->segments.items[i].end <= offset)
			continue;
		*ret = sp->segments.items[i];
		*ret_first = i == 0;
		found = true;
	}
	if (!found)
		*ret = (struct spool_segment){.first = sp->end, .end = sp->end};
	*ret_first = *ret_first || !found;
	(void)pthread_mutex_unlock(&sp->lock);
	return found;
}

/* 0, or -errno; -ENOENT: it has just been removed. */
static int
open_segment(struct spool_stream *t, const struct spool_segment *segment, struct lane *lane)
{
	int r;

	if (t->open && t->segment == segment->first) {
		t->walk.size = segment->bytes;
	} else {
		close_file(t);
		r = spool_file_open(t->spool->dir, segment->first);
		if (r < 0)
			return r;
		t->walk = (struct spool_walk){.fd = r, .size = segment->bytes};
		t->open = true;
		t->segment = segment->first;
	}
	/* The lane's buffer was used by others meanwhile. */
	t->walk.buffer = lane_buffer(lane);
	t->walk.cap = SPAN_BEFORE_BYTES + SPAN_BYTES_MAX;
	t->walk.have = 0;
	return t->walk.at == 0 ? spool_walk_begin(&t->walk) : 0;
}

/* ---- What is lost ---- */

static void
count_lost(struct spool *sp, uint64_t from, uint64_t to, const char *reason)
{
	uint64_t lost;
	bool tell;

	(void)pthread_mutex_lock(&sp->lock);
	lost = spool_lose(sp, from, to, false);
	tell = lost > 0 && log_rate(&sp->damage_logged_ns, LOG_INTERVAL_NS);
	(void)pthread_mutex_unlock(&sp->lock);
	spool_count_lost(sp, lost, reason);
	if (tell)
		log_warn(sp->component->id, "entries of the wal cannot be read any more", "dir", sp->dir, "entries", log_i64((int64_t)lost), "reason", reason,
			NULL);
}

static void
put_cursor(struct spool *sp, struct receipt *r)
{
	uint64_t given_up;

	(void)pthread_mutex_lock(&sp->lock);
	given_up = sp->given_up;
	(void)pthread_mutex_unlock(&sp->lock);
	(void)pthread_mutex_lock(&sp->ledger->lock);
	r->cursor = spool_cursor_new(sp, given_up);
	(void)pthread_mutex_unlock(&sp->ledger->lock);
}

/* The stream goes on behind entries that are not there. */
static enum stream_state
pass_gap(struct spool_stream *t, struct lane *lane, uint64_t to, const char *reason)
{
	struct stream *s = &t->stream;
	uint64_t limit = stream_next_limit(s);
	struct receipt *r;

	assert(to > s->read_offset);
	if (!t->is_reader)
		count_lost(t->spool, s->read_offset, to, reason);
	r = stream_begin(s, lane, to < limit ? to : limit, 1, clock_now_ns());
	if (!t->is_reader)
		put_cursor(t->spool, r);
	stream_end(s, lane, r, 0);
	return STREAM_MORE;
}

/* ---- A span ---- */

struct span {
	struct spool_stream *t;
	struct batch *batch;
	uint64_t from, next, limit; /* numbers of entries */
	size_t bytes;
	int64_t seen_ns;
	const struct labels *labels;
};

static const struct labels *
intern(struct span *span, const struct spool_content *c)
{
	struct label items[LABELS_MAX];
	struct str pairs = c->pairs;
	size_t n = c->n_pairs < LABELS_MAX ? c->n_pairs : LABELS_MAX;

	for (size_t i = 0; i < n; i++) {
		struct push_label pair = spool_pair(&pairs);

		items[i] = (struct label){pair.name, pair.value};
	}
	return labels_intern(span->batch->table, items, n);
}

static const struct metadata *
copy_metadata(struct arena *arena, const struct spool_content *c)
{
	struct str pairs = c->pairs;
	struct metadata *m;

	if (c->n_pairs == 0)
		return NULL;
	m = arena_alloc(arena, sizeof(*m) + c->n_pairs * sizeof(m->items[0]));
	m->n = c->n_pairs;
	for (size_t i = 0; i < m->n; i++) {
		struct push_label pair = spool_pair(&pairs);

		m->items[i] = (struct label){pair.name, pair.value};
	}
	return m;
}

static void
put_entry(struct span *span, const struct spool_content *c)
{
	struct batch *b = span->batch;
	size_t i = b->n++;

	b->ts[i] = c->ts_ns;
	b->line[i] = c->line;
	b->labels[i] = span->labels;
	b->metadata[i] = copy_metadata(b->arena, c);
	b->origin[i] = (struct origin){(uint32_t)(span->next - span->from), 1};
	span->bytes += c->line.len;
	span->next++;
}

static bool
is_full(const struct span *span)
{
	return span->batch->n == span->batch->cap || span->bytes >= SPAN_BYTES_MAX || span->next == span->limit;
}

/* Entries of the record from span->next on. False: some are left, the span is full. */
static bool
put_record(struct span *span, const struct spool_head *head, struct str items)
{
	struct spool_reader r = {.rest = items};
	uint64_t number = head->number, end = head->number + head->entries;
	struct spool_content c;
	enum spool_item item;

	span->labels = labels_empty(span->batch->table);
	while (number < end && (item = spool_read(&r, &c)) != SPOOL_END && item != SPOOL_DAMAGED) {
		if (item == SPOOL_LABELS) {
			span->labels = intern(span, &c);
		} else if (number++ >= span->next) {
			if (is_full(span))
				return false;
			put_entry(span, &c);
		}
	}
	return true;
}

/* The record's items behind those of the span's others; empty: there is no room before the span has ended, or it is damaged (*ret_bad). */
static struct str
unpack(struct spool_stream *t, const struct span *span, const struct spool_head *head, struct str packed, bool *ret_bad)
{
	size_t before = t->unpacked.len, room = head->unpacked_bytes + 1;

	*ret_bad = false;
	if (t->unpacked.cap - before < room) {
		if (span->batch->n > 0)
			return STR_EMPTY;
		buf_clear(&t->unpacked);
		before = 0;
		if (!buf_reserve(&t->unpacked, room < UNPACK_KEEP_BYTES ? UNPACK_KEEP_BYTES : room)) {
			*ret_bad = true;
			return STR_EMPTY;
		}
	}
	*ret_bad = spool_unpack(&t->unpacked, head, packed) < 0;
	return str_from_offset(buf_view(&t->unpacked), before);
}

/* No more records: a walk that ended early is an error, and no gap, unless the file has been cut off. */
static int
walk_ended(struct spool_walk *w, const struct spool_segment *segment, uint64_t *ret_gap)
{
	int error = w->error;

	w->error = 0;
	if (error != 0 && error != EBADMSG)
		return -error;
	*ret_gap = segment->end;
	return 0;
}

/* Reads records until the span is full or something is missing: *ret_gap, the number of the next entry that there is. 0, or -errno: the file could
 * not be read on. */
static int
fill(struct span *span, const struct spool_segment *segment, uint64_t *ret_gap)
{
	struct spool_stream *t = span->t;
	struct spool_head head;
	struct str packed, items;
	bool bad = false;

	*ret_gap = 0;
	while (!is_full(span)) {
		if (!spool_walk_next(&t->walk, &head, &packed))
			return walk_ended(&t->walk, segment, ret_gap);
		if (head.number + head.entries <= span->next || head.number >= segment->end)
			continue;
		if (head.number > span->next) {
			spool_walk_back(&t->walk);
			*ret_gap = head.number;
			return 0;
		}
		items = unpack(t, span, &head, packed, &bad);
		if (bad)
			continue;
		if (items.len == 0) {
			spool_walk_back(&t->walk);
			return 0;
		}
		if (span->seen_ns == 0)
			span->seen_ns = head.written_ns;
		if (!put_record(span, &head, items)) {
			spool_walk_back(&t->walk);
			return 0;
		}
	}
	return 0;
}

/* False: the file was dropped while it was read, and its entries are counted as that. */
static bool
claim(struct spool_stream *t, uint64_t from, uint64_t to)
{
	struct spool *sp = t->spool;
	bool ok;

	(void)pthread_mutex_lock(&sp->lock);
	ok = sp->segments.len > 0 && sp->segments.items[0].first <= from;
	if (ok && !t->is_reader && to > sp->read_to)
		sp->read_to = to;
	(void)pthread_mutex_unlock(&sp->lock);
	return ok;
}

static void
hand_on(struct span *span, struct lane *lane)
{
	struct spool_stream *t = span->t;
	struct stream *s = &t->stream;
	struct batch *b = span->batch;
	struct receipt *r = stream_begin(s, lane, span->next, b->n, span->seen_ns);

	b->receipt = r;
	b->memory = &s->memory;
	if (!t->is_reader)
		put_cursor(t->spool, r);
	stream_emit(s, b);
	stream_end(s, lane, r, (uint32_t)(span->next - span->from));
}

/* The disk may be better soon. */
static enum stream_state
try_again(struct spool_stream *t, int error)
{
	struct stream *s = &t->stream;
	bool tell;

	close_file(t);
	(void)pthread_mutex_lock(&t->spool->lock);
	tell = log_rate(&t->spool->damage_logged_ns, LOG_INTERVAL_NS);
	(void)pthread_mutex_unlock(&t->spool->lock);
	if (tell)
		log_error(t->spool->component->id, "a file of the wal cannot be read; it is tried again", "dir", t->spool->dir, "err", strerror(error), NULL);
	s->wake_at_ns = clock_mono_ns() + LOOK_NS;
	return STREAM_WAIT;
}

/* A segment that cannot be opened. Somebody may have removed the file, or damaged its head, without which nothing of it can be believed. */
static enum stream_state
pass_file(struct spool_stream *t, struct lane *lane, const struct spool_segment *segment, int error)
{
	struct spool_segment now = {0};
	bool first = false;

	close_file(t);
	(void)find_segment(t->spool, t->stream.read_offset, &now, &first);
	if (now.first != segment->first)
		return STREAM_MORE; /* the spool has removed it just now */
	if (error == ENOENT || error == EBADMSG)
		return pass_gap(t, lane, segment->end, "wal_damaged");
	return try_again(t, error);
}

static enum stream_state
read_span(struct spool_stream *t, struct lane *lane, const struct spool_segment *segment)
{
	struct stream *s = &t->stream;
	uint64_t limit = stream_next_limit(s), gap, skipped = t->walk.skipped;
	struct span span = {.t = t, .from = s->read_offset, .next = s->read_offset, .limit = limit < segment->end ? limit : segment->end};
	int r;

	span.batch = batch_new(lane_arena(lane), lane_labels(lane), BATCH_ENTRIES_MAX);
	buf_clear(&t->unpacked);
	r = fill(&span, segment, &gap);
	if (!t->is_reader && t->walk.skipped > skipped)
		metric_add(t->spool->damaged_bytes, t->walk.skipped - skipped);
	if (span.batch->n == 0 && r < 0)
		return try_again(t, -r);
	if (span.batch->n == 0)
		return gap > s->read_offset ? pass_gap(t, lane, gap, "wal_damaged") : STREAM_MORE;
	if (!claim(t, span.from, span.next))
		close_file(t);
	else
		hand_on(&span, lane);
	return STREAM_MORE;
}

static enum stream_state
rest(struct spool_stream *t)
{
	struct stream *s = &t->stream;
	bool settled;

	if (t->unpacked.cap > 0)
		buf_done(&t->unpacked);
	close_file(t);
	(void)pthread_mutex_lock(&s->ledger->lock);
	settled = s->position == s->read_offset && s->lags.len == 0;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	if (settled && !t->is_reader)
		tell_settled(t);
	if (settled)
		return STREAM_IDLE;
	s->wake_at_ns = clock_mono_ns() + LOOK_NS;
	return STREAM_WAIT;
}

static enum stream_state
run(struct stream *s, struct lane *lane)
{
	struct spool_stream *t = (struct spool_stream *)s;
	struct spool_segment segment = {0};
	bool first = false;
	int r;

	if (!t->is_reader)
		tell_settled(t);
	if (!find_segment(t->spool, s->read_offset, &segment, &first) && segment.first <= s->read_offset)
		return rest(t);
	if (segment.first > s->read_offset)
		return pass_gap(t, lane, segment.first, first ? t->spool->edge_reason : "wal_damaged");
	r = open_segment(t, &segment, lane);
	if (r < 0)
		return pass_file(t, lane, &segment, -r);
	return read_span(t, lane, &segment);
}

/* ---- Life ---- */

static void
closed(struct stream *s)
{
	struct spool_stream *t = (struct spool_stream *)s;

	close_file(t);
	buf_done(&t->unpacked);
}

static void
free_stream(struct stream *s)
{
	struct spool_stream *t = (struct spool_stream *)s;

	closed(s);
	mem_free(t);
}

static struct spool_stream *
make(struct spool *sp, const struct stream_ops *which, struct str key)
{
	struct spool_stream *t = mem_new(struct spool_stream);

	t->spool = sp;
	t->is_reader = which == &reader_ops;
	buf_init(&t->unpacked, SPOOL_UNPACKED_BYTES_MAX + 1);
	stream_init(&t->stream, which, sp->runtime, sp->ledger, key, sp->dir);
	t->stream.own_times = true;
	t->stream.forward_to = &sp->receivers;
	return t;
}

static struct stream *
make_reader(struct stream *main, struct str key, const char *name)
{
	(void)name;
	return &make(((struct spool_stream *)main)->spool, &reader_ops, key)->stream;
}

struct stream *
spool_stream_new(struct spool *sp, const char *key, bool *ret_known)
{
	struct spool_stream *t = make(sp, &ops, str_from(key));

	positions_declare(sp->runtime->positions, str_from(key), str_from(sp->dir), STR_EMPTY);
	*ret_known = stream_restore(&t->stream);
	return &t->stream;
}

static const struct stream_ops ops = {.run = run, .rewound = rewound, .closed = closed, .free = free_stream, .reader = make_reader};
static const struct stream_ops reader_ops = {.run = run, .rewound = rewound, .closed = closed, .free = free_stream};

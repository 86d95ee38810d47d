/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/hash.h"
#include "longship/base/limits.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/batch.h"
#include "longship/flow/component.h"
#include "longship/flow/lane.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/os/journal_wire.h"
#include "longship/os/loop.h"

/*
 * Offsets count records: those that rules drop, too. When what is unsettled has to be read again, a new reader begins at the
 * position's cursor and ends its blocks where the given-up spans ended, so that the ledger counts each record once.
 *
 * Labels depend on few fields, which most records share: a record whose label fields are the bytes of the one before has
 * its label set, else the set is found by those bytes in a small cache.
 */
#define READ_BYTES (64u << 10)

static const struct stream_ops ops;

struct feed *
feed_new(struct runtime *runtime, struct ledger *ledger, struct str key, const char *name, const struct ptr_list *forward_to)
{
	struct feed *f = mem_new(struct feed);

	stream_init(&f->stream, &ops, runtime, ledger, key, name);
	f->stream.own_times = true;
	f->stream.forward_to = forward_to;
	atomic_init(&f->fd, -1);
	buf_init(&f->in, JOURNAL_WIRE_BYTES_MAX);
	return f;
}

static void
clear_cache(struct feed *f)
{
	for (size_t i = 0; i < FEED_CACHE; i++) {
		labels_unref(f->cache[i].labels);
		mem_free((void *)(uintptr_t)f->cache[i].fields.s);
		f->cache[i] = (struct feed_slot){0};
	}
	f->last_fields = STR_EMPTY;
	f->last_labels = NULL;
}

static void
clear_input(struct feed *f)
{
	buf_clear(&f->in);
	f->n_taken = f->n_scanned = 0;
	f->n_records = 0;
}

void
feed_forget(struct feed *f)
{
	assert(atomic_load(&f->fd) < 0);
	clear_input(f);
	clear_cache(f);
}

static bool
put_cut(struct buf *request, uint64_t offset, uint64_t at)
{
	uint64_t record = at - offset;

	return at <= offset || journal_wire_put(request, JOURNAL_ASK_CUT, &record, sizeof(record), STR_EMPTY);
}

bool
feed_write_start(const struct feed *f, struct buf *request)
{
	const struct stream *s = &f->stream;
	bool ok = true;

	if (f->cursor[0] != '\0')
		ok = journal_wire_put(request, JOURNAL_ASK_CURSOR, NULL, 0, str_from(f->cursor));
	for (size_t i = s->next_replay; i < s->replays.len && ok; i++) {
		if (i == s->next_replay || s->replays.items[i].from != s->replays.items[i - 1].to)
			ok = put_cut(request, f->offset, s->replays.items[i].from);
		ok = ok && put_cut(request, f->offset, s->replays.items[i].to);
	}
	return ok;
}

/* ---- Notes ---- */

struct posted_note {
	struct feed *feed;
	uint32_t kind;
	int64_t number;
	char text[];
};

static void
tell_note(void *ptr)
{
	struct posted_note *p = ptr;

	if (p->feed->owner != NULL)
		p->feed->on_note(p->feed->owner, p->kind, p->number, p->text);
	stream_unref(&p->feed->stream);
	mem_free(p);
}

/* Readers send few of them: each stands for something that has changed. */
static bool
take_note(struct feed *f, struct str body)
{
	struct journal_note note;
	struct posted_note *p;

	if (body.len < sizeof(note))
		return false;
	memcpy(&note, body.s, sizeof(note));
	body = str_from_offset(body, sizeof(note));
	p = mem_alloc(sizeof(*p) + body.len + 1);
	*p = (struct posted_note){.feed = f, .kind = note.kind, .number = note.number};
	memcpy(p->text, body.s, body.len);
	p->text[body.len] = '\0';
	stream_ref(&f->stream);
	loop_post(f->stream.runtime->loop, tell_note, p);
	return true;
}

static bool
set_cursor(struct feed *f, struct str cursor)
{
	if (cursor.len == 0 || cursor.len >= sizeof(f->cursor) || memchr(cursor.s, '\0', cursor.len) != NULL)
		return false;
	memcpy(f->cursor, cursor.s, cursor.len);
	f->cursor[cursor.len] = '\0';
	f->moved = true;
	return true;
}

static char *
copy_cursor(const struct feed *f)
{
	size_t bytes = strlen(f->cursor) + 1;

	return memcpy(mem_alloc(bytes), f->cursor, bytes);
}

/* Counted once, also when the place is read again. The next line that goes out tells of it. */
static void
count_loss(struct feed *f, const struct journal_end *end)
{
	if (end->lost == 0)
		return;
	f->untold = *end;
	if (end->lost_from >= f->lost_from && end->lost_to <= f->lost_to)
		return;
	f->lost_from = end->lost_from;
	f->lost_to = end->lost_to;
	metric_add(end->damaged != 0 ? f->metrics.corrupt : f->metrics.gap, end->lost);
	metric_add(end->damaged != 0 ? f->metrics.abandoned_damaged : f->metrics.abandoned_removed, end->lost);
	log_warn(f->stream.ledger->component_id,
		end->damaged != 0 ? "journal entries were damaged before they were read" : "journal entries were removed before they were read",
		"entries", log_i64((int64_t)end->lost), "after_seqnum", log_i64((int64_t)end->lost_from), "before_seqnum",
		log_i64((int64_t)end->lost_to), "hint", end->damaged != 0 ? "journalctl --verify names the files" : "raise SystemMaxUse= in journald.conf",
		NULL);
}

/* Nothing that is wanted stands before the cursor. Only when all is settled can the position move without a record. */
static bool
take_progress(struct feed *f, struct str body)
{
	struct stream *s = &f->stream;
	struct journal_end end;
	bool moved = false;
	char *old = NULL;

	if (body.len < sizeof(end))
		return false;
	memcpy(&end, body.s, sizeof(end));
	if (!set_cursor(f, str_from_offset(body, sizeof(end))))
		return false;
	count_loss(f, &end);
	(void)pthread_mutex_lock(&s->ledger->lock);
	if (s->oldest == NULL && s->position == s->read_offset) {
		old = s->position_cursor;
		s->position_cursor = copy_cursor(f);
		moved = true;
	}
	(void)pthread_mutex_unlock(&s->ledger->lock);
	mem_free(old);
	if (moved)
		progress_note(s);
	return true;
}

/* ---- A block ---- */

static const struct labels *
find_labels(struct feed *f, struct lane *lane, struct str fields)
{
	uint64_t hash = hash_bytes(fields.s, fields.len, 0);
	struct feed_slot *slot = &f->cache[hash & (FEED_CACHE - 1)];
	const struct labels *labels;
	char *copy;

	if (slot->fields.s != NULL && slot->hash == hash && str_eq(slot->fields, fields))
		return slot->labels;
	labels = mapping_labels(&f->mapping, lane_arena(lane), lane_labels(lane), fields);
	copy = mem_alloc(fields.len + 1);
	memcpy(copy, fields.s, fields.len);
	labels_unref(slot->labels);
	mem_free((void *)(uintptr_t)slot->fields.s);
	*slot = (struct feed_slot){{copy, fields.len}, hash, labels != NULL ? labels_ref(labels) : NULL};
	return labels;
}

struct span {
	struct feed *feed;
	struct lane *lane;
	struct receipt *receipt;
	struct batch *batch;
	uint32_t line;
	uint64_t n_lines, n_no_message, n_empty_labels;
};

static void
emit(struct span *span)
{
	if (span->batch != NULL && span->batch->n > 0)
		stream_emit(&span->feed->stream, span->batch);
	span->batch = NULL;
}

static void
add_entry(struct span *span, const struct labels *labels, int64_t ts_ns, struct str line, uint32_t lines)
{
	struct batch *b = span->batch;

	if (b != NULL && b->n == b->cap)
		emit(span);
	if (span->batch == NULL)
		span->batch = stream_batch(&span->feed->stream, span->lane, span->receipt, BATCH_ENTRIES_MAX);
	b = span->batch;
	b->ts[b->n] = ts_ns;
	b->line[b->n] = line;
	b->labels[b->n] = labels;
	b->origin[b->n] = (struct origin){span->line, lines};
	b->n++;
}

static void
drop(struct span *span, const char *reason)
{
	receipt_drop(span->receipt, (struct origin){span->line, 1}, reason);
}

/* A line in the stream of the entry behind the gap says what is missing. It is no line of the source: it counts for none. */
static void
announce_loss(struct span *span, const struct labels *labels, int64_t ts_ns)
{
	struct journal_end *end = &span->feed->untold;
	struct str text;

	if (end->lost == 0)
		return;
	text = arena_printf(lane_arena(span->lane),
		"longship: %" PRIu64 " journal entries between sequence numbers %" PRIu64 " and %" PRIu64 " were %s before they were read", end->lost,
		end->lost_from, end->lost_to, end->damaged != 0 ? "damaged" : "removed");
	add_entry(span, labels, ts_ns, text, 0);
	metric_add(span->feed->metrics.synthetic, 1);
	end->lost = 0;
}

/* A message that is longer than a line may be goes out in parts; they are one record. */
static void
add_record(struct span *span, const struct labels *labels, int64_t ts_ns, struct str line)
{
	uint32_t lines = 1;

	announce_loss(span, labels, ts_ns);
	do {
		struct str part = str_head(line, LINE_BYTES_MAX);

		add_entry(span, labels, ts_ns++, part, lines);
		if (lines == 0)
			metric_add(span->feed->metrics.cut, 1);
		lines = 0;
		line = str_from_offset(line, part.len);
	} while (line.len > 0);
	span->n_lines++;
}

static void
take_record(struct span *span, const struct journal_record *head, struct str fields, struct str body)
{
	struct feed *f = span->feed;

	if ((head->flags & JOURNAL_RECORD_CUT) != 0)
		metric_add(f->metrics.cut, 1);
	if ((head->flags & JOURNAL_RECORD_OWN) != 0) {
		drop(span, "own_lines");
	} else if ((head->flags & JOURNAL_RECORD_NO_MESSAGE) != 0) {
		span->n_no_message++;
		drop(span, "no_message");
	} else {
		if (f->last_fields.s == NULL || !str_eq(fields, f->last_fields)) {
			f->last_fields = fields;
			f->last_labels = find_labels(f, span->lane, fields);
		}
		if (f->last_labels != NULL) {
			add_record(span, f->last_labels, head->ts_ns, f->as_json ? mapping_json(lane_arena(span->lane), body) : body);
		} else {
			span->n_empty_labels++;
			drop(span, "empty_labels");
		}
	}
	span->line++;
}

static bool
take_records(struct span *span, struct str in)
{
	struct journal_frame frame;
	struct journal_record head;
	struct str body;

	while (journal_wire_take(&in, &frame, &body) > 0) {
		if (frame.kind != JOURNAL_RECORD)
			continue;
		memcpy(&head, body.s, sizeof(head)); /* its length was checked by scan */
		body = str_from_offset(body, sizeof(head));
		take_record(span, &head, str_head(body, head.label_bytes), str_from_offset(body, head.label_bytes));
	}
	emit(span);
	return span->line > 0;
}

static void
count(struct span *span)
{
	struct feed_metrics *m = &span->feed->metrics;

	if (span->receipt->again)
		return;
	metric_add(m->lines, span->n_lines);
	metric_add(m->no_message, span->n_no_message);
	metric_add(m->empty_labels, span->n_empty_labels);
}

static int64_t
first_time(struct str in)
{
	struct journal_frame frame;
	struct journal_record head = {0};
	struct str body;

	while (journal_wire_take(&in, &frame, &body) > 0) {
		if (frame.kind != JOURNAL_RECORD)
			continue;
		memcpy(&head, body.s, sizeof(head));
		break;
	}
	return head.ts_ns;
}

/* in: the block's records and what stood between them. */
static bool
read_block(struct feed *f, struct lane *lane, struct str in, const struct journal_end *end, struct str cursor)
{
	struct stream *s = &f->stream;
	struct span span = {.feed = f, .lane = lane};
	uint64_t to = s->read_offset + f->n_records;

	if (f->n_records == 0 || end->records != f->n_records || to > stream_next_limit(s) || !set_cursor(f, cursor))
		return false;
	span.receipt = stream_begin(s, lane, to, f->n_records, first_time(in));
	span.receipt->cursor = copy_cursor(f);
	f->last_fields = STR_EMPTY; /* the buffer may have moved */
	count_loss(f, end);
	(void)take_records(&span, in);
	assert(span.line == f->n_records);
	count(&span);
	stream_end(s, lane, span.receipt, span.line);
	f->offset = s->read_offset;
	return true;
}

/* ---- The pipe ---- */

enum scanned { SCAN_MORE, SCAN_BLOCK, SCAN_BAD };

/* The end of a block: hands the block on. before: where its frame begins. */
static enum scanned
take_end(struct feed *f, struct lane *lane, size_t before, struct str body)
{
	struct journal_end end;

	if (body.len < sizeof(end))
		return SCAN_BAD;
	memcpy(&end, body.s, sizeof(end));
	if (!read_block(f, lane, (struct str){f->in.data + f->n_taken, before - f->n_taken}, &end, str_from_offset(body, sizeof(end))))
		return SCAN_BAD;
	f->n_taken = f->n_scanned;
	f->n_records = 0;
	return SCAN_BLOCK;
}

static bool
check_record(struct str body)
{
	struct journal_record head;

	if (body.len < sizeof(head))
		return false;
	memcpy(&head, body.s, sizeof(head));
	return head.label_bytes <= body.len - sizeof(head);
}

/* Looks at the whole frames that have come, up to the end of a block. */
static enum scanned
scan(struct feed *f, struct lane *lane)
{
	struct journal_frame frame;
	struct str body;

	for (;;) {
		struct str in = {f->in.data + f->n_scanned, f->in.len - f->n_scanned};
		size_t before = f->n_scanned;
		int got = journal_wire_take(&in, &frame, &body);
		bool ok;

		if (got <= 0)
			return got < 0 ? SCAN_BAD : SCAN_MORE;
		f->n_scanned = f->in.len - in.len;
		if (frame.kind == JOURNAL_END)
			return take_end(f, lane, before, body);
		if (frame.kind == JOURNAL_RECORD) {
			f->n_records++;
			ok = check_record(body);
		} else if (frame.kind == JOURNAL_NOTE) {
			ok = take_note(f, body);
		} else {
			ok = frame.kind == JOURNAL_PROGRESS && take_progress(f, body);
		}
		if (!ok)
			return SCAN_BAD;
	}
}

/* Moves what is left to the front, when that makes room. */
static void
tidy(struct feed *f)
{
	if (f->n_taken == 0)
		return;
	if (f->n_taken < f->in.len)
		memmove(f->in.data, f->in.data + f->n_taken, f->in.len - f->n_taken);
	f->in.len -= f->n_taken;
	f->n_scanned -= f->n_taken;
	f->n_taken = 0;
}

static void
tell_end(void *ptr)
{
	struct feed *f = ptr;

	if (f->owner != NULL)
		f->on_end(f->owner);
	stream_unref(&f->stream);
}

static enum stream_state
end_reader(struct feed *f, bool broken)
{
	f->broken = broken;
	clear_input(f);
	atomic_store(&f->fd, -1);
	stream_ref(&f->stream);
	loop_post(f->stream.runtime->loop, tell_end, f);
	return STREAM_IDLE;
}

static enum stream_state
run(struct stream *s, struct lane *lane)
{
	struct feed *f = (struct feed *)s;

	for (;;) {
		int fd = atomic_load(&f->fd);
		ssize_t n;

		if (fd < 0)
			return STREAM_IDLE;
		switch (scan(f, lane)) {
		case SCAN_BLOCK:
			return STREAM_MORE;
		case SCAN_BAD:
			return end_reader(f, true);
		case SCAN_MORE:
			break;
		}
		tidy(f);
		if (!buf_reserve(&f->in, READ_BYTES))
			return end_reader(f, true);
		n = read(fd, f->in.data + f->in.len, f->in.cap - f->in.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return STREAM_IDLE; /* the loop sees what comes */
		if (n <= 0)
			return end_reader(f, false);
		f->in.len += (size_t)n;
	}
}

/* ---- The stream's life ---- */

/* Where nothing was given up, the reader goes on. */
static void
rewound(struct stream *s)
{
	struct feed *f = (struct feed *)s;

	if (s->read_offset == f->offset)
		return;
	f->given_up = true;
	clear_input(f);
	f->offset = s->read_offset;
	f->cursor[0] = '\0';
	if (s->position_cursor != NULL)
		(void)set_cursor(f, str_from(s->position_cursor));
	if (atomic_exchange(&f->fd, -1) >= 0) {
		stream_ref(s);
		loop_post(s->runtime->loop, tell_end, f);
	}
}

static void
closed(struct stream *s)
{
	clear_cache((struct feed *)s);
}

static void
free_feed(struct stream *s)
{
	struct feed *f = (struct feed *)s;

	buf_done(&f->in);
	mem_free(f);
}

static const struct stream_ops ops = {.run = run, .rewound = rewound, .closed = closed, .free = free_feed};

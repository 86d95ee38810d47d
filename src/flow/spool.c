/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/codec/snappy.h"
#include "longship/flow/batch.h"
#include "longship/flow/budget.h"
#include "longship/flow/lag.h"
#include "longship/flow/lane.h"
#include "longship/flow/ledger.h"
#include "longship/flow/runtime.h"
#include "longship/positions/positions.h"
#include "spool_priv.h"

#define LOG_INTERVAL_NS (60 * NS_PER_S)
#define PIECE_BYTES SPAN_BYTES_MAX /* unpacked: a record is closed behind it */
#define CURSOR_BYTES 80
#define LENGTHS_BYTES_MAX 12        /* of a name and a value */
_Static_assert(PIECE_BYTES + LABELS_TEXT_BYTES_MAX + REQUEST_BYTES_MAX + 4096 < SPOOL_UNPACKED_BYTES_MAX, "a record can be read");

/* ---- All spools ---- */

static struct {
	pthread_mutex_t lock;
	struct spool *first;
} all = {PTHREAD_MUTEX_INITIALIZER, NULL};

static void
list(struct spool *sp)
{
	(void)pthread_mutex_lock(&all.lock);
	sp->next_spool = all.first;
	all.first = sp;
	(void)pthread_mutex_unlock(&all.lock);
}

static void
unlist(struct spool *sp)
{
	struct spool **link = &all.first;

	(void)pthread_mutex_lock(&all.lock);
	while (*link != sp)
		link = &(*link)->next_spool;
	*link = sp->next_spool;
	(void)pthread_mutex_unlock(&all.lock);
}

static void
flush(struct spool *sp)
{
	(void)pthread_mutex_lock(&sp->lock);
	while (sp->pending_bytes > 0)
		(void)pthread_cond_wait(&sp->idle, &sp->lock);
	(void)pthread_mutex_unlock(&sp->lock);
}

void
spools_flush(void)
{
	(void)pthread_mutex_lock(&all.lock);
	for (struct spool *sp = all.first; sp != NULL; sp = sp->next_spool)
		flush(sp);
	(void)pthread_mutex_unlock(&all.lock);
}

/* ---- Counting ---- */

uint64_t
spool_position(const struct spool *sp)
{
	uint64_t position;

	(void)pthread_mutex_lock(&sp->ledger->lock);
	position = sp->stream->position;
	(void)pthread_mutex_unlock(&sp->ledger->lock);
	return position;
}

uint64_t
spool_lose(struct spool *sp, uint64_t from, uint64_t to, bool by_policy)
{
	uint64_t lost;

	if (from < sp->read_to)
		from = sp->read_to;
	if (from >= to)
		return 0;
	lost = to - from;
	sp->read_to = to;
	sp->dropped += lost;
	if (by_policy)
		sp->given_up += lost;
	return lost;
}

void
spool_count_lost(struct spool *sp, uint64_t lost, const char *reason)
{
	if (lost == 0)
		return;
	(void)pthread_mutex_lock(&sp->ledger->lock);
	ledger_drop_unread(sp->ledger, reason, lost);
	(void)pthread_mutex_unlock(&sp->ledger->lock);
}

char *
spool_cursor_new(const struct spool *sp, uint64_t given_up)
{
	char *text = mem_alloc(CURSOR_BYTES);

	(void)snprintf(text, CURSOR_BYTES, "%" PRIu64 " dropped %" PRIu64 " %" PRIu64, given_up, sp->dropped_to, sp->given_up_then);
	return text;
}

struct cursor {
	uint64_t given_up, dropped_to, given_up_then;
};

static struct cursor
read_cursor(const char *text)
{
	struct cursor c = {0};
	struct str number, word, rest;

	if (text == NULL || !str_cut(str_from(text), ' ', &number, &rest))
		return c;
	(void)str_to_u64(number, &c.given_up);
	if (!str_cut(rest, ' ', &word, &rest) || !str_cut(rest, ' ', &number, &rest))
		return c;
	(void)str_to_u64(number, &c.dropped_to);
	(void)str_to_u64(rest, &c.given_up_then);
	return c;
}

static void
renew_cursor(const struct spool *sp, char **cursor)
{
	uint64_t given_up = read_cursor(*cursor).given_up;

	mem_free(*cursor);
	*cursor = spool_cursor_new(sp, given_up);
}

void
spool_mark_dropped(struct spool *sp, uint64_t to, uint64_t given_up)
{
	(void)pthread_mutex_lock(&sp->ledger->lock);
	sp->dropped_to = to;
	sp->given_up_then = given_up;
	renew_cursor(sp, &sp->stream->position_cursor);
	for (struct receipt *r = sp->stream->oldest; r != NULL; r = r->next) {
		if (r->cursor != NULL)
			renew_cursor(sp, &r->cursor);
	}
	(void)pthread_mutex_unlock(&sp->ledger->lock);
}

/* When the oldest entry that is not settled was written: as its receipt knows, else at the earliest in its file. */
static int64_t
oldest_of(struct spool *sp, uint64_t *ret_position)
{
	int64_t oldest = 0;

	(void)pthread_mutex_lock(&sp->ledger->lock);
	*ret_position = sp->stream->position;
	if (sp->stream->oldest != NULL)
		oldest = sp->stream->oldest->base_ns;
	(void)pthread_mutex_unlock(&sp->ledger->lock);
	(void)pthread_mutex_lock(&sp->lock);
	for (size_t i = 0; oldest == 0 && i < sp->segments.len; i++) {
		if (sp->segments.items[i].end > *ret_position)
			oldest = sp->segments.items[i].first_ns;
	}
	(void)pthread_mutex_unlock(&sp->lock);
	return oldest;
}

static struct spool_status
status_of(struct spool *sp)
{
	struct spool_status s = {.component_id = sp->component->id, .dir = sp->dir};
	uint64_t position;

	s.oldest_ns = oldest_of(sp, &position);
	(void)pthread_mutex_lock(&sp->lock);
	s.bytes = sp->bytes;
	s.bytes_max = sp->options.bytes_max;
	s.entries = sp->end > position ? sp->end - position : 0;
	s.dropped = sp->dropped;
	s.error = sp->error;
	(void)pthread_mutex_unlock(&sp->lock);
	if (s.entries == 0)
		s.oldest_ns = 0;
	return s;
}

void
spools_each(void (*fn)(void *ptr, const struct spool_status *), void *ptr)
{
	(void)pthread_mutex_lock(&all.lock);
	for (struct spool *sp = all.first; sp != NULL; sp = sp->next_spool) {
		struct spool_status s = status_of(sp);

		fn(ptr, &s);
	}
	(void)pthread_mutex_unlock(&all.lock);
}

static void
publish(struct spool *sp, const char *name, const char *help, uint64_t value)
{
	atomic_store(&metric_get(sp->runtime->metrics, METRIC_GAUGE, name, help, sp->component->id, NULL)->count, value);
}

static void
on_scrape(void *ptr)
{
	struct spool *sp = ptr;
	struct spool_status s = status_of(sp);
	int64_t now = clock_now_ns();

	publish(sp, "longship_wal_bytes", "Size of the wal's files.", s.bytes);
	publish(sp, "longship_wal_max_bytes", "How large the wal's files may become together.", s.bytes_max);
	publish(sp, "longship_wal_entries", "Entries in the wal that are not settled yet.", s.entries);
	publish(sp, "longship_wal_failing", "1 while the wal cannot be written.", s.error != 0);
	metric_set(metric_get(sp->runtime->metrics, METRIC_GAUGE, "longship_wal_oldest_seconds",
			   "How long ago the oldest entry of the wal that is not settled was written; 0 when there is none.", sp->component->id, NULL),
		s.oldest_ns != 0 && now > s.oldest_ns ? (double)(now - s.oldest_ns) / (double)NS_PER_S : 0);
}

static struct metric *
counter(struct spool *sp, const char *name, const char *help)
{
	return metric_get(sp->runtime->metrics, METRIC_COUNTER, name, help, sp->component->id, NULL);
}

static void
make_metrics(struct spool *sp)
{
	sp->written_entries = counter(sp, "longship_wal_written_entries_total", "Entries written to the wal.");
	sp->written_bytes = counter(sp, "longship_wal_written_bytes_total", "Bytes written to the wal's files.");
	sp->returned_entries = counter(sp, "longship_wal_returned_entries_total",
		"Entries that the wal could not take, full or not writable; their push was answered with 503.");
	sp->dropped_entries = counter(sp, "longship_wal_dropped_entries_total",
		"Entries whose file was dropped, because of max_size or max_segment_age, before they were settled. Those that were read by then may arrive yet.");
	sp->errors = counter(sp, "longship_wal_write_errors_total", "Times that writing to the wal failed.");
	sp->damaged_bytes = counter(sp, "longship_wal_damaged_bytes_total", "Bytes of the wal's files that could not be read: damaged, or cut off by a crash.");
	metrics_on_scrape(sp->runtime->metrics, on_scrape, sp);
}

/* ---- Taking ---- */

void
spool_piece_free(struct spool_piece *p, const char *returned)
{
	for (size_t i = 0; i < p->runs.len; i++) {
		const struct receipt_run *run = &p->runs.items[i];

		if (returned != NULL)
			receipt_return(run->receipt, run->line, run->lines, returned);
		receipt_unref(run->receipt);
	}
	vec_done(&p->runs);
	budget_give(p->budget_bytes);
	mem_free(p->data);
	mem_free(p);
}

static void
note_runs(struct spool_piece *p, const struct batch *b, size_t i)
{
	struct receipt_run one;
	const struct receipt_run *runs;
	size_t n = batch_runs(b, i, &one, &runs);

	for (size_t k = 0; k < n; k++) {
		struct receipt_run *last = p->runs.len > 0 ? &p->runs.items[p->runs.len - 1] : NULL;

		if (last != NULL && last->receipt == runs[k].receipt && last->line + last->lines == runs[k].line) {
			last->lines += runs[k].lines;
			continue;
		}
		receipt_ref(runs[k].receipt);
		vec_push(&p->runs, runs[k]);
	}
}

/* Packs the items; the head is written when its numbers are known. */
static void
close_piece(struct spool_piece *p, struct str items)
{
	size_t n;

	p->data = mem_alloc(SPOOL_HEAD_BYTES + snappy_block_bytes_max(items.len));
	n = snappy_block_compress(p->data + SPOOL_HEAD_BYTES, items);
	p->data = mem_realloc(p->data, SPOOL_HEAD_BYTES + n);
	p->bytes = SPOOL_HEAD_BYTES + n;
	p->unpacked_bytes = (uint32_t)items.len;
	p->budget_bytes = p->bytes + sizeof(*p) + p->runs.cap * sizeof(p->runs.items[0]);
	budget_take(p->budget_bytes);
}

static size_t
pair_bytes(const struct label *pairs, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += pairs[i].name.len + pairs[i].value.len + LENGTHS_BYTES_MAX;
	return bytes;
}

/* What would make a record larger than its reader takes is no entry that Loki takes. */
static const char *
unfit(const struct batch *b, size_t i)
{
	const struct metadata *m = b->metadata[i];

	if (pair_bytes(b->labels[i]->items, b->labels[i]->n) > LABELS_TEXT_BYTES_MAX)
		return "label_value_too_long";
	return b->line[i].len + (m != NULL ? pair_bytes(m->items, m->n) : 0) > REQUEST_BYTES_MAX ? "line_too_long" : NULL;
}

/* Entries from *i on as one record; NULL when none is left. */
static struct spool_piece *
encode(const struct batch *b, size_t *i, struct buf *items)
{
	struct spool_piece *p = mem_new(struct spool_piece);
	struct spool_writer w = {.out = items};
	const struct labels *labels = NULL;

	buf_clear(items);
	for (; *i < b->n && items->len < PIECE_BYTES; (*i)++) {
		const struct metadata *m = b->metadata[*i];
		const char *reason = unfit(b, *i);

		if (reason != NULL) {
			batch_refuse(b, *i, reason);
			continue;
		}
		if (b->labels[*i] != labels) {
			labels = b->labels[*i];
			spool_write_labels(&w, (const struct push_label *)labels->items, labels->n);
		}
		spool_write_entry(&w, b->ts[*i], b->line[*i], m != NULL ? (const struct push_label *)m->items : NULL, m != NULL ? m->n : 0);
		note_runs(p, b, *i);
		p->entries++;
	}
	assert(!items->overflow);
	if (p->entries == 0) {
		spool_piece_free(p, NULL);
		return NULL;
	}
	close_piece(p, buf_view(items));
	return p;
}

struct pieces {
	struct spool_piece *first, *last; /* NULL: nothing */
	uint64_t bytes;
};

static struct pieces
encode_all(const struct batch *b)
{
	struct pieces all_of = {0};
	struct spool_piece *p;
	struct buf items;
	size_t i = 0;

	buf_borrow(&items, SPOOL_UNPACKED_BYTES_MAX);
	while (i < b->n && (p = encode(b, &i, &items)) != NULL) {
		if (all_of.first == NULL)
			all_of.first = p;
		else
			all_of.last->next = p;
		all_of.last = p;
		all_of.bytes += p->bytes;
	}
	buf_give_back(&items);
	return all_of;
}

static void
free_all(struct spool_piece *p, const char *returned)
{
	while (p != NULL) {
		struct spool_piece *next = p->next;

		spool_piece_free(p, returned);
		p = next;
	}
}

/* Lock held. A push that was taken in part is taken whole, and one that was returned in part is returned whole. */
static bool
admits(struct spool *sp, const struct receipt *r, uint64_t bytes)
{
	struct spool_choice *c = &sp->choices[lane_number(lane_current())];

	if (c->stream != r->stream || (c->from != r->from && !r->further))
		c->returned = sp->error != 0 || (sp->options.when_full == SPOOL_REFUSE && sp->bytes + sp->pending_bytes + bytes > sp->options.bytes_max);
	c->returned = c->returned || sp->error != 0;
	c->stream = r->stream;
	c->from = r->from;
	return !c->returned;
}

static void
append(struct spool *sp, const struct pieces *pieces)
{
	*sp->last = pieces->first;
	sp->last = &pieces->last->next;
	sp->pending_bytes += pieces->bytes;
	(void)pthread_cond_signal(&sp->wake);
}

/* Once a minute, and not while the error is told. */
static void
tell_full(struct spool *sp)
{
	bool tell;

	(void)pthread_mutex_lock(&sp->lock);
	tell = sp->error == 0 && log_rate(&sp->full_logged_ns, LOG_INTERVAL_NS);
	(void)pthread_mutex_unlock(&sp->lock);
	if (tell)
		log_warn(sp->component->id, "the wal is full: pushes are answered with 503 until Loki takes entries; raise max_size, or set when_full to "
			"drop_oldest", "dir", sp->dir, "max_size", log_i64((int64_t)sp->options.bytes_max), NULL);
}

/* All that was taken is settled, and the disk does not take more: entries are to go the way without a spool. */
static bool
goes_round(struct spool *sp)
{
	uint64_t position = spool_position(sp);
	bool round;

	(void)pthread_mutex_lock(&sp->lock);
	round = sp->options.closed || (sp->error != 0 && !sp->broken && sp->pending_bytes == 0 && position >= sp->end);
	(void)pthread_mutex_unlock(&sp->lock);
	return round;
}

bool
spool_put(struct spool *sp, const struct batch *b)
{
	struct receipt_run one;
	const struct receipt_run *runs;
	struct pieces pieces;
	bool taken, exhausted;
	int error;

	check_magic(sp, SPOOL_MAGIC);
	if (b->n == 0 || batch_runs(b, 0, &one, &runs) == 0 || runs[0].receipt->stream->key.len > 0 || goes_round(sp))
		return false;
	pieces = encode_all(b);
	if (pieces.first == NULL)
		return true;
	(void)pthread_mutex_lock(&sp->lock);
	error = sp->error;
	taken = admits(sp, runs[0].receipt, pieces.bytes);
	if (taken)
		append(sp, &pieces);
	(void)pthread_mutex_unlock(&sp->lock);
	if (!taken) {
		metric_add(sp->returned_entries, b->n);
		tell_full(sp);
		exhausted = budget_exhausted();
		free_all(pieces.first, error != 0 ? "wal_failed" : "wal_full");
		if (exhausted && !budget_exhausted())
			lanes_kick(sp->runtime->lanes);
	}
	return true;
}

/* ---- Life ---- */

static char *
dir_of(const struct component *c)
{
	struct arena *arena = arena_new(0);
	struct str path = arena_printf(arena, "%s/%s/wal", c->runtime->storage_path, c->id);
	char *copy = memcpy(mem_alloc(path.len + 1), path.s, path.len + 1);

	arena_free(arena);
	return copy;
}

bool
spool_has_files(const struct component *c)
{
	struct spool_found found;
	bool some;
	char *dir;

	if (c->runtime->storage_path == NULL)
		return false;
	dir = dir_of(c);
	some = spool_files_find(dir, &found) < 0 || found.segments.len > 0;
	spool_found_done(&found);
	mem_free(dir);
	return some;
}

static void
take_found(struct spool *sp, struct spool_found *found)
{
	for (size_t i = 0; i < found->segments.len; i++) {
		vec_push(&sp->segments, found->segments.items[i]);
		sp->bytes += found->segments.items[i].bytes;
	}
	sp->end = found->next;
	sp->given_up = found->given_up;
	metric_add(sp->damaged_bytes, found->damaged_bytes);
	if (found->damaged_bytes > 0)
		log_warn(sp->component->id, "the end of the wal cannot be read: a crash cut it off before it was answered for, or it is damaged", "dir", sp->dir,
			"bytes", log_i64((int64_t)found->damaged_bytes), NULL);
	spool_found_done(found);
}

/* Where the store and the files stand to one another. The stream was restored. */
static void
compare_positions(struct spool *sp, bool known)
{
	struct stream *s = sp->stream;
	struct cursor cursor = read_cursor(s->position_cursor);
	uint64_t counted, first = sp->segments.len > 0 ? sp->segments.items[0].first : sp->end;

	/* A position is stored before any file goes: where there is none, the store is another one, and all that is there is sent. */
	if (!known)
		s->position = s->read_offset = s->settled_to = first;
	/* The store may know of entries whose files are gone: their numbers are not given again. */
	for (size_t i = 0; i < s->lags.len; i++) {
		if (s->lags.items[i]->reader->position > sp->end)
			sp->end = s->lags.items[i]->reader->position;
	}
	if (s->position > sp->end)
		sp->end = s->position;
	if (cursor.dropped_to > sp->end)
		sp->end = cursor.dropped_to;
	if (sp->segments.len == 0)
		first = sp->end;
	/* The last record may be older than the position, or than what was dropped. */
	if (sp->given_up < cursor.given_up)
		sp->given_up = cursor.given_up;
	if (sp->given_up < cursor.given_up_then)
		sp->given_up = cursor.given_up_then;
	sp->dropped_to = cursor.dropped_to;
	sp->given_up_then = cursor.given_up_then;
	counted = sp->given_up - cursor.given_up;
	sp->read_to = s->position;
	sp->edge_reason = counted > 0 || cursor.dropped_to > s->position ? "given_up" : "wal_damaged";
	if (first > s->position)
		sp->read_to += counted < first - s->position ? counted : first - s->position;
	sp->trim_to = 0;
	if (sp->end > s->position)
		log_info(sp->component->id, "the wal has entries of an earlier run", "dir", sp->dir, "entries", log_i64((int64_t)(sp->end - s->position)), NULL);
}

static void
init(struct spool *sp, struct component *c, const struct spool_options *options)
{
	pthread_condattr_t attr;

	sp->magic = SPOOL_MAGIC;
	sp->component = c;
	sp->runtime = c->runtime;
	sp->options = *options;
	sp->dir = dir_of(c);
	sp->last = &sp->first;
	sp->fd = -1;
	sp->receiver = c;
	sp->receivers = (struct ptr_list){&sp->receiver, 1};
	(void)pthread_mutex_init(&sp->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&sp->wake, &attr);
	(void)pthread_cond_init(&sp->idle, &attr);
	(void)pthread_condattr_destroy(&attr);
	sp->ledger = ledger_new(c->runtime->metrics, c->id);
	make_metrics(sp);
}

static void
tell_broken(struct spool *sp, int error)
{
	const char *what = error == -EPROTONOSUPPORT ? "the wal was written by a newer longship: it is not touched" : "the wal cannot be read: it is not touched";

	log_error(sp->component->id, what, "dir", sp->dir, "err", strerror(-error), "pushes",
		sp->options.closed ? "sent as without a wal" : "answered with 503", NULL);
}

struct spool *
spool_new(struct component *c, const struct spool_options *options)
{
	struct spool_found found = {0};
	struct spool *sp;
	struct arena *arena;
	bool known;
	int r;

	if (c->runtime->storage_path == NULL || c->runtime->positions == NULL || c->runtime->lanes == NULL)
		return NULL;
	sp = mem_new(struct spool);
	init(sp, c, options);
	r = spool_files_find(sp->dir, &found);
	if (r < 0) {
		sp->error = -r;
		sp->broken = true;
		tell_broken(sp, r);
	}
	take_found(sp, &found);
	arena = arena_new(0);
	sp->stream = spool_stream_new(sp, arena_printf(arena, "wal|%s", c->id).s, &known);
	arena_free(arena);
	compare_positions(sp, known);
	if (pthread_create(&sp->thread, NULL, spool_writer, sp) != 0)
		abort();
	list(sp);
	return sp;
}

void
spool_run(struct spool *sp)
{
	check_magic(sp, SPOOL_MAGIC);
	/* Of files that could not be looked into nobody knows where they end: the stream would pass over them. */
	if (sp->runs || sp->broken)
		return;
	sp->runs = true;
	(void)lanes_add(sp->runtime->lanes, sp->stream, LANE_ANY);
}

struct spool *
spool_update(struct spool *sp, const struct spool_options *options)
{
	struct component *c = sp->component;

	if (sp->broken) {
		spool_free(sp);
		return spool_new(c, options);
	}
	(void)pthread_mutex_lock(&sp->lock);
	sp->options = *options;
	(void)pthread_cond_signal(&sp->wake);
	(void)pthread_mutex_unlock(&sp->lock);
	return sp;
}

/* The next stream of this key goes on from here. */
static void
store_positions(struct spool *sp)
{
	const struct stream *s = sp->stream;

	(void)progress_set(sp->runtime->positions, sp->stream, NULL, 0);
	for (size_t i = 0; i < s->lags.len; i++)
		(void)progress_set(sp->runtime->positions, s->lags.items[i]->reader, NULL, 0);
}

void
spool_free(struct spool *sp)
{
	if (sp == NULL)
		return;
	check_magic(sp, SPOOL_MAGIC);
	unlist(sp);
	metrics_off_scrape(sp->runtime->metrics, on_scrape, sp);
	(void)pthread_mutex_lock(&sp->lock);
	sp->stop = true;
	(void)pthread_cond_signal(&sp->wake);
	(void)pthread_mutex_unlock(&sp->lock);
	(void)pthread_join(sp->thread, NULL);
	if (!sp->broken)
		store_positions(sp);
	lanes_evict(sp->runtime->lanes, sp->stream);
	stream_unref(sp->stream);
	ledger_close(sp->ledger);
	vec_done(&sp->segments);
	(void)pthread_mutex_destroy(&sp->lock);
	(void)pthread_cond_destroy(&sp->wake);
	(void)pthread_cond_destroy(&sp->idle);
	sp->magic = 0;
	mem_free(sp->dir);
	mem_free(sp);
}

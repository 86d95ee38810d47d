/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/os/file.h"
#include "longship/positions/positions.h"
#include "spool_priv.h"

/*
 * The spool's thread: writes what lanes have put on the list, all of it with one fdatasync, and keeps the files within their
 * bounds. Only it changes the list of segments and touches their files; lanes read them.
 */

#define SEGMENT_BYTES_MAX (16u << 20)
#define SEGMENT_BYTES_MIN (64u << 10)
#define SEGMENTS 16                /* of this part of max_size each: what is dropped, or cannot be reused yet, is one of them */
#define AGE_PARTS 8                /* a file holds no more than this part of max_segment_age */
#define QUIET_NS (60 * NS_PER_S)   /* an empty spool that gets nothing for so long has no file */
#define PROBE_NS (2 * NS_PER_S)    /* how often one tries whether the disk can be written again */
#define LOG_INTERVAL_NS (60 * NS_PER_S)
#define DROP_LOG_NS (10 * NS_PER_S)

static struct spool_segment *
last_segment(struct spool *sp)
{
	return &sp->segments.items[sp->segments.len - 1];
}

/* The active segment gets no more. */
static void
seal(struct spool *sp)
{
	if (sp->fd >= 0)
		(void)close(sp->fd);
	sp->fd = -1;
	(void)pthread_mutex_lock(&sp->lock);
	sp->active = false;
	(void)pthread_mutex_unlock(&sp->lock);
}

/* Off the list, and its file has no use any more. Returns how many of its entries nobody has read. */
static uint64_t
take_first(struct spool *sp, bool by_policy)
{
	struct spool_segment s = sp->segments.items[0];
	uint64_t lost;

	if (sp->active && sp->segments.len == 1)
		seal(sp);
	(void)pthread_mutex_lock(&sp->lock);
	sp->bytes -= s.bytes;
	vec_remove(&sp->segments, 0);
	lost = by_policy ? spool_lose(sp, s.first, s.end, true) : 0;
	(void)pthread_mutex_unlock(&sp->lock);
	return lost;
}

static void
remove_first(struct spool *sp)
{
	uint64_t first = sp->segments.items[0].first;

	(void)take_first(sp, false);
	spool_file_remove(sp->dir, first);
}

/* Entries of the first file that some destination has not settled. */
static uint64_t
unsettled_of_first(struct spool *sp)
{
	uint64_t from = spool_position(sp), end = sp->segments.items[0].end;

	(void)pthread_mutex_lock(&sp->lock);
	if (sp->lagging && sp->trim_to < from)
		from = sp->trim_to;
	if (from < sp->segments.items[0].first)
		from = sp->segments.items[0].first;
	(void)pthread_mutex_unlock(&sp->lock);
	return end > from ? end - from : 0;
}

static void
drop_first(struct spool *sp, const char *reason, const char *what)
{
	const struct spool_segment s = sp->segments.items[0];
	uint64_t unsettled = unsettled_of_first(sp), lost = take_first(sp, true);

	/* The next process counts what is missing from the stored position on. */
	spool_mark_dropped(sp, s.end, sp->given_up);
	(void)progress_set(sp->runtime->positions, sp->stream, NULL, 0);
	spool_file_remove(sp->dir, s.first);
	spool_count_lost(sp, lost, reason);
	metric_add(sp->dropped_entries, unsettled);
	sp->drop_unlogged += unsettled;
	if (sp->drop_unlogged == 0 || !log_rate(&sp->drop_logged_ns, DROP_LOG_NS))
		return;
	log_warn(sp->component->id, what, "dir", sp->dir, "entries", log_i64((int64_t)sp->drop_unlogged), "reason", reason, NULL);
	sp->drop_unlogged = 0;
}

/* ---- Writing ---- */

static uint64_t
segment_bytes(const struct spool *sp)
{
	uint64_t bytes = sp->rules.bytes_max / SEGMENTS;

	return bytes > SEGMENT_BYTES_MAX ? SEGMENT_BYTES_MAX : bytes < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : bytes;
}

static void
make_room(struct spool *sp, uint64_t bytes)
{
	while (sp->rules.when_full == SPOOL_DROP_OLDEST && sp->segments.len > 0 && sp->bytes + bytes > sp->rules.bytes_max)
		drop_first(sp, "wal_full", "the wal is full: its oldest entries are dropped, as when_full says");
}

/* Somebody removed the file: what is written to it could not be read. */
static bool
is_gone(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* A file of that name which is not on the list could not be removed when writing it failed, or is a stranger's: it is no reason to fail for ever. */
static int
make_file(struct spool *sp)
{
	int r = spool_file_make(sp->dir, sp->end, &sp->salt);

	if (r != -EEXIST || (sp->segments.len > 0 && last_segment(sp)->first == sp->end))
		return r;
	spool_file_put_aside(sp->dir, sp->end);
	return spool_file_make(sp->dir, sp->end, &sp->salt);
}

/* A segment that has room, or is new; 0 or -errno. */
static int
open_segment(struct spool *sp, int64_t now_ns, uint64_t bytes)
{
	struct spool_segment fresh = {.first = sp->end, .end = sp->end, .bytes = SPOOL_FILE_HEAD_BYTES, .first_ns = now_ns, .last_ns = now_ns};
	int64_t age_max_ns = sp->rules.age_max_ns;
	int r;

	if (sp->fd >= 0 && (is_gone(sp->fd) || last_segment(sp)->bytes + bytes > segment_bytes(sp) ||
				   (age_max_ns > 0 && now_ns - last_segment(sp)->first_ns > age_max_ns / AGE_PARTS)))
		seal(sp);
	if (sp->fd >= 0)
		return 0;
	r = make_file(sp);
	if (r < 0)
		return r;
	sp->fd = r;
	(void)pthread_mutex_lock(&sp->lock);
	vec_push(&sp->segments, fresh);
	sp->bytes += fresh.bytes;
	sp->active = true;
	(void)pthread_mutex_unlock(&sp->lock);
	return 0;
}

static void
commit(struct spool *sp, int64_t now_ns, uint64_t end, uint64_t bytes)
{
	struct spool_segment *s = last_segment(sp);

	metric_add(sp->written_entries, end - sp->end);
	metric_add(sp->written_bytes, bytes - s->bytes);
	(void)pthread_mutex_lock(&sp->lock);
	sp->bytes += bytes - s->bytes;
	s->bytes = bytes;
	s->end = sp->end = end;
	s->last_ns = now_ns;
	(void)pthread_mutex_unlock(&sp->lock);
	sp->written_at_ns = clock_mono_ns();
	if (sp->error_told)
		log_info(sp->component->id, "the wal is written again", "dir", sp->dir, NULL);
	sp->error_told = false;
	lane_wake(sp->stream);
}

/* Pieces from the first on that the segment and the spool have room for, at least one; *ret_behind is the next one. */
static int
write_pieces(struct spool *sp, struct spool_piece *first, int64_t now_ns, struct spool_piece **ret_behind)
{
	uint64_t end = sp->end, at = last_segment(sp)->bytes, full = segment_bytes(sp), left = sp->rules.bytes_max > sp->bytes ? sp->rules.bytes_max - sp->bytes : 0;
	struct spool_piece *p = first;
	int r = 0;

	if (full > at + left)
		full = at + left;
	do {
		const struct spool_head head = {.number = end, .entries = p->entries, .unpacked_bytes = p->unpacked_bytes, .written_ns = now_ns,
			.given_up = sp->given_up};

		spool_head_write(p->data, &head, (struct str){p->data + SPOOL_HEAD_BYTES, p->bytes - SPOOL_HEAD_BYTES}, sp->salt);
		r = file_pwrite(sp->fd, p->data, p->bytes, at);
		at += p->bytes;
		end += p->entries;
		p = p->next;
	} while (r == 0 && p != NULL && at + p->bytes <= full);
	if (r == 0 && fdatasync(sp->fd) < 0)
		r = -errno;
	if (r == 0)
		commit(sp, now_ns, end, at);
	*ret_behind = p;
	return r;
}

/* What was written of it is cut off again; nothing is believed to be durable that was not before. */
static void
fail(struct spool *sp, int error)
{
	int cut;

	if (sp->fd >= 0) {
		/* Where that fails too, its numbers are given again, and a reader stops before them. */
		cut = ftruncate(sp->fd, (off_t)last_segment(sp)->bytes);
		(void)cut;
		seal(sp);
		if (last_segment(sp)->end == last_segment(sp)->first) {
			spool_file_remove(sp->dir, last_segment(sp)->first);
			(void)pthread_mutex_lock(&sp->lock);
			sp->bytes -= last_segment(sp)->bytes;
			sp->segments.len--;
			(void)pthread_mutex_unlock(&sp->lock);
		}
	}
	(void)pthread_mutex_lock(&sp->lock);
	sp->error = error;
	(void)pthread_mutex_unlock(&sp->lock);
	sp->probe_at_ns = clock_mono_ns() + PROBE_NS;
	metric_add(sp->errors, 1);
	if (!log_rate(&sp->error_logged_ns, LOG_INTERVAL_NS))
		return;
	sp->error_told = true;
	log_error(sp->component->id, "the wal cannot be written: pushes are answered with 503 until what is in it is sent, and then wait for Loki", "dir", sp->dir,
		"err", strerror(error), NULL);
}

/* Takes pieces that go into one segment, and returns the next one. */
static struct spool_piece *
write_some(struct spool *sp, struct spool_piece *first)
{
	int64_t now_ns = clock_now_ns();
	struct spool_piece *behind = first->next;
	const char *returned = NULL;
	uint64_t bytes = 0;
	int r = -sp->error;

	if (r == 0) {
		make_room(sp, first->bytes);
		r = open_segment(sp, now_ns, first->bytes);
		if (r == 0)
			r = write_pieces(sp, first, now_ns, &behind);
		if (r < 0)
			fail(sp, -r);
	}
	if (r < 0)
		returned = "wal_failed";
	for (struct spool_piece *p = first, *next; p != behind; p = next) {
		next = p->next;
		bytes += p->bytes;
		if (returned != NULL)
			metric_add(sp->returned_entries, p->entries);
		spool_piece_free(p, returned);
	}
	(void)pthread_mutex_lock(&sp->lock);
	sp->pending_bytes -= bytes;
	if (sp->pending_bytes == 0)
		(void)pthread_cond_broadcast(&sp->idle);
	(void)pthread_mutex_unlock(&sp->lock);
	lanes_kick(sp->runtime->lanes); /* room in the budget */
	return behind;
}

/* ---- Keeping within bounds ---- */

static int
store_position(struct spool *sp)
{
	int r = progress_set(sp->runtime->positions, sp->stream, NULL, 0);

	return r < 0 ? r : positions_sync(sp->runtime->positions);
}

static bool
may_trim(const struct spool *sp, uint64_t trim_to, bool quiet)
{
	return sp->segments.len > 0 && sp->segments.items[0].end <= trim_to && (quiet || !sp->active || sp->segments.len > 1);
}

/* The stored position is durable before a file that lies before it goes: a gap in the numbers means a loss. On a full disk one file goes first,
 * to make room for the position; should the process end just then, the next one takes its entries for lost, and says so, although they were
 * sent. */
static void
trim(struct spool *sp, uint64_t trim_to, bool quiet)
{
	int r;

	if (!may_trim(sp, trim_to, quiet) || clock_mono_ns() < sp->trim_at_ns)
		return;
	r = store_position(sp);
	if (r == -ENOSPC || r == -EDQUOT) {
		remove_first(sp);
		r = store_position(sp);
	}
	if (r < 0)
		sp->trim_at_ns = clock_mono_ns() + PROBE_NS;
	while (r >= 0 && may_trim(sp, trim_to, quiet))
		remove_first(sp);
}

static void
drop_old(struct spool *sp)
{
	int64_t before = sp->rules.age_max_ns > 0 ? clock_now_ns() - sp->rules.age_max_ns : INT64_MIN;

	while (sp->segments.len > 0 && sp->segments.items[0].last_ns != 0 && sp->segments.items[0].last_ns < before)
		drop_first(sp, "wal_too_old", "entries of the wal are dropped: they are older than max_segment_age");
}

static void
probe(struct spool *sp)
{
	if (spool_files_probe(sp->dir) < 0) {
		sp->probe_at_ns = clock_mono_ns() + PROBE_NS;
		return;
	}
	(void)pthread_mutex_lock(&sp->lock);
	sp->error = 0;
	(void)pthread_mutex_unlock(&sp->lock);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When something is to be done without being woken; monotonic. Lock held. */
static int64_t
next_look(const struct spool *sp, int64_t mono_ns)
{
	int64_t at = INT64_MAX;

	if (sp->error != 0 && !sp->broken)
		at = earlier(at, sp->probe_at_ns);
	if (sp->options.age_max_ns > 0 && sp->segments.len > 0 && sp->segments.items[0].last_ns != 0) {
		int64_t left = sp->segments.items[0].last_ns - (clock_now_ns() - sp->options.age_max_ns);

		at = earlier(at, left < 0 ? mono_ns : mono_ns + left + 1);
	}
	if (sp->segments.len > 0 && sp->segments.items[0].end <= sp->trim_to) {
		int64_t quiet = sp->active && sp->segments.len == 1 ? sp->written_at_ns + QUIET_NS : mono_ns;

		at = earlier(at, quiet > sp->trim_at_ns ? quiet : sp->trim_at_ns);
	}
	return at;
}

/* Lock held. */
static void
wait_for_work(struct spool *sp)
{
	int64_t mono_ns = clock_mono_ns(), at;

	while (sp->first == NULL && !sp->stop && (at = next_look(sp, mono_ns)) > mono_ns) {
		struct timespec ts = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)};

		if (at == INT64_MAX)
			(void)pthread_cond_wait(&sp->wake, &sp->lock);
		else
			(void)pthread_cond_timedwait(&sp->wake, &sp->lock, &ts);
		mono_ns = clock_mono_ns();
	}
}

void *
spool_writer(void *ptr)
{
	struct spool *sp = ptr;
	bool stop = false;

	check_magic(sp, SPOOL_MAGIC);
	while (!stop) {
		struct spool_piece *first;
		uint64_t trim_to;

		(void)pthread_mutex_lock(&sp->lock);
		wait_for_work(sp);
		first = sp->first;
		sp->first = NULL;
		sp->last = &sp->first;
		trim_to = sp->trim_to;
		sp->rules = sp->options;
		stop = sp->stop;
		(void)pthread_mutex_unlock(&sp->lock);
		while (first != NULL)
			first = write_some(sp, first);
		trim(sp, trim_to, clock_mono_ns() - sp->written_at_ns >= QUIET_NS);
		if (!stop)
			drop_old(sp);
		if (sp->error != 0 && !sp->broken && clock_mono_ns() >= sp->probe_at_ns)
			probe(sp);
	}
	seal(sp);
	return NULL;
}

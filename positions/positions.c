/* SPDX-License-Identifier: Apache-2.0 */
#include "positions_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"

/*
 * Two locks: `lock` guards everything and is held for memory work and for the pwrite; `file_lock`, taken
 * first, keeps the file in place while it is synced or replaced, so that no writer waits for the disk.
 *
 * An update is applied to memory and encoded in one go. When its append fails, the streams it touched are
 * flagged dirty and the store is `behind`: from then on each write, and the thread once a second, appends
 * all dirty streams whole until that works. While a snapshot is being synced, appends are also kept in
 * `tail`, which the new file gets before it takes the old one's place.
 */
#define OUT_BYTES	     (256u << 10) /* appended at once; a write with more takes several */
#define TAIL_BYTES_MAX	     (8u << 20) /* written while a snapshot is synced; beyond, it is given up and tried later */
#define FORGETS_MAX	     (1u << 20) /* kept while behind; the rest comes back with the next start and expires again */
#define COMPACT_BYTES_MIN    (1u << 20)	     /* smaller files are not worth it */
#define COMPACT_FACTOR	     4		     /* of what is live */
#define COMPACT_RETRY_NS     (10 * NS_PER_S) /* after a failed snapshot, which may be large */
#define SYNC_NS		     NS_PER_S
#define ONE_UPDATE_BYTES_MAX (4 * FORMAT_RECORD_BYTES_MAX)
#define STREAM_BYTES_MAX                                                                                               \
	(2 * FORMAT_RECORD_BYTES_MAX + STATE_MARKS_MAX * (FORMAT_HEAD_BYTES + 64 + POSITIONS_MEMORY_BYTES_MAX))

struct positions {
	pthread_mutex_t file_lock;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool has_thread, stop;
	int dirfd, lockfd;
	struct state state;
	struct journal journal;
	struct buf out; /* records of the write in progress */
	struct buf set; /* scratch */
	struct buf tail;
	bool snapshotting;
	bool behind;
	VEC(uint64_t) forgets; /* of the write in progress, and while behind */
	bool sync_due;
	bool sync_failed; /* what was written since the last good sync may be lost: only a new file helps */
	bool rewrite_due;
	int64_t due_ns, compact_not_before_ns; /* monotonic */
	struct positions_stats stats;
};

/* mkdir -p; the sealed store has no floor above base to borrow it from. */
static int
make_dir(const char *dir)
{
	char path[4096];
	size_t len = strlen(dir);

	if (len == 0 || len >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, dir, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0750) < 0 && errno != EEXIST) {
			int error = errno;
			struct stat st;

			/* A parent that exists may answer EROFS or EACCES instead of EEXIST. */
			if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
				return -error;
		}
		if (i < len)
			path[i] = '/';
	}
	return 0;
}

/* The lock is the flock; the pid inside is for people. */
static int
lock_dir(int dirfd, int *ret_fd, int *ret_pid)
{
	char text[32] = "";
	ssize_t n;
	int fd = openat(dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	int r;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		n = pread(fd, text, sizeof(text) - 1, 0);
		if (r == -EWOULDBLOCK && ret_pid != NULL)
			*ret_pid = n > 0 ? atoi(text) : 0;
		(void)close(fd);
		return r;
	}
	(void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, text, strlen(text), 0);
	*ret_fd = fd;
	return 0;
}

static struct positions *
store_new(void)
{
	struct positions *p = mem_new(struct positions);
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&p->file_lock, NULL);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	buf_init(&p->out, OUT_BYTES + ONE_UPDATE_BYTES_MAX);
	buf_init(&p->set, FORMAT_RECORD_BYTES_MAX);
	buf_init(&p->tail, TAIL_BYTES_MAX);
	state_init(&p->state, true);
	p->dirfd = p->lockfd = p->journal.fd = -1;
	return p;
}

static void
store_free(struct positions *p)
{
	journal_close(&p->journal);
	if (p->lockfd >= 0) {
		(void)!ftruncate(p->lockfd, 0);
		(void)close(p->lockfd);
	}
	if (p->dirfd >= 0)
		(void)close(p->dirfd);
	state_done(&p->state);
	buf_done(&p->out);
	buf_done(&p->set);
	buf_done(&p->tail);
	vec_done(&p->forgets);
	(void)pthread_cond_destroy(&p->wake);
	(void)pthread_mutex_destroy(&p->lock);
	(void)pthread_mutex_destroy(&p->file_lock);
	mem_free(p);
}

/* Result of an attempt to write, for the statistics. */
static int
note(struct positions *p, int r)
{
	if (r < 0)
		p->stats.write_errors++;
	if (r < 0 || !p->sync_failed)
		p->stats.last_error = -r;
	return r;
}

static void
all_is_written(struct positions *p)
{
	p->behind = false;
	p->forgets.len = 0;
	for (size_t i = 0; i < p->state.slots_len; i++)
		if (p->state.slots[i] != NULL)
			p->state.slots[i]->flags &= (uint8_t)~STREAM_DIRTY;
}

/* Appends every dirty stream as a whole. */
static int
flush_behind(struct positions *p)
{
	struct buf b;
	int r = 0;

	buf_init(&b, OUT_BYTES + STREAM_BYTES_MAX);
	format_put_clock(&b, p->state.last_ns);
	for (size_t i = 0; i < p->forgets.len && r == 0; i++) {
		format_put_forget(&b, p->forgets.items[i]);
		if (b.len >= OUT_BYTES) {
			r = journal_append(&p->journal, buf_view(&b));
			buf_clear(&b);
		}
	}
	for (size_t i = 0; i < p->state.slots_len && r == 0; i++) {
		struct stream *s = p->state.slots[i];

		if (s == NULL || (s->flags & STREAM_DIRTY) == 0)
			continue;
		(void)state_encode(s, &b);
		s->flags |= STREAM_DECLARED;
		assert(!b.overflow);
		if (b.len >= OUT_BYTES) {
			r = journal_append(&p->journal, buf_view(&b));
			buf_clear(&b);
		}
	}
	if (r == 0)
		r = journal_append(&p->journal, buf_view(&b));
	buf_done(&b);
	if (r == 0)
		all_is_written(p);
	return r;
}

static bool
compaction_wanted(const struct positions *p)
{
	uint64_t live = p->state.live_bytes, bytes = p->journal.end;

	if (p->rewrite_due || p->sync_failed)
		return true;
	/* A file that cannot grow any more: a new one may still fit, or stand on better blocks. */
	if (p->behind && (live < COMPACT_BYTES_MIN || bytes / 2 > live))
		return true;
	return bytes > COMPACT_BYTES_MIN && bytes / COMPACT_FACTOR > live;
}

/* A snapshot leaves out what has no state, so that needs its DECLARE again. */
static void
undeclare_stateless(struct positions *p)
{
	for (size_t i = 0; i < p->state.slots_len; i++) {
		struct stream *s = p->state.slots[i];

		if (s != NULL && !stream_has_position(s) && s->marks == NULL)
			s->flags &= (uint8_t)~STREAM_DECLARED;
	}
}

/* With lock: the new file is on disk but for the tail. */
static int
finish_compaction(struct positions *p, struct journal *next)
{
	int old_fd = p->journal.fd;
	int r = p->tail.overflow ? -EAGAIN : 0;

	if (r == 0 && p->tail.len > 0)
		r = journal_append(next, buf_view(&p->tail));
	if (r < 0) {
		journal_abandon(next);
		return r;
	}
	r = journal_replace(&p->journal, next);
	if (p->journal.fd == old_fd)
		return r;
	all_is_written(p);
	p->sync_due = p->rewrite_due = false;
	p->sync_failed = r < 0;
	p->stats.last_error = -r;
	p->stats.compactions++;
	return r;
}

/* With file_lock, without lock. */
static int
compact(struct positions *p)
{
	struct journal next;
	int r;

	(void)pthread_mutex_lock(&p->lock);
	r = journal_snapshot(&p->journal, &p->state, &next);
	if (r == 0) {
		undeclare_stateless(p);
		p->snapshotting = true;
		(void)pthread_mutex_unlock(&p->lock);
		/* The long part; journal_replace's own sync then has only the tail left. */
		if (p->journal.io->fdatasync(next.fd) < 0)
			r = -errno;
		(void)pthread_mutex_lock(&p->lock);
		if (r < 0)
			journal_abandon(&next);
		else
			r = finish_compaction(p, &next);
		p->snapshotting = false;
		buf_done(&p->tail);
	}
	if (r < 0)
		p->compact_not_before_ns = clock_mono_ns() + COMPACT_RETRY_NS;
	(void)pthread_mutex_unlock(&p->lock);
	return r;
}

/* With file_lock, without lock. */
static int
sync_file(struct positions *p)
{
	int r = 0, synced, fd;

	(void)pthread_mutex_lock(&p->lock);
	if (p->behind)
		r = note(p, flush_behind(p));
	fd = p->journal.fd;
	p->sync_due = false;
	(void)pthread_mutex_unlock(&p->lock);
	/* What could be written is made durable all the same. After a failed sync the kernel may have dropped the data
	 * and say nothing the next time, so only a new file is believed. */
	if (p->sync_failed)
		return -EIO;
	synced = p->journal.io->fdatasync(fd) < 0 ? -errno : 0;
	(void)pthread_mutex_lock(&p->lock);
	p->sync_failed = synced < 0;
	if (synced < 0)
		(void)note(p, synced);
	else
		p->stats.syncs++;
	(void)pthread_mutex_unlock(&p->lock);
	return synced < 0 ? synced : r;
}

static void
maintain(struct positions *p)
{
	bool sync, rewrite;

	(void)pthread_mutex_lock(&p->file_lock);
	(void)pthread_mutex_lock(&p->lock);
	sync = p->has_thread && (p->sync_due || p->behind);
	(void)pthread_mutex_unlock(&p->lock);
	if (sync)
		(void)sync_file(p);
	(void)pthread_mutex_lock(&p->lock);
	rewrite = compaction_wanted(p) && clock_mono_ns() >= p->compact_not_before_ns;
	(void)pthread_mutex_unlock(&p->lock);
	if (rewrite)
		(void)compact(p);
	(void)pthread_mutex_unlock(&p->file_lock);
}

static void *
run(void *ptr)
{
	struct positions *p = ptr;

	(void)pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		if (!p->sync_due && !p->behind && !compaction_wanted(p)) {
			(void)pthread_cond_wait(&p->wake, &p->lock);
		} else if (clock_mono_ns() < p->due_ns) {
			struct timespec until = {p->due_ns / NS_PER_S, p->due_ns % NS_PER_S};

			(void)pthread_cond_timedwait(&p->wake, &p->lock, &until);
		} else {
			p->due_ns = clock_mono_ns() + SYNC_NS;
			(void)pthread_mutex_unlock(&p->lock);
			maintain(p);
			(void)pthread_mutex_lock(&p->lock);
		}
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

int
positions_open_with(const char *dir, const struct journal_io *io, bool thread, struct positions **ret,
	struct positions_report *ret_report, int *ret_pid)
{
	struct positions *p = store_new();
	int r = make_dir(dir);

	if (r == 0) {
		p->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = p->dirfd < 0 ? -errno : 0;
	}
	if (r == 0)
		r = lock_dir(p->dirfd, &p->lockfd, ret_pid);
	if (r == 0)
		r = journal_open(&p->journal, io, p->dirfd, &p->state, ret_report);
	if (r == 0) {
		state_loaded(&p->state);
		if (thread)
			r = -pthread_create(&p->thread, NULL, run, p);
		p->has_thread = thread && r == 0;
	}
	if (r < 0) {
		store_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

int
positions_open(const char *dir, struct positions **ret, struct positions_report *ret_report, int *ret_pid)
{
	return positions_open_with(dir, &journal_io_real, true, ret, ret_report, ret_pid);
}

void
positions_close(struct positions *p)
{
	if (p == NULL)
		return;
	if (p->has_thread) {
		(void)pthread_mutex_lock(&p->lock);
		p->stop = true;
		(void)pthread_cond_signal(&p->wake);
		(void)pthread_mutex_unlock(&p->lock);
		(void)pthread_join(p->thread, NULL);
	}
	if (p->sync_due || p->behind || p->sync_failed)
		(void)positions_sync(p);
	store_free(p);
}

void
positions_declare(struct positions *p, struct str key, struct str path, struct str labels)
{
	struct stream *s;

	(void)pthread_mutex_lock(&p->lock);
	s = state_declare(
		&p->state, key, str_head(path, POSITIONS_ATTR_BYTES_MAX), str_head(labels, POSITIONS_ATTR_BYTES_MAX));
	if (s != NULL)
		s->seen_s = (uint32_t)(clock_now_ns() / NS_PER_S);
	(void)pthread_mutex_unlock(&p->lock);
}

void
positions_touch(struct positions *p, struct str key)
{
	struct stream *s;

	(void)pthread_mutex_lock(&p->lock);
	s = state_find(&p->state, key);
	if (s != NULL)
		s->seen_s = (uint32_t)(clock_now_ns() / NS_PER_S);
	(void)pthread_mutex_unlock(&p->lock);
}

static bool
update_is_valid(const struct position_update *u)
{
	if (u->key.len == 0 || u->key.len > POSITIONS_KEY_BYTES_MAX)
		return false;
	if (u->kind == POSITION_SET)
		return u->position->n_holes <= POSITIONS_HOLES_MAX &&
		       u->position->n_checkpoints <= POSITIONS_CHECKPOINTS_MAX &&
		       u->position->cursor.len <= POSITIONS_CURSOR_BYTES_MAX &&
		       u->position->memory.len <= POSITIONS_MEMORY_BYTES_MAX;
	if (u->kind == POSITION_MARK)
		return u->mark->memory.len <= POSITIONS_MEMORY_BYTES_MAX;
	return true;
}

static void
forget(struct positions *p, struct stream *s)
{
	format_put_forget(&p->out, s->number);
	if (p->forgets.len < FORGETS_MAX)
		vec_push(&p->forgets, s->number);
	state_forget(&p->state, s);
}

static void
set_position(struct positions *p, struct stream *s, const struct position *position, int64_t now_ns)
{
	struct position stamped = *position;

	stamped.updated_ns = now_ns;
	buf_clear(&p->set);
	(void)format_encode_set(&p->set, &stamped);
	format_put_set(&p->out, s->number, buf_view(&p->set));
	state_set(&p->state, s, buf_view(&p->set));
}

static void
put_declare(struct positions *p, const struct stream *s)
{
	struct stream_texts texts;

	stream_texts(s, &texts);
	format_put_declare(&p->out, s->number, texts.key, texts.path, texts.labels);
}

/* Memory and p->out. */
static int
apply(struct positions *p, const struct position_update *u, int64_t now_ns)
{
	struct stream *s = state_find(&p->state, u->key);

	if (u->kind == POSITION_FORGET) {
		if (s != NULL)
			forget(p, s);
		return 0;
	}
	/* A stream that expired while its source was still reading it comes back. */
	if (s == NULL || u->kind == POSITION_ATTR)
		s = state_declare(&p->state, u->key, str_head(u->path, POSITIONS_ATTR_BYTES_MAX),
			str_head(u->labels, POSITIONS_ATTR_BYTES_MAX));
	if (s == NULL)
		return -E2BIG;
	if ((s->flags & STREAM_DECLARED) == 0) {
		put_declare(p, s);
		s->flags |= STREAM_DECLARED;
	}
	if (u->kind == POSITION_SET) {
		set_position(p, s, u->position, now_ns);
	} else if (u->kind == POSITION_MARK) {
		s->seen_s = (uint32_t)(now_ns / NS_PER_S);
		format_put_mark(&p->out, s->number, u->mark);
		state_mark(&p->state, s, u->mark);
	}
	return 0;
}

/* Appends p->out, unless r says that an earlier part of the same write failed. While behind, memory is what will be
 * written. The tail needs it either way. */
static int
put_out(struct positions *p, int r)
{
	assert(!p->out.overflow);
	if (p->out.len == 0)
		return r;
	if (p->snapshotting)
		(void)buf_str(&p->tail, buf_view(&p->out));
	if (!p->behind && r == 0)
		r = journal_append(&p->journal, buf_view(&p->out));
	buf_clear(&p->out);
	return r;
}

static void
set_dirty(struct positions *p, const struct position_update *updates, size_t n)
{
	p->behind = true;
	for (size_t i = 0; i < n; i++) {
		struct stream *s = state_find(&p->state, updates[i].key);

		if (s != NULL)
			s->flags |= STREAM_DIRTY;
	}
}

/* The end of everything that writes, with lock: what is not in the file yet goes there if it can. */
static int
end_write(struct positions *p, int r)
{
	if (p->behind)
		r = flush_behind(p);
	else
		p->forgets.len = 0;
	p->stats.writes++;
	/* The damaged places go with the first write, not when somebody only looks. */
	p->rewrite_due = p->rewrite_due || p->journal.damaged;
	if (!p->sync_due) {
		p->sync_due = true;
		p->due_ns = clock_mono_ns() + SYNC_NS;
		(void)pthread_cond_signal(&p->wake);
	}
	return note(p, r);
}

int
positions_write(struct positions *p, const struct position_update *updates, size_t n)
{
	int64_t now_ns = clock_now_ns();
	int r = 0, refused = 0;

	for (size_t i = 0; i < n; i++)
		if (!update_is_valid(&updates[i]))
			return -EINVAL;
	if (n == 0)
		return 0;
	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < n; i++) {
		int one = apply(p, &updates[i], now_ns);

		refused = one < 0 ? one : refused;
		if (p->out.len >= OUT_BYTES)
			r = put_out(p, r);
	}
	r = put_out(p, r);
	if (r < 0 || p->behind)
		set_dirty(p, updates, n);
	r = end_write(p, r);
	(void)pthread_mutex_unlock(&p->lock);
	if (!p->has_thread)
		maintain(p);
	return r < 0 ? r : refused;
}

int
positions_sync(struct positions *p)
{
	int r;

	(void)pthread_mutex_lock(&p->file_lock);
	r = sync_file(p);
	if (p->sync_failed)
		r = compact(p);
	(void)pthread_mutex_unlock(&p->file_lock);
	return r;
}

bool
positions_get(struct positions *p, struct str key, struct arena *arena, struct position *ret)
{
	struct stream *s;
	bool found;

	(void)pthread_mutex_lock(&p->lock);
	s = state_find(&p->state, key);
	found = s != NULL && stream_has_position(s);
	if (found) {
		stream_position(s, ret);
		ret->cursor = arena_str(arena, ret->cursor);
		ret->memory = arena_str(arena, ret->memory);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return found;
}

struct str
positions_path(struct positions *p, struct str key, struct arena *arena)
{
	struct stream_texts texts;
	struct str path = STR_EMPTY;
	const struct stream *s;

	(void)pthread_mutex_lock(&p->lock);
	s = state_find(&p->state, key);
	if (s != NULL) {
		stream_texts(s, &texts);
		path = arena_str(arena, texts.path);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return path;
}

size_t
positions_marks(struct positions *p, struct str key, struct arena *arena, struct position_mark **ret)
{
	const struct position_mark *marks;
	struct stream *s;
	size_t n = 0;

	*ret = NULL;
	(void)pthread_mutex_lock(&p->lock);
	s = state_find(&p->state, key);
	if (s != NULL)
		n = state_marks(s, &marks);
	if (n > 0)
		*ret = arena_array(arena, struct position_mark, n);
	for (size_t i = 0; i < n; i++) {
		(*ret)[i] = marks[i];
		(*ret)[i].memory = arena_str(arena, marks[i].memory);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return n;
}

void
positions_each_of(struct positions *p, bool (*is_wanted)(void *ptr, struct str path),
	bool (*fn)(void *ptr, struct str key, struct str path, struct str labels, const struct position *), void *ptr)
{
	bool more = true;

	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->state.slots_len && more; i++) {
		const struct stream *s = p->state.slots[i];
		struct stream_texts texts;
		struct position position;

		if (s == NULL)
			continue;
		stream_texts(s, &texts);
		if (is_wanted != NULL && !is_wanted(ptr, texts.path))
			continue;
		if (stream_has_position(s))
			stream_position(s, &position);
		more = fn(ptr, texts.key, texts.path, texts.labels, stream_has_position(s) ? &position : NULL);
	}
	(void)pthread_mutex_unlock(&p->lock);
}

void
positions_each(struct positions *p,
	bool (*fn)(void *ptr, struct str key, struct str path, struct str labels, const struct position *), void *ptr)
{
	positions_each_of(p, NULL, fn, ptr);
}

int64_t
positions_last_ns(struct positions *p)
{
	int64_t last_ns;

	(void)pthread_mutex_lock(&p->lock);
	last_ns = p->state.last_ns;
	(void)pthread_mutex_unlock(&p->lock);
	return last_ns;
}

static int64_t
last_sign_ns(const struct stream *s)
{
	int64_t ns = (int64_t)s->seen_s * NS_PER_S;
	const struct position_mark *marks;
	size_t n = state_marks(s, &marks);

	if (stream_has_position(s) && stream_updated_ns(s) > ns)
		ns = stream_updated_ns(s);
	if (n > 0 && marks[n - 1].base_ns > ns)
		ns = marks[n - 1].base_ns;
	return ns;
}

size_t
positions_expire(struct positions *p, int64_t now_ns, int64_t age_ns)
{
	VEC(struct stream *) old = {0};
	size_t n;
	int r = 0;

	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->state.slots_len; i++)
		if (p->state.slots[i] != NULL && last_sign_ns(p->state.slots[i]) < now_ns - age_ns)
			vec_push(&old, p->state.slots[i]);
	for (size_t i = 0; i < old.len; i++) {
		forget(p, old.items[i]);
		if (p->out.len >= OUT_BYTES)
			r = put_out(p, r);
	}
	r = put_out(p, r);
	p->behind = p->behind || r < 0;
	if (old.len > 0)
		(void)end_write(p, r);
	(void)pthread_mutex_unlock(&p->lock);
	n = old.len;
	vec_done(&old);
	return n;
}

void
positions_stats(struct positions *p, struct positions_stats *ret)
{
	(void)pthread_mutex_lock(&p->lock);
	p->stats.streams = p->state.len;
	p->stats.file_bytes = p->journal.end;
	*ret = p->stats;
	(void)pthread_mutex_unlock(&p->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/codec/snappy.h"
#include "longship/os/file.h"

#define WALK_BUFFER_BYTES (256u << 10)
#define NUMBER_DIGITS 20
#define PROBE_BYTES (64u << 10)
#define RECORD_BYTES_MAX (SPOOL_HEAD_BYTES + 2ull * SPOOL_UNPACKED_BYTES_MAX)

static char *
name_of(struct arena *arena, const char *dir, uint64_t first)
{
	return (char *)(uintptr_t)arena_printf(arena, "%s/%020" PRIu64 ".wal", dir, first).s;
}

static int
sync_dir(const char *dir)
{
	int fd = file_open(dir, O_RDONLY | O_DIRECTORY, 0), r;

	if (fd < 0)
		return fd;
	r = fsync(fd) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

/* The parent of what is made is synced: else the files' directory may be gone after a power cut, with all that was answered for. */
static int
make_dir(const char *dir)
{
	struct arena *arena;
	const char *parent;
	struct stat st;
	size_t len = strlen(dir);
	int r = 0;

	if (stat(dir, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	while (len > 0 && dir[len - 1] == '/')
		len--;
	while (len > 0 && dir[len - 1] != '/')
		len--;
	arena = arena_new(0);
	parent = len > 0 ? arena_printf(arena, "%.*s", (int)len, dir).s : ".";
	if (len > 1)
		r = make_dir(parent);
	if (r == 0)
		r = file_make_dirs(dir, 0700);
	if (r == 0)
		r = sync_dir(parent);
	arena_free(arena);
	return r == -EACCES && stat(dir, &st) == 0 ? 0 : r; /* a parent that may be written, but not opened */
}

static uint64_t
make_salt(uint64_t first)
{
	uint64_t salt;

	if (getrandom(&salt, sizeof(salt), GRND_NONBLOCK) != sizeof(salt))
		salt = (uint64_t)clock_now_ns() ^ first;
	return salt;
}

int
spool_file_make(const char *dir, uint64_t first, uint64_t *ret_salt)
{
	struct arena *arena = arena_new(0);
	const char *path = name_of(arena, dir, first);
	char head[SPOOL_FILE_HEAD_BYTES];
	int fd = make_dir(dir), r;

	if (fd == 0)
		fd = file_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		*ret_salt = make_salt(first);
		spool_file_head_write(head, *ret_salt);
		r = file_pwrite(fd, head, sizeof(head), 0);
		if (r == 0)
			r = sync_dir(dir);
		if (r < 0) {
			(void)close(fd);
			(void)unlink(path);
			fd = r;
		}
	}
	arena_free(arena);
	return fd;
}

int
spool_file_open(const char *dir, uint64_t first)
{
	struct arena *arena = arena_new(0);
	int fd = file_open(name_of(arena, dir, first), O_RDONLY | O_NOFOLLOW, 0);

	arena_free(arena);
	return fd;
}

void
spool_file_remove(const char *dir, uint64_t first)
{
	struct arena *arena = arena_new(0);

	(void)unlink(name_of(arena, dir, first));
	arena_free(arena);
}

void
spool_file_put_aside(const char *dir, uint64_t first)
{
	struct arena *arena = arena_new(0);
	const char *path = name_of(arena, dir, first);
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= (off_t)SPOOL_FILE_HEAD_BYTES)
		(void)unlink(path);
	else
		(void)rename(path, arena_printf(arena, "%s.damaged", path).s);
	arena_free(arena);
}

int
spool_files_probe(const char *dir)
{
	struct arena *arena = arena_new(0);
	const char *path = arena_printf(arena, "%s/probe", dir).s;
	char *zeros = arena_zalloc(arena, PROBE_BYTES);
	int r = make_dir(dir), fd = -1;

	if (r == 0)
		r = fd = file_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		r = file_pwrite(fd, zeros, PROBE_BYTES, 0);
		if (r == 0 && fdatasync(fd) < 0)
			r = -errno;
		(void)close(fd);
		(void)unlink(path);
	}
	arena_free(arena);
	return r;
}

/* ---- Walking ---- */

/* n bytes at the walk's place; NULL when they cannot be read. */
static const char *
fetch(struct spool_walk *w, size_t n)
{
	uint64_t left = w->size - w->at;
	char *to = w->buffer;
	size_t want = left < w->cap ? (size_t)left : w->cap;
	ssize_t got;

	assert(n <= left);
	if (w->at >= w->have_at && w->at - w->have_at <= w->have && n <= w->have - (w->at - w->have_at))
		return w->buffer + (w->at - w->have_at);
	if (n > w->cap) {
		buf_clear(&w->large);
		if (!buf_reserve(&w->large, n))
			return NULL;
		to = w->large.data;
		want = n;
	} else {
		w->have = 0;
	}
	got = file_pread(w->fd, to, want, w->at);
	if (got < (ssize_t)n) {
		/* EBADMSG is that of a file that was cut off: elsewhere it may be read the next time. */
		w->error = got >= 0 ? EBADMSG : got == -EBADMSG ? EIO : (int)-got;
		return NULL;
	}
	if (to == w->buffer) {
		w->have_at = w->at;
		w->have = (size_t)got;
	}
	return to;
}

static void
skip(struct spool_walk *w, uint64_t bytes)
{
	w->at += bytes;
	w->skipped += bytes;
}

int
spool_walk_begin(struct spool_walk *w)
{
	const char *head;

	buf_init(&w->large, RECORD_BYTES_MAX);
	w->at = w->start = 0;
	w->have = 0;
	if (w->size < SPOOL_FILE_HEAD_BYTES)
		return -EBADMSG;
	head = fetch(w, SPOOL_FILE_HEAD_BYTES);
	if (head == NULL)
		return -w->error;
	w->at = w->start = SPOOL_FILE_HEAD_BYTES;
	return spool_file_head_read((struct str){head, SPOOL_FILE_HEAD_BYTES}, &w->salt);
}

/* No head is here: on to where one could be, within what has been read. */
static void
look_on(struct spool_walk *w, const char *here)
{
	size_t n = w->have - (size_t)(here - w->buffer), left = (size_t)(w->size - w->at < n ? w->size - w->at : n);

	skip(w, spool_find_head((struct str){here, left}));
}

bool
spool_walk_next(struct spool_walk *w, struct spool_head *ret, struct str *ret_packed)
{
	while (w->size - w->at >= SPOOL_HEAD_BYTES) {
		const char *here = fetch(w, SPOOL_HEAD_BYTES);

		if (here == NULL)
			return false;
		if (!spool_head_read((struct str){here, SPOOL_HEAD_BYTES}, w->salt, ret) ||
			ret->packed_bytes > snappy_block_bytes_max(ret->unpacked_bytes) ||
			ret->packed_bytes > w->size - w->at - SPOOL_HEAD_BYTES) {
			look_on(w, here);
			continue;
		}
		here = fetch(w, SPOOL_HEAD_BYTES + ret->packed_bytes);
		if (here == NULL)
			return false;
		*ret_packed = (struct str){here + SPOOL_HEAD_BYTES, ret->packed_bytes};
		if (!spool_packed_is_whole(ret, *ret_packed, w->salt)) {
			skip(w, SPOOL_HEAD_BYTES + ret->packed_bytes);
			continue;
		}
		w->start = w->at;
		w->at += SPOOL_HEAD_BYTES + ret->packed_bytes;
		return true;
	}
	skip(w, w->size - w->at);
	return false;
}

void
spool_walk_back(struct spool_walk *w)
{
	w->at = w->start;
}

void
spool_walk_done(struct spool_walk *w)
{
	buf_done(&w->large);
}

/* ---- What is there ---- */

static int
by_first(const void *a, const void *b)
{
	const struct spool_segment *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Twenty digits: another spelling of a number would not be found again. */
static bool
parse_name(const char *name, uint64_t *ret)
{
	struct str s = str_from(name);

	return s.len == NUMBER_DIGITS + 4 && strcmp(name + NUMBER_DIGITS, ".wal") == 0 && str_to_u64(str_head(s, NUMBER_DIGITS), ret);
}

static int
list_files(const char *path, struct spool_found *found)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while ((entry = readdir(dir)) != NULL) {
		struct spool_segment s = {0};
		struct stat st;

		if (!parse_name(entry->d_name, &s.first) ||
			fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		s.end = s.first;
		s.bytes = (uint64_t)st.st_size;
		s.last_ns = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
		vec_push(&found->segments, s);
	}
	(void)closedir(dir);
	if (found->segments.len > 0)
		qsort(found->segments.items, found->segments.len, sizeof(found->segments.items[0]), by_first);
	return 0;
}

/* all: every record is looked at, which tells where the last one ends; else only the first. */
static int
look_into(const char *dir, struct spool_segment *s, char *buffer, bool all, struct spool_found *found)
{
	struct spool_walk w = {.fd = spool_file_open(dir, s->first), .size = s->bytes, .buffer = buffer, .cap = WALK_BUFFER_BYTES};
	struct spool_head head;
	struct str packed;
	int r;

	if (w.fd < 0)
		return w.fd;
	r = spool_walk_begin(&w);
	while (r == 0 && spool_walk_next(&w, &head, &packed)) {
		if (s->first_ns == 0)
			s->first_ns = head.written_ns;
		if (!all)
			break;
		s->last_ns = head.written_ns;
		if (head.number + head.entries > s->end)
			s->end = head.number + head.entries;
		found->given_up = head.given_up;
		found->damaged_bytes = w.size - w.at;
	}
	if (r == 0)
		r = -w.error;
	if (all && s->end == s->first)
		found->damaged_bytes = s->bytes;
	spool_walk_done(&w);
	(void)close(w.fd);
	return r == -EBADMSG ? 0 : r;
}

/* Of the last file it must be known where it ends; of the others the next one tells. */
static int
look_into_all(const char *dir, struct spool_found *found, char *buffer)
{
	uint64_t damaged = 0;
	int r = 0;

	while (r == 0 && found->segments.len > 0) {
		struct spool_segment *last = &found->segments.items[found->segments.len - 1];

		r = look_into(dir, last, buffer, true, found);
		damaged += last->bytes > SPOOL_FILE_HEAD_BYTES ? found->damaged_bytes : 0;
		found->next = last->end;
		if (r < 0 || last->end > last->first)
			break;
		spool_file_put_aside(dir, last->first); /* its number is used again */
		found->segments.len--;
	}
	found->damaged_bytes = damaged;
	for (size_t i = 0; r == 0 && i + 1 < found->segments.len; i++) {
		struct spool_segment *s = &found->segments.items[i];

		s->end = s[1].first;
		r = look_into(dir, s, buffer, false, found);
	}
	for (size_t i = found->segments.len; i-- > 1;) {
		if (found->segments.items[i].first_ns != 0)
			found->segments.items[i - 1].last_ns = found->segments.items[i].first_ns;
	}
	return r;
}

int
spool_files_find(const char *dir, struct spool_found *ret)
{
	char *buffer = mem_alloc(WALK_BUFFER_BYTES);
	int r;

	*ret = (struct spool_found){0};
	r = list_files(dir, ret);
	if (r == 0)
		r = look_into_all(dir, ret, buffer);
	mem_free(buffer);
	if (r < 0) {
		spool_found_done(ret);
		*ret = (struct spool_found){0}; /* half of what is there says nothing */
	}
	return r;
}

void
spool_found_done(struct spool_found *found)
{
	vec_done(&found->segments);
}

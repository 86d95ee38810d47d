/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/dead_letter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/limits.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/codec/base64.h"
#include "longship/codec/json_tree.h"
#include "longship/flow/metric.h"
#include "longship/os/file.h"

#define LOG_INTERVAL_NS (60 * NS_PER_S)
#define WAITING_BYTES 65536                       /* letters are written together */
#define LETTER_BYTES_MAX (8ull * REQUEST_BYTES_MAX) /* of what waits: a line can be as long as a request, and grow sixfold by escapes */

struct dead_letters {
	pthread_mutex_t lock;
	unsigned refs;
	struct metrics *metrics;
	char *component_id, *dir;
	uint64_t max_bytes, bytes; /* of all files; known once the directory was looked at */
	bool sync, looked;
	unsigned number;           /* of the file that was written last; 0: none of this start */
	unsigned next_number;
	struct buf waiting;        /* written by the next commit, or when it is large */
	uint64_t waiting_letters;
	int64_t logged_ns;
};

static char *
copy(const char *z)
{
	size_t len = strlen(z) + 1;

	return memcpy(mem_alloc(len), z, len);
}

struct dead_letters *
dead_letters_new(struct metrics *metrics, const char *component_id, const char *dir, uint64_t max_bytes, bool sync)
{
	struct dead_letters *d = mem_new(struct dead_letters);

	(void)pthread_mutex_init(&d->lock, NULL);
	d->refs = 1;
	d->metrics = metrics;
	d->component_id = copy(component_id);
	d->dir = copy(dir);
	d->max_bytes = max_bytes;
	d->sync = sync;
	d->next_number = 1;
	buf_init(&d->waiting, LETTER_BYTES_MAX);
	return d;
}

struct dead_letters *
dead_letters_ref(struct dead_letters *d)
{
	if (d == NULL)
		return NULL;
	(void)pthread_mutex_lock(&d->lock);
	d->refs++;
	(void)pthread_mutex_unlock(&d->lock);
	return d;
}

void
dead_letters_unref(struct dead_letters *d)
{
	unsigned refs;

	if (d == NULL)
		return;
	dead_letters_commit(d);
	(void)pthread_mutex_lock(&d->lock);
	refs = --d->refs;
	(void)pthread_mutex_unlock(&d->lock);
	if (refs > 0)
		return;
	buf_done(&d->waiting);
	(void)pthread_mutex_destroy(&d->lock);
	mem_free(d->component_id);
	mem_free(d->dir);
	mem_free(d);
}

static void
count_kept(struct dead_letters *d, uint64_t letters)
{
	metric_add(metric_get(d->metrics, METRIC_COUNTER, "longship_dead_letters_total", "Refused entries that were kept in dead-letter files.",
			   d->component_id, NULL), letters);
	atomic_store(&metric_get(d->metrics, METRIC_GAUGE, "longship_dead_letter_bytes", "Size of the dead-letter files.", d->component_id,
			      NULL)->count, d->bytes);
}

/* Lock held. */
static void
count_lost(struct dead_letters *d, uint64_t letters, const char *reason, int error)
{
	metric_add(metric_get(d->metrics, METRIC_COUNTER, "longship_dead_letters_lost_total",
			   "Refused entries that could not be kept in a dead-letter file.", d->component_id, "reason", reason, NULL), letters);
	if (!log_rate(&d->logged_ns, LOG_INTERVAL_NS))
		return;
	if (error == 0)
		log_error(d->component_id, "the dead-letter directory is full: refused entries are counted, but not kept; look at it, then longship replay "
			"or remove files, or raise max_size", "dir", d->dir, "max_size", log_i64((int64_t)d->max_bytes), NULL);
	else
		log_error(d->component_id, "refused entries cannot be kept: the dead-letter file cannot be written", "dir", d->dir, "err",
			strerror(error), NULL);
}

/* What is there already; false with errno when the directory cannot be made or read. */
static bool
look(struct dead_letters *d)
{
	struct dirent *entry;
	DIR *dir;

	if (d->looked)
		return true;
	errno = -file_make_dirs(d->dir, 0700);
	dir = errno == 0 ? opendir(d->dir) : NULL;
	if (dir == NULL)
		return false;
	d->bytes = 0;
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;
		unsigned number;
		char dot;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		d->bytes += (uint64_t)st.st_size;
		if (sscanf(entry->d_name, "%8u%c", &number, &dot) == 2 && dot == '.' && number >= d->next_number)
			d->next_number = number + 1;
	}
	(void)closedir(dir);
	d->looked = true;
	return true;
}

/* Opens the current file, if letters fit in and nobody replays it; -errno. */
static int
open_current(const char *path)
{
	struct stat st;
	int fd = file_open(path, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	/* It may have been replaced while it was opened. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0 && (uint64_t)st.st_size < DEAD_LETTER_FILE_BYTES)
		return fd;
	(void)close(fd);
	return -EBUSY;
}

/* A file that letters fit in, locked: longship replay takes no file that is being written. -errno. */
static int
open_file(struct dead_letters *d)
{
	struct arena *arena = arena_new(0);
	int fd = d->number > 0 ? open_current(arena_printf(arena, "%s/%08u.jsonl", d->dir, d->number).s) : -ENOENT;

	if (fd < 0) {
		d->number = d->next_number++;
		fd = file_open(arena_printf(arena, "%s/%08u.jsonl", d->dir, d->number).s, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0600);
		if (fd >= 0)
			(void)flock(fd, LOCK_EX | LOCK_NB);
	}
	arena_free(arena);
	return fd;
}

static int
write_file(struct dead_letters *d)
{
	int fd = open_file(d), r;

	if (fd < 0)
		return fd;
	r = file_write(fd, d->waiting.data, d->waiting.len);
	if (r == 0 && d->sync && fdatasync(fd) < 0)
		r = -errno;
	(void)close(fd);
	return r;
}

/* Lock held. */
static void
write_waiting(struct dead_letters *d)
{
	uint64_t letters = d->waiting_letters;
	int r;

	if (letters == 0)
		return;
	d->waiting_letters = 0;
	if (!look(d)) {
		count_lost(d, letters, "error", errno);
	} else if (d->waiting.overflow || d->bytes + d->waiting.len > d->max_bytes) {
		d->looked = false; /* somebody may have made room meanwhile */
		count_lost(d, letters, "full", 0);
	} else if ((r = write_file(d)) < 0) {
		d->number = 0; /* half a letter may end it: go on in another */
		d->looked = false;
		count_lost(d, letters, "error", -r);
	} else {
		d->bytes += d->waiting.len;
		count_kept(d, letters);
	}
	buf_done(&d->waiting);
	buf_init(&d->waiting, LETTER_BYTES_MAX);
}

static void
print_field(struct buf *out, const char *name, struct str value)
{
	(void)buf_printf(out, ",\"%s\":", name);
	(void)json_tree_quote(out, value, false);
}

static void
print_pairs(struct buf *out, const char *name, const struct push_label *items, size_t n)
{
	(void)buf_printf(out, ",\"%s\":{", name);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)buf_putc(out, ',');
		(void)json_tree_quote(out, items[i].name, false);
		(void)buf_putc(out, ':');
		(void)json_tree_quote(out, items[i].value, false);
	}
	(void)buf_putc(out, '}');
}

static void
print_letter(struct buf *out, const struct dead_letter *l)
{
	char time[CLOCK_RFC3339_BYTES];

	(void)buf_printf(out, "{\"ts\":\"%s\"", clock_format_rfc3339(l->ts_ns, time));
	if (str_utf8_valid(l->line)) {
		print_field(out, "line", l->line);
	} else {
		struct arena *arena = arena_new(0);

		print_field(out, "line_base64", base64_encode(arena, l->line, BASE64_STANDARD));
		arena_free(arena);
	}
	print_pairs(out, "labels", l->labels, l->n_labels);
	print_pairs(out, "structured_metadata", l->metadata, l->n_metadata);
	print_field(out, "tenant", l->tenant);
	print_field(out, "endpoint", l->endpoint);
	print_field(out, "reason", str_from(l->reason));
	if (l->rule != NULL)
		print_field(out, "rule", str_from(l->rule));
	(void)buf_z(out, "}\n");
}

void
dead_letters_put(struct dead_letters *d, const struct dead_letter *l)
{
	(void)pthread_mutex_lock(&d->lock);
	print_letter(&d->waiting, l);
	d->waiting_letters++;
	if (d->waiting.len >= WAITING_BYTES)
		write_waiting(d);
	(void)pthread_mutex_unlock(&d->lock);
}

void
dead_letters_commit(struct dead_letters *d)
{
	(void)pthread_mutex_lock(&d->lock);
	write_waiting(d);
	(void)pthread_mutex_unlock(&d->lock);
}

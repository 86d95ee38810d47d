/* SPDX-License-Identifier: Apache-2.0 */
#include "found.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "follow.h"
#include "longship/base/log.h"
#include "search.h"

/* N of NAME.N: the larger one is the older file. UINT64_MAX: none. */
static uint64_t
number_of(const char *path)
{
	const char *dot = strrchr(path, '.');
	uint64_t n;

	return dot != NULL && str_to_u64(str_from(dot + 1), &n) ? n : UINT64_MAX;
}

static int
compare_numbers(const char *a, const char *b)
{
	uint64_t x = number_of(a), y = number_of(b);

	if (x == UINT64_MAX || y == UINT64_MAX || x == y)
		return strcmp(a, b); /* dates */
	return x < y ? 1 : -1;
}

/* Times of files are as coarse as the kernel's tick: then names decide. */
static int
compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->order_ns != y->order_ns)
		return x->order_ns > y->order_ns ? 1 : -1;
	return x->file.mtime_ns != y->file.mtime_ns ? (x->file.mtime_ns > y->file.mtime_ns ? 1 : -1) : compare_numbers(x->path, y->path);
}

void
found_sort(struct search *s)
{
	if (s->found.len > 1)
		qsort(s->found.items, s->found.len, sizeof(s->found.items[0]), compare_candidates);
}

static void
say_unreadable(struct follow *f, const struct candidate *c, int err)
{
	uint64_t read = c->known != NULL ? c->known->position : 0, left = c->file.size > read ? c->file.size - read : 0;

	follow_abandon(f, "unreadable", left);
	log_warn(f->shared->component->id, "cannot read an earlier generation of a file; its unread rest is left out", "path", f->path,
		"generation", c->path, "err", strerror(err), "bytes", log_i64((int64_t)left), NULL);
}

static int
take_kept(int fd, struct stat *ret)
{
	if (fstat(fd, ret) == 0)
		return fd;
	(void)close(fd);
	return -EIO;
}

/* newest: of those found: somebody may still write it. False: there are too few descriptors. */
static bool
read_one(struct follow *f, struct candidate *c, bool newest)
{
	struct stat st;
	int fd;

	bool all = c->known != NULL && !c->known->has_holes && !follow_lags(f, &c->known->id);

	if (c->kept_fd < 0 && all && !c->packed && c->file.size == c->known->position &&
		(!newest || !search_is_still_written(&c->file)))
		return true;
	fd = c->kept_fd >= 0 ? take_kept(c->kept_fd, &st) : follow_open(c->path, &st);
	c->kept_fd = -1;
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOENT)
		return false;
	if (fd < 0) {
		say_unreadable(f, c, -fd);
		return true;
	}
	if (c->packed && all && c->format == DECOMPRESS_GZ && match_gzip_text_bytes(fd, c->file.size) == (uint32_t)c->known->position) {
		(void)close(fd);
		return true;
	}
	if (st.st_dev != c->file.dev || st.st_ino != c->file.ino) { /* renamed since: once more */
		(void)close(fd);
		return false;
	}
	log_info(f->shared->component->id, c->known != NULL ? "reading what is left of an earlier generation of a file"
			: c->emptied                        ? "reading a generation of a file that was emptied, written and renamed unseen"
							    : "reading a generation of a file that was created and renamed unseen",
		"path", f->path, "generation", c->path, "size", log_i64((int64_t)st.st_size), NULL);
	follow_read_past(f, fd, &st, &(struct past_file){.known = c->known != NULL && !c->known->any_ordinal ? &c->known->id : NULL,
					     .emptied = c->emptied, .packed = c->packed, .format = c->format});
	return true;
}

bool
found_read(struct search *s)
{
	bool all = true;

	found_sort(s);
	for (size_t i = 0; i < s->found.len && all; i++)
		all = read_one(s->follow, &s->found.items[i], i + 1 == s->found.len);
	return all;
}

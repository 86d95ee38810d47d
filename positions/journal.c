/* SPDX-License-Identifier: Apache-2.0 */
#include "journal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"

/*
 * Appends go to `end`, which moves only when all bytes are there; what a failed append left behind is cut
 * off, at the latest before the next append, so stale records can never follow newer ones.
 */
#define WINDOW_BYTES   (256u << 10) /* read at once; many times the largest record */
#define PAGE_BYTES     4096u	    /* an unreadable disk block costs this much */
#define SNAPSHOT_BYTES (256u << 10) /* written at once */

_Static_assert(WINDOW_BYTES >= 4 * FORMAT_RECORD_BYTES_MAX, "a whole record always fits");

static int
real_openat(int dirfd, const char *name, int flags, mode_t mode)
{
	return openat(dirfd, name, flags, mode);
}

static int
real_linkat(int dirfd, const char *from, const char *to)
{
	return linkat(dirfd, from, dirfd, to, 0);
}

static int
real_renameat(int dirfd, const char *from, const char *to)
{
	return renameat(dirfd, from, dirfd, to);
}

static int
real_unlinkat(int dirfd, const char *name)
{
	return unlinkat(dirfd, name, 0);
}

const struct journal_io journal_io_real = {
	.pread = pread,
	.pwrite = pwrite,
	.ftruncate = ftruncate,
	.fdatasync = fdatasync,
	.fsync = fsync,
	.openat = real_openat,
	.linkat = real_linkat,
	.renameat = real_renameat,
	.unlinkat = real_unlinkat,
};

struct loader {
	struct journal *j;
	uint8_t *window;
	size_t at, len; /* of the window */
	uint64_t base;	/* file offset of the window's first byte */
	bool eof;
	bool skipping; /* inside of damage */
	uint64_t first_damage;
	struct positions_report report;
};

static ssize_t
read_some(const struct journal *j, void *to, size_t bytes, uint64_t offset)
{
	ssize_t n;

	do
		n = j->io->pread(j->fd, to, bytes, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Blocks that the disk does not give back read as zeros, which then count as damage. */
static int
refill(struct loader *l)
{
	struct journal *j = l->j;
	ssize_t n;

	memmove(l->window, l->window + l->at, l->len - l->at);
	l->base += l->at;
	l->len -= l->at;
	l->at = 0;
	while (l->len < WINDOW_BYTES && !l->eof) {
		uint64_t offset = l->base + l->len;

		n = read_some(j, l->window + l->len, WINDOW_BYTES - l->len, offset);
		if (n < 0 && errno == EIO) {
			size_t bytes = PAGE_BYTES - (size_t)(offset % PAGE_BYTES);
			struct stat st;

			if (bytes > WINDOW_BYTES - l->len)
				bytes = WINDOW_BYTES - l->len;
			n = read_some(j, l->window + l->len, bytes, offset);
			if (n < 0 && errno == EIO) {
				if (fstat(j->fd, &st) < 0)
					return -errno;
				n = offset >= (uint64_t)st.st_size ? 0 : (ssize_t)bytes;
				memset(l->window + l->len, 0, (size_t)n);
			}
		}
		if (n < 0)
			return -errno;
		l->eof = n == 0;
		l->len += (size_t)n;
	}
	return 0;
}

static void
note_damage(struct loader *l, uint64_t offset, uint64_t bytes)
{
	if (l->report.bytes_skipped == 0)
		l->first_damage = offset;
	l->report.bytes_skipped += bytes;
}

/* To the next place where a record may begin. */
static void
skip(struct loader *l)
{
	const uint8_t *next = NULL;
	size_t to = l->len;

	if (!l->skipping)
		l->report.records_damaged++;
	l->skipping = true;
	if (l->at + 1 < l->len)
		next = memchr(l->window + l->at + 1, FORMAT_MARKER_0, l->len - l->at - 1);
	if (next != NULL)
		to = (size_t)(next - l->window);
	note_damage(l, l->base + l->at, to - l->at);
	l->at = to;
}

static int
load_records(struct loader *l, struct state *st)
{
	for (;;) {
		struct format_record record;
		size_t size;

		if (l->len - l->at < FORMAT_RECORD_BYTES_MAX && !l->eof) {
			int r = refill(l);

			if (r < 0)
				return r;
		}
		if (l->at == l->len)
			return 0;
		size = format_get(l->window + l->at, l->len - l->at, &record);
		if (size == 0) {
			skip(l);
			continue;
		}
		l->skipping = false;
		l->report.records++;
		if (!state_apply(st, &record)) {
			l->report.records_damaged++;
			note_damage(l, l->base + l->at, size);
		}
		l->at += size;
		l->j->end = l->base + l->at;
	}
}

/* A start that was cut within its first write leaves a part of the header, which is no damage. */
static int
load_header(struct loader *l)
{
	uint8_t ours[FORMAT_HEADER_BYTES];
	enum format_header header = FORMAT_HEADER_DAMAGED;

	format_put_header(ours);
	if (l->len < FORMAT_HEADER_BYTES && memcmp(l->window, ours, l->len) == 0) {
		l->at = l->len;
		return 0;
	}
	if (l->len >= FORMAT_HEADER_BYTES)
		header = format_check_header(l->window);
	if (header == FORMAT_HEADER_NEWER)
		return -EPROTONOSUPPORT;
	if (header == FORMAT_HEADER_OURS) {
		l->at = FORMAT_HEADER_BYTES;
		l->j->end = FORMAT_HEADER_BYTES;
		return 0;
	}
	/* Records may follow all the same: the scan begins behind the header's place. */
	l->report.records_damaged++;
	l->skipping = true;
	l->at = l->len < FORMAT_HEADER_BYTES ? l->len : FORMAT_HEADER_BYTES;
	note_damage(l, 0, l->at);
	return 0;
}

int
journal_load(struct journal *j, struct state *st, struct positions_report *ret_report)
{
	struct loader l = {.j = j, .window = mem_alloc(WINDOW_BYTES)};
	struct positions_report *report = &l.report;
	int r = refill(&l);

	j->end = 0;
	if (r == 0)
		r = load_header(&l);
	if (r == 0)
		r = load_records(&l, st);
	mem_free(l.window);
	if (r < 0)
		return r;
	j->cut_due = l.base + l.len > j->end;
	j->damaged = report->records_damaged > 0;
	report->streams = st->len;
	if (j->damaged)
		(void)snprintf(report->text, sizeof(report->text),
			"%s is damaged: %zu records lost (%" PRIu64 " bytes, first at byte %" PRIu64
			"), %zu kept; the next rewrite keeps it as %s",
			JOURNAL_NAME, report->records_damaged, report->bytes_skipped, l.first_damage, report->records,
			JOURNAL_NAME_DAMAGED);
	*ret_report = *report;
	return 0;
}

int
journal_open(struct journal *j, const struct journal_io *io, int dirfd, struct state *st,
	struct positions_report *ret_report)
{
	bool created = false;
	int r;

	*j = (struct journal){.io = io, .dirfd = dirfd};
	j->fd = io->openat(dirfd, JOURNAL_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
	if (j->fd < 0 && errno == ENOENT) {
		created = true;
		j->fd = io->openat(dirfd, JOURNAL_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	}
	if (j->fd < 0)
		return -errno;
	if (created)
		(void)io->fsync(dirfd);
	r = journal_load(j, st, ret_report);
	if (r < 0) {
		journal_close(j);
		return r;
	}
	ret_report->created = created;
	/* A rest of a snapshot that was cut short. */
	(void)io->unlinkat(dirfd, JOURNAL_NAME_NEW);
	return 0;
}

void
journal_close(struct journal *j)
{
	if (j->fd >= 0)
		(void)close(j->fd);
	j->fd = -1;
}

static int
write_all(const struct journal *j, const char *data, size_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = j->io->pwrite(j->fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int
cut(struct journal *j)
{
	if (j->cut_due && j->io->ftruncate(j->fd, (off_t)j->end) < 0)
		return -errno;
	j->cut_due = false;
	return 0;
}

static int
append(struct journal *j, struct str bytes)
{
	int r;

	j->cut_due = true;
	r = write_all(j, bytes.s, bytes.len, j->end);
	if (r < 0) {
		(void)cut(j);
		return r;
	}
	j->cut_due = false;
	j->end += bytes.len;
	return 0;
}

int
journal_append(struct journal *j, struct str bytes)
{
	int r = cut(j);

	if (r == 0 && j->end == 0) {
		uint8_t header[FORMAT_HEADER_BYTES];

		format_put_header(header);
		r = append(j, (struct str){(const char *)header, sizeof(header)});
	}
	return r == 0 ? append(j, bytes) : r;
}

static int
write_state(struct journal *next, const struct state *st)
{
	struct buf b;
	int r;

	buf_init(&b, SNAPSHOT_BYTES + (STATE_MARKS_MAX + 8) * FORMAT_RECORD_BYTES_MAX);
	format_put_clock(&b, st->last_ns);
	for (size_t i = 0; i < st->slots_len; i++) {
		const struct stream *s = st->slots[i];

		if (s != NULL && (stream_has_position(s) || s->marks != NULL))
			(void)state_encode(s, &b);
		assert(!b.overflow);
		if (b.len < SNAPSHOT_BYTES)
			continue;
		r = journal_append(next, buf_view(&b));
		if (r < 0)
			goto out;
		buf_clear(&b);
	}
	r = journal_append(next, buf_view(&b));
out:
	buf_done(&b);
	return r;
}

int
journal_snapshot(const struct journal *j, const struct state *st, struct journal *ret)
{
	struct journal next = {.io = j->io, .dirfd = j->dirfd};
	int r;

	next.fd = j->io->openat(j->dirfd, JOURNAL_NAME_NEW, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (next.fd < 0)
		return -errno;
	r = write_state(&next, st);
	if (r < 0) {
		journal_abandon(&next);
		return r;
	}
	*ret = next;
	return 0;
}

int
journal_replace(struct journal *j, struct journal *next)
{
	int r = 0;

	if (j->io->fdatasync(next->fd) < 0)
		r = -errno;
	if (r == 0 && j->damaged) {
		(void)j->io->unlinkat(j->dirfd, JOURNAL_NAME_DAMAGED);
		/* Best effort: a file system without links only loses the evidence. */
		(void)j->io->linkat(j->dirfd, JOURNAL_NAME, JOURNAL_NAME_DAMAGED);
	}
	if (r == 0 && j->io->renameat(j->dirfd, JOURNAL_NAME_NEW, JOURNAL_NAME) < 0)
		r = -errno;
	if (r < 0) {
		journal_abandon(next);
		return r;
	}
	journal_close(j);
	*j = *next;
	next->fd = -1;
	return j->io->fsync(j->dirfd) < 0 ? -errno : 0;
}

void
journal_abandon(struct journal *next)
{
	(void)next->io->unlinkat(next->dirfd, JOURNAL_NAME_NEW);
	journal_close(next);
}

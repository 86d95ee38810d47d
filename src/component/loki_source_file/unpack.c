/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack.h"

#include <errno.h>
#include <stdatomic.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/os/file.h"

#define INPUT_BYTES (32u << 10)      /* read of the file at a time */
#define SKIP_BYTES_MAX (2u << 20)    /* decompressed in one call on the way to an offset: a lane has other files */

static _Atomic size_t in_use; /* bytes of all decompressors at most */

struct unpack *
unpack_new(enum decompress_format format)
{
	struct unpack *u = mem_new(struct unpack);

	u->format = format;
	return u;
}

static void
drop_decompressor(struct unpack *u)
{
	if (u->decompressor == NULL)
		return;
	decompressor_free(u->decompressor);
	u->decompressor = NULL;
	(void)atomic_fetch_sub(&in_use, decompress_memory_bytes(u->format));
}

static void
drop_kept(struct unpack *u)
{
	mem_free(u->kept);
	u->kept = NULL;
	u->n_kept = 0;
}

void
unpack_free(struct unpack *u)
{
	if (u == NULL)
		return;
	drop_decompressor(u);
	drop_kept(u);
	mem_free(u);
}

struct unpack_mark
unpack_mark(const struct unpack *u, uint64_t offset)
{
	for (size_t i = 2; i-- > 0;) {
		if (u->marks[i].out <= offset)
			return u->marks[i];
	}
	return (struct unpack_mark){0};
}

void
unpack_resume(struct unpack *u, struct unpack_mark mark)
{
	assert(u->in == 0 && u->decompressor == NULL);
	u->marks[0] = (struct unpack_mark){0};
	u->marks[1] = mark;
	u->doubtful = mark.in > 0;
}

static void
go_to(struct unpack *u, struct unpack_mark mark)
{
	drop_decompressor(u);
	drop_kept(u);
	u->in = mark.in;
	u->out = mark.out;
	u->end = UNPACK_MORE;
	u->tries = u->doubtful && mark.in == u->marks[1].in;
}

/* All of the input before `in` makes the bytes before `out`. */
static void
note_mark(struct unpack *u, uint64_t in, uint64_t out)
{
	if (in <= u->marks[1].in)
		return;
	u->marks[0] = u->marks[1];
	u->marks[1] = (struct unpack_mark){in, out};
}

/* One always gets what it needs. */
static bool
take_decompressor(struct unpack *u)
{
	size_t need = decompress_memory_bytes(u->format), have = atomic_load(&in_use);

	if (u->decompressor != NULL)
		return true;
	do {
		if (have > 0 && have + need > UNPACK_MEMORY_BYTES_MAX)
			return false;
	} while (!atomic_compare_exchange_weak(&in_use, &have, have + need));
	u->decompressor = decompressor_new(u->format);
	return true;
}

/* Nothing was added to a file that was read to its end. */
static bool
is_at_end(const struct unpack *u, int fd)
{
	char byte;

	return u->end == UNPACK_DAMAGED || (u->end == UNPACK_COMPLETE && u->decompressor == NULL && file_pread(fd, &byte, 1, u->in) == 0);
}

/* Decompresses the next bytes to `to`: how many, 0 at the end for now. */
static ssize_t
make(struct unpack *u, int fd, char *to, size_t bytes)
{
	char input[INPUT_BYTES];
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = file_pread(fd, input, sizeof(input), u->in);
		struct str in;
		size_t made = 0;
		int r = 0;

		if (n < 0)
			return n;
		in = (struct str){input, (size_t)n};
		/* Also with no input: what was taken before may not all have been made. */
		do {
			r = decompressor_run(u->decompressor, &in, to + done, bytes - done, &made);
			done += r == 0 ? made : 0;
			u->doubtful = u->doubtful && !(u->tries && r == 0 && made > 0);
			if (r == 0 && decompressor_complete(u->decompressor))
				note_mark(u, u->in + (uint64_t)n - in.len, u->out + done);
		} while (r == 0 && made > 0 && done < bytes);
		u->in += (size_t)n - in.len;
		u->end = UNPACK_MORE;
		if (r < 0) {
			u->end = UNPACK_DAMAGED;
			u->error = r;
			break;
		}
		if (n == 0 && made == 0) {
			u->end = decompressor_complete(u->decompressor) ? UNPACK_COMPLETE : UNPACK_CUT;
			break;
		}
	}
	u->out += done;
	return (ssize_t)done;
}

/* Up to the offset. */
static int
skip(struct unpack *u, int fd, char *buffer, size_t bytes, uint64_t offset)
{
	uint64_t skipped = 0;

	while (u->out < offset && u->end == UNPACK_MORE) {
		size_t want = offset - u->out < bytes ? (size_t)(offset - u->out) : bytes;
		ssize_t n = make(u, fd, buffer, want);

		if (n < 0)
			return (int)n;
		skipped += (size_t)n;
		if (u->out < offset && skipped >= SKIP_BYTES_MAX)
			return -EAGAIN;
	}
	return 0;
}

/* Each step reads INPUT_BYTES of the file again from where the last one ended: small steps would read it many times. */
static int
skip_to(struct unpack *u, int fd, char *buffer, size_t bytes, uint64_t offset)
{
	char *own = bytes < INPUT_BYTES && u->out < offset ? mem_alloc(INPUT_BYTES) : NULL;
	int r = own != NULL ? skip(u, fd, own, INPUT_BYTES, offset) : skip(u, fd, buffer, bytes, offset);

	mem_free(own);
	return r;
}

static ssize_t
read_from(struct unpack *u, int fd, char *buffer, size_t bytes, uint64_t offset)
{
	struct unpack_mark mark;
	size_t have = 0;
	ssize_t n;
	int r;

	assert(bytes > 0);
	mark = unpack_mark(u, offset);
	if (offset < u->out - u->n_kept || mark.out > u->out)
		go_to(u, mark);
	if (u->n_kept > 0 && offset < u->out) {
		size_t from = u->n_kept - (size_t)(u->out - offset);

		have = u->n_kept - from < bytes ? u->n_kept - from : bytes;
		memcpy(buffer, u->kept + from, have);
	}
	if (have == bytes || is_at_end(u, fd))
		return (ssize_t)have;
	if (!take_decompressor(u))
		return -EBUSY;
	u->end = UNPACK_MORE; /* the file may have grown */
	drop_kept(u);
	if (have == 0) {
		r = skip_to(u, fd, buffer, bytes, offset);
		if (r < 0 || u->out < offset)
			return r;
	}
	n = u->end == UNPACK_MORE ? make(u, fd, buffer + have, bytes - have) : 0;
	return n < 0 ? n : (ssize_t)have + n;
}

ssize_t
unpack_read(struct unpack *u, int fd, char *buffer, size_t bytes, uint64_t offset)
{
	ssize_t n = read_from(u, fd, buffer, bytes, offset);

	/* A mark of an earlier life, but it is not the same file. */
	if (u->end == UNPACK_DAMAGED && u->tries && u->doubtful) {
		u->marks[0] = u->marks[1] = (struct unpack_mark){0};
		go_to(u, u->marks[0]);
		n = read_from(u, fd, buffer, bytes, offset);
	}
	return n;
}

void
unpack_keep(struct unpack *u, const char *buffer, size_t n, uint64_t offset)
{
	size_t keep = offset < u->out ? (size_t)(u->out - offset) : 0;

	if (keep > n)
		keep = n;
	if (u->n_kept > 0 || keep == 0) /* still there: all that was asked for came from it */
		return;
	u->kept = mem_alloc(keep);
	memcpy(u->kept, buffer + n - keep, keep);
	u->n_kept = keep;
}

/* Between members nothing is lost; in the middle of one, decompressing would have to start over, so that is done only when
 * memory is scarce. */
void
unpack_rest(struct unpack *u)
{
	if (u->end == UNPACK_COMPLETE || u->end == UNPACK_DAMAGED || atomic_load(&in_use) > UNPACK_MEMORY_BYTES_MAX / 2)
		drop_decompressor(u);
	if (u->end == UNPACK_CUT && u->decompressor == NULL)
		go_to(u, u->marks[1]);
}

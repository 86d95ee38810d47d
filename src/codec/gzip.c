/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/gzip.h"

#include <errno.h>
#include <stdint.h>

#include <zlib.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "decompress_priv.h"

#define GZIP_MAGIC 0x6219c0deu
#define STEP_BYTES (64u << 10) /* gzip_uncompress grows by this */
#define INFLATE_MEMORY_BYTES (48u << 10) /* zlib.net/zlib_tech.html: 44 KiB with the window */

struct gzip {
	unsigned magic;
	enum gzip_format format;
	bool complete, ended; /* ended: zlib wants a reset before the next member */
	z_stream z;
};

static void *
z_alloc(void *ctx, unsigned n, unsigned size)
{
	(void)ctx;
	return mem_alloc((size_t)n * size);
}

static void
z_free(void *ctx, void *p)
{
	(void)ctx;
	mem_free(p);
}

static int
window_bits(enum gzip_format format)
{
	switch (format) {
	case GZIP_FORMAT_GZIP:
		return MAX_WBITS + 16;
	case GZIP_FORMAT_ZLIB:
		return MAX_WBITS;
	default:
		return -MAX_WBITS;
	}
}

struct gzip *
gzip_new(enum gzip_format format)
{
	struct gzip *g = mem_new(struct gzip);
	int r;

	g->magic = GZIP_MAGIC;
	g->format = format;
	g->complete = true;
	g->z.zalloc = z_alloc;
	g->z.zfree = z_free;
	r = inflateInit2(&g->z, window_bits(format));
	assert(r == Z_OK); /* memory never fails, and the version is the one we were built with */
	return g;
}

void
gzip_free(struct gzip *g)
{
	if (g == NULL)
		return;
	check_magic(g, GZIP_MAGIC);
	(void)inflateEnd(&g->z);
	g->magic = 0;
	mem_free(g);
}

void
gzip_reset(struct gzip *g)
{
	check_magic(g, GZIP_MAGIC);
	(void)inflateReset(&g->z);
	g->complete = true;
	g->ended = false;
}

bool
gzip_complete(const struct gzip *g)
{
	return g->complete;
}

int
gzip_run(struct gzip *g, struct str *in, char *out, size_t room, size_t *ret_made)
{
	unsigned take = in->len < UINT32_MAX ? (unsigned)in->len : UINT32_MAX;
	int r;

	check_magic(g, GZIP_MAGIC);
	assert(room > 0);
	if (room > UINT32_MAX)
		room = UINT32_MAX;
	if (g->ended && take > 0) {
		/* Only gzip has members; behind the others nothing may follow. */
		if (g->format != GZIP_FORMAT_GZIP)
			return -EBADMSG;
		(void)inflateReset(&g->z);
		g->ended = false;
	}
	*ret_made = 0;
	if (g->ended)
		return 0;
	g->z.next_in = (Bytef *)(uintptr_t)in->s;
	g->z.avail_in = take;
	g->z.next_out = (Bytef *)out;
	g->z.avail_out = (unsigned)room;
	r = inflate(&g->z, Z_NO_FLUSH);
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return -EBADMSG;
	if (g->z.avail_in < take)
		g->complete = false;
	if (r == Z_STREAM_END)
		g->complete = g->ended = true;
	*in = str_from_offset(*in, take - g->z.avail_in);
	*ret_made = room - g->z.avail_out;
	return 0;
}

int
gzip_uncompress(struct buf *out, struct str in, enum gzip_format format)
{
	struct gzip *g = gzip_new(format);
	bool given = in.len > 0;
	size_t made = 1;
	int r = 0;

	while (r == 0 && (in.len > 0 || made > 0)) {
		/* A full buffer is only too small when there is more to come. */
		char extra;
		size_t room = STEP_BYTES;

		while (room > 0 && !buf_reserve(out, room))
			room /= 2;
		out->overflow = false;
		r = gzip_run(g, &in, room > 0 ? out->data + out->len : &extra, room > 0 ? room : 1, &made);
		if (r == 0 && room == 0 && made > 0)
			r = -EMSGSIZE;
		if (r == 0 && room > 0)
			out->len += made;
	}
	if (r == 0 && (!given || !gzip_complete(g)))
		r = -EBADMSG;
	gzip_free(g);
	return r;
}

/* ---- As a format of codec/decompress.h ---- */

static void *
new_gz(void)
{
	return gzip_new(GZIP_FORMAT_GZIP);
}

static void *
new_zlib(void)
{
	return gzip_new(GZIP_FORMAT_ZLIB);
}

static void
free_state(void *state)
{
	gzip_free(state);
}

static void
reset(void *state)
{
	gzip_reset(state);
}

static int
run(void *state, struct str *in, char *out, size_t room, size_t *ret_made, bool *ret_end)
{
	int r = gzip_run(state, in, out, room, ret_made);

	*ret_end = r == 0 && ((struct gzip *)state)->ended;
	return r;
}

const struct decompress_ops decompress_gz = {
	.new = new_gz,
	.free = free_state,
	.reset = reset,
	.run = run,
	.memory_bytes = INFLATE_MEMORY_BYTES,
	.magic = "\x1f\x8b",
};

const struct decompress_ops decompress_zlib = {
	.new = new_zlib,
	.free = free_state,
	.reset = reset,
	.run = run,
	.memory_bytes = INFLATE_MEMORY_BYTES,
};

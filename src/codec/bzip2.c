/* SPDX-License-Identifier: Apache-2.0 */
/* bzip2 streams, by libbz2. */
#include "decompress_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>

#include <bzlib.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"

#define BZIP2_MEMORY_BYTES (3700u << 10) /* manual 1.0.8, 2.1: blocks of 900 kB */

static void *
bz_alloc(void *ctx, int n, int size)
{
	(void)ctx;
	return n >= 0 && size >= 0 ? mem_alloc((size_t)n * (size_t)size) : NULL;
}

static void
bz_free(void *ctx, void *p)
{
	(void)ctx;
	mem_free(p);
}

static void
begin(bz_stream *z)
{
	int r;

	*z = (bz_stream){.bzalloc = bz_alloc, .bzfree = bz_free};
	r = BZ2_bzDecompressInit(z, 0, 0);
	assert(r == BZ_OK);
}

static void *
new(void)
{
	bz_stream *z = mem_new(bz_stream);

	begin(z);
	return z;
}

static void
free_state(void *state)
{
	(void)BZ2_bzDecompressEnd(state);
	mem_free(state);
}

static void
reset(void *state)
{
	(void)BZ2_bzDecompressEnd(state);
	begin(state);
}

static int
run(void *state, struct str *in, char *out, size_t room, size_t *ret_made, bool *ret_end)
{
	bz_stream *z = state;
	unsigned take = in->len < INT_MAX ? (unsigned)in->len : INT_MAX;
	int r;

	if (room > INT_MAX)
		room = INT_MAX;
	z->next_in = (char *)(uintptr_t)in->s;
	z->avail_in = take;
	z->next_out = out;
	z->avail_out = (unsigned)room;
	r = BZ2_bzDecompress(z);
	if (r != BZ_OK && r != BZ_STREAM_END)
		return -EBADMSG;
	*in = str_from_offset(*in, take - z->avail_in);
	*ret_made = room - z->avail_out;
	*ret_end = r == BZ_STREAM_END;
	return 0;
}

const struct decompress_ops decompress_bz2 = {
	.new = new,
	.free = free_state,
	.reset = reset,
	.run = run,
	.memory_bytes = BZIP2_MEMORY_BYTES,
	.magic = "BZh",
};

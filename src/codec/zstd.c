/* SPDX-License-Identifier: Apache-2.0 */
/* zstd frames, by libzstd. Its skippable frames are empty members. */
#include "decompress_priv.h"

#include <errno.h>
#include <stdint.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"

#define WINDOW_LOG_MAX 23 /* 8 MiB, what RFC 8878 3.1.1.1.2 recommends to support: all levels but --ultra and --long */
#define ZSTD_MEMORY_BYTES ((8u << 20) + (512u << 10)) /* the window, a block of in- and output, tables */

static void *
new(void)
{
	ZSTD_DStream *z = ZSTD_createDStream();

	if (z == NULL)
		mem_exhausted();
	(void)ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	return z;
}

static void
free_state(void *state)
{
	(void)ZSTD_freeDStream(state);
}

static void
reset(void *state)
{
	(void)ZSTD_DCtx_reset(state, ZSTD_reset_session_only);
}

static int
run(void *state, struct str *in, char *out, size_t room, size_t *ret_made, bool *ret_end)
{
	ZSTD_inBuffer input = {in->s, in->len, 0};
	ZSTD_outBuffer output = {out, room, 0};
	size_t r = ZSTD_decompressStream(state, &output, &input);

	if (ZSTD_isError(r)) {
		ZSTD_ErrorCode code = ZSTD_getErrorCode(r);

		if (code == ZSTD_error_memory_allocation)
			mem_exhausted();
		return code == ZSTD_error_frameParameter_windowTooLarge ? -E2BIG : -EBADMSG;
	}
	*in = str_from_offset(*in, input.pos);
	*ret_made = output.pos;
	*ret_end = r == 0;
	return 0;
}

const struct decompress_ops decompress_zstd = {
	.new = new,
	.free = free_state,
	.reset = reset,
	.run = run,
	.memory_bytes = ZSTD_MEMORY_BYTES,
	.magic = "\x28\xb5\x2f\xfd",
};

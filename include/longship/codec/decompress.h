/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Compressed files, piece by piece: gzip (RFC 1952), zlib (RFC 1950), bzip2 and zstd (RFC 8878). Several members (streams,
 * frames) one behind the other are one text, and NUL bytes between or behind them, which a power cut leaves, are passed
 * over. Memory is bounded whatever the input says (decompress_memory_bytes). An object belongs to one thread at a time.
 *
 *	struct decompressor *d = decompressor_new(DECOMPRESS_GZ);
 *	while ((r = decompressor_run(d, &in, out, sizeof(out), &made)) == 0 && made > 0)
 *		use(out, made);
 *	...r == 0: `in` is used up; hand over what follows it in the file, or, at its end, ask decompressor_complete
 *	decompressor_free(d);
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/str.h"

#define DECOMPRESS_MAGIC_BYTES 4 /* what decompress_sniff wants to see */

enum decompress_format { DECOMPRESS_GZ, DECOMPRESS_ZLIB, DECOMPRESS_BZ2, DECOMPRESS_ZSTD, DECOMPRESS_COUNT };

struct decompressor;

/* By the first bytes of a file. zlib has no mark of its own and is never recognised. */
bool decompress_sniff(struct str head, enum decompress_format *ret);
/* What one object holds at most. */
size_t decompress_memory_bytes(enum decompress_format);

struct decompressor *decompressor_new(enum decompress_format);
void decompressor_free(struct decompressor *); /* NULL is fine */
/* Starts a new text. */
void decompressor_reset(struct decompressor *);
/*
 * Takes from the front of *in and writes up to room (> 0) bytes to out, *ret_made of them. Nothing made: *in is empty and
 * more is needed. -EBADMSG: the data is corrupt; -E2BIG: it needs more memory than the bound (a zstd window). After an
 * error only reset and free are allowed; what was made before it is good.
 */
int decompressor_run(struct decompressor *, struct str *in, char *out, size_t room, size_t *ret_made)
	__attribute__((warn_unused_result));
/* The input may end here: at the end of a member, and before the first byte. */
bool decompressor_complete(const struct decompressor *);

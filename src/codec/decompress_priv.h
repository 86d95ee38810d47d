/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One format behind codec/decompress.h. run is told a member at a time: it stops at a member's end and says so; what
 * follows is handed to it after reset. */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/str.h"

struct decompress_ops {
	void *(*new)(void);
	void (*free)(void *);
	void (*reset)(void *);
	int (*run)(void *, struct str *in, char *out, size_t room, size_t *ret_made, bool *ret_end);
	size_t memory_bytes;
	const char *magic; /* NULL: none */
};

extern const struct decompress_ops decompress_gz, decompress_zlib, decompress_bz2, decompress_zstd;

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Snappy: the block format (what Loki's protobuf push is packed in) and reading its framed format (what Loki
 * takes as "Content-Encoding: snappy" of a JSON push). Any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/str.h"

struct buf;

/* Room that compressing `bytes` needs. */
size_t snappy_block_bytes_max(size_t bytes);
/* Compresses into out, which has room for snappy_block_bytes_max(in.len); returns the compressed length. */
size_t snappy_block_compress(char *out, struct str in);

/*
 * Appends the contents of a block or of a framed stream to out. -EMSGSIZE when they do not fit below out's maximum,
 * which for a block is seen before anything is allocated; -EBADMSG when the data is corrupt. out may have grown on failure.
 */
int snappy_block_uncompress(struct buf *out, struct str in) __attribute__((warn_unused_result));
/* What the block says of itself, and may be forged. False: it is no block. */
bool snappy_block_length(struct str in, size_t *ret);
int snappy_framed_uncompress(struct buf *out, struct str in) __attribute__((warn_unused_result));

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Recognises a file by what stands in it: whether the bytes before a position are those that were read (flow/proof.h). Names
 * and inode numbers come again, contents do not. Blocks on the file; control thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "longship/codec/decompress.h"
#include "longship/flow/proof.h"

enum match {
	MATCH_SAME,    /* the bytes before the position are those that were read, or nothing is known of them */
	MATCH_EARLIER, /* only those before an earlier checkpoint are */
	MATCH_OTHER,   /* another file's content, or shorter than what was read and nothing of it proves the rest */
};

/* proof: NULL: nothing is known. *ret_offset: where the file goes on: the position, the checkpoint, 0. */
enum match match_file(int fd, uint64_t size, const struct proof *, uint64_t position, uint64_t *ret_offset);
/* Whether the first size bytes of another file are the same as the size bytes of this one. */
bool match_begin(int fd, uint64_t size, int whole_fd);
/* Whether the text of a compressed file is that of which `position` bytes were read: 1, 0, or -EBUSY (unpack.h). Beyond MATCH_PACKED_BYTES_MAX
 * only the head is compared here, since all before the position has to be decompressed; the tail compares the rest when it comes there. */
/* The first bytes of the text: how many there are, up to PROOF_HEAD_BYTES, or -errno. */
ssize_t match_packed_head(int fd, enum decompress_format, char ret[PROOF_HEAD_BYTES]);
#define MATCH_PACKED_BYTES_MAX (64u << 20)
int match_packed(int fd, enum decompress_format, const struct proof *, uint64_t position);
/* The size of the text modulo 2^32, as the last four bytes of a gzip file of this size say (RFC 1952). */
uint32_t match_gzip_text_bytes(int fd, uint64_t size);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reads a compressed file by the offsets of what is in it. Going back means decompressing from the start, or from the start
 * of a later member that is known, so what was read and not used yet is kept. All decompressors of the process share UNPACK_MEMORY_BYTES_MAX. Lane thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "longship/codec/decompress.h"

enum unpack_end {
	UNPACK_MORE,     /* there may be more */
	UNPACK_COMPLETE, /* the file ends with what was read, which is whole */
	UNPACK_CUT,      /* the file ends in the middle: it is still written, or was cut */
	UNPACK_DAMAGED,  /* what follows cannot be read */
};

struct unpack_mark { /* where a member begins, or the last one ended */
	uint64_t in, out; /* in the file, in what is in it */
};

struct unpack {
	enum decompress_format format;
	struct decompressor *decompressor; /* NULL: at the start, or at the end of a member with no more behind it */
	uint64_t in;  /* of the file: bytes taken */
	uint64_t out; /* bytes made of them */
	enum unpack_end end;
	int error; /* of decompressor_run, when it is damaged */
	struct unpack_mark marks[2]; /* the last ones that were passed; the newer last; zero: the start */
	uint64_t told; /* of the file: where the mark stands that the store was told of */
	bool doubtful; /* marks[1] is of an earlier life, nothing was read from there yet */
	bool tries;    /* reading began there */
	char *kept; /* the last n_kept bytes before `out` */
	size_t n_kept;
};

struct unpack *unpack_new(enum decompress_format);
void unpack_free(struct unpack *); /* NULL is fine */
/* The content from offset on: as many bytes as there are, up to `bytes`; then u->end says why not more. -EAGAIN: it takes
 * longer to get there, call again; -EBUSY: all memory is in use, try later; else -errno. */
ssize_t unpack_read(struct unpack *, int fd, char *buffer, size_t bytes, uint64_t offset);
/* Of the n bytes that were read last, those from offset on will be read again. */
void unpack_keep(struct unpack *, const char *buffer, size_t n, uint64_t offset);
/* The last known mark up to an offset. */
struct unpack_mark unpack_mark(const struct unpack *, uint64_t offset);
/* What unpack_mark has said of this file in an earlier life. Before anything is read. */
void unpack_resume(struct unpack *, struct unpack_mark);
/* Nothing is to be read for now: gives back what can be missed. */
void unpack_rest(struct unpack *);

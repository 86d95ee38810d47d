/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the store knows of a stream in few bytes: hundreds of thousands of streams have a handful of directories, labels and beginnings of
 * keys in common, what is left of a key is mostly digits, and most numbers of a position are small.
 */
#include "longship/positions/positions.h"

/* Texts that streams have in common, kept once. Counted. */
struct shared_text {
	struct shared_text *next;
	uint32_t refs, hash;
	uint16_t begin_len, dir_len, labels_len; /* of a key, of a path's directory with its slash, all of the labels */
	char text[];				 /* one behind the other */
};

struct shared_texts { /* start from {0} */
	struct shared_text **slots; /* by hash, chained; slots_len is a power of two */
	size_t slots_len, len;
	char last[1024]; /* directory of the path that came last */
	size_t last_len;
};

/* A reference. Its dir is a part of the path's directory. */
struct shared_text *shared_text_get(struct shared_texts *, struct str begin, struct str path, struct str labels);
void shared_text_unref(struct shared_texts *, struct shared_text *);
void shared_texts_done(struct shared_texts *);

/* How many of the last characters of a key are digits, '.' and '|' (255 at most); they take half a byte each. */
size_t packed_digits(struct str key);
void packed_put_digits(uint8_t *out, struct str digits);
void packed_get_digits(const uint8_t *in, size_t n, char *out);

#define PACKED_POSITION_BYTES_MAX 4096

/* How many bytes it takes. */
size_t packed_put_position(uint8_t out[PACKED_POSITION_BYTES_MAX], const struct position *);
/* Borrows cursor and memory. */
void packed_get_position(const uint8_t *, struct position *ret);
int64_t packed_updated_ns(const uint8_t *);
/* Bytes of the same position in a SET record. */
size_t packed_set_bytes(const uint8_t *);

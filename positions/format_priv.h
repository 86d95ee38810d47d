/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The bytes of positions.db (README.md): a header, then checksummed records. Pure functions, no state.
 * Everything that is read may be damaged; nothing read here points outside of what was given.
 */
#include "longship/base/buf.h"
#include "longship/base/str.h"
#include "longship/positions/positions.h"

#define FORMAT_VERSION	    1
#define FORMAT_HEADER_BYTES 16
#define FORMAT_HEAD_BYTES   12 /* before a record's payload */
#define FORMAT_MARKER_0	    0xb7
#define FORMAT_MARKER_1	    0x4c
/* The largest payload is a DECLARE; the rest is for its fixed fields. */
#define FORMAT_PAYLOAD_BYTES_MAX (POSITIONS_KEY_BYTES_MAX + 2 * POSITIONS_ATTR_BYTES_MAX + 64)
#define FORMAT_RECORD_BYTES_MAX	 (FORMAT_HEAD_BYTES + FORMAT_PAYLOAD_BYTES_MAX)

enum format_type { FORMAT_DECLARE = 1, FORMAT_SET, FORMAT_MARK, FORMAT_FORGET, FORMAT_CLOCK };

struct format_record {
	enum format_type type;
	uint64_t number;	      /* of the stream; but for FORMAT_CLOCK */
	struct str key, path, labels; /* FORMAT_DECLARE */
	struct str set;		      /* FORMAT_SET: for format_decode_set */
	struct position_mark mark;    /* FORMAT_MARK */
	int64_t last_ns;	      /* FORMAT_CLOCK */
};

enum format_header { FORMAT_HEADER_OURS, FORMAT_HEADER_NEWER, FORMAT_HEADER_DAMAGED };

void format_put_header(uint8_t out[FORMAT_HEADER_BYTES]);
enum format_header format_check_header(const uint8_t data[FORMAT_HEADER_BYTES]);

/* Append one record. False (and buf's overflow) when it does not fit. */
bool format_put_declare(struct buf *, uint64_t number, struct str key, struct str path, struct str labels);
/* set: made by format_encode_set. */
bool format_put_set(struct buf *, uint64_t number, struct str set);
bool format_put_mark(struct buf *, uint64_t number, const struct position_mark *);
bool format_put_forget(struct buf *, uint64_t number);
bool format_put_clock(struct buf *, int64_t last_ns);

/* A position as it stands in a SET record behind the stream's number: also its form in memory. */
bool format_encode_set(struct buf *, const struct position *);
/* Borrows cursor and memory from set. False when it is not well-formed. */
bool format_decode_set(struct str set, struct position *ret);
uint64_t format_set_offset(const uint8_t *set);
int64_t format_set_updated_ns(const uint8_t *set);
size_t format_set_bytes(const uint8_t *set);
size_t format_set_bytes_of(size_t n_holes, size_t n_checkpoints, size_t cursor_len, size_t memory_len);

/* Bytes that these take on disk. */
size_t format_declare_size(size_t key_len, size_t path_len, size_t labels_len);
size_t format_set_size(size_t set_len);
size_t format_mark_size(size_t memory_len);

/* The record that begins at data: its size, or 0 when there is no whole, undamaged one. Borrows from data. */
size_t format_get(const uint8_t *data, size_t len, struct format_record *ret);
/* What a record's check field must hold; for format_get and the fuzzer. */
uint32_t format_check(const uint8_t head[8], const uint8_t *payload, size_t len);

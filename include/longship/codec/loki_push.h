/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Loki's push message (protobuf): written piece by piece on the way out, read by callbacks on the way in.
 *
 *	PushRequest { 1: repeated Stream }         Stream { 1: string labels; 2: repeated Entry }
 *	Entry { 1: Timestamp { 1: int64 seconds; 2: int32 nanos }; 2: string line; 3: repeated LabelPair }
 *
 * A push body is nothing but its Streams one behind the other, and a Stream its labels and then its Entries, so a
 * request grows by appending:
 *
 *	n = loki_push_entry(entries + n, ts, line, NULL, 0) …   for all lines of one stream, then
 *	h = loki_push_stream_header(head, STR("{a=\"b\"}"), n)  and the body is head, entries, head, entries …
 *
 * The encoders write what gogo-proto writes: zero and empty fields are left out, an Entry's timestamp never. They
 * check nothing but need room: *_bytes_max says how much, and may be used up to its last byte for scratch. No state.
 */
#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "longship/base/str.h"

/* May stand for any other struct of two str (flow's struct label), hence may_alias. */
struct push_label {
	struct str name, value;
} __attribute__((may_alias));

#define LOKI_PUSH_VARINT_SLACK 8 /* a varint is stored as one word of 8 bytes */

/* Bytes of n as a varint; n < 2^56. */
static inline size_t
loki_push_varint_bytes(uint64_t n)
{
	return (size_t)(63 - __builtin_clzll(n | 1)) / 7 + 1;
}

/* n < 2^56; writes 8 bytes, uses 1 to 8 of them. The seven-bit groups are moved apart in three steps, without a loop. */
static inline char *
loki_push_varint(char *out, uint64_t n)
{
	size_t bytes = loki_push_varint_bytes(n);

	n = (n & 0x0fffffff) | (n & 0xfffffff0000000) << 4;
	n = (n & 0x00003fff00003fff) | (n & 0x0fffc0000fffc000) << 2;
	n = (n & 0x007f007f007f007f) | (n & 0x3f803f803f803f80) << 1;
	n |= 0x8080808080808080 & ((UINT64_C(1) << 8 * (bytes - 1)) - 1);
	n = htole64(n);
	memcpy(out, &n, sizeof(n));
	return out + bytes;
}

/* The same for lengths, nearly all of which take one or two bytes: which of the two is not worth a branch. */
static inline char *
loki_push_length(char *out, uint64_t n)
{
	uint64_t two = n >= 0x80;
	uint16_t word = htole16((uint16_t)((n & 0x7f) | two << 7 | (n & 0x3f80) << 1));

	if (__builtin_expect(n >= 1 << 14, 0))
		return loki_push_varint(out, n);
	memcpy(out, &word, sizeof(word));
	return out + 1 + two;
}

static inline size_t
loki_push_length_bytes(uint64_t n)
{
	return __builtin_expect(n < 1 << 14, 1) ? 1 + (n >= 0x80) : loki_push_varint_bytes(n);
}

/* Room for an entry without metadata; loki_push_metadata_bytes_max more for its metadata. */
static inline size_t
loki_push_entry_bytes_max(size_t line_bytes)
{
	/* tag, length, timestamp { tag, length, tag, seconds, tag, nanos }, tag, length */
	return 1 + 5 + 2 + 1 + 10 + 1 + 5 + 1 + 5 + line_bytes + LOKI_PUSH_VARINT_SLACK;
}
size_t loki_push_metadata_bytes_max(const struct push_label *, size_t n);

/* The general form: metadata, or a time before 1970. */
size_t loki_push_entry_any(char *out, int64_t ts_ns, struct str line, const struct push_label *metadata, size_t n);

/*
 * Appends one Entry field to a Stream; returns its bytes. out has room for
 * loki_push_entry_bytes_max(line.len) + loki_push_metadata_bytes_max(metadata, n).
 */
static inline size_t
loki_push_entry(char *out, int64_t ts_ns, struct str line, const struct push_label *metadata, size_t n)
{
	uint64_t seconds, nanos;
	size_t ts_bytes, line_bytes;
	char *p = out;

	if (__builtin_expect(n > 0 || ts_ns < (int64_t)1000000000 || line.len == 0, 0))
		return loki_push_entry_any(out, ts_ns, line, metadata, n);
	seconds = (uint64_t)ts_ns / 1000000000;
	nanos = (uint64_t)ts_ns - seconds * 1000000000;
	ts_bytes = 1 + loki_push_varint_bytes(seconds) + (nanos > 0 ? 1 + loki_push_varint_bytes(nanos) : 0);
	line_bytes = 1 + loki_push_length_bytes(line.len) + line.len;
	*p++ = 0x12;
	p = loki_push_length(p, 2 + ts_bytes + line_bytes);
	*p++ = 0x0a;
	*p++ = (char)ts_bytes;
	*p++ = 0x08;
	p = loki_push_varint(p, seconds);
	if (nanos > 0) {
		*p++ = 0x10;
		p = loki_push_varint(p, nanos);
	}
	*p++ = 0x12;
	p = loki_push_length(p, line.len);
	memcpy(p, line.s, line.len);
	return (size_t)(p - out) + line.len;
}

/* Room for the head of a Stream. */
static inline size_t
loki_push_stream_header_bytes_max(size_t labels_bytes)
{
	return 1 + 10 + 1 + 5 + labels_bytes + LOKI_PUSH_VARINT_SLACK;
}

/* The head of a Stream whose Entry fields, entries_bytes long, follow it; returns its bytes. */
size_t loki_push_stream_header(char *out, struct str labels, size_t entries_bytes);

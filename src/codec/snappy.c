/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks are the library's work. Frames are ours: chunks of type (1 byte), length (3 bytes, little endian) and data, where
 * data of the types 0 (a block) and 1 (plain) starts with the masked CRC-32C of its contents, at most 64 KiB.
 */
#include "longship/codec/snappy.h"

#include <errno.h>
#include <stdint.h>

#include <snappy-c.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"

#define CHUNK_CONTENTS_MAX 65536 /* by the format's description */
#define CHUNK_STREAM_ID 0xff
#define CHUNK_SKIPPABLE_FIRST 0x80

size_t
snappy_block_bytes_max(size_t bytes)
{
	return snappy_max_compressed_length(bytes);
}

size_t
snappy_block_compress(char *out, struct str in)
{
	size_t len = snappy_max_compressed_length(in.len);
	snappy_status status = snappy_compress(in.len > 0 ? in.s : "", in.len, out, &len);

	assert(status == SNAPPY_OK);
	return len;
}

bool
snappy_block_length(struct str in, size_t *ret)
{
	return in.len > 0 && snappy_uncompressed_length(in.s, in.len, ret) == SNAPPY_OK;
}

int
snappy_block_uncompress(struct buf *out, struct str in)
{
	size_t len;

	if (in.len == 0 || snappy_uncompressed_length(in.s, in.len, &len) != SNAPPY_OK)
		return -EBADMSG;
	/* An element of three bytes makes at most 64: a longer promise is a lie, and not worth its memory. */
	if (len / 64 > in.len)
		return -EBADMSG;
	if (!buf_reserve(out, len + 1)) /* so that data is not NULL when len is 0 */
		return -EMSGSIZE;
	if (snappy_uncompress(in.s, in.len, out->data + out->len, &len) != SNAPPY_OK)
		return -EBADMSG;
	out->len += len;
	return 0;
}

static uint32_t
crc32c(const uint32_t table[256], struct str s)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < s.len; i++)
		crc = table[(crc ^ (unsigned char)s.s[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

static void
crc32c_table(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = (c & 1) != 0 ? 0x82f63b78 ^ c >> 1 : c >> 1;
		table[i] = c;
	}
}

static uint32_t
get_le(const char *s, size_t n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | (unsigned char)s[n];
	return v;
}

/* A chunk with contents: plain or a block. */
static int
put_chunk(struct buf *out, bool plain, struct str data, const uint32_t table[256])
{
	size_t before = out->len;
	size_t len;
	struct str contents;
	uint32_t crc;
	int r;

	if (data.len < 4)
		return -EBADMSG;
	contents = str_from_offset(data, 4);
	if (plain) {
		if (contents.len > CHUNK_CONTENTS_MAX)
			return -EBADMSG;
		if (!buf_str(out, contents))
			return -EMSGSIZE;
	} else {
		if (snappy_uncompressed_length(contents.s, contents.len, &len) != SNAPPY_OK || len > CHUNK_CONTENTS_MAX)
			return -EBADMSG;
		r = snappy_block_uncompress(out, contents);
		if (r < 0)
			return r;
	}
	crc = crc32c(table, str_from_offset(buf_view(out), before));
	crc = (crc >> 15 | crc << 17) + 0xa282ead8;
	return crc == get_le(data.s, 4) ? 0 : -EBADMSG;
}

int
snappy_framed_uncompress(struct buf *out, struct str in)
{
	uint32_t table[256];
	bool started = false;

	crc32c_table(table);
	while (in.len > 0) {
		unsigned type = (unsigned char)in.s[0];
		struct str data;
		int r = 0;

		if (in.len < 4 || in.len - 4 < get_le(in.s + 1, 3))
			return -EBADMSG;
		data = (struct str){in.s + 4, get_le(in.s + 1, 3)};
		in = str_from_offset(in, 4 + data.len);
		if (type == CHUNK_STREAM_ID) {
			if (!str_is(data, "sNaPpY"))
				return -EBADMSG;
			started = true;
		} else if (!started || (type > 1 && type < CHUNK_SKIPPABLE_FIRST)) {
			return -EBADMSG;
		} else if (type <= 1) {
			r = put_chunk(out, type == 1, data, table);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

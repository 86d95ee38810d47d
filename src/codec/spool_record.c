/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/spool_record.h"

#include <errno.h>

#include "longship/base/check.h"
#include "longship/base/hash.h"
#include "longship/codec/snappy.h"

#define VERSION 1u
#define TYPE_ENTRIES 1
#define ITEM_LABELS 1
#define ITEM_ENTRY 2
#define VARINT_BYTES_MAX 10

static const char file_magic[8] = {'\x89', 'L', 'S', 'W', 'A', 'L', '\r', '\n'};
static const char magic[2] = {'\xb7', '\x57'};

static void
put_le(char *out, uint64_t n, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		out[i] = (char)(n >> 8 * i);
}

static uint64_t
get_le(const char *in, unsigned bytes)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < bytes; i++)
		n |= (uint64_t)(unsigned char)in[i] << 8 * i;
	return n;
}

static uint32_t
check_of(const char *bytes, size_t len, uint64_t salt)
{
	return (uint32_t)hash_bytes(bytes, len, salt);
}

/* ---- Heads ---- */

void
spool_file_head_write(char out[SPOOL_FILE_HEAD_BYTES], uint64_t salt)
{
	memcpy(out, file_magic, sizeof(file_magic));
	put_le(out + 8, VERSION, 4);
	put_le(out + 12, salt, 8);
	put_le(out + 20, check_of(out, 20, 0), 4);
}

int
spool_file_head_read(struct str text, uint64_t *ret_salt)
{
	if (text.len < SPOOL_FILE_HEAD_BYTES || memcmp(text.s, file_magic, sizeof(file_magic)) != 0 ||
		get_le(text.s + 20, 4) != check_of(text.s, 20, 0))
		return -EBADMSG;
	*ret_salt = get_le(text.s + 12, 8);
	return get_le(text.s + 8, 4) > VERSION ? -EPROTONOSUPPORT : 0;
}

void
spool_head_write(char out[SPOOL_HEAD_BYTES], const struct spool_head *h, struct str packed, uint64_t salt)
{
	memcpy(out, magic, sizeof(magic));
	out[2] = TYPE_ENTRIES;
	out[3] = 0;
	put_le(out + 4, packed.len, 4);
	put_le(out + 8, h->number, 8);
	put_le(out + 16, h->entries, 4);
	put_le(out + 20, h->unpacked_bytes, 4);
	put_le(out + 24, (uint64_t)h->written_ns, 8);
	put_le(out + 32, h->given_up, 8);
	put_le(out + 40, check_of(packed.s, packed.len, salt), 4);
	put_le(out + 44, check_of(out, 44, salt), 4);
}

bool
spool_head_read(struct str text, uint64_t salt, struct spool_head *ret)
{
	if (text.len < SPOOL_HEAD_BYTES || memcmp(text.s, magic, sizeof(magic)) != 0 || text.s[2] != TYPE_ENTRIES ||
		get_le(text.s + 44, 4) != check_of(text.s, 44, salt))
		return false;
	*ret = (struct spool_head){
		.packed_bytes = (uint32_t)get_le(text.s + 4, 4),
		.number = get_le(text.s + 8, 8),
		.entries = (uint32_t)get_le(text.s + 16, 4),
		.unpacked_bytes = (uint32_t)get_le(text.s + 20, 4),
		.written_ns = (int64_t)get_le(text.s + 24, 8),
		.given_up = get_le(text.s + 32, 8),
		.packed_check = (uint32_t)get_le(text.s + 40, 4),
	};
	/* An entry takes four bytes at least: no record makes a reader count to billions. */
	return ret->unpacked_bytes <= SPOOL_UNPACKED_BYTES_MAX && ret->entries > 0 && ret->entries <= ret->unpacked_bytes / 4 &&
		ret->number <= UINT64_MAX - ret->entries;
}

bool
spool_packed_is_whole(const struct spool_head *h, struct str packed, uint64_t salt)
{
	return packed.len == h->packed_bytes && check_of(packed.s, packed.len, salt) == h->packed_check;
}

int
spool_unpack(struct buf *out, const struct spool_head *h, struct str packed)
{
	size_t before = out->len, len;

	if (!snappy_block_length(packed, &len) || len != h->unpacked_bytes || snappy_block_uncompress(out, packed) < 0) {
		out->len = before;
		return -EBADMSG;
	}
	return 0;
}

size_t
spool_find_head(struct str text)
{
	for (size_t at = 1; at < text.len; at++) {
		const char *found = memchr(text.s + at, magic[0], text.len - at);

		if (found == NULL)
			break;
		at = (size_t)(found - text.s);
		if (at + 1 == text.len || text.s[at + 1] == magic[1])
			return at;
	}
	return text.len;
}

/* ---- Writing items ---- */

static void
put_varint(struct buf *out, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		(void)buf_putc(out, (char)(n | 0x80));
	(void)buf_putc(out, (char)n);
}

static void
put_text(struct buf *out, struct str s)
{
	put_varint(out, s.len);
	(void)buf_str(out, s);
}

static void
put_pairs(struct buf *out, const struct push_label *pairs, size_t n)
{
	put_varint(out, n);
	for (size_t i = 0; i < n; i++) {
		put_text(out, pairs[i].name);
		put_text(out, pairs[i].value);
	}
}

void
spool_write_labels(struct spool_writer *w, const struct push_label *labels, size_t n)
{
	(void)buf_putc(w->out, ITEM_LABELS);
	put_pairs(w->out, labels, n);
}

void
spool_write_entry(struct spool_writer *w, int64_t ts_ns, struct str line, const struct push_label *metadata, size_t n)
{
	uint64_t since = (uint64_t)ts_ns - (uint64_t)w->last_ns;

	(void)buf_putc(w->out, ITEM_ENTRY);
	put_varint(w->out, since << 1 ^ (since >> 63 != 0 ? UINT64_MAX : 0));
	put_pairs(w->out, metadata, n);
	put_text(w->out, line);
	w->last_ns = ts_ns;
}

/* ---- Reading items ---- */

static bool
take_varint(struct str *in, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < in->len && i < VARINT_BYTES_MAX; i++) {
		uint64_t bits = (unsigned char)in->s[i] & 0x7f;

		if (i == VARINT_BYTES_MAX - 1 && bits > 1)
			return false;
		n |= bits << 7 * i;
		if (((unsigned char)in->s[i] & 0x80) == 0) {
			*in = str_from_offset(*in, i + 1);
			*ret = n;
			return true;
		}
	}
	return false;
}

static bool
take_text(struct str *in, struct str *ret)
{
	uint64_t len;

	if (!take_varint(in, &len) || len > in->len)
		return false;
	*ret = str_head(*in, (size_t)len);
	*in = str_from_offset(*in, (size_t)len);
	return true;
}

static bool
take_pairs(struct str *in, struct spool_content *ret)
{
	struct str text;
	uint64_t n;

	if (!take_varint(in, &n) || n > in->len / 2)
		return false;
	ret->n_pairs = (size_t)n;
	ret->pairs = *in;
	for (uint64_t i = 0; i < 2 * n; i++) {
		if (!take_text(in, &text))
			return false;
	}
	ret->pairs.len -= in->len;
	return true;
}

struct push_label
spool_pair(struct str *pairs)
{
	struct push_label pair = {STR_EMPTY, STR_EMPTY};
	bool ok = take_text(pairs, &pair.name) && take_text(pairs, &pair.value);

	assert(ok); /* spool_read has seen them */
	return pair;
}

enum spool_item
spool_read(struct spool_reader *r, struct spool_content *ret)
{
	uint64_t since;
	char item;

	*ret = (struct spool_content){0};
	if (r->rest.len == 0)
		return SPOOL_END;
	item = r->rest.s[0];
	r->rest = str_from_offset(r->rest, 1);
	if (item == ITEM_LABELS)
		return take_pairs(&r->rest, ret) ? SPOOL_LABELS : SPOOL_DAMAGED;
	if (item != ITEM_ENTRY || !take_varint(&r->rest, &since) || !take_pairs(&r->rest, ret) || !take_text(&r->rest, &ret->line))
		return SPOOL_DAMAGED;
	since = since >> 1 ^ ((since & 1) != 0 ? UINT64_MAX : 0);
	r->last_ns = (int64_t)((uint64_t)r->last_ns + since);
	ret->ts_ns = r->last_ns;
	return SPOOL_ENTRY;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "format_priv.h"

#include "longship/base/check.h"
#include "longship/base/hash.h"

/*
 * Numbers are little-endian and unaligned. A record is
 *	marker[2] type[1] zero[1] length[4] check[4] payload[length]
 * with check = the low half of XXH3-64 over the payload, seeded with the first eight bytes. So any damage
 * to any byte is seen, and the marker is only a place to try again from.
 */
#define SET_FIXED_BYTES	 22
#define MARK_FIXED_BYTES 42 /* with the number */

static const uint8_t magic[8] = {0x89, 'L', 'S', 'P', 'O', 'S', '\r', '\n'};

static void
put_le(uint8_t *out, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
get_le(const uint8_t *data, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)data[i] << (8 * i);
	return value;
}

static bool
append_le(struct buf *b, uint64_t value, size_t bytes)
{
	uint8_t out[8];

	put_le(out, value, bytes);
	return buf_append(b, out, bytes);
}

void
format_put_header(uint8_t out[FORMAT_HEADER_BYTES])
{
	memcpy(out, magic, sizeof(magic));
	put_le(out + 8, FORMAT_VERSION, 4);
	put_le(out + 12, hash_bytes(out, 12, 0), 4);
}

/* A flipped bit must not look like a newer version, hence the check over the version. */
enum format_header
format_check_header(const uint8_t data[FORMAT_HEADER_BYTES])
{
	if (memcmp(data, magic, sizeof(magic)) != 0 || get_le(data + 12, 4) != (uint32_t)hash_bytes(data, 12, 0))
		return FORMAT_HEADER_DAMAGED;
	if (get_le(data + 8, 4) > FORMAT_VERSION)
		return FORMAT_HEADER_NEWER;
	return get_le(data + 8, 4) == FORMAT_VERSION ? FORMAT_HEADER_OURS : FORMAT_HEADER_DAMAGED;
}

uint32_t
format_check(const uint8_t head[8], const uint8_t *payload, size_t len)
{
	return (uint32_t)hash_bytes(payload, len, get_le(head, 8));
}

/* Reserves a head; finish_record fills it in when the payload is there. */
static size_t
begin_record(struct buf *b)
{
	static const uint8_t head[FORMAT_HEAD_BYTES];
	size_t from = b->len;

	(void)buf_append(b, head, sizeof(head));
	return from;
}

static bool
finish_record(struct buf *b, size_t from, enum format_type type)
{
	uint8_t *head;
	size_t payload_bytes;

	if (b->overflow)
		return false;
	head = (uint8_t *)b->data + from;
	payload_bytes = b->len - from - FORMAT_HEAD_BYTES;
	assert(payload_bytes <= FORMAT_PAYLOAD_BYTES_MAX);
	head[0] = FORMAT_MARKER_0;
	head[1] = FORMAT_MARKER_1;
	head[2] = (uint8_t)type;
	head[3] = 0;
	put_le(head + 4, payload_bytes, 4);
	put_le(head + 8, format_check(head, head + FORMAT_HEAD_BYTES, payload_bytes), 4);
	return true;
}

bool
format_put_declare(struct buf *b, uint64_t number, struct str key, struct str path, struct str labels)
{
	size_t from = begin_record(b);

	append_le(b, number, 8);
	append_le(b, key.len, 2);
	append_le(b, path.len, 2);
	append_le(b, labels.len, 2);
	buf_str(b, key);
	buf_str(b, path);
	buf_str(b, labels);
	return finish_record(b, from, FORMAT_DECLARE);
}

bool
format_put_set(struct buf *b, uint64_t number, struct str set)
{
	size_t from = begin_record(b);

	append_le(b, number, 8);
	buf_str(b, set);
	return finish_record(b, from, FORMAT_SET);
}

bool
format_put_mark(struct buf *b, uint64_t number, const struct position_mark *mark)
{
	size_t from = begin_record(b);

	append_le(b, number, 8);
	append_le(b, mark->from, 8);
	append_le(b, mark->to, 8);
	append_le(b, (uint64_t)mark->base_ns, 8);
	append_le(b, mark->lines, 8);
	append_le(b, mark->memory.len, 2);
	buf_str(b, mark->memory);
	return finish_record(b, from, FORMAT_MARK);
}

bool
format_put_forget(struct buf *b, uint64_t number)
{
	size_t from = begin_record(b);

	append_le(b, number, 8);
	return finish_record(b, from, FORMAT_FORGET);
}

bool
format_put_clock(struct buf *b, int64_t last_ns)
{
	size_t from = begin_record(b);

	append_le(b, (uint64_t)last_ns, 8);
	return finish_record(b, from, FORMAT_CLOCK);
}

bool
format_encode_set(struct buf *b, const struct position *p)
{
	append_le(b, p->offset, 8);
	append_le(b, (uint64_t)p->updated_ns, 8);
	append_le(b, p->n_holes, 1);
	append_le(b, p->n_checkpoints, 1);
	append_le(b, p->cursor.len, 2);
	append_le(b, p->memory.len, 2);
	for (size_t i = 0; i < p->n_holes; i++) {
		append_le(b, p->holes[i].from, 8);
		append_le(b, p->holes[i].to, 8);
	}
	for (size_t i = 0; i < p->n_checkpoints; i++) {
		append_le(b, p->checkpoints[i].offset, 8);
		append_le(b, p->checkpoints[i].tail_hash, 8);
	}
	buf_str(b, p->cursor);
	return buf_str(b, p->memory);
}

uint64_t
format_set_offset(const uint8_t *set)
{
	return get_le(set, 8);
}

int64_t
format_set_updated_ns(const uint8_t *set)
{
	return (int64_t)get_le(set + 8, 8);
}

size_t
format_set_bytes_of(size_t n_holes, size_t n_checkpoints, size_t cursor_len, size_t memory_len)
{
	return SET_FIXED_BYTES + 16 * (n_holes + n_checkpoints) + cursor_len + memory_len;
}

size_t
format_set_bytes(const uint8_t *set)
{
	return format_set_bytes_of(set[16], set[17], get_le(set + 18, 2), get_le(set + 20, 2));
}

bool
format_decode_set(struct str set, struct position *ret)
{
	const uint8_t *p = (const uint8_t *)set.s;
	size_t cursor_len, memory_len;

	if (set.len < SET_FIXED_BYTES || p[16] > POSITIONS_HOLES_MAX || p[17] > POSITIONS_CHECKPOINTS_MAX)
		return false;
	cursor_len = get_le(p + 18, 2);
	memory_len = get_le(p + 20, 2);
	if (cursor_len > POSITIONS_CURSOR_BYTES_MAX || memory_len > POSITIONS_MEMORY_BYTES_MAX ||
		format_set_bytes(p) != set.len)
		return false;
	ret->offset = format_set_offset(p);
	ret->updated_ns = format_set_updated_ns(p);
	ret->n_holes = p[16];
	ret->n_checkpoints = p[17];
	p += SET_FIXED_BYTES;
	for (size_t i = 0; i < ret->n_holes; i++, p += 16)
		ret->holes[i] = (struct position_hole){get_le(p, 8), get_le(p + 8, 8)};
	for (size_t i = 0; i < ret->n_checkpoints; i++, p += 16)
		ret->checkpoints[i] = (struct position_checkpoint){get_le(p, 8), get_le(p + 8, 8)};
	ret->cursor = (struct str){(const char *)p, cursor_len};
	ret->memory = (struct str){(const char *)p + cursor_len, memory_len};
	return true;
}

size_t
format_declare_size(size_t key_len, size_t path_len, size_t labels_len)
{
	return FORMAT_HEAD_BYTES + 14 + key_len + path_len + labels_len;
}

size_t
format_set_size(size_t set_len)
{
	return FORMAT_HEAD_BYTES + 8 + set_len;
}

size_t
format_mark_size(size_t memory_len)
{
	return FORMAT_HEAD_BYTES + MARK_FIXED_BYTES + memory_len;
}

static bool
get_declare(const uint8_t *p, size_t len, struct format_record *ret)
{
	size_t key_len, path_len, labels_len;

	if (len < 14)
		return false;
	key_len = get_le(p + 8, 2);
	path_len = get_le(p + 10, 2);
	labels_len = get_le(p + 12, 2);
	if (key_len == 0 || key_len > POSITIONS_KEY_BYTES_MAX || path_len > POSITIONS_ATTR_BYTES_MAX ||
		labels_len > POSITIONS_ATTR_BYTES_MAX || len != 14 + key_len + path_len + labels_len)
		return false;
	ret->key = (struct str){(const char *)p + 14, key_len};
	ret->path = (struct str){ret->key.s + key_len, path_len};
	ret->labels = (struct str){ret->path.s + path_len, labels_len};
	return true;
}

static bool
get_mark(const uint8_t *p, size_t len, struct format_record *ret)
{
	if (len < MARK_FIXED_BYTES || get_le(p + 40, 2) > POSITIONS_MEMORY_BYTES_MAX ||
		len != MARK_FIXED_BYTES + get_le(p + 40, 2))
		return false;
	ret->mark = (struct position_mark){
		.from = get_le(p + 8, 8),
		.to = get_le(p + 16, 8),
		.base_ns = (int64_t)get_le(p + 24, 8),
		.lines = get_le(p + 32, 8),
		.memory = {(const char *)p + MARK_FIXED_BYTES, len - MARK_FIXED_BYTES},
	};
	return true;
}

static bool
get_payload(const uint8_t *p, size_t len, struct format_record *ret)
{
	struct position position;

	/* Every payload begins with eight bytes: the stream's number, or the clock. */
	if (len < 8)
		return false;
	ret->number = get_le(p, 8);
	switch (ret->type) {
	case FORMAT_DECLARE:
		return get_declare(p, len, ret);
	case FORMAT_SET:
		ret->set = (struct str){(const char *)p + 8, len - 8};
		return format_decode_set(ret->set, &position);
	case FORMAT_MARK:
		return get_mark(p, len, ret);
	case FORMAT_FORGET:
		return len == 8;
	case FORMAT_CLOCK:
		ret->last_ns = (int64_t)ret->number;
		return len == 8;
	}
	return false;
}

size_t
format_get(const uint8_t *data, size_t len, struct format_record *ret)
{
	struct format_record record = {0};
	size_t payload_bytes;

	if (len < FORMAT_HEAD_BYTES || data[0] != FORMAT_MARKER_0 || data[1] != FORMAT_MARKER_1 || data[3] != 0)
		return 0;
	payload_bytes = get_le(data + 4, 4);
	if (payload_bytes > FORMAT_PAYLOAD_BYTES_MAX || payload_bytes > len - FORMAT_HEAD_BYTES)
		return 0;
	if (get_le(data + 8, 4) != format_check(data, data + FORMAT_HEAD_BYTES, payload_bytes))
		return 0;
	record.type = data[2];
	if (!get_payload(data + FORMAT_HEAD_BYTES, payload_bytes, &record))
		return 0;
	*ret = record;
	return FORMAT_HEAD_BYTES + payload_bytes;
}

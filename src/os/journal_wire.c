/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/journal_wire.h"

#include <errno.h>
#include <string.h>

struct field_head {
	uint32_t name_len, value_len;
};

bool
journal_wire_put(struct buf *out, enum journal_frame_kind kind, const void *head, size_t head_bytes, struct str tail)
{
	struct journal_frame frame = {(uint32_t)kind, (uint32_t)(head_bytes + tail.len)};

	if (!buf_reserve(out, sizeof(frame) + frame.bytes))
		return false;
	(void)buf_append(out, &frame, sizeof(frame));
	if (head_bytes > 0)
		(void)buf_append(out, head, head_bytes);
	return buf_str(out, tail);
}

int
journal_wire_take(struct str *in, struct journal_frame *ret, struct str *ret_body)
{
	struct journal_frame frame;

	if (in->len < sizeof(frame))
		return 0;
	memcpy(&frame, in->s, sizeof(frame));
	if (frame.bytes > JOURNAL_WIRE_RECORD_BYTES_MAX + 4096)
		return -EBADMSG;
	if (in->len - sizeof(frame) < frame.bytes)
		return 0;
	*ret = frame;
	*ret_body = (struct str){in->s + sizeof(frame), frame.bytes};
	*in = str_from_offset(*in, sizeof(frame) + frame.bytes);
	return 1;
}

bool
journal_wire_put_field(struct buf *out, struct str name, struct str value)
{
	struct field_head head = {(uint32_t)name.len, (uint32_t)value.len};

	if (!buf_reserve(out, sizeof(head) + name.len + value.len))
		return false;
	(void)buf_append(out, &head, sizeof(head));
	return buf_str(out, name) && buf_str(out, value);
}

bool
journal_wire_field(struct str *in, struct str *ret_name, struct str *ret_value)
{
	struct field_head head;

	if (in->len < sizeof(head))
		return false;
	memcpy(&head, in->s, sizeof(head));
	if (head.name_len > in->len - sizeof(head) || head.value_len > in->len - sizeof(head) - head.name_len)
		return false;
	*ret_name = (struct str){in->s + sizeof(head), head.name_len};
	*ret_value = (struct str){in->s + sizeof(head) + head.name_len, head.value_len};
	*in = str_from_offset(*in, sizeof(head) + head.name_len + head.value_len);
	return true;
}

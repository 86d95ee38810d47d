/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rare shapes of an entry go through loki_push_entry_any, so that the inline form in the header stays a memcpy and a
 * few stores.
 */
#include "longship/codec/loki_push.h"

#define SECOND_NS INT64_C(1000000000)

static size_t
string_field_bytes(struct str s)
{
	return s.len > 0 ? 1 + loki_push_varint_bytes(s.len) + s.len : 0;
}

static char *
put_string_field(char *p, char tag, struct str s)
{
	if (s.len == 0)
		return p;
	*p++ = tag;
	p = loki_push_varint(p, s.len);
	memcpy(p, s.s, s.len);
	return p + s.len;
}

/* Negative numbers need ten bytes. */
static char *
put_varint_any(char *p, uint64_t n)
{
	while (n >= 0x80) {
		*p++ = (char)(n | 0x80);
		n >>= 7;
	}
	*p++ = (char)n;
	return p;
}

static char *
put_timestamp(char *out, int64_t ts_ns)
{
	int64_t seconds = ts_ns / SECOND_NS;
	int64_t nanos = ts_ns % SECOND_NS;
	char *p = out + 2;

	if (nanos < 0) {
		nanos += SECOND_NS;
		seconds--;
	}
	if (seconds != 0) {
		*p++ = 0x08;
		p = put_varint_any(p, (uint64_t)seconds);
	}
	if (nanos != 0) {
		*p++ = 0x10;
		p = put_varint_any(p, (uint64_t)nanos);
	}
	out[0] = 0x0a;
	out[1] = (char)(p - out - 2);
	return p;
}

size_t
loki_push_metadata_bytes_max(const struct push_label *metadata, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += 3 * (1 + 10) + metadata[i].name.len + metadata[i].value.len;
	return bytes;
}

size_t
loki_push_entry_any(char *out, int64_t ts_ns, struct str line, const struct push_label *metadata, size_t n)
{
	char ts[2 + 1 + 10 + 1 + 5];
	size_t ts_bytes = (size_t)(put_timestamp(ts, ts_ns) - ts);
	size_t bytes = ts_bytes + string_field_bytes(line);
	char *p = out;

	for (size_t i = 0; i < n; i++) {
		size_t pair = string_field_bytes(metadata[i].name) + string_field_bytes(metadata[i].value);

		bytes += 1 + loki_push_varint_bytes(pair) + pair;
	}
	*p++ = 0x12;
	p = loki_push_varint(p, bytes);
	memcpy(p, ts, ts_bytes);
	p = put_string_field(p + ts_bytes, 0x12, line);
	for (size_t i = 0; i < n; i++) {
		*p++ = 0x1a;
		p = loki_push_varint(p, string_field_bytes(metadata[i].name) + string_field_bytes(metadata[i].value));
		p = put_string_field(p, 0x0a, metadata[i].name);
		p = put_string_field(p, 0x12, metadata[i].value);
	}
	return (size_t)(p - out);
}

size_t
loki_push_stream_header(char *out, struct str labels, size_t entries_bytes)
{
	char *p = out;

	*p++ = 0x0a;
	p = loki_push_varint(p, string_field_bytes(labels) + entries_bytes);
	return (size_t)(put_string_field(p, 0x0a, labels) - out);
}

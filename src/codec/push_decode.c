/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf allows fields in any order, so a Stream is walked twice: for its labels, which must be known first, and for
 * its entries. Unknown fields are skipped; of a repeated scalar the last one counts, as everywhere in protobuf.
 */
#include "longship/codec/push_decode.h"

#include "longship/base/arena.h"
#include "longship/base/check.h"

#define SECOND_NS INT64_C(1000000000)
#define SECONDS_MAX (INT64_MAX / SECOND_NS - 1) /* beyond it ns do not fit in an int64_t */
#define GO_ZERO_SECONDS INT64_C(-62135596800)   /* 0001-01-01: gogo-proto's time of an absent field */
#define TIME_SECONDS_MAX INT64_C(253402300800)  /* 10000-01-01: protobuf's Timestamp ends before */

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct field {
	uint32_t number;
	enum wire wire;
	uint64_t value;   /* WIRE_VARINT */
	struct str bytes; /* WIRE_BYTES */
};

static bool
get_varint(struct str *in, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < in->len && i < 10; i++) {
		unsigned char c = (unsigned char)in->s[i];

		if (i == 9 && c > 1)
			return false;
		v |= (uint64_t)(c & 0x7f) << 7 * i;
		if (c < 0x80) {
			*in = (struct str){in->s + i + 1, in->len - i - 1};
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool
get_bytes(struct str *in, uint64_t n, struct str *ret)
{
	if (n > in->len)
		return false;
	*ret = (struct str){in->s, (size_t)n};
	*in = (struct str){in->s + n, in->len - (size_t)n};
	return true;
}

/* The next field of a message that is not at its end. Groups, which nobody has sent in decades, are not understood. */
static bool
get_field(struct str *in, struct field *f)
{
	uint64_t tag, n;

	if (!get_varint(in, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
		return false;
	f->number = (uint32_t)(tag >> 3);
	f->wire = (enum wire)(tag & 7);
	switch (tag & 7) {
	case WIRE_VARINT:
		return get_varint(in, &f->value);
	case WIRE_64:
		return get_bytes(in, 8, &f->bytes);
	case WIRE_32:
		return get_bytes(in, 4, &f->bytes);
	case WIRE_BYTES:
		return get_varint(in, &n) && get_bytes(in, n, &f->bytes);
	default:
		return false;
	}
}

static bool
get_timestamp(struct str in, int64_t *seconds, int64_t *nanos)
{
	struct field f;

	while (in.len > 0) {
		if (!get_field(&in, &f) || (f.number <= 2 && f.wire != WIRE_VARINT))
			return false;
		if (f.number == 1)
			*seconds = (int64_t)f.value;
		else if (f.number == 2)
			*nanos = (int32_t)f.value;
	}
	return *seconds >= GO_ZERO_SECONDS && *seconds < TIME_SECONDS_MAX && *nanos >= 0 && *nanos < SECOND_NS;
}

static int64_t
timestamp_ns(int64_t seconds, int64_t nanos)
{
	if (seconds > SECONDS_MAX)
		return INT64_MAX;
	if (seconds < -SECONDS_MAX)
		return INT64_MIN;
	return seconds * SECOND_NS + nanos;
}

static bool
get_pair(struct str in, struct push_label *pair)
{
	struct field f;

	*pair = (struct push_label){STR(""), STR("")};
	while (in.len > 0) {
		if (!get_field(&in, &f) || (f.number <= 2 && f.wire != WIRE_BYTES))
			return false;
		if (f.number == 1)
			pair->name = f.bytes;
		else if (f.number == 2)
			pair->value = f.bytes;
	}
	return true;
}

struct decoder {
	struct arena *arena;
	const struct push_sink *sink;
	const char *error;
	bool stop;
	struct push_label pairs[PUSH_LABELS_MAX > PUSH_METADATA_MAX ? PUSH_LABELS_MAX : PUSH_METADATA_MAX];
};

static bool
fail(struct decoder *d, const char *error)
{
	d->error = error;
	return false;
}

static bool
decode_entry(struct decoder *d, struct str in, bool wanted)
{
	int64_t seconds = 0, nanos = 0;
	bool timed = false;
	struct str line = STR("");
	size_t n = 0;
	struct field f;

	while (in.len > 0) {
		if (!get_field(&in, &f) || (f.number <= 3 && f.wire != WIRE_BYTES))
			return fail(d, "malformed entry");
		if (f.number == 1) {
			timed = true;
			if (!get_timestamp(f.bytes, &seconds, &nanos))
				return fail(d, "malformed timestamp");
		} else if (f.number == 2) {
			line = f.bytes;
		} else if (f.number == 3) {
			if (n == PUSH_METADATA_MAX)
				return fail(d, "too many structured metadata labels in an entry");
			if (!get_pair(f.bytes, &d->pairs[n++]))
				return fail(d, "malformed structured metadata");
		}
	}
	if (wanted)
		d->stop = !d->sink->entry(d->sink->ctx, timed ? timestamp_ns(seconds, nanos) : INT64_MIN, line, d->pairs, n);
	return true;
}

/* Starts at the entry `from`, a place in the stream, or at its first. When stopped, *ret_at is behind the last entry. */
static bool
decode_stream(struct decoder *d, struct str stream, const char *from, const char **ret_at)
{
	struct str labels = STR("");
	struct str in = stream;
	const char *bad = NULL;
	bool wanted = false;
	struct field f;
	size_t n = 0;

	while (in.len > 0) {
		if (!get_field(&in, &f) || (f.number <= 2 && f.wire != WIRE_BYTES))
			return fail(d, "malformed stream");
		if (f.number == 1)
			labels = f.bytes;
	}
	if (d->arena != NULL) {
		bad = push_decode_labels(labels, d->arena, d->pairs, &n);
		wanted = d->sink->stream(d->sink->ctx, d->pairs, bad != NULL ? 0 : n, bad);
	}
	if (from != NULL)
		stream = str_from_offset(stream, (size_t)(from - stream.s));
	while (stream.len > 0 && !d->stop && get_field(&stream, &f))
		if (f.number == 2 && !decode_entry(d, f.bytes, wanted))
			return false;
	*ret_at = stream.s;
	return true;
}

bool
push_decode_protobuf(struct str body, struct arena *arena, const struct push_sink *sink, struct push_place *place,
	const char **ret_error)
{
	struct push_place here = place != NULL ? *place : (struct push_place){0};
	struct str in = str_from_offset(body, here.stream);
	struct decoder d;
	struct field f;

	d.arena = arena;
	d.sink = sink;
	d.error = NULL;
	d.stop = false;
	while (in.len > 0 && !d.stop) {
		const char *at = NULL;

		here.stream = (size_t)(in.s - body.s);
		if (!get_field(&in, &f) || (f.number == 1 && f.wire != WIRE_BYTES))
			(void)fail(&d, "malformed push request");
		else if (f.number == 1)
			(void)decode_stream(&d, f.bytes, here.entry > 0 ? body.s + here.entry : NULL, &at);
		if (d.error != NULL) {
			*ret_error = d.error;
			return false;
		}
		here.entry = d.stop ? (size_t)(at - body.s) : 0;
	}
	here.stopped = d.stop;
	if (place != NULL)
		*place = here;
	return true;
}

/* ---- Labels ---- */

static void
skip_space(struct str *in)
{
	while (in->len > 0 && (in->s[0] == ' ' || in->s[0] == '\t' || in->s[0] == '\n' || in->s[0] == '\r'))
		*in = str_from_offset(*in, 1);
}

static bool
name_char(char c, bool first, bool colon)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9') ||
		(colon && c == ':');
}

static struct str
take_name(struct str *in, bool colon)
{
	size_t n = 0;
	struct str name;

	while (n < in->len && name_char(in->s[n], n == 0, colon))
		n++;
	name = str_head(*in, n);
	*in = str_from_offset(*in, n);
	return name;
}

static bool
take_char(struct str *in, char c)
{
	skip_space(in);
	if (in->len == 0 || in->s[0] != c)
		return false;
	*in = str_from_offset(*in, 1);
	return true;
}

static bool
digits(const char *s, size_t n, unsigned base, uint32_t *ret)
{
	uint32_t v = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		unsigned d = c >= '0' && c <= '9' ? (unsigned)(c - '0') :
			c >= 'a' && c <= 'f'      ? (unsigned)(c - 'a' + 10) :
			c >= 'A' && c <= 'F'      ? (unsigned)(c - 'A' + 10) :
						    base;

		if (d >= base)
			return false;
		v = v * base + d;
	}
	*ret = v;
	return true;
}

/* Go's escape at in (behind the backslash) to out; the bytes it takes in in, 0 when it is wrong. */
static size_t
unescape_one(struct str in, char quote, char *out, size_t *ret_n)
{
	static const char simple[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
	size_t n = 0;
	unsigned base = 16;
	uint32_t v;

	*ret_n = 1;
	if (in.len == 0)
		return 0;
	for (size_t i = 0; i + 1 < sizeof(simple); i += 2) {
		if (in.s[0] == simple[i]) {
			*out = simple[i + 1];
			return 1;
		}
	}
	if (in.s[0] == quote) {
		*out = quote;
		return 1;
	}
	if (in.s[0] >= '0' && in.s[0] <= '7') {
		if (in.len < 3 || !digits(in.s, 3, 8, &v) || v > 255)
			return 0;
		*out = (char)v;
		return 3;
	}
	n = in.s[0] == 'x' ? 2 : in.s[0] == 'u' ? 4 : in.s[0] == 'U' ? 8 : 0;
	if (n == 0 || in.len < 1 + n || !digits(in.s + 1, n, base, &v) || v > 0x10ffff)
		return 0;
	if (n == 2)
		*out = (char)v;
	else
		*ret_n = str_utf8_encode(v, out);
	return 1 + n;
}

/* raw is what stands between the quotes. An escape is never shorter than what it stands for. */
static bool
unquote(struct str raw, char quote, struct arena *arena, struct str *ret)
{
	char *out;
	size_t n = 0;

	if (raw.len == 0 || quote == '`' || memchr(raw.s, '\\', raw.len) == NULL) {
		*ret = raw;
		return quote == '`' || raw.len == 0 || memchr(raw.s, '\n', raw.len) == NULL;
	}
	out = arena_alloc(arena, raw.len);
	for (size_t i = 0; i < raw.len;) {
		char c = raw.s[i++];
		size_t used, made;

		if (c == '\n')
			return false;
		if (c != '\\') {
			out[n++] = c;
			continue;
		}
		used = unescape_one(str_from_offset(raw, i), quote, out + n, &made);
		if (used == 0)
			return false;
		i += used;
		n += made;
		assert(n <= i);
	}
	*ret = (struct str){out, n};
	return true;
}

static bool
take_quoted(struct str *in, struct arena *arena, struct str *ret)
{
	char quote;
	size_t end = 1;

	skip_space(in);
	if (in->len == 0)
		return false;
	quote = in->s[0];
	if (quote != '"' && quote != '\'' && quote != '`')
		return false;
	while (end < in->len && in->s[end] != quote)
		end += in->s[end] == '\\' && quote != '`' ? 2 : 1;
	if (end >= in->len || !unquote((struct str){in->s + 1, end - 1}, quote, arena, ret))
		return false;
	*in = str_from_offset(*in, end + 1);
	return true;
}

/* One name=value, or a quoted metric name alone. */
static const char *
take_pair(struct str *in, struct arena *arena, struct push_label *pair)
{
	bool quoted = false;

	skip_space(in);
	if (in->len > 0 && name_char(in->s[0], true, false)) {
		pair->name = take_name(in, false);
	} else {
		quoted = true;
		if (!take_quoted(in, arena, &pair->name) || pair->name.len == 0 || !str_utf8_valid(pair->name))
			return "parse error: expected a label name";
	}
	if (!take_char(in, '=')) {
		if (!quoted)
			return "parse error: expected = after a label name";
		*pair = (struct push_label){STR("__name__"), pair->name};
		return NULL;
	}
	return take_quoted(in, arena, &pair->value) ? NULL : "parse error: expected a quoted label value";
}

const char *
push_decode_labels(struct str text, struct arena *arena, struct push_label out[PUSH_LABELS_MAX], size_t *ret_n)
{
	struct str in = text;
	struct str metric;
	const char *error;
	size_t n = 0;

	skip_space(&in);
	metric = take_name(&in, true);
	if (metric.len > 0)
		out[n++] = (struct push_label){STR("__name__"), metric};
	skip_space(&in);
	if (metric.len > 0 && in.len == 0) {
		*ret_n = n;
		return NULL;
	}
	if (!take_char(&in, '{'))
		return "parse error: expected {";
	while (!take_char(&in, '}')) {
		if (n == PUSH_LABELS_MAX)
			return "too many labels";
		error = take_pair(&in, arena, &out[n]);
		if (error != NULL)
			return error;
		n++;
		if (!take_char(&in, ',')) {
			if (!take_char(&in, '}'))
				return "parse error: expected , or }";
			break;
		}
	}
	skip_space(&in);
	*ret_n = n;
	return in.len == 0 ? NULL : "parse error: text behind the labels";
}

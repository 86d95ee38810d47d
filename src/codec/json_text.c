/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/json_text.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/vec.h"
#include "longship/codec/gofmt.h"

/*
 * Compacting walks the tokens of a validated text and writes each in its canonical form. It needs no
 * tree: only where the members of the open objects begin in the output, so that an object can throw out
 * repeated keys when it closes.
 */

static uint32_t
hex4(const char *p)
{
	uint32_t n = 0;

	for (size_t i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)p[i];

		n = n << 4 | (c <= '9' ? c - (uint32_t)'0' : (c | 0x20u) - (uint32_t)'a' + 10);
	}
	return n;
}

/* The rune of a \uXXXX at p[1] == 'u', and of the second half of a pair. Returns the bytes read after the backslash. */
static size_t
unescape_rune(const char *p, size_t left, uint32_t *ret_rune)
{
	uint32_t high = hex4(p + 1), low;

	*ret_rune = high;
	if (high < 0xd800 || high > 0xdbff || left < 11 || p[5] != '\\' || p[6] != 'u')
		return 5;
	low = hex4(p + 7);
	if (low < 0xdc00 || low > 0xdfff)
		return 5;
	*ret_rune = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	return 11;
}

struct str
json_text_unescape(struct arena *arena, struct str inner)
{
	const char *first = inner.len > 0 ? memchr(inner.s, '\\', inner.len) : NULL;
	char *out;
	size_t n;

	if (first == NULL)
		return inner;
	n = (size_t)(first - inner.s);
	out = arena_alloc(arena, inner.len + 1); /* never grows: \uXXXX is at least as long as its UTF-8 */
	memcpy(out, inner.s, n);
	for (size_t i = n; i < inner.len;) {
		uint32_t rune;
		char c = inner.s[i++];

		if (c != '\\' || i == inner.len) {
			out[n++] = c;
			continue;
		}
		c = inner.s[i];
		if (c == 'u' && inner.len - i >= 5) {
			i += unescape_rune(inner.s + i, inner.len - i, &rune);
			n += str_utf8_encode(rune, out + n);
			continue;
		}
		i++;
		out[n++] = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
	}
	return (struct str){out, n};
}

static bool
quote_special(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\' || c >= 0x80 || c == '<' || c == '>' || c == '&';
}

static bool
quote_byte(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return buf_putc(b, '\\') && buf_putc(b, (char)c);
	case '\n':
		return buf_z(b, "\\n");
	case '\r':
		return buf_z(b, "\\r");
	case '\t':
		return buf_z(b, "\\t");
	default:
		return buf_printf(b, "\\u%04x", c);
	}
}

/* No short forms of \b and \f, unlike encoding/json. */
bool
json_text_quote(struct buf *b, struct str s)
{
	size_t start = 0, i = 0;

	buf_putc(b, '"');
	while (i < s.len) {
		uint32_t rune = 0;
		size_t n = 1;

		if (!quote_special((unsigned char)s.s[i])) {
			i++;
			continue;
		}
		if ((unsigned char)s.s[i] >= 0x80)
			n = str_utf8_decode(str_from_offset(s, i), &rune);
		if (n > 1 && rune != 0x2028 && rune != 0x2029) {
			i += n;
			continue;
		}
		buf_append(b, s.s + start, i - start);
		if (n == 0)
			buf_z(b, "\\ufffd");
		else if (n > 1)
			buf_printf(b, "\\u%04x", rune);
		else
			quote_byte(b, (unsigned char)s.s[i]);
		i += n > 0 ? n : 1;
		start = i;
	}
	buf_append(b, s.s + start, s.len - start);
	return buf_putc(b, '"');
}

static size_t
digits_of(struct str s, size_t i)
{
	size_t start = i;

	while (i < s.len && s.s[i] >= '0' && s.s[i] <= '9')
		i++;
	return i - start;
}

static bool
is_number(struct str s)
{
	size_t i = s.len > 0 && s.s[0] == '-', n = digits_of(s, i);

	if (n == 0 || (n > 1 && s.s[i] == '0'))
		return false;
	i += n;
	if (i < s.len && s.s[i] == '.') {
		n = digits_of(s, ++i);
		if (n == 0)
			return false;
		i += n;
	}
	if (i < s.len && (s.s[i] == 'e' || s.s[i] == 'E')) {
		i++;
		if (i < s.len && (s.s[i] == '+' || s.s[i] == '-'))
			i++;
		n = digits_of(s, i);
		if (n == 0)
			return false;
		i += n;
	}
	return i == s.len;
}

bool
json_text_parse_number(struct str s, double *ret)
{
	char small[64], *z = small;
	double n;

	if (!is_number(s))
		return false;
	if (s.len >= sizeof(small))
		z = mem_alloc(s.len + 1);
	memcpy(z, s.s, s.len);
	z[s.len] = '\0';
	n = strtod(z, NULL);
	if (z != small)
		mem_free(z);
	if (isinf(n))
		return false;
	*ret = n;
	return true;
}

bool
json_text_number(struct buf *b, double n)
{
	double size = fabs(n);

	if (size == 0 || (size >= 1e-6 && size < 1e21))
		return gofmt_float(b, n, 'f', -1);
	(void)gofmt_float(b, n, 'e', -1);
	/* e-09 becomes e-9. */
	if (b->len >= 4 && memcmp(b->data + b->len - 4, "e-0", 3) == 0) {
		b->data[b->len - 2] = b->data[b->len - 1];
		b->len--;
	}
	return !b->overflow;
}

struct member {
	size_t start, key_end; /* in the output; the key with its quotes */
	bool repeated;
};

struct frame {
	bool object;
	size_t first; /* of its members */
};

struct compact {
	struct buf out;
	VEC(struct member) members;
	VEC(struct frame) frames;
};

static struct str
member_key(const struct compact *c, size_t i)
{
	const struct member *m = &c->members.items[i];

	return (struct str){c->out.data + m->start, m->key_end - m->start};
}

static int
compare_members(const void *a, const void *b, void *ptr)
{
	const struct compact *c = ptr;
	size_t i = *(const size_t *)a, j = *(const size_t *)b;
	int r = str_cmp(member_key(c, i), member_key(c, j));

	return r != 0 ? r : i < j ? -1 : i > j;
}

/* Marks all but the last of each key. */
static bool
mark_repeated(struct compact *c, size_t first)
{
	size_t n = c->members.len - first;
	size_t *order = mem_alloc(n * sizeof(*order));
	bool any = false;

	for (size_t i = 0; i < n; i++)
		order[i] = first + i;
	qsort_r(order, n, sizeof(*order), compare_members, c);
	for (size_t i = 0; i + 1 < n; i++) {
		if (str_eq(member_key(c, order[i]), member_key(c, order[i + 1])))
			any = c->members.items[order[i]].repeated = true;
	}
	mem_free(order);
	return any;
}

static void
close_object(struct compact *c, size_t first)
{
	size_t n = c->members.len - first, to;

	if (n > 1 && mark_repeated(c, first)) {
		to = c->members.items[first].start;
		for (size_t i = first; i < first + n; i++) {
			const struct member *m = &c->members.items[i];
			/* Up to the comma before the next one. */
			size_t end = i + 1 < first + n ? c->members.items[i + 1].start - 1 : c->out.len;

			if (m->repeated)
				continue;
			if (c->out.data[to - 1] != '{')
				c->out.data[to++] = ',';
			memmove(c->out.data + to, c->out.data + m->start, end - m->start);
			to += end - m->start;
		}
		c->out.len = to;
	}
	c->members.len = first;
}

static size_t
compact_string(struct compact *c, struct arena *arena, struct str text, size_t i)
{
	size_t start = ++i;
	bool escaped = false;
	struct str inner;

	for (; i < text.len && text.s[i] != '"'; i++) {
		if (text.s[i] == '\\') {
			escaped = true;
			i++;
		}
	}
	assert(i < text.len);
	inner = (struct str){text.s + start, i - start};
	(void)json_text_quote(&c->out, escaped ? json_text_unescape(arena, inner) : inner);
	return i + 1;
}

static size_t
compact_number(struct compact *c, struct str text, size_t i)
{
	size_t start = i, digits;
	double n = 0;

	while (i < text.len && memchr("+-.0123456789eE", text.s[i], 15) != NULL)
		i++;
	text = (struct str){text.s + start, i - start};
	digits = digits_of(text, 0);
	/* A short whole number is in its canonical form already. */
	if (digits == text.len && digits <= 15)
		buf_str(&c->out, text);
	else if (json_text_parse_number(text, &n))
		(void)json_text_number(&c->out, n);
	return i;
}

static void
compact_close(struct compact *c)
{
	const struct frame *f;

	assert(c->frames.len > 0);
	f = &c->frames.items[--c->frames.len];
	if (f->object)
		close_object(c, f->first);
}

static void
compact_open(struct compact *c, bool object)
{
	struct frame f = {object, c->members.len};

	vec_push(&c->frames, f);
}

/* A string that begins a member: the last thing written was its object's brace or comma. */
static bool
at_key(const struct compact *c)
{
	const struct frame *f = c->frames.len > 0 ? &c->frames.items[c->frames.len - 1] : NULL;

	return f != NULL && f->object && c->out.data[c->out.len - 1] != ':';
}

static size_t
compact_token(struct compact *c, struct arena *arena, struct str text, size_t i)
{
	switch (text.s[i]) {
	case ' ':
	case '\t':
	case '\n':
	case '\r':
		return i + 1;
	case '"':
		if (at_key(c)) {
			struct member m = {.start = c->out.len};

			i = compact_string(c, arena, text, i);
			m.key_end = c->out.len;
			vec_push(&c->members, m);
			return i;
		}
		return compact_string(c, arena, text, i);
	case '{':
	case '[':
		compact_open(c, text.s[i] == '{');
		break;
	case '}':
	case ']':
		compact_close(c);
		break;
	case '-':
	case '0' ... '9':
		return compact_number(c, text, i);
	default: /* : , and the letters of true, false, null */
		break;
	}
	buf_putc(&c->out, text.s[i]);
	return i + 1;
}

struct str
json_text_compact(struct arena *arena, struct str value)
{
	struct compact c = {0};
	struct str made;

	/* \u00XX is the longest escape of one byte. */
	buf_init(&c.out, 6 * value.len + 64);
	for (size_t i = 0; i < value.len;)
		i = compact_token(&c, arena, value, i);
	made = arena_str(arena, buf_view(&c.out));
	buf_done(&c.out);
	vec_done(&c.members);
	vec_done(&c.frames);
	return made;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/logfmt.h"

#include <stdint.h>

/*
 * One function per piece of the grammar:
 *	record = { garbage } [ key [ '=' [ value | quoted ] ] ] …
 * Garbage is every byte up to the blank. A key is any run of other bytes but '=' and '"'.
 */

/* What ends a run of bytes. */
enum { BLANK = 1, EQUALS = 2, QUOTE = 4, MULTIBYTE = 8 };

static const uint8_t kinds[256] = {[0 ... ' '] = BLANK, ['='] = EQUALS, ['"'] = QUOTE, [0x80 ... 0xff] = MULTIBYTE};

void
logfmt_init(struct logfmt *l, struct str text, struct arena *arena)
{
	*l = (struct logfmt){.rest = text, .arena = arena};
}

/* A record without its newline and one carriage return before it. */
static bool
next_record(struct logfmt *l)
{
	if (l->rest.len == 0)
		return false;
	(void)str_cut(l->rest, '\n', &l->record, &l->rest);
	if (l->record.len > LOGFMT_RECORD_BYTES_MAX) {
		l->failed = true;
		return false;
	}
	if (l->record.len > 0 && l->record.s[l->record.len - 1] == '\r')
		l->record.len--;
	return true;
}

static void
advance(struct logfmt *l, size_t n)
{
	if (n > 0) /* there may be no record yet */
		l->record = (struct str){l->record.s + n, l->record.len - n};
}

static bool
fail(struct logfmt *l)
{
	l->failed = true;
	return false;
}

/* go-logfmt refuses keys that hold U+FFFD, also when bad UTF-8 reads as it. */
static bool
key_valid(struct str key)
{
	return str_utf8_valid(key) && str_find(key, STR("\xef\xbf\xbd")) < 0;
}

static bool
read_key(struct logfmt *l, struct str *ret)
{
	const char *s = l->record.s, *p = s, *end = s + l->record.len;
	uint8_t seen = 0;

	for (; p < end && (kinds[(unsigned char)*p] & (BLANK | EQUALS | QUOTE)) == 0; p++)
		seen |= kinds[(unsigned char)*p];
	*ret = (struct str){s, (size_t)(p - s)};
	if (p == s || (p < end && *p == '"') || ((seen & MULTIBYTE) != 0 && !key_valid(*ret)))
		return fail(l);
	advance(l, ret->len);
	return true;
}

static bool
read_bare(struct logfmt *l, struct str *ret)
{
	const char *s = l->record.s, *p = s, *end = s + l->record.len;

	while (p < end && (kinds[(unsigned char)*p] & (BLANK | EQUALS | QUOTE)) == 0)
		p++;
	if (p < end && kinds[(unsigned char)*p] != BLANK)
		return fail(l);
	*ret = (struct str){s, (size_t)(p - s)};
	advance(l, ret->len);
	return true;
}

static bool
hex4(struct str s, uint32_t *ret)
{
	uint32_t n = 0;

	if (s.len < 6 || s.s[0] != '\\' || s.s[1] != 'u')
		return false;
	for (size_t i = 2; i < 6; i++) {
		unsigned char c = (unsigned char)s.s[i], low = c | 0x20;

		if (c >= '0' && c <= '9')
			n = n << 4 | (c - (uint32_t)'0');
		else if (low >= 'a' && low <= 'f')
			n = n << 4 | (low - (uint32_t)'a' + 10);
		else
			return false;
	}
	*ret = n;
	return true;
}

/* \uXXXX, or two that make a pair; a half one is U+FFFD. Returns the bytes read, 0 when malformed. */
static size_t
unquote_rune(struct str s, uint32_t *ret)
{
	uint32_t high, low;

	if (!hex4(s, &high))
		return 0;
	*ret = high;
	if (high < 0xd800 || high > 0xdfff)
		return 6;
	if (high <= 0xdbff && hex4(str_from_offset(s, 6), &low) && low >= 0xdc00 && low <= 0xdfff) {
		*ret = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
		return 12;
	}
	*ret = 0xfffd;
	return 6;
}

/* One character of a quoted value that has escapes. Returns the bytes read, 0 when malformed. */
static size_t
unquote_char(struct str s, char *out, size_t *n)
{
	static const char from[] = "\"\\/'bfnrt", to[] = "\"\\/'\b\f\n\r\t";
	const char *at;
	uint32_t rune;
	size_t read;

	if (s.s[0] == '\\') {
		if (s.len < 2)
			return 0;
		at = memchr(from, s.s[1], sizeof(from) - 1);
		if (at != NULL) {
			out[(*n)++] = to[at - from];
			return 2;
		}
		read = unquote_rune(s, &rune);
		if (read > 0)
			*n += str_utf8_encode(rune, out + *n);
		return read;
	}
	if ((unsigned char)s.s[0] < ' ')
		return 0;
	read = str_utf8_decode(s, &rune);
	*n += str_utf8_encode(read > 0 ? rune : 0xfffd, out + *n);
	return read > 0 ? read : 1;
}

static bool
unquote(struct logfmt *l, struct str inner, struct str *ret)
{
	/* A bad byte becomes three. */
	char *out = arena_alloc(l->arena, 3 * inner.len + 1);
	size_t n = 0;

	while (inner.len > 0) {
		size_t read = unquote_char(inner, out, &n);

		if (read == 0)
			return fail(l);
		inner = str_from_offset(inner, read);
	}
	*ret = (struct str){out, n};
	return true;
}

/* At the opening quote. */
static bool
read_quoted(struct logfmt *l, struct str *ret)
{
	const char *s = l->record.s;
	bool escapes = false;
	size_t n = 1;

	while (n < l->record.len && s[n] != '"') {
		if (s[n] == '\\') {
			escapes = true;
			n++;
		}
		n++;
	}
	if (n >= l->record.len)
		return fail(l);
	*ret = (struct str){s + 1, n - 1};
	advance(l, n + 1);
	return !escapes || unquote(l, *ret, ret);
}

static void
skip_garbage(struct logfmt *l)
{
	size_t n = 0;

	while (n < l->record.len && (unsigned char)l->record.s[n] <= ' ')
		n++;
	advance(l, n);
}

bool
logfmt_next(struct logfmt *l, struct str *ret_key, struct str *ret_value)
{
	if (l->failed)
		return false;
	for (skip_garbage(l); l->record.len == 0; skip_garbage(l)) {
		if (!next_record(l))
			return false;
	}
	if (!read_key(l, ret_key))
		return false;
	*ret_value = (struct str){l->record.s, 0};
	if (l->record.len == 0 || l->record.s[0] != '=')
		return true;
	advance(l, 1);
	if (l->record.len == 0 || (unsigned char)l->record.s[0] <= ' ')
		return true;
	return l->record.s[0] == '"' ? read_quoted(l, ret_value) : read_bare(l, ret_value);
}

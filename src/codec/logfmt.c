/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/logfmt.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*
 * One function per piece of the grammar:
 *	record = { garbage } [ key [ '=' [ value | quoted ] ] ] …
 * Garbage is every byte up to the blank. A key is any run of other bytes but '=' and '"'. Bytes are told apart 64 at a time.
 */

#define BLOCK 64

static inline void
tell_apart(struct logfmt *l, const char *bytes)
{
	l->ends = l->wide = l->quotes = 0;
#ifdef __SSE2__
	for (size_t i = 0; i < BLOCK; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i));
		__m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
		__m128i blank = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(' ')), v);
		__m128i end = _mm_or_si128(_mm_or_si128(blank, quote), _mm_cmpeq_epi8(v, _mm_set1_epi8('=')));

		l->ends |= (uint64_t)(unsigned)_mm_movemask_epi8(end) << i;
		l->wide |= (uint64_t)(unsigned)_mm_movemask_epi8(v) << i;
		l->quotes |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_or_si128(quote, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')))) << i;
	}
#else
	for (size_t i = 0; i < BLOCK; i++) {
		unsigned char c = (unsigned char)bytes[i];

		l->ends |= (uint64_t)(c <= ' ' || c == '=' || c == '"') << i;
		l->wide |= (uint64_t)(c >= 0x80) << i;
		l->quotes |= (uint64_t)(c == '"' || c == '\\') << i;
	}
#endif
}

/* Makes p, which is within the record, one of the block's bytes; returns its number there. */
static inline unsigned
look_at(struct logfmt *l, const char *p)
{
	size_t left = (size_t)(l->end - p);
	char tail[BLOCK];

	if (l->block != NULL && (size_t)(p - l->block) < BLOCK)
		return (unsigned)(p - l->block);
	l->block = p;
	if (left >= BLOCK) {
		tell_apart(l, p);
	} else {
		memset(tail, ' ', sizeof(tail)); /* as if the record ended in blanks */
		memcpy(tail, p, left);
		tell_apart(l, tail);
	}
	return 0;
}

/* The first byte from p on that ends a key or value, or the record's end. */
static inline const char *
find_end(struct logfmt *l, const char *p)
{
	const char *end = l->end;

	while (p < end) {
		unsigned at = look_at(l, p);
		uint64_t left = l->ends >> at;

		if (left != 0) {
			p += __builtin_ctzll(left);
			return p < end ? p : end;
		}
		p = l->block + BLOCK;
	}
	return end;
}

/* Whether one of n bytes at p is not ASCII. */
static inline bool
any_wide(const struct logfmt *l, const char *p, size_t n)
{
	if (p >= l->block && (size_t)(p - l->block) + n < BLOCK)
		return (l->wide >> (p - l->block) & ((UINT64_C(1) << n) - 1)) != 0;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] >= 0x80)
			return true;
	return false;
}

void
logfmt_init(struct logfmt *l, struct str text, struct arena *arena)
{
	*l = (struct logfmt){.rest = text, .arena = arena};
}

/* A record without its newline and one carriage return before it. */
static bool
next_record(struct logfmt *l)
{
	struct str record;

	if (l->rest.len == 0)
		return false;
	(void)str_cut(l->rest, '\n', &record, &l->rest);
	l->block = NULL;
	if (record.len > LOGFMT_RECORD_BYTES_MAX) {
		l->failed = true;
		return false;
	}
	if (record.len > 0 && record.s[record.len - 1] == '\r')
		record.len--;
	l->p = record.s;
	l->end = record.s + record.len;
	return true;
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

static inline bool
read_key(struct logfmt *l, struct str *ret)
{
	const char *s = l->p, *p = find_end(l, s);

	*ret = (struct str){s, (size_t)(p - s)};
	if (p == s || (p < l->end && *p == '"') || (any_wide(l, s, ret->len) && !key_valid(*ret)))
		return fail(l);
	l->p = p;
	return true;
}

static inline bool
read_bare(struct logfmt *l, struct str *ret)
{
	const char *s = l->p, *p = find_end(l, s);

	if (p < l->end && (*p == '=' || *p == '"'))
		return fail(l);
	*ret = (struct str){s, (size_t)(p - s)};
	l->p = p;
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

/* The closing quote from p on, or the record's end. */
static const char *
find_quote(struct logfmt *l, const char *p, bool *ret_escapes)
{
	const char *end = l->end;

	while (p < end) {
		unsigned at = look_at(l, p);
		uint64_t left = l->quotes >> at;

		if (left == 0) {
			p = l->block + BLOCK;
			continue;
		}
		p += __builtin_ctzll(left);
		if (*p == '"')
			return p;
		*ret_escapes = true;
		p += 2;
	}
	return end;
}

/* At the opening quote. */
static bool
read_quoted(struct logfmt *l, struct str *ret)
{
	const char *s = l->p + 1, *close;
	bool escapes = false;

	close = find_quote(l, s, &escapes);
	if (close >= l->end)
		return fail(l);
	*ret = (struct str){s, (size_t)(close - s)};
	l->p = close + 1;
	return !escapes || unquote(l, *ret, ret);
}

bool
logfmt_next(struct logfmt *l, struct str *ret_key, struct str *ret_value)
{
	if (l->failed)
		return false;
	for (;;) {
		while (l->p < l->end && (unsigned char)*l->p <= ' ')
			l->p++;
		if (l->p < l->end)
			break;
		if (!next_record(l))
			return false;
	}
	if (!read_key(l, ret_key))
		return false;
	*ret_value = (struct str){l->p, 0};
	if (l->p == l->end || *l->p != '=')
		return true;
	l->p++;
	if (l->p == l->end || (unsigned char)*l->p <= ' ')
		return true;
	return *l->p == '"' ? read_quoted(l, ret_value) : read_bare(l, ret_value);
}

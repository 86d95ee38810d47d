/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/str.h"

#include <limits.h>

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int r = n > 0 ? memcmp(a.s, b.s, n) : 0;

	if (r != 0)
		return r;
	return a.len < b.len ? -1 : a.len > b.len;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.s, prefix.s, prefix.len) == 0);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
		(suffix.len == 0 || memcmp(s.s + s.len - suffix.len, suffix.s, suffix.len) == 0);
}

ptrdiff_t
str_find(struct str s, struct str needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	if (s.len < needle.len)
		return -1;
	at = memmem(s.s, s.len, needle.s, needle.len);
	return at != NULL ? at - s.s : -1;
}

struct str
str_from_offset(struct str s, size_t from)
{
	if (from >= s.len)
		return (struct str){s.s != NULL ? s.s + s.len : NULL, 0};
	return (struct str){s.s + from, s.len - from};
}

struct str
str_head(struct str s, size_t len)
{
	return (struct str){s.s, len < s.len ? len : s.len};
}

bool
str_cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail)
{
	const char *at = s.len > 0 ? memchr(s.s, sep, s.len) : NULL;

	if (at == NULL) {
		*ret_head = s;
		*ret_tail = STR_EMPTY;
		return false;
	}
	*ret_head = (struct str){s.s, (size_t)(at - s.s)};
	*ret_tail = (struct str){at + 1, s.len - ret_head->len - 1};
	return true;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str
str_trim(struct str s)
{
	while (s.len > 0 && is_space(s.s[0]))
		s = (struct str){s.s + 1, s.len - 1};
	while (s.len > 0 && is_space(s.s[s.len - 1]))
		s.len--;
	return s;
}

bool
str_to_u64(struct str s, uint64_t *ret)
{
	uint64_t n = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned char)s.s[i] - (unsigned)'0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*ret = n;
	return true;
}

bool
str_to_i64(struct str s, int64_t *ret)
{
	bool negative = s.len > 0 && s.s[0] == '-';
	uint64_t n;

	if (negative || (s.len > 0 && s.s[0] == '+'))
		s = str_from_offset(s, 1);
	if (!str_to_u64(s, &n) || n > (uint64_t)INT64_MAX + negative)
		return false;
	*ret = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

/* Table 3-7 of the Unicode standard: the second byte's range depends on the first. */
size_t
str_utf8_decode(struct str s, uint32_t *ret_rune)
{
	const unsigned char *p = (const unsigned char *)s.s;
	unsigned low = 0x80, high = 0xbf;
	size_t len;
	uint32_t rune;

	if (s.len == 0)
		return 0;
	if (p[0] < 0x80) {
		*ret_rune = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
		rune = p[0] & 0x1fu;
	} else if ((p[0] & 0xf0) == 0xe0) {
		len = 3;
		rune = p[0] & 0x0fu;
		low = p[0] == 0xe0 ? 0xa0 : low;
		high = p[0] == 0xed ? 0x9f : high;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		rune = p[0] & 0x07u;
		low = p[0] == 0xf0 ? 0x90 : low;
		high = p[0] == 0xf4 ? 0x8f : high;
	} else {
		return 0;
	}
	if (s.len < len || p[1] < low || p[1] > high)
		return 0;
	rune = rune << 6 | (p[1] & 0x3fu);
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		rune = rune << 6 | (p[i] & 0x3fu);
	}
	*ret_rune = rune;
	return len;
}

size_t
str_utf8_encode(uint32_t rune, char out[4])
{
	if (rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
		rune = 0xfffd;
	if (rune < 0x80) {
		out[0] = (char)rune;
		return 1;
	}
	if (rune < 0x800) {
		out[0] = (char)(0xc0 | rune >> 6);
		out[1] = (char)(0x80 | (rune & 0x3f));
		return 2;
	}
	if (rune < 0x10000) {
		out[0] = (char)(0xe0 | rune >> 12);
		out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
		out[2] = (char)(0x80 | (rune & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | rune >> 18);
	out[1] = (char)(0x80 | (rune >> 12 & 0x3f));
	out[2] = (char)(0x80 | (rune >> 6 & 0x3f));
	out[3] = (char)(0x80 | (rune & 0x3f));
	return 4;
}

bool
str_utf8_valid(struct str s)
{
	uint32_t rune;

	while (s.len > 0) {
		size_t n;
		uint64_t word;

		/* Eight ASCII bytes at a time: most text is. */
		while (s.len >= 8) {
			memcpy(&word, s.s, 8);
			if ((word & UINT64_C(0x8080808080808080)) != 0)
				break;
			s = (struct str){s.s + 8, s.len - 8};
		}
		if (s.len == 0)
			break;
		n = str_utf8_decode(s, &rune);
		if (n == 0)
			return false;
		s = (struct str){s.s + n, s.len - n};
	}
	return true;
}

#define NAME_BYTES_MAX 64 /* longer names are not compared */

/* Levenshtein distance with two rows. */
static size_t
edits(struct str a, struct str b)
{
	size_t row[NAME_BYTES_MAX + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t best = diagonal + (a.s[i - 1] != b.s[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.len];
}

const char *
str_nearest(struct str name, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t best_edits = name.len / 3 + 1; /* one slip in three letters still counts as near */

	if (name.len > NAME_BYTES_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct str candidate = str_from(candidates[i]);
		size_t d;

		if (candidate.len > NAME_BYTES_MAX)
			continue;
		d = edits(name, candidate);
		if (d <= best_edits && d < candidate.len && (best == NULL || d < best_edits)) {
			best = candidates[i];
			best_edits = d;
		}
	}
	return best;
}

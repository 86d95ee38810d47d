/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/base32.h"

#include <stdint.h>

/* Groups of 5 bytes as 8 characters; the last group is filled with '='. */

struct str
base32_encode(struct arena *arena, struct str bytes)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	static const uint8_t used[] = {0, 2, 4, 5, 7, 8}; /* characters of so many bytes */
	char *out = arena_alloc(arena, (bytes.len + 4) / 5 * 8 + 1);
	size_t len = 0;

	for (size_t at = 0; at < bytes.len; at += 5) {
		size_t n = bytes.len - at < 5 ? bytes.len - at : 5;
		uint64_t group = 0;

		for (size_t i = 0; i < 5; i++)
			group = group << 8 | (i < n ? (unsigned char)bytes.s[at + i] : 0);
		for (size_t i = 0; i < 8; i++)
			out[len++] = '=';
		for (size_t i = 0; i < used[n]; i++)
			out[len - 8 + i] = alphabet[group >> (35 - 5 * i) & 31];
	}
	out[len] = '\0';
	return (struct str){out, len};
}

static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/* Go counts the bytes without line ends. */
static struct str
without_line_ends(struct arena *arena, struct str text)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.s[i] != '\r' && text.s[i] != '\n')
			out[len++] = text.s[i];
	}
	return (struct str){out, len};
}

/*
 * How many characters of the group at `at` are no padding; false with the offset of the fault. Padding begins at the third
 * character at the earliest, and only where less than 8 bytes follow; Go does not look at what stands behind it.
 */
static bool
group_length(struct str s, size_t at, size_t *ret, size_t *ret_offset)
{
	size_t n = 0, left;

	for (; n < 8 && at + n < s.len; n++) {
		left = s.len - at - n - 1;
		if (s.s[at + n] == '=' && n >= 2 && left < 8)
			break;
		*ret_offset = at + n;
		if (digit(s.s[at + n]) < 0)
			return false;
	}
	*ret = n;
	if (n == 8)
		return true;
	*ret_offset = at;
	if (at + n >= s.len) /* the padding is missing */
		return false;
	*ret_offset = s.len;
	if (s.len - at < 8)
		return false;
	for (size_t i = n + 1; i < 8; i++) {
		*ret_offset = at + i - 1;
		if (s.s[at + i] != '=')
			return false;
	}
	*ret_offset = at + n;
	return n != 3 && n != 6;
}

bool
base32_decode(struct arena *arena, struct str text, struct str *ret, size_t *ret_offset)
{
	struct str s = without_line_ends(arena, text);
	char *out = arena_alloc(arena, s.len / 8 * 5 + 6);
	size_t len = 0;

	for (size_t at = 0, n = 8; at < s.len && n == 8; at += 8) {
		uint64_t group = 0;

		if (!group_length(s, at, &n, ret_offset))
			return false;
		for (size_t i = 0; i < 8; i++)
			group = group << 5 | (i < n ? (uint64_t)digit(s.s[at + i]) : 0);
		for (size_t i = 0; i < n * 5 / 8; i++)
			out[len++] = (char)(group >> (32 - 8 * i) & 0xff);
	}
	out[len] = '\0';
	*ret = (struct str){out, len};
	return true;
}

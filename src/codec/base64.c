/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/base64.h"

#include <stdint.h>

/*
 * Four characters make three bytes. The decoder collects one group at a time; what ends a group early
 * (padding, the end of the text) decides both the result and the offset that an error names.
 */

static const char *const alphabets[] = {
	[BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	[BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

struct str
base64_encode(struct arena *arena, struct str bytes, enum base64_alphabet alphabet)
{
	const char *digits = alphabets[alphabet];
	char *out = arena_alloc(arena, (bytes.len + 2) / 3 * 4 + 1), *at = out;

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t group = 0;

		for (size_t j = 0; j < 3; j++)
			group = group << 8 | (j < n ? (unsigned char)bytes.s[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			*at++ = j <= n ? digits[group >> (18 - 6 * j) & 63] : '=';
	}
	*at = '\0';
	return (struct str){out, (size_t)(at - out)};
}

static int
digit_value(char c, enum base64_alphabet alphabet)
{
	const char *at = c != '\0' ? strchr(alphabets[alphabet], c) : NULL;

	return at != NULL ? (int)(at - alphabets[alphabet]) : -1;
}

static size_t
skip_line_ends(struct str s, size_t at)
{
	while (at < s.len && (s.s[at] == '\n' || s.s[at] == '\r'))
		at++;
	return at;
}

/* Behind the first '=' of a group of n characters: the rest may hold only what completes the padding. */
static bool
read_padding(struct str text, size_t at, size_t n, size_t *ret_offset)
{
	if (n < 2) {
		*ret_offset = at - 1;
		return false;
	}
	if (n == 2) {
		at = skip_line_ends(text, at);
		if (at == text.len || text.s[at] != '=') {
			*ret_offset = at == text.len ? at : at - 1;
			return false;
		}
		at++;
	}
	at = skip_line_ends(text, at);
	*ret_offset = at;
	return at == text.len;
}

bool
base64_decode(struct arena *arena, struct str text, enum base64_alphabet alphabet, struct str *ret, size_t *ret_offset)
{
	char *out = arena_alloc(arena, text.len / 4 * 3 + 4);
	size_t len = 0, n = 0;
	uint32_t group = 0;

	for (size_t at = 0; at < text.len;) {
		char c = text.s[at++];
		int digit = digit_value(c, alphabet);

		if (c == '\n' || c == '\r')
			continue;
		if (c == '=') {
			if (!read_padding(text, at, n, ret_offset))
				return false;
			group <<= 6 * (4 - n);
			out[len++] = (char)(group >> 16);
			if (n == 3)
				out[len++] = (char)(group >> 8);
			n = 0;
			break;
		}
		if (digit < 0) {
			*ret_offset = at - 1;
			return false;
		}
		group = group << 6 | (uint32_t)digit;
		if (++n == 4) {
			out[len++] = (char)(group >> 16);
			out[len++] = (char)(group >> 8);
			out[len++] = (char)group;
			n = 0;
			group = 0;
		}
	}
	if (n > 0) {
		*ret_offset = text.len - n;
		return false;
	}
	out[len] = '\0';
	*ret = (struct str){out, len};
	return true;
}

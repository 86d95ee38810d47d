/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/unicode.h"

#include <locale.h>
#include <threads.h>
#include <wctype.h>

#include "longship/base/check.h"

/*
 * The C library's wide-character functions take a locale object, so neither setlocale nor the environment
 * matters. On a system without C.UTF-8 only ASCII has letter case; nothing fails.
 */

static once_flag locale_once = ONCE_FLAG_INIT;
static locale_t utf8_locale;

static void
open_locale(void)
{
	utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (utf8_locale == (locale_t)0)
		utf8_locale = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
}

static locale_t
get_locale(void)
{
	call_once(&locale_once, open_locale);
	return utf8_locale;
}

uint32_t
unicode_rune_upper(uint32_t rune)
{
	if (rune < 0x80)
		return rune >= 'a' && rune <= 'z' ? rune - 32 : rune;
	return (uint32_t)towupper_l((wint_t)rune, get_locale());
}

uint32_t
unicode_rune_lower(uint32_t rune)
{
	if (rune < 0x80)
		return rune >= 'A' && rune <= 'Z' ? rune + 32 : rune;
	return (uint32_t)towlower_l((wint_t)rune, get_locale());
}

bool
unicode_is_space(uint32_t rune)
{
	return (rune >= '\t' && rune <= '\r') || rune == ' ' || rune == 0x85 || rune == 0xa0 || rune == 0x1680 ||
	       (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 || rune == 0x2029 || rune == 0x202f ||
	       rune == 0x205f || rune == 0x3000;
}

bool
unicode_is_print(uint32_t rune)
{
	/* Format characters and private use: the C library calls them printable, Go does not. */
	static const uint32_t hidden[][2] = {
		{0xad, 0xad},
		{0x600, 0x605},
		{0x61c, 0x61c},
		{0x6dd, 0x6dd},
		{0x70f, 0x70f},
		{0x890, 0x891},
		{0x8e2, 0x8e2},
		{0x180e, 0x180e},
		{0x200b, 0x200f},
		{0x202a, 0x202e},
		{0x2060, 0x206f},
		{0xe000, 0xf8ff},
		{0xfeff, 0xfeff},
		{0xfff9, 0xfffb},
		{0x110bd, 0x110bd},
		{0x110cd, 0x110cd},
		{0x13430, 0x1343f},
		{0x1bca0, 0x1bca3},
		{0x1d173, 0x1d17a},
		{0xe0001, 0xe0001},
		{0xe0020, 0xe007f},
		{0xf0000, 0x10ffff},
	};

	if (rune < 0x7f)
		return rune >= ' ';
	for (size_t i = 0; i < ARRAY_LEN(hidden) && rune >= hidden[i][0]; i++) {
		if (rune <= hidden[i][1])
			return false;
	}
	return !unicode_is_space(rune) && iswprint_l((wint_t)rune, get_locale());
}

/* A rune that changes its case can grow from two bytes to three (U+0250 to U+2C6F), or U+FFFD stand for one byte. */
static struct str
map_runes(struct arena *arena, struct str s, uint32_t (*map)(uint32_t))
{
	char *out = arena_alloc(arena, s.len * 3 + 4);
	size_t len = 0;

	while (s.len > 0) {
		uint32_t rune = 0xfffd;
		size_t n = str_utf8_decode(s, &rune);

		len += str_utf8_encode(n > 0 ? map(rune) : 0xfffd, out + len);
		s = str_from_offset(s, n > 0 ? n : 1);
	}
	out[len] = '\0';
	return (struct str){out, len};
}

struct str
unicode_upper(struct arena *arena, struct str s)
{
	return map_runes(arena, s, unicode_rune_upper);
}

struct str
unicode_lower(struct arena *arena, struct str s)
{
	return map_runes(arena, s, unicode_rune_lower);
}

/* Length of the last UTF-8 sequence of s, or 1 for a byte that ends none. */
static size_t
last_rune(struct str s, uint32_t *ret_rune)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++) {
		if (str_utf8_decode((struct str){s.s + s.len - n, n}, ret_rune) == n)
			return n;
	}
	*ret_rune = 0xfffd;
	return 1;
}

struct str
unicode_trim_space(struct str s)
{
	uint32_t rune;
	size_t n;

	while (s.len > 0 && (n = str_utf8_decode(s, &rune)) > 0 && unicode_is_space(rune))
		s = str_from_offset(s, n);
	while (s.len > 0 && (n = last_rune(s, &rune)) > 0 && unicode_is_space(rune))
		s.len -= n;
	return s;
}

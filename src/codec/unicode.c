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

uint32_t
unicode_rune_title(uint32_t rune)
{
	/* DŽ, LJ, NJ and DZ in their three forms: the middle one is the title case. */
	if (rune >= 0x1c4 && rune <= 0x1cc)
		return 0x1c5 + (rune - 0x1c4) / 3 * 3;
	return rune >= 0x1f1 && rune <= 0x1f3 ? 0x1f2 : unicode_rune_upper(rune);
}

bool
unicode_is_letter(uint32_t rune)
{
	if (rune < 0x80)
		return (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
	return iswalpha_l((wint_t)rune, get_locale()) && !unicode_is_digit(rune);
}

bool
unicode_is_upper(uint32_t rune)
{
	if (rune < 0x80)
		return rune >= 'A' && rune <= 'Z';
	return iswupper_l((wint_t)rune, get_locale()) && unicode_rune_title(rune) == rune && unicode_is_letter(rune) &&
	       !(rune >= 0x1c4 && rune <= 0x1cc && rune % 3 == 2) && rune != 0x1f2;
}

bool
unicode_is_lower(uint32_t rune)
{
	if (rune < 0x80)
		return rune >= 'a' && rune <= 'z';
	return iswlower_l((wint_t)rune, get_locale()) && unicode_is_letter(rune) && unicode_rune_lower(rune) == rune;
}

bool
unicode_is_punct(uint32_t rune)
{
	if (rune < 0x80)
		return rune > ' ' && rune != 0x7f && strchr("!\"#%&'()*,-./:;?@[\\]_{}", (int)rune) != NULL;
	return iswpunct_l((wint_t)rune, get_locale()) && (rune == 0xa1 || rune == 0xa7 || rune == 0xab || rune == 0xb6 || rune == 0xb7 ||
		rune == 0xbb || rune == 0xbf || (rune >= 0x2010 && rune <= 0x205e && rune != 0x2044 && rune != 0x2052) || (rune >= 0x3001 && rune <= 0x3003) ||
		(rune >= 0x3008 && rune <= 0x3011) || (rune >= 0x3014 && rune <= 0x301f));
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

/* The zeros of Unicode 15; nine more digits follow each. */
static const uint32_t zeros[] = {
	0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
	0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
	0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
	0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
	0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
	0x1e140, 0x1e2f0, 0x1e4f0, 0x1e950, 0x1fbf0,
};

bool
unicode_is_digit(uint32_t rune)
{
	size_t low = 0, high = sizeof(zeros) / sizeof(zeros[0]);

	if (rune < 0x80)
		return rune >= '0' && rune <= '9';
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (rune < zeros[middle])
			high = middle;
		else if (rune > zeros[middle] + 9)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

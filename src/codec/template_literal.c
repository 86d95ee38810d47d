/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <threads.h>

/* Literals as Go's strconv reads them: quoted text, characters, integers with prefix and underscores, floats. */

#define FLOAT_BYTES_MAX 512 /* text of one number; more digits than that are no number that somebody wrote */

/* n digits of the base at the start of *s. */
static bool
read_digits(struct str *s, size_t n, uint32_t base, uint32_t *ret)
{
	uint32_t value = 0;

	if (s->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int digit = str_hex_digit(s->s[i]);

		if (digit < 0 || (uint32_t)digit >= base)
			return false;
		value = value * base + (uint32_t)digit;
	}
	*s = str_from_offset(*s, n);
	*ret = value;
	return true;
}

static bool
unquote_escape(struct str *s, char quote, uint32_t *ret_rune, bool *ret_byte)
{
	static const char letters[] = "abfnrtv\\", meant[] = "\a\b\f\n\r\t\v\\";
	const char *at;
	char c;

	if (s->len == 0)
		return false;
	c = s->s[0];
	if (c != '\0' && (at = strchr(letters, c)) != NULL) {
		*ret_rune = (unsigned char)meant[at - letters];
		*s = str_from_offset(*s, 1);
		return true;
	}
	if (c == '\'' || c == '"') {
		*ret_rune = (unsigned char)c;
		*s = str_from_offset(*s, 1);
		return c == quote;
	}
	*ret_byte = c != 'u' && c != 'U';
	if (c >= '0' && c <= '7')
		return read_digits(s, 3, 8, ret_rune) && *ret_rune <= 255;
	*s = str_from_offset(*s, 1);
	if (c == 'x')
		return read_digits(s, 2, 16, ret_rune);
	if (c != 'u' && c != 'U')
		return false;
	return read_digits(s, c == 'u' ? 4 : 8, 16, ret_rune) && *ret_rune <= 0x10ffff && (*ret_rune < 0xd800 || *ret_rune > 0xdfff);
}

bool
template_unquote_char(struct str *s, char quote, uint32_t *ret_rune, bool *ret_byte)
{
	size_t n;

	*ret_byte = false;
	if (s->len == 0 || s->s[0] == quote || s->s[0] == '\n')
		return false;
	if (s->s[0] == '\\') {
		*s = str_from_offset(*s, 1);
		return unquote_escape(s, quote, ret_rune, ret_byte);
	}
	n = str_utf8_decode(*s, ret_rune);
	if (n == 0) {
		*ret_rune = (unsigned char)s->s[0];
		*ret_byte = true;
		n = 1;
	}
	*s = str_from_offset(*s, n);
	return true;
}

static struct str
unquote_raw(struct arena *arena, struct str inner)
{
	char *out = arena_alloc(arena, inner.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < inner.len; i++) {
		if (inner.s[i] != '\r')
			out[n++] = inner.s[i];
	}
	return (struct str){out, n};
}

bool
template_unquote(struct arena *arena, struct str literal, struct str *ret)
{
	struct str inner;
	char *out;
	size_t len = 0;

	if (literal.len < 2 || literal.s[0] != literal.s[literal.len - 1])
		return false;
	inner = (struct str){literal.s + 1, literal.len - 2};
	if (literal.s[0] == '`') {
		*ret = unquote_raw(arena, inner);
		return true;
	}
	out = arena_alloc(arena, inner.len * 3 + 4);
	while (inner.len > 0) {
		uint32_t rune;
		bool byte;

		if (!template_unquote_char(&inner, '"', &rune, &byte))
			return false;
		if (byte)
			out[len++] = (char)rune;
		else
			len += str_utf8_encode(rune, out + len);
	}
	*ret = (struct str){out, len};
	return true;
}

/* Underscores stand between digits, or between the prefix and a digit. */
static bool
underscores_good(struct str s)
{
	char before = '^'; /* '0': a digit, '_', '!': anything else */
	bool hex = false;
	size_t i = 0;

	if (s.len >= 1 && (s.s[0] == '-' || s.s[0] == '+'))
		i = 1;
	if (s.len >= i + 2 && s.s[i] == '0' && strchr("xXbBoO", s.s[i + 1]) != NULL) {
		hex = (s.s[i + 1] | 0x20) == 'x';
		before = '0';
		i += 2;
	}
	for (; i < s.len; i++) {
		if ((s.s[i] >= '0' && s.s[i] <= '9') || (hex && str_hex_digit(s.s[i]) >= 0)) {
			before = '0';
		} else if (s.s[i] == '_') {
			if (before != '0')
				return false;
			before = '_';
		} else {
			if (before == '_')
				return false;
			before = '!';
		}
	}
	return before != '_';
}

/* Behind the sign. */
static bool
parse_magnitude(struct str s, int base, uint64_t *ret)
{
	uint64_t value = 0;
	bool any = false, underscore = base == 0;

	if (base == 0 && s.len >= 2 && s.s[0] == '0') {
		char c = (char)(s.s[1] | 0x20);

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		s = str_from_offset(s, s.len >= 3 && (c == 'x' || c == 'b' || c == 'o') ? 2 : 1);
	} else if (base == 0) {
		base = 10;
	}
	for (size_t i = 0; i < s.len; i++) {
		int digit = str_hex_digit(s.s[i]);

		if (s.s[i] == '_' && underscore)
			continue;
		if (digit < 0 || digit >= base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
			__builtin_add_overflow(value, (uint64_t)digit, &value))
			return false;
		any = true;
	}
	*ret = value;
	return any;
}

static bool
parse_signed(struct str s, int base, bool *ret_negative, uint64_t *ret)
{
	struct str digits = s;

	*ret_negative = s.len > 0 && s.s[0] == '-';
	if (s.len > 0 && (s.s[0] == '-' || s.s[0] == '+'))
		digits = str_from_offset(s, 1);
	if (memchr(s.s != NULL ? s.s : "", '_', s.len) != NULL && (base != 0 || !underscores_good(s)))
		return false;
	return parse_magnitude(digits, base, ret);
}

bool
template_parse_int(struct str s, int base, int64_t *ret)
{
	uint64_t magnitude;
	bool negative;

	if (!parse_signed(s, base, &negative, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
		return false;
	*ret = (int64_t)(negative ? 0 - magnitude : magnitude);
	return true;
}

static bool
parse_special(struct str s, double *ret)
{
	static const char *const names[] = {"inf", "infinity", "nan"};
	bool sign = s.len > 0 && (s.s[0] == '-' || s.s[0] == '+');
	double negative = sign && s.s[0] == '-' ? -1 : 1;
	struct str word = str_from_offset(s, sign);

	for (size_t i = 0; i < 3; i++) {
		bool same = word.len == strlen(names[i]) && (i < 2 || !sign);

		for (size_t k = 0; same && k < word.len; k++)
			same = (word.s[k] | 0x20) == names[i][k];
		if (same) {
			*ret = i < 2 ? negative * (double)INFINITY : (double)NAN;
			return true;
		}
	}
	return false;
}

static once_flag locale_once = ONCE_FLAG_INIT;
static locale_t c_locale;

static void
open_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool
template_parse_float(struct str s, double *ret)
{
	char text[FLOAT_BYTES_MAX + 1], *end;
	bool hex = false, exponent = false;
	size_t n = 0;

	if (parse_special(s, ret))
		return true;
	if (s.len == 0 || s.len > FLOAT_BYTES_MAX || !underscores_good(s))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = (char)(s.s[i] | 0x20);

		hex = hex || c == 'x';
		exponent = exponent || c == 'p';
		if (s.s[i] != '_')
			text[n++] = s.s[i];
		if (strchr("0123456789abcdefxp", c) == NULL && strchr("+-._", s.s[i]) == NULL)
			return false;
	}
	text[n] = '\0';
	if (hex != exponent || n == 0)
		return false;
	call_once(&locale_once, open_locale);
	*ret = strtod_l(text, &end, c_locale);
	return *end == '\0' && end != text && isfinite(*ret);
}

static bool
character(struct str text, struct tnumber *ret)
{
	struct str inner = str_from_offset(text, 1);
	uint32_t rune;
	bool byte;

	if (!template_unquote_char(&inner, '\'', &rune, &byte) || !str_is(inner, "'"))
		return false;
	*ret = (struct tnumber){.is_int = true, .is_float = true, .i = rune, .f = rune};
	return true;
}

bool
template_number(struct arena *arena, struct ttoken t, struct tnumber *ret, struct str *ret_error)
{
	struct tnumber n = {0};
	bool negative, is_uint, hex = t.text.len >= 2 && t.text.s[0] == '0' && (t.text.s[1] | 0x20) == 'x', point = false;
	uint64_t magnitude = 0;

	if (t.kind == K_CHARACTER) {
		*ret_error = arena_printf(arena, "malformed character constant: %.*s", STR_FMT(t.text));
		return character(t.text, ret);
	}
	for (size_t i = 0; i < t.text.len; i++)
		point = point || strchr(".eEpP", t.text.s[i]) != NULL;
	*ret_error = arena_printf(arena, "illegal number syntax: \"%.*s\"", STR_FMT(t.text));
	if (t.kind == K_COMPLEX || t.text.s[t.text.len - 1] == 'i') {
		*ret_error = STR("complex numbers are not supported");
		return false;
	}
	n.is_int = template_parse_int(t.text, 0, &n.i);
	is_uint = parse_signed(t.text, 0, &negative, &magnitude) && !negative;
	if (n.is_int || is_uint) {
		n.is_float = true;
		n.f = n.is_int ? (double)n.i : (double)magnitude;
	} else if (template_parse_float(t.text, &n.f)) {
		*ret_error = arena_printf(arena, "integer overflow: \"%.*s\"", STR_FMT(t.text));
		if (!point)
			return false;
		n.is_float = true;
		if (n.f >= -0x1p63 && n.f < 0x1p63 && (double)(int64_t)n.f == n.f) {
			n.is_int = true;
			n.i = (int64_t)n.f;
		}
	} else {
		return false;
	}
	n.float_form = point && !(hex && memchr(t.text.s, 'p', t.text.len) == NULL && memchr(t.text.s, 'P', t.text.len) == NULL);
	*ret = n;
	return true;
}

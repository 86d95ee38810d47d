/* SPDX-License-Identifier: Apache-2.0 */
#include "gofmt_priv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "longship/codec/unicode.h"

/*
 * Digits of integers and floats. The C library rounds correctly for %e and %f, so those come from it; the
 * shortest form is the first precision that reads back, and %g then changes its notation at exponent 6. %b and %x
 * have no counterpart in C that agrees in every case and are made from the bits.
 */

/* Room for a number of the widest precision: %f of 1e308 with GOFMT_WIDTH_MAX digits. */
#define NUMBER_BYTES_MAX (GOFMT_WIDTH_MAX + 512)

void
gofmt_padding(struct buf *out, const struct gofmt_flags *flags, long n)
{
	char fill = flags->zero && !flags->minus ? '0' : ' ';

	while (n-- > 0 && buf_putc(out, fill))
		continue;
}

static long
count_runes(struct str s)
{
	long runes = 0;

	while (s.len > 0) {
		uint32_t rune;
		size_t n = str_utf8_decode(s, &rune);

		s = str_from_offset(s, n > 0 ? n : 1);
		runes++;
	}
	return runes;
}

void
gofmt_pad(struct buf *out, const struct gofmt_flags *flags, struct str text)
{
	long missing = flags->has_width ? flags->width - count_runes(text) : 0;

	if (!flags->minus)
		gofmt_padding(out, flags, missing);
	buf_str(out, text);
	if (flags->minus)
		gofmt_padding(out, flags, missing);
}

/* How many digits are wanted at least: the precision, or the width when it is to be filled with zeros. */
static int
least_digits(const struct gofmt_flags *flags, bool negative)
{
	if (flags->has_precision)
		return flags->precision;
	if (flags->zero && !flags->minus && flags->has_width)
		return flags->width - (negative || flags->plus || flags->space);
	return 0;
}

void
gofmt_integer(struct buf *out, const struct gofmt_flags *flags, uint64_t magnitude, bool negative, int base, char verb)
{
	const char *digits = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	struct gofmt_flags blank = *flags;
	char reversed[64];
	int n = 0, zeros;
	struct buf text;

	blank.zero = false;
	if (flags->has_precision && flags->precision == 0 && magnitude == 0) {
		gofmt_padding(out, &blank, flags->width);
		return;
	}
	do {
		reversed[n++] = digits[magnitude % (unsigned)base];
		magnitude /= (unsigned)base;
	} while (magnitude > 0);
	zeros = least_digits(flags, negative) - n;
	buf_init(&text, NUMBER_BYTES_MAX);
	if (negative || flags->plus || flags->space)
		buf_putc(&text, negative ? '-' : flags->plus ? '+' : ' ');
	if (verb == 'O')
		buf_z(&text, "0o");
	if (flags->sharp && base == 2)
		buf_z(&text, "0b");
	if (flags->sharp && base == 8 && zeros <= 0 && reversed[n - 1] != '0')
		buf_putc(&text, '0');
	if (flags->sharp && base == 16)
		buf_z(&text, verb == 'X' ? "0X" : "0x");
	for (; zeros > 0; zeros--)
		buf_putc(&text, '0');
	while (n > 0)
		buf_putc(&text, reversed[--n]);
	gofmt_pad(out, &blank, buf_view(&text));
	buf_done(&text);
}

void
gofmt_code_point(struct buf *out, const struct gofmt_flags *flags, uint64_t rune)
{
	struct gofmt_flags blank = *flags;
	int digits = flags->has_precision && flags->precision > 4 ? flags->precision : 4;
	struct buf text;

	blank.zero = false;
	buf_init(&text, NUMBER_BYTES_MAX);
	buf_printf(&text, "U+%0*" PRIX64, digits, rune);
	if (flags->sharp && rune <= 0x10ffff && unicode_is_print((uint32_t)rune)) {
		char utf8[4];

		buf_z(&text, " '");
		buf_append(&text, utf8, str_utf8_encode((uint32_t)rune, utf8));
		buf_putc(&text, '\'');
	}
	gofmt_pad(out, &blank, buf_view(&text));
	buf_done(&text);
}

/* Mantissa and binary exponent with f = mantissa * 2^exponent; f is finite and not negative. */
static uint64_t
split_float(double f, int *ret_exponent)
{
	uint64_t bits, mantissa;
	int exponent;

	memcpy(&bits, &f, sizeof(bits));
	mantissa = bits & ((1ull << 52) - 1);
	exponent = (int)(bits >> 52 & 0x7ff);
	if (exponent == 0)
		exponent++;
	else
		mantissa |= 1ull << 52;
	*ret_exponent = exponent - 1023 - 52;
	return mantissa;
}

static void
append_hexadecimal(struct buf *out, double f, char verb, int precision)
{
	const char *digits = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	int exponent;
	uint64_t mantissa = split_float(f, &exponent);

	exponent = mantissa == 0 ? 0 : exponent + 52;
	while (mantissa != 0 && (mantissa >> 52) == 0) {
		mantissa <<= 1;
		exponent--;
	}
	mantissa <<= 8; /* the leading 1 is bit 60 */
	if (precision >= 0 && precision < 15) {
		unsigned shift = (unsigned)precision * 4;
		uint64_t lost = mantissa << shift & ((1ull << 60) - 1);

		mantissa >>= 60 - shift;
		mantissa += (lost | (mantissa & 1)) > 1ull << 59;
		mantissa <<= 60 - shift;
		if (mantissa >> 61 != 0) {
			mantissa >>= 1;
			exponent++;
		}
	}
	buf_printf(out, "0%c%d", verb, (int)(mantissa >> 60 & 1));
	mantissa <<= 4;
	if (precision > 0 || (precision < 0 && mantissa != 0))
		buf_putc(out, '.');
	for (int i = 0; precision < 0 ? mantissa != 0 : i < precision; i++, mantissa <<= 4)
		buf_putc(out, digits[mantissa >> 60 & 15]);
	buf_printf(out, "%c%c%02d", verb == 'X' ? 'P' : 'p', exponent < 0 ? '-' : '+', abs(exponent));
}

/* The least precision of %e that reads back as f. */
static int
shortest_precision(double f)
{
	char text[40];

	for (int precision = 0; precision < 17; precision++) {
		(void)snprintf(text, sizeof(text), "%.*e", precision, f);
		if (strtod(text, NULL) == f)
			return precision;
	}
	return 17;
}

static int
decimal_exponent(double f, int precision)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.*e", precision < 17 ? precision : 17, f);
	return atoi(strchr(text, 'e') + 1);
}

/* A whole number with more places than its shortest form has digits: Go writes zeros, where C writes the exact value.
 */
static void
append_whole(struct buf *out, double f, int precision, int zeros)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.*e", precision, f);
	for (const char *p = text; *p != 'e'; p++) {
		if (*p >= '0' && *p <= '9')
			buf_putc(out, *p);
	}
	for (; zeros > 0; zeros--)
		buf_putc(out, '0');
}

/* f is finite and not negative. */
static void
append_decimal(struct buf *out, double f, char verb, int precision)
{
	bool shortest = precision < 0;
	int exponent = 0;

	if (shortest)
		precision = shortest_precision(f);
	switch (verb) {
	case 'e':
		buf_printf(out, "%.*e", precision, f);
		return;
	case 'E':
		buf_printf(out, "%.*E", precision, f);
		return;
	case 'f':
		if (shortest)
			exponent = decimal_exponent(f, precision);
		if (shortest && exponent > precision)
			append_whole(out, f, precision, exponent - precision);
		else
			buf_printf(out, "%.*f", shortest ? precision - exponent : precision, f);
		return;
	default:
		if (!shortest) {
			buf_printf(out, verb == 'G' ? "%.*G" : "%.*g", precision, f);
			return;
		}
	}
	exponent = decimal_exponent(f, precision);
	if (exponent < -4 || exponent >= 6)
		buf_printf(out, verb == 'G' ? "%.*E" : "%.*e", precision, f);
	else
		buf_printf(out, "%.*f", precision > exponent ? precision - exponent : 0, f);
}

bool
gofmt_float(struct buf *out, double f, char verb, int precision)
{
	double magnitude = fabs(f);

	if (isnan(f))
		return buf_z(out, "NaN");
	if (isinf(f))
		return buf_z(out, f > 0 ? "+Inf" : "-Inf");
	if (signbit(f))
		buf_putc(out, '-');
	if (verb == 'x' || verb == 'X') {
		append_hexadecimal(out, magnitude, verb, precision);
	} else if (verb == 'b') {
		int exponent;
		uint64_t mantissa = split_float(magnitude, &exponent);

		buf_printf(out, "%" PRIu64 "p%+d", mantissa, exponent);
	} else {
		append_decimal(out, magnitude, verb, precision);
	}
	return !out->overflow;
}

/* The flag # keeps the decimal point and, for %g, the trailing zeros; number is without sign. */
static void
append_sharp(struct buf *out, struct str number, char verb, int precision)
{
	bool hexadecimal = verb == 'x' || verb == 'X', point = false, nonzero = false;
	int digits = verb == 'g' || verb == 'G' || verb == 'x' ? (precision < 0 ? 6 : precision) : 0;
	size_t mantissa_len = 0;

	for (; mantissa_len < number.len; mantissa_len++) {
		char c = number.s[mantissa_len];

		if (c == 'p' || c == 'P' || (!hexadecimal && (c == 'e' || c == 'E')))
			break;
		if (c == '.') {
			point = true;
			continue;
		}
		nonzero = nonzero || c != '0';
		digits -= nonzero;
	}
	buf_str(out, str_head(number, mantissa_len));
	if (!point) {
		digits -= mantissa_len == 1 && number.s[0] == '0';
		buf_putc(out, '.');
	}
	for (; digits > 0; digits--)
		buf_putc(out, '0');
	buf_str(out, str_from_offset(number, mantissa_len));
}

void
gofmt_number(struct buf *out, const struct gofmt_flags *flags, double f, char verb, int precision)
{
	struct gofmt_flags blank = *flags;
	struct buf number, text;
	struct str digits;
	char sign;

	buf_init(&number, NUMBER_BYTES_MAX);
	buf_init(&text, NUMBER_BYTES_MAX);
	gofmt_float(&number, f, verb, precision);
	digits = buf_view(&number);
	sign = digits.s[0] == '-' ? '-' : flags->plus ? '+' : flags->space ? ' ' : '\0';
	if (digits.s[0] == '-' || digits.s[0] == '+')
		digits = str_from_offset(digits, 1);
	if (sign != '\0')
		buf_putc(&text, sign);
	if (!isfinite(f)) {
		blank.zero = false;
		if (sign == '\0' && isinf(f))
			buf_putc(&text, '+');
		buf_str(&text, digits);
	} else if (flags->sharp && verb != 'b') {
		append_sharp(&text, digits, verb, precision);
	} else {
		buf_str(&text, digits);
	}
	if (sign != '\0' && blank.zero && !flags->minus && flags->has_width && (size_t)flags->width > text.len) {
		buf_putc(out, sign);
		gofmt_padding(out, flags, flags->width - (long)text.len);
		buf_str(out, str_from_offset(buf_view(&text), 1));
	} else {
		gofmt_pad(out, &blank, buf_view(&text));
	}
	buf_done(&number);
	buf_done(&text);
}

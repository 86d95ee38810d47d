/* SPDX-License-Identifier: Apache-2.0 */
#include "json_check_priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "longship/base/limits.h"
#include "longship/codec/gofmt.h"

/*
 * One pass with a stack of open brackets and no recursion. The end of the text counts as one more blank, as it
 * does in Go: inside a token the blank is what the message names, between tokens the text ended too early.
 */

struct check {
	struct str text;
	size_t at;
	bool big_as_text;
	struct arena *arena;
	struct buf *out;
	struct str error;
	size_t depth;
	char open[JSON_DEPTH_MAX + 1]; /* '[' or '{' */
};

static char
peek(const struct check *c)
{
	return c->at < c->text.len ? c->text.s[c->at] : ' ';
}

static bool
fail(struct check *c, const char *where)
{
	struct buf b;
	unsigned char byte = (unsigned char)peek(c);
	char utf8[4];

	buf_init(&b, 256);
	buf_z(&b, "invalid character ");
	if (byte == '\'') {
		buf_z(&b, "'\\''");
	} else if (byte == '"') {
		buf_z(&b, "'\"'");
	} else {
		gofmt_quote(&b, (struct str){utf8, str_utf8_encode(byte, utf8)});
		b.data[strlen("invalid character ")] = b.data[b.len - 1] = '\'';
	}
	buf_putc(&b, ' ');
	buf_z(&b, where);
	c->error = arena_str(c->arena, buf_view(&b));
	buf_done(&b);
	return false;
}

static void
skip_space(struct check *c)
{
	while (c->at < c->text.len && strchr(" \t\r\n", c->text.s[c->at]) != NULL && c->text.s[c->at] != '\0')
		c->at++;
}

/* Skips white space; the text must go on. */
static bool
next(struct check *c)
{
	skip_space(c);
	if (c->at < c->text.len)
		return true;
	c->error = STR("unexpected end of JSON input");
	return false;
}

static bool
take(struct check *c)
{
	buf_putc(c->out, c->text.s[c->at++]);
	return true;
}

static bool
check_literal(struct check *c, const char *word)
{
	for (size_t i = 0; word[i] != '\0'; i++, c->at++) {
		if (peek(c) != word[i]) {
			struct str where = arena_printf(c->arena, "in literal %s (expecting '%c')", word, word[i]);

			return fail(c, where.s);
		}
	}
	return buf_z(c->out, word);
}

/* Four digits behind \u. */
static bool
check_hex(struct check *c, unsigned *ret)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++, c->at++) {
		int digit = str_hex_digit(peek(c));

		if (digit < 0)
			return fail(c, "in \\u hexadecimal character escape");
		unit = unit << 4 | (unsigned)digit;
	}
	*ret = unit;
	return true;
}

/* Behind the backslash. A surrogate stays only as the first or second half of a pair. */
static bool
check_escape(struct check *c)
{
	unsigned unit, low = 0;
	struct str rest;

	if (c->at >= c->text.len || strchr("\"\\/bfnrtu", peek(c)) == NULL || peek(c) == '\0')
		return fail(c, "in string escape code");
	if (peek(c) != 'u') {
		buf_putc(c->out, '\\');
		return take(c);
	}
	c->at++;
	if (!check_hex(c, &unit))
		return false;
	rest = str_from_offset(c->text, c->at);
	if (unit >= 0xd800 && unit <= 0xdbff && str_starts(rest, STR("\\u"))) {
		size_t before = c->at;

		c->at += 2;
		if (!check_hex(c, &low))
			return false;
		if (low >= 0xdc00 && low <= 0xdfff)
			return buf_printf(c->out, "\\u%04x\\u%04x", unit, low);
		c->at = before;
	}
	if (unit >= 0xd800 && unit <= 0xdfff)
		unit = 0xfffd;
	return buf_printf(c->out, "\\u%04x", unit);
}

static bool
check_string(struct check *c)
{
	take(c);
	for (;;) {
		uint32_t rune;
		size_t n;

		if (c->at >= c->text.len) {
			c->error = STR("unexpected end of JSON input");
			return false;
		}
		if (c->text.s[c->at] == '"')
			return take(c);
		if ((unsigned char)c->text.s[c->at] < ' ')
			return fail(c, "in string literal");
		if (c->text.s[c->at] == '\\') {
			c->at++;
			if (!check_escape(c))
				return false;
			continue;
		}
		n = str_utf8_decode(str_from_offset(c->text, c->at), &rune);
		if (n > 0)
			buf_append(c->out, c->text.s + c->at, n);
		else
			buf_z(c->out, "\xef\xbf\xbd");
		c->at += n > 0 ? n : 1;
	}
}

static size_t
skip_digits(struct check *c)
{
	size_t from = c->at;

	while (peek(c) >= '0' && peek(c) <= '9')
		c->at++;
	return c->at - from;
}

static bool
put_number(struct check *c, struct str token, size_t fraction_digits, bool real)
{
	int64_t i;
	bool fits = str_to_i64(token, &i);

	if (c->big_as_text && (real ? fraction_digits >= 18 : !fits))
		return buf_printf(c->out, "\"%.*s\"", STR_FMT(token));
	if (real || !fits) {
		double f = strtod(arena_z(c->arena, token), NULL);

		if (!isfinite(f)) {
			c->error = arena_printf(c->arena,
				"json: cannot unmarshal number %.*s into Go value of type float64", STR_FMT(token));
			return false;
		}
	}
	buf_str(c->out, token);
	/* The sign of a zero only a real keeps. */
	if (str_is(token, "-0") && !c->big_as_text)
		return buf_z(c->out, ".0");
	return real || fits || buf_z(c->out, "e0");
}

static bool
check_number(struct check *c)
{
	size_t from = c->at, fraction_digits = 0;
	bool real = false;

	if (peek(c) == '-')
		c->at++;
	if (peek(c) < '0' || peek(c) > '9')
		return fail(c, "in numeric literal");
	if (peek(c) == '0')
		c->at++;
	else
		skip_digits(c);
	if (peek(c) == '.') {
		real = true;
		c->at++;
		fraction_digits = skip_digits(c);
		if (fraction_digits == 0)
			return fail(c, "after decimal point in numeric literal");
	}
	if (peek(c) == 'e' || peek(c) == 'E') {
		real = true;
		c->at++;
		if (peek(c) == '+' || peek(c) == '-')
			c->at++;
		if (skip_digits(c) == 0)
			return fail(c, "in exponent of numeric literal");
	}
	return put_number(c, (struct str){c->text.s + from, c->at - from}, fraction_digits, real);
}

static bool
check_key(struct check *c)
{
	if (!next(c))
		return false;
	if (peek(c) != '"')
		return fail(c, "looking for beginning of object key string");
	if (!check_string(c) || !next(c))
		return false;
	if (peek(c) != ':')
		return fail(c, "after object key");
	return take(c);
}

/* A scalar, or an opening bracket with what must follow it at once. Opens *ret_open when a value must come next. */
static bool
check_value(struct check *c, bool *ret_open)
{
	char bracket = peek(c);

	*ret_open = false;
	switch (bracket) {
	case '[':
	case '{':
		if (c->depth >= JSON_DEPTH_MAX) {
			c->error = STR("exceeded max depth");
			return false;
		}
		take(c);
		if (!next(c))
			return false;
		c->open[c->depth++] = bracket;
		if (peek(c) == (bracket == '[' ? ']' : '}'))
			return true;
		*ret_open = true;
		return bracket == '[' || check_key(c);
	case '"':
		return check_string(c);
	case 't':
		return check_literal(c, "true");
	case 'f':
		return check_literal(c, "false");
	case 'n':
		return check_literal(c, "null");
	default:
		if (bracket == '-' || (bracket >= '0' && bracket <= '9'))
			return check_number(c);
		return fail(c, "looking for beginning of value");
	}
}

/* Closing brackets behind a value, up to the comma that announces the next one or the end of everything. */
static bool
check_after(struct check *c)
{
	while (c->depth > 0) {
		bool array = c->open[c->depth - 1] == '[';

		if (!next(c))
			return false;
		if (peek(c) == ',') {
			take(c);
			return array || check_key(c);
		}
		if (peek(c) != (array ? ']' : '}'))
			return fail(c, array ? "after array element" : "after object key:value pair");
		take(c);
		c->depth--;
	}
	return true;
}

bool
json_check(struct str text, bool big_as_text, struct arena *arena, struct buf *out, struct str *ret_error)
{
	struct check c = {.text = text, .big_as_text = big_as_text, .arena = arena, .out = out};
	bool ok, open = false;

	do {
		ok = next(&c) && check_value(&c, &open) && (open || check_after(&c));
	} while (ok && c.depth > 0);
	if (ok) {
		skip_space(&c);
		ok = c.at == text.len || fail(&c, "after top-level value");
	}
	if (!ok)
		*ret_error = c.error;
	return ok;
}

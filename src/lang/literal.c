/* SPDX-License-Identifier: Apache-2.0 */
#include "literal_priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"

/*
 * Integers with a leading zero are octal and fall back to float64 when they are not (08 is 8.0), as in
 * Alloy, whose conversion detects the base.
 */

bool
literal_parse_float(struct str s, double *ret)
{
	char small[64], *z = s.len < sizeof(small) ? small : mem_alloc(s.len + 1), *end;
	bool ok;

	if (s.len > 0)
		memcpy(z, s.s, s.len);
	z[s.len] = '\0';
	errno = 0;
	*ret = strtod(z, &end);
	/* strtod skips blanks and takes hexadecimal and nan(…), which Go words differently or not at all. */
	ok = s.len > 0 && end == z + s.len && strpbrk(z, " \t\n\v\f\rxX(") == NULL && !isinf(*ret);
	if (z != small)
		mem_free(z);
	return ok;
}

static bool
parse_integer(struct str s, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(s.s[i] - '0');

		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
			__builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

static bool
number_value(struct str s, struct value *ret)
{
	bool octal = s.len > 1 && s.s[0] == '0';
	uint64_t u;
	double f;

	if (parse_integer(s, octal ? 8 : 10, &u))
		*ret = u <= INT64_MAX ? value_int((int64_t)u) : (struct value){.kind = VALUE_UINT, .u = u};
	else if (literal_parse_float(s, &f))
		*ret = value_float(f);
	else
		return false;
	return true;
}

/* The escape behind a backslash, whose digits the lexer has checked; returns how many bytes it took. */
static size_t
unescape(struct str s, char out[4], size_t *ret_len)
{
	static const char letters[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
	const char *letter = s.s[0] != '\0' ? strchr(letters, s.s[0]) : NULL;
	size_t digits, start = 1;
	uint32_t value = 0;

	*ret_len = 1;
	out[0] = letter != NULL ? values[letter - letters] : s.s[0];
	if (letter != NULL)
		return 1;
	if (s.s[0] >= '0' && s.s[0] <= '7') {
		digits = 3;
		start = 0;
	} else if (s.s[0] == 'x' || s.s[0] == 'u' || s.s[0] == 'U') {
		digits = s.s[0] == 'x' ? 2 : s.s[0] == 'u' ? 4 : 8;
	} else {
		return 1;
	}
	if (s.len < start + digits)
		return 1; /* not terminated: reported by the lexer, the tree is thrown away */
	for (size_t i = start; i < start + digits; i++) {
		char c = s.s[i];
		unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);

		value = start == 0 ? value * 8 + digit : value * 16 + digit;
	}
	if (digits <= 3)
		out[0] = (char)value;
	else
		*ret_len = str_utf8_encode(value, out);
	return start + digits;
}

static struct str
string_value(struct arena *arena, struct str quoted)
{
	char quote = quoted.s[0];
	struct str s = str_from_offset(quoted, 1);
	char *out;
	size_t n = 0;

	if (s.len > 0 && s.s[s.len - 1] == quote)
		s.len--;
	out = arena_alloc(arena, s.len + 1);
	for (size_t i = 0; i < s.len;) {
		char bytes[4];
		size_t len = 1;

		bytes[0] = s.s[i++];
		if (quote == '`' && bytes[0] == '\r')
			continue;
		if (quote == '"' && bytes[0] == '\\' && i < s.len)
			i += unescape(str_from_offset(s, i), bytes, &len);
		memcpy(out + n, bytes, len);
		n += len;
	}
	out[n] = '\0';
	return (struct str){out, n};
}

bool
literal_value(struct arena *arena, const struct token *t, struct value *ret)
{
	double f;

	switch (t->kind) {
	case TOKEN_NUMBER:
		return number_value(t->text, ret);
	case TOKEN_FLOAT:
		if (!literal_parse_float(t->text, &f))
			return false;
		*ret = value_float(f);
		return true;
	case TOKEN_STRING:
		*ret = value_string(string_value(arena, t->text));
		return true;
	case TOKEN_BOOL:
		*ret = value_bool(str_is(t->text, "true"));
		return true;
	default:
		assert(t->kind == TOKEN_NULL);
		*ret = (struct value){.kind = VALUE_NULL};
		return true;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/url.h"

/* ASCII only and independent of the locale; one pass, with the worst case of three bytes for one reserved at once. */

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	       c == '.' || c == '~';
}

struct str
url_query_escape(struct arena *arena, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, s.len * 3 + 1), *at = out;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if (is_unreserved(s.s[i])) {
			*at++ = s.s[i];
		} else if (c == ' ') {
			*at++ = '+';
		} else {
			*at++ = '%';
			*at++ = hex[c >> 4];
			*at++ = hex[c & 15];
		}
	}
	*at = '\0';
	return (struct str){out, (size_t)(at - out)};
}

bool
url_query_unescape(struct arena *arena, struct str s, struct str *ret, struct str *ret_bad)
{
	char *out = arena_alloc(arena, s.len + 1), *at = out;

	for (size_t i = 0; i < s.len; i++) {
		int high, low;

		if (s.s[i] != '%') {
			*at++ = s.s[i] == '+' ? ' ' : s.s[i];
			continue;
		}
		high = i + 2 < s.len ? str_hex_digit(s.s[i + 1]) : -1;
		low = i + 2 < s.len ? str_hex_digit(s.s[i + 2]) : -1;
		if (high < 0 || low < 0) {
			*ret_bad = str_head(str_from_offset(s, i), 3);
			return false;
		}
		*at++ = (char)(high << 4 | low);
		i += 2;
	}
	*at = '\0';
	*ret = (struct str){out, (size_t)(at - out)};
	return true;
}

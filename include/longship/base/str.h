/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A string slice by value: all text from outside is a struct str. It borrows its bytes, is not
 * NUL-terminated, and may hold any byte. {NULL, 0} is the empty string, too.
 *
 *	struct str head, tail;
 *	if (str_cut(STR("a=b"), '=', &head, &tail))
 *		printf("%.*s\n", STR_FMT(head));
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *s;
	size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_EMPTY ((struct str){NULL, 0})
#define STR_FMT(x) (int)(x).len, (x).s /* for %.*s */

/* Borrows a NUL-terminated string; NULL gives the empty string. */
static inline struct str
str_from(const char *z)
{
	return (struct str){z, z != NULL ? strlen(z) : 0};
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}

static inline bool
str_is(struct str a, const char *z)
{
	return str_eq(a, str_from(z));
}

/* Bytewise order, shorter first: <0, 0, >0. */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Position of the first needle in s, or -1. */
ptrdiff_t str_find(struct str s, struct str needle);
/* The part of s from byte offset `from` (clamped) on. */
struct str str_from_offset(struct str s, size_t from);
/* The first len bytes (clamped) of s. */
struct str str_head(struct str s, size_t len);
/* Splits at the first sep. Without one: false, head = s, tail empty. */
bool str_cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail);
/* Without ASCII white space at both ends. */
struct str str_trim(struct str s);
/* Whole decimal text into a number; false on anything else or overflow. */
bool str_to_u64(struct str s, uint64_t *ret);
bool str_to_i64(struct str s, int64_t *ret);
/* What a hexadecimal digit is worth, or -1. */
static inline int
str_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
/* True when s is well-formed UTF-8 (no surrogates, no overlong forms). */
bool str_utf8_valid(struct str s);
/* Length of the valid UTF-8 sequence at s (1..4) and its code point, or 0 if there is none. */
size_t str_utf8_decode(struct str s, uint32_t *ret_rune);
/* Writes 1..4 bytes; an invalid rune becomes U+FFFD. */
size_t str_utf8_encode(uint32_t rune, char out[4]);
/* Of the candidates the one nearest to name by edits, or NULL when none is near: for "did you mean". */
const char *str_nearest(struct str name, const char *const *candidates, size_t n);

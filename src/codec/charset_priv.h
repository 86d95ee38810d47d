/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a charset is, for charset.c (lines, names) and charset_iconv.c (tables and iconv). */
#include <pthread.h>
#include <iconv.h>
#include <stdatomic.h>
#include <stdint.h>

#include "longship/codec/charset.h"

enum charset_kind { CHARSET_WIDE, CHARSET_WIDE_ANY, CHARSET_TABLE, CHARSET_ICONV };

struct charset_char { /* UTF-8 of a byte */
	uint8_t len; /* 0: the byte is none of the encoding's */
	char s[3];
};

struct charset {
	enum charset_kind kind;
	uint8_t unit;
	bool big;            /* wide: the high byte comes first */
	char newline, cr;    /* the byte that is one; of a wide one the low byte */
	_Atomic unsigned refs;
	struct charset_char *table; /* 256 */
	iconv_t iconv;
	pthread_mutex_t lock; /* of iconv */
};

int charset_open_iconv(const char *name, struct charset *);
void charset_close_iconv(struct charset *);
/* Appends to out, which has room for CHARSET_GROWTH_MAX times the text. The length, what is bad counted. */
size_t charset_decode_table(const struct charset *, struct str text, char *out, bool *ret_bad);
size_t charset_decode_iconv(const struct charset *, struct str text, char *out, size_t room, bool *ret_bad);

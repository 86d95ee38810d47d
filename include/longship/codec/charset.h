/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Text files in encodings other than UTF-8: where a line ends, and the line as UTF-8. Unicode's are read here, all
 * others by the C library's iconv, single-byte ones through a table made once. What is not of the encoding becomes U+FFFD.
 * Names are IANA's, in any case; those of East Asia stand for what the web means by them (encoding.spec.whatwg.org), as
 * with Go's golang.org/x/text.
 *
 * A charset never changes and is used by any thread.
 *
 *	struct charset *configured;
 *	r = charset_new(STR("UTF-16"), &configured);
 *	...
 *	const struct charset *c = charset_of_file(configured, first_bytes, &bom_len);
 *	end = c != NULL ? charset_line_end(c, text) : ...plain UTF-8
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

#define CHARSET_HEAD_BYTES 4     /* of a file decide about its byte order mark */
#define CHARSET_NAME_BYTES_MAX 64
#define CHARSET_GROWTH_MAX 3     /* UTF-8 of n bytes is at most this many times as long (U+FFFD for each) */

struct charset;

/* One reference. -EINVAL: not a name of an encoding; -ENOTSUP: lines cannot be found in it; -ELIBACC: the C library has
 * none (other systems have it in a package of its own, like glibc-gconv-extra). "" and UTF-8's names are no charset:
 * *ret is NULL. */
int charset_new(struct str name, struct charset **ret) __attribute__((warn_unused_result));
struct charset *charset_ref(struct charset *); /* NULL is fine for both */
void charset_unref(struct charset *);
/* True for the names of UTF-8, "" is none. */
bool charset_is_utf8(struct str name);

/*
 * The encoding of a file that begins with head (CHARSET_HEAD_BYTES, fewer of a shorter file): a byte order mark of
 * *ret_bom bytes wins over what is configured (NULL: UTF-8), UTF-16 and UTF-32 without one are as their first character
 * looks, if that is ASCII, else big-endian. NULL: UTF-8. Borrowed from `configured`, or static.
 */
const struct charset *charset_of_file(const struct charset *configured, struct str head, size_t *ret_bom);
/* head is so short that the next byte may change the answer of charset_of_file. */
bool charset_is_open(const struct charset *configured, struct str head);

/* Bytes of a code unit: 1, 2 or 4. All below is to be called with text that begins at a multiple of it in the file. */
size_t charset_unit(const struct charset *);
/* Where the first line feed begins; text.len when there is none. */
size_t charset_line_end(const struct charset *, struct str text);
/* What lies behind the last line feed begins here; 0 when there is none. */
size_t charset_lines(const struct charset *, struct str text);
/* How many bytes of NUL characters text begins with. */
size_t charset_nuls(const struct charset *, struct str text);
/* Without the carriage return at its end, if it has one. */
struct str charset_without_cr(const struct charset *, struct str text);
/* Of a piece that is cut off a longer line: the longest head that ends no character in the middle, where that can be seen. */
size_t charset_cut(const struct charset *, struct str text);
/* As UTF-8, in the arena. *ret_bad is set when something was not of the encoding, else left. */
struct str charset_decode(const struct charset *, struct arena *, struct str text, bool *ret_bad);

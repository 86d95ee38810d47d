/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodings of the C library. One whose characters are single bytes is asked once for each of them; others go through iconv
 * a line at a time, each from the initial state, so that a line depends on no other.
 */
#include "charset_priv.h"

#include <errno.h>
#include <string.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */

/* The byte that the encoding has for an ASCII one; false when it takes several. */
static bool
encode_byte(iconv_t to, char byte, char *ret)
{
	char out[16], *in = &byte, *o = out;
	size_t n = 1, room = sizeof(out);

	(void)iconv(to, NULL, NULL, NULL, NULL);
	if (iconv(to, &in, &n, &o, &room) == (size_t)-1 || room != sizeof(out) - 1)
		return false;
	*ret = out[0];
	return true;
}

static bool
find_line_ends(const char *name, struct charset *c)
{
	iconv_t to = iconv_open(name, "UTF-8");
	bool found;

	if (to == (iconv_t)-1)
		return false;
	found = encode_byte(to, '\n', &c->newline) && encode_byte(to, '\r', &c->cr);
	(void)iconv_close(to);
	return found;
}

/* Windows' code pages have control characters where nothing else is assigned (encoding.spec.whatwg.org, indexes). */
static bool
is_windows(const char *name)
{
	return strncmp(name, "WINDOWS-125", 11) == 0 || strncmp(name, "CP125", 5) == 0 || strcmp(name, "CP874") == 0;
}

/* True when each byte stands for itself. */
static bool
fill_table(const char *name, iconv_t from, struct charset_char *table)
{
	for (int byte = 0; byte < 256; byte++) {
		char in[1] = {(char)byte}, out[16], *i = in, *o = out;
		size_t n = 1, room = sizeof(out), r;

		(void)iconv(from, NULL, NULL, NULL, NULL);
		r = iconv(from, &i, &n, &o, &room);
		if (r == (size_t)-1 && errno != EILSEQ)
			return false;
		if (r == (size_t)-1 && byte >= 0x80 && byte < 0xa0 && is_windows(name)) {
			table[byte] = (struct charset_char){2, {'\xc2', (char)byte, 0}};
			continue;
		}
		if (r == (size_t)-1)
			continue;
		/* Some wait for a character that combines with it. */
		(void)iconv(from, NULL, NULL, &o, &room);
		n = sizeof(out) - room;
		if (n == 0 || n > sizeof(table[byte].s))
			return false;
		table[byte].len = (uint8_t)n;
		memcpy(table[byte].s, out, n);
	}
	return true;
}

int
charset_open_iconv(const char *name, struct charset *c)
{
	iconv_t from = iconv_open("UTF-8", name);

	if (from == (iconv_t)-1)
		return errno == EINVAL ? -EINVAL : -ELIBACC;
	c->unit = 1;
	if (!find_line_ends(name, c)) {
		(void)iconv_close(from);
		return -ENOTSUP;
	}
	c->table = mem_zalloc(256 * sizeof(c->table[0]));
	if (fill_table(name, from, c->table)) {
		c->kind = CHARSET_TABLE;
		(void)iconv_close(from);
		return 0;
	}
	mem_free(c->table);
	c->table = NULL;
	c->kind = CHARSET_ICONV;
	c->iconv = from;
	(void)pthread_mutex_init(&c->lock, NULL);
	return 0;
}

void
charset_close_iconv(struct charset *c)
{
	mem_free(c->table);
	if (c->kind != CHARSET_ICONV)
		return;
	(void)iconv_close(c->iconv);
	(void)pthread_mutex_destroy(&c->lock);
}

size_t
charset_decode_table(const struct charset *c, struct str text, char *out, bool *ret_bad)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		const struct charset_char *ch = &c->table[(unsigned char)text.s[i]];

		if (ch->len == 1) {
			out[n++] = ch->s[0];
			continue;
		}
		*ret_bad |= ch->len == 0;
		memcpy(out + n, ch->len > 0 ? ch->s : BAD, 3);
		n += ch->len > 0 ? ch->len : 3;
	}
	return n;
}

size_t
charset_decode_iconv(const struct charset *c, struct str text, char *out, size_t room, bool *ret_bad)
{
	struct charset *mutable = (struct charset *)(uintptr_t)c;
	char *in = (char *)(uintptr_t)text.s, *o = out;
	size_t n = text.len;

	(void)pthread_mutex_lock(&mutable->lock);
	(void)iconv(c->iconv, NULL, NULL, NULL, NULL);
	while (n > 0 && iconv(c->iconv, &in, &n, &o, &room) == (size_t)-1) {
		size_t step = errno == EINVAL ? n : 1; /* a character that is cut off at the end; a byte that begins none */

		*ret_bad = true;
		if (errno == E2BIG || n == 0 || room < 3)
			break;
		memcpy(o, BAD, 3);
		o += 3;
		room -= 3;
		in += step;
		n -= step;
	}
	(void)iconv(c->iconv, NULL, NULL, &o, &room);
	(void)pthread_mutex_unlock(&mutable->lock);
	return (size_t)(o - out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Names, byte order marks, lines; UTF-16 (RFC 2781) and UTF-32 in both byte orders. */
#include "longship/codec/charset.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdint.h>

#include "charset_priv.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"

#define RUNE_BAD 0xfffdu

#define WIDE(width, is_big) {.kind = CHARSET_WIDE, .unit = (width), .big = (is_big), .newline = '\n', .cr = '\r'}

static const struct charset utf16le = WIDE(2, false), utf16be = WIDE(2, true);
static const struct charset utf32le = WIDE(4, false), utf32be = WIDE(4, true);

/* ---- Names ---- */

/* Names of what is read here; a stands for "as the file says". */
static const struct {
	const char *name;
	enum { NAME_UTF8, NAME_16, NAME_16LE, NAME_16BE, NAME_32, NAME_32LE, NAME_32BE } means;
} unicode_names[] = {
	{"UTF-8", NAME_UTF8}, {"UTF8", NAME_UTF8}, {"CSUTF8", NAME_UTF8},
	{"UTF-16", NAME_16}, {"UTF16", NAME_16}, {"CSUTF16", NAME_16},
	{"UTF-16LE", NAME_16LE}, {"UTF16LE", NAME_16LE}, {"CSUTF16LE", NAME_16LE},
	{"UTF-16BE", NAME_16BE}, {"UTF16BE", NAME_16BE}, {"CSUTF16BE", NAME_16BE},
	{"UTF-32", NAME_32}, {"UTF32", NAME_32}, {"CSUTF32", NAME_32},
	{"UTF-32LE", NAME_32LE}, {"UTF32LE", NAME_32LE}, {"CSUTF32LE", NAME_32LE},
	{"UTF-32BE", NAME_32BE}, {"UTF32BE", NAME_32BE}, {"CSUTF32BE", NAME_32BE},
};

/* Where the C library means less by a name than the web, or knows it by another one. */
static const char *const synonyms[][2] = {
	{"SHIFT_JIS", "CP932"}, {"SHIFT-JIS", "CP932"}, {"SJIS", "CP932"}, {"MS_KANJI", "CP932"}, {"CSSHIFTJIS", "CP932"},
	{"WINDOWS-31J", "CP932"}, {"EUC-KR", "CP949"}, {"CSEUCKR", "CP949"}, {"KS_C_5601-1987", "CP949"}, {"WINDOWS-949", "CP949"},
	{"BIG5", "BIG5-HKSCS"}, {"CSBIG5", "BIG5-HKSCS"}, {"GBK", "GB18030"}, {"CP936", "GB18030"}, {"MS936", "GB18030"},
	{"WINDOWS-936", "GB18030"}, {"GB2312", "GB18030"}, {"CSGB2312", "GB18030"}, {"GB_2312-80", "GB18030"},
	{"EUC-JP", "EUC-JP-MS"}, {"CSEUCPKDFMTJAPANESE", "EUC-JP-MS"},
	{"WINDOWS-874", "CP874"}, {"ISO-8859-6-E", "ISO-8859-6"}, {"ISO-8859-6-I", "ISO-8859-6"}, {"ISO-8859-8-E", "ISO-8859-8"},
	{"ISO-8859-8-I", "ISO-8859-8"}, {"X-MAC-CYRILLIC", "MAC-CYRILLIC"}, {"IBM01140", "IBM1140"}, {"IBM00858", "CP858"},
};

/* Upper case, as the tables have it; false when it is no name at all. */
static bool
fold_name(struct str name, char out[CHARSET_NAME_BYTES_MAX + 1])
{
	name = str_trim(name);
	if (name.len == 0 || name.len > CHARSET_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (!isalnum((unsigned char)name.s[i]) && strchr("-_:.()+", name.s[i]) == NULL)
			return false;
		out[i] = (char)toupper((unsigned char)name.s[i]);
	}
	out[name.len] = '\0';
	return true;
}

static int
unicode_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(unicode_names); i++) {
		if (strcmp(unicode_names[i].name, name) == 0)
			return (int)unicode_names[i].means;
	}
	return -1;
}

bool
charset_is_utf8(struct str name)
{
	char folded[CHARSET_NAME_BYTES_MAX + 1];

	return fold_name(name, folded) && unicode_by_name(folded) == NAME_UTF8;
}

static struct charset
wide_charset(int means)
{
	bool any = means == NAME_16 || means == NAME_32;

	return (struct charset){.kind = any ? CHARSET_WIDE_ANY : CHARSET_WIDE,
		.unit = means >= NAME_32 ? 4 : 2,
		.big = means == NAME_16BE || means == NAME_32BE,
		.newline = '\n',
		.cr = '\r'};
}

int
charset_new(struct str name, struct charset **ret)
{
	char folded[CHARSET_NAME_BYTES_MAX + 1];
	const char *library = folded;
	struct charset *c;
	int means, r = 0;

	*ret = NULL;
	if (name.len == 0)
		return 0;
	if (!fold_name(name, folded))
		return -EINVAL;
	means = unicode_by_name(folded);
	if (means == NAME_UTF8)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(synonyms); i++) {
		if (strcmp(synonyms[i][0], folded) == 0)
			library = synonyms[i][1];
	}
	c = mem_new(struct charset);
	if (means >= 0)
		*c = wide_charset(means);
	else
		r = charset_open_iconv(library, c);
	if (r < 0) {
		mem_free(c);
		/* A name of our table that the library has not is known all the same. */
		return r == -EINVAL && library != folded ? -ELIBACC : r;
	}
	atomic_init(&c->refs, 1);
	*ret = c;
	return 0;
}

struct charset *
charset_ref(struct charset *c)
{
	if (c != NULL)
		(void)atomic_fetch_add(&c->refs, 1);
	return c;
}

void
charset_unref(struct charset *c)
{
	if (c == NULL || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	if (c->kind == CHARSET_TABLE || c->kind == CHARSET_ICONV)
		charset_close_iconv(c);
	mem_free(c);
}

/* ---- Byte order marks ---- */

static const struct {
	struct str bytes;
	const struct charset *charset; /* NULL: UTF-8 */
} boms[] = {
	/* The longer ones first: text in UTF-16 does not begin with a NUL. */
	{{"\xff\xfe\0\0", 4}, &utf32le},
	{{"\0\0\xfe\xff", 4}, &utf32be},
	{{"\xef\xbb\xbf", 3}, NULL},
	{{"\xff\xfe", 2}, &utf16le},
	{{"\xfe\xff", 2}, &utf16be},
};

static const struct charset *
guess_order(const struct charset *c, struct str head)
{
	bool little = head.len >= c->unit && head.s[0] > 0;

	for (size_t i = 1; little && i < c->unit; i++)
		little = head.s[i] == '\0';
	if (c->unit == 2)
		return little ? &utf16le : &utf16be;
	return little ? &utf32le : &utf32be;
}

const struct charset *
charset_of_file(const struct charset *configured, struct str head, size_t *ret_bom)
{
	*ret_bom = 0;
	for (size_t i = 0; i < ARRAY_LEN(boms); i++) {
		if (str_starts(head, boms[i].bytes)) {
			*ret_bom = boms[i].bytes.len;
			return boms[i].charset;
		}
	}
	return configured != NULL && configured->kind == CHARSET_WIDE_ANY ? guess_order(configured, head) : configured;
}

bool
charset_is_open(const struct charset *configured, struct str head)
{
	if (configured != NULL && head.len < configured->unit)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(boms); i++) {
		if (head.len < boms[i].bytes.len && str_starts(boms[i].bytes, head))
			return true;
	}
	return false;
}

/* ---- Lines ---- */

size_t
charset_unit(const struct charset *c)
{
	return c->unit;
}

static uint32_t
unit_at(const struct charset *c, const char *at)
{
	uint32_t v;
	uint16_t w;

	if (c->unit == 2) {
		memcpy(&w, at, sizeof(w));
		return c->big ? be16toh(w) : le16toh(w);
	}
	memcpy(&v, at, sizeof(v));
	return c->big ? be32toh(v) : le32toh(v);
}

static bool
is_unit(const struct charset *c, const char *at, char byte)
{
	return c->unit == 1 ? *at == byte : unit_at(c, at) == (unsigned char)byte;
}

size_t
charset_line_end(const struct charset *c, struct str text)
{
	size_t last = c->big ? c->unit - 1u : 0; /* where in a unit the low byte stands */

	assert(c->kind != CHARSET_WIDE_ANY);
	for (size_t at = 0; at + c->unit <= text.len;) {
		const char *low = memchr(text.s + at + last, c->newline, text.len - at - last);
		size_t begin;

		if (low == NULL)
			break;
		begin = (size_t)(low - text.s) / c->unit * c->unit;
		if (begin + last == (size_t)(low - text.s) && begin + c->unit <= text.len && is_unit(c, text.s + begin, c->newline))
			return begin;
		/* A byte in another place, or another character: on with the next unit. */
		at = begin + c->unit;
	}
	return text.len;
}

size_t
charset_lines(const struct charset *c, struct str text)
{
	for (size_t end = text.len / c->unit * c->unit; end > 0; end -= c->unit) {
		if (is_unit(c, text.s + end - c->unit, c->newline))
			return end;
	}
	return 0;
}

size_t
charset_nuls(const struct charset *c, struct str text)
{
	size_t n = 0;

	while (n + c->unit <= text.len && is_unit(c, text.s + n, '\0'))
		n += c->unit;
	return n;
}

struct str
charset_without_cr(const struct charset *c, struct str text)
{
	if (text.len >= c->unit && text.len % c->unit == 0 && is_unit(c, text.s + text.len - c->unit, c->cr))
		text.len -= c->unit;
	return text;
}

size_t
charset_cut(const struct charset *c, struct str text)
{
	size_t len = text.len / c->unit * c->unit;

	/* Between the two halves of a pair. */
	if (c->unit == 2 && len > 2 && (unit_at(c, text.s + len - 2) & 0xfc00) == 0xd800)
		len -= 2;
	return len > 0 ? len : text.len;
}

/* ---- UTF-8 ---- */

/* The character at the front of text, whose length is taken off. */
static uint32_t
take_wide(const struct charset *c, struct str *text)
{
	uint32_t v, low;

	if (text->len < c->unit) {
		*text = STR_EMPTY;
		return RUNE_BAD;
	}
	v = unit_at(c, text->s);
	*text = (struct str){text->s + c->unit, text->len - c->unit};
	if (c->unit == 4)
		return v > 0x10ffff || (v & 0xfffff800) == 0xd800 ? RUNE_BAD : v;
	if ((v & 0xf800) != 0xd800)
		return v;
	if ((v & 0xfc00) == 0xdc00 || text->len < 2)
		return RUNE_BAD;
	low = unit_at(c, text->s);
	if ((low & 0xfc00) != 0xdc00)
		return RUNE_BAD;
	*text = (struct str){text->s + 2, text->len - 2};
	return 0x10000 + ((v & 0x3ff) << 10 | (low & 0x3ff));
}

/* Units of UTF-16 from the front of text that are ASCII, four at a time: how many. */
static size_t
take_ascii(bool big, struct str text, char *out)
{
	const uint64_t others = big ? UINT64_C(0x80ff80ff80ff80ff) : UINT64_C(0xff80ff80ff80ff80);
	size_t n = 0;

	for (; 2 * n + 8 <= text.len; n += 4) {
		uint64_t units;
		uint32_t bytes;

		memcpy(&units, text.s + 2 * n, sizeof(units));
		units = le64toh(units);
		if ((units & others) != 0)
			break;
		units >>= big ? 8 : 0;
		units = (units | units >> 8) & UINT64_C(0x0000ffff0000ffff);
		bytes = htole32((uint32_t)(units | units >> 16));
		memcpy(out + n, &bytes, sizeof(bytes));
	}
	return n;
}

static size_t
decode_wide(const struct charset *c, struct str text, char *out, bool *ret_bad)
{
	size_t n = 0;

	while (text.len > 0) {
		struct str before;
		uint32_t rune;

		if (c->unit == 2) {
			size_t ascii = take_ascii(c->big, text, out + n);

			n += ascii;
			text = (struct str){text.s + 2 * ascii, text.len - 2 * ascii};
			if (text.len == 0)
				break;
		}
		before = text;
		rune = take_wide(c, &text);
		/* What stands there as U+FFFD is of the encoding. */
		if (rune == RUNE_BAD && (before.len < c->unit || unit_at(c, before.s) != RUNE_BAD))
			*ret_bad = true;
		n += str_utf8_encode(rune, out + n);
	}
	return n;
}

struct str
charset_decode(const struct charset *c, struct arena *arena, struct str text, bool *ret_bad)
{
	size_t room = text.len * CHARSET_GROWTH_MAX, n;
	char *out;

	if (text.len == 0)
		return STR_EMPTY;
	out = arena_alloc(arena, room);
	if (c->kind == CHARSET_TABLE)
		n = charset_decode_table(c, text, out, ret_bad);
	else if (c->kind == CHARSET_ICONV)
		n = charset_decode_iconv(c, text, out, room, ret_bad);
	else
		n = decode_wide(c, text, out, ret_bad);
	assert(n <= room);
	return (struct str){out, n};
}

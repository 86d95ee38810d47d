/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include "longship/codec/unicode.h"

/* snakecase, kebabcase, camelcase: with the words that xstrings finds in a text. */

#define ARGS struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret

enum word { WORD_NONE, WORD_NUMBER, WORD_UPPER, WORD_ALPHABET, WORD_CONNECTOR, WORD_PUNCT, WORD_OTHER };

#define BAD_RUNE 0xfffd

static bool
is_connector(uint32_t c)
{
	return c == '-' || c == '_' || unicode_is_space(c);
}

static bool
is_number(uint32_t c)
{
	return unicode_is_digit(c) || (c >= 0xb2 && c <= 0xb3) || c == 0xb9 || (c >= 0xbc && c <= 0xbe) || (c >= 0x2150 && c <= 0x218b);
}

/* The next character and its length, what is not UTF-8 (and U+FFFD) skipped; at the end the one before. */
static uint32_t
next_valid(struct str s, uint32_t before, size_t *ret_len)
{
	*ret_len = 0;
	while (*ret_len < s.len) {
		uint32_t rune;
		size_t len = str_utf8_decode(str_from_offset(s, *ret_len), &rune);

		*ret_len += len > 0 ? len : 1;
		if (len > 0 && rune != BAD_RUNE)
			return rune;
	}
	return before;
}

static enum word
word_of(uint32_t c)
{
	if (is_connector(c))
		return WORD_CONNECTOR;
	if (unicode_is_punct(c))
		return WORD_PUNCT;
	if (unicode_is_upper(c))
		return WORD_UPPER;
	if (unicode_is_letter(c))
		return WORD_ALPHABET;
	return is_number(c) ? WORD_NUMBER : WORD_OTHER;
}

static bool
goes_on(enum word kind, uint32_t c)
{
	switch (kind) {
	case WORD_CONNECTOR:
		return is_connector(c);
	case WORD_PUNCT:
		return unicode_is_punct(c);
	case WORD_UPPER:
		return unicode_is_upper(c);
	case WORD_ALPHABET:
		return unicode_is_letter(c) && !unicode_is_upper(c);
	case WORD_NUMBER:
		return is_number(c);
	default:
		return !is_connector(c) && !unicode_is_letter(c) && !is_number(c) && !unicode_is_punct(c);
	}
}

/* Length of the word that begins at `at`, of the kind. */
static size_t
run_of(struct str s, size_t at, enum word kind, uint32_t c, size_t *ret_last, uint32_t *ret_stop)
{
	*ret_last = 0;
	while (at < s.len) {
		size_t len;

		c = next_valid(str_from_offset(s, at), c, &len);
		if (len == 0 || !goes_on(kind, c))
			break;
		*ret_last = len;
		at += len;
	}
	*ret_stop = c;
	return at;
}

/* "HTTPStatus" is "HTTP" and "Status", "Status" one word; both count as upper case. */
static size_t
upper_word(struct str s, size_t at, uint32_t c)
{
	size_t len, last;
	uint32_t stop;

	if (at >= s.len)
		return at;
	c = next_valid(str_from_offset(s, at), c, &len);
	if (unicode_is_upper(c)) {
		size_t first = len;

		at = run_of(s, at + len, WORD_UPPER, c, &last, &stop);
		if (at < s.len && unicode_is_letter(stop))
			at -= last > 0 ? last : first;
		return at;
	}
	return unicode_is_letter(c) ? run_of(s, at + len, WORD_ALPHABET, c, &last, &stop) : at;
}

static enum word
next_word(struct str *s, struct str *ret_word)
{
	size_t len, last;
	uint32_t c, stop;
	enum word kind;

	*ret_word = STR_EMPTY;
	if (s->len == 0)
		return WORD_NONE;
	c = next_valid(*s, BAD_RUNE, &len);
	kind = c == BAD_RUNE ? WORD_NONE : word_of(c);
	if (kind == WORD_UPPER)
		len = upper_word(*s, len, c);
	else if (kind != WORD_NONE)
		len = run_of(*s, len, kind, c, &last, &stop);
	*ret_word = str_head(*s, len);
	*s = str_from_offset(*s, len);
	return kind;
}

static void
put_rune(struct template_run *r, uint32_t rune)
{
	char utf8[4];

	(void)buf_append(&r->text, utf8, str_utf8_encode(rune, utf8));
}

static uint32_t
take_rune(struct str *s, size_t *ret_len)
{
	uint32_t rune;
	size_t len = str_utf8_decode(*s, &rune);

	*ret_len = len > 0 ? len : 1;
	*s = str_from_offset(*s, *ret_len);
	return len > 0 ? rune : BAD_RUNE;
}

static void
put_lower(struct template_run *r, enum word kind, struct str word, char connector)
{
	size_t len;

	if (kind != WORD_UPPER && kind != WORD_CONNECTOR) {
		(void)buf_str(&r->text, word);
		return;
	}
	while (word.len > 0) {
		uint32_t c = take_rune(&word, &len);

		put_rune(r, is_connector(c) ? (uint32_t)connector : unicode_is_upper(c) ? unicode_rune_lower(c) : c);
	}
}

struct words {
	struct template_run *run;
	struct str rest, word;
	enum word kind;
	char connector;
};

static void
step(struct words *w)
{
	w->kind = next_word(&w->rest, &w->word);
}

static void
put(struct words *w, enum word kind, struct str word)
{
	put_lower(w->run, kind, word, w->connector);
}

/* Numbers and small letters stay together. */
static void
put_alphanumeric(struct words *w)
{
	while (w->kind == WORD_ALPHABET || w->kind == WORD_NUMBER) {
		put(w, w->kind, w->word);
		step(w);
	}
	if (w->kind != WORD_NONE && w->kind != WORD_PUNCT && w->kind != WORD_CONNECTOR)
		(void)buf_putc(&w->run->text, w->connector);
}

/* Behind letters: a number belongs to the word before ("Bld4Floor"), unless small letters follow it ("http2xx"). */
static void
put_behind_letters(struct words *w)
{
	struct str number;

	if (w->kind != WORD_NUMBER) {
		if (w->kind != WORD_CONNECTOR && w->kind != WORD_PUNCT)
			(void)buf_putc(&w->run->text, w->connector);
		return;
	}
	if (w->rest.len == 0)
		return;
	number = w->word;
	step(w);
	if (w->kind != WORD_ALPHABET) {
		put(w, WORD_NUMBER, number);
		if (w->kind != WORD_CONNECTOR && w->kind != WORD_PUNCT)
			(void)buf_putc(&w->run->text, w->connector);
		return;
	}
	(void)buf_putc(&w->run->text, w->connector);
	put(w, WORD_NUMBER, number);
	put_alphanumeric(w);
}

static bool
to_words(struct template_run *r, struct str s, char connector, struct tvalue *ret)
{
	struct words w = {.run = r, .rest = s, .connector = connector};

	buf_clear(&r->text);
	step(&w);
	while (w.rest.len > 0 && template_step(r, 1)) {
		enum word before = w.kind;
		struct str word = w.word;

		if (before != WORD_CONNECTOR)
			put(&w, before, word);
		step(&w);
		if (before == WORD_NUMBER)
			put_alphanumeric(&w);
		else if (before == WORD_CONNECTOR)
			put(&w, before, word);
		else if (before != WORD_PUNCT)
			put_behind_letters(&w);
	}
	put(&w, w.kind, w.word);
	return tv_take_text(r, ret);
}

static bool
snakecase(ARGS)
{
	(void)n;
	return to_words(r, args[0].s, '_', ret);
}

static bool
kebabcase(ARGS)
{
	(void)n;
	return to_words(r, args[0].s, '-', ret);
}

/* Behind the first letter: a connector goes, the letter behind it becomes large, what was all large becomes small. */
static void
put_camel(struct template_run *r, struct str s, uint32_t before, bool large)
{
	uint32_t c = before;
	size_t len;

	while (s.len > 0) {
		before = c;
		c = take_rune(&s, &len);
		if (is_connector(c) && is_connector(before)) {
			put_rune(r, before);
			continue;
		}
		if (is_connector(before)) {
			large = unicode_is_upper(c);
			c = unicode_rune_upper(c);
			continue;
		}
		if (large && unicode_is_upper(c))
			c = unicode_rune_lower(c);
		else
			large = false;
		put_rune(r, before);
	}
	put_rune(r, c);
}

static bool
camelcase(ARGS)
{
	struct str s = args[0].s;
	uint32_t c = 0;
	bool large = false;
	size_t len;

	(void)n;
	buf_clear(&r->text);
	while (s.len > 0) {
		c = take_rune(&s, &len);
		if (!is_connector(c)) {
			large = unicode_is_upper(c);
			c = unicode_rune_upper(c);
			break;
		}
		put_rune(r, c);
	}
	if (args[0].s.len > 0)
		put_camel(r, s, c, large);
	return tv_take_text(r, ret);
}

const struct tfunction template_case_functions[] = {
	{"snakecase", "s", snakecase, NULL},
	{"kebabcase", "s", kebabcase, NULL},
	{"camelcase", "s", camelcase, NULL},
	{NULL, NULL, NULL, NULL},
};

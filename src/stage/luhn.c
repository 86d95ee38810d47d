/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/regex.h"
#include "longship/codec/unicode.h"

/*
 * stage.luhn: replaces numbers that pass the Luhn check, as those of payment cards do. The text is gone
 * through rune by rune as Alloy does, so a byte that is not UTF-8 becomes U+FFFD.
 */

#define NUMBER_DIGITS_MAX 19 /* of an int64, without leading zeros */

struct luhn_args {
	struct str replacement, source, delimiters, skip_regex;
	int64_t min_length;
};

static const struct arg_spec args[] = {
	{.name = "replacement",
		.kind = ARG_STRING,
		.offset = offsetof(struct luhn_args, replacement),
		.fallback = "\"**REDACTED**\"",
		.doc = "What takes the place of a number."},
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct luhn_args, source),
		.doc = "Extracted value to read instead of the line; the result becomes the line."},
	{.name = "min_length",
		.kind = ARG_INT,
		.offset = offsetof(struct luhn_args, min_length),
		.fallback = "13",
		.doc = "Shorter numbers stay."},
	{.name = "delimiters",
		.kind = ARG_STRING,
		.offset = offsetof(struct luhn_args, delimiters),
		.doc = "Characters that may stand between the digits of a number."},
	{.name = "skip_regex",
		.kind = ARG_STRING,
		.offset = offsetof(struct luhn_args, skip_regex),
		.doc = "Numbers that lie in a match of this RE2 expression stay."},
	{0},
};

struct state {
	struct str replacement, delimiters;
	size_t source, min_length;
	const struct regex *skip; /* or NULL */
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct luhn_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (!stage_source(b, a->source, &s->source))
		return NULL;
	s->replacement = a->replacement.len > 0 ? arena_str(b->arena, a->replacement) : STR("**REDACTED**");
	s->min_length = a->min_length < 1 ? 13 : (size_t)a->min_length;
	s->delimiters = arena_str(b->arena, a->delimiters);
	if (a->skip_regex.len > 0) {
		s->skip = stage_regex_compile(b, a->skip_regex, "could not compile regular expression: ");
		if (s->skip == NULL)
			return NULL;
	}
	return s;
}

/* One text: what was read, what was written, and the number that is being read. */
struct scan {
	const struct state *state;
	struct arena *arena;
	struct regex_match *match;
	struct str in;
	char *out;
	size_t len, cap;
	size_t skip_from;                  /* where the next match is looked for; SIZE_MAX: there is none */
	struct { size_t from, to; } skip;  /* the current match; empty at first */

	size_t start, end, text_end; /* of the number: its last digit, and the delimiters behind it */
	size_t bytes;                /* of its digits; 0: none is being read */
	bool ascii;
	struct str trailing; /* the last delimiter behind it */
};

static void
put(struct scan *c, struct str s)
{
	if (c->cap - c->len < s.len) {
		char *more;

		c->cap = (c->cap + s.len) * 2;
		more = arena_alloc(c->arena, c->cap);
		memcpy(more, c->out, c->len);
		c->out = more;
	}
	if (s.len > 0)
		memcpy(c->out + c->len, s.s, s.len);
	c->len += s.len;
}

static bool
is_luhn(uint64_t number)
{
	uint64_t sum = 0;

	for (unsigned i = 0; number > 0; i++, number /= 10) {
		uint64_t digit = number % 10 * (i % 2 == 0 ? 1 : 2);

		sum += digit > 9 ? digit - 9 : digit;
	}
	return sum % 10 == 0;
}

/* What Go's Atoi makes of its digits. */
static bool
number_value(const struct scan *c, uint64_t *ret)
{
	size_t digits = 0;

	*ret = 0;
	for (size_t i = c->start; i < c->end; i++) {
		unsigned digit = (unsigned char)c->in.s[i] - (unsigned)'0';

		if (digit > 9)
			continue;
		digits += digits > 0 || digit > 0;
		if (digits > NUMBER_DIGITS_MAX)
			return false;
		*ret = *ret * 10 + digit;
	}
	return *ret <= INT64_MAX;
}

/* Candidates come in order, so the matches are gone through once. */
static bool
is_skipped(struct scan *c)
{
	const struct regex *skip = c->state->skip;

	if (skip == NULL)
		return false;
	while (c->skip.to <= c->start && c->skip_from <= c->in.len) {
		if (regex_match(skip, c->in, c->skip_from, c->match) != REGEX_YES) {
			c->skip_from = SIZE_MAX;
			break;
		}
		c->skip.from = c->match->at[0];
		c->skip.to = c->match->at[1];
		c->skip_from = c->skip.to + (c->skip.to == c->skip.from);
	}
	return c->skip.from <= c->start && c->end <= c->skip.to;
}

static void
flush(struct scan *c)
{
	uint64_t value;

	if (c->bytes == 0)
		return;
	if (c->bytes >= c->state->min_length && c->ascii && number_value(c, &value) && is_luhn(value) && !is_skipped(c)) {
		put(c, c->state->replacement);
		put(c, c->trailing);
	} else {
		put(c, (struct str){c->in.s + c->start, c->text_end - c->start});
	}
	c->bytes = 0;
	c->trailing = STR_EMPTY;
}

static void
add_digit(struct scan *c, size_t at, size_t len)
{
	if (c->bytes == 0) {
		c->start = at;
		c->ascii = true;
	}
	c->bytes += len;
	c->ascii = c->ascii && len == 1;
	c->end = c->text_end = at + len;
	c->trailing = STR_EMPTY;
}

static bool
is_delimiter(struct str delimiters, struct str character)
{
	return delimiters.len > 0 && str_find(delimiters, character) >= 0;
}

/* How many bytes from `at` on are ASCII and no digits: they stay as they are. */
static size_t
plain_bytes(struct str in, size_t at)
{
	size_t from = at;

	while (at < in.len && (unsigned char)in.s[at] < 0x80 && (unsigned char)(in.s[at] - '0') > 9)
		at++;
	return at - from;
}

static struct str
replace(struct scan *c)
{
	for (size_t at = 0, len; at < c->in.len; at += len) {
		uint32_t rune;
		struct str character;

		if (c->bytes == 0) {
			size_t n = plain_bytes(c->in, at);

			put(c, (struct str){c->in.s + at, n});
			at += n;
			if (at == c->in.len)
				break;
		}
		len = str_utf8_decode(str_from_offset(c->in, at), &rune);
		character = len > 0 ? (struct str){c->in.s + at, len} : STR("\xef\xbf\xbd");
		if (len == 0)
			len = 1;
		else if (unicode_is_digit(rune)) {
			add_digit(c, at, len);
			continue;
		}
		if (c->bytes > 0 && is_delimiter(c->state->delimiters, character)) {
			c->text_end = at + len;
			c->trailing = character;
			continue;
		}
		flush(c);
		put(c, character);
	}
	flush(c);
	return (struct str){c->out, c->len};
}

/* Of the source only strings count; the line always is one. */
static bool
input_of(const struct state *s, const struct batch *b, size_t i, struct str *ret)
{
	if (s->source != STAGE_NO_COLUMN && batch_cell(b, s->source, i).kind != CELL_STRING)
		return false;
	return stage_text(b, s->source, i, ret);
}

/* A text without a digit stays, unless it is not UTF-8. */
static bool
has_digit(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)(text.s[i] - '0') <= 9 || (unsigned char)text.s[i] >= 0x80)
			return true;
	}
	return false;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct regex_match match = {0};
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		struct scan scan = {.state = s, .arena = b->arena, .match = &match};

		if (!input_of(s, b, i, &text))
			continue;
		b->line[i] = text;
		if (!has_digit(text))
			continue;
		scan.in = text;
		scan.cap = text.len + s->replacement.len;
		scan.out = arena_alloc(b->arena, scan.cap);
		b->line[i] = replace(&scan);
	}
	regex_match_done(&match);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_luhn = {
	.name = "luhn",
	.args = args,
	.args_size = sizeof(struct luhn_args),
	.type = &type,
	.doc = "Replaces numbers that pass the Luhn check.",
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/logql.h"

#include "longship/codec/regex.h"

/*
 * Alloy lexes selectors with Go's text/scanner: comments are skipped, a number is an identifier, too, and raw strings are
 * no strings. What Alloy's parser would accept only as a label that cannot exist ('a' or `a` as a name) is refused here.
 */

enum op { OP_EQUAL, OP_NOT_EQUAL, OP_MATCH, OP_NOT_MATCH };

struct part {
	enum op op;
	struct str name, value; /* name: of a matcher */
	const struct regex *regex;
};

struct logql {
	size_t n_matchers, n; /* of the parts; line filters follow the matchers */
	struct part *parts;
};

enum token { TOKEN_END, TOKEN_STRING, TOKEN_IDENTIFIER, TOKEN_PUNCTUATION, TOKEN_BAD };

struct lexer {
	struct arena *arena;
	struct str text;
	size_t at, start; /* start: of the token */
	enum token token;
	struct str value; /* of a string: unquoted */
	const char *bad;
};

/* ---- tokens ---- */

static char
peek(const struct lexer *l)
{
	return l->at < l->text.len ? l->text.s[l->at] : '\0';
}

/* White space and comments. */
static void
skip_blank(struct lexer *l)
{
	while (l->at < l->text.len) {
		struct str rest = str_from_offset(l->text, l->at);
		ptrdiff_t end;

		if (strchr(" \t\r\n", rest.s[0]) != NULL && rest.s[0] != '\0') {
			l->at++;
		} else if (str_starts(rest, STR("//"))) {
			end = str_find(rest, STR("\n"));
			l->at = end < 0 ? l->text.len : l->at + (size_t)end + 1;
		} else if (str_starts(rest, STR("/*")) && (end = str_find(str_from_offset(rest, 2), STR("*/"))) >= 0) {
			l->at += (size_t)end + 4;
		} else {
			break;
		}
	}
}

static bool
is_identifier(const struct lexer *l)
{
	unsigned char c = (unsigned char)peek(l);

	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* n digits of a base; false when there are fewer. */
static bool
take_digits(struct lexer *l, int n, int base, uint32_t *ret)
{
	*ret = 0;
	for (int i = 0; i < n; i++) {
		int digit = digit_value(peek(l));

		if (digit >= base)
			return false;
		*ret = *ret * (uint32_t)base + (uint32_t)digit;
		l->at++;
	}
	return true;
}

/* Behind the backslash; writes at most 4 bytes. */
static size_t
take_escape(struct lexer *l, char *out)
{
	static const char from[] = "abfnrtv\\\"", to[] = "\a\b\f\n\r\t\v\\\"";
	char c = peek(l);
	const char *simple = c != '\0' ? strchr(from, c) : NULL;
	uint32_t rune;

	if (simple != NULL) {
		l->at++;
		*out = to[simple - from];
		return 1;
	}
	if (c >= '0' && c <= '7') {
		if (!take_digits(l, 3, 8, &rune) || rune > 0xff)
			return 0;
		*out = (char)rune;
		return 1;
	}
	l->at++;
	if (c == 'x' && take_digits(l, 2, 16, &rune)) {
		*out = (char)rune;
		return 1;
	}
	if ((c == 'u' && take_digits(l, 4, 16, &rune)) || (c == 'U' && take_digits(l, 8, 16, &rune)))
		return rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000) ? 0 : str_utf8_encode(rune, out);
	return 0;
}

static enum token
bad(struct lexer *l, const char *why)
{
	l->bad = why;
	return TOKEN_BAD;
}

static enum token
take_string(struct lexer *l)
{
	char *out = arena_alloc(l->arena, l->text.len - l->at + 4);
	size_t len = 0;

	for (l->at++; l->at < l->text.len; ) {
		char c = l->text.s[l->at++];
		size_t n;

		if (c == '"') {
			l->value = (struct str){out, len};
			return TOKEN_STRING;
		}
		if (c == '\n')
			break;
		if (c != '\\') {
			out[len++] = c;
			continue;
		}
		n = take_escape(l, out + len);
		if (n == 0)
			return bad(l, "invalid char escape");
		len += n;
	}
	return bad(l, "literal not terminated");
}

static void
next(struct lexer *l)
{
	static const struct str two[] = {{"!=", 2}, {"=~", 2}, {"!~", 2}, {"|=", 2}, {"|~", 2}};
	struct str rest;

	skip_blank(l);
	l->start = l->at;
	rest = str_from_offset(l->text, l->at);
	if (rest.len == 0) {
		l->token = TOKEN_END;
		return;
	}
	if (rest.s[0] == '"') {
		l->token = take_string(l);
		return;
	}
	if (is_identifier(l)) {
		while (is_identifier(l))
			l->at++;
		l->value = str_head(rest, l->at - l->start);
		l->token = str_utf8_valid(l->value) ? TOKEN_IDENTIFIER : bad(l, "invalid UTF-8 encoding");
		return;
	}
	l->at++;
	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++) {
		if (str_starts(rest, two[i]))
			l->at = l->start + 2;
	}
	l->value = str_head(rest, l->at - l->start);
	l->token = TOKEN_PUNCTUATION;
}

/* ---- grammar ---- */

struct parser {
	struct lexer lexer;
	struct logql *q;
	struct str *ret_error;
};

static bool
fail(struct parser *p)
{
	struct lexer *l = &p->lexer;
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < l->start; i++) {
		column = l->text.s[i] == '\n' ? 1 : column + 1;
		line += l->text.s[i] == '\n';
	}
	if (l->token == TOKEN_BAD)
		*p->ret_error = arena_printf(l->arena, "parse error at line %u, col %u: %s", line, column, l->bad);
	else if (l->token == TOKEN_END)
		*p->ret_error = arena_printf(l->arena, "parse error at line %u, col %u: syntax error: unexpected $end", line, column);
	else
		*p->ret_error = arena_printf(l->arena, "parse error at line %u, col %u: syntax error: unexpected %.*s", line, column,
			STR_FMT(l->token == TOKEN_STRING ? STR("STRING") : l->token == TOKEN_IDENTIFIER ? STR("IDENTIFIER") : l->value));
	return false;
}

static bool
is_punctuation(const struct parser *p, const char *z)
{
	return p->lexer.token == TOKEN_PUNCTUATION && str_is(p->lexer.value, z);
}

static bool
expect(struct parser *p, const char *z)
{
	if (!is_punctuation(p, z))
		return fail(p);
	next(&p->lexer);
	return true;
}

/* One of four operators, which are written differently for labels and for lines. */
static bool
operator(struct parser *p, const char *const names[4], enum op *ret)
{
	for (int i = 0; i < 4; i++) {
		if (is_punctuation(p, names[i])) {
			*ret = (enum op)i;
			next(&p->lexer);
			return true;
		}
	}
	return fail(p);
}

/* Operator and string. */
static bool
comparison(struct parser *p, const char *const names[4], struct str name)
{
	struct part *part = &p->q->parts[p->q->n];

	if (!operator(p, names, &part->op))
		return false;
	if (p->lexer.token != TOKEN_STRING)
		return fail(p);
	part->name = name;
	part->value = p->lexer.value;
	p->q->n++;
	next(&p->lexer);
	return true;
}

static bool
has_room(struct parser *p)
{
	if (p->q->n < LOGQL_PARTS_MAX)
		return true;
	*p->ret_error = arena_printf(p->lexer.arena, "more than %d matchers and filters", LOGQL_PARTS_MAX);
	return false;
}

static bool
matcher(struct parser *p)
{
	static const char *const names[4] = {"=", "!=", "=~", "!~"};
	struct str name = p->lexer.value;

	if (p->lexer.token != TOKEN_IDENTIFIER)
		return fail(p);
	next(&p->lexer);
	return has_room(p) && comparison(p, names, name);
}

static bool
selector(struct parser *p)
{
	if (!expect(p, "{") || !matcher(p))
		return false;
	while (is_punctuation(p, ",")) {
		next(&p->lexer);
		if (!matcher(p))
			return false;
	}
	p->q->n_matchers = p->q->n;
	return expect(p, "}");
}

static bool
expression(struct parser *p)
{
	static const char *const names[4] = {"|=", "!=", "|~", "!~"};

	if (!selector(p))
		return false;
	while (p->lexer.token != TOKEN_END) {
		if (!has_room(p) || !comparison(p, names, STR_EMPTY))
			return false;
	}
	return true;
}

static bool
compile_regexes(struct arena *arena, struct logql *q, struct str *ret_error, bool *ret_in_filter)
{
	for (size_t i = 0; i < q->n; i++) {
		struct part *part = &q->parts[i];
		struct str error = STR_EMPTY;
		size_t offset;

		if (part->op != OP_MATCH && part->op != OP_NOT_MATCH)
			continue;
		part->regex = regex_compile(arena, part->value, i < q->n_matchers ? REGEX_FULL : 0, &error, &offset);
		if (part->regex == NULL) {
			*ret_in_filter = i >= q->n_matchers;
			*ret_error = error;
			return false;
		}
	}
	return true;
}

const struct logql *
logql_compile(struct arena *arena, struct str text, struct str *ret_error, bool *ret_in_filter)
{
	struct logql *q = arena_make(arena, struct logql);
	struct parser p = {.lexer = {.arena = arena, .text = arena_str(arena, text)}, .q = q, .ret_error = ret_error};
	/* A part has at least a quote at each end. */
	size_t parts = text.len / 2 + 1 < LOGQL_PARTS_MAX ? text.len / 2 + 1 : LOGQL_PARTS_MAX;

	*ret_in_filter = false;
	q->parts = arena_array(arena, struct part, parts + 1);
	next(&p.lexer);
	return expression(&p) && compile_regexes(arena, q, ret_error, ret_in_filter) ? q : NULL;
}

/* ---- matching ---- */

/* What is beyond the match limit does not match, and does not "not match" either. */
static bool
holds(const struct part *part, struct str text, bool within)
{
	switch (part->op) {
	case OP_EQUAL:
		return within ? str_find(text, part->value) >= 0 : str_eq(text, part->value);
	case OP_NOT_EQUAL:
		return within ? str_find(text, part->value) < 0 : !str_eq(text, part->value);
	case OP_MATCH:
		return regex_test(part->regex, text) == REGEX_YES;
	case OP_NOT_MATCH:
		return regex_test(part->regex, text) == REGEX_NO;
	}
	return false;
}

bool
logql_labels(const struct logql *q, struct str (*value)(const void *ptr, struct str name), const void *ptr)
{
	for (size_t i = 0; i < q->n_matchers; i++) {
		if (!holds(&q->parts[i], value(ptr, q->parts[i].name), false))
			return false;
	}
	return true;
}

bool
logql_line(const struct logql *q, struct str line)
{
	for (size_t i = q->n_matchers; i < q->n; i++) {
		if (!holds(&q->parts[i], line, true))
			return false;
	}
	return true;
}

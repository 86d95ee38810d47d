/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/lex.h"

#include <stdarg.h>
#include <stdio.h>

#include "longship/base/check.h"
#include "rune_priv.h"

/*
 * One code point of look-ahead: `ch` is the current one, advance() steps over it and reports what may stand
 * nowhere (NUL, bad UTF-8, a byte order mark) wherever it stands, in strings and comments too.
 */

#define END (-1)
#define BOM 0xfeff

static const char *const names[TOKEN_KIND_COUNT] = {
	[TOKEN_ILLEGAL] = "ILLEGAL",
	[TOKEN_EOF] = "EOF",
	[TOKEN_COMMENT] = "COMMENT",
	[TOKEN_TERMINATOR] = "TERMINATOR",
	[TOKEN_IDENT] = "IDENT",
	[TOKEN_NUMBER] = "NUMBER",
	[TOKEN_FLOAT] = "FLOAT",
	[TOKEN_STRING] = "STRING",
	[TOKEN_BOOL] = "BOOL",
	[TOKEN_NULL] = "NULL",
	[TOKEN_OR] = "||",
	[TOKEN_AND] = "&&",
	[TOKEN_NOT] = "!",
	[TOKEN_ASSIGN] = "=",
	[TOKEN_EQ] = "==",
	[TOKEN_NE] = "!=",
	[TOKEN_LT] = "<",
	[TOKEN_LE] = "<=",
	[TOKEN_GT] = ">",
	[TOKEN_GE] = ">=",
	[TOKEN_ADD] = "+",
	[TOKEN_SUB] = "-",
	[TOKEN_MUL] = "*",
	[TOKEN_DIV] = "/",
	[TOKEN_MOD] = "%",
	[TOKEN_POW] = "^",
	[TOKEN_LCURLY] = "{",
	[TOKEN_RCURLY] = "}",
	[TOKEN_LPAREN] = "(",
	[TOKEN_RPAREN] = ")",
	[TOKEN_LBRACK] = "[",
	[TOKEN_RBRACK] = "]",
	[TOKEN_COMMA] = ",",
	[TOKEN_DOT] = ".",
};

const char *
lex_token_name(enum token_kind kind)
{
	return names[kind];
}

static void __attribute__((format(printf, 3, 4)))
fail(struct lexer *l, uint32_t off, const char *format, ...)
{
	char message[128];
	va_list args;

	l->n_errors++;
	if (l->diags == NULL)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	diag_error(l->diags, (struct src_pos){l->file, off, 0}, "%s", message);
}

/* "U+0007", or "U+2026 '…'" when it can be shown. */
static const char *
describe_rune(int32_t rune, char out[32])
{
	char utf8[4];
	size_t n;

	if (!rune_is_printable((uint32_t)rune)) {
		snprintf(out, 32, "U+%04X", (unsigned)rune);
		return out;
	}
	n = str_utf8_encode((uint32_t)rune, utf8);
	snprintf(out, 32, "U+%04X '%.*s'", (unsigned)rune, (int)n, utf8);
	return out;
}

static void
advance(struct lexer *l)
{
	struct str rest = str_from_offset(l->text, l->next);
	uint32_t rune;
	size_t width;

	if (l->ch == '\n')
		l->line++;
	l->off = l->next;
	if (rest.len == 0) {
		l->ch = END;
		return;
	}
	width = str_utf8_decode(rest, &rune);
	if (width == 0) {
		fail(l, l->off, "illegal UTF-8 encoding");
		rune = 0xfffd;
		width = 1;
	} else if (rune == 0)
		fail(l, l->off, "illegal character NUL");
	else if (rune == BOM)
		fail(l, l->off, "illegal byte order mark");
	l->ch = (int32_t)rune;
	l->next += (uint32_t)width;
}

void
lex_init(struct lexer *l, struct str text, uint32_t file, struct diags *diags)
{
	*l = (struct lexer){.text = text, .file = file, .diags = diags, .line = 1, .ch = ' '};
	advance(l);
}

static bool
is_decimal(int32_t ch)
{
	return ch >= '0' && ch <= '9';
}

static bool
starts_identifier(int32_t ch)
{
	return ch == '_' || (ch > 0 && rune_is_letter((uint32_t)ch));
}

static size_t
skip_digits(struct lexer *l)
{
	size_t n = 0;

	for (; is_decimal(l->ch); n++)
		advance(l);
	return n;
}

static enum token_kind
scan_number(struct lexer *l)
{
	enum token_kind kind = TOKEN_NUMBER;
	uint32_t start = l->off;

	skip_digits(l);
	if (l->ch == '.') {
		kind = TOKEN_FLOAT;
		advance(l);
		skip_digits(l);
	}
	if (l->ch == 'e' || l->ch == 'E') {
		kind = TOKEN_FLOAT;
		advance(l);
		if (l->ch == '+' || l->ch == '-')
			advance(l);
		if (skip_digits(l) == 0)
			fail(l, start, "exponent has no digits");
	}
	return kind;
}

static enum token_kind
scan_identifier(struct lexer *l)
{
	uint32_t start = l->off;
	struct str text;

	while (starts_identifier(l->ch) || (l->ch > 0 && rune_is_digit((uint32_t)l->ch)))
		advance(l);
	text = (struct str){l->text.s + start, l->off - start};
	if (str_is(text, "true") || str_is(text, "false"))
		return TOKEN_BOOL;
	return str_is(text, "null") ? TOKEN_NULL : TOKEN_IDENT;
}

static unsigned
digit_value(int32_t ch)
{
	if (is_decimal(ch))
		return (unsigned)(ch - '0');
	if (ch > 0 && (ch | 0x20) >= 'a' && (ch | 0x20) <= 'f')
		return (unsigned)((ch | 0x20) - 'a' + 10);
	return 16;
}

/* The current character is the one behind the backslash. Stops at what is wrong without taking it. */
static void
scan_escape(struct lexer *l)
{
	uint32_t start = l->off;
	unsigned digits, base = 16;
	uint32_t max = 0x10ffff, value = 0;
	char name[32];

	if (l->ch > 0 && l->ch < 0x80 && strchr("abfnrtv\\\"", (char)l->ch) != NULL) {
		advance(l);
		return;
	}
	if (l->ch >= '0' && l->ch <= '7') {
		digits = 3;
		base = 8;
		max = 255;
	} else if (l->ch == 'x' || l->ch == 'u' || l->ch == 'U') {
		digits = l->ch == 'x' ? 2 : l->ch == 'u' ? 4 : 8;
		advance(l);
	} else {
		fail(l, start, l->ch == END ? "escape sequence not terminated" : "unknown escape sequence");
		return;
	}
	for (; digits > 0; digits--) {
		unsigned digit = digit_value(l->ch);

		if (digit >= base) {
			if (l->ch == END)
				fail(l, start, "escape sequence not terminated");
			else
				fail(l, start, "illegal character %s in escape sequence", describe_rune(l->ch, name));
			return;
		}
		value = value * base + digit;
		advance(l);
	}
	if (value > max || (value >= 0xd800 && value < 0xe000))
		fail(l, start, "escape sequence is invalid Unicode code point");
}

/* The opening quote is taken already. */
static void
scan_string(struct lexer *l, uint32_t start, int32_t quote)
{
	for (;;) {
		int32_t ch = l->ch;

		if (ch == END || (ch == '\n' && quote != '`')) {
			fail(l, start, "string literal not terminated");
			return;
		}
		advance(l);
		if (ch == quote)
			return;
		if (ch == '\\' && quote != '`')
			scan_escape(l);
	}
}

/* The current character is the second of the comment's opening. */
static void
scan_comment(struct lexer *l, uint32_t start)
{
	if (l->ch == '/') {
		while (l->ch != '\n' && l->ch != END)
			advance(l);
		return;
	}
	advance(l);
	while (l->ch != END) {
		int32_t ch = l->ch;

		advance(l);
		if (ch == '*' && l->ch == '/') {
			advance(l);
			return;
		}
	}
	fail(l, start, "block comment not terminated");
}

/* Whether nothing but comments follows on this line; s starts with a comment. */
static bool
comments_end_line(struct str s)
{
	size_t i = 0;

	for (;;) {
		if (i + 1 >= s.len || s.s[i] != '/' || (s.s[i + 1] != '/' && s.s[i + 1] != '*'))
			return false;
		if (s.s[i + 1] == '/')
			return true;
		for (i += 2; i < s.len && !(s.s[i] == '*' && i + 1 < s.len && s.s[i + 1] == '/'); i++)
			if (s.s[i] == '\n')
				return true;
		i += 2;
		while (i < s.len && (s.s[i] == ' ' || s.s[i] == '\t' || s.s[i] == '\r'))
			i++;
		if (i >= s.len || s.s[i] == '\n')
			return true;
	}
}

static enum token_kind
pair(struct lexer *l, char second, enum token_kind both, enum token_kind alone)
{
	if (l->ch != second)
		return alone;
	advance(l);
	return both;
}

static enum token_kind
doubled(struct lexer *l, char c, enum token_kind kind)
{
	if (l->ch == c)
		advance(l);
	else
		fail(l, l->off, "missing second %c in %c%c", c, c, c);
	return kind;
}

/* What starts with the character ch, which is taken already. */
static enum token_kind
scan_operator(struct lexer *l, uint32_t start, int32_t ch)
{
	char name[32];

	switch (ch) {
	case '\'':
		fail(l, start, "illegal single-quoted string; use double quotes");
		scan_string(l, start, ch);
		return TOKEN_ILLEGAL;
	case '"':
	case '`':
		scan_string(l, start, ch);
		return TOKEN_STRING;
	case '|':
		return doubled(l, '|', TOKEN_OR);
	case '&':
		return doubled(l, '&', TOKEN_AND);
	case '!':
		return pair(l, '=', TOKEN_NE, TOKEN_NOT);
	case '=':
		return pair(l, '=', TOKEN_EQ, TOKEN_ASSIGN);
	case '<':
		return pair(l, '=', TOKEN_LE, TOKEN_LT);
	case '>':
		return pair(l, '=', TOKEN_GE, TOKEN_GT);
	case '/':
		if (l->ch != '/' && l->ch != '*')
			return TOKEN_DIV;
		scan_comment(l, start);
		return TOKEN_COMMENT;
	default:
		break;
	}
	for (enum token_kind kind = TOKEN_ADD; kind < TOKEN_KIND_COUNT; kind++)
		if (ch == names[kind][0])
			return kind;
	if (ch != BOM)
		fail(l, start, "illegal character %s", describe_rune(ch, name));
	return TOKEN_ILLEGAL;
}

/* Whether a line's end behind such a token ends a statement. */
static bool
may_end_statement(enum token_kind kind, int32_t ch, bool before)
{
	switch (kind) {
	case TOKEN_IDENT:
	case TOKEN_NUMBER:
	case TOKEN_FLOAT:
	case TOKEN_STRING:
	case TOKEN_BOOL:
	case TOKEN_NULL:
	case TOKEN_RCURLY:
	case TOKEN_RPAREN:
	case TOKEN_RBRACK:
		return true;
	case TOKEN_ILLEGAL:
		return ch == '\'' || before;
	default:
		return false;
	}
}

struct token
lex_next(struct lexer *l)
{
	struct token t = {.kind = TOKEN_TERMINATOR};
	int32_t ch;

	while (l->ch == ' ' || l->ch == '\t' || l->ch == '\r' || (l->ch == '\n' && !l->terminator))
		advance(l);
	ch = l->ch;
	t.pos = (struct src_pos){l->file, l->off, 0};
	t.line = l->line;
	if (l->terminator && (ch == '\n' || ch == END)) {
		l->terminator = false;
		if (ch == '\n')
			advance(l);
	} else if (l->terminator && ch == '/' && comments_end_line(str_from_offset(l->text, l->off))) {
		l->terminator = false;
	} else if (ch == END) {
		t.kind = TOKEN_EOF;
	} else if (starts_identifier(ch)) {
		t.kind = scan_identifier(l);
		l->terminator = true;
	} else if (is_decimal(ch) || (ch == '.' && l->next < l->text.len && is_decimal(l->text.s[l->next]))) {
		t.kind = scan_number(l);
		l->terminator = true;
	} else {
		advance(l);
		t.kind = scan_operator(l, t.pos.off, ch);
		l->terminator = may_end_statement(t.kind, ch, l->terminator);
	}
	t.pos.len = l->off - t.pos.off;
	t.text = str_head(str_from_offset(l->text, t.pos.off), t.pos.len);
	return t;
}

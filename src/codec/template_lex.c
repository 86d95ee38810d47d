/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include "longship/codec/unicode.h"

/*
 * The lexer of the template language: text up to "{{", then the tokens of an action up to "}}". Space is a token of its
 * own, since it separates arguments; "{{- " and " -}}" take the white space beside them out of the text.
 */

static struct str
rest(const struct tlexer *l)
{
	return str_from_offset(l->input, l->at);
}

static bool
is_space(uint32_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_alphanumeric(uint32_t c)
{
	if (c < 0x80)
		return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	return unicode_is_letter(c) || unicode_is_digit(c);
}

#define LEX_EOF UINT32_MAX

/* The next character and its length; LEX_EOF and 0 at the end. */
static uint32_t
peek(const struct tlexer *l, size_t *ret_len)
{
	struct str s = rest(l);
	uint32_t rune;

	*ret_len = 0;
	if (s.len == 0)
		return LEX_EOF;
	*ret_len = str_utf8_decode(s, &rune);
	if (*ret_len > 0)
		return rune;
	*ret_len = 1;
	return 0xfffd;
}

static uint32_t
next(struct tlexer *l)
{
	size_t len;
	uint32_t c = peek(l, &len);

	l->at += len;
	if (c == '\n')
		l->line++;
	return c;
}

static uint32_t
peek_only(const struct tlexer *l)
{
	size_t len;

	return peek(l, &len);
}

static struct ttoken
emit(struct tlexer *l, enum ttoken_kind kind)
{
	struct ttoken t = {kind, {l->input.s + l->start, l->at - l->start}, l->start_line};

	l->start = l->at;
	l->start_line = l->line;
	return t;
}

static struct ttoken
fail(struct tlexer *l, const char *what)
{
	l->done = true;
	return (struct ttoken){K_ERROR, arena_str(l->arena, str_from(what)), l->start_line};
}

static void
skip(struct tlexer *l, size_t n)
{
	for (size_t i = 0; i < n; i++)
		l->line += l->input.s[l->at + i] == '\n';
	l->at += n;
	l->start = l->at;
	l->start_line = l->line;
}

static bool
left_trim(struct str s)
{
	return s.len >= 2 && s.s[0] == '-' && is_space((unsigned char)s.s[1]);
}

static bool
right_trim(struct str s)
{
	return s.len >= 2 && is_space((unsigned char)s.s[0]) && s.s[1] == '-';
}

/* 2 or 4 when the right delimiter stands here, with its trim marker; else 0. */
static size_t
right_delimiter(const struct tlexer *l)
{
	struct str s = rest(l);

	if (right_trim(s) && str_starts(str_from_offset(s, 2), STR("}}")))
		return 4;
	return str_starts(s, STR("}}")) ? 2 : 0;
}

static void
skip_space(struct tlexer *l)
{
	while (l->at < l->input.len && is_space((unsigned char)l->input.s[l->at]))
		skip(l, 1);
}

static bool
skip_comment(struct tlexer *l)
{
	ptrdiff_t end;
	size_t delimiter;

	end = str_find(str_from_offset(l->input, l->at + 2), STR("*/"));
	if (end < 0)
		return false;
	skip(l, (size_t)end + 4);
	delimiter = right_delimiter(l);
	skip(l, delimiter);
	if (delimiter == 4)
		skip_space(l);
	return delimiter > 0;
}

static bool
at_terminator(const struct tlexer *l)
{
	uint32_t c = peek_only(l);

	return c == LEX_EOF || is_space(c) || c == '.' || c == ',' || c == '|' || c == ':' || c == ')' || c == '(' ||
	       str_starts(rest(l), STR("}}"));
}

static struct ttoken
bad_character(struct tlexer *l, const char *what)
{
	size_t len;
	uint32_t c = peek(l, &len);
	struct str text = c != LEX_EOF ? arena_printf(l->arena, "%s U+%04X", what, c) : arena_printf(l->arena, "%s U+FFFFFFFFFFFFFFFF", what);

	if (c != LEX_EOF && unicode_is_print(c))
		text = arena_printf(l->arena, "%.*s '%.*s'", STR_FMT(text), (int)len, l->input.s + l->at);
	l->done = true;
	return (struct ttoken){K_ERROR, text, l->start_line};
}

static struct ttoken
lex_space(struct tlexer *l)
{
	while (l->at < l->input.len && is_space((unsigned char)l->input.s[l->at])) {
		/* The last one may belong to " -}}". */
		if (right_delimiter(l) == 4)
			break;
		(void)next(l);
	}
	return emit(l, K_SPACE);
}

static struct ttoken
lex_identifier(struct tlexer *l)
{
	static const struct {
		const char *word;
		enum ttoken_kind kind;
	} keywords[] = {
		{"true", K_BOOL},
		{"false", K_BOOL},
		{"nil", K_NIL},
		{"block", K_BLOCK},
		{"break", K_BREAK},
		{"continue", K_CONTINUE},
		{"define", K_DEFINE},
		{"else", K_ELSE},
		{"end", K_END},
		{"if", K_IF},
		{"range", K_RANGE},
		{"template", K_TEMPLATE},
		{"with", K_WITH},
	};
	struct str word;

	while (is_alphanumeric(peek_only(l)))
		(void)next(l);
	if (!at_terminator(l))
		return bad_character(l, "bad character");
	word = (struct str){l->input.s + l->start, l->at - l->start};
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (str_is(word, keywords[i].word))
			return emit(l, keywords[i].kind);
	}
	return emit(l, K_IDENTIFIER);
}

/* Behind "." or "$". */
static struct ttoken
lex_name(struct tlexer *l, enum ttoken_kind kind)
{
	if (at_terminator(l))
		return emit(l, kind == K_FIELD ? K_DOT : kind);
	while (is_alphanumeric(peek_only(l)))
		(void)next(l);
	return at_terminator(l) ? emit(l, kind) : bad_character(l, "bad character");
}

/* Behind the opening quote. */
static struct ttoken
lex_quoted(struct tlexer *l, char quote, enum ttoken_kind kind, const char *unterminated)
{
	for (;;) {
		uint32_t c = next(l);

		if (c == '\\')
			c = next(l) == '\n' || l->at >= l->input.len ? LEX_EOF : 0;
		if (c == LEX_EOF || c == '\n')
			return fail(l, unterminated);
		if (c == (uint32_t)quote)
			return emit(l, kind);
	}
}

static struct ttoken
lex_raw(struct tlexer *l)
{
	for (;;) {
		uint32_t c = next(l);

		if (c == LEX_EOF)
			return fail(l, "unterminated raw quoted string");
		if (c == '`')
			return emit(l, K_RAW);
	}
}

static bool
accept(struct tlexer *l, const char *set)
{
	uint32_t c = peek_only(l);

	if (c == 0 || c >= 0x80 || strchr(set, (int)c) == NULL)
		return false;
	l->at++;
	return true;
}

static bool
scan_number(struct tlexer *l)
{
	const char *digits = "0123456789_";

	(void)accept(l, "+-");
	if (accept(l, "0")) {
		if (accept(l, "xX"))
			digits = "0123456789abcdefABCDEF_";
		else if (accept(l, "oO"))
			digits = "01234567_";
		else if (accept(l, "bB"))
			digits = "01_";
	}
	while (accept(l, digits))
		;
	if (accept(l, ".")) {
		while (accept(l, digits))
			;
	}
	if ((strlen(digits) == 11 && accept(l, "eE")) || (strlen(digits) == 23 && accept(l, "pP"))) {
		(void)accept(l, "+-");
		while (accept(l, "0123456789_"))
			;
	}
	(void)accept(l, "i");
	if (!is_alphanumeric(peek_only(l)))
		return true;
	(void)next(l);
	return false;
}

static struct ttoken
lex_number(struct tlexer *l)
{
	bool good = scan_number(l), complex = false;
	uint32_t sign = peek_only(l);

	if (good && (sign == '+' || sign == '-')) {
		good = scan_number(l) && l->input.s[l->at - 1] == 'i';
		complex = true;
	}
	if (good)
		return emit(l, complex ? K_COMPLEX : K_NUMBER);
	l->done = true;
	return (struct ttoken){K_ERROR,
		arena_printf(l->arena, "bad number syntax: \"%.*s\"", (int)(l->at - l->start), l->input.s + l->start), l->start_line};
}

static struct ttoken
lex_paren(struct tlexer *l, uint32_t c)
{
	l->parens += c == '(' ? 1 : -1;
	if (l->parens < 0)
		return fail(l, "unexpected right paren");
	return emit(l, c == '(' ? K_OPEN : K_CLOSE);
}

static struct ttoken
lex_right(struct tlexer *l, size_t delimiter)
{
	struct ttoken t;

	if (l->parens > 0)
		return fail(l, "unclosed left paren");
	l->at += delimiter;
	t = emit(l, K_RIGHT);
	if (delimiter == 4)
		skip_space(l);
	l->inside = false;
	return t;
}

static struct ttoken
lex_action(struct tlexer *l)
{
	size_t delimiter = right_delimiter(l), at = l->at;
	uint32_t c;

	if (delimiter > 0)
		return lex_right(l, delimiter);
	c = peek_only(l);
	if (c == LEX_EOF)
		return fail(l, "unclosed action");
	if (is_space(c))
		return lex_space(l);
	if (is_alphanumeric(c) && !(c >= '0' && c <= '9'))
		return lex_identifier(l);
	(void)next(l);
	switch (c) {
	case '=':
		return emit(l, K_ASSIGN);
	case ':':
		return next(l) == '=' ? emit(l, K_DECLARE) : fail(l, "expected :=");
	case '|':
		return emit(l, K_PIPE);
	case '"':
		return lex_quoted(l, '"', K_STRING, "unterminated quoted string");
	case '`':
		return lex_raw(l);
	case '$':
		return lex_name(l, K_VARIABLE);
	case '\'':
		return lex_quoted(l, '\'', K_CHARACTER, "unterminated character constant");
	case '(':
	case ')':
		return lex_paren(l, c);
	default:
		break;
	}
	if (c == '.' && !(peek_only(l) >= '0' && peek_only(l) <= '9'))
		return lex_name(l, K_FIELD);
	if (c == '.' || c == '+' || c == '-' || (c >= '0' && c <= '9')) {
		l->at = at;
		return lex_number(l);
	}
	if (c < 0x7f && c > ' ')
		return emit(l, K_CHAR);
	l->at = at;
	return bad_character(l, "unrecognized character in action:");
}

/* A text token ends before the white space that "{{- " trims; an empty one is none. */
static bool
lex_text(struct tlexer *l, struct ttoken *ret)
{
	ptrdiff_t found = str_find(rest(l), STR("{{"));
	size_t len = found >= 0 ? (size_t)found : rest(l).len, kept = len;

	if (found >= 0 && left_trim(str_from_offset(l->input, l->at + len + 2))) {
		while (kept > 0 && is_space((unsigned char)l->input.s[l->at + kept - 1]))
			kept--;
	}
	*ret = (struct ttoken){K_TEXT, {l->input.s + l->at, kept}, l->line};
	skip(l, len);
	return kept > 0;
}

struct ttoken
template_lex_next(struct tlexer *l)
{
	struct ttoken t;

	while (!l->inside && !l->done) {
		bool trim;

		if (lex_text(l, &t))
			return t;
		if (l->at >= l->input.len)
			break;
		trim = left_trim(str_from_offset(l->input, l->at + 2));
		if (str_starts(str_from_offset(l->input, l->at + 2 + (trim ? 2 : 0)), STR("/*"))) {
			skip(l, 2 + (trim ? 2 : 0));
			if (str_find(str_from_offset(l->input, l->at + 2), STR("*/")) < 0)
				return fail(l, "unclosed comment");
			if (!skip_comment(l))
				return fail(l, "comment ends before closing delimiter");
			continue;
		}
		l->at += 2;
		t = emit(l, K_LEFT);
		skip(l, trim ? 2 : 0);
		l->inside = true;
		l->parens = 0;
		return t;
	}
	if (l->done || !l->inside)
		return (struct ttoken){K_EOF, STR("EOF"), l->line};
	return lex_action(l);
}

void
template_lex_init(struct tlexer *l, struct arena *arena, struct str input)
{
	*l = (struct tlexer){.arena = arena, .input = input, .line = 1, .start_line = 1};
}

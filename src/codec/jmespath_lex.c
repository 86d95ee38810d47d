/* SPDX-License-Identifier: Apache-2.0 */
#include "jmespath_priv.h"

#include "longship/base/limits.h"

/*
 * The tokens of an expression, with go-jmespath's oddities: "-1" is always a number (so "a -1" is no difference), a raw
 * string knows \' and \\ only, and in a JSON literal \` stands for the backtick before the JSON is read.
 */

struct lexer {
	struct arena *arena;
	struct str text;
	size_t at;
	struct jmespath_token *items;
	size_t n, cap;
	struct str *error;
};

static bool
raise_at(struct lexer *l, size_t at, const char *what)
{
	*l->error = arena_printf(l->arena, "SyntaxError: %s at offset %zu", what, at);
	return false;
}

static struct jmespath_token *
push(struct lexer *l, enum jmespath_token_kind kind, size_t len)
{
	struct jmespath_token *t;

	if (l->n == l->cap) {
		size_t cap = l->cap > 0 ? 2 * l->cap : 16;
		struct jmespath_token *grown = arena_array(l->arena, struct jmespath_token, cap);

		if (l->n > 0)
			memcpy(grown, l->items, l->n * sizeof(*grown));
		l->items = grown;
		l->cap = cap;
	}
	t = &l->items[l->n++];
	*t = (struct jmespath_token){.kind = kind, .at = l->at, .len = len};
	t->text = (struct str){l->text.s + l->at, len};
	l->at += len;
	return t;
}

static bool
is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static size_t
name_length(struct str s, size_t from)
{
	size_t n = from;

	while (n < s.len && is_name_char(s.s[n], false))
		n++;
	return n;
}

static size_t
number_length(struct str s)
{
	size_t n = s.len > 0 && s.s[0] == '-';

	while (n < s.len && s.s[n] >= '0' && s.s[n] <= '9')
		n++;
	return n;
}

/* The length up to and with the closing delimiter; a backslash hides what follows it. 0: there is none. */
static size_t
delimited_length(struct str s, char end)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.s[i] == end)
			return i + 1;
		if (s.s[i] == '\\')
			i++;
	}
	return 0;
}

static bool
lex_quoted_name(struct lexer *l, struct str rest)
{
	size_t len = delimited_length(rest, '"');
	const struct json *name;
	struct str error;

	if (len == 0)
		return raise_at(l, l->text.len, "Unclosed delimiter: \"");
	name = json_tree_parse(l->arena, str_head(rest, len), 0, &error);
	if (name == NULL)
		return raise_at(l, l->at, arena_z(l->arena, error));
	push(l, TOKEN_QUOTED_NAME, len)->text = name->text;
	return true;
}

static bool
lex_raw_string(struct lexer *l, struct str rest)
{
	size_t len = delimited_length(rest, '\''), n = 0;
	char *value;

	if (len == 0)
		return raise_at(l, l->text.len, "Unclosed delimiter: '");
	value = arena_alloc(l->arena, len);
	for (size_t i = 1; i + 1 < len; i++) {
		if (rest.s[i] == '\\' && (rest.s[i + 1] == '\'' || rest.s[i + 1] == '\\'))
			i++;
		value[n++] = rest.s[i];
	}
	push(l, TOKEN_STRING, len)->text = (struct str){value, n};
	return true;
}

static bool
lex_literal(struct lexer *l, struct str rest)
{
	size_t len = delimited_length(rest, '`'), n = 0;
	const struct json *json;
	struct str error;
	char *value;

	if (len == 0)
		return raise_at(l, l->text.len, "Unclosed delimiter: `");
	value = arena_alloc(l->arena, len);
	for (size_t i = 1; i + 1 < len; i++) {
		if (rest.s[i] == '\\' && rest.s[i + 1] == '`')
			i++;
		value[n++] = rest.s[i];
	}
	json = json_tree_parse(l->arena, (struct str){value, n}, 0, &error);
	if (json == NULL)
		return raise_at(l, l->at, arena_z(l->arena, error));
	push(l, TOKEN_LITERAL, len)->literal = jmespath_value_from_json(l->arena, json);
	return true;
}

/* Operators and punctuation, longer ones before what they begin with. */
static bool
lex_operator(struct lexer *l, struct str rest)
{
	static const struct {
		const char *text;
		enum jmespath_token_kind kind;
	} operators[] = {
		{"[?", TOKEN_FILTER},
		{"[]", TOKEN_FLATTEN},
		{"[", TOKEN_LBRACKET},
		{"]", TOKEN_RBRACKET},
		{"{", TOKEN_LBRACE},
		{"}", TOKEN_RBRACE},
		{"(", TOKEN_LPAREN},
		{")", TOKEN_RPAREN},
		{"||", TOKEN_OR},
		{"|", TOKEN_PIPE},
		{"&&", TOKEN_AND},
		{"&", TOKEN_EXPREF},
		{"==", TOKEN_EQ},
		{"=", TOKEN_ASSIGN},
		{"!=", TOKEN_NE},
		{"!", TOKEN_NOT},
		{"<=", TOKEN_LE},
		{"<", TOKEN_LT},
		{">=", TOKEN_GE},
		{">", TOKEN_GT},
		{"//", TOKEN_DIV},
		{"/", TOKEN_DIVIDE},
		{"\xc3\xb7", TOKEN_DIVIDE},
		{"\xc3\x97", TOKEN_MULTIPLY},
		{"%", TOKEN_MODULO},
		{"+", TOKEN_PLUS},
		{"-", TOKEN_MINUS},
		{"\xe2\x88\x92", TOKEN_MINUS},
		{"*", TOKEN_STAR},
		{".", TOKEN_DOT},
		{",", TOKEN_COMMA},
		{":", TOKEN_COLON},
		{"@", TOKEN_CURRENT},
	};
	uint32_t rune;
	size_t n = str_utf8_decode(rest, &rune);

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (!str_starts(rest, str_from(operators[i].text)))
			continue;
		(void)push(l, operators[i].kind, strlen(operators[i].text));
		return true;
	}
	return raise_at(l, l->at,
		arena_z(l->arena, arena_printf(l->arena, "Unknown char: '%.*s'", n > 0 ? (int)n : 1, rest.s)));
}

static bool
lex_token(struct lexer *l)
{
	struct str rest = str_from_offset(l->text, l->at);
	char c = rest.s[0];

	if (is_name_char(c, true)) {
		(void)push(l, TOKEN_NAME, name_length(rest, 0));
		return true;
	}
	if (number_length(rest) > (size_t)(c == '-')) {
		(void)push(l, TOKEN_NUMBER, number_length(rest));
		return true;
	}
	switch (c) {
	case ' ':
	case '\t':
	case '\n':
	case '\r':
		l->at++;
		return true;
	case '$': {
		size_t len = name_length(rest, 1);

		(void)push(l, len > 1 ? TOKEN_VARIABLE : TOKEN_ROOT, len);
		return true;
	}
	case '"':
		return lex_quoted_name(l, rest);
	case '\'':
		return lex_raw_string(l, rest);
	case '`':
		return lex_literal(l, rest);
	default:
		return lex_operator(l, rest);
	}
}

bool
jmespath_lex(struct arena *arena, struct str expression, struct jmespath_tokens *ret, struct str *ret_error)
{
	struct lexer l = {.arena = arena, .text = expression, .error = ret_error};

	if (expression.len > JMESPATH_TEXT_BYTES_MAX)
		return raise_at(&l, JMESPATH_TEXT_BYTES_MAX, "the expression is too long");
	while (l.at < l.text.len) {
		if (!lex_token(&l))
			return false;
	}
	(void)push(&l, TOKEN_END, 0);
	*ret = (struct jmespath_tokens){l.items, l.n};
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "jsonpath_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"

/*
 * One function per rule, in ojg's grammar with its oddities: which characters a bare name may hold is a table,
 * `!` takes everything to its right, && and || have one precedence. The first fault is kept and ends all.
 */

struct parser {
	struct arena *arena;
	struct str text;
	size_t at;
	unsigned nesting;
	struct jsonpath_filter *filter; /* the one being read: its paths get slots */
	struct str error;
};

#define FILTER_PATHS_MAX   64 /* paths in one filter */
#define PRECEDENCE_LOOSEST 4

static struct jsonpath *parse_path(struct parser *);
static struct jsonpath_expr *parse_binary(struct parser *, int loosest);

static bool
raise(struct parser *p, const char *what)
{
	if (p->error.s == NULL)
		p->error = arena_printf(p->arena, "%s at %zu in %.*s", what, p->at + 1, STR_FMT(p->text));
	return false;
}

static char
peek(const struct parser *p)
{
	return p->at < p->text.len ? p->text.s[p->at] : '\0';
}

static bool
at_end(const struct parser *p)
{
	return p->at >= p->text.len;
}

/* The next character that is no blank, consumed. */
static char
take_nonblank(struct parser *p)
{
	while (peek(p) == ' ')
		p->at++;
	return at_end(p) ? '\0' : p->text.s[p->at++];
}

/* The same, not consumed. */
static char
peek_nonblank(struct parser *p)
{
	while (peek(p) == ' ')
		p->at++;
	return peek(p);
}

static bool
is_name_char(char c)
{
	unsigned char b = (unsigned char)c;

	if (b < 0x21 || b == 0x7f)
		return false;
	return b >= 0x80 || strchr("!\"&'()*+,-./:<=>@[\\]`", c) == NULL;
}

static bool
enter(struct parser *p)
{
	return ++p->nesting <= JSONPATH_NESTING_MAX || raise(p, "nested too deeply");
}

/* Room for item n of a growing array: doubled at each power of two. */
static void *
grow(struct arena *arena, void *items, size_t n, size_t item_bytes)
{
	void *grown;

	if (n > 0 && (n < 4 || (n & (n - 1)) != 0))
		return items;
	grown = arena_zalloc(arena, (n < 4 ? 4 : 2 * n) * item_bytes);
	if (n > 0)
		memcpy(grown, items, n * item_bytes);
	return grown;
}

static bool
parse_hex(struct parser *p, int digits, uint32_t *ret)
{
	*ret = 0;
	for (; digits > 0; digits--) {
		int digit = str_hex_digit(peek(p));

		if (digit < 0)
			return raise(p, "not a valid hexadecimal character");
		*ret = *ret << 4 | (uint32_t)digit;
		p->at++;
	}
	return true;
}

static bool
parse_escape(struct parser *p, struct buf *out)
{
	static const char escapes[] = "btnfr\"'\\", meanings[] = "\b\t\n\f\r\"'\\";
	char c = peek(p), utf8[4];
	const char *at = c != '\0' ? strchr(escapes, c) : NULL;
	uint32_t rune;

	if (at != NULL) {
		p->at++;
		return buf_putc(out, meanings[at - escapes]);
	}
	if (c != 'x' && c != 'u' && c != 'U')
		return raise(p, "not a valid escaped character");
	p->at++;
	if (!parse_hex(p, c == 'x' ? 2 : 4, &rune))
		return false;
	if (c == 'x')
		return buf_putc(out, (char)rune);
	return buf_append(out, utf8, str_utf8_encode(rune, utf8));
}

/* Behind the opening quote. */
static bool
parse_string(struct parser *p, char quote, struct str *ret)
{
	struct buf text;
	bool ok = true;

	buf_init(&text, JSONPATH_BYTES_MAX);
	while (ok && !at_end(p) && peek(p) != quote) {
		char c = p->text.s[p->at++];

		ok = c == '\\' ? parse_escape(p, &text) : buf_putc(&text, c);
	}
	ok = ok && (!at_end(p) || raise(p, "not terminated"));
	p->at += ok;
	*ret = arena_str(p->arena, buf_view(&text));
	buf_done(&text);
	return ok;
}

/* Decimal digits with a sign; what is beyond any index stays there. */
static bool
parse_int(struct parser *p, int64_t *ret)
{
	bool negative = peek(p) == '-';
	int64_t n = 0;
	size_t from;

	p->at += negative;
	for (from = p->at; peek(p) >= '0' && peek(p) <= '9'; p->at++)
		n = n > INT64_MAX / 20 ? n : n * 10 + (peek(p) - '0');
	*ret = negative ? -n : n;
	return p->at > from || raise(p, "expected a number");
}

static void
skip_digits(struct parser *p)
{
	while (peek(p) >= '0' && peek(p) <= '9')
		p->at++;
}

static bool
parse_number(struct parser *p, struct json *ret)
{
	size_t from = p->at;
	bool real = false;
	struct str token;

	p->at++;
	skip_digits(p);
	if (peek(p) == '.') {
		real = true;
		p->at++;
		skip_digits(p);
	}
	if (peek(p) == 'e' || peek(p) == 'E') {
		real = true;
		p->at++;
		p->at += peek(p) == '+' || peek(p) == '-';
		skip_digits(p);
	}
	token = (struct str){p->text.s + from, p->at - from};
	if (real)
		*ret = (struct json){.kind = JSON_TREE_FLOAT, .f = strtod(arena_z(p->arena, token), NULL)};
	else if (str_to_i64(token, &ret->i))
		ret->kind = JSON_TREE_INT;
	else
		return raise(p, "expected a number");
	return true;
}

static bool
parse_name(struct parser *p, struct jsonpath_fragment *ret)
{
	size_t from = p->at;

	while (!at_end(p) && is_name_char(p->text.s[p->at]))
		p->at++;
	ret->kind = FRAGMENT_CHILD;
	ret->name = arena_str(p->arena, (struct str){p->text.s + from, p->at - from});
	return true;
}

static bool
parse_after_dot(struct parser *p, struct jsonpath_fragment *ret)
{
	if (at_end(p))
		return raise(p, "not terminated");
	if (peek(p) == '*' || peek(p) == '.') {
		ret->kind = peek(p) == '*' ? FRAGMENT_WILDCARD : FRAGMENT_DESCENT;
		p->at++;
		return true;
	}
	if (!is_name_char(peek(p))) {
		const char *what =
			arena_printf(p->arena, "an expression fragment can not start with a '%c'", peek(p)).s;

		p->at++;
		return raise(p, what);
	}
	return parse_name(p, ret);
}

/* Behind "[start:". */
static bool
parse_slice(struct parser *p, int64_t start, struct jsonpath_fragment *ret)
{
	ret->kind = FRAGMENT_SLICE;
	ret->start = start;
	ret->end = JSONPATH_SLICE_END;
	ret->step = 1;
	if (at_end(p))
		return raise(p, "not terminated");
	if (peek_nonblank(p) != ':' && peek(p) != ']' && !parse_int(p, &ret->end))
		return false;
	if (peek(p) == ':') {
		p->at++;
		if (peek(p) != ']' && !parse_int(p, &ret->step))
			return false;
	}
	if (peek(p) != ']')
		return raise(p, "invalid slice syntax");
	p->at++;
	return true;
}

/* One member of a union. */
static bool
parse_member(struct parser *p, struct json *ret)
{
	char c = peek_nonblank(p);

	if (c == '\'' || c == '"') {
		p->at++;
		ret->kind = JSON_TREE_STRING;
		return parse_string(p, c, &ret->text);
	}
	ret->kind = JSON_TREE_INT;
	if (c != '-' && (c < '0' || c > '9'))
		return raise(p, "invalid union syntax");
	return parse_int(p, &ret->i);
}

/* Behind the first member; the next character is the comma. */
static bool
parse_union(struct parser *p, struct json first, struct jsonpath_fragment *ret)
{
	struct json *members = NULL, member = first;
	size_t n = 0;

	for (;;) {
		char c;

		members = grow(p->arena, members, n, sizeof(*members));
		members[n++] = member;
		c = take_nonblank(p);
		if (c == ']')
			break;
		if (c != ',')
			return raise(p, "invalid union syntax");
		if (!parse_member(p, &member))
			return false;
	}
	ret->kind = FRAGMENT_UNION;
	ret->members = members;
	ret->n_members = n;
	return true;
}

static bool
parse_filter(struct parser *p, struct jsonpath_fragment *ret)
{
	struct jsonpath_filter *outer = p->filter;
	const struct jsonpath_expr *expr;
	bool ok;

	ret->kind = FRAGMENT_FILTER;
	p->filter = &ret->filter;
	ok = enter(p) && (!at_end(p) || raise(p, "not terminated"));
	expr = ok ? parse_binary(p, PRECEDENCE_LOOSEST) : NULL;
	/* Parentheses around the whole filter mean nothing. */
	while (expr != NULL && expr->op == OP_GROUP)
		expr = expr->left;
	ret->filter.expr = expr;
	p->filter = outer;
	p->nesting--;
	if (expr == NULL)
		return false;
	return take_nonblank(p) == ']' || raise(p, "not terminated");
}

static bool
parse_after_bracket(struct parser *p, struct jsonpath_fragment *ret)
{
	struct json first = {0};
	char c;

	if (at_end(p))
		return raise(p, "not terminated");
	c = peek_nonblank(p);
	if (c == '*') {
		p->at++;
		ret->kind = FRAGMENT_WILDCARD;
		return take_nonblank(p) == ']' || raise(p, "not terminated");
	}
	if (c == ':') {
		p->at++;
		return parse_slice(p, 0, ret);
	}
	if (c == '?') {
		p->at++;
		return parse_filter(p, ret);
	}
	if (c == '(')
		return raise(p, "scripts are not supported");
	if (c != '\'' && c != '"' && c != '-' && (c < '0' || c > '9'))
		return raise(p, "parse error");
	if (!parse_member(p, &first))
		return false;
	c = peek_nonblank(p);
	if (c == ',')
		return parse_union(p, first, ret);
	p->at++;
	if (c == ':' && first.kind == JSON_TREE_INT)
		return parse_slice(p, first.i, ret);
	if (c != ']')
		return raise(p, "invalid bracket fragment");
	ret->kind = first.kind == JSON_TREE_INT ? FRAGMENT_NTH : FRAGMENT_CHILD;
	if (first.kind == JSON_TREE_INT)
		ret->n = first.i;
	else
		ret->name = first.text;
	return true;
}

/* One fragment. *ret_any false: the path ends here. */
static bool
parse_fragment(struct parser *p, const struct jsonpath_fragment *before, struct jsonpath_fragment *ret, bool *ret_any)
{
	char c = peek(p);

	*ret_any = true;
	switch (c) {
	case '.':
		p->at++;
		return parse_after_dot(p, ret);
	case '[':
		p->at++;
		return parse_after_bracket(p, ret);
	case '*':
		p->at++;
		ret->kind = FRAGMENT_WILDCARD;
		return true;
	case '$':
	case '@':
		if (before == NULL) {
			p->at++;
			ret->kind = c == '$' ? FRAGMENT_ROOT : FRAGMENT_AT;
			return true;
		}
		break;
	default:
		if (!at_end(p) && is_name_char(c) && (before == NULL || before->kind == FRAGMENT_DESCENT))
			return parse_name(p, ret);
	}
	*ret_any = false;
	return true;
}

static struct jsonpath *
parse_path(struct parser *p)
{
	struct jsonpath *path = arena_make(p->arena, struct jsonpath);
	bool any = true;

	for (;;) {
		struct jsonpath_fragment next = {0}, *last = path->n > 0 ? &path->fragments[path->n - 1] : NULL;

		if (!parse_fragment(p, last, &next, &any))
			return NULL;
		if (!any)
			return path;
		if (path->n == JSONPATH_FRAGMENTS_MAX) {
			raise(p, "too many fragments");
			return NULL;
		}
		path->fragments = grow(p->arena, path->fragments, path->n, sizeof(next));
		path->fragments[path->n++] = next;
	}
}

static const struct infix {
	const char *text;
	enum jsonpath_op op;
	int precedence; /* a lower one binds tighter */
} infixes[] = {
	/* A longer one before its beginning. */
	{"==", OP_EQ, 3},
	{"!=", OP_NE, 3},
	{"<=", OP_LE, 3},
	{">=", OP_GE, 3},
	{"<", OP_LT, 3},
	{">", OP_GT, 3},
	{"||", OP_OR, 4},
	{"&&", OP_AND, 4},
	{"=~", OP_MATCHES, 3},
	{"~=", OP_MATCHES, 3},
	{"+", OP_ADD, 2},
	{"-", OP_SUB, 2},
	{"*", OP_MUL, 1},
	{"/", OP_DIV, 1},
	{"in", OP_IN, 3},
	{"empty", OP_EMPTY, 3},
	{"has", OP_HAS, 3},
	{"exists", OP_HAS, 3},
};

static const struct {
	const char *name;
	enum jsonpath_op op;
	bool two;
} filter_functions[] = {
	{"length", OP_LENGTH, false},
	{"count", OP_COUNT, false},
	{"match", OP_MATCH, true},
	{"search", OP_SEARCH, true},
};

static struct jsonpath_expr *
new_expr(struct parser *p, enum jsonpath_op op)
{
	struct jsonpath_expr *e = arena_make(p->arena, struct jsonpath_expr);

	e->op = op;
	return e;
}

struct regex *
jsonpath_regex(struct arena *arena, enum jsonpath_op op, struct str pattern)
{
	struct str error;
	size_t offset;
	bool match = op == OP_MATCH && pattern.len > 0;

	if (match)
		pattern = arena_printf(arena, "%s%.*s%s", pattern.s[0] != '^' ? "^" : "", STR_FMT(pattern),
			pattern.s[pattern.len - 1] != '$' ? "$" : "");
	return regex_compile(arena, pattern, 0, &error, &offset);
}

/* A pattern that stands in the path is compiled once. */
static void
prepare_regex(struct parser *p, struct jsonpath_expr *e)
{
	if ((e->op == OP_MATCHES || e->op == OP_MATCH || e->op == OP_SEARCH) && e->right != NULL &&
		e->right->op == OP_LITERAL && e->right->literal.kind == JSON_TREE_STRING)
		e->regex = jsonpath_regex(p->arena, e->op, e->right->literal.text);
}

static struct jsonpath_expr *
parse_path_operand(struct parser *p)
{
	struct jsonpath_expr *e = new_expr(p, OP_PATH);

	if (p->filter->n_paths == FILTER_PATHS_MAX) {
		raise(p, "too many paths in a filter");
		return NULL;
	}
	p->filter->paths = grow(p->arena, p->filter->paths, p->filter->n_paths, sizeof(e));
	e->slot = p->filter->n_paths++;
	p->filter->paths[e->slot] = e;
	e->path = parse_path(p);
	return e->path != NULL ? e : NULL;
}

static struct jsonpath_expr *
parse_regex_operand(struct parser *p)
{
	struct jsonpath_expr *e = new_expr(p, OP_REGEX);
	struct str error;
	size_t from = ++p->at, offset;

	while (!at_end(p) && peek(p) != '/')
		p->at += peek(p) == '\\' ? 2 : 1;
	if (p->at >= p->text.len) {
		p->at = p->text.len;
		raise(p, "not terminated");
		return NULL;
	}
	e->regex = regex_compile(p->arena, (struct str){p->text.s + from, p->at - from}, 0, &error, &offset);
	p->at++;
	if (e->regex != NULL)
		return e;
	raise(p, arena_printf(p->arena, "error parsing regexp: %.*s", STR_FMT(error)).s);
	return NULL;
}

static struct jsonpath_expr *
parse_list_operand(struct parser *p)
{
	struct jsonpath_expr *e = new_expr(p, OP_LITERAL);
	struct json *items = NULL;
	size_t n = 0;
	char c;

	p->at++;
	do {
		struct jsonpath_expr *item = parse_binary(p, PRECEDENCE_LOOSEST);

		if (item == NULL)
			return NULL;
		if (item->op != OP_LITERAL) {
			raise(p, "a list may hold only values");
			return NULL;
		}
		items = grow(p->arena, items, n, sizeof(*items));
		items[n++] = item->literal;
		c = take_nonblank(p);
	} while (c == ',');
	if (c != ']') {
		raise(p, "expected a comma or an array close");
		return NULL;
	}
	e->literal = (struct json){.kind = JSON_TREE_ARRAY, .array = {items, n}};
	return e;
}

static struct jsonpath_expr *
parse_group(struct parser *p)
{
	struct jsonpath_expr *e = new_expr(p, OP_GROUP);

	p->at++;
	e->left = parse_binary(p, PRECEDENCE_LOOSEST);
	if (e->left == NULL)
		return NULL;
	if (take_nonblank(p) == ')')
		return e;
	raise(p, "not terminated");
	return NULL;
}

/* Behind the name of a function. */
static struct jsonpath_expr *
parse_function(struct parser *p, enum jsonpath_op op, bool two)
{
	struct jsonpath_expr *e = new_expr(p, op);

	if (peek(p) != '(') {
		raise(p, "expected a function");
		return NULL;
	}
	p->at++;
	e->left = parse_binary(p, PRECEDENCE_LOOSEST);
	if (e->left != NULL && two && peek_nonblank(p) == ',') {
		p->at++;
		e->right = parse_binary(p, PRECEDENCE_LOOSEST);
		if (e->right == NULL)
			return NULL;
	}
	if (e->left == NULL)
		return NULL;
	if (take_nonblank(p) != ')') {
		raise(p, "not terminated");
		return NULL;
	}
	prepare_regex(p, e);
	return e;
}

static struct jsonpath_expr *
parse_word_operand(struct parser *p)
{
	struct jsonpath_expr *e = new_expr(p, OP_LITERAL);
	size_t from = p->at;
	struct str word;

	while ((peek(p) >= 'a' && peek(p) <= 'z') || peek(p) == 'N')
		p->at++;
	word = (struct str){p->text.s + from, p->at - from};
	if (str_is(word, "Nothing")) {
		e->op = OP_NOTHING;
		return e;
	}
	if (str_is(word, "true") || str_is(word, "false")) {
		e->literal = (struct json){.kind = JSON_TREE_BOOL, .boolean = word.s[0] == 't'};
		return e;
	}
	if (str_is(word, "null"))
		return e;
	for (size_t i = 0; i < ARRAY_LEN(filter_functions); i++) {
		if (str_is(word, filter_functions[i].name))
			return parse_function(p, filter_functions[i].op, filter_functions[i].two);
	}
	p->at = from;
	raise(p, arena_printf(p->arena, "'%.*s' is not a value or function", STR_FMT(word)).s);
	return NULL;
}

static struct jsonpath_expr *
parse_operand(struct parser *p)
{
	char c = peek_nonblank(p);
	struct jsonpath_expr *e;

	switch (c) {
	case '!':
		p->at++;
		e = new_expr(p, OP_NOT);
		e->left = parse_binary(p, PRECEDENCE_LOOSEST);
		return e->left != NULL ? e : NULL;
	case '\'':
	case '"':
		p->at++;
		e = new_expr(p, OP_LITERAL);
		e->literal.kind = JSON_TREE_STRING;
		return parse_string(p, c, &e->literal.text) ? e : NULL;
	case '@':
	case '$':
		return parse_path_operand(p);
	case '(':
		return parse_group(p);
	case '[':
		return parse_list_operand(p);
	case '/':
		return parse_regex_operand(p);
	default:
		if (c != '-' && (c < '0' || c > '9'))
			return parse_word_operand(p);
		e = new_expr(p, OP_LITERAL);
		return parse_number(p, &e->literal) ? e : NULL;
	}
}

static const struct infix *
peek_infix(struct parser *p)
{
	struct str rest = str_from_offset(p->text, p->at);

	for (size_t i = 0; i < ARRAY_LEN(infixes); i++) {
		if (str_starts(rest, str_from(infixes[i].text)))
			return &infixes[i];
	}
	raise(p, "not a valid operation");
	return NULL;
}

/* Operators down to the given precedence, left to right. */
static struct jsonpath_expr *
parse_binary(struct parser *p, int loosest)
{
	struct jsonpath_expr *left = enter(p) ? parse_operand(p) : NULL;

	while (left != NULL) {
		char c = peek_nonblank(p);
		const struct infix *infix;
		struct jsonpath_expr *e;

		if (c == ',' || c == ')' || c == ']' || c == '\0')
			break;
		infix = peek_infix(p);
		if (infix == NULL)
			return NULL;
		if (infix->precedence > loosest)
			break;
		p->at += strlen(infix->text);
		e = new_expr(p, infix->op);
		e->left = left;
		e->right = parse_binary(p, infix->precedence - 1);
		if (e->right == NULL)
			return NULL;
		prepare_regex(p, e);
		left = e;
	}
	p->nesting--;
	return left;
}

struct jsonpath *
jsonpath_compile(struct arena *arena, struct str path, struct str *ret_error)
{
	struct parser p = {.arena = arena, .text = path};
	struct jsonpath *compiled = NULL;

	if (path.len > JSONPATH_BYTES_MAX)
		p.error = STR("the path is too long");
	else
		compiled = parse_path(&p);
	if (compiled != NULL && !at_end(&p)) {
		raise(&p, "parse error");
		compiled = NULL;
	}
	if (compiled == NULL)
		*ret_error = p.error;
	return compiled;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/jmespath.h"

#include "jmespath_priv.h"
#include "longship/base/limits.h"

/*
 * A Pratt parser with go-jmespath's binding powers: `!a.b` is `(!a).b` there, `*` binds tighter than `×`, a comma
 * between arguments may be left out. The first fault ends it: NULL runs up through all rules.
 */

struct parser {
	struct arena *arena;
	const struct jmespath_token *token; /* the next one */
	unsigned nesting;
	struct str error;
};

static const uint8_t powers[TOKEN_COUNT] = {
	[TOKEN_PIPE] = 1,
	[TOKEN_OR] = 2,
	[TOKEN_AND] = 3,
	[TOKEN_EQ] = 5,
	[TOKEN_NE] = 5,
	[TOKEN_LT] = 5,
	[TOKEN_LE] = 5,
	[TOKEN_GT] = 5,
	[TOKEN_GE] = 5,
	[TOKEN_MINUS] = 6,
	[TOKEN_PLUS] = 6,
	[TOKEN_DIV] = 7,
	[TOKEN_DIVIDE] = 7,
	[TOKEN_MODULO] = 7,
	[TOKEN_MULTIPLY] = 7,
	[TOKEN_FLATTEN] = 9,
	[TOKEN_STAR] = 20,
	[TOKEN_FILTER] = 21,
	[TOKEN_DOT] = 40,
	[TOKEN_NOT] = 45,
	[TOKEN_LBRACE] = 50,
	[TOKEN_LBRACKET] = 55,
	[TOKEN_LPAREN] = 60,
};

#define PROJECTION_ENDS_BELOW 10 /* a weaker token is no longer applied to each item */

static struct jmespath_node *parse(struct parser *, unsigned power);

static void *
raise_at(struct parser *p, const struct jmespath_token *t, const char *what)
{
	if (p->error.s != NULL)
		return NULL;
	if (t->kind == TOKEN_END)
		p->error = arena_printf(p->arena, "SyntaxError: %s at the end (offset %zu)", what, t->at);
	else
		p->error = arena_printf(p->arena, "SyntaxError: %s at offset %zu", what, t->at);
	return NULL;
}

static bool
take(struct parser *p, enum jmespath_token_kind kind)
{
	if (p->token->kind != kind)
		return false;
	p->token++;
	return true;
}

static bool
expect(struct parser *p, enum jmespath_token_kind kind, const char *what)
{
	return take(p, kind) || raise_at(p, p->token, what) != NULL;
}

/* NULL when a part is missing: its error is known. */
static struct jmespath_node *
make(struct parser *p, enum jmespath_node_kind kind, const struct jmespath_node *left,
	const struct jmespath_node *right)
{
	struct jmespath_node *node = arena_make(p->arena, struct jmespath_node);

	node->kind = kind;
	node->left = left;
	node->right = right;
	if (left != NULL)
		node->height = left->height + 1;
	if (right != NULL && right->height >= node->height)
		node->height = right->height + 1;
	if (node->height > JMESPATH_HEIGHT_MAX)
		return raise_at(p, p->token, "nested too deeply");
	return node;
}

static struct jmespath_node *
leaf(struct parser *p, enum jmespath_node_kind kind)
{
	return make(p, kind, NULL, NULL);
}

static struct jmespath_node *
unary(struct parser *p, enum jmespath_node_kind kind, const struct jmespath_node *left)
{
	return left != NULL ? make(p, kind, left, NULL) : NULL;
}

static struct jmespath_node *
binary(struct parser *p, enum jmespath_node_kind kind, const struct jmespath_node *left,
	const struct jmespath_node *right)
{
	return left != NULL && right != NULL ? make(p, kind, left, right) : NULL;
}

static bool
add_item(struct parser *p, struct jmespath_node *node, struct str name, const struct jmespath_node *item)
{
	size_t n = node->n;

	if (item == NULL)
		return false;
	if ((n & (n - 1)) == 0) { /* room doubles at each power of two */
		const struct jmespath_node **items = arena_alloc(p->arena, (2 * n + 1) * sizeof(*items));
		struct str *names = arena_alloc(p->arena, (2 * n + 1) * sizeof(*names));

		if (n > 0) {
			memcpy(items, node->items, n * sizeof(*items));
			memcpy(names, node->names, n * sizeof(*names));
		}
		node->items = items;
		node->names = names;
	}
	node->items[n] = item;
	node->names[n] = name;
	node->n++;
	if (item->height >= node->height)
		node->height = item->height + 1;
	return node->height <= JMESPATH_HEIGHT_MAX || raise_at(p, p->token, "nested too deeply") != NULL;
}

/* list = '[' expression { ',' expression } ']', the bracket taken */
static struct jmespath_node *
parse_list(struct parser *p)
{
	struct jmespath_node *node = leaf(p, NODE_LIST);

	do {
		if (!add_item(p, node, STR_EMPTY, parse(p, 0)))
			return NULL;
	} while (take(p, TOKEN_COMMA));
	return expect(p, TOKEN_RBRACKET, "expected ',' or ']'") ? node : NULL;
}

/* hash = '{' name ':' expression { [','] name ':' expression } '}', the brace taken */
static struct jmespath_node *
parse_hash(struct parser *p)
{
	struct jmespath_node *node = leaf(p, NODE_HASH);

	do {
		struct str name = p->token->text;

		if (!take(p, TOKEN_NAME) && !take(p, TOKEN_QUOTED_NAME))
			return raise_at(p, p->token, "expected the name of a member");
		if (!expect(p, TOKEN_COLON, "expected ':'") || !add_item(p, node, name, parse(p, 0)))
			return NULL;
	} while (take(p, TOKEN_COMMA) || !take(p, TOKEN_RBRACE));
	return node;
}

/* What follows a dot. */
static struct jmespath_node *
parse_dot(struct parser *p, unsigned power)
{
	switch (p->token->kind) {
	case TOKEN_NAME:
	case TOKEN_QUOTED_NAME:
	case TOKEN_STAR:
		return parse(p, power);
	case TOKEN_LBRACKET:
		p->token++;
		return parse_list(p);
	case TOKEN_LBRACE:
		p->token++;
		return parse_hash(p);
	default:
		return raise_at(p, p->token, "expected a name, '[' or '{'");
	}
}

/* What is applied to each item of a projection. */
static struct jmespath_node *
parse_each(struct parser *p, unsigned power)
{
	if (powers[p->token->kind] < PROJECTION_ENDS_BELOW)
		return leaf(p, NODE_CURRENT);
	if (p->token->kind == TOKEN_LBRACKET || p->token->kind == TOKEN_FILTER)
		return parse(p, power);
	if (take(p, TOKEN_DOT))
		return parse_dot(p, power);
	return raise_at(p, p->token, "unexpected token behind a projection");
}

static bool
parse_number(struct parser *p, struct jmespath_bound *ret)
{
	ret->given = true;
	if (!str_to_i64(p->token->text, &ret->n))
		return raise_at(p, p->token, "the number is out of range") != NULL;
	p->token++;
	return true;
}

static struct jmespath_node *
parse_slice(struct parser *p, const struct jmespath_node *left)
{
	struct jmespath_node *node = leaf(p, NODE_SLICE), *sub;
	size_t part = 0;

	while (p->token->kind != TOKEN_RBRACKET) {
		if (p->token->kind == TOKEN_COLON) {
			if (++part == 3)
				return raise_at(p, p->token, "too many colons in a slice");
			p->token++;
		} else if (p->token->kind != TOKEN_NUMBER) {
			return raise_at(p, p->token, "expected ':' or a number");
		} else if (!parse_number(p, &node->bounds[part])) {
			return NULL;
		}
	}
	p->token++;
	sub = binary(p, NODE_SUB, left, node);
	return sub != NULL ? binary(p, NODE_PROJECTION, sub, parse_each(p, powers[TOKEN_STAR])) : NULL;
}

/* index = '[' number ']' | '[' slice ']', the bracket taken and one of the two seen */
static struct jmespath_node *
parse_index(struct parser *p, const struct jmespath_node *left)
{
	struct jmespath_node *node;

	if (p->token->kind == TOKEN_COLON || p->token[1].kind == TOKEN_COLON)
		return parse_slice(p, left);
	node = leaf(p, NODE_INDEX);
	if (!parse_number(p, &node->bounds[0]) || !expect(p, TOKEN_RBRACKET, "expected ']'"))
		return NULL;
	return binary(p, NODE_SUB, left, node);
}

static struct jmespath_node *
parse_filter(struct parser *p, const struct jmespath_node *left)
{
	struct jmespath_node *condition = parse(p, 0), *right, *node;

	if (condition == NULL || !expect(p, TOKEN_RBRACKET, "expected ']'"))
		return NULL;
	right = p->token->kind == TOKEN_FLATTEN ? leaf(p, NODE_CURRENT) : parse_each(p, powers[TOKEN_FILTER]);
	node = binary(p, NODE_FILTER, left, right);
	if (node == NULL)
		return NULL;
	node->condition = condition;
	if (condition->height >= node->height)
		node->height = condition->height + 1;
	return node->height <= JMESPATH_HEIGHT_MAX ? node : raise_at(p, p->token, "nested too deeply");
}

static struct jmespath_node *
parse_flatten(struct parser *p, const struct jmespath_node *left)
{
	struct jmespath_node *flat = unary(p, NODE_FLATTEN, left);

	return flat != NULL ? binary(p, NODE_PROJECTION, flat, parse_each(p, powers[TOKEN_FLATTEN])) : NULL;
}

/* let = 'let' variable '=' expression { [','] variable '=' expression } 'in' expression, the word taken */
static struct jmespath_node *
parse_let(struct parser *p)
{
	struct jmespath_node *node = leaf(p, NODE_LET);

	do {
		struct str name = p->token->text;

		if (!expect(p, TOKEN_VARIABLE, "expected a variable") || !expect(p, TOKEN_ASSIGN, "expected '='") ||
			!add_item(p, node, name, parse(p, 0)))
			return NULL;
		(void)take(p, TOKEN_COMMA);
	} while (p->token->kind != TOKEN_NAME || !str_is(p->token->text, "in"));
	p->token++;
	node->left = parse(p, 0);
	if (node->left == NULL)
		return NULL;
	if (node->left->height >= node->height)
		node->height = node->left->height + 1;
	return node->height <= JMESPATH_HEIGHT_MAX ? node : raise_at(p, p->token, "nested too deeply");
}

/* call = name '(' { expression [','] } ')', the parenthesis taken */
static struct jmespath_node *
parse_call(struct parser *p, const struct jmespath_node *name)
{
	struct jmespath_node *node;

	if (name->kind != NODE_FIELD)
		return raise_at(p, p->token - 1, "only a name can be called");
	node = leaf(p, NODE_FUNCTION);
	node->name = name->name;
	node->function = jmespath_function_find(name->name);
	while (!take(p, TOKEN_RPAREN)) {
		if (!add_item(p, node, STR_EMPTY, parse(p, 0)))
			return NULL;
		(void)take(p, TOKEN_COMMA);
	}
	return node;
}

static struct jmespath_node *
with_name(struct jmespath_node *node, struct str name)
{
	node->name = name;
	return node;
}

static struct jmespath_node *
with_op(struct jmespath_node *node, enum jmespath_token_kind op)
{
	if (node != NULL)
		node->op = op;
	return node;
}

static struct jmespath_node *
parse_literal(struct parser *p, const struct jmespath_token *t)
{
	struct jmespath_node *node = leaf(p, NODE_LITERAL);

	node->literal = t->kind == TOKEN_STRING ? jmespath_value_string(t->text) : t->literal;
	return node;
}

/* A bracket that nothing precedes: an index, a slice, a projection or a list. */
static struct jmespath_node *
parse_bracket(struct parser *p)
{
	if (p->token->kind == TOKEN_NUMBER || p->token->kind == TOKEN_COLON)
		return parse_index(p, leaf(p, NODE_CURRENT));
	if (p->token->kind != TOKEN_STAR || p->token[1].kind != TOKEN_RBRACKET)
		return parse_list(p);
	p->token += 2;
	return binary(p, NODE_PROJECTION, leaf(p, NODE_CURRENT), parse_each(p, powers[TOKEN_STAR]));
}

static struct jmespath_node *
parse_star(struct parser *p)
{
	struct jmespath_node *each =
		p->token->kind == TOKEN_RBRACKET ? leaf(p, NODE_CURRENT) : parse_each(p, powers[TOKEN_STAR]);

	return binary(p, NODE_VALUES, leaf(p, NODE_CURRENT), each);
}

static struct jmespath_node *
parse_group(struct parser *p)
{
	struct jmespath_node *node = parse(p, 0);

	return node != NULL && expect(p, TOKEN_RPAREN, "expected ')'") ? node : NULL;
}

/* How an expression begins. */
static struct jmespath_node *
parse_start(struct parser *p)
{
	const struct jmespath_token *t = p->token++;

	switch (t->kind) {
	case TOKEN_VARIABLE:
		return with_name(leaf(p, NODE_VARIABLE), t->text);
	case TOKEN_LITERAL:
	case TOKEN_STRING:
		return parse_literal(p, t);
	case TOKEN_NAME:
		if (p->token->kind == TOKEN_VARIABLE && str_is(t->text, "let"))
			return parse_let(p);
		return with_name(leaf(p, NODE_FIELD), t->text);
	case TOKEN_QUOTED_NAME:
		if (p->token->kind == TOKEN_LPAREN)
			return raise_at(p, t, "a function's name cannot be quoted");
		return with_name(leaf(p, NODE_FIELD), t->text);
	case TOKEN_PLUS:
	case TOKEN_MINUS:
		return with_op(unary(p, NODE_SIGN, parse(p, powers[t->kind])), t->kind);
	case TOKEN_STAR:
		return parse_star(p);
	case TOKEN_FILTER:
		return parse_filter(p, leaf(p, NODE_CURRENT));
	case TOKEN_LBRACE:
		return parse_hash(p);
	case TOKEN_FLATTEN:
		return parse_flatten(p, leaf(p, NODE_CURRENT));
	case TOKEN_LBRACKET:
		return parse_bracket(p);
	case TOKEN_CURRENT:
		return leaf(p, NODE_CURRENT);
	case TOKEN_ROOT:
		return leaf(p, NODE_ROOT);
	case TOKEN_EXPREF:
		return unary(p, NODE_EXPREF, parse(p, 0));
	case TOKEN_NOT:
		return unary(p, NODE_NOT, parse(p, powers[TOKEN_NOT]));
	case TOKEN_LPAREN:
		return parse_group(p);
	default:
		p->token = t; /* the end stays the next token */
		return raise_at(p, t, t->kind == TOKEN_END ? "incomplete expression" : "unexpected token");
	}
}

static struct jmespath_node *
parse_more_bracket(struct parser *p, const struct jmespath_node *left)
{
	if (p->token->kind == TOKEN_NUMBER || p->token->kind == TOKEN_COLON)
		return parse_index(p, left);
	if (!expect(p, TOKEN_STAR, "expected a number, ':' or '*'") || !expect(p, TOKEN_RBRACKET, "expected ']'"))
		return NULL;
	return binary(p, NODE_PROJECTION, left, parse_each(p, powers[TOKEN_STAR]));
}

static struct jmespath_node *
parse_more_dot(struct parser *p, const struct jmespath_node *left)
{
	if (take(p, TOKEN_STAR))
		return binary(p, NODE_VALUES, left, parse_each(p, powers[TOKEN_DOT]));
	return binary(p, NODE_SUB, left, parse_dot(p, powers[TOKEN_DOT]));
}

/* How an expression goes on. */
static struct jmespath_node *
parse_more(struct parser *p, const struct jmespath_node *left)
{
	enum jmespath_token_kind kind = p->token++->kind;

	switch (kind) {
	case TOKEN_DOT:
		return parse_more_dot(p, left);
	case TOKEN_PIPE:
		return binary(p, NODE_PIPE, left, parse(p, powers[kind]));
	case TOKEN_OR:
		return binary(p, NODE_OR, left, parse(p, powers[kind]));
	case TOKEN_AND:
		return binary(p, NODE_AND, left, parse(p, powers[kind]));
	case TOKEN_LPAREN:
		return parse_call(p, left);
	case TOKEN_FILTER:
		return parse_filter(p, left);
	case TOKEN_FLATTEN:
		return parse_flatten(p, left);
	case TOKEN_LBRACKET:
		return parse_more_bracket(p, left);
	case TOKEN_PLUS:
	case TOKEN_MINUS:
	case TOKEN_STAR:
	case TOKEN_MULTIPLY:
	case TOKEN_DIVIDE:
	case TOKEN_MODULO:
	case TOKEN_DIV:
		return with_op(binary(p, NODE_ARITHMETIC, left, parse(p, powers[kind])), kind);
	case TOKEN_EQ:
	case TOKEN_NE:
	case TOKEN_GT:
	case TOKEN_GE:
	case TOKEN_LT:
	case TOKEN_LE:
		return with_op(binary(p, NODE_COMPARE, left, parse(p, powers[kind])), kind);
	default:
		return raise_at(p, p->token - 1, "unexpected token");
	}
}

static struct jmespath_node *
parse(struct parser *p, unsigned power)
{
	struct jmespath_node *node;

	if (p->nesting++ >= JMESPATH_HEIGHT_MAX)
		return raise_at(p, p->token, "nested too deeply");
	node = parse_start(p);
	while (node != NULL && power < powers[p->token->kind])
		node = parse_more(p, node);
	p->nesting--;
	return node;
}

const struct jmespath *
jmespath_compile(struct arena *arena, struct str expression, struct str *ret_error)
{
	struct parser p = {.arena = arena};
	struct jmespath_tokens tokens;
	struct jmespath *compiled;
	struct jmespath_node *root;

	if (!jmespath_lex(arena, arena_str(arena, expression), &tokens, ret_error))
		return NULL;
	p.token = tokens.items;
	root = parse(&p, 0);
	if (root != NULL && p.token->kind != TOKEN_END)
		root = raise_at(&p, p.token, "unexpected token");
	if (root == NULL) {
		*ret_error = p.error;
		return NULL;
	}
	compiled = arena_make(arena, struct jmespath);
	compiled->root = root;
	return compiled;
}

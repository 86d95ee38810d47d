/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/parse.h"

#include <stdarg.h>

#include "literal_priv.h"
#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/vec.h"
#include "longship/lang/lex.h"

/*
 * A recursive descent parser with one token of look-ahead, one function per rule of the grammar. After an
 * error it goes on with the next statement, so that several mistakes show at once; the tree is thrown away
 * then. What nests counts in `depth`; beyond the limit the rest of the file is skipped.
 */
struct parser {
	struct arena *arena;
	struct lexer lexer;
	struct diags *diags;
	struct comments *comments; /* NULL: not wanted */
	struct token tok;
	uint32_t error_line; /* of the last error: one per line */
	unsigned depth;
	bool gave_up;
};

static struct expr *parse_expr(struct parser *p);
static struct body *parse_body(struct parser *p, enum token_kind until);

static void
add_comment(struct parser *p)
{
	struct comments *c = p->comments;
	struct str text = p->tok.text;
	char *copy = arena_alloc(p->arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		if (text.s[i] != '\r')
			copy[n++] = text.s[i];
	if (c->n == c->cap) {
		struct comment *items = arena_array(p->arena, struct comment, c->cap == 0 ? 16 : 2 * c->cap);

		if (c->n > 0)
			memcpy(items, c->items, c->n * sizeof(*items));
		c->items = items;
		c->cap = c->cap == 0 ? 16 : 2 * c->cap;
	}
	c->items[c->n++] = (struct comment){p->tok.pos, {copy, n}};
}

static void
next(struct parser *p)
{
	if (p->gave_up)
		return;
	for (;;) {
		p->tok = lex_next(&p->lexer);
		if (p->tok.kind != TOKEN_COMMENT)
			return;
		if (p->comments != NULL)
			add_comment(p);
	}
}

static void __attribute__((format(printf, 2, 3)))
fail(struct parser *p, const char *format, ...)
{
	struct src_pos at = {p->tok.pos.file, p->tok.pos.off, 0};
	struct str text;
	va_list args;
	struct buf buf;

	if (p->error_line == p->tok.line)
		return;
	p->error_line = p->tok.line;
	buf_init(&buf, CONFIG_FILE_BYTES_MAX);
	va_start(args, format);
	buf_vprintf(&buf, format, args);
	va_end(args);
	text = buf_view(&buf);
	diag_error(p->diags, at, "%.*s", STR_FMT(text));
	buf_done(&buf);
}

/* Entering something that nests; false when it is too deep, and then nothing is left to parse. */
static bool
enter(struct parser *p)
{
	if (p->depth++ < CONFIG_NESTING_MAX)
		return true;
	if (!p->gave_up)
		diag_error(p->diags, (struct src_pos){p->tok.pos.file, p->tok.pos.off, 0},
			"nesting is deeper than %d levels", CONFIG_NESTING_MAX);
	p->gave_up = true;
	p->error_line = p->tok.line;
	p->tok.kind = TOKEN_EOF;
	return false;
}

static void
leave(struct parser *p)
{
	p->depth--;
}

/* Takes the token; an error when it is another than this one. */
static struct token
expect(struct parser *p, enum token_kind kind)
{
	struct token t = p->tok;

	if (t.kind != kind)
		fail(p, "expected %s, got %s", lex_token_name(kind), lex_token_name(t.kind));
	next(p);
	return t;
}

static void
skip_to(struct parser *p, enum token_kind kind)
{
	while (p->tok.kind != TOKEN_EOF && p->tok.kind != kind)
		next(p);
}

/* Skips to the end of the statement, over brackets that it opens. */
static void
skip_statement(struct parser *p)
{
	long curly = 0, brack = 0, paren = 0;

	for (; p->tok.kind != TOKEN_EOF; next(p)) {
		switch (p->tok.kind) {
		case TOKEN_LCURLY:
			curly++;
			break;
		case TOKEN_RCURLY:
			curly--;
			break;
		case TOKEN_LBRACK:
			brack++;
			break;
		case TOKEN_RBRACK:
			brack--;
			break;
		case TOKEN_LPAREN:
			paren++;
			break;
		case TOKEN_RPAREN:
			paren--;
			break;
		case TOKEN_TERMINATOR:
			if (curly <= 0 && brack <= 0 && paren <= 0)
				return;
			break;
		default:
			break;
		}
	}
}

static struct src_pos
span(struct src_pos first, struct src_pos last)
{
	return (struct src_pos){first.file, first.off, last.off + last.len - first.off};
}

/* A new expression whose highest part is so high. */
static struct expr *
new_expr(struct parser *p, enum expr_kind kind, struct src_pos pos, unsigned parts_height)
{
	struct expr *e = arena_make(p->arena, struct expr);

	e->kind = kind;
	e->pos = pos;
	e->height = parts_height + 1;
	if (e->height > CONFIG_EXPR_HEIGHT_MAX && !p->gave_up) {
		diag_error(p->diags, (struct src_pos){pos.file, pos.off, 0},
			"expression has more than %d levels", CONFIG_EXPR_HEIGHT_MAX);
		p->gave_up = true;
		p->error_line = p->tok.line;
		p->tok.kind = TOKEN_EOF;
	}
	return e;
}

static unsigned
higher(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

/* ExpressionList = Expression { "," Expression } [ "," ] */
static struct expr **
parse_list(struct parser *p, enum token_kind until, size_t *ret_n, unsigned *ret_height)
{
	VEC(struct expr *) list = {0};
	struct expr **items;

	*ret_height = 0;
	while (p->tok.kind != until && p->tok.kind != TOKEN_EOF) {
		struct expr *e = parse_expr(p);

		vec_push(&list, e);
		*ret_height = higher(*ret_height, e->height);
		if (p->tok.kind == until)
			break;
		if (p->tok.kind != TOKEN_COMMA)
			fail(p, "missing ',' in expression list");
		next(p);
	}
	*ret_n = list.len;
	items = arena_array(p->arena, struct expr *, list.len);
	if (list.len > 0)
		memcpy(items, list.items, list.len * sizeof(*items));
	vec_done(&list);
	return items;
}

/* Field = ( STRING | IDENT ) "=" Expression */
static struct expr_field
parse_field(struct parser *p)
{
	struct expr_field field = {.name_pos = p->tok.pos, .name = p->tok.text};

	if (p->tok.kind == TOKEN_STRING || p->tok.kind == TOKEN_IDENT) {
		/* The empty key keeps its quotes, as in Alloy. */
		if (p->tok.kind == TOKEN_STRING && field.name.len > 2) {
			field.name = (struct str){field.name.s + 1, field.name.len - 2};
			field.quoted = true;
		}
		next(p);
	} else {
		fail(p, "expected field name (string or identifier), got %s", lex_token_name(p->tok.kind));
		skip_to(p, TOKEN_ASSIGN);
	}
	expect(p, TOKEN_ASSIGN);
	field.value = parse_expr(p);
	return field;
}

/* Object = "{" [ Field { "," Field } [ "," ] ] "}" */
static struct expr *
parse_object(struct parser *p)
{
	VEC(struct expr_field) list = {0};
	struct src_pos open = expect(p, TOKEN_LCURLY).pos;
	struct expr *e;
	unsigned height = 0;

	while (p->tok.kind != TOKEN_RCURLY && p->tok.kind != TOKEN_EOF) {
		struct expr_field field = parse_field(p);

		vec_push(&list, field);
		height = higher(height, field.value->height);
		if (p->tok.kind == TOKEN_RCURLY)
			break;
		if (p->tok.kind != TOKEN_COMMA)
			fail(p, "missing ',' in field list");
		next(p);
	}
	e = new_expr(p, EXPR_OBJECT, span(open, expect(p, TOKEN_RCURLY).pos), height);
	e->object.n = list.len;
	e->object.fields = arena_array(p->arena, struct expr_field, list.len);
	if (list.len > 0)
		memcpy(e->object.fields, list.items, list.len * sizeof(*list.items));
	vec_done(&list);
	return e;
}

static struct expr *
parse_array(struct parser *p)
{
	struct src_pos open = expect(p, TOKEN_LBRACK).pos;
	struct expr **items;
	struct expr *e;
	unsigned height;
	size_t n;

	items = parse_list(p, TOKEN_RBRACK, &n, &height);
	e = new_expr(p, EXPR_ARRAY, span(open, expect(p, TOKEN_RBRACK).pos), height);
	e->array.items = items;
	e->array.n = n;
	return e;
}

static struct expr *
parse_paren(struct parser *p)
{
	struct src_pos open = expect(p, TOKEN_LPAREN).pos;
	struct expr *inner = parse_expr(p);
	struct expr *e = new_expr(p, EXPR_PAREN, span(open, expect(p, TOKEN_RPAREN).pos), inner->height);

	e->inner = inner;
	return e;
}

static struct expr *
parse_literal(struct parser *p)
{
	struct expr *e = new_expr(p, EXPR_LITERAL, p->tok.pos, 0);

	e->literal.too_large = !literal_value(p->arena, &p->tok, &e->literal.value);
	next(p);
	return e;
}

/* Primary = IDENT | STRING | NUMBER | FLOAT | BOOL | NULL | "(" Expression ")" | Array | Object */
static struct expr *
parse_primary(struct parser *p)
{
	struct expr *e;

	switch (p->tok.kind) {
	case TOKEN_IDENT:
		e = new_expr(p, EXPR_IDENTIFIER, p->tok.pos, 0);
		e->identifier.name = p->tok.text;
		next(p);
		return e;
	case TOKEN_STRING:
	case TOKEN_NUMBER:
	case TOKEN_FLOAT:
	case TOKEN_BOOL:
	case TOKEN_NULL:
		return parse_literal(p);
	case TOKEN_LPAREN:
		return parse_paren(p);
	case TOKEN_LBRACK:
		return parse_array(p);
	case TOKEN_LCURLY:
		return parse_object(p);
	default:
		break;
	}
	fail(p, "expected expression, got %s", lex_token_name(p->tok.kind));
	e = new_expr(p, EXPR_LITERAL, p->tok.pos, 0);
	while (p->tok.kind != TOKEN_EOF && p->tok.kind != TOKEN_TERMINATOR && p->tok.kind != TOKEN_RPAREN &&
		p->tok.kind != TOKEN_RCURLY && p->tok.kind != TOKEN_RBRACK && p->tok.kind != TOKEN_COMMA)
		next(p);
	return e;
}

/* Somebody assigns a block: parses it as one to say so. False when it is none; the statement is skipped then. */
static bool
parse_misplaced_block(struct parser *p, const struct expr *primary)
{
	struct token end;

	if (p->tok.kind == TOKEN_STRING)
		next(p);
	if (expect(p, TOKEN_LCURLY).kind != TOKEN_LCURLY) {
		skip_statement(p);
		return false;
	}
	if (enter(p))
		parse_body(p, TOKEN_RCURLY);
	leave(p);
	end = expect(p, TOKEN_RCURLY);
	if (end.kind != TOKEN_RCURLY) {
		skip_statement(p);
		return false;
	}
	diag_error(p->diags, span(primary->pos, end.pos), "cannot use a block as an expression");
	return true;
}

static struct expr *
parse_access(struct parser *p, struct expr *base)
{
	struct token name;
	struct expr *e;

	next(p);
	name = expect(p, TOKEN_IDENT);
	e = new_expr(p, EXPR_ACCESS, span(base->pos, name.pos), base->height);
	e->access.base = base;
	e->access.name = name.text;
	e->access.name_pos = name.pos;
	return e;
}

static struct expr *
parse_index(struct parser *p, struct expr *base)
{
	struct expr *index, *e;

	next(p);
	index = parse_expr(p);
	e = new_expr(p, EXPR_INDEX, span(base->pos, expect(p, TOKEN_RBRACK).pos), higher(base->height, index->height));
	e->index.base = base;
	e->index.index = index;
	return e;
}

static struct expr *
parse_call(struct parser *p, struct expr *base)
{
	struct src_pos open = expect(p, TOKEN_LPAREN).pos;
	struct expr **args, *e;
	unsigned height;
	size_t n;

	args = parse_list(p, TOKEN_RPAREN, &n, &height);
	e = new_expr(p, EXPR_CALL, span(base->pos, expect(p, TOKEN_RPAREN).pos), higher(base->height, height));
	e->call.base = base;
	e->call.open_pos = open;
	e->call.args = args;
	e->call.n = n;
	return e;
}

/* Postfix = Primary { "." IDENT | "[" Expression "]" | "(" [ ExpressionList ] ")" } */
static struct expr *
parse_postfix(struct parser *p)
{
	struct expr *e = parse_primary(p);

	for (;;) {
		switch (p->tok.kind) {
		case TOKEN_DOT:
			e = parse_access(p, e);
			break;
		case TOKEN_LBRACK:
			e = parse_index(p, e);
			break;
		case TOKEN_LPAREN:
			e = parse_call(p, e);
			break;
		case TOKEN_STRING:
		case TOKEN_LCURLY:
			if (!parse_misplaced_block(p, e))
				return e;
			break;
		default:
			return e;
		}
	}
}

/* Unary = ( "!" | "-" ) Unary | Postfix */
static struct expr *
parse_unary(struct parser *p)
{
	struct token op = p->tok;
	struct expr *operand, *e;

	if (op.kind != TOKEN_NOT && op.kind != TOKEN_SUB)
		return parse_postfix(p);
	next(p);
	enter(p);
	operand = parse_unary(p);
	leave(p);
	e = new_expr(p, EXPR_UNARY, span(op.pos, operand->pos), operand->height);
	e->unary.op = op.kind == TOKEN_NOT ? OP_NOT : OP_SUB;
	e->unary.operand = operand;
	return e;
}

static struct expr *
new_binary(struct parser *p, enum expr_op op, struct src_pos op_pos, struct expr *left, struct expr *right)
{
	struct expr *e =
		new_expr(p, EXPR_BINARY, span(left->pos, right->pos), higher(left->height, right->height));

	e->binary.op = op;
	e->binary.op_pos = op_pos;
	e->binary.left = left;
	e->binary.right = right;
	return e;
}

/* Power = Unary [ "^" Power ] */
static struct expr *
parse_power(struct parser *p)
{
	struct expr *left = parse_unary(p), *right;
	struct src_pos op_pos = p->tok.pos;

	if (p->tok.kind != TOKEN_POW)
		return left;
	next(p);
	enter(p);
	right = parse_power(p);
	leave(p);
	return new_binary(p, OP_POW, op_pos, left, right);
}

/* How tightly a left-associative operator binds; 0 for other tokens. */
static int
precedence(enum token_kind kind, enum expr_op *ret_op)
{
	static const struct {
		int precedence;
		enum expr_op op;
	} table[TOKEN_KIND_COUNT] = {
		[TOKEN_OR] = {1, OP_OR},
		[TOKEN_AND] = {2, OP_AND},
		[TOKEN_EQ] = {3, OP_EQ},
		[TOKEN_NE] = {3, OP_NE},
		[TOKEN_LT] = {3, OP_LT},
		[TOKEN_LE] = {3, OP_LE},
		[TOKEN_GT] = {3, OP_GT},
		[TOKEN_GE] = {3, OP_GE},
		[TOKEN_ADD] = {4, OP_ADD},
		[TOKEN_SUB] = {4, OP_SUB},
		[TOKEN_MUL] = {5, OP_MUL},
		[TOKEN_DIV] = {5, OP_DIV},
		[TOKEN_MOD] = {5, OP_MOD},
	};

	*ret_op = table[kind].op;
	return table[kind].precedence;
}

/* All operators that bind at least as tightly as `least`. */
static struct expr *
parse_binary(struct parser *p, int least)
{
	struct expr *left = parse_power(p), *right;

	for (;;) {
		struct src_pos op_pos = p->tok.pos;
		enum expr_op op;
		int binds = precedence(p->tok.kind, &op);

		if (binds < least)
			return left;
		next(p);
		right = parse_binary(p, binds + 1);
		left = new_binary(p, op, op_pos, left, right);
	}
}

static struct expr *
parse_expr(struct parser *p)
{
	struct expr *e;

	enter(p);
	e = parse_binary(p, 1);
	leave(p);
	return e;
}

/* What stands before the "=" of an attribute or the "{" of a block. */
struct head {
	struct str name; /* dotted */
	struct str first; /* its first part */
	size_t parts;
	struct src_pos name_pos;
	struct str label;
	struct src_pos label_pos; /* file 0: none is written */
};

static void
parse_label(struct parser *p, struct head *head)
{
	struct str text = p->tok.text;

	if (p->tok.kind != TOKEN_STRING) {
		fail(p, "expected block label, got %s", lex_token_name(p->tok.kind));
		return;
	}
	if (text.s[0] != '"')
		fail(p, "expected block label to be a double quoted string, but got \"%.*s\"", STR_FMT(text));
	if (text.len > 2) {
		head->label = (struct str){text.s + 1, text.len - 2};
		if (!parse_is_identifier(head->label))
			fail(p, "expected block label to be a valid identifier, but got \"%.*s\"",
				STR_FMT(head->label));
	}
	head->label_pos = p->tok.pos;
}

/* BlockName = IDENT { "." IDENT } [ STRING ] */
static bool
parse_head(struct parser *p, struct head *head)
{
	struct token last = p->tok;
	struct buf name;

	if (p->tok.kind != TOKEN_IDENT) {
		fail(p, "expected identifier, got %s", lex_token_name(p->tok.kind));
		return false;
	}
	*head = (struct head){.first = p->tok.text, .parts = 1, .name_pos = p->tok.pos};
	buf_init(&name, CONFIG_FILE_BYTES_MAX);
	buf_str(&name, p->tok.text);
	next(p);
	while (p->tok.kind == TOKEN_DOT) {
		next(p);
		if (p->tok.kind != TOKEN_IDENT)
			fail(p, "expected identifier, got %s", lex_token_name(p->tok.kind));
		buf_putc(&name, '.');
		buf_str(&name, p->tok.text);
		head->parts++;
		last = p->tok;
		next(p);
	}
	head->name = arena_str(p->arena, buf_view(&name));
	head->name_pos = span(head->name_pos, last.pos);
	buf_done(&name);
	if (p->tok.kind != TOKEN_ASSIGN && p->tok.kind != TOKEN_LCURLY) {
		parse_label(p, head);
		next(p);
	}
	return true;
}

/* Attribute = IDENT "=" Expression */
static struct stmt
parse_attr(struct parser *p, const struct head *head)
{
	struct attr *attr = arena_make(p->arena, struct attr);

	next(p);
	if (head->parts != 1)
		diag_error(p->diags, (struct src_pos){head->name_pos.file, head->name_pos.off, (uint32_t)head->name.len},
			"attribute names may only consist of a single identifier with no \".\"");
	else if (head->label_pos.file != 0)
		diag_error(p->diags, head->label_pos, "attribute names may not have labels");
	attr->name = head->first;
	attr->name_pos = head->name_pos;
	attr->expr = parse_expr(p);
	attr->pos = span(head->name_pos, attr->expr->pos);
	return (struct stmt){.attr = attr};
}

/* Block = BlockName "{" Body "}" */
static struct stmt
parse_block(struct parser *p, const struct head *head)
{
	struct block *block = arena_make(p->arena, struct block);

	block->name = head->name;
	block->name_pos = head->name_pos;
	block->label = head->label;
	block->has_label = head->label.len > 0;
	block->label_pos = head->label_pos;
	block->open_pos = expect(p, TOKEN_LCURLY).pos;
	enter(p);
	block->body = parse_body(p, TOKEN_RCURLY);
	leave(p);
	block->pos = span(head->name_pos, expect(p, TOKEN_RCURLY).pos);
	return (struct stmt){.block = block};
}

/* Statement = Attribute | Block. False: an error, and the next token may start a statement. */
static bool
parse_statement(struct parser *p, struct stmt *ret)
{
	struct head head;

	if (parse_head(p, &head)) {
		if (p->tok.kind == TOKEN_ASSIGN) {
			*ret = parse_attr(p, &head);
			return true;
		}
		if (p->tok.kind == TOKEN_LCURLY) {
			*ret = parse_block(p, &head);
			return true;
		}
		fail(p, head.parts == 1 && head.label.len == 0 ? "expected attribute assignment or block body, got %s"
							       : "expected block body, got %s",
			lex_token_name(p->tok.kind));
	}
	skip_to(p, TOKEN_IDENT);
	return false;
}

/* Body = [ Statement { TERMINATOR Statement } ], up to and without the token `until` */
static struct body *
parse_body(struct parser *p, enum token_kind until)
{
	VEC(struct stmt) stmts = {0};
	struct body *body = arena_make(p->arena, struct body);

	while (p->tok.kind != until && p->tok.kind != TOKEN_EOF) {
		struct stmt stmt;

		if (parse_statement(p, &stmt))
			vec_push(&stmts, stmt);
		if (p->tok.kind == until)
			break;
		if (p->tok.kind != TOKEN_TERMINATOR) {
			fail(p, "expected %s, got %s", lex_token_name(TOKEN_TERMINATOR), lex_token_name(p->tok.kind));
			skip_statement(p);
		}
		next(p);
	}
	body->n = stmts.len;
	body->stmts = arena_array(p->arena, struct stmt, stmts.len);
	if (stmts.len > 0)
		memcpy(body->stmts, stmts.items, stmts.len * sizeof(*stmts.items));
	vec_done(&stmts);
	return body;
}

static void
init(struct parser *p, struct arena *arena, const struct source *source, uint32_t file, struct diags *diags)
{
	assert(file > 0 && file <= source->n_files);
	*p = (struct parser){.arena = arena, .diags = diags};
	lex_init(&p->lexer, source->files[file - 1].text, file, diags);
}

struct body *
parse_file_comments(struct arena *arena, const struct source *source, uint32_t file, struct diags *diags,
	struct comments *ret_comments)
{
	size_t errors = diags->n_errors;
	struct parser p;
	struct body *body;

	init(&p, arena, source, file, diags);
	p.comments = ret_comments;
	if (ret_comments != NULL)
		*ret_comments = (struct comments){0};
	next(&p);
	body = parse_body(&p, TOKEN_EOF);
	return diags->n_errors == errors ? body : NULL;
}

struct body *
parse_file(struct arena *arena, const struct source *source, uint32_t file, struct diags *diags)
{
	return parse_file_comments(arena, source, file, diags, NULL);
}

struct expr *
parse_expression(struct arena *arena, const struct source *source, uint32_t file, struct diags *diags)
{
	size_t errors = diags->n_errors;
	struct parser p;
	struct expr *e;

	init(&p, arena, source, file, diags);
	next(&p);
	e = parse_expr(&p);
	expect(&p, TOKEN_TERMINATOR);
	if (diags->n_errors == errors)
		expect(&p, TOKEN_EOF);
	return diags->n_errors == errors ? e : NULL;
}

bool
parse_is_identifier(struct str s)
{
	struct lexer lexer;
	struct token t;

	lex_init(&lexer, s, 0, NULL);
	t = lex_next(&lexer);
	return t.kind == TOKEN_IDENT && t.text.len == s.len && lexer.n_errors == 0;
}

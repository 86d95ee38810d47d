/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The syntax tree of a configuration, as lang/parse.h makes it. Lives in the arena given to the parser
 * and borrows text from the source. Never changed after parsing. Every node says where it stands.
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/str.h"
#include "longship/lang/source.h"
#include "longship/lang/value.h"

enum expr_kind {
	EXPR_LITERAL,
	EXPR_IDENTIFIER, /* a */
	EXPR_ACCESS,     /* x.f */
	EXPR_INDEX,      /* x[i] */
	EXPR_CALL,       /* x(a, b) */
	EXPR_UNARY,
	EXPR_BINARY,
	EXPR_ARRAY,
	EXPR_OBJECT,
	EXPR_PAREN,
};

enum expr_op {
	OP_OR,
	OP_AND,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_POW,
	OP_NOT, /* unary; unary minus is OP_SUB */
};

struct expr;

struct expr_field { /* one field of an object literal */
	struct str name; /* quoted names byte for byte between the quotes */
	bool quoted;
	struct src_pos name_pos;
	struct expr *value;
};

struct expr {
	enum expr_kind kind;
	unsigned height; /* of the tree, at most CONFIG_EXPR_HEIGHT_MAX */
	struct src_pos pos; /* the whole expression */
	union {
		struct {
			struct value value; /* its origin is unset */
			bool too_large; /* a number that no float64 holds: an error when evaluated */
		} literal;
		struct {
			struct str name;
		} identifier;
		struct {
			struct expr *base;
			struct str name;
			struct src_pos name_pos;
		} access;
		struct {
			struct expr *base, *index;
		} index;
		struct {
			struct expr *base;
			struct src_pos open_pos; /* the parenthesis */
			struct expr **args;
			size_t n;
		} call;
		struct {
			enum expr_op op;
			struct expr *operand;
		} unary;
		struct {
			enum expr_op op;
			struct src_pos op_pos;
			struct expr *left, *right;
		} binary;
		struct {
			struct expr **items;
			size_t n;
		} array;
		struct {
			struct expr_field *fields;
			size_t n;
		} object;
		struct expr *inner; /* EXPR_PAREN */
	};
};

struct attr {
	struct str name;
	struct src_pos pos; /* the whole statement */
	struct src_pos name_pos;
	struct expr *expr;
};

struct body;

struct block {
	struct str name; /* dotted: "loki.write", "endpoint" */
	struct src_pos name_pos;
	bool has_label; /* "" counts as no label */
	struct str label;
	struct src_pos label_pos; /* with its quotes */
	struct body *body;
	struct src_pos pos; /* from the name to the closing brace */
	struct src_pos open_pos; /* the opening brace */
};

struct stmt { /* one of the two is set */
	struct attr *attr;
	struct block *block;
};

struct body {
	struct stmt *stmts;
	size_t n;
};

struct comment {
	struct src_pos pos;
	struct str text; /* without carriage returns */
};

struct comments {
	struct comment *items; /* in order of the text */
	size_t n, cap;
};

/* The operator as written: "+", "&&". */
const char *expr_op_text(enum expr_op);

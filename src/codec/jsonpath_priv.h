/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A compiled path: jsonpath.c makes it, jsonpath_eval.c walks a document with it. */
#include "longship/codec/jsonpath.h"
#include "longship/codec/regex.h"

enum jsonpath_fragment_kind {
	FRAGMENT_ROOT,
	FRAGMENT_AT,
	FRAGMENT_CHILD,
	FRAGMENT_NTH,
	FRAGMENT_WILDCARD,
	FRAGMENT_DESCENT,
	FRAGMENT_UNION,
	FRAGMENT_SLICE,
	FRAGMENT_FILTER,
};

enum jsonpath_op {
	OP_LITERAL,
	OP_NOTHING, /* the word Nothing */
	OP_PATH,
	OP_REGEX,
	OP_GROUP, /* parentheses: a value found by a path counts as the value, no longer as "found" */
	OP_NOT,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_GT,
	OP_LE,
	OP_GE,
	OP_OR,
	OP_AND,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_IN,
	OP_EMPTY,
	OP_HAS,
	OP_MATCHES, /* =~ */
	OP_LENGTH,
	OP_COUNT,
	OP_MATCH,
	OP_SEARCH,
};

struct jsonpath_expr {
	enum jsonpath_op op;
	const struct jsonpath_expr *left, *right;
	struct json literal;
	const struct jsonpath *path;
	size_t slot;	     /* of a path: its place among the filter's paths */
	struct regex *regex; /* a regex literal, or the compiled text on the right of =~, match, search */
};

struct jsonpath_filter {
	const struct jsonpath_expr *expr;
	const struct jsonpath_expr **paths; /* the OP_PATH nodes by slot */
	size_t n_paths;
};

struct jsonpath_fragment {
	enum jsonpath_fragment_kind kind;
	struct str name;
	int64_t n;		    /* NTH */
	int64_t start, end, step;   /* SLICE */
	const struct json *members; /* UNION: strings and ints */
	size_t n_members;
	struct jsonpath_filter filter;
};

struct jsonpath {
	struct jsonpath_fragment *fragments;
	size_t n;
};

#define JSONPATH_SLICE_END 2147483647 /* an end that was left out */

/* A pattern as =~, match() or search() take it (match anchors it); NULL when it is not a regex. */
struct regex *jsonpath_regex(struct arena *, enum jsonpath_op, struct str pattern);

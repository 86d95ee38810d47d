/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Between the files of JMESPath: tokens (jmespath_lex.c), the tree (jmespath.c), values and the document
 * (jmespath_value.c), the evaluator (jmespath_eval.c), functions (jmespath_function.c, jmespath_string.c).
 */
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/base/vec.h"
#include "longship/codec/jmespath.h"
#include "longship/codec/json_tree.h"

/* ---- values ---- */

enum jmespath_kind {
	JMESPATH_NULL,
	JMESPATH_BOOL,
	JMESPATH_NUMBER,
	JMESPATH_STRING,
	JMESPATH_ARRAY,
	JMESPATH_OBJECT,
	JMESPATH_EXPREF,
};

struct jmespath_node;
struct jmespath_member;

struct jmespath_value {
	uint8_t kind;
	bool boolean; /* of an object: it stands for a document that is null (Go's nil map) */
	union {
		double number;
		struct str text;
		struct {
			const struct jmespath_value *items;
			size_t n;
		} array;
		struct {
			const struct jmespath_member *members; /* names are unique */
			size_t n;
		} object;
		const struct jmespath_node *expref;
	};
};

struct jmespath_member {
	struct str name;
	struct jmespath_value value;
};

static inline struct jmespath_value
jmespath_value_bool(bool b)
{
	return (struct jmespath_value){.kind = JMESPATH_BOOL, .boolean = b};
}
static inline struct jmespath_value
jmespath_value_number(double n)
{
	return (struct jmespath_value){.kind = JMESPATH_NUMBER, .number = n};
}
static inline struct jmespath_value
jmespath_value_string(struct str s)
{
	return (struct jmespath_value){.kind = JMESPATH_STRING, .text = s};
}
static inline struct jmespath_value
jmespath_value_array(const struct jmespath_value *items, size_t n)
{
	return (struct jmespath_value){.kind = JMESPATH_ARRAY, .array = {items, n}};
}
static inline struct jmespath_value
jmespath_value_object(const struct jmespath_member *members, size_t n)
{
	return (struct jmespath_value){.kind = JMESPATH_OBJECT, .object = {members, n}};
}

struct jmespath_run;

/* A literal. Recursion is bounded by the depth that json_tree_parse allows. */
struct jmespath_value jmespath_value_from_json(struct arena *, const struct json *);
/* Empty strings and containers, false and null. */
bool jmespath_value_is_false(const struct jmespath_value *);
/* NULL: no such member. */
const struct jmespath_value *jmespath_value_member(const struct jmespath_value *object, struct str name);
/* Deep equality as Go's reflect.DeepEqual; false in *ret when the run hits a limit, which the next step reports. */
bool jmespath_value_equal(struct jmespath_run *, const struct jmespath_value *, const struct jmespath_value *);
/* Of repeated names the last stays, at its place. False: a limit. */
bool jmespath_value_unique(struct jmespath_run *, struct jmespath_member *members, size_t *n);
/* Appends JSON as jsoniter writes it, or (go) as encoding/json: sorted members. False: not possible, or too long. */
bool jmespath_value_print(struct jmespath_run *, struct buf *, const struct jmespath_value *, bool go);
/* Parses a valid text. False: a limit. */
bool jmespath_value_parse(struct jmespath_run *, struct str text, struct jmespath_value *ret);
/* Sorts stably: less(a, b) of indexes; the sorted indexes are in `order`. False: a limit. */
bool jmespath_value_order(struct jmespath_run *, size_t n, uint32_t *order,
	bool (*less)(const void *ptr, size_t a, size_t b), const void *ptr);

/* ---- the tree ---- */

enum jmespath_token_kind {
	TOKEN_END,
	TOKEN_STAR,
	TOKEN_DOT,
	TOKEN_FILTER,
	TOKEN_FLATTEN,
	TOKEN_LPAREN,
	TOKEN_RPAREN,
	TOKEN_LBRACKET,
	TOKEN_RBRACKET,
	TOKEN_LBRACE,
	TOKEN_RBRACE,
	TOKEN_OR,
	TOKEN_PIPE,
	TOKEN_NUMBER,
	TOKEN_NAME,
	TOKEN_QUOTED_NAME,
	TOKEN_COMMA,
	TOKEN_COLON,
	TOKEN_PLUS,
	TOKEN_MINUS,
	TOKEN_MULTIPLY,
	TOKEN_DIVIDE,
	TOKEN_MODULO,
	TOKEN_DIV, /* whole numbers */
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
	TOKEN_EQ,
	TOKEN_NE,
	TOKEN_LITERAL,
	TOKEN_STRING,
	TOKEN_CURRENT,
	TOKEN_ROOT,
	TOKEN_EXPREF,
	TOKEN_AND,
	TOKEN_NOT,
	TOKEN_VARIABLE,
	TOKEN_ASSIGN,
	TOKEN_COUNT
};

struct jmespath_token {
	enum jmespath_token_kind kind;
	size_t at, len;	 /* in the expression */
	struct str text; /* of names, numbers, variables; of a raw string: its value */
	struct jmespath_value literal;
};

struct jmespath_tokens {
	struct jmespath_token *items; /* the last is TOKEN_END */
	size_t n;
};

/* False with a message in the arena. */
bool jmespath_lex(struct arena *, struct str expression, struct jmespath_tokens *ret, struct str *ret_error);

enum jmespath_node_kind {
	NODE_CURRENT,
	NODE_ROOT,
	NODE_LITERAL,
	NODE_FIELD,
	NODE_VARIABLE,
	NODE_INDEX,
	NODE_SLICE,
	NODE_SUB,	 /* left, then right on its value; null stays null */
	NODE_PIPE,	 /* the same, null or not */
	NODE_PROJECTION, /* right on each item of left */
	NODE_VALUES,	 /* right on each member's value of left */
	NODE_FILTER,	 /* right on each item of left that fulfils the condition */
	NODE_FLATTEN,
	NODE_LIST,
	NODE_HASH,
	NODE_OR,
	NODE_AND,
	NODE_NOT,
	NODE_COMPARE,
	NODE_ARITHMETIC,
	NODE_SIGN,
	NODE_EXPREF,
	NODE_FUNCTION,
	NODE_LET, /* names and items, then left */
};

struct jmespath_bound {
	bool given;
	int64_t n;
};

struct jmespath_node {
	enum jmespath_node_kind kind;
	enum jmespath_token_kind op; /* COMPARE, ARITHMETIC, SIGN */
	unsigned height;
	struct str name;
	struct jmespath_value literal;
	struct jmespath_bound bounds[3]; /* SLICE; INDEX has the first */
	const struct jmespath_function *function;
	const struct jmespath_node *left, *right, *condition;
	const struct jmespath_node **items;
	struct str *names;
	size_t n;
};

struct jmespath {
	const struct jmespath_node *root;
};

/* ---- running ---- */

struct jmespath_variable {
	struct str name;
	struct jmespath_value value;
	const struct jmespath_variable *next;
};

struct jmespath_run {
	struct arena *arena;
	struct str text;
	struct jmespath_value root;
	const struct jmespath_variable *variables; /* those in scope at the moment, innermost first */
	size_t bytes_left, steps_left;
	unsigned depth;
	bool exhausted;			     /* a limit was hit: all ends, and no rule may turn that into null */
	struct buf made;		     /* a string under construction */
	VEC(struct jmespath_value) items;    /* of the arrays that are being parsed */
	VEC(struct jmespath_member) members; /* of the objects */
};

bool jmespath_eval(struct jmespath_run *, const struct jmespath_node *, const struct jmespath_value *in,
	struct jmespath_value *ret);
/* Memory until the next load; NULL: a limit. */
void *jmespath_eval_alloc(struct jmespath_run *, size_t n, size_t bytes);
/* Counts work; false: a limit. */
bool jmespath_eval_steps(struct jmespath_run *, size_t n);
/* What `made` holds, as a value; false: a limit. */
bool jmespath_eval_made(struct jmespath_run *, struct jmespath_value *ret);

/* args are counted and of the right types; false: a runtime error. */
typedef bool jmespath_call(
	struct jmespath_run *, const struct jmespath_value *args, size_t n, struct jmespath_value *ret);

struct jmespath_function {
	const char *name;
	jmespath_call *call;
	uint16_t types[4]; /* of the arguments; 0 ends */
	uint8_t optional;  /* how many of them may be left out */
	bool variadic;	   /* the last may be repeated */
};

/* NULL: unknown. */
const struct jmespath_function *jmespath_function_find(struct str name);
/* Checks the arguments first. */
bool jmespath_function_call(struct jmespath_run *, const struct jmespath_function *, const struct jmespath_value *args,
	size_t n, struct jmespath_value *ret);

jmespath_call jmespath_string_contains, jmespath_string_ends_with, jmespath_string_starts_with,
	jmespath_string_find_first, jmespath_string_find_last, jmespath_string_join, jmespath_string_lower,
	jmespath_string_upper, jmespath_string_pad_left, jmespath_string_pad_right, jmespath_string_replace,
	jmespath_string_split, jmespath_string_trim, jmespath_string_trim_left, jmespath_string_trim_right,
	jmespath_string_to_number, jmespath_string_to_string;
/* Code points, a bad byte counting as one. */
size_t jmespath_string_length(struct str);
bool jmespath_string_reverse(struct jmespath_run *, struct str, struct jmespath_value *ret);
/* The characters start, start + step … before stop (after it when step is negative). */
bool jmespath_string_slice(
	struct jmespath_run *, struct str, const struct jmespath_bound bounds[3], struct jmespath_value *ret);
/* Where a slice of n items begins and how many it takes; false when the step is 0. */
bool jmespath_eval_slice(
	const struct jmespath_bound bounds[3], size_t n, int64_t *ret_start, int64_t *ret_step, size_t *ret_count);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Evaluation as the decoder of arguments sees it: several expressions of one block with one memory limit, and
 * errors about a value inside a value.
 */
#include "longship/base/vec.h"
#include "longship/lang/eval.h"

struct eval {
	const struct eval_env *env;
	const struct source *source; /* for messages */
	struct arena *arena;
	struct diags *diags;
	size_t arena_bytes; /* of the arena when the evaluation began */
	VEC(const struct expr *) origins; /* value.origin is an index + 1 */
	/* Set by the checker of literals, which quotes no text: errors stand here and say "expected string, got array". */
	struct src_pos checked;
};

/* The way from a whole value to a part of it; links lead from the part to the whole. */
struct value_path {
	const struct value_path *up; /* NULL: the whole */
	const struct value *value;
	bool is_field; /* of an object, else an index of an array */
	struct str field;
	size_t index;
};

void eval_init(struct eval *, const struct eval_env *, const struct source *, struct arena *, struct diags *);
void eval_done(struct eval *);
/* The value keeps its origins. */
bool eval_run(struct eval *, const struct expr *, struct value *ret);
/* Reports at the innermost expression that made a part of the path: "EXPR.a[2] MESSAGE". Returns false. */
bool eval_fail(struct eval *, const struct value_path *, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for a value that is no part of another one. */
bool eval_fail_value(struct eval *, const struct value *, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "should be string, got array" */
bool eval_fail_type(struct eval *, const struct value_path *, const char *expected);

/* One operator on two values, as the checker of literals needs it. NULL, or the message of a failure. */
struct operation_error {
	const struct value *at; /* the operand at fault */
	struct str text;        /* "should be one of [number] for binop -, got bool" */
	const char *expected;   /* or: the type it should have; text is empty */
	const char *got;        /* its type then */
};
bool operation_binary(struct arena *, enum expr_op, const struct value *left, const struct value *right,
	struct value *ret, struct operation_error *ret_error);
bool operation_unary(enum expr_op, const struct value *operand, struct value *ret, struct operation_error *ret_error);

/* float64 to integer as Go on amd64: what does not fit is INT64_MIN. */
int64_t operation_to_int(const struct value *number);

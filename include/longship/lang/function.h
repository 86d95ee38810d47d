/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Functions of the standard library as the evaluator sees them. Table in src/lang/stdlib.c.
 */
#include "longship/lang/value.h"

/* One call. A function that fails sets error with function_fail and returns false. */
struct function_call {
	struct arena *arena; /* results live here */
	const char *module_path; /* directory of the configuration */
	struct str error; /* text of the failure, without position */
	int error_arg; /* index of the argument at fault, or -1 for the whole call */
	const struct value *error_value; /* the value at fault inside an argument (an element), NULL: the argument itself */
};

#define FUNCTION_ARGS_ANY 255

enum function_param { /* the declared type of a parameter: the evaluator converts before the call */
	PARAM_ANY,
	PARAM_STRING, /* numbers, bytes and non-secret optional secrets convert */
	PARAM_SECRET, /* as PARAM_STRING, secrets too; arrives as VALUE_SECRET or VALUE_STRING */
	PARAM_BOOL,
	PARAM_INT,
	PARAM_ARRAY,
	PARAM_OBJECT,
};

struct function {
	const char *name; /* full name: "string.join", or "env" for a top-level alias */
	const char *replaced_by; /* for deprecated aliases: the new name, else NULL */
	bool experimental;
	unsigned char args_min, args_max; /* FUNCTION_ARGS_ANY: no maximum; the last param repeats */
	enum function_param params[4];
	bool (*call)(struct function_call *, const struct value *args, size_t n, struct value *ret);
	const char *doc; /* one sentence */
};

bool function_fail(struct function_call *, int arg, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The standard library: namespaces ("string", "sys"), constants and functions. NULL when there is none of that name.
 * Top-level identifiers give an object (namespace) or a function value. */
const struct value *stdlib_lookup(struct str identifier);
/* All functions, for help and tests. */
const struct function *stdlib_functions(size_t *ret_n);

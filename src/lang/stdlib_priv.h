/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Between the files of the standard library: each namespace exports its rows, stdlib.c joins them. Arguments
 * arrive converted to the declared parameter types; results live in the call's arena.
 */
#include "longship/lang/function.h"

/* Rows of one namespace; ends with a row without a name. */
extern const struct function stdlib_array_functions[];
extern const struct function stdlib_encoding_functions[];
extern const struct function stdlib_string_functions[];

/* The text of a string-like argument; null and everything else is empty. */
struct str stdlib_text(const struct value *);
/* An element as a parameter of type string takes it; *error gets Alloy's words otherwise. */
bool stdlib_to_string(struct function_call *, const struct value *, struct str *ret, const char **ret_error);
/* Fails the call when `bytes` more do not fit the memory of an evaluation. */
bool stdlib_room(struct function_call *, size_t bytes);
/* function_fail with "should be WANTED, got KIND" for an argument, or for `inside`, a value in it (may be NULL). */
bool stdlib_type_error(
	struct function_call *, int arg, const struct value *args, const struct value *inside, const char *wanted);
/* A secret anywhere in it? */
bool stdlib_holds_secret(const struct value *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Evaluates expressions (reference 1.4). Results live in the arena or in what resolve returned.
 * Memory of one call is limited to CONFIG_VALUE_BYTES_MAX.
 */
#include "longship/base/arena.h"
#include "longship/lang/ast.h"
#include "longship/lang/diag.h"
#include "longship/lang/value.h"

struct eval_env {
	void *ptr; /* for resolve */
	/*
	 * Looks a dotted identifier chain (a, b, c of a.b.c) up among the components and the scope's variables.
	 * Returns the value of the shortest prefix that is one, with the number of parts that make it up, or NULL.
	 * NULL as function: no scope but the standard library.
	 */
	const struct value *(*resolve)(void *ptr, const struct str *parts, size_t n, size_t *ret_used);
	const char *module_path; /* directory of the configuration; NULL: module_path is unknown */
};

/* False: one error is in diags. */
bool eval_expr(const struct expr *, const struct eval_env *, struct arena *, struct diags *, struct value *ret);

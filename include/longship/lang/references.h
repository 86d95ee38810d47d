/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * References of an expression or a body: an identifier and the field accesses that follow it, a.b.c; an
 * index, a call or parentheses end it (reference 1.6). For the edges of the graph. Lives in the arena.
 */
#include "longship/base/arena.h"
#include "longship/lang/ast.h"

struct reference {
	const struct str *parts;
	size_t n;
	struct src_pos pos; /* of the whole chain */
};

struct reference_list {
	struct reference *items; /* in order of the text; repeats are kept */
	size_t n, cap;
};

void references_of_expr(const struct expr *, struct arena *, struct reference_list *);
/* Nested blocks, too. */
void references_of_body(const struct body *, struct arena *, struct reference_list *);

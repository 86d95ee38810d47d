/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/references.h"

#include "longship/base/check.h"

static void
add(struct arena *arena, struct reference_list *list, struct reference ref)
{
	if (list->n == list->cap) {
		size_t cap = list->cap == 0 ? 8 : 2 * list->cap;
		struct reference *items = arena_array(arena, struct reference, cap);

		if (list->n > 0)
			memcpy(items, list->items, list->n * sizeof(*items));
		list->items = items;
		list->cap = cap;
	}
	list->items[list->n++] = ref;
}

/* An access; when it ends a chain that starts with an identifier the whole chain is one reference. */
static void
add_chain(const struct expr *e, struct arena *arena, struct reference_list *list)
{
	const struct expr *part = e;
	struct str *parts;
	size_t n = 1;

	for (; part->kind == EXPR_ACCESS; part = part->access.base)
		n++;
	if (part->kind != EXPR_IDENTIFIER) {
		references_of_expr(part, arena, list);
		return;
	}
	parts = arena_array(arena, struct str, n);
	part = e;
	for (size_t i = n; i-- > 1; part = part->access.base)
		parts[i] = part->access.name;
	parts[0] = part->identifier.name;
	add(arena, list, (struct reference){parts, n, e->pos});
}

void
references_of_expr(const struct expr *e, struct arena *arena, struct reference_list *list)
{
	switch (e->kind) {
	case EXPR_LITERAL:
		return;
	case EXPR_IDENTIFIER:
	case EXPR_ACCESS:
		add_chain(e, arena, list);
		return;
	case EXPR_INDEX:
		references_of_expr(e->index.base, arena, list);
		references_of_expr(e->index.index, arena, list);
		return;
	case EXPR_CALL:
		references_of_expr(e->call.base, arena, list);
		for (size_t i = 0; i < e->call.n; i++)
			references_of_expr(e->call.args[i], arena, list);
		return;
	case EXPR_UNARY:
		references_of_expr(e->unary.operand, arena, list);
		return;
	case EXPR_BINARY:
		references_of_expr(e->binary.left, arena, list);
		references_of_expr(e->binary.right, arena, list);
		return;
	case EXPR_ARRAY:
		for (size_t i = 0; i < e->array.n; i++)
			references_of_expr(e->array.items[i], arena, list);
		return;
	case EXPR_OBJECT:
		for (size_t i = 0; i < e->object.n; i++)
			references_of_expr(e->object.fields[i].value, arena, list);
		return;
	case EXPR_PAREN:
		references_of_expr(e->inner, arena, list);
		return;
	}
	assert(false && "kind of an expression");
}

void
references_of_body(const struct body *body, struct arena *arena, struct reference_list *list)
{
	for (size_t i = 0; i < body->n; i++) {
		if (body->stmts[i].block != NULL)
			references_of_body(body->stmts[i].block->body, arena, list);
		else
			references_of_expr(body->stmts[i].attr->expr, arena, list);
	}
}

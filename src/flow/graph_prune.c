/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/base/limits.h"

#include "graph_priv.h"

/*
 * --config.skip-unsupported: what longship does not know was marked by name; here it spreads along the
 * references until nothing changes any more.
 *   - An element of a list that refers to something left out is left out of the list (receivers, parts of
 *     array.concat). A list that becomes empty takes its component with it: it would have nobody to forward to.
 *   - Any other reference to something left out takes the component with it.
 *   - A component that is referred to, but only by what is left out, goes, too.
 * Config blocks stay and lose the attribute. Blocks, bodies and expressions are copied where they change.
 */

struct prune {
	struct graph_load *load;
	struct load_node *node;
	const struct load_node *missing; /* what could not be done without */
	bool emptied;
	bool changed;
};

static const struct load_node *
refers_to_pruned(struct graph_load *load, const struct expr *expr)
{
	struct reference_list references = {0};

	references_of_expr(expr, load->text->arena, &references);
	for (size_t i = 0; i < references.n; i++) {
		const struct load_node *node = graph_names_resolve(load, &references.items[i]);

		if (node != NULL && node->pruned)
			return node;
	}
	return NULL;
}

static void
leave_out(struct graph_load *load, struct load_node *node, const char *why, const struct load_node *because)
{
	node->pruned = true;
	if (because != NULL)
		diag_warning(&load->diags, node->block->name_pos, "left out: %.*s %s %.*s, which is left out",
			STR_FMT(node->id), why, STR_FMT(because->id));
	else
		diag_warning(&load->diags, node->block->name_pos, "left out: %.*s %s", STR_FMT(node->id), why);
}

/* The list without the elements that refer to something left out. */
static struct expr *
prune_items(struct prune *prune, const struct expr *expr, struct expr **items, size_t n, struct expr ***ret_items,
	size_t *ret_n)
{
	struct expr *copy = arena_make(prune->load->text->arena, struct expr);
	struct expr **kept = arena_array(prune->load->text->arena, struct expr *, n + 1);
	size_t n_kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct load_node *gone = refers_to_pruned(prune->load, items[i]);

		if (gone == NULL)
			kept[n_kept++] = items[i];
		else
			diag_warning(&prune->load->diags, items[i]->pos, "left out of the list: %.*s is left out",
				STR_FMT(gone->id));
	}
	prune->changed = true;
	prune->emptied = prune->emptied || n_kept == 0;
	*copy = *expr;
	*ret_items = kept;
	*ret_n = n_kept;
	return copy;
}

static bool
is_concat(const struct expr *call)
{
	const struct expr *base = call->call.base;

	if (base->kind == EXPR_IDENTIFIER)
		return str_is(base->identifier.name, "concat");
	return base->kind == EXPR_ACCESS && str_is(base->access.name, "concat") &&
	       base->access.base->kind == EXPR_IDENTIFIER && str_is(base->access.base->identifier.name, "array");
}

static struct expr *
prune_expr(struct prune *prune, struct expr *expr)
{
	const struct load_node *gone = refers_to_pruned(prune->load, expr);
	struct expr **items = NULL;
	struct expr *copy;
	size_t n = 0;

	if (gone == NULL)
		return expr;
	if (expr->kind == EXPR_ARRAY) {
		copy = prune_items(prune, expr, expr->array.items, expr->array.n, &items, &n);
		copy->array.items = items;
		copy->array.n = n;
		return copy;
	}
	if (expr->kind == EXPR_CALL && is_concat(expr) && expr->call.n > 0) {
		copy = prune_items(prune, expr, expr->call.args, expr->call.n, &items, &n);
		copy->call.args = items;
		copy->call.n = n;
		return copy;
	}
	prune->missing = gone;
	return expr;
}

static void
prune_attr(struct prune *prune, struct stmt *stmt)
{
	struct expr *expr = prune_expr(prune, stmt->attr->expr);
	struct attr *copy;

	if (expr == stmt->attr->expr)
		return;
	copy = arena_make(prune->load->text->arena, struct attr);
	*copy = *stmt->attr;
	copy->expr = expr;
	stmt->attr = copy;
}

static struct body *
prune_body(struct prune *prune, struct body *body, bool drop_attributes, unsigned depth)
{
	struct body *copy = arena_make(prune->load->text->arena, struct body);

	assert(depth <= CONFIG_NESTING_MAX + 1);
	copy->stmts = arena_array(prune->load->text->arena, struct stmt, body->n + 1);
	for (size_t i = 0; i < body->n; i++) {
		struct stmt stmt = body->stmts[i];

		if (stmt.attr != NULL && drop_attributes && refers_to_pruned(prune->load, stmt.attr->expr) != NULL) {
			diag_warning(&prune->load->diags, stmt.attr->name_pos,
				"left out: attribute \"%.*s\" refers to what is left out", STR_FMT(stmt.attr->name));
			prune->changed = true;
			continue;
		}
		if (stmt.attr != NULL) {
			prune_attr(prune, &stmt);
		} else {
			struct block *block = arena_make(prune->load->text->arena, struct block);

			*block = *stmt.block;
			block->body = prune_body(prune, block->body, drop_attributes, depth + 1);
			stmt.block = block;
		}
		copy->stmts[copy->n++] = stmt;
	}
	return prune->changed ? copy : body;
}

static bool
needs_pruned(const struct graph_load *load, const struct load_node *node)
{
	for (size_t i = 0; i < node->n_deps; i++)
		if (load->nodes[node->deps[i]].pruned)
			return true;
	return false;
}

/* Takes the references to what is left out from a component, or leaves it out. */
static bool
prune_node(struct graph_load *load, struct load_node *node)
{
	struct prune prune = {.load = load, .node = node};
	struct body *body;

	if (!needs_pruned(load, node))
		return false;
	body = prune_body(&prune, node->block->body, (node->type->flags & COMPONENT_BLOCK) != 0, 0);
	if (prune.missing != NULL) {
		leave_out(load, node, "needs", prune.missing);
	} else if (prune.emptied) {
		leave_out(load, node, "has nothing left in a list", NULL);
	} else if (prune.changed) {
		struct block *block = arena_make(load->text->arena, struct block);

		*block = *node->block;
		block->body = body;
		node->block = block;
		graph_order_edges_of(load, node);
	}
	return true;
}

struct users {
	size_t all, staying;
};

/* Leaves out what has users, but none that stays. all: from before anything was left out. */
static bool
prune_unused(struct graph_load *load, struct users *users)
{
	bool found = false;

	for (size_t i = 0; i < load->n_nodes; i++)
		users[i].staying = 0;
	for (size_t i = 0; i < load->n_nodes; i++)
		for (size_t k = 0; k < load->nodes[i].n_deps && !load->nodes[i].pruned; k++)
			users[load->nodes[i].deps[k]].staying++;
	for (size_t i = 0; i < load->n_nodes; i++) {
		struct load_node *node = &load->nodes[i];

		if (node->pruned || users[i].all == 0 || users[i].staying > 0)
			continue;
		leave_out(load, node, "only serves what is left out", NULL);
		found = true;
	}
	return found;
}

void
graph_prune(struct graph_load *load)
{
	struct users *users = arena_array(load->text->arena, struct users, load->n_nodes + 1);
	bool again = true;

	for (size_t i = 0; i < load->n_nodes; i++)
		for (size_t k = 0; k < load->nodes[i].n_deps; k++)
			users[load->nodes[i].deps[k]].all++;
	/* Each turn but the last leaves out a node or takes a reference to one. */
	while (again) {
		again = false;
		for (size_t i = 0; i < load->n_nodes; i++) {
			struct load_node *node = &load->nodes[i];

			if (!node->pruned && !node->failed && prune_node(load, node))
				again = true;
		}
		if (prune_unused(load, users))
			again = true;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/base/limits.h"

#include "graph_priv.h"

/*
 * Settings inside of known components: rows with ARG_UNSUPPORTED exist in Alloy and are refused by name, which
 * is a clearer answer than the decoder's "unrecognized". With --config.skip-unsupported these and everything
 * that has no row are left out with a warning: the body is copied without them.
 */

struct check {
	struct graph_load *load;
	struct load_node *node;
	bool skip;
};

static struct body *check_body(struct check *, const struct arg_spec *, struct body *, unsigned depth);

static const struct arg_spec *
find_row(const struct arg_spec *rows, struct str name, const struct arg_variant **ret_variant)
{
	struct str group, variant;

	for (const struct arg_spec *row = rows; row != NULL && row->kind != ARG_END; row++) {
		const struct arg_spec *inner;

		if (row->kind == ARG_SQUASH) {
			inner = find_row(row->sub, name, ret_variant);
			if (inner != NULL)
				return inner;
		} else if (row->kind == ARG_ENUM_BLOCKS) {
			if (!str_cut(name, '.', &group, &variant) || !str_is(group, row->name))
				continue;
			for (const struct arg_variant *const *v = row->variants; *v != NULL; v++) {
				if (str_is(variant, (*v)->name)) {
					*ret_variant = *v;
					return row;
				}
			}
		} else if (row->name != NULL && str_is(name, row->name)) {
			return row;
		}
	}
	return NULL;
}

/* True: the statement stays. */
static bool
judge(struct check *check, const struct arg_spec *row, struct src_pos at, struct str name, const char *what)
{
	struct diags *diags = &check->load->diags;

	if (row == NULL && check->skip) {
		diag_warning(diags, at, "left out: longship does not know %s \"%.*s\"", what, STR_FMT(name));
		return false;
	}
	if (row != NULL && (row->flags & ARG_UNSUPPORTED) != 0) {
		if (check->skip) {
			diag_warning(diags, at, "left out: %s \"%.*s\" exists in Alloy, longship does not have it: %s",
				what, STR_FMT(name), row->doc);
			return false;
		}
		diag_error(diags, at, "%s \"%.*s\" exists in Alloy, longship does not have it: %s", what, STR_FMT(name),
			row->doc);
		check->node->failed = true;
	}
	return true;
}

/* A copy of the block around a changed body. */
static struct block *
with_body(struct check *check, const struct block *block, struct body *body)
{
	struct block *copy = arena_make(check->load->text->arena, struct block);

	*copy = *block;
	copy->body = body;
	return copy;
}

static bool
check_block(struct check *check, const struct arg_spec *rows, struct stmt *stmt, unsigned depth)
{
	struct block *block = stmt->block;
	const struct arg_variant *variant = NULL;
	const struct arg_spec *row = find_row(rows, block->name, &variant);
	const struct arg_spec *inner;
	struct body *body;

	if (!judge(check, row, block->name_pos, block->name, "block"))
		return false;
	if (row == NULL || (row->flags & ARG_UNSUPPORTED) != 0)
		return true;
	inner = variant != NULL ? variant->args : row->sub;
	if (inner == NULL)
		return true;
	body = check_body(check, inner, block->body, depth + 1);
	if (body != block->body)
		stmt->block = with_body(check, block, body);
	return true;
}

/* The body itself when all of it stays. */
static struct body *
check_body(struct check *check, const struct arg_spec *rows, struct body *body, unsigned depth)
{
	struct stmt *kept = arena_array(check->load->text->arena, struct stmt, body->n + 1);
	const struct arg_variant *variant = NULL;
	struct body *copy;
	size_t n = 0;
	bool changed = false;

	assert(depth <= CONFIG_NESTING_MAX + 1); /* the parser sees to it */
	for (size_t i = 0; i < body->n; i++) {
		struct stmt stmt = body->stmts[i];
		const struct attr *attr = stmt.attr;

		if (attr != NULL ? !judge(check, find_row(rows, attr->name, &variant), attr->name_pos, attr->name,
					   "attribute")
				 : !check_block(check, rows, &stmt, depth))
			changed = true;
		else
			kept[n++] = stmt;
		changed = changed || stmt.block != body->stmts[i].block;
	}
	if (!changed)
		return body;
	copy = arena_make(check->load->text->arena, struct body);
	copy->stmts = kept;
	copy->n = n;
	return copy;
}

void
graph_unsupported_check(struct graph_load *load)
{
	struct check check = {.load = load, .skip = load->graph->options.skip_unsupported};

	for (size_t i = 0; i < load->n_nodes; i++) {
		struct load_node *node = &load->nodes[i];
		struct body *body;

		if (node->pruned || node->type == NULL)
			continue;
		check.node = node;
		body = check_body(&check, node->type->args, node->block->body, 0);
		if (body != node->block->body)
			node->block = with_body(&check, node->block, body);
	}
}

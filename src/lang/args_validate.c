/* SPDX-License-Identifier: Apache-2.0 */
#include "args_priv.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "value_convert_priv.h"

/*
 * The static checks of `validate`: names, labels, what is required, and the types of literals, of lists and
 * objects of them and of an operator between two. Nothing else is evaluated, so nothing is looked up, and
 * all errors of a block are reported. Wording and places are those of Alloy's own checker.
 */
struct checker {
	struct arena *arena;
	struct diags *diags;
	size_t errors; /* when it began */
};

static bool
is_full(const struct checker *c)
{
	return c->diags->n_errors - c->errors >= CONFIG_DIAGS_MAX;
}

static const char *
type_of(enum arg_kind kind)
{
	switch (kind) {
	case ARG_BOOL:
		return "bool";
	case ARG_INT:
	case ARG_NUMBER:
		return "number";
	case ARG_SECRET:
	case ARG_CAPSULE:
		return "capsule";
	case ARG_STRING_LIST:
	case ARG_TARGETS:
	case ARG_CAPSULE_LIST:
		return "array";
	case ARG_STRING_MAP:
	case ARG_SECRET_MAP:
		return "object";
	default:
		return "string";
	}
}

/* A value made of literals against a row. */
static void
check_value(struct checker *c, const struct arg_spec *row, const struct value *v, struct src_pos at)
{
	struct value_path path = {.value = v};
	union {
		struct str text;
		struct value any;
		struct ptr_list list;
		struct str_map map;
		int64_t number;
		double real;
		int choice;
		bool boolean;
		void *ptr;
	} slot;
	struct eval ev;

	eval_init(&ev, NULL, c->diags->source, c->arena, c->diags);
	ev.checked = at;
	args_convert(&ev, row, &path, &slot);
	eval_done(&ev);
}

static void
fail_operation(struct checker *c, const struct operation_error *error, struct src_pos at)
{
	if (error->expected != NULL)
		diag_error(c->diags, at, "expected %s, got %s", error->expected, error->got);
	else
		diag_error(c->diags, at, "%.*s", STR_FMT(error->text));
}

static bool
is_literal(const struct expr *e)
{
	return e->kind == EXPR_LITERAL && !e->literal.too_large;
}

static void
check_unary(struct checker *c, const struct arg_spec *row, const struct expr *e)
{
	struct operation_error error;
	struct value v;

	if (!is_literal(e->unary.operand))
		return;
	if (operation_unary(e->unary.op, &e->unary.operand->literal.value, &v, &error))
		check_value(c, row, &v, e->pos);
	else
		fail_operation(c, &error, e->unary.operand->pos);
}

static void
check_binary(struct checker *c, const struct arg_spec *row, const struct expr *e)
{
	struct operation_error error;
	struct value v;

	if (!is_literal(e->binary.left) || !is_literal(e->binary.right))
		return;
	if (operation_binary(c->arena, e->binary.op, &e->binary.left->literal.value, &e->binary.right->literal.value,
		    &v, &error))
		check_value(c, row, &v, e->pos);
	else
		fail_operation(c, &error, e->pos);
}

/* What an element of such a list or object must be; ARG_ANY: not checked. */
static struct arg_spec
element_row(const struct arg_spec *row)
{
	struct arg_spec element = {.kind = ARG_ANY};

	if (row->kind == ARG_STRING_LIST || row->kind == ARG_STRING_MAP)
		element.kind = ARG_STRING;
	else if (row->kind == ARG_SECRET_MAP)
		element.kind = ARG_SECRET;
	else if (row->kind == ARG_CAPSULE_LIST)
		element = (struct arg_spec){.kind = ARG_CAPSULE, .capsule = row->capsule};
	return element;
}

static void check_expr(struct checker *c, const struct arg_spec *row, const struct expr *e);

static void
check_array(struct checker *c, const struct arg_spec *row, const struct expr *e)
{
	struct arg_spec element = element_row(row);

	if (row->kind == ARG_ANY)
		return;
	if (!str_is(str_from(type_of(row->kind)), "array")) {
		diag_error(c->diags, e->pos, "expected %s, got array", type_of(row->kind));
		return;
	}
	for (size_t i = 0; i < e->array.n && !is_full(c); i++) {
		const struct expr *item = e->array.items[i];

		if (row->kind != ARG_TARGETS)
			check_expr(c, &element, item);
		else if (item->kind == EXPR_ARRAY || (is_literal(item) && item->literal.value.kind != VALUE_NULL))
			diag_error(c->diags, item->pos, "expected capsule, got %s",
				item->kind == EXPR_ARRAY ? "array" : value_type_name(&item->literal.value));
	}
}

static void
check_object(struct checker *c, const struct arg_spec *row, const struct expr *e)
{
	struct arg_spec element = element_row(row);

	if (row->kind == ARG_ANY)
		return;
	if (!str_is(str_from(type_of(row->kind)), "object")) {
		diag_error(c->diags, e->pos, "expected %s, got object", type_of(row->kind));
		return;
	}
	for (size_t i = 0; i < e->object.n && !is_full(c); i++) {
		const struct expr *value = e->object.fields[i].value;

		if (row->kind != ARG_SECRET_MAP || value->kind != EXPR_ARRAY) {
			check_expr(c, &element, value);
			continue;
		}
		for (size_t k = 0; k < value->array.n && !is_full(c); k++)
			check_expr(c, &element, value->array.items[k]);
	}
}

static void
check_expr(struct checker *c, const struct arg_spec *row, const struct expr *e)
{
	switch (e->kind) {
	case EXPR_LITERAL:
		if (is_literal(e))
			check_value(c, row, &e->literal.value, e->pos);
		break;
	case EXPR_UNARY:
		check_unary(c, row, e);
		break;
	case EXPR_BINARY:
		check_binary(c, row, e);
		break;
	case EXPR_ARRAY:
		check_array(c, row, e);
		break;
	case EXPR_OBJECT:
		check_object(c, row, e);
		break;
	default:
		break;
	}
}

static void check_block(struct checker *c, const struct arg_spec *spec, const struct block *block);

static void
check_nested(struct checker *c, const struct arg_spec *spec, const struct body *body, size_t i)
{
	const struct block *block = body->stmts[i].block;
	struct arg_match match = args_find(spec, block->name);
	size_t size;

	if (match.row == NULL) {
		args_fail_unknown(c->diags, spec, &body->stmts[i]);
		return;
	}
	if (!args_check_kind(c->diags, &match, &body->stmts[i]))
		return;
	if (match.row->kind == ARG_BLOCK && args_has_name(body, block->name, true, i)) {
		diag_error(c->diags, block->pos, "block \"%.*s\" may only be specified once", STR_FMT(block->name));
		return;
	}
	args_check_label(c->diags, &match, block);
	check_block(c, args_block_spec(&match, &size), block);
}

static void
check_attr(struct checker *c, const struct arg_spec *spec, const struct body *body, size_t i)
{
	const struct attr *attr = body->stmts[i].attr;
	struct arg_match match = args_find(spec, attr->name);

	if (match.row == NULL) {
		args_fail_unknown(c->diags, spec, &body->stmts[i]);
		return;
	}
	if (!args_check_kind(c->diags, &match, &body->stmts[i]))
		return;
	if (args_has_name(body, attr->name, false, i)) {
		diag_error(c->diags, attr->pos, "attribute \"%.*s\" may only be provided once", STR_FMT(attr->name));
		return;
	}
	if (match.row->flags & ARG_DEPRECATED)
		diag_warning(c->diags, attr->pos, "attribute \"%.*s\" is deprecated", STR_FMT(attr->name));
	check_expr(c, match.row, attr->expr);
}

static void
check_required(struct checker *c, const struct arg_spec *spec, const struct block *block)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++) {
		bool is_block = args_is_block(row);

		if (row->kind == ARG_SQUASH)
			check_required(c, row->sub, block);
		if ((row->flags & ARG_REQUIRED) && row->name != NULL && row->kind != ARG_ENUM_BLOCKS &&
			!args_has_name(block->body, str_from(row->name), is_block, block->body->n))
			diag_error(c->diags, block->pos, "missing required %s \"%s\"", is_block ? "block" : "attribute",
				row->name);
	}
}

static void
check_block(struct checker *c, const struct arg_spec *spec, const struct block *block)
{
	for (size_t i = 0; i < block->body->n && !is_full(c); i++) {
		if (block->body->stmts[i].block != NULL)
			check_nested(c, spec, block->body, i);
		else
			check_attr(c, spec, block->body, i);
	}
	check_required(c, spec, block);
}

bool
args_validate(const struct arg_spec *spec, const struct block *block, struct arena *arena, struct diags *diags)
{
	struct checker c = {.arena = arena, .diags = diags, .errors = diags->n_errors};

	check_block(&c, spec, block);
	return diags->n_errors == c.errors;
}

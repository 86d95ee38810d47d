/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/flow/label_memo.h"
#include "longship/flow/sender.h"

/* stage.tenant: sets the tenant of an entry by the internal label __tenant_id__. */

struct tenant_args {
	struct str label, source, value;
};

static const struct arg_spec args[] = {
	{.name = "label",
		.kind = ARG_STRING,
		.offset = offsetof(struct tenant_args, label),
		.doc = "Label whose value is the tenant."},
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct tenant_args, source),
		.doc = "Extracted value that is the tenant."},
	{.name = "value",
		.kind = ARG_STRING,
		.offset = offsetof(struct tenant_args, value),
		.doc = "The tenant itself."},
	{0},
};

struct state {
	struct str name;
	struct str label, value; /* one of them, or the column */
	size_t column;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct tenant_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);
	int given = (a->label.len > 0) + (a->source.len > 0) + (a->value.len > 0);

	if (given == 0)
		return stage_fail(b, "label, source or value config are required");
	if (given > 1)
		return stage_fail(b, "label, source and value are mutually exclusive: you should set source, value or label but not all");
	s->name = STR(TENANT_LABEL);
	s->label = arena_str(b->arena, a->label);
	s->value = arena_str(b->arena, a->value);
	if (s->value.len == 0)
		destination_expect_others();
	s->column = a->source.len > 0 ? columns_number(b->columns, a->source) : STAGE_NO_COLUMN;
	return s;
}

/* Empty: there is none. */
static struct str
tenant_of(const struct state *s, const struct batch *b, size_t i)
{
	struct str tenant = s->value;

	if (s->column != STAGE_NO_COLUMN)
		return stage_text(b, s->column, i, &tenant) ? tenant : STR_EMPTY;
	return s->label.len > 0 ? labels_get(b->labels[i], s->label) : tenant;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct label_memo *memo = label_memo_new(b->arena, 1);

	for (size_t i = 0; i < b->n; i++) {
		struct str tenant = tenant_of(s, b, i);

		if (tenant.len > 0)
			b->labels[i] = label_memo_set(memo, b->table, b->labels[i], &s->name, &tenant);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_tenant = {
	.name = "tenant",
	.args = args,
	.args_size = sizeof(struct tenant_args),
	.type = &type,
	.doc = "Sets the tenant of entries.",
};

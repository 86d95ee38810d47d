/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/flow/label_memo.h"

/* stage.label_drop: the named labels go (reference 8.9). */

struct label_drop_args {
	struct str_list values;
};

static const struct arg_spec args[] = {
	{.name = "values",
		.kind = ARG_STRING_LIST,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct label_drop_args, values),
		.doc = "Labels to remove."},
	{0},
};

struct state {
	size_t n;
	struct str *names;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct label_drop_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->values.n == 0)
		return stage_fail(b, "labeldrop stage config cannot be empty");
	s->n = a->values.n;
	s->names = arena_array(b->arena, struct str, s->n);
	for (size_t i = 0; i < s->n; i++)
		s->names[i] = arena_str(b->arena, a->values.items[i]);
	return s;
}

static bool
listed(const struct state *s, struct str name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (str_eq(s->names[i], name))
			return true;
	}
	return false;
}

static const struct labels *
change(const struct state *s, struct labels_table *table, const struct labels *base)
{
	struct label items[LABELS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < base->n; i++) {
		if (!listed(s, base->items[i].name))
			items[n++] = base->items[i];
	}
	return labels_intern(table, items, n);
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct label_memo *memo = label_memo_new(b->arena, 0);

	for (size_t i = 0; i < b->n; i++) {
		const struct labels **result = label_memo_at(memo, b->labels[i], NULL);

		if (*result == NULL)
			*result = change(s, b->table, b->labels[i]);
		b->labels[i] = *result;
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_label_drop = {
	.name = "label_drop",
	.args = args,
	.args_size = sizeof(struct label_drop_args),
	.type = &type,
	.doc = "Removes labels.",
};

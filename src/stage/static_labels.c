/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/flow/label_memo.h"

/* stage.static_labels: the same labels for every entry (reference 8.11). */

struct static_labels_args {
	struct str_map values;
};

static const struct arg_spec args[] = {
	{.name = "values",
		.kind = ARG_STRING_MAP,
		.flags = ARG_REQUIRED | ARG_NULL_IS_EMPTY,
		.offset = offsetof(struct static_labels_args, values),
		.doc = "Label = value; empty values are left out."},
	{0},
};

struct state {
	size_t n;
	struct str *names, *values;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct static_labels_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->values.n > LABELS_MAX)
		return stage_fail(b, "more than %d labels", LABELS_MAX);
	s->names = arena_array(b->arena, struct str, a->values.n + 1);
	s->values = arena_array(b->arena, struct str, a->values.n + 1);
	for (size_t i = 0; i < a->values.n; i++) {
		struct str name = a->values.items[i].name, value = a->values.items[i].value;

		if (!stage_label_name_valid(name))
			return stage_fail(b, "invalid label name: %.*s", STR_FMT(name));
		if (!str_utf8_valid(value))
			return stage_fail(b, "invalid label value: %.*s", STR_FMT(value));
		if (value.len == 0)
			continue;
		s->names[s->n] = arena_str(b->arena, name);
		s->values[s->n++] = arena_str(b->arena, value);
	}
	return s;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct label_memo *memo = label_memo_new(b->arena, s->n);

	for (size_t i = 0; i < b->n; i++)
		b->labels[i] = label_memo_set(memo, b->table, b->labels[i], s->names, s->values);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_static_labels = {
	.name = "static_labels",
	.args = args,
	.args_size = sizeof(struct static_labels_args),
	.type = &type,
	.doc = "Sets fixed labels.",
};

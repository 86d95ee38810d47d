/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"

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

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct label_drop_args *a = arguments;
	struct stage_names *names = arena_make(b->arena, struct stage_names);

	if (a->values.n == 0)
		return stage_fail(b, "labeldrop stage config cannot be empty");
	*names = stage_names_copy(b, &a->values);
	return names;
}

static void
apply(void *state, struct batch *b)
{
	stage_filter_labels(state, false, b);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_label_drop = {
	.name = "label_drop",
	.args = args,
	.args_size = sizeof(struct label_drop_args),
	.type = &type,
	.doc = "Removes labels.",
};

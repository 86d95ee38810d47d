/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"

/* stage.label_keep: all labels but the named go, internal ones too (reference 8.9). */

struct label_keep_args {
	struct str_list values;
};

static const struct arg_spec args[] = {
	{.name = "values",
		.kind = ARG_STRING_LIST,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct label_keep_args, values),
		.doc = "Labels to keep."},
	{0},
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct label_keep_args *a = arguments;
	struct stage_names *names = arena_make(b->arena, struct stage_names);

	if (a->values.n == 0)
		return stage_fail(b, "labelallow stage config cannot be empty");
	*names = stage_names_copy(b, &a->values);
	return names;
}

static void
apply(void *state, struct batch *b)
{
	stage_filter_labels(state, true, b);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_label_keep = {
	.name = "label_keep",
	.args = args,
	.args_size = sizeof(struct label_keep_args),
	.type = &type,
	.doc = "Removes all labels but the named.",
};

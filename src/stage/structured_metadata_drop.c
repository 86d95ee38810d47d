/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"

/* stage.structured_metadata_drop: the named structured metadata goes. */

struct structured_metadata_drop_args {
	struct str_list values;
};

static const struct arg_spec args[] = {
	{.name = "values",
		.kind = ARG_STRING_LIST,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct structured_metadata_drop_args, values),
		.doc = "Names to remove."},
	{0},
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct structured_metadata_drop_args *a = arguments;
	struct stage_names *names = arena_make(b->arena, struct stage_names);

	if (a->values.n == 0)
		return stage_fail(b, "structured_metadata_drop stage config cannot be empty");
	*names = stage_names_copy(b, &a->values);
	return names;
}

static const struct metadata *
without(const struct stage_names *names, struct arena *arena, const struct metadata *old)
{
	struct metadata *made;
	size_t n = 0;

	for (size_t k = 0; k < old->n; k++)
		n += !stage_names_have(names, old->items[k].name);
	if (n == old->n || n == 0)
		return n == 0 ? NULL : old;
	made = arena_alloc(arena, sizeof(*made) + n * sizeof(made->items[0]));
	made->n = 0;
	for (size_t k = 0; k < old->n; k++) {
		if (!stage_names_have(names, old->items[k].name))
			made->items[made->n++] = old->items[k];
	}
	return made;
}

static void
apply(void *state, struct batch *b)
{
	const struct stage_names *names = state;

	for (size_t i = 0; i < b->n; i++) {
		if (b->metadata[i] != NULL)
			b->metadata[i] = without(names, b->arena, b->metadata[i]);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_structured_metadata_drop = {
	.name = "structured_metadata_drop",
	.args = args,
	.args_size = sizeof(struct structured_metadata_drop_args),
	.type = &type,
	.doc = "Removes structured metadata.",
};

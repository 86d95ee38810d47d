/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"

/* stage.output: an extracted value becomes the line (reference 8.17). */

struct output_args {
	struct str source;
};

static const struct arg_spec args[] = {
	{.name = "source",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct output_args, source),
		.doc = "Extracted value that becomes the line."},
	{0},
};

struct state {
	size_t source;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct output_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->source.len == 0)
		return stage_fail(b, "output source value is required if output is specified");
	s->source = columns_number(b->columns, a->source);
	return s;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		if (stage_text(b, s->source, i, &text))
			b->line[i] = text;
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_output = {
	.name = "output",
	.args = args,
	.args_size = sizeof(struct output_args),
	.type = &type,
	.doc = "Sets the line from an extracted value.",
};

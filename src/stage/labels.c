/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/flow/label_memo.h"
#include "longship/flow/sender.h"

/* stage.labels: extracted values or structured metadata become labels (reference 8.10). */

struct labels_args {
	struct str_map values;
	struct str source_type;
};

static const struct arg_spec args[] = {
	{.name = "values",
		.kind = ARG_STRING_MAP,
		.flags = ARG_REQUIRED | ARG_NULL_IS_EMPTY,
		.offset = offsetof(struct labels_args, values),
		.doc = "Label = name of the value; an empty name is that of the label."},
	{.name = "source_type",
		.kind = ARG_STRING,
		.offset = offsetof(struct labels_args, source_type),
		.fallback = "\"extracted\"",
		.doc = "Where the values are: \"extracted\" or \"structured_metadata\"."},
	{0},
};

struct state {
	size_t n;
	struct str *names, *sources;
	size_t *columns; /* NULL: from structured metadata */
};

static bool
check_source_type(struct stage_builder *b, struct str text, bool *ret_metadata)
{
	*ret_metadata = str_is(text, "structured_metadata");
	if (*ret_metadata || text.len == 0 || str_is(text, "extracted"))
		return true;
	if (str_is(text, "line") || str_is(text, "label"))
		(void)stage_fail(b,
			"invalid labels source_type: %.*s. Can only be 'extracted' or 'structured_metadata'",
			STR_FMT(text));
	else
		(void)stage_fail(b, "unknown source_type: %.*s", STR_FMT(text));
	return false;
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct labels_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);
	bool metadata;

	if (!check_source_type(b, a->source_type, &metadata))
		return NULL;
	if (a->values.n > LABELS_MAX)
		return stage_fail(b, "more than %d labels", LABELS_MAX);
	s->n = a->values.n;
	s->names = arena_array(b->arena, struct str, s->n + 1);
	s->sources = arena_array(b->arena, struct str, s->n + 1);
	s->columns = metadata ? NULL : arena_array(b->arena, size_t, s->n + 1);
	for (size_t k = 0; k < s->n; k++) {
		struct str name = a->values.items[k].name, source = a->values.items[k].value;

		if (!stage_label_name_valid(name))
			return stage_fail(b, "invalid label name: %.*s", STR_FMT(name));
		if (str_is(name, TENANT_LABEL))
			destination_expect_others();
		s->names[k] = arena_str(b->arena, name);
		s->sources[k] = arena_str(b->arena, source.len > 0 ? source : name);
		if (!metadata)
			s->columns[k] = columns_number(b->columns, s->sources[k]);
	}
	return s;
}

static struct str
metadata_get(const struct metadata *metadata, struct str name)
{
	for (size_t i = 0; metadata != NULL && i < metadata->n; i++) {
		if (str_eq(metadata->items[i].name, name))
			return metadata->items[i].value.s != NULL ? metadata->items[i].value : STR("");
	}
	return STR_EMPTY;
}

/* The value for label k; s == NULL when there is none. */
static struct str
value_of(const struct state *s, const struct batch *b, size_t i, size_t k)
{
	struct str value;

	if (s->columns == NULL)
		return metadata_get(b->metadata[i], s->sources[k]);
	return stage_text(b, s->columns[k], i, &value) ? value : STR_EMPTY;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct label_memo *memo = label_memo_new(b->arena, s->n);
	struct str values[LABELS_MAX];

	for (size_t i = 0; i < b->n; i++) {
		bool any = false;

		for (size_t k = 0; k < s->n; k++) {
			values[k] = value_of(s, b, i, k);
			any |= values[k].s != NULL;
		}
		if (any)
			b->labels[i] = label_memo_set(memo, b->table, b->labels[i], s->names, values);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_labels = {
	.name = "labels",
	.args = args,
	.args_size = sizeof(struct labels_args),
	.type = &type,
	.doc = "Sets labels from extracted values or structured metadata.",
};

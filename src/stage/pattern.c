/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/pattern.h"

#include "catalog_priv.h"
#include "longship/flow/label_memo.h"

/* stage.pattern: the captures of a LogQL pattern become extracted values. */

struct pattern_args {
	struct str pattern, source;
	bool labels_from_groups;
};

static const struct arg_spec args[] = {
	{.name = "pattern",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct pattern_args, pattern),
		.doc = "Literal text with captures <name> and <_>."},
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct pattern_args, source),
		.doc = "Extracted value to read instead of the line."},
	{.name = "labels_from_groups",
		.kind = ARG_BOOL,
		.offset = offsetof(struct pattern_args, labels_from_groups),
		.doc = "Set labels from the captures, too."},
	{0},
};

struct state {
	const struct pattern *pattern;
	size_t source;
	size_t n;
	size_t *columns;
	struct str *names;
	bool labels;
	struct stage_failure *no_match;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct pattern_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);
	struct str error = STR_EMPTY;

	if (a->pattern.len == 0)
		return stage_fail(b, "pattern is required");
	if (!stage_source(b, a->source, &s->source))
		return NULL;
	s->pattern = pattern_compile(b->arena, a->pattern, &error);
	if (s->pattern == NULL)
		return stage_fail(b, "failed to parse pattern: %.*s", STR_FMT(error));
	s->n = pattern_names(s->pattern);
	s->labels = a->labels_from_groups;
	if (s->labels && s->n > LABELS_MAX)
		return stage_fail(b, "labels_from_groups: more than %d captures", LABELS_MAX);
	s->columns = arena_array(b->arena, size_t, s->n);
	s->names = arena_array(b->arena, struct str, s->n);
	for (size_t k = 0; k < s->n; k++) {
		s->names[k] = pattern_name(s->pattern, k);
		s->columns[k] = columns_number(b->columns, s->names[k]);
	}
	s->no_match = stage_failure_new(b, "no match");
	return s;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct label_memo *memo = s->labels ? label_memo_new(b->arena, s->n) : NULL;
	struct str *values = arena_array(b->arena, struct str, s->n);
	size_t n_no_match = 0;
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		size_t n;

		if (!stage_text(b, s->source, i, &text))
			continue;
		n = pattern_match(s->pattern, text, values);
		n_no_match += n == 0;
		if (n == 0)
			continue;
		for (size_t k = 0; k < n; k++)
			batch_set_cell(b, s->columns[k], i, cell_string(values[k]));
		for (size_t k = n; k < s->n; k++)
			values[k] = STR_EMPTY;
		if (memo != NULL)
			b->labels[i] = label_memo_set(memo, b->table, b->labels[i], s->names, values);
	}
	stage_failed(s->no_match, b, n_no_match);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_pattern = {
	.name = "pattern",
	.args = args,
	.args_size = sizeof(struct pattern_args),
	.type = &type,
	.doc = "Extracts the captures of a LogQL pattern.",
};

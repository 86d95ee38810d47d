/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/regex.h"

#include "catalog_priv.h"
#include "longship/flow/label_memo.h"

/* stage.regex: named groups of the first match become extracted values (reference 8.20). */

struct regex_args {
	struct str expression, source;
	bool labels_from_groups;
};

static const struct arg_spec args[] = {
	{.name = "expression",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct regex_args, expression),
		.doc = "RE2 expression with named groups."},
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct regex_args, source),
		.doc = "Extracted value to read instead of the line."},
	{.name = "labels_from_groups",
		.kind = ARG_BOOL,
		.offset = offsetof(struct regex_args, labels_from_groups),
		.doc = "Set labels from the groups, too."},
	{0},
};

struct state {
	const struct regex *regex;
	size_t source;
	size_t n; /* named groups */
	size_t *groups, *columns;
	struct str *names;
	bool labels;
	struct stage_failure *no_match, *limit;
};

static void
add_groups(struct stage_builder *b, struct state *s)
{
	size_t groups = regex_groups(s->regex);

	s->groups = arena_array(b->arena, size_t, groups + 1);
	s->columns = arena_array(b->arena, size_t, groups + 1);
	s->names = arena_array(b->arena, struct str, groups + 1);
	for (size_t i = 1; i <= groups; i++) {
		struct str name = regex_group_name(s->regex, i);

		if (name.len == 0)
			continue;
		s->groups[s->n] = i;
		s->names[s->n] = name;
		s->columns[s->n++] = columns_number(b->columns, name);
	}
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct regex_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->expression.len == 0)
		return stage_fail(b, "expression is required");
	if (!stage_source(b, a->source, &s->source))
		return NULL;
	s->regex = stage_regex_compile(b, a->expression, "could not compile regular expression: ");
	if (s->regex == NULL)
		return NULL;
	add_groups(b, s);
	s->labels = a->labels_from_groups;
	if (s->labels && s->n > LABELS_MAX)
		return stage_fail(b, "labels_from_groups: more than %d groups", LABELS_MAX);
	s->no_match = stage_failure_new(b, "no match");
	s->limit = stage_failure_new(b, "match limit reached");
	return s;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct regex_match match = {0};
	struct label_memo *memo = s->labels ? label_memo_new(b->arena, s->n) : NULL;
	struct str *values = arena_array(b->arena, struct str, s->n + 1);
	size_t n_no_match = 0, n_limit = 0;
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		enum regex_result result;

		if (!stage_text(b, s->source, i, &text))
			continue;
		result = regex_match(s->regex, text, 0, &match);
		n_no_match += result == REGEX_NO;
		n_limit += result == REGEX_LIMIT;
		if (result != REGEX_YES)
			continue;
		for (size_t k = 0; k < s->n; k++) {
			values[k] = regex_group(&match, text, s->groups[k]);
			if (values[k].s == NULL)
				values[k] = STR("");
			batch_set_cell(b, s->columns[k], i, cell_string(values[k]));
		}
		if (memo != NULL)
			b->labels[i] = label_memo_set(memo, b->table, b->labels[i], s->names, values);
	}
	regex_match_done(&match);
	stage_failed(s->no_match, b, n_no_match);
	stage_failed(s->limit, b, n_limit);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_regex = {
	.name = "regex",
	.args = args,
	.args_size = sizeof(struct regex_args),
	.type = &type,
	.doc = "Extracts the named groups of a regular expression.",
};

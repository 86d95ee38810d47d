/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/json.h"

#include "catalog_priv.h"
#include "longship/codec/jmespath.h"
#include "longship/codec/regex.h"

/*
 * stage.json: fields of a JSON line become extracted values (reference 8.8). Field paths are read in the one pass that
 * checks the text; only for other expressions the line becomes a tree, in memory that is kept from line to line.
 */

struct json_args {
	struct str_map expressions;
	struct str regex, source;
	bool drop_malformed;
};

static const struct arg_spec args[] = {
	{.name = "expressions",
		.kind = ARG_STRING_MAP,
		.offset = offsetof(struct json_args, expressions),
		.doc = "Extracted name = JMESPath expression; an empty one is the name itself."},
	{.name = "regex",
		.kind = ARG_STRING,
		.offset = offsetof(struct json_args, regex),
		.doc = "Selects fields of the top level by name, extracted under their own name."},
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct json_args, source),
		.doc = "Extracted value to read instead of the line."},
	{.name = "drop_malformed",
		.kind = ARG_BOOL,
		.offset = offsetof(struct json_args, drop_malformed),
		.doc = "Drop entries whose text is no JSON object."},
	{0},
};

struct general {
	const struct jmespath *expression;
	size_t column;
};

struct state {
	struct json_paths *paths;
	size_t *columns;	 /* of each path */
	struct general *general; /* the expressions that are no paths */
	size_t n_general;
	size_t source;
	const struct regex *regex; /* or NULL */
	bool drop_malformed;
	struct stage_failure *malformed, *unanswered;
};

/* Alloy counts these on no metric; longship's ledger does. */
static const struct drop_reason malformed = {.name = "malformed_json"};

static bool
build_expression(struct stage_builder *b, struct state *s, struct str text, size_t column)
{
	const struct jmespath *expression;
	struct str error;

	if (json_paths_add(s->paths, text, &error)) {
		s->columns[json_paths_count(s->paths) - 1] = column;
		return true;
	}
	expression = jmespath_compile(b->arena, text, &error);
	if (expression == NULL) {
		(void)stage_fail(b, "could not compile JMES expression: \"%.*s\": %.*s", STR_FMT(text), STR_FMT(error));
		return false;
	}
	s->general[s->n_general++] = (struct general){expression, column};
	return true;
}

static bool
build_expressions(struct stage_builder *b, struct state *s, const struct str_map *expressions)
{
	bool ok = true;

	s->paths = json_paths_new(b->arena);
	s->columns = arena_array(b->arena, size_t, expressions->n + 1);
	s->general = arena_array(b->arena, struct general, expressions->n);
	for (size_t i = 0; i < expressions->n; i++) {
		struct str name = expressions->items[i].name, text = expressions->items[i].value;

		if (!build_expression(b, s, text.len > 0 ? text : name, columns_number(b->columns, name)))
			ok = false;
	}
	return ok;
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct json_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->expressions.n == 0 && a->regex.len == 0)
		return stage_fail(b, "JMES expressions or regex is required");
	if (!stage_source(b, a->source, &s->source) || !build_expressions(b, s, &a->expressions))
		return NULL;
	if (a->regex.len > 0) {
		s->regex = stage_regex_compile(b, a->regex, NULL);
		if (s->regex == NULL)
			return NULL;
	}
	s->drop_malformed = a->drop_malformed;
	s->malformed = stage_failure_new(b, "malformed JSON");
	s->unanswered = s->n_general > 0 ? stage_failure_new(b, "expression failed") : NULL;
	return s;
}

static struct cell
to_cell(const struct json_value *v)
{
	switch (v->kind) {
	case JSON_STRING:
		return cell_string(v->text);
	case JSON_NUMBER:
		return (struct cell){.kind = CELL_NUMBER, .number = v->number};
	case JSON_BOOL:
		return (struct cell){.kind = CELL_BOOL, .boolean = v->boolean};
	case JSON_NULL:
		break;
	}
	return (struct cell){.kind = CELL_NIL};
}

static bool
select_field(void *ptr, struct str name)
{
	const struct state *s = ptr;

	return regex_test(s->regex, name) == REGEX_YES;
}

/* A runtime error stores nothing; false. */
static bool
apply_general(const struct state *s, struct jmespath_run *run, struct batch *b, size_t i, struct str text)
{
	struct json_value value;
	bool ok = true;

	if (!jmespath_run_load(run, text))
		return false;
	for (size_t k = 0; k < s->n_general; k++) {
		if (jmespath_run_get(run, s->general[k].expression, b->arena, &value))
			batch_set_cell(b, s->general[k].column, i, to_cell(&value));
		else
			ok = false;
	}
	return ok;
}

static void
apply(void *state, struct batch *b)
{
	struct state *s = state;
	struct jmespath_run *run = s->n_general > 0 ? jmespath_run_new() : NULL;
	size_t n = json_paths_count(s->paths);
	struct json_value *values = arena_array(b->arena, struct json_value, n + 1);
	struct json_shape *shape = arena_make(b->arena, struct json_shape);
	struct json_fields fields = {.select = select_field, .ptr = s};
	size_t n_malformed = 0, n_unanswered = 0;
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		if (!stage_text(b, s->source, i, &text))
			continue;
		if (!json_extract(s->paths, text, b->arena, shape, values, s->regex != NULL ? &fields : NULL)) {
			n_malformed++;
			if (s->drop_malformed)
				batch_drop(b, i, &malformed);
			continue;
		}
		for (size_t k = 0; k < n; k++)
			batch_set_cell(b, s->columns[k], i, to_cell(&values[k]));
		if (run != NULL && !apply_general(s, run, b, i, text))
			n_unanswered++;
		for (size_t k = 0; k < fields.n; k++)
			batch_set_named(b, fields.items[k].name, i, to_cell(&fields.items[k].value));
	}
	jmespath_run_free(run);
	stage_failed(s->malformed, b, n_malformed);
	stage_failed(s->unanswered, b, n_unanswered);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_json = {
	.name = "json",
	.args = args,
	.args_size = sizeof(struct json_args),
	.type = &type,
	.doc = "Extracts values from JSON text.",
};

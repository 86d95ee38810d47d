/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/json.h"

#include "catalog_priv.h"
#include "longship/codec/regex.h"

/* stage.json: fields of a JSON line become extracted values (reference 8.8). */

struct json_args {
	struct str_map expressions;
	struct str regex, source;
	bool drop_malformed;
};

static const struct arg_spec args[] = {
	{.name = "expressions",
		.kind = ARG_STRING_MAP,
		.offset = offsetof(struct json_args, expressions),
		.doc = "Extracted name = field path; an empty path is the name itself."},
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

struct state {
	struct json_paths *paths;
	size_t *columns; /* of each path */
	size_t source;
	const struct regex *regex; /* or NULL */
	bool drop_malformed;
};

/* Alloy counts these on no metric; longship's ledger does. */
static const struct drop_reason malformed = {.name = "malformed_json"};

static bool
build_paths(struct stage_builder *b, struct state *s, const struct str_map *expressions)
{
	struct str error;
	bool ok = true;

	s->paths = json_paths_new(b->arena);
	s->columns = arena_array(b->arena, size_t, expressions->n + 1);
	for (size_t i = 0; i < expressions->n; i++) {
		struct str name = expressions->items[i].name, path = expressions->items[i].value;

		path = path.len > 0 ? path : name;
		s->columns[i] = columns_number(b->columns, name);
		if (json_paths_add(s->paths, path, &error))
			continue;
		(void)stage_fail(b, "could not compile JMES expression: \"%.*s\": %.*s", STR_FMT(path), STR_FMT(error));
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
	if (!stage_source(b, a->source, &s->source) || !build_paths(b, s, &a->expressions))
		return NULL;
	if (a->regex.len > 0) {
		s->regex = stage_regex_compile(b, a->regex, NULL);
		if (s->regex == NULL)
			return NULL;
	}
	s->drop_malformed = a->drop_malformed;
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

static void
apply(void *state, struct batch *b)
{
	struct state *s = state;
	size_t n = json_paths_count(s->paths);
	struct json_value *values = arena_array(b->arena, struct json_value, n + 1);
	struct json_shape *shape = arena_make(b->arena, struct json_shape);
	struct json_fields fields = {.select = select_field, .ptr = s};
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		if (!stage_text(b, s->source, i, &text))
			continue;
		if (!json_extract(s->paths, text, b->arena, shape, values, s->regex != NULL ? &fields : NULL)) {
			if (s->drop_malformed)
				batch_drop(b, i, &malformed);
			continue;
		}
		for (size_t k = 0; k < n; k++)
			batch_set_cell(b, s->columns[k], i, to_cell(&values[k]));
		for (size_t k = 0; k < fields.n; k++)
			batch_set_named(b, fields.items[k].name, i, to_cell(&fields.items[k].value));
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_json = {
	.name = "json",
	.args = args,
	.args_size = sizeof(struct json_args),
	.type = &type,
	.doc = "Extracts values from JSON text.",
};

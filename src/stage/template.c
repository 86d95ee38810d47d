/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/template.h"
#include "longship/flow/template_fields.h"

#include "catalog_priv.h"

/* stage.template: an extracted value becomes what a Go template makes of it (reference 8.26). */

struct template_args {
	struct str source, template;
};

static const struct arg_spec args[] = {
	{.name = "source",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct template_args, source),
		.doc = "Extracted value to set; .Value is what it was."},
	{.name = "template",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct template_args, template),
		.doc = "Go template of the new value; .Entry is the line, .NAME an extracted value."},
	{0},
};

struct state {
	struct template_fields fields;
	size_t source;
	struct stage_failure *failed;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct template_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->source.len == 0)
		return stage_fail(b, "template source value is required");
	s->source = columns_number(b->columns, a->source);
	s->failed = stage_failure_new(b, "template failed");
	return template_fields_init(&s->fields, b, a->template, "") ? s : NULL;
}

struct line {
	const struct state *state;
	const struct batch *batch;
	size_t i;
};

static bool
get(void *ptr, size_t number, struct str *ret)
{
	const struct line *line = ptr;
	const struct template_fields *fields = &line->state->fields;

	if (number == fields->entry) {
		*ret = line->batch->line[line->i];
		return true;
	}
	if (number == fields->value && stage_text(line->batch, line->state->source, line->i, ret))
		return true;
	return stage_text(line->batch, fields->columns[number], line->i, ret);
}

static void
each(void *ptr, void (*add)(void *to, struct str name, struct str value), void *to)
{
	const struct line *line = ptr;
	struct str text;

	/* What is added later wins. */
	template_fields_each(line->batch, line->i, add, to);
	if (stage_text(line->batch, line->state->source, line->i, &text))
		add(to, STR("Value"), text);
	add(to, STR("Entry"), line->batch->line[line->i]);
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct line line = {.state = s, .batch = b};
	struct template_data data = {.get = get, .each = each, .ptr = &line};
	struct template_run *run = template_run_new();
	size_t n_failed = 0;
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		line.i = i;
		data.now_ns = b->mark != NULL ? b->mark[i] : b->ts[i];
		if (!template_execute(run, s->fields.template, &data, &text)) {
			n_failed++;
			continue;
		}
		batch_set_cell(b, s->source, i, text.len > 0 ? cell_string(arena_str(b->arena, text)) : (struct cell){.kind = CELL_ABSENT});
	}
	template_run_free(run);
	stage_failed(s->failed, b, n_failed);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_template = {
	.name = "template",
	.args = args,
	.args_size = sizeof(struct template_args),
	.type = &type,
	.doc = "Sets an extracted value by a Go template.",
};

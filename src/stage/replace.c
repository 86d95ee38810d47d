/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/buf.h"
#include "longship/base/limits.h"
#include "longship/codec/regex.h"
#include "longship/codec/template.h"
#include "longship/flow/template_fields.h"

#include "catalog_priv.h"

/*
 * stage.replace: what the groups of an expression capture becomes what a Go template makes of it (reference 8.21). Only
 * groups are replaced, not the match; a group inside one that was replaced is not, but its result is extracted.
 */

struct replace_args {
	struct str expression, source, replace;
};

static const struct arg_spec args[] = {
	{.name = "expression",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct replace_args, expression),
		.doc = "RE2 expression; what its groups capture is replaced."},
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct replace_args, source),
		.doc = "Extracted value to change instead of the line."},
	{.name = "replace",
		.kind = ARG_STRING,
		.offset = offsetof(struct replace_args, replace),
		.doc = "Go template of the new text; .Value is the captured one."},
	{0},
};

struct state {
	const struct regex *regex;
	struct template_fields fields;
	size_t source;
	size_t *columns; /* of each group; SIZE_MAX: it has no name */
	size_t n_named;
	struct stage_failure *failed;
};

/* One entry while it is worked on. */
struct work {
	const struct state *state;
	struct batch *batch;
	size_t i;
	struct str captured;
	struct template_data data;
	struct template_run *run;
	struct regex_match match;
	struct buf out;
	size_t done;	     /* how much of the text is in out */
	struct str *results; /* of the first match's groups */
	size_t n_failed;
	struct str empty;    /* the result for an empty capture; s == NULL: there was none */
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct replace_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);
	size_t groups;

	if (a->expression.len == 0)
		return stage_fail(b, "expression is required");
	s->regex = stage_regex_compile(b, a->expression, "could not compile regular expression: ");
	if (s->regex == NULL || !template_fields_init(&s->fields, b, a->replace, "failed to compile template: "))
		return NULL;
	s->source = a->source.len > 0 ? columns_number(b->columns, a->source) : STAGE_NO_COLUMN;
	groups = regex_groups(s->regex);
	s->columns = arena_array(b->arena, size_t, groups + 1);
	for (size_t i = 1; i <= groups; i++) {
		struct str name = regex_group_name(s->regex, i);

		s->columns[i] = name.len > 0 ? columns_number(b->columns, name) : SIZE_MAX;
		s->n_named += name.len > 0;
	}
	s->failed = stage_failure_new(b, "template failed or match limit reached");
	return s;
}

static bool
get(void *ptr, size_t number, struct str *ret)
{
	const struct work *w = ptr;

	if (number != w->state->fields.value)
		return stage_text(w->batch, w->state->fields.columns[number], w->i, ret);
	*ret = w->captured;
	return true;
}

static void
each(void *ptr, void (*add)(void *to, struct str name, struct str value), void *to)
{
	const struct work *w = ptr;

	template_fields_each(w->batch, w->i, add, to);
	add(to, STR("Value"), w->captured);
}

static bool
replace_group(struct work *w, struct str text, size_t group, bool first)
{
	size_t start = w->match.at[2 * group];
	struct str result;

	w->captured = regex_group(&w->match, text, group);
	if (!template_execute(w->run, w->state->fields.template, &w->data, &result))
		return false;
	if (w->done <= start) {
		(void)buf_append(&w->out, text.s + w->done, start - w->done);
		(void)buf_str(&w->out, result);
		w->done = w->match.at[2 * group + 1];
	}
	if (first && w->state->columns[group] != SIZE_MAX)
		w->results[group] = arena_str(w->batch->arena, result);
	if (w->state->n_named > 0 && w->captured.len == 0 && w->empty.s == NULL)
		w->empty = arena_str(w->batch->arena, result);
	return !w->out.overflow;
}

static bool
replace_match(struct work *w, struct str text, bool first)
{
	for (size_t group = 1; group < w->match.n; group++) {
		if (w->match.at[2 * group] == SIZE_MAX) {
			if (first)
				w->results[group] = STR_EMPTY;
			continue;
		}
		if (!replace_group(w, text, group, first))
			return false;
	}
	return true;
}

static bool
failed(struct work *w)
{
	w->n_failed++;
	return false;
}

/* All matches, as Go's FindAll goes over them: an empty one right behind the last is none. */
static bool
replace_all(struct work *w, struct str text)
{
	size_t last_end = SIZE_MAX;
	bool first = true;

	for (size_t at = 0; at <= text.len;) {
		enum regex_result result = regex_match(w->state->regex, text, at, &w->match);
		size_t start, end, width;
		uint32_t rune;

		if (result == REGEX_LIMIT)
			return failed(w);
		if (result == REGEX_NO)
			break;
		start = w->match.at[0];
		end = w->match.at[1];
		if ((end != at || start != last_end) && !replace_match(w, text, first))
			return failed(w);
		first = false;
		width = str_utf8_decode(str_from_offset(text, end), &rune);
		at = end != at ? end : end + (width > 0 ? width : 1);
		last_end = end;
	}
	return !first;
}

/* A named group that took no part has captured nothing: it is extracted only if another one captured nothing, too. */
static void
extract_groups(struct work *w)
{
	for (size_t group = 1; group <= regex_groups(w->state->regex); group++) {
		struct str result = w->results[group].s != NULL ? w->results[group] : w->empty;

		if (w->state->columns[group] != SIZE_MAX && result.s != NULL)
			batch_set_cell(w->batch, w->state->columns[group], w->i, cell_string(result));
	}
}

static void
replace_entry(struct work *w)
{
	struct batch *b = w->batch;
	struct str text, made;

	if (!stage_text(b, w->state->source, w->i, &text))
		return;
	w->done = 0;
	w->empty = STR_EMPTY;
	buf_clear(&w->out);
	if (!replace_all(w, text))
		return;
	(void)buf_str(&w->out, str_from_offset(text, w->done));
	if (w->out.overflow)
		return;
	made = arena_str(b->arena, buf_view(&w->out));
	if (w->state->source == STAGE_NO_COLUMN)
		b->line[w->i] = made;
	else
		batch_set_cell(b, w->state->source, w->i, cell_string(made));
	extract_groups(w);
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct work w = {.state = s, .batch = b, .run = template_run_new()};

	w.data = (struct template_data){.get = get, .each = each, .ptr = &w, .strings = true};
	w.results = arena_array(b->arena, struct str, regex_groups(s->regex) + 1);
	buf_borrow(&w.out, TEMPLATE_OUTPUT_BYTES_MAX);
	for (w.i = 0; w.i < b->n; w.i++) {
		w.data.now_ns = b->mark != NULL ? b->mark[w.i] : b->ts[w.i];
		replace_entry(&w);
	}
	buf_give_back(&w.out);
	regex_match_done(&w.match);
	template_run_free(w.run);
	stage_failed(s->failed, b, w.n_failed);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_replace = {
	.name = "replace",
	.args = args,
	.args_size = sizeof(struct replace_args),
	.type = &type,
	.doc = "Replaces what the groups of a regular expression capture.",
};

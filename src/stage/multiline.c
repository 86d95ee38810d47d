/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/regex.h"
#include "longship/flow/hold.h"

/*
 * stage.multiline: a line that matches firstline and those behind it, of the same source stream and labels, become one entry. Lines before
 * the first such line pass. A block that was handed on because of max_lines stays open without lines: what follows is a further
 * block that looks like the same first line.
 */

struct multiline_args {
	struct str firstline;
	int64_t lines_max, wait_ns;
	bool trim;
};

static const struct arg_spec args[] = {
	{.name = "firstline",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct multiline_args, firstline),
		.doc = "RE2 expression that the first line of a block matches."},
	{.name = "max_lines",
		.kind = ARG_INT,
		.offset = offsetof(struct multiline_args, lines_max),
		.fallback = "128",
		.min = 0,
		.max = INT64_MAX,
		.doc = "How many lines a block has at most; 0 is no limit."},
	{.name = "max_wait_time",
		.kind = ARG_DURATION,
		.offset = offsetof(struct multiline_args, wait_ns),
		.fallback = "\"3s\"",
		.min = INT64_MIN,
		.max = INT64_MAX,
		.doc = "A block ends when so long no line of its own came and the source was read as far as it went."},
	{.name = "trim_newlines",
		.kind = ARG_BOOL,
		.offset = offsetof(struct multiline_args, trim),
		.fallback = "true",
		.doc = "Whether line ends are taken from each line before lines are joined."},
	{0},
};

struct state {
	const struct regex *firstline;
	size_t lines_max;
	bool trim;
	struct holds *holds;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct multiline_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->wait_ns <= 0)
		return stage_fail(b, "max_wait_time must be greater than 0");
	if (a->firstline.len == 0)
		return stage_fail(b, "multiline stage config must define `firstline` regular expression");
	s->firstline = stage_regex_compile(b, a->firstline, "multiline stage first line regex compilation error");
	s->lines_max = (size_t)a->lines_max;
	s->trim = a->trim;
	s->holds = holds_new(b, &(struct hold_rules){.stage = "multiline", .joint = STR("\n"), .wait_ns = a->wait_ns});
	return s->firstline != NULL ? s : NULL;
}

static struct str
trimmed(struct str line)
{
	while (line.len > 0 && (line.s[line.len - 1] == '\n' || line.s[line.len - 1] == '\r'))
		line.len--;
	return line;
}

static void
take(const struct state *s, struct hold_batch *hb, const struct batch *b, size_t i)
{
	struct hold *h;
	bool first;

	if (hold_is_lineless(hb, i)) {
		hold_pass(hb, i);
		return;
	}
	first = regex_test(s->firstline, b->line[i]) == REGEX_YES;
	h = hold_find(hb, i);
	if (h != NULL && hold_was_over(h)) {
		if (hold_lines(h) > 0)
			hold_put(hb, h);
		hold_forget(hb, h);
		h = NULL;
	}
	if (h == NULL && !first) {
		hold_pass(hb, i);
		return;
	}
	if (h == NULL)
		h = hold_open(hb, i);
	if (first && hold_lines(h) > 0)
		hold_put(hb, h);
	if (first)
		hold_look_like(hb, h, i);
	hold_add(hb, h, i, s->trim ? trimmed(b->line[i]) : b->line[i]);
	if (hold_lines(h) == s->lines_max)
		hold_put(hb, h);
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct hold_batch *hb;

	if (b->n == 0)
		return;
	hb = holds_begin(s->holds, b);
	for (size_t i = 0; i < b->n; i++)
		take(s, hb, b, i);
	holds_end(hb);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_multiline = {
	.name = "multiline",
	.args = args,
	.args_size = sizeof(struct multiline_args),
	.type = &type,
	.doc = "Joins the lines of a block into one entry.",
};

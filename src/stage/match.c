/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/logql.h"
#include "longship/flow/pipeline.h"

/*
 * stage.match: stages for the entries that a LogQL selector selects, or their end. The selected entries
 * run through the inner stages as a batch of their own and come back to their places, so the order stays.
 */

struct match_args {
	struct str selector, action, pipeline_name, reason;
	struct variant_list stages;
};

static const struct arg_spec args[] = {
	{.name = "selector",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct match_args, selector),
		.doc = "LogQL selector with optional line filters."},
	{.name = "action",
		.kind = ARG_STRING,
		.offset = offsetof(struct match_args, action),
		.doc = "\"keep\" (run the stages of the block, the default) or \"drop\"."},
	{.name = "pipeline_name",
		.kind = ARG_STRING,
		.offset = offsetof(struct match_args, pipeline_name),
		.doc = "A name for the reader; means nothing."},
	{.name = "drop_counter_reason",
		.kind = ARG_STRING,
		.offset = offsetof(struct match_args, reason),
		.doc = "Reason on the metric of dropped lines; \"match_stage\" when empty."},
	{.name = "stage",
		.kind = ARG_ENUM_BLOCKS,
		.offset = offsetof(struct match_args, stages),
		.variants = stage_variants,
		.doc = "A step for the selected entries."},
	{0},
};

struct state {
	const struct logql *selector;
	const struct pipeline *inner;     /* or NULL: drop */
	const struct drop_reason *reason; /* or NULL */
};

static bool
check(struct stage_builder *b, const struct match_args *a, bool drop)
{
	if (a->selector.len == 0)
		(void)stage_fail(b, "selector statement required for match stage");
	else if (!drop && a->action.len > 0 && !str_is(a->action, "keep"))
		(void)stage_fail(b, "match stage action should be 'keep' or 'drop'");
	else if (!drop && a->stages.n == 0)
		(void)stage_fail(b, "match stage requires at least one additional stage to be defined in '- stages'");
	else if (drop && a->stages.n > 0)
		(void)stage_fail(b, "match stage configured to drop entries cannot contains stages");
	else
		return true;
	return false;
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct match_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);
	bool drop = str_is(a->action, "drop"), in_filter;
	struct str error = STR_EMPTY;

	if (!check(b, a, drop))
		return NULL;
	s->selector = logql_compile(b->arena, a->selector, &error, &in_filter);
	if (s->selector == NULL)
		return stage_fail(b, "%s: %.*s", in_filter ? "error parsing pipeline" : "invalid selector syntax for match stage",
			STR_FMT(error));
	if (drop) {
		s->reason = stage_drop_reason(b, a->reason.len > 0 ? a->reason : STR("match_stage"));
		return s;
	}
	s->inner = pipeline_new_inner(b, &a->stages);
	return s->inner != NULL ? s : stage_fail(b, "match stage failed to create pipeline from config");
}

static struct str
label_value(const void *ptr, struct str name)
{
	return labels_get(ptr, name);
}

/* Labels are looked at once for each run of entries that share them. */
static size_t
select_entries(const struct state *s, const struct batch *b, bool *which)
{
	const struct labels *last = NULL;
	bool labels_match = false;
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (b->labels[i] != last) {
			last = b->labels[i];
			labels_match = logql_labels(s->selector, label_value, last);
		}
		which[i] = labels_match && logql_line(s->selector, b->line[i]);
		n += which[i];
	}
	return n;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	bool *which = arena_alloc(b->arena, b->n + 1);
	size_t n = select_entries(s, b, which);
	struct batch *picked = b;

	for (size_t i = 0; s->reason != NULL && i < b->n; i++) {
		if (which[i])
			batch_drop(b, i, s->reason);
	}
	if (n == 0 || s->reason != NULL)
		return;
	if (n < b->n)
		picked = batch_pick(b, which, n);
	pipeline_reseed(picked);
	pipeline_run_inner(s->inner, picked);
	if (picked != b)
		batch_put_back(b, which, picked);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_match = {
	.name = "match",
	.args = args,
	.args_size = sizeof(struct match_args),
	.type = &type,
	.doc = "Runs stages over the entries that a LogQL selector selects, or drops them.",
};

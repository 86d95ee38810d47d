/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discovery.relabel: rewrites targets by rules and exports them, and the rules for others to use.
 */
#include <errno.h>

#include "longship/base/log.h"
#include "longship/flow/component.h"
#include "longship/flow/relabel.h"
#include "longship/flow/targets.h"

struct relabel_args {
	struct target_list targets;
	struct block_list rules;
};

struct state {
	struct relabel_kept kept;
	bool warned;
};

static const struct arg_spec spec[] = {
	{.name = "targets", .kind = ARG_TARGETS, .offset = offsetof(struct relabel_args, targets),
		.doc = "Targets to rewrite; may be left out where only the rules are wanted."},
	{.name = "rule", .kind = ARG_BLOCKS, .offset = offsetof(struct relabel_args, rules), .sub = relabel_rule_spec,
		.sub_size = sizeof(struct relabel_rule_args), .sub_check = relabel_rule_check, .doc = "A relabelling rule; they run from top to bottom."},
	{0},
};

static const char *const exports[] = {"output", "rules", NULL};

static bool
check(const void *arguments, struct src_pos at, struct diags *diags)
{
	const struct relabel_args *args = arguments;

	(void)at;
	return relabel_check(&args->rules, diags);
}

/* Compiles the rules where they have changed, and exports them. */
static void
set_rules(struct component *c, const struct relabel_args *args)
{
	struct state *s = c->state;
	struct value value;

	if (!relabel_keep(&s->kept, &args->rules))
		return;
	value = value_capsule(&capsule_relabel_rules, s->kept.rules);
	component_export(c, "rules", &value);
}

static void
export_targets(struct component *c, const struct relabel_args *args)
{
	struct state *s = c->state;
	struct arena *arena = arena_new(0);
	struct target_list kept = {.items = arena_array(arena, struct target, args->targets.n + 1)};
	struct value value;
	bool complete = true;

	for (size_t i = 0; i < args->targets.n; i++) {
		struct labels_builder builder;

		complete &= targets_to_labels(&args->targets.items[i], &builder);
		if (relabel_apply_target(s->kept.rules, &builder, arena))
			kept.items[kept.n++] = targets_from_labels(arena, &builder);
	}
	if (!complete && !s->warned)
		log_warn(c->id, "targets have too many labels, the last ones are left out", "max", log_i64(LABELS_MAX), NULL);
	s->warned = !complete;
	value = targets_value(arena, &kept);
	component_export(c, "output", &value);
	arena_free(arena);
}

static int
start(struct component *c, const void *arguments)
{
	const struct state *s = c->state;

	set_rules(c, arguments);
	if (s->kept.rules == NULL)
		return component_fail(c, -EINVAL, "the rules cannot be compiled");
	export_targets(c, arguments);
	return 0;
}

static void
update(struct component *c, const void *old_arguments, const void *arguments)
{
	(void)old_arguments;
	set_rules(c, arguments);
	export_targets(c, arguments);
}

static void
stop(struct component *c)
{
	struct state *s = c->state;

	relabel_kept_done(&s->kept);
	*s = (struct state){0};
}

static struct value
zero_export(struct arena *arena, const char *name)
{
	(void)arena;
	return str_is(STR("output"), name) ? targets_none() : value_capsule(&capsule_relabel_rules, NULL);
}

const struct component_type discovery_relabel = {
	.name = "discovery.relabel",
	.args = spec,
	.args_size = sizeof(struct relabel_args),
	.state_size = sizeof(struct state),
	.exports = exports,
	.doc = "Rewrites, keeps and drops targets by relabelling rules.",
	.check = check,
	.start = start,
	.update = update,
	.stop = stop,
	.zero_export = zero_export,
};

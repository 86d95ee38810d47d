/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loki.enrich: entries whose label equals a target's label get labels of that target. Targets are found by a map from
 * the value they match with, made when they change; within a batch a label set is looked up once.
 */
#include <stdatomic.h>

#include "longship/base/log.h"
#include "longship/base/map.h"
#include "longship/flow/component.h"
#include "longship/flow/label_memo.h"
#include "longship/flow/targets.h"

struct enrich_args {
	struct target_list targets;
	struct str target_match_label, logs_match_label;
	struct str_list labels_to_copy;
	struct ptr_list forward_to;
};

struct state {
	struct map targets; /* value of target_match_label → struct target of the current arguments; of several the last */
	bool made;
	_Atomic bool warned;
};

static const struct arg_spec spec[] = {
	{.name = "forward_to", .kind = ARG_CAPSULE_LIST, .flags = ARG_REQUIRED, .offset = offsetof(struct enrich_args, forward_to),
		.capsule = &capsule_logs_receiver, .doc = "Where entries go."},
	{.name = "targets", .kind = ARG_TARGETS, .flags = ARG_REQUIRED, .offset = offsetof(struct enrich_args, targets),
		.doc = "Targets whose labels entries get; usually those of a discovery component."},
	{.name = "target_match_label", .kind = ARG_STRING, .flags = ARG_REQUIRED, .offset = offsetof(struct enrich_args, target_match_label),
		.doc = "The label of a target that must equal the entry's."},
	{.name = "logs_match_label", .kind = ARG_STRING, .offset = offsetof(struct enrich_args, logs_match_label),
		.doc = "The label of an entry that must equal the target's; when left out, target_match_label."},
	{.name = "labels_to_copy", .kind = ARG_STRING_LIST, .offset = offsetof(struct enrich_args, labels_to_copy),
		.doc = "Labels of the target to set on the entry; when empty, all, also those that start with __. They replace the entry's own."},
	{0},
};

/* Lanes. */

static bool
copy_labels(struct labels_builder *builder, const struct target *target, const struct str_list *wanted)
{
	bool all = true;

	for (size_t i = 0; wanted->n == 0 && i < target->n; i++)
		all &= labels_builder_set(builder, target->labels[i].name, target->labels[i].value);
	for (size_t i = 0; i < wanted->n; i++) {
		struct str value = targets_label(target, wanted->items[i]);

		if (value.len > 0)
			all &= labels_builder_set(builder, wanted->items[i], value);
	}
	return all;
}

static const struct labels *
enriched(struct component *c, struct batch *b, const struct labels *set)
{
	const struct enrich_args *args = c->args;
	struct state *s = c->state;
	struct str name = args->logs_match_label.len > 0 ? args->logs_match_label : args->target_match_label;
	struct str value = labels_get(set, name);
	const struct target *target = value.len > 0 ? map_get(&s->targets, value) : NULL;
	struct labels_builder builder;

	if (target == NULL)
		return set;
	labels_builder_from(&builder, set);
	if (!copy_labels(&builder, target, &args->labels_to_copy) && !atomic_exchange(&s->warned, true))
		log_warn(c->id, "an entry would get too many labels, the last ones are left out", "max", log_i64(LABELS_MAX), NULL);
	return labels_intern(b->table, builder.items, builder.n);
}

static void
consume(struct component *c, struct batch *b)
{
	const struct enrich_args *args = c->args;
	const struct labels *last = NULL, *result = NULL;
	struct label_memo *memo = NULL;

	for (size_t i = 0; i < b->n; i++) {
		if (b->labels[i] != last) {
			const struct labels **slot;

			last = b->labels[i];
			memo = memo != NULL ? memo : label_memo_new(b->arena, 0);
			slot = label_memo_at(memo, last, NULL);
			if (*slot == NULL)
				*slot = enriched(c, b, last);
			result = *slot;
		}
		b->labels[i] = result;
	}
	component_forward(&args->forward_to, b);
}

/* Control thread. */

static void
index_targets(struct state *s, const struct enrich_args *args)
{
	map_init(&s->targets);
	s->made = true;
	atomic_store(&s->warned, false);
	for (size_t i = 0; i < args->targets.n; i++) {
		struct str value = targets_label(&args->targets.items[i], args->target_match_label);

		if (value.len > 0)
			(void)map_set(&s->targets, value, &args->targets.items[i]);
	}
}

static void
forget_targets(struct state *s)
{
	if (s->made)
		map_done(&s->targets);
	s->made = false;
}

static int
start(struct component *c, const void *arguments)
{
	index_targets(c->state, arguments);
	return 0;
}

static void
update(struct component *c, const void *old_arguments, const void *arguments)
{
	(void)old_arguments;
	forget_targets(c->state);
	index_targets(c->state, arguments);
}

static void
stop(struct component *c)
{
	forget_targets(c->state);
}

const struct component_type loki_enrich = {
	.name = "loki.enrich",
	.flags = COMPONENT_CONSUMES | COMPONENT_FORWARDS,
	.args = spec,
	.args_size = sizeof(struct enrich_args),
	.state_size = sizeof(struct state),
	.doc = "Adds labels of targets to the entries that match them.",
	.start = start,
	.update = update,
	.consume = consume,
	.stop = stop,
};

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Prometheus relabelling: rules over a label set. Compiled rules are
 * immutable and may be shared by threads; scratch memory comes from the caller.
 */
#include <stdbool.h>

#include "longship/base/arena.h"
#include "longship/flow/labels.h"
#include "longship/lang/args.h"

struct relabel;

/* Decoded `rule` block; the table relabel_rule_spec describes it. */
struct relabel_rule_args {
	struct str_list source_labels;
	struct str separator, regex, target_label, replacement, action;
	int64_t modulus;
	struct src_pos pos;
};
extern const struct arg_spec relabel_rule_spec[];
/* sub_check of the rule block. */
bool relabel_rule_check(const void *args, struct src_pos at, struct diags *);

/* Compiles rules (struct relabel_rule_args in a block_list); NULL with diagnostics. Lives in the arena. */
struct relabel *relabel_compile(struct arena *, const struct block_list *rules, struct diags *);
size_t relabel_rules(const struct relabel *);
/* Rule i as it was written: for who wants to know what the rules look at. */
const struct relabel_rule_args *relabel_rule(const struct relabel *, size_t i);
/* Applies all rules to the builder. false: a rule dropped the set. scratch holds made strings. An expanded target_label that is
 * no legacy name is skipped. */
bool relabel_apply(const struct relabel *, struct labels_builder *, struct arena *scratch);
/* The same for targets (discovery.relabel), where any UTF-8 text is a label name. */
bool relabel_apply_target(const struct relabel *, struct labels_builder *, struct arena *scratch);
/* Deep equality of the rules, so that an unchanged export triggers nothing. */
bool relabel_equal(const struct relabel *, const struct relabel *);

/*
 * Rules that others hold by pointer must outlive their holders' next update, so a component keeps its last generations: who refers to them
 * is updated in the same turn of the loop. Zeroed at first.
 */
#define RELABEL_GENERATIONS 4
struct relabel_kept {
	struct arena *arenas[RELABEL_GENERATIONS];
	size_t generation;
	struct relabel *rules; /* NULL: none yet */
};
/* For component_type.check. */
bool relabel_check(const struct block_list *rules, struct diags *);
/* Compiles rules that have passed the check; false: they are as before. */
bool relabel_keep(struct relabel_kept *, const struct block_list *rules);
void relabel_kept_done(struct relabel_kept *);

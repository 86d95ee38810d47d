/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Lists of targets as values, for components that export them. Control thread. */
#include "longship/lang/args.h"
#include "longship/lang/value.h"

struct labels_builder;

/* The list as an array of targets; texts are borrowed (component_export copies). */
struct value targets_value(struct arena *, const struct target_list *);
/* What a target list is before a component has started: for zero_export. */
struct value targets_none(void);
/* The value of a label; s == NULL when the target has none. */
struct str targets_label(const struct target *, struct str name);
/* A target from the labels, sorted by name; those without a value are left out. Texts are borrowed. */
struct target targets_from_labels(struct arena *, const struct labels_builder *);
/* false: more than LABELS_MAX labels, of which the last are missing. */
bool targets_to_labels(const struct target *, struct labels_builder *ret);

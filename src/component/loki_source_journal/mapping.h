/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From the fields of a journal entry to an entry's labels and line, as Alloy does it: `labels`, then job, then __journal_… for
 * each field, then the rules; what begins with __ afterwards goes. Immutable while lanes run.
 */
#include "longship/flow/labels.h"
#include "longship/flow/relabel.h"
#include "longship/lang/args.h"

struct mapping {
	struct str job; /* the component's id */
	const struct str_map *labels;
	const struct relabel *rules; /* NULL: none */
};

/* fields: as journal_wire_field takes them apart. NULL: the entry is dropped for it has no labels left, or by a rule. */
const struct labels *mapping_labels(const struct mapping *, struct arena *, struct labels_table *, struct str fields);
/* All fields as one JSON object with sorted keys, as Go's encoder writes it. */
struct str mapping_json(struct arena *, struct str fields);

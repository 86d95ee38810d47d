/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The labels of targets without __path__, kept once for all targets that have the same: thousands of files share a handful of sets.
 * Control thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/map.h"
#include "longship/lang/args.h"

struct shared_labels {
	size_t refs;
	struct arena *arena;
	struct target labels; /* in the target's order, without __path__ */
};

/* sets: text of the labels → struct shared_labels; emptied by the last unref. A reference, for shared_labels_unref. */
struct shared_labels *shared_labels_get(struct map *sets, const struct target *);
void shared_labels_unref(struct map *sets, struct shared_labels *);
/* Whether the target's labels but for __path__ are these. */
bool shared_labels_are_of(const struct shared_labels *, const struct target *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Remembers, for one stage and one batch, what a label set becomes: keyed by the set's address and the
 * values that are set, so that the usual line costs a look and no look-up in the table of sets. Lives in
 * the batch's arena; keys borrow the values.
 */
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/flow/labels.h"

struct label_memo;

/* For changes that depend on n values (at most LABELS_MAX; n may be 0). */
struct label_memo *label_memo_new(struct arena *, size_t n);
/* Where the result for base and the values stands; NULL stands there the first time. values[k].s == NULL is a value,
 * too. */
const struct labels **label_memo_at(struct label_memo *, const struct labels *base, const struct str *values);
/* base with names[k] = values[k], those with s == NULL or without well-formed UTF-8 left as they are. */
const struct labels *label_memo_set(struct label_memo *, struct labels_table *, const struct labels *base,
	const struct str *names, const struct str *values);

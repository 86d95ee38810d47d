/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What differs between the entries that a case of `longship test` expects and those that came. */
#include <stdbool.h>
#include <stddef.h>

#include "entry_json_priv.h"
#include "longship/base/buf.h"

/* An expected entry: only what it has is compared. */
struct case_entry {
	bool has_line, has_labels, has_metadata; /* entry.has_ts for the time */
	struct entry_json entry;
};

/* True: equal, and nothing is appended. Else lines that tell what differs, indented. */
bool case_diff(struct buf *, const struct case_entry *want, size_t n_want, const struct entry_json *got, size_t n_got);

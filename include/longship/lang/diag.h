/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Diagnostics of a configuration, as stored records: level, position, text. Collected while loading,
 * sorted and de-duplicated when printed. At most CONFIG_DIAGS_MAX are kept. Printed with
 * a header and an excerpt with carets.
 */
#include <stdbool.h>
#include <stdio.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/lang/source.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING };

struct diag {
	enum diag_level level;
	struct src_pos pos;
	struct str text;
};

struct diags {
	struct arena *arena; /* holds the texts */
	const struct source *source; /* NULL: positions cannot be shown */
	struct diag *items;
	size_t n, cap, n_errors;
};

void diags_init(struct diags *, struct arena *, const struct source *);
void diags_done(struct diags *);
void diag_error(struct diags *, struct src_pos, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_warning(struct diags *, struct src_pos, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Appends another collection. */
void diags_merge(struct diags *, const struct diags *from);
static inline bool
diags_failed(const struct diags *d)
{
	return d->n_errors > 0;
}
/* All of them with excerpts, sorted by position, one empty line between. */
void diags_print(const struct diags *, FILE *, bool colour);
/* The first as "file:l:c: message", with " (and N more diagnostics)": for logs and reload replies. */
void diags_summary(const struct diags *, struct buf *);

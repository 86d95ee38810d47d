/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * LogQL selectors as stage.match takes them: the old subset of `{label="value", …}` with = != =~ !~ and line filters
 * |= != |~ !~ behind it, values in double quotes with Go's escapes. At least one matcher. A compiled selector is
 * immutable; any thread.
 *
 *	const struct logql *q = logql_compile(arena, STR("{app=\"x\"} |= \"error\""), &error, &in_filter);
 *	if (logql_labels(q, labels_value, labels) && logql_line(q, line)) …
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

#define LOGQL_PARTS_MAX 1024 /* matchers and line filters of one selector */

struct logql;

/* NULL with a message. *ret_in_filter: the syntax is fine, but the expression of a line filter is not. */
const struct logql *logql_compile(struct arena *, struct str text, struct str *ret_error, bool *ret_in_filter);
/* Whether the matchers match: value gives that of a label, empty when there is none. */
bool logql_labels(const struct logql *, struct str (*value)(const void *ptr, struct str name), const void *ptr);
/* Whether the line filters do. */
bool logql_line(const struct logql *, struct str line);

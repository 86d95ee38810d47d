/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * LogQL's pattern syntax: literal text with captures, `<name>` and `<_>` (matched, not kept). A literal at the start must
 * stand at the start of the text; each capture ends where the next literal is first found, or with the text. A compiled
 * pattern is immutable; any thread.
 *
 *	const struct pattern *p = pattern_compile(arena, STR("<ip> - <_> [<time>]"), &error);
 *	size_t n = pattern_match(p, line, values);       values[0 … n - 1] belong to pattern_name(p, 0 … n - 1)
 */
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

#define PATTERN_PARTS_MAX 1024 /* literals and captures of one pattern */

struct pattern;

/* Lives in the arena. NULL with a message. */
const struct pattern *pattern_compile(struct arena *, struct str text, struct str *ret_error);
/* Named captures. */
size_t pattern_names(const struct pattern *);
struct str pattern_name(const struct pattern *, size_t i);
/*
 * How many named captures were found, from the first on; values has room for pattern_names and borrows from the text. When a
 * literal is missing, the capture before it takes the rest, and the ones behind it are not found.
 */
size_t pattern_match(const struct pattern *, struct str text, struct str *values);

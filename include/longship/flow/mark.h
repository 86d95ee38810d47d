/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Line times. A line without a time of its own gets one from its span's mark: base + number of the line.
 * One allocator for the process hands out ranges that never overlap: two equal lines of one stream must not
 * become equal entries, which Loki would merge. Any thread.
 */
#include <stdint.h>

struct marks;

#define MARK_AHEAD_MAX_NS (INT64_C(300) * 1000000000) /* a clock that was this far ahead is not followed */

/* last_ns: the newest time handed out by an earlier process (positions_last_ns), 0 if none. */
struct marks *marks_new(int64_t last_ns);
void marks_free(struct marks *);
/* The base of n consecutive times: seen_ns, but after all times handed out before, unless those are more than MARK_AHEAD_MAX_NS ahead
 * of now. */
int64_t marks_take(struct marks *, int64_t seen_ns, uint64_t n);

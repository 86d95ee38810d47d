/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What content.c and content_lines.c share. */
#include <stdatomic.h>

#include "content.h"

enum invalid_utf8 { INVALID_KEEP, INVALID_REPLACE, INVALID_ESCAPE };
enum long_action { LONG_SPLIT, LONG_TRUNCATE };

struct content_rules {
	_Atomic unsigned refs;
	struct charset *charset; /* as configured; NULL: UTF-8 */
	bool packed;
	enum decompress_format format;
	int64_t delay_ns;
	enum invalid_utf8 invalid;
	enum long_action action;
	size_t limit_bytes; /* of a line */
	struct str mark;    /* owned */
	struct str encoding; /* as written; owned */
	_Atomic int64_t flush_partial_ns, rotated_wait_ns;
	struct content_metrics metrics;
};

/* How many bytes of a longer line are good to be cut off at once: no character is cut in the middle. */
size_t content_cut(const struct content *, struct str text);
/* The least that content_whole_lines makes of a line that is longer than a span. */
size_t content_cut_min(const struct content *);

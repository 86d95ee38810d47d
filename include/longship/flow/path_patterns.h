/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Targets whose __path__ is a pattern, as the files that exist: for components that look for files. What is wrong
 * with a pattern, or that it finds nothing, is said once in the component's log, and again when it changes. Control thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/lang/args.h"

struct component;

struct path_patterns { /* what was last said of each; start from {0} */
	uint8_t *told;
	size_t n;
};

struct path_matches {
	struct target_list list; /* targets with the paths of files; items are the caller's (mem_free), texts in the arena */
	size_t at_fault;	 /* patterns that cannot be expanded, or find too much */
	bool exhausted;		 /* out of descriptors or memory: files that were not seen are not files that are gone */
};

/* For n patterns, other ones than before. */
void path_patterns_reset(struct path_patterns *, size_t n);
void path_patterns_done(struct path_patterns *);
/* Looks for files. __path_exclude__ of a target is a pattern for paths to leave out; files not written for ignore_older_than_ns
 * are left out, too (0: none). */
struct path_matches path_patterns_look(struct path_patterns *, struct component *, const struct target_list *patterns,
	int64_t ignore_older_than_ns, struct arena *);

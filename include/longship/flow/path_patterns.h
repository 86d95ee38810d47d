/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Targets whose __path__ is a pattern, as the files that exist: for components that look for files. What is wrong
 * with a pattern, or that it finds nothing, is said once in the component's log, and again when it changes. Control thread.
 *
 * The component looks by a timer. Where the kernel tells of changes (the directories that the patterns lead to are watched) a turn of
 * the timer is free while nothing has appeared or gone, and a new file makes the timer fire soon:
 *
 *	path_patterns_time(&p, timer, sync_period_ns);  // starts the timer
 *	on its turn: if (!path_patterns_unchanged(&p)) … path_patterns_look(&p, …);
 *
 * Where a new file's path alone says that it belongs to them, nothing is looked for: the path is added to what was found, and the
 * component is told in the next turn of the loop (path_patterns_tell), once for all that have come.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/lang/args.h"
#include "longship/lang/path_targets.h"

#include "longship/base/map.h"

struct component;
struct loop_timer;

struct path_patterns { /* start from {0} */
	uint8_t *told; /* what was last said of each */
	size_t n;
	struct map dirs;	 /* path → struct pattern_dir: what is watched */
	struct target_list patterns; /* of the last look */
	struct component *component; /* of the last look */
	struct path_targets *found;  /* by the last look that was not exhausted, and what came since; NULL: nothing yet */
	int64_t ignore_older_than_ns;
	void (*grown)(void *ptr, struct path_targets *found); /* NULL: each change is looked at */
	void *grown_ptr;
	bool tells; /* in the next turn */
	struct loop_timer *timer; /* not owned; NULL: nothing is watched */
	int64_t period_ns;
	bool changed;	      /* since the last look */
	bool blind;	      /* some directory cannot be watched */
	bool again;	      /* a directory is watched that was not before: one look more */
	uint64_t looks;
	int64_t looked_ns, cost_ns; /* the end of the last look (monotonic), and how long it took */
};

struct path_matches {
	struct path_targets *targets; /* a group for each pattern; borrowed until the next look; NULL: exhausted, and nothing was found before */
	size_t at_fault;	 /* patterns that cannot be expanded, or find too much */
	bool exhausted;		 /* out of descriptors or memory: files that were not seen are not files that are gone */
};

/* For n patterns, other ones than before. */
void path_patterns_reset(struct path_patterns *, size_t n);
void path_patterns_done(struct path_patterns *);
/* Starts the timer, which then fires every period, and soon after a change. */
void path_patterns_time(struct path_patterns *, struct loop_timer *, int64_t period_ns);
/* Has new files told by fn instead of by a look. */
void path_patterns_tell(struct path_patterns *, void (*fn)(void *ptr, struct path_targets *found), void *ptr);
/* Another look would find the same, but for the age of files. */
bool path_patterns_unchanged(const struct path_patterns *);
/* Looks for files; the patterns live until the next look, or reset. __path_exclude__ of a target is a pattern for paths to leave out; files not written for ignore_older_than_ns
 * are left out, too (0: none). */
struct path_matches path_patterns_look(struct path_patterns *, struct component *, const struct target_list *patterns, int64_t ignore_older_than_ns);

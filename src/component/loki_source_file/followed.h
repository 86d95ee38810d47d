/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which follows there are: one for each target. Where the targets are files that were found (lang/path_targets.h) only those that have come
 * or gone since are looked at. Control thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/lang/args.h"

struct follow_shared;

struct followed { /* start from {.shared = …} */
	struct follow_shared *shared;
	struct path_targets *targets; /* what is followed; NULL: a plain list, or nothing */
	bool renew;		      /* other rules: no follow stays as it is */
};

/* Keeps what is followed already, begins the new, ends the rest. True: all are looked at; false: only what is new. */
bool followed_set(struct followed *, const struct target_list *);
/* Reads what is left of the earlier generations of all follows that have not looked for them, before any of them opens the file that its path
 * names now: one of these may be an earlier generation of another path. */
void followed_recover(struct followed *);
/* Ends all follows. */
void followed_done(struct followed *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Deleted files that are kept open until they are read to their end: the disk gets their space back only then. How much that is can be
 * limited (deleted_limit): over it, those that were deleted first are let go, whatever is unread of them. Control thread.
 */
#include <stdbool.h>
#include <stdint.h>

struct follow_shared;
struct loop_timer;
struct metric;

struct deleted { /* of one component */
	int64_t limit_bytes; /* of the disk; 0: none */
	bool warned;
	struct loop_timer *timer;
	struct metric *bytes, *unread;
};

/* 0 or -errno. */
int deleted_init(struct follow_shared *);
void deleted_done(struct follow_shared *);
/* A file was rotated away: from now on it is looked whether such files are deleted, until there are none. */
void deleted_watch(struct follow_shared *);

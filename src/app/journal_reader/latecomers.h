/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Journal files that have come since the journal was opened. libsystemd takes them in only when it is told to look, and then passes
 * over what is older in them than the entry that was read last; entries of several files are written side by side, so that would be
 * lost: the first entries of a user, or all of them, when the reader was far behind.
 *
 * So a new file is opened on its own at once, and what it holds up to the place that has been reached is read from there. That also
 * keeps it readable when it is vacuumed. When the journal is opened anew, it has all of them, and they start over.
 */
#include <stdbool.h>

#include "longship/base/vec.h"
#include "longship/os/sdjournal.h"
#include "longship/os/sdjournal_files.h"

#define LATECOMERS_MAX 256 /* more files than that in one backlog: they are read when the journal is opened anew, what is left of them */

struct latecomer {
	struct sdjournal *journal; /* stands on `next` */
	struct sdjournal_place next;
	uint8_t id[16]; /* the file's; zeros: a journal of several */
	bool has_next; /* false: at its end, for now */
};

struct latecomers {
	struct sdjournal_list known;
	VEC(struct latecomer) files; /* that may hold something unread */
	int64_t looked_ns;           /* CLOCK_MONOTONIC: who came, came later */
	int64_t changed_ns;          /* CLOCK_MONOTONIC: when directories were last seen to have changed; 0: never */
	bool came, moved;            /* somebody, since latecomers_know; a whole journal, to another directory */
	unsigned failures;           /* looks in a row with a file that could not be opened */
};

/* Before the journal is opened: what is there now is no latecomer. */
void latecomers_know(struct latecomers *, const struct sdjournal_options *);
/* Looks for new files; prepare adds the matches: 0 or -errno. */
void latecomers_look(
	struct latecomers *, const struct sdjournal_options *, int (*prepare)(void *ptr, struct sdjournal *), void *ptr);
/* Takes over a journal that stands before what is unread in it. */
void latecomers_add(struct latecomers *, struct sdjournal *);
/* The oldest entry before the limit: the journal that stands on it; NULL: none. latecomers_go_on steps behind it. */
struct latecomer *latecomers_next(struct latecomers *, const struct sdjournal_place *limit);
void latecomers_go_on(struct latecomers *, struct latecomer *);
/* Opens its file anew, wherever it is now, on the same entry: what is mapped of it is no longer to be trusted. */
void latecomers_reopen(struct latecomer *, const struct sdjournal_options *, int (*prepare)(void *ptr, struct sdjournal *), void *ptr);
void latecomers_done(struct latecomers *);

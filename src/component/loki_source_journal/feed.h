/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A journal as a source stream: the lane takes blocks of records from the reader process's pipe; each block is one span. Who starts
 * the reader is the component (control thread): the pipe is handed over in `fd`, which the lane clears when it has ended.
 */
#include <stdatomic.h>

#include "longship/base/buf.h"
#include "longship/flow/stream.h"
#include "longship/os/journal_wire.h"
#include "mapping.h"

struct feed_metrics {
	struct metric *lines, *no_message, *empty_labels;
	struct metric *gap, *corrupt, *abandoned_removed, *abandoned_damaged, *synthetic, *cut;
};

#define FEED_CACHE 1024 /* label sets of one journal that are found by their fields' bytes; a power of two */

struct feed_slot {
	struct str fields; /* owned */
	uint64_t hash;
	const struct labels *labels; /* NULL: dropped; one reference */
};

struct feed {
	struct stream stream; /* first */

	/* Changed only while lanes are parked. */
	struct mapping mapping;
	bool as_json;

	struct feed_metrics metrics;
	void (*on_end)(void *owner);                            /* the reader has ended; control thread */
	void (*on_note)(void *owner, uint32_t kind, int64_t number, const char *text); /* control thread */
	void *owner; /* control thread; NULL: nobody wants to know */

	_Atomic int fd; /* -1: no reader */

	/* Where the reader stands: the lane's while fd >= 0, else the control thread's. */
	char cursor[512]; /* empty: at the start */
	uint64_t offset;  /* of the stream, at the cursor */
	bool moved;       /* since the reader was started */
	bool broken;      /* it said what cannot be */
	bool given_up;    /* its blocks were given up; it is no fault of its own that it ends */
	uint64_t lost_from, lost_to; /* the loss that was counted last: sequence numbers around it */
	struct journal_end untold;   /* what is lost: no line has told of it yet */

	/* Lane. */
	struct buf in;
	size_t n_taken;         /* bytes of `in` that are done */
	size_t n_scanned;       /* bytes of `in` that hold whole frames */
	uint32_t n_records;     /* among them, since n_taken */
	struct feed_slot cache[FEED_CACHE];
	struct str last_fields; /* of the record before, in `in`; empty: none */
	const struct labels *last_labels;
};

struct feed *feed_new(struct runtime *, struct ledger *, struct str key, const char *name, const struct ptr_list *forward_to);
/* Forgets what the old rules made; the lanes are parked, and no reader runs. */
void feed_forget(struct feed *);
/* Appends the frames that say where the next reader begins: cursor and cuts. since_ns: without a cursor. No reader runs. */
bool feed_write_start(const struct feed *, struct buf *request);

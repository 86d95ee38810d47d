/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Destinations that lag behind a source stream, because they were parked (flow/sender.h) while the stream went on.
 *
 * The stream (`main` here) skips the entries of a destination that lags. A second stream on the same source, the lag's *reader*, reads
 * again from where the destination stands, through the same pipeline, and only that destination's entries of it go out. It runs while the
 * destination takes requests. Once it has come as far as the main stream, that serves the destination again: from `until` on. The
 * reader has its own position and marks in the store, so that a crash repeats no more than elsewhere; its entry goes when both the
 * reader and the main stream are settled up to `until`.
 *
 * A lag begins at a line: what lies before it the main stream sends itself. Requests with such lines may be queued or on the wire when the lag
 * begins: they come to an end, or are taken back and the lag begins with them, before the reader runs. Until then the position that the
 * store has for it is that of the oldest span of which they may have lines.
 * A destination that is parked again before its reader has come to its end gets a further lag, whose reader waits for the first.
 *
 * The ledger: lines that the main stream has skipped stay in flight, in the stream's `pool`, when their receipt settles. A reader takes a
 * line out of the pool when it settles, unless another lag of the same line has not come so far yet: then that one will. Nothing else is
 * counted for a reader: its spans are silent.
 *
 * A main stream and its readers belong to one lane. All functions: that lane's thread, or the control thread while no lane has the
 * streams.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/flow/batch.h"
#include "longship/flow/stream.h"

struct destination;
struct request;
struct send_queue;

#define LAGS_MAX 64 /* of one source stream; what a further destination does not take holds the stream up */

struct lag {
	struct stream *main;
	struct stream *reader;           /* one reference */
	struct destination *destination; /* one reference; NULL until an entry for it was seen in this process */
	uint64_t id;                     /* of the destination (destination_id) */
	unsigned slot;                   /* in the key of the reader: lowest that was free */
	uint64_t until;                  /* the main stream serves the destination from here on; UINT64_MAX: not yet. Under the ledger's lock */
	uint64_t begin;                  /* of the span with which it begins, at this line */
	uint32_t begin_line;
	struct memory *begin_memory;     /* of the stream there; owned */
	uint64_t counted_from;           /* the destination has what lies below it */
	struct send_queue *queue;        /* may carry lines from before `begin` in requests up to this number; NULL: not any more */
	uint64_t carried;
	uint64_t orphan_from, orphan_to; /* what only the reader has of it, as it was when `known` was reset */
	uint64_t marked_to;              /* the store has the times of spans that begin below it */
	uint64_t noted_from;             /* the last span whose times the reader was told */
	bool notes;      /* the reader gives all lines the times that they had when the main stream read them */
	bool restored;   /* it was opened by an earlier process */
	bool known;      /* a consumer had something for its destination since it was restored, or the configuration was loaded */
	bool lost;       /* the source could not be read to its end again */
	bool waits;      /* its reader is not in a lane: settled up to until */
	bool rewind;     /* requests of the reader were taken back: it starts again from its position when all of them are gone */
	bool probing;    /* the reader has the destination's leave to send one request */
	bool emitted;    /* it has something to send */
};

/* What a consumer does with entry i of the batch for the destination of this queue: true: not to be sent, the entry is somebody else's. May
 * flush what is open in the lane. */
bool lag_diverts(struct send_queue *, const struct batch *, size_t i);
/* True when lag_diverts need not be asked for the entries of this batch. */
bool lag_is_plain(const struct destination *, const struct batch *);

/* The batch is of a reader: what does not go to its destination was counted before. */
bool lag_reads(const struct batch *);

/* All requests that are queued in this lane for a parked destination, linked: their lines are left to readers. False, and nothing was done:
 * one of their streams has no room for another lag, or cannot be read again. The requests are the caller's. */
bool lag_take_back(struct destination *, const struct request *first);

/* For the lane (lane.c). */
void lag_begin_run(struct stream *main, struct lane *);  /* before the main stream runs: readers that no lane has; ends of lags */
enum stream_state lag_run(struct stream *reader, struct lane *);
bool lag_can(const struct stream *main);                 /* it need not wait for a parked destination */
bool lag_is_held(const struct stream *reader);           /* it may not run now */
bool lag_has_readers(const struct stream *main);         /* the main stream must stay until they are gone */
void lag_reader_gone(struct stream *reader);             /* the lane has let it go */
bool lag_idles(const struct stream *main);               /* the span that it read went to lagging destinations alone */

/* Whether the store knows a destination that lags behind the stream of this key. Any thread. */
bool lag_is_stored(struct runtime *, struct str main_key);

/* For streams (stream.c). */
void lag_restore(struct stream *main);
void lag_inherit(struct stream *main, struct stream *from);
void lag_go_back(struct stream *main, uint64_t offset);
void lag_done(struct stream *main);
void lag_rewound(struct stream *main); /* all streams were, while lanes are parked */
uint64_t lag_limit(const struct stream *); /* what the next span must not cross, of a main stream or a reader */
/* The text that stands for the cursor in the store. */
#define LAG_CURSOR_BYTES 64
void lag_cursor(const struct lag *, char ret[LAG_CURSOR_BYTES]);

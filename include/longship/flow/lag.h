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

#define LAGS_MAX 64 /* of one source stream; what a further destination does not take holds the stream up */

struct lag {
	struct stream *main;
	struct stream *reader;           /* one reference */
	struct destination *destination; /* one reference; NULL until an entry for it was seen in this process */
	uint64_t id;                     /* of the destination (destination_id) */
	unsigned slot;                   /* in the key of the reader: lowest that was free */
	uint64_t until;                  /* the main stream serves the destination from here on; UINT64_MAX: not yet. Under the ledger's lock */
	uint64_t counted_from;           /* what the reader read below it was read by an earlier process, too */
	uint64_t first_from;             /* lines before first_line of the span at this offset were sent before */
	uint32_t first_line;
	uint64_t noted_from;             /* the last span whose times the reader was told */
	bool notes;      /* the reader gives all lines the times that they had when the main stream read them */
	bool restored;   /* it was opened by an earlier process */
	bool lost;       /* the source could not be read to its end again */
	bool waits;      /* its reader is not in a lane: settled up to until */
	bool rewind;     /* requests of the reader were taken back: it starts again from its position when all of them are gone */
	bool probing;    /* the reader has the destination's leave to send one request */
	bool emitted;    /* it has something to send */
};

/* What a consumer does with entry i of the batch for this destination: true: not to be sent, the entry is somebody else's. */
bool lag_diverts(struct destination *, const struct batch *, size_t i);
/* True when lag_diverts need not be asked for the entries of this batch. */
bool lag_is_plain(const struct destination *, const struct batch *);

/* The batch is of a reader: what does not go to its destination was counted before. */
bool lag_reads(const struct batch *);

/* A request of a parked destination: its lines are left to readers. False: one of its streams has no room for another lag, or cannot be
 * read again. The request is the caller's. */
bool lag_take_back(struct lane *, struct destination *, const struct request *);

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
void lag_rewound(struct stream *reader); /* with all streams, while lanes are parked */
uint64_t lag_limit(const struct stream *); /* what the next span must not cross, of a main stream or a reader */
/* The text that stands for the cursor in the store. */
#define LAG_CURSOR_BYTES 64
void lag_cursor(const struct lag *, char ret[LAG_CURSOR_BYTES]);

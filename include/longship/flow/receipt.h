/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The receipt of a span: which outbound requests still carry some of its lines. The lane that reads a
 * span holds one reference while it processes it; each request that carries lines of it holds one more.
 * When the last reference goes, the receipt settles: the ledger counts its lines and its stream's position
 * moves over it and over what has settled behind it (flow/stream.h).
 *
 * A stage may hold lines for longer than the span (flow/hold.h). When they are all that is unsettled of it, the receipt is
 * passed: its other lines are counted, and the position moves over it and leaves the held ranges behind as holes.
 *
 * A line is rejected when any destination refused it, else dropped when no branch of the graph handed it to
 * one, else acknowledged.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/limits.h"
#include "longship/base/vec.h"
#include "longship/flow/batch.h"
#include "longship/flow/memory.h"

struct stream;
struct ledger_reason;

struct receipt_count { /* lines under one reason; the name is an immortal or configuration-lived string, copied by the ledger */
	const char *reason;
	uint32_t lines;
};

struct open_run { /* consecutive lines that are not settled, and where they stand in the source */
	uint32_t line, lines;
	uint64_t from, to;
};

#define BEGUN_EARLIER UINT64_MAX
#define BEGUN_CLOSED (UINT64_MAX - 1) /* no such line: the line is the last of an entry that was handed on because its time was over */
struct begun_run { /* lines of an entry that began in an earlier span of the stream: they are settled when that one is */
	uint32_t line, lines;
	uint64_t from; /* of the span in which it began; BEGUN_EARLIER: in an earlier stream of the lineage */
	bool settled;  /* was, when this span was read again: not to be handed on */
};

struct receipt {
	struct stream *stream;
	struct receipt *next;      /* in the stream's queue, oldest first; under the ledger's lock */
	uint64_t from, to;         /* range of the source: byte offsets; a span has no more lines than to - from */
	int64_t base_ns;           /* time of line 0; line i has base_ns + i */
	uint64_t times;            /* reserved from base_ns on: no fewer than lines */
	uint32_t lines;            /* set before receipt_processed */
	uint32_t lines_again;
	bool again;                /* was read before: lines_again of its lines are counted in `read` and in flight already */
	bool silent;               /* was settled before: nothing is counted. Also of a lag's reader, whose settled spans are `counted` */
	bool counted;
	bool resent;               /* was on the wire before */
	uint64_t tail_hash;        /* of the bytes before `to` (flow/proof.h); 0: not known */
	char *cursor;              /* where the source stands at `to`, for sources that are not read by offset; owned */
	void *ptr;                 /* of the source, e.g. the HTTP request to answer */

	_Atomic uint64_t refs;     /* and holds, in the upper half */
	_Atomic bool discarded;    /* given up: settles without counting and without moving the position */
	_Atomic bool returned;     /* some of it could not be taken now (flow/spool.h): who pushed it is to send it again */
	bool further;              /* of what a client sent at one time it is a further part: taken where the first was */
	bool settled;              /* under the ledger's lock */
	_Atomic bool marked;       /* its mark is in the store, with all that it has to say; set by the sender thread */
	struct memory *before, *after; /* stream memory at `from` and `to`; NULL: empty */

	/* Lane thread, until processed. */
	uint16_t *extra_branches;  /* per line: branches beyond one, of the graph or of its entries, UINT16_MAX: too many to count; NULL: none has more */
	struct receipt_count *drops; /* room for DROP_REASONS_MAX; NULL until there is one */
	size_t n_drops;
	uint64_t budget_bytes;     /* its own memory, taken from the budget when processed */
	uint32_t wanted;           /* lines that receipt_wants has named, in a passed receipt */
	bool choosy;               /* not all of its lines are wanted */
	uint32_t span_lines;       /* set before receipt_processed: numbers of lines are below it; 0: not known yet */

	/* Under the ledger's lock: refused lines, one bit each; NULL until one is. */
	uint64_t *refused;
	uint64_t *left;    /* lines that the reader of a lag will settle (flow/lag.h) */
	uint64_t *mine;    /* of a reader: lines with entries for its destination; all others are not its own */
	struct receipt_count *refusals;
	size_t n_refusals;

	/* Under the ledger's lock. */
	VEC(struct open_run) holds; /* what stages hold, an element each, in no order */
	VEC(struct open_run) open;  /* of a passed receipt: its lines that are not settled, ascending; `lines` counts only them */
	VEC(struct begun_run) begun;
	uint32_t n_ending;          /* of the holds: their lines are being handed on now */
	bool located;               /* the holds' ranges are known */
	bool passed;                /* the position is behind it; it is on the stream's list of those, not in the queue */
};

/* New, with one reference (the lane's), at the end of the stream's queue. */
struct receipt *receipt_new(struct stream *, uint64_t from, uint64_t to, int64_t base_ns, uint64_t times);
/* The same for a span behind the position, of which only the n open runs are not settled (their line numbers need not be known). */
struct receipt *receipt_new_passed(struct stream *, uint64_t from, uint64_t to, int64_t base_ns, uint64_t times,
	const struct open_run *open, size_t n);
/* The lines have become `more` further entries, or go to as many further receivers: each a branch of its own. Lane thread. */
void receipt_split(struct receipt *, struct origin, size_t more);
/* One branch of these lines ends here under a reason. Lane thread. */
void receipt_drop(struct receipt *, struct origin, const char *reason);
/* The lane has processed the span (lines is set): they are in flight now. Then the lane unrefs. */
void receipt_processed(struct receipt *);
void receipt_ref(struct receipt *);

/* A stage keeps these lines beyond the span. Lane thread. */
void receipt_hold(struct receipt *, uint32_t line, uint32_t lines);
/* A hold ends: what becomes of its lines is being decided until its receipt_unhold. Lane thread. */
void receipt_ending(struct receipt *);
/* The hold of just these lines has ended: they were handed on, or are given up (discard: read again). Lane thread, or control while
 * the lane is parked. */
void receipt_unhold(struct receipt *, uint32_t line, uint32_t lines, bool discard);
/* These lines belong to an entry that began in the span at `from` (or BEGUN_EARLIER, BEGUN_CLOSED). Nothing is noted of lines that have
 * other branches, too: those would miss them. Lane thread. */
void receipt_begun(struct receipt *, uint32_t line, uint32_t lines, uint64_t from);
/* Whether a line, which begins at the offset, is to be handed on: false when it was settled before the span was read again. Lane thread,
 * once for each line. */
static inline bool receipt_wants(struct receipt *, uint32_t line, uint64_t offset);
bool receipt_wants_open(struct receipt *, uint32_t line, uint64_t offset);

/* Any thread. The last one settles the receipt; it may be freed. */
void receipt_unref(struct receipt *);
/* A destination refused these lines. Any thread that holds a reference. */
void receipt_refuse(struct receipt *, uint32_t line, uint32_t n, const char *reason);
/* The same of a push that is to be sent again. */
void receipt_return(struct receipt *, uint32_t line, uint32_t n, const char *reason);
/* Marks these lines as left to a lag's reader; as a reader's own. Any thread that holds a reference. */
void receipt_leave(struct receipt *, uint32_t line, uint32_t n);
void receipt_claim(struct receipt *, uint32_t line, uint32_t n);
/* Frees a receipt that was taken out of its stream's queue unsettled (stream_rewind); nobody refers to it. */
void receipt_give_up(struct receipt *);

static inline bool
receipt_wants(struct receipt *r, uint32_t line, uint64_t offset)
{
	return !r->choosy || receipt_wants_open(r, line, offset);
}

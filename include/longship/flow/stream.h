/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A source stream: one file, one journal, one container's log, one connection. It belongs to one
 * lane, which reads it span by span, and is read again from its position when what is unsettled has to be
 * given up. A source component makes streams, gives them to the lanes (lanes_add) and wakes them
 * (lane_wake) when there is something to read.
 *
 * Reading again gives the same entries: each span that was read before is a `replay` with its range, its base
 * time, and the stream memory at its start; ops->run must not read across stream_next_limit.
 *
 * Fields say which thread may touch them: C control, L the stream's lane, G under the ledger's lock.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/str.h"
#include "longship/base/vec.h"
#include "longship/flow/labels.h"
#include "longship/flow/ledger.h"
#include "longship/flow/memory.h"
#include "longship/flow/proof.h"
#include "longship/flow/receipt.h"
#include "longship/lang/args.h"

struct lag;
struct lane;
struct send_queue;
struct runtime;

#define STREAM_MAGIC 0x57ea3001u
#define STREAM_BLOCKED_MAX 4 /* full send queues that a stream waits for at a time; beyond, the budget holds it back */

enum stream_state {
	STREAM_MORE, /* one span was processed, there may be more at once */
	STREAM_IDLE, /* nothing to read until lane_wake */
	STREAM_WAIT, /* nothing to read until stream->wake_at_ns (monotonic) or lane_wake */
	STREAM_DONE, /* never anything more: the lane lets it go when all is settled; runs again if that is given up */
};

struct stream_ops {
	/* Reads one span and hands its batches on (stream_emit). Lane thread. */
	enum stream_state (*run)(struct stream *, struct lane *);
	/* What is unsettled was given up; stream->read_offset was set back to the position. The lane is parked. May be NULL. */
	void (*rewound)(struct stream *);
	/* A receipt has settled or was discarded. Any thread, no lock held. May be NULL. */
	void (*settled)(struct stream *, struct receipt *);
	/* The lane has let the stream go (STREAM_DONE or removed): close what is open. Lane thread or, at the end, control. */
	void (*closed)(struct stream *);
	/* Last reference gone. Any thread. */
	void (*free)(struct stream *);
	/* Where the lines of these runs, which ascend, stand in the source: for what is held beyond the span. Called in stream_end. False: not known.
	 * NULL: the source cannot read single lines again, so the position waits for what is held. Lane thread. */
	bool (*locate)(struct stream *, struct lane *, struct receipt *, struct open_run *, size_t n);
	/* Whether something of an earlier stream of its lineage is not settled. NULL: there is none. Lane thread. */
	bool (*waits)(struct stream *);
	/* Another stream on the same source (flow/lag.h), which lives no longer than the first; one reference. NULL: it cannot be read twice at a
	 * time. Lane thread, or control before a lane has it. */
	struct stream *(*reader)(struct stream *, struct str key, const char *name);
};

struct replay { /* a span that was read before */
	uint64_t from, to;
	int64_t base_ns;
	struct memory *before; /* NULL: empty */
	bool again, silent, resent; /* as in struct receipt */
	uint32_t lines;             /* how many are in flight, if again and not silent */
	bool has_base;              /* else it gets a new one */
	VEC(struct begun_run) begun;
	VEC(struct open_run) open;  /* behind the position: only these are wanted; empty: all */
};

struct packed_begun { /* in the memory of a mark, little-endian, behind the slots; then one byte: how many */
	uint64_t from;
	uint32_t line, lines;
};
#define PACKED_BEGUN_MAX 8 /* of a span; what is over may come twice after a crash */

struct stream {
	unsigned magic;
	const struct stream_ops *ops;
	struct runtime *runtime;
	struct ledger *ledger;
	struct str key;         /* in the positions store; empty: has no position */
	const char *name;       /* for messages: the path */
	_Atomic bool holds_lines; /* stages have held lines of it beyond their span (flow/hold.h) */
	bool reads_lag;         /* it is the reader of a lag (flow/lag.h). Set before anybody else knows it */
	bool own_times;         /* each record brings its own time and metadata: spans need no marks. Set before the first span */
	_Atomic unsigned refs;  /* owner, lane, each receipt, progress */
	_Atomic bool removed;   /* C sets: the lane lets it go, once what is unsettled has settled or been given up */
	_Atomic bool ended;     /* L: it said STREAM_DONE (or is removed) and waits for that; reset when it is rewound */

	/* The receivers, and the labels before the pipeline. Changed only while lanes are parked. */
	const struct ptr_list *forward_to;
	const struct labels *labels; /* L, interned in the lane's table, one reference */

	/* L */
	uint64_t read_offset;
	uint64_t settled_to;   /* below, only replays are read */
	uint64_t lineage;      /* the same for all generations of one path: what is held of one goes on in the next */
	struct memory memory;
	VEC(struct replay) replays; /* ascending; next_replay.. are ahead of read_offset */
	size_t next_replay;
	int64_t wake_at_ns;
	int64_t ran_at_ns;
	int64_t paused_until_ns; /* a limit lets it go on then (lane_pace); monotonic */
	struct send_queue *blocked_on[STREAM_BLOCKED_MAX]; /* all of them, up to the first NULL */
	VEC(struct lag *) lags;     /* destinations that lag behind it */
	struct stream *predecessor; /* the generation before: where a destination lags behind that one, it waits here. One reference, or NULL */
	bool span_sent, span_skipped; /* of the span that runs: entries were sent; were left to readers */
	int64_t sent_at_ns;         /* when an entry was sent last, coarse; monotonic */
	uint64_t restored_at;       /* position that the store knew: what lies below was read by an earlier process */

	/* Lane's lists, under the lane's lock. */
	struct lane *_Atomic lane; /* NULL: none has it */
	struct stream *next;
	size_t lane_place; /* in the lane's array of all */
	uint8_t list;
	bool wanted;    /* lane_wake while it ran */
	bool caught_up; /* it found nothing more when it ran last, and was not woken since */

	/* G */
	struct lag *lag;       /* a reader's; NULL: a main stream */
	int64_t pool;          /* lines in flight that readers are to settle; below 0 for a moment when those are ahead of the main stream */
	uint64_t unsettled_lines; /* of its receipts, and of replays that are `again` */
	struct receipt_count *debts; /* refused elsewhere, but in the pool: counted as rejected when they leave it; DROP_REASONS_MAX or NULL */
	size_t n_debts;
	struct receipt *oldest, *newest;
	size_t n_receipts;
	struct receipt *passed; /* ascending; behind the position, and not settled */
	size_t n_passed, n_holes;
	VEC(struct open_run) unread; /* holes that are still to be read again; ascending, behind all passed ones */
	uint64_t position; /* all below is settled, but for what was passed */
	char *position_cursor; /* for sources that are not read by offset (there offsets only count records); owned, may be NULL */
	struct memory position_memory;
	struct proof *proof; /* of a file; NULL while there is none */
	int64_t oldest_ns; /* first-seen time of the oldest unsettled line, 0: none */
	uint64_t size;     /* of the source now, for lag */
	struct stream *ledger_next, **ledger_link;

	/* Under the lock of progress. */
	bool dirty, forgotten;
	struct stream *dirty_next;
};

/* Initialises the common part; one reference. key: declared in the store by the caller, or empty. */
void stream_init(struct stream *, const struct stream_ops *, struct runtime *, struct ledger *, struct str key, const char *name);
void stream_ref(struct stream *);
void stream_unref(struct stream *);

/* Loads position and marks from the store: read_offset, position_cursor, memory, replays. false: the store knows nothing of it. */
bool stream_restore(struct stream *);

/* Instead of stream_restore: goes on where a stream of the same key and ledger stands, which no lane has any more (lanes_evict): what
 * it had in flight stays in flight. */
void stream_inherit(struct stream *, struct stream *from);

/* The hash of the bytes before a settled offset. Ledger's lock held. */
void stream_prove(struct stream *, uint64_t offset, uint64_t tail_hash);
/* The hash of the first bytes. Any thread. */
void stream_prove_head(struct stream *, uint64_t bytes, uint64_t hash);
/* The bytes behind this offset, which is below the position, are not those that were read: goes on there. Before a lane has the stream. */
void stream_go_back(struct stream *, uint64_t offset);

/* The offset that the next span must not cross: the end of the next recorded span, or UINT64_MAX. L. */
uint64_t stream_next_limit(const struct stream *);
/* Starts the span [read_offset, to): takes its base time (a recorded one, or a new one for bytes first seen at seen_ns) and makes
 * its receipt. lines_max: how many lines it can have. L. */
struct receipt *stream_begin(struct stream *, struct lane *, uint64_t to, uint64_t lines_max, int64_t seen_ns);
/* Hands a batch of the span on; labels of the stream, memory and receipt are set by stream_batch. L. */
struct batch *stream_batch(struct stream *, struct lane *, struct receipt *, size_t cap);
void stream_emit(struct stream *, struct batch *);
/* Ends it: lines were read; read_offset moves. A source without offsets has set receipt->cursor before. L. */
void stream_end(struct stream *, struct lane *, struct receipt *, uint32_t lines);

/* Spans that were read before are read as if they were new: all, or those that begin below an offset, of a reader of a lag. L. */
void stream_drop_replays(struct stream *);
void stream_drop_replays_below(struct stream *, uint64_t offset);
/* Gives up all that is unsettled and sets the stream back to its position; the lane is parked and no request carries its lines. */
void stream_rewind(struct stream *);

/* Positions that moved since the last call, as one write to the store; and the marks of the n receipts. 0 or -errno (the store keeps it and
 * writes it later). */
struct positions;
int progress_write(struct positions *, struct receipt *const *unmarked, size_t n);
/* True when a position waits to be written. */
bool progress_pending(void);
/* The stream's position has moved. Any thread. */
void progress_note(struct stream *);
/* Its entry in the store is not needed any more. Any thread. */
struct positions;
int progress_forget(struct positions *, struct stream *);
/* Writes its position and these marks now. Any thread. */
struct position_mark;
int progress_set(struct positions *, struct stream *, const struct position_mark *, size_t n);
/* Stream memory as the store keeps it; borrows. */
struct str memory_pack(const struct memory *);

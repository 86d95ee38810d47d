/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What spool.c (taking, counting), spool_writer.c (the thread) and spool_stream.c (reading) share. */
#include <pthread.h>
#include <stdatomic.h>

#include "longship/base/limits.h"
#include "longship/flow/component.h"
#include "longship/flow/metric.h"
#include "longship/flow/receipt.h"
#include "longship/flow/spool.h"
#include "longship/flow/stream.h"
#include "spool_files.h"

#define SPOOL_MAGIC 0x5b001ed0u

struct spool_piece { /* a record on its way to the disk */
	struct spool_piece *next;
	char *data;              /* room for the head, then the packed bytes */
	size_t bytes;
	uint32_t entries, unpacked_bytes;
	uint64_t budget_bytes;
	VEC(struct receipt_run) runs; /* one reference each */
};

struct spool_choice { /* what was decided last in a lane: a push is taken or returned as a whole */
	const struct stream *stream;
	uint64_t from;
	bool returned;
};

struct spool {
	unsigned magic;
	struct component *component;
	struct runtime *runtime;
	char *dir;
	struct ledger *ledger;
	struct stream *stream;        /* one reference */
	void *receiver;
	struct ptr_list receivers;    /* the component */
	struct spool *next_spool;     /* of all; under that list's lock */
	pthread_t thread;
	bool runs;                    /* a lane has the stream. Control thread */

	pthread_mutex_t lock;         /* for all below; never taken with the ledger's lock held, nor the other way round */
	pthread_cond_t wake;          /* the thread has something to do */
	pthread_cond_t idle;          /* nothing is pending */
	struct spool_options options;
	struct spool_piece *first, **last;
	uint64_t pending_bytes;       /* on the list or being written */
	VEC(struct spool_segment) segments; /* ascending */
	uint64_t bytes;               /* of all files */
	bool active;                  /* the last segment is being written */
	uint64_t end;                 /* all entries below are durable: the number of the next one */
	uint64_t read_to;             /* all entries below were read once, or are counted as dropped */
	uint64_t trim_to;             /* all below is settled */
	bool lagging;                 /* for all but some that lag behind the stream */
	uint64_t given_up;            /* entries dropped unread, since the spool began */
	uint64_t dropped;             /* by this process */
	const char *edge_reason;      /* of the entries before the first file, at the start */
	int error;                    /* writing failed, and has not worked since */
	bool broken;                  /* what is there could not be read: nothing is written before it can */
	bool stop;
	struct spool_choice choices[LANES_MAX];
	int64_t full_logged_ns, damage_logged_ns;

	/* Under the ledger's lock. */
	uint64_t dropped_to;          /* files below were dropped by policy */
	uint64_t given_up_then;       /* `given_up` when the last of them was */

	/* The thread's. */
	int fd;                       /* of the active segment */
	uint64_t salt;
	struct spool_options rules;   /* a copy */
	int64_t written_at_ns, probe_at_ns, trim_at_ns; /* monotonic; trim_at_ns: not before */

	int64_t drop_logged_ns, error_logged_ns;
	bool error_told;              /* and not yet that it is over */
	uint64_t drop_unlogged;

	struct metric *written_entries, *written_bytes, *returned_entries, *dropped_entries, *errors, *damaged_bytes;
};

/* spool.c */
void spool_piece_free(struct spool_piece *, const char *returned); /* lets the receipts go; NULL: as stored */
/* Entries [from, to) are gone before they were read: how many of them nobody has accounted for. Those are to be counted. Lock held. */
uint64_t spool_lose(struct spool *, uint64_t from, uint64_t to, bool by_policy);
/* No lock held. */
void spool_count_lost(struct spool *, uint64_t lost, const char *reason);
/* With the position in the store: how many entries had been given up by then, up to where files were dropped by policy since, and how many entries were
 * given up by that time. A process that comes later knows by it what its predecessor has counted. Ledger's lock held. */
char *spool_cursor_new(const struct spool *, uint64_t given_up);
/* Files below this entry are dropped by policy: what is stored from now on says so. No lock held. */
void spool_mark_dropped(struct spool *, uint64_t to, uint64_t given_up);
/* How far the stream is settled. */
uint64_t spool_position(const struct spool *);

/* spool_writer.c */
void *spool_writer(void *spool);

/* spool_stream.c: the stream, restored from the store, if that knows it. */
struct stream *spool_stream_new(struct spool *, const char *key, bool *ret_known);

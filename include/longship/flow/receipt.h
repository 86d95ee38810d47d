/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The receipt of a span: which outbound requests still carry some of its lines. The lane that reads a
 * span holds one reference while it processes it; each request that carries lines of it holds one more.
 * When the last reference goes, the span is settled and its stream's position may move over it
 * (flow/stream.h). The ledger's counters change only at a receipt's transitions, under the ledger's lock.
 *
 * A line is rejected when any destination refused it, else acknowledged when any stored it, else dropped.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/flow/batch.h"
#include "longship/flow/ledger.h"
#include "longship/flow/memory.h"

struct stream;

struct receipt {
	struct stream *stream;
	struct receipt *next;      /* in the stream's queue, oldest first */
	uint64_t from, to;         /* range of the source: byte offsets */
	uint64_t bytes;            /* source bytes: to - from, or the size of a pushed body */
	uint32_t lines;
	uint32_t carried;          /* lines that some request carries; set when processing ends */
	int64_t base_ns;           /* time of line 0; line i has base_ns + i */
	_Atomic uint32_t refs;
	_Atomic bool discarded;    /* given up (reload, stop): settles without moving the position */
	bool settled;              /* under the ledger's lock */
	bool marked;               /* its mark is in the store; sender thread */
	struct memory *memory_before; /* of the stream at `from`; NULL: empty */
	struct memory *memory_after;  /* at `to` */

	/* While the lane processes it. */
	uint8_t *branches;         /* per line: how many branches of the graph still have it */
	struct {
		struct ledger_reason *reason;
		uint32_t lines;
	} drops[DROP_REASONS_MAX];
	size_t n_drops;

	/* Refused lines, one bit each; NULL until one is refused. Under the ledger's lock. */
	uint64_t *refused;
	struct ledger_reason *refused_reason;
};

/* New, with one reference (the lane's). */
struct receipt *receipt_new(struct stream *, uint64_t from, uint64_t to, uint32_t lines, int64_t base_ns);
/* Lines [line, line + n) go to one more receiver. Lane thread. */
void receipt_branch(struct receipt *, const struct batch *);
/* One branch of these lines ends here under a reason. Lane thread. */
void receipt_drop(struct receipt *, struct origin, const char *reason);
/* The lane has processed the span: counts drops. Call before the lane's receipt_unref. */
void receipt_processed(struct receipt *);
void receipt_ref(struct receipt *);
/* Any thread. The last one settles the receipt. */
void receipt_unref(struct receipt *);
/* A destination refused these lines. Any thread that holds a reference. */
void receipt_refuse(struct receipt *, uint32_t line, uint32_t n, const char *reason);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An outlet: what one lane has open for one destination. Entries are encoded as they come, behind one another,
 * into one log; each stream (label set) remembers which pieces of the log are its own. Sealing puts the
 * pieces of each stream together behind its labels, compresses, and submits the request.
 * Belongs to one lane's thread; to the control thread while the lane is parked.
 */
#include <stdbool.h>

#include "longship/base/arena.h"
#include "longship/flow/batch.h"
#include "longship/flow/dead_letter.h"
#include "longship/flow/lane.h"
#include "longship/flow/sender.h"
#include "longship/lang/args.h"
#include "newest.h"

struct outlet;

/* Buffers that the outlets of one lane share while they seal. */
struct outlet_scratch {
	char *gathered, *packed;
	size_t gathered_cap, packed_cap;
	struct newest newest;
};
void outlet_scratch_done(struct outlet_scratch *);

struct outlet_options {
	size_t batch_bytes;
	int64_t batch_wait_ns;
	int64_t late_ns; /* entries that far behind their stream's newest travel alone; 0: they do not */
	uint64_t streams_max; /* per batch; 0: unlimited */
	const struct str_map *external_labels;
	struct str tenant, host;
	unsigned queue_max; /* requests that may wait before what comes is given up; 0: readers wait instead */
	struct dead_letters *dead_letters; /* NULL: not configured; the caller commits */
};

/* Entry i is not sent: it is counted, and kept where that is configured. */
void outlet_refuse(const struct outlet_options *, const struct batch *, size_t i, const char *reason);

struct outlet *outlet_new(struct destination *, struct lane *, const struct outlet_options *, struct outlet_scratch *);
/* Nothing is open in it, nothing of it is queued. */
void outlet_free(struct outlet *);
struct destination *outlet_destination(const struct outlet *);
/* Adds entry i of the batch. */
void outlet_add(struct outlet *, const struct batch *, size_t i);
/* Adds entries [i, end) that all have the label set of entry i. */
void outlet_add_run(struct outlet *, const struct batch *, size_t i, size_t end);
/* Where its requests go. */
struct send_queue *outlet_queue(const struct outlet *);
/* The queue that readers should wait for, or NULL. */
struct send_queue *outlet_pressure(const struct outlet *);

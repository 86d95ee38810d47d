/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One component of a configuration, started alone: entries go in by hand, what it forwards goes to a function
 * instead of its receivers. For `inspect` and `test`. What the component refers to is not started: exports have
 * their zero values. Time is virtual: a base, moved by the entries' at_ms and by stages that had to wait.
 *
 *	status = harness_open(&h, "test", path, id);      the configuration, with its diagnostics on standard error
 *	if (status == STATUS_FINE && harness_start(&h, &(struct harness_sink){.ptr = x, .forwarded = collect})) {
 *		while (…)
 *			harness_feed(&h, &entry);
 *		harness_finish(&h);
 *		harness_stop(&h);                           may be started again, as new
 *	}
 *	harness_close(&h);
 */
#include <stdbool.h>
#include <stdint.h>

#include "entry_json_priv.h"
#include "longship/flow/component.h"
#include "longship/flow/memory.h"
#include "longship/flow/runtime.h"

#define HARNESS_LINE_BYTES_MAX (16u << 20) /* of a line of input: far above LINE_BYTES_MAX, which sources enforce */

struct harness_sink {
	void *ptr;
	/* What the component forwards; valid during the call. */
	void (*forwarded)(void *ptr, const struct batch *);
	/* NULL: the component consumes the batch. Else this is called instead. */
	void (*run)(void *ptr, struct batch *);
	/* With run: it is that late, and (end) nothing more comes. */
	void (*time)(void *ptr, int64_t now_ns, bool end);
	/* Optional: after each batch. False stops feeding. */
	bool (*fed)(void *ptr);
	size_t batch_entries; /* 0: as many as fit */
};

struct harness {
	const char *command, *id; /* for messages */
	struct runtime runtime;
	struct graph *graph;
	struct graph_load *load;
	struct component *component; /* NULL: it cannot be started */

	/* While started. */
	struct harness_sink sink;
	struct component collector;
	void *receiver;
	struct arena *arena; /* of a batch: entries that are fed may live in it */
	struct labels_table *table;
	struct memory memory;
	struct batch *batch;
	size_t batch_bytes;
	uint64_t n_entries;
	bool has_now; /* the clock is now_ns, else each entry's own time */
	int64_t now_ns, at_ns;
};

/* STATUS_FINE, or what the command is to return; what is wrong has been printed. harness_close in any case. */
int harness_open(struct harness *, const char *command, const char *path, const char *id);
void harness_close(struct harness *);

/* False: it does not start, and why has been printed. Metrics are new with each start: harness_metrics. */
bool harness_start(struct harness *, const struct harness_sink *);
struct metrics *harness_metrics(const struct harness *);
/* Where an entry that is to be fed may live; cleared after each batch. */
struct arena *harness_arena(const struct harness *);
/* False: the sink wants no more. */
bool harness_feed(struct harness *, const struct entry_json *);
/* The end of the input: what waits is run. */
bool harness_finish(struct harness *);
void harness_stop(struct harness *);

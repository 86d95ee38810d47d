/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The ledger of one source component: read = acknowledged + rejected + dropped + in flight, in source
 * records before any stage. In flight is counted from the live receipts, not computed as the rest. One
 * lock per ledger; a scrape takes it, so the sum holds at every scrape. Any thread.
 */
#include <pthread.h>
#include <stdint.h>

#include "longship/base/limits.h"
#include "longship/flow/metric.h"

struct ledger_reason {
	const char *name;
	uint64_t rejected, dropped;
};

struct ledger {
	pthread_mutex_t lock;
	const char *component_id;
	struct metrics *metrics;
	uint64_t read, acknowledged, resent;
	uint64_t in_flight;      /* lines of live receipts, and lines read but to be read again after a discard */
	uint64_t synthetic;
	struct ledger_reason reasons[DROP_REASONS_MAX]; /* the last one collects what does not fit: "other" */
	size_t n_reasons;
	struct stream *streams;  /* for lag; linked by stream->ledger_next */
};

struct ledger *ledger_new(struct metrics *, const char *component_id);
/* All streams are gone. */
void ledger_free(struct ledger *);
/* Lock held. */
struct ledger_reason *ledger_reason(struct ledger *, const char *name);

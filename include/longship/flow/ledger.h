/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The ledger of one source component: read = acknowledged + rejected + dropped + in flight, in source
 * records before any stage. A line is in flight from the moment its span was processed until its receipt
 * settles; a span that is given up (reload, lost endpoint) stays in flight until it has been read again and
 * settled. One lock per ledger; a scrape takes it, so the sum holds at every scrape. Any thread.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/limits.h"
#include "longship/flow/metric.h"

struct stream;

struct ledger_reason {
	const char *name; /* lives as long as the ledger */
	uint64_t rejected, dropped;
};

#define LEDGER_WORST_MAX 10 /* streams of a component whose lag is shown each by itself */

struct ledger {
	pthread_mutex_t lock;
	struct metrics *metrics; /* may be NULL */
	char *component_id;
	uint64_t read, acknowledged, resent, in_flight;
	struct ledger_reason reasons[DROP_REASONS_MAX]; /* what does not fit goes to the last, "other" */
	size_t n_reasons;
	struct stream *streams; /* live ones, linked by ledger_next: for lag */
	char *worst[LEDGER_WORST_MAX]; /* names of streams whose lag the last scrape showed */
	size_t n_worst;
	unsigned refs;          /* the component's, and one for each stream */
	struct ledger *next;    /* of all ledgers that are published */
};

struct ledger *ledger_new(struct metrics *, const char *component_id);
void ledger_ref(struct ledger *);
/* Frees it with the last reference; its series go, too. */
void ledger_unref(struct ledger *);
/* The component's end: its series are not published any more, whoever still holds the ledger. Unrefs. */
void ledger_close(struct ledger *);
/* Lock held: lines in flight that cannot be read again. */
void ledger_give_up(struct ledger *, uint64_t lines);
/* Lock held: lines that are lost before anybody read them. */
void ledger_drop_unread(struct ledger *, const char *reason, uint64_t lines);
/* Lock held. A span of the stream has settled; `left` of its lines go to the stream's pool (flow/lag.h) and stay in flight. */
void ledger_settle(struct ledger *, struct stream *, uint64_t lines, uint64_t left);
/* Lock held. Lines of the stream's pool have settled; earlier: they were not read by this process before. */
void ledger_settle_pool(struct ledger *, struct stream *, uint64_t lines, bool earlier);
/* Lock held. No reader is left, or the stream ends: what is still in the pool is given up. */
void ledger_close_pool(struct ledger *, struct stream *);
/* Lock held. */
struct ledger_reason *ledger_reason(struct ledger *, const char *name);
/* Calls fn for each ledger that is published in metrics, with its lock held. */
void ledger_each(void (*fn)(void *ptr, const struct ledger *), void *ptr);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A request: entries of one tenant, encoded and compressed, and which source lines they are. It is sealed by a
 * lane, carried by the sender, and can be taken apart again when an answer concerns only some of its entries.
 *
 * The body holds the entries by stream. Runs and turns hold them in the order in which they were added: a run is
 * consecutive entries of one span, a turn is consecutive entries of one stream.
 *
 *	struct request_view *v = request_open(r);
 *	for (size_t i = 0; i < v->n_entries; i++) v->entries[i].picked = …;
 *	struct request *part = request_part(r, v);
 *	request_view_free(v);
 *
 * A request belongs to one owner at a time; no state is shared but the receipts and the budget.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/str.h"
#include "longship/codec/loki_push.h"
#include "longship/flow/receipt.h"

struct request_run { /* lines / lines_each consecutive entries of one span; or one entry, or a part of one */
	struct receipt *receipt; /* one reference each */
	uint32_t line, lines;
	uint32_t lines_each; /* lines of the span that make one entry; 0 of an entry that is no line of the source, and where it goes on */
	bool goes_on;        /* the lines are a part of an entry that the next run goes on with */
};

struct request_turn {
	uint32_t stream;  /* number in the body */
	uint32_t entries;
};

struct request {
	struct request *next;
	struct send_queue *queue; /* set when it is submitted */
	struct destination *destination;
	uint64_t number;        /* in its queue; that of a part is that of the whole */
	char *body;             /* compressed; owned */
	size_t body_bytes;
	uint64_t source_bytes;  /* of its lines: what counts in the sent window */
	uint64_t entries;
	int64_t oldest_ns;      /* realtime at which its first entry was put in: propagation latency */
	struct request_run *runs; /* owned */
	size_t n_runs;
	struct request_turn *turns; /* owned; NULL: the order of adding is that of the body */
	size_t n_turns;
	uint64_t budget_bytes;  /* taken by the maker, given back when it ends */
	uint64_t attempts;
	bool in_window;         /* sender thread */
	bool part;              /* of one that was answered: some of its entries may be stored */
	bool maybe_stored;      /* an earlier attempt may have stored (some of) it */
};
/* Its memory is taken from the budget. body, runs and turns are passed over. */
struct request *request_new(char *body, size_t body_bytes, struct request_run *runs, size_t n_runs, struct request_turn *turns, size_t n_turns);
/* Releases runs, body and budget. */
void request_free(struct request *);

struct request_stream {
	struct str text;          /* its labels as they were sent */
	uint32_t first, n;        /* its entries */
};

struct request_entry {
	int64_t ts_ns;
	struct str line;
	struct str encoded;       /* the whole Entry field */
	struct str metadata;      /* the structuredMetadata fields of it */
	uint32_t stream;
	uint32_t run, n_runs;     /* its lines: whole runs of the request, of the last one those at `line` */
	uint32_t at, lines;
	bool picked;
};

/* A request taken apart. Points into itself and at the request's receipts. */
struct request_view {
	char *body;
	struct request_stream *streams;
	size_t n_streams;
	struct request_entry *entries; /* in the order of the body */
	size_t n_entries;
};
struct request_view *request_open(const struct request *);
void request_view_free(struct request_view *);
/* Run k of the entry's lines, k < n_runs; borrows the receipt. */
struct receipt_run request_entry_run(const struct request *, const struct request_entry *, uint32_t k);
/* The next pair of e->metadata from *at on (0 at first); false at its end. */
bool request_metadata(const struct request_entry *, size_t *at, struct push_label *ret);
/* The picked entries as a request of their own, with references of its own; NULL when none is. It stands in the sent window and has
 * been tried as the whole has. */
struct request *request_part(const struct request *whole, const struct request_view *);
/* Picks about the first half of the bytes: whole streams where there are several, else entries. False: one stream (by_stream)
 * or one entry cannot be halved. */
bool request_pick_half(struct request_view *, bool by_stream);
/* Turns the choice around. */
void request_pick_others(struct request_view *);
/* What was chosen may be stored already: counted as sent again (longship_entries_resent_total). */
void request_count_resent(const struct request *);

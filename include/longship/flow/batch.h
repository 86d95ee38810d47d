/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A batch: the entries of (a part of) one span, as columns. It belongs to one lane and one owner at a
 * time, and lives for one call down the graph: a component that wants to keep an entry copies it.
 * Lines point into the span's buffer or into the batch's arena; label sets into the lane's table.
 *
 * Extracted values stand in columns of cells: the names that the stages of a pipeline use became column
 * numbers when the configuration was loaded (flow/columns.h). A fresh cell is CELL_SEED: "the value of
 * the label of this name in seed[i]", so that seeding costs nothing per line. batch_cell resolves it.
 * Values under names that only the line knows (regex-selected keys) go to `extra`.
 *
 * cap is at most BATCH_ENTRIES_MAX outside of pipelines.
 *
 * Dropping: batch_drop marks, batch_compact (called by the runner after each stage) removes.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"
#include "longship/flow/columns.h"
#include "longship/flow/labels.h"

struct receipt;
struct memory;

enum cell_kind {
	CELL_SEED = 0, /* not touched: the label of this name when the pipeline was entered, if any */
	CELL_ABSENT,
	CELL_NIL,     /* null: present, but converts to nothing */
	CELL_STRING,
	CELL_NUMBER,  /* double */
	CELL_INTEGER,
	CELL_BOOL,
};

struct cell {
	uint8_t kind;
	bool boolean;
	uint32_t len;
	union {
		const char *s; /* CELL_STRING: len bytes, in the span, the arena or the configuration */
		double number;
		int64_t integer;
	};
};

/* Structured metadata of an entry: ordered, names unique. Immutable, in the batch's arena. */
struct metadata {
	size_t n;
	struct label items[];
};

/* Which lines of the span an entry is made of. */
struct origin {
	uint32_t line;  /* number in the span, from 0 */
	uint32_t lines; /* 1, or how many were joined */
};

struct receipt_run { /* consecutive lines of one span */
	struct receipt *receipt;
	uint32_t line, lines;
};

/* The lines of an entry that were not read together: of several spans, or with others between them. In the batch's arena; who joined
 * them keeps the receipts until the batch has come to its end. */
struct joined {
	size_t n;
	struct receipt_run runs[];
};

/* Why entries were dropped; made when the configuration is loaded. The counter is the component's metric. */
struct drop_reason {
	const char *name;
	_Atomic uint64_t *counter; /* may be NULL */
};

struct extra { /* an extracted value whose name has no column */
	struct str name;
	struct cell cell;
	uint32_t n; /* of this and those behind it */
	struct extra *next;
};

struct batch {
	struct arena *arena;       /* strings that stages make; cleared when the span is done */
	struct labels_table *table; /* of the lane */
	struct receipt *receipt;   /* whose lines these are (flow/receipt.h); NULL: nobody counts (inspect) */
	struct memory *memory;     /* what the source stream remembers between spans (flow/memory.h) */

	size_t n, cap;             /* entries; all columns below have room for cap */
	int64_t *ts;               /* ns since 1970 */
	struct str *line;
	const struct labels **labels;
	const struct metadata **metadata; /* NULL: none */
	struct origin *origin;
	const struct joined **joined; /* joined[i] != NULL: stands for receipt and origin[i]; the array is NULL until one is set */
	int64_t *mark;             /* the line's own time: "now" for its stages; NULL: ts, as long as no stage has changed it */
	uint32_t *picked;          /* in a batch of batch_pick: which entry of the other one this was; else NULL */

	int64_t virtual_ns;        /* outside of lanes: what time it is, on the clock of waited_until_ns */
	int64_t waited_until_ns;   /* outside of lanes, where time is virtual: until when a stage had to wait (stage.limit); 0: it did not */

	/* Only inside a pipeline. */
	const struct labels **seed; /* labels as they were on entry */
	const struct columns *columns;
	struct cell **cells;       /* cells[column][entry]; behind n they are not initialised */
	struct extra **extra;      /* extra[entry]; the array is NULL until one is set */
	const struct drop_reason **drop; /* drop[entry], NULL = kept; all NULL when n_dropped is 0 */
	size_t n_dropped;
	const char *failure; /* why the stage that ran last could not work on one, for inspect; NULL: it could */
	bool held;                 /* the stage that ran last keeps something of it */
};

/* A batch with its own columns for cap entries, from the arena (which it does not own). */
struct batch *batch_new(struct arena *, struct labels_table *, size_t cap);
/* The same entries again, so that a receiver may write in place while another has them, too. */
struct batch *batch_clone(const struct batch *);

/* Entries from … from + n - 1 as a batch of their own that shares the columns: for receivers, one after another. */
struct batch batch_slice(const struct batch *, size_t from, size_t n);

/*
 * For stages that make more of an entry than one. A line is at most a span long, so a batch grows by no more entries than a span
 * has bytes; receivers get it in slices of BATCH_ENTRIES_MAX.
 */
void batch_reserve(struct batch *, size_t cap);
/* Entry `from` once more at `to`, with all its columns. */
void batch_copy(struct batch *, size_t to, size_t from);

/* An empty batch with the columns that b has, and entry i of b at its end: for stages that make a new order. */
struct batch *batch_like(const struct batch *, size_t cap);
void batch_append(struct batch *, const struct batch *b, size_t i);

/* The entries i with which[i] as a batch of their own, to run stages over; and what became of them back in their places. */
struct batch *batch_pick(const struct batch *, const bool *which, size_t n);
void batch_put_back(struct batch *, const bool *which, const struct batch *picked);

/* Extracted value of a column: never CELL_SEED. */
static inline struct cell batch_cell(const struct batch *, size_t column, size_t i);
static inline void
batch_set_cell(struct batch *b, size_t column, size_t i, struct cell cell)
{
	b->cells[column][i] = cell;
}
/* By a name known only at run time: into its column, or into extra. The name must outlive the batch. An entry has at most
 * EXTRA_VALUES_MAX of those; what is over is left out. */
void batch_set_named(struct batch *, struct str name, size_t i, struct cell);
/* By such a name: a column, extra, or a label as it was on entry. Never CELL_SEED. */
struct cell batch_named(const struct batch *, struct str name, size_t i);
/* All extracted values of entry i that are there, each once, in an order that depends on names and configuration alone. Start from {0}. */
struct batch_walk {
	size_t column, label;
	const struct extra *extra;
	bool in_labels;
};
bool batch_walk(const struct batch *, size_t i, struct batch_walk *, struct str *ret_name, struct cell *ret);
/* Stringification by Alloy's rules: false for nil and absent. Made text goes to the arena. */
bool batch_cell_text(const struct batch *, struct cell, struct str *ret);
/* An integral number prints without exponent, as Go's FormatFloat(f, 'f', -1, 64). */
struct str batch_number_text(struct arena *, double);

static inline struct cell
cell_string(struct str s)
{
	return (struct cell){.kind = CELL_STRING, .len = (uint32_t)s.len, .s = s.s};
}

/* Which lines entry i is made of: one run in *one, or several. 0: nobody counts. */
static inline size_t
batch_runs(const struct batch *b, size_t i, struct receipt_run *one, const struct receipt_run **ret)
{
	if (b->joined != NULL && b->joined[i] != NULL) {
		*ret = b->joined[i]->runs;
		return b->joined[i]->n;
	}
	*one = (struct receipt_run){b->receipt, b->origin[i].line, b->origin[i].lines};
	*ret = one;
	return b->receipt != NULL;
}
/* On the receipts of entry i: it has become `more` further entries or branches; a destination refused it. */
void batch_branch(const struct batch *, size_t i, size_t more);
void batch_refuse(const struct batch *, size_t i, const char *reason);

/* Marks entry i as dropped (once). */
void batch_drop(struct batch *, size_t i, const struct drop_reason *);
/* Removes the marked entries from all columns, counts them on their reasons and on the receipt. */
void batch_compact(struct batch *);

struct cell batch_seed_cell(const struct batch *, size_t column, size_t i);

static inline struct cell
batch_cell(const struct batch *b, size_t column, size_t i)
{
	struct cell cell = b->cells[column][i];

	return cell.kind == CELL_SEED ? batch_seed_cell(b, column, i) : cell;
}

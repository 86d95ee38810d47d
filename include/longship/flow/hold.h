/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a stage holds beyond the batch it came in: blocks of lines that become one entry (stage.multiline), records
 * whose end has not come yet (stage.cri). One hold for each source stream and label set; all generations of a followed path are
 * one stream, so a block goes on across a rotation.
 *
 * A stage takes a batch apart (holds_begin), says of each entry whether it passes, is added to a hold, or completes one, and
 * gets the new order back (holds_end). What is open then is copied, and its lines are held on their receipts: the position of the
 * stream moves on and notes them as holes (flow/receipt.h). A hold is handed on later, through the stages behind this one, when
 * its wait is over and the reader has passed what the source held then; when the held bytes of the process reach a quarter of the memory budget
 * (oldest first); or when the position cannot move because of it. The latter two are counted in longship_held_entries_cut_total{stage,reason}.
 *
 * When lanes are parked, what can be read again is given up; when they are drained it stays, and its lines are read first at the next start.
 *
 * Lane thread; outside of lanes (inspect) one thread, with virtual time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/flow/stage.h"

struct holds; /* of one stage */
struct hold;
struct hold_batch;

struct hold_rules {
	const char *stage; /* for the metric */
	struct str joint;  /* between joined lines; immortal */
	int64_t wait_ns;   /* handed on after so long without a line of its own */
	bool real_only;    /* that is so in lanes only: neither virtual time nor the end of the input hands it on */
};

/* In the builder's arena; ends with it. */
struct holds *holds_new(struct stage_builder *, const struct hold_rules *);
/* Whether anything is held that a batch of this lane could complete. */
bool holds_empty(const struct holds *);

struct hold_batch *holds_begin(struct holds *, struct batch *);
/* The hold of entry i's stream and labels; NULL: there is none. */
struct hold *hold_find(struct hold_batch *, size_t i);
struct hold *hold_open(struct hold_batch *, size_t i);
/* How many holds with lines there are of entry i's stream. Stops counting at max. */
size_t hold_count(struct hold_batch *, size_t i, size_t max);
/* Entry i is no line of the source, but what the source tells of itself, or a further part of a line that counts already: nothing would
 * bring it back when what is held is given up. It passes. */
bool hold_is_lineless(const struct hold_batch *, size_t i);
/* Lines that it holds now. */
size_t hold_lines(const struct hold *);
/* Before a crash it was handed on with just the lines that it has now, because its wait was over: so it has to be now. */
bool hold_was_over(const struct hold *);
/* The joined entry will have time, labels, structured metadata and extracted values of entry i. */
void hold_look_like(struct hold_batch *, struct hold *, size_t i);
/* Entry i goes into the hold, with this text, which lives as long as its line. */
void hold_add(struct hold_batch *, struct hold *, size_t i, struct str text);
/* Cuts the joined text to so many bytes: true when it was longer. */
bool hold_cut(struct hold *, size_t bytes);
/* Hands the joined entry on and empties the hold, which keeps its looks. It has lines. */
void hold_put(struct hold_batch *, struct hold *);
/* The same for all holds of entry i's stream, oldest first; they are forgotten. Returns how many had lines. */
size_t hold_put_all(struct hold_batch *, size_t i);
/* It is empty. */
void hold_forget(struct hold_batch *, struct hold *);
/* Entry i goes on. */
void hold_pass(struct hold_batch *, size_t i);
/* All entries were told: the batch has the new order. */
void holds_end(struct hold_batch *);

/* Outside of lanes: hands on what is due at this virtual time, or (end) all. */
void holds_expire(struct holds *, int64_t now_ns, bool end);
/* The next of the same pipeline, in order of making. */
struct holds *holds_next(const struct holds *);

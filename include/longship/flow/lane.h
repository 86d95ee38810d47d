/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Lanes: the worker threads of the data path. A stream belongs to one lane; reading, splitting, stages,
 * encoding and compressing of a span happen there without a hand-over. A lane serves its ready streams round
 * robin, a span each, and sleeps when none is ready.
 *
 * Back-pressure is not reading: a stream whose entries went to a full send queue waits for that queue; all
 * streams wait while the memory budget is used up.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/flow/labels.h"
#include "longship/flow/stream.h"

struct lanes;
struct lane;
struct runtime;

/* Starts n threads. */
struct lanes *lanes_new(struct runtime *, unsigned n);
/* Ends the threads; streams left in them are closed. All requests are gone. */
void lanes_free(struct lanes *);
unsigned lanes_count(const struct lanes *);

/* Gives a stream to a lane (the one with the fewest, unless `lane` is a number), ready to run. Returns the lane's number. Control thread. */
#define LANE_ANY UINT32_MAX
uint32_t lanes_add(struct lanes *, struct stream *, uint32_t lane);
/* There may be something to read. Any thread. */
void lane_wake(struct stream *);
/* The lane is to let go of it when what was read has settled or been given up; ops->closed is called. Any thread. */
void lane_remove(struct stream *);

/* The same at once, while the lanes are parked: afterwards no lane knows the stream. Control thread. */
void lanes_evict(struct lanes *, struct stream *);

/* Stops reading and waits until every lane has finished its span; sends what is open, waits for it as long as destinations take it
 * (sender_quiesce), gives up what is then unsettled and rewinds the streams. Then nothing of the data path runs. Control thread; park may nest. */
void lanes_park(struct lanes *);
void lanes_resume(struct lanes *);
/* For a graceful stop: no more reading; sends what is open. */
void lanes_drain(struct lanes *);
/* Every lane has moved since the last call, or waits for work. Control thread. */
bool lanes_alive(struct lanes *);
/* Tells the store of all streams that are not removed, so that they do not expire. Control thread. */
struct positions;
void lanes_touch(struct lanes *, struct positions *);
/* Something that streams or lanes wait for has changed (budget, a send queue). Any thread. */
void lanes_kick(struct lanes *);

/* For code that runs in a lane. */
uint32_t lane_number(const struct lane *);
struct arena *lane_arena(struct lane *);           /* cleared when the span ends */
struct labels_table *lane_labels(struct lane *);
char *lane_buffer(struct lane *);                  /* SPAN_BEFORE_BYTES + SPAN_BYTES_MAX bytes: one span, and what stands before it */
/* The lane that this thread is, or NULL. */
struct lane *lane_current(void);
/* A consumer's queue is full: the current stream waits for it, and for each other one that is told in the same span. */
void lane_set_pressure(struct lane *, struct send_queue *);

/* The current stream has handed on entries that cost a limit this much time: after the span it is not read before the pace allows
 * it. Monotonic time, so that no output depends on it. False: this thread is no lane, nothing was charged. */
struct pace;
bool lane_pace(struct pace *, int64_t cost_ns);

/* Sends what is open in this lane now, unless a queue is full: for a source whose client waits until its entries are stored. */
void lane_flush(struct lane *);
/* The same, also where queues are full: what is open leaves the lane. */
void lane_flush_all(struct lane *);

/* Things that a consumer holds open in a lane (an open batch): flushed when their time has come, on drain, when memory is scarce,
 * and when the lane is parked (then by the control thread). Linked into the lane by the consumer, in that lane's thread. */
struct lane_open {
	struct lane_open *next, **link;
	int64_t deadline_ns; /* monotonic */
	void (*flush)(struct lane_open *); /* unlinks it */
};
/* What a stage holds in a lane beyond spans (flow/hold.h). Linked into the lane by the stage, in that lane's thread. */
struct lane_hold {
	struct lane_hold *next, **link;
	int64_t deadline_ns; /* monotonic; INT64_MAX: none */
	/* The deadline has come: hands on what is due and sets the next one. Lane thread, between spans. */
	void (*due)(struct lane_hold *, int64_t now_ns);
	/* Hands on all that it holds of a stream. Lane thread, between spans. */
	void (*relieve)(struct lane_hold *, const struct stream *);
	/* The lane reads no more: hands on what cannot be read again. The rest is given up when the lane is parked, and stays when it is drained, so
	 * that the positions note it. Lane thread, or control while the lane is parked. */
	void (*stop)(struct lane_hold *, bool parked);
};
void lane_hold_add(struct lane *, struct lane_hold *);
void lane_hold_remove(struct lane_hold *);
/* Ends the hold of these lines when the current span, or what is being handed on, has come to its end. Lane thread. */
void lane_unhold(struct lane *, const struct receipt_run *);
/* The stream has been read to its end, as far as one knows. Lane thread. */
bool lane_caught_up(struct lane *, const struct stream *);

void lane_open_add(struct lane *, struct lane_open *);
void lane_open_remove(struct lane_open *);

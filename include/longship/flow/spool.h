/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The disk spool of a loki.write (its `wal` block), for entries that cannot be read a second time: pushes. What comes from a stream without
 * a position goes into the spool, and is settled for that stream when it is durable. The spool is a source itself: a stream
 * that is read again from a position in the store ("wal|COMPONENT"), whose entries go to the loki.write it belongs to. Files and journals are their
 * own queue and pass it by.
 *
 *	struct spool *sp = spool_new(component, &options);
 *	spool_run(sp);
 *	if (!spool_put(sp, batch)) …the batch is to be sent at once…
 *	spool_free(sp);
 *
 * Entries are numbered through all files (flow/spool_files.h); a stream's offsets are these numbers. Lanes encode and append to a list;
 * the spool's thread writes what has gathered, syncs once, and lets the receipts go. It also removes what is settled, and drops what is too old or,
 * by policy, too much: whole files, oldest first.
 *
 * When the disk cannot be written, what is in the spool goes first: until then receipts are returned (receipt_return), so that the
 * client sends again. With an empty spool entries go the way that they would go without one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct component;
struct spool;

enum spool_full { SPOOL_REFUSE, SPOOL_DROP_OLDEST };

struct spool_options {
	uint64_t bytes_max;  /* of all files. More only by the rest of a push that was begun, and by one file's room in either policy */
	int64_t age_max_ns;  /* 0: none */
	enum spool_full when_full;
	bool closed;         /* takes nothing more, sends what is there */
};

/* Opens what is there. Nothing is made before the first entry. Control thread. NULL where nothing can be kept: no storage path. */
struct spool *spool_new(struct component *, const struct spool_options *);
/* What is in it may come to the component from now on, which knows the spool. Again: nothing. Control thread. */
void spool_run(struct spool *);
/* Lanes are parked. The spool, or another one that does not run: what could not be read is looked at again. */
struct spool *spool_update(struct spool *, const struct spool_options *);
void spool_free(struct spool *); /* NULL is fine */
/* Whether an earlier process left entries for this component, or may have: files that cannot be looked into are for spool_new to report. */
bool spool_has_files(const struct component *);

/* Takes the entries of a batch whose source cannot be read again, or returns them to their source. False: they are to go on: it can
 * be read again, or the spool is closed, or it is empty and cannot be written. Lane thread. */
bool spool_put(struct spool *, const struct batch *);

/* Waits until all that spools have taken is settled. Lanes are parked or drained. Control thread. */
void spools_flush(void);

struct spool_status { /* borrows */
	const char *component_id, *dir;
	uint64_t bytes, bytes_max, entries; /* entries: not settled */
	int64_t oldest_ns;                  /* when the oldest of them was written, realtime; 0: there is none */
	uint64_t dropped;                   /* of this process: too many, too old, damaged */
	int error;                          /* errno while it cannot be written */
};
/* Calls fn for each spool. Any thread. */
void spools_each(void (*fn)(void *ptr, const struct spool_status *), void *ptr);

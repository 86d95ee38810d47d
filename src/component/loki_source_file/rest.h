/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which files are open. Thousands of files may be followed of which few are written at a time: a file that was read to its end and
 * settled can rest, without a descriptor and without a stream; what is known of it is its identity and how far it was read.
 *
 * Up to REST_OPEN files stay open although they are quiet, since an open file can be read after it was deleted; beyond, those that have
 * been quiet longest rest. While files wait for their turn to be opened all that can rest do.
 *
 * A file that was renamed while it rested is looked for by its identity in its directory, so that what was written to it
 * under the new name is read. Control thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/vec.h"

struct file_id;
struct follow;
struct follow_shared;
struct loop_timer;
struct stat;
struct tail;

#define REST_OPEN     128  /* quiet files that stay open */
#define REST_OPEN_MAX 8192 /* open at a time, or as many as descriptors allow: more wait for their turn */

struct rests { /* of one component */
	VEC(struct tail *) open; /* tails that a lane has */
	size_t n_waiting;	 /* follows that wait for their turn */
	size_t turn;		 /* where the search for the next one goes on */
	struct follow **slots;	 /* that rest, by device and inode; open addressing, a power of two */
	size_t slots_len, n;
	VEC(struct follow *) lost; /* their resting file has another name now, or none; NULL: gone meanwhile */
	size_t more;		 /* may be open beyond REST_OPEN_MAX, because none of those can be closed */
	int64_t closed_ns;	 /* when the last was; monotonic */
	bool said_full;
	bool many; /* were open since the timer stood still: their memory is to be given back */
	struct loop_timer *timer;
	struct loop_timer *touch;   /* tells the store daily of what rests, so that no position expires */
};

/* 0 or -errno. */
int rests_init(struct follow_shared *);
void rests_done(struct follow_shared *);

/* A lane got it; it let it go, which may be said more than once. */
void rest_opened(struct follow_shared *, struct tail *);
void rest_closed(struct follow_shared *, struct tail *);

/* Whether one more file may be opened; if not the follow waits for its turn. */
bool rest_may_open(struct follow *);
/* Descriptors have run out. */
void rest_wait(struct follow *);

/* Its tail, which is at the file's end (size, and the file as it is now) with all settled and no longer in a lane, or never was, is let go. */
void rest_begin(struct follow *, const struct tail *, uint64_t size, const struct stat *);
/* As another follow of the same path, whose id and rest_offset it has, did. */
void rest_take(struct follow *);
/* The file is to be opened again, or is no longer this follow's. Fine when it does not rest. */
void rest_end(struct follow *);
/* Gives back memory of what rested and is packed now. */
void rest_shrink(struct rests *);
/* The follow, but for f, whose resting file has this identity (any generation); NULL: none. */
struct follow *rest_find(const struct follow_shared *, const struct file_id *, const struct follow *f);
/* The path no longer leads to the resting file: looks for it under another name in the next turn of the loop, and then looks at
 * the path again. */
void rest_lose(struct follow *);
/* The follow's end. */
void rest_forget(struct follow *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The generations that a path named before: found in its directory when they were renamed, copied or created and renamed away while
 * nobody looked, and read to their end, oldest first, before the file that the path names now. Control thread.
 *
 * A generation that the store knows is found by device, inode and birth time, whatever its name is now; else by content, under the names
 * that rotation gives (listing.h): a copy, or compressed. One that the store does not know counts when it has such a name and was
 * born after the newest known one, or, compressed, was written after the last change of the path's positions.
 */
#include <stdbool.h>

#include "past.h"

struct follow;
struct follow_shared;
struct past_file;
struct stat;
struct tail;

/* Begins to read what is left of the earlier generations of a follow that has opened nothing yet. False: there are too few descriptors, ask
 * again later. */
bool generations_recover(struct past *, struct follow *);
/* The path names another file than it did (follow->last): reads those that it named in between. rotated: what it named until now, with a lane;
 * NULL: that was earlier. False: something could not be looked into, or there are too few descriptors; ask again later. */
bool generations_between(struct follow *, const struct tail *rotated);
/* The file was emptied while longship was down (the tail is placed, and no lane has it): reads the copies that were made of it, of what it
 * held before and of what it held in between. False: there is none. */
bool generations_of_emptied(struct follow *, const struct tail *);
/* The same while it is followed, by a tail that is retired and waits: a copy that holds what the tail has read, to go on in: a descriptor, and
 * in *ret whether it is compressed; -1: there is none. Copies of what the file held after that are read, too. */
int generations_of_cut(struct follow *, const struct tail *, struct past_file *ret);
/* The path names another file than the one that rests (rest.h): what was written to that since is read, and those that it named in
 * between. past: lists each directory once for several follows. False: there are too few descriptors, ask again later. */
bool generations_lost(struct past *, struct follow *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the store knows of the generations of a path: how far each was read, and what proves its content. Control thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/vec.h"
#include "longship/flow/proof.h"
#include "longship/os/file.h"
#include "tail.h"

struct follow;

struct known { /* a generation in the store */
	struct file_id id;
	bool any_ordinal; /* of a placed position */
	uint64_t position;
	bool has_holes; /* not all before the position is settled */
	struct proof proof;
	int64_t updated_ns;
	bool found;
};

struct known_list { /* of one path */
	struct file_identity current; /* what the path names; all 0: nothing */
	int64_t born_ns, updated_ns;  /* of the newest generation; the last change of any */
	VEC(struct known) items;      /* those that the path does not name */
	VEC(struct known) now;        /* the newest of the file that it does name, for each ordinal */
};

bool known_is_of_follow(const struct known *, const struct follow *);
/* The file has the identity of the generation; births count where both have one. */
bool known_is_file(const struct file_id *, const struct file_identity *);
/* Another known generation of the same inode came later, so that this one's content is no longer in it. */
bool known_was_truncated(const struct known_list *, const struct known *);
/* Its file was emptied, before it or after it: the file's birth does not tell when it began. */
bool known_is_of_many(const struct known_list *, const struct known *);
/* Nothing of it was ever sent, so that nothing tells whether the file holds still what it held then. */
bool known_is_unproven(const struct known *);
/* Of the follow's, the one that was changed last; NULL: there is none. */
const struct known *known_newest(const struct known_list *, const struct follow *);
bool known_newest_is_found(const struct known_list *, const struct follow *);
/* What the store knows of the file that the path names; NULL: nothing. */
const struct known *known_now(const struct known_list *, const struct follow *);

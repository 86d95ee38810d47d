/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What proves that a file is still the one that was read: the hash of its first bytes, and hashes of the bytes just before offsets that
 * were settled, the newest one and some of the last half minute. After a power cut a file may lack what was written last,
 * or hold something else there: then one of the older ones still holds (the kernel writes back within 30 s). In the store they are the
 * position's checkpoints, the head first. Not locked: a stream's proof is under its ledger's lock.
 */
#include <stddef.h>
#include <stdint.h>

#include "longship/base/limits.h"
#include "longship/positions/positions.h"

#define PROOF_HEAD_BYTES 1024
#define PROOF_TAIL_BYTES SPAN_BEFORE_BYTES
#define PROOF_TAILS_MAX (POSITIONS_CHECKPOINTS_MAX - 1)
#define PROOF_SPACING_NS (INT64_C(10) * 1000000000)

struct proof {
	struct position_checkpoint head; /* hash of the first head.offset ≤ PROOF_HEAD_BYTES bytes; offset 0: none */
	struct position_checkpoint tails[PROOF_TAILS_MAX]; /* ascending; of the PROOF_TAIL_BYTES before offset, or of all when there are fewer */
	size_t n_tails;
	int64_t kept_ns; /* when the newest but one was put by; monotonic */
};

/* Never 0, which stands for "not known". */
uint64_t proof_hash(const void *bytes, size_t n);
/* The newest; those that are not below it are forgotten, and one is kept for good every PROOF_SPACING_NS. */
void proof_add(struct proof *, uint64_t offset, uint64_t tail_hash, int64_t mono_ns);
/* Forgets those above offset: reading goes on there. */
void proof_cut(struct proof *, uint64_t offset);
/* The newest tail's hash when it is of this offset, else 0. */
uint64_t proof_at(const struct proof *, uint64_t offset);
/* To and from the store; those above the position's offset are left out. */
void proof_put(const struct proof *, struct position *);
void proof_get(struct proof *, const struct position *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a source stream remembers from one span to the next so that running a range again gives the same
 * entries: per key (stage, label set) one int64, e.g. the last timestamp for "fudge". Bounded
 * (MEMORY_SLOTS_MAX, least recently used goes first), saved with each mark and position. One thread at a time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/limits.h"

struct memory_slot {
	uint64_t key;
	int64_t value;
};

struct memory {
	size_t n;
	struct memory_slot slots[MEMORY_SLOTS_MAX]; /* most recently used first */
};

bool memory_get(struct memory *, uint64_t key, int64_t *ret);
void memory_set(struct memory *, uint64_t key, int64_t value);
/* from NULL: empty. */
void memory_copy(struct memory *to, const struct memory *from);
/* A copy for safe keeping, no larger than it must be: for memory_copy and memory_bytes only. NULL when it is empty; mem_free. */
struct memory *memory_keep(const struct memory *);
size_t memory_bytes(const struct memory *kept);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The `wal` block: the disk spool for what cannot be read a second time (flow/spool.h). Control thread. */
#include <stdbool.h>
#include <stdint.h>

#include "longship/flow/component.h"
#include "longship/flow/spool.h"
#include "longship/lang/args.h"

struct wal_args {
	bool enabled;
	int64_t max_segment_age_ns, min_read_frequency_ns, max_read_frequency_ns, drain_timeout_ns, max_size_bytes;
	int when_full; /* enum spool_full */
};
extern const struct arg_spec wal_spec[];
bool wal_check(const void *args, struct src_pos at, struct diags *);

/* The spool as the block says it, from the one before (NULL: none); args may be NULL. Without the block, or where it is not enabled, what an
 * earlier configuration left in it is still sent. NULL: there is nothing to do. Lanes are parked where there was one before. */
struct spool *wal_spool(struct component *, const struct wal_args *, struct spool *before);

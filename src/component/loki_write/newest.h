/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The newest time that was sent of each stream, as far as a fixed number of places remembers it (4,096; a stream that comes
 * to a taken place takes it over). For one lane; its thread.
 *
 * Loki refuses what is too far behind a stream's newest entry, and hides that refusal when another stream follows in the
 * same push (docs/loki-replies.md). So entries that may meet it travel in a request of their stream alone.
 */
#include <stdint.h>

#define NEWEST_PLACES 4096
#define NEWEST_UNKNOWN INT64_MIN
#define NEWEST_GRACE_NS (INT64_C(600) * 1000000000) /* Loki refuses what is further in the future, and does not remember it */

struct newest_place {
	uint64_t stream; /* a hash of its labels and destination */
	int64_t ns;
};

struct newest {
	struct newest_place *places; /* NULL until one is noted */
};

void newest_done(struct newest *);
int64_t newest_get(const struct newest *, uint64_t stream);
void newest_set(struct newest *, uint64_t stream, int64_t ns);

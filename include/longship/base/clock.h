/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Time as int64_t nanoseconds. Nothing inside a pipeline may read a clock (docs/architecture.md). */
#include <stdint.h>

#include "longship/base/str.h"

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

int64_t clock_now_ns(void);  /* CLOCK_REALTIME */
int64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */

/* RFC 3339 with nine digits, UTC: "2026-01-02T03:04:05.000000006Z"; needs 31 bytes. Returns out. */
#define CLOCK_RFC3339_BYTES 40
const char *clock_format_rfc3339(int64_t ns, char out[CLOCK_RFC3339_BYTES]);
/* RFC 3339 with any fraction and zone. */
bool clock_parse_rfc3339(struct str, int64_t *ret_ns);

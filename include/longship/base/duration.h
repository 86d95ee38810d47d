/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Go's time.Duration text: "1h2m3.5s", "300ms", "-5s", "0". Units ns us µs ms s m h; no d, no w. */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/str.h"

bool duration_parse(struct str, int64_t *ret_ns);
/* Go's Duration.String: "1m0s", "1.5s", "0s"; needs 32 bytes. Returns out. */
#define DURATION_BYTES 40
const char *duration_format(int64_t ns, char out[DURATION_BYTES]);

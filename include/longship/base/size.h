/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Byte sizes as Alloy takes them: "1MiB", "100KB", "512", "1.5GiB" (KB, MB… are powers of 1000, KiB… of 1024). */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/str.h"

bool size_parse(struct str, uint64_t *ret_bytes);
/* "1MiB" where exact, else bytes with "B". Returns out. */
#define SIZE_BYTES 32
const char *size_format(uint64_t bytes, char out[SIZE_BYTES]);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a Unicode code point is, as Go's package unicode sees it. */
#include <stdbool.h>
#include <stdint.h>

bool rune_is_letter(uint32_t rune);    /* category L */
bool rune_is_digit(uint32_t rune);     /* category Nd */
bool rune_is_printable(uint32_t rune); /* categories L, M, N, P, S and the ASCII blank */

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The memory budget of what is in flight: open batches and requests. Whoever takes may exceed the limit (a
 * span that was read must be processed); lanes read nothing new while it is exceeded. Any thread.
 */
#include <stdbool.h>
#include <stdint.h>

void budget_set_limit(uint64_t bytes);
uint64_t budget_limit(void);
uint64_t budget_used(void);
void budget_take(uint64_t bytes);
void budget_give(uint64_t bytes);
/* What one of so many users may hold: anything while more than half is free, else an equal part of that half, but at least one small request. */
#define BUDGET_SHARE_MIN_BYTES (64u << 10)
uint64_t budget_share(unsigned users);
/* Nothing new is to be read: what is left is for the spans that lanes are at. */
bool budget_exhausted(void);
/* At four fifths: open batches are to be sent. */
bool budget_scarce(void);
/* Once each time when memory was scarce and three quarters of it are free again: what was freed is to be given back to the system. */
bool budget_relieved(void);

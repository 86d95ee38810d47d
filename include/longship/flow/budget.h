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
/* Nothing new is to be read. */
bool budget_exhausted(void);
/* At four fifths: open batches are to be sent. */
bool budget_scarce(void);

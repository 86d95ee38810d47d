/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a search has found, in order, and read. Control thread. */
#include <stdbool.h>

struct search;

/* The oldest first. */
void found_sort(struct search *);
/* Begins to read what is left of all, the oldest first. False: there are too few descriptors, or one has another name now. */
bool found_read(struct search *);

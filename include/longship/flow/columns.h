/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The names of extracted values that the stages of one pipeline use, as column numbers. Made while the
 * configuration is loaded, read-only afterwards, lives in the pipeline's arena.
 */
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/base/map.h"
#include "longship/base/str.h"

struct columns {
	struct arena *arena;
	struct map numbers; /* name → number + 1 */
	struct str *names;
	size_t n, cap;
};

void columns_init(struct columns *, struct arena *);
/* The number of a name, new or known. */
size_t columns_number(struct columns *, struct str name);
/* The number of a known name, or SIZE_MAX. */
size_t columns_find(const struct columns *, struct str name);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A table for people: columns as wide as their widest cell, numbers to the right, what would disturb a terminal shown as "?". */
#include <stddef.h>
#include <stdio.h>

#include "longship/base/arena.h"
#include "longship/base/vec.h"

#define TABLE_COLUMNS_MAX 12

struct table {
	struct arena *arena;
	size_t columns;
	size_t widths[TABLE_COLUMNS_MAX];
	VEC(const char **) rows;
};

/* Cells live in the arena. */
void table_init(struct table *, struct arena *, size_t columns);
/* The first row is the head. */
void table_row(struct table *, const char *const *cells);
/* Prints and frees; nothing for a head alone. An empty line comes first. */
void table_print(struct table *, FILE *);

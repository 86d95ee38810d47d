/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A growing array of any type, as macros over {items, len, cap}. Zero-initialised is empty.
 *
 *	VEC(int) v = {0};
 *	vec_push(&v, 7);
 *	for (size_t i = 0; i < v.len; i++) use(v.items[i]);
 *	vec_done(&v);
 */
#include <stddef.h>

#include "longship/base/mem.h"

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t len, cap;                                                                   \
	}

#define vec_reserve(v, n)                                                                          \
	do {                                                                                       \
		if ((v)->cap < (n)) {                                                              \
			(v)->cap = (n) < 8 ? 8 : (n) + (n) / 2;                                    \
			(v)->items = mem_realloc((v)->items, (v)->cap * sizeof(*(v)->items));      \
		}                                                                                  \
	} while (0)

#define vec_push(v, item)                                                                          \
	do {                                                                                       \
		vec_reserve((v), (v)->len + 1);                                                    \
		(v)->items[(v)->len++] = (item);                                                   \
	} while (0)

/* Removes item i, keeping the order. */
#define vec_remove(v, i)                                                                           \
	do {                                                                                       \
		memmove(&(v)->items[i], &(v)->items[(i) + 1],                                      \
			((v)->len - (i)-1) * sizeof(*(v)->items));                                 \
		(v)->len--;                                                                        \
	} while (0)

#define vec_done(v)                                                                                \
	do {                                                                                       \
		mem_free((v)->items);                                                              \
		(v)->items = NULL;                                                                 \
		(v)->len = (v)->cap = 0;                                                           \
	} while (0)

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A sorted set of many paths in little memory: a path takes what it does not share with the one before it, and three bytes. A set never
 * changes; one with a path more or less shares nearly all of its memory, and two such sets are compared in the time of what differs.
 * References are counted. One thread at a time.
 */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/str.h"

#define PATH_SET_BYTES_MAX PATH_MAX /* of a path; longer ones are left out: no file can be opened by them */

struct path_set;

/* Paths in ascending order (str_cmp), none twice. A reference. */
struct path_set *path_set_new(const struct str *paths, size_t n);
struct path_set *path_set_ref(struct path_set *);
void path_set_unref(struct path_set *); /* NULL is fine */
size_t path_set_len(const struct path_set *);
bool path_set_has(const struct path_set *, struct str path);
/* A set of its own (a reference) with the path, without it. */
struct path_set *path_set_with(struct path_set *, struct str path);
struct path_set *path_set_without(struct path_set *, struct str path);

/* struct path_walk w; path_walk_begin(&w, set); while (path_walk_next(&w, &path)) …: ascending; a path is NUL-terminated and valid until the next call. */
struct path_walk {
	const struct path_set *set;
	size_t chunk, in_chunk; /* the next path's place */
	size_t at;		/* its bytes in the chunk */
	size_t len;
	char path[PATH_SET_BYTES_MAX];
};
void path_walk_begin(struct path_walk *, const struct path_set *);
bool path_walk_next(struct path_walk *, struct str *ret);

/* Calls fn for each path that only one of the sets has, ascending, until it returns false. NULL is an empty set. */
void path_set_compare(const struct path_set *before, const struct path_set *now, bool (*fn)(void *ptr, struct str path, bool added), void *ptr);
bool path_set_equal(const struct path_set *, const struct path_set *);

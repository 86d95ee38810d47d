/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Path patterns as Go's doublestar v4 understands them: * ? [set] [^set] {a,b} \escape, and ** as a whole
 * segment for any number of directories. Case sensitive; a leading dot is nothing special. Any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

#define GLOB_ALTERNATIVES_MAX 1024 /* patterns that {a,b}{c,d}… may stand for */
#define GLOB_DEPTH_MAX 128         /* directories below each other that ** descends */
#define GLOB_PATHS_MAX 1000000     /* found by one walk; a machine has fewer logs */

#define GLOB_ENTRIES_MAX 10000000  /* looked at by one walk: several ** in a pattern look again and again */

struct glob_paths {
	struct str *items; /* NUL-terminated, sorted, unique */
	bool *is_file;     /* of each: its directory says that it is a regular file; else anything is possible */
	size_t n;
	struct str *dirs; /* NUL-terminated: directories that were looked into; what appears in none of them changes nothing. May repeat */
	size_t n_dirs;
};

bool glob_valid(struct str pattern);
/* Whether the pattern matches the whole path; false for patterns that are not valid. */
bool glob_match(struct str pattern, struct str path);
/* The existing paths that match (files, directories and others), relative if the pattern is. The pattern is cleaned first
 * ("a//b/../c"). Symbolic links are followed, but never back into a directory that is being walked; directories that cannot be
 * read are left out. 0; -EINVAL: not a pattern; -E2BIG: a limit above was hit (what was found so far is returned);
 * -EMFILE, -ENFILE, -ENOMEM: the process could not open a directory, so paths may be missing. */
int glob_walk(struct arena *, struct str pattern, struct glob_paths *ret);
/* The part before the first wildcard segment, as a path: "/var/log" of "/var/log/x*". */
struct str glob_base(struct arena *, struct str pattern);
/* Go's filepath.Clean. */
struct str glob_clean(struct arena *, struct str path);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The targets of many files without an object for each: groups that differ in nothing but __path__. As a value (VALUE_PATHS) it is an
 * array of targets; the evaluator makes that array wherever an expression looks into it, and an argument with the flag ARG_PATHS takes it
 * as it is. It never changes. References are counted; a copy in an arena holds one. Control thread.
 */
#include "longship/base/path_set.h"
#include "longship/lang/args.h"
#include "longship/lang/value.h"

struct path_group {
	struct target labels; /* sorted by name; one is __path__, whose value means nothing */
	struct path_set *paths;
};

struct path_targets {
	size_t refs;
	struct arena *arena; /* of the labels */
	size_t len;	     /* targets, of all groups */
	size_t n;
	struct path_group groups[];
};

/* n groups, all without labels and paths. A reference. */
struct path_targets *path_targets_new(size_t n);
struct path_targets *path_targets_ref(struct path_targets *);
void path_targets_unref(struct path_targets *); /* NULL is fine */
/* Gives a group its labels, which are copied, and its paths, whose reference it takes. */
void path_targets_set(struct path_targets *, size_t i, const struct target *labels, struct path_set *);
/* The same with other paths in one group, whose reference it takes. A reference. */
struct path_targets *path_targets_with(const struct path_targets *, size_t i, struct path_set *);
/* The same groups, in the same order, but perhaps other paths. */
bool path_targets_alike(const struct path_targets *, const struct path_targets *);
bool path_targets_equal(const struct path_targets *, const struct path_targets *);
/* Keeps it until the arena is cleared. */
void path_targets_keep(struct path_targets *, struct arena *);
/* Sets the path of a copy of the group's labels, which has room for all of them. */
void path_group_target(const struct path_group *, struct str path, struct target *ret);

static inline struct value
path_targets_value(struct path_targets *targets)
{
	return (struct value){.kind = VALUE_PATHS, .paths = targets};
}
/* As an array of targets in the arena. */
struct value path_targets_expand(struct arena *, const struct path_targets *);
/* A list with items, in the arena; the list itself when it has some. */
struct target_list path_targets_list(struct arena *, const struct target_list *);
/* The value, or, where it is or (an object) has a VALUE_PATHS, the same with arrays. */
struct value path_targets_expanded(struct arena *, const struct value *);

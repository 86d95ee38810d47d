/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the parts of `longship check` share. One thread; everything lives until the command ends. */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/flow/graph.h"

#include "options.h"

enum check_level { CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct check {
	const struct options *options;
	struct graph_load *load;
	struct arena *arena;
	const char *user; /* name of whom it is all checked for */
	size_t n_files;	  /* that would be followed */
	bool failed;
};

/* Prints one finding; mend: the command that mends it, NULL: none. Control characters are made harmless. */
void check_finding(struct check *, enum check_level, const char *mend, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* An argument in a decoded struct, by its name in the table; never NULL (the table is the program's own). */
const void *check_field(const struct arg_spec *, const void *args, const char *name);
/* Its row; sub is the table of a block. */
const struct arg_spec *check_row(const struct arg_spec *, const char *name);
/* As one word for a shell. */
const char *check_word(struct check *, const char *text);
/* The nearest directory on the way to the path, or the path itself, that this user may not search; NULL: none. */
const char *check_barrier(struct check *, const char *path);

/* The parts. */
void check_files(struct check *);
void check_journal(struct check *);
void check_limits(struct check *);
void check_loki(struct check *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The source text of a configuration: its files and positions in them. A position is a file number
 * and a byte range; line and column are made only when somebody must be told (lang/diag.h).
 */
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

/* file is an index into the source set + 1; 0 means "no position". len 0: a point. */
struct src_pos {
	uint32_t file;
	uint32_t off, len;
};

struct source_file {
	struct str name; /* as shown in messages */
	struct str text; /* without BOM */
};

struct diags;

/* The files of one load; lives in `arena` (configuration generation). */
struct source {
	struct arena *arena;
	struct source_file *files;
	uint32_t n_files;
};

void source_init(struct source *, struct arena *);
/* Adds text under a name (both are copied); returns the file's number for src_pos.file. */
uint32_t source_add(struct source *, struct str name, struct str text);
/* Reads one file, or every *.alloy directly in a directory in path order. Refuses what is not UTF-8. Errors go to diags. */
bool source_load(struct source *, const char *path, struct diags *);
/* The text of a range; empty for "no position". */
struct str source_text(const struct source *, struct src_pos);
/* 1-based line and byte column. */
void source_line_col(const struct source *, struct src_pos, uint32_t *ret_line, uint32_t *ret_col);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The entries of a positions store as longship positions shows them, with what the file system says now. */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"
#include "longship/base/vec.h"
#include "longship/flow/placed.h"

#include "storage.h"

enum position_state {
	POSITION_CURRENT, /* of the file that the path names now */
	POSITION_PLACED,  /* waits until the source opens the path; what the path has beside it does not count any more */
	POSITION_EARLIER, /* of a file that the path named before */
	POSITION_GONE,	  /* the newest of a path that names nothing now */
	POSITION_CURSOR,  /* not of a file: text is where it stands */
	POSITION_LAGGING, /* of a destination that lags behind the path */
};

struct position_row {
	struct str component, path, labels;
	struct str text;    /* cursor; of a placed one: what is no number */
	uint64_t offset;
	int64_t updated_ns;
	struct file_key key; /* of files */
	enum position_state state;
	bool invalid;	/* placed, and text is no number */
	bool has_size;	/* of the file now */
	uint64_t size;
};

struct position_rows {
	struct arena *arena; /* everything lives in it */
	VEC(struct position_row) rows; /* by component, path, labels; current or placed ones before earlier ones */
	VEC(struct str) components;    /* that run and whose positions can be changed */
};

/* 0 or the exit status; what is wrong was said. component: only this one's; empty: all. */
int position_rows_get(struct storage *, struct str component, struct position_rows *ret);
void position_rows_done(struct position_rows *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The trie of paths, between json_paths.c, which makes it, and json.c, which follows it. */
#include <stdint.h>

#include "longship/codec/json.h"

struct node;

struct child {
	struct str name; /* of a member; s == NULL for an index */
	int64_t index;	 /* negative: from the end */
	struct node *node;
};

struct slot_list {
	size_t slot;
	struct slot_list *next;
};

struct node {
	struct child *names, *indexes;
	size_t n_names, n_indexes;
	uint64_t lengths; /* bit (length & 63) of each name: most members are none of ours */
	size_t from_end;  /* how many elements from the end are asked for */
	struct slot_list *slots;
};

struct json_paths {
	struct arena *arena;
	struct node root;
	size_t n;
};

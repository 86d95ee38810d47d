/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The first document of a YAML text as an immutable tree in an arena, resolved as Go's yaml.v3 does it: 010 is
 * octal, yes is a string, 2001-01-01 a time. Anchors, aliases and merge keys are followed (a node may stand in
 * several places); repeated keys are errors. Bounded by YAML_DEPTH_MAX and YAML_NODES_MAX. Any thread.
 *
 *	struct yaml_tree_error error;
 *	const struct yaml_tree *doc = yaml_tree_parse(arena, text, &error);
 *	const struct yaml_tree *port = doc != NULL ? yaml_tree_get(doc, STR("port")) : NULL;
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

enum yaml_tree_kind {
	YAML_TREE_NULL,
	YAML_TREE_BOOL,
	YAML_TREE_INT,
	YAML_TREE_UINT,	 /* beyond int64 */
	YAML_TREE_FLOAT, /* inf and nan too */
	YAML_TREE_STRING,
	YAML_TREE_TIME, /* text is as written, rfc3339 as Go prints it */
	YAML_TREE_SEQUENCE,
	YAML_TREE_MAPPING,
};

struct yaml_tree_pair;

struct yaml_tree {
	enum yaml_tree_kind kind;
	uint32_t line, column; /* 1-based */
	size_t off;	       /* byte offset in the text (without BOM) */
	struct str text;       /* of every scalar: as written, without quotes; of !!binary the bytes; of a key as below */
	union {
		bool boolean;
		int64_t i;
		uint64_t u;
		double f;
		struct str rfc3339;
		struct {
			const struct yaml_tree *const *items;
			size_t n;
		} sequence;
		struct {
			const struct yaml_tree_pair
				*pairs; /* in the order of the text, merged ones last; unique texts */
			size_t n;
		} mapping;
	};
};

struct yaml_tree_pair {
	const struct yaml_tree *key; /* a scalar, but for yaml_tree_parse_mapping_keys */
	const struct yaml_tree *value;
};

struct yaml_tree_error {
	uint32_t line, column; /* 1-based; 0 when unknown */
	struct str text;       /* without position; several lines for repeated keys */
};

/* NULL on failure. An empty text is a null. */
const struct yaml_tree *yaml_tree_parse(struct arena *, struct str text, struct yaml_tree_error *ret_error);
/* The same, but keys may be mappings of scalars, too ("? path: a\n  labels: b\n: 1"); text is then "path: a, labels: b". */
const struct yaml_tree *yaml_tree_parse_mapping_keys(
	struct arena *, struct str text, struct yaml_tree_error *ret_error);
/* The value of a key of a mapping; NULL when it is not there or the node is no mapping (or NULL). */
const struct yaml_tree *yaml_tree_get(const struct yaml_tree *, struct str key);

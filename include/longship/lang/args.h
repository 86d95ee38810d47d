/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Argument tables: what a block of the configuration may hold. One const table decodes, checks,
 * compares, prints as JSON and documents a component's arguments; code and manual cannot drift.
 *
 *	struct echo_args { struct str prefix; int64_t wait_ns; };
 *	static const struct arg_spec echo_spec[] = {
 *		{.name = "prefix", .kind = ARG_STRING, .offset = offsetof(struct echo_args, prefix), .doc = "Put before each line."},
 *		{.name = "wait", .kind = ARG_DURATION, .offset = offsetof(struct echo_args, wait_ns), .fallback = "\"1s\"", .min = 0, .max = INT64_MAX, .doc = "…"},
 *		{0},
 *	};
 *
 * Which C type stands at `offset`:
 *	ARG_STRING, ARG_SECRET, ARG_REGEX  struct str (ARG_REGEX: text checked as RE2)
 *	ARG_BOOL                    bool
 *	ARG_INT, ARG_DURATION (ns), ARG_SIZE (bytes)  int64_t
 *	ARG_NUMBER                  double
 *	ARG_CHOICE                  int: index into choices
 *	ARG_STRING_LIST             struct str_list
 *	ARG_STRING_MAP, ARG_SECRET_MAP  struct str_map
 *	ARG_TARGETS                 struct target_list
 *	ARG_CAPSULE                 void * (of capsule type `capsule`), NULL when null
 *	ARG_CAPSULE_LIST            struct ptr_list (null elements are left out)
 *	ARG_ANY                     struct value
 *	ARG_BLOCK                   pointer to a struct of sub_size, NULL when absent
 *	ARG_BLOCKS                  struct block_list of such structs, in file order
 *	ARG_ENUM_BLOCKS             struct variant_list: "name.VARIANT { … }" in file order across variants
 *	ARG_SQUASH                  the struct itself (rows of `sub` at this offset)
 *	ARG_POS                     struct src_pos: where the block stands (no name)
 *	ARG_LABEL                   struct str: label of the block (no name)
 *
 * Fallbacks are expressions of the language. A missing attribute with no fallback is zero. `attr = null`
 * gives the zero value, not the fallback. Everything decoded lives in the arena given to args_decode.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/lang/ast.h"
#include "longship/lang/diag.h"
#include "longship/lang/eval.h"
#include "longship/lang/value.h"

enum arg_kind {
	ARG_END, /* the row that ends a table */
	ARG_STRING,
	ARG_SECRET,
	ARG_REGEX,
	ARG_BOOL,
	ARG_INT,
	ARG_NUMBER,
	ARG_DURATION,
	ARG_SIZE,
	ARG_CHOICE,
	ARG_STRING_LIST,
	ARG_STRING_MAP,
	ARG_SECRET_MAP, /* map(list(secret)) or map(secret): values joined by ", " */
	ARG_TARGETS,
	ARG_CAPSULE,
	ARG_CAPSULE_LIST,
	ARG_ANY,
	ARG_BLOCK,
	ARG_BLOCKS,
	ARG_ENUM_BLOCKS,
	ARG_SQUASH,
	ARG_POS,
	ARG_LABEL,
};

enum {
	ARG_REQUIRED = 1,
	ARG_DEPRECATED = 2,
	ARG_NEEDS_LABEL = 4,
	ARG_NULL_IS_EMPTY = 8,  /* null elements of a string map: "" */
	ARG_UNSUPPORTED = 16,   /* exists in Alloy, refused by the graph before decoding; doc says why */
	ARG_PATHS = 32,         /* of ARG_TARGETS: the owner knows target_list.paths */
};

struct str_list {
	struct str *items;
	size_t n;
};
struct str_pair {
	struct str name, value;
};
struct str_map {
	struct str_pair *items; /* in the order written; names unique */
	size_t n;
};
struct target { /* sorted by name */
	struct str_pair *labels;
	size_t n;
};
struct target_list {
	struct target *items;
	size_t n;
	struct path_targets *paths; /* with ARG_PATHS: not NULL: the targets are these (path_targets.h), and there are no items */
};
struct ptr_list {
	void **items;
	size_t n;
};
struct block_list {
	void *items; /* n structs of sub_size */
	size_t n;
};

struct arg_spec;

struct arg_variant { /* one alternative of ARG_ENUM_BLOCKS */
	const char *name; /* "json" of "stage.json" */
	const struct arg_spec *args;
	size_t args_size;
	/* Checks decoded arguments, may be NULL. No side effects. Reports at `at`. */
	bool (*check)(const void *args, struct src_pos at, struct diags *);
	const void *type; /* the owner's own table, e.g. struct stage_type */
	const char *doc;
};
struct variant {
	const struct arg_variant *variant;
	void *args;
	struct src_pos pos; /* of the block */
};
struct variant_list {
	struct variant *items;
	size_t n;
};

struct arg_spec {
	const char *name; /* as written in the configuration; NULL for ARG_SQUASH, ARG_POS, ARG_LABEL */
	enum arg_kind kind;
	unsigned flags;
	size_t offset;
	const char *fallback; /* default, an expression of the language */
	const struct arg_spec *sub; /* rows of a block or squashed group */
	size_t sub_size; /* of its struct */
	bool (*sub_check)(const void *args, struct src_pos at, struct diags *); /* of a block, may be NULL */
	const struct arg_variant *const *variants; /* ARG_ENUM_BLOCKS: NULL-terminated */
	const char *const *choices; /* ARG_CHOICE: NULL-terminated */
	const struct capsule_type *capsule; /* ARG_CAPSULE, ARG_CAPSULE_LIST */
	int64_t min, max; /* of numbers, durations, sizes, list lengths; both 0 = unchecked */
	const char *doc; /* one sentence, ends in a full stop */
};

/*
 * Decodes the body of a block into `out`, a zeroed or dirty struct that is written whole. Stops at the first
 * error. What has no position of its own (a missing attribute) is reported at `block` behind `prefix`
 * ("Failed to build component: decoding configuration: "; "" for none), see reference 1.7.
 * `block` is the block's whole position and label.
 */
bool args_decode(const struct arg_spec *, const struct block *, const char *prefix, const struct eval_env *,
	struct arena *, void *out, struct diags *);
/* As args_decode with only the fallbacks: for blocks that need not be there. */
bool args_decode_empty(const struct arg_spec *, struct arena *, void *out, struct diags *);
/* Static checks for `validate`: all errors of the block; values are checked only where they are made of literals. */
bool args_validate(const struct arg_spec *, const struct block *, struct arena *, struct diags *);
/* Deep equality of two decoded argument structs: an unchanged component is not updated. */
bool args_equal(const struct arg_spec *, const void *a, const void *b);
/* The body of a block as the JSON of Alloy's component API ([{"name","type","value"}…]); secrets as "(secret)"; defaults left out. */
void args_to_json(const struct arg_spec *, const void *args, struct buf *);
/* The reference page of a table: names, types, defaults, sentences. */
void args_print_help(const struct arg_spec *, struct buf *);

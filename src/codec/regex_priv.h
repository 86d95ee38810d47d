/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The parts of codec/regex: regex_syntax.c reads Go's syntax into a tree, regex_emit.c prints the tree as
 * PCRE2 patterns, regex_vm.c runs it where backtracking cannot give Go's answer, regex.c joins them and is
 * the only one that knows PCRE2. The tree lives in the arena of one compilation.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/limits.h"
#include "longship/base/str.h"
#include "longship/base/vec.h"
#include "longship/codec/regex.h"

#define REGEX_PATTERN_BYTES_MAX (1u << 20) /* far above any pattern written by hand; bounds the tree */
#define REGEX_HEIGHT_MAX 1000              /* of the tree, as in Go: bounds the recursion over it */
#define REGEX_SIZE_MAX 3355443             /* Go's limit on the compiled size, in its instructions */
#define REGEX_EMIT_BYTES_MAX (16u << 20)   /* of the PCRE2 pattern */
#define REGEX_VM_INSTS_MAX 20000           /* of the own program: 16 bytes each, and a thread slot */

enum regex_op {
	REGEX_OP_EMPTY,
	REGEX_OP_LITERAL,
	REGEX_OP_CLASS,
	REGEX_OP_ANY,
	REGEX_OP_ANY_NOT_NL,
	REGEX_OP_BEGIN_LINE,
	REGEX_OP_END_LINE,
	REGEX_OP_BEGIN_TEXT,
	REGEX_OP_END_TEXT,
	REGEX_OP_WORD_BOUNDARY,
	REGEX_OP_NO_WORD_BOUNDARY,
	REGEX_OP_CAPTURE,
	REGEX_OP_STAR,
	REGEX_OP_PLUS,
	REGEX_OP_QUEST,
	REGEX_OP_REPEAT,
	REGEX_OP_CONCAT,
	REGEX_OP_ALTERNATE,
};

struct regex_range {
	uint32_t lo, hi;
};

struct regex_class {
	bool negated;
	struct regex_range *ranges;
	size_t n_ranges;
	const char **properties; /* PCRE2 items: "\\p{sc:Greek}" */
	size_t n_properties;
};

struct regex_node {
	enum regex_op op;
	bool fold;     /* LITERAL, CLASS: case-insensitive */
	bool lazy;     /* repetitions */
	bool nullable; /* can match the empty text */
	bool loops_on_empty; /* it or a part repeats something nullable */
	bool ascii;    /* only ASCII characters can match: bytes do as well as characters */
	uint32_t rune; /* LITERAL */
	int min, max;  /* REPEAT; max -1: no end */
	size_t capture; /* CAPTURE: number of the group */
	int height;
	int64_t size;
	const struct regex_class *class;
	struct regex_node *first, *last; /* parts */
	struct regex_node *next;         /* the next part of the same whole */
};

struct regex_tree {
	struct regex_node *root;
	size_t groups;
	VEC(struct str) names; /* of the groups, slices of the pattern; free with vec_done */
};

/* On failure: false with Go's message (in the arena) and the byte offset. */
bool regex_syntax_parse(struct arena *, struct str pattern, struct regex_tree *ret, struct str *ret_error, size_t *ret_offset);

/* Appends the tree as a PCRE2 pattern: for UTF mode, or for byte mode on subjects that are ASCII. */
void regex_emit(const struct regex_node *, bool utf, struct buf *out);

/* The own machine: for what PCRE2 would answer differently, refuses for its size, or gives up. */
struct regex_vm;
struct regex_vm_class { /* a set of characters */
	uint64_t ascii[2];
	void *wide; /* for the others: regex.c's */
};
/* NULL: more than REGEX_VM_INSTS_MAX. The tree may go. */
struct regex_vm *regex_vm_new(const struct regex_node *);
void regex_vm_free(struct regex_vm *);
/* As regex_match; memory is scratch, kept by the caller for the next time. */
enum regex_result regex_vm_match(const struct regex_vm *, struct str subject, size_t from, size_t *ret_slots, size_t pairs, struct buf *memory);

/* A LITERAL or CLASS node as a set. */
bool regex_class_compile(const struct regex_node *, struct regex_vm_class *ret);
void regex_class_done(struct regex_vm_class *);
bool regex_class_has(const struct regex_vm_class *, uint32_t rune);

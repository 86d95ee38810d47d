/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Extracts a compiled set of fields from JSON lines in one pass and without a tree. The whole text is
 * validated on the way, as jsoniter (Alloy's decoder) does: one object or null, nothing else. Values are
 * borrowed from the text; only a string with escapes and an object or array (which becomes JSON text
 * again) take memory from the arena. Compiled paths are immutable and may be shared by threads.
 *
 *	struct json_paths *paths = json_paths_new(arena);
 *	json_paths_add(paths, STR("request.headers[0].\"x-id\""), &error);     slot 0
 *	struct json_value values[1];
 *	if (json_extract(paths, line, batch_arena, NULL, values, NULL)) use(values[0]);
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

#define JSON_LINE_DEPTH_MAX 10000 /* nesting of a text; jsoniter's limit */
#define JSON_PATH_STEPS_MAX 32	  /* steps of one path: bounds the recursion */
#define JSON_PATHS_MAX	    1024  /* paths of one set */
#define JSON_FROM_END_MAX   16	  /* a[-16] is the farthest index from the end */

enum json_value_kind { JSON_NULL, JSON_STRING, JSON_NUMBER, JSON_BOOL };

struct json_value { /* JSON_NULL also when the path leads nowhere */
	enum json_value_kind kind;
	bool boolean;
	union {
		struct str text; /* JSON_STRING; of an object or array: its compact JSON text */
		double number;
	};
};

struct json_paths;

struct json_paths *json_paths_new(struct arena *);
/*
 * Adds a path as the next slot: names and indexes, `a.b[0]."x-y"`. False with a message (in the arena of
 * the set): the expression is none; it may be JMESPath of another kind (jmespath.h).
 */
bool json_paths_add(struct json_paths *, struct str expression, struct str *ret_error);
size_t json_paths_count(const struct json_paths *);

/* Fields of the top level that a caller selects by name. */
struct json_member {
	struct str name;
	struct json_value value;
};
struct json_fields {
	bool (*select)(void *ptr, struct str name);
	void *ptr;
	struct json_member *items; /* in the arena of the call; later ones replace earlier ones of the same name */
	size_t n, cap;
};

/*
 * What the last text looked like, to read the next one of the same shape faster: the first bytes of each top-level
 * member, from the quote up to the value. Zeroed at first; for one set of paths; one thread.
 */
#define JSON_SHAPE_MEMBERS 32
struct json_shape {
	struct json_shape_member {
		_Alignas(16) char text[16]; /* "key": and padding */
		uint16_t mask;		    /* one bit for each byte of it; 0: does not fit */
		uint8_t len;
		const void *node;
	} members[JSON_SHAPE_MEMBERS];
};

/*
 * Fills one value a slot. False: the text is malformed; values and fields are then unspecified.
 * shape and fields may be NULL; the n of fields starts from 0.
 */
bool json_extract(const struct json_paths *, struct str text, struct arena *, struct json_shape *,
	struct json_value *values, struct json_fields *fields);

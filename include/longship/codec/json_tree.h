/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A JSON text as an immutable tree in an arena. Accepts and refuses what Go's encoding/json does, with its
 * words; bytes that are not UTF-8 and lone surrogates become U+FFFD; of a repeated key the last value counts.
 * Nesting is limited to JSON_DEPTH_MAX. Any thread.
 *
 *	struct str error;
 *	const struct json *doc = json_tree_parse(arena, body, 0, &error);
 *	const struct json *status = doc != NULL ? json_tree_get(doc, STR("status")) : NULL;
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/str.h"

enum json_kind {
	JSON_TREE_NULL,
	JSON_TREE_BOOL,
	JSON_TREE_INT,
	JSON_TREE_FLOAT,
	JSON_TREE_STRING,
	JSON_TREE_ARRAY,
	JSON_TREE_OBJECT
};

struct json_field;

struct json {
	enum json_kind kind;
	union {
		bool boolean;
		int64_t i; /* a number without fraction and exponent that fits */
		double f;  /* any other number; always finite */
		struct str text;
		struct {
			const struct json *items;
			size_t n;
		} array;
		struct {
			const struct json_field *fields; /* in the order of the text */
			size_t n;
		} object;
	};
};

struct json_field {
	struct str name;
	struct json value;
};

enum {
	JSON_TREE_BIG_AS_TEXT = 1, /* numbers of more digits than a number holds become strings, as ojg reads them */
};

/* NULL on failure, with Go's message in *ret_error ("invalid character 'x' after array element"). */
const struct json *json_tree_parse(struct arena *, struct str text, unsigned flags, struct str *ret_error);
/* The field of an object; NULL when it is not there or the value is not an object (or NULL). */
const struct json *json_tree_get(const struct json *, struct str name);
/* The field's text when it is a string, else empty. */
struct str json_tree_get_text(const struct json *, struct str name);
/* A number of either kind. */
bool json_tree_number(const struct json *, double *ret);
/* Appends text as a JSON string with its quotes; < > & escaped when html, U+2028/9 always. */
bool json_tree_quote(struct buf *, struct str text, bool html);

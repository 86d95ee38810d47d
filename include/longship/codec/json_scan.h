/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Takes the outermost array or object of a JSON text apart, by the rules of Go's encoding/json: the whole text must be
 * well-formed, nested at most JSON_LINE_DEPTH_MAX deep. Parts are borrowed as they are written.
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

struct json_scan_member {
	struct str name; /* between its quotes, escapes and all */
	struct str value;
};

/* The elements of an array. False: the text is something else. */
bool json_scan_elements(struct arena *, struct str text, struct str **ret_items, size_t *ret_n);
/* The members of an object, repeated ones, too. False: the text is something else. */
bool json_scan_members(struct arena *, struct str text, struct json_scan_member **ret_items, size_t *ret_n);

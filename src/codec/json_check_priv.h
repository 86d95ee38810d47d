/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The grammar half of json_tree: Go's rules and messages, before the library builds the tree. */
#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/str.h"

/* Checks text and appends to out a JSON text that means the same and that any parser takes: UTF-8 mended, numbers
 * beyond int64 written as reals. False with *ret_error otherwise. */
bool json_check(struct str text, bool big_as_text, struct arena *, struct buf *out, struct str *ret_error);

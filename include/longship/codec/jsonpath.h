/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSONPath in the dialect of ojg (Alloy's json_path): $ @ .name ['name'] [n] [-n] [a:b:step] [x,y] * .. and
 * filters [?(@.a == 1 && @.b =~ /re/)] with == != < > <= >= && || ! + - * / in has exists empty =~, length(),
 * count(), match() and search(). A leading $ may be left out. Members of an object come in the order of the
 * text (ojg: at random). A compiled path is immutable and may be shared by threads. Bounded by JSONPATH_*_MAX.
 */
#include "longship/base/arena.h"
#include "longship/base/str.h"
#include "longship/codec/json_tree.h"

struct jsonpath;

/* NULL on failure with ojg's words in *ret_error ("not terminated at 2 in ["). */
struct jsonpath *jsonpath_compile(struct arena *, struct str path, struct str *ret_error);
/* What the path finds, as an array (shallow copies of the document's nodes); NULL when a limit was hit. */
const struct json *jsonpath_get(
	const struct jsonpath *, const struct json *root, struct arena *, struct str *ret_error);

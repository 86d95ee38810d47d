/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JMESPath in the dialect of jmespath-community's go-jmespath 1.1.1: the language, arithmetic, let, $ and the
 * community's functions. An expression is compiled once into an immutable tree, which threads may share. A run is one
 * thread's scratch memory: it holds the document of one line as a tree and all that the evaluations make of it, until
 * the next load. It takes memory from the heap only to grow, not per line.
 *
 *	const struct jmespath *sum = jmespath_compile(arena, STR("sum(items[?ok].n)"), &error);
 *	struct jmespath_run *run = jmespath_run_new();
 *	struct json_value value;
 *	if (jmespath_run_load(run, line) && jmespath_run_get(run, sum, batch_arena, &value)) use(value);
 *	jmespath_run_free(run);
 */
#include <stdbool.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"
#include "longship/codec/json.h"

struct jmespath;
struct jmespath_run;

/* NULL with a message ("SyntaxError: … at offset 3", in the arena). An unknown function is an error of each run. */
const struct jmespath *jmespath_compile(struct arena *, struct str expression, struct str *ret_error);

struct jmespath_run *jmespath_run_new(void);
void jmespath_run_free(struct jmespath_run *);
/*
 * Takes a text that json_extract (or json_tree_parse) has found valid; it must outlive the results. False: it is nested
 * deeper or larger than the limits allow.
 */
bool jmespath_run_load(struct jmespath_run *, struct str text);
/*
 * The value, its text borrowed from the document, the expression or in `out`; objects and arrays as JSON text with
 * members in the order of the document (jsoniter: random). False: a runtime error, or a limit was hit.
 */
bool jmespath_run_get(struct jmespath_run *, const struct jmespath *, struct arena *out, struct json_value *ret);

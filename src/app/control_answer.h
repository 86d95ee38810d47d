/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the control socket answers. The same function answers a command that works on the store of a longship that
 * does not run; there is no graph then, and no lanes. Control thread.
 *
 *	{"command": "status", "worst": 5}         one object
 *	{"command": "positions.list", "part": 0, "parts": 1}
 *	                                          a line for each stream of this part, then {"streams": N, "components": […]}
 *	{"command": "positions.change", "changes": [{"component", "path", "labels", "kind": "offset"|"invalid"|
 *	 "reset", "offset": N, "text"}, …]}       {"changed": N}
 *
 * A fault is {"error": "…"}. Bytes that are not UTF-8 stand in NAME_base64 instead of NAME.
 */
#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/codec/json_tree.h"

struct graph;
struct runtime;

#define CONTROL_CHANGES_MAX 100000 /* of one request */

void control_answer(struct runtime *, struct graph *, struct str request, struct buf *reply);

/* A member with its comma in front unless it is the first. */
void control_put_text(struct buf *, const char *name, struct str text);
/* The other way; empty when it is not there. */
struct str control_get_text(struct arena *, const struct json *, const char *name);
uint64_t control_get_number(const struct json *, const char *name);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading Loki's push messages: protobuf (after snappy) and the labels text in it. push_json.h reads the JSON form into
 * the same sink. The bodies come from anybody: nothing in them makes a reader recurse, loop or take memory beyond
 * the body's own size.
 *
 *	struct push_sink sink = {.stream = on_stream, .entry = on_entry, .ctx = me};
 *	if (!push_decode_protobuf(body, NULL, &(struct push_sink){0}, NULL, &error)) → refuse, nothing has been used
 *	push_decode_protobuf(body, arena, &sink, NULL, &error);
 *
 * The strings handed out point into the body, or into the arena when they had to be unescaped; arrays are valid during
 * the call only. With arena == NULL nothing is unescaped or handed out: the body is only checked (both calls may be NULL).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/limits.h"
#include "longship/base/str.h"
#include "longship/codec/loki_push.h"

struct arena;

#define PUSH_LABELS_MAX LABELS_MAX
#define PUSH_METADATA_MAX METADATA_MAX

struct push_sink {
	/* A stream begins. bad != NULL says why its labels cannot be used (then n is 0). False: skip its entries, which are
	 * checked all the same. */
	bool (*stream)(void *ctx, const struct push_label *labels, size_t n, const char *bad);
	/* ts_ns is INT64_MIN or INT64_MAX when it does not fit (Go's zero time, the year 1, is usual for "none"). False: stop behind
	 * this entry; the call returns true, and the next one with the same place goes on (telling the stream again). */
	bool (*entry)(void *ctx, int64_t ts_ns, struct str line, const struct push_label *metadata, size_t n);
	void *ctx;
};

/* Where reading a body goes on; zero: at its start. Only for the same body, unchanged. */
struct push_place {
	size_t stream, entry; /* byte offsets in the body */
	bool stopped;         /* by the sink; else the body's end was reached */
};

/* place may be NULL when the sink never stops. False with a static text when the body is not a PushRequest; the sink may have been called for what is before it. */
bool push_decode_protobuf(struct str body, struct arena *, const struct push_sink *, struct push_place *, const char **ret_error)
	__attribute__((warn_unused_result));

/*
 * The text form of labels as Prometheus' parser reads it: {a="b", c='d', "any name"=`e`,}, after an optional metric name
 * (label __name__). A repeated name stays repeated. NULL, or a static text saying what is wrong.
 */
const char *push_decode_labels(struct str text, struct arena *, struct push_label out[PUSH_LABELS_MAX], size_t *ret_n)
	__attribute__((warn_unused_result));

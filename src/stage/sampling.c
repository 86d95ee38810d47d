/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "catalog_priv.h"
#include "longship/base/hash.h"
#include "longship/flow/receipt.h"
#include "longship/flow/stream.h"

/*
 * stage.sampling: keeps a share of the entries. What decides is not chance but a hash of the stream and
 * the line's own time mark, so that a range that is read again gives the same entries.
 */

struct sampling_args {
	double rate;
	struct str reason;
};

static const struct arg_spec args[] = {
	{.name = "rate",
		.kind = ARG_NUMBER,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct sampling_args, rate),
		.doc = "Share of the entries to keep, 0 to 1."},
	{.name = "drop_counter_reason",
		.kind = ARG_STRING,
		.offset = offsetof(struct sampling_args, reason),
		.fallback = "\"sampling_stage\"",
		.doc = "Reason on the metric of dropped lines."},
	{0},
};

struct state {
	uint64_t below; /* a hash below this is kept; unless `all` */
	bool all;
	uint64_t seed;
	const struct drop_reason *reason;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct sampling_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (!(a->rate >= 0 && a->rate <= 1))
		return stage_fail(b, "sampling stage failed to parse rate,Sampling Rate must be between 0.0 and 1.0, received %f", a->rate);
	s->all = a->rate == 1;
	s->below = s->all ? UINT64_MAX : (uint64_t)ldexp(a->rate, 64);
	s->seed = hash_bytes(&b->ordinal, sizeof(b->ordinal), 0);
	s->reason = stage_drop_reason(b, a->reason);
	return s;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	const struct stream *stream = b->receipt != NULL ? b->receipt->stream : NULL;
	uint64_t seed = stream != NULL ? hash_bytes(stream->key.s, stream->key.len, s->seed) : s->seed;
	struct {
		int64_t mark;
		uint32_t line, part; /* part: which entry of its line this is */
	} key = {.line = UINT32_MAX};

	if (s->all)
		return;
	for (size_t i = 0; i < b->n; i++) {
		key.part = key.line == b->origin[i].line ? key.part + 1 : 0;
		key.line = b->origin[i].line;
		key.mark = b->mark[i];
		if (hash_bytes(&key, sizeof(key), seed) >= s->below)
			batch_drop(b, i, s->reason);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_sampling = {
	.name = "sampling",
	.args = args,
	.args_size = sizeof(struct sampling_args),
	.type = &type,
	.doc = "Keeps a share of the entries.",
};

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "longship/base/buf.h"
#include "longship/flow/component.h"
#include "longship/flow/pipeline.h"
#include "longship/flow/runtime.h"

/*
 * loki.process: runs the stages of its body over what it receives and forwards what is left. The pipeline is
 * built new only when the stages have changed: what they count and hold survives a change of receivers.
 */

struct process_args {
	struct ptr_list forward_to;
	struct variant_list stages;
};

#define STAGES                                                                                                         \
	{                                                                                                              \
		.name = "stage", .kind = ARG_ENUM_BLOCKS, .offset = offsetof(struct process_args, stages),             \
		.variants = stage_variants,                                                                            \
		.doc = "A step of the pipeline; steps run in the order in which they are written."                     \
	}

static const struct arg_spec args[] = {
	{.name = "forward_to",
		.kind = ARG_CAPSULE_LIST,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct process_args, forward_to),
		.capsule = &capsule_logs_receiver,
		.doc = "Where entries go."},
	STAGES,
	{0},
};

static const struct arg_spec stages_only[] = {STAGES, {0}};

struct state {
	struct pipeline *pipeline;
};

/* In slices, as receivers take them. */
static void
forward(void *ptr, struct batch *b)
{
	struct component *c = ptr;
	const struct process_args *a = c->args;

	for (size_t from = 0; from < b->n; from += BATCH_ENTRIES_MAX) {
		struct batch slice = batch_slice(b, from, b->n - from < BATCH_ENTRIES_MAX ? b->n - from : BATCH_ENTRIES_MAX);

		component_forward(&a->forward_to, &slice);
	}
}

static bool
process_check(const void *arguments, struct src_pos at, struct diags *diags)
{
	const struct process_args *a = arguments;
	struct pipeline *p = pipeline_new("", &a->stages, NULL, diags);

	(void)at;
	pipeline_free(p);
	return p != NULL;
}

/* NULL only for what check could not see (a file that is gone). */
static struct pipeline *
build(struct component *c, const struct process_args *a, struct buf *reason)
{
	struct arena *arena = arena_new(0);
	struct pipeline *p;
	struct diags diags;

	diags_init(&diags, arena, component_source(c));
	p = pipeline_new(c->id, &a->stages, c->runtime->metrics, &diags);
	if (p == NULL)
		diags_summary(&diags, reason);
	else
		pipeline_set_output(p, forward, c);
	diags_done(&diags);
	arena_free(arena);
	return p;
}

#define REASON_BYTES_MAX 4096

static int
process_start(struct component *c, const void *arguments)
{
	struct state *s = c->state;
	struct buf reason;
	int r = 0;

	buf_init(&reason, REASON_BYTES_MAX);
	s->pipeline = build(c, arguments, &reason);
	if (s->pipeline == NULL)
		r = component_fail(c, -EINVAL, "%.*s", STR_FMT(buf_view(&reason)));
	buf_done(&reason);
	return r;
}

static void
process_update(struct component *c, const void *old_arguments, const void *arguments)
{
	struct state *s = c->state;
	struct pipeline *p;
	struct buf reason;

	if (args_equal(stages_only, old_arguments, arguments))
		return;
	buf_init(&reason, REASON_BYTES_MAX);
	p = build(c, arguments, &reason);
	if (p == NULL) {
		component_set_health(
			c, HEALTH_UNHEALTHY, "the old pipeline keeps running: %.*s", STR_FMT(buf_view(&reason)));
	} else {
		pipeline_free(s->pipeline);
		s->pipeline = p;
		component_set_health(c, HEALTH_HEALTHY, "pipeline changed");
	}
	buf_done(&reason);
}

static void
process_consume(struct component *c, struct batch *b)
{
	const struct state *s = c->state;

	pipeline_run(s->pipeline, b);
	forward(c, b);
}

static void
process_time(struct component *c, int64_t now_ns, bool end)
{
	const struct state *s = c->state;

	pipeline_time(s->pipeline, now_ns, end);
}

static void
process_stop(struct component *c)
{
	struct state *s = c->state;

	pipeline_free(s->pipeline);
	s->pipeline = NULL;
}

static void
process_debug(struct component *c, struct buf *json)
{
	const struct state *s = c->state;

	(void)buf_putc(json, '[');
	for (size_t i = 0; s->pipeline != NULL && i < pipeline_stages(s->pipeline); i++) {
		struct pipeline_counts n = pipeline_counts_of(s->pipeline, i);

		(void)buf_printf(json, "%s{\"stage\":\"%s\",\"in\":%" PRIu64 ",\"out\":%" PRIu64 ",\"ns\":%" PRIu64 "}",
			i > 0 ? "," : "", n.stage, n.in, n.out, n.ns);
	}
	(void)buf_putc(json, ']');
}

const struct component_type loki_process = {
	.name = "loki.process",
	.flags = COMPONENT_CONSUMES | COMPONENT_FORWARDS,
	.args = args,
	.args_size = sizeof(struct process_args),
	.state_size = sizeof(struct state),
	.doc = "Runs entries through a pipeline of stages.",
	.check = process_check,
	.start = process_start,
	.update = process_update,
	.consume = process_consume,
	.time = process_time,
	.stop = process_stop,
	.debug = process_debug,
};

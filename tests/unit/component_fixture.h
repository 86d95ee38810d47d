/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One component between a batch and a receiver that remembers what it got. Include cmocka's headers first. */
#include <stdio.h>

#include "longship/base/buf.h"
#include "longship/flow/graph.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

static struct buf got;

struct sink_args {
	char none;
};

static const struct arg_spec sink_spec[] = {{0}};

static int
sink_start(struct component *c, const void *args)
{
	(void)c, (void)args;
	return 0;
}

static void
sink_consume(struct component *c, struct batch *b)
{
	(void)c;
	for (size_t i = 0; i < b->n; i++)
		(void)buf_printf(&got, "%.*s%.*s ", STR_FMT(b->line[i]), STR_FMT(b->labels[i]->text));
}

static const struct component_type sink = {
	.name = "toy.sink",
	.flags = COMPONENT_CONSUMES,
	.args = sink_spec,
	.args_size = sizeof(struct sink_args),
	.state_size = 1,
	.doc = "Remembers.",
	.start = sink_start,
	.consume = sink_consume,
};

struct fixture {
	const struct component_type *types[3];
	struct runtime runtime;
	struct graph *graph;
	struct labels_table *table;
};

static void
load(struct fixture *f, const char *arguments)
{
	struct graph_load *loaded;
	char text[1024];

	(void)snprintf(text, sizeof(text), "%s \"r\" {\n  forward_to = [toy.sink.s.receiver]\n%s}\ntoy.sink \"s\" {}\n",
		f->types[0]->name, arguments);
	loaded = graph_load_text(f->graph, STR("t.alloy"), str_from(text), GRAPH_LOAD_RUN);
	if (!graph_apply(f->graph, loaded))
		diags_print(graph_load_diags(loaded), stderr, false);
	assert_false(diags_failed(graph_load_diags(loaded)));
	graph_load_free(loaded);
}

static void
begin(struct fixture *f, const struct component_type *type, const char *arguments)
{
	*f = (struct fixture){.types = {type, &sink}};
	buf_init(&got, 1 << 16);
	assert_int_equal(loop_new(&f->runtime.loop), 0);
	f->runtime.metrics = metrics_new();
	f->graph = graph_new(&f->runtime, &(struct graph_options){.types = f->types});
	f->table = labels_table_new();
	load(f, arguments);
}

static void
end(struct fixture *f)
{
	graph_free(f->graph);
	metrics_free(f->runtime.metrics);
	loop_free(f->runtime.loop);
	labels_table_free(f->table);
	buf_done(&got);
}

/* Sends one line for each value of the label a; what arrives must read so. */
static void
send(struct fixture *f, const char *values, const char *expected)
{
	struct arena *arena = arena_new(0);
	struct batch *b = batch_new(arena, f->table, 16);
	char id[64];
	struct component *c;

	(void)snprintf(id, sizeof(id), "%s.r", f->types[0]->name);
	c = graph_find(f->graph, id);
	assert_non_null(c);
	for (; *values != '\0'; values++, b->n++) {
		struct label label = {STR("a"), {values, 1}};

		b->line[b->n] = STR("l");
		b->labels[b->n] = labels_intern(f->table, &label, 1);
		b->origin[b->n] = (struct origin){(uint32_t)b->n, 1};
	}
	buf_clear(&got);
	c->type->consume(c, b);
	(void)buf_putc(&got, '\0');
	assert_string_equal(got.data, expected);
	arena_free(arena);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "longship/app/catalog.h"
#include "longship/app/commands.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/flow/graph.h"
#include "longship/flow/metric.h"

#define BATCH_ENTRIES 256
#define BATCH_BYTES   (1u << 20) /* a batch is run when it holds as much */

/* ---- the configuration ---- */

static int
check_component(const struct harness *h)
{
	unsigned flags = h->component->type->flags;

	if ((flags & COMPONENT_CONSUMES) == 0) {
		fprintf(stderr, "longship %s: %s takes no entries\n", h->command, h->id);
		return STATUS_USAGE;
	}
	if ((flags & COMPONENT_FORWARDS) == 0) {
		fprintf(stderr, "longship %s: %s forwards no entries\n", h->command, h->id);
		return STATUS_USAGE;
	}
	return STATUS_FINE;
}

int
harness_open(struct harness *h, const char *command, const char *path, const char *id)
{
	struct diags *diags;

	*h = (struct harness){.command = command, .id = id, .runtime = {.storage_path = ""}};
	h->graph = graph_new(
		&h->runtime, &(struct graph_options){.types = catalog_types, .known = known_names, .only = id});
	h->load = graph_load(h->graph, &path, 1, GRAPH_LOAD_VALIDATE);
	diags = graph_load_diags(h->load);
	diags_print(diags, stderr, isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == NULL);
	if (diags_failed(diags))
		return STATUS_FAULT;
	h->component = graph_load_component(h->load, id);
	if (h->component != NULL)
		return check_component(h);
	fprintf(stderr, "longship %s: the arguments of %s are known only when what it refers to runs\n", command, id);
	return STATUS_FAULT;
}

void
harness_close(struct harness *h)
{
	graph_load_free(h->load);
	graph_free(h->graph);
	*h = (struct harness){0};
}

/* ---- the component ---- */

static void
collect(struct component *c, struct batch *b)
{
	struct harness *h = c->state;

	h->sink.forwarded(h->sink.ptr, b);
}

static const struct component_type collector_type = {
	.name = "collector", .flags = COMPONENT_CONSUMES, .consume = collect};

/* The decoded arguments belong to this process alone, so their forward_to may be changed in place. */
static void
replace_receivers(const struct component *c, void **collector)
{
	for (const struct arg_spec *row = c->type->args; row->kind != ARG_END; row++) {
		if (row->name != NULL && strcmp(row->name, "forward_to") == 0) {
			struct ptr_list *list = (struct ptr_list *)((uintptr_t)c->args + row->offset);

			*list = (struct ptr_list){.items = collector, .n = 1};
			return;
		}
	}
	assert(false); /* COMPONENT_FORWARDS says there is one */
}

bool
harness_start(struct harness *h, const struct harness_sink *sink)
{
	struct component *c = h->component;

	h->sink = *sink;
	h->collector = (struct component){
		.magic = COMPONENT_MAGIC, .type = &collector_type, .id = h->command, .label = "", .state = h};
	h->receiver = &h->collector;
	h->arena = arena_new(64 * 1024);
	h->table = labels_table_new();
	h->memory = (struct memory){0};
	h->n_entries = 0;
	h->at_ns = 0;
	h->runtime.metrics = metrics_new();
	replace_receivers(c, &h->receiver);
	c->state = mem_zalloc(c->type->state_size > 0 ? c->type->state_size : 1);
	if (c->type->start(c, c->args) == 0)
		return true;
	fprintf(stderr, "longship %s: %s does not start: %s\n", h->command, h->id, component_fail_text(c));
	harness_stop(h);
	return false;
}

void
harness_stop(struct harness *h)
{
	struct component *c = h->component;

	c->type->stop(c);
	mem_free(c->state);
	c->state = NULL;
	metrics_free(h->runtime.metrics);
	h->runtime.metrics = NULL;
	arena_free(h->arena);
	h->arena = NULL;
	labels_table_free(h->table);
	h->table = NULL;
	h->batch = NULL;
	h->batch_bytes = 0;
}

struct metrics *
harness_metrics(const struct harness *h)
{
	return h->runtime.metrics;
}

struct arena *
harness_arena(const struct harness *h)
{
	return h->arena;
}

/* ---- feeding ---- */

static void
run(struct harness *h)
{
	struct batch *b = h->batch;

	if (b == NULL)
		return;
	if (h->sink.run != NULL)
		h->sink.run(h->sink.ptr, b);
	else
		h->component->type->consume(h->component, b);
	if (b->waited_until_ns - h->now_ns > h->at_ns)
		h->at_ns = b->waited_until_ns - h->now_ns;
	h->batch = NULL;
	h->batch_bytes = 0;
}

static void
tell_time(struct harness *h, bool end)
{
	int64_t now = h->now_ns + h->at_ns;

	if (h->sink.time != NULL)
		h->sink.time(h->sink.ptr, now, end);
	else if (h->component->type->time != NULL)
		h->component->type->time(h->component, now, end);
}

static bool
finish_batch(struct harness *h)
{
	bool go_on = h->sink.fed == NULL || h->sink.fed(h->sink.ptr);

	arena_clear(h->arena);
	labels_table_trim(h->table, LABEL_TABLE_BYTES_MAX);
	return go_on;
}

bool
harness_feed(struct harness *h, const struct entry_json *e)
{
	size_t cap = h->sink.batch_entries > 0 ? h->sink.batch_entries : BATCH_ENTRIES;
	int64_t number = (int64_t)h->n_entries++, now;
	struct batch *b;

	/* The batches that are run early share the arena with this entry, which lives in it. */
	if (e->has_at && e->at_ns > h->at_ns) {
		run(h);
		if (e->at_ns > h->at_ns)
			h->at_ns = e->at_ns;
		tell_time(h, false);
	}
	b = h->batch;
	if (b == NULL) {
		b = h->batch = batch_new(h->arena, h->table, cap);
		b->mark = arena_array(h->arena, int64_t, cap);
		b->memory = &h->memory;
	}
	b->virtual_ns = h->now_ns + h->at_ns;
	now = h->now_ns + h->at_ns + number;
	b->ts[b->n] = e->has_ts ? e->ts_ns : h->now_ns + number;
	b->mark[b->n] = e->has_ts && !h->has_now && !e->has_at ? e->ts_ns : now;
	b->line[b->n] = e->line;
	b->labels[b->n] = labels_intern(h->table, e->labels, e->n_labels);
	b->metadata[b->n] = e->metadata;
	b->origin[b->n] = (struct origin){.line = (uint32_t)number, .lines = 1};
	b->n++;
	h->batch_bytes += e->line.len;
	if (b->n < cap && h->batch_bytes < BATCH_BYTES)
		return true;
	run(h);
	return finish_batch(h);
}

bool
harness_finish(struct harness *h)
{
	run(h);
	tell_time(h, true);
	return finish_batch(h);
}

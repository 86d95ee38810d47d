/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "longship/app/catalog.h"
#include "longship/app/commands.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/graph.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/lang/path_targets.h"
#include "longship/os/loop.h"

#include "options.h"

/*
 * Starts one discovery or match component and what it refers to, waits until all of them have exported and
 * nothing has changed for a moment, and prints what came out.
 */

#define TICK_NS	       (20 * NS_PER_MS)
#define QUIET_NS       (200 * NS_PER_MS)
#define WAIT_NS	       (15 * NS_PER_S) /* discovery exports after at most 5 s, twice in a row for a chain */
#define PAGE_BYTES_MAX (64u << 20)
#define IN_LANES       (COMPONENT_CONSUMES | COMPONENT_FORWARDS | COMPONENT_SOURCE)

struct wait {
	struct loop *loop;
	struct graph *graph;
	const struct component *component;
	const struct value *last;
	int64_t start_ns, changed_ns;
};

static const struct value *
targets_of(const struct component *component)
{
	const struct value *targets = graph_export_of(component, "targets");

	return targets != NULL ? targets : graph_export_of(component, "output");
}

static bool
all_exported(const struct graph *graph)
{
	for (size_t i = 0; i < graph_len(graph); i++) {
		const struct component *component = graph_at(graph, i);

		if (component->type->exports != NULL && !graph_exported(component))
			return false;
	}
	return true;
}

static void
on_tick(void *ptr)
{
	struct wait *wait = ptr;
	int64_t now_ns = clock_mono_ns();
	const struct value *targets = targets_of(wait->component);

	if (targets != wait->last) {
		wait->last = targets;
		wait->changed_ns = now_ns;
	}
	if ((all_exported(wait->graph) && now_ns - wait->changed_ns >= QUIET_NS) || now_ns - wait->start_ns >= WAIT_NS)
		loop_quit(wait->loop, 0);
}

static int
print_targets(const struct component *component)
{
	struct arena *arena = arena_new(0);
	struct value targets = path_targets_expanded(arena, targets_of(component));
	struct buf out;
	int status;

	buf_init(&out, PAGE_BYTES_MAX);
	buf_putc(&out, '[');
	for (size_t i = 0; targets.kind == VALUE_ARRAY && i < targets.array.n; i++) {
		buf_z(&out, i > 0 ? ",\n " : "\n ");
		value_to_json(&targets.array.items[i], &out, false);
	}
	buf_z(&out, targets.kind == VALUE_ARRAY && targets.array.n > 0 ? "\n]\n" : "]\n");
	arena_free(arena);
	status = !out.overflow && fwrite(out.data, 1, out.len, stdout) == out.len ? STATUS_FINE : STATUS_SYSTEM;
	buf_done(&out);
	return status;
}

static int
no_targets(const char *id)
{
	fprintf(stderr, "longship targets: %s exports no targets\n", id);
	return STATUS_USAGE;
}

static int
wait_and_print(struct graph *graph, struct loop *loop, const char *id)
{
	struct wait wait = {
		.loop = loop, .graph = graph, .component = graph_find(graph, id), .start_ns = clock_mono_ns()};
	struct graph_health health;
	struct loop_timer *timer;

	/* Its arguments could be known only now. */
	if (targets_of(wait.component) == NULL)
		return no_targets(id);
	wait.changed_ns = wait.start_ns;
	if (loop_timer_new(loop, on_tick, &wait, &timer) < 0)
		return STATUS_SYSTEM;
	loop_timer_start(timer, 0, TICK_NS);
	(void)loop_run(loop);
	loop_timer_free(timer);
	for (size_t i = 0; i < graph_len(graph); i++) {
		graph_health(graph_at(graph, i), &health);
		if (health.health == HEALTH_UNHEALTHY || health.health == HEALTH_EXITED)
			fprintf(stderr, "longship targets: %s is %s: %s\n", graph_at(graph, i)->id,
				graph_health_name(health.health), health.message);
	}
	return print_targets(wait.component);
}

/* Exit status; -1: go on. */
static int
check_component(struct graph_load *load, const char *id)
{
	const struct component *component;

	if (diags_failed(graph_load_diags(load))) {
		diags_print(graph_load_diags(load), stderr, isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == NULL);
		return STATUS_FAULT;
	}
	component = graph_load_component(load, id);
	if (component != NULL &&
		((component->type->flags & (IN_LANES | COMPONENT_BLOCK)) != 0 || targets_of(component) == NULL))
		return no_targets(id);
	return -1;
}

static int
run_targets(struct runtime *runtime, const struct options *options)
{
	const char *path = options->operands[0], *id = options->operands[1];
	struct graph *graph = graph_new(runtime, &(struct graph_options){.types = catalog_types,
							 .known = known_names,
							 .skip_unsupported = options->skip_unsupported,
							 .only = id});
	struct graph_load *load = graph_load(graph, &path, 1, GRAPH_LOAD_RUN);
	int status = check_component(load, id);

	if (status == -1 && !graph_apply(graph, load)) {
		diags_print(graph_load_diags(load), stderr, isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == NULL);
		status = STATUS_FAULT;
	}
	if (status == -1)
		status = wait_and_print(graph, runtime->loop, id);
	graph_load_free(load);
	graph_free(graph);
	return status;
}

int
cmd_targets(int argc, char **argv)
{
	struct runtime runtime = {0};
	struct options options;
	int status;

	if (!options_parse(OPTIONS_TARGETS, argc, argv, &options, &status))
		return status;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || loop_new(&runtime.loop) < 0)
		return STATUS_SYSTEM;
	runtime.metrics = metrics_new();
	runtime.storage_path = options.storage_path;
	log_start(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	status = run_targets(&runtime, &options);
	metrics_free(runtime.metrics);
	loop_free(runtime.loop);
	return status;
}

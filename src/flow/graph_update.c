/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

#include "graph_priv.h"

/*
 * What exports cause. An export marks its direct users; all that were marked in one turn of the loop are
 * evaluated in the next one, in order of dependency, so that an update which exports in turn finds its users
 * still ahead. A failure leaves a component with its last good arguments, unhealthy.
 */

static void
on_turn(void *ptr)
{
	struct graph *graph = ptr;

	graph->update_posted = false;
	graph_update_turn(graph);
}

static void
post(struct graph *graph)
{
	if (graph->update_posted || graph->applying || graph->runtime == NULL || graph->runtime->loop == NULL)
		return;
	graph->update_posted = true;
	loop_post(graph->runtime->loop, on_turn, graph);
}

void
graph_update_exported(struct graph_node *node)
{
	for (size_t i = 0; i < node->n_users; i++) {
		if (!node->users[i]->dirty)
			node->users[i]->dirty_ns = clock_mono_ns();
		node->users[i]->dirty = true;
	}
	if (node->n_users > 0)
		post(node->graph);
}

static void
evaluation_failed(struct graph_node *node, const struct diags *found)
{
	struct buf why;

	buf_init(&why, 4096);
	diags_summary(found, &why);
	buf_putc(&why, '\0');
	graph_health_set(node, GRAPH_HEALTH_EVAL, HEALTH_UNHEALTHY, why.data);
	log_error(node->id, "failed to evaluate config", "node", node->id, "err", why.data, NULL);
	buf_done(&why);
}

static struct graph_args *
evaluate(struct graph_node *node)
{
	struct graph *graph = node->graph;
	struct arena *arena = arena_new(0);
	struct graph_args *args;
	struct diags found;

	diags_init(&found, arena, &node->text->source);
	args = graph_eval_args(
		node->text, node->component.type, node->block, &graph->ids, node->deps, node->n_deps, &found);
	if (args == NULL)
		evaluation_failed(node, &found);
	diags_done(&found);
	arena_free(arena);
	return args;
}

static void
update_node(struct graph_node *node)
{
	struct graph *graph = node->graph;
	int64_t start_ns = clock_mono_ns();
	int64_t waited_ns = node->dirty_ns > 0 ? start_ns - node->dirty_ns : 0;
	struct graph_args *args;

	node->dirty = false;
	node->dirty_ns = 0;
	args = evaluate(node);
	if (args == NULL)
		return;
	graph_health_set(node, GRAPH_HEALTH_EVAL, HEALTH_HEALTHY, "component evaluated");
	if (node->args != NULL && node->running &&
		args_equal(node->component.type->args, args->args, node->args->args)) {
		graph_args_free(args);
	} else {
		graph_park(graph, node);
		graph_node_update(node, args);
		if (!node->running && !graph_node_start(node))
			log_error(node->id, "component could not start", "err", node->fail_text, NULL);
	}
	graph_metrics_evaluated(graph->metrics, node->id, waited_ns, clock_mono_ns() - start_ns);
}

void
graph_update_turn(struct graph *graph)
{
	assert(!graph->applying);
	graph->applying = true;
	for (size_t i = 0; i < graph->n_nodes; i++)
		if (graph->nodes[i]->dirty)
			update_node(graph->nodes[i]);
	graph_resume(graph);
	graph->applying = false;
	/* Nothing can be dirty now but what an update has made so behind its own back: users come after what they use.
	 */
	for (size_t i = 0; i < graph->n_nodes; i++)
		if (graph->nodes[i]->dirty)
			post(graph);
}

void
graph_update_retry(struct graph *graph)
{
	bool again = false;

	graph->applying = true;
	for (size_t i = 0; i < graph->n_nodes; i++) {
		struct graph_node *node = graph->nodes[i];

		if (node->running || node->args == NULL)
			continue;
		if (graph_node_start(node))
			log_info(node->id, "component has started", NULL);
		else
			again = true;
	}
	graph->applying = false;
	if (!again && graph->retry_timer != NULL)
		loop_timer_stop(graph->retry_timer);
	graph_update_turn(graph);
}

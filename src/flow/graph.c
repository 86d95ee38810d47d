/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/graph.h"

#include <errno.h>
#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

#include "graph_priv.h"

/*
 * The graph and its nodes. A node outlives reloads as long as its id is configured, and so does the address
 * of its component, which is what receivers' capsules hold. The ways of a node: new → start → update* → stop →
 * free; a start that fails leaves it stopped, with its arguments, to be tried again.
 */

/* Components that entries run through, which must not change while a lane is in them. */
#define COMPONENT_IN_LANES COMPONENT_CONSUMES

static void
on_retry(void *ptr)
{
	graph_update_retry(ptr);
}

struct graph *
graph_new(struct runtime *runtime, const struct graph_options *options)
{
	struct graph *graph = mem_new(struct graph);

	graph->runtime = runtime;
	graph->options = *options;
	map_init(&graph->ids);
	if (runtime != NULL && runtime->loop != NULL &&
		loop_timer_new(runtime->loop, on_retry, graph, &graph->retry_timer) < 0)
		graph->retry_timer = NULL; /* then failed starts are tried again at the next reload only */
	if (runtime != NULL && runtime->metrics != NULL)
		graph->metrics = graph_metrics_new(graph);
	return graph;
}

void
graph_stop(struct graph *graph)
{
	bool applying = graph->applying;

	graph->applying = true; /* what stopping exports concerns nobody */
	for (size_t i = graph->n_nodes; i-- > 0;) {
		/* Config blocks hold to the end: the log keeps its format. */
		if ((graph->nodes[i]->component.type->flags & COMPONENT_BLOCK) != 0)
			continue;
		graph_park(graph, graph->nodes[i]);
		graph_node_stop(graph->nodes[i]);
	}
	graph_resume(graph);
	graph->applying = applying;
}

void
graph_free(struct graph *graph)
{
	if (graph == NULL)
		return;
	graph_stop(graph);
	if (graph->runtime != NULL && graph->runtime->loop != NULL)
		loop_unpost(graph->runtime->loop, graph);
	loop_timer_free(graph->retry_timer);
	graph_metrics_free(graph->metrics);
	for (size_t i = graph->n_nodes; i-- > 0;)
		graph_node_free(graph->nodes[i]);
	mem_free(graph->nodes);
	map_done(&graph->ids);
	mem_free(graph);
}

static char *
copy_z(struct str s)
{
	char *z = mem_alloc(s.len + 1);

	memcpy(z, s.s != NULL ? s.s : "", s.len);
	z[s.len] = '\0';
	return z;
}

struct graph_node *
graph_node_new(struct graph *graph, const struct component_type *type, struct str id, struct str label)
{
	struct graph_node *node = mem_new(struct graph_node);

	node->graph = graph;
	node->id = copy_z(id);
	node->label = copy_z(label);
	node->component = (struct component){
		.magic = COMPONENT_MAGIC,
		.type = type,
		.id = node->id,
		.label = node->label,
		.runtime = graph->runtime,
		.node = node,
	};
	pthread_mutex_init(&node->health_lock, NULL);
	node->exports = graph_exports_zero(type, &node->component);
	graph_health_set(node, GRAPH_HEALTH_RUN, HEALTH_UNKNOWN, "component created");
	graph_health_set(node, GRAPH_HEALTH_EVAL, HEALTH_UNKNOWN, "component created");
	return node;
}

void
graph_node_free(struct graph_node *node)
{
	if (node == NULL)
		return;
	check_magic(&node->component, COMPONENT_MAGIC);
	graph_node_stop(node);
	graph_args_free(node->args);
	graph_exports_unref(node->exports);
	graph_text_unref(node->text);
	pthread_mutex_destroy(&node->health_lock);
	mem_free(node->deps);
	mem_free(node->users);
	mem_free(node->label);
	mem_free(node->id);
	node->component.magic = 0;
	mem_free(node);
}

bool
graph_node_start(struct graph_node *node)
{
	struct component *component = &node->component;
	int r;

	assert(!node->running && node->args != NULL);
	node->fail_text[0] = '\0';
	assert(component->args == node->args->args);
	component->state = mem_zalloc(component->type->state_size + 1);
	r = component->type->start != NULL ? component->type->start(component, component->args) : 0;
	if (r < 0) {
		if (component->type->stop != NULL)
			component->type->stop(component);
		mem_free(component->state);
		component->state = NULL;
		if (node->fail_text[0] == '\0')
			snprintf(node->fail_text, sizeof(node->fail_text), "%s", strerror(-r));
		graph_health_set(node, GRAPH_HEALTH_RUN, HEALTH_UNHEALTHY, node->fail_text);
		if (node->graph->retry_timer != NULL)
			loop_timer_start(node->graph->retry_timer, GRAPH_RETRY_NS, 0);
		return false;
	}
	node->running = true;
	graph_health_set(node, GRAPH_HEALTH_RUN, HEALTH_HEALTHY, "started component");
	return true;
}

void
graph_node_stop(struct graph_node *node)
{
	if (!node->running)
		return;
	if (node->component.type->stop != NULL)
		node->component.type->stop(&node->component);
	mem_free(node->component.state);
	node->component.state = NULL;
	node->running = false;
	node->exported = false;
	graph_health_set(node, GRAPH_HEALTH_RUN, HEALTH_EXITED, "component shut down cleanly");
}

/* Takes the arguments. */
void
graph_node_update(struct graph_node *node, struct graph_args *args)
{
	struct graph_args *old = node->args;

	node->args = args;
	node->component.args = args->args;
	if (node->running && node->component.type->update != NULL)
		node->component.type->update(&node->component, old->args, args->args);
	graph_args_free(old);
}

void
graph_park(struct graph *graph, const struct graph_node *node)
{
	if (graph->parked || !node->running || (node->component.type->flags & COMPONENT_IN_LANES) == 0)
		return;
	graph->parked = true;
	if (graph->runtime != NULL && graph->runtime->lanes != NULL)
		lanes_park(graph->runtime->lanes);
}

void
graph_resume(struct graph *graph)
{
	if (!graph->parked)
		return;
	graph->parked = false;
	if (graph->runtime != NULL && graph->runtime->lanes != NULL)
		lanes_resume(graph->runtime->lanes);
}

size_t
graph_len(const struct graph *graph)
{
	return graph->n_nodes;
}

struct component *
graph_at(const struct graph *graph, size_t i)
{
	assert(i < graph->n_nodes);
	return &graph->nodes[i]->component;
}

struct component *
graph_find(const struct graph *graph, const char *id)
{
	struct graph_node *node = map_get(&graph->ids, str_from(id));

	return node != NULL ? &node->component : NULL;
}

const struct value *
graph_export_of(const struct component *component, const char *name)
{
	check_magic(component, COMPONENT_MAGIC);
	return value_get(&component->node->exports->object, str_from(name));
}

bool
graph_exported(const struct component *component)
{
	return component->node->exported;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/flow/runtime.h"

#include "graph_priv.h"

/*
 * The second phase of a load. Removed components are stopped first, users before what they use, so that a new
 * one can take over a port; then every node gets its new neighbours; then, with what is referred to first,
 * changed components are updated and new ones started. Arguments whose sources have exported since the
 * evaluation are evaluated again when their turn comes. Removed nodes are freed last, because old arguments may
 * still have pointed at them until then. The lanes stand still from the first change that concerns them to the
 * last.
 */

struct apply {
	struct graph *graph;
	struct graph_load *load;
	bool first; /* nothing ran before: an error undoes all */
	bool ok;
	VEC(struct graph_node *) removed;
};

static void
stop_removed(struct apply *apply)
{
	struct graph *graph = apply->graph;

	for (size_t i = graph->n_nodes; i-- > 0;) {
		struct graph_node *node = graph->nodes[i];

		if (map_get(&apply->load->scope, str_from(node->id)) == node)
			continue;
		graph_park(graph, node);
		graph_node_stop(node);
		vec_push(&apply->removed, node);
	}
}

static struct graph_node **
node_list(size_t n)
{
	return mem_zalloc((n + 1) * sizeof(struct graph_node *));
}

static void
adopt_node(struct apply *apply, struct load_node *from)
{
	struct graph_node *node = from->node;

	mem_free(node->deps);
	mem_free(node->users);
	node->deps = node_list(from->n_deps);
	node->n_deps = 0;
	for (size_t i = 0; i < from->n_deps; i++)
		node->deps[node->n_deps++] = apply->load->nodes[from->deps[i]].node;
	node->users = NULL;
	node->n_users = 0;
	graph_text_unref(node->text);
	node->text = graph_text_ref(apply->load->text);
	node->block = from->block;
	node->dirty = false;
}

static void
link_users(struct graph *graph)
{
	for (size_t i = 0; i < graph->n_nodes; i++)
		for (size_t k = 0; k < graph->nodes[i]->n_deps; k++)
			graph->nodes[i]->deps[k]->n_users++;
	for (size_t i = 0; i < graph->n_nodes; i++) {
		graph->nodes[i]->users = node_list(graph->nodes[i]->n_users);
		graph->nodes[i]->n_users = 0;
	}
	for (size_t i = 0; i < graph->n_nodes; i++) {
		for (size_t k = 0; k < graph->nodes[i]->n_deps; k++) {
			struct graph_node *dep = graph->nodes[i]->deps[k];

			dep->users[dep->n_users++] = graph->nodes[i];
		}
	}
}

static void
adopt(struct apply *apply)
{
	struct graph *graph = apply->graph;
	struct graph_load *load = apply->load;

	mem_free(graph->nodes);
	map_done(&graph->ids);
	map_init(&graph->ids);
	graph->nodes = node_list(load->n_order);
	graph->n_nodes = 0;
	for (size_t i = 0; i < load->n_order; i++) {
		struct load_node *from = &load->nodes[load->order[i]];

		adopt_node(apply, from);
		graph->nodes[graph->n_nodes++] = from->node;
		map_set(&graph->ids, from->id, from->node);
	}
	link_users(graph);
	load->applied = true;
}

static void
fail(struct apply *apply, const struct load_node *from)
{
	diag_error(&apply->load->diags, from->block->pos, "Failed to build component: building component: %s",
		from->node->fail_text);
	apply->ok = false;
}

static bool
args_current(const struct load_node *from)
{
	for (size_t i = 0; from->args != NULL && i < from->args->n_seen; i++)
		if (from->args->seen[i] != from->node->deps[i]->exports)
			return false;
	return from->args != NULL;
}

/* Arguments that could not be known before, or are out of date. */
static bool
evaluate_again(struct apply *apply, struct load_node *from)
{
	struct graph_node *node = from->node;

	graph_args_free(from->args);
	from->args = graph_eval_args(apply->load->text, from->type, from->block, &apply->graph->ids, node->deps,
		node->n_deps, &apply->load->diags);
	if (from->args != NULL)
		return true;
	apply->ok = false;
	graph_health_set(node, GRAPH_HEALTH_EVAL, HEALTH_UNHEALTHY, "component evaluation failed");
	return false;
}

static void
apply_node(struct apply *apply, struct load_node *from)
{
	struct graph_node *node = from->node;
	bool same;

	node->dirty = false;
	if (!args_current(from) && !evaluate_again(apply, from))
		return;
	same = node->args != NULL && args_equal(from->type->args, from->args->args, node->args->args);
	graph_health_set(node, GRAPH_HEALTH_EVAL, HEALTH_HEALTHY, "component evaluated");
	if (same && node->running)
		return; /* it keeps its arguments, and they what they borrow from */
	graph_park(apply->graph, node);
	graph_node_update(node, from->args);
	from->args = NULL;
	if (!node->running && !graph_node_start(node))
		fail(apply, from);
}

/* Undoes a first load. */
static void
undo(struct apply *apply)
{
	struct graph *graph = apply->graph;

	graph_stop(graph);
	for (size_t i = graph->n_nodes; i-- > 0;)
		graph_node_free(graph->nodes[i]);
	mem_free(graph->nodes);
	graph->nodes = NULL;
	graph->n_nodes = 0;
	map_done(&graph->ids);
	map_init(&graph->ids);
}

static void
free_removed(struct apply *apply)
{
	for (size_t i = 0; i < apply->removed.len; i++) {
		if (apply->graph->runtime != NULL && apply->graph->runtime->metrics != NULL)
			metrics_remove_owner(apply->graph->runtime->metrics, apply->removed.items[i]->id);
		graph_node_free(apply->removed.items[i]);
	}
	vec_done(&apply->removed);
}

bool
graph_apply(struct graph *graph, struct graph_load *load)
{
	struct apply apply = {.graph = graph, .load = load, .first = graph->n_nodes == 0, .ok = true};

	assert(!load->applied && !graph->applying);
	if (diags_failed(&load->diags))
		return false;
	graph->applying = true;
	graph_metrics_evaluating(graph->metrics, true);
	stop_removed(&apply);
	adopt(&apply);
	for (size_t i = 0; i < load->n_order && (apply.ok || !apply.first); i++)
		apply_node(&apply, &load->nodes[load->order[i]]);
	graph_resume(graph);
	if (!apply.ok && apply.first)
		undo(&apply);
	free_removed(&apply);
	graph_metrics_connections(graph->metrics);
	graph_metrics_evaluating(graph->metrics, false);
	graph->applying = false;
	graph_update_turn(graph);
	return apply.ok;
}

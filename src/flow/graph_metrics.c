/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/flow/runtime.h"

#include "graph_priv.h"

/* The controller's families under Alloy's names. There is one controller, the root. */

#define ROOT		"controller_path", "/", "controller_id", ""
#define SLOW_NS		(60 * NS_PER_S)
#define CONNECTIONS_MAX (METRIC_SERIES_MAX / 2) /* below the shared series, which could not be removed one by one */

static const double bounds_s[] = {0.005, 0.025, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600};

struct graph_metrics {
	struct graph *graph;
	struct metrics *registry;
	struct metric *evaluating, *queue, *evaluation, *wait;
	VEC(struct metric *) connections;
};

/* Alloy shows only the states that some component is in. */
static void
set_running(struct graph_metrics *metrics, enum component_health health)
{
	struct metric *metric = metric_get(metrics->registry, METRIC_GAUGE,
		"alloy_component_controller_running_components", "Total number of running components.", NULL, ROOT,
		"health_type", graph_health_name(health), NULL);
	size_t n = graph_count(metrics->graph, health);

	if (n == 0)
		metric_remove(metrics->registry, metric);
	else
		metric_set(metric, (double)n);
}

static void
on_scrape(void *ptr)
{
	struct graph_metrics *metrics = ptr;
	const struct graph *graph = metrics->graph;
	size_t dirty = 0;

	set_running(metrics, HEALTH_UNKNOWN);
	set_running(metrics, HEALTH_HEALTHY);
	set_running(metrics, HEALTH_UNHEALTHY);
	set_running(metrics, HEALTH_EXITED);
	for (size_t i = 0; i < graph->n_nodes; i++)
		dirty += graph->nodes[i]->dirty;
	metric_set(metrics->queue, (double)dirty);
}

struct graph_metrics *
graph_metrics_new(struct graph *graph)
{
	struct graph_metrics *metrics = mem_new(struct graph_metrics);
	struct metrics *registry = graph->runtime->metrics;

	metrics->graph = graph;
	metrics->registry = registry;
	metrics->evaluating = metric_get(registry, METRIC_GAUGE, "alloy_component_controller_evaluating",
		"Tracks if the controller is currently in the middle of a graph evaluation.", NULL, ROOT, NULL);
	metrics->queue = metric_get(registry, METRIC_GAUGE, "alloy_component_evaluation_queue_size",
		"Tracks the number of components waiting to be evaluated.", NULL, ROOT, NULL);
	metrics->evaluation = metric_histogram_get(registry, "alloy_component_evaluation_seconds",
		"Time spent performing component evaluation.", bounds_s, ARRAY_LEN(bounds_s), NULL, ROOT, NULL);
	metrics->wait = metric_histogram_get(registry, "alloy_component_dependencies_wait_seconds",
		"Time components wait to be evaluated after something they refer to has changed.", bounds_s,
		ARRAY_LEN(bounds_s), NULL, ROOT, NULL);
	metrics_on_scrape(registry, on_scrape, metrics);
	return metrics;
}

void
graph_metrics_free(struct graph_metrics *metrics)
{
	if (metrics == NULL)
		return;
	metrics_off_scrape(metrics->registry, on_scrape, metrics);
	vec_done(&metrics->connections);
	mem_free(metrics);
}

void
graph_metrics_connections(struct graph_metrics *metrics)
{
	const struct graph *graph;

	if (metrics == NULL)
		return;
	graph = metrics->graph;
	for (size_t i = 0; i < metrics->connections.len; i++)
		metric_remove(metrics->registry, metrics->connections.items[i]);
	metrics->connections.len = 0;
	for (size_t i = 0; i < graph->n_nodes; i++) {
		const struct graph_node *node = graph->nodes[i];

		for (size_t k = 0; k < node->n_deps && metrics->connections.len < CONNECTIONS_MAX; k++) {
			struct metric *metric;

			if (!graph_json_flows(node, node->deps[k]))
				continue;
			metric = metric_get(metrics->registry, METRIC_GAUGE, "alloy_component_graph_connection",
				"Indicates that two components are connected in the graph.", NULL, ROOT, "from",
				node->id, "to", node->deps[k]->id, NULL);
			metric_set(metric, 1);
			vec_push(&metrics->connections, metric);
		}
	}
}

void
graph_metrics_evaluating(struct graph_metrics *metrics, bool evaluating)
{
	if (metrics != NULL)
		metric_set(metrics->evaluating, evaluating ? 1 : 0);
}

void
graph_metrics_evaluated(struct graph_metrics *metrics, const char *id, int64_t waited_ns, int64_t took_ns)
{
	if (metrics == NULL)
		return;
	metric_observe(metrics->wait, (double)waited_ns / (double)NS_PER_S);
	metric_observe(metrics->evaluation, (double)took_ns / (double)NS_PER_S);
	if (took_ns >= SLOW_NS)
		metric_add(metric_get(metrics->registry, METRIC_COUNTER, "alloy_component_evaluation_slow_seconds",
				   "Seconds spent in evaluations that took a minute or more.", NULL, ROOT,
				   "component_id", id, NULL),
			(uint64_t)(took_ns / NS_PER_S));
}

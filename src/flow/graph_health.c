/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"

#include "graph_priv.h"

/* A component's health is the worst of three: of running it, of its last evaluation, and what it says itself. */

static struct graph_health *
part(struct graph_node *node, enum graph_health_part which)
{
	switch (which) {
	case GRAPH_HEALTH_RUN:
		return &node->run;
	case GRAPH_HEALTH_EVAL:
		return &node->eval;
	case GRAPH_HEALTH_OWN:
		break;
	}
	return &node->own;
}

void
graph_health_set(
	struct graph_node *node, enum graph_health_part which, enum component_health health, const char *message)
{
	struct graph_health *to = part(node, which);

	pthread_mutex_lock(&node->health_lock);
	to->health = health;
	to->updated_ns = clock_now_ns();
	snprintf(to->message, sizeof(to->message), "%s", message);
	pthread_mutex_unlock(&node->health_lock);
}

static int
badness(enum component_health health)
{
	switch (health) {
	case HEALTH_HEALTHY:
		return 0;
	case HEALTH_UNKNOWN:
		return 1;
	case HEALTH_UNHEALTHY:
		return 2;
	case HEALTH_EXITED:
		break;
	}
	return 3;
}

void
graph_health(const struct component *component, struct graph_health *ret)
{
	struct graph_node *node = component->node;
	const struct graph_health *parts[3];
	const struct graph_health *worst;

	check_magic(component, COMPONENT_MAGIC);
	parts[0] = &node->run, parts[1] = &node->eval, parts[2] = &node->own;
	pthread_mutex_lock(&node->health_lock);
	worst = parts[0];
	for (size_t i = 1; i < ARRAY_LEN(parts); i++) {
		if (parts[i]->updated_ns == 0)
			continue; /* a component that says nothing about itself */
		if (badness(parts[i]->health) > badness(worst->health) ||
			(badness(parts[i]->health) == badness(worst->health) &&
				parts[i]->updated_ns > worst->updated_ns))
			worst = parts[i];
	}
	*ret = *worst;
	pthread_mutex_unlock(&node->health_lock);
}

const char *
graph_health_name(enum component_health health)
{
	switch (health) {
	case HEALTH_HEALTHY:
		return "healthy";
	case HEALTH_UNHEALTHY:
		return "unhealthy";
	case HEALTH_EXITED:
		return "exited";
	case HEALTH_UNKNOWN:
		break;
	}
	return "unknown";
}

size_t
graph_count(const struct graph *graph, enum component_health health)
{
	size_t n = 0;

	for (size_t i = 0; i < graph->n_nodes; i++) {
		struct graph_health now;

		if ((graph->nodes[i]->component.type->flags & COMPONENT_BLOCK) != 0)
			continue;
		graph_health(&graph->nodes[i]->component, &now);
		n += now.health == health;
	}
	return n;
}

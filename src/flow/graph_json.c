/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/lang/path_targets.h"

#include "graph_priv.h"

/* The graph as Alloy's component API shows it: {"type","value"} pairs, attributes as statements. */

static void put_value(struct buf *, const struct value *, unsigned depth);

static void
put_text(struct buf *out, struct str text)
{
	struct value value = value_string(text);

	value_to_json(&value, out, true);
}

static void
put_z(struct buf *out, const char *z)
{
	put_text(out, str_from(z));
}

static void
put_array(struct buf *out, const struct value *value, unsigned depth)
{
	buf_z(out, "{\"type\":\"array\",\"value\":[");
	for (size_t i = 0; i < value->array.n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		put_value(out, &value->array.items[i], depth + 1);
	}
	buf_z(out, "]}");
}

static void
put_object(struct buf *out, const struct value *value, unsigned depth)
{
	buf_z(out, "{\"type\":\"object\",\"value\":[");
	for (size_t i = 0; i < value->object.n; i++) {
		buf_z(out, i > 0 ? ",{\"key\":" : "{\"key\":");
		put_text(out, value->object.fields[i].name);
		buf_z(out, ",\"value\":");
		put_value(out, value->object.fields[i].value, depth + 1);
		buf_putc(out, '}');
	}
	buf_z(out, "]}");
}

static void
put_paths(struct buf *out, const struct value *value, unsigned depth)
{
	struct arena *arena = arena_new(0);
	struct value array = path_targets_expand(arena, value->paths);

	put_array(out, &array, depth);
	arena_free(arena);
}

static void
put_scalar(struct buf *out, const char *type, const struct value *value)
{
	buf_printf(out, "{\"type\":\"%s\",\"value\":", type);
	value_to_json(value, out, true);
	buf_putc(out, '}');
}

static void
put_value(struct buf *out, const struct value *value, unsigned depth)
{
	if (depth > CONFIG_NESTING_MAX) {
		buf_z(out, "{\"type\":\"null\",\"value\":null}");
		return;
	}
	switch (value->kind) {
	case VALUE_ARRAY:
		put_array(out, value, depth);
		return;
	case VALUE_PATHS:
		put_paths(out, value, depth);
		return;
	case VALUE_OBJECT:
	case VALUE_TARGET:
		put_object(out, value, depth);
		return;
	case VALUE_SECRET:
		buf_z(out, "{\"type\":\"capsule\",\"value\":\"(secret)\"}");
		return;
	case VALUE_OPTIONAL_SECRET:
		if (value->is_secret)
			buf_z(out, "{\"type\":\"capsule\",\"value\":\"(secret)\"}");
		else
			buf_z(out, "{\"type\":\"string\",\"value\":"), put_text(out, value->text), buf_putc(out, '}');
		return;
	case VALUE_CAPSULE:
		buf_printf(out, "{\"type\":\"capsule\",\"value\":\"capsule(\\\"%s\\\")\"}", value->capsule.type->name);
		return;
	case VALUE_FUNCTION:
		buf_z(out, "{\"type\":\"function\",\"value\":\"function\"}");
		return;
	case VALUE_BYTES:
		put_scalar(out, "string", &(struct value){.kind = VALUE_STRING, .text = value->text});
		return;
	case VALUE_NULL:
	case VALUE_BOOL:
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_FLOAT:
	case VALUE_STRING:
	case VALUE_KIND_COUNT:
		break;
	}
	put_scalar(out, value_type_name(value), value);
}

static void
put_exports(struct buf *out, const struct graph_node *node)
{
	const struct value *object = &node->exports->object;

	buf_putc(out, '[');
	for (size_t i = 0; i < object->object.n; i++) {
		buf_z(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		put_text(out, object->object.fields[i].name);
		buf_z(out, ",\"type\":\"attr\",\"value\":");
		put_value(out, object->object.fields[i].value, 0);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void
put_ids(struct buf *out, const char *name, struct graph_node *const *nodes, size_t n)
{
	buf_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		put_z(out, nodes[i]->id);
	}
	buf_putc(out, ']');
}

bool
graph_json_flows(const struct graph_node *from, const struct graph_node *to)
{
	return (from->component.type->flags & COMPONENT_FORWARDS) != 0 &&
	       (to->component.type->flags & COMPONENT_CONSUMES) != 0;
}

/* Entries flow to the receivers among what a component refers to. */
static void
put_flow(struct buf *out, const struct graph_node *node)
{
	bool any = false;

	buf_z(out, ",\"dataFlowEdgesTo\":[");
	for (size_t i = 0; i < node->n_deps; i++) {
		if (!graph_json_flows(node, node->deps[i]))
			continue;
		if (any)
			buf_putc(out, ',');
		put_z(out, node->deps[i]->id);
		any = true;
	}
	buf_putc(out, ']');
}

static void
put_head(struct buf *out, const struct graph_node *node)
{
	char time[CLOCK_RFC3339_BYTES];
	struct graph_health health;

	graph_health(&node->component, &health);
	buf_z(out, "{\"name\":");
	put_z(out, node->component.type->name);
	buf_z(out, ",\"type\":\"block\",\"localID\":");
	put_z(out, node->id);
	buf_z(out, ",\"moduleID\":\"\",\"label\":");
	put_z(out, node->label);
	put_ids(out, "referencesTo", node->deps, node->n_deps);
	put_ids(out, "referencedBy", node->users, node->n_users);
	put_flow(out, node);
	buf_printf(out, ",\"health\":{\"state\":\"%s\",\"message\":", graph_health_name(health.health));
	put_z(out, health.message);
	buf_printf(out, ",\"updatedTime\":\"%s\"},\"original\":\"\"", clock_format_rfc3339(health.updated_ns, time));
}

void
graph_json_list(const struct graph *graph, struct buf *out)
{
	bool any = false;

	buf_putc(out, '[');
	for (size_t i = 0; i < graph->n_nodes; i++) {
		if ((graph->nodes[i]->component.type->flags & COMPONENT_BLOCK) != 0)
			continue;
		if (any)
			buf_putc(out, ',');
		put_head(out, graph->nodes[i]);
		buf_z(out, ",\"liveDebuggingEnabled\":false}");
		any = true;
	}
	buf_putc(out, ']');
}

bool
graph_json_component(const struct graph *graph, const char *id, struct buf *out)
{
	const struct graph_node *node = map_get(&graph->ids, str_from(id));

	if (node == NULL || (node->component.type->flags & COMPONENT_BLOCK) != 0)
		return false;
	put_head(out, node);
	buf_z(out, ",\"arguments\":");
	if (node->args != NULL)
		args_to_json(node->component.type->args, node->args->args, out);
	else
		buf_z(out, "[]");
	buf_z(out, ",\"exports\":");
	put_exports(out, node);
	if (node->running && node->component.type->debug != NULL) {
		buf_z(out, ",\"debugInfo\":");
		node->component.type->debug((struct component *)&node->component, out);
	}
	buf_z(out, ",\"liveDebuggingEnabled\":false}");
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/component.h"

#include <stdarg.h>
#include <stdio.h>

#include "longship/base/check.h"

#include "graph_priv.h"

/* What a component may ask of the graph. */

const struct capsule_type capsule_logs_receiver = {.name = "loki.LogsReceiver"};
const struct capsule_type capsule_relabel_rules = {.name = "relabel.Rules"};

void
component_export(struct component *component, const char *name, const struct value *value)
{
	struct graph_node *node = component->node;
	struct graph_exports *old = node->exports;
	const struct value *now = value_get(&old->object, str_from(name));

	check_magic(component, COMPONENT_MAGIC);
	assert(now != NULL); /* declared in the type's exports */
	node->exported = true;
	if (value_equal(now, value))
		return;
	node->exports = graph_exports_with(old, str_from(name), value);
	graph_exports_unref(old);
	graph_update_exported(node);
}

void
component_set_health(struct component *component, enum component_health health, const char *format, ...)
{
	char text[sizeof(component->node->own.message)];
	va_list list;

	check_magic(component, COMPONENT_MAGIC);
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	graph_health_set(component->node, GRAPH_HEALTH_OWN, health, text);
}

int
component_fail(struct component *component, int err, const char *format, ...)
{
	va_list list;

	check_magic(component, COMPONENT_MAGIC);
	va_start(list, format);
	vsnprintf(component->node->fail_text, sizeof(component->node->fail_text), format, list);
	va_end(list);
	return err;
}

const struct source *
component_source(const struct component *component)
{
	const struct graph_node *node = component->node;

	return node == NULL ? NULL : node->args != NULL ? &node->args->text->source : node->source;
}

const char *
component_fail_text(const struct component *component)
{
	return component->node->fail_text;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"

#include "graph_priv.h"

/*
 * Counted memory of the graph. A snapshot of exports is never changed: an export makes a new one, so that
 * arguments which borrow from the old one stay whole until their component has taken new ones.
 */

struct graph_text *
graph_text_new(void)
{
	struct graph_text *text = mem_new(struct graph_text);

	text->refs = 1;
	text->arena = arena_new(0);
	source_init(&text->source, text->arena);
	return text;
}

struct graph_text *
graph_text_ref(struct graph_text *text)
{
	assert(text->refs > 0);
	text->refs++;
	return text;
}

void
graph_text_unref(struct graph_text *text)
{
	if (text == NULL || --text->refs > 0)
		return;
	arena_free(text->arena);
	mem_free(text);
}

static struct value copy_value(struct arena *arena, const struct value *from, unsigned depth);

static struct value
copy_array(struct arena *arena, const struct value *from, unsigned depth)
{
	struct value copy = *from;
	struct value *items = arena_array(arena, struct value, from->array.n + 1);

	for (size_t i = 0; i < from->array.n; i++)
		items[i] = copy_value(arena, &from->array.items[i], depth + 1);
	copy.array.items = items;
	return copy;
}

static struct value
copy_object(struct arena *arena, const struct value *from, unsigned depth)
{
	struct value copy = *from;
	struct field *fields = arena_array(arena, struct field, from->object.n + 1);

	for (size_t i = 0; i < from->object.n; i++) {
		struct value *value = arena_make(arena, struct value);

		*value = copy_value(arena, from->object.fields[i].value, depth + 1);
		fields[i] = (struct field){arena_str(arena, from->object.fields[i].name), value};
	}
	copy.object.fields = fields;
	return copy;
}

/* What is nested deeper than a configuration may be becomes null. */
static struct value
copy_value(struct arena *arena, const struct value *from, unsigned depth)
{
	struct value copy = *from;

	if (depth > CONFIG_NESTING_MAX)
		return (struct value){.kind = VALUE_NULL};
	switch (from->kind) {
	case VALUE_STRING:
	case VALUE_BYTES:
	case VALUE_SECRET:
	case VALUE_OPTIONAL_SECRET:
		copy.text = arena_str(arena, from->text);
		return copy;
	case VALUE_ARRAY:
		return copy_array(arena, from, depth);
	case VALUE_OBJECT:
	case VALUE_TARGET:
		return copy_object(arena, from, depth);
	case VALUE_NULL:
	case VALUE_BOOL:
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_FLOAT:
	case VALUE_FUNCTION:
	case VALUE_CAPSULE:
	case VALUE_KIND_COUNT:
		break;
	}
	return copy;
}

static struct graph_exports *
exports_new(void)
{
	struct graph_exports *exports = mem_new(struct graph_exports);

	exports->refs = 1;
	exports->arena = arena_new(256);
	return exports;
}

struct graph_exports *
graph_exports_zero(const struct component_type *type, struct component *component)
{
	struct graph_exports *exports = exports_new();
	struct value_object_builder builder = {.arena = exports->arena};

	if ((type->flags & COMPONENT_CONSUMES) != 0)
		value_object_add(&builder, STR("receiver"), value_capsule(&capsule_logs_receiver, component));
	for (const char *const *name = type->exports; name != NULL && *name != NULL; name++) {
		struct value value = {.kind = VALUE_NULL};

		if ((type->flags & COMPONENT_CONSUMES) != 0 && strcmp(*name, "receiver") == 0)
			continue;
		if (type->zero_export != NULL)
			value = type->zero_export(exports->arena, *name);
		value_object_add(&builder, str_from(*name), value);
	}
	exports->object = value_object_end(&builder);
	return exports;
}

struct graph_exports *
graph_exports_with(const struct graph_exports *from, struct str name, const struct value *value)
{
	struct graph_exports *exports = exports_new();
	struct value_object_builder builder = {.arena = exports->arena};

	for (size_t i = 0; i < from->object.object.n; i++) {
		const struct field *field = &from->object.object.fields[i];
		const struct value *source = str_eq(field->name, name) ? value : field->value;

		value_object_add(
			&builder, arena_str(exports->arena, field->name), copy_value(exports->arena, source, 0));
	}
	exports->object = value_object_end(&builder);
	return exports;
}

struct graph_exports *
graph_exports_ref(struct graph_exports *exports)
{
	assert(exports->refs > 0);
	exports->refs++;
	return exports;
}

void
graph_exports_unref(struct graph_exports *exports)
{
	if (exports == NULL || --exports->refs > 0)
		return;
	arena_free(exports->arena);
	mem_free(exports);
}

void
graph_args_free(struct graph_args *args)
{
	if (args == NULL)
		return;
	for (size_t i = 0; i < args->n_seen; i++)
		graph_exports_unref(args->seen[i]);
	arena_free(args->arena);
	graph_text_unref(args->text);
	mem_free(args->seen);
	mem_free(args);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/lang/path_targets.h"

#include "graph_priv.h"

/*
 * Counted memory of the graph. A snapshot of exports is never changed: an export makes a new one, so that
 * arguments which borrow from the old one stay whole until their component has taken new ones.
 */

#define EXPORTS_BYTES	   256 /* blocks of a snapshot: most are a receiver */
#define EXPORTS_LONG_BYTES (16u << 10)
#define LIST_LONG	   100

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

static struct value copy_value(struct arena *arena, const struct value *from, const struct value *before, unsigned depth);

/* Items of a list are often alike: what one has in common with the one before it is kept once. */
static struct value
copy_array(struct arena *arena, const struct value *from, unsigned depth)
{
	struct value copy = *from;
	struct value *items = arena_array(arena, struct value, from->array.n + 1);

	for (size_t i = 0; i < from->array.n; i++)
		items[i] = copy_value(arena, &from->array.items[i], i > 0 ? &items[i - 1] : NULL, depth + 1);
	copy.array.items = items;
	return copy;
}

static struct field
copy_field(struct arena *arena, const struct field *from, const struct field *before, unsigned depth)
{
	struct field copy = {.name = before != NULL && str_eq(from->name, before->name) ? before->name : arena_str(arena, from->name)};
	struct value *value;

	if (before != NULL && from->value->kind == VALUE_STRING && before->value->kind == VALUE_STRING &&
		str_eq(from->value->text, before->value->text)) {
		copy.value = before->value;
		return copy;
	}
	value = arena_make(arena, struct value);
	*value = copy_value(arena, from->value, NULL, depth + 1);
	copy.value = value;
	return copy;
}

static struct value
copy_object(struct arena *arena, const struct value *from, const struct value *before, unsigned depth)
{
	bool alike = before != NULL && before->kind == from->kind && before->object.n == from->object.n;
	struct value copy = *from;
	struct field *fields = arena_array(arena, struct field, from->object.n);

	for (size_t i = 0; i < from->object.n; i++)
		fields[i] = copy_field(arena, &from->object.fields[i], alike ? &before->object.fields[i] : NULL, depth);
	copy.object.fields = fields;
	return copy;
}

/* What is nested deeper than a configuration may be becomes null. */
static struct value
copy_value(struct arena *arena, const struct value *from, const struct value *before, unsigned depth)
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
	case VALUE_PATHS:
		path_targets_keep(from->paths, arena);
		return copy;
	case VALUE_OBJECT:
	case VALUE_TARGET:
		return copy_object(arena, from, before, depth);
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
exports_new(size_t bytes)
{
	struct graph_exports *exports = mem_new(struct graph_exports);

	exports->refs = 1;
	exports->arena = arena_new(bytes);
	return exports;
}

struct graph_exports *
graph_exports_zero(const struct component_type *type, struct component *component)
{
	struct graph_exports *exports = exports_new(EXPORTS_BYTES);
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
	struct graph_exports *exports = exports_new(value->kind == VALUE_ARRAY && value->array.n > LIST_LONG ? EXPORTS_LONG_BYTES : EXPORTS_BYTES);
	struct value_object_builder builder = {.arena = exports->arena};

	for (size_t i = 0; i < from->object.object.n; i++) {
		const struct field *field = &from->object.object.fields[i];
		const struct value *source = str_eq(field->name, name) ? value : field->value;

		value_object_add(
			&builder, arena_str(exports->arena, field->name), copy_value(exports->arena, source, NULL, 0));
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

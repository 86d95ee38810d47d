/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/lang/function.h"

#include "graph_priv.h"

/*
 * Names: of components in the catalog, of what Alloy has beyond it, and of the nodes that references lead to.
 * Every refusal says what would have been right where that can be guessed.
 */

#define REFERENCE_PARTS_MAX 16 /* an id has at most five parts, what follows is a path into its exports */
#define GUESSES_MAX	    50 /* a guess compares all names; nobody reads more of them */

const struct component_type *
graph_names_type(const struct graph *graph, struct str name)
{
	for (const struct component_type *const *type = graph->options.types; *type != NULL; type++)
		if (str_is(name, (*type)->name))
			return *type;
	return NULL;
}

bool
graph_names_known(const struct graph *graph, struct str name)
{
	for (const char *const *known = graph->options.known; known != NULL && *known != NULL; known++)
		if (str_is(name, *known))
			return true;
	return false;
}

/* The catalog's names, then Alloy's. */
static const char *
nearest_name(const struct graph *graph, struct str name)
{
	VEC(const char *) names = {0};
	const char *nearest;

	for (const struct component_type *const *type = graph->options.types; *type != NULL; type++)
		vec_push(&names, (*type)->name);
	for (const char *const *known = graph->options.known; known != NULL && *known != NULL; known++)
		vec_push(&names, *known);
	nearest = str_nearest(name, names.items, names.len);
	vec_done(&names);
	return nearest;
}

struct str
graph_names_unknown(const struct graph *graph, struct arena *arena, struct str name)
{
	const char *nearest;

	if (graph_names_known(graph, name))
		return arena_printf(arena, "\"%.*s\" exists in Alloy, longship does not have it", STR_FMT(name));
	nearest = nearest_name(graph, name);
	if (nearest != NULL)
		return arena_printf(arena,
			"cannot find the definition of component name \"%.*s\", did you mean \"%s\"?", STR_FMT(name),
			nearest);
	return arena_printf(arena, "cannot find the definition of component name \"%.*s\"", STR_FMT(name));
}

/* "a.b.c" in the arena. */
static struct str
join_parts(struct arena *arena, const struct str *parts, size_t n)
{
	struct buf text;
	struct str joined;

	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(&text, '.');
		buf_str(&text, parts[i]);
	}
	joined = arena_str(arena, buf_view(&text));
	buf_done(&text);
	return joined;
}

struct load_node *
graph_names_resolve(struct graph_load *load, const struct reference *reference)
{
	size_t n = reference->n < REFERENCE_PARTS_MAX ? reference->n : REFERENCE_PARTS_MAX;
	struct load_node *found = NULL;
	struct buf id;

	buf_init(&id, CONFIG_FILE_BYTES_MAX);
	for (size_t i = 0; i < n && found == NULL; i++) {
		if (i > 0)
			buf_putc(&id, '.');
		buf_str(&id, reference->parts[i]);
		found = map_get(&load->ids, buf_view(&id));
		if (found != NULL && found->type != NULL && (found->type->flags & COMPONENT_BLOCK) != 0)
			found = NULL; /* config blocks export nothing */
	}
	buf_done(&id);
	return found;
}

/* The id that was probably meant: ids compared with as many parts of the reference as they have. */
static const char *
nearest_id(struct graph_load *load, const struct reference *reference)
{
	VEC(const char *) ids = {0};
	const char *nearest = NULL;

	for (size_t i = 0; i < load->n_nodes; i++)
		if (load->nodes[i].type == NULL || (load->nodes[i].type->flags & COMPONENT_BLOCK) == 0)
			vec_push(&ids, arena_z(load->text->arena, load->nodes[i].id));
	for (size_t parts = reference->n < REFERENCE_PARTS_MAX ? reference->n : REFERENCE_PARTS_MAX;
		parts > 1 && nearest == NULL; parts--)
		nearest = str_nearest(join_parts(load->text->arena, reference->parts, parts), ids.items, ids.len);
	vec_done(&ids);
	return nearest;
}

static void
check_reference(struct graph_load *load, struct load_node *node, const struct reference *reference)
{
	const struct value *known = stdlib_lookup(reference->parts[0]);
	struct str text;
	const char *nearest;

	if (graph_names_resolve(load, reference) != NULL || str_is(reference->parts[0], "module_path"))
		return;
	if (known != NULL) {
		if (known->kind == VALUE_FUNCTION && known->function->replaced_by != NULL)
			diag_warning(&load->diags, reference->pos, "function \"%.*s\" is deprecated, use \"%s\"", STR_FMT(reference->parts[0]),
				known->function->replaced_by);
		return;
	}
	text = join_parts(load->text->arena, reference->parts, reference->n);
	nearest = load->diags.n_errors < GUESSES_MAX ? nearest_id(load, reference) : NULL;
	node->failed = true;
	if (nearest != NULL)
		diag_error(&load->diags, reference->pos,
			"component \"%.*s\" does not exist or is out of scope, did you mean \"%s\"?", STR_FMT(text),
			nearest);
	else
		diag_error(&load->diags, reference->pos, "component \"%.*s\" does not exist or is out of scope",
			STR_FMT(text));
}

void
graph_names_check_references(struct graph_load *load)
{
	for (size_t i = 0; i < load->n_nodes; i++) {
		struct load_node *node = &load->nodes[i];

		for (size_t k = 0; k < node->references.n && !node->pruned; k++)
			check_reference(load, node, &node->references.items[k]);
	}
}

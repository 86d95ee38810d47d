/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"

#include "graph_priv.h"

/*
 * Edges lead from a node to what it refers to. Tarjan's strongly connected components come out with what is
 * referred to first, which is the order of evaluation, and a component of more than one node is a cycle. Config
 * blocks are visited before the rest, so that the log is set up before anything has something to say. The
 * recursion is as deep as the longest chain of references, at most CONFIG_COMPONENTS_MAX.
 */

struct walk {
	struct graph_load *load;
	size_t *stack;
	size_t n_stack;
	size_t next_index;
	bool ok;
};

void
graph_order_edges_of(struct graph_load *load, struct load_node *node)
{
	node->references = (struct reference_list){0};
	node->n_deps = 0;
	node->self_reference = false;
	references_of_body(node->block->body, load->text->arena, &node->references);
	node->deps = arena_array(load->text->arena, size_t, node->references.n + 1);
	for (size_t i = 0; i < node->references.n; i++) {
		struct load_node *dep = graph_names_resolve(load, &node->references.items[i]);

		if (dep == NULL || dep->user == node)
			continue;
		dep->user = node;
		node->self_reference = node->self_reference || dep == node;
		node->deps[node->n_deps++] = (size_t)(dep - load->nodes);
	}
	for (size_t i = 0; i < node->n_deps; i++)
		load->nodes[node->deps[i]].user = NULL;
}

void
graph_order_edges(struct graph_load *load)
{
	for (size_t i = 0; i < load->n_nodes; i++)
		graph_order_edges_of(load, &load->nodes[i]);
}

static int
compare_numbers(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
report_cycle(struct walk *walk, size_t from)
{
	size_t n = walk->n_stack - from;
	struct buf text;

	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	qsort(&walk->stack[from], n, sizeof(*walk->stack), compare_numbers);
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%s%.*s", i > 0 ? ", " : "", STR_FMT(walk->load->nodes[walk->stack[from + i]].id));
	diag_error(&walk->load->diags, (struct src_pos){0}, "cycle: %.*s", STR_FMT(buf_view(&text)));
	buf_done(&text);
	walk->ok = false;
}

/* Takes the finished component, which starts with node `number`, from the stack. */
static void
take_component(struct walk *walk, size_t number)
{
	struct graph_load *load = walk->load;
	size_t from = walk->n_stack;

	while (walk->stack[from - 1] != number)
		from--;
	from--;
	if (walk->n_stack - from > 1)
		report_cycle(walk, from);
	for (size_t i = from; i < walk->n_stack; i++) {
		load->nodes[walk->stack[i]].on_stack = false;
		load->order[load->n_order++] = walk->stack[i];
	}
	walk->n_stack = from;
}

static void
visit(struct walk *walk, size_t number)
{
	struct load_node *node = &walk->load->nodes[number];

	node->index = node->low = ++walk->next_index;
	node->on_stack = true;
	walk->stack[walk->n_stack++] = number;
	for (size_t i = 0; i < node->n_deps; i++) {
		struct load_node *dep = &walk->load->nodes[node->deps[i]];

		if (dep->pruned)
			continue;
		if (dep->index == 0) {
			visit(walk, node->deps[i]);
			node->low = dep->low < node->low ? dep->low : node->low;
		} else if (dep->on_stack) {
			node->low = dep->index < node->low ? dep->index : node->low;
		}
	}
	if (node->low == node->index)
		take_component(walk, number);
}

static bool
is_config(const struct load_node *node)
{
	return node->type != NULL && (node->type->flags & COMPONENT_BLOCK) != 0;
}

bool
graph_order(struct graph_load *load)
{
	struct walk walk = {.load = load, .ok = true};

	assert(load->n_nodes <= CONFIG_COMPONENTS_MAX);
	walk.stack = arena_array(load->text->arena, size_t, load->n_nodes + 1);
	load->order = arena_array(load->text->arena, size_t, load->n_nodes + 1);
	for (unsigned blocks = 0; blocks < 2; blocks++) {
		for (size_t i = 0; i < load->n_nodes; i++) {
			struct load_node *node = &load->nodes[i];

			if (!node->pruned && node->index == 0 && (blocks == 1 || is_config(node)))
				visit(&walk, i);
		}
	}
	for (size_t i = 0; i < load->n_nodes; i++) {
		if (load->nodes[i].pruned || !load->nodes[i].self_reference)
			continue;
		diag_error(&load->diags, (struct src_pos){0}, "self reference: %.*s", STR_FMT(load->nodes[i].id));
		walk.ok = false;
	}
	return walk.ok;
}

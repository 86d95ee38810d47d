/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/hash.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/lang/parse.h"

#include "graph_priv.h"

/*
 * The first phase of a load: texts → trees → one load_node per block → names, references, order → arguments.
 * Nothing outside of the load changes; components that are new are made here, so that references to them
 * evaluate to their address, but belong to the load until it is applied. As in Alloy, evaluation begins only
 * when names, references and cycles are in order; `validate` goes on to find all errors.
 */

static struct graph_load *
load_new(struct graph *graph, enum graph_load_mode mode)
{
	struct graph_load *load = mem_new(struct graph_load);

	load->graph = graph;
	load->mode = mode;
	load->text = graph_text_new();
	diags_init(&load->diags, load->text->arena, &load->text->source);
	map_init(&load->ids);
	map_init(&load->scope);
	return load;
}

void
graph_load_free(struct graph_load *load)
{
	if (load == NULL)
		return;
	for (size_t i = 0; i < load->n_nodes; i++) {
		graph_args_free(load->nodes[i].args);
		if (load->nodes[i].is_new && !load->applied)
			graph_node_free(load->nodes[i].node);
	}
	map_done(&load->ids);
	map_done(&load->scope);
	diags_done(&load->diags);
	mem_free(load->nodes);
	graph_text_unref(load->text);
	mem_free(load);
}

static void
hash_texts(struct graph_load *load)
{
	const struct source *source = &load->text->source;
	struct buf all;
	uint8_t digest[32];

	buf_init(&all, SIZE_MAX);
	for (uint32_t i = 0; i < source->n_files; i++)
		buf_str(&all, source->files[i].text);
	hash_sha256(buf_view(&all), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(&load->hash[2 * i], 3, "%02x", digest[i]);
	buf_done(&all);
}

/* "loki.write.default"; config blocks are known by their name alone. */
static struct str
block_id(struct arena *arena, const struct block *block)
{
	if (!block->has_label || block->label.len == 0)
		return block->name;
	return arena_printf(arena, "%.*s.%.*s", STR_FMT(block->name), STR_FMT(block->label));
}

static void
add_unknown(struct graph_load *load, struct load_node *node)
{
	struct str why = graph_names_unknown(load->graph, load->text->arena, node->block->name);

	if (load->graph->options.skip_unsupported) {
		node->pruned = true;
		diag_warning(&load->diags, node->block->name_pos, "left out: %.*s", STR_FMT(why));
	} else {
		node->failed = true;
		diag_error(&load->diags, node->block->name_pos, "%.*s", STR_FMT(why));
	}
}

static bool
check_label(struct graph_load *load, const struct component_type *type, const struct block *block)
{
	bool labelled = block->has_label && block->label.len > 0;

	if ((type->flags & COMPONENT_BLOCK) != 0 && labelled)
		diag_error(&load->diags, block->label_pos, "block \"%.*s\" does not support specifying labels",
			STR_FMT(block->name));
	else if ((type->flags & COMPONENT_BLOCK) == 0 && !labelled)
		diag_error(&load->diags, block->name_pos, "component \"%.*s\" must have a label", STR_FMT(block->name));
	else
		return true;
	return false;
}

static void
add_block(struct graph_load *load, const struct block *block)
{
	struct load_node node = {.block = block, .type = graph_names_type(load->graph, block->name)};
	const struct load_node *first;

	node.id = block_id(load->text->arena, block);
	first = map_get(&load->ids, node.id);
	if (first != NULL) {
		const struct src_pos at = first->block->name_pos;
		uint32_t line, column;

		source_line_col(&load->text->source, at, &line, &column);
		diag_error(&load->diags, block->name_pos, "block %.*s already declared at %.*s:%u:%u", STR_FMT(node.id),
			STR_FMT(load->text->source.files[at.file - 1].name), line, column);
		return;
	}
	if (node.type == NULL)
		add_unknown(load, &node);
	else if (!check_label(load, node.type, block))
		node.failed = true;
	assert(load->n_nodes < load->cap);
	load->nodes[load->n_nodes] = node;
	map_set(&load->ids, node.id, &load->nodes[load->n_nodes++]);
}

/* The nodes' addresses are kept, so their number comes first. */
static bool
add_bodies(struct graph_load *load, struct body *const *bodies, size_t n)
{
	for (size_t i = 0; i < n; i++)
		load->cap += bodies[i]->n;
	if (load->cap > CONFIG_COMPONENTS_MAX) {
		diag_error(&load->diags, (struct src_pos){0}, "more than %d blocks", CONFIG_COMPONENTS_MAX);
		return false;
	}
	load->nodes = mem_zalloc((load->cap + 1) * sizeof(*load->nodes));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < bodies[i]->n; k++) {
			const struct stmt *stmt = &bodies[i]->stmts[k];

			if (stmt->block != NULL)
				add_block(load, stmt->block);
			else
				diag_error(&load->diags, stmt->attr->name_pos, "unrecognized attribute %.*s",
					STR_FMT(stmt->attr->name));
		}
	}
	return true;
}

static bool
parse(struct graph_load *load)
{
	struct source *source = &load->text->source;
	struct body **bodies = arena_array(load->text->arena, struct body *, source->n_files + 1);
	size_t n = 0;

	for (uint32_t i = 0; i < source->n_files; i++) {
		struct body *body = parse_file(load->text->arena, source, i + 1, &load->diags);

		if (body != NULL)
			bodies[n++] = body;
	}
	if (diags_failed(&load->diags))
		return false;
	load->parsed = true;
	hash_texts(load);
	return add_bodies(load, bodies, n);
}

/* Only the named component and what it refers to stays. */
static void
keep_only(struct graph_load *load, const char *id)
{
	struct load_node *wanted = map_get(&load->ids, str_from(id));
	VEC(size_t) queue = {0};
	bool *keep = arena_array(load->text->arena, bool, load->n_nodes + 1);

	if (wanted == NULL || wanted->pruned) {
		diag_error(&load->diags, (struct src_pos){0}, "there is no component \"%s\"", id);
	} else {
		vec_push(&queue, (size_t)(wanted - load->nodes));
		keep[queue.items[0]] = true;
	}
	for (size_t i = 0; i < queue.len; i++) {
		const struct load_node *node = &load->nodes[queue.items[i]];

		for (size_t k = 0; k < node->n_deps; k++) {
			if (!keep[node->deps[k]])
				vec_push(&queue, node->deps[k]);
			keep[node->deps[k]] = true;
		}
	}
	for (size_t i = 0; i < load->n_nodes; i++)
		load->nodes[i].pruned = load->nodes[i].pruned || !keep[i];
	vec_done(&queue);
}

/* The running component of the same id, or a new one. */
static void
make_nodes(struct graph_load *load)
{
	for (size_t i = 0; i < load->n_nodes; i++) {
		struct load_node *node = &load->nodes[i];
		bool labelled = node->block->has_label;

		if (node->pruned || node->type == NULL)
			continue;
		node->node = map_get(&load->graph->ids, node->id);
		node->is_new = node->node == NULL;
		if (node->is_new)
			node->node = graph_node_new(
				load->graph, node->type, node->id, labelled ? node->block->label : STR_EMPTY);
		assert(node->node->component.type == node->type);
		map_set(&load->scope, node->id, node->node);
	}
}

static void
check_all(struct graph_load *load)
{
	bool ordered;

	graph_unsupported_check(load);
	graph_order_edges(load);
	if (load->graph->options.skip_unsupported)
		graph_prune(load);
	if (load->graph->options.only != NULL)
		keep_only(load, load->graph->options.only);
	graph_names_check_references(load);
	ordered = graph_order(load);
	if (load->mode == GRAPH_LOAD_RUN && diags_failed(&load->diags))
		return;
	make_nodes(load);
	graph_eval_load(load, !ordered);
}

static struct graph_load *
finish(struct graph_load *load)
{
	if (!diags_failed(&load->diags) && parse(load))
		check_all(load);
	return load;
}

struct graph_load *
graph_load(struct graph *graph, const char *const *paths, size_t n, enum graph_load_mode mode)
{
	struct graph_load *load = load_new(graph, mode);

	for (size_t i = 0; i < n; i++)
		if (!source_load(&load->text->source, paths[i], &load->diags))
			assert(diags_failed(&load->diags));
	return finish(load);
}

struct graph_load *
graph_load_text(struct graph *graph, struct str name, struct str text, enum graph_load_mode mode)
{
	struct graph_load *load = load_new(graph, mode);

	source_add(&load->text->source, name, text);
	return finish(load);
}

struct diags *
graph_load_diags(struct graph_load *load)
{
	return &load->diags;
}

bool
graph_load_parsed(const struct graph_load *load)
{
	return load->parsed;
}

const char *
graph_load_hash(const struct graph_load *load)
{
	return load->hash;
}

struct component *
graph_load_component(struct graph_load *load, const char *id)
{
	struct graph_node *node = map_get(&load->scope, str_from(id));

	assert(!load->applied);
	return node != NULL && node->component.args != NULL ? &node->component : NULL;
}

size_t
graph_load_len(const struct graph_load *load)
{
	return map_len(&load->scope);
}

struct component *
graph_load_at(struct graph_load *load, size_t i)
{
	struct graph_node *node = map_value(&load->scope, i);

	assert(!load->applied);
	return node->component.args != NULL ? &node->component : NULL;
}

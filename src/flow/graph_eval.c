/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/lang/eval.h"

#include "graph_priv.h"

/*
 * From a block to its arguments: the expressions see the newest exports of the components in scope. The same
 * function serves loads (whose new components show zero values) and re-evaluations. Which snapshots of exports
 * were seen is remembered with the arguments: comparing pointers later tells whether they are out of date.
 */

#define PREFIX_COMPONENT "Failed to build component: decoding configuration: "
#define PREFIX_CONFIG	 "Failed to evaluate node for config block: decoding configuration: "
#define PREFIX_SERVICE	 "Failed to evaluate service: decoding configuration: "

/* Alloy knows config blocks and services; to the user only the message differs. */
static const char *
error_prefix(const struct component_type *type)
{
	if ((type->flags & COMPONENT_BLOCK) == 0)
		return PREFIX_COMPONENT;
	return strcmp(type->name, "logging") == 0 ? PREFIX_CONFIG : PREFIX_SERVICE;
}

static const struct value *
resolve(void *ptr, const struct str *parts, size_t n, size_t *ret_used)
{
	const struct map *scope = ptr;
	const struct graph_node *found = NULL;
	struct buf id;

	buf_init(&id, CONFIG_FILE_BYTES_MAX);
	for (size_t i = 0; i < n && found == NULL; i++) {
		if (i > 0)
			buf_putc(&id, '.');
		buf_str(&id, parts[i]);
		found = map_get(scope, buf_view(&id));
		*ret_used = i + 1;
	}
	buf_done(&id);
	return found != NULL ? &found->exports->object : NULL;
}

/* The directory of the file that a block stands in. */
static const char *
module_path(const struct graph_text *text, const struct block *block, struct arena *arena)
{
	struct str name;

	if (block->pos.file == 0 || block->pos.file > text->source.n_files)
		return ".";
	name = text->source.files[block->pos.file - 1].name;
	while (name.len > 0 && name.s[name.len - 1] != '/')
		name.len--;
	if (name.len == 0)
		return ".";
	return arena_z(arena, str_head(name, name.len > 1 ? name.len - 1 : 1));
}

/* What check says without a place of its own is said of the block, as a failed build. */
static bool
check_args(const struct component_type *type, const struct block *block, const void *args, struct diags *diags)
{
	struct diags found;
	bool ok;

	if (type->check == NULL)
		return true;
	diags_init(&found, diags->arena, diags->source);
	ok = type->check(args, block->pos, &found);
	for (size_t i = 0; i < found.n; i++) {
		const struct diag *d = &found.items[i];
		bool whole_block =
			d->pos.file == block->pos.file && d->pos.off == block->pos.off && d->pos.len == block->pos.len;

		if (d->level == DIAG_WARNING)
			diag_warning(diags, d->pos, "%.*s", STR_FMT(d->text));
		else if (whole_block)
			diag_error(diags, d->pos, "%s%.*s", error_prefix(type), STR_FMT(d->text));
		else if (block->label.len > 0)
			diag_error(diags, d->pos, "%s.%.*s: %.*s", type->name, STR_FMT(block->label), STR_FMT(d->text));
		else
			diag_error(diags, d->pos, "%.*s", STR_FMT(d->text));
	}
	assert(ok == !diags_failed(&found));
	diags_done(&found);
	return ok;
}

struct graph_args *
graph_eval_args(struct graph_text *text, const struct component_type *type, const struct block *block,
	const struct map *scope, struct graph_node *const *deps, size_t n_deps, struct diags *diags)
{
	struct graph_args *args = mem_new(struct graph_args);
	struct eval_env env = {.ptr = (void *)scope, .resolve = resolve};

	args->arena = arena_new(0);
	env.module_path = module_path(text, block, args->arena);
	args->text = graph_text_ref(text);
	args->seen = mem_alloc((n_deps + 1) * sizeof(*args->seen));
	for (size_t i = 0; i < n_deps; i++)
		args->seen[args->n_seen++] = graph_exports_ref(deps[i]->exports);
	args->args = arena_zalloc(args->arena, type->args_size + 1);
	if (args_decode(type->args, block, error_prefix(type), &env, args->arena, args->args, diags) &&
		check_args(type, block, args->args, diags))
		return args;
	graph_args_free(args);
	return NULL;
}

/* Exports that are only a receiver are known before the start. */
static bool
exports_data(const struct component_type *type)
{
	for (const char *const *name = type->exports; name != NULL && *name != NULL; name++)
		if ((type->flags & COMPONENT_CONSUMES) == 0 || strcmp(*name, "receiver") != 0)
			return true;
	return false;
}

/* Whether values that the node's arguments come from are not known before apply. */
static bool
depends_on_start(const struct graph_load *load, const struct load_node *node)
{
	for (size_t i = 0; i < node->n_deps; i++)
		if (load->nodes[node->deps[i]].uncertain)
			return true;
	return false;
}

static bool
deps_exist(const struct graph_load *load, const struct load_node *node)
{
	for (size_t i = 0; i < node->n_deps; i++)
		if (load->nodes[node->deps[i]].node == NULL)
			return false;
	return true;
}

/* What fails only because of values that are not known yet is left to apply. */
static void
eval_node(struct graph_load *load, struct load_node *node)
{
	VEC(struct graph_node *) deps = {0};
	bool waits = depends_on_start(load, node);
	struct diags found;

	diags_init(&found, load->text->arena, &load->text->source);
	for (size_t i = 0; i < node->n_deps; i++)
		vec_push(&deps, load->nodes[node->deps[i]].node);
	node->args = graph_eval_args(load->text, node->type, node->block, &load->scope, deps.items, deps.len, &found);
	node->failed = node->args == NULL && !waits;
	if (node->failed || node->args != NULL)
		diags_merge(&load->diags, &found);
	if (node->is_new && node->args != NULL) {
		node->node->component.args = node->args->args;
		node->node->source = &load->text->source;
	}
	node->uncertain = exports_data(node->type) &&
			  (node->is_new || waits || node->args == NULL || !node->node->running ||
				  !args_equal(node->type->args, node->args->args, node->node->component.args));
	diags_done(&found);
	vec_done(&deps);
}

void
graph_eval_load(struct graph_load *load, bool statically)
{
	for (size_t i = 0; i < load->n_order; i++) {
		struct load_node *node = &load->nodes[load->order[i]];

		if (node->type == NULL)
			continue;
		if (load->mode == GRAPH_LOAD_VALIDATE &&
			!args_validate(node->type->args, node->block, load->text->arena, &load->diags))
			node->failed = true;
		if (!node->failed && !statically && deps_exist(load, node))
			eval_node(load, node);
		if (node->failed)
			node->uncertain = exports_data(node->type);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/yaml.h"

#include <yaml.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/map.h"
#include "longship/base/vec.h"
#include "yaml_priv.h"

/*
 * libyaml turns the text into events, one function per kind of node turns events into the tree. An alias shares
 * the node of its anchor; each node knows how many nodes and levels stand below it, so that what an expansion
 * would cost is known without making it.
 */

#define REPEATED_KEYS_SHOWN_MAX 10

struct node {
	struct yaml_tree tree; /* first: a tree pointer is a node pointer */
	size_t nodes;
	unsigned height;
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	bool has_event;
	struct arena *arena;
	struct map anchors;  /* name -> struct node *, or &open_anchor while its node is being read */
	struct buf repeated; /* lines of the message about repeated keys */
	size_t n_repeated;
	unsigned depth;
	bool mapping_keys;
	size_t key_bytes_left; /* of texts of mapping keys: only aliases make them longer than what was read */
	struct yaml_tree_error error;
};

/* As base/vec.h wants them. */
struct item_list {
	const struct yaml_tree **items;
	size_t len, cap;
};
struct pair_list {
	struct yaml_tree_pair *items;
	size_t len, cap;
};

static char open_anchor;

static bool
fail(struct reader *r, yaml_mark_t mark, struct str text)
{
	r->error = (struct yaml_tree_error){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1, text};
	return false;
}

static bool
next_event(struct reader *r)
{
	const char *problem;

	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = yaml_parser_parse(&r->parser, &r->event) != 0;
	if (r->has_event)
		return true;
	problem = r->parser.problem != NULL ? r->parser.problem : "unknown problem parsing YAML content";
	return fail(r, r->parser.problem_mark, arena_str(r->arena, str_from(problem)));
}

static struct node *
new_node(struct reader *r, enum yaml_tree_kind kind)
{
	struct node *node = arena_make(r->arena, struct node);

	node->tree.kind = kind;
	node->tree.line = (uint32_t)r->event.start_mark.line + 1;
	node->tree.column = (uint32_t)r->event.start_mark.column + 1;
	node->tree.off = r->event.start_mark.index;
	node->nodes = node->height = 1;
	return node;
}

/* Counts a node, or all that an alias stands for, against the limits. */
static bool
account(struct reader *r, struct node *parent, const struct node *child, yaml_mark_t mark)
{
	parent->nodes += child->nodes;
	if (child->height + 1 > parent->height)
		parent->height = child->height + 1;
	if (r->depth + child->height > YAML_DEPTH_MAX)
		return fail(r, mark, STR("exceeded max depth"));
	if (parent->nodes > YAML_NODES_MAX)
		return fail(r, mark, STR("document contains excessive aliasing"));
	return true;
}

static void
set_anchor(struct reader *r, const yaml_char_t *name, void *value)
{
	if (name != NULL)
		(void)map_set(&r->anchors, str_from((const char *)name), value);
}

static bool read_node(struct reader *, struct node **ret);

static bool
read_scalar(struct reader *r, struct node **ret)
{
	struct node *node = new_node(r, YAML_TREE_STRING);
	struct str tag = str_from((const char *)r->event.data.scalar.tag), error;

	node->tree.text = arena_str(
		r->arena, (struct str){(const char *)r->event.data.scalar.value, r->event.data.scalar.length});
	if (!yaml_scalar_resolve(
		    r->arena, &node->tree, tag, r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE, &error))
		return fail(r, r->event.start_mark, error);
	set_anchor(r, r->event.data.scalar.anchor, node);
	*ret = node;
	return true;
}

static bool
read_alias(struct reader *r, struct node **ret)
{
	const char *name = (const char *)r->event.data.alias.anchor;
	void *target = map_get(&r->anchors, str_from(name));

	if (target == NULL)
		return fail(r, r->event.start_mark, arena_printf(r->arena, "unknown anchor '%s' referenced", name));
	if (target == &open_anchor)
		return fail(r, r->event.start_mark, arena_printf(r->arena, "anchor '%s' value contains itself", name));
	*ret = target;
	return true;
}

/* The name of the anchor of a collection outlives its start event. */
static const yaml_char_t *
keep_anchor(struct reader *r, const yaml_char_t *name)
{
	set_anchor(r, name, &open_anchor);
	return name != NULL ? (const yaml_char_t *)arena_z(r->arena, str_from((const char *)name)) : NULL;
}

static bool
read_items(struct reader *r, struct node *sequence, struct item_list *items)
{
	while (next_event(r)) {
		yaml_mark_t mark = r->event.start_mark;
		struct node *item;

		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return true;
		if (!read_node(r, &item) || !account(r, sequence, item, mark))
			return false;
		vec_push(items, &item->tree);
	}
	return false;
}

static bool
read_sequence(struct reader *r, struct node **ret)
{
	struct node *node = new_node(r, YAML_TREE_SEQUENCE);
	const yaml_char_t *anchor = keep_anchor(r, r->event.data.sequence_start.anchor);
	struct item_list items = {0};
	bool ok = read_items(r, node, &items);
	const struct yaml_tree **copy = arena_array(r->arena, const struct yaml_tree *, items.len);

	if (items.len > 0)
		memcpy(copy, items.items, items.len * sizeof(*copy));
	node->tree.sequence.items = copy;
	node->tree.sequence.n = items.len;
	vec_done(&items);
	set_anchor(r, anchor, node);
	*ret = node;
	return ok;
}

static bool
is_merge_key(const struct reader *r)
{
	return r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       str_is(str_from((const char *)r->event.data.scalar.value), "<<") &&
	       (r->event.data.scalar.tag == NULL || strcmp((const char *)r->event.data.scalar.tag, "!") == 0);
}

static void
note_repeated(struct reader *r, const struct yaml_tree *key, const struct yaml_tree *first)
{
	if (r->n_repeated++ == 0)
		r->error = (struct yaml_tree_error){.line = key->line, .column = key->column};
	if (r->n_repeated <= REPEATED_KEYS_SHOWN_MAX)
		buf_printf(&r->repeated, "\n  line %u: mapping key \"%.*s\" already defined at line %u", key->line,
			STR_FMT(key->text), first->line);
}

static void
merge_mapping(const struct yaml_tree *from, struct pair_list *pairs, struct map *keys)
{
	for (size_t i = 0; i < from->mapping.n; i++) {
		const struct yaml_tree_pair *pair = &from->mapping.pairs[i];

		if (map_has(keys, pair->key->text))
			continue;
		(void)map_set(keys, pair->key->text, (void *)(uintptr_t)pair->key);
		vec_push(pairs, *pair);
	}
}

/* Keys of the mapping itself go before merged ones, earlier merged ones before later. */
static bool
merge_all(struct reader *r, const struct item_list *merged, struct pair_list *pairs, struct map *keys)
{
	for (size_t i = 0; i < merged->len; i++) {
		const struct yaml_tree *from = merged->items[i];
		bool list = from->kind == YAML_TREE_SEQUENCE;

		for (size_t j = 0; j < (list ? from->sequence.n : 1); j++) {
			const struct yaml_tree *mapping = list ? from->sequence.items[j] : from;

			if (mapping->kind != YAML_TREE_MAPPING) {
				r->error = (struct yaml_tree_error){mapping->line, mapping->column,
					STR("map merge requires map or sequence of maps as the value")};
				return false;
			}
			merge_mapping(mapping, pairs, keys);
		}
	}
	return true;
}

/* A mapping of scalars gets a text, as each key has one. */
static bool
name_key(struct reader *r, struct node *key, yaml_mark_t mark)
{
	struct buf text;
	bool ok = r->mapping_keys && key->tree.kind == YAML_TREE_MAPPING;

	if (ok && key->tree.text.len > 0)
		return true; /* by an alias */
	buf_init(&text, r->key_bytes_left);
	for (size_t i = 0; ok && i < key->tree.mapping.n; i++) {
		const struct yaml_tree_pair *pair = &key->tree.mapping.pairs[i];

		ok = pair->value->kind != YAML_TREE_SEQUENCE && pair->value->kind != YAML_TREE_MAPPING;
		if (ok)
			buf_printf(&text, "%s%.*s: %.*s", i > 0 ? ", " : "", STR_FMT(pair->key->text),
				STR_FMT(pair->value->text));
	}
	ok = ok && !text.overflow;
	if (ok) {
		key->tree.text = arena_str(r->arena, buf_view(&text));
		r->key_bytes_left -= text.len;
	}
	buf_done(&text);
	return ok || fail(r, mark, STR("invalid map key: it is not a scalar"));
}

static bool
read_pairs(struct reader *r, struct node *mapping, struct pair_list *pairs, struct item_list *merged, struct map *keys)
{
	while (next_event(r)) {
		yaml_mark_t mark = r->event.start_mark;
		bool merge = is_merge_key(r);
		struct node *key, *value;
		const struct yaml_tree *first;

		if (r->event.type == YAML_MAPPING_END_EVENT)
			return true;
		if (!read_node(r, &key) || !account(r, mapping, key, mark))
			return false;
		if ((key->tree.kind == YAML_TREE_SEQUENCE || key->tree.kind == YAML_TREE_MAPPING) &&
			!name_key(r, key, mark))
			return false;
		if (!next_event(r))
			return false;
		mark = r->event.start_mark;
		if (!read_node(r, &value) || !account(r, mapping, value, mark))
			return false;
		if (merge) {
			vec_push(merged, &value->tree);
			continue;
		}
		first = map_set(keys, key->tree.text, &key->tree);
		if (first != NULL)
			note_repeated(r, &key->tree, first);
		vec_push(pairs, ((struct yaml_tree_pair){&key->tree, &value->tree}));
	}
	return false;
}

static bool
read_mapping(struct reader *r, struct node **ret)
{
	struct node *node = new_node(r, YAML_TREE_MAPPING);
	const yaml_char_t *anchor = keep_anchor(r, r->event.data.mapping_start.anchor);
	struct yaml_tree_pair *copy;
	struct pair_list pairs = {0};
	struct item_list merged = {0};
	struct map keys;
	bool ok;

	map_init(&keys);
	ok = read_pairs(r, node, &pairs, &merged, &keys) && merge_all(r, &merged, &pairs, &keys);
	copy = arena_array(r->arena, struct yaml_tree_pair, pairs.len);
	if (pairs.len > 0)
		memcpy(copy, pairs.items, pairs.len * sizeof(*copy));
	node->tree.mapping.pairs = copy;
	node->tree.mapping.n = pairs.len;
	map_done(&keys);
	vec_done(&merged);
	vec_done(&pairs);
	set_anchor(r, anchor, node);
	*ret = node;
	return ok;
}

/* The node that the current event starts. */
static bool
read_node(struct reader *r, struct node **ret)
{
	bool ok;

	if (++r->depth > YAML_DEPTH_MAX)
		return fail(r, r->event.start_mark, STR("exceeded max depth"));
	switch (r->event.type) {
	case YAML_ALIAS_EVENT:
		ok = read_alias(r, ret);
		break;
	case YAML_SEQUENCE_START_EVENT:
		ok = read_sequence(r, ret);
		break;
	case YAML_MAPPING_START_EVENT:
		ok = read_mapping(r, ret);
		break;
	default:
		assert(r->event.type == YAML_SCALAR_EVENT);
		ok = read_scalar(r, ret);
	}
	r->depth--;
	return ok;
}

static bool
read_document(struct reader *r, struct node **ret)
{
	if (!next_event(r) || !next_event(r)) /* the stream's start, then the document's or the stream's end */
		return false;
	if (r->event.type == YAML_STREAM_END_EVENT) {
		*ret = new_node(r, YAML_TREE_NULL);
		return true;
	}
	if (!next_event(r) || !read_node(r, ret))
		return false;
	if (r->n_repeated > 0) {
		r->error.text = arena_printf(r->arena, "unmarshal errors:%.*s", STR_FMT(buf_view(&r->repeated)));
		return false;
	}
	return true;
}

static const struct yaml_tree *
parse(struct arena *arena, struct str text, bool mapping_keys, struct yaml_tree_error *ret_error)
{
	struct reader r = {.arena = arena, .mapping_keys = mapping_keys, .key_bytes_left = 2 * text.len};
	struct node *root = NULL;
	bool ok;

	if (yaml_parser_initialize(&r.parser) == 0) {
		*ret_error = (struct yaml_tree_error){.text = STR("out of memory")};
		return NULL;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.s != NULL ? text.s : ""), text.len);
	map_init(&r.anchors);
	buf_init(&r.repeated, 64 * 1024);
	ok = read_document(&r, &root);
	if (!ok)
		*ret_error = r.error;
	if (r.has_event)
		yaml_event_delete(&r.event);
	buf_done(&r.repeated);
	map_done(&r.anchors);
	yaml_parser_delete(&r.parser);
	return ok ? &root->tree : NULL;
}

const struct yaml_tree *
yaml_tree_parse(struct arena *arena, struct str text, struct yaml_tree_error *ret_error)
{
	return parse(arena, text, false, ret_error);
}

const struct yaml_tree *
yaml_tree_parse_mapping_keys(struct arena *arena, struct str text, struct yaml_tree_error *ret_error)
{
	return parse(arena, text, true, ret_error);
}

const struct yaml_tree *
yaml_tree_get(const struct yaml_tree *v, struct str key)
{
	if (v == NULL || v->kind != YAML_TREE_MAPPING)
		return NULL;
	for (size_t i = 0; i < v->mapping.n; i++) {
		if (str_eq(v->mapping.pairs[i].key->text, key))
			return v->mapping.pairs[i].value;
	}
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/json.h"

#include "json_priv.h"
#include "longship/codec/json_text.h"

/* Field paths become a trie: one function per rule of the grammar. */

struct json_paths *
json_paths_new(struct arena *arena)
{
	struct json_paths *paths = arena_make(arena, struct json_paths);

	paths->arena = arena;
	return paths;
}

size_t
json_paths_count(const struct json_paths *paths)
{
	return paths->n;
}

static struct child *
child_add(struct arena *arena, struct child **list, size_t *n, struct child child)
{
	struct child *grown = arena_array(arena, struct child, *n + 1);

	if (*n > 0)
		memcpy(grown, *list, *n * sizeof(*grown));
	child.node = arena_make(arena, struct node);
	grown[*n] = child;
	*list = grown;
	return &grown[(*n)++];
}

static struct node *
node_name(struct arena *arena, struct node *node, struct str name)
{
	for (size_t i = 0; i < node->n_names; i++) {
		if (str_eq(node->names[i].name, name))
			return node->names[i].node;
	}
	node->lengths |= UINT64_C(1) << (name.len & 63);
	return child_add(arena, &node->names, &node->n_names, (struct child){.name = arena_str(arena, name)})->node;
}

static struct node *
node_index(struct arena *arena, struct node *node, int64_t index)
{
	for (size_t i = 0; i < node->n_indexes; i++) {
		if (node->indexes[i].index == index)
			return node->indexes[i].node;
	}
	if (index < 0 && (size_t)-index > node->from_end)
		node->from_end = (size_t)-index;
	return child_add(arena, &node->indexes, &node->n_indexes, (struct child){.index = index})->node;
}

struct path {
	struct json_paths *paths;
	struct str text;
	size_t at;
	size_t steps;
};

static void
path_space(struct path *p)
{
	while (p->at < p->text.len && memchr(" \t\r\n", p->text.s[p->at], 4) != NULL)
		p->at++;
}

static bool
path_take(struct path *p, char c)
{
	if (p->at >= p->text.len || p->text.s[p->at] != c)
		return false;
	p->at++;
	return true;
}

static bool
is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/* Where the string that begins at `from` (behind its quote) has its closing quote; SIZE_MAX: nowhere, or it has a bad
 * escape. */
static size_t
closing_quote(struct str text, size_t from, bool *ret_escaped)
{
	*ret_escaped = false;
	for (size_t i = from; i < text.len; i++) {
		if (text.s[i] == '"')
			return i;
		if ((unsigned char)text.s[i] < 0x20)
			return SIZE_MAX;
		if (text.s[i] != '\\')
			continue;
		*ret_escaped = true;
		if (++i == text.len || memchr("\"\\/bfnrtu", text.s[i], 9) == NULL)
			return SIZE_MAX;
		for (size_t k = 0; text.s[i] == 'u' && k < 4; k++) {
			if (i + 1 + k >= text.len || memchr("0123456789abcdefABCDEF", text.s[i + 1 + k], 22) == NULL)
				return SIZE_MAX;
		}
	}
	return SIZE_MAX;
}

/* name = identifier or a JSON string */
static bool
path_name(struct path *p, struct node **node)
{
	struct str name = {p->text.s + p->at, 0};

	if (path_take(p, '"')) {
		bool escaped;
		size_t close = closing_quote(p->text, p->at, &escaped);

		if (close == SIZE_MAX)
			return false;
		name = (struct str){p->text.s + p->at, close - p->at};
		p->at = close + 1;
		if (escaped)
			name = json_text_unescape(p->paths->arena, name);
	} else {
		while (p->at < p->text.len && is_name_char(p->text.s[p->at], name.len == 0)) {
			name.len++;
			p->at++;
		}
		if (name.len == 0)
			return false;
	}
	*node = node_name(p->paths->arena, *node, name);
	return true;
}

/* index = '[' ['-'] digits ']', the bracket taken */
static bool
path_index(struct path *p, struct node **node)
{
	size_t start;
	int64_t index;

	path_space(p);
	start = p->at;
	while (p->at < p->text.len && memchr("-0123456789", p->text.s[p->at], 11) != NULL)
		p->at++;
	if (!str_to_i64((struct str){p->text.s + start, p->at - start}, &index) || index < -JSON_FROM_END_MAX)
		return false;
	path_space(p);
	if (!path_take(p, ']'))
		return false;
	*node = node_index(p->paths->arena, *node, index);
	return true;
}

/* path = (name | index) { '.' name | index } */
static bool
path_parse(struct path *p, struct node **node)
{
	for (;;) {
		path_space(p);
		if (p->at == p->text.len)
			return p->steps > 0;
		if (++p->steps > JSON_PATH_STEPS_MAX)
			return false;
		if (path_take(p, '[')) {
			if (!path_index(p, node))
				return false;
			continue;
		}
		if (p->steps > 1 && !path_take(p, '.'))
			return false;
		path_space(p);
		if (!path_name(p, node))
			return false;
	}
}

/* Adding nodes for a path that turns out to be bad does no harm: they have no slot. */
bool
json_paths_add(struct json_paths *paths, struct str expression, struct str *ret_error)
{
	struct path p = {.paths = paths, .text = expression};
	struct node *node = &paths->root;
	struct slot_list *slot;

	if (paths->n == JSON_PATHS_MAX) {
		*ret_error = arena_printf(paths->arena, "more than %d expressions", JSON_PATHS_MAX);
		return false;
	}
	if (!path_parse(&p, &node)) {
		*ret_error = arena_printf(paths->arena, "no field path such as a.b[0].\"x-y\" from offset %zu on", p.at);
		return false;
	}
	slot = arena_make(paths->arena, struct slot_list);
	*slot = (struct slot_list){paths->n++, node->slots};
	node->slots = slot;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mapping.h"

#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/codec/json_tree.h"
#include "longship/os/journal_wire.h"

#define JSON_BYTES_MAX (16u << 20) /* a record, every byte escaped */
#define JSON_FIELDS_MAX 8192       /* of one entry; journald takes 1,024 */

static struct str
priority_keyword(struct str priority)
{
	static const char *const words[] = {"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"};

	if (priority.len == 1 && priority.s[0] >= '0' && priority.s[0] <= '7')
		return str_from(words[priority.s[0] - '0']);
	return priority;
}

static struct str
label_name(struct arena *arena, struct str field)
{
	struct str prefix = STR("__journal_");
	char *text = arena_alloc(arena, prefix.len + field.len);

	memcpy(text, prefix.s, prefix.len);
	for (size_t i = 0; i < field.len; i++) {
		char c = field.s[i];

		text[prefix.len + i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	return (struct str){text, prefix.len + field.len};
}

const struct labels *
mapping_labels(const struct mapping *m, struct arena *arena, struct labels_table *table, struct str fields)
{
	struct labels_builder b = {.n = 0};
	struct str name, value;

	/* What exceeds LABELS_MAX is left out. */
	for (size_t i = 0; i < m->labels->n; i++)
		(void)labels_builder_set(&b, m->labels->items[i].name, m->labels->items[i].value);
	(void)labels_builder_set(&b, STR("job"), m->job);
	while (journal_wire_field(&fields, &name, &value)) {
		if (!str_utf8_valid(value))
			continue;
		if (str_is(name, "PRIORITY"))
			(void)labels_builder_set(&b, STR("__journal_priority_keyword"), priority_keyword(value));
		(void)labels_builder_set(&b, label_name(arena, name), value);
	}
	if (m->rules != NULL && !relabel_apply(m->rules, &b, arena))
		return NULL;
	for (size_t i = b.n; i-- > 0;) {
		if (str_starts(b.items[i].name, STR("__")) || b.items[i].value.len == 0)
			labels_builder_del(&b, b.items[i].name);
	}
	return b.n > 0 ? labels_intern(table, b.items, b.n) : NULL;
}

struct json_pair {
	struct str name, value;
	size_t order;
};

static int
by_name(const void *a, const void *b)
{
	const struct json_pair *x = a, *y = b;
	int order = str_cmp(x->name, y->name);

	return order != 0 ? order : x->order < y->order ? -1 : 1;
}

struct str
mapping_json(struct arena *arena, struct str fields)
{
	struct str rest = fields, name, value, text;
	struct json_pair *items;
	struct buf out;
	size_t n = 0, fields_bytes = fields.len;

	while (n < JSON_FIELDS_MAX && journal_wire_field(&rest, &name, &value))
		n++;
	items = arena_array(arena, struct json_pair, n + 1);
	for (size_t i = 0; i < n; i++) {
		(void)journal_wire_field(&fields, &items[i].name, &items[i].value);
		items[i].order = i;
	}
	qsort(items, n, sizeof(*items), by_name);
	buf_init(&out, JSON_BYTES_MAX);
	(void)buf_reserve(&out, 2 * fields_bytes + 64 < JSON_BYTES_MAX ? 2 * fields_bytes + 64 : fields_bytes);
	(void)buf_putc(&out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && str_eq(items[i].name, items[i + 1].name))
			continue; /* of a repeated field the last counts */
		(void)buf_z(&out, out.len > 1 ? "," : "");
		(void)json_tree_quote(&out, items[i].name, true);
		(void)buf_putc(&out, ':');
		(void)json_tree_quote(&out, items[i].value, true);
	}
	(void)buf_putc(&out, '}');
	text = arena_str(arena, buf_view(&out));
	buf_done(&out);
	return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include <inttypes.h>
#include <math.h>

#include "longship/base/limits.h"
#include "longship/codec/json_text.h"
#include "longship/codec/json_tree.h"

/* JSON as encoding/json reads it into interface {} (every number a float64) and writes it (keys sorted). */

#define ARGS struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret

#define VALUE_NESTING_MAX 200

/* ---- reading ---- */

static bool from_tree(struct template_run *, const struct json *, struct tvalue *ret, int depth);

static bool
from_array(struct template_run *r, const struct json *v, struct tvalue *ret, int depth)
{
	struct tlist *list = tl_new(r, T_OF_ANY, v->array.n);

	for (size_t i = 0; list != NULL && i < v->array.n; i++) {
		if (!from_tree(r, &v->array.items[i], &list->items[i], depth + 1))
			return false;
	}
	*ret = (struct tvalue){.kind = T_LIST, .list = list};
	return list != NULL;
}

static bool
from_object(struct template_run *r, const struct json *v, struct tvalue *ret, int depth)
{
	struct tmap *map = tm_new(r, false);

	for (size_t i = 0; map != NULL && i < v->object.n; i++) {
		struct tvalue value;

		if (!from_tree(r, &v->object.fields[i].value, &value, depth + 1) || !tm_set(r, map, v->object.fields[i].name, value))
			return false;
	}
	*ret = (struct tvalue){.kind = T_MAP, .map = map};
	return map != NULL;
}

static bool
from_tree(struct template_run *r, const struct json *v, struct tvalue *ret, int depth)
{
	*ret = (struct tvalue){.kind = T_NIL};
	if (depth > VALUE_NESTING_MAX)
		return template_fail(r, "values nested too deeply");
	switch (v->kind) {
	case JSON_TREE_NULL:
		return true;
	case JSON_TREE_BOOL:
		*ret = tv_bool(v->boolean);
		return true;
	case JSON_TREE_INT:
		*ret = tv_float((double)v->i);
		return true;
	case JSON_TREE_FLOAT:
		*ret = tv_float(v->f);
		return true;
	case JSON_TREE_STRING:
		*ret = tv_string(v->text);
		return true;
	case JSON_TREE_ARRAY:
		return from_array(r, v, ret, depth);
	case JSON_TREE_OBJECT:
		return from_object(r, v, ret, depth);
	}
	return true;
}

static bool
parse(struct template_run *r, struct str text, struct tvalue *ret, struct str *ret_error)
{
	const struct json *tree;

	/* The tree of a text is at most some 40 times as large: "[[[[", "0,0,0". */
	if (template_alloc(r, text.len + 1, 1) == NULL || text.len > TEMPLATE_MEMORY_MAX / 64)
		return template_fail(r, "JSON text too long");
	tree = json_tree_parse(r->arena, text, 0, ret_error);
	return tree != NULL && from_tree(r, tree, ret, 0);
}

static bool
from_json(ARGS)
{
	struct str error;

	(void)n;
	if (!parse(r, args[0].s, ret, &error))
		*ret = (struct tvalue){.kind = T_NIL};
	return r->error.s == NULL;
}

static bool
must_from_json(ARGS)
{
	struct str error = STR("values nested too deeply");

	(void)n;
	return parse(r, args[0].s, ret, &error) || template_fail(r, "%.*s", STR_FMT(error));
}

/* ---- writing ---- */

struct writer {
	struct template_run *run;
	struct buf *out;
	bool html, pretty, bad; /* bad: a number that JSON has no text for */
};

static void write_value(struct writer *, const struct tvalue *, int depth);

static void
write_line(struct writer *w, int depth)
{
	if (!w->pretty)
		return;
	(void)buf_putc(w->out, '\n');
	for (int i = 0; i < depth; i++)
		(void)buf_z(w->out, "  ");
}

static void
write_list(struct writer *w, const struct tlist *list, int depth)
{
	(void)buf_putc(w->out, '[');
	for (size_t i = 0; i < list->n && !w->out->overflow; i++) {
		if (i > 0)
			(void)buf_putc(w->out, ',');
		write_line(w, depth + 1);
		write_value(w, &list->items[i], depth + 1);
	}
	if (list->n > 0)
		write_line(w, depth);
	(void)buf_putc(w->out, ']');
}

static void
write_map(struct writer *w, const struct tmap *map, int depth)
{
	const struct tmap_item **sorted = tm_sorted(w->run, map);

	(void)buf_putc(w->out, '{');
	for (size_t i = 0; sorted != NULL && i < map->n && !w->out->overflow; i++) {
		if (i > 0)
			(void)buf_putc(w->out, ',');
		write_line(w, depth + 1);
		(void)json_tree_quote(w->out, sorted[i]->key, w->html);
		(void)buf_z(w->out, w->pretty ? ": " : ":");
		write_value(w, &sorted[i]->value, depth + 1);
	}
	if (map->n > 0)
		write_line(w, depth);
	(void)buf_putc(w->out, '}');
}

static void
write_time(struct writer *w, const struct timefmt_time *time)
{
	(void)buf_putc(w->out, '"');
	timefmt_format(timefmt_compile(w->run->arena, STR("2006-01-02T15:04:05.999999999Z07:00")), time, w->out);
	(void)buf_putc(w->out, '"');
}

static void
write_value(struct writer *w, const struct tvalue *v, int depth)
{
	if (depth > VALUE_NESTING_MAX || !template_step(w->run, 1)) {
		(void)template_fail(w->run, "values nested too deeply");
		return;
	}
	switch (v->kind) {
	case T_INVALID:
	case T_NIL:
	case T_DATA:
		(void)buf_z(w->out, "null");
		break;
	case T_BOOL:
		(void)buf_z(w->out, v->b ? "true" : "false");
		break;
	case T_INT:
	case T_INT64:
	case T_UINT8:
		(void)buf_printf(w->out, "%" PRId64, v->i);
		break;
	case T_FLOAT:
		w->bad = w->bad || !isfinite(v->f);
		if (isfinite(v->f))
			(void)json_text_number(w->out, v->f);
		break;
	case T_STRING:
		(void)json_tree_quote(w->out, v->s, w->html);
		break;
	case T_TIME:
		write_time(w, v->time);
		break;
	case T_LIST:
		if (v->list->nil)
			(void)buf_z(w->out, "null");
		else
			write_list(w, v->list, depth);
		break;
	case T_MAP:
		write_map(w, v->map, depth);
		break;
	}
}

/* Without `must` a value that has no JSON text gives none. */
static bool
to_text(struct template_run *r, const struct tvalue *v, bool html, bool pretty, bool must, struct tvalue *ret)
{
	struct writer w = {.run = r, .out = &r->text, .html = html, .pretty = pretty};

	buf_clear(&r->text);
	write_value(&w, v, 0);
	if (r->error.s != NULL || (w.bad && must))
		return template_fail(r, "json: unsupported value");
	if (w.bad)
		buf_clear(&r->text);
	return tv_take_text(r, ret);
}

static bool
to_json(ARGS)
{
	(void)n;
	return to_text(r, &args[0], true, false, false, ret);
}

static bool
must_to_json(ARGS)
{
	(void)n;
	return to_text(r, &args[0], true, false, true, ret);
}

static bool
to_pretty_json(ARGS)
{
	(void)n;
	return to_text(r, &args[0], true, true, false, ret);
}

static bool
must_to_pretty_json(ARGS)
{
	(void)n;
	return to_text(r, &args[0], true, true, true, ret);
}

static bool
to_raw_json(ARGS)
{
	(void)n;
	return to_text(r, &args[0], false, false, true, ret);
}

const struct tfunction template_json_functions[] = {
	{"fromJson", "s", from_json, NULL},
	{"mustFromJson", "s", must_from_json, NULL},
	{"toJson", "a", to_json, NULL},
	{"mustToJson", "a", must_to_json, NULL},
	{"toPrettyJson", "a", to_pretty_json, NULL},
	{"mustToPrettyJson", "a", must_to_pretty_json, NULL},
	{"toRawJson", "a", to_raw_json, NULL},
	{"mustToRawJson", "a", to_raw_json, NULL},
	{NULL, NULL, NULL, NULL},
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include <math.h>
#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/codec/gofmt.h"

/* Values: their Go types, truth, text, equality and conversions, and the two containers. */

#define VALUE_NESTING_MAX 200 /* lists and dicts in each other, which set can make endless */

bool
tv_truth(const struct tvalue *v)
{
	switch (v->kind) {
	case T_INVALID:
	case T_NIL:
		return false;
	case T_BOOL:
		return v->b;
	case T_INT:
	case T_INT64:
	case T_UINT8:
		return v->i != 0;
	case T_FLOAT:
		return v->f != 0;
	case T_STRING:
		return v->s.len > 0;
	case T_LIST:
		return v->list->n > 0;
	case T_MAP:
		return v->map->n > 0;
	case T_TIME:
	case T_DATA:
		break;
	}
	return true;
}

const char *
tv_type(const struct tvalue *v)
{
	static const char *const lists[] = {"[]interface {}", "[]string", "[]int", "[][]interface {}"};
	static const char *const names[] = {[T_INVALID] = "<nil>",
		[T_NIL] = "<nil>",
		[T_BOOL] = "bool",
		[T_INT] = "int",
		[T_INT64] = "int64",
		[T_UINT8] = "uint8",
		[T_FLOAT] = "float64",
		[T_STRING] = "string",
		[T_TIME] = "time.Time",
		[T_DATA] = "map[string]interface {}"};

	if (v->kind == T_LIST)
		return lists[v->list->of];
	if (v->kind == T_MAP)
		return v->map->strings ? "map[string]string" : "map[string]interface {}";
	return names[v->kind];
}

const char *
tv_kind(const struct tvalue *v)
{
	switch (v->kind) {
	case T_INVALID:
	case T_NIL:
		return "invalid";
	case T_LIST:
		return "slice";
	case T_MAP:
		return "map";
	case T_TIME:
		return "struct";
	default:
		return tv_type(v);
	}
}

/* ---- containers ---- */

struct tlist *
tl_new(struct template_run *r, enum template_element of, size_t n)
{
	struct tlist *list = template_alloc(r, 1, sizeof(*list));
	struct tvalue *items = template_alloc(r, n + 1, sizeof(*items));

	if (list == NULL || items == NULL || !template_step(r, n))
		return NULL;
	memset(items, 0, (n + 1) * sizeof(*items));
	*list = (struct tlist){.of = of, .n = n, .items = items};
	return list;
}

struct tmap *
tm_new(struct template_run *r, bool strings)
{
	struct tmap *map = template_alloc(r, 1, sizeof(*map));

	if (map != NULL)
		*map = (struct tmap){.strings = strings};
	return map;
}

/* A dict of a template is small; what a larger one costs is counted. */
struct tvalue *
tm_get(struct template_run *r, struct tmap *map, struct str key)
{
	if (!template_step(r, map->n / 4))
		return NULL;
	for (size_t i = 0; i < map->n; i++) {
		if (str_eq(map->items[i].key, key))
			return &map->items[i].value;
	}
	return NULL;
}

bool
tm_set(struct template_run *r, struct tmap *map, struct str key, struct tvalue value)
{
	struct tvalue *there = tm_get(r, map, key);

	if (value.kind == T_INVALID)
		value.kind = T_NIL;
	if (there != NULL) {
		*there = value;
		return true;
	}
	if (map->n == map->cap) {
		size_t cap = map->cap > 0 ? map->cap * 2 : 8;
		struct tmap_item *more = template_alloc(r, cap, sizeof(*more));

		if (more == NULL)
			return false;
		if (map->n > 0)
			memcpy(more, map->items, map->n * sizeof(*more));
		map->items = more;
		map->cap = cap;
	}
	map->items[map->n++] = (struct tmap_item){key, value};
	return r->error.s == NULL;
}

static int
compare_items(const void *a, const void *b)
{
	const struct tmap_item *const *x = a, *const *y = b;

	return str_cmp((*x)->key, (*y)->key);
}

const struct tmap_item **
tm_sorted(struct template_run *r, const struct tmap *map)
{
	const struct tmap_item **sorted = template_alloc(r, map->n + 1, sizeof(*sorted));

	if (sorted == NULL || !template_step(r, map->n))
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		sorted[i] = &map->items[i];
	qsort(sorted, map->n, sizeof(*sorted), compare_items);
	return sorted;
}

/* ---- text ---- */

static bool
time_text(struct template_run *r, const struct timefmt_time *time, struct str *ret)
{
	static const char layout[] = "2006-01-02 15:04:05.999999999 -0700 MST";
	struct tvalue v;

	buf_clear(&r->text);
	timefmt_format(timefmt_compile(r->arena, str_from(layout)), time, &r->text);
	if (!tv_take_text(r, &v))
		return false;
	*ret = v.s;
	return true;
}

static bool
list_to_gofmt(struct template_run *r, const struct tlist *list, struct gofmt_arg *ret, int depth)
{
	struct gofmt_arg *items = template_alloc(r, list->n + 1, sizeof(*items));

	if (items == NULL)
		return false;
	for (size_t i = 0; i < list->n; i++) {
		if (!tv_to_gofmt(r, &list->items[i], &items[i], depth + 1))
			return false;
	}
	*ret = (struct gofmt_arg){.kind = GOFMT_LIST, .list = {items, list->n}};
	return true;
}

static bool
map_to_gofmt(struct template_run *r, const struct tmap *map, struct gofmt_arg *ret, int depth)
{
	struct gofmt_field *fields = template_alloc(r, map->n + 1, sizeof(*fields));

	if (fields == NULL)
		return false;
	for (size_t i = 0; i < map->n; i++) {
		fields[i].name = map->items[i].key;
		if (!tv_to_gofmt(r, &map->items[i].value, &fields[i].value, depth + 1))
			return false;
	}
	*ret = (struct gofmt_arg){.kind = GOFMT_MAP, .map = {fields, map->n}};
	return true;
}

bool
tv_to_gofmt(struct template_run *r, const struct tvalue *v, struct gofmt_arg *ret, int depth)
{
	bool ok = template_step(r, 1);

	if (depth > VALUE_NESTING_MAX)
		return template_fail(r, "values nested too deeply");
	*ret = (struct gofmt_arg){.kind = GOFMT_NIL};
	switch (v->kind) {
	case T_INVALID:
	case T_NIL:
	case T_DATA:
		return ok;
	case T_BOOL:
		ret->kind = GOFMT_BOOL;
		ret->boolean = v->b;
		break;
	case T_INT:
	case T_INT64:
		ret->kind = GOFMT_INT;
		ret->i = v->i;
		break;
	case T_UINT8:
		ret->kind = GOFMT_UINT;
		ret->u = (uint64_t)v->i;
		break;
	case T_FLOAT:
		ret->kind = GOFMT_FLOAT;
		ret->f = v->f;
		break;
	case T_STRING:
		*ret = gofmt_string(v->s);
		break;
	case T_TIME:
		ret->kind = GOFMT_STRING;
		ok = ok && time_text(r, v->time, &ret->text);
		break;
	case T_LIST:
		ok = ok && list_to_gofmt(r, v->list, ret, depth);
		break;
	case T_MAP:
		ok = ok && map_to_gofmt(r, v->map, ret, depth);
		break;
	}
	ret->type = tv_type(v);
	return ok;
}

bool
tv_print(struct template_run *r, struct buf *out, const struct tvalue *v)
{
	struct gofmt_arg arg;

	if (v->kind == T_STRING)
		(void)buf_str(out, v->s);
	else if (!tv_to_gofmt(r, v, &arg, 0))
		return false;
	else
		(void)gofmt_value(out, &arg);
	return !out->overflow || template_fail(r, "more than %u bytes of text", TEMPLATE_OUTPUT_BYTES_MAX);
}

bool
tv_take_text(struct template_run *r, struct tvalue *ret)
{
	char *copy;

	if (r->text.overflow)
		return template_fail(r, "more than %u bytes of text", TEMPLATE_OUTPUT_BYTES_MAX);
	copy = template_alloc(r, r->text.len + 1, 1);
	if (copy == NULL)
		return false;
	if (r->text.len > 0)
		memcpy(copy, r->text.data, r->text.len);
	*ret = tv_string((struct str){copy, r->text.len});
	return true;
}

bool
tv_text(struct template_run *r, const struct tvalue *v, struct str *ret)
{
	struct gofmt_arg arg;
	struct tvalue text;

	if (v->kind == T_STRING) {
		*ret = v->s;
		return true;
	}
	if (!tv_to_gofmt(r, v, &arg, 0)) /* before the buffer is used: a time needs it, too */
		return false;
	buf_clear(&r->text);
	(void)gofmt_value(&r->text, &arg);
	if (!tv_take_text(r, &text))
		return false;
	*ret = text.s;
	return true;
}

/* ---- equality and conversion ---- */

static bool
lists_equal(struct template_run *r, const struct tlist *a, const struct tlist *b, int depth)
{
	if (a->of != b->of || a->n != b->n || a->nil != b->nil)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!tv_deep_equal(r, &a->items[i], &b->items[i], depth + 1))
			return false;
	}
	return true;
}

static bool
maps_equal(struct template_run *r, const struct tmap *a, struct tmap *b, int depth)
{
	if (a->strings != b->strings || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct tvalue *other = tm_get(r, b, a->items[i].key);

		if (other == NULL || !tv_deep_equal(r, &a->items[i].value, other, depth + 1))
			return false;
	}
	return true;
}

bool
tv_deep_equal(struct template_run *r, const struct tvalue *a, const struct tvalue *b, int depth)
{
	if (tv_is_nil(a) || tv_is_nil(b))
		return tv_is_nil(a) && tv_is_nil(b);
	if (a->kind != b->kind || !template_step(r, 1))
		return false;
	if (depth > VALUE_NESTING_MAX)
		return template_fail(r, "values nested too deeply");
	switch (a->kind) {
	case T_BOOL:
		return a->b == b->b;
	case T_FLOAT:
		return a->f == b->f;
	case T_STRING:
		return str_eq(a->s, b->s);
	case T_LIST:
		return lists_equal(r, a->list, b->list, depth);
	case T_MAP:
		return maps_equal(r, a->map, b->map, depth);
	case T_TIME:
		return a->time->sec == b->time->sec && a->time->nsec == b->time->nsec && a->time->zone == b->time->zone;
	default:
		return a->i == b->i;
	}
}

/* "12.34" is 12, ".5" is 0; what is more than sign, digits, point, digits stays as it is. */
static struct str
trim_decimal(struct str s)
{
	size_t sign = s.len > 0 && (s.s[0] == '-' || s.s[0] == '+'), i = sign, digits;

	while (i < s.len && s.s[i] >= '0' && s.s[i] <= '9')
		i++;
	digits = i - sign;
	if (i == s.len || s.s[i] != '.')
		return s;
	for (size_t k = i + 1; k < s.len; k++) {
		if (s.s[k] < '0' || s.s[k] > '9')
			return s;
	}
	return digits > 0 ? str_head(s, i) : STR("0");
}

/* As amd64 converts: what does not fit is the smallest number. */
static int64_t
float_to_int64(double f)
{
	return f >= -0x1p63 && f < 0x1p63 ? (int64_t)f : INT64_MIN;
}

int64_t
tv_to_int64(const struct tvalue *v)
{
	int64_t i;

	switch (v->kind) {
	case T_INT:
	case T_INT64:
	case T_UINT8:
		return v->i;
	case T_FLOAT:
		return float_to_int64(v->f);
	case T_BOOL:
		return v->b;
	case T_STRING:
		return template_parse_int(trim_decimal(v->s), 0, &i) ? i : 0;
	default:
		return 0;
	}
}

double
tv_to_float(const struct tvalue *v)
{
	double f;

	switch (v->kind) {
	case T_FLOAT:
		return v->f;
	case T_STRING:
		return template_parse_float(v->s, &f) ? f : 0;
	default:
		return (double)tv_to_int64(v);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include <stdlib.h>

#include "longship/base/limits.h"

/* Lists, dicts, defaults and what asks for types. Lists are copied on change, as sprig does; dicts are changed in place. */

#define ARGS struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret

static bool
give_list(struct tvalue *ret, struct tlist *list)
{
	*ret = (struct tvalue){.kind = T_LIST, .list = list};
	return list != NULL;
}

static bool
give_map(struct tvalue *ret, struct tmap *map)
{
	*ret = (struct tvalue){.kind = T_MAP, .map = map};
	return map != NULL;
}

static bool
need_list(struct template_run *r, const struct tvalue *v, const char *what)
{
	return v->kind == T_LIST || template_fail(r, "Cannot %s type %s", what, tv_kind(v));
}

/* Items from..to as a []interface {}. */
static bool
copy_part(struct template_run *r, const struct tlist *list, size_t from, size_t to, struct tvalue *ret)
{
	struct tlist *copy = tl_new(r, T_OF_ANY, to - from);

	if (copy != NULL && to > from)
		memcpy(copy->items, list->items + from, (to - from) * sizeof(*copy->items));
	return give_list(ret, copy);
}

static bool
empty_list(struct template_run *r, enum template_element of, bool nil, struct tvalue *ret)
{
	struct tlist *list = tl_new(r, of, 0);

	if (list != NULL)
		list->nil = nil;
	return give_list(ret, list);
}

/* ---- making ---- */

static bool
list(ARGS)
{
	struct tlist *made = tl_new(r, T_OF_ANY, n);

	if (made != NULL && n > 0)
		memcpy(made->items, args, n * sizeof(*args));
	return give_list(ret, made);
}

static bool
push(ARGS)
{
	struct tlist *made;

	(void)n;
	if (!need_list(r, &args[0], "push on"))
		return false;
	made = tl_new(r, T_OF_ANY, args[0].list->n + 1);
	if (made == NULL)
		return false;
	memcpy(made->items, args[0].list->items, args[0].list->n * sizeof(*args));
	made->items[made->n - 1] = args[1];
	return give_list(ret, made);
}

static bool
prepend(ARGS)
{
	struct tlist *made;

	(void)n;
	if (!need_list(r, &args[0], "prepend on"))
		return false;
	made = tl_new(r, T_OF_ANY, args[0].list->n + 1);
	if (made == NULL)
		return false;
	memcpy(made->items + 1, args[0].list->items, args[0].list->n * sizeof(*args));
	made->items[0] = args[1];
	return give_list(ret, made);
}

static bool
concat(ARGS)
{
	struct tlist *made;
	size_t total = 0;

	for (size_t i = 0; i < n; i++) {
		if (!need_list(r, &args[i], "concat"))
			return false;
		total += args[i].list->n;
	}
	made = tl_new(r, T_OF_ANY, total);
	if (made == NULL)
		return false;
	made->nil = total == 0;
	for (size_t i = 0, at = 0; i < n; at += args[i].list->n, i++)
		memcpy(made->items + at, args[i].list->items, args[i].list->n * sizeof(*args));
	return give_list(ret, made);
}

static bool
chunk(ARGS)
{
	int64_t size = args[0].i;
	struct tlist *made;
	size_t chunks, len;

	(void)n;
	if (!need_list(r, &args[1], "chunk"))
		return false;
	len = args[1].list->n;
	/* Go divides by the size; a list that is empty makes floor(-1/size)+1 chunks of it. */
	if (size <= 0)
		return template_fail(r, "chunk size must be positive");
	chunks = (len + (size_t)size - 1) / (size_t)size;
	made = tl_new(r, T_OF_LIST, chunks);
	for (size_t i = 0; made != NULL && i < chunks; i++) {
		size_t from = i * (size_t)size, to = i + 1 < chunks ? from + (size_t)size : len;

		if (!copy_part(r, args[1].list, from, to, &made->items[i]))
			return false;
	}
	return give_list(ret, made);
}

/* ---- parts ---- */

static bool
first(ARGS)
{
	(void)n;
	if (!need_list(r, &args[0], "find first on"))
		return false;
	ret->kind = T_NIL;
	if (args[0].list->n > 0)
		*ret = args[0].list->items[0];
	return true;
}

static bool
last(ARGS)
{
	(void)n;
	if (!need_list(r, &args[0], "find last on"))
		return false;
	ret->kind = T_NIL;
	if (args[0].list->n > 0)
		*ret = args[0].list->items[args[0].list->n - 1];
	return true;
}

static bool
rest(ARGS)
{
	(void)n;
	if (!need_list(r, &args[0], "find rest on"))
		return false;
	if (args[0].list->n == 0)
		return empty_list(r, T_OF_ANY, true, ret);
	return copy_part(r, args[0].list, 1, args[0].list->n, ret);
}

static bool
initial(ARGS)
{
	(void)n;
	if (!need_list(r, &args[0], "find initial on"))
		return false;
	if (args[0].list->n == 0)
		return empty_list(r, T_OF_ANY, true, ret);
	return copy_part(r, args[0].list, 0, args[0].list->n - 1, ret);
}

static bool
slice(ARGS)
{
	int64_t from = n > 1 ? tv_to_int64(&args[1]) : 0, to;
	const struct tlist *whole;
	struct tlist *part;

	if (!need_list(r, &args[0], "slice"))
		return false;
	whole = args[0].list;
	ret->kind = T_NIL;
	if (whole->n == 0)
		return true;
	to = n > 2 ? tv_to_int64(&args[2]) : (int64_t)whole->n;
	if (from < 0 || to < from || to > (int64_t)whole->n)
		return template_fail(r, "slice index out of bounds");
	part = tl_new(r, whole->of, 0);
	if (part == NULL)
		return false;
	part->items = whole->items + from;
	part->n = (size_t)(to - from);
	return give_list(ret, part);
}

static bool
reverse(ARGS)
{
	struct tlist *made;

	(void)n;
	if (!need_list(r, &args[0], "find reverse on"))
		return false;
	made = tl_new(r, T_OF_ANY, args[0].list->n);
	for (size_t i = 0; made != NULL && i < made->n; i++)
		made->items[i] = args[0].list->items[made->n - 1 - i];
	return give_list(ret, made);
}

/* ---- selecting ---- */

static bool
has_item(struct template_run *r, const struct tvalue *items, size_t n, const struct tvalue *v)
{
	for (size_t i = 0; i < n && template_step(r, 1); i++) {
		if (tv_deep_equal(r, v, &items[i], 0))
			return true;
	}
	return false;
}

static bool
compact(ARGS)
{
	struct tlist *made;
	size_t kept = 0;

	(void)n;
	if (!need_list(r, &args[0], "compact on"))
		return false;
	made = tl_new(r, T_OF_ANY, args[0].list->n);
	if (made == NULL)
		return false;
	for (size_t i = 0; i < args[0].list->n; i++) {
		if (tv_truth(&args[0].list->items[i]))
			made->items[kept++] = args[0].list->items[i];
	}
	made->n = kept;
	return give_list(ret, made);
}

static bool
uniq(ARGS)
{
	struct tlist *made;
	size_t kept = 0;

	(void)n;
	if (!need_list(r, &args[0], "find uniq on"))
		return false;
	made = tl_new(r, T_OF_ANY, args[0].list->n);
	if (made == NULL)
		return false;
	for (size_t i = 0; i < args[0].list->n; i++) {
		if (!has_item(r, made->items, kept, &args[0].list->items[i]))
			made->items[kept++] = args[0].list->items[i];
	}
	made->n = kept;
	return give_list(ret, made);
}

static bool
without(ARGS)
{
	struct tlist *made;
	size_t kept = 0;

	if (!need_list(r, &args[0], "find without on"))
		return false;
	made = tl_new(r, T_OF_ANY, args[0].list->n);
	if (made == NULL)
		return false;
	for (size_t i = 0; i < args[0].list->n; i++) {
		if (!has_item(r, args + 1, n - 1, &args[0].list->items[i]))
			made->items[kept++] = args[0].list->items[i];
	}
	made->n = kept;
	return give_list(ret, made);
}

static bool
has(ARGS)
{
	(void)n;
	*ret = tv_bool(false);
	if (tv_is_nil(&args[1]))
		return true;
	if (!need_list(r, &args[1], "find has on"))
		return false;
	ret->b = has_item(r, args[1].list->items, args[1].list->n, &args[0]);
	return true;
}

/* ---- lists of text ---- */

/* sprig's strslice: nil items left out; what is no list is one item, nil none. A []string is itself. */
static struct tlist *
to_texts(struct template_run *r, const struct tvalue *v)
{
	const struct tvalue *items = v->kind == T_LIST ? v->list->items : v;
	size_t count = v->kind == T_LIST ? v->list->n : 1, kept = 0;
	struct tlist *made;

	if (v->kind == T_LIST && v->list->of == T_OF_STRING)
		return v->list;
	made = tl_new(r, T_OF_STRING, count);
	for (size_t i = 0; made != NULL && i < count; i++) {
		struct str text;

		if (tv_is_nil(&items[i]))
			continue;
		if (!tv_text(r, &items[i], &text))
			return NULL;
		made->items[kept++] = tv_string(text);
	}
	if (made != NULL)
		made->n = kept;
	return made;
}

static bool
to_strings(ARGS)
{
	(void)n;
	return give_list(ret, to_texts(r, &args[0]));
}

static bool
join(ARGS)
{
	struct tlist *texts = to_texts(r, &args[1]);

	(void)n;
	if (texts == NULL)
		return false;
	buf_clear(&r->text);
	for (size_t i = 0; i < texts->n && !r->text.overflow; i++) {
		if (i > 0)
			(void)buf_str(&r->text, args[0].s);
		(void)buf_str(&r->text, texts->items[i].s);
	}
	return tv_take_text(r, ret);
}

static int
compare_texts(const void *a, const void *b)
{
	const struct tvalue *x = a, *y = b;

	return str_cmp(x->s, y->s);
}

static bool
sort_alpha(ARGS)
{
	struct tlist *texts;

	(void)n;
	if (tv_is_nil(&args[0])) {
		texts = tl_new(r, T_OF_STRING, 1);
		if (texts != NULL)
			texts->items[0] = tv_string(STR("<nil>"));
		return give_list(ret, texts);
	}
	texts = to_texts(r, &args[0]);
	/* A []string is sorted where it stands, as in sprig. */
	if (texts != NULL && template_step(r, texts->n))
		qsort(texts->items, texts->n, sizeof(*texts->items), compare_texts);
	return give_list(ret, texts);
}

/* strings.SplitN; limit < 0: all. */
static struct tlist *
split_text(struct template_run *r, struct str s, struct str sep, int64_t limit)
{
	size_t parts = 1, kept = 0;
	struct tlist *made;

	if (limit == 0) {
		made = tl_new(r, T_OF_STRING, 0);
		if (made != NULL)
			made->nil = true;
		return made;
	}
	for (struct str rest = s; sep.len > 0;) {
		ptrdiff_t at = str_find(rest, sep);

		if (at < 0)
			break;
		parts++;
		rest = str_from_offset(rest, (size_t)at + sep.len);
	}
	if (sep.len == 0)
		parts = s.len;
	if (limit > 0 && (uint64_t)limit < parts)
		parts = (size_t)limit;
	made = tl_new(r, T_OF_STRING, parts);
	while (made != NULL && kept < parts) {
		uint32_t rune;
		size_t len = str_utf8_decode(s, &rune), skip = sep.len;
		ptrdiff_t at = sep.len > 0 ? str_find(s, sep) : s.len == 0 ? -1 : len > 0 ? (ptrdiff_t)len : 1;

		if (sep.len == 0 && at < 0)
			break;
		if (kept + 1 == parts && (sep.len > 0 || limit > 0))
			at = (ptrdiff_t)s.len;
		made->items[kept++] = tv_string(str_head(s, (size_t)at));
		s = str_from_offset(s, (size_t)at + skip);
	}
	if (made != NULL)
		made->n = kept;
	return made;
}

static bool
split_list(ARGS)
{
	(void)n;
	return give_list(ret, split_text(r, args[1].s, args[0].s, -1));
}

static bool
split_to_map(struct template_run *r, const struct tlist *parts, struct tvalue *ret)
{
	struct tmap *map = tm_new(r, true);

	for (size_t i = 0; parts != NULL && map != NULL && i < parts->n; i++) {
		if (template_alloc(r, 24, 1) == NULL || !tm_set(r, map, arena_printf(r->arena, "_%zu", i), parts->items[i]))
			return false;
	}
	return parts != NULL && give_map(ret, map);
}

static bool
split(ARGS)
{
	(void)n;
	return split_to_map(r, split_text(r, args[1].s, args[0].s, -1), ret);
}

static bool
splitn(ARGS)
{
	(void)n;
	return split_to_map(r, split_text(r, args[2].s, args[0].s, args[1].i), ret);
}

/* ---- dicts ---- */

static bool
dict(ARGS)
{
	struct tmap *map = tm_new(r, false);

	for (size_t i = 0; map != NULL && i < n; i += 2) {
		struct str key = STR("<nil>");

		if (!tv_is_nil(&args[i]) && !tv_text(r, &args[i], &key))
			return false;
		if (!tm_set(r, map, key, i + 1 < n ? args[i + 1] : tv_string(STR(""))))
			return false;
	}
	return give_map(ret, map);
}

static bool
get(ARGS)
{
	const struct tvalue *found = tm_get(r, args[0].map, args[1].s);

	(void)n;
	*ret = found != NULL ? *found : tv_string(STR(""));
	return true;
}

static bool
set(ARGS)
{
	(void)n;
	*ret = args[0];
	return tm_set(r, args[0].map, args[1].s, args[2]);
}

static bool
unset(ARGS)
{
	struct tvalue *found = tm_get(r, args[0].map, args[1].s);
	struct tmap *map = args[0].map;

	(void)n;
	*ret = args[0];
	for (size_t i = 0; found != NULL && i < map->n; i++) {
		if (&map->items[i].value != found)
			continue;
		memmove(&map->items[i], &map->items[i + 1], (map->n - i - 1) * sizeof(*map->items));
		map->n--;
		break;
	}
	return true;
}

static bool
has_key(ARGS)
{
	(void)n;
	*ret = tv_bool(tm_get(r, args[0].map, args[1].s) != NULL);
	return true;
}

static bool
pluck(ARGS)
{
	struct tlist *made = tl_new(r, T_OF_ANY, n);
	size_t kept = 0;

	for (size_t i = 1; made != NULL && i < n; i++) {
		const struct tvalue *found = tm_get(r, args[i].map, args[0].s);

		if (found != NULL)
			made->items[kept++] = *found;
	}
	if (made != NULL)
		made->n = kept;
	return give_list(ret, made);
}

/* Go's order is random; here it is that of insertion. */
static bool
keys(ARGS)
{
	struct tlist *made;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		total += args[i].map->n;
	made = tl_new(r, T_OF_STRING, total);
	for (size_t i = 0; made != NULL && i < n; i++) {
		for (size_t k = 0; k < args[i].map->n; k++)
			made->items[at++] = tv_string(args[i].map->items[k].key);
	}
	return give_list(ret, made);
}

static bool
values(ARGS)
{
	struct tlist *made = tl_new(r, T_OF_ANY, args[0].map->n);

	(void)n;
	for (size_t i = 0; made != NULL && i < made->n; i++)
		made->items[i] = args[0].map->items[i].value;
	return give_list(ret, made);
}

static bool
pick(ARGS)
{
	struct tmap *map = tm_new(r, false);

	for (size_t i = 1; map != NULL && i < n; i++) {
		const struct tvalue *found = tm_get(r, args[0].map, args[i].s);

		if (found != NULL && !tm_set(r, map, args[i].s, *found))
			return false;
	}
	return give_map(ret, map);
}

static bool
omit(ARGS)
{
	struct tmap *map = tm_new(r, false);

	for (size_t i = 0; map != NULL && i < args[0].map->n; i++) {
		const struct tmap_item *item = &args[0].map->items[i];
		bool out = false;

		for (size_t k = 1; k < n && template_step(r, 1); k++)
			out = out || str_eq(item->key, args[k].s);
		if (!out && !tm_set(r, map, item->key, item->value))
			return false;
	}
	return give_map(ret, map);
}

#define MERGE_NESTING_MAX 100

/* mergo: what is absent or empty in dst is taken from src, or all of src when overwriting; dicts inside are merged themselves. */
static bool
merge_into(struct template_run *r, struct tmap *dst, const struct tmap *src, bool overwrite, int depth)
{
	if (depth > MERGE_NESTING_MAX)
		return template_fail(r, "values nested too deeply");
	for (size_t i = 0; i < src->n; i++) {
		const struct tvalue *from = &src->items[i].value;
		struct tvalue *to = tm_get(r, dst, src->items[i].key);

		if (to != NULL && to->kind == T_MAP && from->kind == T_MAP && !to->map->strings) {
			if (to->map != from->map && !merge_into(r, to->map, from->map, overwrite, depth + 1))
				return false;
			continue;
		}
		if (!overwrite && (tv_is_nil(from) || (to != NULL && tv_truth(to))))
			continue;
		if (!tm_set(r, dst, src->items[i].key, *from))
			return false;
	}
	return r->error.s == NULL;
}

static bool
merge(ARGS)
{
	*ret = args[0];
	for (size_t i = 1; i < n; i++) {
		if (args[i].map != args[0].map && !merge_into(r, args[0].map, args[i].map, false, 0))
			return false;
	}
	return true;
}

static bool
merge_overwrite(ARGS)
{
	*ret = args[0];
	for (size_t i = 1; i < n; i++) {
		if (args[i].map != args[0].map && !merge_into(r, args[0].map, args[i].map, true, 0))
			return false;
	}
	return true;
}

static bool
dig(ARGS)
{
	const struct tvalue *at;

	if (n < 3)
		return template_fail(r, "dig needs at least three arguments");
	at = &args[n - 1];
	for (size_t i = 0; i + 2 < n; i++) {
		if (args[i].kind != T_STRING)
			return template_fail(r, "interface conversion");
	}
	for (size_t i = 0; i + 2 < n; i++) {
		if (at->kind != T_MAP || at->map->strings)
			return template_fail(r, "interface conversion");
		at = tm_get(r, at->map, args[i].s);
		if (at == NULL) {
			*ret = args[n - 2];
			return true;
		}
	}
	*ret = *at;
	return true;
}

static bool
copy_value(struct template_run *r, const struct tvalue *v, struct tvalue *ret, int depth)
{
	*ret = *v;
	if (depth > MERGE_NESTING_MAX)
		return template_fail(r, "values nested too deeply");
	if (v->kind == T_LIST) {
		ret->list = tl_new(r, v->list->of, v->list->n);
		for (size_t i = 0; ret->list != NULL && i < v->list->n; i++) {
			if (!copy_value(r, &v->list->items[i], &ret->list->items[i], depth + 1))
				return false;
		}
		return ret->list != NULL;
	}
	if (v->kind == T_MAP) {
		ret->map = tm_new(r, v->map->strings);
		for (size_t i = 0; ret->map != NULL && i < v->map->n; i++) {
			struct tvalue copy;

			if (!copy_value(r, &v->map->items[i].value, &copy, depth + 1) || !tm_set(r, ret->map, v->map->items[i].key, copy))
				return false;
		}
		return ret->map != NULL;
	}
	return true;
}

static bool
deep_copy(ARGS)
{
	(void)n;
	if (tv_is_nil(&args[0]))
		return template_fail(r, "reflect: call of reflect.Value.Type on zero Value");
	return copy_value(r, &args[0], ret, 0);
}

/* ---- defaults ---- */

static bool
default_(ARGS)
{
	(void)r;
	*ret = args[n > 1 && tv_truth(&args[1]) ? 1 : 0];
	return true;
}

static bool
empty(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_bool(!tv_truth(&args[0]));
	return true;
}

static bool
coalesce(ARGS)
{
	(void)r;
	ret->kind = T_NIL;
	for (size_t i = 0; i < n && ret->kind == T_NIL; i++) {
		if (tv_truth(&args[i]))
			*ret = args[i];
	}
	return true;
}

static bool
all(ARGS)
{
	bool yes = true;

	(void)r;
	for (size_t i = 0; i < n; i++)
		yes = yes && tv_truth(&args[i]);
	*ret = tv_bool(yes);
	return true;
}

static bool
any(ARGS)
{
	bool yes = false;

	(void)r;
	for (size_t i = 0; i < n; i++)
		yes = yes || tv_truth(&args[i]);
	*ret = tv_bool(yes);
	return true;
}

static bool
ternary(ARGS)
{
	(void)r;
	(void)n;
	*ret = args[args[2].b ? 0 : 1];
	return true;
}

static bool
fail(ARGS)
{
	(void)n;
	(void)ret;
	return template_fail(r, "%.*s", STR_FMT(args[0].s));
}

/* ---- types ---- */

static bool
type_of(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_string(str_from(tv_type(&args[0])));
	return true;
}

static bool
kind_of(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_string(str_from(tv_kind(&args[0])));
	return true;
}

static bool
type_is(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_bool(str_is(args[0].s, tv_type(&args[1])));
	return true;
}

static bool
kind_is(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_bool(str_is(args[0].s, tv_kind(&args[1])));
	return true;
}

static bool
type_is_like(ARGS)
{
	struct str type = str_from(tv_type(&args[1])), target = args[0].s;

	(void)r;
	(void)n;
	*ret = tv_bool(str_eq(target, type) || (target.len + 1 == type.len && type.s[0] == '*' && str_ends(type, target)));
	return true;
}

static bool
deep_equal(ARGS)
{
	(void)n;
	*ret = tv_bool(tv_deep_equal(r, &args[0], &args[1], 0));
	return true;
}

const struct tfunction template_list_functions[] = {
	{"list", "a*", list, NULL},
	{"tuple", "a*", list, NULL},
	{"append", "aa", push, NULL},
	{"push", "aa", push, NULL},
	{"mustAppend", "aa", push, NULL},
	{"mustPush", "aa", push, NULL},
	{"prepend", "aa", prepend, NULL},
	{"mustPrepend", "aa", prepend, NULL},
	{"concat", "a*", concat, NULL},
	{"chunk", "ia", chunk, NULL},
	{"mustChunk", "ia", chunk, NULL},
	{"first", "a", first, NULL},
	{"mustFirst", "a", first, NULL},
	{"last", "a", last, NULL},
	{"mustLast", "a", last, NULL},
	{"rest", "a", rest, NULL},
	{"mustRest", "a", rest, NULL},
	{"initial", "a", initial, NULL},
	{"mustInitial", "a", initial, NULL},
	{"slice", "aa*", slice, NULL},
	{"mustSlice", "aa*", slice, NULL},
	{"reverse", "a", reverse, NULL},
	{"mustReverse", "a", reverse, NULL},
	{"compact", "a", compact, NULL},
	{"mustCompact", "a", compact, NULL},
	{"uniq", "a", uniq, NULL},
	{"mustUniq", "a", uniq, NULL},
	{"without", "aa*", without, NULL},
	{"mustWithout", "aa*", without, NULL},
	{"has", "aa", has, NULL},
	{"mustHas", "aa", has, NULL},
	{"toStrings", "a", to_strings, NULL},
	{"join", "sa", join, NULL},
	{"sortAlpha", "a", sort_alpha, NULL},
	{"splitList", "ss", split_list, NULL},
	{"split", "ss", split, NULL},
	{"splitn", "sis", splitn, NULL},
	{"dict", "a*", dict, NULL},
	{"get", "ms", get, NULL},
	{"set", "msa", set, NULL},
	{"unset", "ms", unset, NULL},
	{"hasKey", "ms", has_key, NULL},
	{"pluck", "sm*", pluck, NULL},
	{"keys", "m*", keys, NULL},
	{"values", "m", values, NULL},
	{"pick", "ms*", pick, NULL},
	{"omit", "ms*", omit, NULL},
	{"merge", "mm*", merge, NULL},
	{"mustMerge", "mm*", merge, NULL},
	{"mergeOverwrite", "mm*", merge_overwrite, NULL},
	{"mustMergeOverwrite", "mm*", merge_overwrite, NULL},
	{"dig", "a*", dig, NULL},
	{"deepCopy", "a", deep_copy, NULL},
	{"mustDeepCopy", "a", deep_copy, NULL},
	{"default", "aa*", default_, NULL},
	{"empty", "a", empty, NULL},
	{"coalesce", "a*", coalesce, NULL},
	{"all", "a*", all, NULL},
	{"any", "a*", any, NULL},
	{"ternary", "aab", ternary, NULL},
	{"fail", "s", fail, NULL},
	{"typeOf", "a", type_of, NULL},
	{"kindOf", "a", kind_of, NULL},
	{"typeIs", "sa", type_is, NULL},
	{"kindIs", "sa", kind_is, NULL},
	{"typeIsLike", "sa", type_is_like, NULL},
	{"deepEqual", "aa", deep_equal, NULL},
	{NULL, NULL, NULL, NULL},
};

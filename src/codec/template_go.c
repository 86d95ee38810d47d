/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include "longship/base/limits.h"
#include "longship/codec/gofmt.h"
#include "longship/codec/unicode.h"
#include "longship/codec/url.h"

/* Go's own functions: logic, comparison, index, len, printing and the three escapers. */

/* The executor runs these two; an address of their own is what it knows them by. */
bool
template_and(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	(void)args;
	(void)n;
	(void)ret;
	return template_fail(r, "and");
}

bool
template_or(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	(void)args;
	(void)n;
	(void)ret;
	return template_fail(r, "or");
}

static bool
not(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	(void)r;
	(void)n;
	*ret = tv_bool(!tv_truth(&args[0]));
	return true;
}

/* ---- comparison ---- */

enum basic { BASIC_NONE, BASIC_BOOL, BASIC_INT, BASIC_UINT, BASIC_FLOAT, BASIC_STRING };

static enum basic
basic_kind(const struct tvalue *v)
{
	static const enum basic kinds[] = {[T_BOOL] = BASIC_BOOL,
		[T_INT] = BASIC_INT,
		[T_INT64] = BASIC_INT,
		[T_UINT8] = BASIC_UINT,
		[T_FLOAT] = BASIC_FLOAT,
		[T_STRING] = BASIC_STRING,
		[T_DATA] = BASIC_NONE};

	return kinds[v->kind];
}

/* A byte is an uint8, so signed and unsigned compare as they are. */
static bool
both_integers(enum basic a, enum basic b)
{
	return (a == BASIC_INT || a == BASIC_UINT) && (b == BASIC_INT || b == BASIC_UINT);
}

static bool
compare_others(struct template_run *r, const struct tvalue *a, const struct tvalue *b, bool *ret)
{
	bool nil_a = tv_is_nil(a) || (a->kind == T_LIST && a->list->nil), nil_b = tv_is_nil(b) || (b->kind == T_LIST && b->list->nil);

	if (!tv_is_nil(a) && !tv_is_nil(b) && a->kind != b->kind)
		return template_fail(r, "non-comparable types %s, %s", tv_type(a), tv_type(b));
	if (nil_a || nil_b)
		*ret = nil_a && nil_b;
	else if (a->kind == T_TIME)
		*ret = tv_deep_equal(r, a, b, 0);
	else
		return template_fail(r, "non-comparable type %s", tv_type(b));
	return true;
}

static bool
equal(struct template_run *r, const struct tvalue *a, const struct tvalue *b, bool *ret)
{
	enum basic x = basic_kind(a), y = basic_kind(b);

	*ret = false;
	if (both_integers(x, y))
		*ret = a->i == b->i;
	else if (x != y)
		return tv_is_nil(a) || tv_is_nil(b) ||
		       template_fail(r, "incompatible types for comparison: %s and %s", tv_type(a), tv_type(b));
	else if (x == BASIC_BOOL)
		*ret = a->b == b->b;
	else if (x == BASIC_FLOAT)
		*ret = a->f == b->f;
	else if (x == BASIC_STRING)
		*ret = str_eq(a->s, b->s);
	else
		return compare_others(r, a, b, ret);
	return true;
}

static bool
less(struct template_run *r, const struct tvalue *a, const struct tvalue *b, bool *ret)
{
	enum basic x = basic_kind(a), y = basic_kind(b);

	if (x == BASIC_NONE || y == BASIC_NONE || (x == BASIC_BOOL && y == BASIC_BOOL))
		return template_fail(r, "invalid type for comparison");
	if (both_integers(x, y))
		*ret = a->i < b->i;
	else if (x != y)
		return template_fail(r, "incompatible types for comparison: %s and %s", tv_type(a), tv_type(b));
	else if (x == BASIC_FLOAT)
		*ret = a->f < b->f;
	else
		*ret = str_cmp(a->s, b->s) < 0;
	return true;
}

static bool
eq(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	bool same = false;

	if (n < 2)
		return template_fail(r, "missing argument for comparison");
	for (size_t i = 1; i < n && !same; i++) {
		if (!equal(r, &args[0], &args[i], &same))
			return false;
	}
	*ret = tv_bool(same);
	return true;
}

static bool
ne(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	if (!eq(r, args, n, ret))
		return false;
	ret->b = !ret->b;
	return true;
}

static bool
lt(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	(void)n;
	*ret = tv_bool(false);
	return less(r, &args[0], &args[1], &ret->b);
}

static bool
le(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	return lt(r, args, n, ret) && (ret->b || equal(r, &args[0], &args[1], &ret->b));
}

static bool
gt(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	if (!le(r, args, n, ret))
		return false;
	ret->b = !ret->b;
	return true;
}

static bool
ge(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	if (!lt(r, args, n, ret))
		return false;
	ret->b = !ret->b;
	return true;
}

/* ---- index, len ---- */

static bool
index_one(struct template_run *r, struct tvalue *item, const struct tvalue *at)
{
	size_t len = item->kind == T_STRING ? item->s.len : item->kind == T_LIST ? item->list->n : 0;
	const struct tvalue *found;
	bool strings;

	if (item->kind == T_MAP) {
		if (at->kind != T_STRING)
			return template_fail(r, "value has type %s; should be string", tv_type(at));
		strings = item->map->strings;
		found = tm_get(r, item->map, at->s);
		*item = found != NULL ? *found : strings ? tv_string(STR("")) : (struct tvalue){.kind = T_NIL};
		return r->error.s == NULL;
	}
	if (item->kind != T_STRING && item->kind != T_LIST)
		return template_fail(r, "can't index item of type %s", tv_type(item));
	if (at->kind != T_INT && at->kind != T_INT64 && at->kind != T_UINT8)
		return template_fail(r, "cannot index slice/array with type %s", tv_type(at));
	if (at->i < 0 || (uint64_t)at->i >= len)
		return template_fail(r, "index out of range: %lld", (long long)at->i);
	if (item->kind == T_LIST)
		*item = item->list->items[at->i];
	else
		*item = (struct tvalue){.kind = T_UINT8, .i = (unsigned char)item->s.s[at->i]};
	return true;
}

static bool
index_all(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	*ret = args[0];
	if (tv_is_nil(ret))
		return template_fail(r, "index of untyped nil");
	for (size_t i = 1; i < n; i++) {
		if (!index_one(r, ret, &args[i]))
			return false;
	}
	return true;
}

static bool
length(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	(void)n;
	if (args[0].kind == T_STRING)
		*ret = tv_int((int64_t)args[0].s.len);
	else if (args[0].kind == T_LIST)
		*ret = tv_int((int64_t)args[0].list->n);
	else if (args[0].kind == T_MAP)
		*ret = tv_int((int64_t)args[0].map->n);
	else
		return template_fail(r, "len of type %s", tv_type(&args[0]));
	return true;
}

/* ---- printing ---- */

static bool
to_gofmt(struct template_run *r, const struct tvalue *args, size_t n, struct gofmt_arg **ret)
{
	*ret = template_alloc(r, n + 1, sizeof(**ret));
	for (size_t i = 0; *ret != NULL && i < n; i++) {
		if (!tv_to_gofmt(r, &args[i], &(*ret)[i], 0))
			return false;
	}
	return *ret != NULL;
}

/* fmt.Sprint into r->text: a space between two operands of which neither is a string. */
static bool
sprint(struct template_run *r, const struct tvalue *args, size_t n, bool nil_is_no_value)
{
	struct gofmt_arg *list;

	if (!to_gofmt(r, args, n, &list))
		return false;
	buf_clear(&r->text);
	for (size_t i = 0; i < n; i++) {
		bool no_value = nil_is_no_value && tv_is_nil(&args[i]);

		/* Go looks at the value, so a time is no string. */
		if (i > 0 && args[i].kind != T_STRING && args[i - 1].kind != T_STRING &&
			!(nil_is_no_value && (tv_is_nil(&args[i]) || tv_is_nil(&args[i - 1]))))
			(void)buf_putc(&r->text, ' ');
		if (no_value)
			(void)buf_z(&r->text, "<no value>");
		else
			(void)gofmt_value(&r->text, &list[i]);
	}
	return true;
}

static bool
print(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	return sprint(r, args, n, false) && tv_take_text(r, ret);
}

static bool
println(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	struct gofmt_arg *list;

	if (!to_gofmt(r, args, n, &list))
		return false;
	buf_clear(&r->text);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)buf_putc(&r->text, ' ');
		(void)gofmt_value(&r->text, &list[i]);
	}
	(void)buf_putc(&r->text, '\n');
	return tv_take_text(r, ret);
}

static bool
printf_(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	struct gofmt_arg *list;

	if (!to_gofmt(r, args + 1, n - 1, &list))
		return false;
	buf_clear(&r->text);
	(void)gofmt_format(&r->text, args[0].s, list, n - 1);
	return tv_take_text(r, ret);
}

/* ---- escapers ---- */

/* The arguments as one text, copied, since the escapers write r->text. */
static bool
joined(struct template_run *r, const struct tvalue *args, size_t n, struct str *ret)
{
	struct tvalue v;

	if (n == 1 && args[0].kind == T_STRING) {
		*ret = args[0].s;
		return true;
	}
	if (!sprint(r, args, n, true) || !tv_take_text(r, &v))
		return false;
	*ret = v.s;
	return true;
}

static bool
html(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	struct str s;

	if (!joined(r, args, n, &s))
		return false;
	buf_clear(&r->text);
	for (size_t i = 0; i < s.len; i++) {
		char c = s.s[i];

		if (c == '\0')
			(void)buf_z(&r->text, "\xef\xbf\xbd");
		else if (c == '"')
			(void)buf_z(&r->text, "&#34;");
		else if (c == '\'')
			(void)buf_z(&r->text, "&#39;");
		else if (c == '&')
			(void)buf_z(&r->text, "&amp;");
		else if (c == '<')
			(void)buf_z(&r->text, "&lt;");
		else if (c == '>')
			(void)buf_z(&r->text, "&gt;");
		else
			(void)buf_putc(&r->text, c);
	}
	return tv_take_text(r, ret);
}

static void
js_ascii(struct buf *out, char c)
{
	if (c == '\\' || c == '\'' || c == '"')
		(void)buf_printf(out, "\\%c", c);
	else if (c == '<' || c == '>' || c == '&' || c == '=' || (unsigned char)c < ' ')
		(void)buf_printf(out, "\\u%04X", (unsigned)c);
	else
		(void)buf_putc(out, c);
}

static bool
js(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	struct str s;

	if (!joined(r, args, n, &s))
		return false;
	buf_clear(&r->text);
	while (s.len > 0) {
		uint32_t rune = 0xfffd;
		size_t len = str_utf8_decode(s, &rune), bytes = len > 0 ? len : 1;

		if ((unsigned char)s.s[0] < 0x80)
			js_ascii(&r->text, s.s[0]);
		else if (unicode_is_print(rune))
			(void)buf_append(&r->text, s.s, bytes); /* U+FFFD is printable: a bad byte stays as it is */
		else
			(void)buf_printf(&r->text, "\\u%04X", rune);
		s = str_from_offset(s, bytes);
	}
	return tv_take_text(r, ret);
}

static bool
urlquery(struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	struct str s;

	if (!joined(r, args, n, &s) || template_alloc(r, s.len + 1, 3) == NULL)
		return false;
	*ret = tv_string(url_query_escape(r->arena, s));
	return true;
}

const struct tfunction template_go_functions[] = {
	{"and", "v*", template_and, NULL},
	{"or", "v*", template_or, NULL},
	{"not", "v", not, NULL},
	{"eq", "vv*", eq, NULL},
	{"ne", "vv", ne, NULL},
	{"lt", "vv", lt, NULL},
	{"le", "vv", le, NULL},
	{"gt", "vv", gt, NULL},
	{"ge", "vv", ge, NULL},
	{"index", "vv*", index_all, NULL},
	{"len", "v", length, NULL},
	{"print", "a*", print, NULL},
	{"printf", "sa*", printf_, NULL},
	{"println", "a*", println, NULL},
	{"html", "a*", html, NULL},
	{"js", "a*", js, NULL},
	{"urlquery", "a*", urlquery, NULL},
	{"call", "v*", NULL, "a template here is given no functions as values"},
	{NULL, NULL, NULL, NULL},
};

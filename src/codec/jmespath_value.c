/* SPDX-License-Identifier: Apache-2.0 */
#include "jmespath_priv.h"

#include <math.h>

#include "longship/base/hash.h"
#include "longship/base/limits.h"
#include "longship/codec/json_text.h"

/*
 * The document is parsed from a text known to be valid, by jsoniter's rules (bytes that are not UTF-8 stay), so the
 * parser only takes care not to run over the end. Values share their parts; nothing is changed after it was made.
 */

#define UNIQUE_PAIRWISE_MAX 8  /* members of an object up to which comparing all of them beats a hash table */
#define WORD_BYTES	    64 /* bytes compared or copied in one step of work */

struct jmespath_value
jmespath_value_from_json(struct arena *arena, const struct json *v)
{
	struct jmespath_value made = {0};

	switch (v->kind) {
	case JSON_TREE_NULL:
		return made;
	case JSON_TREE_BOOL:
		return jmespath_value_bool(v->boolean);
	case JSON_TREE_INT:
		return jmespath_value_number((double)v->i);
	case JSON_TREE_FLOAT:
		return jmespath_value_number(v->f);
	case JSON_TREE_STRING:
		return jmespath_value_string(v->text);
	case JSON_TREE_ARRAY: {
		struct jmespath_value *items = arena_array(arena, struct jmespath_value, v->array.n);

		for (size_t i = 0; i < v->array.n; i++)
			items[i] = jmespath_value_from_json(arena, &v->array.items[i]);
		return jmespath_value_array(items, v->array.n);
	}
	case JSON_TREE_OBJECT: {
		struct jmespath_member *members = arena_array(arena, struct jmespath_member, v->object.n);

		for (size_t i = 0; i < v->object.n; i++) {
			members[i].name = v->object.fields[i].name;
			members[i].value = jmespath_value_from_json(arena, &v->object.fields[i].value);
		}
		return jmespath_value_object(members, v->object.n);
	}
	}
	return made;
}

bool
jmespath_value_is_false(const struct jmespath_value *v)
{
	switch (v->kind) {
	case JMESPATH_NULL:
		return true;
	case JMESPATH_BOOL:
		return !v->boolean;
	case JMESPATH_STRING:
		return v->text.len == 0;
	case JMESPATH_ARRAY:
		return v->array.n == 0;
	case JMESPATH_OBJECT:
		return v->object.n == 0;
	default:
		return false;
	}
}

const struct jmespath_value *
jmespath_value_member(const struct jmespath_value *object, struct str name)
{
	for (size_t i = 0; i < object->object.n; i++) {
		if (str_eq(object->object.members[i].name, name))
			return &object->object.members[i].value;
	}
	return NULL;
}

static bool
equal_objects(struct jmespath_run *run, const struct jmespath_value *a, const struct jmespath_value *b)
{
	if (a->object.n != b->object.n || a->boolean != b->boolean)
		return false;
	for (size_t i = 0; i < a->object.n; i++) {
		const struct jmespath_member *m = &a->object.members[i];
		/* Equal objects mostly have equal order. */
		const struct jmespath_value *other = str_eq(b->object.members[i].name, m->name)
							     ? &b->object.members[i].value
							     : jmespath_value_member(b, m->name);

		if (!jmespath_eval_steps(run, 1 + b->object.n / 16) || other == NULL ||
			!jmespath_value_equal(run, &m->value, other))
			return false;
	}
	return true;
}

bool
jmespath_value_equal(struct jmespath_run *run, const struct jmespath_value *a, const struct jmespath_value *b)
{
	if (a->kind != b->kind || !jmespath_eval_steps(run, 1))
		return false;
	switch (a->kind) {
	case JMESPATH_NULL:
		return true;
	case JMESPATH_BOOL:
		return a->boolean == b->boolean;
	case JMESPATH_NUMBER:
		return a->number == b->number;
	case JMESPATH_STRING:
		return jmespath_eval_steps(run, a->text.len / WORD_BYTES) && str_eq(a->text, b->text);
	case JMESPATH_ARRAY:
		if (a->array.n != b->array.n)
			return false;
		/* The same memory is equal, even with a NaN in it. */
		for (size_t i = 0; i < a->array.n && a->array.items != b->array.items; i++) {
			if (!jmespath_value_equal(run, &a->array.items[i], &b->array.items[i]))
				return false;
		}
		return true;
	case JMESPATH_OBJECT:
		return a->object.members == b->object.members ? a->object.n == b->object.n : equal_objects(run, a, b);
	default:
		return false;
	}
}

/* ---- members ---- */

/* Whether the name is among those that stand behind i. */
static bool
repeated_later(const struct jmespath_member *members, size_t n, size_t i)
{
	for (size_t k = i + 1; k < n; k++) {
		if (str_eq(members[k].name, members[i].name))
			return true;
	}
	return false;
}

static bool
mark_repeated(struct jmespath_run *run, const struct jmespath_member *members, size_t n, bool *repeated)
{
	size_t slots_n = 16;
	uint32_t *slots;

	while (slots_n < 2 * n)
		slots_n *= 2;
	slots = jmespath_eval_alloc(run, slots_n, sizeof(*slots));
	if (slots == NULL)
		return false;
	memset(slots, 0, slots_n * sizeof(*slots));
	for (size_t i = n; i-- > 0;) {
		size_t at = hash_str(members[i].name) & (slots_n - 1);

		while (slots[at] != 0 && !str_eq(members[slots[at] - 1].name, members[i].name))
			at = (at + 1) & (slots_n - 1);
		repeated[i] = slots[at] != 0;
		if (!repeated[i])
			slots[at] = (uint32_t)i + 1;
	}
	return true;
}

bool
jmespath_value_unique(struct jmespath_run *run, struct jmespath_member *members, size_t *n)
{
	bool few[UNIQUE_PAIRWISE_MAX], *repeated = few;
	size_t kept = 0;

	if (*n > UNIQUE_PAIRWISE_MAX) {
		repeated = jmespath_eval_alloc(run, *n, sizeof(*repeated));
		if (repeated == NULL || !mark_repeated(run, members, *n, repeated))
			return false;
	} else {
		for (size_t i = 0; i < *n; i++)
			repeated[i] = repeated_later(members, *n, i);
	}
	for (size_t i = 0; i < *n; i++) {
		if (!repeated[i])
			members[kept++] = members[i];
	}
	*n = kept;
	return true;
}

/* ---- order ---- */

bool
jmespath_value_order(struct jmespath_run *run, size_t n, uint32_t *order,
	bool (*less)(const void *ptr, size_t a, size_t b), const void *ptr)
{
	uint32_t *from = order, *to = jmespath_eval_alloc(run, n, sizeof(*to));

	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	if (to == NULL)
		return false;
	for (size_t width = 1; width < n; width *= 2) {
		uint32_t *swap = from;

		if (!jmespath_eval_steps(run, n))
			return false;
		for (size_t low = 0; low < n; low += 2 * width) {
			size_t mid = low + width < n ? low + width : n, high = mid + width < n ? mid + width : n;
			size_t a = low, b = mid;

			for (size_t k = low; k < high; k++)
				to[k] = b == high || (a < mid && !less(ptr, from[b], from[a])) ? from[a++] : from[b++];
		}
		from = to;
		to = swap;
	}
	if (from != order)
		memcpy(order, from, n * sizeof(*order));
	return true;
}

/* ---- printing ---- */

static bool
member_less(const void *ptr, size_t a, size_t b)
{
	const struct jmespath_value *object = ptr;

	return str_cmp(object->object.members[a].name, object->object.members[b].name) < 0;
}

static bool
print_string(struct buf *out, struct str text, bool go)
{
	return go ? json_tree_quote(out, text, true) : json_text_quote(out, text);
}

static bool
print_object(struct jmespath_run *run, struct buf *out, const struct jmespath_value *v, bool go)
{
	uint32_t *order = NULL;

	if (v->boolean)
		return buf_z(out, "null");
	if (go) {
		order = jmespath_eval_alloc(run, v->object.n, sizeof(*order));
		if (order == NULL || !jmespath_value_order(run, v->object.n, order, member_less, v))
			return false;
	}
	(void)buf_putc(out, '{');
	for (size_t i = 0; i < v->object.n; i++) {
		const struct jmespath_member *m = &v->object.members[order != NULL ? order[i] : i];

		if (i > 0)
			(void)buf_putc(out, ',');
		if (!print_string(out, m->name, go) || !buf_putc(out, ':') ||
			!jmespath_value_print(run, out, &m->value, go))
			return false;
	}
	return buf_putc(out, '}');
}

/* The recursion is as deep as the value: a document's or literal's depth and the height of the expression. */
bool
jmespath_value_print(struct jmespath_run *run, struct buf *out, const struct jmespath_value *v, bool go)
{
	switch (v->kind) {
	case JMESPATH_NULL:
		return buf_z(out, "null");
	case JMESPATH_BOOL:
		return buf_z(out, v->boolean ? "true" : "false");
	case JMESPATH_NUMBER:
		return isfinite(v->number) && json_text_number(out, v->number);
	case JMESPATH_STRING:
		return print_string(out, v->text, go);
	case JMESPATH_ARRAY:
		(void)buf_putc(out, '[');
		for (size_t i = 0; i < v->array.n; i++) {
			if (i > 0)
				(void)buf_putc(out, ',');
			if (!jmespath_value_print(run, out, &v->array.items[i], go))
				return false;
		}
		return buf_putc(out, ']');
	case JMESPATH_OBJECT:
		return print_object(run, out, v, go);
	default:
		return false;
	}
}

/* ---- parsing ---- */

struct reader {
	struct jmespath_run *run;
	const char *p, *end;
	unsigned depth;
};

static bool read_value(struct reader *, struct jmespath_value *ret);

/* The next character that is no space; '\0' at the end. */
static char
next(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
	return r->p < r->end ? *r->p : '\0';
}

static bool
read_string(struct reader *r, struct str *ret)
{
	const char *start = ++r->p;
	bool escaped = false;

	for (; r->p < r->end && *r->p != '"'; r->p++) {
		if (*r->p == '\\') {
			escaped = true;
			r->p++;
		}
	}
	if (r->p >= r->end)
		return false;
	*ret = (struct str){start, (size_t)(r->p - start)};
	r->p++;
	if (escaped)
		*ret = json_text_unescape(r->run->arena, *ret);
	return true;
}

static bool
read_number(struct reader *r, struct jmespath_value *ret)
{
	const char *start = r->p;
	uint64_t n = 0;
	double number;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		n = n * 10 + (uint64_t)(*r->p++ - '0');
	if (r->p == start || r->p - start > 15 || (r->p < r->end && memchr(".eE", *r->p, 3) != NULL)) {
		while (r->p < r->end && memchr("+-.0123456789eE", *r->p, 15) != NULL)
			r->p++;
		if (!json_text_parse_number((struct str){start, (size_t)(r->p - start)}, &number))
			return false;
		*ret = jmespath_value_number(number);
		return true;
	}
	*ret = jmespath_value_number((double)n);
	return true;
}

static bool
read_word(struct reader *r, size_t len, struct jmespath_value value, struct jmespath_value *ret)
{
	if ((size_t)(r->end - r->p) < len)
		return false;
	r->p += len;
	*ret = value;
	return true;
}

/* After an item: true at a comma, false at the closing bracket; both taken. */
static bool
read_comma(struct reader *r, char close, bool *ret_bad)
{
	char c = next(r);

	*ret_bad = c != ',' && c != close;
	r->p += !*ret_bad;
	return c == ',';
}

/* Items wait on the run's stack until the array is complete. */
static bool
read_array(struct reader *r, struct jmespath_value *ret)
{
	struct jmespath_run *run = r->run;
	size_t first = run->items.len, n;
	struct jmespath_value *items, item;
	bool bad = false;

	r->p++;
	if (next(r) == ']') {
		r->p++;
		*ret = jmespath_value_array(NULL, 0);
		return true;
	}
	do {
		if (!read_value(r, &item))
			return false;
		vec_push(&run->items, item);
	} while (read_comma(r, ']', &bad));
	n = run->items.len - first;
	items = bad ? NULL : jmespath_eval_alloc(run, n, sizeof(*items));
	if (items == NULL)
		return false;
	memcpy(items, run->items.items + first, n * sizeof(*items));
	run->items.len = first;
	*ret = jmespath_value_array(items, n);
	return true;
}

static bool
read_member(struct reader *r, struct jmespath_member *ret)
{
	if (next(r) != '"' || !read_string(r, &ret->name) || next(r) != ':')
		return false;
	r->p++;
	return read_value(r, &ret->value);
}

static bool
read_object(struct reader *r, struct jmespath_value *ret)
{
	struct jmespath_run *run = r->run;
	size_t first = run->members.len, n;
	struct jmespath_member *members, member;
	bool bad = false;

	r->p++;
	if (next(r) == '}') {
		r->p++;
		*ret = jmespath_value_object(NULL, 0);
		return true;
	}
	do {
		if (!read_member(r, &member))
			return false;
		vec_push(&run->members, member);
	} while (read_comma(r, '}', &bad));
	n = run->members.len - first;
	members = bad ? NULL : jmespath_eval_alloc(run, n, sizeof(*members));
	if (members == NULL)
		return false;
	memcpy(members, run->members.items + first, n * sizeof(*members));
	run->members.len = first;
	if (!jmespath_value_unique(run, members, &n))
		return false;
	*ret = jmespath_value_object(members, n);
	return true;
}

static bool
read_container(struct reader *r, bool object, struct jmespath_value *ret)
{
	bool ok;

	if (r->depth >= JSON_DEPTH_MAX)
		return false;
	r->depth++;
	ok = object ? read_object(r, ret) : read_array(r, ret);
	r->depth--;
	return ok;
}

static bool
read_value(struct reader *r, struct jmespath_value *ret)
{
	struct str text;

	switch (next(r)) {
	case '{':
	case '[':
		return read_container(r, *r->p == '{', ret);
	case '"':
		if (!read_string(r, &text))
			return false;
		*ret = jmespath_value_string(text);
		return true;
	case 't':
		return read_word(r, 4, jmespath_value_bool(true), ret);
	case 'f':
		return read_word(r, 5, jmespath_value_bool(false), ret);
	case 'n':
		return read_word(r, 4, (struct jmespath_value){0}, ret);
	default:
		return read_number(r, ret);
	}
}

bool
jmespath_value_parse(struct jmespath_run *run, struct str text, struct jmespath_value *ret)
{
	struct reader r = {.run = run, .p = text.s, .end = text.s + text.len};

	run->items.len = run->members.len = 0;
	return read_value(&r, ret);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "jsonpath_priv.h"

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"

/*
 * A path is applied fragment by fragment, depth first, so that matches come in the order of the document; `..`
 * visits what is below a node before the node itself, as ojg does (but for every node that it is given: ojg loses
 * some behind a wildcard). A filter looks up all its paths for an item
 * first; one that found several values is tried with each of them (all combinations), and any may match.
 */

struct list {
	const struct json **items;
	size_t len, cap;
};

struct walk {
	struct arena *arena; /* texts that + makes */
	const struct json *root;
	size_t steps;
	unsigned depth;
	const char *limit; /* what was exceeded */
};

/* A value within a filter. */
struct operand {
	enum { VALUE, NOTHING, REGEX } is;
	bool found; /* by a path: counts as true whatever it is */
	struct json value;
	struct regex *regex;
};

struct item {
	struct list *found; /* by slot */
	size_t combination;
};

static void apply(struct walk *, const struct jsonpath *, size_t at, const struct json *, struct list *out);

static bool
step(struct walk *w, size_t n)
{
	w->steps += n;
	if (w->steps > JSONPATH_STEPS_MAX)
		w->limit = "the path visits too many nodes";
	return w->limit == NULL;
}

static bool
is_container(const struct json *v)
{
	return v->kind == JSON_TREE_ARRAY || v->kind == JSON_TREE_OBJECT;
}

static size_t
child_count(const struct json *v)
{
	return v->kind == JSON_TREE_ARRAY ? v->array.n : v->kind == JSON_TREE_OBJECT ? v->object.n : 0;
}

static const struct json *
child(const struct json *v, size_t i)
{
	return v->kind == JSON_TREE_ARRAY ? &v->array.items[i] : &v->object.fields[i].value;
}

static struct operand
boolean(bool b)
{
	return (struct operand){.value = {.kind = JSON_TREE_BOOL, .boolean = b}};
}

static struct operand
integer(int64_t i)
{
	return (struct operand){.value = {.kind = JSON_TREE_INT, .i = i}};
}

static bool
is_true(const struct operand *o)
{
	return o->found || (o->is == VALUE && o->value.kind == JSON_TREE_BOOL && o->value.boolean);
}

static bool
both_ints(const struct operand *a, const struct operand *b)
{
	return a->is == VALUE && b->is == VALUE && a->value.kind == JSON_TREE_INT && b->value.kind == JSON_TREE_INT;
}

static bool
as_numbers(const struct operand *a, const struct operand *b, double *ret_a, double *ret_b)
{
	return a->is == VALUE && b->is == VALUE && json_tree_number(&a->value, ret_a) &&
	       json_tree_number(&b->value, ret_b);
}

static bool
both_texts(const struct operand *a, const struct operand *b)
{
	return a->is == VALUE && b->is == VALUE && a->value.kind == JSON_TREE_STRING &&
	       b->value.kind == JSON_TREE_STRING;
}

/* Same kind and same scalar; containers never are the same. */
static bool
is_same(const struct json *a, const struct json *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case JSON_TREE_NULL:
		return true;
	case JSON_TREE_BOOL:
		return a->boolean == b->boolean;
	case JSON_TREE_INT:
		return a->i == b->i;
	case JSON_TREE_FLOAT:
		return a->f == b->f;
	case JSON_TREE_STRING:
		return str_eq(a->text, b->text);
	default:
		return false;
	}
}

static bool
is_equal(const struct operand *a, const struct operand *b)
{
	double x, y;

	if (a->is != VALUE || b->is != VALUE)
		return a->is == b->is && a->is == NOTHING;
	if (!both_ints(a, b) && as_numbers(a, b, &x, &y))
		return x == y;
	return is_same(&a->value, &b->value);
}

/* <0, 0, >0 in *ret; false when they have no order. */
static bool
order(const struct operand *a, const struct operand *b, int *ret)
{
	double x, y;

	if (both_ints(a, b))
		*ret = (a->value.i > b->value.i) - (a->value.i < b->value.i);
	else if (as_numbers(a, b, &x, &y))
		*ret = (x > y) - (x < y);
	else if (both_texts(a, b))
		*ret = str_cmp(a->value.text, b->value.text);
	else
		return false;
	return true;
}

static struct operand
compare(enum jsonpath_op op, const struct operand *a, const struct operand *b)
{
	int sign;

	if (!order(a, b, &sign))
		return boolean(false);
	return boolean(op == OP_LT ? sign < 0 : op == OP_GT ? sign > 0 : op == OP_LE ? sign <= 0 : sign >= 0);
}

/* Whole numbers wrap; what is not defined is Nothing. */
static struct operand
calculate_ints(enum jsonpath_op op, int64_t a, int64_t b)
{
	switch (op) {
	case OP_ADD:
		return integer((int64_t)((uint64_t)a + (uint64_t)b));
	case OP_SUB:
		return integer((int64_t)((uint64_t)a - (uint64_t)b));
	case OP_MUL:
		return integer((int64_t)((uint64_t)a * (uint64_t)b));
	default:
		if (b == 0)
			return (struct operand){.is = NOTHING};
		return integer(b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b);
	}
}

static struct operand
calculate(struct walk *w, enum jsonpath_op op, const struct operand *a, const struct operand *b)
{
	struct operand result = {.value = {.kind = JSON_TREE_FLOAT}};
	double x, y;

	if (both_ints(a, b))
		return calculate_ints(op, a->value.i, b->value.i);
	if (as_numbers(a, b, &x, &y) && (op != OP_DIV || y != 0)) {
		result.value.f = op == OP_ADD ? x + y : op == OP_SUB ? x - y : op == OP_MUL ? x * y : x / y;
		return result;
	}
	if (op == OP_ADD && both_texts(a, b) && step(w, a->value.text.len + b->value.text.len)) {
		result.value.kind = JSON_TREE_STRING;
		result.value.text = arena_printf(w->arena, "%.*s%.*s", STR_FMT(a->value.text), STR_FMT(b->value.text));
		return result;
	}
	return (struct operand){.is = NOTHING};
}

static struct operand
is_in(struct walk *w, const struct operand *a, const struct operand *b)
{
	bool in = false;

	if (a->is != VALUE || b->is != VALUE || b->value.kind != JSON_TREE_ARRAY || !step(w, b->value.array.n))
		return boolean(false);
	for (size_t i = 0; i < b->value.array.n && !in; i++)
		in = is_same(&a->value, &b->value.array.items[i]);
	return boolean(in);
}

static struct operand
is_empty(const struct operand *a, const struct operand *b)
{
	if (a->is != VALUE || b->is != VALUE || b->value.kind != JSON_TREE_BOOL)
		return boolean(false);
	if (a->value.kind == JSON_TREE_STRING)
		return boolean(b->value.boolean == (a->value.text.len == 0));
	return boolean(is_container(&a->value) && b->value.boolean == (child_count(&a->value) == 0));
}

static struct operand
length(const struct operand *a)
{
	if (a->is == VALUE && a->value.kind == JSON_TREE_STRING)
		return integer((int64_t)a->value.text.len);
	if (a->is == VALUE && is_container(&a->value))
		return integer((int64_t)child_count(&a->value));
	return (struct operand){.is = NOTHING};
}

static bool
test_regex(struct walk *w, const struct regex *regex, struct str text)
{
	enum regex_result result;

	if (!step(w, text.len))
		return false;
	result = regex_test(regex, text);
	if (result == REGEX_LIMIT)
		w->limit = "a regular expression takes too long";
	return result == REGEX_YES;
}

/* A pattern from the document is compiled for this one test, and that is a thousand steps. */
static struct operand
match_text(struct walk *w, const struct jsonpath_expr *e, const struct operand *a, const struct operand *b)
{
	struct operand none = e->op == OP_MATCHES ? boolean(false) : (struct operand){.is = NOTHING};
	struct regex *regex = e->regex;
	struct arena *own = NULL;
	bool yes;

	if (a->is != VALUE || a->value.kind != JSON_TREE_STRING)
		return none;
	if (b->is == REGEX && e->op == OP_MATCHES)
		regex = b->regex;
	if (regex == NULL && e->right != NULL && e->right->op != OP_LITERAL && b->is == VALUE &&
		b->value.kind == JSON_TREE_STRING && (b->value.text.len > 0 || e->op == OP_MATCHES) && step(w, 1000)) {
		own = arena_new(0);
		regex = jsonpath_regex(own, e->op, b->value.text);
	}
	yes = regex != NULL && test_regex(w, regex, a->value.text);
	arena_free(own);
	return regex != NULL ? boolean(yes) : none;
}

static struct operand
found_by_path(const struct jsonpath_expr *e, struct item *item)
{
	struct list *found = &item->found[e->slot];
	size_t i = 0;

	if (found->len == 0)
		return (struct operand){.is = NOTHING};
	if (found->len > 1) {
		i = item->combination % found->len;
		item->combination /= found->len;
	}
	return (struct operand){.found = true, .value = *found->items[i]};
}

/* count() wants all that its path finds, not one of it. */
static struct operand
count(const struct jsonpath_expr *e, const struct item *item)
{
	if (e->left->op != OP_PATH)
		return (struct operand){.is = NOTHING};
	return integer((int64_t)item->found[e->left->slot].len);
}

static struct operand evaluate(struct walk *, const struct jsonpath_expr *, struct item *);

static struct operand
evaluate_operator(struct walk *w, const struct jsonpath_expr *e, struct item *item)
{
	struct operand a = evaluate(w, e->left, item), b = {.is = NOTHING};

	if (e->right != NULL)
		b = evaluate(w, e->right, item);
	switch (e->op) {
	case OP_NOT:
		return boolean(!is_true(&a));
	case OP_EQ:
		return boolean(is_equal(&a, &b));
	case OP_NE:
		return boolean(!is_equal(&a, &b));
	case OP_LT:
	case OP_GT:
	case OP_LE:
	case OP_GE:
		return compare(e->op, &a, &b);
	case OP_OR:
		return boolean(is_true(&a) || is_true(&b));
	case OP_AND:
		return boolean(is_true(&a) && is_true(&b));
	case OP_IN:
		return is_in(w, &a, &b);
	case OP_EMPTY:
		return is_empty(&a, &b);
	case OP_HAS:
		return boolean(b.is == VALUE && b.value.kind == JSON_TREE_BOOL && b.value.boolean == (a.is != NOTHING));
	case OP_LENGTH:
		return length(&a);
	case OP_MATCHES:
	case OP_MATCH:
	case OP_SEARCH:
		return match_text(w, e, &a, &b);
	default:
		return calculate(w, e->op, &a, &b);
	}
}

/* Recursion is bounded by the number of operators, which is bounded by the path's length and nesting. */
static struct operand
evaluate(struct walk *w, const struct jsonpath_expr *e, struct item *item)
{
	struct operand result;

	if (!step(w, 1))
		return (struct operand){.is = NOTHING};
	switch (e->op) {
	case OP_LITERAL:
		return (struct operand){.value = e->literal};
	case OP_NOTHING:
		return (struct operand){.is = NOTHING};
	case OP_REGEX:
		return (struct operand){.is = REGEX, .regex = e->regex};
	case OP_PATH:
		return found_by_path(e, item);
	case OP_GROUP:
		result = evaluate(w, e->left, item);
		result.found = false;
		return result;
	case OP_COUNT:
		return count(e, item);
	default:
		return evaluate_operator(w, e, item);
	}
}

/* How many ways there are to take one value of each path; the limit on steps ends a large number. */
static size_t
count_combinations(const struct jsonpath_filter *filter, const struct list *found)
{
	size_t n = 1;

	for (size_t i = 0; i < filter->n_paths; i++) {
		if (found[i].len > 1)
			n = n > JSONPATH_STEPS_MAX ? n : n * found[i].len;
	}
	return n;
}

static bool
filter_matches(struct walk *w, const struct jsonpath_filter *filter, const struct json *v)
{
	struct list *found = mem_zalloc((filter->n_paths + 1) * sizeof(*found));
	size_t combinations;
	bool match = false;

	for (size_t i = 0; i < filter->n_paths; i++) {
		const struct jsonpath *path = filter->paths[i]->path;

		apply(w, path, 0, path->fragments[0].kind == FRAGMENT_ROOT ? w->root : v, &found[i]);
	}
	combinations = count_combinations(filter, found);
	for (size_t i = 0; i < combinations && !match && w->limit == NULL; i++) {
		struct item item = {found, i};
		struct operand result = evaluate(w, filter->expr, &item);

		match = is_true(&result);
	}
	for (size_t i = 0; i < filter->n_paths; i++)
		vec_done(&found[i]);
	mem_free(found);
	return match;
}

/* A node that fragment `at` led to. A scalar leads nowhere, unless it comes from a filter or is the start. */
static void
forward(struct walk *w, const struct jsonpath *path, size_t at, const struct json *v, struct list *out)
{
	enum jsonpath_fragment_kind kind = path->fragments[at].kind;
	bool any = kind == FRAGMENT_FILTER || kind == FRAGMENT_ROOT || kind == FRAGMENT_AT;

	if (!step(w, 1))
		return;
	if (at + 1 == path->n)
		vec_push(out, v);
	else if (any || is_container(v))
		apply(w, path, at + 1, v, out);
}

static void
apply_index(struct walk *w, const struct jsonpath *path, size_t at, const struct json *v, int64_t i, struct list *out)
{
	if (v->kind != JSON_TREE_ARRAY)
		return;
	if (i < 0)
		i += (int64_t)v->array.n;
	if (i >= 0 && i < (int64_t)v->array.n)
		forward(w, path, at, &v->array.items[i], out);
}

static void
apply_name(
	struct walk *w, const struct jsonpath *path, size_t at, const struct json *v, struct str name, struct list *out)
{
	const struct json *field = json_tree_get(v, name);

	(void)step(w, child_count(v) / 16); /* the look-up goes through the fields */
	if (field != NULL)
		forward(w, path, at, field, out);
}

static void
apply_slice(struct walk *w, const struct jsonpath *path, size_t at, const struct json *v, struct list *out)
{
	const struct jsonpath_fragment *f = &path->fragments[at];
	int64_t n = v->kind == JSON_TREE_ARRAY ? (int64_t)v->array.n : 0, start = f->start, end = f->end;

	if (start < 0)
		start = start + n < 0 ? 0 : start + n;
	if (end < 0)
		end += n;
	if (start >= n || f->step == 0)
		return;
	if (end > n)
		end = n;
	if (f->step < 0 && end < -1)
		end = -1;
	for (int64_t i = start; f->step > 0 ? i < end : i > end; i += f->step) {
		forward(w, path, at, &v->array.items[i], out);
		if (f->step > 0 ? f->step > end - i : f->step < end - i)
			break;
	}
}

/* Below `v`, and `v` itself behind what is below it; a path that ends in .. lists children before theirs. */
static void
apply_descent(struct walk *w, const struct jsonpath *path, size_t at, const struct json *v, bool top, struct list *out)
{
	bool last = at + 1 == path->n;

	if (!step(w, 1))
		return;
	if (++w->depth > JSONPATH_DEPTH_MAX)
		w->limit = "the path goes too deep";
	for (size_t i = 0; last && i < child_count(v) && step(w, 1); i++)
		vec_push(out, child(v, i));
	for (size_t i = 0; i < child_count(v) && w->limit == NULL; i++) {
		if (is_container(child(v, i)))
			apply_descent(w, path, at, child(v, i), false, out);
	}
	if (!last || top)
		forward(w, path, at, v, out);
	w->depth--;
}

static void
apply_union(struct walk *w, const struct jsonpath *path, size_t at, const struct json *v, struct list *out)
{
	const struct jsonpath_fragment *f = &path->fragments[at];

	for (size_t i = 0; i < f->n_members; i++) {
		if (f->members[i].kind == JSON_TREE_INT)
			apply_index(w, path, at, v, f->members[i].i, out);
		else
			apply_name(w, path, at, v, f->members[i].text, out);
	}
}

static void
apply_to_children(struct walk *w, const struct jsonpath *path, size_t at, const struct json *v, struct list *out)
{
	const struct jsonpath_fragment *f = &path->fragments[at];

	for (size_t i = 0; i < child_count(v) && w->limit == NULL; i++) {
		if (f->kind == FRAGMENT_WILDCARD || filter_matches(w, &f->filter, child(v, i)))
			forward(w, path, at, child(v, i), out);
	}
}

/* The fragments from `at` on, applied to one node. */
static void
apply(struct walk *w, const struct jsonpath *path, size_t at, const struct json *v, struct list *out)
{
	const struct jsonpath_fragment *f;

	if (at >= path->n || !step(w, 1))
		return;
	f = &path->fragments[at];
	if (++w->depth > JSONPATH_DEPTH_MAX) {
		w->limit = "the path goes too deep";
	} else {
		switch (f->kind) {
		case FRAGMENT_ROOT:
		case FRAGMENT_AT:
			forward(w, path, at, v, out);
			break;
		case FRAGMENT_CHILD:
			apply_name(w, path, at, v, f->name, out);
			break;
		case FRAGMENT_NTH:
			apply_index(w, path, at, v, f->n, out);
			break;
		case FRAGMENT_DESCENT:
			apply_descent(w, path, at, v, true, out);
			break;
		case FRAGMENT_UNION:
			apply_union(w, path, at, v, out);
			break;
		case FRAGMENT_SLICE:
			apply_slice(w, path, at, v, out);
			break;
		case FRAGMENT_WILDCARD:
		case FRAGMENT_FILTER:
			apply_to_children(w, path, at, v, out);
			break;
		}
	}
	w->depth--;
}

const struct json *
jsonpath_get(const struct jsonpath *path, const struct json *root, struct arena *arena, struct str *ret_error)
{
	struct walk w = {.arena = arena, .root = root};
	struct list found = {0};
	struct json *result = NULL;

	apply(&w, path, 0, root, &found);
	if (w.limit != NULL) {
		*ret_error = str_from(w.limit);
	} else {
		struct json *items = arena_array(arena, struct json, found.len);

		for (size_t i = 0; i < found.len; i++)
			items[i] = *found.items[i];
		result = arena_make(arena, struct json);
		*result = (struct json){.kind = JSON_TREE_ARRAY, .array = {items, found.len}};
	}
	vec_done(&found);
	return result;
}

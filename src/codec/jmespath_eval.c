/* SPDX-License-Identifier: Apache-2.0 */
#include "jmespath_priv.h"

#include <math.h>

#include "longship/base/limits.h"
#include "longship/base/spare.h"

/*
 * One function per kind of node. An error ends the evaluation, but for the left side of a filter, a flatten and a
 * wildcard over members, where go-jmespath turns it into null; a limit that was hit ends it there, too. Variables are
 * looked up in the scopes of the moment when an expression reference is called, as there.
 */

#define RUN_BLOCK_BYTES (64u << 10) /* the tree of a line of some kilobytes: kept from line to line */
#define RUN_KEPT_BYTES	(256u << 10) /* what is larger does not wait for the next batch */

static void
run_destroy(void *ptr)
{
	struct jmespath_run *run = ptr;

	arena_free(run->arena);
	buf_done(&run->made);
	vec_done(&run->items);
	vec_done(&run->members);
	mem_free(run);
}

static struct spare spare = SPARE(run_destroy);

struct jmespath_run *
jmespath_run_new(void)
{
	struct jmespath_run *run = spare_take(&spare);

	if (run != NULL)
		return run;
	run = mem_new(struct jmespath_run);
	run->arena = arena_new(RUN_BLOCK_BYTES);
	buf_init(&run->made, JMESPATH_RESULT_BYTES_MAX);
	return run;
}

void
jmespath_run_free(struct jmespath_run *run)
{
	if (run == NULL)
		return;
	arena_clear(run->arena);
	arena_trim(run->arena);
	if (run->made.cap + (run->items.cap + run->members.cap) * sizeof(struct jmespath_value) > RUN_KEPT_BYTES)
		run_destroy(run);
	else
		spare_give(&spare, run);
}

bool
jmespath_run_load(struct jmespath_run *run, struct str text)
{
	arena_clear(run->arena);
	run->text = text;
	run->bytes_left = JMESPATH_BYTES_MAX;
	run->steps_left = JMESPATH_STEPS_MAX;
	run->exhausted = false;
	if (!jmespath_value_parse(run, text, &run->root))
		return false;
	if (run->root.kind == JMESPATH_NULL) { /* Alloy decodes into a map, which stays nil */
		run->root = jmespath_value_object(NULL, 0);
		run->root.boolean = true;
	}
	return true;
}

/* Text that only the run holds moves to where the results live. */
static struct str
keep_text(const struct jmespath_run *run, struct arena *out, struct str text)
{
	uintptr_t from = (uintptr_t)run->text.s, at = (uintptr_t)text.s;

	return at >= from && at < from + run->text.len ? text : arena_str(out, text);
}

bool
jmespath_run_get(struct jmespath_run *run, const struct jmespath *expression, struct arena *out, struct json_value *ret)
{
	struct jmespath_value v;

	run->variables = NULL;
	run->depth = 0;
	run->steps_left = JMESPATH_STEPS_MAX;
	run->exhausted = false;
	if (!jmespath_eval(run, expression->root, &run->root, &v) || run->exhausted)
		return false;
	switch (v.kind) {
	case JMESPATH_NULL:
		*ret = (struct json_value){.kind = JSON_NULL};
		return true;
	case JMESPATH_BOOL:
		*ret = (struct json_value){.kind = JSON_BOOL, .boolean = v.boolean};
		return true;
	case JMESPATH_NUMBER:
		*ret = (struct json_value){.kind = JSON_NUMBER, .number = v.number};
		return true;
	case JMESPATH_STRING:
		*ret = (struct json_value){.kind = JSON_STRING, .text = keep_text(run, out, v.text)};
		return true;
	default:
		break;
	}
	/* What has no JSON (an expression reference, infinity in a list) gives an empty text in Alloy. */
	buf_clear(&run->made);
	if (!jmespath_value_print(run, &run->made, &v, false)) {
		if (run->made.overflow || run->exhausted)
			return false;
		buf_clear(&run->made);
	}
	*ret = (struct json_value){.kind = JSON_STRING, .text = arena_str(out, buf_view(&run->made))};
	return true;
}

/* ---- limits ---- */

bool
jmespath_eval_steps(struct jmespath_run *run, size_t n)
{
	if (n > run->steps_left || run->exhausted) {
		run->exhausted = true;
		return false;
	}
	run->steps_left -= n;
	return true;
}

void *
jmespath_eval_alloc(struct jmespath_run *run, size_t n, size_t bytes)
{
	if (n > run->bytes_left / bytes) {
		run->exhausted = true;
		return NULL;
	}
	run->bytes_left -= n * bytes;
	return arena_alloc(run->arena, n * bytes);
}

bool
jmespath_eval_made(struct jmespath_run *run, struct jmespath_value *ret)
{
	char *text;

	if (run->made.overflow) {
		run->exhausted = true;
		return false;
	}
	text = jmespath_eval_alloc(run, run->made.len + 1, 1);
	if (text == NULL || !jmespath_eval_steps(run, run->made.len / 64))
		return false;
	if (run->made.len > 0)
		memcpy(text, run->made.data, run->made.len);
	*ret = jmespath_value_string((struct str){text, run->made.len});
	return true;
}

/* ---- paths ---- */

static bool
eval_field(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	const struct jmespath_value *found = NULL;

	if (in->kind == JMESPATH_OBJECT) {
		found = jmespath_value_member(in, node->name);
		if (!jmespath_eval_steps(run, in->object.n / 16))
			return false;
	}
	*ret = found != NULL ? *found : (struct jmespath_value){0};
	return true;
}

static bool
eval_variable(const struct jmespath_run *run, const struct jmespath_node *node, struct jmespath_value *ret)
{
	for (const struct jmespath_variable *v = run->variables; v != NULL; v = v->next) {
		if (str_eq(v->name, node->name)) {
			*ret = v->value;
			return true;
		}
	}
	return false;
}

static void
eval_index(const struct jmespath_node *node, const struct jmespath_value *in, struct jmespath_value *ret)
{
	int64_t i = node->bounds[0].n;

	*ret = (struct jmespath_value){0};
	if (in->kind != JMESPATH_ARRAY)
		return;
	if (i < 0)
		i += (int64_t)in->array.n;
	if (i >= 0 && i < (int64_t)in->array.n)
		*ret = in->array.items[i];
}

static int64_t
cap_bound(struct jmespath_bound bound, int64_t n, bool backward, int64_t fallback)
{
	if (!bound.given)
		return fallback;
	if (bound.n < 0)
		return bound.n + n >= 0 ? bound.n + n : backward ? -1 : 0;
	return bound.n < n ? bound.n : backward ? n - 1 : n;
}

bool
jmespath_eval_slice(
	const struct jmespath_bound bounds[3], size_t n, int64_t *ret_start, int64_t *ret_step, size_t *ret_count)
{
	int64_t len = (int64_t)n, step = bounds[2].given ? bounds[2].n : 1, start, stop;
	bool backward = step < 0;

	if (step == 0)
		return false;
	start = cap_bound(bounds[0], len, backward, backward ? len - 1 : 0);
	stop = cap_bound(bounds[1], len, backward, backward ? -1 : len);
	/* A step beyond the length takes one item, like one of the length. */
	if (step > len)
		step = len > 0 ? len : 1;
	if (step < -len)
		step = len > 0 ? -len : -1;
	*ret_start = start;
	*ret_step = step;
	if (backward)
		*ret_count = start > stop ? (size_t)((start - stop - step - 1) / -step) : 0;
	else
		*ret_count = start < stop ? (size_t)((stop - start + step - 1) / step) : 0;
	return true;
}

static bool
eval_slice(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	struct jmespath_value *items;
	int64_t start, step;
	size_t n;

	*ret = (struct jmespath_value){0};
	if (in->kind == JMESPATH_STRING)
		return jmespath_string_slice(run, in->text, node->bounds, ret);
	if (in->kind != JMESPATH_ARRAY)
		return true;
	if (!jmespath_eval_slice(node->bounds, in->array.n, &start, &step, &n))
		return false;
	items = jmespath_eval_alloc(run, n, sizeof(*items));
	if (items == NULL || !jmespath_eval_steps(run, n / 16))
		return false;
	for (size_t i = 0; i < n; i++)
		items[i] = in->array.items[start + (int64_t)i * step];
	*ret = jmespath_value_array(items, n);
	return true;
}

static bool
eval_sub(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	struct jmespath_value left;

	if (!jmespath_eval(run, node->left, in, &left))
		return false;
	if (left.kind == JMESPATH_NULL && node->kind == NODE_SUB) {
		*ret = left;
		return true;
	}
	return jmespath_eval(run, node->right, &left, ret);
}

/* ---- projections ---- */

/* Adds what the right side makes of an item, unless that is null or the condition does not hold. */
static bool
project_item(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *item,
	struct jmespath_value *items, size_t *n)
{
	struct jmespath_value made;

	if (node->condition != NULL) {
		if (!jmespath_eval(run, node->condition, item, &made))
			return false;
		if (jmespath_value_is_false(&made))
			return true;
	}
	if (!jmespath_eval(run, node->right, item, &made))
		return false;
	if (made.kind != JMESPATH_NULL)
		items[(*n)++] = made;
	return true;
}

static bool
project(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *left,
	struct jmespath_value *ret)
{
	bool object = left->kind == JMESPATH_OBJECT;
	size_t total = object ? left->object.n : left->array.n, n = 0;
	struct jmespath_value *items = jmespath_eval_alloc(run, total, sizeof(*items));

	if (items == NULL)
		return false;
	for (size_t i = 0; i < total; i++) {
		const struct jmespath_value *item = object ? &left->object.members[i].value : &left->array.items[i];

		if (!project_item(run, node, item, items, &n))
			return false;
	}
	*ret = jmespath_value_array(items, n);
	return true;
}

/* The left side of a node that swallows its errors. */
static bool
eval_left(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	if (jmespath_eval(run, node->left, in, ret))
		return true;
	*ret = (struct jmespath_value){0};
	return !run->exhausted;
}

static bool
eval_projection(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	uint8_t kind = node->kind == NODE_VALUES ? JMESPATH_OBJECT : JMESPATH_ARRAY;
	struct jmespath_value left;

	if (node->kind == NODE_PROJECTION ? !jmespath_eval(run, node->left, in, &left)
					  : !eval_left(run, node, in, &left))
		return false;
	if (left.kind == kind)
		return project(run, node, &left, ret);
	*ret = (struct jmespath_value){0};
	/* A slice of a string is the string; the right side is not looked at. */
	if (left.kind == JMESPATH_STRING && node->kind == NODE_PROJECTION && node->left->kind == NODE_SUB &&
		node->left->right->kind == NODE_SLICE)
		*ret = left;
	return true;
}

static bool
eval_flatten(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	struct jmespath_value left, *items;
	size_t n = 0;

	if (!eval_left(run, node, in, &left))
		return false;
	*ret = (struct jmespath_value){0};
	if (left.kind != JMESPATH_ARRAY)
		return true;
	for (size_t i = 0; i < left.array.n; i++)
		n += left.array.items[i].kind == JMESPATH_ARRAY ? left.array.items[i].array.n : 1;
	items = jmespath_eval_alloc(run, n, sizeof(*items));
	if (items == NULL || !jmespath_eval_steps(run, (n + left.array.n) / 16))
		return false;
	n = 0;
	for (size_t i = 0; i < left.array.n; i++) {
		const struct jmespath_value *item = &left.array.items[i];
		size_t count = item->kind == JMESPATH_ARRAY ? item->array.n : 1;

		if (count > 0)
			memcpy(items + n, item->kind == JMESPATH_ARRAY ? item->array.items : item,
				count * sizeof(*items));
		n += count;
	}
	*ret = jmespath_value_array(items, n);
	return true;
}

/* ---- operators ---- */

static bool
eval_logic(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	if (!jmespath_eval(run, node->left, in, ret))
		return false;
	if (node->kind == NODE_NOT) {
		*ret = jmespath_value_bool(jmespath_value_is_false(ret));
		return true;
	}
	return jmespath_value_is_false(ret) != (node->kind == NODE_OR) || jmespath_eval(run, node->right, in, ret);
}

static struct jmespath_value
compare(enum jmespath_token_kind op, double a, double b)
{
	switch (op) {
	case TOKEN_LT:
		return jmespath_value_bool(a < b);
	case TOKEN_LE:
		return jmespath_value_bool(a <= b);
	case TOKEN_GT:
		return jmespath_value_bool(a > b);
	default:
		return jmespath_value_bool(a >= b);
	}
}

static struct jmespath_value
calculate(enum jmespath_token_kind op, double a, double b)
{
	switch (op) {
	case TOKEN_PLUS:
		return jmespath_value_number(a + b);
	case TOKEN_MINUS:
		return jmespath_value_number(a - b);
	case TOKEN_STAR:
	case TOKEN_MULTIPLY:
		return jmespath_value_number(a * b);
	case TOKEN_DIVIDE:
		return jmespath_value_number(a / b);
	case TOKEN_MODULO:
		return jmespath_value_number(fmod(a, b));
	default:
		return jmespath_value_number(floor(a / b));
	}
}

static bool
eval_binary(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	struct jmespath_value a, b;

	if (!jmespath_eval(run, node->left, in, &a) || !jmespath_eval(run, node->right, in, &b))
		return false;
	if (node->op == TOKEN_EQ || node->op == TOKEN_NE) {
		*ret = jmespath_value_bool(jmespath_value_equal(run, &a, &b) == (node->op == TOKEN_EQ));
		return !run->exhausted;
	}
	*ret = (struct jmespath_value){0};
	if (a.kind != JMESPATH_NUMBER || b.kind != JMESPATH_NUMBER)
		return true;
	*ret = node->kind == NODE_COMPARE ? compare(node->op, a.number, b.number)
					  : calculate(node->op, a.number, b.number);
	return true;
}

static bool
eval_sign(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	if (!jmespath_eval(run, node->left, in, ret))
		return false;
	if (ret->kind != JMESPATH_NUMBER)
		*ret = (struct jmespath_value){0};
	else if (node->op == TOKEN_MINUS)
		ret->number = -ret->number;
	return true;
}

/* ---- what has several parts ---- */

static bool
eval_items(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value **ret)
{
	*ret = jmespath_eval_alloc(run, node->n, sizeof(**ret));
	for (size_t i = 0; i < node->n && *ret != NULL; i++) {
		if (!jmespath_eval(run, node->items[i], in, &(*ret)[i]))
			return false;
	}
	return *ret != NULL;
}

static bool
eval_hash(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	struct jmespath_member *members = jmespath_eval_alloc(run, node->n, sizeof(*members));
	size_t n = node->n;

	if (members == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		members[i].name = node->names[i];
		if (!jmespath_eval(run, node->items[i], in, &members[i].value))
			return false;
	}
	if (!jmespath_value_unique(run, members, &n))
		return false;
	*ret = jmespath_value_object(members, n);
	return true;
}

static bool
eval_let(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	const struct jmespath_variable *outer = run->variables, *inner = outer;
	bool ok;

	for (size_t i = 0; i < node->n; i++) { /* none sees the others */
		struct jmespath_variable *v = jmespath_eval_alloc(run, 1, sizeof(*v));

		if (v == NULL || !jmespath_eval(run, node->items[i], in, &v->value))
			return false;
		v->name = node->names[i];
		v->next = inner;
		inner = v;
	}
	run->variables = inner;
	ok = jmespath_eval(run, node->left, in, ret);
	run->variables = outer;
	return ok;
}

static bool
eval_list(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	struct jmespath_value *items;

	if (!eval_items(run, node, in, &items))
		return false;
	if (node->kind == NODE_FUNCTION)
		return node->function != NULL && jmespath_function_call(run, node->function, items, node->n, ret);
	*ret = jmespath_value_array(items, node->n);
	return true;
}

static bool
eval_node(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	switch (node->kind) {
	case NODE_CURRENT:
		*ret = *in;
		return true;
	case NODE_ROOT:
		*ret = run->root;
		return true;
	case NODE_LITERAL:
		*ret = node->literal;
		return true;
	case NODE_FIELD:
		return eval_field(run, node, in, ret);
	case NODE_VARIABLE:
		return eval_variable(run, node, ret);
	case NODE_INDEX:
		eval_index(node, in, ret);
		return true;
	case NODE_SLICE:
		return eval_slice(run, node, in, ret);
	case NODE_SUB:
	case NODE_PIPE:
		return eval_sub(run, node, in, ret);
	case NODE_PROJECTION:
	case NODE_VALUES:
	case NODE_FILTER:
		return eval_projection(run, node, in, ret);
	case NODE_FLATTEN:
		return eval_flatten(run, node, in, ret);
	case NODE_LIST:
	case NODE_FUNCTION:
		return eval_list(run, node, in, ret);
	case NODE_HASH:
		return eval_hash(run, node, in, ret);
	case NODE_OR:
	case NODE_AND:
	case NODE_NOT:
		return eval_logic(run, node, in, ret);
	case NODE_COMPARE:
	case NODE_ARITHMETIC:
		return eval_binary(run, node, in, ret);
	case NODE_SIGN:
		return eval_sign(run, node, in, ret);
	case NODE_EXPREF:
		*ret = (struct jmespath_value){.kind = JMESPATH_EXPREF, .expref = node->left};
		return true;
	case NODE_LET:
		return eval_let(run, node, in, ret);
	}
	return false;
}

bool
jmespath_eval(struct jmespath_run *run, const struct jmespath_node *node, const struct jmespath_value *in,
	struct jmespath_value *ret)
{
	struct jmespath_value made; /* ret may be in */
	bool ok;

	if (!jmespath_eval_steps(run, 1))
		return false;
	if (run->depth >= JMESPATH_DEPTH_MAX) {
		run->exhausted = true;
		return false;
	}
	run->depth++;
	ok = eval_node(run, node, in, &made);
	run->depth--;
	if (ok)
		*ret = made;
	return ok;
}

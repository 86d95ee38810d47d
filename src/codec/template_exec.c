/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/base/spare.h"

/*
 * The executor walks the tree as Go's does, with the same rules for types of arguments: a parameter of a plain type takes
 * a value of just that type, or a constant that can be one. Values live in an arena that is emptied before each execution and
 * keeps its block, text in two buffers that stay: in the steady state nothing comes from the heap.
 */

#define RUN_BLOCK_BYTES (64 << 10)
#define RUN_KEPT_BYTES	(256u << 10) /* what is larger does not wait for the next batch */
#define RUN_KEPT_THINGS 16	     /* expressions and zones that do */

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE, FLOW_FAILED };

static enum flow walk(struct template_run *, const struct tvalue *dot, const struct tlist_node *);
static bool eval_pipe(struct template_run *, const struct tvalue *dot, const struct tpipe *, struct tvalue *ret);
static bool eval_function(struct template_run *, const struct tvalue *dot, const struct tfunction *, struct tnode *const *args, size_t n,
	const struct tvalue *final, struct tvalue *ret);

bool
template_fail(struct template_run *r, const char *format, ...)
{
	char text[256];
	va_list args;

	if (r->error.s != NULL)
		return false;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	r->error = arena_str(r->arena, str_from(text));
	return false;
}

bool
template_step(struct template_run *r, size_t n)
{
	r->steps += n;
	return r->steps <= TEMPLATE_STEPS_MAX || template_fail(r, "more than %d steps", TEMPLATE_STEPS_MAX);
}

void *
template_alloc(struct template_run *r, size_t n, size_t bytes)
{
	size_t total;

	if (!__builtin_mul_overflow(n, bytes, &total) && total <= TEMPLATE_MEMORY_MAX &&
		arena_bytes(r->arena) + total <= TEMPLATE_MEMORY_MAX)
		return arena_alloc(r->arena, total);
	(void)template_fail(r, "more than %u bytes of values", TEMPLATE_MEMORY_MAX);
	return NULL;
}

#define KEY_BYTES_MAX 4096 /* longer expressions are compiled each time */

const void *
template_keep(struct template_run *r, char kind, struct str text)
{
	char key[KEY_BYTES_MAX + 1];
	const void *found;

	if (text.len > KEY_BYTES_MAX)
		text.len = 0;
	key[0] = kind;
	if (text.len > 0)
		memcpy(key + 1, text.s, text.len);
	found = text.len > 0 ? map_get(&r->kept, (struct str){key, text.len + 1}) : NULL;
	if (found == NULL && map_len(&r->kept) >= TEMPLATE_REGEXES_MAX) {
		map_done(&r->kept);
		map_init(&r->kept);
		arena_clear(r->kept_arena);
	}
	return found;
}

void
template_kept(struct template_run *r, char kind, struct str text, const void *thing)
{
	char key[KEY_BYTES_MAX + 1];

	if (text.len == 0 || text.len > KEY_BYTES_MAX)
		return;
	key[0] = kind;
	memcpy(key + 1, text.s, text.len);
	(void)map_set(&r->kept, (struct str){key, text.len + 1}, (void *)(uintptr_t)thing);
}

/* ---- "." and variables ---- */

static void
add_whole(void *ptr, struct str name, struct str value)
{
	struct template_run *r = ptr;

	(void)tm_set(r, r->whole, name, tv_string(value));
}

bool
template_whole(struct template_run *r, struct tvalue *v)
{
	if (v->kind != T_DATA)
		return true;
	if (r->whole == NULL) {
		r->whole = tm_new(r, r->data->strings);
		if (r->whole == NULL)
			return false;
		r->data->each(r->data->ptr, add_whole, r);
	}
	*v = (struct tvalue){.kind = T_MAP, .map = r->whole};
	return r->error.s == NULL;
}

static bool
push_variable(struct template_run *r, size_t name, const struct tvalue *v)
{
	if (r->n_variables == r->cap_variables) {
		size_t cap = r->cap_variables > 0 ? r->cap_variables * 2 : 16;
		struct tvariable *more = template_alloc(r, cap, sizeof(*more));

		if (more == NULL)
			return false;
		if (r->n_variables > 0)
			memcpy(more, r->variables, r->n_variables * sizeof(*more));
		r->variables = more;
		r->cap_variables = cap;
	}
	r->variables[r->n_variables++] = (struct tvariable){name, *v};
	return true;
}

static struct tvariable *
find_variable(struct template_run *r, size_t name)
{
	for (size_t i = r->n_variables; i > 0; i--) {
		if (r->variables[i - 1].name == name)
			return &r->variables[i - 1];
	}
	(void)template_fail(r, "undefined variable");
	return NULL;
}

static bool
set_variable(struct template_run *r, size_t name, const struct tvalue *v)
{
	struct tvariable *variable = find_variable(r, name);

	if (variable != NULL)
		variable->value = *v;
	return variable != NULL;
}

/* ---- fields ---- */

struct call { /* what stands behind a field */
	const struct tvalue *dot;
	struct tnode *const *args;
	size_t n;
	const struct tvalue *final; /* or NULL */
};

static bool eval_arg(struct template_run *, const struct tvalue *dot, const struct tnode *, char type, struct tvalue *ret);
static bool check_type(struct template_run *, struct tvalue *, char type);

#define METHOD_ARGS_MAX 1

static bool
eval_method(struct template_run *r, const struct timefmt_time *time, struct str name, const struct call *call, struct tvalue *ret)
{
	struct tvalue args[METHOD_ARGS_MAX];
	size_t n = call != NULL ? call->n : 0;

	if (n + (call != NULL && call->final != NULL) > METHOD_ARGS_MAX)
		return template_fail(r, "wrong number of args for %.*s", STR_FMT(name));
	for (size_t i = 0; i < n; i++) {
		if (!eval_arg(r, call->dot, call->args[i], 's', &args[i]))
			return false;
	}
	if (call != NULL && call->final != NULL) {
		args[n] = *call->final;
		if (!check_type(r, &args[n++], 's'))
			return false;
	}
	return template_time_method(r, time, name, args, n, ret) ||
	       template_fail(r, "can't evaluate field %.*s in type time.Time", STR_FMT(name));
}

static bool
eval_field(struct template_run *r, const struct tvalue *of, const struct tname *name, const struct call *call, struct tvalue *ret)
{
	struct tmap *map = of->kind == T_DATA ? r->whole : of->map; /* of may be ret */
	struct tvalue *found;
	struct str text;

	if (of->kind == T_INVALID) {
		*ret = *of;
		return true;
	}
	if (of->kind == T_TIME)
		return eval_method(r, of->time, name->text, call, ret);
	if (of->kind != T_DATA && of->kind != T_MAP)
		return template_fail(r, "can't evaluate field %.*s in type %s", STR_FMT(name->text), tv_type(of));
	if (call != NULL)
		return template_fail(r, "%.*s is not a method but has arguments", STR_FMT(name->text));
	*ret = (struct tvalue){.kind = T_INVALID};
	if (map == NULL) {
		if (r->data->get(r->data->ptr, name->number, &text))
			*ret = tv_string(text);
		return true;
	}
	found = tm_get(r, map, name->text);
	if (found != NULL)
		*ret = *found;
	return r->error.s == NULL;
}

static bool
eval_fields(struct template_run *r, const struct tvalue *of, const struct tnode *n, const struct call *call, struct tvalue *ret)
{
	struct tvalue v = *of;

	for (size_t i = 0; i < n->chain.n; i++) {
		if (!eval_field(r, &v, &n->chain.names[i], i + 1 == n->chain.n ? call : NULL, &v))
			return false;
	}
	*ret = v;
	return true;
}

static bool
not_a_function(struct template_run *r, size_t n_args, const struct tvalue *final)
{
	return (n_args <= 1 && final == NULL) || template_fail(r, "can't give argument to non-function");
}

static bool
eval_variable(struct template_run *r, const struct tnode *n, const struct call *call, struct tvalue *ret)
{
	const struct tvariable *variable = find_variable(r, n->chain.variable);

	if (variable == NULL)
		return false;
	if (n->chain.n == 0 && call != NULL)
		return template_fail(r, "can't give argument to non-function");
	return eval_fields(r, &variable->value, n, call, ret);
}

static bool
eval_chain(struct template_run *r, const struct tvalue *dot, const struct tnode *n, const struct call *call, struct tvalue *ret)
{
	struct tvalue v;
	const struct tnode *term = n->chain.term;

	if (term->kind == N_PIPE ? !eval_pipe(r, dot, term->pipe, &v) : !eval_function(r, dot, term->function, NULL, 0, NULL, &v))
		return false;
	return eval_fields(r, &v, n, call, ret);
}

/* ---- arguments ---- */

static bool
constant(struct template_run *r, const struct tnumber *n, struct tvalue *ret)
{
	if (n->float_form)
		*ret = tv_float(n->f);
	else if (n->is_int)
		*ret = tv_int(n->i);
	else
		return template_fail(r, "constant overflows int");
	return true;
}

static const char *
parameter_name(char type)
{
	switch (type) {
	case 's':
		return "string";
	case 'i':
		return "int";
	case 'b':
		return "bool";
	case 'f':
		return "float64";
	case 'm':
		return "map[string]interface {}";
	case 't':
		return "time.Time";
	default:
		return "interface {}";
	}
}

/* The value as an argument of the type, or Go's error. */
static bool
check_type(struct template_run *r, struct tvalue *v, char type)
{
	static const char kinds[] = {[T_BOOL] = 'b', [T_INT] = 'i', [T_FLOAT] = 'f', [T_STRING] = 's', [T_TIME] = 't', [T_DATA] = 0};

	if (v->kind == T_DATA && !template_whole(r, v))
		return false;
	if (type == 'v')
		return true;
	if (type == 'a') {
		if (v->kind == T_INVALID)
			v->kind = T_NIL;
		return true;
	}
	if (v->kind == T_MAP ? type == 'm' && !v->map->strings : kinds[v->kind] == type)
		return true;
	if (tv_is_nil(v) && type == 'm') { /* a nil map: reads as empty, and cannot be written to */
		v->kind = T_MAP;
		v->map = tm_new(r, false);
		return v->map != NULL;
	}
	if (tv_is_nil(v))
		return template_fail(r, "invalid value; expected %s", parameter_name(type));
	return template_fail(r, "wrong type for value; expected %s; got %s", parameter_name(type), tv_type(v));
}

static bool
eval_constant_arg(struct template_run *r, const struct tnode *n, char type, struct tvalue *ret)
{
	bool any = type == 'a' || type == 'v';

	switch (n->kind) {
	case N_BOOL:
		*ret = tv_bool(n->boolean);
		return any || type == 'b' || template_fail(r, "expected %s; found bool", parameter_name(type));
	case N_STRING:
		*ret = tv_string(n->text);
		return any || type == 's' || template_fail(r, "expected %s; found string", parameter_name(type));
	case N_NUMBER:
		if (any)
			return constant(r, &n->number, ret);
		*ret = type == 'f' ? tv_float(n->number.f) : tv_int(n->number.i);
		return (type == 'f' && n->number.is_float) || (type == 'i' && n->number.is_int) ||
		       template_fail(r, "expected %s; found number", parameter_name(type));
	default:
		ret->kind = T_NIL;
		return any || template_fail(r, "cannot assign nil to %s", parameter_name(type));
	}
}

static bool
eval_arg(struct template_run *r, const struct tvalue *dot, const struct tnode *n, char type, struct tvalue *ret)
{
	bool ok;

	if (!template_step(r, 1))
		return false;
	switch (n->kind) {
	case N_DOT:
		*ret = *dot;
		ok = true;
		break;
	case N_FIELD:
		ok = eval_fields(r, dot, n, NULL, ret);
		break;
	case N_VARIABLE:
		ok = eval_variable(r, n, NULL, ret);
		break;
	case N_PIPE:
		ok = eval_pipe(r, dot, n->pipe, ret);
		break;
	case N_FUNCTION:
		ok = eval_function(r, dot, n->function, NULL, 0, NULL, ret);
		break;
	case N_CHAIN:
		ok = eval_chain(r, dot, n, NULL, ret);
		break;
	case N_NIL:
		if (type != 'm')
			return eval_constant_arg(r, n, type, ret);
		ret->kind = T_NIL;
		ok = true;
		break;
	default:
		return eval_constant_arg(r, n, type, ret);
	}
	return ok && check_type(r, ret, type);
}

/* ---- calls ---- */

/* "and" and "or" stop at the first argument that decides. */
static bool
eval_short(struct template_run *r, const struct tvalue *dot, bool is_or, struct tnode *const *args, size_t n, const struct tvalue *final,
	struct tvalue *ret)
{
	if (n == 0 && final == NULL)
		return template_fail(r, "wrong number of args for %s: want at least 1 got 0", is_or ? "or" : "and");
	for (size_t i = 0; i < n; i++) {
		if (!eval_arg(r, dot, args[i], 'v', ret))
			return false;
		if (tv_truth(ret) == is_or)
			return true;
	}
	if (final != NULL)
		*ret = *final;
	return true;
}

#define ARGS_ON_STACK 8

static bool
eval_function(struct template_run *r, const struct tvalue *dot, const struct tfunction *f, struct tnode *const *args, size_t n,
	const struct tvalue *final, struct tvalue *ret)
{
	struct tvalue few[ARGS_ON_STACK], *values = few;
	size_t total = n + (final != NULL), fixed = strlen(f->parameters);
	bool variadic = fixed > 0 && f->parameters[fixed - 1] == '*';

	if (f->call == template_and || f->call == template_or)
		return eval_short(r, dot, f->call == template_or, args, n, final, ret);
	fixed -= variadic ? 2 : 0;
	if (variadic ? total < fixed : total != fixed)
		return template_fail(r, "wrong number of args for %s: want %s%zu got %zu", f->name, variadic ? "at least " : "", fixed, total);
	if (total > ARGS_ON_STACK) {
		values = template_alloc(r, total, sizeof(*values));
		if (values == NULL)
			return false;
	}
	for (size_t i = 0; i < total; i++) {
		char type = f->parameters[i < fixed ? i : fixed];

		if (i < n) {
			if (!eval_arg(r, dot, args[i], type, &values[i]))
				return false;
			continue;
		}
		values[i] = *final;
		if (!check_type(r, &values[i], type))
			return false;
	}
	*ret = (struct tvalue){.kind = T_INVALID};
	if (!template_step(r, 1) || !f->call(r, values, total, ret))
		return template_fail(r, "error calling %s", f->name);
	return r->error.s == NULL;
}

static bool
eval_command(struct template_run *r, const struct tvalue *dot, const struct tcommand *c, const struct tvalue *final, struct tvalue *ret)
{
	const struct tnode *n = c->args[0];
	const struct call behind = {dot, c->args + 1, c->n - 1, final}, *call = c->n > 1 || final != NULL ? &behind : NULL;

	switch (n->kind) {
	case N_FIELD:
		return eval_fields(r, dot, n, call, ret);
	case N_CHAIN:
		return eval_chain(r, dot, n, call, ret);
	case N_FUNCTION:
		return eval_function(r, dot, n->function, c->args + 1, c->n - 1, final, ret);
	case N_PIPE:
		return not_a_function(r, c->n, final) && eval_pipe(r, dot, n->pipe, ret);
	case N_VARIABLE:
		return eval_variable(r, n, call, ret);
	default:
		break;
	}
	if (!not_a_function(r, c->n, final))
		return false;
	if (n->kind == N_NIL)
		return template_fail(r, "nil is not a command");
	if (n->kind == N_DOT) {
		*ret = *dot;
		return true;
	}
	return eval_constant_arg(r, n, 'v', ret);
}

static bool
eval_commands(struct template_run *r, const struct tvalue *dot, const struct tpipe *pipe, struct tvalue *ret)
{
	struct tvalue value, *final = NULL;

	for (const struct tcommand *c = pipe->commands; c != NULL; c = c->next) {
		struct tvalue made;

		if (!template_step(r, 1) || !eval_command(r, dot, c, final, &made))
			return false;
		value = made;
		if (value.kind == T_NIL)
			value.kind = T_INVALID;
		final = &value;
	}
	assert(final != NULL);
	*ret = value;
	return true;
}

static bool
eval_pipe(struct template_run *r, const struct tvalue *dot, const struct tpipe *pipe, struct tvalue *ret)
{
	bool ok;

	if (++r->depth > TEMPLATE_DEPTH_MAX)
		return template_fail(r, "exceeded maximum template depth (%d)", TEMPLATE_DEPTH_MAX);
	ok = eval_commands(r, dot, pipe, ret);
	r->depth--;
	for (size_t i = 0; ok && i < pipe->n_variables; i++)
		ok = pipe->assign ? set_variable(r, pipe->variables[i], ret) : push_variable(r, pipe->variables[i], ret);
	return ok;
}

/* ---- actions ---- */

static bool
print_value(struct template_run *r, struct tvalue *v)
{
	if (v->kind == T_STRING)
		(void)buf_str(&r->out, v->s);
	else if (tv_is_nil(v))
		(void)buf_z(&r->out, "<no value>");
	else if (!template_whole(r, v) || !tv_print(r, &r->out, v))
		return false;
	return !r->out.overflow || template_fail(r, "more than %u bytes of output", TEMPLATE_OUTPUT_BYTES_MAX);
}

static enum flow
walk_if(struct template_run *r, const struct tvalue *dot, const struct tnode *n)
{
	size_t mark = r->n_variables;
	enum flow flow = FLOW_ON;
	struct tvalue v;

	if (!eval_pipe(r, dot, n->branch.pipe, &v))
		return FLOW_FAILED;
	if (v.kind == T_DATA && n->kind == N_IF && !template_whole(r, &v))
		return FLOW_FAILED;
	if (tv_truth(&v))
		flow = walk(r, n->kind == N_WITH ? &v : dot, &n->branch.list);
	else if (n->branch.has_other)
		flow = walk(r, dot, &n->branch.other);
	r->n_variables = mark;
	return flow;
}

static enum flow
iterate(struct template_run *r, const struct tnode *n, const struct tvalue *index, const struct tvalue *element)
{
	const struct tpipe *pipe = n->branch.pipe;
	size_t mark = r->n_variables;
	bool two = pipe->n_variables > 1, ok = template_step(r, 1);
	enum flow flow;

	if (pipe->assign) {
		ok = ok && set_variable(r, pipe->variables[0], two ? index : element);
		ok = ok && (!two || set_variable(r, pipe->variables[1], element));
	} else {
		if (pipe->n_variables > 0)
			r->variables[mark - 1].value = *element;
		if (two)
			r->variables[mark - 2].value = *index;
	}
	if (!ok)
		return FLOW_FAILED;
	flow = walk(r, element, &n->branch.list);
	r->n_variables = mark;
	return flow == FLOW_CONTINUE ? FLOW_ON : flow;
}

static enum flow
range_map(struct template_run *r, const struct tnode *n, const struct tmap *map)
{
	const struct tmap_item **sorted = tm_sorted(r, map);
	size_t items = map->n; /* as it was: the body may change it */
	struct tvalue *values = template_alloc(r, items + 1, sizeof(*values));
	enum flow flow = FLOW_ON;

	if (sorted == NULL || values == NULL)
		return FLOW_FAILED;
	for (size_t i = 0; i < items; i++)
		values[i] = sorted[i]->value;
	for (size_t i = 0; flow == FLOW_ON && i < items; i++) {
		struct tvalue key = tv_string(sorted[i]->key);

		flow = iterate(r, n, &key, &values[i]);
	}
	return flow;
}

static enum flow
range_over(struct template_run *r, const struct tnode *n, const struct tvalue *v)
{
	enum flow flow = FLOW_ON;
	struct tvalue index = {.kind = T_INVALID}, element;

	if (v->kind == T_MAP)
		return range_map(r, n, v->map);
	if (v->kind == T_LIST) {
		for (size_t i = 0; flow == FLOW_ON && i < v->list->n; i++) {
			index = tv_int((int64_t)i);
			flow = iterate(r, n, &index, &v->list->items[i]);
		}
		return flow;
	}
	element = *v;
	for (int64_t i = 0; flow == FLOW_ON && i < v->i; i++) {
		element.i = i;
		flow = iterate(r, n, &index, &element);
	}
	return flow;
}

static enum flow
walk_range(struct template_run *r, const struct tvalue *dot, const struct tnode *n)
{
	size_t mark = r->n_variables;
	enum flow flow = FLOW_ON;
	struct tvalue v;
	bool some;

	if (!eval_pipe(r, dot, n->branch.pipe, &v) || !template_whole(r, &v))
		return FLOW_FAILED;
	switch (v.kind) {
	case T_INT:
	case T_INT64:
	case T_UINT8:
		if (n->branch.pipe->n_variables > 1) {
			(void)template_fail(r, "can't use %s to iterate over more than one variable", tv_type(&v));
			return FLOW_FAILED;
		}
		some = v.i > 0;
		break;
	case T_LIST:
		some = v.list->n > 0;
		break;
	case T_MAP:
		some = v.map->n > 0;
		break;
	case T_INVALID:
		some = false;
		break;
	default:
		(void)template_fail(r, "range can't iterate over %s", tv_type(&v));
		return FLOW_FAILED;
	}
	if (some)
		flow = range_over(r, n, &v);
	if (flow == FLOW_BREAK)
		flow = FLOW_ON;
	if (!some && n->branch.has_other)
		flow = walk(r, dot, &n->branch.other);
	r->n_variables = mark;
	return flow;
}

static enum flow
walk_template(struct template_run *r, const struct tvalue *dot, const struct tnode *n)
{
	struct tvalue v = {.kind = T_INVALID};
	struct tvariable *variables;
	size_t used, cap;
	enum flow flow;

	if (n->call.definition == NULL) {
		(void)template_fail(r, "template \"%.*s\" not defined", STR_FMT(n->call.name));
		return FLOW_FAILED;
	}
	if (n->call.pipe != NULL && !eval_pipe(r, dot, n->call.pipe, &v))
		return FLOW_FAILED;
	variables = r->variables;
	used = r->n_variables;
	cap = r->cap_variables;
	r->variables = NULL;
	r->n_variables = r->cap_variables = 0;
	flow = push_variable(r, 0, &v) ? walk(r, &v, &n->call.definition->list) : FLOW_FAILED;
	r->variables = variables;
	r->n_variables = used;
	r->cap_variables = cap;
	return flow;
}

static enum flow
walk_node(struct template_run *r, const struct tvalue *dot, const struct tnode *n)
{
	struct tvalue v;

	switch (n->kind) {
	case N_TEXT:
		return buf_str(&r->out, n->text) || template_fail(r, "more than %u bytes of output", TEMPLATE_OUTPUT_BYTES_MAX) ? FLOW_ON :
																       FLOW_FAILED;
	case N_ACTION:
		if (!eval_pipe(r, dot, n->pipe, &v))
			return FLOW_FAILED;
		return n->pipe->n_variables > 0 || print_value(r, &v) ? FLOW_ON : FLOW_FAILED;
	case N_IF:
	case N_WITH:
		return walk_if(r, dot, n);
	case N_RANGE:
		return walk_range(r, dot, n);
	case N_TEMPLATE:
		return walk_template(r, dot, n);
	case N_BREAK:
		return FLOW_BREAK;
	default:
		assert(n->kind == N_CONTINUE);
		return FLOW_CONTINUE;
	}
}

static enum flow
walk(struct template_run *r, const struct tvalue *dot, const struct tlist_node *list)
{
	enum flow flow = FLOW_ON;

	if (++r->depth > TEMPLATE_DEPTH_MAX) {
		(void)template_fail(r, "exceeded maximum template depth (%d)", TEMPLATE_DEPTH_MAX);
		return FLOW_FAILED;
	}
	for (const struct tnode *n = list->first; n != NULL && flow == FLOW_ON; n = n->next)
		flow = template_step(r, 1) ? walk_node(r, dot, n) : FLOW_FAILED;
	r->depth--;
	return flow;
}

/* ---- runs ---- */

static void
run_destroy(void *ptr)
{
	struct template_run *r = ptr;

	buf_done(&r->out);
	buf_done(&r->text);
	regex_match_done(&r->match);
	map_done(&r->kept);
	arena_free(r->kept_arena);
	arena_free(r->arena);
	mem_free(r);
}

static struct spare spare = SPARE(run_destroy);

struct template_run *
template_run_new(void)
{
	struct template_run *r = spare_take(&spare);

	if (r != NULL)
		return r;
	r = mem_new(struct template_run);
	r->arena = arena_new(RUN_BLOCK_BYTES);
	r->kept_arena = arena_new(0);
	buf_init(&r->out, TEMPLATE_OUTPUT_BYTES_MAX);
	buf_init(&r->text, TEMPLATE_OUTPUT_BYTES_MAX);
	map_init(&r->kept);
	return r;
}

void
template_run_free(struct template_run *r)
{
	if (r == NULL)
		return;
	arena_clear(r->arena);
	arena_trim(r->arena);
	if (r->out.cap + r->text.cap + arena_bytes(r->kept_arena) > RUN_KEPT_BYTES || map_len(&r->kept) > RUN_KEPT_THINGS)
		run_destroy(r);
	else
		spare_give(&spare, r);
}

bool
template_execute(struct template_run *r, const struct template *t, const struct template_data *data, struct str *ret)
{
	struct tvalue dot = {.kind = T_DATA};

	arena_clear(r->arena);
	buf_clear(&r->out);
	r->template = t;
	r->data = data;
	r->whole = NULL;
	r->steps = 0;
	r->depth = 0;
	r->variables = NULL;
	r->n_variables = r->cap_variables = 0;
	r->error = STR_EMPTY;
	if (!push_variable(r, 0, &dot) || walk(r, &dot, &t->main->list) == FLOW_FAILED || r->error.s != NULL) {
		(void)template_fail(r, "failed");
		return false;
	}
	*ret = buf_view(&r->out);
	return true;
}

struct str
template_error(const struct template_run *r)
{
	return r->error;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/eval.h"

#include <stdarg.h>

#include "eval_priv.h"
#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/lang/format.h"
#include "longship/lang/function.h"
#include "longship/lang/path_targets.h"
#include "value_convert_priv.h"

/*
 * A walk over the tree. Every value is marked with the expression that made it, so that a message about an
 * element deep inside a list can quote and underline that element's own text. The height of trees is limited
 * by the parser, so the recursion is, too.
 */

#define ORIGIN_MAX ((1u << 24) - 1)

void
eval_init(struct eval *ev, const struct eval_env *env, const struct source *source, struct arena *arena,
	struct diags *diags)
{
	*ev = (struct eval){
		.env = env, .source = source, .arena = arena, .diags = diags, .arena_bytes = arena_bytes(arena)};
}

void
eval_done(struct eval *ev)
{
	vec_done(&ev->origins);
}

static void
mark(struct eval *ev, const struct expr *e, struct value *v)
{
	v->origin = 0;
	if (ev->origins.len >= ORIGIN_MAX)
		return;
	vec_push(&ev->origins, e);
	v->origin = (uint32_t)ev->origins.len & ORIGIN_MAX;
}

static const struct expr *
origin(const struct eval *ev, const struct value *v)
{
	return v->origin > 0 && v->origin <= ev->origins.len ? ev->origins.items[v->origin - 1] : NULL;
}

/* Puts the way from the marked part of the path to its end, outermost step first. */
static void
put_steps(const struct value_path *path, const struct value_path *from, struct buf *out)
{
	if (path == from || path == NULL)
		return;
	put_steps(path->up, from, out);
	if (path->up == NULL)
		return;
	if (path->is_field)
		buf_printf(out, ".%.*s", STR_FMT(path->field));
	else
		buf_printf(out, "[%zu]", path->index);
}

bool
eval_fail(struct eval *ev, const struct value_path *path, const char *format, ...)
{
	const struct value_path *marked = path;
	const struct expr *e = NULL;
	struct buf text;
	struct str view;
	va_list args;

	while (ev->checked.file == 0 && marked != NULL && (e = origin(ev, marked->value)) == NULL)
		marked = marked->up;
	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	if (e != NULL)
		format_expr(ev->source, e, &text);
	if (ev->checked.file == 0)
		put_steps(path, marked, &text);
	if (text.len > 0)
		buf_putc(&text, ' ');
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	view = buf_view(&text);
	diag_error(ev->diags, e != NULL ? e->pos : ev->checked, "%.*s", STR_FMT(view));
	buf_done(&text);
	return false;
}

bool
eval_fail_value(struct eval *ev, const struct value *v, const char *format, ...)
{
	struct value_path path = {.value = v};
	struct buf text;
	struct str view;
	va_list args;

	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	view = buf_view(&text);
	eval_fail(ev, &path, "%.*s", STR_FMT(view));
	buf_done(&text);
	return false;
}

bool
eval_fail_type(struct eval *ev, const struct value_path *path, const char *expected)
{
	return eval_fail(ev, path, "%s %s, got %s", ev->checked.file != 0 ? "expected" : "should be", expected,
		value_type_name(path->value));
}

static bool
fail_kind(struct eval *ev, const struct value *v, const char *expected)
{
	struct value_path path = {.value = v};

	return eval_fail_type(ev, &path, expected);
}

static bool
fail_operation(struct eval *ev, const struct operation_error *error)
{
	if (error->expected != NULL)
		return eval_fail_value(ev, error->at, "should be %s, got %s", error->expected, error->got);
	return eval_fail_value(ev, error->at, "%.*s", STR_FMT(error->text));
}

static bool
fits_memory(struct eval *ev, const struct expr *e)
{
	if (arena_bytes(ev->arena) - ev->arena_bytes <= CONFIG_VALUE_BYTES_MAX)
		return true;
	diag_error(ev->diags, e->pos, "evaluating the expression takes more than %u bytes of memory",
		CONFIG_VALUE_BYTES_MAX);
	return false;
}

static bool eval_any(struct eval *ev, const struct expr *e, struct value *ret);

/* One step ".name" from a value. */
static bool
eval_field(struct eval *ev, const struct expr *e, const struct value *base, struct value *ret)
{
	const struct value *field;

	if (base->kind != VALUE_OBJECT && base->kind != VALUE_TARGET) {
		if (str_is(str_from(value_type_name(base)), "capsule"))
			return eval_fail_value(ev, base,
				"expected object or array or a capsule convertible to an object, got capsule");
		return eval_fail_value(ev, base, "cannot access field \"%.*s\" on value of type %s",
			STR_FMT(e->access.name), value_type_name(base));
	}
	field = value_get(base, e->access.name);
	if (field == NULL) {
		diag_error(ev->diags, e->access.name_pos, "field \"%.*s\" does not exist", STR_FMT(e->access.name));
		return false;
	}
	*ret = *field;
	mark(ev, e, ret);
	return true;
}

/* The identifier that a.b.c starts with, or NULL when it starts with something else; counts the parts. */
static const struct expr *
chain_start(const struct expr *e, size_t *ret_parts)
{
	for (*ret_parts = 1; e->kind == EXPR_ACCESS; e = e->access.base)
		++*ret_parts;
	return e->kind == EXPR_IDENTIFIER ? e : NULL;
}

static bool
fail_unknown(struct eval *ev, const struct expr *whole, const struct expr *first, const struct str *parts, size_t n)
{
	struct buf name;
	struct str view;

	if (ev->env == NULL || ev->env->resolve == NULL) {
		diag_error(ev->diags, first->pos, "identifier \"%.*s\" does not exist",
			STR_FMT(first->identifier.name));
		return false;
	}
	buf_init(&name, CONFIG_FILE_BYTES_MAX);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(&name, '.');
		buf_str(&name, parts[i]);
	}
	view = buf_view(&name);
	diag_error(ev->diags, whole->pos, "component \"%.*s\" does not exist or is out of scope", STR_FMT(view));
	buf_done(&name);
	return false;
}

/* Finds what the first parts of a chain name: in the scope, then in the standard library. */
static bool
find(struct eval *ev, const struct str *parts, size_t n, struct value *ret, size_t *ret_used)
{
	const struct value *v = NULL;

	*ret_used = 1;
	if (ev->env != NULL && ev->env->resolve != NULL)
		v = ev->env->resolve(ev->env->ptr, parts, n, ret_used);
	if (v == NULL) {
		*ret_used = 1;
		v = stdlib_lookup(parts[0]);
	}
	if (v != NULL) {
		*ret = *v;
		return true;
	}
	if (ev->env != NULL && ev->env->module_path != NULL && str_is(parts[0], "module_path")) {
		*ret = value_string(str_from(ev->env->module_path));
		return true;
	}
	return false;
}

/* a.b.c: an identifier and the accesses that follow it. */
static bool
eval_chain(struct eval *ev, const struct expr *e, const struct expr *first, size_t n, struct value *ret)
{
	const struct expr **steps = arena_array(ev->arena, const struct expr *, n);
	struct str *parts = arena_array(ev->arena, struct str, n);
	struct value v;
	size_t used;

	for (size_t i = n; i-- > 0;) {
		steps[i] = e;
		parts[i] = e->kind == EXPR_ACCESS ? e->access.name : e->identifier.name;
		if (e->kind == EXPR_ACCESS)
			e = e->access.base;
	}
	if (!find(ev, parts, n, &v, &used))
		return fail_unknown(ev, steps[n - 1], first, parts, n);
	assert(used > 0 && used <= n);
	mark(ev, steps[used - 1], &v);
	for (size_t i = used; i < n; i++) {
		struct value field;

		if (!eval_field(ev, steps[i], &v, &field))
			return false;
		v = field;
	}
	*ret = v;
	return true;
}

static bool
eval_access(struct eval *ev, const struct expr *e, struct value *ret)
{
	size_t n;
	const struct expr *first = chain_start(e, &n);
	struct value base;

	if (first != NULL)
		return eval_chain(ev, e, first, n, ret);
	return eval_any(ev, e->access.base, &base) && eval_field(ev, e, &base, ret);
}

static bool
index_array(struct eval *ev, const struct value *base, const struct value *index, struct value *ret)
{
	size_t n = base->kind == VALUE_BYTES ? base->text.len : base->array.n;
	int64_t i;

	if (!value_is_number(index))
		return fail_kind(ev, index, "number");
	i = operation_to_int(index);
	if (i < 0 || (uint64_t)i >= n)
		return eval_fail_value(ev, index, "index %lld is out of range of array with length %zu", (long long)i, n);
	if (base->kind == VALUE_BYTES)
		*ret = (struct value){.kind = VALUE_UINT, .u = (unsigned char)base->text.s[i]};
	else
		*ret = base->array.items[i];
	return true;
}

static bool
eval_index(struct eval *ev, const struct expr *e, struct value *ret)
{
	struct value base, index;
	const struct value *field;

	if (!eval_any(ev, e->index.base, &base) || !eval_any(ev, e->index.index, &index))
		return false;
	switch (base.kind) {
	case VALUE_ARRAY:
	case VALUE_BYTES:
		return index_array(ev, &base, &index, ret);
	case VALUE_OBJECT:
	case VALUE_TARGET:
		if (index.kind != VALUE_STRING)
			return fail_kind(ev, &index, "string");
		field = value_get(&base, index.text);
		*ret = field != NULL ? *field : (struct value){.kind = VALUE_NULL};
		return true;
	case VALUE_SECRET:
	case VALUE_OPTIONAL_SECRET:
	case VALUE_CAPSULE:
		return eval_fail_value(
			ev, &base, "expected object or array or a capsule convertible to an object, got capsule");
	default:
		return eval_fail_value(ev, &base, "expected object or array, got %s", value_type_name(&base));
	}
}

static bool
check_count(struct eval *ev, const struct value *f, size_t n)
{
	unsigned min = f->function->args_min, max = f->function->args_max;

	if (n >= min && (max == FUNCTION_ARGS_ANY || n <= max))
		return true;
	if (max == FUNCTION_ARGS_ANY)
		return eval_fail_value(ev, f, "expected at least %u args, got %zu", min, n);
	if (min != max)
		return eval_fail_value(ev, f, "expected %u or %u args, got %zu", min, max, n);
	return eval_fail_value(ev, f, "expected %u args, got %zu", min, n);
}

/* Converts an argument to the parameter's type, in place. */
static bool
convert_arg(struct eval *ev, enum function_param param, struct value *v)
{
	uint32_t marked = v->origin & ORIGIN_MAX;
	struct value_path path = {.value = v};
	struct str text;
	int64_t i;

	switch (param) {
	case PARAM_ANY:
		return true;
	case PARAM_SECRET:
		if (v->kind == VALUE_OPTIONAL_SECRET)
			*v = (struct value){.kind = VALUE_SECRET, .text = v->text};
		else if (v->kind == VALUE_NULL)
			*v = value_string(STR_EMPTY);
		else if (v->kind != VALUE_SECRET && v->kind != VALUE_STRING)
			return fail_kind(ev, v, "capsule");
		break;
	case PARAM_STRING:
		if (!convert_to_string(ev, &path, &text))
			return false;
		*v = value_string(text);
		break;
	case PARAM_BOOL:
		if (v->kind != VALUE_BOOL)
			return fail_kind(ev, v, "bool");
		break;
	case PARAM_INT:
		if (!convert_to_int(ev, &path, &i))
			return false;
		*v = value_int(i);
		break;
	case PARAM_ARRAY:
		if (v->kind != VALUE_ARRAY)
			return fail_kind(ev, v, "array");
		break;
	case PARAM_OBJECT:
		if (v->kind != VALUE_OBJECT && v->kind != VALUE_TARGET)
			return fail_kind(ev, v, "object");
		break;
	}
	v->origin = marked & ORIGIN_MAX;
	return true;
}

static bool
fail_call(struct eval *ev, const struct function_call *call, const struct value *f, const struct value *args, size_t n)
{
	const struct value *at = f;

	if (call->error_arg >= 0 && (size_t)call->error_arg < n) {
		at = &args[call->error_arg];
		if (call->error_value != NULL && origin(ev, call->error_value) != NULL)
			at = call->error_value;
	}
	return eval_fail_value(ev, at, "%.*s", STR_FMT(call->error));
}

static bool
eval_call(struct eval *ev, const struct expr *e, struct value *ret)
{
	struct value f, *args = arena_array(ev->arena, struct value, e->call.n);
	struct function_call call = {.arena = ev->arena, .error_arg = -1};

	if (!eval_any(ev, e->call.base, &f))
		return false;
	if (f.kind != VALUE_FUNCTION)
		return fail_kind(ev, &f, "function");
	for (size_t i = 0; i < e->call.n; i++)
		if (!eval_any(ev, e->call.args[i], &args[i]))
			return false;
	if (!check_count(ev, &f, e->call.n))
		return false;
	for (size_t i = 0; i < e->call.n; i++) {
		size_t param = i;

		if (f.function->args_max == FUNCTION_ARGS_ANY && param > f.function->args_min)
			param = f.function->args_min;
		if (param >= ARRAY_LEN(f.function->params))
			param = ARRAY_LEN(f.function->params) - 1;
		if (!convert_arg(ev, f.function->params[param], &args[i]))
			return false;
	}
	call.module_path = ev->env != NULL ? ev->env->module_path : NULL;
	if (!f.function->call(&call, args, e->call.n, ret))
		return fail_call(ev, &call, &f, args, e->call.n);
	return fits_memory(ev, e);
}

static bool
eval_array(struct eval *ev, const struct expr *e, struct value *ret)
{
	struct value *items = arena_array(ev->arena, struct value, e->array.n);

	for (size_t i = 0; i < e->array.n; i++)
		if (!eval_any(ev, e->array.items[i], &items[i]))
			return false;
	*ret = (struct value){.kind = VALUE_ARRAY, .array = {items, e->array.n}};
	return true;
}

static bool
eval_object(struct eval *ev, const struct expr *e, struct value *ret)
{
	struct value_object_builder builder = {.arena = ev->arena};

	for (size_t i = 0; i < e->object.n; i++) {
		struct value v;

		if (!eval_any(ev, e->object.fields[i].value, &v))
			return false;
		value_object_add(&builder, e->object.fields[i].name, v);
	}
	*ret = value_object_end(&builder);
	return true;
}

static bool
eval_binary(struct eval *ev, const struct expr *e, struct value *ret)
{
	struct operation_error error;
	struct value left, right;

	if (!eval_any(ev, e->binary.left, &left) || !eval_any(ev, e->binary.right, &right))
		return false;
	if (!operation_binary(ev->arena, e->binary.op, &left, &right, ret, &error))
		return fail_operation(ev, &error);
	return fits_memory(ev, e);
}

static bool
eval_unary(struct eval *ev, const struct expr *e, struct value *ret)
{
	struct operation_error error;
	struct value operand;

	if (!eval_any(ev, e->unary.operand, &operand))
		return false;
	return operation_unary(e->unary.op, &operand, ret, &error) || fail_operation(ev, &error);
}

static bool
eval_literal(struct eval *ev, const struct expr *e, struct value *ret)
{
	struct str text;

	if (e->literal.too_large) {
		text = source_text(ev->source, e->pos);
		diag_error(ev->diags, e->pos, "strconv.ParseFloat: parsing \"%.*s\": value out of range", STR_FMT(text));
		return false;
	}
	*ret = e->literal.value;
	return true;
}

static bool
eval_kind(struct eval *ev, const struct expr *e, struct value *ret)
{
	switch (e->kind) {
	case EXPR_LITERAL:
		return eval_literal(ev, e, ret);
	case EXPR_IDENTIFIER:
		return eval_chain(ev, e, e, 1, ret);
	case EXPR_ACCESS:
		return eval_access(ev, e, ret);
	case EXPR_INDEX:
		return eval_index(ev, e, ret);
	case EXPR_CALL:
		return eval_call(ev, e, ret);
	case EXPR_UNARY:
		return eval_unary(ev, e, ret);
	case EXPR_BINARY:
		return eval_binary(ev, e, ret);
	case EXPR_ARRAY:
		return eval_array(ev, e, ret);
	case EXPR_OBJECT:
		return eval_object(ev, e, ret);
	case EXPR_PAREN:
		return eval_any(ev, e->inner, ret);
	}
	assert(false && "kind of an expression");
}

bool
eval_run(struct eval *ev, const struct expr *e, struct value *ret)
{
	if (!eval_kind(ev, e, ret))
		return false;
	mark(ev, e, ret);
	return true;
}

static bool
eval_any(struct eval *ev, const struct expr *e, struct value *ret)
{
	uint32_t marked;

	if (!eval_run(ev, e, ret))
		return false;
	marked = ret->origin & ORIGIN_MAX;
	*ret = path_targets_expanded(ev->arena, ret);
	ret->origin = marked & ORIGIN_MAX;
	return true;
}

bool
eval_expr(const struct expr *e, const struct eval_env *env, struct arena *arena, struct diags *diags, struct value *ret)
{
	struct eval ev;
	struct value v;
	bool ok;

	eval_init(&ev, env, diags->source, arena, diags);
	ok = eval_any(&ev, e, &v);
	eval_done(&ev);
	if (ok)
		*ret = value_copy(arena, &v);
	return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "eval_priv.h"

#include <math.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"

/*
 * Operators with the arithmetic of Alloy: int64 and uint64 wrap, mixed operands meet at the wider of uint64 <
 * int64 < float64, an integer power with a negative exponent is its base. Overflow is computed unsigned.
 */

static int64_t
float_to_int(double f)
{
	return f >= -0x1p63 && f < 0x1p63 ? (int64_t)f : INT64_MIN;
}

int64_t
operation_to_int(const struct value *v)
{
	return v->kind == VALUE_FLOAT ? float_to_int(v->f) : v->i;
}

static double
to_float(const struct value *v)
{
	return v->kind == VALUE_FLOAT ? v->f : v->kind == VALUE_INT ? (double)v->i : (double)v->u;
}

static bool
is_secret(const struct value *v)
{
	return v->kind == VALUE_SECRET || v->kind == VALUE_OPTIONAL_SECRET;
}

static struct value
as_secret(const struct value *v)
{
	return (struct value){.kind = VALUE_SECRET, .text = v->text};
}

static struct value
as_optional(const struct value *v)
{
	return (struct value){.kind = VALUE_OPTIONAL_SECRET, .is_secret = true, .text = v->text};
}

/* Secrets meet at the stricter type; an optional secret that is none is a string beside a string. */
static void
join_secrets(struct value *a, struct value *b)
{
	bool texts = (is_secret(a) || a->kind == VALUE_STRING) && (is_secret(b) || b->kind == VALUE_STRING);
	struct value *optional, *string;

	if (!texts || a->kind == b->kind)
		return;
	if (a->kind == VALUE_SECRET || b->kind == VALUE_SECRET) {
		*a = as_secret(a);
		*b = as_secret(b);
		return;
	}
	optional = a->kind == VALUE_OPTIONAL_SECRET ? a : b;
	string = optional == a ? b : a;
	if (optional->is_secret)
		*string = as_optional(string);
	else
		*optional = value_string(optional->text);
}

/* The operand types an operator takes, as messages list them. */
static const char *
allowed_types(enum expr_op op)
{
	switch (op) {
	case OP_OR:
	case OP_AND:
		return "bool";
	case OP_ADD:
		return "number string capsule";
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		return "number string";
	default:
		return "number";
	}
}

static bool
is_allowed(enum expr_op op, const struct value *v)
{
	return str_find(str_from(allowed_types(op)), str_from(value_type_name(v))) >= 0;
}

static bool
compare(enum expr_op op, int order)
{
	switch (op) {
	case OP_LT:
		return order < 0;
	case OP_LE:
		return order <= 0;
	case OP_GT:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool
compare_floats(enum expr_op op, double a, double b)
{
	switch (op) {
	case OP_LT:
		return a < b;
	case OP_LE:
		return a <= b;
	case OP_GT:
		return a > b;
	default:
		return a >= b;
	}
}

static uint64_t
power(uint64_t base, uint64_t exponent)
{
	uint64_t result = 1;

	for (; exponent > 0; exponent >>= 1) {
		if (exponent & 1)
			result *= base;
		base *= base;
	}
	return result;
}

static struct value
int_operation(enum expr_op op, int64_t a, int64_t b)
{
	uint64_t ua = (uint64_t)a, ub = (uint64_t)b;

	switch (op) {
	case OP_ADD:
		return value_int((int64_t)(ua + ub));
	case OP_SUB:
		return value_int((int64_t)(ua - ub));
	case OP_MUL:
		return value_int((int64_t)(ua * ub));
	case OP_DIV:
		return value_int(b == -1 ? (int64_t)(0 - ua) : a / b);
	case OP_MOD:
		return value_int(b == -1 ? 0 : a % b);
	case OP_POW:
		return value_int(b < 0 ? a : (int64_t)power(ua, ub));
	default:
		return value_bool(compare(op, a < b ? -1 : a > b));
	}
}

static struct value
uint_operation(enum expr_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case OP_ADD:
		return (struct value){.kind = VALUE_UINT, .u = a + b};
	case OP_SUB:
		return (struct value){.kind = VALUE_UINT, .u = a - b};
	case OP_MUL:
		return (struct value){.kind = VALUE_UINT, .u = a * b};
	case OP_DIV:
		return (struct value){.kind = VALUE_UINT, .u = a / b};
	case OP_MOD:
		return (struct value){.kind = VALUE_UINT, .u = a % b};
	case OP_POW:
		return (struct value){.kind = VALUE_UINT, .u = power(a, b)};
	default:
		return value_bool(compare(op, a < b ? -1 : a > b));
	}
}

static struct value
float_operation(enum expr_op op, double a, double b)
{
	switch (op) {
	case OP_ADD:
		return value_float(a + b);
	case OP_SUB:
		return value_float(a - b);
	case OP_MUL:
		return value_float(a * b);
	case OP_DIV:
		return value_float(a / b);
	case OP_MOD:
		return value_float(fmod(a, b));
	case OP_POW:
		return value_float(pow(a, b));
	default:
		return value_bool(compare_floats(op, a, b));
	}
}

static bool
is_zero(const struct value *v)
{
	return v->kind == VALUE_FLOAT ? v->f == 0 : v->u == 0;
}

static struct value
number_operation(enum expr_op op, const struct value *a, const struct value *b)
{
	if (a->kind == VALUE_FLOAT || b->kind == VALUE_FLOAT)
		return float_operation(op, to_float(a), to_float(b));
	if (a->kind == VALUE_UINT && b->kind == VALUE_UINT)
		return uint_operation(op, a->u, b->u);
	return int_operation(op, a->i, b->i);
}

static struct str
join_texts(struct arena *arena, struct str a, struct str b)
{
	char *text = arena_alloc(arena, a.len + b.len + 1);

	if (a.len > 0)
		memcpy(text, a.s, a.len);
	if (b.len > 0)
		memcpy(text + a.len, b.s, b.len);
	text[a.len + b.len] = '\0';
	return (struct str){text, a.len + b.len};
}

/* Strings and secrets of the same kind. */
static bool
add_texts(struct arena *arena, const struct value *a, const struct value *b, struct value *ret)
{
	if (a->text.len + b->text.len > CONFIG_VALUE_BYTES_MAX)
		return false;
	*ret = *a;
	ret->is_secret = a->is_secret || b->is_secret;
	ret->text = join_texts(arena, a->text, b->text);
	return true;
}

static bool
fail_types(struct arena *arena, enum expr_op op, const struct value *original, const struct value *v,
	struct operation_error *ret)
{
	*ret = (struct operation_error){.at = original,
		.text = arena_printf(arena, "should be one of [%s] for binop %s, got %s", allowed_types(op),
			expr_op_text(op), value_type_name(v))};
	return false;
}

static bool
fail_text(const struct value *at, struct str text, struct operation_error *ret)
{
	*ret = (struct operation_error){.at = at, .text = text};
	return false;
}

bool
operation_binary(struct arena *arena, enum expr_op op, const struct value *left, const struct value *right,
	struct value *ret, struct operation_error *ret_error)
{
	struct value a = *left, b = *right;

	join_secrets(&a, &b);
	if (op == OP_EQ || op == OP_NE) {
		*ret = value_bool(value_equal(&a, &b) == (op == OP_EQ));
		return true;
	}
	if (!is_allowed(op, &a))
		return fail_types(arena, op, left, &a, ret_error);
	if (!is_allowed(op, &b))
		return fail_types(arena, op, right, &b, ret_error);
	if (!str_is(str_from(value_type_name(&a)), value_type_name(&b))) {
		*ret_error = (struct operation_error){
			.at = right, .expected = value_type_name(&a), .got = value_type_name(&b)};
		return false;
	}
	if (op == OP_OR || op == OP_AND) {
		*ret = value_bool(op == OP_OR ? a.boolean || b.boolean : a.boolean && b.boolean);
		return true;
	}
	if (value_is_number(&a)) {
		if ((op == OP_DIV || op == OP_MOD) && is_zero(&b))
			return fail_text(right, STR("divide by zero error"), ret_error);
		*ret = number_operation(op, &a, &b);
		return true;
	}
	if (op != OP_ADD) {
		*ret = value_bool(compare(op, str_cmp(a.text, b.text)));
		return true;
	}
	if (a.kind != b.kind || (a.kind != VALUE_STRING && !is_secret(&a)))
		return fail_text(left, STR("could not perform binop + for unknown types lhs capsule rhs capsule"),
			ret_error);
	if (!add_texts(arena, &a, &b, ret))
		return fail_text(left, STR("makes a string that is too long"), ret_error);
	return true;
}

bool
operation_unary(enum expr_op op, const struct value *v, struct value *ret, struct operation_error *ret_error)
{
	if (op == OP_NOT ? v->kind != VALUE_BOOL : !value_is_number(v)) {
		*ret_error = (struct operation_error){
			.at = v, .expected = op == OP_NOT ? "bool" : "number", .got = value_type_name(v)};
		return false;
	}
	if (op == OP_NOT)
		*ret = value_bool(!v->boolean);
	else if (v->kind == VALUE_FLOAT)
		*ret = value_float(-v->f);
	else
		*ret = value_int((int64_t)(0 - v->u));
	return true;
}

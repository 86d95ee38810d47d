/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "longship/base/limits.h"

/*
 * Numbers. Integers wrap as Go's do. addf, subf, mulf, divf reckon with decimals in sprig: here with 113 binary digits,
 * which round to the same float64 where a decimal of some 30 digits is exact.
 */

#define ARGS struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret

#if defined(__x86_64__) || defined(__i386__)
typedef __float128 wide;
#else
typedef long double wide;
#endif

static bool
give_int64(struct tvalue *ret, uint64_t i)
{
	*ret = tv_int64((int64_t)i);
	return true;
}

static bool
give_float(struct tvalue *ret, double f)
{
	*ret = tv_float(f);
	return true;
}

/* ---- integers ---- */

static bool
add1(ARGS)
{
	(void)r;
	(void)n;
	return give_int64(ret, (uint64_t)tv_to_int64(&args[0]) + 1);
}

static bool
add(ARGS)
{
	uint64_t sum = 0;

	(void)r;
	for (size_t i = 0; i < n; i++)
		sum += (uint64_t)tv_to_int64(&args[i]);
	return give_int64(ret, sum);
}

static bool
sub(ARGS)
{
	(void)r;
	(void)n;
	return give_int64(ret, (uint64_t)tv_to_int64(&args[0]) - (uint64_t)tv_to_int64(&args[1]));
}

static bool
mul(ARGS)
{
	uint64_t product = (uint64_t)tv_to_int64(&args[0]);

	(void)r;
	for (size_t i = 1; i < n; i++)
		product *= (uint64_t)tv_to_int64(&args[i]);
	return give_int64(ret, product);
}

static bool
divide(ARGS)
{
	int64_t a = tv_to_int64(&args[0]), b = tv_to_int64(&args[1]);

	(void)n;
	if (b == 0)
		return template_fail(r, "runtime error: integer divide by zero");
	return give_int64(ret, b == -1 ? 0 - (uint64_t)a : (uint64_t)(a / b));
}

static bool
mod(ARGS)
{
	int64_t a = tv_to_int64(&args[0]), b = tv_to_int64(&args[1]);

	(void)n;
	if (b == 0)
		return template_fail(r, "runtime error: integer divide by zero");
	return give_int64(ret, b == -1 ? 0 : (uint64_t)(a % b));
}

static bool
max(ARGS)
{
	int64_t best = tv_to_int64(&args[0]);

	(void)r;
	for (size_t i = 1; i < n; i++)
		best = tv_to_int64(&args[i]) > best ? tv_to_int64(&args[i]) : best;
	return give_int64(ret, (uint64_t)best);
}

static bool
min(ARGS)
{
	int64_t best = tv_to_int64(&args[0]);

	(void)r;
	for (size_t i = 1; i < n; i++)
		best = tv_to_int64(&args[i]) < best ? tv_to_int64(&args[i]) : best;
	return give_int64(ret, (uint64_t)best);
}

/* ---- conversions ---- */

static bool
to_int64(ARGS)
{
	(void)r;
	(void)n;
	return give_int64(ret, (uint64_t)tv_to_int64(&args[0]));
}

static bool
to_int(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_int(tv_to_int64(&args[0]));
	return true;
}

static bool
to_float(ARGS)
{
	(void)r;
	(void)n;
	return give_float(ret, tv_to_float(&args[0]));
}

/* Out of range gives the limit, as ParseInt does; anything else that is no number 0. */
static bool
atoi_(ARGS)
{
	struct str s = args[0].s;
	bool digits = s.len > 0, sign = s.len > 0 && (s.s[0] == '-' || s.s[0] == '+');
	int64_t i = 0;

	(void)r;
	(void)n;
	for (size_t k = sign; k < s.len; k++)
		digits = digits && s.s[k] >= '0' && s.s[k] <= '9';
	if (digits && s.len > sign && !template_parse_int(s, 10, &i))
		i = s.s[0] == '-' ? INT64_MIN : INT64_MAX;
	*ret = tv_int(i);
	return true;
}

static bool
to_decimal(ARGS)
{
	struct str text = STR("<nil>");
	int64_t i = 0;

	(void)n;
	if (!tv_is_nil(&args[0]) && !tv_text(r, &args[0], &text))
		return false;
	return give_int64(ret, template_parse_int(text, 8, &i) ? (uint64_t)i : 0);
}

/* ---- floats ---- */

static bool
maxf(ARGS)
{
	double best = tv_to_float(&args[0]);

	(void)r;
	for (size_t i = 1; i < n; i++) {
		double f = tv_to_float(&args[i]);

		best = isnan(f) || isnan(best) ? (double)NAN : f > best || (f == best && signbit(best)) ? f : best;
	}
	return give_float(ret, best);
}

static bool
minf(ARGS)
{
	double best = tv_to_float(&args[0]);

	(void)r;
	for (size_t i = 1; i < n; i++) {
		double f = tv_to_float(&args[i]);

		best = isnan(f) || isnan(best) ? (double)NAN : f < best || (f == best && signbit(f)) ? f : best;
	}
	return give_float(ret, best);
}

static bool
ceil_(ARGS)
{
	(void)r;
	(void)n;
	return give_float(ret, ceil(tv_to_float(&args[0])));
}

static bool
floor_(ARGS)
{
	(void)r;
	(void)n;
	return give_float(ret, floor(tv_to_float(&args[0])));
}

static bool
round_(ARGS)
{
	double on = n > 2 ? args[2].f : 0.5, power = pow(10, (double)args[1].i), digit = power * tv_to_float(&args[0]), whole;
	double rounded = modf(digit, &whole) >= on ? ceil(digit) : floor(digit);

	(void)r;
	return give_float(ret, rounded / power);
}

/* The shortest decimal that reads back as f. */
static wide
to_wide(double f)
{
	char text[40], *exponent;
	wide value = 0;
	int precision = 1, e;

	for (;; precision++) {
		(void)snprintf(text, sizeof(text), "%.*e", precision - 1, f);
		if (precision == 17 || strtod(text, NULL) == f)
			break;
	}
	exponent = strchr(text, 'e');
	e = atoi(exponent + 1) - (precision - 1);
	for (const char *p = text; p < exponent; p++) {
		if (*p >= '0' && *p <= '9')
			value = value * 10 + (*p - '0');
	}
	for (; e > 0; e--)
		value *= 10;
	if (e < 0) {
		wide power = 1;

		for (; e < 0; e++)
			power *= 10;
		value /= power;
	}
	return text[0] == '-' ? -value : value;
}

/* To 16 places behind the point, half away from zero. */
static wide
quotient(wide a, wide b)
{
	const wide places = 1e16;
	wide scaled = a / b * places, magnitude = scaled < 0 ? -scaled : scaled, whole;

	if (magnitude >= (wide)0x1p112)
		return a / b;
	whole = (wide)(unsigned __int128)(magnitude + (wide)0.5);
	return (scaled < 0 ? -whole : whole) / places;
}

static bool
reckon(struct template_run *r, double start, const struct tvalue *args, size_t n, char operation, struct tvalue *ret)
{
	wide value;

	if (!isfinite(start))
		return template_fail(r, "Cannot create a Decimal from %g", start);
	value = to_wide(start);
	for (size_t i = 0; i < n; i++) {
		double f = tv_to_float(&args[i]);
		wide w = isfinite(f) ? to_wide(f) : 0;

		if (!isfinite(f))
			return template_fail(r, "Cannot create a Decimal from %g", f);
		if (operation == '/' && w == 0)
			return template_fail(r, "decimal division by 0");
		if (operation == '+')
			value += w;
		else if (operation == '-')
			value -= w;
		else
			value = operation == '*' ? value * w : quotient(value, w);
	}
	return give_float(ret, value == 0 ? 0 : (double)value); /* a decimal has no -0 */
}

static bool
add1f(ARGS)
{
	const struct tvalue one = tv_int(1);

	(void)n;
	return reckon(r, tv_to_float(&args[0]), &one, 1, '+', ret);
}

static bool
addf(ARGS)
{
	return reckon(r, 0, args, n, '+', ret);
}

static bool
subf(ARGS)
{
	return reckon(r, tv_to_float(&args[0]), args + 1, n - 1, '-', ret);
}

static bool
mulf(ARGS)
{
	return reckon(r, tv_to_float(&args[0]), args + 1, n - 1, '*', ret);
}

static bool
divf(ARGS)
{
	return reckon(r, tv_to_float(&args[0]), args + 1, n - 1, '/', ret);
}

/* ---- rows of numbers ---- */

/* How many numbers from start towards stop, which is not one of them. */
static bool
count_steps(struct template_run *r, int64_t start, int64_t stop, int64_t step, size_t *ret)
{
	uint64_t distance = stop < start ? (uint64_t)start - (uint64_t)stop : (uint64_t)stop - (uint64_t)start, by;

	*ret = 0;
	if (distance == 0 || (stop < start ? step >= 0 : step <= 0))
		return true;
	by = step < 0 ? 0 - (uint64_t)step : (uint64_t)step;
	if ((distance - 1) / by >= TEMPLATE_STEPS_MAX)
		return template_fail(r, "more than %d numbers", TEMPLATE_STEPS_MAX);
	*ret = (size_t)((distance - 1) / by + 1);
	return true;
}

static bool
count_up(struct template_run *r, int64_t start, int64_t stop, int64_t step, struct tvalue *ret)
{
	struct tlist *list;
	size_t n;

	if (!count_steps(r, start, stop, step, &n))
		return false;
	list = tl_new(r, T_OF_INT, n);
	for (size_t i = 0; list != NULL && i < n; i++)
		list->items[i] = tv_int((int64_t)((uint64_t)start + i * (uint64_t)step));
	*ret = (struct tvalue){.kind = T_LIST, .list = list};
	return list != NULL;
}

static bool
until(ARGS)
{
	(void)n;
	return count_up(r, 0, args[0].i, args[0].i < 0 ? -1 : 1, ret);
}

static bool
until_step(ARGS)
{
	(void)n;
	return count_up(r, args[0].i, args[1].i, args[2].i, ret);
}

static bool
seq(ARGS)
{
	int64_t start = n > 1 ? args[0].i : 1, end = n > 0 ? args[n - 1].i : 0, way = end < start ? -1 : 1, step = n == 3 ? args[1].i : way;
	struct tvalue row;

	buf_clear(&r->text);
	if (n == 0 || n > 3 || (n == 3 && way < 0 && step > 0))
		return tv_take_text(r, ret);
	if (!count_up(r, start, (int64_t)((uint64_t)end + (uint64_t)way), step, &row))
		return false;
	for (size_t i = 0; i < row.list->n; i++)
		(void)buf_printf(&r->text, "%s%" PRId64, i > 0 ? " " : "", row.list->items[i].i);
	return tv_take_text(r, ret);
}

const struct tfunction template_math_functions[] = {
	{"add1", "a", add1, NULL},
	{"add", "a*", add, NULL},
	{"sub", "aa", sub, NULL},
	{"mul", "aa*", mul, NULL},
	{"div", "aa", divide, NULL},
	{"mod", "aa", mod, NULL},
	{"max", "aa*", max, NULL},
	{"biggest", "aa*", max, NULL},
	{"min", "aa*", min, NULL},
	{"int64", "a", to_int64, NULL},
	{"int", "a", to_int, NULL},
	{"float64", "a", to_float, NULL},
	{"atoi", "s", atoi_, NULL},
	{"toDecimal", "a", to_decimal, NULL},
	{"maxf", "aa*", maxf, NULL},
	{"minf", "aa*", minf, NULL},
	{"ceil", "a", ceil_, NULL},
	{"floor", "a", floor_, NULL},
	{"round", "aif*", round_, NULL},
	{"add1f", "a", add1f, NULL},
	{"addf", "a*", addf, NULL},
	{"subf", "aa*", subf, NULL},
	{"mulf", "aa*", mulf, NULL},
	{"divf", "aa*", divf, NULL},
	{"until", "i", until, NULL},
	{"untilStep", "iii", until_step, NULL},
	{"seq", "i*", seq, NULL},
	{NULL, NULL, NULL, NULL},
};

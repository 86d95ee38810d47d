/* SPDX-License-Identifier: Apache-2.0 */
#include "jmespath_priv.h"

#include <math.h>
#include <stdlib.h>

#include "longship/codec/unicode.h"

/*
 * The functions on strings. As in Go some count bytes (find_*, pad_*), others characters (length, reverse, slices),
 * of which a byte that is not UTF-8 is one, U+FFFD. Where go-jmespath panics (find_first beyond the end) the result is
 * null.
 */

#define WORK_BYTES 64 /* bytes searched or copied in one step of work */

static size_t
decode(struct str s, uint32_t *ret_rune)
{
	size_t n = str_utf8_decode(s, ret_rune);

	if (n > 0)
		return n;
	*ret_rune = 0xfffd;
	return 1;
}

static bool
work(struct jmespath_run *run, struct str s)
{
	return jmespath_eval_steps(run, s.len / WORK_BYTES);
}

/* Go's conversion to int: false when there is a fraction; out of range is the least of all, as on amd64. */
static bool
whole(const struct jmespath_value *v, int64_t *ret)
{
	if (floor(v->number) != v->number)
		return false;
	*ret = v->number >= -0x1p63 && v->number < 0x1p63 ? (int64_t)v->number : INT64_MIN;
	return true;
}

/* ---- tests and searches ---- */

bool
jmespath_string_contains(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	*ret = jmespath_value_bool(args[1].kind == JMESPATH_STRING && str_find(args[0].text, args[1].text) >= 0);
	return work(run, args[0].text);
}

bool
jmespath_string_starts_with(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	*ret = jmespath_value_bool(str_starts(args[0].text, args[1].text));
	return work(run, args[1].text);
}

bool
jmespath_string_ends_with(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	*ret = jmespath_value_bool(str_ends(args[0].text, args[1].text));
	return work(run, args[1].text);
}

static ptrdiff_t
find_last(struct str s, struct str needle)
{
	for (size_t i = s.len >= needle.len ? s.len - needle.len + 1 : 0; i-- > 0;) {
		if (s.s[i] == needle.s[0] && memcmp(s.s + i, needle.s, needle.len) == 0)
			return (ptrdiff_t)i;
	}
	return -1;
}

static bool
find(struct jmespath_run *run, const struct jmespath_value *args, size_t n, bool last, struct jmespath_value *ret)
{
	struct str s = args[0].text, part;
	int64_t start = 0, end = (int64_t)s.len;
	ptrdiff_t at;

	*ret = (struct jmespath_value){0};
	if (s.len == 0 || args[1].text.len == 0)
		return true;
	if ((n > 2 && !whole(&args[2], &start)) || (n > 3 && !whole(&args[3], &end)))
		return false;
	start = start > 0 ? start : 0;
	end = end < (int64_t)s.len ? end : (int64_t)s.len;
	if (start >= end)
		return true;
	part = (struct str){s.s + start, (size_t)(end - start)};
	at = last ? find_last(part, args[1].text) : str_find(part, args[1].text);
	if (at >= 0)
		*ret = jmespath_value_number((double)(start + at));
	return jmespath_eval_steps(run, last ? part.len / 8 : part.len / WORK_BYTES);
}

bool
jmespath_string_find_first(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	return find(run, args, n, false, ret);
}

bool
jmespath_string_find_last(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	return find(run, args, n, true, ret);
}

/* ---- strings made of strings ---- */

bool
jmespath_string_join(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	buf_clear(&run->made);
	for (size_t i = 0; i < args[1].array.n && !run->made.overflow; i++) {
		if (i > 0)
			(void)buf_str(&run->made, args[0].text);
		(void)buf_str(&run->made, args[1].array.items[i].text);
	}
	return jmespath_eval_made(run, ret);
}

static bool
recase(struct jmespath_run *run, struct str s, uint32_t (*map)(uint32_t), struct jmespath_value *ret)
{
	char utf8[4];

	buf_clear(&run->made);
	while (s.len > 0 && !run->made.overflow) {
		uint32_t rune;
		size_t len = decode(s, &rune);

		(void)buf_append(&run->made, utf8, str_utf8_encode(map(rune), utf8));
		s = str_from_offset(s, len);
	}
	return jmespath_eval_steps(run, run->made.len / 8) && jmespath_eval_made(run, ret);
}

bool
jmespath_string_lower(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	return recase(run, args[0].text, unicode_rune_lower, ret);
}

bool
jmespath_string_upper(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	return recase(run, args[0].text, unicode_rune_upper, ret);
}

static bool
pad(struct jmespath_run *run, const struct jmespath_value *args, size_t n, bool left, struct jmespath_value *ret)
{
	struct str s = args[0].text, with = n > 2 ? args[2].text : STR(" ");
	int64_t width;

	if (!whole(&args[1], &width) || width < 0 || with.len > 1)
		return false;
	buf_clear(&run->made);
	if (!left)
		(void)buf_str(&run->made, s);
	for (int64_t i = (int64_t)s.len; i < width && with.len > 0 && !run->made.overflow; i++)
		(void)buf_putc(&run->made, with.s[0]);
	if (left)
		(void)buf_str(&run->made, s);
	return jmespath_eval_steps(run, run->made.len / 8) && jmespath_eval_made(run, ret);
}

bool
jmespath_string_pad_left(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	return pad(run, args, n, true, ret);
}

bool
jmespath_string_pad_right(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	return pad(run, args, n, false, ret);
}

/* The bytes up to the next place to replace or split at; SIZE_MAX: no more. An empty separator stands before the first
 * character (only to replace) and behind each one. */
static size_t
next_place(struct str rest, struct str separator, bool first)
{
	uint32_t rune;
	ptrdiff_t at;

	if (separator.len > 0) {
		at = str_find(rest, separator);
		return at >= 0 ? (size_t)at : SIZE_MAX;
	}
	if (first)
		return 0;
	return rest.len > 0 ? decode(rest, &rune) : SIZE_MAX;
}

bool
jmespath_string_replace(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	struct str rest = args[0].text;
	int64_t count = INT64_MAX;

	if (n > 3 && (!whole(&args[3], &count) || count < 0))
		return false;
	buf_clear(&run->made);
	for (int64_t i = 0; i < count && !run->made.overflow; i++) {
		size_t at = next_place(rest, args[1].text, i == 0);

		if (at == SIZE_MAX)
			break;
		if (!jmespath_eval_steps(run, 1))
			return false;
		(void)buf_str(&run->made, str_head(rest, at));
		(void)buf_str(&run->made, args[2].text);
		rest = str_from_offset(rest, at + args[1].text.len);
	}
	(void)buf_str(&run->made, rest);
	return jmespath_eval_made(run, ret);
}

bool
jmespath_string_split(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	struct str rest = args[0].text, separator = args[1].text;
	struct jmespath_value *items;
	int64_t count = INT64_MAX;
	size_t total = 0;

	*ret = jmespath_value_array(NULL, 0);
	if (rest.len == 0)
		return true;
	if (n > 2 && (!whole(&args[2], &count) || count < 0))
		return false;
	for (int pass = 0; pass < 2; pass++) { /* the first one counts */
		items = pass == 0 ? NULL : jmespath_eval_alloc(run, total + 1, sizeof(*items));
		if (pass == 1 && items == NULL)
			return false;
		rest = args[0].text;
		total = 0;
		while ((int64_t)total < count) {
			size_t at = next_place(rest, separator, false);

			if (at == SIZE_MAX || (separator.len == 0 && at == rest.len))
				break;
			if (pass == 1)
				items[total] = jmespath_value_string(str_head(rest, at));
			total++;
			rest = str_from_offset(rest, at + separator.len);
		}
	}
	items[total++] = jmespath_value_string(rest);
	*ret = jmespath_value_array(items, total);
	return jmespath_eval_steps(run, total) && work(run, args[0].text);
}

/* ---- trimming ---- */

static bool
to_cut(uint32_t rune, struct str cutset)
{
	uint32_t member;

	if (cutset.len == 0)
		return unicode_is_space(rune);
	while (cutset.len > 0) {
		cutset = str_from_offset(cutset, decode(cutset, &member));
		if (member == rune)
			return true;
	}
	return false;
}

static size_t
last_length(struct str s, uint32_t *ret_rune)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++) {
		if (str_utf8_decode((struct str){s.s + s.len - n, n}, ret_rune) == n)
			return n;
	}
	*ret_rune = 0xfffd;
	return 1;
}

static bool
trim(struct jmespath_run *run, const struct jmespath_value *args, size_t n, bool left, bool right,
	struct jmespath_value *ret)
{
	struct str s = args[0].text, cutset = n > 1 ? args[1].text : STR_EMPTY;
	uint32_t rune;
	size_t len;

	while (left && s.len > 0 && (len = decode(s, &rune), to_cut(rune, cutset))) {
		s = str_from_offset(s, len);
		if (!jmespath_eval_steps(run, 1 + cutset.len / 8))
			return false;
	}
	while (right && s.len > 0 && (len = last_length(s, &rune), to_cut(rune, cutset))) {
		s.len -= len;
		if (!jmespath_eval_steps(run, 1 + cutset.len / 8))
			return false;
	}
	*ret = jmespath_value_string(s);
	return true;
}

bool
jmespath_string_trim(struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	return trim(run, args, n, true, true, ret);
}

bool
jmespath_string_trim_left(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	return trim(run, args, n, true, false, ret);
}

bool
jmespath_string_trim_right(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	return trim(run, args, n, false, true, ret);
}

/* ---- characters ---- */

size_t
jmespath_string_length(struct str s)
{
	uint32_t rune;
	size_t n = 0;

	for (; s.len > 0; n++)
		s = str_from_offset(s, decode(s, &rune));
	return n;
}

/* All characters; NULL: a limit. */
static uint32_t *
runes_of(struct jmespath_run *run, struct str s, size_t *ret_n)
{
	uint32_t *runes = jmespath_eval_alloc(run, s.len, sizeof(*runes));
	size_t n = 0;

	if (runes == NULL || !jmespath_eval_steps(run, s.len / 8))
		return NULL;
	for (; s.len > 0; n++)
		s = str_from_offset(s, decode(s, &runes[n]));
	*ret_n = n;
	return runes;
}

/* n of them, from start on by the step. */
static bool
take_runes(struct jmespath_run *run, const uint32_t *runes, int64_t start, int64_t step, size_t n,
	struct jmespath_value *ret)
{
	char utf8[4];

	buf_clear(&run->made);
	for (size_t i = 0; i < n; i++)
		(void)buf_append(&run->made, utf8, str_utf8_encode(runes[start + (int64_t)i * step], utf8));
	return jmespath_eval_made(run, ret);
}

bool
jmespath_string_reverse(struct jmespath_run *run, struct str s, struct jmespath_value *ret)
{
	size_t n = 0;
	const uint32_t *runes = runes_of(run, s, &n);

	return runes != NULL && take_runes(run, runes, (int64_t)n - 1, -1, n, ret);
}

bool
jmespath_string_slice(
	struct jmespath_run *run, struct str s, const struct jmespath_bound bounds[3], struct jmespath_value *ret)
{
	size_t n = 0, count;
	const uint32_t *runes = runes_of(run, s, &n);
	int64_t start, step;

	if (runes == NULL)
		return false;
	if (!jmespath_eval_slice(bounds, n, &start, &step, &count))
		return true; /* a step of 0: null, other than for arrays */
	return take_runes(run, runes, start, step, count, ret);
}

/* ---- conversions ---- */

/* Go's rule for _ in a number; they are left out of `out`. */
static bool
drop_underscores(struct str s, char *out)
{
	bool hex = s.len > 1 && s.s[0] == '0' && (s.s[1] | 0x20) == 'x';
	char saw = '^';
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.s[i];
		bool digit =
			(c >= '0' && c <= '9') || (hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f') || (hex && i == 1);

		if (c == '_' ? saw != '0' : saw == '_' && !digit)
			return false;
		saw = digit ? '0' : c == '_' ? '_' : '!';
		if (c != '_')
			out[n++] = c;
	}
	out[n] = '\0';
	return saw != '_';
}

/* strconv.ParseFloat, where it differs from strtod: no space, hexadecimal needs an exponent, nan no sign. */
static bool
parse_float(struct jmespath_run *run, struct str s, double *ret)
{
	char *z = jmespath_eval_alloc(run, s.len + 1, 1), *end;
	size_t sign = s.len > 0 && (s.s[0] == '+' || s.s[0] == '-');
	bool hex, word;

	if (z == NULL || !drop_underscores(str_from_offset(s, sign), z) || *z == '\0')
		return false;
	word = strcasecmp(z, "inf") == 0 || strcasecmp(z, "infinity") == 0 || (sign == 0 && strcasecmp(z, "nan") == 0);
	hex = z[0] == '0' && (z[1] | 0x20) == 'x';
	if (!word && (strspn(z, "0123456789.eE+-xXabcdfABCDFpP") != strlen(z) || z[0] == '+' || z[0] == '-' ||
			     (hex && strpbrk(z, "pP") == NULL)))
		return false;
	*ret = strtod(z, &end);
	if (*end != '\0' || (!word && isinf(*ret)))
		return false;
	if (sign > 0 && s.s[0] == '-')
		*ret = -*ret;
	return true;
}

bool
jmespath_string_to_number(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	double number;

	(void)n;
	*ret = (struct jmespath_value){0};
	if (args[0].kind == JMESPATH_NUMBER)
		*ret = args[0];
	else if (args[0].kind == JMESPATH_STRING && parse_float(run, args[0].text, &number))
		*ret = jmespath_value_number(number);
	return args[0].kind != JMESPATH_EXPREF && !run->exhausted;
}

bool
jmespath_string_to_string(
	struct jmespath_run *run, const struct jmespath_value *args, size_t n, struct jmespath_value *ret)
{
	(void)n;
	*ret = args[0];
	if (args[0].kind == JMESPATH_STRING)
		return true;
	buf_clear(&run->made);
	if (jmespath_value_print(run, &run->made, &args[0], true))
		return jmespath_eval_made(run, ret);
	run->exhausted |= run->made.overflow;
	return false;
}

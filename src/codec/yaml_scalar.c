/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml_priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/codec/base64.h"
#include "calendar_priv.h"

/*
 * yaml.v3's rules for what an unquoted scalar is: fixed words first, then by its first character a time, a whole
 * number in any of Go's notations, a float, and else a string. A tag only states which of these it must be.
 */

#define TAG_PREFIX	 "tag:yaml.org,2002:"
#define NUMBER_BYTES_MAX 400 /* longer digits are a string: no number needs them */

static bool
resolve_word(struct yaml_tree *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
	static const char *const booleans[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
	static const struct {
		const char *word;
		double value;
	} floats[] = {{".nan", NAN}, {".NaN", NAN}, {".NAN", NAN}, {".inf", INFINITY}, {".Inf", INFINITY},
		{".INF", INFINITY}, {"+.inf", INFINITY}, {"+.Inf", INFINITY}, {"+.INF", INFINITY}, {"-.inf", -INFINITY},
		{"-.Inf", -INFINITY}, {"-.INF", -INFINITY}};

	for (size_t i = 0; i < ARRAY_LEN(nulls); i++) {
		if (str_is(node->text, nulls[i])) {
			node->kind = YAML_TREE_NULL;
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(booleans); i++) {
		if (str_is(node->text, booleans[i])) {
			node->kind = YAML_TREE_BOOL;
			node->boolean = i < 3;
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(floats); i++) {
		if (str_is(node->text, floats[i].word)) {
			node->kind = YAML_TREE_FLOAT;
			node->f = floats[i].value;
			return true;
		}
	}
	return false;
}

/* A number of least..most digits. */
static bool
take_digits(struct str *rest, int least, int most, int *ret)
{
	int n = 0, digits = 0;

	while (digits < most && rest->len > 0 && rest->s[0] >= '0' && rest->s[0] <= '9') {
		n = n * 10 + (rest->s[0] - '0');
		*rest = str_from_offset(*rest, 1);
		digits++;
	}
	*ret = n;
	return digits >= least;
}

static bool
take(struct str *rest, char c)
{
	if (rest->len == 0 || rest->s[0] != c)
		return false;
	*rest = str_from_offset(*rest, 1);
	return true;
}

/* Digits behind the point, without the zeros at their end. */
static struct str
take_fraction(struct str *rest)
{
	struct str digits = str_from_offset(*rest, 1);
	size_t n = 0;

	if (rest->len < 2 || rest->s[0] != '.')
		return STR_EMPTY;
	while (n < digits.len && digits.s[n] >= '0' && digits.s[n] <= '9')
		n++;
	*rest = str_from_offset(*rest, n + 1);
	digits = str_head(digits, n < 9 ? n : 9);
	while (digits.len > 0 && digits.s[digits.len - 1] == '0')
		digits.len--;
	return digits;
}

/* "Z", "+02:00"; the empty zone is UTC. */
static bool
take_zone(struct str *rest, bool required, struct str *ret)
{
	struct str whole = *rest;
	int hours, minutes;

	*ret = STR("Z");
	if (!required || take(rest, 'Z'))
		return true;
	if (!take(rest, '+') && !take(rest, '-'))
		return false;
	if (!take_digits(rest, 2, 2, &hours) || !take(rest, ':') || !take_digits(rest, 2, 2, &minutes) || hours > 24 ||
		minutes > 59)
		return false;
	if (hours + minutes > 0)
		*ret = str_head(whole, 6);
	return true;
}

static bool
resolve_time(struct arena *arena, struct yaml_tree *node)
{
	struct str rest = node->text, fraction = STR_EMPTY, zone = STR("Z");
	int year, month, day, hour = 0, minute = 0, second = 0;
	bool zoned;

	if (!take_digits(&rest, 4, 4, &year) || !take(&rest, '-') || !take_digits(&rest, 1, 2, &month) ||
		!take(&rest, '-') || !take_digits(&rest, 1, 2, &day))
		return false;
	if (rest.len > 0) {
		zoned = take(&rest, 'T') || take(&rest, 't');
		if ((!zoned && !take(&rest, ' ')) || !take_digits(&rest, 1, 2, &hour) || !take(&rest, ':') ||
			!take_digits(&rest, 1, 2, &minute) || !take(&rest, ':') || !take_digits(&rest, 1, 2, &second))
			return false;
		fraction = take_fraction(&rest);
		if (!take_zone(&rest, zoned, &zone) || rest.len > 0)
			return false;
	}
	if (month < 1 || month > 12 || day < 1 || day > days_in(month, year) || hour > 23 || minute > 59 ||
		second > 59)
		return false;
	node->kind = YAML_TREE_TIME;
	node->rfc3339 = arena_printf(arena, "%04d-%02d-%02dT%02d:%02d:%02d%s%.*s%.*s", year, month, day, hour, minute,
		second, fraction.len > 0 ? "." : "", STR_FMT(fraction), STR_FMT(zone));
	return true;
}

/* The text without underscores, in out; false when it is too long or holds what no number does. */
static bool
plain_digits(struct str text, char out[NUMBER_BYTES_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.s[i] == '_')
			continue;
		if (n == NUMBER_BYTES_MAX || text.s[i] == '\0' ||
			strchr("0123456789abcdefABCDEFxXoO.+-", text.s[i]) == NULL)
			return false;
		out[n++] = text.s[i];
	}
	out[n] = '\0';
	return n > 0;
}

/* Go's strconv.ParseUint with base 0. */
static bool
parse_magnitude(const char *z, uint64_t *ret)
{
	int base = 10;
	char *end;

	if (z[0] == '0' && z[1] != '\0') {
		char c = (char)(z[1] | 0x20);

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		z += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	/* strtoull would take a sign, or a second prefix. */
	if (z[0] == '\0' || z[0] == '+' || z[0] == '-' || (z[0] == '0' && (z[1] | 0x20) == 'x'))
		return false;
	errno = 0;
	*ret = strtoull(z, &end, base);
	return errno == 0 && *end == '\0';
}

static bool
resolve_whole(struct yaml_tree *node, const char *z)
{
	bool negative = z[0] == '-', sign = negative || z[0] == '+';
	uint64_t magnitude;

	if (!parse_magnitude(z + sign, &magnitude))
		return false;
	if (magnitude <= (uint64_t)INT64_MAX + negative) {
		node->kind = YAML_TREE_INT;
		node->i = (int64_t)(negative ? 0 - magnitude : magnitude);
		return true;
	}
	if (sign)
		return false;
	node->kind = YAML_TREE_UINT;
	node->u = magnitude;
	return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool
looks_like_float(const char *z)
{
	size_t before, after = 0;

	z += *z == '-' || *z == '+';
	before = strspn(z, "0123456789");
	z += before;
	if (*z == '.') {
		after = strspn(z + 1, "0123456789");
		z += 1 + after;
	}
	if (before + after == 0)
		return false;
	if (*z == 'e' || *z == 'E') {
		z++;
		z += *z == '-' || *z == '+';
		if (strspn(z, "0123456789") == 0)
			return false;
		z += strspn(z, "0123456789");
	}
	return *z == '\0';
}

static bool
resolve_float(struct yaml_tree *node, const char *z)
{
	double f;

	if (!looks_like_float(z))
		return false;
	f = strtod(z, NULL);
	if (isinf(f))
		return false;
	node->kind = YAML_TREE_FLOAT;
	node->f = f;
	return true;
}

static void
resolve_plain(struct arena *arena, struct yaml_tree *node, bool times)
{
	char z[NUMBER_BYTES_MAX + 1];
	char first = node->text.len > 0 ? node->text.s[0] : '\0';

	if (resolve_word(node))
		return;
	if (first != '\0' && strchr("0123456789+-.", first) != NULL) {
		if (times && resolve_time(arena, node))
			return;
		if (plain_digits(node->text, z) && ((first != '.' && resolve_whole(node, z)) || resolve_float(node, z)))
			return;
	}
	node->kind = YAML_TREE_STRING;
}

static const char *
tag_of(enum yaml_tree_kind kind)
{
	switch (kind) {
	case YAML_TREE_NULL:
		return "null";
	case YAML_TREE_BOOL:
		return "bool";
	case YAML_TREE_INT:
	case YAML_TREE_UINT:
		return "int";
	case YAML_TREE_FLOAT:
		return "float";
	case YAML_TREE_TIME:
		return "timestamp";
	default:
		return "str";
	}
}

static bool
decode_binary(struct arena *arena, struct yaml_tree *node, struct str *ret_error)
{
	size_t offset;

	node->kind = YAML_TREE_STRING;
	if (base64_decode(arena, node->text, BASE64_STANDARD, &node->text, &offset))
		return true;
	*ret_error = STR("!!binary value contains invalid base64 data");
	return false;
}

bool
yaml_scalar_resolve(struct arena *arena, struct yaml_tree *node, struct str tag, bool plain, struct str *ret_error)
{
	bool standard = str_starts(tag, STR(TAG_PREFIX));
	struct str name = standard ? str_from_offset(tag, sizeof(TAG_PREFIX) - 1) : STR_EMPTY;

	node->kind = YAML_TREE_STRING;
	if (str_is(name, "binary"))
		return decode_binary(arena, node, ret_error);
	if (str_is(name, "str") || (!standard && !str_is(tag, "!") && tag.len > 0) || (tag.len == 0 && !plain))
		return true;
	resolve_plain(arena, node, !standard || str_is(name, "timestamp"));
	if (!standard || str_is(name, tag_of(node->kind)))
		return true;
	if (str_is(name, "float") && (node->kind == YAML_TREE_INT || node->kind == YAML_TREE_UINT)) {
		node->f = node->kind == YAML_TREE_INT ? (double)node->i : (double)node->u;
		node->kind = YAML_TREE_FLOAT;
		return true;
	}
	*ret_error = arena_printf(
		arena, "cannot decode !!%s `%.*s` as a !!%.*s", tag_of(node->kind), STR_FMT(node->text), STR_FMT(name));
	return false;
}

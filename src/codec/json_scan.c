/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/json_scan.h"

#include <stdint.h>

#include "longship/codec/json.h"

/* One pass checks, counts and takes the first parts; only where there are more a second one takes all. */

#define PARTS_AT_ONCE 16

struct scan {
	struct str text;
	size_t at;
	size_t depth;
	uint8_t objects[JSON_LINE_DEPTH_MAX / 8 + 1]; /* one bit a level: an object, else an array */
};

static void
skip_space(struct scan *c)
{
	while (c->at < c->text.len) {
		char ch = c->text.s[c->at];

		if (ch != ' ' && ch != '\t' && ch != '\n' && ch != '\r')
			break;
		c->at++;
	}
}

/* 0 at the end, and for NUL, which is fine nowhere. */
static char
peek(const struct scan *c)
{
	return c->at < c->text.len ? c->text.s[c->at] : '\0';
}

static bool
take(struct scan *c, char ch)
{
	skip_space(c);
	if (peek(c) != ch)
		return false;
	c->at++;
	return true;
}

static bool
take_escape(struct scan *c)
{
	char ch = peek(c);

	c->at++;
	if (ch != 'u')
		return ch != '\0' && strchr("\"\\/bfnrt", ch) != NULL;
	for (int i = 0; i < 4; i++, c->at++) {
		ch = peek(c);
		if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f') || (ch >= 'A' && ch <= 'F')))
			return false;
	}
	return true;
}

/* Behind the opening quote. */
static bool
take_string(struct scan *c)
{
	const char *p = c->text.s + c->at, *end = c->text.s + c->text.len;

	while (p < end) {
		unsigned char ch = (unsigned char)*p++;

		if (ch >= 0x20 && ch != '"' && ch != '\\')
			continue;
		c->at = (size_t)(p - c->text.s);
		if (ch == '"')
			return true;
		if (ch != '\\' || !take_escape(c))
			return false;
		p = c->text.s + c->at;
	}
	return false;
}

static bool
take_digits(struct scan *c)
{
	size_t start = c->at;

	while (peek(c) >= '0' && peek(c) <= '9')
		c->at++;
	return c->at > start;
}

static bool
take_number(struct scan *c)
{
	if (peek(c) == '-')
		c->at++;
	if (peek(c) == '0')
		c->at++;
	else if (!take_digits(c))
		return false;
	if (peek(c) == '.') {
		c->at++;
		if (!take_digits(c))
			return false;
	}
	if (peek(c) == 'e' || peek(c) == 'E') {
		c->at++;
		if (peek(c) == '+' || peek(c) == '-')
			c->at++;
		return take_digits(c);
	}
	return true;
}

static bool
take_word(struct scan *c, struct str word)
{
	if (!str_starts(str_from_offset(c->text, c->at), word))
		return false;
	c->at += word.len;
	return true;
}

static bool
in_object(const struct scan *c)
{
	return c->objects[(c->depth - 1) / 8] >> (c->depth - 1) % 8 & 1;
}

static bool
take_key(struct scan *c)
{
	return take(c, '"') && take_string(c) && take(c, ':');
}

/* Behind the bracket. *ret_open: a value is expected next; else the brackets were closed at once. */
static bool
enter(struct scan *c, bool object, bool *ret_open)
{
	uint8_t bit = (uint8_t)(1u << c->depth % 8);

	if (c->depth == JSON_LINE_DEPTH_MAX)
		return false;
	if (object)
		c->objects[c->depth / 8] |= bit;
	else
		c->objects[c->depth / 8] &= (uint8_t)~bit;
	c->depth++;
	*ret_open = false;
	if (take(c, object ? '}' : ']')) {
		c->depth--;
		return true;
	}
	*ret_open = true;
	return !object || take_key(c);
}

/* A scalar, or the start of an array or object. */
static bool
take_start(struct scan *c, bool *ret_open)
{
	*ret_open = false;
	skip_space(c);
	switch (peek(c)) {
	case '{':
	case '[':
		c->at++;
		return enter(c, c->text.s[c->at - 1] == '{', ret_open);
	case '"':
		c->at++;
		return take_string(c);
	case 't':
		return take_word(c, STR("true"));
	case 'f':
		return take_word(c, STR("false"));
	case 'n':
		return take_word(c, STR("null"));
	default:
		return take_number(c);
	}
}

/* Behind a value at some depth: *ret_open when another one is expected there. */
static bool
take_end(struct scan *c, bool *ret_open)
{
	bool object = in_object(c);

	*ret_open = false;
	if (take(c, ',')) {
		*ret_open = true;
		return !object || take_key(c);
	}
	if (!take(c, object ? '}' : ']'))
		return false;
	c->depth--;
	return true;
}

/* One value with all that is in it; without recursion. */
static bool
take_value(struct scan *c, struct str *ret)
{
	size_t outer = c->depth, start;
	bool open;

	skip_space(c);
	start = c->at;
	if (!take_start(c, &open))
		return false;
	while (c->depth > outer) {
		if (open ? !take_start(c, &open) : !take_end(c, &open))
			return false;
	}
	*ret = (struct str){c->text.s + start, c->at - start};
	return true;
}

/* Counts the parts; the first cap ones are written. Names only of an object. */
static bool
take_parts(struct str text, bool object, struct json_scan_member *parts, size_t cap, size_t *ret_n)
{
	struct json_scan_member ignored, *part;
	struct scan c;
	size_t n = 0;
	bool more;

	/* The bits of levels are set when they are entered. */
	c.text = text;
	c.at = 0;
	c.depth = 1; /* the array or object itself */
	c.objects[0] = object;
	if (!take(&c, object ? '{' : '['))
		return false;
	more = !take(&c, object ? '}' : ']');
	while (more) {
		part = n < cap ? &parts[n] : &ignored;
		n++;
		if (object) {
			size_t start;

			skip_space(&c);
			start = c.at + 1;
			if (!take(&c, '"') || !take_string(&c))
				return false;
			part->name = (struct str){text.s + start, c.at - 1 - start};
			if (!take(&c, ':'))
				return false;
		}
		if (!take_value(&c, &part->value))
			return false;
		more = take(&c, ',');
		if (!more && !take(&c, object ? '}' : ']'))
			return false;
	}
	skip_space(&c);
	if (c.at < text.len)
		return false;
	*ret_n = n;
	return true;
}

bool
json_scan_members(struct arena *arena, struct str text, struct json_scan_member **ret_items, size_t *ret_n)
{
	struct json_scan_member first[PARTS_AT_ONCE];

	if (!take_parts(text, true, first, PARTS_AT_ONCE, ret_n))
		return false;
	*ret_items = arena_alloc(arena, (*ret_n + 1) * sizeof(**ret_items));
	if (*ret_n > PARTS_AT_ONCE)
		return take_parts(text, true, *ret_items, *ret_n, ret_n);
	memcpy(*ret_items, first, *ret_n * sizeof(*first));
	return true;
}

bool
json_scan_elements(struct arena *arena, struct str text, struct str **ret_items, size_t *ret_n)
{
	struct json_scan_member first[PARTS_AT_ONCE], *all = first;

	if (!take_parts(text, false, first, PARTS_AT_ONCE, ret_n))
		return false;
	*ret_items = arena_alloc(arena, (*ret_n + 1) * sizeof(**ret_items));
	if (*ret_n > PARTS_AT_ONCE) {
		all = arena_alloc(arena, *ret_n * sizeof(*all));
		(void)take_parts(text, false, all, *ret_n, ret_n);
	}
	for (size_t i = 0; i < *ret_n; i++)
		(*ret_items)[i] = all[i].value;
	return true;
}

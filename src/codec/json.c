/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/json.h"

#include "longship/codec/json_text.h"

#include "json_priv.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*
 * The paths form a trie (json_paths.c). Reading follows the text and the trie together; where the trie ends, a value is
 * only skipped, by a loop with one bit a level of nesting. So the recursion is as deep as the longest
 * path, whatever the text. Strings are searched for their end 16 bytes at a time.
 *
 * The text, white space cut off, must end in a brace. That brace is a sentinel: no space, digit or token can run
 * over it, so only the search for the end of a string and what follows a closed container look at the end.
 */

struct reader {
	const char *p, *end;
	const char *block_max; /* from here back 16 bytes may be loaded at once; NULL: nowhere */
	size_t depth;
	struct arena *arena;
	struct json_value *values;
};

/* ---- scanning ---- */

/* The first quote, backslash or control character at or after p. */
static inline const char *
string_special(const char *p, const char *end, const char *block_max)
{
#ifndef __SSE2__
	(void)block_max;
#else
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);

	for (; p <= block_max; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
			_mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
		int mask = _mm_movemask_epi8(hit);

		if (mask != 0)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
		p++;
	return p;
}

static bool
is_hex4(const char *p, const char *end)
{
	if (end - p < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)p[i] | 0x20;

		if ((unsigned char)(p[i] - '0') > 9 && (c < 'a' || c > 'f'))
			return false;
	}
	return true;
}

/* The rest of a string that has an escape at p; as in jsoniter control characters are no error here. */
static bool
skip_escaped(struct reader *r)
{
	const char *p = r->p;

	for (;;) {
		while (p < r->end && *p != '"' && *p != '\\')
			p++;
		if (p == r->end)
			return false;
		if (*p == '"')
			break;
		p++;
		if (p == r->end || memchr("\"\\/bfnrtu", *p, 9) == NULL)
			return false;
		if (*p++ == 'u') {
			if (!is_hex4(p, r->end))
				return false;
			p += 4;
		}
	}
	r->p = p + 1;
	return true;
}

/* From behind the opening quote to behind the closing one. */
static inline bool
skip_string(struct reader *r, bool *ret_escaped)
{
	const char *p = string_special(r->p, r->end, r->block_max);

	*ret_escaped = false;
	if (p == r->end)
		return false;
	if (*p == '"') {
		r->p = p + 1;
		return true;
	}
	if (*p != '\\')
		return false;
	*ret_escaped = true;
	r->p = p;
	return skip_escaped(r);
}

/* Stops at the sentinel. */
static inline const char *
after_space(const char *p)
{
	while ((unsigned char)*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* A character of a number beyond digits: not a plain whole number. */
static inline bool
is_number_char(char c)
{
	return (c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

/* Whole numbers and short fractions (15 digits) are rounded once in float64 arithmetic; the rest takes the long way. */
static bool
read_number(struct reader *r, double *ret)
{
	static const double powers[] = {
		1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	const char *start = r->p, *p = start, *digits, *point = NULL;
	uint64_t n = 0;
	size_t places = 0;
	bool negative = *p == '-';

	p += negative;
	digits = p;
	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			n = n * 10 + (uint64_t)(*p - '0');
		else if (*p == '.' && point == NULL && p > digits)
			point = p;
		else
			break;
	}
	places = point != NULL ? (size_t)(p - point) - 1 : 0;
	if (is_number_char(*p) || p - digits > (point != NULL ? 16 : 19) || p == digits ||
		(point != NULL && places == 0) || (*digits == '0' && p - digits > 1 && point != digits + 1)) {
		while (is_number_char(*p))
			p++;
		r->p = p;
		return json_text_parse_number((struct str){start, (size_t)(p - start)}, ret);
	}
	r->p = p;
	*ret = (double)n / powers[places];
	if (negative)
		*ret = -*ret;
	return true;
}

static inline bool
skip_word(struct reader *r, const char *word, size_t len)
{
	if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
		return false;
	r->p += len;
	return true;
}

/* Most numbers that nobody asks for are a few digits; 300 of them are still in range. */
static inline bool
skip_number(struct reader *r)
{
	const char *p = r->p;
	double number;

	if (*p >= '1' && *p <= '9') {
		while (*p >= '0' && *p <= '9')
			p++;
		if (*p == '.' && p[1] >= '0' && p[1] <= '9') {
			for (p++; *p >= '0' && *p <= '9';)
				p++;
		}
		if (!is_number_char(*p) && p - r->p < 300) {
			r->p = p;
			return true;
		}
	}
	return read_number(r, &number);
}

/* A value that is no object or array. */
static inline bool
skip_scalar(struct reader *r)
{
	bool escaped;

	switch (*r->p) {
	case '"':
		r->p++;
		return skip_string(r, &escaped);
	case 't':
		return skip_word(r, "true", 4);
	case 'f':
		return skip_word(r, "false", 5);
	case 'n':
		return skip_word(r, "null", 4);
	case '-':
	case '0' ... '9':
		return skip_number(r);
	default:
		return false;
	}
}

/* "key" : with the space around it. */
static inline bool
read_key(struct reader *r, struct str *ret, bool *ret_escaped)
{
	const char *start = after_space(r->p), *p;

	if (*start != '"')
		return false;
	r->p = ++start;
	if (!skip_string(r, ret_escaped))
		return false;
	p = r->p;
	*ret = (struct str){start, (size_t)(p - start) - 1};
	p = after_space(p);
	if (*p != ':')
		return false;
	r->p = after_space(p + 1);
	return true;
}

/* After a value inside a container: true at a comma (taken), false at the end (taken) or at an error (*ret_bad). */
static inline bool
read_comma(struct reader *r, char close, bool *ret_bad)
{
	const char *p = r->p;

	*ret_bad = p == r->end; /* behind the last brace */
	if (*ret_bad)
		return false;
	p = after_space(p);
	r->p = p + 1;
	if (*p == ',')
		return true;
	*ret_bad = *p != close;
	return false;
}

/* The beginning of a container: true when it is empty (its end is taken). */
static inline bool
read_empty(struct reader *r, char close)
{
	r->p = after_space(r->p);
	if (*r->p != close)
		return false;
	r->p++;
	return true;
}

/* An object or array at p, whatever is in it. */
static bool
skip_container(struct reader *r)
{
	uint64_t objects[JSON_LINE_DEPTH_MAX / 64 + 1]; /* one bit a level: is it an object? */
	size_t depth = 0, base = r->depth;
	struct str key;
	bool escaped, bad;

	for (;;) { /* at a value */
		r->p = after_space(r->p);
		if (*r->p == '{' || *r->p == '[') {
			bool object = *r->p++ == '{';

			if (base + depth >= JSON_LINE_DEPTH_MAX)
				return false;
			if (depth % 64 == 0)
				objects[depth / 64] = 0;
			objects[depth / 64] &= ~(UINT64_C(1) << depth % 64);
			objects[depth / 64] |= (uint64_t)object << depth % 64;
			if (!read_empty(r, object ? '}' : ']')) {
				depth++;
				if (object && !read_key(r, &key, &escaped))
					return false;
				continue;
			}
		} else if (!skip_scalar(r)) {
			return false;
		}
		for (;;) { /* behind a value */
			bool object;

			if (depth == 0)
				return true;
			object = objects[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
			if (read_comma(r, object ? '}' : ']', &bad)) {
				if (object && !read_key(r, &key, &escaped))
					return false;
				break;
			}
			if (bad)
				return false;
			depth--;
		}
	}
}

/* ---- reading with the trie ---- */

static void
set_slots(const struct reader *r, const struct node *node, struct json_value value)
{
	for (const struct slot_list *s = node->slots; s != NULL; s = s->next)
		r->values[s->slot] = value;
}

/* A repeated key replaces all that its earlier value gave. */
static void
clear_below(const struct reader *r, const struct node *node)
{
	for (size_t i = 0; i < node->n_names; i++) {
		set_slots(r, node->names[i].node, (struct json_value){0});
		clear_below(r, node->names[i].node);
	}
	for (size_t i = 0; i < node->n_indexes; i++) {
		set_slots(r, node->indexes[i].node, (struct json_value){0});
		clear_below(r, node->indexes[i].node);
	}
}

static bool read_value(struct reader *r, const struct node *node);

static inline const struct node *
find_name(const struct reader *r, const struct node *node, struct str key, bool escaped)
{
	if (escaped)
		key = json_text_unescape(r->arena, key);
	if ((node->lengths >> (key.len & 63) & 1) == 0)
		return NULL;
	for (size_t i = 0; i < node->n_names; i++) {
		struct str name = node->names[i].name;

		if (name.len == key.len &&
			(key.len == 0 || (name.s[0] == key.s[0] && memcmp(name.s, key.s, key.len) == 0)))
			return node->names[i].node;
	}
	return NULL;
}

static inline bool
skip_value(struct reader *r)
{
	if (*r->p == '"') { /* first: most values are strings */
		bool escaped;

		r->p++;
		return skip_string(r, &escaped);
	}
	return *r->p == '{' || *r->p == '[' ? skip_container(r) : skip_scalar(r);
}

/* "key": at p with the space behind it; NULL when malformed. */
static const char *
read_member_key(struct reader *r, const struct node *node, const char *p, const struct node **ret_child)
{
	struct str key;
	bool escaped;

	r->p = p;
	if (!read_key(r, &key, &escaped))
		return NULL;
	*ret_child = find_name(r, node, key, escaped);
	return r->p;
}

#ifdef __SSE2__
static inline bool
shape_matches(const struct json_shape_member *m, const char *p)
{
	__m128i text = _mm_load_si128((const __m128i *)(const void *)m->text);
	__m128i here = _mm_loadu_si128((const __m128i *)(const void *)p);

	return m->mask != 0 && (_mm_movemask_epi8(_mm_cmpeq_epi8(text, here)) & m->mask) == m->mask;
}
#else
static inline bool
shape_matches(const struct json_shape_member *m, const char *p)
{
	return m->mask != 0 && memcmp(m->text, p, m->len) == 0;
}
#endif

static void
shape_remember(struct json_shape_member *m, const char *p, size_t len, const struct node *child)
{
	m->mask = 0;
	if (len > sizeof(m->text))
		return;
	memcpy(m->text, p, len);
	m->mask = (uint16_t)((1u << len) - 1);
	m->len = (uint8_t)len;
	m->node = child;
}

/* A string without escapes for a node where its path ends: true when it was read. */
static inline bool
read_plain_string(const struct reader *r, const struct node *child, const char **p)
{
	const char *close;

	if (**p != '"' || (child != NULL && child->n_names + child->n_indexes > 0))
		return false;
	close = string_special(*p + 1, r->end, r->block_max);
	if (close == r->end || *close != '"')
		return false;
	if (child != NULL) {
		struct json_value value = {.kind = JSON_STRING, .text = {*p + 1, (size_t)(close - *p) - 1}};

		set_slots(r, child, value);
	}
	*p = close + 1;
	return true;
}

/* The inner loop of everything: the usual member is a key as in the line before and a plain string or number. */
static bool
read_object(struct reader *r, const struct node *node, struct json_shape *shape)
{
	struct json_shape_member none, *m = shape != NULL ? shape->members : &none;
	const struct json_shape_member *const shape_end = shape != NULL ? m + JSON_SHAPE_MEMBERS : m;
	const char *p = after_space(r->p);

	if (*p == '}') {
		r->p = p + 1;
		return true;
	}
	for (;; m += m < shape_end) {
		const struct node *child;

		if (m < shape_end && p <= r->block_max && shape_matches(m, p)) {
			child = m->node;
			p += m->len;
		} else {
			const char *key = p;

			p = read_member_key(r, node, p, &child);
			if (p == NULL)
				return false;
			if (m < shape_end)
				shape_remember(m, key, (size_t)(p - key), child);
		}
		if (!read_plain_string(r, child, &p)) {
			r->p = p;
			if (!(child != NULL ? read_value(r, child) : skip_value(r)) || r->p == r->end)
				return false;
			p = r->p;
		}
		p = after_space(p);
		if (*p != ',') {
			r->p = p + 1;
			return *p == '}';
		}
		p = after_space(p + 1);
	}
}

/* The last elements are read a second time, when it is known which they are. */
static bool
read_from_end(const struct reader *r, const struct node *node, const char *const *starts, size_t n)
{
	for (size_t i = 0; i < node->n_indexes; i++) {
		size_t back = node->indexes[i].index < 0 ? (size_t)-node->indexes[i].index : 0;
		struct reader again = *r;

		if (back == 0 || back > n)
			continue;
		again.p = starts[(n - back) % JSON_FROM_END_MAX];
		if (!read_value(&again, node->indexes[i].node))
			return false;
	}
	return true;
}

static bool
read_array(struct reader *r, const struct node *node)
{
	const char *starts[JSON_FROM_END_MAX];
	size_t n = 0;
	bool bad;

	if (read_empty(r, ']'))
		return true;
	do {
		const struct node *child = NULL;

		r->p = after_space(r->p);
		for (size_t i = 0; i < node->n_indexes; i++) {
			if (node->indexes[i].index == (int64_t)n)
				child = node->indexes[i].node;
		}
		starts[n++ % JSON_FROM_END_MAX] = r->p;
		if (!(child != NULL ? read_value(r, child) : skip_value(r)))
			return false;
	} while (read_comma(r, ']', &bad));
	if (bad)
		return false;
	return node->from_end == 0 || read_from_end(r, node, starts, n);
}

static bool
read_container(struct reader *r, const struct node *node)
{
	bool object = *r->p == '{', ok;

	if (node->n_names + node->n_indexes > 0)
		clear_below(r, node);
	if (object ? node->n_names == 0 : node->n_indexes == 0)
		return skip_container(r);
	if (r->depth >= JSON_LINE_DEPTH_MAX)
		return false;
	r->depth++;
	r->p++;
	ok = object ? read_object(r, node, NULL) : read_array(r, node);
	r->depth--;
	return ok;
}

static bool
read_scalar(struct reader *r, struct json_value *ret)
{
	const char *start = r->p + 1;
	bool escaped;

	*ret = (struct json_value){0};
	switch (*r->p) {
	case '"':
		r->p++;
		if (!skip_string(r, &escaped))
			return false;
		ret->kind = JSON_STRING;
		ret->text = (struct str){start, (size_t)(r->p - start) - 1};
		if (escaped)
			ret->text = json_text_unescape(r->arena, ret->text);
		return true;
	case 't':
	case 'f':
		ret->kind = JSON_BOOL;
		ret->boolean = *r->p == 't';
		break;
	case '-':
	case '0' ... '9':
		ret->kind = JSON_NUMBER;
		return read_number(r, &ret->number);
	}
	return skip_scalar(r);
}

static struct json_value
container_text(struct arena *arena, const char *start, const char *end)
{
	struct str raw = {start, (size_t)(end - start)};

	return (struct json_value){.kind = JSON_STRING, .text = json_text_compact(arena, raw)};
}

static bool
read_value(struct reader *r, const struct node *node)
{
	const char *start = r->p;
	struct json_value value;

	if (*r->p == '{' || *r->p == '[') {
		if (!read_container(r, node))
			return false;
		if (node->slots != NULL)
			set_slots(r, node, container_text(r->arena, start, r->p));
		return true;
	}
	if (!read_scalar(r, &value))
		return false;
	if (node->n_names + node->n_indexes > 0)
		clear_below(r, node);
	set_slots(r, node, value);
	return true;
}

/* ---- the whole text ---- */

static void
fields_push(struct json_fields *f, struct arena *arena, struct json_member field)
{
	if (f->n == f->cap) {
		size_t cap = f->cap > 0 ? 2 * f->cap : 16;
		struct json_member *grown = arena_alloc(arena, cap * sizeof(*grown));

		if (f->n > 0)
			memcpy(grown, f->items, f->n * sizeof(*grown));
		f->items = grown;
		f->cap = cap;
	}
	f->items[f->n++] = field;
}

/* As read_value for the trie, and the value once more for the selected field. */
static bool
read_field(struct reader *r, struct json_fields *fields, struct str name, const struct node *child)
{
	struct json_member field = {.name = name};
	const char *start = r->p;

	if (*r->p == '{' || *r->p == '[') {
		if (!skip_container(r))
			return false;
		field.value = container_text(r->arena, start, r->p);
	} else if (!read_scalar(r, &field.value)) {
		return false;
	}
	fields_push(fields, r->arena, field);
	if (child == NULL)
		return true;
	r->p = start;
	return read_value(r, child);
}

static bool
read_fields(struct reader *r, const struct node *node, struct json_fields *fields)
{
	struct str key;
	bool escaped, bad;

	if (read_empty(r, '}'))
		return true;
	do {
		const struct node *child;

		if (!read_key(r, &key, &escaped))
			return false;
		if (escaped)
			key = json_text_unescape(r->arena, key);
		child = find_name(r, node, key, false);
		if (fields->select(fields->ptr, key)) {
			if (!read_field(r, fields, key, child))
				return false;
		} else if (!(child != NULL ? read_value(r, child) : skip_value(r))) {
			return false;
		}
	} while (read_comma(r, '}', &bad));
	return !bad;
}

/* Without white space at the end; jsoniter takes a NUL there for the end of the text, too. */
static struct str
cut_end(struct str text)
{
	while (text.len > 0 && (unsigned char)text.s[text.len - 1] <= ' ' &&
		memchr(" \t\r\n", text.s[text.len - 1], 5) != NULL)
		text.len--;
	return text;
}

static bool
is_null(struct str text)
{
	text = str_trim(text);
	return str_is(text, "null");
}

bool
json_extract(const struct json_paths *paths, struct str text, struct arena *arena, struct json_shape *shape,
	struct json_value *values, struct json_fields *fields)
{
	struct reader r = {.arena = arena, .values = values};

	for (size_t i = 0; i < paths->n; i++)
		values[i] = (struct json_value){0};
	if (fields != NULL)
		fields->n = 0;
	text = cut_end(text);
	if (text.len < 2 || text.s[text.len - 1] != '}')
		return is_null(text);
	r.end = text.s + text.len;
	r.block_max = text.len >= 16 ? r.end - 16 : NULL;
	r.p = after_space(text.s);
	if (*r.p++ != '{' || r.p == r.end)
		return false;
	if (!(fields != NULL ? read_fields(&r, &paths->root, fields) : read_object(&r, &paths->root, shape)))
		return false;
	return r.p == r.end;
}

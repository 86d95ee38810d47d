/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our reader of JSON lines against jansson: random objects, and the same with one byte changed. What jansson takes ours must
 * take, and find the same value at a random path. (The other way round it need not be: ours follows jsoniter, which takes more.)
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "longship/base/buf.h"
#include "random.h"

/* Both have these names. */
#define JSON_STRING OUR_STRING
#define JSON_NULL OUR_NULL
#include "longship/codec/json.h"
#undef JSON_STRING
#undef JSON_NULL

#define TEXT_BYTES_MAX (1u << 20)

struct text {
	struct dice *dice;
	struct buf out;
};

static void
put_space(struct text *t)
{
	static const char blanks[] = " \t\n\r";

	while (dice_below(t->dice, 8) == 0)
		(void)buf_putc(&t->out, blanks[dice_below(t->dice, 4)]);
}

static void
put_string(struct text *t, unsigned number)
{
	static const char *const pieces[] = {"a", "key", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83d\\ude00", "\xc3\xa9", "\xe4\xb8\x96",
		" ", "{", "}", "[", "]", ":", ",", "0", "true", "a long piece of plain text, longer than a block of sixteen"};

	(void)buf_putc(&t->out, '"');
	for (unsigned n = dice_below(t->dice, 6); n > 0; n--)
		(void)buf_z(&t->out, pieces[dice_below(t->dice, sizeof(pieces) / sizeof(pieces[0]))]);
	(void)buf_printf(&t->out, "%u\"", number);
}

static void
put_number(struct text *t)
{
	(void)buf_printf(&t->out, "%s%llu", dice_below(t->dice, 3) == 0 ? "-" : "",
		(unsigned long long)(dice_next(t->dice) >> (1 + dice_below(t->dice, 63))));
	if (dice_below(t->dice, 3) == 0)
		(void)buf_printf(&t->out, ".%0*u", 1 + (int)dice_below(t->dice, 17), dice_below(t->dice, 1000000));
	if (dice_below(t->dice, 4) == 0)
		(void)buf_printf(&t->out, "%c%s%u", dice_below(t->dice, 2) == 0 ? 'e' : 'E',
			(const char *[]){"", "+", "-"}[dice_below(t->dice, 3)], dice_below(t->dice, 280));
}

static void put_value(struct text *, unsigned depth);

/* Members have numbers, so that no name repeats. */
static void
put_container(struct text *t, unsigned depth, bool object)
{
	unsigned n = dice_below(t->dice, 6);

	(void)buf_putc(&t->out, object ? '{' : '[');
	for (unsigned i = 0; i < n; i++) {
		put_space(t);
		if (i > 0)
			(void)buf_putc(&t->out, ',');
		put_space(t);
		if (object) {
			put_string(t, i);
			put_space(t);
			(void)buf_putc(&t->out, ':');
			put_space(t);
		}
		put_value(t, depth + 1);
	}
	put_space(t);
	(void)buf_putc(&t->out, object ? '}' : ']');
}

static void
put_value(struct text *t, unsigned depth)
{
	unsigned kind = dice_below(t->dice, depth < 5 ? 8 : 5);

	if (kind <= 1)
		put_string(t, dice_below(t->dice, 10));
	else if (kind <= 3)
		put_number(t);
	else if (kind == 4)
		(void)buf_z(&t->out, (const char *[]){"true", "false", "null"}[dice_below(t->dice, 3)]);
	else
		put_container(t, depth, kind <= 6);
}

/* ---- a path into it ---- */

/* Goes down by chance; writes the path, *ret is where it leads. */
static void
choose_path(struct dice *dice, const json_t *value, struct buf *path, const json_t **ret)
{
	for (unsigned step = 0; step < 6; step++) {
		size_t n = json_is_object(value) ? json_object_size(value) : json_is_array(value) ? json_array_size(value) : 0;
		size_t chosen = n > 0 ? dice_below(dice, (unsigned)n) : 0;

		if (n == 0 || (step > 0 && dice_below(dice, 4) == 0))
			break;
		if (json_is_object(value)) {
			void *iter = json_object_iter((json_t *)(uintptr_t)value);
			json_t *key;
			char *quoted;

			while (chosen-- > 0)
				iter = json_object_iter_next((json_t *)(uintptr_t)value, iter);
			key = json_string(json_object_iter_key(iter));
			quoted = json_dumps(key, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
			(void)buf_printf(path, "%s%s", step > 0 ? "." : "", quoted);
			free(quoted);
			json_decref(key);
			value = json_object_iter_value(iter);
		} else {
			(void)buf_printf(path, "[%zu]", chosen);
			value = json_array_get(value, chosen);
		}
	}
	*ret = value;
}

/* ---- comparing ---- */

static bool
same_tree(const json_t *a, const json_t *b)
{
	size_t i;
	const char *key;
	json_t *value;

	if (json_is_number(a) || json_is_number(b))
		return json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b);
	if (json_typeof(a) != json_typeof(b))
		return false;
	if (json_is_array(a)) {
		if (json_array_size(a) != json_array_size(b))
			return false;
		json_array_foreach((json_t *)(uintptr_t)a, i, value)
			if (!same_tree(value, json_array_get(b, i)))
				return false;
		return true;
	}
	if (!json_is_object(a))
		return json_equal(a, b);
	if (json_object_size(a) != json_object_size(b))
		return false;
	json_object_foreach((json_t *)(uintptr_t)a, key, value)
		if (json_object_get(b, key) == NULL || !same_tree(value, json_object_get(b, key)))
			return false;
	return true;
}

static bool
same_text(struct str text, const json_t *want)
{
	json_t *got = json_loadb(text.s, text.len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
	bool same = got != NULL && same_tree(want, got);

	json_decref(got);
	return same;
}

static bool
same_value(const struct json_value *got, const json_t *want)
{
	switch (got->kind) {
	case OUR_NULL:
		return json_is_null(want);
	case JSON_BOOL:
		return json_is_boolean(want) && got->boolean == json_is_true(want);
	case JSON_NUMBER:
		return json_is_number(want) && got->number == json_number_value(want);
	case OUR_STRING:
		break;
	}
	if (json_is_string(want))
		return str_eq(got->text, (struct str){json_string_value(want), json_string_length(want)});
	return (json_is_object(want) || json_is_array(want)) && same_text(got->text, want);
}

/* ---- rounds ---- */

static void
change_one_byte(struct text *t)
{
	static const char bytes[] = "{}[]:,\"\\/ 0123456789eE+-.truefalsn\x7f\xc3\xa9\x01";
	size_t at = dice_below(t->dice, (unsigned)t->out.len);
	char byte = bytes[dice_below(t->dice, sizeof(bytes) - 1)];

	if (dice_below(t->dice, 3) == 0) {
		memmove(t->out.data + at, t->out.data + at + 1, t->out.len - at - 1);
		t->out.len--;
	} else {
		t->out.data[at] = byte;
	}
}

struct counts {
	unsigned taken, refused, wrong;
};

static void
compare(struct text *t, struct counts *counts, struct json_shape *shape)
{
	json_t *doc = json_loadb(t->out.data, t->out.len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	struct arena *arena = arena_new(0);
	struct json_paths *paths = json_paths_new(arena);
	struct json_value value = {0};
	const json_t *want = NULL;
	struct str error = STR_EMPTY;
	struct buf path;
	bool ok;

	buf_init(&path, TEXT_BYTES_MAX);
	if (!json_is_object(doc) || json_object_size(doc) == 0) {
		counts->refused++;
		(void)json_paths_add(paths, STR("a"), &error);
		(void)json_extract(paths, buf_view(&t->out), arena, shape, &value, NULL);
	} else {
		counts->taken++;
		choose_path(t->dice, doc, &path, &want);
		ok = json_paths_add(paths, buf_view(&path), &error) && json_extract(paths, buf_view(&t->out), arena, NULL, &value, NULL);
		if (!ok || !same_value(&value, want)) {
			counts->wrong++;
			(void)printf("differs at %.*s %.*s\n  %.*s\n", STR_FMT(buf_view(&path)), STR_FMT(error), STR_FMT(buf_view(&t->out)));
		}
	}
	buf_done(&path);
	arena_free(arena);
	json_decref(doc);
}

int
main(int argc, char **argv)
{
	uint64_t seed = number_argument(argc, argv, 1, 1), rounds = number_argument(argc, argv, 2, 20000);
	struct counts counts = {0};

	for (uint64_t round = 0; round < rounds && counts.wrong < 10; round++) {
		struct dice dice = {seed * UINT64_C(1000003) + round};
		struct text t = {.dice = &dice};
		struct json_shape shape = {0};

		buf_init(&t.out, TEXT_BYTES_MAX);
		put_space(&t);
		put_container(&t, 0, true);
		put_space(&t);
		compare(&t, &counts, &shape);
		change_one_byte(&t);
		compare(&t, &counts, &shape);
		buf_done(&t.out);
	}
	(void)printf("json: seed %llu, %u texts that jansson takes, %u that it refuses, %u differ\n", (unsigned long long)seed, counts.taken,
		counts.refused, counts.wrong);
	return counts.wrong > 0 || counts.taken == 0;
}

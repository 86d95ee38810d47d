/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/json_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"

static struct arena *arena;

static const struct json *
parse(const char *text)
{
	struct str error;
	const struct json *v = json_tree_parse(arena, str_from(text), 0, &error);

	if (v == NULL)
		fail_msg("%s: %.*s", text, STR_FMT(error));
	return v;
}

static void
test_json_tree__values(void **state)
{
	const struct json *v =
		parse(" {\"b\": [1, -2.5, true, null], \"a\": {\"x\": \"y\"}, \"b2\": 1E2, \"a\": \"last\"} ");
	double number;

	(void)state;
	assert_int_equal(v->kind, JSON_TREE_OBJECT);
	assert_int_equal(v->object.n, 3);
	assert_true(str_is(v->object.fields[0].name, "b"));
	assert_int_equal(v->object.fields[0].value.array.items[0].i, 1);
	assert_true(v->object.fields[0].value.array.items[1].f == -2.5);
	assert_int_equal(v->object.fields[0].value.array.items[3].kind, JSON_TREE_NULL);
	assert_true(str_is(json_tree_get_text(v, STR("a")), "last"));
	assert_true(json_tree_number(json_tree_get(v, STR("b2")), &number) && number == 100);
	assert_null(json_tree_get(v, STR("nope")));
	assert_null(json_tree_get(NULL, STR("nope")));
	assert_int_equal(parse("9223372036854775807")->i, INT64_MAX);
	assert_int_equal(parse("9223372036854775808")->kind, JSON_TREE_FLOAT);
}

static void
test_json_tree__mends_texts(void **state)
{
	(void)state;
	assert_true(str_is(parse("\"a\xff\"")->text, "a\xef\xbf\xbd"));
	assert_true(str_is(parse("\"\\ud800x\"")->text, "\xef\xbf\xbdx"));
	assert_true(str_is(parse("\"\\ud800\\u0041\"")->text, "\xef\xbf\xbd"
							      "A"));
	assert_true(str_is(parse("\"\\ud83d\\ude00\"")->text, "\xf0\x9f\x98\x80"));
	assert_int_equal(parse("\"a\\u0000b\"")->text.len, 3);
}

static void
test_json_tree__words_of_go(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"", "unexpected end of JSON input"},
		{"{", "unexpected end of JSON input"},
		{"\"abc", "unexpected end of JSON input"},
		{"[1] x", "invalid character 'x' after top-level value"},
		{"nul", "invalid character ' ' in literal null (expecting 'l')"},
		{"tru3", "invalid character '3' in literal true (expecting 'e')"},
		{"[1,]", "invalid character ']' looking for beginning of value"},
		{"{a:1}", "invalid character 'a' looking for beginning of object key string"},
		{"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
		{"{\"a\" 1}", "invalid character '1' after object key"},
		{"{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"},
		{"[1 2]", "invalid character '2' after array element"},
		{"\"a\nb\"", "invalid character '\\n' in string literal"},
		{"\"\\x\"", "invalid character 'x' in string escape code"},
		{"\"\\u12G4\"", "invalid character 'G' in \\u hexadecimal character escape"},
		{"[01]", "invalid character '1' after array element"},
		{"-", "invalid character ' ' in numeric literal"},
		{"[1.]", "invalid character ']' after decimal point in numeric literal"},
		{"1e", "invalid character ' ' in exponent of numeric literal"},
		{"'", "invalid character '\\'' looking for beginning of value"},
		{"[1e400]", "json: cannot unmarshal number 1e400 into Go value of type float64"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str error = STR_EMPTY;

		assert_null(json_tree_parse(arena, str_from(cases[i].text), 0, &error));
		assert_string_equal(arena_z(arena, error), cases[i].error);
	}
}

static void
test_json_tree__depth_is_limited(void **state)
{
	struct buf text;
	struct str error;

	(void)state;
	buf_init(&text, 1 << 20);
	for (int i = 0; i <= JSON_DEPTH_MAX; i++)
		buf_putc(&text, '[');
	assert_null(json_tree_parse(arena, buf_view(&text), 0, &error));
	assert_true(str_is(error, "exceeded max depth"));
	buf_clear(&text);
	for (int i = 0; i < 2 * JSON_DEPTH_MAX; i++)
		buf_putc(&text, i < JSON_DEPTH_MAX ? '[' : ']');
	assert_non_null(json_tree_parse(arena, buf_view(&text), 0, &error));
	buf_done(&text);
}

static void
test_json_tree__quote(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 1024);
	assert_true(json_tree_quote(&text, STR("a\"\\\n\x01<\xe2\x80\xa8\xff"), true));
	assert_string_equal(arena_z(arena, buf_view(&text)), "\"a\\\"\\\\\\n\\u0001\\u003c\\u2028\\ufffd\"");
	buf_done(&text);
}

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_json_tree__values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_tree__mends_texts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_tree__words_of_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_tree__depth_is_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_tree__quote, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/codec/json.h"
#include "longship/codec/json_text.h"

/* Value of one path as text: "null", "true", a string in quotes, or the number. NULL: malformed. */
static const char *
look_n(struct arena *arena, struct str text, const char *path)
{
	struct json_paths *paths = json_paths_new(arena);
	struct json_value v;
	struct str error;
	struct buf number;

	buf_init(&number, 400);
	assert_true(json_paths_add(paths, str_from(path), &error));
	/* A copy of exactly this size, so that ASan sees a read beyond it. */
	char *exact = mem_alloc(text.len > 0 ? text.len : 1);
	memcpy(exact, text.s, text.len);
	bool ok = json_extract(paths, (struct str){exact, text.len}, arena, NULL, &v, NULL);
	const char *result = NULL;

	if (ok && v.kind == JSON_NULL)
		result = "null";
	else if (ok && v.kind == JSON_BOOL)
		result = v.boolean ? "true" : "false";
	else if (ok && v.kind == JSON_NUMBER)
		result = json_text_number(&number, v.number) ? arena_z(arena, buf_view(&number)) : NULL;
	else if (ok)
		result = arena_printf(arena, "'%.*s'", STR_FMT(v.text)).s;
	buf_done(&number);
	mem_free(exact);
	return result;
}

static const char *
look(struct arena *arena, const char *text, const char *path)
{
	return look_n(arena, str_from(text), path);
}

static void
test_json__values(void **state)
{
	static const struct {
		const char *text, *path, *want;
	} cases[] = {
		{"{\"a\":1}", "a", "1"},
		{" {\"a\" : \"x\" , \"b\":[1,{\"c\":true}]} \n", "b[1].c", "true"},
		{"{\"a\":[1,2,3]}", "a[-1]", "3"},
		{"{\"a\":[1,2,3]}", "a[-4]", "null"},
		{"{\"a\":[1,2,3]}", "a[3]", "null"},
		{"{\"a\":{\"x-y\":\"z\"}}", "a.\"x-y\"", "'z'"},
		{"{\"a\":{\"\\u0062\":\"z\"}}", "a.b", "'z'"},
		{"{\"a\":\"l\\n\\u00e9\\ud83d\\ude00\\ud800x\\/\"}", "a", "'l\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx/'"},
		{"{\"a\":\"\xff\"}", "a", "'\xff'"},
		{"{\"a\":\"\\t\tx\"}", "a", "'\t\tx'"}, /* jsoniter: a raw tab behind an escape passes */
		{"{\"a\":null}", "a", "null"},
		{"{\"a\":false}", "a.b", "null"},
		{"null", "a", "null"},
		{"{}", "a", "null"},
		{"{\"a\":1,\"a\":\"2\"}", "a", "'2'"},
		{"{\"a\":{\"b\":1},\"a\":{\"c\":1}}", "a.b", "null"},
		{"{\"a\":{\"b\":1},\"a\":5}", "a.b", "null"},
		{"{\"a\":-0.5}", "a", "-0.5"},
		{"{\"a\":1562723913000}", "a", "1562723913000"},
		{"{\"a\":1562708916000000123}", "a", "1562708916000000000"},
		{"{\"a\":12345678901234567890}", "a", "12345678901234567000"},
		{"{\"a\":1e-7}", "a", "1e-7"},
		{"{\"a\":1.5E+3}", "a", "1500"},
		{"{\"a\":0.1234567890123456789}", "a", "0.12345678901234568"},
		{"{\"a\":{\"z\":1, \"b\":[ ],\"c\":{ }, \"d\":\"<\\\"\\n\"}}", "a", "'{\"z\":1,\"b\":[],\"c\":{},\"d\":\"\\u003c\\\"\\n\"}'"},
		{"{\"a\":{\"z\":1,\"y\":{\"z\":2,\"z\":3},\"z\":4,\"y\":5}}", "a", "'{\"z\":4,\"y\":5}'"},
		{"{\"a\":[1.0,1e2,-0,true,null,\"\\u2028\"]}", "a", "'[1,100,-0,true,null,\"\\u2028\"]'"},
		{"{\"a\":1}", " a ", "1"},
		{"{\"a\":{\"b\\\"\":2}}", "a.\"\\u0062\\\"\"", "2"},
	};
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *got = look(arena, cases[i].text, cases[i].path);

		if (got == NULL || strcmp(got, cases[i].want) != 0)
			fail_msg("%s of %s: %s, want %s", cases[i].path, cases[i].text, got != NULL ? got : "malformed",
				cases[i].want);
	}
	arena_free(arena);
}

static void
test_json__malformed(void **state)
{
	static const char *const texts[] = {
		"", " ", "[1]", "1", "\"a\"", "true", "nul", "nullx", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
		"{a:1}", "{\"a\":1}}", "{\"a\":1} x", "{\"a\":01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":-}", "{\"a\":+1}",
		"{\"a\":1e}", "{\"a\":1e400}", "{\"a\":--1}", "{\"a\":1-2}", "{\"a\":tru}", "{\"a\":\"x}", "{\"a\":\"\tx\"}",
		"{\"a\":\"\\x\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\\"}", "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":[}", "{\"a\":{]}",
		"{\"b\":[1,]}", "{\"b\":{\"x\":[[}]}", "{\"b\":{\"x\" 1}}", "{\"a\" \"b\"}", "{\"b\":01}", "{,}", "{\"a\":1 \"b\":2}",
	};
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (look(arena, texts[i], "a") != NULL)
			fail_msg("accepted: %s", texts[i]);
	}
	arena_free(arena);
}

static void
test_json__depth(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t depth = JSON_LINE_DEPTH_MAX - 2; depth <= JSON_LINE_DEPTH_MAX + 1; depth++) {
		char *text = mem_alloc(2 * depth + 5);

		memcpy(text, "{\"b\":", 5);
		memset(text + 5, '[', depth);
		memset(text + 5 + depth, ']', depth - 1);
		text[4 + 2 * depth] = '\0';
		/* The last bracket is missing in any case. */
		assert_null(look_n(arena, (struct str){text, 4 + 2 * depth}, "a"));
		mem_free(text);
	}
	arena_free(arena);
}

static void
test_json__depth_in_compact(void **state)
{
	struct arena *arena = arena_new(0);
	size_t depth = 5000;
	char *text = mem_alloc(2 * depth + 7);

	(void)state;
	memcpy(text, "{\"a\":", 5);
	memset(text + 5, '[', depth);
	memset(text + 5 + depth, ']', depth);
	text[5 + 2 * depth] = '}';
	assert_int_equal(strlen(look_n(arena, (struct str){text, 6 + 2 * depth}, "a")), 2 * depth + 2);
	mem_free(text);
	arena_free(arena);
}

static void
test_json__paths_refused(void **state)
{
	static const char *const paths[] = {
		"", "3##@$#33", "a[?b]", "a.*", "a[*]", "a | b", "a.b.", "[a]", "a[1", "a[-17]", "length(a)", "'x'", "`1`", "a b", ".a",
		"\"a", "@", "a..b", "a[99999999999999999999]",
	};
	struct arena *arena = arena_new(0);
	struct json_paths *set = json_paths_new(arena);
	struct str error;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		if (json_paths_add(set, str_from(paths[i]), &error))
			fail_msg("accepted: %s", paths[i]);
		assert_true(str_find(error, STR("no field path")) >= 0);
	}
	assert_int_equal(json_paths_count(set), 0);
	arena_free(arena);
}

static bool
select_b(void *ptr, struct str name)
{
	(void)ptr;
	return name.len > 0 && name.s[0] == 'b';
}

static void
test_json__fields(void **state)
{
	struct arena *arena = arena_new(0);
	struct json_paths *paths = json_paths_new(arena);
	struct json_fields fields = {.select = select_b};
	struct json_value v[2];
	struct str error;

	(void)state;
	assert_true(json_paths_add(paths, STR("b1.x"), &error));
	assert_true(json_paths_add(paths, STR("b1"), &error));
	assert_true(json_extract(paths, STR("{\"a\":1,\"b1\":{\"x\":7},\"b2\":null,\"b3\":\"s\"}"), arena, NULL, v, &fields));
	assert_int_equal(fields.n, 3);
	assert_true(str_is(fields.items[0].name, "b1"));
	assert_true(str_is(fields.items[0].value.text, "{\"x\":7}"));
	assert_int_equal(fields.items[1].value.kind, JSON_NULL);
	assert_true(str_is(fields.items[2].value.text, "s"));
	assert_true(v[0].number == 7);
	assert_true(str_is(v[1].text, "{\"x\":7}"));
	arena_free(arena);
}

/* Lines of one shape, then of others: what is remembered of one line must never show in the next. */
static void
test_json__shapes(void **state)
{
	static const struct {
		const char *text;
		double a, b; /* -1: null; malformed when both are -2 */
	} lines[] = {
		{"{\"a\":1,\"b\":2,\"a_very_long_name_of_a_member\":1}", 1, 2},
		{"{\"a\":3,\"b\":4,\"a_very_long_name_of_a_member\":1}", 3, 4},
		{"{\"b\":5,\"a\":6,\"a_very_long_name_of_a_member\":1}", 6, 5},
		{"{\"b\":7,\"a\" :8,\"a_very_long_name_of_a_member\":1}", 8, 7},
		{"{\"x\":7,\"a\" :9,\"a_very_long_name_of_a_member\":1}", 9, -1},
		{"{\"x\":7,\"a\" ;9,\"a_very_long_name_of_a_member\":1}", -2, -2},
		{"{\"x\":\"7\",\"\\u0061\":9,\"a_very_long_name_of_a_member\":1}", 9, -1},
		{"{\"x\":\"7\",\"\\u0061\":8,\"a_very_long_name_of_a_member\":1}", 8, -1},
		{"{\"x\":\"7\",\"\\u0062\":8,\"b\":2,\"b\":3}", -1, 3},
		{"{}", -1, -1},
	};
	struct arena *arena = arena_new(0);
	struct json_paths *paths = json_paths_new(arena);
	struct json_shape shape = {0};
	struct json_value v[2];
	struct str error;

	(void)state;
	assert_true(json_paths_add(paths, STR("a"), &error));
	assert_true(json_paths_add(paths, STR("b"), &error));
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		bool ok = json_extract(paths, str_from(lines[i].text), arena, &shape, v, NULL);

		assert_int_equal(ok, lines[i].a != -2);
		if (!ok)
			continue;
		assert_true(v[0].kind == JSON_NULL ? lines[i].a == -1 : v[0].number == lines[i].a);
		assert_true(v[1].kind == JSON_NULL ? lines[i].b == -1 : v[1].number == lines[i].b);
	}
	arena_free(arena);
}

static void
test_json__numbers_as_go(void **state)
{
	static const struct {
		double n;
		const char *want;
	} cases[] = {
		{0, "0"}, {1, "1"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {1e20, "100000000000000000000"}, {1e21, "1e+21"}, {1e-6, "0.000001"},
		{1e-7, "1e-7"}, {123456789.125, "123456789.125"}, {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
		{0.30000000000000004, "0.30000000000000004"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 400);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&out);
		assert_true(json_text_number(&out, cases[i].n));
		if (!str_is(buf_view(&out), cases[i].want))
			fail_msg("%.*s, want %s", STR_FMT(buf_view(&out)), cases[i].want);
	}
	buf_done(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json__values),
		cmocka_unit_test(test_json__malformed),
		cmocka_unit_test(test_json__depth),
		cmocka_unit_test(test_json__depth_in_compact),
		cmocka_unit_test(test_json__paths_refused),
		cmocka_unit_test(test_json__fields),
		cmocka_unit_test(test_json__shapes),
		cmocka_unit_test(test_json__numbers_as_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

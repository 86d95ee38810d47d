/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/function.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/check.h"

static struct arena *arena;

static const struct function *
find(const char *name)
{
	size_t n;
	const struct function *f = stdlib_functions(&n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(f[i].name, name) == 0)
			return &f[i];
	}
	fail_msg("no function %s", name);
	return NULL;
}

/* The result as JSON, or "error ARG: text". */
static const char *
call(const char *name, const struct value *args, size_t n)
{
	struct function_call c = {.arena = arena};
	struct value ret = {.kind = VALUE_NULL};
	struct buf text;
	const char *z;

	if (!find(name)->call(&c, args, n, &ret))
		return arena_printf(arena, "error %d: %.*s", c.error_arg, STR_FMT(c.error)).s;
	buf_init(&text, 1 << 20);
	value_to_json(&ret, &text, false);
	z = arena_z(arena, buf_view(&text));
	buf_done(&text);
	return z;
}

#define S(x) value_string(str_from(x))
#define CALL(name, ...)                                                                                                \
	call(name, (struct value[]){__VA_ARGS__}, sizeof((struct value[]){__VA_ARGS__}) / sizeof(struct value))
#define TRUE_VALUE value_bool(true)

static struct value
from_json(const char *text)
{
	struct function_call c = {.arena = arena};
	struct value ret, arg = S(text);

	assert_true(find("encoding.from_json")->call(&c, &arg, 1, &ret));
	return ret;
}

static void
test_stdlib__string_functions(void **state)
{
	(void)state;
	assert_string_equal(CALL("string.split", S("/aaa/bbb"), S("/")), "[\"\",\"aaa\",\"bbb\"]");
	assert_string_equal(CALL("string.split", S(""), S(",")), "[\"\"]");
	assert_string_equal(CALL("string.split", S(""), S("")), "[]");
	assert_string_equal(CALL("string.split", S("aéb\xff"), S("")), "[\"a\",\"é\",\"b\",\"\\ufffd\"]");
	assert_string_equal(CALL("string.join", from_json("[0, \"x\", null, 1.5]"), S(", ")), "\"0, x, , 1.5\"");
	assert_string_equal(CALL("string.join", from_json("[true]"), S("")), "error 0: should be string, got bool");
	assert_string_equal(CALL("string.replace", S("aaa"), S("aa"), S("b")), "\"ba\"");
	assert_string_equal(CALL("string.replace", S("aé"), S(""), S("-")), "\"-a-é-\"");
	assert_string_equal(CALL("string.trim", S("?!hello?!"), S("!?")), "\"hello\"");
	assert_string_equal(CALL("string.trim", S("éaé"), S("é")), "\"a\"");
	assert_string_equal(CALL("string.trim_prefix", S("aab"), S("a")), "\"ab\"");
	assert_string_equal(CALL("string.trim_suffix", S("helloworld"), S("world")), "\"hello\"");
	assert_string_equal(CALL("string.trim_space", S("\xc2\xa0 x \xe3\x80\x80")), "\"x\"");
	assert_string_equal(CALL("string.to_upper", S("straßé")), "\"STRAßÉ\"");
	assert_string_equal(CALL("string.to_lower", S("ÀÉ")), "\"àé\"");
	assert_string_equal(
		CALL("string.format", S("%s %d %v"), S("x"), S("y"), from_json("{\"b\":[1,null],\"a\":true}")),
		"\"x %!d(string=y) map[a:true b:[1 <nil>]]\"");
	assert_string_equal(CALL("string.format", S("%d"), value_int(1), value_int(2)), "\"1%!(EXTRA int=2)\"");
}

static void
test_stdlib__array_functions(void **state)
{
	(void)state;
	assert_string_equal(CALL("array.concat", from_json("[1]"), from_json("[]"), from_json("[\"a\"]")), "[1,\"a\"]");
	assert_string_equal(
		CALL("array.concat", from_json("[1]"), value_int(2)), "error 1: should be array, got number");
	assert_string_equal(call("array.concat", NULL, 0), "[]");
	assert_string_equal(CALL("array.combine_maps", from_json("[{\"a\":1,\"b\":2},{\"d\":3}]"),
				    from_json("[{\"a\":1,\"b\":4}]"), from_json("[\"a\"]")),
		"[{\"a\":1,\"b\":4}]");
	assert_string_equal(CALL("array.combine_maps", from_json("[{\"a\":1},{\"d\":3}]"),
				    from_json("[{\"a\":2},{\"a\":3}]"), from_json("[\"a\"]"), TRUE_VALUE),
		"[{\"a\":1},{\"a\":1},{\"d\":3},{\"d\":3}]");
	assert_string_equal(
		CALL("array.combine_maps", from_json("[{\"a\":1}]"), from_json("[\"a\"]"), from_json("[\"a\"]")),
		"error 1: should be object, got string");
	assert_string_equal(CALL("array.combine_maps", from_json("[]"), from_json("[]"), from_json("[]")),
		"error 2: combine_maps: merge conditions must not be empty");
	assert_string_equal(CALL("array.group_by", from_json("[{\"t\":\"x\",\"n\":1},{\"n\":2},{\"t\":\"x\",\"n\":3}]"),
				    S("t"), value_bool(false)),
		"[{\"items\":[{\"n\":1,\"t\":\"x\"},{\"n\":3,\"t\":\"x\"}],\"t\":\"x\"},{\"items\":[{\"n\":2}],\"t\":"
		"\"\"}]");
	assert_string_equal(
		CALL("array.group_by", from_json("[]"), S("t")), "error -1: group_by: expected 3 arguments, got 2");
}

static void
test_stdlib__encoding_functions(void **state)
{
	struct value bytes = {.kind = VALUE_BYTES, .text = STR("hi")};
	struct field fields[] = {{STR("b"), &bytes}};
	struct value object = {.kind = VALUE_OBJECT, .object = {fields, 1}};

	(void)state;
	assert_string_equal(CALL("encoding.from_base64", S("aGk=")), "\"hi\"");
	assert_string_equal(CALL("encoding.from_base64", S("aGk")), "error -1: illegal base64 data at input byte 0");
	assert_string_equal(
		CALL("encoding.to_URLbase64", S("string123!?$*&()'-=@~")), "\"c3RyaW5nMTIzIT8kKiYoKSctPUB-\"");
	assert_string_equal(CALL("encoding.url_encode", S("a b/é~")), "\"a+b%2F%C3%A9~\"");
	assert_string_equal(CALL("encoding.url_decode", S("a+b%2F%zz")), "error -1: invalid URL escape \"%zz\"");
	assert_string_equal(CALL("encoding.to_json", from_json("{\"b\":\"<\",\"a\":[1e21,0.5]}")),
		"\"{\\\"a\\\":[1e+21,0.5],\\\"b\\\":\\\"\\\\u003c\\\"}\"");
	assert_string_equal(CALL("encoding.to_json", object), "\"{\\\"b\\\":[104,105]}\"");
	assert_string_equal(CALL("encoding.to_json", value_int(12)), "error -1: jsonEncode only supports map");
	assert_string_equal(
		CALL("encoding.from_yaml", S("a: [1, ~, 2001-01-01]")), "{\"a\":[1,null,\"2001-01-01T00:00:00Z\"]}");
	assert_string_equal(CALL("encoding.from_yaml", S("1: 2")), "error -1: yaml: line 1: the key 1 is not a string");
	assert_string_equal(CALL("encoding.from_yaml", S("a: 1\na: 2")),
		"error -1: yaml: unmarshal errors:\n  line 2: mapping key \"a\" already defined at line 1");
	assert_string_equal(CALL("json_path", S("[1, 2.5, {\"a\": null}]"), S("$[*]")), "[1,2.5,{\"a\":null}]");
	assert_string_equal(CALL("json_path", S(""), S("$")), "[null]");
	assert_string_equal(CALL("json_path", S("{}"), S("[")), "error -1: not terminated at 2 in [");
	assert_string_equal(
		CALL("encoding.from_json", S("[1 2]")), "error -1: invalid character '2' after array element");
}

static void
test_stdlib__secrets_stay_secret(void **state)
{
	struct value secret = {.kind = VALUE_SECRET, .text = STR("pw")};
	struct value file = {.kind = VALUE_OPTIONAL_SECRET, .text = STR("plain")};
	struct field fields[] = {{STR("s"), &secret}};
	struct value object = {.kind = VALUE_OBJECT, .object = {fields, 1}};
	struct value array = {.kind = VALUE_ARRAY, .array = {&secret, 1}};

	(void)state;
	assert_string_equal(CALL("convert.nonsensitive", secret), "\"pw\"");
	assert_string_equal(
		CALL("string.format", S("%s"), secret), "error 1: secrets may not be converted into strings");
	assert_string_equal(
		CALL("string.format", S("%v"), array), "error 1: secrets may not be converted into strings");
	assert_string_equal(CALL("string.format", S("%s"), file), "\"plain\"");
	assert_string_equal(CALL("string.join", array, S("")), "error 0: secrets may not be converted into strings");
	assert_string_equal(CALL("encoding.to_json", object), "error 0: secrets may not be converted into strings");
}

static void
test_stdlib__core_functions(void **state)
{
	(void)state;
	assert_string_equal(CALL("file.path_join", S("this/is"), S("a/path")), "\"this/is/a/path\"");
	assert_string_equal(CALL("file.path_join", S("a//b/../c")), "\"a/c\"");
	assert_string_equal(CALL("file.path_join", S("/"), S(".."), S("a/")), "\"/a\"");
	assert_string_equal(CALL("file.path_join", S("../x/../.."), S("y")), "\"../../y\"");
	assert_string_equal(CALL("file.path_join", S("a"), S("..")), "\".\"");
	assert_string_equal(CALL("file.path_join", S(""), S("")), "\"\"");
	assert_string_equal(call("file.path_join", NULL, 0), "\"\"");
	assert_string_equal(call("coalesce", NULL, 0), "null");
	assert_string_equal(
		CALL("coalesce", from_json("{}"), S(""), value_int(0), value_bool(false), from_json("[2]")), "[2]");
	assert_string_equal(CALL("coalesce", from_json("[]"), (struct value){.kind = VALUE_NULL}), "null");
	assert_int_equal(setenv("STDLIB_TEST", "Hello!", 1), 0);
	assert_string_equal(CALL("sys.env", S("STDLIB_TEST")), "\"Hello!\"");
	assert_string_equal(CALL("sys.env", S("STDLIB_UNSET")), "\"\"");
}

static void
test_stdlib__lookup(void **state)
{
	const struct value *constants = stdlib_lookup(STR("constants")), *join;

	(void)state;
	assert_true(str_is(value_get(constants, STR("version"))->text, "v" LONGSHIP_VERSION));
	assert_true(str_is(value_get(constants, STR("os"))->text, "linux"));
	join = value_get(stdlib_lookup(STR("string")), STR("join"));
	assert_string_equal(join->function->name, "string.join");
	assert_string_equal(stdlib_lookup(STR("join"))->function->replaced_by, "string.join");
	assert_null(stdlib_lookup(STR("string.join")));
	assert_null(stdlib_lookup(STR("map")));
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
		cmocka_unit_test_setup_teardown(test_stdlib__string_functions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stdlib__array_functions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stdlib__encoding_functions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stdlib__secrets_stay_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stdlib__core_functions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stdlib__lookup, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

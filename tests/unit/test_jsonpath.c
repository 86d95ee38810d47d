/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/jsonpath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena *arena;

static void
put(struct buf *out, const struct json *v)
{
	switch (v->kind) {
	case JSON_TREE_NULL:
		buf_z(out, "null");
		break;
	case JSON_TREE_BOOL:
		buf_z(out, v->boolean ? "true" : "false");
		break;
	case JSON_TREE_INT:
		buf_printf(out, "%lld", (long long)v->i);
		break;
	case JSON_TREE_FLOAT:
		buf_printf(out, "%g", v->f);
		break;
	case JSON_TREE_STRING:
		json_tree_quote(out, v->text, false);
		break;
	case JSON_TREE_ARRAY:
		buf_putc(out, '[');
		for (size_t i = 0; i < v->array.n; i++) {
			buf_z(out, i > 0 ? "," : "");
			put(out, &v->array.items[i]);
		}
		buf_putc(out, ']');
		break;
	case JSON_TREE_OBJECT:
		buf_putc(out, '{');
		for (size_t i = 0; i < v->object.n; i++) {
			buf_printf(out, "%s%.*s:", i > 0 ? "," : "", STR_FMT(v->object.fields[i].name));
			put(out, &v->object.fields[i].value);
		}
		buf_putc(out, '}');
		break;
	}
}

/* The matches as text, or the error. */
static const char *
get(const char *document, const char *path)
{
	struct str error;
	const struct json *root = json_tree_parse(arena, str_from(document), JSON_TREE_BIG_AS_TEXT, &error), *found;
	struct jsonpath *compiled = jsonpath_compile(arena, str_from(path), &error);
	struct buf out;
	const char *text;

	assert_non_null(root);
	found = compiled != NULL ? jsonpath_get(compiled, root, arena, &error) : NULL;
	if (found == NULL)
		return arena_z(arena, error);
	buf_init(&out, 1 << 20);
	put(&out, found);
	text = arena_z(arena, buf_view(&out));
	buf_done(&out);
	return text;
}

static void
test_jsonpath__selectors(void **state)
{
	const char *numbers = "[1,2,3,4,5]", *tree = "{\"a\":{\"b\":[1,2,{\"c\":3}]}}";

	(void)state;
	assert_string_equal(get("{\"a\":\"b\"}", ".a"), "[\"b\"]");
	assert_string_equal(get("{\"a\":\"b\"}", "$"), "[{a:\"b\"}]");
	assert_string_equal(get("{\"a\":\"b\"}", ""), "[]");
	assert_string_equal(get("{\"a\":\"b\"}", "nonexists"), "[]");
	assert_string_equal(get(numbers, "[1:4:2]"), "[2,4]");
	assert_string_equal(get(numbers, "[::-1]"), "[]");
	assert_string_equal(get(numbers, "[4:0:-2]"), "[5,3]");
	assert_string_equal(get(numbers, "[-2:]"), "[4,5]");
	assert_string_equal(get(numbers, "[0, 2, -1]"), "[1,3,5]");
	assert_string_equal(get(tree, "a.b[-1]"), "[{c:3}]");
	assert_string_equal(get(tree, "$..c"), "[3]");
	assert_string_equal(get(tree, "$.."), "[{b:[1,2,{c:3}]},[1,2,{c:3}],1,2,{c:3},3,{a:{b:[1,2,{c:3}]}}]");
	assert_string_equal(get("{\"a b\":{\"x\":1},\"c\":2}", "$['a b', \"c\"]"), "[{x:1},2]");
	assert_string_equal(get("{\"a b\":{\"x\":1},\"c\":2}", "$.*.x"), "[1]");
	assert_string_equal(get("[123456789012345678901234567890]", "[0]"), "[\"123456789012345678901234567890\"]");
}

static void
test_jsonpath__filters(void **state)
{
	const char *list = "[{\"name\":\"A\",\"v\":1},{\"name\":\"B\",\"v\":2.0},{\"name\":\"C\"},{\"v\":[1,2,7]}]";

	(void)state;
	assert_string_equal(get(list, "[?(@.name == \"B\")].v"), "[2]");
	assert_string_equal(get(list, "[?@.v == 2].name"), "[\"B\"]");
	assert_string_equal(get(list, "[?(@.v)].name"), "[\"A\",\"B\"]");
	assert_string_equal(get(list, "[?@.v exists false].name"), "[\"C\"]");
	assert_string_equal(get(list, "[?@.name =~ /^[AB]$/ && @.v < 2].name"), "[\"A\"]");
	assert_string_equal(get(list, "[?@.name in ['A', 'C']].name"), "[\"A\",\"C\"]");
	assert_string_equal(get(list, "[?@.v[*] == 7]"), "[{v:[1,2,7]}]");
	assert_string_equal(get(list, "[?length(@.v) == 3]"), "[{v:[1,2,7]}]");
	assert_string_equal(get(list, "[?count(@.v[*]) > 2]"), "[{v:[1,2,7]}]");
	assert_string_equal(get(list, "[?match(@.name, 'A|B')].name"), "[\"A\",\"B\"]");
	assert_string_equal(get(list, "[?@.v + 1 == 2 * 1].name"), "[\"A\"]");
	assert_string_equal(get(list, "[?@.v == $[0].v].name"), "[\"A\"]");
	assert_string_equal(get(list, "[?!(@.name == 'A')].name"), "[\"B\",\"C\"]");
}

static void
test_jsonpath__faults(void **state)
{
	(void)state;
	assert_string_equal(get("{}", "["), "not terminated at 2 in [");
	assert_string_equal(get("{}", "a."), "not terminated at 3 in a.");
	assert_string_equal(get("{}", ".-"), "an expression fragment can not start with a '-' at 3 in .-");
	assert_string_equal(get("{}", "[?@.a == ]"), "'' is not a value or function at 10 in [?@.a == ]");
	assert_string_equal(get("{}", "[?@.a % 1]"), "not a valid operation at 7 in [?@.a % 1]");
	assert_string_equal(get("{}", "$ a"), "parse error at 2 in $ a");
	assert_string_equal(get("{}", "['a"), "not terminated at 4 in ['a");
}

static void
test_jsonpath__costly_paths_end(void **state)
{
	struct buf document, path;

	(void)state;
	buf_init(&document, 1 << 20);
	buf_init(&path, 1 << 20);
	for (int i = 0; i < 5000; i++)
		buf_z(&document, i > 0 ? ",1" : "[1");
	buf_putc(&document, ']');
	assert_string_equal(get(arena_z(arena, buf_view(&document)), "[?$[*] == 2]"), "the path visits too many nodes");
	for (int i = 0; i < 60; i++)
		buf_z(&path, "[?@");
	assert_non_null(strstr(get("{}", arena_z(arena, buf_view(&path))), "nested too deeply"));
	buf_clear(&path);
	for (int i = 0; i < 300; i++)
		buf_z(&path, ".a");
	assert_non_null(strstr(get("{}", arena_z(arena, buf_view(&path))), "too many fragments"));
	buf_done(&document);
	buf_done(&path);
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
		cmocka_unit_test_setup_teardown(test_jsonpath__selectors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jsonpath__filters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jsonpath__faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jsonpath__costly_paths_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

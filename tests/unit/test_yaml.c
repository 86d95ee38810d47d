/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "longship/base/buf.h"
#include "longship/base/limits.h"

static struct arena *arena;

/* Kinds and values in one line: i1 f1.5 s"x" t.. [..] {k: v}. */
static void
put(struct buf *out, const struct yaml_tree *v)
{
	switch (v->kind) {
	case YAML_TREE_NULL:
		buf_z(out, "null");
		break;
	case YAML_TREE_BOOL:
		buf_z(out, v->boolean ? "true" : "false");
		break;
	case YAML_TREE_INT:
		buf_printf(out, "i%lld", (long long)v->i);
		break;
	case YAML_TREE_UINT:
		buf_printf(out, "u%llu", (unsigned long long)v->u);
		break;
	case YAML_TREE_FLOAT:
		buf_printf(out, "f%g", v->f);
		break;
	case YAML_TREE_STRING:
		buf_printf(out, "\"%.*s\"", STR_FMT(v->text));
		break;
	case YAML_TREE_TIME:
		buf_printf(out, "t%.*s", STR_FMT(v->rfc3339));
		break;
	case YAML_TREE_SEQUENCE:
		buf_putc(out, '[');
		for (size_t i = 0; i < v->sequence.n; i++) {
			buf_z(out, i > 0 ? " " : "");
			put(out, v->sequence.items[i]);
		}
		buf_putc(out, ']');
		break;
	case YAML_TREE_MAPPING:
		buf_putc(out, '{');
		for (size_t i = 0; i < v->mapping.n; i++) {
			buf_z(out, i > 0 ? " " : "");
			put(out, v->mapping.pairs[i].key);
			buf_putc(out, ':');
			put(out, v->mapping.pairs[i].value);
		}
		buf_putc(out, '}');
		break;
	}
}

static const char *
read_text(const char *text)
{
	struct yaml_tree_error error;
	const struct yaml_tree *root = yaml_tree_parse(arena, str_from(text), &error);
	struct buf out;
	const char *z;

	if (root == NULL)
		return arena_printf(arena, "%u:%u %.*s", error.line, error.column, STR_FMT(error.text)).s;
	buf_init(&out, 1 << 20);
	put(&out, root);
	z = arena_z(arena, buf_view(&out));
	buf_done(&out);
	return z;
}

static void
test_yaml__scalars_resolve_as_in_go(void **state)
{
	(void)state;
	assert_string_equal(read_text("[1, 0x10, 0o7, 1e3, ~, yes, true, '1', 010, 1_000, 18446744073709551615]"),
		"[i1 i16 i7 f1000 null \"yes\" true \"1\" i8 i1000 u18446744073709551615]");
	assert_string_equal(
		read_text("[18446744073709551616, 0b11, -0b11, +1, 1., .5, -.5e3, 08, _1, 1__0, 0x_1, -0o7]"),
		"[f1.84467e+19 i3 i-3 i1 f1 f0.5 f-500 f8 \"_1\" i10 i1 i-7]");
	assert_string_equal(read_text("[+0x1, .e1, ., 1_0.5, 0b2, 1e400, 09.5, +.inf, -.INF, .Nan, 20:30:20, 1-2]"),
		"[i1 \".e1\" \".\" f10.5 \"0b2\" \"1e400\" f9.5 finf f-inf \".Nan\" \"20:30:20\" \"1-2\"]");
	assert_string_equal(
		read_text("[2001-01-01, 2001-1-2T10:11:12.500+02:00, 2001-01-01 10:00:00, 2001-13-01, '2001-01-01']"),
		"[t2001-01-01T00:00:00Z t2001-01-02T10:11:12.5+02:00 t2001-01-01T10:00:00Z \"2001-13-01\" "
		"\"2001-01-01\"]");
	assert_string_equal(read_text("[!!binary aGk=, !!str 1, !!int '1', !!float 1, !foo 1, ! 1, !!bool 'true']"),
		"[\"hi\" \"1\" i1 f1 \"1\" i1 true]");
	assert_string_equal(read_text(""), "null");
	assert_string_equal(read_text("# c"), "null");
	assert_string_equal(read_text("a: |\n  x\n  y\n"), "{\"a\":\"x\ny\n\"}");
	assert_string_equal(read_text("a: 1\n---\nb: 2"), "{\"a\":i1}");
}

static void
test_yaml__anchors_and_merges(void **state)
{
	(void)state;
	assert_string_equal(read_text("a: &x [1]\nb: *x"), "{\"a\":[i1] \"b\":[i1]}");
	assert_string_equal(read_text("<<: {a: 1}\nb: 2\na: 3"), "{\"b\":i2 \"a\":i3}");
	assert_string_equal(read_text("b: 2\n<<: [{a: 1}, {a: 2, c: 3}]"), "{\"b\":i2 \"a\":i1 \"c\":i3}");
	assert_string_equal(read_text("'<<': 1"), "{\"<<\":i1}");
	assert_string_equal(read_text("<<: 1"), "1:5 map merge requires map or sequence of maps as the value");
	assert_string_equal(read_text("*x"), "1:1 unknown anchor 'x' referenced");
	assert_string_equal(read_text("a: &x [*x]"), "1:8 anchor 'x' value contains itself");
}

static void
test_yaml__faults_have_a_position(void **state)
{
	(void)state;
	assert_string_equal(read_text("a: b\n c: d"), "2:3 mapping values are not allowed in this context");
	assert_string_equal(read_text("a: 1\nb: 2\na: 3"),
		"3:1 unmarshal errors:\n  line 3: mapping key \"a\" already defined at line 1");
	assert_string_equal(read_text("!!int x"), "1:1 cannot decode !!str `x` as a !!int");
	assert_string_equal(read_text("? [1]\n: 2"), "1:3 invalid map key: it is not a scalar");
	assert_non_null(strstr(read_text("a: [1"), "did not find expected"));
	assert_non_null(strstr(read_text("a\xff"), "UTF-8"));
}

static void
test_yaml__positions_of_nodes(void **state)
{
	struct yaml_tree_error error;
	const struct yaml_tree *root = yaml_tree_parse(arena, STR("server:\n  port: 9080\n"), &error);
	const struct yaml_tree *port = yaml_tree_get(yaml_tree_get(root, STR("server")), STR("port"));

	(void)state;
	assert_int_equal(port->line, 2);
	assert_int_equal(port->column, 9);
	assert_int_equal(port->off, 16);
	assert_true(str_is(port->text, "9080"));
	assert_null(yaml_tree_get(port, STR("x")));
	assert_null(yaml_tree_get(NULL, STR("x")));
}

static void
test_yaml__bombs_are_refused(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_z(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 20; i++)
		buf_printf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1,
			i - 1, i - 1);
	assert_non_null(strstr(read_text(arena_z(arena, buf_view(&text))), "excessive aliasing"));
	buf_clear(&text);
	for (int i = 0; i <= YAML_DEPTH_MAX; i++)
		buf_putc(&text, '[');
	assert_non_null(strstr(read_text(arena_z(arena, buf_view(&text))), "exceeded max depth"));
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
		cmocka_unit_test_setup_teardown(test_yaml__scalars_resolve_as_in_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_yaml__anchors_and_merges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_yaml__faults_have_a_position, setup, teardown),
		cmocka_unit_test_setup_teardown(test_yaml__positions_of_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_yaml__bombs_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

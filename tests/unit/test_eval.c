/* SPDX-License-Identifier: Apache-2.0 */
#include "lang_fixture.h"

#include <math.h>

#include "longship/lang/references.h"

/* Expressions: values, arithmetic at its edges, secrets, scope, messages. What needs no scope runs in tests/case too. */

static struct variable scope[] = {
	{"s", {.kind = VALUE_STRING, .text = STR("hello")}},
	{"open", {.kind = VALUE_OPTIONAL_SECRET, .text = STR("world")}},
	{"hidden", {.kind = VALUE_OPTIONAL_SECRET, .is_secret = true, .text = STR("hush")}},
	{"secret", {.kind = VALUE_SECRET, .text = STR("welcome")}},
	{NULL, {0}},
};

static bool
eval(struct lang *l, const char *text, struct value *ret)
{
	struct expr *e;

	lang_init(l, "", text, scope);
	e = parse_expression(l->arena, &l->source, 1, &l->diags);
	return e != NULL && eval_expr(e, &l->env, l->arena, &l->diags, ret);
}

static void
gives(const char *text, const char *json)
{
	struct lang l;
	struct value v;
	struct buf out;

	if (!eval(&l, text, &v))
		fail_msg("%s: %s", text, lang_first(&l));
	buf_init(&out, 1 << 20);
	value_to_json(&v, &out, false);
	assert_str(buf_view(&out), json);
	buf_done(&out);
	lang_done(&l);
}

static void
fails(const char *text, const char *error)
{
	struct lang l;
	struct value v;

	assert_false(eval(&l, text, &v));
	assert_int_equal(l.diags.n_errors, 1);
	assert_string_equal(lang_first(&l), error);
	lang_done(&l);
}

static void
gives_secret(const char *text, enum value_kind kind, bool is_secret, const char *want)
{
	struct lang l;
	struct value v;

	assert_true(eval(&l, text, &v));
	assert_int_equal(v.kind, kind);
	assert_int_equal(v.is_secret, is_secret);
	assert_str(v.text, want);
	lang_done(&l);
}

static void
test_eval__numbers(void **state)
{
	(void)state;
	gives("010 + 08", "16");
	gives("9223372036854775807 + 1", "-9223372036854775808");
	gives("9223372036854775808 + 0", "-9223372036854775808");
	gives("18446744073709551615 + 1.0", "18446744073709552000");
	gives("18446744073709551615 / 18446744073709551615", "1");
	gives("(0 - 9223372036854775807 - 1) / -1", "-9223372036854775808");
	gives("(0 - 9223372036854775807 - 1) % -1", "0");
	gives("-7 / 2", "-3");
	gives("-7 % 3", "-1");
	gives("7.5 % 2", "1.5");
	gives("2 ^ -1", "2");
	gives("2 ^ 3 ^ 2", "512");
	gives("-2 ^ 2", "4");
	gives("3 ^ 9223372036854775807", "-6148914691236517205");
	gives("0 ^ -1", "0");
	gives("42.0 ^ -2", "0.0005668934240362812");
	gives("1e21", "1e+21");
	gives("1e-7", "1e-7");
	gives("0.000001", "0.000001");
	gives("100000000000000000000.0", "100000000000000000000");
	gives("0.1 + 0.2", "0.30000000000000004");
	gives("3 == 3.0", "true");
	gives("\"3\" == 3", "false");
	fails("1e400", "1:1: strconv.ParseFloat: parsing \"1e400\": value out of range");
	fails("5 / (1 - 1)", "1:5: (1 - 1) divide by zero error");
	fails("5 % 0.0", "1:5: 0.0 divide by zero error");
}

static void
test_eval__number_text(void **state)
{
	static const struct {
		double f;
		const char *text;
	} cases[] = {{1e21, "1000000000000000000000"}, {1.5e-7, "0.00000015"}, {-0.25, "-0.25"}, {123.456, "123.456"},
		{1e15, "1000000000000000"}, {0, "0"}, {INFINITY, "+Inf"}, {-INFINITY, "-Inf"}, {NAN, "NaN"}};
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct value v = value_float(cases[i].f);

		assert_str(value_number_text(arena, &v), cases[i].text);
	}
	arena_free(arena);
}

static void
test_eval__no_short_circuit(void **state)
{
	(void)state;
	fails("true || 1", "1:9: 1 should be one of [bool] for binop ||, got number");
	fails("1 + true", "1:5: true should be one of [number string capsule] for binop +, got bool");
	fails("\"a\" + 1", "1:7: 1 should be string, got number");
	fails("1 < \"a\"", "1:5: \"a\" should be number, got string");
	fails("!1", "1:2: 1 should be bool, got number");
}

static void
test_eval__access(void **state)
{
	(void)state;
	gives("{ a = 1, a = 2 }", "{\"a\":2}");
	gives("{ \"x\\ty\" = 1, \"\" = 2 }", "{\"\\\"\\\"\":2,\"x\\\\ty\":1}");
	gives("{}[\"a\"]", "null");
	gives("[1, 2][1.9]", "2");
	fails("{ a = 1 }.b", "1:11: field \"b\" does not exist");
	fails("[1].x", "1:1: [1] cannot access field \"x\" on value of type array");
	fails("[1][-1]", "1:5: -1 index -1 is out of range of array with length 1");
	fails("[1][\"a\"]", "1:5: \"a\" should be number, got string");
	fails("true[0]", "1:1: true expected object or array, got bool");
	fails("s[0]", "1:1: s expected object or array, got string");
	fails("[1,\n true,\n][1] + 1", "1:1: [1,\n\ttrue,\n][1] should be one of [number string capsule] for binop +, got bool");
}

static void
test_eval__secrets(void **state)
{
	(void)state;
	gives("s + open", "\"helloworld\"");
	gives("open == \"world\"", "true");
	gives("hidden == hidden", "true");
	gives("open == hidden", "false");
	gives("[secret, hidden, open]", "[\"(secret)\",\"(secret)\",\"world\"]");
	gives_secret("hidden + s", VALUE_OPTIONAL_SECRET, true, "hushhello");
	gives_secret("s + hidden", VALUE_OPTIONAL_SECRET, true, "hellohush");
	gives_secret("open + open", VALUE_OPTIONAL_SECRET, false, "worldworld");
	gives_secret("hidden + open", VALUE_OPTIONAL_SECRET, true, "hushworld");
	gives_secret("open + secret", VALUE_SECRET, false, "worldwelcome");
	gives_secret("secret + s", VALUE_SECRET, false, "welcomehello");
	gives_secret("secret + hidden", VALUE_SECRET, false, "welcomehush");
	fails("hidden - s", "1:1: hidden should be one of [number] for binop -, got capsule");
	fails("s - hidden", "1:1: s should be one of [number] for binop -, got capsule");
	gives("convert.nonsensitive(secret) + convert.nonsensitive(open)", "\"welcomeworld\"");
}

static void
test_eval__functions(void **state)
{
	(void)state;
	fails("sys.env()", "1:1: sys.env expected 1 args, got 0");
	fails("string.format()", "1:1: string.format expected at least 1 args, got 0");
	fails("s()", "1:1: s should be function, got string");
	fails("string.join(1, 2)", "1:13: 1 should be array, got number");
	fails("string.to_upper(secret)", "1:17: secret secrets may not be converted into strings");
	fails("array.group_by([{ a = 1 }], \"a\", false)", "1:23: 1 should be string, got number");
	gives("string.to_upper(1.50)", "\"1.5\"");
	gives("module_path", "\"/etc/x\"");
	fails("nope.x.y", "1:1: component \"nope.x.y\" does not exist or is out of scope");
}

static void
test_eval__limits(void **state)
{
	static const size_t piece = 1 << 20;
	char *text = mem_zalloc(2 * piece);
	struct variable vars[] = {{"one", value_string((struct str){text, piece})},
		{"two", value_string((struct str){text, 2 * piece})}, {NULL, {0}}};
	struct expr *e;
	struct lang l;
	struct value v;

	(void)state;
	memset(text, 'a', 2 * piece);
	/* Each call doubles its argument. */
	lang_init(&l, "",
		"string.replace(string.replace(string.replace(string.replace(string.replace(string.replace(string.replace("
		"one, one, two), one, two), one, two), one, two), one, two), one, two), one, two)",
		vars);
	e = parse_expression(l.arena, &l.source, 1, &l.diags);
	assert_non_null(e);
	assert_false(eval_expr(e, &l.env, l.arena, &l.diags, &v));
	assert_int_equal(l.diags.n_errors, 1);
	lang_done(&l);
	mem_free(text);
}

static void
test_eval__references(void **state)
{
	struct reference_list list = {0};
	struct lang l;
	struct expr *e;

	(void)state;
	lang_init(&l, "", "f(a.b.c[x.y].z, { k = q }, [(m.n).o + 1, -p])", NULL);
	e = parse_expression(l.arena, &l.source, 1, &l.diags);
	references_of_expr(e, l.arena, &list);
	assert_int_equal(list.n, 6);
	assert_int_equal(list.items[1].n, 3);
	assert_str(source_text(&l.source, list.items[1].pos), "a.b.c");
	assert_str(list.items[1].parts[2], "c");
	assert_str(source_text(&l.source, list.items[2].pos), "x.y");
	assert_str(source_text(&l.source, list.items[3].pos), "q");
	assert_str(source_text(&l.source, list.items[4].pos), "m.n");
	lang_done(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eval__numbers),
		cmocka_unit_test(test_eval__number_text),
		cmocka_unit_test(test_eval__no_short_circuit),
		cmocka_unit_test(test_eval__access),
		cmocka_unit_test(test_eval__secrets),
		cmocka_unit_test(test_eval__functions),
		cmocka_unit_test(test_eval__limits),
		cmocka_unit_test(test_eval__references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/jmespath.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/buf.h"
#include "longship/codec/json_tree.h"

/*
 * With a directory as argument, or JSON texts of the form of the official compliance suite, runs those instead of the
 * tests: build/tests/unit/test_jmespath ../jmespath.test/tests
 */

static struct arena *arena;
static struct jmespath_run *run;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	run = jmespath_run_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	jmespath_run_free(run);
	arena_free(arena);
	return 0;
}

/* The result as JSON text: of [(expression)] without the brackets. "SyntaxError…" or "error" when there is none. */
static struct str
evaluate(const char *expression, struct str document)
{
	const struct jmespath *compiled;
	struct json_value value;
	struct str error;

	if (jmespath_compile(arena, str_from(expression), &error) == NULL)
		return error;
	compiled = jmespath_compile(arena, arena_printf(arena, "[(%s)]", expression), &error);
	assert_non_null(compiled);
	assert_non_null(json_tree_parse(arena, document, 0, &error));
	assert_true(jmespath_run_load(run, document));
	if (!jmespath_run_get(run, compiled, arena, &value))
		return STR("error");
	assert_int_equal(value.kind, JSON_STRING);
	if (value.text.len == 0)
		return STR("no JSON");
	return (struct str){value.text.s + 1, value.text.len - 2};
}

static const char *
get(const char *document, const char *expression)
{
	return arena_z(arena, evaluate(expression, str_from(document)));
}

#define check(document, expression, result) assert_string_equal(get((document), (expression)), (result))

struct example {
	const char *expression, *result;
};

static const char document[] =
	"{\"a\":{\"b\":[1,2.5,-3],\"c\":\"h\\u00e9llo\",\"x-y\":7},\"l\":[{\"k\":\"v\",\"n\":1},{\"k\":\"w\",\"n\":3},"
	"{\"k\":\"v\",\"n\":2}],\"s\":\"a,b,,c\",\"deep\":[[1,[2]],3,[null]],\"t\":true,\"f\":false,\"z\":null,\"e\":[]"
	","
	"\"twice\":1,\"n\":5,\"twice\":2,\"html\":\"<&>\"}";

static void
check_all(const struct example *examples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *result = get(document, examples[i].expression);

		if (strcmp(result, examples[i].result) != 0)
			fail_msg("%s: %s, not %s", examples[i].expression, result, examples[i].result);
	}
}

#define CHECK_ALL(examples) check_all((examples), sizeof(examples) / sizeof((examples)[0]))

static void
test_jmespath__paths(void **state)
{
	static const struct example examples[] = {
		{"a.b[-1]", "-3"},
		{"a.\"x-y\"", "7"},
		{"a . c", "\"h\u00e9llo\""},
		{"a.b[0:2]", "[1,2.5]"},
		{"a.b[::-1]", "[-3,2.5,1]"},
		{"a.b[:1 2]", "[1,2.5]"},
		{"a.b[5:]", "[]"},
		{"a.b[::9223372036854775807]", "[1]"},
		{"a.b[2::-9223372036854775807]", "[-3]"},
		{"a.b[::0]", "error"},
		{"a.c[1:3]", "\"\u00e9l\""},
		{"a.c[::-1].k", "\"oll\u00e9h\""},
		{"a.c[::0]", "null"},
		{"l[*].n", "[1,3,2]"},
		{"l[].[k, n]", "[[\"v\",1],[\"w\",3],[\"v\",2]]"},
		{"a.*", "[[1,2.5,-3],\"h\u00e9llo\",7]"},
		{"a.* | [2]", "7"},
		{"l[?k == 'v' && n > `1`].n", "[2]"},
		{"l[?n >= `2`] | [0].n", "3"},
		{"l[?!(k == 'v')]", "[{\"k\":\"w\",\"n\":3}]"},
		{"deep[]", "[1,[2],3]"},
		{"deep[][]", "[1,2,3]"},
		{"{y: n, \"x z\": a.b[0], y: t}", "{\"x z\":1,\"y\":true}"},
		{"twice", "2"},
		{"html", "\"\\u003c\\u0026\\u003e\""},
		{"`[1, {\"a\": \"\\u0060\\`\"}]`", "[1,{\"a\":\"``\"}]"},
		{"'it\\'s \\\\ \\n'", "\"it's \\\\ \\\\n\""},
		{"l[0].$.n", "SyntaxError: expected a name, '[' or '{' at offset 5"},
		{"l[*].{k: k, root: $.n} | [1].root", "5"},
		{"z.b || e || n", "5"},
		{"t && e", "[]"},
		{"@.missing", "null"},
	};

	(void)state;
	CHECK_ALL(examples);
}

static void
test_jmespath__operators(void **state)
{
	static const struct example examples[] = {
		{"n + `1` * `2`", "7"},
		{"(n + `1`) × `2`", "12"},
		{"n // `2` - n % `3`", "0"},
		{"-n − +n", "-10"},
		{"n ÷ `2` / `5`", "0.5"},
		{"n / `0`", "no JSON"},
		{"n + t", "null"},
		{"s < n", "null"},
		{"a.b == `[1, 2.5, -3]`", "true"},
		{"{x: n, y: t} == {y: t, x: n}", "true"},
		{"a != @.a", "false"},
		{"!z", "true"},
		{"!a.b", "null"},
		{"let $x = n, $y = t in [$x, $y, let $x = s in $x, $x]", "[5,true,\"a,b,,c\",5]"},
		{"let $x = 'v' in l[?k == $x].n", "[1,2]"},
		{"let $x = n, $y = $x in $y", "error"},
		{"$x", "error"},
		{"let", "null"},
		{"&n", "no JSON"},
		{"let $f = &n in map($f, l)", "[1,3,2]"},
		{"let $f = &[n, $m], $m = n in map($f, l)", "[[1,5],[3,5],[2,5]]"},
		{"abs(s)[]", "null"},
		{"abs(s)[*]", "error"},
	};

	(void)state;
	CHECK_ALL(examples);
}

static void
test_jmespath__functions(void **state)
{
	static const struct example examples[] = {
		{"[abs(`-2`), ceil(`1.2`), floor(`-1.2`)]", "[2,2,-2]"},
		{"[sum(a.b), avg(a.b), avg(e), sum(e)]", "[0.5,0.16666666666666666,null,0]"},
		{"[max(a.b), min(a.b), max(l[].k), min(e)]", "[2.5,-3,\"w\",null]"},
		{"[sort(a.b), sort(l[].k)]", "[[-3,1,2.5],[\"v\",\"v\",\"w\"]]"},
		{"sort_by(l, &k)[].n", "[1,2,3]"},
		{"sort_by(l, &a)", "error"},
		{"sort_by(l[:1], &nope(@))[0].n", "1"},
		{"[max_by(l, &n).n, min_by(l, &n).n, max_by(e, &n)]", "[3,1,null]"},
		{"group_by(l, &k).v[].n", "[1,2]"},
		{"group_by(l, &n)", "error"},
		{"map(&n, l)", "[1,3,2]"},
		{"map(&z, l)", "[null,null,null]"},
		{"[contains(s, 'b,'), contains(a.b, `1`), contains(s, n), contains(deep, `[1, [2]]`)]",
			"[true,true,false,true]"},
		{"[starts_with(s, 'a'), ends_with(s, 'a')]", "[true,false]"},
		{"[find_first(s, ','), find_last(s, ','), find_first(s, ',', `2`), find_last(s, ',', `0`, `3`)]",
			"[1,4,3,1]"},
		{"[find_first(s, 'x'), find_first(s, 'a', `9`), find_first(s, 'a', `0`, `-1`), find_first(s, '')]",
			"[null,null,null,null]"},
		{"find_first(a.c, 'l')", "3"},
		{"find_first(s, 'a', `0.5`)", "error"},
		{"[length(a.c), length(l), length(a), reverse(a.c), reverse(a.b)]",
			"[5,3,3,\"oll\u00e9h\",[-3,2.5,1]]"},
		{"[lower('\u00c4B'), upper(a.c)]", "[\"\u00e4b\",\"H\u00c9LLO\"]"},
		{"[keys(a), values(a)[2], items({k: n}), from_items(items(a)) == a]",
			"[[\"b\",\"c\",\"x-y\"],7,[[\"k\",5]],true]"},
		{"from_items(`[[\"k\", 1], [\"l\", 2], [\"k\", 3]]`)", "{\"l\":2,\"k\":3}"},
		{"from_items(`[[1, 1]]`)", "error"},
		{"merge({k: n, l: n}, {k: t})", "{\"l\":5,\"k\":true}"},
		{"[not_null(z, n), to_array(n), to_array(e), type(z), type(a)]", "[5,[5],[],\"null\",\"object\"]"},
		{"join('-', l[].k)", "\"v-w-v\""},
		{"[pad_left('a', `3`, '*'), pad_right('a', `3`), pad_left('abc', `1`)]", "[\"**a\",\"a  \",\"abc\"]"},
		{"pad_left('a', `-1`)", "error"},
		{"[replace(s, ',', ';'), replace(s, ',', '', `1`), replace('ab', '', '.'), replace('ab', '', '.', "
		 "`2`)]",
			"[\"a;b;;c\",\"ab,,c\",\".a.b.\",\".a.b\"]"},
		{"[split(s, ','), split(s, ',', `1`), split(s, ',', `0`), split('', ',')]",
			"[[\"a\",\"b\",\"\",\"c\"],[\"a\",\"b,,c\"],[\"a,b,,c\"],[]]"},
		{"[split('h\u00e9', ''), split('abc', '', `1`)]", "[[\"h\",\"\u00e9\"],[\"a\",\"bc\"]]"},
		{"[trim(' a\u00a0'), trim('xaxbx', 'xa'), trim_left('xax', 'x'), trim_right('xax', 'x')]",
			"[\"a\",\"b\",\"ax\",\"xa\"]"},
		{"[to_number('1e3'), to_number('0x_1p4'), to_number('1_0'), to_number(' 1'), to_number('0x1'), "
		 "to_number(t)]",
			"[1000,16,10,null,null,null]"},
		{"[to_string(a.b), to_string({b: n, a: html}), to_string(s)]",
			"[\"[1,2.5,-3]\",\"{\\\"a\\\":\\\"\\\\u003c\\\\u0026\\\\u003e\\\",\\\"b\\\":5}\",\"a,b,,c\"]"},
		{"zip(a.b, l[].k, e || l)",
			"[[1,\"v\",{\"k\":\"v\",\"n\":1}],[2.5,\"w\",{\"k\":\"w\",\"n\":3}],[-3,\"v\","
			"{\"k\":\"v\",\"n\":2}]]"},
		{"abs(n t)", "error"},
		{"abs()", "error"},
		{"abs(s)", "error"},
		{"sum(l)", "error"},
		{"nope(n)", "error"},
		{"map(n, l)", "error"},
		{"type(&n)", "error"},
	};

	(void)state;
	CHECK_ALL(examples);
}

static void
test_jmespath__syntax_errors(void **state)
{
	static const struct example examples[] = {
		{"", "SyntaxError: incomplete expression at the end (offset 0)"},
		{"3##@$#33", "SyntaxError: Unknown char: '#' at offset 1"},
		{"a.", "SyntaxError: expected a name, '[' or '{' at the end (offset 2)"},
		{"a[b]", "SyntaxError: expected a number, ':' or '*' at offset 2"},
		{"a[1", "SyntaxError: expected ']' at the end (offset 3)"},
		{"a[::::]", "SyntaxError: too many colons in a slice at offset 4"},
		{"a b", "SyntaxError: unexpected token at offset 2"},
		{"a -1", "SyntaxError: unexpected token at offset 2"},
		{"a[?b", "SyntaxError: expected ']' at the end (offset 4)"},
		{"{a b}", "SyntaxError: expected ':' at offset 3"},
		{"{a: b,}", "SyntaxError: expected the name of a member at offset 6"},
		{"[a,]", "SyntaxError: unexpected token at offset 3"},
		{"\"f\"(a)", "SyntaxError: a function's name cannot be quoted at offset 0"},
		{"@(a)", "SyntaxError: only a name can be called at offset 1"},
		{"'a", "SyntaxError: Unclosed delimiter: ' at offset 2"},
		{"\"a", "SyntaxError: Unclosed delimiter: \" at offset 2"},
		{"`1", "SyntaxError: Unclosed delimiter: ` at offset 2"},
		{"`foo`", "SyntaxError: invalid character 'o' in literal false (expecting 'a') at offset 0"},
		{"let $x in n", "SyntaxError: expected '=' at offset 7"},
		{"let $x = n, y = n in n", "SyntaxError: expected a variable at offset 12"},
		{"a = b", "SyntaxError: unexpected token at offset 2"},
		{"a[*] * n", "SyntaxError: unexpected token behind a projection at offset 5"},
		{"a[99999999999999999999]", "SyntaxError: the number is out of range at offset 2"},
	};

	(void)state;
	CHECK_ALL(examples);
}

/* `times` copies of a text, in the arena. */
static const char *
repeat(const char *head, const char *text, size_t times, const char *tail)
{
	struct buf out;
	const char *all;

	buf_init(&out, 4u << 20);
	buf_z(&out, head);
	for (size_t i = 0; i < times; i++)
		buf_z(&out, text);
	buf_z(&out, tail);
	all = arena_z(arena, buf_view(&out));
	buf_done(&out);
	return all;
}

static void
test_jmespath__limits(void **state)
{
	const char *numbers = repeat("{\"l\":[0", ",1", 20000, "]}"), *nested = repeat("", "[", 2000, ""), *objects;

	(void)state;
	/* A chain, a nest, a recursion without end. */
	assert_non_null(strstr(get("{}", repeat("a", ".a", 5000, "")), "nested too deeply"));
	assert_non_null(strstr(get("{}", repeat("", "(", 5000, "")), "nested too deeply"));
	assert_non_null(strstr(get("{}", repeat("a", " ", 70000, "")), "too long"));
	check("{\"a\":[1]}", "let $f = &map($f, $.a) in map($f, a)", "error");
	/* Steps, memory, text. */
	check(numbers, "length(map(&length($.l), l))", "20001");
	check(numbers, "map(&map(&length($.l), $.l), l)", "error");
	check(numbers,
		"l[*].[[@, @, @, @, @], [@, @, @, @, @], [@, @, @, @, @], [@, @, @, @, @]] | [@, map(&[@, @, @, @, @], "
		"@)]",
		"error");
	check(numbers, "length(pad_left('', `1000000`))", "1000000");
	check(numbers, "pad_left('', `2000000`) || 'x'", "error");
	check("{}", repeat("@", " | [@, @]", 60, ""), "error");
	/* What a filter, a flatten and a wildcard swallow are errors, no limits. */
	check(numbers, "pad_left('', `2000000`)[?a]", "error");
	check(numbers, "abs('x')[?a]", "null");
	/* Objects of many members, some of them repeated. */
	objects = repeat("{\"a\":0", ",\"b\":1,\"c\":2", 3000, ",\"a\":3}");
	check(objects, "@", "{\"b\":1,\"c\":2,\"a\":3}");
	/* A document that is too deep is told when it is loaded. */
	assert_false(jmespath_run_load(run, arena_printf(arena, "%s%s", nested, repeat("", "]", 2000, ""))));
}

static void
test_jmespath__results(void **state)
{
	struct json_value value;
	struct str error, text = STR("{\"a\":\"plain\",\"b\":\"\\u0041\"}");
	const struct jmespath *plain = jmespath_compile(arena, STR("a || b"), &error),
			      *made = jmespath_compile(arena, STR("b && [b]"), &error);

	(void)state;
	assert_true(jmespath_run_load(run, text));
	assert_true(jmespath_run_get(run, plain, arena, &value));
	assert_ptr_equal(value.text.s, text.s + 6);
	assert_true(jmespath_run_get(run, made, arena, &value));
	/* The text outlives the run's next document. */
	assert_true(jmespath_run_load(run, STR("null")));
	assert_true(str_is(value.text, "[\"A\"]"));
	check("null", "[@, type(@), length(@), @.a]", "[null,\"object\",0,null]");
}

/* ---- the official suite ---- */

static bool
same(const struct json *a, const struct json *b)
{
	double m, n;

	if (json_tree_number(a, &m) && json_tree_number(b, &n))
		return m == n || (n != 0 && m / n > 1 - 1e-12 && m / n < 1 + 1e-12);
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case JSON_TREE_BOOL:
		return a->boolean == b->boolean;
	case JSON_TREE_STRING:
		return str_eq(a->text, b->text);
	case JSON_TREE_ARRAY:
		if (a->array.n != b->array.n)
			return false;
		for (size_t i = 0; i < a->array.n; i++) {
			if (!same(&a->array.items[i], &b->array.items[i]))
				return false;
		}
		return true;
	case JSON_TREE_OBJECT:
		if (a->object.n != b->object.n)
			return false;
		for (size_t i = 0; i < a->object.n; i++) {
			const struct json *other = json_tree_get(b, a->object.fields[i].name);

			if (other == NULL || !same(&a->object.fields[i].value, other))
				return false;
		}
		return true;
	default:
		return true;
	}
}

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
		buf_printf(out, "%.17g", v->f);
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
			buf_z(out, i > 0 ? "," : "");
			json_tree_quote(out, v->object.fields[i].name, false);
			buf_putc(out, ':');
			put(out, &v->object.fields[i].value);
		}
		buf_putc(out, '}');
		break;
	}
}

static struct str
text_of(const struct json *v)
{
	struct buf out;
	struct str text;

	buf_init(&out, 16u << 20);
	put(&out, v);
	text = arena_str(arena, buf_view(&out));
	buf_done(&out);
	return text;
}

/* What go-jmespath 1.1.1 does otherwise than the newest suites want: see docs/compatibility.md. */
static bool
is_known(const char *path, struct str expression)
{
	return str_ends(str_from(path), STR("ternary.json")) || str_ends(str_from(path), STR("legacy-literal.json")) ||
	       str_is(expression, "'foo'[:].length(@)") || str_is(expression, "'\\\\'");
}

static bool
run_case(const struct json *c, struct str given)
{
	struct str expression = json_tree_get_text(c, STR("expression")), error;
	const struct json *wanted = json_tree_get(c, STR("result")), *made;
	struct str got = evaluate(arena_z(arena, expression), given);
	bool failed = str_starts(got, STR("SyntaxError")) || str_is(got, "error") || str_is(got, "no JSON");

	made = failed ? NULL : json_tree_parse(arena, got, 0, &error);
	if (wanted != NULL ? made != NULL && same(made, wanted) : failed || json_tree_get(c, STR("bench")) != NULL)
		return true;
	printf("  %.*s\n    wanted %.*s\n    got    %.*s\n", STR_FMT(expression),
		STR_FMT(wanted != NULL ? text_of(wanted) : text_of(json_tree_get(c, STR("error")))), STR_FMT(got));
	return false;
}

struct tally {
	size_t n, failed, known;
};

static void
run_file(const char *path, struct tally *tally)
{
	FILE *file = fopen(path, "rb");
	char *text = calloc(1, 1u << 20);
	struct str error = STR_EMPTY, whole = {text, file != NULL && text != NULL ? fread(text, 1, 1u << 20, file) : 0};
	const struct json *suites = json_tree_parse(arena, whole, 0, &error);

	printf("%s%s\n", path, suites == NULL ? ": cannot be read" : "");
	tally->failed += suites == NULL;
	for (size_t i = 0; suites != NULL && i < suites->array.n; i++) {
		const struct json *cases = json_tree_get(&suites->array.items[i], STR("cases"));
		struct str given = text_of(json_tree_get(&suites->array.items[i], STR("given")));

		for (size_t k = 0; k < cases->array.n; k++) {
			bool ok = run_case(&cases->array.items[k], given);
			bool known = is_known(path, json_tree_get_text(&cases->array.items[k], STR("expression")));

			tally->n++;
			tally->known += !ok && known;
			tally->failed += !ok && !known;
		}
	}
	if (file != NULL)
		(void)fclose(file);
	free(text);
}

static int
run_suite(const char *directory)
{
	struct dirent **names;
	struct tally tally = {0};
	int files = scandir(directory, &names, NULL, alphasort);

	(void)setup(NULL);
	for (int i = 0; i < files; i++) {
		if (str_ends(str_from(names[i]->d_name), STR(".json")))
			run_file(arena_printf(arena, "%s/%s", directory, names[i]->d_name).s, &tally);
		free(names[i]);
	}
	if (files >= 0)
		free(names);
	printf("%zu cases, %zu differ as known, %zu failed\n", tally.n, tally.known, tally.failed);
	(void)teardown(NULL);
	return tally.n == 0 || tally.failed > 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_jmespath__paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jmespath__operators, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jmespath__functions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jmespath__syntax_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jmespath__limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jmespath__results, setup, teardown),
	};

	if (argc > 1)
		return run_suite(argv[1]);
	return cmocka_run_group_tests_name("jmespath", tests, NULL, NULL);
}

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

static void
test_jmespath__paths(void **state)
{
	(void)state;
	check("{\"a\":{\"b\":[1,2]}}", "a.b[-1]", "2");
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
	};

	if (argc > 1)
		return run_suite(argv[1]);
	return cmocka_run_group_tests_name("jmespath", tests, NULL, NULL);
}

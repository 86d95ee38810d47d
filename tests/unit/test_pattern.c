/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "longship/codec/pattern.h"

/* The captures as "name=value|name=value", or the message. */
static const char *
matched(struct arena *arena, const char *pattern, const char *text)
{
	struct str values[16], error, out = STR("");
	const struct pattern *p = pattern_compile(arena, str_from(pattern), &error);
	size_t n;

	if (p == NULL)
		return error.s;
	n = pattern_match(p, str_from(text), values);
	for (size_t i = 0; i < n; i++)
		out = arena_printf(arena, "%.*s%s%.*s=%.*s", STR_FMT(out), i > 0 ? "|" : "", STR_FMT(pattern_name(p, i)), STR_FMT(values[i]));
	return out.s;
}

static void
test_pattern__table(void **state)
{
	static const struct {
		const char *pattern, *text, *want;
	} table[] = {
		{"<a> <b>", "one two three", "a=one|b=two three"},
		{"<a>", "", ""},
		{"x<a>", "yx1", ""},
		{"x<a>", "x", "a="},
		{"<_>:<a>;", "k:v", "a=v"},
		{"<a>,<b>,<c>", "1,2", "a=1|b=2"},
		{"<a>,<_>,<c>", "1", "a=1"},
		{"< a><b>", "< a>z", "b=z"},
		{"<1><b", "<1><b", "at least one capture is required"},
		{"<_>", "", "at least one capture is required"},
		{"<_><a>", "", "found consecutive capture '<a>': invalid expression"},
		{"<a> <_> <a>", "", "duplicate capture name (a): invalid expression"},
	};
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_string_equal(matched(arena, table[i].pattern, table[i].text), table[i].want);
	arena_free(arena);
}

static void
test_pattern__parts_are_limited(void **state)
{
	struct arena *arena = arena_new(0);
	char *text = arena_alloc(arena, 6 * PATTERN_PARTS_MAX);
	size_t len = 0;
	struct str error;

	(void)state;
	for (int i = 0; i < PATTERN_PARTS_MAX; i++, len += 4)
		memcpy(text + len, "x<_>", 4);
	memcpy(text + len, "x<a>", 4);
	assert_null(pattern_compile(arena, (struct str){text, len + 4}, &error));
	assert_true(str_starts(error, STR("too many parts")));
	arena_free(arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pattern__table),
		cmocka_unit_test(test_pattern__parts_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

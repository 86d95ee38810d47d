/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "longship/codec/logql.h"

static struct str
value_of(const void *ptr, struct str name)
{
	return str_is(name, "a") ? *(const struct str *)ptr : STR_EMPTY;
}

/* "yes", "no", or the message; `filter` before one that a line filter's expression caused. */
static const char *
answer(struct arena *arena, const char *selector, const char *a, const char *line)
{
	struct str value = str_from(a), error = STR_EMPTY;
	bool in_filter;
	const struct logql *q = logql_compile(arena, str_from(selector), &error, &in_filter);

	if (q == NULL)
		return arena_printf(arena, "%s%.*s", in_filter ? "filter " : "", STR_FMT(error)).s;
	return logql_labels(q, value_of, &value) && logql_line(q, str_from(line)) ? "yes" : "no";
}

static void
test_logql__table(void **state)
{
	static const struct {
		const char *selector, *a, *line, *want;
	} table[] = {
		{"{a=\"x\"}", "x", "", "yes"},
		{"{a=\"x\", b=\"\"}", "x", "", "yes"},
		{"{a!=\"x\"}", "x", "", "no"},
		{"{a=~\"x\"}", "xx", "", "no"},
		{"{a=~\"x+\"}", "xx", "", "yes"},
		{"{a!~\"x\"} |= \"er\" != \"ok\"", "y", "an error", "yes"},
		{"{a=\"x\"}|~\"e.r\"!~\"^a\"", "x", "an error", "no"},
		{"{ a /* of */ = \"\\u00e9\\x41\\101\\\"\" } // end", "éAA\"", "", "yes"},
		{"{a=\"x\"", "", "", "parse error at line 1, col 7: syntax error: unexpected $end"},
		{"{}", "", "", "parse error at line 1, col 2: syntax error: unexpected }"},
		{"{a=\"x\",}", "", "", "parse error at line 1, col 8: syntax error: unexpected }"},
		{"{a=x}", "", "", "parse error at line 1, col 4: syntax error: unexpected IDENTIFIER"},
		{"{a=\"x}", "", "", "parse error at line 1, col 4: literal not terminated"},
		{"{a=\"\\d\"}", "", "", "parse error at line 1, col 4: invalid char escape"},
		{"{a=\"x\"}\n| json", "", "", "parse error at line 2, col 1: syntax error: unexpected |"},
		{"{a=~\"[\"}", "", "", "error parsing regexp: missing closing ]: `[)$`"},
		{"{a=\"x\"} |~ \"(\"", "", "", "filter error parsing regexp: missing closing ): `(`"},
	};
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_string_equal(answer(arena, table[i].selector, table[i].a, table[i].line), table[i].want);
	arena_free(arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logql__table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

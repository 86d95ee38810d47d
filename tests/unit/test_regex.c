/* SPDX-License-Identifier: Apache-2.0 */
/* The expected results were printed by Go's regexp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/codec/regex.h"

static void
test_regex__refuses_with_gos_words(void **state)
{
	static const struct {
		const char *pattern, *error;
		size_t offset;
	} cases[] = {
		{"(a", "missing closing ): `(a`", 0},
		{"xa**", "invalid nested repetition operator: `**`", 2},
		{"[a", "missing closing ]: `[a`", 0},
		{"b(?=a)", "invalid or unsupported Perl syntax: `(?=`", 1},
		{"\\1", "invalid escape sequence: `\\1`", 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *arena = arena_new(0);
		struct str error;
		char expected[256];
		size_t offset;

		assert_null(regex_compile(arena, str_from(cases[i].pattern), 0, &error, &offset));
		(void)snprintf(expected, sizeof(expected), "error parsing regexp: %s", cases[i].error);
		assert_string_equal(arena_z(arena, error), expected);
		assert_int_equal(offset, cases[i].offset);
		arena_free(arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regex__refuses_with_gos_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

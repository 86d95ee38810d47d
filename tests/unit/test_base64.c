/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "longship/base/check.h"

static void
test_base64__round_trip(void **state)
{
	struct arena *arena = arena_new(0);
	char bytes[64];
	size_t offset;

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		struct str in = {bytes, n}, text, out;

		bytes[n] = (char)(n * 37 + 200);
		text = base64_encode(arena, in, n % 2 == 0 ? BASE64_STANDARD : BASE64_URL);
		assert_int_equal(text.len % 4, 0);
		assert_true(base64_decode(arena, text, n % 2 == 0 ? BASE64_STANDARD : BASE64_URL, &out, &offset));
		assert_true(str_eq(in, out));
	}
	arena_free(arena);
}

static void
test_base64__refuses_with_gos_offset(void **state)
{
	static const struct {
		const char *text;
		size_t offset;
	} cases[] = {{"aGk", 0}, {"aG=k", 2}, {"aGk==", 4}, {"aGk=aaaa", 4}, {"a_k=", 1}, {"aGkaGk=", 7}, {" aGk=", 0},
		{"a===", 1}, {"aaaa=", 4}, {"=", 0}, {"aaaaa", 4}, {"aa=\n=\nx", 6}, {"aa\n=", 4}};
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str out;
		size_t offset = 99;

		assert_false(base64_decode(arena, str_from(cases[i].text), BASE64_STANDARD, &out, &offset));
		if (offset != cases[i].offset)
			fail_msg("%s: offset %zu", cases[i].text, offset);
	}
	arena_free(arena);
}

static void
test_base64__skips_line_ends(void **state)
{
	struct arena *arena = arena_new(0);
	struct str out;
	size_t offset;

	(void)state;
	assert_true(base64_decode(arena, STR("aG\r\nk=\n"), BASE64_STANDARD, &out, &offset));
	assert_true(str_is(out, "hi"));
	assert_true(base64_decode(arena, STR("aGl="), BASE64_STANDARD, &out, &offset));
	assert_true(str_is(out, "hi"));
	arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64__round_trip),
		cmocka_unit_test(test_base64__refuses_with_gos_offset),
		cmocka_unit_test(test_base64__skips_line_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

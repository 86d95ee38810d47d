/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/gofmt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "longship/base/check.h"
#include "longship/codec/unicode.h"

static const struct gofmt_arg items[] = {
	{.kind = GOFMT_INT, .i = 1}, {.kind = GOFMT_STRING, .text = {"a", 1}}, {.kind = GOFMT_NIL}};
static const struct gofmt_field fields[] = {
	{{"b", 1}, {.kind = GOFMT_INT, .i = 1}}, {{"a", 1}, {.kind = GOFMT_STRING, .text = {"x", 1}}}};

/* A case names its arguments by letters: a is the first. */
static const struct gofmt_arg pool[] = {
	{.kind = GOFMT_NIL},
	{.kind = GOFMT_BOOL, .boolean = true},
	{.kind = GOFMT_INT, .i = 42},
	{.kind = GOFMT_INT, .i = -5},
	{.kind = GOFMT_UINT, .u = UINT64_MAX},
	{.kind = GOFMT_FLOAT, .f = 1.5},
	{.kind = GOFMT_FLOAT, .f = 1e6},
	{.kind = GOFMT_STRING, .text = {"h\u00e9\n", 4}},
	{.kind = GOFMT_LIST, .list = {items, ARRAY_LEN(items)}},
	{.kind = GOFMT_MAP, .map = {fields, ARRAY_LEN(fields)}},
	{.kind = GOFMT_INT, .i = 65},
	{.kind = GOFMT_INT, .i = 128512},
};

/* The results are those of Go 1.26. */
static void
test_gofmt__formats_as_go(void **state)
{
	static const struct {
		const char *format, *args, *text;
	} cases[] = {
		{"%v %v %v %v", "abij", "<nil> true [1 a <nil>] map[a:x b:1]"},
		{"%#v %#v %#v", "ije",
			"[]interface {}{1, \"a\", interface {}(nil)} map[string]interface {}{\"a\":\"x\", \"b\":1} "
			"0xffffffffffffffff"},
		{"%d|%5d|%-5d|%05d|%+d|% d", "cccccc", "42|   42|42   |00042|+42| 42"},
		{"%x %X %#x %o %#o %O %b %08b", "cccccccc", "2a 2A 0x2a 52 052 0o52 101010 00101010"},
		{"%c %q %U %#U", "kkll", "A 'A' U+1F600 U+1F600 '\U0001f600'"},
		{"%f %5.2f %e %g %G %b %x %v", "fffggffg",
			"1.500000  1.50 1.500000e+00 1e+06 1E+06 6755399441055744p-52 0x1.8p+00 1e+06"},
		{"%+.3e|%08.3f|%#g|%6.1f", "fffd", "+1.500e+00|0001.500|1.50000|%!f(int=    -5)"},
		{"%s %q %+q %x % X %#q", "hhhhhh",
			"h\u00e9\n \"h\u00e9\\n\" \"h\\u00e9\\n\" 68c3a90a 68 C3 A9 0A \"h\u00e9\\n\""},
		{"%.1s|%5s|%-5s|", "hhh", "h|  h\u00e9\n|h\u00e9\n  |"},
		{"%t %s", "bb", "true %!s(bool=true)"},
		{"%d %s %z %f", "hccc", "%!d(string=h\u00e9\n) %!s(int=42) %!z(int=42) %!f(int=42)"},
		{"%d %d", "c", "42 %!d(MISSING)"},
		{"%d", "cha", "42%!(EXTRA string=h\u00e9\n, <nil>)"},
		{"%[2]d %[1]d", "cd", "-5 42"},
		{"%[3]d %[x]d %[", "c", "%!d(BADINDEX) %!d(BADINDEX) %!(NOVERB)"},
		{"%*d|%-*d|%.*f", "kckccf",
			"                                                               42|42                          "
			"                                     |1.500000000000000000000000000000000000000000"},
		{"%!", "c", "%!!(int=42)"},
		{"%", "", "%!(NOVERB)"},
		{"100%%", "", "100%"},
		{"%*d", "hc", "%!(BADWIDTH)42"},
		{"%.*d", "hc", "%!(BADPREC)42"},
		{"%d %s", "ij", "[1 %!d(string=a) <nil>] map[a:x b:%!s(int=1)]"},
		{"%T %T %T", "cia", "int []interface {} <nil>"},
		{"%6.2v|%6v", "hj", "    h\u00e9|map[     a:     x      b:     1]"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gofmt_arg args[16];
		size_t n = 0;

		for (const char *at = cases[i].args; *at != '\0'; at++)
			args[n++] = pool[*at - 'a'];
		buf_clear(&out);
		assert_true(gofmt_format(&out, str_from(cases[i].format), args, n));
		if (!str_is(buf_view(&out), cases[i].text))
			fail_msg("%s: \"%.*s\", not \"%s\"", cases[i].format, STR_FMT(buf_view(&out)), cases[i].text);
	}
	buf_done(&out);
}

static void
test_gofmt__floats(void **state)
{
	static const struct {
		double f;
		char verb;
		int precision;
		const char *text;
	} cases[] = {{0.1, 'g', -1, "0.1"}, {123456789, 'g', -1, "1.23456789e+08"}, {1e-5, 'g', -1, "1e-05"},
		{0, 'g', -1, "0"}, {1e22, 'f', -1, "10000000000000000000000"},
		{1e21, 'f', 1, "1000000000000000000000.0"}, {5e-324, 'x', -1, "0x1p-1074"}, {1.5, 'x', 0, "0x1p+01"},
		{2.5, 'f', 0, "2"}, {-0.0, 'g', -1, "-0"}};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&out);
		assert_true(gofmt_float(&out, cases[i].f, cases[i].verb, cases[i].precision));
		if (!str_is(buf_view(&out), cases[i].text))
			fail_msg("\"%.*s\", not \"%s\"", STR_FMT(buf_view(&out)), cases[i].text);
	}
	buf_done(&out);
}

static void
test_gofmt__output_is_bounded(void **state)
{
	struct gofmt_arg one = {.kind = GOFMT_INT, .i = 1};
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	assert_false(gofmt_format(&out, STR("%999999d%[1]999999d"), &one, 1));
	assert_true(out.len <= 1000);
	buf_done(&out);
}

static void
test_gofmt__letters_beyond_ascii(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	assert_true(str_is(unicode_upper(arena, STR("stra\u00dfe \u00e9 a\xff")), "STRA\u00dfE \u00c9 A\ufffd"));
	assert_true(str_is(unicode_lower(arena, STR("\u00c0\u03a3\u0130")), "\u00e0\u03c3i"));
	assert_true(str_is(unicode_trim_space(STR("\u2003 x\xc2\x85"
						  "y \u3000")),
		"x\xc2\x85"
		"y"));
	assert_false(unicode_is_print(0x200b));
	assert_true(unicode_is_print(0x1f600));
	arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gofmt__formats_as_go),
		cmocka_unit_test(test_gofmt__floats),
		cmocka_unit_test(test_gofmt__output_is_bounded),
		cmocka_unit_test(test_gofmt__letters_beyond_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/charset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "longship/base/check.h"

#define BYTES(literal) {(literal), sizeof(literal) - 1}

static struct charset *
open_charset(const char *name)
{
	struct charset *c;

	assert_int_equal(charset_new(str_from(name), &c), 0);
	return c;
}

/* All lines of a file, each with "|" behind it. */
static struct str
read_all(struct arena *arena, const char *name, struct str file, bool *bad)
{
	struct charset *configured = open_charset(name);
	char *out = arena_alloc(arena, 1000);
	size_t n = 0, bom;
	const struct charset *c = charset_of_file(configured, str_head(file, CHARSET_HEAD_BYTES), &bom);

	assert_non_null(c);
	for (file = str_from_offset(file, bom); file.len > 0;) {
		size_t end = charset_line_end(c, file);
		struct str line = charset_decode(c, arena, charset_without_cr(c, str_head(file, end)), bad);

		if (line.len > 0)
			memcpy(out + n, line.s, line.len);
		n += line.len;
		out[n++] = '|';
		file = str_from_offset(file, end + charset_unit(c));
	}
	charset_unref(configured);
	return (struct str){out, n};
}

static void
test_charset__lines_as_utf8(void **state)
{
	static const struct {
		const char *name;
		struct str file;
		const char *want;
		bool bad;
	} cases[] = {
		{"", BYTES("\xff\xfe\x16\x4e\r\0\n\0a\0\n\0"), "世|a|", false},
		{"iso-8859-1", BYTES("\xfe\xff\x4e\x16\0\n\0a"), "世|a|", false},
		{"", BYTES("\xff\xfe" "a\0b\0c\0d\0e\0f\0g\0h\0\xe4\0i\0j\0k\0l\0\n\0"), "abcdefghäijkl|", false},
		{"", BYTES("\xfe\xff" "\0a\0b\0c\0d\0e\0f\0g\0h\0\xe4\0i\0j\0k\0l\0\n"), "abcdefghäijkl|", false},
		{"UTF-16BE", BYTES("\1a\0b\0c\0\x80\0d\0e\0f\0\n"), "šbc\xc2\x80" "def|", false},
		{"", BYTES("\xff\xfe\0\0a\0\0\0\n\0\0\0\0\xf6\x01\0"), "a|😀|", false},
		{"", BYTES("\0\0\xfe\xff\0\0\0a\0\0\0\n"), "a|", false},
		/* No mark: by the first character, else big-endian. */
		{"UTF-16", BYTES("a\0\n\0b\0"), "a|b|", false},
		{"utf-16", BYTES("\0a\0\n\0b"), "a|b|", false},
		{"UTF-16", BYTES("\x4e\x16\0\n"), "世|", false},
		{"UTF-32", BYTES("a\0\0\0\n\0\0\0"), "a|", false},
		/* 0a in a unit is no line feed: U+0A0A, U+0A00, U+000A, U+0A0B. */
		{"UTF-16BE", BYTES("\x0a\x0a\x0a\x00\x00\x0a\x0a\x0b"), "\u0a0a\u0a00|\u0a0b|", false},
		{"UTF-16LE", BYTES("\x0a\x0a\x00\x0a\x0a\x00\x0b\x0a"), "\u0a0a\u0a00|\u0a0b|", false},
		{"UTF-16LE", BYTES("\x3d\xd8\x00\xde\n\0"), "😀|", false},
		{"UTF-16LE", BYTES("\0\xd8\x61\0\n\0\0\xdc\n\0z"), "\ufffd" "a|\ufffd|\ufffd|", true},
		{"UTF-16LE", BYTES("\xfd\xff\n\0"), "\ufffd|", false},
		{"UTF-32LE", BYTES("\0\0\x11\0\n\0\0\0\0\xd8\0\0"), "\ufffd|\ufffd|", true},
		{"latin1", BYTES("gr\xfcn\r\n\xdf"), "grün|ß|", false},
		{"ISO-8859-15", BYTES("\xa4\n"), "€|", false},
		{"windows-1252", BYTES("\x80\x81\n"), "€\xc2\x81|", false},
		{"windows-1253", BYTES("\xaa\n"), "\ufffd|", true},
		{"US-ASCII", BYTES("a\xe4\n"), "a\ufffd|", true},
		{"KOI8-R", BYTES("\xf0\xf2\n"), "ПР|", false},
		{"IBM037", BYTES("\x88\x89\x0d\x25\x88"), "hi|h|", false},
		{"Shift_JIS", BYTES("\x83\x5c\n\x87\x40\n"), "ソ|①|", false},
		{"GBK", BYTES("\xca\xc0\n\x81\x20\n"), "世|\ufffd |", true},
		{"GB18030", BYTES("\x94\x39\xfc\x36\n"), "😀|", false},
		{"EUC-JP", BYTES("\xa5\xab\n"), "カ|", false},
		{"EUC-KR", BYTES("\x8c\x63\n"), "똠|", false},
		{"Big5", BYTES("\xa4\xa4\n"), "中|", false},
		/* Each line begins in the initial state; what is cut off in the middle is bad. */
		{"ISO-2022-JP", BYTES("\x1b$B@$\nab\n"), "世|ab|", false},
		{"EUC-JP", BYTES("a\xa5\nb\n"), "a\ufffd|b|", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *arena = arena_new(0);
		bool bad = false;
		struct str got = read_all(arena, cases[i].name, cases[i].file, &bad);

		if (!str_is(got, cases[i].want) || bad != cases[i].bad)
			fail_msg("case %zu, %s: got %.*s (%d)", i, cases[i].name, STR_FMT(got), bad);
		arena_free(arena);
	}
}

static void
test_charset__names(void **state)
{
	static const char *const none[] = {"", "UTF-8", "utf8", " UTF-8 "};
	static const char *const wrong[] = {"klingon", "UTF-8//IGNORE", "a b", "\xff", "//", ","};
	char longest[100] = {0};
	struct charset *c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_true(charset_new(str_from(none[i]), &c) == 0 && c == NULL);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_true(charset_new(str_from(wrong[i]), &c) == -EINVAL && c == NULL);
	memset(longest, 'a', sizeof(longest) - 1);
	assert_int_equal(charset_new(str_from(longest), &c), -EINVAL);
	assert_int_equal(charset_new(STR("UCS-4"), &c), -ENOTSUP);
	assert_true(charset_is_utf8(STR("csutf8")) && !charset_is_utf8(STR_EMPTY) && !charset_is_utf8(STR("UTF-16")));
}

static void
test_charset__a_short_head_may_become_a_mark(void **state)
{
	struct charset *utf16 = open_charset("UTF-16");
	size_t bom;

	(void)state;
	assert_true(charset_is_open(NULL, STR("\xef\xbb")) && charset_is_open(NULL, STR("\xff\xfe")) && charset_is_open(NULL, STR_EMPTY));
	assert_false(charset_is_open(NULL, STR("a")) || charset_is_open(NULL, STR("\xef\xbb\xbf")) || charset_is_open(NULL, STR("\xff\xfe\n")));
	assert_true(charset_is_open(utf16, STR("a")));
	assert_false(charset_is_open(utf16, STR("a\0")));
	assert_null(charset_of_file(utf16, STR("\xef\xbb\xbf" "a"), &bom));
	assert_int_equal(bom, 3);
	assert_null(charset_of_file(NULL, STR("abcd"), &bom));
	assert_int_equal(bom, 0);
	charset_unref(utf16);
}

static void
test_charset__pieces(void **state)
{
	struct charset *le = open_charset("UTF-16LE"), *latin = open_charset("latin1");

	(void)state;
	assert_int_equal(charset_lines(le, STR("a\0\n\0\n\0b\0")), 6);
	assert_int_equal(charset_lines(le, STR("a\0\0\nb\0")), 0);
	assert_int_equal(charset_lines(le, STR("\n\0a")), 2);
	assert_int_equal(charset_nuls(le, STR("\0\0\0\0\0a")), 4);
	assert_int_equal(charset_nuls(latin, STR("\0\0a\0")), 2);
	assert_int_equal(charset_cut(le, STR("a\0\x3d\xd8")), 2);
	assert_int_equal(charset_cut(le, STR("a\0b\0c")), 4);
	assert_int_equal(charset_cut(le, STR("\x3d\xd8")), 2);
	assert_int_equal(charset_cut(latin, STR("abc")), 3);
	charset_unref(le);
	charset_unref(latin);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_charset__lines_as_utf8),
		cmocka_unit_test(test_charset__names),
		cmocka_unit_test(test_charset__a_short_head_may_become_a_mark),
		cmocka_unit_test(test_charset__pieces),
	};

	return cmocka_run_group_tests_name("charset", tests, NULL, NULL);
}

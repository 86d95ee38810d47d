/* SPDX-License-Identifier: Apache-2.0 */
#include "lang_fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/limits.h"

/* Diagnostics as they are printed, and files as they are read. */

static struct src_pos
at(uint32_t off, uint32_t len)
{
	return (struct src_pos){1, off, len};
}

static void
shows(const char *text, uint32_t off, uint32_t len, const char *want)
{
	struct lang l;

	lang_init(&l, "c.alloy", text, NULL);
	diag_error(&l.diags, at(off, len), "wrong");
	assert_string_equal(lang_errors(&l), want);
	lang_done(&l);
}

static void
test_diag__one_line(void **state)
{
	(void)state;
	shows("a\n  b = c\nd", 8, 1, "Error: c.alloy:2:7: wrong\n\n1 | a\n2 |   b = c\n  |       ^\n3 | d\n");
	shows("\tx = true\r\n", 5, 4, "Error: c.alloy:1:6: wrong\n\n1 |     x = true\n  |         ^^^^\n2 | \n");
	shows("x = y", 4, 0, "Error: c.alloy:1:5: wrong\n\n1 | x = y\n  |     ^\n");
	shows("x = {", 5, 0, "Error: c.alloy:1:6: wrong\n\n1 | x = {\n  |      \n");
	shows("", 0, 0, "Error: c.alloy:1:1: wrong\n\n1 | \n  | \n");
	shows("\xc3\xa9 = \xc3\xbc + 1", 5, 2, "Error: c.alloy:1:6: wrong\n\n1 | \xc3\xa9 = \xc3\xbc + 1\n  |     ^\n");
	shows("1\n2\n3\n4\n5\n6\n7\n8\n9\nab\n", 19, 1,
		"Error: c.alloy:10:2: wrong\n\n 9 | 9\n10 | ab\n   |  ^\n11 | \n");
}

static void
test_diag__several_lines(void **state)
{
	(void)state;
	shows("  // push\n  loki.write \"w\" { endpoint {\n    batch_wait = \"1s\"\n} }\n", 12, 53,
		"Error: c.alloy:2:3: wrong\n\n"
		"1 |     // push\n"
		"2 |     loki.write \"w\" { endpoint {\n"
		"  |  ___^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
		"3 | |     batch_wait = \"1s\"\n"
		"4 | | } }\n"
		"  | |_^^^\n"
		"5 |   \n");
	shows("b {\n\tx = 1\n\t}", 0, 13,
		"Error: c.alloy:1:1: wrong\n\n1 |   b {\n  |  _^^^\n2 | |     x = 1\n3 | |     }\n  | |_____^\n");
}

static void
test_diag__order_and_repeats(void **state)
{
	struct lang l;

	(void)state;
	lang_init(&l, "", "ab\n", NULL);
	diag_error(&l.diags, (struct src_pos){0}, "cycle: a, b");
	diag_error(&l.diags, at(1, 1), "second");
	diag_warning(&l.diags, at(0, 1), "first");
	diag_error(&l.diags, at(1, 1), "second");
	assert_int_equal(l.diags.n_errors, 3);
	assert_string_equal(lang_errors(&l),
		"Warning: 1:1: first\n\n1 | ab\n  | ^\n2 | \n\nError: 1:2: second\n\n1 | ab\n  |  ^\n2 | \n\n"
		"Error: -: cycle: a, b\n");
	assert_string_equal(lang_first(&l), "-: cycle: a, b (and 3 more diagnostics)");
	lang_done(&l);
}

static void
test_diag__bounded(void **state)
{
	struct lang l;

	(void)state;
	lang_init(&l, "", "ab\n", NULL);
	for (int i = 0; i < 2 * CONFIG_DIAGS_MAX; i++)
		diag_error(&l.diags, at(0, 1), "%d", i);
	assert_int_equal(l.diags.n, CONFIG_DIAGS_MAX);
	assert_int_equal(l.diags.n_errors, 2 * CONFIG_DIAGS_MAX);
	lang_done(&l);
}

static void
write_file(const char *dir, const char *name, const void *data, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void
test_diag__source_load(void **state)
{
	char dir[] = "/tmp/longship-lang-XXXXXX", path[256];
	struct lang l;

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file(dir, "b.alloy", "\xef\xbb\xbf" "b = 1", 8);
	write_file(dir, "a.alloy", "a = 1", 5);
	write_file(dir, "c.txt", "\xff", 1);
	lang_init(&l, "", "", NULL);
	source_init(&l.source, l.arena);
	assert_true(source_load(&l.source, dir, &l.diags));
	assert_int_equal(l.source.n_files, 2);
	assert_str(l.source.files[0].text, "a = 1");
	assert_str(l.source.files[1].text, "b = 1");
	write_file(dir, "d.alloy", "\xff\xfe" "a", 3);
	write_file(dir, "e.alloy", "a = \xff", 5);
	assert_false(source_load(&l.source, dir, &l.diags));
	assert_int_equal(l.diags.n_errors, 2);
	assert_non_null(strstr(lang_errors(&l), "encoded with UTF-16LE but must be utf8"));
	assert_non_null(strstr(l.printed, "unknown encoding for config"));
	snprintf(path, sizeof(path), "%s/none.alloy", dir);
	assert_false(source_load(&l.source, path, &l.diags));
	lang_done(&l);
	for (const char *const *name = (const char *const[]){"a.alloy", "b.alloy", "c.txt", "d.alloy", "e.alloy", NULL};
		*name != NULL; name++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *name);
		unlink(path);
	}
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diag__one_line),
		cmocka_unit_test(test_diag__several_lines),
		cmocka_unit_test(test_diag__order_and_repeats),
		cmocka_unit_test(test_diag__bounded),
		cmocka_unit_test(test_diag__source_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

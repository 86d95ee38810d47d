/* SPDX-License-Identifier: Apache-2.0 */
/* The expected results are those of doublestar v4.10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "longship/base/check.h"
#include "longship/codec/glob.h"

static void
test_glob__matches(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} cases[] = {
		{"*.log", "a.log", true}, {"*.log", ".log", true}, {"*.log", "a/b.log", false}, {"*.LOG", "a.log", false},
		{"/var/log/**/*.log", "/var/log/x.log", true}, {"/var/log/**/*.log", "/var/log/a/b/x.log", true},
		{"/var/log/**.log", "/var/log/a/x.log", false}, {"/var/log/**.log", "/var/log/x.log", true},
		{"/a/**", "/a", true}, {"/a/**", "/a/b/c", true}, {"/a/**/", "/a", true}, {"a/**/b/**/c", "a/x/b/y/b/z/c", true},
		{"{nginx,apache}/*.{log,txt}", "apache/x.txt", true}, {"{nginx,apache}/*.{log,txt}", "caddy/x.txt", false},
		{"{a,{b,c/{d,e}}}.x", "c/e.x", true}, {"{a,}b", "b", true}, {"?", "\xc3\xa9", true}, {"?", "/", false},
		{"[a-c]x", "bx", true}, {"[^a-c]x", "bx", false}, {"[!a]", "b", true}, {"[]a]", "a", false}, {"[\\]a]", "]", true},
		{"\\*", "*", true}, {"\\*", "a", false}, {"a{b", "a{b", false}, {"[a", "a", false}, {"a\\", "a\\", false},
		{"*a*b*c", "xaybzc", true}, {"*a*b*c", "xaybz", false}, {"[{]x", "{x", true}, {"", "", true}, {"a*", "a", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (glob_match(str_from(cases[i].pattern), str_from(cases[i].path)) != cases[i].matches)
			fail_msg("%s %s", cases[i].pattern, cases[i].path);
}

static void
test_glob__long_stars_end(void **state)
{
	char pattern[256] = "", text[4096];

	(void)state;
	for (size_t i = 0; i < 60; i++)
		strcat(pattern, "a*");
	strcat(pattern, "b");
	memset(text, 'a', sizeof(text));
	assert_false(glob_match(str_from(pattern), (struct str){text, sizeof(text)}));
}

static void
test_glob__cleans(void **state)
{
	static const char *const cases[][2] = {{"a//b/../c", "a/c"}, {"", "."}, {"/..", "/"}, {"../../a", "../../a"}, {"a/../..", ".."},
		{"/a/./b/", "/a/b"}, {"a/..", "."}};
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(glob_clean(arena, str_from(cases[i][0])).s, cases[i][1]);
	assert_string_equal(glob_base(arena, STR("/var/log/*.log")).s, "/var/log");
	assert_string_equal(glob_base(arena, STR("/var/\\*x/{a,b}/c")).s, "/var/*x");
	assert_string_equal(glob_base(arena, STR("*.log")).s, ".");
	assert_string_equal(glob_base(arena, STR("/*")).s, "/");
	arena_free(arena);
}

static void
make(const char *dir, const char *name)
{
	char path[512];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (path[strlen(path) - 1] == '/') {
		assert_int_equal(mkdir(path, 0700), 0);
		return;
	}
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fclose(file);
}

/* What a pattern below the directory finds, without the directory, joined by blanks. */
static void
expect(const char *dir, const char *pattern, const char *expected)
{
	struct arena *arena = arena_new(0);
	struct glob_paths paths;
	char got[1024] = "";

	assert_int_equal(glob_walk(arena, arena_printf(arena, "%s/%s", dir, pattern), &paths), 0);
	for (size_t i = 0; i < paths.n; i++) {
		strcat(got, i > 0 ? " " : "");
		strcat(got, paths.items[i].s + strlen(dir) + (paths.items[i].len > strlen(dir)));
	}
	assert_string_equal(got, expected);
	arena_free(arena);
}

static void
test_glob__walks(void **state)
{
	static const char *const names[] = {"a/", "a/b/", "a/x.log", "a/b/y.log", "a/b/z.txt", "c/", "c/x.log", ".h.log", "[x]/", "[x]/q.log"};
	char dir[] = "/tmp/longship-glob-XXXXXX", path[256], command[300];
	struct arena *arena = arena_new(0);
	struct glob_paths paths;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		make(dir, names[i]);
	(void)snprintf(path, sizeof(path), "%s/a/loop", dir);
	assert_int_equal(symlink("..", path), 0);
	(void)snprintf(path, sizeof(path), "%s/gone.log", dir);
	assert_int_equal(symlink("nowhere", path), 0);

	expect(dir, "*/*.log", "[x]/q.log a/x.log c/x.log");
	expect(dir, "*.log", ".h.log gone.log");
	expect(dir, "a/*/*.{log,txt}", "a/b/y.log a/b/z.txt a/loop/.h.log a/loop/gone.log");
	expect(dir, "{a,c}/x.log", "a/x.log c/x.log");
	expect(dir, "c/x.log", "c/x.log");
	expect(dir, "c/nothing", "");
	expect(dir, "c/**", "c c/x.log");
	expect(dir, "c/../c//./x.log", "c/x.log");
	expect(dir, "\\[x\\]/*", "[x]/q.log");
	/* The loop is entered no second time. */
	expect(dir, "a/**/y.log", "a/b/y.log");
	expect(dir, "**/y.log", "a/b/y.log");
	assert_int_equal(glob_walk(arena, STR("/tmp/[a"), &paths), -EINVAL);
	assert_int_equal(glob_walk(arena, STR(""), &paths), 0);
	assert_int_equal(paths.n, 0);
	arena_free(arena);
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glob__matches),
		cmocka_unit_test(test_glob__long_stars_end),
		cmocka_unit_test(test_glob__cleans),
		cmocka_unit_test(test_glob__walks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

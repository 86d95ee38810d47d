/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/placed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "longship/base/clock.h"
#include "longship/positions/positions.h"

static struct arena *arena;
static char dir[64];
static struct positions *store;

static struct placed
placed(const char *path, const char *labels, uint64_t offset)
{
	return (struct placed){
		.component = STR("loki.source.file.f"), .path = str_from(path), .labels = str_from(labels), .offset = offset};
}

static bool
find(const char *path, const char *labels, struct placed *ret)
{
	struct str key;

	return placed_find(store, STR("loki.source.file.f"), str_from(path), str_from(labels), arena, ret, &key);
}

static void
test_placed__exact_labels_before_any(void **state)
{
	struct placed items[] = {placed("/a", "{x=\"1\"}", 1), placed("/a", "", 2), placed("/b", "{}", 3)};
	struct placed got;
	struct str key;

	(void)state;
	assert_int_equal(placed_put(store, items, 3), 0);
	assert_true(find("/a", "{x=\"1\"}", &got));
	assert_int_equal(got.offset, 1);
	assert_true(find("/a", "{x=\"2\"}", &got));
	assert_int_equal(got.offset, 2);
	assert_true(find("/b", "{x=\"1\"}", &got));
	assert_int_equal(got.offset, 3);
	assert_false(find("/c", "", &got));
	assert_true(placed_find(store, STR("loki.source.file.f"), STR("/a"), STR("{x=\"1\"}"), arena, &got, &key));
	placed_forget(store, key);
	assert_true(find("/a", "{x=\"1\"}", &got));
	assert_int_equal(got.offset, 2);
	assert_false(placed_find(store, STR("loki.source.file.g"), STR("/a"), STR(""), arena, &got, &key));
}

static void
test_placed__kinds_and_files_come_back(void **state)
{
	struct placed item = placed("/a", "", 7), got;

	(void)state;
	item.kind = PLACED_INVALID;
	item.text = STR("soon");
	item.file = (struct placed_file){0xfe01, UINT64_MAX, -5};
	assert_int_equal(placed_put(store, &item, 1), 0);
	assert_true(find("/a", "", &got));
	assert_int_equal(got.kind, PLACED_INVALID);
	assert_true(str_is(got.text, "soon"));
	assert_true(got.file.dev == 0xfe01 && got.file.ino == UINT64_MAX && got.file.birth_ns == -5);
	assert_true(got.placed_ns > 0);
}

/* Survives a restart; more than one write's worth. */
static void
test_placed__many(void **state)
{
	enum { N = 1000 };
	struct placed *items = calloc(N, sizeof(*items)), got;
	struct positions_report report;
	int pid;

	(void)state;
	for (int i = 0; i < N; i++) {
		items[i] = placed("", "{}", (uint64_t)i);
		items[i].path = arena_printf(arena, "/var/log/%d", i);
	}
	assert_int_equal(placed_put(store, items, N), 0);
	positions_close(store);
	assert_int_equal(positions_open(dir, &store, &report, &pid), 0);
	for (int i = 0; i < N; i += 111) {
		assert_true(find(items[i].path.s, "{}", &got));
		assert_int_equal(got.offset, i);
	}
	free(items);
}

static void
test_placed__too_long_is_refused(void **state)
{
	static char path[POSITIONS_ATTR_BYTES_MAX + 1];
	struct placed items[2] = {placed("/a", "", 1), placed("", "", 2)}, got;

	(void)state;
	memset(path, 'p', sizeof(path));
	items[1].path = (struct str){path, sizeof(path)};
	assert_int_equal(placed_put(store, items, 2), -ENAMETOOLONG);
	assert_false(find("/a", "", &got));
}

static void
test_placed__is_of(void **state)
{
	const struct placed_file file = {1, 2, 300}, other = {1, 3, 300}, reborn = {1, 2, 900}, unknown = {1, 2, 0};
	struct placed p = {.file = file, .placed_ns = 500}, before = {.placed_ns = 500};

	(void)state;
	assert_true(placed_is_of(&p, &file));
	assert_true(placed_is_of(&p, &unknown));
	assert_false(placed_is_of(&p, &other));
	assert_false(placed_is_of(&p, &reborn));
	/* There was no file: one that is older than the entry was only not to be seen. */
	assert_true(placed_is_of(&before, &file));
	assert_false(placed_is_of(&before, &reborn));
	assert_true(placed_is_of(&before, &unknown));
}

static void
test_placed__file_keys(void **state)
{
	static const char *const bad[] = {"", "file", "file|c", "file|c|1.2.3.4", "file|c|1.2.3|0", "file|c|1.2.3.4.5|0",
		"file|c|1.2.3.4|x", "path|c|1.2.3.4|0", "file|c|1.2.3.|0", "file|c|.2.3.4|0"};
	const struct file_key in = {STR("loki.source.file.f"), {0xfe01, 12, 1700000000000000001}, 3, 2};
	struct str key = file_key_print(arena, &in);
	struct file_key out;

	(void)state;
	assert_true(str_is(key, "file|loki.source.file.f|fe01.12.1700000000000000001.3|2"));
	assert_true(file_key_parse(key, &out));
	assert_true(str_eq(out.component, in.component) && out.file.dev == in.file.dev && out.file.ino == in.file.ino &&
		    out.file.birth_ns == in.file.birth_ns && out.ordinal == 3 && out.generation == 2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (file_key_parse(str_from(bad[i]), &out))
			fail_msg("taken: %s", bad[i]);
}

static int
set_up(void **state)
{
	struct positions_report report;
	int pid;

	(void)state;
	arena = arena_new(0);
	(void)snprintf(dir, sizeof(dir), "/tmp/longship-placed.XXXXXX");
	return mkdtemp(dir) == NULL || positions_open(dir, &store, &report, &pid) < 0;
}

static int
tear_down(void **state)
{
	static const char *const names[] = {"lock", "positions.db"};
	char path[128];

	(void)state;
	positions_close(store);
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	arena_free(arena);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_placed__exact_labels_before_any, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_placed__kinds_and_files_come_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_placed__many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_placed__too_long_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_placed__is_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_placed__file_keys, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

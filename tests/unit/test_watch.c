/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "longship/base/buf.h"
#include "longship/os/file.h"

static char temp[64];
static struct watch *w;
static struct buf told;

static int
set_up(void **state)
{
	(void)state;
	(void)strcpy(temp, "/tmp/longship-watch-XXXXXX");
	buf_init(&told, 1 << 20);
	return mkdtemp(temp) == NULL || chdir(temp) < 0 || mkdir("d", 0755) < 0 || watch_new(&w) < 0;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	watch_free(w);
	buf_done(&told);
	(void)snprintf(command, sizeof(command), "rm -rf %s", temp);
	return system(command);
}

static void
tell(void *ptr, struct str dir, struct str name, unsigned events)
{
	(void)ptr;
	buf_printf(&told, "%.*s/%.*s %u\n", STR_FMT(dir), STR_FMT(name), events);
}

static void
assert_told(const char *expected)
{
	buf_clear(&told);
	assert_int_equal(watch_read(w, tell, NULL), 0);
	buf_putc(&told, '\0');
	assert_string_equal(told.data, expected);
}

static void
append(const char *path, const char *text)
{
	int fd = file_open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);

	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, text, strlen(text)), 0);
	(void)close(fd);
}

static void
test_watch__tells_each_thing_once(void **state)
{
	(void)state;
	assert_int_equal(watch_dir_add(w, "d"), 0);
	assert_told("");
	append("d/a", "1");
	append("d/b", "1");
	append("d/a", "2");
	assert_told("d/a 3\nd/b 3\n");
	assert_int_equal(rename("d/a", "d/c"), 0);
	assert_int_equal(chmod("d/b", 0600), 0);
	assert_told("d/a 4\nd/c 2\nd/b 8\n");
	assert_int_equal(unlink("d/c"), 0);
	assert_told("d/c 4\n");
}

static void
test_watch__counts_references(void **state)
{
	(void)state;
	assert_int_equal(watch_dir_add(w, "d"), 0);
	assert_int_equal(watch_dir_add(w, "d"), 0);
	assert_int_equal(watch_dirs(w), 1);
	watch_dir_remove(w, "d");
	append("d/a", "1");
	assert_told("d/a 3\n");
	append("d/a", "1");
	watch_dir_remove(w, "d");
	assert_int_equal(watch_dirs(w), 0);
	assert_told("");
	watch_dir_remove(w, "d");
	watch_dir_remove(w, "never");
}

static void
test_watch__two_spellings_share_an_inode(void **state)
{
	(void)state;
	assert_int_equal(symlink("d", "link"), 0);
	assert_int_equal(watch_dir_add(w, "d"), 0);
	assert_int_equal(watch_dir_add(w, "link"), 0);
	append("d/a", "1");
	assert_told("d/a 3\nlink/a 3\n");
	watch_dir_remove(w, "d");
	append("d/a", "1");
	assert_told("link/a 1\n");
	watch_dir_remove(w, "link");
	assert_int_equal(watch_dirs(w), 0);
}

static void
test_watch__directory_goes_and_comes_back(void **state)
{
	(void)state;
	assert_int_equal(watch_dir_add(w, "d"), 0);
	assert_int_equal(rename("d", "e"), 0);
	assert_told("d/ 16\n");
	append("e/a", "1");
	assert_told("");
	assert_int_equal(watch_dirs(w), 0);
	assert_int_equal(watch_dir_add(w, "d"), -ENOENT);
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(watch_dir_add(w, "d"), 0);
	watch_dir_remove(w, "d");
	assert_int_equal(rmdir("d"), 0);
	assert_told("d/ 16\n");
	watch_dir_remove(w, "d");
	assert_told("");
}

static void
remove_all(void *ptr, struct str dir, struct str name, unsigned events)
{
	tell(ptr, dir, name, events);
	watch_dir_remove(w, "d");
	watch_dir_remove(w, "link");
}

static void
test_watch__callback_may_remove(void **state)
{
	(void)state;
	assert_int_equal(symlink("d", "link"), 0);
	assert_int_equal(watch_dir_add(w, "d"), 0);
	assert_int_equal(watch_dir_add(w, "link"), 0);
	append("d/a", "1");
	append("d/b", "1");
	assert_int_equal(watch_read(w, remove_all, NULL), 0);
	assert_true(str_is(buf_view(&told), "d/a 3\n"));
}

static void
test_watch__overflow_says_look_at_everything(void **state)
{
	char text[32] = "";
	struct buf limit;
	long events;

	(void)state;
	buf_init(&limit, 64);
	assert_int_equal(file_read("/proc/sys/fs/inotify/max_queued_events", &limit), 0);
	memcpy(text, limit.data, limit.len < sizeof(text) ? limit.len : sizeof(text) - 1);
	buf_done(&limit);
	events = atol(text);
	if (events > 100000)
		skip();
	assert_int_equal(watch_dir_add(w, "d"), 0);
	for (long i = 0; i < events / 2 + 10; i++)
		append(i % 2 ? "d/a" : "d/b", "1");
	for (int i = 0; i < 100 && strstr(told.len > 0 ? told.data : "", "/ 32\n") == NULL; i++) {
		assert_int_equal(watch_read(w, tell, NULL), 0);
		buf_putc(&told, '\0');
		told.len--;
	}
	assert_true(str_find(buf_view(&told), STR("/ 32\n")) >= 0);
}

static void
test_watch__errors(void **state)
{
	(void)state;
	append("f", "1");
	assert_int_equal(watch_dir_add(w, "f"), -ENOTDIR);
	assert_int_equal(watch_dir_add(w, "none"), -ENOENT);
	assert_int_equal(watch_dirs(w), 0);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_watch__tells_each_thing_once),
		CASE(test_watch__counts_references),
		CASE(test_watch__two_spellings_share_an_inode),
		CASE(test_watch__directory_goes_and_comes_back),
		CASE(test_watch__callback_may_remove),
		CASE(test_watch__overflow_says_look_at_everything),
		CASE(test_watch__errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

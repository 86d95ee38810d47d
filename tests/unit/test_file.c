/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "longship/base/clock.h"

static char dir[64];

static int
make_temp(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/longship-file-XXXXXX");
	return mkdtemp(dir) == NULL || chdir(dir) < 0;
}

static int
remove_temp(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void
test_file__replace_and_read(void **state)
{
	struct stat st;
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	assert_int_equal(file_read("x", &b), -ENOENT);
	assert_int_equal(file_replace("x", STR("12345"), 0600), 0);
	assert_int_equal(file_read("x", &b), 0);
	assert_true(str_is(buf_view(&b), "12345"));
	assert_int_equal(stat("x", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	buf_clear(&b);
	assert_int_equal(file_replace("x", STR("123456"), 0644), 0);
	assert_int_equal(file_read("x", &b), -EFBIG);
	assert_int_equal(b.len, 0);
	assert_int_equal(file_read(".", &b), -EISDIR);
	assert_int_equal(file_replace("no/x", STR("1"), 0644), -ENOENT);
	assert_int_equal(access("x.new", F_OK), -1);
	buf_done(&b);
	buf_init(&b, 1 << 20);
	assert_int_equal(file_read("/proc/self/status", &b), 0);
	assert_true(b.len > 100);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(file_read("fifo", &b), 0);
	buf_done(&b);
}

static void
test_file__read_and_write_at_offsets(void **state)
{
	char text[16];
	int fd = file_open("y", O_RDWR | O_CREAT, 0644);

	(void)state;
	assert_true(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(file_write(fd, "abc", 3), 0);
	assert_int_equal(file_pwrite(fd, "XY", 2, 5), 0);
	assert_int_equal(file_pread(fd, text, sizeof(text), 1), 6);
	assert_memory_equal(text, "bc\0\0XY", 6);
	assert_int_equal(file_pread(fd, text, sizeof(text), 7), 0);
	(void)close(fd);
	assert_int_equal(file_pread(fd, text, 1, 0), -EBADF);
	assert_int_equal(file_open("no/y", O_RDONLY, 0), -ENOENT);
}

static void
test_file__make_dirs(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(file_make_dirs("a//b/c/", 0750), 0);
	assert_int_equal(file_make_dirs("a/b/c", 0750), 0);
	assert_int_equal(file_make_dirs("/", 0750), 0);
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(file_make_dirs("", 0750), -ENOENT);
	assert_int_equal(file_replace("a/f", STR("x"), 0600), 0);
	assert_int_equal(file_make_dirs("a/f/g", 0750), -ENOTDIR);
	assert_int_equal(file_make_dirs("a/f", 0750), -ENOTDIR);
}

static void
test_file__identity(void **state)
{
	struct file_identity a, b;
	int fd = file_open("z", O_RDWR | O_CREAT, 0640);

	(void)state;
	assert_int_equal(file_write(fd, "abc", 3), 0);
	assert_int_equal(file_identify(fd, &a), 0);
	assert_int_equal(file_identify_path("z", &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_true(a.size == 3 && a.links == 1 && S_ISREG(a.mode));
	assert_true(llabs(a.mtime_ns - clock_now_ns()) < 60 * NS_PER_S);
	assert_int_equal(unlink("z"), 0);
	assert_int_equal(file_identify(fd, &b), 0);
	assert_true(b.links == 0 && b.ino == a.ino && b.dev == a.dev && b.birth_ns == a.birth_ns);
	assert_int_equal(file_identify_path("z", &b), -ENOENT);
	assert_null(file_remote("/tmp"));
	assert_null(file_remote("/nowhere"));
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file__replace_and_read),
		cmocka_unit_test(test_file__read_and_write_at_offsets),
		cmocka_unit_test(test_file__make_dirs),
		cmocka_unit_test(test_file__identity),
	};

	return cmocka_run_group_tests(tests, make_temp, remove_temp);
}

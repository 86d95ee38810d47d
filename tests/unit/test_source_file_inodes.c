/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loki.source.file where an inode number comes again: a file that is deleted gives its number to the next one, at once on ext4. With
 * births and on a file system that has none: statx is wrapped.
 */
#include "source_file_fixture.h"

#include <sys/syscall.h>

static bool no_births;

/* The one of the C library is not linked when there is this. */
int
statx(int dir, const char *path, int flags, unsigned mask, struct statx *ret)
{
	int r = (int)syscall(SYS_statx, dir, path, flags, mask, ret);

	if (r == 0 && no_births) {
		ret->stx_mask &= ~(unsigned)STATX_BTIME;
		ret->stx_btime.tv_sec = 0;
		ret->stx_btime.tv_nsec = 0;
	}
	return r;
}

static int
setup_without_births(void **state)
{
	no_births = true;
	return setup(state);
}

static int
teardown_with_births(void **state)
{
	no_births = false;
	return teardown(state);
}

static void
expect_order(struct file_test *f, const char *last, const char *all)
{
	char text[256] = "";

	turn_until(seen(f, last) > 0);
	(void)pthread_mutex_lock(&f->sink.lock);
	for (size_t i = 0; i < f->sink.held.len; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", f->sink.held.items[i].text);
	(void)pthread_mutex_unlock(&f->sink.lock);
	assert_string_equal(text, all);
}

static ino_t
inode(struct file_test *f, const char *name)
{
	char path[128];
	struct stat st;

	assert_int_equal(stat(in_dir(f, name, path), &st), 0);
	return st.st_ino;
}

/* Deletes the file and makes another one with its inode number. False: this file system gives others. */
static bool
delete_and_make(struct file_test *f, const char *name, const char *text)
{
	ino_t old = inode(f, name);
	char path[128], spare[24];

	(void)usleep(20000); /* births are as coarse as the kernel's tick */
	(void)unlink(in_dir(f, name, path));
	for (int i = 0; i < 100; i++) { /* what others make meanwhile may get the number for a moment */
		(void)snprintf(spare, sizeof(spare), "spare%d", i);
		append(f, spare, text);
		if (inode(f, spare) == old) {
			rename_to(f, spare, name);
			return true;
		}
	}
	return false;
}

/* The new file is longer than what was read of the old one, shorter, and as long. */
static void
test_source_file_inodes__another_file_while_down(void **state)
{
	static const char *const texts[] = {"longer-1\nlonger-2\n", "short\n", "trosh\n"};
	static const char *const last[] = {"longer-2", "short", "trosh"};
	static const char *const all[] = {"one longer-1 longer-2 ", "one longer-1 longer-2 short ", "one longer-1 longer-2 short trosh "};
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		begin(f);
		expect_order(f, i == 0 ? "one" : last[i - 1], i == 0 ? "one " : all[i - 1]);
		settle(f);
		stop(f);
		if (!delete_and_make(f, "a.log", texts[i]))
			skip();
		begin(f);
		expect_order(f, last[i], all[i]);
		settle(f);
		stop(f);
	}
}

/* The new file was renamed in its turn, so that only its number is known. */
static void
test_source_file_inodes__another_file_under_a_rotated_name(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	if (!delete_and_make(f, "a.log", "two-2222\n"))
		skip();
	rename_to(f, "a.log", "a.log.1");
	(void)usleep(20000);
	append(f, "a.log", "three\n");
	begin(f);
	expect_order(f, "three", "one two-2222 three ");
	settle(f);
	stop(f);
	append(f, "a.log.1", "late\n");
	append(f, "a.log", "four\n");
	begin(f);
	expect_order(f, "four", "one two-2222 three late four ");
}

/* Identity is device and inode alone, and ages are those of contents. */
static void
test_source_file_inodes__rotated_while_down(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	append(f, "a.log", "two\n");
	rename_to(f, "a.log", "a.log.2");
	(void)usleep(20000);
	append(f, "a.log", "three\n");
	rename_to(f, "a.log", "a.log.1");
	(void)usleep(20000);
	append(f, "a.log", "four\n");
	begin(f);
	expect_order(f, "four", "one two three four ");
	settle(f);
	stop(f);
	append(f, "a.log", "five\n");
	begin(f);
	expect_order(f, "five", "one two three four five ");
}

static void
test_source_file_inodes__copied_and_emptied_while_down(void **state)
{
	struct file_test *f = *state;
	char line[512], dir[128];

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	(void)snprintf(line, sizeof(line), "cd %s && sleep 0.02 && echo two >>a.log && cp a.log a.log.2 && : >a.log && echo three >>a.log && sleep 0.02"
		" && cp a.log a.log.1 && : >a.log && echo four >>a.log", in_dir(f, "", dir));
	assert_int_equal(system(line), 0);
	begin(f);
	expect_order(f, "four", "one two three four ");
	settle(f);
	stop(f);
	append(f, "a.log", "five\n");
	begin(f);
	expect_order(f, "five", "one two three four five ");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define T_WITHOUT(name) {#name "__without_births", name, setup_without_births, teardown_with_births, NULL}
	const struct CMUnitTest tests[] = {
		T(test_source_file_inodes__another_file_while_down),
		T_WITHOUT(test_source_file_inodes__another_file_while_down),
		T(test_source_file_inodes__another_file_under_a_rotated_name),
		T_WITHOUT(test_source_file_inodes__another_file_under_a_rotated_name),
		T(test_source_file_inodes__rotated_while_down),
		T_WITHOUT(test_source_file_inodes__rotated_while_down),
		T(test_source_file_inodes__copied_and_emptied_while_down),
		T_WITHOUT(test_source_file_inodes__copied_and_emptied_while_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

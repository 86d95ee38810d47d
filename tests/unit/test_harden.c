/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/harden.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "longship/base/arena.h"
#include "longship/codec/regex.h"

/*
 * What is given up cannot be had back, so each test has a process of its own: its function returns the line of the
 * first expectation that failed, or 0.
 */

#define EXPECT(what)                                                                                                   \
	do                                                                                                             \
		if (!(what))                                                                                           \
			return __LINE__;                                                                               \
	while (0)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static char dir[64];

static int
make_temp(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/longship-harden-XXXXXX");
	return mkdtemp(dir) == NULL || chdir(dir) < 0 || mkdir("in", 0700) < 0 || mkdir("out", 0700) < 0;
}

static int
remove_temp(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return chdir("/") < 0 || system(command) != 0;
}

static struct harden_report
harden(bool own_program)
{
	const char *const dirs[] = {"in"};
	struct harden_report report;

	(void)harden_self(
		&(struct harden_options){.write_dirs = dirs, .n_write_dirs = 1, .own_program = own_program}, &report);
	return report;
}

/* In a child; 0, or the line that failed. The numbers of lines are below 10,000, so a pipe takes them. */
static int
in_child(int (*test)(void))
{
	int at[2], line = -1, status;
	pid_t pid;

	assert_int_equal(pipe(at), 0);
	pid = fork();
	if (pid == 0) {
		line = test();
		_exit(write(at[1], &line, sizeof(line)) != sizeof(line));
	}
	(void)close(at[1]);
	assert_true(read(at[0], &line, sizeof(line)) == sizeof(line));
	(void)close(at[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return line;
}

static int
try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static int
write_files(void)
{
	struct harden_report report = harden(false);

	if (report.landlock == -ENOSYS || report.landlock == -EOPNOTSUPP)
		return 0;
	EXPECT(report.landlock == 0);
	EXPECT(try_open("in/a", O_WRONLY | O_CREAT) == 0);
	EXPECT(try_open("in/a", O_WRONLY | O_TRUNC) == 0);
	EXPECT(mkdir("in/sub", 0700) == 0 && rename("in/a", "in/sub/b") == 0 && unlink("in/sub/b") == 0);
	EXPECT(try_open("out/a", O_WRONLY | O_CREAT) == EACCES);
	EXPECT(try_open("/etc/passwd", O_RDONLY) == 0);
	EXPECT(try_open("/etc/passwd", O_WRONLY) == EACCES);
	EXPECT(mkdir("out/sub", 0700) < 0 && errno == EACCES);
	EXPECT(rename("in/sub", "out/sub") < 0 && rmdir("out") < 0);
	EXPECT(try_open("/dev/null", O_WRONLY) == 0);
	return 0;
}

static void
test_harden__writes_below_its_directories_only(void **state)
{
	(void)state;
	assert_int_equal(in_child(write_files), 0);
}

/* The error of an execve, or 0 with the program's exit status 0. */
static int
try_program(const char *path, char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)execve(path, argv, (char *[]){NULL});
		_exit(errno);
	}
	(void)waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int
no_programs(void)
{
	(void)harden(false);
	if (SANITIZED)
		return 0;
	EXPECT(try_program("/bin/true", (char *[]){"true", NULL}) == EPERM);
	EXPECT(try_program("/proc/self/exe", (char *[]){"test_harden", "0", NULL}) == EPERM);
	return 0;
}

static int
own_program(void)
{
	struct harden_report report = harden(true);

	EXPECT(try_program("/proc/self/exe", (char *[]){"test_harden", "0", NULL}) == 0);
	EXPECT(try_program("/proc/self/exe", (char *[]){"test_harden", "7", NULL}) == 7);
	if (!SANITIZED && report.landlock == 0)
		EXPECT(try_program("/bin/true", (char *[]){"true", NULL}) == EACCES);
	return 0;
}

static void
test_harden__starts_no_program_or_itself_only(void **state)
{
	(void)state;
	assert_int_equal(in_child(no_programs), 0);
	assert_int_equal(in_child(own_program), 0);
}

static int
calls(void)
{
	struct harden_report report = harden(false);
	int fd;

	if (report.seccomp == -ENOSYS || report.seccomp == -EINVAL || report.seccomp == -EOPNOTSUPP)
		return 0;
	EXPECT(report.seccomp == 0 && report.privileges == 0);
	EXPECT(unshare(CLONE_NEWUSER) < 0 && errno == EPERM);
	EXPECT(mount("none", "in", "tmpfs", 0, NULL) < 0 && errno == EPERM);
	EXPECT(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) < 0 && errno == EPERM);
	EXPECT(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM);
	EXPECT(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EPERM);
	EXPECT(syscall(SYS_open_by_handle_at, 0, NULL, 0) < 0 && errno == EPERM);
	EXPECT(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
	EXPECT(syscall(100000) < 0 && errno == ENOSYS);
	EXPECT(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT);
	for (size_t i = 0; i < 4; i++) {
		fd = socket((int[]){AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
		EXPECT(fd >= 0 || errno == EAFNOSUPPORT);
		(void)close(fd);
	}
	return 0;
}

static void
test_harden__refuses_calls(void **state)
{
	(void)state;
	assert_int_equal(in_child(calls), 0);
}

static void *
add_one(void *n)
{
	++*(int *)n;
	return NULL;
}

/* Anonymous memory that is writable and executable: where PCRE2 puts its machine code. */
static bool
has_machine_code(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		found = found || (strstr(line, " rwxp ") != NULL && strstr(line, " 00:00 ") != NULL);
	if (maps != NULL)
		(void)fclose(maps);
	return found;
}

static int
what_goes_on(void)
{
	struct addrinfo *addresses = NULL;
	struct arena *arena = arena_new(0);
	struct regex *regex;
	struct str error;
	pthread_t thread;
	size_t offset;
	int n = 0;

	(void)harden(false);
	EXPECT(pthread_create(&thread, NULL, add_one, &n) == 0 && pthread_join(thread, NULL) == 0 && n == 1);
	/* NSS modules are loaded when the first name is asked for. */
	EXPECT(getaddrinfo("localhost", "80", NULL, &addresses) == 0);
	freeaddrinfo(addresses);
	EXPECT(dlopen("libm.so.6", RTLD_NOW) != NULL);
	EXPECT(!has_machine_code());
	regex = regex_compile(arena, STR("a(b+)c"), 0, &error, &offset);
	EXPECT(regex != NULL && regex_test(regex, STR("xxabbbc")) == REGEX_YES);
	EXPECT(has_machine_code());
	arena_free(arena);
	return 0;
}

static void
test_harden__threads_names_libraries_and_jit_go_on(void **state)
{
	(void)state;
	assert_int_equal(in_child(what_goes_on), 0);
}

static int
missing_dir(void)
{
	const char *const dirs[] = {"in", "nowhere"};
	struct harden_report report;
	int r = harden_self(&(struct harden_options){.write_dirs = dirs, .n_write_dirs = 2}, &report);

	EXPECT(r < 0 && report.landlock == r && report.privileges == 0);
	/* The other wall stands all the same. */
	EXPECT(report.seccomp != 0 || (unshare(CLONE_NEWUSER) < 0 && errno == EPERM));
	return 0;
}

static void
test_harden__names_what_is_not_in_force(void **state)
{
	(void)state;
	assert_int_equal(in_child(missing_dir), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_harden__writes_below_its_directories_only),
		cmocka_unit_test(test_harden__starts_no_program_or_itself_only),
		cmocka_unit_test(test_harden__refuses_calls),
		cmocka_unit_test(test_harden__threads_names_libraries_and_jit_go_on),
		cmocka_unit_test(test_harden__names_what_is_not_in_force),
	};

	/* Started by itself: what to end with. */
	if (argc == 2)
		return atoi(argv[1]);
	return cmocka_run_group_tests(tests, make_temp, remove_temp);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool at every system call with which it, or the positions store, changes something on the disk: the process is killed before the call, or
 * in the middle of a write, or the call fails once. Whatever was acknowledged has arrived then, in the life that ends or in the next one;
 * what arrives twice is the same entry.
 *
 * This program's own functions take the place of libc's.
 */
#include "spool_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LINES 120
#define CALLS_MAX 2000

enum fault { FAULT_NONE, FAULT_KILL, FAULT_KILL_HALF_WAY, FAULT_FAIL };

static enum fault fault;
static int fault_at, fault_errno;
static _Atomic int calls;
static _Atomic bool armed;

/* True: the call is to fail. */
static bool
at_fault(bool *ret_half)
{
	bool now = armed && atomic_fetch_add(&calls, 1) + 1 == fault_at;

	*ret_half = now && fault == FAULT_KILL_HALF_WAY;
	if (now && fault == FAULT_KILL)
		(void)kill(getpid(), SIGKILL);
	return now && fault == FAULT_FAIL;
}

static int
end_call(bool fails, bool half, long number, long a, long b)
{
	long r;

	if (fails) {
		errno = fault_errno;
		return -1;
	}
	r = syscall(number, a, b);
	if (half)
		(void)kill(getpid(), SIGKILL);
	return (int)r;
}

ssize_t
pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	bool half, fails = at_fault(&half);
	ssize_t r;

	if (fails) {
		errno = fault_errno;
		return -1;
	}
	r = (ssize_t)syscall(SYS_pwrite64, fd, bytes, half ? n / 2 : n, at);
	if (half)
		(void)kill(getpid(), SIGKILL);
	return r;
}

int
fdatasync(int fd)
{
	bool half, fails = at_fault(&half);

	return end_call(fails, half, SYS_fdatasync, fd, 0);
}

int
fsync(int fd)
{
	bool half, fails = at_fault(&half);

	return end_call(fails, half, SYS_fsync, fd, 0);
}

int
ftruncate(int fd, off_t size)
{
	bool half, fails = at_fault(&half);

	return end_call(fails, half, SYS_ftruncate, fd, (long)size);
}

int
unlink(const char *path)
{
	bool half, fails = at_fault(&half);

	if (fails) {
		errno = fault_errno;
		return -1;
	}
	fails = syscall(SYS_unlinkat, AT_FDCWD, path, 0) < 0;
	if (half)
		(void)kill(getpid(), SIGKILL);
	return fails ? -1 : 0;
}

struct lives {
	struct board first, second;
	int calls;
};

static struct lives *lives;
static char dir[64];

/* One life of a process on the directory; its end is that of the process. */
static _Noreturn void
live(struct board *board, uint64_t lines)
{
	const struct spool_options options = {.bytes_max = 4 << 20}; /* files of 256 KiB */
	static struct stand s;
	struct positions_report report;
	int pid;

	s = (struct stand){.board = board};
	(void)snprintf(s.path.dir, sizeof(s.path.dir), "%s", dir);
	if (positions_open(dir, &s.path.runtime.positions, &report, &pid) < 0)
		_exit(3);
	stand_connect(&s);
	armed = fault != FAULT_NONE || lines > 0;
	s.out.spool = spool_new(&s.out.component, &options);
	spool_run(s.out.spool);
	s.pusher->pad = 9000;
	push(&s, lines);
	for (int64_t until = clock_mono_ns() + PATIENCE_NS; board->n_settled + board->n_returned < lines || spool_status_now().entries > 0;) {
		if (clock_mono_ns() > until)
			_exit(4);
		(void)usleep(200);
	}
	lives->calls = lines > 0 ? calls : lives->calls;
	armed = false;
	_exit(0);
}

static int
fork_life(struct board *board, uint64_t lines)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		live(board, lines);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? -1 : 5;
}

static void
run_lives(enum fault which, int at, int error)
{
	char command[96];
	int end;

	memset(lives, 0, sizeof(*lives));
	(void)snprintf(dir, sizeof(dir), "/tmp/longship-spool-XXXXXX");
	assert_non_null(mkdtemp(dir));
	fault = which;
	fault_at = at;
	fault_errno = error;
	end = fork_life(&lives->first, LINES);
	if (end != 0 && end != -1)
		print_error("fault %d at call %d: life one ended with %d\n", (int)which, at, end);
	assert_true(end == 0 || end == -1);
	fault = FAULT_NONE;
	end = fork_life(&lives->second, 0);
	if (end != 0)
		print_error("fault %d at call %d: life two ended with %d\n", (int)which, at, end);
	assert_int_equal(end, 0);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(lives->first.wrong + lives->second.wrong, 0);
	for (int i = 0; i < LINES; i++) {
		if (lives->first.acknowledged[i] && lives->first.arrived[i] + lives->second.arrived[i] == 0)
			print_error("fault %d at call %d: line %d is lost\n", (int)which, at, i);
		assert_true(!lives->first.acknowledged[i] || lives->first.arrived[i] + lives->second.arrived[i] > 0);
		/* Within a life nothing is sent twice, and a life sends again what another has sent, never twice. */
		assert_true(lives->first.arrived[i] <= 1 && lives->second.arrived[i] <= 1);
	}
}

static int
count_calls(void)
{
	run_lives(FAULT_NONE, 0, 0);
	assert_int_equal(lives->first.n_settled, LINES);
	assert_in_range(lives->calls, 20, CALLS_MAX);
	return lives->calls;
}

static void
killed_at_every_call(void **state)
{
	int n = count_calls();

	(void)state;
	for (int at = 1; at <= n + 2; at++)
		run_lives(FAULT_KILL, at, 0);
}

static void
killed_in_every_call(void **state)
{
	int n = count_calls();

	(void)state;
	for (int at = 1; at <= n + 2; at++)
		run_lives(FAULT_KILL_HALF_WAY, at, 0);
}

static void
every_call_fails(void **state)
{
	int n = count_calls();

	(void)state;
	for (int at = 1; at <= n + 2; at++)
		run_lives(FAULT_FAIL, at, at % 2 == 0 ? ENOSPC : EIO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_every_call),
		cmocka_unit_test(killed_in_every_call),
		cmocka_unit_test(every_call_fails),
	};

	lives = mmap(NULL, sizeof(*lives), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(lives != MAP_FAILED);
	return cmocka_run_group_tests_name("spool_crash", tests, NULL, NULL);
}

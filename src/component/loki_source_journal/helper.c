/* SPDX-License-Identifier: Apache-2.0 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "longship/base/clock.h"
#include "longship/base/vec.h"
#include "longship/os/file.h"

/*
 * Why a process: see app/cmd_journal_reader.c. /proc/self/exe is this very binary, also when a newer one has taken its name. The
 * request waits in a memory file, so that writing it cannot block.
 */
#define COMMAND "journal-reader" /* of app/cmd_journal_reader.c */
#define REQUEST_FD 3
#define PIPE_BYTES (256 << 10) /* a block and the next: reader and lane work side by side */
#define REAP_WAIT_NS (100 * NS_PER_MS)

static VEC(pid_t) unreaped; /* control thread */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static int
write_request(struct str request)
{
	int fd = memfd_create("longship-journal", MFD_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = file_write(fd, request.s, request.len);
	if (r >= 0)
		return fd;
	(void)close(fd);
	return r;
}

static int
spawn(struct helper *h, int in, int out, int request)
{
	char *const argv[] = {(char *)(uintptr_t) "longship", (char *)(uintptr_t)COMMAND, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	(void)sigemptyset(&none);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	err = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	err = err != 0 ? err : posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	err = err != 0 ? err : posix_spawn_file_actions_adddup2(&actions, request, REQUEST_FD);
	err = err != 0 ? err : posix_spawn(&h->pid, "/proc/self/exe", &actions, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (err != 0)
		h->pid = 0;
	return -err;
}

int
helper_start(struct helper *h, struct str request)
{
	int life[2] = {-1, -1}, answers[2] = {-1, -1}, file, r;

	helper_reap();
	*h = HELPER_NONE;
	file = write_request(request);
	if (file < 0)
		return file;
	r = pipe2(life, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0 ? -errno : 0;
	if (r == 0) {
		(void)fcntl(answers[0], F_SETPIPE_SZ, PIPE_BYTES); /* what the kernel gives is enough, too */
		if (fcntl(answers[0], F_SETFL, O_NONBLOCK) < 0)
			r = -errno;
	}
	if (r == 0)
		r = spawn(h, life[0], answers[1], file);
	close_fd(&life[0]);
	close_fd(&answers[1]);
	close_fd(&file);
	if (r < 0) {
		close_fd(&life[1]);
		close_fd(&answers[0]);
		return r;
	}
	h->out = answers[0];
	h->lifeline = life[1];
	return 0;
}

int
helper_end(struct helper *h)
{
	int64_t until = clock_mono_ns() + REAP_WAIT_NS;
	int status = 0;
	pid_t got = 0;

	close_fd(&h->out);
	close_fd(&h->lifeline);
	if (h->pid == 0)
		return 0;
	/* One that has died by itself keeps its own status. */
	(void)kill(h->pid, SIGKILL);
	while ((got = waitpid(h->pid, &status, WNOHANG)) == 0 && clock_mono_ns() < until)
		(void)nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	if (got == 0)
		vec_push(&unreaped, h->pid); /* waits for a disk: it goes when that answers */
	h->pid = 0;
	return got > 0 ? status : 0;
}

void
helper_reap(void)
{
	for (size_t i = unreaped.len; i-- > 0;) {
		if (waitpid(unreaped.items[i], NULL, WNOHANG) != 0)
			vec_remove(&unreaped, i);
	}
	if (unreaped.len == 0)
		vec_done(&unreaped);
}

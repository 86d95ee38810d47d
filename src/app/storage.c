/* SPDX-License-Identifier: Apache-2.0 */
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "longship/app/commands.h"
#include "longship/base/clock.h"
#include "longship/positions/positions.h"

#include "control.h"
#include "control_answer.h"

/*
 * A longship that starts takes the lock first and has its socket a moment later, one that stops the other way
 * round: a locked store without a socket is looked at again for WAIT_NS.
 */

#define WAIT_NS (5 * NS_PER_S)
#define LOOK_NS (100 * NS_PER_MS)

const char *
storage_default_path(void)
{
	struct stat st;

	return stat("data-longship", &st) < 0 && stat("/var/lib/longship", &st) == 0 ? "/var/lib/longship" : "data-longship";
}

static bool
has_store(const char *path)
{
	int dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool there = dir_fd >= 0 && faccessat(dir_fd, "positions.db", F_OK, 0) == 0;

	if (dir_fd >= 0)
		(void)close(dir_fd);
	return there;
}

/* 0, -EAGAIN: somebody has it, or the exit status. */
static int
open_store(struct storage *s, int *ret_pid)
{
	struct positions_report report;
	int r;

	if (!s->create && !has_store(s->path)) {
		fprintf(stderr, "longship %s: there are no positions in %s; --storage.path is the one of \"longship run\"\n",
			s->command, s->path);
		return STATUS_FAULT;
	}
	r = positions_open(s->path, &s->runtime.positions, &report, ret_pid);
	if (r == -EWOULDBLOCK)
		return -EAGAIN;
	if (r == -EPROTONOSUPPORT)
		fprintf(stderr, "longship %s: the positions in %s were written by a newer longship\n", s->command, s->path);
	else if (r < 0)
		fprintf(stderr, "longship %s: cannot open the positions in %s: %s\n", s->command, s->path, strerror(-r));
	else if (report.text[0] != '\0')
		fprintf(stderr, "longship %s: %s: %s\n", s->command, s->path, report.text);
	return r < 0 ? STATUS_SYSTEM : 0;
}

int
storage_ask(struct storage *s, struct str request, struct buf *reply)
{
	const struct timespec moment = {.tv_nsec = LOOK_NS};
	int64_t end_ns = clock_mono_ns() + WAIT_NS;
	int pid = 0, r = 0;

	while (s->runtime.positions == NULL) {
		buf_clear(reply);
		r = control_ask(s->path, request, reply);
		if (r == 0)
			return 0;
		if (r != -ENOENT && r != -ECONNREFUSED && r != -ENOTDIR) {
			fprintf(stderr, "longship %s: the longship that runs on %s does not answer: %s\n", s->command,
				s->path, strerror(-r));
			return STATUS_SYSTEM;
		}
		r = open_store(s, &pid);
		if (r > 0)
			return r;
		if (r == -EAGAIN && clock_mono_ns() > end_ns) {
			fprintf(stderr, "longship %s: %s is in use by pid %d, which has no control socket\n", s->command,
				s->path, pid);
			return STATUS_SYSTEM;
		}
		if (r == -EAGAIN)
			(void)nanosleep(&moment, NULL);
	}
	buf_clear(reply);
	control_answer(&s->runtime, NULL, request, reply);
	return 0;
}

/* What root made in a directory of the service's user is to be that user's. */
static void
give_back(const char *path)
{
	static const char *const names[] = {"lock", "positions.db", "positions.db.damaged"};
	int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat dir, st;

	if (dir_fd >= 0 && geteuid() == 0 && fstat(dir_fd, &dir) == 0 && dir.st_uid != 0) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (fstatat(dir_fd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
				st.st_nlink == 1 && st.st_uid == 0 &&
				fchownat(dir_fd, names[i], dir.st_uid, dir.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
				fprintf(stderr, "longship: cannot give %s/%s to the owner of the folder: %s\n", path,
					names[i], strerror(errno));
		}
	}
	if (dir_fd >= 0)
		(void)close(dir_fd);
}

void
storage_done(struct storage *s)
{
	if (s->runtime.positions == NULL)
		return;
	positions_close(s->runtime.positions);
	s->runtime.positions = NULL;
	give_back(s->path);
}

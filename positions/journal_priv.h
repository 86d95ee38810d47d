/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The file itself: load, append, and the snapshot that takes its place. Every system call that can damage
 * or lose something goes through a table, so that a test can make the n-th one fail or be the last one
 * of the process. Not locked: positions.c does that.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "state_priv.h"

#define JOURNAL_NAME	     "positions.db"
#define JOURNAL_NAME_NEW     "positions.db.new"
#define JOURNAL_NAME_DAMAGED "positions.db.damaged"

struct journal_io {
	ssize_t (*pread)(int fd, void *, size_t, off_t);
	ssize_t (*pwrite)(int fd, const void *, size_t, off_t);
	int (*ftruncate)(int fd, off_t);
	int (*fdatasync)(int fd);
	int (*fsync)(int fd); /* of the directory */
	int (*openat)(int dirfd, const char *name, int flags, mode_t mode);
	int (*linkat)(int dirfd, const char *from, const char *to);
	int (*renameat)(int dirfd, const char *from, const char *to);
	int (*unlinkat)(int dirfd, const char *name);
};

extern const struct journal_io journal_io_real;

struct journal {
	const struct journal_io *io;
	int dirfd; /* borrowed */
	int fd;
	uint64_t end; /* all valid records are below; 0: not even a header yet */
	bool cut_due; /* there are bytes behind end that must go before the next append */
	bool damaged; /* loading found damage; the file is kept under another name when it is replaced */
};

/* Opens or creates the file and loads it. 0, -EPROTONOSUPPORT, or the system's; then nothing is left open. */
int journal_open(struct journal *, const struct journal_io *, int dirfd, struct state *, struct positions_report *);
void journal_close(struct journal *);
/* Reads all of an open file into the state; does not change it. 0, -EPROTONOSUPPORT or -errno. */
int journal_load(struct journal *, struct state *, struct positions_report *);
/* All or nothing, as far as a later load is concerned; 0 or -errno. */
int journal_append(struct journal *, struct str bytes);

/* Writes a new file with all of the state beside the old one. The caller may then append to `ret` and sync it, and ends
 * with journal_replace or journal_abandon. */
int journal_snapshot(const struct journal *, const struct state *, struct journal *ret);
/* Syncs, renames, makes the name durable; j becomes next. After an error j is as before and next is gone, but when only
 * the last step failed: then j has become next, too (its fd is another). */
int journal_replace(struct journal *j, struct journal *next);
void journal_abandon(struct journal *next);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Notices that something changed in directories: one inotify instance for the process, watches on
 * directories only, counted by reference. An event means "look again"; how often something happened and in
 * which order is not told. Belongs to the control thread.
 *
 *	struct watch *w;
 *	if (watch_new(&w) == 0 && watch_dir_add(w, "/var/log") == 0)
 *		loop_io(loop, watch_fd(w), …);   // when readable: watch_read(w, changed, ptr)
 *
 * Whoever gets an error from watch_new or watch_dir_add polls instead: no reference was taken, and trying again later
 * is fine.
 */
#include <stdint.h>

#include "longship/base/str.h"

enum watch_event {
	WATCH_CHANGED = 1,   /* name was written, truncated or closed after writing */
	WATCH_APPEARED = 2,  /* name was created or moved here */
	WATCH_GONE = 4,	     /* name was deleted or moved away */
	WATCH_ATTRIB = 8,    /* name got other permissions, owner, times or links */
	WATCH_DIR_GONE = 16, /* name is empty: the directory was deleted, renamed or unmounted. It is no longer watched;
			      * the references stay until watch_dir_remove; watch_dir_add tries again. */
	WATCH_LOST = 32,     /* dir and name are empty: the kernel's queue ran over. Look at everything. */
};

struct watch;

/* 0 or -errno: -EMFILE: too many instances (fs.inotify.max_user_instances) or file descriptors. */
int watch_new(struct watch **ret);
void watch_free(struct watch *); /* NULL is fine */
int watch_fd(const struct watch *);

/* Takes a reference. -EREMOTE: a file system where inotify does not see everything (file_remote); -ENOSPC: too many
 * watches (fs.inotify.max_user_watches); else the system's (-ENOENT, -EACCES, -ENOTDIR). */
int watch_dir_add(struct watch *, const char *dir);
/* Gives a reference back; unknown directories are fine. */
void watch_dir_remove(struct watch *, const char *dir);
/* Directories that are watched now. */
size_t watch_dirs(const struct watch *);

/* Reads what has happened, without waiting, and calls fn once for each thing that it happened to; events: a set of enum
 * watch_event. A directory added under several spellings is reported under each. fn may add and remove directories.
 * Reads a bounded amount: the fd stays readable when there is more. 0 or -errno. */
int watch_read(struct watch *, void (*fn)(void *ptr, struct str dir, struct str name, unsigned events), void *ptr);

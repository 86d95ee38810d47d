/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Small helpers around files. All return 0 (or what they say) or -errno, retry EINTR, and open with
 * O_CLOEXEC. Any thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"

/* The file descriptor or -errno. mode matters with O_CREAT only. */
int file_open(const char *path, int flags, mode_t mode);
/* Appends the whole file to buf; -EFBIG when it is larger than the buffer's maximum (buf is then as before). Never
 * waits for a FIFO's writer. */
int file_read(const char *path, struct buf *);
/* Replaces path in one step that survives a power cut: PATH.new is written, synced, renamed, the directory synced. One
 * writer per path at a time. */
int file_replace(const char *path, struct str bytes, mode_t mode);

/* Reads until len or the end of the file; the number of bytes, or -errno. */
ssize_t file_pread(int fd, void *to, size_t len, uint64_t offset);
/* Write all; after an error a part may be written. */
int file_pwrite(int fd, const void *from, size_t len, uint64_t offset);
int file_write(int fd, const void *from, size_t len);

/* As mkdir -p; mode for those that are made. */
int file_make_dirs(const char *path, mode_t mode);

/* What tells one file from another, and what changes. */
struct file_identity {
	uint64_t dev, ino;
	int64_t birth_ns; /* 0 when the file system does not say */
	uint64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns; /* also when it was renamed */
	uint32_t mode;	/* S_IFMT and permissions */
	uint32_t links; /* 0: deleted, but still open */
};

int file_identify(int fd, struct file_identity *ret);
/* Follows symbolic links. */
int file_identify_path(const char *path, struct file_identity *ret);

/* The name of the network, cluster or user-space file system that holds path ("nfs", "fuse", …), where changes made
 * elsewhere are not seen by inotify and any call may hang; NULL for a local one or when that cannot be told. Overlay
 * counts as local: changes made through the same mount are seen. */
const char *file_remote(const char *path);

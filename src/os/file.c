/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"

#define READ_BYTES 4096u /* first guess and step; /proc files have no size */

int
file_open(const char *path, int flags, mode_t mode)
{
	int fd;

	do
		fd = open(path, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

static int
read_to_end(int fd, struct buf *b)
{
	for (;;) {
		size_t room = b->max_bytes - b->len < READ_BYTES ? b->max_bytes - b->len : READ_BYTES;
		ssize_t n;
		char one;

		/* One byte more than fits tells a full buffer from a longer file. */
		if (room == 0) {
			n = read(fd, &one, 1);
		} else {
			if (!buf_reserve(b, room))
				return -EFBIG;
			n = read(fd, b->data + b->len, room);
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (room == 0)
			return -EFBIG;
		b->len += (size_t)n;
	}
}

int
file_read(const char *path, struct buf *b)
{
	size_t before = b->len;
	int fd = file_open(path, O_RDONLY | O_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return fd;
	r = read_to_end(fd, b);
	(void)close(fd);
	if (r < 0)
		b->len = before;
	return r;
}

/* Makes a name in the directory of path durable. */
static int
sync_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
	int fd, r;

	if (len >= sizeof(dir))
		return -ENAMETOOLONG;
	if (slash != NULL)
		memcpy(dir, path, len);
	dir[len] = '\0';
	fd = file_open(dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = fsync(fd) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

int
file_replace(const char *path, struct str bytes, mode_t mode)
{
	static const char suffix[] = ".new";
	char temp[PATH_MAX];
	size_t len = strlen(path);
	int fd, r;

	if (len + sizeof(suffix) > sizeof(temp))
		return -ENAMETOOLONG;
	memcpy(temp, path, len);
	memcpy(temp + len, suffix, sizeof(suffix));
	fd = file_open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
	if (fd < 0)
		return fd;
	r = file_write(fd, bytes.s, bytes.len);
	/* An old rest keeps its own mode otherwise. */
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	(void)close(fd);
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(temp);
		return r;
	}
	return sync_dir_of(path);
}

ssize_t
file_pread(int fd, void *to, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)to + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int
file_pwrite(int fd, const void *from, size_t len, uint64_t offset)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, (const char *)from + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

int
file_write(int fd, const void *from, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)from + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

int
file_make_dirs(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0)
		return -ENOENT;
	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, mode) < 0) {
			int error = errno;
			struct stat st;

			/* An existing parent may answer EROFS or EACCES instead of EEXIST. */
			if (stat(part, &st) < 0)
				return -error;
			if (!S_ISDIR(st.st_mode))
				return -ENOTDIR;
		}
		part[i] = path[i];
	}
	return 0;
}

static int
identify(int fd, const char *path, int flags, struct file_identity *ret)
{
	struct statx sx;

	if (statx(fd, path, flags | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_BTIME, &sx) < 0)
		return -errno;
	*ret = (struct file_identity){
		.dev = makedev(sx.stx_dev_major, sx.stx_dev_minor),
		.ino = sx.stx_ino,
		.birth_ns =
			(sx.stx_mask & STATX_BTIME) != 0 ? sx.stx_btime.tv_sec * NS_PER_S + sx.stx_btime.tv_nsec : 0,
		.size = sx.stx_size,
		.mtime_ns = sx.stx_mtime.tv_sec * NS_PER_S + sx.stx_mtime.tv_nsec,
		.ctime_ns = sx.stx_ctime.tv_sec * NS_PER_S + sx.stx_ctime.tv_nsec,
		.mode = sx.stx_mode,
		.links = sx.stx_nlink,
	};
	return 0;
}

int
file_identify(int fd, struct file_identity *ret)
{
	return identify(fd, "", AT_EMPTY_PATH, ret);
}

int
file_identify_path(const char *path, struct file_identity *ret)
{
	return identify(AT_FDCWD, path, 0, ret);
}

/* Types without a name in <linux/magic.h> are from their drivers' sources. */
const char *
file_remote(const char *path)
{
	static const struct {
		uint32_t type;
		const char *name;
	} remote[] = {
		{NFS_SUPER_MAGIC, "nfs"},
		{SMB_SUPER_MAGIC, "smb"},
		{0xfe534d42, "smb2"},
		{0xff534d42, "cifs"},
		{0x65735546, "fuse"},
		{V9FS_MAGIC, "9p"},
		{0x00c36400, "ceph"},
		{AFS_SUPER_MAGIC, "afs"},
		{AFS_FS_MAGIC, "afs"},
		{CODA_SUPER_MAGIC, "coda"},
		{0x01161970, "gfs2"},
		{OCFS2_SUPER_MAGIC, "ocfs2"},
		{0x0bd00bd0, "lustre"},
		{0x47504653, "gpfs"},
		{0x564c, "ncp"},
		{0x786f4256, "vboxsf"},
		{0xbacbacbc, "vmhgfs"},
		{0x19830326, "beegfs"},
	};
	struct statfs fs;
	int r;

	do
		r = statfs(path, &fs);
	while (r < 0 && errno == EINTR);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(remote); i++)
		if ((uint32_t)fs.f_type == remote[i].type)
			return remote[i].name;
	return NULL;
}

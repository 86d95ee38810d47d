/* SPDX-License-Identifier: Apache-2.0 */
#include "check_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "longship/base/buf.h"
#include "longship/os/file.h"

/* What the kernel and the storage path have room for. */

#define FILES_OF_ITS_OWN 64 /* descriptors for connections, store, sockets, reader processes */
#define SPACE_LEAST_BYTES (16u << 20)
#define SPACE_GOOD_BYTES (128u << 20)

/* The directory itself, or the nearest one above it that exists. */
static const char *
existing(struct check *c, const char *path)
{
	char *part = (char *)(uintptr_t)arena_z(c->arena, str_from(path));
	struct stat st;

	while (stat(part, &st) != 0 && errno == ENOENT) {
		char *slash = strrchr(part, '/');

		if (slash == NULL)
			return ".";
		if (slash == part)
			return "/";
		*slash = '\0';
	}
	return part;
}

/* Whether another instance has it. The lock is held for a moment only. */
static void
check_lock(struct check *c, const char *dir)
{
	const char *path = arena_printf(c->arena, "%s/lock", dir).s;
	int fd = file_open(path, O_RDONLY | O_NONBLOCK, 0);
	char text[16];
	ssize_t n;
	uint64_t pid = 0;

	if (fd == -ENOENT)
		return;
	if (fd < 0) {
		check_finding(c, CHECK_FAIL, arena_printf(c->arena, "chown -R %s %s", c->user, check_word(c, dir)).s,
			"storage: %s cannot open %s: %s", c->user, path, strerror(-fd));
		return;
	}
	if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		n = file_pread(fd, text, sizeof(text), 0);
		(void)str_to_u64(str_trim((struct str){text, n > 0 ? (size_t)n : 0}), &pid);
		check_finding(c, CHECK_FAIL, "systemctl stop longship, or give another --storage.path",
			"storage: %s is in use by another longship, pid %" PRIu64, dir, pid);
	}
	(void)close(fd);
}

static void
check_storage(struct check *c)
{
	const char *dir = c->options->storage_path, *at = existing(c, dir), *word = check_word(c, dir);
	struct statvfs vfs;
	uint64_t bytes;

	if (faccessat(AT_FDCWD, at, W_OK | X_OK, AT_EACCESS) != 0)
		check_finding(c, CHECK_FAIL,
			arena_printf(c->arena, "install -d -m 750 -o %s %s", c->user, word).s,
			"storage: %s cannot write in %s: %s", c->user, at, strerror(errno));
	else
		check_finding(c, CHECK_OK, NULL, "storage: %s %s", dir, strcmp(at, dir) == 0 ? "is writable" : "can be made");
	check_lock(c, dir);
	if (statvfs(at, &vfs) != 0)
		return;
	bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	check_finding(c, bytes < SPACE_LEAST_BYTES ? CHECK_FAIL : bytes < SPACE_GOOD_BYTES ? CHECK_WARN : CHECK_OK,
		bytes < SPACE_GOOD_BYTES ? arena_printf(c->arena, "df -h %s, and make room there", check_word(c, at)).s : NULL,
		"storage: %" PRIu64 " MiB are free", bytes >> 20);
}

static uint64_t
read_number(const char *path)
{
	struct buf text;
	uint64_t n = 0;

	buf_init(&text, 64);
	if (file_read(path, &text) == 0)
		(void)str_to_u64(str_trim(buf_view(&text)), &n);
	buf_done(&text);
	return n;
}

static void
check_inotify(struct check *c)
{
	uint64_t watches = read_number("/proc/sys/fs/inotify/max_user_watches");
	uint64_t instances = read_number("/proc/sys/fs/inotify/max_user_instances");
	uint64_t need = 2 * (uint64_t)c->n_files; /* a file, and at worst a directory for each */
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		check_finding(c, CHECK_WARN, arena_printf(c->arena, "sysctl -w fs.inotify.max_user_instances=%" PRIu64, 2 * instances + 128).s,
			"inotify: no instance is left for %s (of %" PRIu64 "): %s; files would be polled", c->user, instances, strerror(errno));
	else
		(void)close(fd);
	if (watches > 0 && need > watches)
		check_finding(c, CHECK_WARN, arena_printf(c->arena, "sysctl -w fs.inotify.max_user_watches=%" PRIu64, 2 * need).s,
			"inotify: %zu files may need %" PRIu64 " watches, %" PRIu64 " are allowed; the rest would be polled", c->n_files,
			need, watches);
	else if (fd >= 0)
		check_finding(c, CHECK_OK, NULL, "inotify: %" PRIu64 " watches, %" PRIu64 " instances are enough", watches, instances);
}

static void
check_descriptors(struct check *c)
{
	uint64_t need = c->n_files + FILES_OF_ITS_OWN;
	struct rlimit limit;

	/* run raises the soft limit to the hard one. */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < need)
		check_finding(c, CHECK_FAIL,
			arena_printf(c->arena, "systemctl edit longship, with [Service] LimitNOFILE=%" PRIu64, 2 * need).s,
			"open files: %" PRIu64 " are needed, %" PRIu64 " are allowed", need, (uint64_t)limit.rlim_max);
	else
		check_finding(c, CHECK_OK, NULL, "open files: %" PRIu64 " are needed, %" PRIu64 " are allowed", need,
			(uint64_t)limit.rlim_max);
}

static int
try_bind(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST};
	struct addrinfo *list;
	int on = 1, r = 0, fd;

	/* A name would be looked up; localhost is the only one that is usual. */
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &list) != 0)
		return -EINVAL;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, list->ai_addr, list->ai_addrlen) < 0 || listen(fd, 1) < 0)
		r = -errno;
	if (fd >= 0)
		(void)close(fd);
	freeaddrinfo(list);
	return r;
}

static void
check_port(struct check *c)
{
	const char *addr = c->options->listen_addr, *port = strrchr(addr, ':') + 1;
	struct str host = {addr, (size_t)(port - 1 - addr)};
	int r;

	if (host.len >= 2 && host.s[0] == '[' && host.s[host.len - 1] == ']')
		host = (struct str){host.s + 1, host.len - 2};
	r = try_bind(arena_z(c->arena, host), port);
	if (r == 0)
		check_finding(c, CHECK_OK, NULL, "listen: %s is free", addr);
	else if (r == -EINVAL)
		check_finding(c, CHECK_WARN, NULL, "listen: %s is not a numeric address and was not tried", addr);
	else
		check_finding(c, CHECK_FAIL,
			arena_printf(c->arena, "ss -ltnp 'sport = :%s', or give another --server.http.listen-addr", port).s,
			"listen: cannot listen on %s: %s", addr, strerror(-r));
}

void
check_limits(struct check *c)
{
	check_storage(c);
	check_inotify(c);
	check_descriptors(c);
	check_port(c);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store at every system call of its write path: the call fails, the process ends there, or the machine
 * does. A workload of paired writes reports what was acknowledged and what was synced through shared
 * memory; the store that is opened afterwards must know at least that, and nothing that was never written.
 *
 * The power cut is simulated: "durable" is a directory of copies, a file's made when it is synced, the names when
 * the directory is. What was not synced is gone; a rename may also be early, which file systems are free to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../positions/positions_priv.h"
#include "longship/base/arena.h"
#include "longship/base/check.h"

#define STREAMS	   5
#define WRITES	   90 /* of about 16 KiB: one compaction */
#define SYNC_EVERY 7
#define CALLS_MAX  400

enum mode { COUNT_CALLS, FAIL_ONCE, FAIL_ON, END, END_HALF_WAY };

struct progress {
	int calls;
	int acknowledged, synced; /* writes */
};

static char dir[64];
static struct progress *progress;
static enum mode mode;
static int at_call, error_number;
static bool power, early_rename;
/* A failed sync: the kernel may have dropped what was not on disk, and a later sync says nothing of it. */
static struct {
	uint64_t ino;
	off_t from, to;
} dropped;
static char labels[POSITIONS_ATTR_BYTES_MAX];

static const char *const names[] = {JOURNAL_NAME, JOURNAL_NAME_NEW, JOURNAL_NAME_DAMAGED};

static const char *
durable_path(const char *kind, uint64_t ino)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/durable/%s-%llu", dir, kind, (unsigned long long)ino);
	return path;
}

static void
copy(int from, const char *to_path)
{
	static char bytes[4u << 20];
	int to = open(to_path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	ssize_t n = pread(from, bytes, sizeof(bytes), 0);

	assert(to >= 0 && n >= 0 && n < (ssize_t)sizeof(bytes));
	assert(write(to, bytes, (size_t)n) == n);
	(void)close(to);
}

/* The directory as it stands becomes durable: each name with its inode's number. */
static void
names_are_durable(int dirfd)
{
	uint64_t inodes[ARRAY_LEN(names)] = {0};
	struct stat st;
	int fd = open(durable_path("names", 0), O_WRONLY | O_CREAT | O_TRUNC, 0640);

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (fstatat(dirfd, names[i], &st, 0) == 0)
			inodes[i] = st.st_ino;
	assert(write(fd, inodes, sizeof(inodes)) == sizeof(inodes));
	(void)close(fd);
}

static void
file_is_durable(int fd)
{
	struct stat st;

	assert(fstat(fd, &st) == 0);
	copy(fd, durable_path("inode", st.st_ino));
	if (st.st_ino == dropped.ino) {
		int durable = open(durable_path("inode", st.st_ino), O_WRONLY);

		for (off_t at = dropped.from; at < dropped.to; at++)
			assert(pwrite(durable, "", 1, at) == 1);
		(void)close(durable);
	}
}

static void
drop_pages(int fd)
{
	struct stat st, durable;

	assert(fstat(fd, &st) == 0);
	dropped.ino = st.st_ino;
	dropped.from = stat(durable_path("inode", st.st_ino), &durable) == 0 ? durable.st_size : 0;
	dropped.to = st.st_size;
}

/* What the next start finds after the power cut. */
static void
cut_power(void)
{
	uint64_t inodes[ARRAY_LEN(names)] = {0};
	int fd = open(durable_path("names", 0), O_RDONLY);
	char path[128];

	if (fd >= 0)
		assert_int_equal(read(fd, inodes, sizeof(inodes)), sizeof(inodes));
	(void)close(fd);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
		if (inodes[i] == 0)
			continue;
		fd = open(durable_path("inode", inodes[i]), O_RDONLY);
		/* Never synced: the name is there, the bytes are not. */
		copy(fd >= 0 ? fd : open("/dev/null", O_RDONLY), path);
		(void)close(fd);
	}
}

/* True when this call is to fail; may not return. */
static bool
hit(void)
{
	int call = progress->calls++;

	if ((mode == END || mode == END_HALF_WAY) && call == at_call)
		_exit(0);
	if ((mode == FAIL_ONCE && call == at_call) || (mode == FAIL_ON && call >= at_call)) {
		errno = error_number;
		return true;
	}
	return false;
}

static ssize_t
hook_pwrite(int fd, const void *from, size_t len, off_t offset)
{
	if (mode == END_HALF_WAY && progress->calls == at_call) {
		(void)!pwrite(fd, from, len / 2, offset);
		_exit(0);
	}
	if (hit()) {
		/* A failure may come after a part. */
		(void)!pwrite(fd, from, len / 3, offset);
		return len >= 3 && mode == FAIL_ONCE ? (ssize_t)(len / 3) : -1;
	}
	return pwrite(fd, from, len, offset);
}

static int
hook_ftruncate(int fd, off_t len)
{
	return hit() ? -1 : ftruncate(fd, len);
}

static int
hook_fdatasync(int fd)
{
	if (hit()) {
		if (power)
			drop_pages(fd);
		return -1;
	}
	if (power)
		file_is_durable(fd);
	return 0;
}

static int
hook_fsync(int dirfd)
{
	if (hit())
		return -1;
	if (power)
		names_are_durable(dirfd);
	return 0;
}

static int
hook_openat(int dirfd, const char *name, int flags, mode_t create_mode)
{
	struct stat st;
	int fd;

	if (hit())
		return -1;
	fd = openat(dirfd, name, flags, create_mode);
	/* The number of a deleted file may be in use again. */
	if (power && fd >= 0 && (flags & O_CREAT) != 0 && fstat(fd, &st) == 0) {
		(void)unlink(durable_path("inode", st.st_ino));
		if (dropped.ino == st.st_ino)
			dropped.ino = 0;
	}
	return fd;
}

static int
hook_linkat(int dirfd, const char *from, const char *to)
{
	return hit() ? -1 : linkat(dirfd, from, dirfd, to, 0);
}

static int
hook_renameat(int dirfd, const char *from, const char *to)
{
	if (hit() || renameat(dirfd, from, dirfd, to) < 0)
		return -1;
	if (power && early_rename)
		names_are_durable(dirfd);
	return 0;
}

static int
hook_unlinkat(int dirfd, const char *name)
{
	return hit() ? -1 : unlinkat(dirfd, name, 0);
}

static const struct journal_io hooks = {
	.pread = pread,
	.pwrite = hook_pwrite,
	.ftruncate = hook_ftruncate,
	.fdatasync = hook_fdatasync,
	.fsync = hook_fsync,
	.openat = hook_openat,
	.linkat = hook_linkat,
	.renameat = hook_renameat,
	.unlinkat = hook_unlinkat,
};

static int
make_temp(void **state)
{
	char path[128];

	(void)state;
	(void)strcpy(dir, "/tmp/longship-crash-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/durable", dir);
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(labels, 'x', sizeof(labels));
	return progress == MAP_FAILED || mkdir(path, 0755) < 0;
}

static void
empty_dir(void)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -f %s/positions.db* %s/durable/*", dir, dir);
	assert_int_equal(system(command), 0);
	*progress = (struct progress){0};
	dropped.ino = 0;
}

static int
remove_temp(void **state)
{
	char command[128];

	(void)state;
	(void)munmap(progress, sizeof(*progress));
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *
key_of(int i)
{
	static char key[32];

	(void)snprintf(key, sizeof(key), "stream %d", i % STREAMS);
	return key;
}

/* Write number i: stream i % STREAMS gets offset i, a mark at 1000 + i, and labels that begin with i. */
static int
write_one(struct positions *p, int i)
{
	struct position position = {.offset = (uint64_t)i};
	struct position_mark m = {1000 + (uint64_t)i, 1001 + (uint64_t)i, 5000 + i, 1, STR("m")};
	struct str key = str_from(key_of(i));
	struct position_update updates[] = {
		{.kind = POSITION_ATTR,
			.key = key,
			.path = {labels, sizeof(labels)},
			.labels = {labels, sizeof(labels)}},
		{.kind = POSITION_SET, .key = key, .position = &position},
		{.kind = POSITION_MARK, .key = key, .mark = &m},
		{.kind = POSITION_FORGET, .key = STR("nothing")},
	};

	labels[0] = (char)('!' + i);
	return positions_write(p, updates, ARRAY_LEN(updates));
}

static int
run_workload(struct positions **ret)
{
	struct positions_report report;
	int r = positions_open_with(dir, &hooks, false, ret, &report, NULL);

	if (r < 0)
		return r;
	for (int i = 1; i <= WRITES; i++) {
		if (write_one(*ret, i) == 0)
			progress->acknowledged = i;
		if (i % SYNC_EVERY == 0 && positions_sync(*ret) == 0)
			progress->synced = i;
	}
	return 0;
}

static bool
check_labels(void *ptr, struct str key, struct str path, struct str text, const struct position *position)
{
	(void)ptr;
	(void)key;
	(void)path;
	/* One write is not all or nothing: SET may be missing behind its ATTR. */
	assert_int_equal(text.len, sizeof(labels));
	if (position != NULL)
		assert_true(text.s[0] - '!' >= (int)position->offset);
	return true;
}

/* The store knows all of the first `at_least` writes. */
static void
check_store(int at_least, size_t damaged_max)
{
	struct positions_report report;
	struct positions *p = NULL;
	struct arena *a = arena_new(0);

	assert_int_equal(positions_open_with(dir, &journal_io_real, false, &p, &report, NULL), 0);
	assert_true(report.records_damaged <= damaged_max);
	for (int s = 0; s < STREAMS; s++) {
		struct position position = {0};
		struct position_mark *marks;
		int known = at_least -
			    (at_least - s + STREAMS) % STREAMS; /* the last write of this stream up to at_least */
		size_t n = positions_marks(p, str_from(key_of(s)), a, &marks);

		(void)positions_get(p, str_from(key_of(s)), a, &position);
		assert_true((int)position.offset >= known && position.offset <= WRITES);
		assert_true(position.offset == 0 || position.offset % STREAMS == (uint64_t)s);
		/* One mark for each write of it, in order. */
		assert_true(known <= 0 || (int)n >= (s > 0 ? (known - s) / STREAMS + 1 : known / STREAMS));
		for (size_t i = 0; i < n; i++)
			assert_true(marks[i].base_ns == (int64_t)marks[i].from + 4000 && str_is(marks[i].memory, "m"));
	}
	assert_true(at_least == 0 || positions_last_ns(p) >= 5001 + at_least);
	positions_each(p, check_labels, NULL);
	positions_close(p);
	arena_free(a);
}

/* Ends the child at each call in turn, until it gets through. */
static void
end_at_each_call(enum mode how, size_t damaged_max)
{
	bool through = false;

	for (at_call = 0; !through && at_call < CALLS_MAX; at_call++) {
		struct positions *p;
		int status;
		pid_t pid;

		empty_dir();
		mode = how;
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(run_workload(&p) < 0 ? 2 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		through = WEXITSTATUS(status) == 1;
		if (power)
			cut_power();
		check_store(power ? progress->synced : progress->acknowledged, damaged_max);
	}
	assert_true(through);
	assert_int_equal(progress->acknowledged, WRITES);
	assert_true(at_call > WRITES);
}

static void
test_positions_crash__process_ends_at_each_call(void **state)
{
	(void)state;
	end_at_each_call(END, 0);
}

static void
test_positions_crash__process_ends_within_each_write(void **state)
{
	(void)state;
	end_at_each_call(END_HALF_WAY, 1);
}

static void
test_positions_crash__power_cut_at_each_call(void **state)
{
	(void)state;
	power = true;
	end_at_each_call(END, 0);
	early_rename = true;
	end_at_each_call(END, 0);
	power = early_rename = false;
}

/* Each call in turn fails, once or from then on; when it works again, everything is there. */
static void
fail_at_each_call(enum mode how, int error)
{
	bool through = false;

	error_number = error;
	for (at_call = 0; !through && at_call < CALLS_MAX; at_call++) {
		struct positions *p = NULL;
		struct positions_stats stats;

		empty_dir();
		mode = how;
		if (run_workload(&p) < 0) {
			mode = COUNT_CALLS;
			assert_int_equal(run_workload(&p), 0);
		}
		through = progress->calls <= at_call;
		assert_int_equal(positions_last_ns(p), 5001 + WRITES);
		mode = COUNT_CALLS;
		assert_int_equal(write_one(p, WRITES), 0);
		positions_stats(p, &stats);
		assert_true(stats.last_error == 0 || how == FAIL_ON);
		assert_int_equal(positions_sync(p), 0);
		positions_stats(p, &stats);
		assert_int_equal(stats.last_error, 0);
		positions_close(p);
		check_store(WRITES, 0);
	}
	assert_true(through);
}

static void
test_positions_crash__each_call_fails_once(void **state)
{
	(void)state;
	fail_at_each_call(FAIL_ONCE, EIO);
	fail_at_each_call(FAIL_ONCE, EINTR);
}

static void
test_positions_crash__each_call_fails_from_then_on(void **state)
{
	(void)state;
	fail_at_each_call(FAIL_ON, ENOSPC);
}

/* Failing disk and power cut together: a sync that is said to have worked, has. */
static void
test_positions_crash__power_cut_after_failures(void **state)
{
	(void)state;
	power = true;
	error_number = EIO;
	for (at_call = 0; at_call < WRITES + 40; at_call++) {
		struct positions *p = NULL;

		empty_dir();
		mode = FAIL_ONCE;
		if (run_workload(&p) == 0) {
			power = false;
			positions_close(p);
			power = true;
			cut_power();
			check_store(progress->synced, 0);
		}
	}
	power = false;
}

/* What a failed write left behind must not come to life behind a shorter one. */
static void
test_positions_crash__failed_write_leaves_nothing(void **state)
{
	struct positions_report report;
	struct position position = {.offset = 1};
	struct position_update updates[30];
	char keys[30][32];
	struct positions *p;

	(void)state;
	empty_dir();
	mode = COUNT_CALLS;
	assert_int_equal(positions_open_with(dir, &hooks, false, &p, &report, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(updates); i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "short-lived %zu", i);
		updates[i] =
			(struct position_update){.kind = POSITION_SET, .key = str_from(keys[i]), .position = &position};
	}
	/* The header, a third of the records, then an error; the cut fails, too. */
	error_number = EIO;
	at_call = progress->calls + 1;
	mode = FAIL_ON;
	assert_int_equal(positions_write(p, updates, ARRAY_LEN(updates)), -EIO);
	mode = COUNT_CALLS;
	for (size_t i = 0; i < ARRAY_LEN(updates); i++)
		updates[i].kind = POSITION_FORGET;
	assert_int_equal(positions_write(p, updates, ARRAY_LEN(updates)), 0);
	assert_int_equal(positions_write(p, updates, 1), 0);
	positions_close(p);
	assert_int_equal(positions_open_with(dir, &journal_io_real, false, &p, &report, NULL), 0);
	assert_int_equal(report.streams, 0);
	assert_int_equal(report.records_damaged, 0);
	positions_close(p);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_temp, remove_temp)
	const struct CMUnitTest tests[] = {
		CASE(test_positions_crash__process_ends_at_each_call),
		CASE(test_positions_crash__process_ends_within_each_write),
		CASE(test_positions_crash__power_cut_at_each_call),
		CASE(test_positions_crash__each_call_fails_once),
		CASE(test_positions_crash__each_call_fails_from_then_on),
		CASE(test_positions_crash__power_cut_after_failures),
		CASE(test_positions_crash__failed_write_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

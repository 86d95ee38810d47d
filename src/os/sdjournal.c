/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/sdjournal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"

/*
 * A thin coat over sd-journal, and two things that it lacks: telling which files it leaves out, and why (sdjournal_scan reads
 * the headers), and outliving SIGBUS. The guard does what journald does for itself: it maps a page over the missing one.
 */
struct sdjournal {
	sd_journal *sd;
	int fd;
};

#define READ_FLAGS_KNOWN 32 /* bits of incompatible_flags */

static volatile sig_atomic_t guard_tripped;

int
sdjournal_open(const struct sdjournal_options *o, struct sdjournal **ret)
{
	struct sdjournal *j = mem_new(struct sdjournal);
	int r;

	if (o->path != NULL)
		r = sd_journal_open_directory(&j->sd, o->path, 0);
	else if (o->name_space == NULL)
		r = sd_journal_open(&j->sd, SD_JOURNAL_LOCAL_ONLY);
	else if (strcmp(o->name_space, "*") == 0)
		r = sd_journal_open_namespace(&j->sd, NULL, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_ALL_NAMESPACES);
	else
		r = sd_journal_open_namespace(&j->sd, o->name_space, SD_JOURNAL_LOCAL_ONLY);
	if (r < 0) {
		mem_free(j);
		return r;
	}
	(void)sd_journal_set_data_threshold(j->sd, JOURNAL_FIELD_BYTES_MAX + 256);
	/* From here on inotify sees what is added: nothing between the end of the first reading and the first wait is missed. */
	j->fd = sd_journal_get_fd(j->sd);
	*ret = j;
	return 0;
}

void
sdjournal_close(struct sdjournal *j)
{
	if (j == NULL)
		return;
	sd_journal_close(j->sd);
	mem_free(j);
}

int
sdjournal_match(struct sdjournal *j, struct str match)
{
	return sd_journal_add_match(j->sd, match.s, match.len);
}

int
sdjournal_match_or(struct sdjournal *j)
{
	return sd_journal_add_disjunction(j->sd);
}

int
sdjournal_match_and(struct sdjournal *j)
{
	return sd_journal_add_conjunction(j->sd);
}

int
sdjournal_seek_realtime(struct sdjournal *j, int64_t ns)
{
	return sd_journal_seek_realtime_usec(j->sd, ns > 0 ? (uint64_t)((ns + NS_PER_US - 1) / NS_PER_US) : 0);
}

int
sdjournal_seek_head(struct sdjournal *j)
{
	return sd_journal_seek_head(j->sd);
}

int
sdjournal_seek_tail(struct sdjournal *j)
{
	int r = sd_journal_seek_tail(j->sd);

	return r < 0 ? r : sd_journal_previous(j->sd);
}

int
sdjournal_seek_cursor(struct sdjournal *j, const char *cursor)
{
	int r = sd_journal_seek_cursor(j->sd, cursor);

	if (r < 0)
		return r;
	r = sd_journal_next(j->sd);
	if (r > 0 && sd_journal_test_cursor(j->sd, cursor) > 0)
		return 1;
	if (r < 0)
		return r;
	/* Something else stands there: the next call of sdjournal_next has to find it. */
	r = sd_journal_seek_cursor(j->sd, cursor);
	return r < 0 ? r : 0;
}

int
sdjournal_next(struct sdjournal *j)
{
	return sd_journal_next(j->sd);
}

int
sdjournal_realtime(struct sdjournal *j, int64_t *ret_ns)
{
	uint64_t us;
	int r = sd_journal_get_realtime_usec(j->sd, &us);

	if (r < 0)
		return r;
	if (us > (uint64_t)(INT64_MAX / NS_PER_US) - 1)
		return -EBADMSG;
	*ret_ns = (int64_t)us * NS_PER_US;
	return 0;
}

void
sdjournal_fields_again(struct sdjournal *j)
{
	sd_journal_restart_data(j->sd);
}

bool
sdjournal_field(struct sdjournal *j, struct str *ret_name, struct str *ret_value)
{
	const void *data;
	size_t len;

	while (sd_journal_enumerate_available_data(j->sd, &data, &len) > 0) {
		if (str_cut((struct str){data, len}, '=', ret_name, ret_value))
			return true;
	}
	return false;
}

int
sdjournal_cursor(struct sdjournal *j, char ret[JOURNAL_CURSOR_BYTES_MAX + 1])
{
	char *cursor;
	int r = sd_journal_get_cursor(j->sd, &cursor);

	if (r < 0)
		return r;
	if (strlen(cursor) > JOURNAL_CURSOR_BYTES_MAX)
		r = -E2BIG;
	else
		memcpy(ret, cursor, strlen(cursor) + 1);
	free(cursor);
	return r;
}

static bool
hex_number(struct str s, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.s[i];
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (digit < 0 || i == 16)
			return false;
		n = n << 4 | (uint64_t)digit;
	}
	*ret = n;
	return s.len > 0;
}

bool
sdjournal_cursor_place(struct str cursor, struct sdjournal_place *ret)
{
	struct sdjournal_place place = {0};
	unsigned found = 0;
	uint64_t us = 0;

	while (cursor.len > 0) {
		struct str item, value;

		(void)str_cut(cursor, ';', &item, &cursor);
		value = str_from_offset(item, 2);
		if (str_starts(item, STR("s=")) && value.len == sizeof(place.seqnum_id)) {
			memcpy(place.seqnum_id, value.s, value.len);
			found |= 1;
		} else if (str_starts(item, STR("i=")) && hex_number(value, &place.seqnum)) {
			found |= 2;
		} else if (str_starts(item, STR("t=")) && hex_number(value, &us) && us < (uint64_t)(INT64_MAX / NS_PER_US)) {
			found |= 4;
		}
	}
	if (found != 7)
		return false;
	place.realtime_ns = (int64_t)us * NS_PER_US;
	*ret = place;
	return true;
}

/* Waiting. */

static int
own_timeout_ms(struct sdjournal *j)
{
	struct timespec now;
	uint64_t at_us, now_us;

	/* Set where inotify cannot be relied on (network file systems). */
	if (sd_journal_get_timeout(j->sd, &at_us) < 0 || at_us == UINT64_MAX)
		return -1;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	return at_us <= now_us ? 0 : at_us - now_us > 60000000 ? 60000 : (int)((at_us - now_us) / 1000) + 1;
}

int
sdjournal_wait(struct sdjournal *j, int other_fd, int timeout_ms, enum sdjournal_change *ret)
{
	struct pollfd fds[2] = {{.fd = other_fd, .events = POLLIN}, {.fd = j->fd, .events = POLLIN}};
	int own_ms = own_timeout_ms(j), r;

	if (own_ms >= 0 && (timeout_ms < 0 || own_ms < timeout_ms))
		timeout_ms = own_ms;
	*ret = JOURNAL_NOTHING;
	if (poll(fds, 2, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents != 0) {
		*ret = JOURNAL_HANG_UP;
		return 0;
	}
	r = sd_journal_process(j->sd);
	if (r < 0)
		return r;
	*ret = r == SD_JOURNAL_INVALIDATE ? JOURNAL_FILES_CHANGED : r == SD_JOURNAL_APPEND ? JOURNAL_APPENDED : JOURNAL_NOTHING;
	return 0;
}

/* The guard. Only async-signal-safe calls. */
static void
on_bus_error(int signal_number, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at;

	(void)context;
	at = (uintptr_t)info->si_addr & ~(page - 1);
	if (info->si_code != BUS_ADRERR ||
		mmap((void *)at, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
		(void)signal(signal_number, SIG_DFL);
		if (info->si_code <= 0)
			(void)raise(signal_number); /* somebody's kill: no faulting access comes again */
		return;
	}
	guard_tripped = 1;
}

void
sdjournal_guard(void)
{
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGBUS, &action, NULL);
}

bool
sdjournal_guard_tripped(void)
{
	bool tripped = guard_tripped != 0;

	guard_tripped = 0;
	return tripped;
}

/* Scanning. */

struct scan {
	struct sdjournal_faults *faults;
	uint32_t good[READ_FLAGS_KNOWN], bad[READ_FLAGS_KNOWN]; /* flags that this libsystemd was seen to open, or not */
	size_t n_good, n_bad;

	const uint8_t *count_id; /* not NULL: only the entries of this seqnum id are counted */
	uint64_t n_entries, first_seqnum, last_seqnum;
};

struct journal_header { /* the beginning of a journal file; all little-endian */
	uint8_t signature[8];
	uint32_t compatible_flags, incompatible_flags;
	uint8_t state, reserved[7];
	uint8_t file_id[16], machine_id[16], tail_entry_boot_id[16], seqnum_id[16];
	uint64_t header_size, arena_size;
	uint64_t data_hash_table_offset, data_hash_table_size, field_hash_table_offset, field_hash_table_size, tail_object_offset, n_objects;
	uint64_t n_entries, tail_entry_seqnum, head_entry_seqnum;
};

static bool
is_in(const uint32_t *flags, size_t n, uint32_t value)
{
	for (size_t i = 0; i < n; i++)
		if (flags[i] == value)
			return true;
	return false;
}

static void
copy_path(char to[512], const char *path)
{
	size_t len = strlen(path);

	if (to[0] != '\0')
		return;
	if (len > 511)
		len = 511;
	memcpy(to, path, len);
	to[len] = '\0';
}

static void
name_flags(char to[96], uint32_t flags)
{
	static const char *const names[] = {"XZ", "LZ4", "KEYED-HASH", "ZSTD", "COMPACT"};
	size_t len = 0;

	to[0] = '\0';
	for (unsigned i = 0; i < 32 && len + 24 < 96; i++) {
		if ((flags & (UINT32_C(1) << i)) == 0)
			continue;
		if (i < ARRAY_LEN(names))
			len += (size_t)snprintf(to + len, 96 - len, "%s%s", len > 0 ? " " : "", names[i]);
		else
			len += (size_t)snprintf(to + len, 96 - len, "%sbit-%u", len > 0 ? " " : "", i);
	}
}

/* 0 or -errno, as libsystemd sees the file. */
static int
try_open(const char *path)
{
	const char *paths[] = {path, NULL};
	sd_journal *sd;
	int r = sd_journal_open_files(&sd, paths, 0);

	if (r >= 0)
		sd_journal_close(sd);
	return r;
}

static void
note_unsupported(struct scan *s, const char *path, uint32_t flags)
{
	uint32_t missing = flags;

	s->faults->unsupported++;
	if (s->faults->unsupported_path[0] != '\0')
		return;
	copy_path(s->faults->unsupported_path, path);
	for (size_t i = 0; i < s->n_good; i++)
		missing &= ~s->good[i];
	name_flags(s->faults->unsupported_flags, missing != 0 ? missing : flags);
}

static void
look_at_flags(struct scan *s, const char *path, uint32_t flags)
{
	int r;

	if (is_in(s->good, s->n_good, flags)) {
		s->faults->readable++;
		return;
	}
	r = is_in(s->bad, s->n_bad, flags) ? -EPROTONOSUPPORT : try_open(path);
	if (r >= 0) {
		if (s->n_good < READ_FLAGS_KNOWN)
			s->good[s->n_good++] = flags;
		s->faults->readable++;
	} else if (r == -EPROTONOSUPPORT) {
		if (s->n_bad < READ_FLAGS_KNOWN && !is_in(s->bad, s->n_bad, flags))
			s->bad[s->n_bad++] = flags;
		note_unsupported(s, path, flags);
	} else if (r != -ENOENT) {
		s->faults->damaged++;
		copy_path(s->faults->damaged_path, path);
	}
}

static void
count_entries(struct scan *s, const struct journal_header *h)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t text[32];

	for (size_t i = 0; i < sizeof(h->seqnum_id); i++) {
		text[2 * i] = (uint8_t)digits[h->seqnum_id[i] >> 4];
		text[2 * i + 1] = (uint8_t)digits[h->seqnum_id[i] & 15];
	}
	if (h->n_entries == 0 || memcmp(text, s->count_id, sizeof(text)) != 0)
		return;
	s->n_entries += h->n_entries;
	if (s->first_seqnum == 0 || h->head_entry_seqnum < s->first_seqnum)
		s->first_seqnum = h->head_entry_seqnum;
	if (h->tail_entry_seqnum > s->last_seqnum)
		s->last_seqnum = h->tail_entry_seqnum;
}

static void
look_at_file(struct scan *s, const char *path)
{
	struct journal_header h;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0) {
		if (errno == ENOENT)
			return;
		s->faults->files++;
		if (errno == EACCES || errno == EPERM) {
			s->faults->denied++;
			copy_path(s->faults->denied_path, path);
		}
		return;
	}
	n = pread(fd, &h, sizeof(h), 0);
	if (fstat(fd, &st) < 0)
		st.st_size = 0;
	(void)close(fd);
	s->faults->files++;
	/* A file that is just being made is empty. */
	if (n == 0)
		return;
	if (n < (ssize_t)sizeof(h) || memcmp(h.signature, "LPKSHHRH", 8) != 0 || h.header_size > (uint64_t)st.st_size ||
		h.arena_size > (uint64_t)st.st_size - h.header_size) {
		s->faults->damaged++;
		copy_path(s->faults->damaged_path, path);
		return;
	}
	if (s->count_id != NULL)
		count_entries(s, &h);
	else
		look_at_flags(s, path, h.incompatible_flags);
}

static bool
is_journal_name(const char *name)
{
	struct str s = str_from(name);

	return str_ends(s, STR(".journal")) || str_ends(s, STR(".journal~"));
}

static void
scan_files(struct scan *s, const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	char path[4096];

	if (d == NULL) {
		if (errno == EACCES) {
			s->faults->files++;
			s->faults->denied++;
			copy_path(s->faults->denied_path, dir);
		}
		return;
	}
	while ((e = readdir(d)) != NULL && s->faults->files < JOURNAL_SCAN_FILES_MAX) {
		if (is_journal_name(e->d_name) && snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int)sizeof(path))
			look_at_file(s, path);
	}
	(void)closedir(d);
}

/* "<machine id>" or "<machine id>.<namespace>". */
static bool
is_wanted_dir(const struct sdjournal_options *o, const char *name, const char machine[33])
{
	if (o->path != NULL)
		return name[0] != '.';
	if (strncmp(name, machine, 32) != 0)
		return false;
	if (o->name_space == NULL)
		return name[32] == '\0';
	if (strcmp(o->name_space, "*") == 0)
		return name[32] == '\0' || name[32] == '.';
	return name[32] == '.' && strcmp(name + 33, o->name_space) == 0;
}

static void
scan_root(struct scan *s, const struct sdjournal_options *o, const char *root, const char machine[33])
{
	DIR *d = opendir(root);
	const struct dirent *e;
	char path[4096];

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) ||
			snprintf(path, sizeof(path), "%s/%s", root, e->d_name) >= (int)sizeof(path))
			continue;
		if (is_wanted_dir(o, e->d_name, machine))
			scan_files(s, path);
		else
			s->faults->foreign++;
	}
	(void)closedir(d);
}

static void
scan_all(struct scan *s, const struct sdjournal_options *o)
{
	char machine[33] = "";
	sd_id128_t id;

	*s->faults = (struct sdjournal_faults){0};
	if (sd_id128_get_machine(&id) >= 0)
		(void)sd_id128_to_string(id, machine);
	if (o->path != NULL) {
		scan_files(s, o->path);
		scan_root(s, o, o->path, machine);
		return;
	}
	scan_root(s, o, "/run/log/journal", machine);
	scan_root(s, o, "/var/log/journal", machine);
}

void
sdjournal_scan(const struct sdjournal_options *o, struct sdjournal_faults *ret)
{
	struct scan s = {.faults = ret};

	scan_all(&s, o);
}

bool
sdjournal_complete(const struct sdjournal_options *o, const uint8_t seqnum_id[32])
{
	struct sdjournal_faults faults;
	struct scan s = {.faults = &faults, .count_id = seqnum_id};

	scan_all(&s, o);
	/* An entry may be written between the looks at two files; none is missing then. */
	return faults.denied == 0 && s.n_entries > 0 && s.n_entries >= s.last_seqnum - s.first_seqnum + 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/sdjournal_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"

#define READ_FLAGS_KNOWN 32 /* bits of incompatible_flags */
#define MTIME_STEP_NS (20 * NS_PER_MS) /* a tick of the slowest kernel, twice */
#define YOUNG_NS (10 * NS_PER_S)       /* an empty file that is older will never be a journal */

struct scan {
	struct sdjournal_faults *faults;
	uint32_t good[READ_FLAGS_KNOWN], bad[READ_FLAGS_KNOWN]; /* flags that this libsystemd was seen to open, or not */
	size_t n_good, n_bad;

	bool counting; /* only the entries are counted */
	uint64_t n_entries, first_seqnum, last_seqnum;

	struct sdjournal_list *list; /* not NULL: only files and directories are listed */
};

struct journal_header { /* the beginning of a journal file; all little-endian */
	uint8_t signature[8];
	uint32_t compatible_flags, incompatible_flags;
	uint8_t state, reserved[7];
	uint8_t file_id[16], machine_id[16], tail_entry_boot_id[16], seqnum_id[16];
	uint64_t header_size, arena_size;
	uint64_t data_hash_table_offset, data_hash_table_size, field_hash_table_offset, field_hash_table_size, tail_object_offset, n_objects;
	uint64_t n_entries, tail_entry_seqnum, head_entry_seqnum, entry_array_offset, head_entry_realtime, tail_entry_realtime;
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

static char *
copy_text(const char *text)
{
	size_t bytes = strlen(text) + 1;

	return memcpy(mem_alloc(bytes), text, bytes);
}

static int64_t
mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
}

static bool
is_young(int64_t at)
{
	int64_t age = clock_now_ns() - at;

	return age < YOUNG_NS && age > -YOUNG_NS;
}

/* Before it is read: what comes meanwhile shows in its time. One that is not there may come. */
static void
list_dir(struct scan *s, const char *path)
{
	struct stat st;

	if (s->list == NULL)
		return;
	vec_push(&s->list->dirs, ((struct sdjournal_dir){copy_text(path), stat(path, &st) < 0 ? 0 : mtime_ns(&st)}));
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
	r = is_in(s->bad, s->n_bad, flags) ? -EPROTONOSUPPORT : sdjournal_try_file(path);
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
	if (h->n_entries == 0)
		return;
	s->n_entries += h->n_entries;
	if (s->first_seqnum == 0 || h->head_entry_seqnum < s->first_seqnum)
		s->first_seqnum = h->head_entry_seqnum;
	if (h->tail_entry_seqnum > s->last_seqnum)
		s->last_seqnum = h->tail_entry_seqnum;
}

static void
list_file(struct scan *s, const char *path, const struct journal_header *h)
{
	struct sdjournal_file file = {.path = copy_text(path)};

	memcpy(file.id, h->file_id, sizeof(file.id));
	vec_push(&s->list->files, file);
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
		st = (struct stat){0};
	(void)close(fd);
	s->faults->files++;
	/* A file that is just being made is empty. */
	if (s->list != NULL && n < (ssize_t)sizeof(h) && is_young(mtime_ns(&st)))
		s->list->unfinished = true;
	if (n == 0)
		return;
	if (n < (ssize_t)sizeof(h) || memcmp(h.signature, "LPKSHHRH", 8) != 0 || h.header_size > (uint64_t)st.st_size ||
		h.arena_size > (uint64_t)st.st_size - h.header_size) {
		s->faults->damaged++;
		copy_path(s->faults->damaged_path, path);
		return;
	}
	if (s->list != NULL)
		list_file(s, path, &h);
	else if (s->counting)
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
	const struct dirent *e;
	char path[4096];
	DIR *d;

	list_dir(s, dir);
	d = opendir(dir);
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
	const struct dirent *e;
	char path[4096];
	DIR *d;

	list_dir(s, root);
	d = opendir(root);
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
	char machine[33];

	*s->faults = (struct sdjournal_faults){0};
	sdjournal_machine_id(machine);
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
sdjournal_complete(const struct sdjournal_options *o)
{
	struct sdjournal_faults faults;
	struct scan s = {.faults = &faults, .counting = true};

	scan_all(&s, o);
	/* An entry may be written between the looks at two files; none is missing then. */
	return faults.denied == 0 && s.n_entries > 0 && s.n_entries >= s.last_seqnum - s.first_seqnum + 1;
}

/* Listing. */

void
sdjournal_list(const struct sdjournal_options *o, struct sdjournal_list *ret)
{
	struct sdjournal_faults faults;
	struct scan s = {.faults = &faults, .list = ret};

	scan_all(&s, o);
}

void
sdjournal_list_done(struct sdjournal_list *l)
{
	for (size_t i = 0; i < l->files.len; i++)
		mem_free(l->files.items[i].path);
	for (size_t i = 0; i < l->dirs.len; i++)
		mem_free(l->dirs.items[i].path);
	vec_done(&l->files);
	vec_done(&l->dirs);
	*l = (struct sdjournal_list){0};
}

bool
sdjournal_list_stale(const struct sdjournal_list *l)
{
	struct stat st;

	if (l->unfinished)
		return true;
	for (size_t i = 0; i < l->dirs.len; i++) {
		const struct sdjournal_dir *d = &l->dirs.items[i];
		int64_t at = stat(d->path, &st) < 0 ? 0 : mtime_ns(&st);

		/* The time of a directory moves in steps: what comes within one is not told apart. */
		if (at != d->mtime_ns || (at != 0 && clock_now_ns() - at < MTIME_STEP_NS && clock_now_ns() >= at))
			return true;
	}
	return false;
}

static bool
read_header(const char *path, struct journal_header *h)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool ok = fd >= 0 && pread(fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h);

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

bool
sdjournal_list_newest(const struct sdjournal_list *l, char cursor[JOURNAL_CURSOR_BYTES_MAX + 1])
{
	struct journal_header h, newest = {0};
	size_t len = 2;

	for (size_t i = 0; i < l->files.len; i++) {
		/* Those that are archived have a name with their number. */
		const char *name = strrchr(l->files.items[i].path, '/');

		if (name != NULL && strchr(name, '@') == NULL && read_header(l->files.items[i].path, &h) && h.n_entries > 0 &&
			h.tail_entry_seqnum > newest.tail_entry_seqnum)
			newest = h;
	}
	if (newest.tail_entry_seqnum == 0)
		return false;
	memcpy(cursor, "s=", 2);
	for (size_t i = 0; i < sizeof(newest.seqnum_id); i++, len += 2)
		(void)snprintf(cursor + len, 3, "%02x", newest.seqnum_id[i]);
	(void)snprintf(cursor + len, JOURNAL_CURSOR_BYTES_MAX + 1 - len, ";i=%" PRIx64 ";t=%" PRIx64, newest.tail_entry_seqnum,
		newest.tail_entry_realtime);
	return true;
}

static size_t
find(const struct sdjournal_list *l, const uint8_t id[16])
{
	size_t i = 0;

	while (i < l->files.len && memcmp(l->files.items[i].id, id, 16) != 0)
		i++;
	return i;
}

const struct sdjournal_file *
sdjournal_list_find(const struct sdjournal_list *l, const uint8_t id[16])
{
	size_t i = find(l, id);

	return i < l->files.len ? &l->files.items[i] : NULL;
}

void
sdjournal_list_drop(struct sdjournal_list *l, const uint8_t id[16])
{
	size_t i = find(l, id);

	if (i == l->files.len)
		return;
	mem_free(l->files.items[i].path);
	vec_remove(&l->files, i);
}

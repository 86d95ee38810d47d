/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/sdjournal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"

/*
 * A thin coat over sd-journal, and what it lacks: outliving SIGBUS. The guard does what journald does for itself: it maps a page
 * over the missing one.
 */
struct sdjournal {
	sd_journal *sd;
	int fd;
};

static volatile sig_atomic_t guard_tripped;

static struct sdjournal *
wrap(sd_journal *sd)
{
	struct sdjournal *j = mem_new(struct sdjournal);

	j->sd = sd;
	j->fd = -1;
	(void)sd_journal_set_data_threshold(sd, JOURNAL_FIELD_BYTES_MAX + 256);
	return j;
}

int
sdjournal_open(const struct sdjournal_options *o, struct sdjournal **ret)
{
	struct sdjournal *j;
	sd_journal *sd;
	int r;

	if (o->path != NULL)
		r = sd_journal_open_directory(&sd, o->path, 0);
	else if (o->name_space == NULL)
		r = sd_journal_open(&sd, SD_JOURNAL_LOCAL_ONLY);
	else if (strcmp(o->name_space, "*") == 0)
		r = sd_journal_open_namespace(&sd, NULL, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_ALL_NAMESPACES);
	else
		r = sd_journal_open_namespace(&sd, o->name_space, SD_JOURNAL_LOCAL_ONLY);
	if (r < 0)
		return r;
	j = wrap(sd);
	/* From here on inotify sees what is added: nothing between the end of the first reading and the first wait is missed. */
	j->fd = sd_journal_get_fd(j->sd);
	*ret = j;
	return 0;
}

int
sdjournal_open_file(const char *path, struct sdjournal **ret)
{
	const char *paths[] = {path, NULL};
	sd_journal *sd;
	int r = sd_journal_open_files(&sd, paths, 0);

	if (r >= 0)
		*ret = wrap(sd);
	return r;
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
sdjournal_seek_this_boot(struct sdjournal *j, int64_t mono_ns)
{
	sd_id128_t boot;
	int r = sd_id128_get_boot(&boot);

	return r < 0 ? r : sd_journal_seek_monotonic_usec(j->sd, boot, mono_ns > 0 ? (uint64_t)(mono_ns / NS_PER_US) : 0);
}

void
sdjournal_boot_id(char ret[33])
{
	sd_id128_t id;

	ret[0] = '\0';
	if (sd_id128_get_boot(&id) >= 0)
		(void)sd_id128_to_string(id, ret);
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

static unsigned
place_item(struct str item, struct sdjournal_place *place)
{
	struct str value = str_from_offset(item, 2);
	uint64_t us;

	if (item.len < 2 || item.s[1] != '=')
		return 0;
	switch (item.s[0]) {
	case 's':
		if (value.len != sizeof(place->seqnum_id))
			return 0;
		memcpy(place->seqnum_id, value.s, value.len);
		return 1;
	case 'i':
		return hex_number(value, &place->seqnum) ? 2 : 0;
	case 't':
		if (!hex_number(value, &us) || us >= (uint64_t)(INT64_MAX / NS_PER_US))
			return 0;
		place->realtime_ns = (int64_t)us * NS_PER_US;
		return 4;
	case 'b':
		if (value.len == sizeof(place->boot_id))
			memcpy(place->boot_id, value.s, value.len);
		return 0;
	case 'm':
		(void)hex_number(value, &place->monotonic_us);
		return 0;
	case 'x':
		(void)hex_number(value, &place->xor_hash);
		return 0;
	default:
		return 0;
	}
}

bool
sdjournal_cursor_place(struct str cursor, struct sdjournal_place *ret)
{
	struct sdjournal_place place = {0};
	unsigned found = 0;

	while (cursor.len > 0) {
		struct str item;

		(void)str_cut(cursor, ';', &item, &cursor);
		found |= place_item(item, &place);
	}
	if (found != 7)
		return false;
	*ret = place;
	return true;
}

bool
sdjournal_here(struct sdjournal *j, struct sdjournal_place *ret)
{
	char cursor[JOURNAL_CURSOR_BYTES_MAX + 1];

	return sdjournal_cursor(j, cursor) >= 0 && sdjournal_cursor_place(str_from(cursor), ret);
}

static int
order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Source: compare_with_location in systemd's src/libsystemd/sd-journal/sd-journal.c, v252. */
int
sdjournal_compare(const struct sdjournal_place *a, const struct sdjournal_place *b)
{
	int r = 0;

	if (memcmp(a->seqnum_id, b->seqnum_id, sizeof(a->seqnum_id)) == 0)
		r = order(a->seqnum, b->seqnum);
	if (r == 0 && memcmp(a->boot_id, b->boot_id, sizeof(a->boot_id)) == 0)
		r = order(a->monotonic_us, b->monotonic_us);
	if (r == 0)
		r = order((uint64_t)a->realtime_ns, (uint64_t)b->realtime_ns);
	return r != 0 ? r : order(a->xor_hash, b->xor_hash);
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

int
sdjournal_try_file(const char *path)
{
	const char *paths[] = {path, NULL};
	sd_journal *sd;
	int r = sd_journal_open_files(&sd, paths, 0);

	if (r >= 0)
		sd_journal_close(sd);
	return r;
}

void
sdjournal_machine_id(char ret[33])
{
	sd_id128_t id;

	ret[0] = '\0';
	if (sd_id128_get_machine(&id) >= 0)
		(void)sd_id128_to_string(id, ret);
}

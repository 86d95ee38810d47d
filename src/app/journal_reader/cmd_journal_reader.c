/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "longship/app/commands.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/os/file.h"
#include "longship/os/sdjournal_files.h"

/*
 * The process that reads a journal for loki.source.journal; no command for users. A process of its own, because journal files are
 * mapped: a file that is cut or damaged under a reader ends in SIGBUS, in one of libsystemd's assertions, or in a chain without
 * end. None of it may cost longship more than a restart of this reader behind the last block. Descriptor 3 holds the request
 * (os/journal_wire.h), blocks go to standard output, and standard input is the line of life: it hangs up when longship ends.
 *
 * A block goes out with the cursor of its last entry: everything before that was sent. latecomers.c sees to it that this is true of
 * files that come while the reader is busy, account.c counts what was gone before it could be read.
 */
#define LOOK_AGAIN_MS 5000      /* while nothing can be read: files may appear, or become readable */
#define PROGRESS_NS (5 * NS_PER_S) /* how often the cursor moves over what was not asked for */
#define NAMESPACE_COMES_NS (10 * NS_PER_S) /* from the making of a namespace's directory to that of its files */
#define NAMESPACE_LOOK_MS 250
#define OPEN_TURNS_MAX 50 /* while files come at each turn */
#define FRESH_NS (10 * NS_PER_S) /* what is older was all there before it was read */
#define REOPEN_MAX 100 /* a latecomer that is cut again and again is damaged */
#define READ_AGAIN_MAX 3  /* a block that is never the same is damaged */
#define CPU_SECONDS_MAX 30      /* for one block, or to the end of the journal: a longer one is a chain without end */

/* ---- What goes out ---- */

/* Nobody reads any more: there is nobody to tell. */
static void
send(struct reader *r)
{
	static const struct itimerval off = {0};
	const struct itimerval on = {.it_value = {.tv_sec = CPU_SECONDS_MAX}};

	if (r->block.len > 0 && file_write(STDOUT_FILENO, r->block.data, r->block.len) < 0)
		_exit(STATUS_FINE);
	buf_clear(&r->block);
	r->in_block = 0;
	(void)setitimer(ITIMER_PROF, &off, NULL);
	(void)setitimer(ITIMER_PROF, &on, NULL);
}

static void
note(struct reader *r, enum journal_note_kind kind, int64_t number, struct str text)
{
	const struct journal_note n = {.kind = (uint32_t)kind, .number = number};

	assert(r->in_block == 0);
	(void)journal_wire_put(&r->block, JOURNAL_NOTE, &n, sizeof(n), str_head(text, 2048));
	send(r);
}

static void
note_failure(struct reader *r, const char *what, int err)
{
	note(r, JOURNAL_NOTE_FAILED, err < 0 ? -err : err, str_from(what));
}

/* libsystemd takes the cursor without our addition: how many entries before it have its time. */
static unsigned
split_cursor(char *cursor)
{
	char *at = strstr(cursor, ";k=");
	unsigned same = 0;

	if (at != NULL) {
		same = (unsigned)strtoul(at + 3, NULL, 10);
		*at = '\0';
	}
	return same;
}

static bool
block_is_full(struct reader *r)
{
	if (r->next_cut < r->cuts.len && r->n_records == r->cuts.items[r->next_cut]) {
		r->next_cut++;
		return true;
	}
	return r->in_block == JOURNAL_WIRE_BLOCK_RECORDS || r->block.len >= JOURNAL_WIRE_BLOCK_BYTES;
}

/* Sends the block: all before r->cursor has been read. */
static void
send_block(struct reader *r, struct journal_end end)
{
	struct buf text;

	end.records = r->in_block;
	buf_init(&text, sizeof(r->cursor) + 16);
	(void)buf_z(&text, r->cursor);
	if (r->cursor_same > 0)
		(void)buf_printf(&text, ";k=%u", r->cursor_same);
	(void)journal_wire_put(&r->block, JOURNAL_END, &end, sizeof(end), buf_view(&text));
	buf_done(&text);
	send(r);
}

static void
discard_block(struct reader *r)
{
	r->n_records -= r->in_block;
	r->since_anchor -= r->in_block;
	while (r->next_cut > 0 && r->cuts.items[r->next_cut - 1] > r->n_records)
		r->next_cut--;
	buf_clear(&r->block);
	r->in_block = 0;
}

/* A mapped file was cut shorter: what was read into the block is not to be trusted. */
static void
give_up_block(struct reader *r)
{
	discard_block(r);
	r->suspect = r->suspect_damage = true;
	note(r, JOURNAL_NOTE_TRUNCATED, 0, STR_EMPTY);
}

/* The last record of a block that does not end at the cursor: what stands before it was read before. */
static void
give_up_record(struct reader *r, size_t block_len, bool is_in)
{
	if (is_in) {
		r->block.len = block_len;
		r->in_block--;
		r->n_records--;
		r->since_anchor--;
	}
	if (r->in_block > 0)
		send_block(r, (struct journal_end){0});
	give_up_block(r);
}

/* ---- Latecomers ---- */

static int
add_matches(struct reader *r, struct sdjournal *j)
{
	int err = 0;

	for (size_t i = 0; i < r->matches.len && err >= 0; i++) {
		struct str m = r->matches.items[i];

		err = str_is(m, "+") ? sdjournal_match_or(j) : str_is(m, "&") ? sdjournal_match_and(j) : sdjournal_match(j, m);
	}
	return err;
}

static int
prepare_latecomer(void *ptr, struct sdjournal *j)
{
	return add_matches(ptr, j);
}

static void
look_for_latecomers(struct reader *r)
{
	latecomers_look(&r->late, &r->options, prepare_latecomer, r);
}

/* What they hold before the cursor goes out in blocks of its own, which leave the cursor where it is. */
static int
read_latecomers(struct reader *r, struct latecomers *l)
{
	struct sdjournal_place limit;
	struct latecomer *late;
	int64_t last_us_ns = r->last_us_ns;
	unsigned same_time = r->same_time, again = 0;
	int err = 0;

	if (!sdjournal_cursor_place(str_from(r->cursor), &limit))
		return 0;
	assert(r->in_block == 0);
	r->last_us_ns = -1;
	while (err >= 0 && (late = latecomers_next(l, &limit)) != NULL) {
		size_t len = r->block.len;

		err = reader_put_record(r, late->journal);
		if (sdjournal_guard_tripped()) {
			give_up_record(r, len, err >= 0);
			latecomers_reopen(late, &r->options, prepare_latecomer, r);
			err = again++ < REOPEN_MAX ? 0 : -EBADMSG;
			if (err == 0)
				continue;
		}
		latecomers_go_on(l, late);
		if (err == -EBADMSG || err == -EADDRNOTAVAIL)
			err = 0;
		if (r->in_block > 0 && block_is_full(r))
			send_block(r, (struct journal_end){0});
	}
	if (r->in_block > 0)
		send_block(r, (struct journal_end){0});
	r->last_us_ns = last_us_ns;
	r->same_time = same_time;
	return err;
}

/* ---- Blocks that are read twice ---- */

/* Behind the last block that was sent. */
static int
seek_last_block(struct reader *r)
{
	return r->cursor[0] == '\0' ? sdjournal_seek_realtime(r->journal, r->since_ns) : sdjournal_seek_cursor(r->journal, r->cursor);
}

/*
 * libsystemd asks file after file for its next entry, and takes the oldest. When journald writes to a file that was asked already, and
 * then to one that is asked later, the second entry is taken, and the first, being older, is passed over for ever. So what was read
 * while journald wrote is counted once more: by then all that is older than its last entry can be seen.
 */
static bool
may_have_passed_over(struct reader *r, const struct sdjournal_place *now)
{
	return !r->pass_copies && r->n_again < READ_AGAIN_MAX && clock_now_ns() - now->realtime_ns < FRESH_NS &&
		(r->matches.len > 0 || reader_misses(r, now));
}

/* Goes through the block once more, and stands on its last entry again if it is whole. */
static bool
is_whole(struct reader *r, const char *last)
{
	char cursor[JOURNAL_CURSOR_BYTES_MAX + 1];
	int got = seek_last_block(r);

	for (uint32_t i = 0; got >= 0 && i < r->in_block; i++) {
		got = sdjournal_next(r->journal);
		if (got == 0)
			return false;
	}
	return got >= 0 && sdjournal_cursor(r->journal, cursor) >= 0 && strcmp(cursor, last) == 0;
}

static int
read_again(struct reader *r)
{
	struct sdjournal_place last;

	discard_block(r);
	r->n_again++;
	r->same_time = r->cursor_same;
	r->last_us_ns = sdjournal_cursor_place(str_from(r->cursor), &last) ? last.realtime_ns : -1;
	return seek_last_block(r);
}

/* Ends the block behind the current entry and sends it. */
static int
end_block(struct reader *r)
{
	struct journal_end end = {0};
	char cursor[JOURNAL_CURSOR_BYTES_MAX + 1];
	struct sdjournal_place now;
	int err;

	if (r->in_block == 0)
		return 0;
	err = sdjournal_cursor(r->journal, cursor);
	if (err < 0)
		return err;
	if (sdjournal_cursor_place(str_from(cursor), &now) && may_have_passed_over(r, &now) && !is_whole(r, cursor))
		return read_again(r);
	r->n_again = 0;
	(void)snprintf(r->cursor, sizeof(r->cursor), "%s", cursor);
	r->cursor_same = r->same_time;
	reader_has_scanned(r, cursor);
	look_for_latecomers(r);
	/* What a latecomer holds is not missing. */
	if (sdjournal_cursor_place(str_from(r->cursor), &now) && latecomers_next(&r->late, &now) == NULL)
		reader_count_lost(r, &now, &end);
	send_block(r, end);
	return read_latecomers(r, &r->late);
}

/* ---- The journal ---- */

static void
note_files(struct reader *r)
{
	struct sdjournal_faults f;
	unsigned state = JOURNAL_NOTE_READING;
	char text[700];

	sdjournal_scan(&r->options, &f);
	if (f.readable == 0)
		state = f.denied > 0 ? JOURNAL_NOTE_DENIED : f.unsupported > 0 ? JOURNAL_NOTE_UNSUPPORTED : JOURNAL_NOTE_NO_FILES;
	else if (f.denied > 0)
		state = JOURNAL_NOTE_PARTLY_DENIED;
	if (f.unsupported > 0 && (!r->told_unsupported || state == JOURNAL_NOTE_UNSUPPORTED)) {
		(void)snprintf(text, sizeof(text), "%s\n%s", f.unsupported_path, f.unsupported_flags);
		if (!r->told_unsupported)
			note(r, JOURNAL_NOTE_UNSUPPORTED, (int64_t)f.unsupported, str_from(text));
		r->told_unsupported = true;
	}
	if (f.damaged > 0 && !r->told_damaged) {
		note(r, JOURNAL_NOTE_DAMAGED, (int64_t)f.damaged, str_from(f.damaged_path));
		r->told_damaged = true;
	}
	if (state != r->state && state != JOURNAL_NOTE_UNSUPPORTED) {
		if (state == JOURNAL_NOTE_NO_FILES)
			note(r, state, (int64_t)f.foreign, STR_EMPTY);
		else
			note(r, state, (int64_t)f.readable, str_from(f.denied_path));
	}
	r->state = state;
}

static bool
can_read(const struct reader *r)
{
	return r->state == JOURNAL_NOTE_READING || r->state == JOURNAL_NOTE_PARTLY_DENIED;
}

/* The cursor's entry is no longer there. Behind its place the journal goes on, unless it ends before: then its files were lost, and
 * others were begun; rather everything again than nothing. Where the clock was set back before this boot, latecomers have what is new. */
static int
go_on_without(struct reader *r)
{
	struct sdjournal_place place, newest;
	char boot[33];
	int err = sdjournal_next(r->journal);

	note(r, JOURNAL_NOTE_CURSOR_GONE, 0, STR_EMPTY);
	sdjournal_boot_id(boot);
	if (err == 0 && sdjournal_seek_tail(r->journal) > 0 && sdjournal_here(r->journal, &newest) &&
		sdjournal_cursor_place(str_from(r->cursor), &place) && memcmp(newest.seqnum_id, place.seqnum_id, sizeof(place.seqnum_id)) != 0 &&
		memcmp(newest.boot_id, place.boot_id, sizeof(place.boot_id)) != 0 && memcmp(newest.boot_id, boot, sizeof(newest.boot_id)) != 0) {
		r->anchored = false;
		return sdjournal_seek_realtime(r->journal, r->since_ns);
	}
	return sdjournal_seek_cursor(r->journal, r->cursor);
}

/* Whether the entry is there, though it need not be one that matches. */
static bool
cursor_is_there(struct reader *r)
{
	struct sdjournal *j;
	bool there;

	if (r->matches.len == 0 || sdjournal_open(&r->options, &j) < 0)
		return false;
	there = sdjournal_seek_cursor(j, r->cursor) > 0;
	sdjournal_close(j);
	return there;
}

static int
skip_ahead(struct reader *r)
{
	struct sdjournal_place place;

	if (r->skip_ns == 0 || !sdjournal_cursor_place(str_from(r->cursor), &place))
		return 0;
	r->suspect = r->suspect_damage = true;
	note(r, JOURNAL_NOTE_SKIPPED, r->skip_ns, STR_EMPTY);
	return sdjournal_seek_realtime(r->journal, place.realtime_ns + r->skip_ns);
}

static int
seek_cursor(struct reader *r)
{
	struct sdjournal_place place;
	int err;

	if (sdjournal_cursor_place(str_from(r->cursor), &place)) {
		if (!r->anchored)
			reader_anchor(r, &place);
		r->last_us_ns = place.realtime_ns;
	}
	if (r->scanned[0] == '\0')
		reader_has_scanned(r, r->cursor);
	err = sdjournal_seek_cursor(r->journal, r->cursor);
	if (err != 0 || cursor_is_there(r))
		return err;
	r->suspect = r->pass_copies = true;
	reader_look_for_gap(r);
	return go_on_without(r);
}

/* The clock may have been set back while the machine was off: what is of this boot was written after what is of another, whatever its
 * time says. */
static int
read_earlier(struct reader *r)
{
	struct latecomers earlier = {0};
	struct sdjournal_place place;
	struct sdjournal *j;
	char boot[33];
	int err;

	sdjournal_boot_id(boot);
	if (!sdjournal_cursor_place(str_from(r->cursor), &place) || memcmp(place.boot_id, boot, sizeof(place.boot_id)) == 0)
		return 0;
	err = sdjournal_open(&r->options, &j);
	if (err < 0)
		return err;
	err = add_matches(r, j);
	if (err >= 0)
		err = sdjournal_seek_this_boot(j, 0);
	if (err < 0) {
		sdjournal_close(j);
		return err;
	}
	latecomers_add(&earlier, j);
	err = read_latecomers(r, &earlier);
	latecomers_done(&earlier);
	return err;
}

static int
seek_start(struct reader *r)
{
	int err;

	if (r->cursor[0] == '\0') {
		err = sdjournal_seek_realtime(r->journal, r->since_ns + r->skip_ns);
	} else {
		err = seek_cursor(r);
		if (err >= 0)
			err = skip_ahead(r);
	}
	r->skip_ns = 0;
	return err;
}

/* Opens all files that there are, without a doubt about which: of one that came while they were opened nobody knows whether it was. */
static int
open_files(struct reader *r)
{
	int err;

	for (int turn = 0;; turn++) {
		sdjournal_close(r->journal);
		r->journal = NULL;
		latecomers_know(&r->late, &r->options);
		err = sdjournal_open(&r->options, &r->journal);
		if (err >= 0)
			err = add_matches(r, r->journal);
		if (err < 0 || turn == OPEN_TURNS_MAX)
			return err;
		look_for_latecomers(r);
		if (!r->late.came)
			return 0;
	}
}

/* Opens the journal at the cursor. */
static int
open_journal(struct reader *r)
{
	int err;

	note_files(r);
	err = open_files(r);
	if (err >= 0)
		err = seek_start(r);
	if (err >= 0)
		err = read_earlier(r);
	if (err < 0)
		note_failure(r, "cannot open the journal", err);
	return err;
}

/* At the end of everything that is open: files that have come are taken in by opening all of them again, behind the cursor. */
static int
take_in_latecomers(struct reader *r)
{
	int err;

	look_for_latecomers(r);
	err = read_latecomers(r, &r->late);
	if (err < 0 || !r->late.came)
		return err;
	r->pass_copies = r->late.moved;
	err = open_files(r);
	if (err >= 0)
		err = seek_last_block(r);
	if (err < 0)
		note_failure(r, "cannot open the journal", err);
	return err;
}

/* Opens it again behind the last block. */
static int
start_over(struct reader *r)
{
	give_up_block(r);
	r->same_time = r->cursor_same;
	return open_journal(r);
}

/* journald copies entries when it moves from /run to /var, under other numbers. Of one instant libsystemd cannot tell which were read. */
static bool
is_copy(struct reader *r)
{
	struct sdjournal_place last, here;

	r->pass_copies = r->pass_copies && sdjournal_cursor_place(str_from(r->cursor), &last) && sdjournal_here(r->journal, &here) &&
		memcmp(here.seqnum_id, last.seqnum_id, sizeof(last.seqnum_id)) != 0 && here.realtime_ns == last.realtime_ns &&
		here.monotonic_us == last.monotonic_us && memcmp(here.boot_id, last.boot_id, sizeof(last.boot_id)) == 0;
	return r->pass_copies;
}

/* Up to the end of the journal, which is the end of the last block, too. */
static int
read_entries(struct reader *r)
{
	int got = 0, err = 0;

	while (err >= 0 && (got = sdjournal_next(r->journal)) > 0) {
		if (r->pass_copies && is_copy(r))
			continue;
		err = reader_put_record(r, r->journal);
		if (sdjournal_guard_tripped()) {
			err = start_over(r);
			continue;
		}
		if (err == -EBADMSG || err == -EADDRNOTAVAIL) {
			r->suspect = r->suspect_damage = true;
			err = 0; /* this entry is damaged, the next need not be */
			continue;
		}
		/* What is missing stands just before the first entry behind it. */
		if (err >= 0 && (block_is_full(r) || (r->suspect && r->matches.len == 0)))
			err = end_block(r);
	}
	if (got < 0)
		err = got;
	if (sdjournal_guard_tripped())
		err = start_over(r);
	if (err >= 0 && r->in_block > 0)
		err = end_block(r);
	return err;
}

/* Reads what there is. */
static int
read_all(struct reader *r)
{
	char newest[JOURNAL_CURSOR_BYTES_MAX + 1];
	bool known = r->matches.len > 0 && sdjournal_list_newest(&r->late.known, newest);
	unsigned again;
	int err;

	do {
		again = r->n_again;
		err = read_entries(r);
	} while (err >= 0 && r->n_again > again);
	if (err >= 0 && known)
		reader_has_scanned(r, newest);
	return err;
}

/* With matches the cursor would stay behind while only others write: what is newest now, and is read to the end afterwards, has nothing
 * more that was asked for. */
static bool
newest_cursor(struct reader *r, char cursor[JOURNAL_CURSOR_BYTES_MAX + 1])
{
	struct sdjournal *j;
	bool ok;

	if (sdjournal_open(&r->options, &j) < 0)
		return false;
	ok = sdjournal_seek_tail(j) > 0 && sdjournal_cursor(j, cursor) >= 0;
	sdjournal_close(j);
	return ok;
}

static void
send_progress(struct reader *r, const char *cursor)
{
	reader_has_scanned(r, cursor);
	(void)journal_wire_put(&r->block, JOURNAL_PROGRESS, &r->gap, sizeof(r->gap), str_from(cursor));
	r->gap = (struct journal_end){0};
	send(r);
}

static int
read_with_progress(struct reader *r)
{
	char cursor[JOURNAL_CURSOR_BYTES_MAX + 1];
	enum sdjournal_change change;
	uint64_t before = r->n_records;
	int err;

	r->progress_at_ns = clock_mono_ns() + PROGRESS_NS;
	r->unread_news = false;
	if (!newest_cursor(r, cursor))
		return read_all(r);
	err = read_all(r);
	if (err >= 0)
		err = sdjournal_wait(r->journal, STDIN_FILENO, 0, &change);
	if (err >= 0)
		err = take_in_latecomers(r);
	if (err >= 0)
		err = read_all(r);
	/* The cursor of a record that came meanwhile is at least as new. */
	if (err >= 0 && r->n_records == before)
		send_progress(r, cursor);
	return err;
}

/* libsystemd tells of a new namespace's directory, but not of what comes into it. */
static bool
namespace_may_come(const struct reader *r)
{
	return r->options.name_space != NULL && strcmp(r->options.name_space, "*") == 0 && r->late.changed_ns > 0 &&
		clock_mono_ns() - r->late.changed_ns < NAMESPACE_COMES_NS;
}

static int
wait_ms(const struct reader *r)
{
	int64_t left;

	if (!can_read(r))
		return LOOK_AGAIN_MS;
	if (namespace_may_come(r))
		return NAMESPACE_LOOK_MS;
	if (r->matches.len == 0 || !r->unread_news)
		return -1;
	left = (r->progress_at_ns - clock_mono_ns()) / NS_PER_MS;
	return left > 0 ? (int)left + 1 : 0;
}

/* False: longship has ended. */
static bool
wait_for_news(struct reader *r, int *ret_err)
{
	enum sdjournal_change change = JOURNAL_NOTHING;

	*ret_err = sdjournal_wait(r->journal, STDIN_FILENO, wait_ms(r), &change);
	if (change == JOURNAL_HANG_UP)
		return false;
	if (*ret_err < 0)
		return true;
	r->unread_news |= change != JOURNAL_NOTHING;
	if (!can_read(r)) {
		note_files(r);
		if (can_read(r))
			*ret_err = open_journal(r);
	} else if (change == JOURNAL_FILES_CHANGED) {
		r->suspect = r->state == JOURNAL_NOTE_READING;
		note_files(r);
		*ret_err = take_in_latecomers(r);
		reader_look_for_gap(r);
		if (r->gap.lost > 0)
			r->progress_at_ns = 0; /* tells of it */
	} else {
		*ret_err = take_in_latecomers(r); /* those that libsystemd does not see */
	}
	return true;
}

static int
follow(struct reader *r)
{
	int err = open_journal(r);

	while (err >= 0) {
		bool due = r->matches.len > 0 && r->unread_news && clock_mono_ns() >= r->progress_at_ns;

		err = due ? read_with_progress(r) : read_all(r);
		if (err < 0) {
			note_failure(r, "cannot read the journal", err);
			break;
		}
		send(r); /* starts the CPU clock anew */
		if (!wait_for_news(r, &err))
			return STATUS_FINE;
	}
	return STATUS_SYSTEM;
}

/* The name of the service that this process runs in: the last part of its control group. */
static void
find_own_unit(struct reader *r)
{
	struct buf text;
	struct str path;
	const char *slash;

	buf_init(&text, 64 << 10);
	if (file_read("/proc/self/cgroup", &text) >= 0) {
		path = str_trim(buf_view(&text));
		slash = path.len > 0 ? memrchr(path.s, '/', path.len) : NULL;
		if (slash != NULL && str_ends(path, STR(".service")))
			(void)snprintf(r->own_unit, sizeof(r->own_unit), "%.*s", (int)(path.len - (size_t)(slash - path.s) - 1), slash + 1);
	}
	buf_done(&text);
}

int
cmd_journal_reader(int argc, char **argv)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
	struct reader r = {.arena = arena_new(0), .state = UINT32_MAX};
	int status = STATUS_USAGE;

	(void)argc;
	(void)argv;
	/* longship says when to end. */
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)prctl(PR_SET_NAME, "longship-journal");
	sdjournal_guard();
	buf_init(&r.block, JOURNAL_WIRE_BYTES_MAX);
	buf_init(&r.labels, JOURNAL_WIRE_RECORD_BYTES_MAX / 4);
	buf_init(&r.body, JOURNAL_WIRE_RECORD_BYTES_MAX / 4 * 3);
	if (reader_take_request(&r)) {
		r.same_time = r.cursor_same = split_cursor(r.cursor);
		find_own_unit(&r);
		status = follow(&r);
	} else {
		fprintf(stderr, "longship journal-reader: started by longship itself, for loki.source.journal\n");
	}
	sdjournal_close(r.journal);
	latecomers_done(&r.late);
	buf_done(&r.block);
	buf_done(&r.labels);
	buf_done(&r.body);
	vec_done(&r.matches);
	vec_done(&r.fields);
	vec_done(&r.regexes);
	vec_done(&r.cuts);
	vec_done(&r.names);
	arena_free(r.arena);
	return status;
}

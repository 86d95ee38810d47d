/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "longship/app/commands.h"
#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/vec.h"
#include "longship/codec/regex.h"
#include "longship/os/file.h"
#include "longship/os/sdjournal.h"
#include "longship/os/journal_wire.h"

/*
 * The process that reads a journal for loki.source.journal; no command for users. A process of its own, because journal files are
 * mapped: a file that is cut or damaged under a reader ends in SIGBUS, in one of libsystemd's assertions, or in a chain without
 * end. None of it may cost longship more than a restart of this reader behind the last block. Descriptor 3 holds the request
 * (os/journal_wire.h), blocks go to standard output, and standard input is the line of life: it hangs up when longship ends.
 *
 * Sequence numbers of journald have no holes: between two cursors of one seqnum id there are as many entries as their numbers
 * say, unless matches leave some out. So what was vacuumed or damaged before it was read is known exactly.
 */
#define REQUEST_FD 3
#define LOOK_AGAIN_MS 5000      /* while nothing can be read: files may appear, or become readable */
#define PROGRESS_NS (5 * NS_PER_S) /* how often the cursor moves over what was not asked for */
#define CPU_SECONDS_MAX 30      /* for one block, or to the end of the journal: a longer one is a chain without end */
#define FIELD_NAME_BYTES_MAX 64 /* journald's limit */
#define NAMES_KNOWN_MAX 4096    /* names whose regex result is remembered */
#define INCOMPLETE_MAX 3        /* then it is a part of a journal, whose numbers say nothing */
#define OWN_PER_SECOND 50       /* longship's own lines, where they are wanted: more would be a loop */

struct name {
	char text[FIELD_NAME_BYTES_MAX + 1];
	uint8_t len;
	bool wanted;
};

struct reader {
	/* The request. */
	struct sdjournal_options options;
	VEC(struct str) matches; /* "FIELD=value"; "+" or, "&" and */
	VEC(struct name) fields; /* that are wanted by name */
	VEC(const struct regex *) regexes;
	VEC(uint64_t) cuts;
	bool all_fields, own_lines;
	char cursor[JOURNAL_CURSOR_BYTES_MAX + 16]; /* empty: from `since` */
	int64_t since_ns, skip_ns;

	struct arena *arena;
	struct sdjournal *journal;
	struct buf block, labels, body;
	VEC(struct name) names; /* what the regexes said */
	char own_unit[256]; /* the service that this process belongs to */

	uint64_t n_records, next_cut; /* since the start; index into cuts */
	uint32_t in_block;
	int64_t last_us_ns;  /* time of the last record, and how many before it had the same */
	unsigned same_time;
	int64_t own_second;
	unsigned own_count;

	/* The count of sequence numbers. */
	bool anchored, suspect, suspect_damage;
	struct sdjournal_place anchor;
	uint64_t since_anchor, accounted;
	unsigned incomplete; /* how often numbers were missing because files are */

	int64_t progress_at_ns;
	bool unread_news; /* the journal has changed since the last progress */
	unsigned state;   /* of the last scan: which note was sent */
	bool told_damaged, told_unsupported;
};

/* ---- The request ---- */

static struct name
make_name(struct str s, bool wanted)
{
	struct name n = {.len = (uint8_t)(s.len < FIELD_NAME_BYTES_MAX ? s.len : FIELD_NAME_BYTES_MAX), .wanted = wanted};

	memcpy(n.text, s.s, n.len);
	return n;
}

static bool
take_ask(struct reader *r, const struct journal_frame *frame, struct str body)
{
	struct str error;
	size_t offset;
	struct regex *regex;
	uint64_t cut;

	switch (frame->kind) {
	case JOURNAL_ASK_PATH:
		r->options.path = arena_z(r->arena, body);
		return true;
	case JOURNAL_ASK_NAMESPACE:
		r->options.name_space = arena_z(r->arena, body);
		return true;
	case JOURNAL_ASK_MATCH:
		vec_push(&r->matches, arena_str(r->arena, body));
		return true;
	case JOURNAL_ASK_OR:
	case JOURNAL_ASK_AND:
		vec_push(&r->matches, frame->kind == JOURNAL_ASK_OR ? STR("+") : STR("&"));
		return true;
	case JOURNAL_ASK_FIELD:
		vec_push(&r->fields, make_name(body, true));
		return true;
	case JOURNAL_ASK_FIELD_REGEX:
		regex = regex_compile(r->arena, body, REGEX_ANCHORED, &error, &offset);
		vec_push(&r->regexes, regex);
		return regex != NULL;
	case JOURNAL_ASK_ALL_FIELDS:
		r->all_fields = true;
		return true;
	case JOURNAL_ASK_OWN_LINES:
		r->own_lines = true;
		return true;
	case JOURNAL_ASK_CURSOR:
		(void)snprintf(r->cursor, sizeof(r->cursor), "%.*s", STR_FMT(body));
		return body.len < sizeof(r->cursor);
	case JOURNAL_ASK_SINCE:
		memcpy(&r->since_ns, body.s, body.len < sizeof(r->since_ns) ? body.len : sizeof(r->since_ns));
		return body.len == sizeof(r->since_ns);
	case JOURNAL_ASK_SKIP:
		memcpy(&r->skip_ns, body.s, body.len < sizeof(r->skip_ns) ? body.len : sizeof(r->skip_ns));
		return body.len == sizeof(r->skip_ns);
	case JOURNAL_ASK_CUT:
		memcpy(&cut, body.s, body.len < sizeof(cut) ? body.len : sizeof(cut));
		vec_push(&r->cuts, cut);
		return body.len == sizeof(cut);
	default:
		return false;
	}
}

static bool
read_request(struct reader *r)
{
	struct buf bytes;
	struct journal_frame frame;
	struct str in, body;
	bool ok = true;
	int got = -1;

	buf_init(&bytes, JOURNAL_WIRE_REQUEST_BYTES_MAX);
	for (;;) {
		ssize_t n;

		if (!buf_reserve(&bytes, 4096))
			break;
		n = pread(REQUEST_FD, bytes.data + bytes.len, 4096, (off_t)bytes.len);
		if (n <= 0)
			break;
		bytes.len += (size_t)n;
	}
	(void)close(REQUEST_FD);
	in = buf_view(&bytes);
	while (ok && (got = journal_wire_take(&in, &frame, &body)) > 0)
		ok = take_ask(r, &frame, body);
	buf_done(&bytes);
	return ok && got == 0 && in.len == 0;
}

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

static void
count_lost(struct reader *r, struct journal_end *end)
{
	struct sdjournal_place now;
	uint64_t passed, missing;

	if (r->matches.len > 0 || !sdjournal_cursor_place(str_from(r->cursor), &now))
		return;
	if (!r->anchored || memcmp(now.seqnum_id, r->anchor.seqnum_id, sizeof(now.seqnum_id)) != 0 || now.seqnum < r->anchor.seqnum) {
		r->anchored = true;
		r->anchor = now;
		r->since_anchor = r->accounted = 0;
		r->suspect = r->suspect_damage = false;
		return;
	}
	passed = now.seqnum - r->anchor.seqnum;
	missing = passed > r->since_anchor ? passed - r->since_anchor : 0;
	if (missing > r->accounted && !r->suspect && r->incomplete < INCOMPLETE_MAX) {
		r->suspect = r->suspect_damage = sdjournal_complete(&r->options, now.seqnum_id);
		r->incomplete += !r->suspect;
	}
	if (missing > r->accounted && r->suspect) {
		end->lost = missing - r->accounted;
		end->lost_from = r->anchor.seqnum + r->accounted;
		end->lost_to = now.seqnum;
		end->damaged = r->suspect_damage;
	}
	r->suspect = r->suspect_damage = false;
	r->accounted = missing;
}

/* Ends the block behind the current entry and sends it. */
static int
end_block(struct reader *r)
{
	struct journal_end end = {.records = r->in_block};
	char cursor[JOURNAL_CURSOR_BYTES_MAX + 1];
	struct buf text;
	int err;

	if (r->in_block == 0)
		return 0;
	err = sdjournal_cursor(r->journal, cursor);
	if (err < 0)
		return err;
	(void)snprintf(r->cursor, sizeof(r->cursor), "%s", cursor);
	count_lost(r, &end);
	buf_init(&text, sizeof(r->cursor) + 16);
	(void)buf_z(&text, r->cursor);
	if (r->same_time > 0)
		(void)buf_printf(&text, ";k=%u", r->same_time);
	(void)journal_wire_put(&r->block, JOURNAL_END, &end, sizeof(end), buf_view(&text));
	buf_done(&text);
	send(r);
	return 0;
}

/* ---- A record ---- */

static bool
regex_wants(struct reader *r, struct str name)
{
	struct name known;
	char label[sizeof("__journal_") + FIELD_NAME_BYTES_MAX] = "__journal_";
	size_t at = strlen(label);

	if (name.len > FIELD_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < r->names.len; i++)
		if (r->names.items[i].len == name.len && memcmp(r->names.items[i].text, name.s, name.len) == 0)
			return r->names.items[i].wanted;
	known = make_name(name, false);
	for (size_t i = 0; i < name.len; i++)
		label[at++] = (char)(name.s[i] >= 'A' && name.s[i] <= 'Z' ? name.s[i] + 32 : name.s[i]);
	for (size_t i = 0; i < r->regexes.len && !known.wanted; i++)
		known.wanted = regex_test(r->regexes.items[i], (struct str){label, at}) == REGEX_YES ||
			(str_is(name, "PRIORITY") && regex_test(r->regexes.items[i], STR("__journal_priority_keyword")) == REGEX_YES);
	if (r->names.len < NAMES_KNOWN_MAX)
		vec_push(&r->names, known);
	return known.wanted;
}

static bool
is_wanted(struct reader *r, struct str name)
{
	for (size_t i = 0; i < r->fields.len; i++) {
		const struct name *f = &r->fields.items[i];

		if (f->len == name.len && memcmp(f->text, name.s, name.len) == 0)
			return true;
	}
	return r->regexes.len > 0 && regex_wants(r, name);
}

struct entry {
	struct journal_record head;
	bool has_message, of_own_unit, of_own_program;
};

static struct str
cut(struct entry *e, struct str value, size_t max)
{
	if (value.len > max)
		e->head.flags |= JOURNAL_RECORD_CUT;
	return str_head(value, max);
}

static void
take_field(struct reader *r, struct entry *e, struct str name, struct str value)
{
	if (r->all_fields) {
		if (!journal_wire_put_field(&r->body, name, cut(e, value, JOURNAL_FIELD_BYTES_MAX)))
			e->head.flags |= JOURNAL_RECORD_CUT;
	} else if (str_is(name, "MESSAGE")) {
		buf_clear(&r->body);
		e->has_message = value.len > 0;
		(void)buf_str(&r->body, cut(e, value, JOURNAL_FIELD_BYTES_MAX));
	}
	if (is_wanted(r, name))
		(void)journal_wire_put_field(&r->labels, name, str_head(value, JOURNAL_WIRE_LABEL_BYTES_MAX));
	if (name.len == 13 && str_is(name, "_SYSTEMD_UNIT"))
		e->of_own_unit = str_is(value, "longship.service") || str_is(value, r->own_unit);
	else if (name.len == 5 && str_is(name, "_COMM"))
		e->of_own_program = str_is(value, "longship");
}

/* Times of the journal are microseconds: entries of one and the same are told apart by nanoseconds, also when reading goes on between
 * them, else Loki would take two equal lines for one. */
static int64_t
spread_time(struct reader *r, int64_t ns)
{
	if (ns == r->last_us_ns)
		r->same_time++;
	else
		r->same_time = 0;
	r->last_us_ns = ns;
	return ns + (r->same_time < NS_PER_US ? r->same_time : NS_PER_US - 1);
}

/* Own lines beyond the rate, or all of them where none is wanted. Counted in the journal's time, so that reading again decides the same. */
static bool
leave_out_own(struct reader *r, const struct entry *e, int64_t ns)
{
	if (!e->of_own_unit || !e->of_own_program)
		return false;
	if (!r->own_lines)
		return true;
	if (ns / NS_PER_S != r->own_second) {
		r->own_second = ns / NS_PER_S;
		r->own_count = 0;
	}
	return ++r->own_count > OWN_PER_SECOND;
}

static int
put_record(struct reader *r)
{
	struct entry e = {0};
	struct journal_frame frame = {.kind = JOURNAL_RECORD};
	struct str name, value;
	int64_t ns;
	int err = sdjournal_realtime(r->journal, &ns);

	if (err < 0)
		return err;
	buf_clear(&r->labels);
	buf_clear(&r->body);
	sdjournal_fields_again(r->journal);
	while (sdjournal_field(r->journal, &name, &value))
		take_field(r, &e, name, value);
	e.head.ts_ns = spread_time(r, ns);
	if (leave_out_own(r, &e, ns)) {
		e.head.flags = JOURNAL_RECORD_OWN;
		buf_clear(&r->labels);
		buf_clear(&r->body);
	} else if (!r->all_fields && !e.has_message) {
		e.head.flags |= JOURNAL_RECORD_NO_MESSAGE;
	}
	e.head.label_bytes = (uint32_t)r->labels.len;
	frame.bytes = (uint32_t)(sizeof(e.head) + r->labels.len + r->body.len);
	(void)buf_append(&r->block, &frame, sizeof(frame));
	(void)buf_append(&r->block, &e.head, sizeof(e.head));
	(void)buf_str(&r->block, buf_view(&r->labels));
	(void)buf_str(&r->block, buf_view(&r->body));
	assert(!r->block.overflow);
	r->in_block++;
	r->n_records++;
	r->since_anchor++;
	return 0;
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

/* The cursor's entry is no longer there. Behind its place the journal goes on, unless it ends before: then its files were lost, or
 * the clock was set back and other files were begun; rather everything again than nothing. */
static int
go_on_without(struct reader *r)
{
	struct sdjournal_place place, newest;
	char cursor[JOURNAL_CURSOR_BYTES_MAX + 1];
	int err = sdjournal_next(r->journal);

	note(r, JOURNAL_NOTE_CURSOR_GONE, 0, STR_EMPTY);
	r->suspect = true;
	if (err == 0 && sdjournal_seek_tail(r->journal) > 0 && sdjournal_cursor(r->journal, cursor) >= 0 &&
		sdjournal_cursor_place(str_from(cursor), &newest) && sdjournal_cursor_place(str_from(r->cursor), &place)) {
		if (memcmp(newest.seqnum_id, place.seqnum_id, sizeof(place.seqnum_id)) == 0)
			return 0; /* stands on the newest */
		r->anchored = false;
		return sdjournal_seek_realtime(r->journal, r->since_ns);
	}
	return sdjournal_seek_cursor(r->journal, r->cursor);
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
seek_start(struct reader *r)
{
	struct sdjournal_place place;
	int err;

	if (r->cursor[0] == '\0') {
		err = sdjournal_seek_realtime(r->journal, r->since_ns + r->skip_ns);
		r->skip_ns = 0;
		return err;
	}
	if (sdjournal_cursor_place(str_from(r->cursor), &place)) {
		if (!r->anchored) {
			r->anchored = true;
			r->anchor = place;
		}
		r->last_us_ns = place.realtime_ns;
	}
	err = sdjournal_seek_cursor(r->journal, r->cursor);
	if (err == 0)
		err = go_on_without(r);
	if (err >= 0)
		err = skip_ahead(r);
	r->skip_ns = 0;
	return err;
}

/* Opens the journal, again where it was open, at the cursor. */
static int
open_journal(struct reader *r)
{
	int err;

	sdjournal_close(r->journal);
	r->journal = NULL;
	note_files(r);
	err = sdjournal_open(&r->options, &r->journal);
	if (err >= 0)
		err = add_matches(r, r->journal);
	if (err >= 0)
		err = seek_start(r);
	if (err < 0)
		note_failure(r, "cannot open the journal", err);
	return err;
}

/* A mapped file was cut shorter: what was read into the block is not to be trusted. */
static int
start_over(struct reader *r)
{
	r->n_records -= r->in_block;
	r->since_anchor -= r->in_block;
	while (r->next_cut > 0 && r->cuts.items[r->next_cut - 1] > r->n_records)
		r->next_cut--;
	buf_clear(&r->block);
	r->in_block = 0;
	r->suspect = r->suspect_damage = true;
	note(r, JOURNAL_NOTE_TRUNCATED, 0, STR_EMPTY);
	r->same_time = split_cursor(r->cursor);
	return open_journal(r);
}

/* Reads what there is. */
static int
read_all(struct reader *r)
{
	int got = 0, err = 0;

	while (err >= 0 && (got = sdjournal_next(r->journal)) > 0) {
		err = put_record(r);
		if (sdjournal_guard_tripped()) {
			err = start_over(r);
			continue;
		}
		if (err == -EBADMSG || err == -EADDRNOTAVAIL) {
			r->suspect = r->suspect_damage = true;
			err = 0; /* this entry is damaged, the next need not be */
			continue;
		}
		if (err >= 0 && block_is_full(r))
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
	err = sdjournal_wait(r->journal, STDIN_FILENO, 0, &change);
	if (err >= 0)
		err = read_all(r);
	/* The cursor of a record that came meanwhile is at least as new. */
	if (err >= 0 && r->n_records == before) {
		(void)journal_wire_put(&r->block, JOURNAL_PROGRESS, NULL, 0, str_from(cursor));
		send(r);
	}
	return err;
}

static int
wait_ms(const struct reader *r)
{
	int64_t left;

	if (!can_read(r))
		return LOOK_AGAIN_MS;
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
	if (read_request(&r)) {
		r.same_time = split_cursor(r.cursor);
		find_own_unit(&r);
		status = follow(&r);
	} else {
		fprintf(stderr, "longship journal-reader: started by longship itself, for loki.source.journal\n");
	}
	sdjournal_close(r.journal);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loki.source.journal: one journal is one source stream (feed), whose records come from a reader process (helper). Nothing is
 * polled: the reader sleeps on the journal's own descriptor, the control loop on the reader's pipe. A reader that dies is started
 * again behind its last block, at once when it had got on, else more and more slowly; when it dies again and again at one place,
 * that place is passed over by a growing stretch of time, which the sequence numbers then show as damaged entries.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "feed.h"
#include "helper.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/codec/yaml.h"
#include "longship/flow/component.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/os/file.h"
#include "longship/os/journal_wire.h"
#include "longship/os/loop.h"
#include "longship/positions/positions.h"
#include "selection.h"

#define RESTART_NS (100 * NS_PER_MS)     /* doubled with each death at one place */
#define RESTART_DOUBLINGS_MAX 7          /* 12.8 s */
#define DEATHS_BEFORE_SKIP 2
#define SKIP_NS NS_PER_MS                /* four times as much with each further death */
#define SKIP_DOUBLINGS_MAX 26            /* 18 hours */
#define LEGACY_FILE_BYTES_MAX (64u << 20)

struct legacy_args {
	struct str file, name;
};

struct journal_args {
	struct ptr_list forward_to;
	struct str path, name_space, matches;
	int64_t max_age_ns;
	bool format_as_json;
	struct str_map labels;
	void *relabel_rules;
	struct legacy_args *legacy_position;
};

static const struct arg_spec legacy_spec[] = {
	{.name = "file", .kind = ARG_STRING, .flags = ARG_REQUIRED, .offset = offsetof(struct legacy_args, file),
		.doc = "Promtail's positions file."},
	{.name = "name", .kind = ARG_STRING, .flags = ARG_REQUIRED, .offset = offsetof(struct legacy_args, name),
		.doc = "Name of the scrape job whose cursor is taken over."},
	{0},
};

static const struct arg_spec spec[] = {
	{.name = "forward_to", .kind = ARG_CAPSULE_LIST, .flags = ARG_REQUIRED, .offset = offsetof(struct journal_args, forward_to),
		.capsule = &capsule_logs_receiver, .doc = "Receivers of the entries."},
	{.name = "format_as_json", .kind = ARG_BOOL, .offset = offsetof(struct journal_args, format_as_json), .fallback = "false",
		.doc = "Whether a line is all fields as a JSON object, not the message."},
	{.name = "max_age", .kind = ARG_DURATION, .offset = offsetof(struct journal_args, max_age_ns), .fallback = "\"7h\"", .min = 0,
		.max = INT64_MAX, .doc = "How far back reading begins where no cursor is stored; with one it always goes on there."},
	{.name = "path", .kind = ARG_STRING, .offset = offsetof(struct journal_args, path), .fallback = "\"\"",
		.doc = "Directory of journal files; empty for the journals of this machine."},
	{.name = "namespace", .kind = ARG_STRING, .offset = offsetof(struct journal_args, name_space), .fallback = "\"\"",
		.doc = "Journal namespace to read; \"*\" for all of them. Not in Alloy."},
	{.name = "matches", .kind = ARG_STRING, .offset = offsetof(struct journal_args, matches), .fallback = "\"\"",
		.doc = "Matches FIELD=value, separated by spaces: of one field any, of several fields all; \"+\" between two groups means or."},
	{.name = "labels", .kind = ARG_STRING_MAP, .offset = offsetof(struct journal_args, labels), .fallback = "{}",
		.doc = "Labels for all entries."},
	{.name = "relabel_rules", .kind = ARG_CAPSULE, .offset = offsetof(struct journal_args, relabel_rules),
		.capsule = &capsule_relabel_rules, .doc = "Rules for the labels of each entry, where each field stands as __journal_NAME."},
	{.name = "legacy_position", .kind = ARG_BLOCK, .offset = offsetof(struct journal_args, legacy_position), .sub = legacy_spec,
		.sub_size = sizeof(struct legacy_args), .doc = "Takes over the cursor of a Promtail, once."},
	{0},
};

struct journal_source {
	struct component *component;
	const struct journal_args *args;
	struct ptr_list forward_to; /* own copy: lanes read it */
	struct ledger *ledger;
	struct feed *feed;
	struct feed_metrics metrics;
	struct helper helper;
	struct loop_watch *watch;
	struct loop_timer *restart;
	int64_t since_ns; /* where reading begins without a cursor */
	unsigned deaths;  /* of readers that did not get on */
	bool by_signal;   /* the last one */
	unsigned health;  /* the last note about what can be read */
};

/* ---- The reader ---- */

static void
on_answer(void *ptr, int fd, uint32_t events)
{
	struct journal_source *s = ptr;

	(void)fd;
	(void)events;
	lane_wake(&s->feed->stream);
}

static bool
write_request(const struct journal_source *s, struct buf *request)
{
	const struct journal_args *a = s->args;
	unsigned doublings = s->deaths > DEATHS_BEFORE_SKIP ? 2 * (s->deaths - DEATHS_BEFORE_SKIP - 1) : 0;
	int64_t skip_ns = SKIP_NS << (doublings < SKIP_DOUBLINGS_MAX ? doublings : SKIP_DOUBLINGS_MAX);
	bool ok = true;

	if (a->path.len > 0)
		ok = journal_wire_put(request, JOURNAL_ASK_PATH, NULL, 0, a->path);
	if (a->name_space.len > 0)
		ok = ok && journal_wire_put(request, JOURNAL_ASK_NAMESPACE, NULL, 0, a->name_space);
	if (a->format_as_json)
		ok = ok && journal_wire_put(request, JOURNAL_ASK_ALL_FIELDS, NULL, 0, STR_EMPTY);
	ok = ok && selection_write(request, a->matches, a->relabel_rules, &a->labels);
	ok = ok && journal_wire_put(request, JOURNAL_ASK_SINCE, &s->since_ns, sizeof(s->since_ns), STR_EMPTY);
	if (s->by_signal && s->deaths > DEATHS_BEFORE_SKIP)
		ok = ok && journal_wire_put(request, JOURNAL_ASK_SKIP, &skip_ns, sizeof(skip_ns), STR_EMPTY);
	return ok && feed_write_start(s->feed, request);
}

static void
end_reader(struct journal_source *s)
{
	atomic_store(&s->feed->fd, -1);
	loop_watch_free(s->watch);
	s->watch = NULL;
	loop_timer_stop(s->restart);
}

static void
start_reader(void *ptr)
{
	struct journal_source *s = ptr;
	struct buf request;
	int r;

	buf_init(&request, JOURNAL_WIRE_REQUEST_BYTES_MAX);
	s->feed->moved = s->feed->broken = s->feed->given_up = false;
	r = write_request(s, &request) ? helper_start(&s->helper, buf_view(&request)) : -E2BIG;
	buf_done(&request);
	if (r >= 0) {
		r = loop_watch_new(s->component->runtime->loop, s->helper.out, EPOLLIN | (uint32_t)EPOLLET, on_answer, s, &s->watch);
		if (r < 0)
			(void)helper_end(&s->helper);
	}
	if (r < 0) {
		log_error(s->component->id, "cannot start the journal reader; it is tried again", "err", strerror(-r), NULL);
		component_set_health(s->component, HEALTH_UNHEALTHY, "cannot start the journal reader: %s", strerror(-r));
		loop_timer_start(s->restart, RESTART_NS << RESTART_DOUBLINGS_MAX, 0);
		return;
	}
	atomic_store(&s->feed->fd, s->helper.out);
	lane_wake(&s->feed->stream);
}

static void
describe_end(int status, bool broken, char text[64])
{
	if (broken)
		(void)snprintf(text, 64, "its answer cannot be read");
	else if (WIFSIGNALED(status))
		(void)snprintf(text, 64, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snprintf(text, 64, "exit status %d", WEXITSTATUS(status));
}

/* The lane has let the reader go. */
static void
on_end(void *owner)
{
	struct journal_source *s = owner;
	const char *reason = "signal";
	char why[64];
	int status;

	if (atomic_load(&s->feed->fd) >= 0 || s->helper.pid == 0)
		return;
	loop_watch_free(s->watch);
	s->watch = NULL;
	status = helper_end(&s->helper);
	if (s->feed->given_up) {
		start_reader(s);
		return;
	}
	s->by_signal = s->feed->broken || WIFSIGNALED(status);
	s->deaths = s->feed->moved ? 0 : s->deaths + 1;
	if (s->feed->broken)
		reason = "protocol";
	else if (!WIFSIGNALED(status))
		reason = "error";
	metric_add(metric_get(s->component->runtime->metrics, METRIC_COUNTER, "longship_journal_reader_restarts_total",
			   "Reader processes that had to be started again.", s->component->id, "reason", reason, NULL), 1);
	describe_end(status, s->feed->broken, why);
	log_warn(s->component->id, "the journal reader has ended; another one goes on behind its last entry", "why", why, NULL);
	if (s->deaths == 0)
		start_reader(s);
	else
		loop_timer_start(s->restart, RESTART_NS << (s->deaths < RESTART_DOUBLINGS_MAX ? s->deaths - 1 : RESTART_DOUBLINGS_MAX), 0);
}

/* ---- What it notes ---- */

static void
say_denied(struct journal_source *s, const char *path, bool partly)
{
	const struct passwd *user = getpwuid(geteuid());
	char hint[256];

	(void)snprintf(hint, sizeof(hint), "usermod -aG systemd-journal %s && systemctl restart longship",
		user != NULL && user->pw_uid != 0 ? user->pw_name : "longship");
	if (partly) {
		log_warn(s->component->id, "some journal files may not be read", "path", path, "hint", hint, NULL);
		component_set_health(s->component, HEALTH_HEALTHY, "reading, but not %s: %s", path, hint);
		return;
	}
	log_error(s->component->id, "the journal may not be read; it is tried again", "path", path, "hint", hint, NULL);
	component_set_health(s->component, HEALTH_UNHEALTHY, "may not read %s: %s", path, hint);
}

static void
say_unsupported(struct journal_source *s, const char *text)
{
	struct str path, flags;
	char file[512];

	(void)str_cut(str_from(text), '\n', &path, &flags);
	(void)snprintf(file, sizeof(file), "%.*s", STR_FMT(path));
	log_error(s->component->id, "a journal file was written by a newer or differently built systemd, whose format this libsystemd cannot read",
		"path", file, "flags", flags.s, "hint", "run longship with a libsystemd at least as new as the journald that wrote it", NULL);
	component_set_health(s->component, HEALTH_UNHEALTHY, "cannot read %s: %s", file, flags.s);
}

static void
on_note(void *owner, uint32_t kind, int64_t number, const char *text)
{
	struct journal_source *s = owner;
	const char *id = s->component->id;
	const char *where = s->args->path.len > 0 ? s->args->path.s : "/var/log/journal, /run/log/journal";

	switch (kind) {
	case JOURNAL_NOTE_READING:
		log_info(id, "reading the journal", "files", log_i64(number), "path", where, NULL);
		component_set_health(s->component, HEALTH_HEALTHY, "reading %" PRId64 " files", number);
		break;
	case JOURNAL_NOTE_NO_FILES:
		log_warn(id, "there are no journal files; they are looked for again", "path", where, "hint",
			number > 0 ? "there are journals of other machines or namespaces: set path to their directory, or namespace"
				   : "is journald running, and its directory mounted here?", NULL);
		component_set_health(s->component, HEALTH_UNHEALTHY, "no journal files in %s", where);
		break;
	case JOURNAL_NOTE_DENIED:
	case JOURNAL_NOTE_PARTLY_DENIED:
		say_denied(s, text, kind == JOURNAL_NOTE_PARTLY_DENIED);
		break;
	case JOURNAL_NOTE_UNSUPPORTED:
		say_unsupported(s, text);
		break;
	case JOURNAL_NOTE_DAMAGED:
		metric_add(s->metrics.corrupt, (uint64_t)number);
		log_warn(id, "a journal file is damaged and left out", "path", text, "files", log_i64(number), "hint", "journalctl --verify", NULL);
		break;
	case JOURNAL_NOTE_TRUNCATED:
		log_warn(id, "a journal file was cut while it was read; reading goes on behind the last good entry", NULL);
		break;
	case JOURNAL_NOTE_SKIPPED:
		log_warn(id, "entries that ended the reader several times are passed over", "nanoseconds", log_i64(number), NULL);
		break;
	case JOURNAL_NOTE_CURSOR_GONE:
		log_warn(id, "the entry that was read last is no longer in the journal; reading goes on at the next", NULL);
		break;
	case JOURNAL_NOTE_FAILED:
		log_error(id, text, "err", strerror((int)number), NULL);
		component_set_health(s->component, HEALTH_UNHEALTHY, "%s: %s", text, strerror((int)number));
		break;
	default:
		break;
	}
}

/* ---- Positions ---- */

/* 0: *ret_cursor is the cursor, or empty; else component_fail was called. */
static int
read_legacy(struct component *c, const struct legacy_args *legacy, struct arena *arena, struct str *ret_cursor)
{
	struct yaml_tree_error error;
	const struct yaml_tree *doc, *value;
	const char *path = arena_z(arena, legacy->file);
	struct buf text;
	int r;

	*ret_cursor = STR_EMPTY;
	buf_init(&text, LEGACY_FILE_BYTES_MAX);
	r = file_read(path, &text);
	if (r == -ENOENT) {
		buf_done(&text);
		return 0;
	}
	if (r < 0) {
		buf_done(&text);
		return component_fail(c, r, "legacy positions file %s could not be read, refusing to start: %s", path, strerror(-r));
	}
	doc = yaml_tree_parse(arena, buf_view(&text), &error);
	value = yaml_tree_get(yaml_tree_get(doc, STR("positions")), arena_printf(arena, "cursor-%.*s", STR_FMT(legacy->name)));
	if (value != NULL)
		*ret_cursor = arena_str(arena, value->text);
	buf_done(&text);
	if (doc == NULL)
		return component_fail(c, -EINVAL, "legacy positions file %s could not be read, refusing to start: line %" PRIu32 ": %.*s", path,
			error.line, STR_FMT(error.text));
	return 0;
}

static bool
take_cursor(struct feed *f, struct str cursor)
{
	if (cursor.len == 0 || cursor.len >= sizeof(f->cursor))
		return false;
	memcpy(f->cursor, cursor.s, cursor.len);
	f->cursor[cursor.len] = '\0';
	return true;
}

/* Where the stream stands: at its stored cursor, at Promtail's, or max_age back. */
static int
restore(struct journal_source *s, const struct journal_args *args, struct arena *arena)
{
	struct feed *f = s->feed;
	struct str cursor;
	int r;

	s->since_ns = clock_now_ns() - args->max_age_ns;
	if (stream_restore(&f->stream) && f->stream.position_cursor != NULL)
		(void)take_cursor(f, str_from(f->stream.position_cursor));
	f->offset = f->stream.read_offset;
	if (f->cursor[0] != '\0' || args->legacy_position == NULL)
		return 0;
	r = read_legacy(s->component, args->legacy_position, arena, &cursor);
	if (r >= 0 && take_cursor(f, cursor)) {
		f->stream.position_cursor = memcpy(mem_alloc(cursor.len + 1), f->cursor, cursor.len + 1);
		progress_note(&f->stream); /* it is stored even if nothing new comes before the next start */
		log_info(s->component->id, "took over Promtail's cursor", "cursor", f->cursor, NULL);
	}
	return r;
}

static int
open_feed(struct journal_source *s, const struct journal_args *args)
{
	struct component *c = s->component;
	struct arena *arena = arena_new(0);
	struct str key = arena_printf(arena, "journal|%s|%.*s|%.*s", c->id, STR_FMT(args->path), STR_FMT(args->name_space));
	struct str name = arena_printf(arena, "cursor-%s", c->id);
	int r;

	if (c->runtime->positions != NULL)
		positions_declare(c->runtime->positions, key, name, STR_EMPTY);
	s->feed = feed_new(c->runtime, s->ledger, key, name.s, &s->forward_to);
	s->feed->metrics = s->metrics;
	s->feed->on_end = on_end;
	s->feed->on_note = on_note;
	s->feed->owner = s;
	r = restore(s, args, arena);
	arena_free(arena);
	return r;
}

/* The lanes are parked. */
static void
close_feed(struct journal_source *s)
{
	s->feed->owner = NULL;
	lanes_evict(s->component->runtime->lanes, &s->feed->stream);
	stream_unref(&s->feed->stream);
	s->feed = NULL;
}

/* ---- The component ---- */

static bool
check(const void *ptr, struct src_pos at, struct diags *diags)
{
	const struct journal_args *args = ptr;
	struct arena *arena = arena_new(0);
	const char *fault = selection_check_matches(arena, args->matches);

	if (fault == NULL && args->path.len > 0 && args->name_space.len > 0)
		fault = "path and namespace exclude each other: a namespace is a directory of its own, MACHINE-ID.NAMESPACE";
	if (fault == NULL && (memchr(args->path.len > 0 ? args->path.s : "x", '\0', args->path.len) != NULL ||
				     args->path.len + args->name_space.len > POSITIONS_KEY_BYTES_MAX / 2))
		fault = "path is no file name";
	for (size_t i = 0; i < args->name_space.len && fault == NULL; i++)
		if (args->name_space.s[i] == '/' || args->name_space.s[i] == '\0')
			fault = "namespace holds a character that none can have";
	if (fault != NULL)
		diag_error(diags, at, "%s", fault);
	arena_free(arena);
	return fault == NULL;
}

static void
make_metrics(struct journal_source *s)
{
	const char *id = s->component->id;
	struct metrics *m = s->component->runtime->metrics;
	const char *errors = "loki_source_journal_target_parsing_errors_total";
	const char *errors_help = "Total number of parsing errors while reading journal messages";
	const char *abandoned = "longship_source_abandoned_entries_total";
	const char *abandoned_help = "Entries that were lost before they could be read.";

	s->metrics = (struct feed_metrics){
		.lines = metric_get(m, METRIC_COUNTER, "loki_source_journal_target_lines_total", "Total number of successful journal lines read", id, NULL),
		.no_message = metric_get(m, METRIC_COUNTER, errors, errors_help, id, "error", "no_message", NULL),
		.empty_labels = metric_get(m, METRIC_COUNTER, errors, errors_help, id, "error", "empty_labels", NULL),
		.gap = metric_get(m, METRIC_COUNTER, "longship_journal_gap_total", "Journal entries that were removed before they were read.", id, NULL),
		.corrupt = metric_get(m, METRIC_COUNTER, "longship_journal_corrupt_entries_total",
			"Damaged journal entries, and damaged journal files that are left out.", id, NULL),
		.abandoned_removed = metric_get(m, METRIC_COUNTER, abandoned, abandoned_help, id, "reason", "removed", NULL),
		.abandoned_damaged = metric_get(m, METRIC_COUNTER, abandoned, abandoned_help, id, "reason", "damaged", NULL),
		.synthetic = metric_get(m, METRIC_COUNTER, "longship_entries_synthetic_total", "Lines that longship itself added.", id, "reason",
			"journal_gap", NULL),
		.cut = metric_get(m, METRIC_COUNTER, "longship_source_lines_split_total", "Pieces of lines that are longer than the limit.", id, NULL),
	};
}

static void
take_args(struct journal_source *s, const struct journal_args *args)
{
	s->args = args;
	mem_free(s->forward_to.items);
	s->forward_to.n = args->forward_to.n;
	s->forward_to.items = mem_alloc(args->forward_to.n * sizeof(void *));
	if (args->forward_to.n > 0)
		memcpy(s->forward_to.items, args->forward_to.items, args->forward_to.n * sizeof(void *));
	s->feed->mapping = (struct mapping){.job = str_from(s->component->id), .labels = &args->labels, .rules = args->relabel_rules};
	s->feed->as_json = args->format_as_json;
}

static int
start(struct component *c, const void *ptr)
{
	const struct journal_args *args = ptr;
	struct journal_source *s = c->state;
	int r;

	s->component = c;
	s->helper = HELPER_NONE;
	s->ledger = ledger_new(c->runtime->metrics, c->id);
	make_metrics(s);
	r = loop_timer_new(c->runtime->loop, start_reader, s, &s->restart);
	if (r < 0)
		return component_fail(c, r, "cannot make a timer: %s", strerror(-r));
	r = open_feed(s, args);
	if (r < 0)
		return r;
	take_args(s, args);
	lanes_add(c->runtime->lanes, &s->feed->stream, LANE_ANY);
	start_reader(s);
	return 0;
}

static void
update(struct component *c, const void *old_ptr, const void *ptr)
{
	const struct journal_args *args = ptr, *old = old_ptr;
	struct journal_source *s = c->state;
	bool other = !str_eq(args->path, old->path) || !str_eq(args->name_space, old->name_space);

	lanes_park(c->runtime->lanes);
	end_reader(s);
	(void)helper_end(&s->helper);
	if (other) {
		close_feed(s);
		/* A legacy position is for the first start. */
		struct journal_args without = *args;

		without.legacy_position = NULL;
		(void)open_feed(s, &without);
	} else {
		feed_forget(s->feed);
	}
	take_args(s, args);
	s->deaths = 0;
	if (other)
		lanes_add(c->runtime->lanes, &s->feed->stream, LANE_ANY);
	lanes_resume(c->runtime->lanes);
	start_reader(s);
}

static void
stop(struct component *c)
{
	struct journal_source *s = c->state;

	if (s->component == NULL)
		return;
	lanes_park(c->runtime->lanes);
	if (s->feed != NULL) {
		end_reader(s);
		(void)helper_end(&s->helper);
		close_feed(s);
	}
	lanes_resume(c->runtime->lanes);
	loop_timer_free(s->restart);
	ledger_unref(s->ledger);
	mem_free(s->forward_to.items);
	s->component = NULL;
}

const struct component_type loki_source_journal = {
	.name = "loki.source.journal",
	.flags = COMPONENT_SOURCE | COMPONENT_FORWARDS,
	.args = spec,
	.args_size = sizeof(struct journal_args),
	.state_size = sizeof(struct journal_source),
	.doc = "Reads systemd's journal and forwards its entries.",
	.check = check,
	.start = start,
	.update = update,
	.stop = stop,
};

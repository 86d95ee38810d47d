/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "catalog_priv.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/hash.h"
#include "longship/codec/timefmt.h"
#include "longship/flow/memory.h"

/*
 * stage.timestamp: an extracted value becomes the time of the entry (reference 8.28). What "fudge" needs to
 * know, the last time of each label set, is kept in the stream's memory, so that reading a range again gives
 * the same times. Within a batch it stands in a small cache in front of that memory; its places and the order of
 * writing back depend on the labels' hash alone, so that they are the same in every run.
 */

struct timestamp_args {
	struct str source, format;
	struct str_list fallback_formats;
	struct str location, on_failure, on_duplicate;
};

static const struct arg_spec args[] = {
	{.name = "source",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct timestamp_args, source),
		.doc = "Extracted value that holds the time."},
	{.name = "format",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct timestamp_args, format),
		.doc = "Name of a format (RFC3339, Unix, UnixMs, …) or a Go time layout."},
	{.name = "fallback_formats",
		.kind = ARG_STRING_LIST,
		.offset = offsetof(struct timestamp_args, fallback_formats),
		.doc = "Formats to try when the first does not fit."},
	{.name = "location",
		.kind = ARG_STRING,
		.offset = offsetof(struct timestamp_args, location),
		.doc = "IANA name of the time zone of layouts that say none."},
	{.name = "action_on_failure",
		.kind = ARG_STRING,
		.offset = offsetof(struct timestamp_args, on_failure),
		.fallback = "\"fudge\"",
		.doc = "What to do when the time cannot be read: \"fudge\" (last time of the label set + 1 ns) or "
		       "\"skip\"."},
	{.name = "action_on_duplicate_timestamp",
		.kind = ARG_STRING,
		.offset = offsetof(struct timestamp_args, on_duplicate),
		.fallback = "\"fudge\"",
		.doc = "What to do with a time equal to the one before: \"fudge\" (+ 1 ns) or \"keep\"."},
	{0},
};

enum format_kind {
	FORMAT_RFC3339,
	FORMAT_LAYOUT,
	FORMAT_LAYOUT_WITHOUT_YEAR,
	FORMAT_UNIX,
	FORMAT_UNIX_MS,
	FORMAT_UNIX_US,
	FORMAT_UNIX_NS
};

struct format {
	enum format_kind kind;
	const struct timefmt *layout;
	const struct timezone_db *zone, *local;
};

struct state {
	size_t source;
	size_t n_formats;
	struct format *formats; /* the first, then the fallbacks */
	const struct timezone_db *local;
	bool fudge_failure, fudge_duplicate;
	uint64_t key; /* of this stage in the stream's memory */
	struct stage_failure *no_value, *unreadable;
};

static const struct {
	const char *name, *layout;
} named_layouts[] = {
	{"ANSIC", "Mon Jan _2 15:04:05 2006"},
	{"UnixDate", "Mon Jan _2 15:04:05 MST 2006"},
	{"RubyDate", "Mon Jan 02 15:04:05 -0700 2006"},
	{"RFC822", "02 Jan 06 15:04 MST"},
	{"RFC822Z", "02 Jan 06 15:04 -0700"},
	{"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
	{"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},
	{"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
	{"RFC3339", "2006-01-02T15:04:05Z07:00"},
	{"RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"},
};

static const struct {
	const char *name;
	enum format_kind kind;
} unix_formats[] = {
	{"Unix", FORMAT_UNIX},
	{"UnixMs", FORMAT_UNIX_MS},
	{"UnixUs", FORMAT_UNIX_US},
	{"UnixNs", FORMAT_UNIX_NS},
};

/* Of the predefined formats none heeds the location. */
static struct format
compile_format(struct stage_builder *b, const struct state *s, struct str text, const struct timezone_db *location)
{
	struct format f = {.kind = FORMAT_LAYOUT, .zone = tz_utc(), .local = s->local};

	for (size_t i = 0; i < ARRAY_LEN(unix_formats); i++) {
		if (str_is(text, unix_formats[i].name)) {
			f.kind = unix_formats[i].kind;
			return f;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(named_layouts); i++) {
		if (str_is(text, named_layouts[i].name)) {
			f.kind = str_starts(text, STR("RFC3339")) ? FORMAT_RFC3339 : FORMAT_LAYOUT;
			f.layout = timefmt_compile(b->arena, str_from(named_layouts[i].layout));
			return f;
		}
	}
	f.kind = str_find(text, STR("06")) >= 0 ? FORMAT_LAYOUT : FORMAT_LAYOUT_WITHOUT_YEAR;
	f.layout = timefmt_compile(b->arena, arena_str(b->arena, text));
	if (location != NULL)
		f.zone = f.local = location;
	return f;
}

static bool
check(struct stage_builder *b, const struct timestamp_args *a)
{
	if (a->source.len == 0)
		(void)stage_fail(b, "timestamp source value is required if timestamp is specified");
	else if (a->format.len == 0)
		(void)stage_fail(b, "timestamp format is required");
	else if (a->on_failure.len > 0 && !str_is(a->on_failure, "skip") && !str_is(a->on_failure, "fudge"))
		(void)stage_fail(b, "invalid action on failure (supported values are [skip fudge])");
	else if (a->on_duplicate.len > 0 && !str_is(a->on_duplicate, "keep") && !str_is(a->on_duplicate, "fudge"))
		(void)stage_fail(b, "invalid action on duplicate timestamp (supported values are [keep fudge])");
	else
		return true;
	return false;
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct timestamp_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);
	const struct timezone_db *location = NULL;
	struct str error = STR_EMPTY;

	if (!check(b, a))
		return NULL;
	if (a->location.s != NULL) {
		location = tz_load(b->arena, a->location, &error);
		if (location == NULL)
			return stage_fail(b, "invalid location specified: %.*s", STR_FMT(error));
	}
	s->local = tz_load(b->arena, STR("Local"), &error);
	if (s->local == NULL)
		s->local = tz_utc();
	s->source = columns_number(b->columns, a->source);
	s->n_formats = 1 + a->fallback_formats.n;
	s->formats = arena_array(b->arena, struct format, s->n_formats);
	s->formats[0] = compile_format(b, s, a->format, location);
	for (size_t i = 0; i < a->fallback_formats.n; i++)
		s->formats[1 + i] = compile_format(b, s, a->fallback_formats.items[i], location);
	s->fudge_failure = !str_is(a->on_failure, "skip");
	s->fudge_duplicate = !str_is(a->on_duplicate, "keep");
	s->key = hash_bytes(&b->ordinal, sizeof(b->ordinal), 0);
	s->no_value = stage_failure_new(b, "no value");
	s->unreadable = stage_failure_new(b, "not a time of the format");
	return s;
}

/* ---- parsing ---- */

#define DATE_BYTES 11 /* "2026-01-02T" */

/* The date of the last RFC 3339 time of the batch: the next one has mostly the same. */
struct day {
	bool known;
	char text[DATE_BYTES];
	int64_t start_ns;
};

static inline bool
two_digits(const char *p, unsigned below, unsigned *ret)
{
	unsigned tens = (unsigned char)p[0] - (unsigned)'0', ones = (unsigned char)p[1] - (unsigned)'0';

	*ret = tens * 10 + ones;
	return tens <= 9 && ones <= 9 && *ret < below;
}

/*
 * The usual RFC 3339 time: UTC as Z, at most nine digits of a fraction, on a day that was seen already. False is no
 * verdict: the layout then reads it.
 */
static bool
parse_on_day(const struct day *day, struct str text, int64_t *ret)
{
	static const int64_t units[] = {NS_PER_S, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
	unsigned hour, minute, second;
	int64_t fraction = 0;
	size_t digits = 0;

	if (text.len < 20 || text.len > 30 || !day->known || memcmp(text.s, day->text, DATE_BYTES) != 0 ||
		text.s[text.len - 1] != 'Z')
		return false;
	if (!two_digits(text.s + 11, 24, &hour) || text.s[13] != ':' || !two_digits(text.s + 14, 60, &minute) ||
		text.s[16] != ':' || !two_digits(text.s + 17, 60, &second))
		return false;
	if (text.len > 20) {
		digits = text.len - 21;
		if (text.s[19] != '.' || digits == 0)
			return false;
		for (size_t i = 20; i < 20 + digits; i++) {
			if ((unsigned char)(text.s[i] - '0') > 9)
				return false;
			fraction = fraction * 10 + (text.s[i] - '0');
		}
	}
	*ret = day->start_ns + (int64_t)(hour * 3600 + minute * 60 + second) * NS_PER_S + fraction * units[digits];
	return true;
}

/* Midnight of a time that the layout has read and that is written in UTC. Days at the ends of int64 are left out. */
static void
remember_day(struct day *day, struct str text, int64_t ns)
{
	int64_t of_day = ns % (24 * 3600 * NS_PER_S);

	if (text.len < 20 || text.s[text.len - 1] != 'Z' || text.s[10] != 'T' || ns < 0 ||
		ns > INT64_MAX - 48 * 3600 * NS_PER_S)
		return;
	day->known = true;
	memcpy(day->text, text.s, DATE_BYTES);
	day->start_ns = ns - of_day;
}

static bool
scale(int64_t n, int64_t unit_ns, int64_t *ret)
{
	return !__builtin_mul_overflow(n, unit_ns, ret);
}

/* Seconds, or seconds and a fraction whose sides are each read as a whole number: "-1.5" is -1 s + 0.5 s, as in Alloy.
 */
static bool
parse_unix(struct str text, int64_t *ret)
{
	struct str left, right;
	int64_t sec, frac, ns;

	if (!str_cut(text, '.', &left, &right))
		return str_to_i64(text, &sec) && scale(sec, NS_PER_S, ret);
	if (!str_to_i64(left, &sec) || !str_to_i64(right, &frac) || !scale(sec, NS_PER_S, &ns))
		return false;
	return !__builtin_add_overflow(ns, (int64_t)((double)frac * pow(10, 9 - (double)right.len)), ret);
}

/* The year is that of now; around New Year the month tells which. */
static bool
parse_without_year(const struct state *s, const struct format *f, struct str text, int64_t now_ns, int64_t *ret)
{
	struct timefmt_time t, now = timefmt_from_ns(now_ns, s->local);
	struct timefmt_civil date, today = timefmt_civil(&now);
	int64_t year = today.year;

	if (!timefmt_parse(f->layout, text, f->zone, f->local, &t))
		return false;
	date = timefmt_civil(&t);
	if (date.year != 0)
		return false;
	if (date.month == 12 && today.month == 1)
		year--;
	else if (date.month == 1 && today.month == 12)
		year++;
	t = timefmt_add_years(&t, year);
	return timefmt_to_ns(&t, ret);
}

static int64_t
unit_of(enum format_kind kind)
{
	return kind == FORMAT_UNIX	? NS_PER_S
	       : kind == FORMAT_UNIX_MS ? NS_PER_MS
	       : kind == FORMAT_UNIX_US ? NS_PER_US
					: 1;
}

static bool
parse_text(
	const struct state *s, const struct format *f, struct str text, int64_t now_ns, struct day *day, int64_t *ret)
{
	struct timefmt_time t;
	int64_t n;

	switch (f->kind) {
	case FORMAT_RFC3339:
		if (parse_on_day(day, text, ret))
			return true;
		if (!timefmt_parse(f->layout, text, f->zone, f->local, &t) || !timefmt_to_ns(&t, ret))
			return false;
		remember_day(day, text, *ret);
		return true;
	case FORMAT_LAYOUT:
		return timefmt_parse(f->layout, text, f->zone, f->local, &t) && timefmt_to_ns(&t, ret);
	case FORMAT_LAYOUT_WITHOUT_YEAR:
		return parse_without_year(s, f, text, now_ns, ret);
	case FORMAT_UNIX:
		return parse_unix(text, ret);
	case FORMAT_UNIX_MS:
	case FORMAT_UNIX_US:
	case FORMAT_UNIX_NS:
		break;
	}
	return str_to_i64(text, &n) && scale(n, unit_of(f->kind), ret);
}

/* A whole number needs no detour by its text. */
static bool
parse_number(const struct format *f, const struct cell *cell, int64_t *ret)
{
	return cell->kind == CELL_NUMBER && f->kind >= FORMAT_UNIX && fabs(cell->number) < 9e15 &&
	       cell->number == rint(cell->number) && scale((int64_t)cell->number, unit_of(f->kind), ret);
}

static bool
parse_entry(const struct state *s, const struct batch *b, size_t i, struct day *day, int64_t *ret)
{
	struct str text;

	if (parse_number(&s->formats[0], &b->cells[s->source][i], ret))
		return true;
	if (!stage_text(b, s->source, i, &text))
		return false;
	for (size_t k = 0; k < s->n_formats; k++) {
		if (parse_text(s, &s->formats[k], text, b->mark[i], day, ret))
			return true;
	}
	return false;
}

/* ---- the last time of each label set ---- */

#define CACHE 16 /* power of two */

struct last {
	uint64_t key; /* 0: empty */
	bool known;
	int64_t parsed, given; /* as read, and as it was given to the entry */
};

/* In the memory: the parsed time, and under a second key how much more was given, when it was more. */
static void
last_load(struct memory *m, struct last *last)
{
	int64_t more = 0;

	last->known = memory_get(m, last->key, &last->parsed);
	if (last->known && !memory_get(m, ~last->key, &more))
		more = 0;
	last->given = last->parsed + more;
}

static void
last_store(struct memory *m, const struct last *last)
{
	int64_t more = last->given - last->parsed, before;

	if (last->key == 0 || !last->known)
		return;
	memory_set(m, last->key, last->parsed);
	if (more != 0 || memory_get(m, ~last->key, &before))
		memory_set(m, ~last->key, more);
}

static struct last *
last_of(const struct state *s, struct batch *b, struct last *cache, const struct labels *labels)
{
	uint64_t key = (labels->hash ^ s->key) | 1; /* never 0, and never another's complement */
	struct last *last = &cache[key >> 8 & (CACHE - 1)];

	if (last->key == key)
		return last;
	last_store(b->memory, last);
	*last = (struct last){.key = key};
	last_load(b->memory, last);
	return last;
}

static int64_t
next_ns(int64_t ns)
{
	return ns < INT64_MAX ? ns + 1 : ns;
}

static void
set_parsed(const struct state *s, struct last *last, int64_t parsed, int64_t *ts)
{
	*ts = s->fudge_duplicate && last->known && last->parsed == parsed ? next_ns(last->given) : parsed;
	*last = (struct last){.key = last->key, .known = true, .parsed = parsed, .given = *ts};
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct last cache[CACHE] = {0};
	struct day day = {0};
	bool remember = s->fudge_failure || s->fudge_duplicate;
	size_t n_no_value = 0, n_unreadable = 0;

	if (b->memory == NULL)
		b->memory = arena_make(b->arena, struct memory);
	for (size_t i = 0; i < b->n; i++) {
		int64_t parsed;
		bool ok = parse_entry(s, b, i, &day, &parsed);
		struct last *last = remember ? last_of(s, b, cache, b->labels[i]) : NULL;

		if (!ok && batch_cell(b, s->source, i).kind == CELL_ABSENT)
			n_no_value++;
		else if (!ok)
			n_unreadable++;
		if (ok && last != NULL)
			set_parsed(s, last, parsed, &b->ts[i]);
		else if (ok)
			b->ts[i] = parsed;
		else if (s->fudge_failure && last->known)
			b->ts[i] = last->given = next_ns(last->given);
	}
	for (size_t i = 0; remember && i < CACHE; i++)
		last_store(b->memory, &cache[i]);
	stage_failed(s->no_value, b, n_no_value);
	stage_failed(s->unreadable, b, n_unreadable);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_timestamp = {
	.name = "timestamp",
	.args = args,
	.args_size = sizeof(struct timestamp_args),
	.type = &type,
	.doc = "Sets the timestamp from an extracted value.",
};

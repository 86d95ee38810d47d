/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads TZif versions 1 to 4 and the POSIX TZ rule behind the transitions, which speaks for the time after
 * the last of them. Which zone holds before the first transition, and how a rule becomes a transition, is
 * as in Go's time package, including its answers for wall clocks that happen twice or never.
 */
#include "longship/codec/tz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "longship/base/mem.h"
#include "calendar_priv.h"

#define TZ_FILE_BYTES_MAX (256u << 10) /* the largest of the database has 4 KiB, "fat" ones 12 KiB */
#define TZ_NAME_BYTES_MAX 255
#define DAY_S 86400
#define TIME_MIN INT64_MIN
#define TIME_MAX INT64_MAX

struct zone {
	struct str name;
	int32_t offset_s;
	bool is_dst;
};

struct transition {
	int64_t when_s;
	uint8_t zone;
};

enum rule_kind { RULE_JULIAN, RULE_DAY, RULE_MONTH };

struct rule { /* when a POSIX rule changes the clock */
	enum rule_kind kind;
	int day, week, month;
	int time_s;
};

struct extend { /* the POSIX rule */
	bool valid, has_dst;
	struct str std_name, dst_name;
	int32_t std_offset_s, dst_offset_s;
	struct rule dst_start, dst_end;
};

struct timezone_db {
	struct str name;
	size_t n_zones, n_transitions, first_zone;
	struct zone *zones;
	struct transition *transitions; /* at least one unless this is UTC */
	struct extend extend;
};

static const struct timezone_db utc = {.name = {"UTC", 3}};

const struct timezone_db *
tz_utc(void)
{
	return &utc;
}

/* The POSIX TZ rule: each reader takes its part from the front of *s. */

static bool
read_number(struct str *s, int min, int max, int *ret)
{
	int n = 0;
	size_t i = 0;

	for (; i < s->len && s->s[i] >= '0' && s->s[i] <= '9'; i++) {
		n = n * 10 + (s->s[i] - '0');
		if (n > max)
			return false;
	}
	if (i == 0 || n < min)
		return false;
	*ret = n;
	*s = str_from_offset(*s, i);
	return true;
}

static bool
read_char(struct str *s, char c)
{
	if (s->len == 0 || s->s[0] != c)
		return false;
	*s = str_from_offset(*s, 1);
	return true;
}

static bool
read_name(struct str *s, struct str *ret)
{
	size_t i = 0;

	if (read_char(s, '<'))
		return str_cut(*s, '>', ret, s);
	while (i < s->len && memchr("0123456789,-+", s->s[i], 13) == NULL)
		i++;
	*ret = str_head(*s, i);
	*s = str_from_offset(*s, i);
	return i >= 3;
}

static bool
read_offset(struct str *s, int *ret)
{
	int hours, minutes = 0, seconds = 0;
	bool negative = read_char(s, '-');

	if (!negative)
		(void)read_char(s, '+');
	if (!read_number(s, 0, 24 * 7, &hours))
		return false;
	if (read_char(s, ':')) {
		if (!read_number(s, 0, 59, &minutes))
			return false;
		if (read_char(s, ':') && !read_number(s, 0, 59, &seconds))
			return false;
	}
	*ret = (hours * 3600 + minutes * 60 + seconds) * (negative ? -1 : 1);
	return true;
}

static bool
read_rule(struct str *s, struct rule *ret)
{
	*ret = (struct rule){.kind = RULE_DAY, .time_s = 2 * 3600};
	if (read_char(s, 'J')) {
		ret->kind = RULE_JULIAN;
		if (!read_number(s, 1, 365, &ret->day))
			return false;
	} else if (read_char(s, 'M')) {
		ret->kind = RULE_MONTH;
		if (!read_number(s, 1, 12, &ret->month) || !read_char(s, '.') || !read_number(s, 1, 5, &ret->week) ||
			!read_char(s, '.') || !read_number(s, 0, 6, &ret->day))
			return false;
	} else if (!read_number(s, 0, 365, &ret->day)) {
		return false;
	}
	return !read_char(s, '/') || read_offset(s, &ret->time_s);
}

/* "CET-1CEST,M3.5.0,M10.5.0/3" */
static bool
read_extend(struct str s, struct extend *e)
{
	int offset;

	if (!read_name(&s, &e->std_name) || !read_offset(&s, &offset))
		return false;
	e->std_offset_s = -offset;
	if (s.len == 0 || s.s[0] == ',')
		return true;
	e->has_dst = true;
	if (!read_name(&s, &e->dst_name))
		return false;
	e->dst_offset_s = e->std_offset_s + 3600;
	if (s.len > 0 && s.s[0] != ',') {
		if (!read_offset(&s, &offset))
			return false;
		e->dst_offset_s = -offset;
	}
	if (s.len == 0)
		s = STR(",M3.2.0,M11.1.0");
	if (!read_char(&s, ',') && !read_char(&s, ';'))
		return false;
	return read_rule(&s, &e->dst_start) && read_char(&s, ',') && read_rule(&s, &e->dst_end) && s.len == 0;
}

/* Days from 1970-01-01 to the first of a year. */
static int64_t
days_to_year(int64_t year)
{
	int64_t y = year - 1; /* years before, so that leap days of this one do not count */
	int64_t era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 - 719162;
}

static int64_t
year_of(int64_t sec)
{
	int64_t days = (sec >= 0 ? sec : sec - (DAY_S - 1)) / DAY_S;
	int64_t year = 1970 + days * 400 / 146097;

	while (days_to_year(year) > days)
		year--;
	while (days_to_year(year + 1) <= days)
		year++;
	return year;
}

/* Seconds from the start of the year until the rule changes the clock; offset_s is the one in effect before. */
static int64_t
rule_time(int64_t year, const struct rule *r, int32_t offset_s)
{
	int64_t days = r->day;

	if (r->kind == RULE_JULIAN) {
		days = r->day - 1 + (is_leap(year) && r->day >= 60);
	} else if (r->kind == RULE_MONTH) {
		int64_t first = days_to_year(year) + days_before[r->month - 1] + (r->month > 2 && is_leap(year));
		int64_t weekday = ((first + 4) % 7 + 7) % 7, day = (r->day - weekday + 7) % 7;

		for (int i = 1; i < r->week && day + 7 < days_in(r->month, year); i++)
			day += 7;
		days = first + day - days_to_year(year);
	}
	return days * DAY_S + r->time_s - offset_s;
}

static struct tz_period
extend_lookup(const struct extend *e, int64_t last_s, int64_t sec)
{
	struct tz_period std = {e->std_name, e->std_offset_s, last_s, TIME_MAX}, dst = {e->dst_name, e->dst_offset_s, last_s, TIME_MAX};
	int64_t year, year_start, in_year, start, end;

	if (!e->has_dst)
		return std;
	year = year_of(sec);
	year_start = days_to_year(year) * DAY_S;
	in_year = sec - year_start;
	start = rule_time(year, &e->dst_start, e->std_offset_s);
	end = rule_time(year, &e->dst_end, e->dst_offset_s);
	if (end < start) { /* the southern half */
		struct tz_period period = std;
		int64_t time = start;

		std = dst;
		dst = period;
		start = end;
		end = time;
	}
	if (in_year < start) {
		std.start_s = year_start;
		std.end_s = year_start + start;
		return std;
	}
	if (in_year >= end) {
		std.start_s = year_start + end;
		std.end_s = year_start + INT64_C(365) * DAY_S;
		return std;
	}
	dst.start_s = year_start + start;
	dst.end_s = year_start + end;
	return dst;
}

/* The file. */

struct reader {
	struct str rest;
	bool failed;
};

static struct str
take(struct reader *r, uint64_t n)
{
	struct str part;

	if (n > r->rest.len) {
		r->failed = true;
		r->rest = STR_EMPTY;
		return STR_EMPTY;
	}
	part = str_head(r->rest, (size_t)n);
	r->rest = str_from_offset(r->rest, (size_t)n);
	return part;
}

/* Big-endian number i of a field of `width` bytes. */
static int64_t
number_at(struct str field, size_t i, size_t width)
{
	const unsigned char *p = (const unsigned char *)field.s + i * width;
	uint64_t n = 0;

	for (size_t k = 0; k < width; k++)
		n = n << 8 | p[k];
	return width == 4 ? (int64_t)(int32_t)(uint32_t)n : (int64_t)n;
}

struct header {
	uint64_t utc_local, std_wall, leap, times, zones, chars;
};

static char
take_header(struct reader *r, struct header *h)
{
	struct str magic = take(r, 4), version = take(r, 16), counts = take(r, 24);

	if (r->failed || !str_is(magic, "TZif"))
		return 'x';
	h->utc_local = (uint32_t)number_at(counts, 0, 4);
	h->std_wall = (uint32_t)number_at(counts, 1, 4);
	h->leap = (uint32_t)number_at(counts, 2, 4);
	h->times = (uint32_t)number_at(counts, 3, 4);
	h->zones = (uint32_t)number_at(counts, 4, 4);
	h->chars = (uint32_t)number_at(counts, 5, 4);
	return version.s[0];
}

/* Which zone holds before the first transition. */
static size_t
first_zone(const struct timezone_db *db)
{
	bool used = false;

	for (size_t i = 0; i < db->n_transitions; i++)
		used |= db->transitions[i].zone == 0;
	if (!used)
		return 0;
	if (db->n_transitions > 0 && db->zones[db->transitions[0].zone].is_dst)
		for (size_t i = db->transitions[0].zone; i-- > 0;)
			if (!db->zones[i].is_dst)
				return i;
	for (size_t i = 0; i < db->n_zones; i++)
		if (!db->zones[i].is_dst)
			return i;
	return 0;
}

static bool
read_zones(struct arena *arena, struct timezone_db *db, struct str data, struct str abbreviations)
{
	db->zones = arena_array(arena, struct zone, db->n_zones);
	for (size_t i = 0; i < db->n_zones; i++) {
		const unsigned char *p = (const unsigned char *)data.s + 6 * i;
		struct str name = str_from_offset(abbreviations, p[5]), rest;

		if (p[5] >= abbreviations.len)
			return false;
		(void)str_cut(name, '\0', &name, &rest);
		db->zones[i] = (struct zone){arena_str(arena, name), (int32_t)number_at((struct str){data.s + 6 * i, 4}, 0, 4), p[4] != 0};
	}
	return true;
}

static bool
read_transitions(struct arena *arena, struct timezone_db *db, struct str times, struct str zones, size_t width)
{
	db->transitions = arena_array(arena, struct transition, db->n_transitions + 1);
	for (size_t i = 0; i < db->n_transitions; i++) {
		db->transitions[i] = (struct transition){number_at(times, i, width), (uint8_t)zones.s[i]};
		if (db->transitions[i].zone >= db->n_zones)
			return false;
	}
	if (db->n_transitions == 0) /* one for all time: Etc/GMT0 */
		db->transitions[db->n_transitions++] = (struct transition){TIME_MIN, 0};
	return true;
}

const struct timezone_db *
tz_parse(struct arena *arena, struct str name, struct str data)
{
	struct reader r = {.rest = data};
	struct header h = {0};
	struct timezone_db *db;
	struct str times, indices, zones, abbreviations;
	size_t width = 4;
	char version = take_header(&r, &h);

	if (version >= '2' && version <= '4') {
		(void)take(&r, h.times * 5 + h.zones * 6 + h.chars + h.leap * 8 + h.std_wall + h.utc_local);
		version = take_header(&r, &h);
		width = 8;
	} else if (version != '\0') {
		return NULL;
	}
	times = take(&r, h.times * width);
	indices = take(&r, h.times);
	zones = take(&r, h.zones * 6);
	abbreviations = take(&r, h.chars);
	(void)take(&r, h.leap * (width + 4) + h.std_wall + h.utc_local);
	if (version == 'x' || r.failed || h.zones == 0)
		return NULL;
	db = arena_make(arena, struct timezone_db);
	db->name = arena_str(arena, name);
	db->n_zones = (size_t)h.zones;
	db->n_transitions = (size_t)h.times;
	if (!read_zones(arena, db, zones, abbreviations) || !read_transitions(arena, db, times, indices, width))
		return NULL;
	db->first_zone = first_zone(db);
	if (r.rest.len > 2 && r.rest.s[0] == '\n' && r.rest.s[r.rest.len - 1] == '\n') {
		struct str rule = arena_str(arena, (struct str){r.rest.s + 1, r.rest.len - 2});

		db->extend.valid = read_extend(rule, &db->extend);
	}
	return db;
}

static const struct timezone_db *
load_file(struct arena *arena, const char *path, struct str name)
{
	const struct timezone_db *db = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *data;
	size_t len = 0;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	data = mem_alloc(TZ_FILE_BYTES_MAX);
	while (len < TZ_FILE_BYTES_MAX) {
		n = read(fd, data + len, TZ_FILE_BYTES_MAX - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (n == 0)
		db = tz_parse(arena, name, (struct str){data, len});
	mem_free(data);
	(void)close(fd);
	return db;
}

static const struct timezone_db *
load_name(struct arena *arena, struct str name)
{
	static const char *const folders[] = {"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"};
	const struct timezone_db *db = NULL;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && db == NULL; i++)
		db = load_file(arena, arena_printf(arena, "%s/%.*s", folders[i], STR_FMT(name)).s, name);
	return db;
}

static const struct timezone_db *
load_local(struct arena *arena)
{
	const char *tz = getenv("TZ");
	const struct timezone_db *db = NULL;

	if (tz == NULL)
		db = load_file(arena, "/etc/localtime", STR("Local"));
	else if (tz[0] == ':')
		tz++;
	if (tz != NULL && tz[0] == '/')
		db = load_file(arena, tz, str_from(tz));
	else if (tz != NULL && tz[0] != '\0' && strcmp(tz, "UTC") != 0)
		db = load_name(arena, str_from(tz));
	return db != NULL ? db : &utc;
}

const struct timezone_db *
tz_load(struct arena *arena, struct str name, struct str *ret_error)
{
	const struct timezone_db *db = NULL;

	if (name.len == 0 || str_is(name, "UTC"))
		return &utc;
	if (str_is(name, "Local"))
		return load_local(arena);
	if (str_find(name, STR("..")) >= 0 || name.s[0] == '/' || name.s[0] == '\\' || name.len > TZ_NAME_BYTES_MAX) {
		*ret_error = STR("time: invalid location name");
		return NULL;
	}
	if (memchr(name.s, '\0', name.len) == NULL)
		db = load_name(arena, name);
	if (db == NULL)
		*ret_error = arena_printf(arena, "unknown time zone %.*s", STR_FMT(name));
	return db;
}

/* Looking up. */

struct tz_period
tz_lookup(const struct timezone_db *db, int64_t sec)
{
	const struct transition *tx = db->transitions;
	size_t low = 0, high = db->n_transitions;
	const struct zone *zone;

	if (db->n_zones == 0)
		return (struct tz_period){STR("UTC"), 0, TIME_MIN, TIME_MAX};
	if (sec < tx[0].when_s) {
		zone = &db->zones[db->first_zone];
		return (struct tz_period){zone->name, zone->offset_s, TIME_MIN, tx[0].when_s};
	}
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (sec < tx[middle].when_s)
			high = middle;
		else
			low = middle;
	}
	if (low + 1 == db->n_transitions && db->extend.valid)
		return extend_lookup(&db->extend, tx[low].when_s, sec);
	zone = &db->zones[tx[low].zone];
	return (struct tz_period){zone->name, zone->offset_s, tx[low].when_s, high < db->n_transitions ? tx[high].when_s : TIME_MAX};
}

bool
tz_lookup_name(const struct timezone_db *db, struct str name, int64_t local_sec, int32_t *ret_offset_s)
{
	for (size_t i = 0; i < db->n_zones; i++) {
		struct tz_period period;

		if (!str_eq(db->zones[i].name, name))
			continue;
		period = tz_lookup(db, local_sec - db->zones[i].offset_s);
		if (str_eq(period.name, name)) {
			*ret_offset_s = period.offset_s;
			return true;
		}
	}
	for (size_t i = 0; i < db->n_zones; i++) {
		if (str_eq(db->zones[i].name, name)) {
			*ret_offset_s = db->zones[i].offset_s;
			return true;
		}
	}
	return false;
}

int64_t
tz_to_utc(const struct timezone_db *db, int64_t local_sec)
{
	struct tz_period period = tz_lookup(db, local_sec);
	int64_t sec = local_sec - period.offset_s;

	if (period.offset_s != 0 && (sec < period.start_s || sec >= period.end_s))
		period = tz_lookup(db, sec);
	return local_sec - period.offset_s;
}

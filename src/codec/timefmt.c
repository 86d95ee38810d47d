/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layout is cut into steps, each a literal text followed by an element, as time.nextStdChunk does; running
 * the steps over a text follows time.parse field by field, oddities included (a sign in a two-digit year,
 * "GMT+3" that names a zone but moves nothing). RFC 3339 has a short cut, as in Go.
 */
#include "longship/codec/timefmt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "calendar_priv.h"

#define DAY_S 86400
#define UNSET (-1)

enum element {
	END, /* of the layout */
	LONG_MONTH, MONTH, NUM_MONTH, ZERO_MONTH,
	LONG_WEEKDAY, WEEKDAY,
	DAY, UNDER_DAY, ZERO_DAY, UNDER_YDAY, ZERO_YDAY,
	HOUR, HOUR12, ZERO_HOUR12, MINUTE, ZERO_MINUTE, SECOND, ZERO_SECOND,
	LONG_YEAR, YEAR,
	UPPER_PM, LOWER_PM,
	TZ_NAME,
	ISO_TZ, ISO_SECONDS_TZ, ISO_SHORT_TZ, ISO_COLON_TZ, ISO_COLON_SECONDS_TZ,
	NUM_TZ, NUM_SECONDS_TZ, NUM_SHORT_TZ, NUM_COLON_TZ, NUM_COLON_SECONDS_TZ,
	FRACTION_0, FRACTION_9,
};

struct step {
	struct str prefix; /* stands before the element */
	enum element element;
	uint32_t digits; /* of a fraction */
	char separator;
};

struct timefmt {
	bool rfc3339, has_year;
	size_t n;
	struct step steps[]; /* the last is END */
};

static const char *const months[] = {
	"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
static const char *const weekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/* Layouts. */

static bool
is_digit(struct str s, size_t i)
{
	return i < s.len && s.s[i] >= '0' && s.s[i] <= '9';
}

/* Longest first where one is the start of another. */
static const struct {
	const char *text;
	enum element element;
	bool no_lower_case_behind; /* "Month" is not "Mon" */
} elements[] = {
	{"January", LONG_MONTH, false}, {"Jan", MONTH, true}, {"Monday", LONG_WEEKDAY, false}, {"Mon", WEEKDAY, true}, {"MST", TZ_NAME, false},
	{"01", ZERO_MONTH, false}, {"02", ZERO_DAY, false}, {"03", ZERO_HOUR12, false}, {"04", ZERO_MINUTE, false}, {"05", ZERO_SECOND, false},
	{"06", YEAR, false}, {"002", ZERO_YDAY, false}, {"15", HOUR, false}, {"1", NUM_MONTH, false}, {"2006", LONG_YEAR, false}, {"2", DAY, false},
	{"_2", UNDER_DAY, false}, {"__2", UNDER_YDAY, false}, {"3", HOUR12, false}, {"4", MINUTE, false}, {"5", SECOND, false},
	{"PM", UPPER_PM, false}, {"pm", LOWER_PM, false},
	{"-070000", NUM_SECONDS_TZ, false}, {"-07:00:00", NUM_COLON_SECONDS_TZ, false}, {"-0700", NUM_TZ, false},
	{"-07:00", NUM_COLON_TZ, false}, {"-07", NUM_SHORT_TZ, false},
	{"Z070000", ISO_SECONDS_TZ, false}, {"Z07:00:00", ISO_COLON_SECONDS_TZ, false}, {"Z0700", ISO_TZ, false},
	{"Z07:00", ISO_COLON_TZ, false}, {"Z07", ISO_SHORT_TZ, false},
};

/* ".000" or ",999" that no digit follows; its length, or 0. */
static size_t
fraction_length(struct str s)
{
	size_t n = 1;

	if ((s.s[0] != '.' && s.s[0] != ',') || s.len < 2 || (s.s[1] != '0' && s.s[1] != '9'))
		return 0;
	while (n < s.len && s.s[n] == s.s[1])
		n++;
	return is_digit(s, n) ? 0 : n;
}

/* The element at the start of s; its length, or 0. */
static size_t
element_at(struct str s, struct step *step)
{
	size_t n = fraction_length(s);

	if (n > 0) {
		step->element = s.s[1] == '0' ? FRACTION_0 : FRACTION_9;
		step->digits = n - 1 < 0xfff ? (uint32_t)n - 1 : (uint32_t)((n - 1) & 0xfff);
		step->separator = s.s[0];
		return n;
	}
	if (str_starts(s, STR("_2006"))) /* an underscore before the year */
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(elements); i++) {
		struct str text = str_from(elements[i].text);

		if (!str_starts(s, text))
			continue;
		if (elements[i].no_lower_case_behind && s.len > text.len && s.s[text.len] >= 'a' && s.s[text.len] <= 'z')
			continue;
		step->element = elements[i].element;
		return text.len;
	}
	return 0;
}

/* The next step of *layout, which it shortens. */
static struct step
next_step(struct str *layout)
{
	struct step step = {.prefix = *layout, .element = END};

	for (size_t i = 0; i < layout->len; i++) {
		size_t n = element_at(str_from_offset(*layout, i), &step);

		if (n > 0) {
			step.prefix = str_head(*layout, i);
			*layout = str_from_offset(*layout, i + n);
			return step;
		}
	}
	*layout = STR_EMPTY;
	return step;
}

const struct timefmt *
timefmt_compile(struct arena *arena, struct str layout)
{
	struct str rest = arena_str(arena, layout), all = rest;
	struct timefmt *f;
	size_t n = 1;

	for (struct str r = rest; next_step(&r).element != END;)
		n++;
	f = arena_zalloc(arena, sizeof(*f) + n * sizeof(f->steps[0]));
	f->n = n;
	for (size_t i = 0; i < n; i++) {
		f->steps[i] = next_step(&rest);
		f->has_year |= f->steps[i].element == YEAR || f->steps[i].element == LONG_YEAR;
	}
	f->rfc3339 = str_is(all, "2006-01-02T15:04:05Z07:00") || str_is(all, "2006-01-02T15:04:05.999999999Z07:00");
	return f;
}

bool
timefmt_has_year(const struct timefmt *f)
{
	return f->has_year;
}

/* Calendar (H. Hinnant's algorithms: the year begins in March). */

static int64_t
days_from_civil(int64_t year, int month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468 + day - 1;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

struct timefmt_civil
timefmt_civil(const struct timefmt_time *t)
{
	int64_t local = t->sec + t->offset_s, days = floor_div(local, DAY_S), z = days + 719468;
	int64_t era = floor_div(z, 146097), doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153, in_day = local - days * DAY_S;
	struct timefmt_civil c = {.nsec = t->nsec};

	c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c.year = yoe + era * 400 + (c.month <= 2);
	c.yday = days_before[c.month - 1] + c.day + (c.month > 2 && is_leap(c.year));
	c.weekday = (int)(((days + 4) % 7 + 7) % 7);
	c.hour = (int)(in_day / 3600);
	c.minute = (int)(in_day / 60 % 60);
	c.second = (int)(in_day % 60);
	return c;
}

static struct timefmt_time
in_zone(int64_t sec, int32_t nsec, const struct timezone_db *zone)
{
	struct tz_period period = tz_lookup(zone, sec);

	return (struct timefmt_time){sec, nsec, period.offset_s, zone, period.name};
}

struct timefmt_time
timefmt_date(const struct timefmt_civil *c, const struct timezone_db *zone, int32_t offset_s)
{
	int64_t month = c->month - 1, year = c->year + floor_div(month, 12);
	int64_t sec = c->second + floor_div(c->nsec, NS_PER_S), local;
	int32_t nsec = (int32_t)(c->nsec - floor_div(c->nsec, NS_PER_S) * NS_PER_S);

	local = days_from_civil(year, (int)(month - floor_div(month, 12) * 12) + 1, c->day) * DAY_S + c->hour * INT64_C(3600) +
		c->minute * INT64_C(60) + sec;
	if (zone == NULL)
		return (struct timefmt_time){local - offset_s, nsec, offset_s, NULL, STR_EMPTY};
	return in_zone(tz_to_utc(zone, local), nsec, zone);
}

struct timefmt_time
timefmt_add_years(const struct timefmt_time *t, int64_t years)
{
	struct timefmt_civil c = timefmt_civil(t);
	struct timefmt_time result;

	c.year += years;
	result = timefmt_date(&c, t->zone, t->offset_s);
	if (t->zone == NULL)
		result.zone_name = t->zone_name;
	return result;
}

bool
timefmt_to_ns(const struct timefmt_time *t, int64_t *ret_ns)
{
	int64_t ns;

	if (__builtin_mul_overflow(t->sec, NS_PER_S, &ns) || __builtin_add_overflow(ns, (int64_t)t->nsec, &ns))
		return false;
	*ret_ns = ns;
	return true;
}

struct timefmt_time
timefmt_from_ns(int64_t ns, const struct timezone_db *zone)
{
	int64_t sec = floor_div(ns, NS_PER_S);

	return in_zone(sec, (int32_t)(ns - sec * NS_PER_S), zone);
}

/* Parsing. */

struct parse {
	struct str rest;
	int64_t year;
	int month, day, yday, hour, minute, second, nsec;
	bool am, pm, utc;
	int offset_s; /* UNSET: none */
	struct str zone_name;
};

static void
take(struct parse *p, size_t n)
{
	p->rest = str_from_offset(p->rest, n);
}

/* A run of blanks in the layout stands for any run of blanks. */
static bool
skip_prefix(struct parse *p, struct str prefix)
{
	while (prefix.len > 0) {
		if (prefix.s[0] != ' ') {
			if (p->rest.len == 0 || p->rest.s[0] != prefix.s[0])
				return false;
			prefix = str_from_offset(prefix, 1);
			take(p, 1);
			continue;
		}
		if (p->rest.len > 0 && p->rest.s[0] != ' ')
			return false;
		while (prefix.len > 0 && prefix.s[0] == ' ')
			prefix = str_from_offset(prefix, 1);
		while (p->rest.len > 0 && p->rest.s[0] == ' ')
			take(p, 1);
	}
	return true;
}

/* One or two digits, or (fixed) two. */
static bool
take_number(struct parse *p, bool fixed, int *ret)
{
	struct str s = p->rest;

	if (!is_digit(s, 0) || (fixed && !is_digit(s, 1)))
		return false;
	*ret = s.s[0] - '0';
	if (is_digit(s, 1))
		*ret = *ret * 10 + (s.s[1] - '0');
	take(p, is_digit(s, 1) ? 2 : 1);
	return true;
}

static bool
take_in_range(struct parse *p, bool fixed, int min, int max, int *ret)
{
	return take_number(p, fixed, ret) && *ret >= min && *ret <= max;
}

static bool
take_yday(struct parse *p, bool padded)
{
	int n = 0, i = 0;

	for (int blanks = 0; padded && blanks < 2 && p->rest.len > 0 && p->rest.s[0] == ' '; blanks++)
		take(p, 1);
	for (; i < 3 && is_digit(p->rest, (size_t)i); i++)
		n = n * 10 + (p->rest.s[i] - '0');
	if (i == 0 || (!padded && i != 3))
		return false;
	take(p, (size_t)i);
	p->yday = n;
	return true;
}

/* Of names the one that the text starts with, in any case; short: only its first three letters. */
static bool
take_name(struct parse *p, const char *const *names, int n, bool is_short, int *ret)
{
	for (int i = 0; i < n; i++) {
		size_t len = is_short ? 3 : strlen(names[i]);

		if (p->rest.len >= len && strncasecmp(p->rest.s, names[i], len) == 0) {
			*ret = i;
			take(p, len);
			return true;
		}
	}
	return false;
}

/* Go's atoi: a sign may stand before the digits, of which there may be none. */
static bool
signed_number(struct str s, int *ret)
{
	bool negative = s.len > 0 && s.s[0] == '-';
	int n = 0;

	if (s.len > 0 && (s.s[0] == '-' || s.s[0] == '+'))
		s = str_from_offset(s, 1);
	for (size_t i = 0; i < s.len; i++) {
		if (!is_digit(s, i))
			return false;
		n = n * 10 + (s.s[i] - '0');
	}
	*ret = negative ? -n : n;
	return true;
}

static bool
take_short_year(struct parse *p)
{
	int year;

	if (p->rest.len < 2 || !signed_number(str_head(p->rest, 2), &year))
		return false;
	p->year = year >= 69 ? year + 1900 : year + 2000;
	take(p, 2);
	return true;
}

static bool
take_long_year(struct parse *p)
{
	int year;

	if (p->rest.len < 4 || !is_digit(p->rest, 0) || !signed_number(str_head(p->rest, 4), &year))
		return false;
	p->year = year;
	take(p, 4);
	return true;
}

/* The first n bytes: a point or comma and digits. */
static bool
take_fraction(struct parse *p, size_t n)
{
	size_t digits = n > 10 ? 9 : n - 1;
	int nsec;

	if (p->rest.len < n || (p->rest.s[0] != '.' && p->rest.s[0] != ','))
		return false;
	if (!signed_number((struct str){p->rest.s + 1, digits}, &nsec) || nsec < 0)
		return false;
	for (; digits < 9; digits++)
		nsec *= 10;
	p->nsec = nsec;
	take(p, n);
	return true;
}

/* A fraction of any length where there is one. */
static bool
take_free_fraction(struct parse *p)
{
	size_t n = 1;

	if (p->rest.len < 2 || (p->rest.s[0] != '.' && p->rest.s[0] != ',') || !is_digit(p->rest, 1))
		return true;
	while (is_digit(p->rest, n))
		n++;
	return take_fraction(p, n);
}

/* next: the step behind. A fraction may follow the seconds though the layout has none. */
static bool
take_second(struct parse *p, bool fixed, const struct step *next)
{
	if (!take_in_range(p, fixed, 0, 59, &p->second))
		return false;
	return next->element == FRACTION_0 || next->element == FRACTION_9 || take_free_fraction(p);
}

static bool
take_pm(struct parse *p, const char *am, const char *pm)
{
	struct str s = str_head(p->rest, 2);

	if (str_is(s, pm))
		p->pm = true;
	else if (str_is(s, am))
		p->am = true;
	else
		return false;
	take(p, 2);
	return true;
}

static bool
two_digits(struct str s, size_t i, int max, int *ret)
{
	if (!is_digit(s, i) || !is_digit(s, i + 1))
		return false;
	*ret = (s.s[i] - '0') * 10 + (s.s[i + 1] - '0');
	return *ret <= max;
}

/* +hh, +hhmm, +hhmmss, with or without colons. 24 hours, 60 minutes and 60 seconds do occur. */
static bool
take_offset(struct parse *p, bool colon, bool minutes, bool seconds)
{
	struct str s = p->rest;
	int hh, mm = 0, ss = 0;
	size_t n = 3;

	if (s.len < 3 || (s.s[0] != '+' && s.s[0] != '-') || !two_digits(s, 1, 24, &hh))
		return false;
	if (minutes) {
		if ((colon && (s.len <= n || s.s[n] != ':')) || !two_digits(s, n + colon, 60, &mm))
			return false;
		n += 2 + (size_t)colon;
	}
	if (seconds) {
		if ((colon && (s.len <= n || s.s[n] != ':')) || !two_digits(s, n + colon, 60, &ss))
			return false;
		n += 2 + (size_t)colon;
	}
	p->offset_s = (hh * 60 + mm) * 60 + ss;
	if (s.s[0] == '-')
		p->offset_s = -p->offset_s;
	take(p, n);
	return true;
}

/* Z or an offset. */
static bool
take_iso_offset(struct parse *p, bool colon, bool minutes, bool seconds)
{
	if (p->rest.len > 0 && p->rest.s[0] == 'Z') {
		p->utc = true;
		take(p, 1);
		return true;
	}
	return take_offset(p, colon, minutes, seconds);
}

/* A sign and a number up to 23; its length, or 0. */
static size_t
hours_length(struct str s)
{
	size_t n = 1;
	int hours = 0;

	if (s.len < 2 || (s.s[0] != '+' && s.s[0] != '-'))
		return 0;
	for (; is_digit(s, n); n++)
		hours = hours > 23 ? hours : hours * 10 + (s.s[n] - '0');
	return n == 1 || hours > 23 ? 0 : n;
}

/* Length of what looks like an abbreviation, or 0. */
static size_t
zone_name_length(struct str s)
{
	size_t upper = 0;

	if (s.len < 3)
		return 0;
	if (str_starts(s, STR("ChST")) || str_starts(s, STR("MeST")))
		return 4;
	if (str_starts(s, STR("GMT")))
		return 3 + hours_length(str_from_offset(s, 3));
	if (s.s[0] == '+' || s.s[0] == '-')
		return hours_length(s);
	while (upper < 6 && upper < s.len && s.s[upper] >= 'A' && s.s[upper] <= 'Z')
		upper++;
	if (upper == 3 || (upper == 5 && s.s[4] == 'T') || (upper == 4 && (s.s[3] == 'T' || str_starts(s, STR("WITA")))))
		return upper;
	return 0;
}

static bool
take_zone_name(struct parse *p)
{
	size_t n;

	if (str_starts(p->rest, STR("UTC"))) {
		p->utc = true;
		take(p, 3);
		return true;
	}
	n = zone_name_length(p->rest);
	p->zone_name = str_head(p->rest, n);
	take(p, n);
	return n > 0;
}

static bool
take_day(struct parse *p, enum element element)
{
	if (element == UNDER_DAY && p->rest.len > 0 && p->rest.s[0] == ' ')
		take(p, 1);
	return take_number(p, element == ZERO_DAY, &p->day);
}

static bool
take_zone(struct parse *p, enum element element)
{
	switch (element) {
	case ISO_TZ:
		return take_iso_offset(p, false, true, false);
	case ISO_SECONDS_TZ:
		return take_iso_offset(p, false, true, true);
	case ISO_SHORT_TZ:
		return take_iso_offset(p, false, false, false);
	case ISO_COLON_TZ:
		return take_iso_offset(p, true, true, false);
	case ISO_COLON_SECONDS_TZ:
		return take_iso_offset(p, true, true, true);
	case NUM_TZ:
		return take_offset(p, false, true, false);
	case NUM_SECONDS_TZ:
		return take_offset(p, false, true, true);
	case NUM_SHORT_TZ:
		return take_offset(p, false, false, false);
	case NUM_COLON_TZ:
		return take_offset(p, true, true, false);
	case NUM_COLON_SECONDS_TZ:
		return take_offset(p, true, true, true);
	default:
		return take_zone_name(p);
	}
}

static bool
take_month_name(struct parse *p, bool is_short)
{
	bool ok = take_name(p, months, 12, is_short, &p->month);

	p->month++;
	return ok;
}

static bool
take_element(struct parse *p, const struct step *step)
{
	int ignored;

	switch (step->element) {
	case LONG_MONTH:
	case MONTH:
		return take_month_name(p, step->element == MONTH);
	case NUM_MONTH:
	case ZERO_MONTH:
		return take_in_range(p, step->element == ZERO_MONTH, 1, 12, &p->month);
	case LONG_WEEKDAY:
	case WEEKDAY:
		return take_name(p, weekdays, 7, step->element == WEEKDAY, &ignored);
	case DAY:
	case UNDER_DAY:
	case ZERO_DAY:
		return take_day(p, step->element);
	case UNDER_YDAY:
	case ZERO_YDAY:
		return take_yday(p, step->element == UNDER_YDAY);
	case HOUR:
		return take_in_range(p, false, 0, 23, &p->hour);
	case HOUR12:
	case ZERO_HOUR12:
		return take_in_range(p, step->element == ZERO_HOUR12, 0, 12, &p->hour);
	case MINUTE:
	case ZERO_MINUTE:
		return take_in_range(p, step->element == ZERO_MINUTE, 0, 59, &p->minute);
	case SECOND:
	case ZERO_SECOND:
		return take_second(p, step->element == ZERO_SECOND, step + 1);
	case LONG_YEAR:
		return take_long_year(p);
	case YEAR:
		return take_short_year(p);
	case UPPER_PM:
		return take_pm(p, "AM", "PM");
	case LOWER_PM:
		return take_pm(p, "am", "pm");
	case FRACTION_0:
		return take_fraction(p, 1 + (size_t)step->digits);
	case FRACTION_9:
		return take_free_fraction(p);
	default:
		return take_zone(p, step->element);
	}
}

/* Month and day from the day of the year, which both must agree with. */
static bool
resolve_yday(struct parse *p)
{
	int yday = p->yday, month = 1;

	if (is_leap(p->year) && yday == 31 + 29) {
		month = 2;
		yday = 29;
	} else {
		if (is_leap(p->year) && yday > 31 + 29)
			yday--;
		if (yday < 1 || yday > 365)
			return false;
		while (days_before[month] < yday)
			month++;
		yday -= days_before[month - 1];
	}
	if ((p->month != UNSET && p->month != month) || (p->day != UNSET && p->day != yday))
		return false;
	p->month = month;
	p->day = yday;
	return true;
}

static bool
resolve_date(struct parse *p)
{
	if (p->pm && p->hour < 12)
		p->hour += 12;
	else if (p->am && p->hour == 12)
		p->hour = 0;
	if (p->yday != UNSET && !resolve_yday(p))
		return false;
	if (p->month == UNSET)
		p->month = 1;
	if (p->day == UNSET)
		p->day = 1;
	return p->day >= 1 && p->day <= days_in(p->month, p->year);
}

/* A fixed zone, unless the local one has this offset (and name) at that time. */
static struct timefmt_time
at_offset(int64_t sec, int32_t nsec, int32_t offset_s, struct str name, const struct timezone_db *local)
{
	struct tz_period period = tz_lookup(local, sec);

	if (period.offset_s == offset_s && (name.len == 0 || str_eq(name, period.name)))
		return (struct timefmt_time){sec, nsec, offset_s, local, period.name};
	return (struct timefmt_time){sec, nsec, offset_s, NULL, name};
}

static struct timefmt_time
resolve_zone(const struct parse *p, const struct timezone_db *zone, const struct timezone_db *local)
{
	int64_t wall = days_from_civil(p->year, p->month, p->day) * DAY_S + p->hour * INT64_C(3600) + p->minute * INT64_C(60) + p->second;
	int32_t offset = 0;
	int hours = 0;

	if (p->utc)
		return in_zone(wall, p->nsec, tz_utc());
	if (p->offset_s != UNSET)
		return at_offset(wall - p->offset_s, p->nsec, p->offset_s, p->zone_name, local);
	if (p->zone_name.len == 0)
		return in_zone(tz_to_utc(zone, wall), p->nsec, zone);
	if (tz_lookup_name(local, p->zone_name, wall, &offset))
		return in_zone(wall - offset, p->nsec, local);
	/* Unknown: the wall clock is taken as UTC, shown at the offset that the name says. */
	if (p->zone_name.len > 3 && str_starts(p->zone_name, STR("GMT")))
		(void)signed_number(str_from_offset(p->zone_name, 3), &hours);
	return (struct timefmt_time){wall, p->nsec, hours * 3600, NULL, p->zone_name};
}

/* The strict form only; anything else is left to the steps. */
static bool
parse_rfc3339(struct str s, const struct timezone_db *local, struct timefmt_time *ret)
{
	struct parse p = {.rest = s, .offset_s = 0};
	int century, year;
	int64_t wall;

	if (s.len < 20 || s.s[4] != '-' || s.s[7] != '-' || s.s[10] != 'T' || s.s[13] != ':' || s.s[16] != ':')
		return false;
	if (!two_digits(s, 0, 99, &century) || !two_digits(s, 2, 99, &year) || !two_digits(s, 5, 12, &p.month) || !two_digits(s, 8, 31, &p.day) ||
		!two_digits(s, 11, 23, &p.hour) || !two_digits(s, 14, 59, &p.minute) || !two_digits(s, 17, 59, &p.second))
		return false;
	p.year = century * 100 + year;
	if (p.month < 1 || p.day < 1 || p.day > days_in(p.month, p.year))
		return false;
	take(&p, 19);
	if (p.rest.s[0] == '.' && !take_free_fraction(&p))
		return false;
	wall = days_from_civil(p.year, p.month, p.day) * DAY_S + p.hour * INT64_C(3600) + p.minute * INT64_C(60) + p.second;
	if (p.rest.len == 1 && p.rest.s[0] == 'Z') {
		*ret = (struct timefmt_time){wall, p.nsec, 0, tz_utc(), STR("UTC")};
		return true;
	}
	if (p.rest.len != 6 || !take_offset(&p, true, true, false))
		return false;
	*ret = at_offset(wall - p.offset_s, p.nsec, p.offset_s, STR_EMPTY, local);
	return true;
}

bool
timefmt_parse(const struct timefmt *f, struct str text, const struct timezone_db *zone, const struct timezone_db *local, struct timefmt_time *ret)
{
	struct parse p = {.rest = text, .month = UNSET, .day = UNSET, .yday = UNSET, .offset_s = UNSET};

	if (f->rfc3339 && parse_rfc3339(text, local, ret))
		return true;
	for (size_t i = 0; i < f->n; i++) {
		if (!skip_prefix(&p, f->steps[i].prefix))
			return false;
		if (f->steps[i].element == END)
			break;
		if (!take_element(&p, &f->steps[i]))
			return false;
	}
	if (p.rest.len > 0 || !resolve_date(&p))
		return false;
	*ret = resolve_zone(&p, zone, local);
	return true;
}

/* Printing. */

static void
put_padded(struct buf *out, int64_t n, int width)
{
	(void)buf_printf(out, "%s%0*" PRId64, n < 0 ? "-" : "", width, n < 0 ? -n : n);
}

static void
put_fraction(struct buf *out, const struct step *step, int nsec)
{
	char digits[10];
	size_t n = step->digits < 9 ? step->digits : 9;

	if (step->element == FRACTION_9 && nsec == 0)
		return;
	(void)snprintf(digits, sizeof(digits), "%09d", nsec);
	while (step->element == FRACTION_9 && n > 0 && digits[n - 1] == '0')
		n--;
	if (n == 0)
		return;
	(void)buf_putc(out, step->separator);
	(void)buf_append(out, digits, n);
}

static void
put_offset(struct buf *out, int offset_s, bool colon, bool minutes, bool seconds)
{
	int zone = offset_s / 60, abs_s = offset_s < 0 ? -offset_s : offset_s;
	bool negative = zone < 0;

	zone = negative ? -zone : zone;
	(void)buf_printf(out, "%c%02d", negative ? '-' : '+', zone / 60);
	if (colon)
		(void)buf_putc(out, ':');
	if (minutes)
		(void)buf_printf(out, "%02d", zone % 60);
	if (seconds) /* Go negates the offset only where it has whole minutes */
		(void)buf_printf(out, "%s%02d", colon ? ":" : "", (negative ? abs_s : offset_s) % 60);
}

static void
put_zone(struct buf *out, enum element element, const struct timefmt_time *t)
{
	bool colon = element == ISO_COLON_TZ || element == ISO_COLON_SECONDS_TZ || element == NUM_COLON_TZ || element == NUM_COLON_SECONDS_TZ;
	bool minutes = element != ISO_SHORT_TZ && element != NUM_SHORT_TZ;
	bool seconds = element == ISO_SECONDS_TZ || element == ISO_COLON_SECONDS_TZ || element == NUM_SECONDS_TZ || element == NUM_COLON_SECONDS_TZ;
	bool iso = element >= ISO_TZ && element <= ISO_COLON_SECONDS_TZ;

	if (element == TZ_NAME && t->zone_name.len > 0)
		(void)buf_str(out, t->zone_name);
	else if (iso && t->offset_s == 0)
		(void)buf_putc(out, 'Z');
	else
		put_offset(out, t->offset_s, colon, minutes, seconds);
}

static void
put_text(struct buf *out, const char *name, bool is_short)
{
	(void)buf_append(out, name, is_short ? 3 : strlen(name));
}

static void
put_element(struct buf *out, const struct step *step, const struct timefmt_time *t, const struct timefmt_civil *c)
{
	int hour12 = c->hour % 12 == 0 ? 12 : c->hour % 12;

	switch (step->element) {
	case LONG_MONTH:
	case MONTH:
		put_text(out, months[c->month - 1], step->element == MONTH);
		break;
	case NUM_MONTH:
	case ZERO_MONTH:
		put_padded(out, c->month, step->element == ZERO_MONTH ? 2 : 1);
		break;
	case LONG_WEEKDAY:
	case WEEKDAY:
		put_text(out, weekdays[c->weekday], step->element == WEEKDAY);
		break;
	case DAY:
	case ZERO_DAY:
		put_padded(out, c->day, step->element == ZERO_DAY ? 2 : 1);
		break;
	case UNDER_DAY:
		(void)buf_printf(out, "%2d", c->day);
		break;
	case UNDER_YDAY:
		(void)buf_printf(out, "%3d", c->yday);
		break;
	case ZERO_YDAY:
		put_padded(out, c->yday, 3);
		break;
	case HOUR:
		put_padded(out, c->hour, 2);
		break;
	case HOUR12:
	case ZERO_HOUR12:
		put_padded(out, hour12, step->element == ZERO_HOUR12 ? 2 : 1);
		break;
	case MINUTE:
	case ZERO_MINUTE:
		put_padded(out, c->minute, step->element == ZERO_MINUTE ? 2 : 1);
		break;
	case SECOND:
	case ZERO_SECOND:
		put_padded(out, c->second, step->element == ZERO_SECOND ? 2 : 1);
		break;
	case LONG_YEAR:
		put_padded(out, c->year, 4);
		break;
	case YEAR:
		put_padded(out, (c->year < 0 ? -c->year : c->year) % 100, 2);
		break;
	case UPPER_PM:
		(void)buf_z(out, c->hour >= 12 ? "PM" : "AM");
		break;
	case LOWER_PM:
		(void)buf_z(out, c->hour >= 12 ? "pm" : "am");
		break;
	case FRACTION_0:
	case FRACTION_9:
		put_fraction(out, step, c->nsec);
		break;
	default:
		put_zone(out, step->element, t);
	}
}

void
timefmt_format(const struct timefmt *f, const struct timefmt_time *t, struct buf *out)
{
	struct timefmt_civil c = timefmt_civil(t);

	for (size_t i = 0; i < f->n; i++) {
		(void)buf_str(out, f->steps[i].prefix);
		if (f->steps[i].element != END)
			put_element(out, &f->steps[i], t, &c);
	}
}

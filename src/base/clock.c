/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t
read_clock(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t
clock_now_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t
clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

const char *
clock_format_rfc3339(int64_t ns, char out[CLOCK_RFC3339_BYTES])
{
	int64_t fraction = ns % NS_PER_S;
	time_t seconds;
	struct tm tm;
	size_t len;

	if (fraction < 0)
		fraction += NS_PER_S;
	seconds = (time_t)((ns - fraction) / NS_PER_S);
	(void)gmtime_r(&seconds, &tm);
	len = strftime(out, CLOCK_RFC3339_BYTES - 12, "%Y-%m-%dT%H:%M:%S.", &tm);
	(void)snprintf(out + len, CLOCK_RFC3339_BYTES - len, "%09dZ", (int)fraction);
	return out;
}

/* Reads exactly n digits at *s. */
static bool
digits(struct str *s, size_t n, int *ret)
{
	uint64_t value;

	if (s->len < n || !str_to_u64(str_head(*s, n), &value))
		return false;
	*s = str_from_offset(*s, n);
	*ret = (int)value;
	return true;
}

static bool
take(struct str *s, const char *any_of)
{
	if (s->len == 0 || strchr(any_of, s->s[0]) == NULL || s->s[0] == '\0')
		return false;
	*s = str_from_offset(*s, 1);
	return true;
}

static int64_t
parse_fraction(struct str *s)
{
	int64_t ns = 0, unit = NS_PER_S / 10;

	for (; s->len > 0 && s->s[0] >= '0' && s->s[0] <= '9'; *s = str_from_offset(*s, 1)) {
		ns += (s->s[0] - '0') * unit;
		unit /= 10;
	}
	return ns;
}

bool
clock_parse_rfc3339(struct str s, int64_t *ret_ns)
{
	struct tm tm = {0};
	int64_t ns = 0, offset_s = 0;
	int hours, minutes;

	if (!digits(&s, 4, &tm.tm_year) || !take(&s, "-") || !digits(&s, 2, &tm.tm_mon) || !take(&s, "-") ||
		!digits(&s, 2, &tm.tm_mday) || !take(&s, "Tt") || !digits(&s, 2, &tm.tm_hour) ||
		!take(&s, ":") || !digits(&s, 2, &tm.tm_min) || !take(&s, ":") || !digits(&s, 2, &tm.tm_sec))
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
		tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	if (take(&s, "."))
		ns = parse_fraction(&s);
	if (!take(&s, "Zz")) {
		bool west = s.len > 0 && s.s[0] == '-';

		if (!take(&s, "+-") || !digits(&s, 2, &hours) || !take(&s, ":") || !digits(&s, 2, &minutes))
			return false;
		offset_s = (hours * 60 + minutes) * (west ? -60 : 60);
	}
	if (s.len > 0)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_ns = ((int64_t)timegm(&tm) - offset_s) * NS_PER_S + ns;
	return true;
}

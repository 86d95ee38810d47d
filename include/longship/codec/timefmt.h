/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Go's time layouts ("2006-01-02T15:04:05Z07:00"): compiled once into a small program, then parsed and
 * printed without allocation, with the results of time.Parse, time.ParseInLocation and Time.Format.
 * A compiled layout is immutable; any thread.
 *
 *	const struct timefmt *f = timefmt_compile(arena, STR("Jan _2 15:04:05"));
 *	if (timefmt_parse(f, text, tz_utc(), tz_utc(), &t) && timefmt_to_ns(&t, &ns)) …
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"
#include "longship/codec/tz.h"

struct timefmt;
struct buf;

struct timefmt_time { /* an instant and the zone it is shown in */
	int64_t sec; /* since 1970; years 0 to 9999 are beyond int64 nanoseconds */
	int32_t nsec;
	int32_t offset_s; /* of the zone at this instant */
	const struct timezone_db *zone; /* NULL: fixed at offset_s */
	struct str zone_name; /* "CET", or empty; borrowed from the zone or the parsed text */
};

struct timefmt_civil {
	int64_t year;
	int month, day, yday, weekday; /* 1..12, 1..31, 1..366, 0 = Sunday */
	int hour, minute, second, nsec;
};

/* Every text is a layout. Lives in the arena. */
const struct timefmt *timefmt_compile(struct arena *, struct str layout);
/* Whether the layout says the year ("06" or "2006"). */
bool timefmt_has_year(const struct timefmt *);

/* As time.Parse (zone = tz_utc(), local = tz_load("Local")) and time.ParseInLocation (zone = local = the location): `zone` is that
 * of texts without one, `local` is asked for the meaning of offsets and abbreviations. A layout without year gives year 0. */
bool timefmt_parse(const struct timefmt *, struct str text, const struct timezone_db *zone, const struct timezone_db *local, struct timefmt_time *ret);
/* Appends the time in its zone. */
void timefmt_format(const struct timefmt *, const struct timefmt_time *, struct buf *out);

/* Nanoseconds since 1970; false outside of 1677..2262. */
bool timefmt_to_ns(const struct timefmt_time *, int64_t *ret_ns);
struct timefmt_time timefmt_from_ns(int64_t ns, const struct timezone_db *zone);
/* Go's time.Date: fields may lie outside their ranges. zone NULL: fixed at offset_s. */
struct timefmt_time timefmt_date(const struct timefmt_civil *, const struct timezone_db *zone, int32_t offset_s);
struct timefmt_civil timefmt_civil(const struct timefmt_time *);
/* Go's AddDate(years, 0, 0): the same wall clock in another year. */
struct timefmt_time timefmt_add_years(const struct timefmt_time *, int64_t years);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Time zones from the system's TZif files (RFC 8536), with Go's rules of looking up. Immutable, any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

struct timezone_db;

/* A location by name as Go's time.LoadLocation: "" and "UTC", "Local" (by $TZ, else /etc/localtime), else a name of the IANA
 * database. NULL with Go's message. Lives in the arena. */
const struct timezone_db *tz_load(struct arena *, struct str name, struct str *ret_error);
/* The content of a TZif file; NULL when it is malformed. */
const struct timezone_db *tz_parse(struct arena *, struct str name, struct str data);
const struct timezone_db *tz_utc(void);

struct tz_period { /* a time during which the zone's offset does not change */
	struct str name; /* "CET" */
	int32_t offset_s; /* east of UTC */
	int64_t start_s, end_s; /* since 1970; may be shorter than the real one */
};
struct tz_period tz_lookup(const struct timezone_db *, int64_t sec);
/* Offset of an abbreviation, preferring the zone in effect at local_sec (the wall clock read as UTC). */
bool tz_lookup_name(const struct timezone_db *, struct str name, int64_t local_sec, int32_t *ret_offset_s);
/* UTC of a wall clock reading (as if it were UTC), as Go's time.Date resolves gaps and overlaps. */
int64_t tz_to_utc(const struct timezone_db *, int64_t local_sec);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reads logfmt as go-logfmt's decoder does: key=value, key="quoted with JSON escapes", key. Records end
 * at a newline, but all records of a text are read. Malformed text ends the reading; what was read
 * before it counts.
 *
 *	struct logfmt l;
 *	logfmt_init(&l, line, arena);
 *	while (logfmt_next(&l, &key, &value)) use(key, value);
 *	if (l.failed) …
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

#define LOGFMT_RECORD_BYTES_MAX 65535 /* longer ones fail, as in Go's bufio.Scanner */

struct logfmt {
	struct str rest;     /* after the current record */
	const char *p, *end; /* what is left of the record */
	struct arena *arena; /* takes unquoted values */
	bool failed;
	/* Of 64 bytes from `block` on, or up to the record's end: which end a key or value, are not ASCII, end or escape in quotes. */
	const char *block;
	uint64_t ends, wide, quotes;
};

void logfmt_init(struct logfmt *, struct str text, struct arena *);
/* Key and value are borrowed from the text or stand in the arena. False: end or malformed. */
bool logfmt_next(struct logfmt *, struct str *ret_key, struct str *ret_value);

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

#include "longship/base/arena.h"
#include "longship/base/str.h"

#define LOGFMT_RECORD_BYTES_MAX 65535 /* longer ones fail, as in Go's bufio.Scanner */

struct logfmt {
	struct str rest;     /* after the current record */
	struct str record;   /* what is left of it */
	struct arena *arena; /* takes unquoted values */
	bool failed;
};

void logfmt_init(struct logfmt *, struct str text, struct arena *);
/* Key and value are borrowed from the text or stand in the arena. False: end or malformed. */
bool logfmt_next(struct logfmt *, struct str *ret_key, struct str *ret_value);

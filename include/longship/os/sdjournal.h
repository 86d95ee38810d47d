/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading systemd's journal with libsystemd. Only for a process of its own (app/cmd_journal_reader.c): journal files are mapped, and
 * whoever cuts or damages one may end the reader. A struct sdjournal belongs to one thread. Errors are -errno.
 *
 *	struct sdjournal *j;
 *	sdjournal_open(&(struct sdjournal_options){0}, &j);
 *	sdjournal_seek_realtime(j, since_ns);
 *	while (sdjournal_next(j) > 0)
 *		while (sdjournal_field(j, &name, &value)) …
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"

struct sdjournal;

#define JOURNAL_CURSOR_BYTES_MAX 500   /* libsystemd's have about 200; the positions store takes 512 */
#define JOURNAL_FIELD_BYTES_MAX (1u << 20) /* of a message; what is beyond is cut off and counted */
#define JOURNAL_SCAN_FILES_MAX 20000   /* journald keeps at most some hundred files a machine */

struct sdjournal_options {
	const char *path; /* a directory; NULL: the journals of this machine */
	const char *name_space; /* NULL: the default one; "*": all. Only without path */
};

int sdjournal_open(const struct sdjournal_options *, struct sdjournal **ret);
void sdjournal_close(struct sdjournal *);

/* Matches: of one field any, of several fields all; "or" and "and" join what was added since. */
int sdjournal_match(struct sdjournal *, struct str match);
int sdjournal_match_or(struct sdjournal *);
int sdjournal_match_and(struct sdjournal *);

/* Goes to just before the first entry of that time, or of the journal. */
int sdjournal_seek_realtime(struct sdjournal *, int64_t ns);
int sdjournal_seek_head(struct sdjournal *);
/* Goes to the cursor's entry: 1; to the place where it would be, when it is gone: 0. The next entry is the one behind. */
int sdjournal_seek_cursor(struct sdjournal *, const char *cursor);
/* Goes to the newest entry: 1; 0 when there is none. */
int sdjournal_seek_tail(struct sdjournal *);

/* 1: an entry, 0: the end for now. */
int sdjournal_next(struct sdjournal *);
/* Of the current entry. */
int sdjournal_realtime(struct sdjournal *, int64_t *ret_ns);
void sdjournal_fields_again(struct sdjournal *);
/* The next field; borrowed until the next call. */
bool sdjournal_field(struct sdjournal *, struct str *ret_name, struct str *ret_value);
int sdjournal_cursor(struct sdjournal *, char ret[JOURNAL_CURSOR_BYTES_MAX + 1]);

/* What a cursor says of its entry. false: not a cursor. */
struct sdjournal_place {
	uint8_t seqnum_id[32]; /* hexadecimal text */
	uint64_t seqnum;
	int64_t realtime_ns;
};
bool sdjournal_cursor_place(struct str cursor, struct sdjournal_place *ret);

enum sdjournal_change { JOURNAL_NOTHING, JOURNAL_APPENDED, JOURNAL_FILES_CHANGED, JOURNAL_HANG_UP };
/* Waits until the journal has changed, other_fd has hung up, or the time is over (-1: for ever). */
int sdjournal_wait(struct sdjournal *, int other_fd, int timeout_ms, enum sdjournal_change *ret);

/* Reading a mapped file that was cut shorter raises SIGBUS. With the guard a page of zeros takes the missing one's place, which
 * libsystemd takes for a damaged file; sdjournal_guard_tripped tells (once) that this happened: open the journal again. */
void sdjournal_guard(void);
bool sdjournal_guard_tripped(void);

/* What can be read at all: libsystemd leaves out silently what it cannot open. */
struct sdjournal_faults {
	size_t files, readable, denied, unsupported, damaged, foreign; /* foreign: of other machines or namespaces, not looked at */
	char denied_path[512], unsupported_path[512], damaged_path[512];
	char unsupported_flags[96]; /* names of those that this libsystemd does not know */
};
void sdjournal_scan(const struct sdjournal_options *, struct sdjournal_faults *ret);

/* Whether the files hold every sequence number of an id between the first and the last: what cannot be read of them is then damage, not
 * a file that somebody left out. */
bool sdjournal_complete(const struct sdjournal_options *, const uint8_t seqnum_id[32]);

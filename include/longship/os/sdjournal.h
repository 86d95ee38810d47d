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

struct sdjournal_options {
	const char *path; /* a directory; NULL: the journals of this machine */
	const char *name_space; /* NULL: the default one; "*": all. Only without path */
};

int sdjournal_open(const struct sdjournal_options *, struct sdjournal **ret);
/* One file only; it is read on when its name is gone. */
int sdjournal_open_file(const char *path, struct sdjournal **ret);
void sdjournal_close(struct sdjournal *);

/* Matches: of one field any, of several fields all; "or" and "and" join what was added since. */
int sdjournal_match(struct sdjournal *, struct str match);
int sdjournal_match_or(struct sdjournal *);
int sdjournal_match_and(struct sdjournal *);

/* Goes to just before the first entry of that time, or of the journal. */
int sdjournal_seek_realtime(struct sdjournal *, int64_t ns);
/* To the first entry of this boot that is not older: CLOCK_MONOTONIC. A file that knows nothing of this boot is at its head. */
int sdjournal_seek_this_boot(struct sdjournal *, int64_t mono_ns);
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
	uint8_t boot_id[32]; /* hexadecimal text; zeros: not said */
	uint64_t monotonic_us, xor_hash;
};
bool sdjournal_cursor_place(struct str cursor, struct sdjournal_place *ret);
/* Of the current entry. */
bool sdjournal_here(struct sdjournal *, struct sdjournal_place *ret);
/* < 0: a is before b, as libsystemd orders entries of several files. */
int sdjournal_compare(const struct sdjournal_place *a, const struct sdjournal_place *b);

enum sdjournal_change { JOURNAL_NOTHING, JOURNAL_APPENDED, JOURNAL_FILES_CHANGED, JOURNAL_HANG_UP };
/* Waits until the journal has changed, other_fd has hung up, or the time is over (-1: for ever). */
int sdjournal_wait(struct sdjournal *, int other_fd, int timeout_ms, enum sdjournal_change *ret);

/* Reading a mapped file that was cut shorter raises SIGBUS. With the guard a page of zeros takes the missing one's place, which
 * libsystemd takes for a damaged file; sdjournal_guard_tripped tells (once) that this happened: open the journal again. */
void sdjournal_guard(void);
bool sdjournal_guard_tripped(void);

/* As libsystemd sees this file: 0 or -errno. */
int sdjournal_try_file(const char *path);
/* Empty where there is none. */
void sdjournal_machine_id(char ret[33]);
void sdjournal_boot_id(char ret[33]);

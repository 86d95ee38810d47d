/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The files of a journal, seen beside libsystemd, which tells nothing of them: what it cannot read and leaves out silently, and which
 * files came while it was not looking. Only headers are read. Errors are no files; the calling thread's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/vec.h"
#include "longship/os/sdjournal.h"

#define JOURNAL_SCAN_FILES_MAX 20000 /* journald keeps at most some hundred files a machine */

/* What can be read at all. */
struct sdjournal_faults {
	size_t files, readable, denied, unsupported, damaged, foreign; /* foreign: of other machines or namespaces, not looked at */
	char denied_path[512], unsupported_path[512], damaged_path[512];
	char unsupported_flags[96]; /* names of those that this libsystemd does not know */
};
void sdjournal_scan(const struct sdjournal_options *, struct sdjournal_faults *ret);

/* Whether the files hold every sequence number between the first and the last: what cannot be read of them is then damage, not a
 * file that somebody left out. One journald counts through all of its files, those of users, too. */
bool sdjournal_complete(const struct sdjournal_options *);

struct sdjournal_file {
	uint8_t id[16]; /* its own for ever, whatever its name */
	char *path;
};
struct sdjournal_dir {
	char *path;
	int64_t mtime_ns;
};
struct sdjournal_list {
	VEC(struct sdjournal_file) files;
	VEC(struct sdjournal_dir) dirs;
	bool unfinished; /* a file is just being made, and not among them */
};
/* Fills a zero-initialised list. */
void sdjournal_list(const struct sdjournal_options *, struct sdjournal_list *ret);
void sdjournal_list_done(struct sdjournal_list *);
/* Whether files may have come or gone since. Cheap: one stat a directory. */
bool sdjournal_list_stale(const struct sdjournal_list *);
/* The cursor of the newest entry of files that are written to; false: there are none. Not all of a cursor: id, number and time. */
bool sdjournal_list_newest(const struct sdjournal_list *, char cursor[JOURNAL_CURSOR_BYTES_MAX + 1]);
const struct sdjournal_file *sdjournal_list_find(const struct sdjournal_list *, const uint8_t id[16]);
void sdjournal_list_drop(struct sdjournal_list *, const uint8_t id[16]);

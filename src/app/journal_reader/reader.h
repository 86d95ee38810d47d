/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of the process that reads a journal (cmd_journal_reader.c says what it is). One thread, no way back: what goes wrong ends
 * the process, or is told. */
#include <stdbool.h>
#include <stdint.h>

#include "latecomers.h"
#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/vec.h"
#include "longship/codec/regex.h"
#include "longship/os/journal_wire.h"
#include "longship/os/sdjournal.h"

#define FIELD_NAME_BYTES_MAX 64 /* journald's limit */

struct name {
	char text[FIELD_NAME_BYTES_MAX + 1];
	uint8_t len;
	bool wanted;
};

struct reader {
	/* The request. */
	struct sdjournal_options options;
	VEC(struct str) matches; /* "FIELD=value"; "+" or, "&" and */
	VEC(struct name) fields; /* that are wanted by name */
	VEC(const struct regex *) regexes;
	VEC(uint64_t) cuts;
	bool all_fields, own_lines;
	char cursor[JOURNAL_CURSOR_BYTES_MAX + 16]; /* of what was sent last; empty: from `since` */
	unsigned cursor_same;                       /* how many entries before it have its time */
	int64_t since_ns, skip_ns;

	struct arena *arena;
	struct sdjournal *journal;
	struct latecomers late;
	struct buf block, labels, body;
	VEC(struct name) names; /* what the regexes said */
	char own_unit[256]; /* the service that this process belongs to */

	uint64_t n_records, next_cut; /* since the start; index into cuts */
	uint32_t in_block;
	int64_t last_us_ns;  /* time of the last record, and how many before it had the same */
	unsigned same_time;
	int64_t own_second;
	unsigned own_count;

	/* The count of sequence numbers (account.c). */
	bool anchored, suspect, suspect_damage; /* suspect: what is missing now was removed, or damaged */
	struct sdjournal_place anchor;
	uint64_t since_anchor, accounted;
	unsigned incomplete; /* how often numbers were missing because files are */
	char scanned[JOURNAL_CURSOR_BYTES_MAX + 1]; /* with matches: what stands before it was looked at; empty: nothing yet */
	struct journal_end gap;                     /* with matches: found, not told yet */

	unsigned n_again; /* how often the block was read again, since it was not whole */
	bool pass_copies; /* the files of the last entry are gone: copies of it may be elsewhere */
	int64_t progress_at_ns;
	bool unread_news; /* the journal has changed since the last progress */
	unsigned state;   /* of the last scan: which note was sent */
	bool told_damaged, told_unsupported;
};

/* request.c. False: what descriptor 3 holds is no request. */
bool reader_take_request(struct reader *);
struct name reader_name(struct str, bool wanted);

/* record.c. Appends j's current entry to the block. 0 or -errno: then nothing was. */
int reader_put_record(struct reader *, struct sdjournal *j);

/* account.c: what was gone before it could be read. */
void reader_anchor(struct reader *, const struct sdjournal_place *);
/* At the end of a block, which is at `now`: fills end->lost. */
void reader_count_lost(struct reader *, const struct sdjournal_place *now, struct journal_end *end);
/* Without matches: whether numbers are missing before `now` that were not missing before the block. */
bool reader_misses(const struct reader *, const struct sdjournal_place *now);
/* With matches numbers say nothing of what was read: compares what is there now with what was looked at. */
void reader_look_for_gap(struct reader *);
/* All before the cursor was looked at. */
void reader_has_scanned(struct reader *, const char *cursor);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a journal reader (a process of its own) and longship tell each other: frames of a head and a body, in this machine's byte
 * order, for both ends are the same binary. The request is a file of JOURNAL_ASK_… frames; the answer is a pipe of blocks, each
 * JOURNAL_RECORD frames ended by one JOURNAL_END, with JOURNAL_NOTE and JOURNAL_PROGRESS between blocks.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"

#define JOURNAL_WIRE_BLOCK_BYTES (192u << 10) /* a block ends when it holds as much: one span */
#define JOURNAL_WIRE_BLOCK_RECORDS 2048       /* or as many: one batch */
#define JOURNAL_WIRE_RECORD_BYTES_MAX (2u << 20) /* one record: its labels and its message or all of its fields */
#define JOURNAL_WIRE_LABEL_BYTES_MAX (4u << 10) /* of a value that may become a label; Loki's limit is 2,048 */
#define JOURNAL_WIRE_BYTES_MAX (JOURNAL_WIRE_BLOCK_BYTES + JOURNAL_WIRE_RECORD_BYTES_MAX + (64u << 10))
#define JOURNAL_WIRE_REQUEST_BYTES_MAX (4u << 20) /* matches, fields, and the ends of at most SPANS_UNSETTLED_MAX spans */

enum journal_frame_kind {
	/* Request. */
	JOURNAL_ASK_PATH = 1,
	JOURNAL_ASK_NAMESPACE,
	JOURNAL_ASK_MATCH,
	JOURNAL_ASK_OR,
	JOURNAL_ASK_AND,
	JOURNAL_ASK_FIELD,       /* name of a field whose value is wanted for labels */
	JOURNAL_ASK_FIELD_REGEX, /* the same for label names __journal_… that match */
	JOURNAL_ASK_ALL_FIELDS,  /* the body of a record is all of its fields, not the message */
	JOURNAL_ASK_OWN_LINES,   /* longship's own lines are wanted, at a limited rate */
	JOURNAL_ASK_CURSOR,      /* go on behind it */
	JOURNAL_ASK_SINCE,       /* int64_t ns: start at this time */
	JOURNAL_ASK_SKIP,        /* int64_t ns: what lies this close behind the cursor has ended readers before */
	JOURNAL_ASK_CUT,         /* uint64_t: a block has to end behind this record, counted from 1 */
	/* Answer. */
	JOURNAL_RECORD = 64,
	JOURNAL_END,
	JOURNAL_PROGRESS, /* journal_end without records, a cursor: nothing that was asked for stands before it */
	JOURNAL_NOTE,
};

struct journal_frame {
	uint32_t kind, bytes; /* of the body */
};

enum { /* journal_record.flags */
	JOURNAL_RECORD_NO_MESSAGE = 1,
	JOURNAL_RECORD_OWN = 2,  /* longship's own line; has no body */
	JOURNAL_RECORD_CUT = 4,  /* its message or a field was longer than the limit */
};

struct journal_record { /* then the label fields, then the message or all fields */
	int64_t ts_ns;
	uint32_t flags, label_bytes;
};

struct journal_end { /* then the cursor of the last record */
	uint64_t lost, lost_from, lost_to; /* entries that were gone before they could be read; sequence numbers around them */
	uint32_t damaged;                  /* the loss is by damage, else by removal of files */
	uint32_t records;
};

enum journal_note_kind {
	JOURNAL_NOTE_READING,     /* there are files, and they can be read; number is how many */
	JOURNAL_NOTE_NO_FILES,
	JOURNAL_NOTE_DENIED,      /* text: a path */
	JOURNAL_NOTE_PARTLY_DENIED,
	JOURNAL_NOTE_UNSUPPORTED, /* text: "path\nflags" */
	JOURNAL_NOTE_DAMAGED,     /* text: a path */
	JOURNAL_NOTE_TRUNCATED,   /* a mapped file was cut while it was read */
	JOURNAL_NOTE_SKIPPED,     /* number: ns skipped behind the cursor */
	JOURNAL_NOTE_CURSOR_GONE, /* the cursor's entry is no longer there */
	JOURNAL_NOTE_FAILED,      /* text: what; number: errno */
};

struct journal_note { /* then the text */
	uint32_t kind, reserved;
	int64_t number;
};

/* Appends a frame of these pieces. False: beyond the buffer's maximum. */
bool journal_wire_put(struct buf *, enum journal_frame_kind, const void *head, size_t head_bytes, struct str tail);
/* Takes the next frame from *in: 1; 0 when it is not there as a whole; -EBADMSG. */
int journal_wire_take(struct str *in, struct journal_frame *ret, struct str *ret_body);

/* Fields: name, value, each with its length. */
bool journal_wire_put_field(struct buf *, struct str name, struct str value);
/* The next one; false at the end, and where the bytes are no field. */
bool journal_wire_field(struct str *in, struct str *ret_name, struct str *ret_value);

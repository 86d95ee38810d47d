/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Dead letters: entries that a destination refused, kept as JSON lines in files of one directory, for people and for
 * `longship replay`. One line is
 *
 *	{"ts":"2026-01-02T03:04:05.000000006Z","line":"…","labels":{"a":"b"},"structured_metadata":{},"tenant":"t",
 *	 "endpoint":"loki:3100","reason":"line_too_long"}
 *
 * ("line_base64" for bytes that are not UTF-8; "rule" beside the reason "uncertain": this entry, or others of its stream,
 * broke it). Files are NNNNNNNN.jsonl, mode 0600, a new one after DEAD_LETTER_FILE_BYTES and after each start: what a crash cut
 * off is the end of a file. The directory holds at most max_bytes; what does not fit is counted, not kept.
 *
 *	struct dead_letters *d = dead_letters_new(metrics, id, dir, max_bytes, sync);
 *	dead_letters_put(d, &letter);  …
 *	dead_letters_commit(d);        before the lines of these entries count as settled
 *	dead_letters_unref(d);
 *
 * Any thread. Failures to write are logged and counted: shipping goes on.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/str.h"
#include "longship/codec/loki_push.h"

struct metrics;
struct dead_letters;

#define DEAD_LETTER_FILE_BYTES (16ull << 20)

struct dead_letter {
	int64_t ts_ns;
	struct str line;
	const struct push_label *labels;
	size_t n_labels;
	const struct push_label *metadata;
	size_t n_metadata;
	struct str tenant, endpoint;
	const char *reason, *rule; /* rule: NULL unless the reason is "uncertain" */
};

/* Nothing is touched before the first letter. sync: a commit waits until the letters are on the disk. */
struct dead_letters *dead_letters_new(struct metrics *, const char *component_id, const char *dir, uint64_t max_bytes, bool sync);
struct dead_letters *dead_letters_ref(struct dead_letters *); /* NULL is fine */
void dead_letters_unref(struct dead_letters *);
void dead_letters_put(struct dead_letters *, const struct dead_letter *);
void dead_letters_commit(struct dead_letters *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the bytes of a file are, and how they become lines: compressed or not, the encoding and its byte order mark, carriage
 * returns, runs of NUL, bytes that are not UTF-8, lines that are too long. Offsets are those of the file, or of what is in
 * a compressed one. Which lines a range of bytes gives depends on nothing but the file and the rules.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "longship/base/str.h"
#include "longship/codec/charset.h"
#include "longship/lang/args.h"
#include "unpack.h"

struct lane;
struct metric;
struct open_run;
struct receipt;
struct stream;

/* ---- Arguments ---- */

struct decompression_args {
	bool enabled;
	int64_t initial_delay_ns;
	int format;
};

struct long_lines_args {
	int action;
	int64_t limit_bytes;
	struct str mark;
};

struct content_args {
	struct str encoding;
	struct decompression_args *decompression; /* NULL: none */
	int invalid_utf8;
	struct long_lines_args *long_lines; /* NULL: the defaults */
	int64_t flush_partial_after_ns, rotated_wait_ns;
};

extern const struct arg_spec content_spec[]; /* of struct content_args */
bool content_check(const struct content_args *, struct src_pos at, struct diags *);

/* ---- Rules: the same for all files of a component; any thread, never changed but for the waits ---- */

struct content_metrics { /* of the component; NULL: not counted */
	struct metric *split, *truncated, *invalid, *nul_bytes;
};

struct content_rules;

/* Of arguments that content_check has passed. One reference. */
struct content_rules *content_rules_new(const struct content_args *, const struct content_metrics *);
struct content_rules *content_rules_ref(struct content_rules *);
void content_rules_unref(struct content_rules *); /* NULL is fine */
bool content_rules_equal(const struct content_rules *, const struct content_rules *);
/* Not read earlier than this after the file was found. */
int64_t content_delay_ns(const struct content_rules *);
/* How long nothing may have been written to a file that was deleted or rotated away until its last line is complete without a line feed; until
 * nothing more is expected of it, which is no earlier. */
int64_t content_flush_partial_ns(const struct content_rules *);
int64_t content_rotated_wait_ns(const struct content_rules *);
/* Both may change while files are read by the rules. */
void content_rules_set_waits(struct content_rules *, const struct content_args *);

/* ---- One file; its lane's thread, before that the control thread ---- */

struct content {
	struct content_rules *rules;
	const struct charset *charset; /* once known; NULL: UTF-8 */
	struct unpack *unpack; /* NULL: not compressed */
	bool known;
	uint8_t bom; /* bytes */
};

void content_init(struct content *, struct content_rules *);
void content_done(struct content *);

/* pread of what is in the file. whole: after an error the part before it is not wanted. Negative: -errno, or as unpack_read. */
ssize_t content_read(struct content *, int fd, char *to, size_t bytes, uint64_t offset, bool whole);
/* How far reading has come in the file itself, whose size is to be no less. */
uint64_t content_taken(const struct content *, uint64_t offset);
/* The size of what is in a file of file_size bytes, as far as it is known. */
uint64_t content_size(const struct content *, uint64_t offset, uint64_t file_size);
/* The file ends behind the bytes that were read last, and nothing will be added to its last line. */
bool content_is_final(const struct content *);
/* How many bytes before the offset are to be read with what stands there, of those that the caller wants. */
size_t content_before(const struct content *, uint64_t offset, bool wanted);
/* A compressed file is shorter than the offset now. */
bool content_is_short(const struct content *, uint64_t offset);
/* From where on the next life can read a compressed file to go on at the offset, as text to be freed; NULL: nothing new. And that text,
 * in the next life; what is not of this file is ignored. */
char *content_cursor(struct content *, int fd, uint64_t offset);
void content_resume(struct content *, int fd, const char *cursor);
/* The last bytes read are n; lines are used up to this offset. */
void content_used(struct content *, const char *bytes, size_t n, uint64_t offset);
/* The bytes at the start of the file decide about the encoding. text: what stands at offset. False: they are not all there yet. */
bool content_recognise(struct content *, int fd, struct str text, uint64_t offset);
/* How much of text, which stands at offset, makes whole lines, or pieces of a line that is too long. 0: wait for more. */
size_t content_whole_lines(const struct content *, struct str text, uint64_t offset);
/* Where a run of NUL ends that fills the whole of text and is not worth reading: the next data or `limit`. 0: there is none. */
uint64_t content_hole(const struct content *, int fd, struct str text, uint64_t offset, uint64_t limit);
/* Hands on the lines of text, the span of receipt; the last may lack its newline. `before` bytes before it can be read.
 * Returns how many. */
uint32_t content_emit(const struct content *, struct stream *, struct lane *, struct receipt *, struct str text, size_t before);
/* Where the lines of these runs, which ascend, stand in the file. After content_emit of the same. False: not all are there. */
bool content_locate(const struct content *, struct stream *, struct lane *, struct receipt *, struct str text, size_t before,
	struct open_run *runs, size_t n);
/* The same of a span that is a hole: counts it, returns 0. */
uint32_t content_pass(const struct content *, const struct receipt *);
/* The offset behind the last complete line of a file of this size; 0 when there is none, or it is compressed. */
uint64_t content_last_line(struct content *, int fd, uint64_t size);

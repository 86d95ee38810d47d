/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The bytes of the disk spool (flow/spool.h). A file is a head and records, a record is the entries of one batch. Numbers are
 * little-endian. The file's head, SPOOL_FILE_HEAD_BYTES:
 *
 *	89 "LSWAL" 0d 0a · version u32 · salt u64 · check u32
 *
 * A record's head, SPOOL_HEAD_BYTES, then its packed bytes:
 *
 *	b7 57 · type u8 (1) · 0 u8 · packed bytes u32 · number of its first entry u64 · entries u32 · unpacked bytes u32 ·
 *	time of writing i64 ns · entries given up so far u64 · check of the packed bytes u32 · check of the head u32
 *
 * A check is the low half of XXH3-64 with the file's salt as seed (0 for the file's head): behind damage the next record is looked for,
 * and no line that somebody sent can look like one. Packed is a Snappy block of items: a byte that says what it is, then
 *
 *	1  n, n × (name, value): the labels of the entries that follow
 *	2  time since the entry before (zigzag), n, n × (name, value): metadata, line
 *
 * with numbers as varints and texts as their length and bytes. Everything read here may be damaged: it is refused, never
 * believed. Any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"
#include "longship/codec/loki_push.h"

#define SPOOL_FILE_HEAD_BYTES 24u
#define SPOOL_HEAD_BYTES 48u
#define SPOOL_UNPACKED_BYTES_MAX (34u << 20) /* of one record: a line is at most as long as a request (32 MiB) */

void spool_file_head_write(char out[SPOOL_FILE_HEAD_BYTES], uint64_t salt);
/* 0; -EBADMSG: damaged or no such file; -EPROTONOSUPPORT: of a newer longship. */
int spool_file_head_read(struct str, uint64_t *ret_salt);

struct spool_head {
	uint64_t number;        /* of its first entry: entries are counted through all files */
	uint32_t entries;
	uint32_t packed_bytes;  /* behind the head */
	uint32_t unpacked_bytes;
	int64_t written_ns;     /* realtime */
	uint64_t given_up;      /* entries that were dropped unread before this record was written */
	uint32_t packed_check;
};
/* packed_bytes and packed_check are taken from `packed`. */
void spool_head_write(char out[SPOOL_HEAD_BYTES], const struct spool_head *, struct str packed, uint64_t salt);
/* False: no whole and undamaged head is at the beginning of the text. */
bool spool_head_read(struct str, uint64_t salt, struct spool_head *ret);
/* The bytes behind the head are those that were written. */
bool spool_packed_is_whole(const struct spool_head *, struct str packed, uint64_t salt);
/* Appends exactly head->unpacked_bytes of items; -EBADMSG: these bytes are not that long. With room for one byte more than that, `out` stays where
 * it is. */
int spool_unpack(struct buf *out, const struct spool_head *, struct str packed);
/* The next place, from 1 on, where a head could begin; text.len without one. */
size_t spool_find_head(struct str text);

/* ---- The items ---- */

struct spool_writer { /* start with last_ns 0 and an empty buffer */
	struct buf *out;
	int64_t last_ns;
};
void spool_write_labels(struct spool_writer *, const struct push_label *, size_t n);
void spool_write_entry(struct spool_writer *, int64_t ts_ns, struct str line, const struct push_label *metadata, size_t n);

enum spool_item { SPOOL_END, SPOOL_LABELS, SPOOL_ENTRY, SPOOL_DAMAGED };

struct spool_reader { /* start with last_ns 0 */
	struct str rest;
	int64_t last_ns;
};
struct spool_content { /* points into the text */
	int64_t ts_ns;    /* of an entry */
	struct str line;
	size_t n_pairs;   /* labels, or metadata */
	struct str pairs; /* for spool_pair */
};
enum spool_item spool_read(struct spool_reader *, struct spool_content *ret);
/* Takes the next of the n_pairs from `pairs`. */
struct push_label spool_pair(struct str *pairs);

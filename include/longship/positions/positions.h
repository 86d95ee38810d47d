/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The positions store: how far each source stream has been settled, and the marks that make reading a
 * range again give the same entries. One append-only file `positions.db` of checksummed records in the
 * storage directory, compacted by rename. On-disk format: positions/README.md.
 *
 * Durability: positions_write is one pwrite (it survives kill -9); the store's own thread makes it
 * durable with fdatasync at most once a second (positions_sync forces it). A store that cannot be
 * written (disk full, read-only) keeps the newest state in memory, reports -errno, and writes it all
 * when it can again: nothing else stops. Any prefix of any write and any flipped bit is survived: the
 * damaged part is skipped and described in the report. A newer format is refused and never rewritten.
 *
 * All functions may be called from any thread (one mutex). Depends on base/ only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/str.h"

struct positions;

/* Identifies a source stream: component id, kind of source, and its generation's identity (opaque bytes, ≤ 256,
 * made by the source: for a file device, inode, birth time and head hash). path and labels are attributes. */
#define POSITIONS_KEY_BYTES_MAX	   512
#define POSITIONS_ATTR_BYTES_MAX   8192
#define POSITIONS_HOLES_MAX	   64
#define POSITIONS_CHECKPOINTS_MAX  5
#define POSITIONS_MEMORY_BYTES_MAX 1024
#define POSITIONS_CURSOR_BYTES_MAX 512

struct position_hole { /* a range below the offset that is not settled */
	uint64_t from, to;
};

struct position_checkpoint { /* the bytes before `offset` hash to `tail_hash` */
	uint64_t offset, tail_hash;
};

struct position {
	uint64_t offset;   /* all below is settled, but for the holes */
	struct str cursor; /* for sources without offsets (journal) */
	struct position_hole holes[POSITIONS_HOLES_MAX];
	size_t n_holes;
	struct position_checkpoint checkpoints[POSITIONS_CHECKPOINTS_MAX]; /* ascending */
	size_t n_checkpoints;
	struct str memory;  /* stream memory at offset, opaque */
	int64_t updated_ns; /* set by the store on write */
};

/* Lines of [from, to) got the times base_ns, base_ns + 1, … and were handed to the wire. */
struct position_mark {
	uint64_t from, to;
	int64_t base_ns;
	uint64_t lines;
	struct str memory; /* stream memory at `from` */
};

enum position_update_kind { POSITION_SET, POSITION_MARK, POSITION_FORGET, POSITION_ATTR };

struct position_update {
	enum position_update_kind kind;
	struct str key; /* declared before with positions_declare */
	/* POSITION_SET: replaces; marks that end at or below its offset are forgotten, but for those that a hole
	 * touches. */
	const struct position *position;
	const struct position_mark *mark; /* POSITION_MARK: takes the place of marks that begin inside of it */
	struct str path, labels;	  /* POSITION_ATTR */
};

struct positions_report { /* what opening found */
	bool created;
	size_t streams, records;
	size_t records_damaged; /* places in the file, and records whose stream's DECLARE stood in one */
	uint64_t bytes_skipped;
	char text[256]; /* one sentence for the log when something was lost, else "" */
};

/* Opens or creates DIR/positions.db and locks the directory (DIR/lock, with the pid inside). 0, or -errno: -EWOULDBLOCK
 * another instance (*ret_pid names it), -EPROTONOSUPPORT newer format, else the system's. DIR is created (0750). */
int positions_open(const char *dir, struct positions **ret, struct positions_report *ret_report, int *ret_pid);
/* Writes what is pending, syncs, unlocks. */
void positions_close(struct positions *);

/* Makes a stream known under its key, with its attributes (cut to their maximum; written with the stream's next
 * update). Counts as a sign of life for positions_expire. */
void positions_declare(struct positions *, struct str key, struct str path, struct str labels);
/* A sign of life of a stream that is known; nothing when it is not. */
void positions_touch(struct positions *, struct str key);
/* One pwrite for all updates (several beyond 256 KiB). 0 or -errno (the state is kept in memory and written later);
 * -EINVAL when an update breaks a maximum, then nothing is done; -E2BIG when there are too many streams (4 Mi), the
 * others are written. A key that is not declared (it may have expired) is taken up without attributes. */
int positions_write(struct positions *, const struct position_update *, size_t n);
/* fdatasync now. */
int positions_sync(struct positions *);

/* Copies of a stream's state into the caller's arena; false when the key is unknown or has none. */
struct arena;
bool positions_get(struct positions *, struct str key, struct arena *, struct position *ret);
/* The path that a stream was declared with, in the arena; empty: it is not known. */
struct str positions_path(struct positions *, struct str key, struct arena *);
/* The marks that are not settled: those that end above the position or touch a hole, ascending by from. */
size_t positions_marks(struct positions *, struct str key, struct arena *, struct position_mark **ret);
/* Calls fn for each stream, in no order; return false to stop. The position is NULL for a stream without one. The
 * arguments are valid during the call, which must not call the store. */
void positions_each(struct positions *,
	bool (*fn)(void *ptr, struct str key, struct str path, struct str labels, const struct position *), void *ptr);
/* The same for those streams only whose path is wanted, which is asked of all. */
void positions_each_of(struct positions *, bool (*is_wanted)(void *ptr, struct str path),
	bool (*fn)(void *ptr, struct str key, struct str path, struct str labels, const struct position *), void *ptr);
/* The newest line time ever recorded in a mark (base + lines), 0 if none: the allocator goes on from there. */
int64_t positions_last_ns(struct positions *);
/* Forgets streams neither written nor declared for longer than age; so declare what is still there before. Returns how
 * many. */
size_t positions_expire(struct positions *, int64_t now_ns, int64_t age_ns);

/* Numbers for metrics. */
struct positions_stats {
	uint64_t streams, file_bytes, writes, write_errors, syncs, compactions;
	int last_error; /* errno of the last failed write, 0 when writing works */
};
void positions_stats(struct positions *, struct positions_stats *ret);

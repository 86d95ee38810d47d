/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One generation of a followed file as a source stream: opened and identified by the control thread, read by a
 * lane until it is told that the file was rotated away and nothing came any more.
 */
#include <stdatomic.h>
#include <sys/types.h>

#include "longship/flow/stream.h"
#include "content.h"
#include "longship/lang/args.h"

#define TARGET_ARENA_BYTES 256 /* blocks of the labels of one file: thousands of files are followed */
#define SEEN_MAX 16 /* size checkpoints of a file whose data waits */

struct file_id { /* of a generation */
	uint64_t dev, ino;
	int64_t btime_ns; /* birth time; 0 where the file system has none */
	uint32_t generation; /* counted up when the same inode was truncated */
	uint32_t ordinal;    /* of the target, where one component tails one path several times */
};

struct tail_metrics {
	struct metric *synthetic, *read_bytes, *file_bytes, *read_lines;
};

struct tail {
	struct stream stream; /* first */
	struct file_id id;
	int fd;
	int64_t opened_ns; /* realtime */
	struct str_pair *label_pairs; /* of the target and filename; owned with their texts */
	size_t n_labels;
	struct arena *arena; /* texts of the labels */
	struct content content; /* lane; before it has the tail, the control thread */
	int64_t not_before_ns; /* monotonic: reading is delayed until then; 0: it is not */
	struct tail_metrics metrics; /* of the path; they live as long as the tail is in a lane (follow.c) */

	_Atomic bool rotated; /* the path names another file now: read what is left, then end */
	_Atomic bool unseen;  /* and it was not looked at since: it may hold something else now, in as many bytes */
	_Atomic bool truncated; /* the lane saw that the file no longer holds what was read: it waits for a copy to go on in, or gives up */
	_Atomic int copy_fd;    /* go on in this one; -1: none */
	int copy_format;        /* it is compressed so; -1: it is not. Set before it */
	_Atomic bool given_up;  /* there is no copy */
	uint64_t lost_bytes;    /* when it was truncated: how much of what it held then had not been read */
	char *_Atomic announce; /* goes out before its next line: what was lost before it; owned, may be NULL */
	_Atomic bool abandoned; /* its file is gone from under it: nothing can be read any more */
	_Atomic int failed;     /* errno of a read that failed; 0: none */
	_Atomic bool drained;   /* nothing more will be read of it */
	struct tail *of;        /* the one that this is a second reader of (flow/lag.h), which lives no shorter; NULL: it is the first */
	struct tail *after;     /* the generation before, whose lines go first; one reference, lane; NULL: none, or it is drained */
	struct tail *_Atomic after_too; /* takes its place: that one waits for it; one reference */
	uint64_t read_to;       /* lane: how large it was when all its whole lines had been read */
	bool told_damage;       /* lane */
	bool asked;             /* lane: a second reader has seen the file cut, when the first had looked so often: */
	unsigned looks;         /* lane: how often it has found the file as it was read; wraps around */
	unsigned copies;        /* lane: that it went on in */
	_Atomic bool at_end;    /* the lane has read all whole lines that it saw and waits to be woken; no destination lags */
	_Atomic int64_t read_ns; /* when something was read last, or the file was opened; monotonic */
	bool has_read;          /* lane: this tail read something; control thread: after its end */

	/* Lane. */
	struct str text; /* of the span that is ending */
	size_t before;   /* bytes before it can be read */

	/* Lane; before it has the tail, the control thread. */
	uint64_t head_bytes; /* how many of its first bytes the stream has the hash of */
	uint64_t proof;      /* hash of the bytes before read_offset; 0: not known */
	size_t begin_bytes;  /* of the file's first bytes, when it was opened to be read later */
	uint64_t begin;      /* their hash */
	_Atomic int64_t grown_at_ns; /* monotonic */
	struct {
		uint64_t size;
		int64_t ns;
	} seen[SEEN_MAX];
	size_t n_seen;

	/* Control thread's. Told by loop_post: the lane has let the stream go; it has seen the file cut. */
	void (*on_end)(void *owner, struct tail *);
	void (*on_cut)(void *owner, struct tail *);
	void *owner;           /* NULL: nobody wants to know any more */
	struct follow *follow; /* NULL: its target is gone */
	int64_t rotated_ns;    /* when that was; monotonic */
	bool kept;             /* the service manager has its descriptor, too */
	bool evicted;          /* no lane has it; waits for a heir of its position or for its end */
	bool resting;          /* the lane was told to let it go, because it is quiet (rest.h) */
	size_t open_place;
};

/* Takes fd. first_seen_ns: for data that is there already. One reference, the caller's. */
struct tail *tail_new(struct runtime *, struct ledger *, const struct file_id *, struct str key, const char *path, int fd,
	const struct target *, const struct ptr_list *forward_to, struct content_rules *, uint64_t size,
	int64_t first_seen_ns);
/* Reads nothing while `before`, which the same lane has, has lines to read. Before the lane has the tail. */
void tail_follow_on(struct tail *, struct tail *before);
/* The same of one that a lane has already, and that waits for one that `before` waits for. */
void tail_follow_on_later(struct tail *, struct tail *before);
/* What is proven of the stream is what the file must go on with. Before the lane has the tail. */
void tail_take_proof(struct tail *);
/* The path names another file: what is left is read, then it ends. written_ns: the file's last change or when it was renamed (realtime), which tells
 * whether somebody may still write. Before anything else has told the lane. */
void tail_rotated(struct tail *, int64_t written_ns);
/* The answer to on_cut: go on in a copy of what the file held (takes fd), or give up (-1). Control thread. */
void tail_go_on_in(struct tail *, int fd);
/* Takes the text, or NULL; goes out with what is read next. Control thread. */
void tail_announce(struct tail *, char *text);
/* Its file, which is deleted, goes back to the disk, also while the lane reads it or waits for Loki. What was read and is unsettled is sent, but
 * cannot be read again. False: it cannot be done. Control thread; not while it is truncated. */
bool tail_abandon(struct tail *);
/* Starts behind the last complete line of the file. */
void tail_skip_to_end(struct tail *, uint64_t size);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Follows one target's path: opens the file that the path names, recognises when it names another one or was
 * truncated, and lets the old generation be read to its end meanwhile. Control thread.
 */
#include "longship/base/map.h"
#include "longship/base/vec.h"
#include "longship/flow/component.h"
#include "deleted.h"
#include "folder.h"
#include "rest.h"
#include "shared_labels.h"
#include "tail.h"

#define FILE_TICK_NS INT64_C(10000000) /* times of files are as coarse as the kernel's tick */
#define FOLLOW_DEVICES_MAX 200 /* of packed follows */
#define NAME_STEP 0x10000u /* between the ordinals of two names of a file: far more than label sets of one path */

enum invalid_position { INVALID_FROM_BEGINNING, INVALID_FROM_END, INVALID_SKIP }; /* on_positions_file_error */

struct stat;

struct follow_shared { /* of one component */
	struct component *component;
	struct ledger *ledger;
	const struct ptr_list *forward_to; /* stable address; contents change while lanes are parked */
	bool tail_from_end;
	enum invalid_position on_invalid;
	struct map taken; /* keys of placed positions that were taken over: forgotten when all follows of a path had their look */
	bool keep_taken;
	struct map generations; /* identity → highest known generation + 1, where that is not 0 */
	struct map live;        /* key in the store → struct tail, one reference: no two streams may have one key */
	struct map paths;       /* path → struct path_use */
	struct map label_sets;  /* struct shared_labels */
	struct folders folders;
	struct metric *files_active, *synthetic;
	struct content_rules *rules; /* of files that are opened; owned */
	struct rests rests;
	struct deleted deleted;
	VEC(struct follow *) follows; /* all, of the targets, in no order, but those that are packed (packed.h) */
	size_t n_packed;
	uint64_t devices[FOLLOW_DEVICES_MAX];
	size_t n_devices;
	bool pack_posted;
	size_t n_active;
	void (*look_soon)(struct component *); /* a look failed: try again by timer */
};

struct follow { /* one for each target: thousands, so its size matters */
	struct follow_shared *shared;
	struct shared_labels *labels;
	struct folder_name at;  /* in the path's directory */
	struct real_name *real; /* where the path leads to, if it is a link */
	struct tail *current;       /* NULL: nothing open */
	VEC(struct tail *) rotated; /* earlier generations that are still read or not settled */
	uint64_t lineage;           /* of all generations of the path, for what goes on from one to the next; 0 before the first */
	uint64_t awaited_dev, awaited_ino; /* what the path named when its earlier generations were looked for, until it is opened; 0: nothing */
	char *announce;             /* for the next tail (struct tail) */
	int64_t last_born_ns;       /* of what the path named before, while it is not known what it names now */
	int64_t last_opened_ns;     /* realtime; 0: it is known */
	int64_t between_ns;         /* since when (monotonic) what it named in between could not be looked into; 0: it could */
	int64_t directory_ns;       /* the directory's last change when it was looked through while the path named nothing; 0: to be looked through */
	int64_t look_at_ns;   /* not before (monotonic), after reads that failed */
	struct file_id id;    /* of the file that rests */
	uint64_t rest_offset; /* how far it was read */
	uint64_t rest_size;   /* how large it was then: more by a line that is not complete */
	int64_t rest_mtime_ns;
	uint32_t ordinal;
	uint32_t place;       /* in follow_shared.follows */
	uint32_t lane;        /* of all generations of the path, for their order; LANE_ANY before the first */
	unsigned fails;       /* reads that failed in a row */
	int said_errno;       /* of the last warning */
	bool opened;     /* a generation was open before */
	bool reads_past; /* while it opens one of them */
	bool past_due;   /* earlier generations have to be looked for first (generations.h) */
	bool resting;    /* it was read to its end and is not open (rest.h); current is NULL */
	bool waiting;    /* for its turn to be opened */
	bool lost;       /* the resting file is looked for under another name */
	bool has_series;
	bool skipped;    /* on_positions_file_error = "skip" */
	bool missing;    /* not there or not readable: looked for again */
	char path[];
};

struct follow *follow_new(struct follow_shared *, const struct target *, uint32_t ordinal);
/* The same with a reference to labels, and not looked for earlier generations. */
struct follow *follow_make(struct follow_shared *, const char *path, struct shared_labels *, uint32_t ordinal);
/* Frees a follow that rests, but for its reference to the labels. */
void follow_leave(struct follow *);
/* The __path__ of a target. */
const char *follow_path_of(const struct target *);
/* NULL: nobody follows the path under this ordinal. One that is packed is unpacked. */
struct follow *follow_find(struct follow_shared *, const char *path, uint32_t ordinal);
/* The target is gone: lanes let go of the file when what was read has settled. What is deleted or rotated away is read to its end. */
void follow_free(struct follow *);
/* The target's labels have changed; the lanes are parked. heir goes on at the same place. */
void follow_replace(struct follow *, struct follow *heir);
/* 0 or -errno; done is fine after both. */
int follow_shared_init(struct follow_shared *);
/* The component's end: all follows are freed and the lanes parked. */
void follow_shared_done(struct follow_shared *);
/* Compares path and open file; wakes the lane when it is the same. */
void follow_look(struct follow *);
/* The resting file was rotated away; the path is looked at later. */
void follow_retire_resting(struct follow *);
void follow_look_retired(struct follow *);
/* Tells the store that the position of a resting file is in use. */
void follow_touch(const struct follow_shared *, const struct file_id *);
/* Lets go of the file that the path names, while lanes are parked: follow_look opens it again from its position. */
void follow_release(struct follow *);
/* Has the store forget the placed positions that were taken over. */
void follow_forget_taken(struct follow_shared *);
/* Whether it has to be looked at by timer: the kernel does not tell of changes. */
bool follow_polled(const struct follow *);
/* Opens a file as it stands under this path, if it is still the one with this identity: the descriptor, or -errno. */
int follow_open(const char *path, struct stat *ret);
/* The highest generation of this identity that the store or this process knows. */
uint32_t follow_generation(const struct follow_shared *, const struct file_id *);
/* What the file holds now is of this generation, which is higher than those that are known. */
void follow_begin_generation(struct follow *, const struct file_id *);
/* It was emptied, and there is no copy of what it held. */
void follow_say_emptied(struct follow *, uint64_t position, uint64_t size);
/* What the store knows of this generation, in the arena; false: nothing. */
struct position;
bool follow_position(struct follow *, const struct file_id *, struct arena *, struct position *ret);
/* A destination has not got all of this generation yet, and the store knows where it stands (flow/lag.h). */
bool follow_lags(struct follow *, const struct file_id *);
/* Whether the store or a tail knows this file already, under any path. */
bool follow_knows(struct follow *, const struct file_id *);
/* Reads a generation that the path named before to its end, behind those that are read already. known: what the store calls it; NULL: it
 * does not know it. Takes fd. */
struct past_file {
	const struct file_id *known;
	bool emptied; /* the file is known, but not what it holds now */
	bool packed; /* compressed, as format says */
	enum decompress_format format;
};
void follow_read_past(struct follow *, int fd, const struct stat *, const struct past_file *);
/* A descriptor of this generation that was open when longship ended, and came back (os/notify.h); -1: none. */
int follow_kept(struct follow *, const struct file_id *);
/* Gives a deleted file back to the disk at once; what is unread of it is counted. False: it cannot. */
bool follow_let_go(struct follow_shared *, struct tail *, uint64_t unread);
/* Counts bytes that will never be read, under a reason that lives for ever, and has a line in the stream say so. */
void follow_abandon(struct follow *, const char *reason, uint64_t bytes);
bool follow_is(const struct follow *, const struct target *, uint32_t ordinal);

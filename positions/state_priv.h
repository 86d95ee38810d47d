/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the store knows, in memory: a hash table of streams by key. Applying the records of a file in
 * their order and applying updates go through the same functions, so memory and disk cannot disagree
 * about what an update means. Not locked: positions.c does that.
 */
#include "format_priv.h"
#include "packed_priv.h"

#define STATE_STREAMS_MAX (4u << 20) /* about 1 GiB of memory; far above any host's files */
#define STATE_MARKS_MAX	  4096	     /* per stream (SPANS_UNSETTLED_MAX); beyond, the lowest is dropped */

enum {
	STREAM_DECLARED = 1, /* this process wrote its DECLARE into the current file */
	STREAM_DIRTY = 2,    /* the file lacks some of it: a write failed */
};

struct state_marks;

struct stream {
	uint64_t number;	    /* in the file; never given twice in one file */
	struct state_marks *marks;  /* NULL when it has none */
	struct shared_text *shared; /* beginning of the key, directories of the path, labels */
	uint32_t seen_s;	    /* declared by a source at this time, in seconds; not stored */
	uint16_t name_len;	    /* of the rest of the path */
	uint16_t position_len;	    /* 0: it has none */
	uint16_t tag;		    /* of the key's hash: what the place in the index does not tell */
	uint8_t digits;		    /* of the rest of the key */
	uint8_t room;		    /* for a position, when that is less than it has */
	uint8_t flags;
	uint8_t data[]; /* the rest of the key, the rest of the path, the position (packed_priv.h) */
};

struct state {
	struct stream **slots;	 /* by key; open addressing, a power of two */
	struct stream **numbers; /* by number, as long as slots; only while a file is loaded */
	size_t slots_len, len;
	struct shared_texts texts;
	uint64_t next_number;
	int64_t last_ns;
	uint64_t live_bytes; /* what a snapshot takes */
};

/* loading: keeps the index by number until state_loaded. */
void state_init(struct state *, bool loading);
void state_loaded(struct state *);
void state_done(struct state *);

struct stream_texts {
	struct str key, path, labels; /* borrowed from here and from the stream */
	char bytes[POSITIONS_KEY_BYTES_MAX + POSITIONS_ATTR_BYTES_MAX];
};

void stream_texts(const struct stream *, struct stream_texts *ret);
static inline bool
stream_has_position(const struct stream *s)
{
	return s->position_len > 0;
}
/* Of one that has a position. Cursor and memory are borrowed. */
void stream_position(const struct stream *, struct position *ret);
int64_t stream_updated_ns(const struct stream *);

struct stream *state_find(const struct state *, struct str key);
/* Finds or adds a stream (then under the next free number) and gives it these attributes. Other pointers to it end.
 * NULL when there are too many. */
struct stream *state_declare(struct state *, struct str key, struct str path, struct str labels);
/* set: as format_encode_set made it. Other pointers to the stream end. */
void state_set(struct state *, struct stream *, struct str set);
void state_mark(struct state *, struct stream *, const struct position_mark *);
void state_forget(struct state *, struct stream *);
/* Marks of a stream, ascending; borrowed. */
size_t state_marks(const struct stream *, const struct position_mark **ret);
/* Does what a record of a file says; false when it makes no sense (its stream was never declared). */
bool state_apply(struct state *, const struct format_record *);
/* The whole stream as records. */
bool state_encode(const struct stream *, struct buf *);

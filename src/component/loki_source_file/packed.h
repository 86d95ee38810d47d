/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is left of a follow whose file rests and was not looked at for a turn of the loop: a hundred bytes in its directory's index (folder.h),
 * of which the follow is made again when something happens to the file, or somebody asks for it. A hundred thousand files rest of which
 * a hundred are written. Control thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct file_id;
struct folder;
struct follow;
struct follow_shared;
struct map;
struct shared_labels;
struct target;

struct packed { /* the fields are the follow's */
	struct packed *next; /* in the folder's index */
	struct shared_labels *labels;
	uint64_t ino;
	int64_t btime_ns, mtime_ns;
	uint64_t size;
	uint32_t unread; /* of the size */
	uint32_t generation, id_ordinal;
	uint16_t ordinal;
	uint8_t device; /* its place in follow_shared.devices */
	uint8_t lane;	/* UINT8_MAX: LANE_ANY */
	char name[];
};

/* Packs what can be, in the next turn of the loop. */
void pack_soon(struct follow_shared *);
/* The component's end: nothing is packed any more. */
void pack_done(struct follow_shared *);
/* The follow again; p is gone. Soon it is packed, unless something has happened to it. */
struct follow *unpack(struct follow_shared *, struct folder *, struct packed *p);
/* All those of a path. */
void unpack_path(struct follow_shared *, const char *path);
void unpack_folder(struct follow_shared *, struct folder *);
/* Whether a follow with this path and ordinal is packed, and has these labels. */
bool packed_is(const struct follow_shared *, const struct target *, uint32_t ordinal);
/* Unpacks those whose key (ordinal|path, as make_key says it) the map does not have. */
void unpack_others(struct follow_shared *, const struct map *wanted);
/* Tells the store that their positions are in use. */
void packed_touch(const struct follow_shared *);

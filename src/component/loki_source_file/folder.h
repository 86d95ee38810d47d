/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The directories in which a component follows files: one watch for each, whatever the number of files, and an index by
 * name, so that an event of a name that nobody follows costs one look-up. Control thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/map.h"

struct component;
struct dir_watch;
struct folder;
struct follow;
struct follow_shared;
struct metric;
struct packed;

struct folders { /* of one component */
	struct component *component;
	struct follow_shared *shared;
	void (*look)(struct follow *); /* something may have happened to its file */
	struct map by_path;            /* struct folder */
	size_t n_polled;               /* of them */
	struct metric *polled;
};

struct folder_name { /* a name that is followed; part of its follow */
	struct folder *folder; /* NULL: none */
	struct folder_name *next;
	struct follow *follow;
	const char *name;
	uint32_t hash;
};

void folders_init(struct folders *, struct follow_shared *, void (*look)(struct follow *));
/* All names have left. */
void folders_done(struct folders *);

/* The entry waits for events of dir/name, which must live as long as it; the watch begins with folder_watch. */
void folder_enter(struct folders *, struct str dir, const char *name, struct follow *, struct folder_name *);
/* The directory's last name takes its watch along. An entry that is in none is fine. */
void folder_leave(struct folder_name *);
/* The directory in which the path is; borrowed. */
struct str folder_dir(const char *path);
const char *folder_path(const struct folder *);
/* The name behind `after` (NULL: the first) whose file has this path, under which somebody follows it; NULL: there is none more. */
const struct folder_name *folders_find(const struct folders *, const char *path, const struct folder_name *after);
/* Whether somebody follows a file under this path, packed or not. */
bool folders_have(const struct folders *, const char *path);
/* The directory in which names of this path are; NULL: none. The name in it. */
struct folder *folder_of(const struct folders *, const char *path);
const char *folder_base(const char *path);
size_t folders_len(const struct folders *);
struct folder *folders_at(const struct folders *, size_t i);

/* Packed follows (packed.h); their memory is the caller's. The last one takes the directory along. */
void folder_add_packed(struct folder *, struct packed *);
void folder_remove_packed(struct folder *, struct packed *);
/* The one behind `after`, of this name, of any; NULL: the first. */
struct packed *folder_find_packed(struct folder *, const char *name, const struct packed *after);
struct packed *folder_next_packed(struct folder *, const struct packed *after);
size_t folder_packed(const struct folder *);

/* Watches the directory if it is not watched; false: it is not (it is missing, or has to be polled). */
bool folder_watch(struct folder *);
/* The kernel tells of all changes. */
bool folder_watched(const struct folder *);
/* Whether files of it have to be looked at by timer: the kernel does not tell of changes. */
bool folder_polled(const struct folder *);
/* Its path leads to another directory than the one that is watched: from now on it is polled until the old one is gone. The kernel says
 * that a directory is gone only when its last file is closed. */
bool folder_has_moved(struct folder *);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Looks for the files that hold the earlier generations of a path: in its directory, in the one that it links to, below and beside them. Here by identity;
 * what the store does not know, or knows by content alone: unseen.h. Control thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "known.h"
#include "longship/base/vec.h"
#include "longship/codec/decompress.h"
#include "match.h"

struct arena;
struct follow;
struct listing;
struct past;
struct stat;

struct candidate { /* a file that is or may be a generation */
	const char *path;
	int kept_fd; /* of one that was deleted; else -1 */
	struct file_identity file;
	struct known *known; /* NULL: the store does not know it */
	bool emptied;        /* the store knows the file, but not what it holds now */
	bool packed;
	enum decompress_format format;
	int64_t order_ns;
};

struct search {
	struct past *past; /* NULL: directories are read for this search alone */
	struct follow *follow;
	struct known_list *list;
	struct arena *arena;
	const char *real_name; /* of the file that the path links to; NULL: it is no link */
	VEC(struct listing *) own; /* listings that are not the past's */
	VEC(struct listing *) dirs;
	VEC(struct candidate) found;
	int64_t copied_since_ns; /* copies that nobody knows and that were written since hold what nobody has read; INT64_MAX: none does */
	bool busy;       /* something could not be looked into now */
	int64_t packed_since_ns; /* what is compressed and was written earlier is of no interest */
	bool plain_only; /* what is compressed is of a generation that is known or open */
};

/* past: lists each directory once for several searches, or NULL. */
void search_init(struct search *, struct past *past, struct follow *, struct known_list *);
void search_done(struct search *);
/* Finds those of the list that have files with their identity, or that the service manager has kept open. */
void search_known(struct search *);

/* DIR/NAME, in the arena. */
const char *search_join(struct arena *, const char *dir, const char *name);
bool search_same_file(const struct file_identity *, const struct file_identity *);
/* It was renamed, or compressed, since the directory was listed. */
bool search_has_vanished(const char *path);
/* Compressed, by its name and its first bytes. */
bool search_is_packed(const char *path, int fd, enum decompress_format *ret);
/* Whether an open file holds what was read of the generation; MATCH_EARLIER: a part of it. */
enum match search_match(struct search *, int fd, const struct stat *, const struct candidate *, const struct known *);
/* Its writer may not have noticed yet that it was renamed. */
bool search_is_still_written(const struct file_identity *);
/* When its content was complete, as far as that is to be told of a copy. */
int64_t search_copied_ns(const struct candidate *);

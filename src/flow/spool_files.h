/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The files of a spool: DIR/NNNNNNNNNNNNNNNNNNNN.wal, named after the number of the first entry, mode 0600. Nothing is appended to a file of an
 * earlier process: what a crash cut off is the end of a file. All return 0 or -errno. Any thread; no state but what the caller holds.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/base/vec.h"
#include "longship/codec/spool_record.h"

struct spool_segment {
	uint64_t first, end;      /* numbers of its entries */
	uint64_t bytes;           /* of the file; all of them durable */
	int64_t first_ns, last_ns; /* when its first and last record were written; 0: not known */
};

/* Makes the file of a new segment and its head: a descriptor for writing. -EEXIST: the name is taken. The directory is made where it is missing, and synced. */
int spool_file_make(const char *dir, uint64_t first, uint64_t *ret_salt);
/* A descriptor for reading. */
int spool_file_open(const char *dir, uint64_t first);
void spool_file_remove(const char *dir, uint64_t first);
/* Frees the name of a file that holds nothing that anybody knows of: NAME.damaged, or nothing, where it is empty. */
void spool_file_put_aside(const char *dir, uint64_t first);
/* Whether the directory can be written: 64 KiB, synced, and removed again. */
int spool_files_probe(const char *dir);

struct spool_found {
	VEC(struct spool_segment) segments; /* ascending, without those that hold no record at all */
	uint64_t next;       /* number behind the last record */
	uint64_t given_up;   /* as the last record says */
	uint64_t damaged_bytes; /* behind the last record: cut off by a crash, or damaged */
};
/* What is there; no directory is fine. -EPROTONOSUPPORT: a file of a newer longship. On an error *ret is empty. */
int spool_files_find(const char *dir, struct spool_found *ret);
void spool_found_done(struct spool_found *);

/*
 * Reads records one after the other and passes over what is damaged.
 *
 *	struct spool_walk w = {.fd = fd, .size = size, .buffer = buffer, .cap = cap};
 *	if (spool_walk_begin(&w) == 0)
 *		while (spool_walk_next(&w, &head, &packed)) …
 *	spool_walk_done(&w);
 */
struct spool_walk {
	int fd;
	uint64_t size;       /* nothing behind it is read */
	char *buffer;        /* the caller's, at least 64 KiB */
	size_t cap;
	uint64_t at, start;  /* the next byte to read; where the last record began */
	uint64_t skipped;    /* bytes that were no record */
	uint64_t salt;
	int error;           /* errno of a failed read: the walk ended early, `at` is where; EBADMSG: the file is shorter than `size` */

	uint64_t have_at;    /* the buffer holds `have` bytes from here on */
	size_t have;
	struct buf large;    /* for a record that is larger than the buffer */
};
/* Reads the file's head; -EBADMSG: nothing of the file can ever be read. */
int spool_walk_begin(struct spool_walk *);
/* packed is valid until the next call. False: there is nothing more, or `error` says why nobody knows. */
bool spool_walk_next(struct spool_walk *, struct spool_head *ret, struct str *ret_packed);
/* The last record once more. */
void spool_walk_back(struct spool_walk *);
void spool_walk_done(struct spool_walk *);

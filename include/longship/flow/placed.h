/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Positions placed under a path, and the names of files in the positions store.
 *
 * Whoever places a position (longship positions set and import, legacy_positions_file) knows a path and labels,
 * not what the source calls the file. So it leaves an entry "path|COMPONENT|HASH" in the store, with the identity of
 * the file that the path named at that time; the source looks for it when it opens the path, takes it over into its own
 * entry and has it forgotten. A placed position of another file than the one that is opened means nothing: the path
 * names another identity now, or there was no file and this one was born later. What nobody takes
 * expires with the store's other entries. Any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

struct positions;
struct position;

enum placed_kind {
	PLACED_OFFSET,
	PLACED_INVALID, /* what stood in the file is no position: the source's on_positions_file_error decides */
};

struct placed_file { /* all 0: there was none */
	uint64_t dev, ino;
	int64_t birth_ns;
};

struct placed {
	struct str component, path, labels; /* labels {a="b", …}; "" and "{}" stand for any */
	enum placed_kind kind;
	uint64_t offset;
	struct str text; /* what is no position */
	struct placed_file file;
	int64_t placed_ns; /* set by the store */
};

/* The identity of what path names now. */
void placed_identify(const char *path, struct placed_file *ret);
/* Places n positions; those of the same component, path and labels are replaced. As positions_write; also -ENAMETOOLONG when a text
 * is longer than the store takes; then nothing is done. */
int placed_put(struct positions *, const struct placed *, size_t n);
/* The entry for exactly these labels, else for any. Texts are in the arena; *ret_key is for placed_forget. */
bool placed_find(struct positions *, struct str component, struct str path, struct str labels, struct arena *,
	struct placed *ret, struct str *ret_key);
/* Whether it was placed for the file with this identity. */
bool placed_is_of(const struct placed *, const struct placed_file *);
void placed_forget(struct positions *, struct str key);
/* An entry of positions_each as a placed position; false for any other. Borrows. */
bool placed_from_entry(struct str key, struct str path, struct str labels, const struct position *, struct placed *ret);

/* The key of a followed file: "file|COMPONENT|DEV.INO.BIRTH.ORDINAL|GENERATION". */
struct file_key {
	struct str component;
	struct placed_file file;
	uint32_t ordinal;    /* among the targets of one path in one component */
	uint32_t generation; /* counted up when the file was truncated */
};
struct str file_key_print(struct arena *, const struct file_key *);
bool file_key_parse(struct str key, struct file_key *ret);

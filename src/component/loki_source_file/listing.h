/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A directory's names, as they were at one moment, found by inode number and by how they begin; and what names rotation gives. Control thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTING_NAMES_MAX 1000000 /* beyond, names are left out: 40 MiB for a moment */

struct listed {
	char *name;
	uint64_t ino;
	bool is_dir; /* as far as the directory tells */
};

struct listing;

/* Of a directory that cannot be read: empty. */
struct listing *listing_new(const char *dir);
void listing_free(struct listing *); /* NULL is fine */
const char *listing_dir(const struct listing *);
/* The entries with this inode number (or with a name that begins as this one without its extension): how many, from *ret_first on. Borrowed. */
size_t listing_of_ino(const struct listing *, uint64_t ino, const struct listed **ret_first);
size_t listing_of_stem(const struct listing *, const char *name, const struct listed **ret_first);
size_t listing_all(const struct listing *, const struct listed **ret_first);

/*
 * Whether candidate is what rotation makes of name: NAME.1, NAME-20261121, NAME.2026-11-21T10:00, and for a NAME with an extension
 * STEM-20261121.EXT (logrotate's `extension`, log4j); each also compressed (.gz, .zst, .bz2, .xz). */
bool is_rotated_name(const char *name, const char *candidate);
bool listing_has_rotated(const struct listing *, const char *name);
/* Its length without that ending; the whole length when there is none. */
size_t without_compression(const char *name);

/* SPDX-License-Identifier: Apache-2.0 */
#include "renumbered.h"

#include <string.h>
#include <sys/stat.h>

#include "listing.h"
#include "longship/base/arena.h"
#include "longship/base/log.h"
#include "longship/base/vec.h"
#include "longship/flow/placed.h"
#include "longship/os/file.h"
#include "longship/positions/positions.h"

#define LAG_BYTES 7 /* "lag|NN|" before the key of a file (flow/lag.h) */

struct entry { /* of the store, for a device that its path is not on */
	struct str key, path, labels, prefix;
	struct file_key file;
	uint64_t dev; /* that the path is on */
};

struct renumbered {
	struct str component;
	const struct map *paths;
	struct arena *arena;
	VEC(struct entry) entries;
	struct str last_path; /* for which the device was asked */
	uint64_t last_dev;
	struct listing *listing; /* of the directory that was read last */
};

static const char *
dir_of(struct arena *arena, struct str path)
{
	const char *slash = path.len > 0 ? memrchr(path.s, '/', path.len) : NULL;

	if (slash == NULL)
		return ".";
	return slash == path.s ? "/" : arena_z(arena, (struct str){path.s, (size_t)(slash - path.s)});
}

/* 0: not known. */
static uint64_t
device_of(struct renumbered *r, struct str path)
{
	struct stat st;

	if (str_eq(path, r->last_path))
		return r->last_dev;
	r->last_path = arena_str(r->arena, path);
	r->last_dev = stat(r->last_path.s, &st) == 0 || stat(dir_of(r->arena, path), &st) == 0 ? st.st_dev : 0;
	return r->last_dev;
}

static bool
note_entry(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	struct renumbered *r = ptr;
	struct str prefix = str_starts(key, STR("lag|")) && key.len > LAG_BYTES ? str_head(key, LAG_BYTES) : STR_EMPTY;
	struct entry e = {.dev = 0};

	if (position == NULL || !map_has(r->paths, path) || !file_key_parse(str_from_offset(key, prefix.len), &e.file) ||
		!str_eq(e.file.component, r->component) || e.file.file.birth_ns == 0)
		return true;
	e.dev = device_of(r, path);
	if (e.dev == 0 || e.dev == e.file.file.dev)
		return true;
	e.key = arena_str(r->arena, key);
	e.prefix = str_head(e.key, prefix.len);
	e.path = arena_str(r->arena, path);
	e.labels = arena_str(r->arena, labels);
	e.file.component = r->component;
	vec_push(&r->entries, e);
	return true;
}

static bool
is_entry_of(const struct entry *e, const char *path)
{
	struct file_identity file;

	return file_identify_path(path, &file) == 0 && file.ino == e->file.file.ino && file.birth_ns == e->file.file.birth_ns &&
		file.dev == e->dev;
}

/* Under the path's name, or another one in its directory. */
static bool
is_still_there(struct renumbered *r, const struct entry *e)
{
	const char *dir = dir_of(r->arena, e->path);
	const struct listed *names;
	size_t n;

	if (is_entry_of(e, arena_z(r->arena, e->path)))
		return true;
	if (r->listing == NULL || strcmp(listing_dir(r->listing), dir) != 0) {
		listing_free(r->listing);
		r->listing = listing_new(dir);
	}
	n = listing_of_ino(r->listing, e->file.file.ino, &names);
	for (size_t i = 0; i < n; i++) {
		if (is_entry_of(e, arena_printf(r->arena, "%s/%s", dir, names[i].name).s))
			return true;
	}
	return false;
}

struct pair {
	uint64_t old, now;
};

static void
rename_entry(struct positions *store, const struct entry *e)
{
	struct arena *arena = arena_new(0);
	struct file_key file = e->file;
	VEC(struct position_update) updates = {0};
	struct position_mark *marks;
	struct position position;
	struct str key, name;
	size_t n;

	file.file.dev = e->dev;
	name = file_key_print(arena, &file);
	key = arena_printf(arena, "%.*s%.*s", STR_FMT(e->prefix), STR_FMT(name));
	if (!positions_get(store, key, arena, &position) && positions_get(store, e->key, arena, &position)) {
		n = positions_marks(store, e->key, arena, &marks);
		positions_declare(store, key, e->path, e->labels);
		vec_push(&updates, ((struct position_update){.kind = POSITION_SET, .key = key, .position = &position}));
		for (size_t i = 0; i < n; i++)
			vec_push(&updates, ((struct position_update){.kind = POSITION_MARK, .key = key, .mark = &marks[i]}));
		vec_push(&updates, ((struct position_update){.kind = POSITION_FORGET, .key = e->key}));
		(void)positions_write(store, updates.items, updates.len); /* what cannot be written now is kept and written later */
	}
	vec_done(&updates);
	arena_free(arena);
}

void
renumbered_adopt(struct positions *store, const char *component, const struct map *paths)
{
	struct renumbered r = {.component = str_from(component), .paths = paths, .arena = arena_new(0)};
	VEC(struct pair) pairs = {0};

	positions_each(store, note_entry, &r);
	for (size_t i = 0; i < r.entries.len; i++) {
		const struct entry *e = &r.entries.items[i];
		bool known = false;

		for (size_t k = 0; k < pairs.len; k++)
			known = known || (pairs.items[k].old == e->file.file.dev && pairs.items[k].now == e->dev);
		if (!known && is_still_there(&r, e)) {
			vec_push(&pairs, ((struct pair){e->file.file.dev, e->dev}));
			log_info(component, "a disk has another device number; its files go on where they were", "path",
				arena_z(r.arena, e->path), NULL);
		}
	}
	for (size_t i = 0; pairs.len > 0 && i < r.entries.len; i++) {
		for (size_t k = 0; k < pairs.len; k++) {
			if (pairs.items[k].old == r.entries.items[i].file.file.dev && pairs.items[k].now == r.entries.items[i].dev)
				rename_entry(store, &r.entries.items[i]);
		}
	}
	vec_done(&pairs);
	vec_done(&r.entries);
	listing_free(r.listing);
	arena_free(r.arena);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "packed.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "follow.h"
#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

#define MANY 1000 /* packed at once: their memory is worth giving back */

/* ---- To pack ---- */

static int
device_place(struct follow_shared *shared, uint64_t dev)
{
	for (size_t i = 0; i < shared->n_devices; i++) {
		if (shared->devices[i] == dev)
			return (int)i;
	}
	if (shared->n_devices == FOLLOW_DEVICES_MAX)
		return -1;
	shared->devices[shared->n_devices] = dev;
	return (int)shared->n_devices++;
}

/* The path is made of its directory and its name. */
static bool
is_plain_path(const struct follow *f)
{
	const char *dir = folder_path(f->at.folder);
	size_t len = strlen(dir);

	return len > 1 && strncmp(f->path, dir, len) == 0 && f->path[len] == '/' && strcmp(f->path + len + 1, f->at.name) == 0;
}

/* Nothing is known of it but what a packed one has. */
static bool
can_pack(const struct follow *f)
{
	if (!f->resting || f->current != NULL || f->rotated.len > 0 || f->real != NULL || f->announce != NULL)
		return false;
	if (f->lost || f->waiting || f->has_series || f->skipped || f->missing || f->past_due || f->reads_past || f->fails > 0)
		return false;
	if (f->awaited_ino != 0 || f->last_opened_ns != 0 || f->said_errno != 0 || !f->opened)
		return false;
	return folder_watched(f->at.folder) && is_plain_path(f) && f->rest_size >= f->rest_offset &&
		f->rest_size - f->rest_offset <= UINT32_MAX && f->ordinal <= UINT16_MAX && (f->lane < UINT8_MAX || f->lane == LANE_ANY);
}

static void
pack(struct follow *f)
{
	struct follow_shared *shared = f->shared;
	int device = device_place(shared, f->id.dev);
	size_t len = strlen(f->at.name) + 1;
	struct packed *p;

	if (device < 0)
		return;
	p = mem_alloc(offsetof(struct packed, name) + len);
	*p = (struct packed){.labels = f->labels, .ino = f->id.ino, .btime_ns = f->id.btime_ns, .mtime_ns = f->rest_mtime_ns, .size = f->rest_size,
		.unread = (uint32_t)(f->rest_size - f->rest_offset), .generation = f->id.generation, .id_ordinal = f->id.ordinal,
		.ordinal = (uint16_t)f->ordinal, .device = (uint8_t)device, .lane = f->lane == LANE_ANY ? UINT8_MAX : (uint8_t)f->lane};
	memcpy(p->name, f->at.name, len);
	folder_add_packed(f->at.folder, p);
	shared->n_packed++;
	follow_leave(f);
}

static void
pack_all(void *ptr)
{
	struct follow_shared *shared = ptr;
	size_t n = 0;

	shared->pack_posted = false;
	for (size_t i = shared->follows.len; i > 0; i--) {
		struct follow *f = shared->follows.items[i - 1];

		if (can_pack(f)) {
			pack(f);
			n++;
		}
	}
	if (n > MANY) {
		shared->follows.cap = shared->follows.len + 1;
		shared->follows.items = mem_realloc(shared->follows.items, shared->follows.cap * sizeof(shared->follows.items[0]));
		rest_shrink(&shared->rests);
		mem_trim();
	}
}

void
pack_soon(struct follow_shared *shared)
{
	if (shared->pack_posted || shared->component->runtime->positions == NULL)
		return;
	shared->pack_posted = true;
	loop_post(shared->component->runtime->loop, pack_all, shared);
}

/* ---- To unpack ---- */

struct follow *
unpack(struct follow_shared *shared, struct folder *folder, struct packed *p)
{
	char path[PATH_MAX + NAME_MAX + 2];
	struct follow *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder_path(folder), p->name);
	f = follow_make(shared, path, p->labels, p->ordinal);
	f->id = (struct file_id){shared->devices[p->device], p->ino, p->btime_ns, p->generation, p->id_ordinal};
	f->rest_size = p->size;
	f->rest_offset = p->size - p->unread;
	f->rest_mtime_ns = p->mtime_ns;
	f->lane = p->lane == UINT8_MAX ? LANE_ANY : p->lane;
	f->opened = true;
	rest_take(f); /* is packed again soon */
	folder_remove_packed(folder, p);
	shared->n_packed--;
	mem_free(p);
	return f;
}

void
unpack_path(struct follow_shared *shared, const char *path)
{
	struct folder *folder = folder_of(&shared->folders, path);
	struct packed *p;

	while (folder != NULL && (p = folder_find_packed(folder, folder_base(path), NULL)) != NULL)
		(void)unpack(shared, folder, p);
}

void
unpack_folder(struct follow_shared *shared, struct folder *folder)
{
	struct packed *p;

	while ((p = folder_next_packed(folder, NULL)) != NULL)
		(void)unpack(shared, folder, p);
}

bool
packed_is(const struct follow_shared *shared, const struct target *t, uint32_t ordinal)
{
	const char *path = follow_path_of(t);
	struct folder *folder = folder_of(&shared->folders, path);
	struct packed *p = NULL;

	while (folder != NULL && (p = folder_find_packed(folder, folder_base(path), p)) != NULL) {
		if (p->ordinal == ordinal)
			return shared_labels_are_of(p->labels, t);
	}
	return false;
}

void
unpack_others(struct follow_shared *shared, const struct map *wanted)
{
	VEC(char *) paths = {0};

	for (size_t i = 0; i < folders_len(&shared->folders); i++) {
		struct folder *folder = folders_at(&shared->folders, i);

		for (struct packed *p = folder_next_packed(folder, NULL); p != NULL; p = folder_next_packed(folder, p)) {
			char key[PATH_MAX + NAME_MAX + 32];
			int len = snprintf(key, sizeof(key), "%" PRIu16 "|%s/%s", p->ordinal, folder_path(folder), p->name);

			if (!map_has(wanted, (struct str){key, (size_t)len}))
				vec_push(&paths, strcpy(mem_alloc((size_t)len + 1), strchr(key, '|') + 1));
		}
	}
	for (size_t i = 0; i < paths.len; i++) {
		unpack_path(shared, paths.items[i]);
		mem_free(paths.items[i]);
	}
	vec_done(&paths);
}

/* ---- All ---- */

void
packed_touch(const struct follow_shared *shared)
{
	for (size_t i = 0; i < folders_len(&shared->folders); i++) {
		struct folder *folder = folders_at(&shared->folders, i);

		for (struct packed *p = folder_next_packed(folder, NULL); p != NULL; p = folder_next_packed(folder, p))
			follow_touch(shared, &(struct file_id){shared->devices[p->device], p->ino, p->btime_ns, p->generation, p->id_ordinal});
	}
}

void
pack_done(struct follow_shared *shared)
{
	if (shared->pack_posted)
		loop_unpost(shared->component->runtime->loop, shared);
	for (size_t i = folders_len(&shared->folders); i > 0; i--) {
		struct folder *folder = folders_at(&shared->folders, i - 1);
		struct packed *p;

		while ((p = folder_next_packed(folder, NULL)) != NULL) {
			bool last = folder_packed(folder) == 1;

			shared_labels_unref(&shared->label_sets, p->labels);
			folder_remove_packed(folder, p);
			shared->n_packed--;
			mem_free(p);
			if (last)
				break; /* the folder may be gone */
		}
	}
}

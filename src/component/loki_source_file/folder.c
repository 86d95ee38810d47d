/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <errno.h>
#include <sys/stat.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/hash.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/flow/component.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/flow/watcher.h"
#include "longship/os/watch.h"
#include "follow.h"
#include "packed.h"

#define SLOTS_MIN 4
#define TRY_NS	  (10 * NS_PER_S) /* a directory that could not be watched: watches may be free again, or the limit was raised */

struct folder {
	struct folders *all;
	struct dir_watch *watch; /* NULL: not watched */
	uint64_t dev, ino;       /* of what is watched */
	bool polled;
	int64_t try_at_ns;       /* monotonic; while it is polled: to watch it again */
	struct folder_name **slots; /* by hash, chained; slots_len is a power of two */
	size_t slots_len, n;
	struct packed **packed; /* the same of packed follows; NULL: none */
	size_t packed_len, n_packed;
	char path[];
};

void
folders_init(struct folders *all, struct follow_shared *shared, void (*look)(struct follow *))
{
	struct component *component = shared->component;

	*all = (struct folders){.component = component, .shared = shared, .look = look};
	map_init(&all->by_path);
	all->polled = metric_get(component->runtime->metrics, METRIC_GAUGE, "longship_source_directories_polled",
		"Directories that are polled, because the kernel does not tell of changes in them.", component->id, NULL);
}

void
folders_done(struct folders *all)
{
	assert(map_len(&all->by_path) == 0);
	map_done(&all->by_path);
}

struct str
folder_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? STR(".") : slash == path ? STR("/") : (struct str){path, (size_t)(slash - path)};
}

const char *
folder_path(const struct folder *d)
{
	return d->path;
}

bool
folder_watched(const struct folder *d)
{
	return d->watch != NULL && !d->polled;
}

bool
folder_polled(const struct folder *d)
{
	return d->polled;
}

static void
set_polled(struct folder *d, bool polled)
{
	if (polled == d->polled)
		return;
	d->all->n_polled += (size_t)polled - (size_t)d->polled;
	d->polled = polled;
	if (polled) /* the timer looks at follows only */
		unpack_folder(d->all->shared, d);
	metric_set(d->all->polled, (double)d->all->n_polled);
}

static struct folder *
folder_get(struct folders *all, struct str path)
{
	struct folder *d = map_get(&all->by_path, path);

	if (d != NULL)
		return d;
	d = mem_zalloc(sizeof(*d) + path.len + 1);
	d->all = all;
	memcpy(d->path, path.s, path.len);
	d->slots_len = SLOTS_MIN;
	d->slots = mem_zalloc(d->slots_len * sizeof(*d->slots));
	(void)map_set(&all->by_path, path, d);
	return d;
}

struct folder *
folder_of(const struct folders *all, const char *path)
{
	return map_get(&all->by_path, folder_dir(path));
}

const char *
folder_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

size_t
folders_len(const struct folders *all)
{
	return map_len(&all->by_path);
}

struct folder *
folders_at(const struct folders *all, size_t i)
{
	return map_value(&all->by_path, i);
}

bool
folders_have(const struct folders *all, const char *path)
{
	struct folder *d = folder_of(all, path);

	return d != NULL && (folders_find(all, path, NULL) != NULL || folder_find_packed(d, folder_base(path), NULL) != NULL);
}

const struct folder_name *
folders_find(const struct folders *all, const char *path, const struct folder_name *after)
{
	const char *name = folder_base(path);
	const struct folder *d = folder_of(all, path);
	uint32_t hash = (uint32_t)hash_str(str_from(name));

	if (d == NULL)
		return NULL;
	for (const struct folder_name *n = after != NULL ? after->next : d->slots[hash & (d->slots_len - 1)]; n != NULL; n = n->next) {
		if (n->hash == hash && strcmp(n->name, name) == 0)
			return n;
	}
	return NULL;
}

static void
resize(struct folder *d, size_t slots_len)
{
	struct folder_name **slots = mem_zalloc(slots_len * sizeof(*slots));

	for (size_t i = 0; i < d->slots_len; i++) {
		while (d->slots[i] != NULL) {
			struct folder_name *n = d->slots[i];
			struct folder_name **to = &slots[n->hash & (slots_len - 1)];

			d->slots[i] = n->next;
			n->next = *to;
			*to = n;
		}
	}
	mem_free(d->slots);
	d->slots = slots;
	d->slots_len = slots_len;
}

void
folder_enter(struct folders *all, struct str dir, const char *name, struct follow *follow, struct folder_name *n)
{
	struct folder *d = folder_get(all, dir);
	struct folder_name **to;

	assert(n->folder == NULL);
	if (d->n == d->slots_len)
		resize(d, d->slots_len * 2);
	*n = (struct folder_name){.folder = d, .follow = follow, .name = name, .hash = (uint32_t)hash_str(str_from(name))};
	to = &d->slots[n->hash & (d->slots_len - 1)];
	n->next = *to;
	*to = n;
	d->n++;
}

static void
leave_empty(struct folder *d)
{
	if (d->n > 0 || d->n_packed > 0)
		return;
	watcher_unwatch(d->watch);
	set_polled(d, false);
	(void)map_remove(&d->all->by_path, str_from(d->path));
	mem_free(d->slots);
	mem_free(d->packed);
	mem_free(d);
}

void
folder_leave(struct folder_name *n)
{
	struct folder *d = n->folder;
	struct folder_name **at;

	if (d == NULL)
		return;
	for (at = &d->slots[n->hash & (d->slots_len - 1)]; *at != n; at = &(*at)->next)
		assert(*at != NULL);
	*at = n->next;
	*n = (struct folder_name){0};
	d->n--;
	if (d->slots_len > SLOTS_MIN && d->n < d->slots_len / 8)
		resize(d, d->slots_len / 4);
	leave_empty(d);
}

/* ---- Packed follows ---- */

static struct packed **
packed_slot(const struct folder *d, const char *name)
{
	return &d->packed[(size_t)hash_str(str_from(name)) & (d->packed_len - 1)];
}

void
folder_add_packed(struct folder *d, struct packed *p)
{
	struct packed **old = d->packed, **to;
	size_t old_len = d->packed_len;

	if (d->n_packed == d->packed_len) {
		d->packed_len = old_len > 0 ? old_len * 2 : SLOTS_MIN;
		d->packed = mem_zalloc(d->packed_len * sizeof(*d->packed));
		for (size_t i = 0; i < old_len; i++) {
			while (old[i] != NULL) {
				struct packed *one = old[i];

				old[i] = one->next;
				to = packed_slot(d, one->name);
				one->next = *to;
				*to = one;
			}
		}
		mem_free(old);
	}
	to = packed_slot(d, p->name);
	p->next = *to;
	*to = p;
	d->n_packed++;
}

void
folder_remove_packed(struct folder *d, struct packed *p)
{
	struct packed **at;

	for (at = packed_slot(d, p->name); *at != p; at = &(*at)->next)
		assert(*at != NULL);
	*at = p->next;
	d->n_packed--;
	leave_empty(d);
}

struct packed *
folder_find_packed(struct folder *d, const char *name, const struct packed *after)
{
	struct packed *p = after != NULL ? after->next : d->packed_len > 0 ? *packed_slot(d, name) : NULL;

	while (p != NULL && strcmp(p->name, name) != 0)
		p = p->next;
	return p;
}

struct packed *
folder_next_packed(struct folder *d, const struct packed *after)
{
	size_t i = 0;

	if (after != NULL && after->next != NULL)
		return after->next;
	if (after != NULL)
		i = (size_t)(packed_slot(d, after->name) - d->packed) + 1;
	while (i < d->packed_len && d->packed[i] == NULL)
		i++;
	return i < d->packed_len ? d->packed[i] : NULL;
}

size_t
folder_packed(const struct folder *d)
{
	return d->n_packed;
}

/* name: NULL: all. */
static void
unpack_of(struct folder *d, const char *name)
{
	struct packed *p;

	while ((p = name != NULL ? folder_find_packed(d, name, NULL) : folder_next_packed(d, NULL)) != NULL)
		(void)unpack(d->all->shared, d, p);
}

/* Looking may change the index, so what is to be looked at is gathered first; a look ends no follow. */
static void
on_event(void *ptr, const char *name, uint32_t mask)
{
	struct folder *d = ptr;
	uint32_t hash = name != NULL ? (uint32_t)hash_str(str_from(name)) : 0;
	void (*look)(struct follow *) = d->all->look;
	VEC(struct follow *) found = {0};

	if ((mask & WATCH_DIR_GONE) != 0) {
		watcher_unwatch(d->watch);
		d->watch = NULL;
		d->try_at_ns = 0;
	}
	unpack_of(d, name);
	for (size_t i = name != NULL ? hash & (d->slots_len - 1) : 0; i < d->slots_len; i++) {
		for (const struct folder_name *n = d->slots[i]; n != NULL; n = n->next) {
			if (name == NULL || (n->hash == hash && strcmp(n->name, name) == 0))
				vec_push(&found, n->follow);
		}
		if (name != NULL)
			break;
	}
	for (size_t i = 0; i < found.len; i++)
		look(found.items[i]);
	vec_done(&found);
}

bool
folder_watch(struct folder *d)
{
	struct watcher *w = d->all->component->runtime->watcher;
	struct stat st;
	int r;

	if (d->watch != NULL)
		return true;
	if (d->polled && clock_mono_ns() < d->try_at_ns)
		return false;
	d->try_at_ns = clock_mono_ns() + TRY_NS;
	r = w != NULL ? watcher_watch(w, d->path, on_event, d, &d->watch) : -ENOSYS;
	set_polled(d, r < 0 && r != -ENOENT);
	if (d->watch != NULL && stat(d->path, &st) == 0) {
		d->dev = st.st_dev;
		d->ino = st.st_ino;
	}
	return d->watch != NULL;
}

bool
folder_has_moved(struct folder *d)
{
	struct stat st;

	if (d->watch == NULL || stat(d->path, &st) < 0 || (st.st_dev == d->dev && st.st_ino == d->ino))
		return false;
	set_polled(d, true);
	return true;
}

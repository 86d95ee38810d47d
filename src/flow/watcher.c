/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/watcher.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>

#include "longship/base/check.h"
#include "longship/base/log.h"
#include "longship/base/map.h"
#include "longship/base/mem.h"
#include "longship/os/file.h"
#include "longship/os/loop.h"
#include "longship/os/watch.h"

/*
 * The watches of one directory hang on one list, found by the directory's name. A callback may add and remove
 * watches, also of its own directory: while events are handed out a removed watch is only marked.
 */
struct dir_watch {
	struct watcher *watcher;
	struct dir_watch *next;
	char *dir;
	void (*fn)(void *ptr, const char *name, uint32_t mask);
	void *ptr;
	bool removed;
};

struct watcher {
	struct watch *watch;
	struct loop_watch *readable;
	struct map dirs; /* name → first struct dir_watch */
	bool handing_out;
	bool some_removed;
	bool said_full, said_remote;
};

static void
hand_out(struct dir_watch *first, const char *name, uint32_t mask)
{
	for (struct dir_watch *d = first; d != NULL; d = d->next) {
		if (!d->removed)
			d->fn(d->ptr, name, mask);
	}
}

static void
on_change(void *ptr, struct str dir, struct str name, unsigned events)
{
	struct watcher *w = ptr;
	char z[NAME_MAX + 1];

	if ((events & WATCH_LOST) != 0) {
		log_warn(NULL, "the kernel's queue of file events ran over; all files are looked at", NULL);
		for (size_t i = 0; i < map_len(&w->dirs); i++)
			hand_out(map_value(&w->dirs, i), NULL, events);
		return;
	}
	if (name.len > NAME_MAX)
		return;
	if (name.len > 0)
		memcpy(z, name.s, name.len);
	z[name.len] = '\0';
	hand_out(map_get(&w->dirs, dir), name.len > 0 ? z : NULL, events);
}

static void
free_watch(struct dir_watch *d)
{
	mem_free(d->dir);
	mem_free(d);
}

/* Frees what was removed of one directory, which dir may belong to; false: nothing is left of it. */
static bool
sweep_dir(struct watcher *w, struct str dir)
{
	struct dir_watch *first = map_get(&w->dirs, dir), **link = &first, *dead = NULL;

	while (*link != NULL) {
		struct dir_watch *d = *link;

		if (!d->removed) {
			link = &d->next;
			continue;
		}
		*link = d->next;
		d->next = dead;
		dead = d;
	}
	if (first != NULL)
		(void)map_set(&w->dirs, dir, first);
	else
		(void)map_remove(&w->dirs, dir);
	while (dead != NULL) {
		struct dir_watch *next = dead->next;

		free_watch(dead);
		dead = next;
	}
	return first != NULL;
}

/* Frees what was removed while events were handed out. */
static void
sweep(struct watcher *w)
{
	for (size_t i = 0; i < map_len(&w->dirs);)
		i += sweep_dir(w, map_key(&w->dirs, i));
	w->some_removed = false;
}

static void
on_readable(void *ptr, int fd, uint32_t events)
{
	struct watcher *w = ptr;
	int r;

	(void)fd;
	(void)events;
	w->handing_out = true;
	r = watch_read(w->watch, on_change, w);
	w->handing_out = false;
	if (r < 0)
		log_error(NULL, "cannot read file events", "err", strerror(-r), NULL);
	if (w->some_removed)
		sweep(w);
}

int
watcher_new(struct loop *loop, struct watcher **ret)
{
	struct watcher *w = mem_new(struct watcher);
	int r = watch_new(&w->watch);

	if (r >= 0)
		r = loop_watch_new(loop, watch_fd(w->watch), EPOLLIN, on_readable, w, &w->readable);
	if (r < 0) {
		watch_free(w->watch);
		mem_free(w);
		return r;
	}
	map_init(&w->dirs);
	*ret = w;
	return 0;
}

void
watcher_free(struct watcher *w)
{
	if (w == NULL)
		return;
	assert(map_len(&w->dirs) == 0);
	loop_watch_free(w->readable);
	watch_free(w->watch);
	map_done(&w->dirs);
	mem_free(w);
}

/* Once, not for each of thousands of directories. */
static void
say_polled(struct watcher *w, const char *dir, int err)
{
	if (err == -ENOSPC && !w->said_full) {
		log_warn(NULL, "the kernel has no more inotify watches for this user; directories that are not watched are polled", "dir", dir, "hint",
			"raise fs.inotify.max_user_watches", NULL);
		w->said_full = true;
	} else if (err == -EREMOTE && !w->said_remote) {
		log_warn(NULL, "the kernel does not tell of changes that others make on this file system; its directories are polled", "dir", dir,
			"file_system", file_remote(dir), NULL);
		w->said_remote = true;
	}
}

int
watcher_watch(struct watcher *w, const char *dir, void (*fn)(void *ptr, const char *name, uint32_t mask), void *ptr, struct dir_watch **ret)
{
	size_t len = strlen(dir) + 1;
	struct dir_watch *d;
	int r = watch_dir_add(w->watch, dir);

	if (r < 0) {
		say_polled(w, dir, r);
		return r;
	}
	d = mem_new(struct dir_watch);
	*d = (struct dir_watch){.watcher = w, .fn = fn, .ptr = ptr};
	d->dir = memcpy(mem_alloc(len), dir, len);
	d->next = map_get(&w->dirs, str_from(dir));
	(void)map_set(&w->dirs, str_from(dir), d);
	*ret = d;
	return 0;
}

void
watcher_unwatch(struct dir_watch *d)
{
	struct watcher *w;

	if (d == NULL)
		return;
	w = d->watcher;
	watch_dir_remove(w->watch, d->dir);
	d->removed = true;
	if (w->handing_out)
		w->some_removed = true;
	else
		(void)sweep_dir(w, str_from(d->dir));
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Directory watches for components: one inotify instance of the process (os/watch.h) on the control loop.
 * An event only means "look again at this name". Control thread.
 */
#include <stdint.h>

struct watcher;
struct dir_watch;
struct loop;

/* 0 or -errno (no inotify instance to be had: callers poll). */
int watcher_new(struct loop *, struct watcher **ret);
void watcher_free(struct watcher *); /* all watches are gone; NULL is fine */

/* fn is called for names in dir that appear, change or go; name NULL: anything may have happened. 0; -errno when the directory cannot be
 * watched: it does not exist (-ENOENT), limits (-ENOSPC), or a file system that does not tell (-EREMOTE): then poll. The first time for each of
 * these two is said in the log. */
int watcher_watch(struct watcher *, const char *dir, void (*fn)(void *ptr, const char *name, uint32_t mask), void *ptr, struct dir_watch **ret);
void watcher_unwatch(struct dir_watch *); /* NULL is fine */

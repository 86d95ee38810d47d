/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local.file: exports what a file holds. The file's directory is watched, so that a file replaced by a rename
 * or through a symbolic link beside it (Kubernetes' ..data) is noticed; polling stays as a second net. A file
 * that cannot be read any more leaves the old content in place and the component unhealthy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/component.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/flow/watcher.h"
#include "longship/os/file.h"
#include "longship/os/loop.h"

#define FILE_BYTES_MAX (16u << 20) /* tokens, certificates and lists are kilobytes */
#define SETTLE_NS (30 * NS_PER_MS) /* after an event: writers seldom write once */

enum detector { DETECTOR_FSNOTIFY, DETECTOR_POLL };

struct file_args {
	struct str filename;
	int detector;
	int64_t poll_frequency_ns;
	bool is_secret;
};

struct state {
	struct loop_timer *poll, *settle;
	struct dir_watch *watch;
	struct arena *arena; /* holds name */
	const char *path, *name; /* of the file, and without its directory */
	struct metric *accessed;
	int last_error;
};

static const char *const detectors[] = {"fsnotify", "poll", NULL};

static const struct arg_spec spec[] = {
	{.name = "filename", .kind = ARG_STRING, .flags = ARG_REQUIRED, .offset = offsetof(struct file_args, filename), .doc = "The file to read."},
	{.name = "detector", .kind = ARG_CHOICE, .offset = offsetof(struct file_args, detector), .fallback = "\"fsnotify\"", .choices = detectors,
		.doc = "How changes are noticed."},
	{.name = "poll_frequency", .kind = ARG_DURATION, .offset = offsetof(struct file_args, poll_frequency_ns), .fallback = "\"1m\"", .min = 1,
		.max = INT64_MAX, .doc = "How often to look at the file in any case."},
	{.name = "is_secret", .kind = ARG_BOOL, .offset = offsetof(struct file_args, is_secret), .fallback = "false",
		.doc = "Whether the content must not be shown."},
	{0},
};

static const char *const exports[] = {"content", NULL};

/* 0 or -errno; exports the content. */
static int
read_file(struct component *c, const struct file_args *args)
{
	struct state *s = c->state;
	struct value value;
	struct buf content;
	int r;

	buf_init(&content, FILE_BYTES_MAX);
	r = file_read(s->path, &content);
	if (r == 0) {
		value = (struct value){.kind = VALUE_OPTIONAL_SECRET, .is_secret = args->is_secret, .text = buf_view(&content)};
		component_export(c, "content", &value);
		component_set_health(c, HEALTH_HEALTHY, "read file");
		metric_set(s->accessed, (double)(clock_now_ns() / NS_PER_S));
	} else {
		component_set_health(c, HEALTH_UNHEALTHY, "failed to read file: %s", strerror(-r));
		if (r != s->last_error)
			log_error(c->id, "failed to read file", "path", s->path, "err", strerror(-r), NULL);
	}
	s->last_error = r;
	buf_done(&content);
	return r;
}

static void on_event(void *ptr, const char *name, uint32_t mask);

/* Watches the directory where it is not watched yet; a directory that is not there is tried again with the next poll. */
static void
watch(struct component *c)
{
	const struct file_args *args = c->args;
	struct state *s = c->state;
	const char *slash = strrchr(s->path, '/');
	const char *dir = ".";

	if (args->detector != DETECTOR_FSNOTIFY || c->runtime->watcher == NULL || s->watch != NULL)
		return;
	if (slash != NULL)
		dir = slash == s->path ? "/" : arena_z(s->arena, (struct str){s->path, (size_t)(slash - s->path)});
	if (watcher_watch(c->runtime->watcher, dir, on_event, c, &s->watch) < 0)
		s->watch = NULL;
}

static void
look(void *ptr)
{
	struct component *c = ptr;

	check_magic(c, COMPONENT_MAGIC);
	(void)read_file(c, c->args);
}

static void
on_poll(void *ptr)
{
	watch(ptr);
	look(ptr);
}

/* A name that starts with ".." is what Kubernetes swaps below a mounted volume. */
static void
on_event(void *ptr, const char *name, uint32_t mask)
{
	struct component *c = ptr;
	struct state *s = c->state;

	(void)mask;
	check_magic(c, COMPONENT_MAGIC);
	if (name == NULL || strcmp(name, s->name) == 0 || strncmp(name, "..", 2) == 0)
		loop_timer_start(s->settle, SETTLE_NS, 0);
}

static void
set_path(struct component *c, const struct file_args *args)
{
	struct state *s = c->state;
	const char *slash;

	watcher_unwatch(s->watch);
	s->watch = NULL;
	arena_free(s->arena);
	s->arena = arena_new(0);
	s->path = arena_z(s->arena, args->filename);
	slash = strrchr(s->path, '/');
	s->name = slash != NULL ? slash + 1 : s->path;
}

static int
start(struct component *c, const void *arguments)
{
	const struct file_args *args = arguments;
	struct state *s = c->state;
	int r;

	s->accessed = metric_get(c->runtime->metrics, METRIC_GAUGE, "local_file_timestamp_last_accessed_unix_seconds",
		"The last successful access in unix seconds", c->id, NULL);
	set_path(c, args);
	r = read_file(c, args);
	if (r < 0)
		return component_fail(c, r, "failed to read file: open %s: %s", s->path, strerror(-r));
	r = loop_timer_new(c->runtime->loop, on_poll, c, &s->poll);
	if (r == 0)
		r = loop_timer_new(c->runtime->loop, look, c, &s->settle);
	if (r < 0)
		return component_fail(c, r, "no timer: %s", strerror(-r));
	watch(c);
	loop_timer_start(s->poll, args->poll_frequency_ns, args->poll_frequency_ns);
	return 0;
}

static void
update(struct component *c, const void *old_arguments, const void *arguments)
{
	const struct file_args *args = arguments;
	struct state *s = c->state;

	(void)old_arguments;
	set_path(c, args);
	(void)read_file(c, args);
	watch(c);
	loop_timer_start(s->poll, args->poll_frequency_ns, args->poll_frequency_ns);
}

static void
stop(struct component *c)
{
	struct state *s = c->state;

	watcher_unwatch(s->watch);
	loop_timer_free(s->poll);
	loop_timer_free(s->settle);
	arena_free(s->arena);
	if (c->runtime->metrics != NULL)
		metrics_remove_owner(c->runtime->metrics, c->id);
	*s = (struct state){0};
}

static struct value
zero_export(struct arena *arena, const char *name)
{
	(void)arena;
	(void)name;
	return (struct value){.kind = VALUE_OPTIONAL_SECRET};
}

const struct component_type local_file = {
	.name = "local.file",
	.args = spec,
	.args_size = sizeof(struct file_args),
	.state_size = sizeof(struct state),
	.exports = exports,
	.doc = "Exports the content of a file.",
	.start = start,
	.update = update,
	.stop = stop,
	.zero_export = zero_export,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local.file_match: expands the patterns in __path__ of its targets into the files that exist, again when one appears or goes, and every
 * sync_period where the kernel does not tell. Dependants hear of it only when the list has changed. A pattern that finds nothing, or that
 * is none, is said once, and again when it changes.
 */
#include <string.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/flow/component.h"
#include "longship/flow/path_patterns.h"
#include "longship/flow/runtime.h"
#include "longship/flow/targets.h"
#include "longship/os/loop.h"

#define MANY_FILES 1000 /* to look for so many takes memory that is worth giving back */

struct match_args {
	struct target_list path_targets;
	int64_t sync_period_ns, ignore_older_than_ns;
};

struct state {
	struct loop_timer *timer;
	struct path_patterns patterns;
	size_t at_fault;
};

static const struct arg_spec spec[] = {
	{.name = "path_targets", .kind = ARG_TARGETS, .flags = ARG_REQUIRED, .offset = offsetof(struct match_args, path_targets),
		.doc = "Targets whose __path__ is a pattern; __path_exclude__ is one for paths to leave out."},
	{.name = "sync_period", .kind = ARG_DURATION, .offset = offsetof(struct match_args, sync_period_ns), .fallback = "\"10s\"", .min = 1,
		.max = INT64_MAX, .doc = "How often to look for files."},
	{.name = "ignore_older_than", .kind = ARG_DURATION, .offset = offsetof(struct match_args, ignore_older_than_ns), .fallback = "\"0s\"",
		.doc = "Files not written for longer are left out; 0 keeps all."},
	{0},
};

static const char *const exports[] = {"targets", NULL};

static void
set_health(struct component *c, size_t files)
{
	const struct match_args *args = c->args;
	const struct state *s = c->state;

	if (s->at_fault > 0)
		component_set_health(c, HEALTH_UNHEALTHY, "%zu of %zu patterns are at fault; see the log", s->at_fault, args->path_targets.n);
	else
		component_set_health(c, HEALTH_HEALTHY, "%zu files found", files);
}

static void
export(void *ptr, struct path_targets *found)
{
	struct value value = path_targets_value(found);

	component_export(ptr, "targets", &value);
	set_health(ptr, found->len);
}

static void
look(void *ptr)
{
	struct component *c = ptr;
	const struct match_args *args = c->args;
	struct state *s = c->state;
	struct path_matches found;

	check_magic(c, COMPONENT_MAGIC);
	found = path_patterns_look(&s->patterns, c, &args->path_targets, args->ignore_older_than_ns);
	s->at_fault = found.at_fault;
	if (found.exhausted)
		set_health(c, 0);
	else
		export(c, found.targets);
	if (found.targets != NULL && found.targets->len > MANY_FILES)
		mem_trim();
}

static void
on_time(void *ptr)
{
	struct component *c = ptr;
	const struct state *s = c->state;
	const struct match_args *args = c->args;

	if (args->ignore_older_than_ns > 0 || !path_patterns_unchanged(&s->patterns))
		look(c);
}

static int
start(struct component *c, const void *arguments)
{
	const struct match_args *args = arguments;
	struct state *s = c->state;
	int r;

	r = loop_timer_new(c->runtime->loop, on_time, c, &s->timer);
	if (r < 0)
		return component_fail(c, r, "no timer: %s", strerror(-r));
	path_patterns_reset(&s->patterns, args->path_targets.n);
	path_patterns_tell(&s->patterns, export, c);
	look(c);
	path_patterns_time(&s->patterns, s->timer, args->sync_period_ns);
	return 0;
}

static const struct arg_spec patterns_only[] = {
	{.name = "path_targets", .kind = ARG_TARGETS, .offset = offsetof(struct match_args, path_targets), .doc = "The patterns."},
	{0},
};

static void
update(struct component *c, const void *old_arguments, const void *arguments)
{
	const struct match_args *args = arguments;
	struct state *s = c->state;

	if (!args_equal(patterns_only, old_arguments, arguments))
		path_patterns_reset(&s->patterns, args->path_targets.n);
	look(c);
	path_patterns_time(&s->patterns, s->timer, args->sync_period_ns);
}

static void
stop(struct component *c)
{
	struct state *s = c->state;

	path_patterns_done(&s->patterns);
	loop_timer_free(s->timer);
	*s = (struct state){0};
}

static struct value
zero_export(struct arena *arena, const char *name)
{
	(void)arena;
	(void)name;
	return targets_none();
}

const struct component_type local_file_match = {
	.name = "local.file_match",
	.args = spec,
	.args_size = sizeof(struct match_args),
	.state_size = sizeof(struct state),
	.exports = exports,
	.doc = "Finds files by path patterns and exports them as targets.",
	.start = start,
	.update = update,
	.stop = stop,
	.zero_export = zero_export,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/path_patterns.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/codec/glob.h"
#include "longship/flow/component.h"
#include "longship/flow/labels.h"
#include "longship/flow/runtime.h"
#include "longship/flow/targets.h"
#include "longship/flow/watcher.h"
#include "longship/os/loop.h"
#include "longship/os/watch.h"

#define TARGETS_MAX 1000000 /* found: a machine has fewer logs */

#define SOON_NS	   (50 * NS_PER_MS) /* after a change: files come in groups */
#define COST_SHARE 4		    /* times what the last look took: changes that never end take a fifth of a processor at most */
#define CERTAIN_NS (60 * NS_PER_S)  /* a look all the same: the kernel does not tell of a file system that is mounted */

/* What was last said about a pattern. */
enum told { TOLD_NOTHING, TOLD_EMPTY, TOLD_INVALID, TOLD_LIMIT, TOLD_EXHAUSTED };

/* Says what the state of a pattern is when it was another one before. */
static void
tell(struct path_patterns *p, struct component *c, size_t i, enum told now, struct arena *arena, struct str pattern)
{
	struct str base = glob_base(arena, pattern);

	if (p->told[i] == (uint8_t)now)
		return;
	p->told[i] = (uint8_t)now;
	if (now == TOLD_INVALID) {
		log_error(c->id, "not a path pattern", "path", arena_z(arena, pattern), "err", "syntax error in pattern", NULL);
	} else if (now == TOLD_LIMIT) {
		log_warn(c->id, "the pattern finds too much, the rest is left out", "path", arena_z(arena, pattern), NULL);
	} else if (now == TOLD_EXHAUSTED) {
		log_error(c->id, "cannot look for files; those of before are kept", "path", arena_z(arena, pattern), "err",
			"out of file descriptors or memory", "hint", "raise LimitNOFILE", NULL);
	} else if (now == TOLD_EMPTY) {
		const char *err = access(arena_z(arena, base), R_OK | X_OK) != 0 ? strerror(errno) : "nothing matches";

		log_warn(c->id, "no file found", "path", arena_z(arena, pattern), "dir", arena_z(arena, base), "err", err, NULL);
	}
}

/* Relative to the working directory, as Go's filepath.Abs. NULL: there is no working directory. */
static struct str
absolute(struct arena *arena, struct str path)
{
	char *dir;
	struct str result;

	if (path.len > 0 && path.s[0] == '/')
		return path;
	dir = getcwd(NULL, 0);
	if (dir == NULL)
		return STR_EMPTY;
	result = glob_clean(arena, arena_printf(arena, "%s/%.*s", dir, STR_FMT(path)));
	free(dir); /* of libc */
	return result;
}

static bool
is_wanted(struct str path, bool is_file, int64_t oldest_ns)
{
	struct stat st;

	if (is_file && oldest_ns == 0)
		return true;
	if (stat(path.s, &st) != 0 || S_ISDIR(st.st_mode))
		return false;
	return oldest_ns == 0 || st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec >= oldest_ns;
}

/* The labels of what the pattern finds; __path__ is still the pattern. */
static struct target
labels_of(struct arena *arena, const struct target *target)
{
	struct labels_builder builder;

	(void)targets_to_labels(target, &builder);
	return targets_from_labels(arena, &builder);
}

static int64_t
oldest_wanted_ns(const struct path_patterns *p)
{
	return p->ignore_older_than_ns > 0 ? clock_now_ns() - p->ignore_older_than_ns : 0;
}

/* ---- New files ---- */

static void
tell_grown(void *ptr)
{
	struct path_patterns *p = ptr;

	p->tells = false;
	if (p->found != NULL)
		p->grown(p->grown_ptr, p->found);
}

/* Matches other paths than it finds. */
static bool
is_indirect(struct str pattern)
{
	return !str_starts(pattern, STR("/")) || strstr(pattern.s, "//") != NULL || strstr(pattern.s, "/.") != NULL;
}

static bool
finds(const struct path_patterns *p, size_t i, struct str path)
{
	struct str exclude = targets_label(&p->patterns.items[i], STR("__path_exclude__"));

	return glob_match(targets_label(&p->patterns.items[i], STR("__path__")), path) && (exclude.len == 0 || !glob_match(exclude, path));
}

static void
add_path(struct path_patterns *p, size_t i, struct str path)
{
	struct path_targets *now = path_targets_with(p->found, i, path_set_with(p->found->groups[i].paths, path));

	path_targets_unref(p->found);
	p->found = now;
	if (!p->tells)
		loop_post(p->component->runtime->loop, tell_grown, p);
	p->tells = true;
}

/* A file came or went under this path. True: what was found is right again, without a look. */
static bool
settle(struct path_patterns *p, struct str path)
{
	struct stat st;
	bool there = stat(path.s, &st) == 0;

	if (p->grown == NULL || p->found == NULL || (there && S_ISDIR(st.st_mode)))
		return false;
	for (size_t i = 0; i < p->patterns.n; i++) {
		struct str pattern = targets_label(&p->patterns.items[i], STR("__path__"));

		if (is_indirect(pattern))
			return false;
		if (!finds(p, i, path) || path_set_has(p->found->groups[i].paths, path) == there)
			continue;
		if (!there || p->found->len >= TARGETS_MAX)
			return false;
		if (is_wanted(path, S_ISREG(st.st_mode), oldest_wanted_ns(p)))
			add_path(p, i, path);
	}
	return true;
}

/* ---- Watches ---- */

struct pattern_dir {
	struct path_patterns *patterns;
	struct dir_watch *watch;
	uint64_t look; /* the last that led here */
	char path[];
};

static bool
may_match(const struct path_patterns *p, struct str path)
{
	struct stat st;

	for (size_t i = 0; i < p->patterns.n; i++) {
		struct str pattern = targets_label(&p->patterns.items[i], STR("__path__"));

		if (is_indirect(pattern) || glob_match(pattern, path))
			return true;
	}
	return stat(path.s, &st) == 0 && S_ISDIR(st.st_mode);
}

static void
on_event(void *ptr, const char *name, uint32_t mask)
{
	struct pattern_dir *d = ptr;
	struct path_patterns *p = d->patterns;
	int64_t now = clock_mono_ns(), at = p->looked_ns + COST_SHARE * p->cost_ns;
	char path[PATH_MAX];
	int len;

	if ((mask & WATCH_DIR_GONE) != 0) {
		watcher_unwatch(d->watch);
		d->watch = NULL;
	}
	if ((p->changed && p->grown == NULL) || p->timer == NULL || (name != NULL && (mask & (WATCH_APPEARED | WATCH_GONE | WATCH_ATTRIB)) == 0))
		return;
	len = name != NULL ? snprintf(path, sizeof(path), "%s/%s", strcmp(d->path, "/") == 0 ? "" : d->path, name) : 0;
	if (name != NULL && len < (int)sizeof(path) && (!may_match(p, (struct str){path, (size_t)len}) || settle(p, (struct str){path, (size_t)len})))
		return;
	if (p->changed)
		return;
	p->changed = true;
	loop_timer_start(p->timer, at > now + SOON_NS ? at - now : SOON_NS, p->period_ns);
}

static void
leave_dir(struct path_patterns *p, struct pattern_dir *d)
{
	watcher_unwatch(d->watch);
	(void)map_remove(&p->dirs, str_from(d->path));
	mem_free(d);
}

/* Watches what was looked into, and nothing else. */
static void
watch_looked(struct path_patterns *p, struct watcher *w, const struct str *dirs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pattern_dir *d = map_get(&p->dirs, dirs[i]);

		if (d == NULL) {
			d = mem_zalloc(sizeof(*d) + dirs[i].len + 1);
			d->patterns = p;
			memcpy(d->path, dirs[i].s, dirs[i].len);
			(void)map_set(&p->dirs, dirs[i], d);
		}
		d->look = p->looks;
		if (d->watch != NULL)
			continue;
		if (w == NULL || watcher_watch(w, d->path, on_event, d, &d->watch) < 0)
			p->blind = true;
		else
			p->again = true;
	}
}

static void
leave_others(struct path_patterns *p)
{
	for (size_t i = map_len(&p->dirs); i > 0; i--) {
		struct pattern_dir *d = map_value(&p->dirs, i - 1);

		if (d->look != p->looks)
			leave_dir(p, d);
	}
}

static void
leave_all(struct path_patterns *p)
{
	while (map_len(&p->dirs) > 0)
		leave_dir(p, map_value(&p->dirs, map_len(&p->dirs) - 1));
}

void
path_patterns_time(struct path_patterns *p, struct loop_timer *timer, int64_t period_ns)
{
	p->timer = timer;
	p->period_ns = period_ns;
	loop_timer_start(timer, p->changed ? SOON_NS : period_ns, period_ns);
}

bool
path_patterns_unchanged(const struct path_patterns *p)
{
	return !p->changed && !p->blind && p->looks > 0 && clock_mono_ns() - p->looked_ns < CERTAIN_NS;
}

/* ---- Looking ---- */

/* Has the group have the files of a path target; how it went. */
static enum told
expand(struct path_patterns *p, struct watcher *w, const struct target *target, struct arena *arena, int64_t oldest_ns,
	struct path_targets *found, size_t group)
{
	struct str pattern = targets_label(target, STR("__path__")), exclude = targets_label(target, STR("__path_exclude__"));
	struct target labels = labels_of(arena, target);
	struct glob_paths paths;
	int r = glob_walk(arena, pattern, &paths);
	size_t n = 0, room = TARGETS_MAX - found->len;

	if (r < 0 && r != -E2BIG)
		path_targets_set(found, group, &labels, path_set_new(NULL, 0));
	if (r == -EINVAL)
		return TOLD_INVALID;
	watch_looked(p, w, paths.dirs, paths.n_dirs);
	p->blind = p->blind || r < 0;
	if (r < 0 && r != -E2BIG)
		return TOLD_EXHAUSTED;
	for (size_t i = 0; i < paths.n && n < room; i++) {
		struct str path;

		if (exclude.len > 0 && glob_match(exclude, paths.items[i]))
			continue;
		path = absolute(arena, paths.items[i]);
		if (path.len == 0 || !is_wanted(path, paths.is_file[i], oldest_ns))
			continue;
		paths.items[n++] = path;
	}
	path_targets_set(found, group, &labels, path_set_new(paths.items, n));
	if (r == -E2BIG || n == room)
		return TOLD_LIMIT;
	return n == 0 ? TOLD_EMPTY : TOLD_NOTHING;
}

void
path_patterns_reset(struct path_patterns *p, size_t n)
{
	mem_free(p->told);
	p->told = mem_zalloc(n + 1);
	p->n = n;
	p->patterns = (struct target_list){0};
	path_targets_unref(p->found);
	p->found = NULL;
	p->changed = true;
}

void
path_patterns_tell(struct path_patterns *p, void (*fn)(void *ptr, struct path_targets *found), void *ptr)
{
	p->grown = fn;
	p->grown_ptr = ptr;
}

void
path_patterns_done(struct path_patterns *p)
{
	leave_all(p);
	map_done(&p->dirs);
	mem_free(p->told);
	path_targets_unref(p->found);
	if (p->tells)
		loop_unpost(p->component->runtime->loop, p);
	*p = (struct path_patterns){0};
}

struct path_matches
path_patterns_look(struct path_patterns *p, struct component *c, const struct target_list *patterns, int64_t ignore_older_than_ns)
{
	struct path_targets *targets = path_targets_new(patterns->n);
	struct path_matches found = {0};
	int64_t start_ns = clock_mono_ns();

	assert(p->n == patterns->n);
	p->patterns = *patterns;
	p->component = c;
	p->ignore_older_than_ns = ignore_older_than_ns;
	p->blind = p->changed = p->again = false;
	p->looks++;
	for (size_t i = 0; i < patterns->n; i++) {
		struct arena *arena = arena_new(0);
		enum told told = expand(p, c->runtime->watcher, &patterns->items[i], arena, oldest_wanted_ns(p), targets, i);

		found.at_fault += told == TOLD_INVALID || told == TOLD_LIMIT || told == TOLD_EXHAUSTED;
		found.exhausted |= told == TOLD_EXHAUSTED;
		tell(p, c, i, told, arena, targets_label(&patterns->items[i], STR("__path__")));
		arena_free(arena);
	}
	if (!found.exhausted)
		leave_others(p);
	path_targets_unref(found.exhausted ? targets : p->found);
	p->found = found.exhausted ? p->found : targets;
	found.targets = p->found;
	p->looked_ns = clock_mono_ns();
	p->cost_ns = p->looked_ns - start_ns;
	/* What appeared in a directory after it was read and before it was watched. */
	p->changed = p->again;
	if (p->changed && p->timer != NULL)
		loop_timer_start(p->timer, SOON_NS, p->period_ns);
	return found;
}

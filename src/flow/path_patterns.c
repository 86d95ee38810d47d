/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/path_patterns.h"

#include <errno.h>
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
#include "longship/flow/targets.h"

#define TARGETS_MAX 1000000 /* found: a machine has fewer logs */

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
is_wanted(struct str path, int64_t oldest_ns)
{
	struct stat st;

	if (stat(path.s, &st) != 0 || S_ISDIR(st.st_mode))
		return false;
	return oldest_ns == 0 || st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec >= oldest_ns;
}

static struct target
with_path(struct arena *arena, const struct target *target, struct str path)
{
	struct labels_builder builder;

	(void)targets_to_labels(target, &builder);
	(void)labels_builder_set(&builder, STR("__path__"), path);
	return targets_from_labels(arena, &builder);
}

/* Adds the files of one path target to the list; how it went. */
static enum told
expand(const struct target *target, struct arena *arena, int64_t oldest_ns, struct target_list *list, size_t *cap)
{
	struct str pattern = targets_label(target, STR("__path__")), exclude = targets_label(target, STR("__path_exclude__"));
	struct glob_paths paths;
	int r = glob_walk(arena, pattern, &paths);
	size_t before = list->n;

	if (r == -EINVAL)
		return TOLD_INVALID;
	if (r < 0 && r != -E2BIG)
		return TOLD_EXHAUSTED;
	for (size_t i = 0; i < paths.n && list->n < TARGETS_MAX; i++) {
		struct str path;

		if (exclude.len > 0 && glob_match(exclude, paths.items[i]))
			continue;
		path = absolute(arena, paths.items[i]);
		if (path.len == 0 || !is_wanted(path, oldest_ns))
			continue;
		if (list->n == *cap) {
			*cap = *cap * 2 + 16;
			list->items = mem_realloc(list->items, *cap * sizeof(list->items[0]));
		}
		list->items[list->n++] = with_path(arena, target, path);
	}
	if (r == -E2BIG || list->n == TARGETS_MAX)
		return TOLD_LIMIT;
	return list->n == before ? TOLD_EMPTY : TOLD_NOTHING;
}

void
path_patterns_reset(struct path_patterns *p, size_t n)
{
	mem_free(p->told);
	p->told = mem_zalloc(n + 1);
	p->n = n;
}

void
path_patterns_done(struct path_patterns *p)
{
	mem_free(p->told);
	*p = (struct path_patterns){0};
}

struct path_matches
path_patterns_look(struct path_patterns *p, struct component *c, const struct target_list *patterns, int64_t ignore_older_than_ns,
	struct arena *arena)
{
	int64_t oldest_ns = ignore_older_than_ns > 0 ? clock_now_ns() - ignore_older_than_ns : 0;
	struct path_matches found = {0};
	size_t cap = 0;

	assert(p->n == patterns->n);
	for (size_t i = 0; i < patterns->n; i++) {
		enum told told = expand(&patterns->items[i], arena, oldest_ns, &found.list, &cap);

		found.at_fault += told == TOLD_INVALID || told == TOLD_LIMIT || told == TOLD_EXHAUSTED;
		found.exhausted |= told == TOLD_EXHAUSTED;
		tell(p, c, i, told, arena, targets_label(&patterns->items[i], STR("__path__")));
	}
	return found;
}

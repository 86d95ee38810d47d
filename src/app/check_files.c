/* SPDX-License-Identifier: Apache-2.0 */
#include "check_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/clock.h"
#include "longship/codec/glob.h"
#include "longship/flow/targets.h"

/*
 * Whether the files can be read, asked of the kernel as the user whom it is about: groups, access lists and
 * capabilities count as they do for the daemon. What local.file_match finds is looked for here, as nothing is started.
 */

#define UNREADABLE_SHOWN_MAX 10 /* of one pattern; one command often mends them all */

/* The command that lets the user in: the group that owns it, where that is a log group, else an access list. */
static const char *
mend(struct check *c, const char *path, const char *bits)
{
	struct stat st;
	const struct group *group;
	const char *word = check_word(c, path);

	if (stat(path, &st) == 0 && (st.st_mode & (bits[0] == 'r' ? S_IRGRP : S_IXGRP)) != 0) {
		group = getgrgid(st.st_gid);
		if (group != NULL && (strcmp(group->gr_name, "adm") == 0 || strcmp(group->gr_name, "systemd-journal") == 0))
			return arena_printf(c->arena, "usermod -aG %s %s", group->gr_name, c->user).s;
	}
	return arena_printf(c->arena, "setfacl -m u:%s:%s %s", c->user, bits, word).s;
}

/* Whether it can be read; else says why not. */
static bool
check_file(struct check *c, const char *id, const char *path, bool say)
{
	const char *barrier;
	int err;

	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0)
		return true;
	err = errno;
	if (!say)
		return false;
	barrier = check_barrier(c, path);
	if (barrier != NULL)
		check_finding(c, CHECK_FAIL, mend(c, barrier, "x"), "%s: %s cannot enter %s", id, c->user, barrier);
	else if (err == ENOENT || err == ENOTDIR)
		check_finding(c, CHECK_WARN, NULL, "%s: %s does not exist; it is followed once it does", id, path);
	else
		check_finding(c, CHECK_FAIL, mend(c, path, "r"), "%s: %s cannot read %s: %s", id, c->user, path, strerror(err));
	return false;
}

static void
check_nothing(struct check *c, const char *id, const char *pattern)
{
	const char *base = arena_z(c->arena, glob_base(c->arena, str_from(pattern)));
	const char *barrier = check_barrier(c, base);
	struct stat st;

	if (barrier != NULL)
		check_finding(c, CHECK_FAIL, mend(c, barrier, "x"), "%s: %s cannot enter %s", id, c->user, barrier);
	else if (stat(base, &st) == 0 && S_ISDIR(st.st_mode) && faccessat(AT_FDCWD, base, R_OK, AT_EACCESS) != 0)
		check_finding(c, CHECK_FAIL, mend(c, base, "rx"), "%s: %s cannot list %s", id, c->user, base);
	else
		check_finding(c, CHECK_WARN, arena_printf(c->arena, "ls -ld %s", check_word(c, base)).s,
			"%s: nothing matches %s", id, pattern);
}

static void
check_pattern(struct check *c, const char *id, const char *pattern, struct str exclude, int64_t oldest_ns)
{
	struct glob_paths paths = {0};
	size_t n = 0, bad = 0;
	int r = glob_walk(c->arena, str_from(pattern), &paths);

	if (r == -EINVAL) {
		check_finding(c, CHECK_FAIL, NULL, "%s: %s is not a path pattern", id, pattern);
		return;
	}
	for (size_t i = 0; i < paths.n; i++) {
		struct stat st;

		if (stat(paths.items[i].s, &st) != 0 || S_ISDIR(st.st_mode) ||
			st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec < oldest_ns ||
			(exclude.len > 0 && glob_match(exclude, paths.items[i])))
			continue;
		n++;
		if (!check_file(c, id, paths.items[i].s, bad < UNREADABLE_SHOWN_MAX))
			bad++;
	}
	c->n_files += n;
	if (bad > UNREADABLE_SHOWN_MAX)
		check_finding(c, CHECK_FAIL, NULL, "%s: %zu of %zu files of %s cannot be read", id, bad, n, pattern);
	else if (n == 0)
		check_nothing(c, id, pattern);
	else if (bad == 0)
		check_finding(c, CHECK_OK, NULL, "%s: %s can read the %zu files of %s", id, c->user, n, pattern);
}

static void
check_match(struct check *c, const struct component *component)
{
	const struct arg_spec *spec = component->type->args;
	const struct target_list *targets = check_field(spec, component->args, "path_targets");
	const int64_t *age_ns = check_field(spec, component->args, "ignore_older_than");

	for (size_t i = 0; i < targets->n; i++) {
		struct str path = targets_label(&targets->items[i], STR("__path__"));

		if (path.len > 0)
			check_pattern(c, component->id, arena_z(c->arena, path),
				targets_label(&targets->items[i], STR("__path_exclude__")),
				*age_ns > 0 ? clock_now_ns() - *age_ns : INT64_MIN);
	}
}

static void
check_source(struct check *c, const struct component *component)
{
	const struct target_list *targets = check_field(component->type->args, component->args, "targets");

	for (size_t i = 0; targets->paths == NULL && i < targets->n; i++) {
		struct str path = targets_label(&targets->items[i], STR("__path__"));
		const char *z = arena_z(c->arena, path);

		if (path.len == 0)
			continue;
		c->n_files++;
		if (check_file(c, component->id, z, true))
			check_finding(c, CHECK_OK, NULL, "%s: %s can read %s", component->id, c->user, z);
	}
}

void
check_files(struct check *c)
{
	for (size_t i = 0; i < graph_load_len(c->load); i++) {
		const struct component *component = graph_load_at(c->load, i);

		if (component == NULL)
			continue;
		if (strcmp(component->type->name, "local.file_match") == 0)
			check_match(c, component);
		else if (strcmp(component->type->name, "loki.source.file") == 0)
			check_source(c, component);
	}
}

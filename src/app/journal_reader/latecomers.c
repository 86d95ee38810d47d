/* SPDX-License-Identifier: Apache-2.0 */
#include "latecomers.h"

#include <string.h>

#include "longship/base/clock.h"

/* An entry has the time at which journald began to deal with it, and only then its file was made. Somebody else's old file that is put
 * there, and the copies that journald makes when it moves to /var, hold entries that are older: those are not late. */
#define SLACK_NS NS_PER_S
#define FAILURES_MAX 100 /* a file that can still not be opened is no journal */

static void
forget_files(struct latecomers *l)
{
	for (size_t i = 0; i < l->files.len; i++)
		sdjournal_close(l->files.items[i].journal);
	vec_done(&l->files);
}

void
latecomers_know(struct latecomers *l, const struct sdjournal_options *o)
{
	int64_t changed_ns = l->changed_ns;

	latecomers_done(l);
	l->changed_ns = changed_ns;
	l->looked_ns = clock_mono_ns();
	sdjournal_list(o, &l->known);
}

/* False: what follows is of another boot, whose clock says nothing. */
static bool
step(struct latecomer *late)
{
	char boot[33];

	late->has_next = sdjournal_next(late->journal) > 0 && sdjournal_here(late->journal, &late->next);
	sdjournal_boot_id(boot);
	return !late->has_next || memcmp(late->next.boot_id, boot, sizeof(late->next.boot_id)) == 0;
}

static void
add(struct latecomers *l, struct sdjournal *j, const uint8_t id[16])
{
	struct latecomer late = {.journal = j};

	memcpy(late.id, id, sizeof(late.id));
	if (step(&late))
		vec_push(&l->files, late);
	else
		sdjournal_close(j);
}

void
latecomers_add(struct latecomers *l, struct sdjournal *j)
{
	static const uint8_t none[16];

	add(l, j, none);
}

static bool
take_in(struct latecomers *l, const struct sdjournal_file *file, int (*prepare)(void *ptr, struct sdjournal *), void *ptr)
{
	struct sdjournal *j;

	if (l->files.len >= LATECOMERS_MAX || sdjournal_open_file(file->path, &j) < 0)
		return false;
	if (prepare(ptr, j) < 0 || sdjournal_seek_this_boot(j, l->looked_ns - SLACK_NS) < 0) {
		sdjournal_close(j);
		return false;
	}
	add(l, j, file->id);
	return true;
}

/* The first file of a directory that was empty or not there: journald moves from /run to /var, and copies what it has. What it writes
 * there by itself comes after all that. A namespace (MACHINE.NAME) has a journald of its own, for which this is not so. */
static bool
is_moved(const struct sdjournal_list *known, const char *path)
{
	size_t dir = (size_t)(strrchr(path, '/') - path);
	const char *name = memrchr(path, '/', dir);

	if (name != NULL && memchr(name, '.', (size_t)(path + dir - name)) != NULL)
		return false;
	for (size_t i = 0; i < known->files.len; i++) {
		const char *other = known->files.items[i].path;

		if (strncmp(other, path, dir + 1) == 0 && strchr(other + dir + 1, '/') == NULL)
			return false;
	}
	return true;
}

void
latecomers_look(
	struct latecomers *l, const struct sdjournal_options *o, int (*prepare)(void *ptr, struct sdjournal *), void *ptr)
{
	int64_t now_ns = clock_mono_ns();
	struct sdjournal_list list = {0};

	if (!sdjournal_list_stale(&l->known)) {
		l->looked_ns = now_ns;
		return;
	}
	l->changed_ns = now_ns;
	sdjournal_list(o, &list);
	for (size_t i = list.files.len; i-- > 0;) {
		const struct sdjournal_file *file = &list.files.items[i];

		if (sdjournal_list_find(&l->known, file->id) != NULL)
			continue;
		if (is_moved(&l->known, file->path)) {
			l->came = l->moved = true;
		} else if (take_in(l, file, prepare, ptr)) {
			l->came = true;
		} else if (l->failures < FAILURES_MAX) {
			list.unfinished = true; /* it is tried again */
			sdjournal_list_drop(&list, file->id);
		}
	}
	l->failures = list.unfinished ? l->failures + 1 : 0;
	sdjournal_list_done(&l->known);
	l->known = list;
	if (!list.unfinished)
		l->looked_ns = now_ns;
}

struct latecomer *
latecomers_next(struct latecomers *l, const struct sdjournal_place *limit)
{
	struct latecomer *first = NULL;

	for (size_t i = l->files.len; i-- > 0;) {
		struct latecomer *late = &l->files.items[i];

		if (!late->has_next && !step(late)) {
			sdjournal_close(late->journal);
			vec_remove(&l->files, i);
			first = NULL; /* may have moved */
			i = l->files.len;
			continue;
		}
		if (late->has_next && sdjournal_compare(&late->next, limit) < 0 &&
			(first == NULL || sdjournal_compare(&late->next, &first->next) < 0))
			first = late;
	}
	return first;
}

void
latecomers_go_on(struct latecomers *l, struct latecomer *late)
{
	if (step(late))
		return;
	sdjournal_close(late->journal);
	vec_remove(&l->files, (size_t)(late - l->files.items));
}

void
latecomers_reopen(struct latecomer *late, const struct sdjournal_options *o, int (*prepare)(void *ptr, struct sdjournal *), void *ptr)
{
	const struct sdjournal_place at = late->next;
	const struct sdjournal_file *file;
	struct sdjournal_list list = {0};
	struct sdjournal *j;

	sdjournal_list(o, &list);
	file = sdjournal_list_find(&list, late->id);
	if (file != NULL && sdjournal_open_file(file->path, &j) >= 0) {
		if (prepare(ptr, j) >= 0 && sdjournal_seek_this_boot(j, (int64_t)at.monotonic_us * NS_PER_US) >= 0) {
			sdjournal_close(late->journal);
			late->journal = j;
			while (step(late) && sdjournal_compare(&late->next, &at) < 0)
				;
		} else {
			sdjournal_close(j);
		}
	}
	sdjournal_list_done(&list);
}

void
latecomers_done(struct latecomers *l)
{
	forget_files(l);
	sdjournal_list_done(&l->known);
	*l = (struct latecomers){0};
}

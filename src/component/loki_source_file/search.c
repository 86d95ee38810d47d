/* SPDX-License-Identifier: Apache-2.0 */
#include "search.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "follow.h"
#include "listing.h"
#include "longship/base/arena.h"
#include "longship/base/clock.h"
#include "past.h"

#define DIRS_MAX 64 /* beside and below a file's directory that are looked through for its generations */
#define STILL_WRITTEN_NS (60 * NS_PER_S) /* a file that was read to its end, or is empty, is opened when it was written or renamed this lately */

static struct listing *
list_dir(struct search *s, const char *dir)
{
	struct listing *l = s->past != NULL ? map_get(&s->past->listings, str_from(dir)) : NULL;

	if (l != NULL)
		return l;
	l = listing_new(dir);
	if (s->past != NULL)
		(void)map_set(&s->past->listings, str_from(dir), l);
	else
		vec_push(&s->own, l);
	return l;
}

static bool
is_searched(const struct search *s, const struct listing *l)
{
	for (size_t i = 0; i < s->dirs.len; i++) {
		if (strcmp(listing_dir(s->dirs.items[i]), listing_dir(l)) == 0)
			return true;
	}
	return false;
}

/* A path that is a link: rotation happens where it leads to. */
static void
add_real_dir(struct search *s)
{
	char *real, *slash;
	struct listing *l;
	struct stat st;

	if (lstat(s->follow->path, &st) < 0 || !S_ISLNK(st.st_mode) || (real = realpath(s->follow->path, NULL)) == NULL)
		return;
	slash = strrchr(real, '/');
	if (slash != NULL && strcmp(slash + 1, s->follow->at.name) != 0)
		s->real_name = arena_z(s->arena, str_from(slash + 1));
	if (slash != NULL) {
		*slash = '\0';
		l = list_dir(s, slash == real ? "/" : real);
		if (!is_searched(s, l))
			vec_push(&s->dirs, l);
	}
	free(real);
}

void
search_init(struct search *s, struct past *past, struct follow *f, struct known_list *list)
{
	*s = (struct search){.past = past, .follow = f, .list = list, .arena = arena_new(0), .copied_since_ns = INT64_MAX};
	vec_push(&s->dirs, list_dir(s, folder_path(f->at.folder)));
	add_real_dir(s);
}

void
search_done(struct search *s)
{
	for (size_t i = 0; i < s->own.len; i++)
		listing_free(s->own.items[i]);
	for (size_t i = 0; i < s->found.len; i++) {
		if (s->found.items[i].kept_fd >= 0)
			(void)close(s->found.items[i].kept_fd);
	}
	vec_done(&s->own);
	vec_done(&s->dirs);
	vec_done(&s->found);
	arena_free(s->arena);
}

const char *
search_join(struct arena *arena, const char *dir, const char *name)
{
	return arena_printf(arena, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name).s;
}

bool
search_same_file(const struct file_identity *a, const struct file_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

bool
search_has_vanished(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 && errno == ENOENT;
}

bool
search_is_packed(const char *path, int fd, enum decompress_format *ret)
{
	char head[DECOMPRESS_MAGIC_BYTES];
	ssize_t n;

	if (without_compression(path) == strlen(path))
		return false;
	n = file_pread(fd, head, sizeof(head), 0);
	return n > 0 && decompress_sniff((struct str){head, (size_t)n}, ret);
}

enum match
search_match(struct search *s, int fd, const struct stat *st, const struct candidate *c, const struct known *k)
{
	uint64_t offset;
	int r;

	if (!c->packed)
		return match_file(fd, (uint64_t)st->st_size, &k->proof, k->position, &offset);
	r = match_packed(fd, c->format, &k->proof, k->position);
	s->busy |= r == -EBUSY;
	return r == 1 ? MATCH_SAME : MATCH_OTHER;
}

bool
search_is_still_written(const struct file_identity *file)
{
	return clock_now_ns() - file->ctime_ns <= STILL_WRITTEN_NS;
}

int64_t
search_copied_ns(const struct candidate *c)
{
	return c->packed || c->file.birth_ns == 0 ? c->file.mtime_ns : c->file.birth_ns;
}

/* The same of one with the generation's identity; an inode number that came again is another file. */
static bool
holds_known(struct search *s, struct candidate *c, const struct known *k)
{
	struct stat st;
	int fd = follow_open(c->path, &st);
	bool same;

	if (fd < 0) {
		s->busy |= search_has_vanished(c->path);
		return fd == -EACCES || fd == -EMFILE || fd == -ENFILE;
	}
	c->packed = search_is_packed(c->path, fd, &c->format);
	same = (c->packed && k->proof.n_tails == 0) || search_match(s, fd, &st, c, k) != MATCH_OTHER;
	(void)close(fd);
	return same;
}

/* A file with the identity of a known generation that holds something else: it was emptied, and written again before it was renamed. Without a
 * birth it may be another one with this inode number. */
static bool
was_emptied(const struct search *s, const struct candidate *c, const char *name, const struct known *k)
{
	const struct follow *f = s->follow;

	if (c->packed || k->any_ordinal || follow_generation(f->shared, &k->id) > k->id.generation || folders_have(&f->shared->folders, c->path))
		return false;
	if (c->file.birth_ns != 0 && k->id.btime_ns != 0)
		return true;
	return is_rotated_name(s->real_name != NULL ? s->real_name : f->at.name, name) && c->file.mtime_ns > k->updated_ns;
}

static bool
find_known_in(struct search *s, const struct listing *l, struct known *k)
{
	const struct listed *names;
	size_t n = listing_of_ino(l, k->id.ino, &names);

	for (size_t i = 0; i < n && !k->found; i++) {
		struct candidate c = {.path = search_join(s->arena, listing_dir(l), names[i].name), .kept_fd = -1};

		if (file_identify_path(c.path, &c.file) < 0) {
			s->busy |= search_has_vanished(c.path);
			continue;
		}
		if (!known_is_file(&k->id, &c.file) || !S_ISREG(c.file.mode) || search_same_file(&c.file, &s->list->current))
			continue;
		k->found = holds_known(s, &c, k);
		if (!k->found && !was_emptied(s, &c, names[i].name, k))
			continue;
		c.known = k->found ? k : NULL;
		c.emptied = !k->found;
		/* A compressed file is born when it is compressed. */
		c.order_ns = c.packed || c.emptied || known_is_of_many(s->list, k) ? c.file.mtime_ns : k->id.btime_ns;
		vec_push(&s->found, c);
		break;
	}
	return k->found;
}

/* True when one was found there. */
static bool
find_known(struct search *s, const struct listing *l)
{
	bool found = false;

	for (size_t i = 0; i < s->list->items.len; i++) {
		struct known *k = &s->list->items.items[i];

		if (!k->found && known_is_of_follow(k, s->follow) && !known_was_truncated(s->list, k))
			found |= find_known_in(s, l, k);
	}
	return found;
}

/* Deleted meanwhile, but the service manager has kept it open. */
static void
find_known_kept(struct search *s)
{
	for (size_t i = 0; i < s->list->items.len; i++) {
		struct known *k = &s->list->items.items[i];
		struct candidate c = {.path = "(deleted)", .known = k, .order_ns = k->id.btime_ns, .kept_fd = -1};

		if (k->found || k->any_ordinal || !known_is_of_follow(k, s->follow) || (c.kept_fd = follow_kept(s->follow, &k->id)) < 0)
			continue;
		if (file_identify(c.kept_fd, &c.file) < 0 || !known_is_file(&k->id, &c.file)) {
			(void)close(c.kept_fd);
			continue;
		}
		k->found = true;
		vec_push(&s->found, c);
	}
}

/* logrotate's olddir: a directory below the file's, or beside it. */
static void
find_known_around(struct search *s, const char *dir)
{
	const struct listed *names;
	size_t n = listing_all(list_dir(s, dir), &names), left = DIRS_MAX;

	for (size_t i = 0; i < n && left > 0 && !known_newest_is_found(s->list, s->follow); i++) {
		struct listing *l;

		if (!names[i].is_dir)
			continue;
		left--;
		l = list_dir(s, search_join(s->arena, dir, names[i].name));
		if (!is_searched(s, l) && find_known(s, l))
			vec_push(&s->dirs, l);
	}
}

static const char *
parent_of(struct search *s, const char *dir)
{
	const char *slash = strrchr(dir, '/');

	if (slash == NULL || slash == dir)
		return slash == NULL ? ".." : "/";
	return arena_z(s->arena, (struct str){dir, (size_t)(slash - dir)});
}

void
search_known(struct search *s)
{
	const char *dir = folder_path(s->follow->at.folder);

	for (size_t i = 0; i < s->dirs.len; i++)
		(void)find_known(s, s->dirs.items[i]);
	find_known_kept(s);
	if (!known_newest_is_found(s->list, s->follow))
		find_known_around(s, dir);
	if (!known_newest_is_found(s->list, s->follow))
		find_known_around(s, parent_of(s, dir));
}

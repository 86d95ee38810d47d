/* SPDX-License-Identifier: Apache-2.0 */
#include "unseen.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "follow.h"
#include "listing.h"
#include "longship/base/arena.h"
#include "longship/base/log.h"
#include "search.h"

struct packed_head {
	char bytes[PROOF_HEAD_BYTES];
	ssize_t n;
};

static bool
is_candidate(const struct search *s, const char *path, const struct file_identity *file)
{
	struct follow *f = s->follow;

	if (!S_ISREG(file->mode) || (file->size == 0 && !search_is_still_written(file)) || search_same_file(file, &s->list->current) || folders_have(&f->shared->folders, path))
		return false;
	for (size_t i = 0; i < s->found.len; i++) {
		if (search_same_file(file, &s->found.items[i].file))
			return false;
	}
	return !follow_knows(f, &(struct file_id){file->dev, file->ino, file->birth_ns, 0, f->ordinal});
}

/* It was made while the path named what it names now, so that it was not renamed. */
static bool
is_copy(const struct search *s, const struct candidate *c)
{
	return !c->packed && (c->file.birth_ns == 0 || c->file.birth_ns > s->list->current.birth_ns);
}

/* Born after the newest known generation, and before the file that the path names now. A compressed file is born when it is compressed,
 * but keeps the time of its last change. */
static bool
is_in_between(const struct search *s, const struct candidate *c)
{
	const struct known_list *list = s->list;
	const struct file_identity *file = &c->file;

	if (search_copied_ns(c) > s->copied_since_ns && (c->packed || is_copy(s, c)))
		return true;
	if (file->birth_ns == 0 || list->born_ns == 0)
		return file->mtime_ns > list->updated_ns;
	if (c->packed)
		return file->mtime_ns > list->born_ns;
	return file->birth_ns > list->born_ns && (list->current.birth_ns == 0 || file->birth_ns <= list->current.birth_ns);
}

/* What is cheap to learn of a compressed file: how its text begins, and, of gzip, how long it is. */
static bool
may_hold(struct search *s, int fd, const struct candidate *c, const struct known *k, struct packed_head *head)
{
	if (head->n == 0) {
		head->n = match_packed_head(fd, c->format, head->bytes);
		s->busy |= head->n == -EBUSY;
	}
	return head->n >= (ssize_t)k->proof.head.offset && proof_hash(head->bytes, (size_t)k->proof.head.offset) == k->proof.head.tail_hash;
}

/* A known generation that has no file of its own any more, in a copy or compressed. */
static struct known *
known_by_content(struct search *s, struct candidate *c)
{
	struct packed_head head = {0};
	struct known *found = NULL;
	struct stat st;
	int fd = follow_open(c->path, &st);
	uint32_t text_bytes = 0;

	if (fd < 0)
		return NULL;
	c->packed = search_is_packed(c->path, fd, &c->format);
	if (c->packed && c->format == DECOMPRESS_GZ)
		text_bytes = match_gzip_text_bytes(fd, (uint64_t)st.st_size);
	for (size_t i = 0; i < s->list->items.len && found == NULL; i++) {
		struct known *k = &s->list->items.items[i];

		if (k->found || k->proof.head.offset == 0 || !known_is_of_follow(k, s->follow) || (c->packed && !may_hold(s, fd, c, k, &head)))
			continue;
		/* The same beginning and the same length: not worth decompressing. */
		if ((text_bytes != 0 && text_bytes == (uint32_t)k->position) || search_match(s, fd, &st, c, k) == MATCH_SAME)
			found = k;
	}
	(void)close(fd);
	return found;
}

/* A name that ends as a compressed file's does, and a content that cannot be unpacked here. */
static bool
is_unreadable_format(const struct search *s, const struct candidate *c)
{
	if (c->packed || without_compression(c->path) == strlen(c->path))
		return false;
	log_warn(s->follow->shared->component->id, "cannot unpack a generation of a file that was never read; it is left out", "path",
		s->follow->path, "generation", c->path, "hint", "logrotate: use delaycompress, or compress with gzip, bzip2 or zstd", NULL);
	return true;
}

/* What is being compressed is still there under its own name. */
static bool
has_original(struct search *s, const struct listing *l, const char *name)
{
	struct file_identity file;
	size_t len = without_compression(name);

	return len != strlen(name) &&
		file_identify_path(search_join(s->arena, listing_dir(l), arena_z(s->arena, (struct str){name, len})), &file) == 0;
}

static void
find_unknown(struct search *s, const struct listing *l, const char *name)
{
	const struct listed *names;
	size_t n = listing_of_stem(l, name, &names);

	for (size_t i = 0; i < n; i++) {
		struct candidate c = {.kept_fd = -1};

		if (!is_rotated_name(name, names[i].name) || has_original(s, l, names[i].name))
			continue;
		c.path = search_join(s->arena, listing_dir(l), names[i].name);
		if (file_identify_path(c.path, &c.file) < 0) {
			s->busy |= search_has_vanished(c.path);
			continue;
		}
		if (!is_candidate(s, c.path, &c.file))
			continue;
		if ((s->plain_only || c.file.mtime_ns < s->packed_since_ns) && without_compression(c.path) != strlen(c.path))
			continue;
		c.known = known_by_content(s, &c);
		if (c.known != NULL)
			c.known->found = true;
		c.order_ns = c.known != NULL && c.known->id.btime_ns != 0 && !known_is_of_many(s->list, c.known) ? c.known->id.btime_ns : search_copied_ns(&c);
		vec_push(&s->found, c);
	}
}

void
unseen_find(struct search *s)
{
	for (size_t i = 0; i < s->dirs.len; i++) {
		find_unknown(s, s->dirs.items[i], s->follow->at.name);
		if (s->real_name != NULL)
			find_unknown(s, s->dirs.items[i], s->real_name);
	}
}

void
unseen_leave_out_strangers(struct search *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->found.len; i++) {
		const struct candidate *c = &s->found.items[i];

		if (c->known != NULL || c->emptied || (is_in_between(s, c) && !is_unreadable_format(s, c)))
			s->found.items[kept++] = *c;
	}
	s->found.len = kept;
}

/* A copy of what the path's file holds now, perhaps not whole yet: what it holds is read from the file. */
static bool
is_of_current(const struct candidate *c, int current)
{
	struct stat st;
	int fd = follow_open(c->path, &st);
	bool is = fd >= 0 && match_begin(fd, (uint64_t)st.st_size, current);

	if (fd >= 0)
		(void)close(fd);
	return is;
}

void
unseen_leave_out_copies_of_current(struct search *s)
{
	struct stat st;
	int current = follow_open(s->follow->path, &st);
	size_t kept = 0;

	for (size_t i = 0; i < s->found.len; i++) {
		const struct candidate *c = &s->found.items[i];

		if (c->known != NULL || c->emptied || !is_copy(s, c) || current < 0 || !is_of_current(c, current))
			s->found.items[kept++] = *c;
	}
	s->found.len = kept;
	if (current >= 0)
		(void)close(current);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "generations.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "follow.h"
#include "listing.h"
#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/placed.h"
#include "longship/flow/runtime.h"
#include "longship/os/file.h"
#include "longship/positions/positions.h"
#include "match.h"
#include "renumbered.h"

#define DIRS_MAX 64 /* beside and below a file's directory that are looked through for its generations */
#define GENERATIONS_MAX 64 /* of a file that is emptied again and again: as many copies of it are told apart */
#define REMEMBERED_NS (29 * 24 * 3600 * NS_PER_S) /* the store may have forgotten what is older */
#define STILL_WRITTEN_NS (60 * NS_PER_S) /* a file that was read to its end, or is empty, is opened when it was written or renamed this lately */

struct known { /* a generation in the store */
	struct file_id id;
	bool any_ordinal; /* of a placed position */
	uint64_t position;
	bool has_holes; /* not all before the position is settled */
	struct proof proof;
	int64_t updated_ns;
	bool found;
};

struct known_list { /* of one path */
	struct file_identity current; /* what the path names; all 0: nothing */
	int64_t born_ns, updated_ns;  /* of the newest generation; the last change of any */
	VEC(struct known) items;      /* those that the path does not name */
	VEC(struct known) now;        /* the newest of the file that it does name, for each ordinal */
};

struct candidate { /* a file that is or may be a generation */
	const char *path;
	int kept_fd; /* of one that was deleted; else -1 */
	struct file_identity file;
	struct known *known; /* NULL: the store does not know it */
	bool emptied;        /* the store knows the file, but not what it holds now */
	bool packed;
	enum decompress_format format;
	int64_t order_ns;
};

struct packed_head {
	char bytes[PROOF_HEAD_BYTES];
	ssize_t n;
};

struct search {
	struct past *past; /* NULL: directories are read for this search alone */
	struct follow *follow;
	struct known_list *list;
	struct arena *arena;
	const char *real_name; /* of the file that the path links to; NULL: it is no link */
	VEC(struct listing *) own; /* listings that are not the past's */
	VEC(struct listing *) dirs;
	VEC(struct candidate) found;
	int64_t copied_since_ns; /* copies that nobody knows and that were written since hold what nobody has read; INT64_MAX: none does */
	bool busy;       /* something could not be looked into now */
	bool plain_only; /* what is compressed is of a generation that is known or open */
};

/* ---- What the store knows ---- */

void
past_init(struct past *p, struct follow_shared *shared)
{
	*p = (struct past){.shared = shared};
	map_init(&p->paths);
	map_init(&p->listings);
}

void
past_want(struct past *p, const struct follow *f)
{
	struct known_list *list;

	if (map_has(&p->paths, str_from(f->path)))
		return;
	list = mem_new(struct known_list);
	(void)file_identify_path(f->path, &list->current);
	(void)map_set(&p->paths, str_from(f->path), list);
}

static bool
is_file(const struct file_id *id, const struct file_identity *file)
{
	return id->dev == file->dev && id->ino == file->ino && (id->btime_ns == 0 || file->birth_ns == 0 || id->btime_ns == file->birth_ns);
}

static void
note_known(const struct follow_shared *shared, struct known_list *list, const struct known *known, const struct position *position)
{
	if (known->id.btime_ns > list->born_ns)
		list->born_ns = known->id.btime_ns;
	if (known->updated_ns > list->updated_ns)
		list->updated_ns = known->updated_ns;
	if (is_file(&known->id, &list->current) && known->id.generation >= follow_generation(shared, &known->id)) {
		vec_push(&list->now, *known);
		proof_get(&list->now.items[list->now.len - 1].proof, position);
		return;
	}
	vec_push(&list->items, *known);
	proof_get(&list->items.items[list->items.len - 1].proof, position);
}

static bool
load_one(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	struct past *p = ptr;
	struct known_list *list = map_get(&p->paths, path);
	struct str component = str_from(p->shared->component->id);
	struct file_key file;
	struct placed placed;

	if (list == NULL || position == NULL)
		return true;
	if (file_key_parse(key, &file) && str_eq(file.component, component))
		note_known(p->shared, list, &(struct known){.id = {file.file.dev, file.file.ino, file.file.birth_ns, file.generation, file.ordinal},
					 .position = position->offset, .has_holes = position->n_holes > 0,
			.updated_ns = position->updated_ns}, position);
	else if (placed_from_entry(key, path, labels, position, &placed) && str_eq(placed.component, component) && placed.file.ino != 0 &&
		placed.kind == PLACED_OFFSET)
		note_known(p->shared, list, &(struct known){.id = {placed.file.dev, placed.file.ino, placed.file.birth_ns, 0, 0},
					 .any_ordinal = true, .position = placed.offset, .updated_ns = placed.placed_ns}, position);
	return true;
}

static bool
is_wanted(void *ptr, struct str path)
{
	const struct past *p = ptr;

	return map_len(&p->paths) == 1 ? str_eq(path, map_key(&p->paths, 0)) : map_has(&p->paths, path);
}

static bool
note_some(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	struct past *p = ptr;

	(void)key, (void)path, (void)labels, (void)position;
	p->some = true;
	return false;
}

void
past_load(struct past *p)
{
	struct positions *store = p->shared->component->runtime->positions;

	if (store == NULL || map_len(&p->paths) == 0)
		return;
	positions_each_of(store, is_wanted, note_some, p);
	if (!p->some) /* new files: the store is large, so it is read once for them */
		return;
	renumbered_adopt(store, p->shared->component->id, &p->paths);
	positions_each_of(store, is_wanted, load_one, p);
}

void
past_done(struct past *p)
{
	for (size_t i = 0; i < map_len(&p->paths); i++) {
		struct known_list *list = map_value(&p->paths, i);

		vec_done(&list->items);
		vec_done(&list->now);
		mem_free(list);
	}
	for (size_t i = 0; i < map_len(&p->listings); i++)
		listing_free(map_value(&p->listings, i));
	map_done(&p->paths);
	map_done(&p->listings);
}

/* ---- Where the files are ---- */

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

static const char *
join(struct arena *arena, const char *dir, const char *name)
{
	return arena_printf(arena, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name).s;
}

/* Another known generation of the same inode came later, so that this one's content is no longer in it. */
static bool
was_truncated(const struct search *s, const struct known *k)
{
	for (size_t i = 0; i < s->list->items.len; i++) {
		const struct known *other = &s->list->items.items[i];

		if (other->id.generation > k->id.generation && other->id.ino == k->id.ino && other->id.dev == k->id.dev &&
			other->id.btime_ns == k->id.btime_ns && other->id.ordinal == k->id.ordinal)
			return true;
	}
	return false;
}

static int64_t
copied_ns(const struct candidate *c)
{
	return c->packed || c->file.birth_ns == 0 ? c->file.mtime_ns : c->file.birth_ns;
}

/* Its file was emptied, before it or after it: the file's birth does not tell when it began. */
static bool
is_of_many(const struct search *s, const struct known *k)
{
	return k->id.generation > 0 || is_file(&k->id, &s->list->current) || was_truncated(s, k);
}

static bool
is_of_follow(const struct known *k, const struct follow *f)
{
	return k->any_ordinal || k->id.ordinal % NAME_STEP == f->ordinal;
}

static bool
same_file(const struct file_identity *a, const struct file_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* It was renamed, or compressed, since the directory was listed. */
static bool
has_vanished(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 && errno == ENOENT;
}

/* By its name and its first bytes. */
static bool
is_packed(const char *path, int fd, enum decompress_format *ret)
{
	char head[DECOMPRESS_MAGIC_BYTES];
	ssize_t n;

	if (without_compression(path) == strlen(path))
		return false;
	n = file_pread(fd, head, sizeof(head), 0);
	return n > 0 && decompress_sniff((struct str){head, (size_t)n}, ret);
}

/* Whether an open file holds what was read of the generation; MATCH_EARLIER: a part of it. */
static enum match
match(struct search *s, int fd, const struct stat *st, const struct candidate *c, const struct known *k)
{
	uint64_t offset;
	int r;

	if (!c->packed)
		return match_file(fd, (uint64_t)st->st_size, &k->proof, k->position, &offset);
	r = match_packed(fd, c->format, &k->proof, k->position);
	s->busy |= r == -EBUSY;
	return r == 1 ? MATCH_SAME : MATCH_OTHER;
}

/* The same of one with the generation's identity; an inode number that came again is another file. */
static bool
holds_known(struct search *s, struct candidate *c, const struct known *k)
{
	struct stat st;
	int fd = follow_open(c->path, &st);
	bool same;

	if (fd < 0) {
		s->busy |= has_vanished(c->path);
		return fd == -EACCES || fd == -EMFILE || fd == -ENFILE;
	}
	c->packed = is_packed(c->path, fd, &c->format);
	same = (c->packed && k->proof.n_tails == 0) || match(s, fd, &st, c, k) != MATCH_OTHER;
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
		struct candidate c = {.path = join(s->arena, listing_dir(l), names[i].name), .kept_fd = -1};

		if (file_identify_path(c.path, &c.file) < 0) {
			s->busy |= has_vanished(c.path);
			continue;
		}
		if (!is_file(&k->id, &c.file) || !S_ISREG(c.file.mode) || same_file(&c.file, &s->list->current))
			continue;
		k->found = holds_known(s, &c, k);
		if (!k->found && !was_emptied(s, &c, names[i].name, k))
			continue;
		c.known = k->found ? k : NULL;
		c.emptied = !k->found;
		/* A compressed file is born when it is compressed. */
		c.order_ns = c.packed || c.emptied || is_of_many(s, k) ? c.file.mtime_ns : k->id.btime_ns;
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

		if (!k->found && is_of_follow(k, s->follow) && !was_truncated(s, k))
			found |= find_known_in(s, l, k);
	}
	return found;
}

static const struct known *
newest_known(const struct search *s)
{
	const struct known *newest = NULL;

	for (size_t i = 0; i < s->list->items.len; i++) {
		const struct known *k = &s->list->items.items[i];

		if (is_of_follow(k, s->follow) && (newest == NULL || k->updated_ns > newest->updated_ns))
			newest = k;
	}
	return newest;
}

static bool
newest_is_found(const struct search *s)
{
	const struct known *newest = newest_known(s);

	return newest == NULL || newest->found;
}

/* The file that was read last is gone. */
static void
say_gone(const struct search *s)
{
	const struct known *newest = newest_known(s);

	if (newest == NULL || newest->found || newest->updated_ns < s->list->updated_ns)
		return;
	log_warn(s->follow->shared->component->id, "the file that this path named last is gone; what it held beyond the offset is lost", "path",
		s->follow->path, "offset", log_i64((int64_t)newest->position), NULL);
}

/* Deleted meanwhile, but the service manager has kept it open. */
static void
find_known_kept(struct search *s)
{
	for (size_t i = 0; i < s->list->items.len; i++) {
		struct known *k = &s->list->items.items[i];
		struct candidate c = {.path = "(deleted)", .known = k, .order_ns = k->id.btime_ns, .kept_fd = -1};

		if (k->found || k->any_ordinal || !is_of_follow(k, s->follow) || (c.kept_fd = follow_kept(s->follow, &k->id)) < 0)
			continue;
		if (file_identify(c.kept_fd, &c.file) < 0 || !is_file(&k->id, &c.file)) {
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

	for (size_t i = 0; i < n && left > 0 && !newest_is_found(s); i++) {
		struct listing *l;

		if (!names[i].is_dir)
			continue;
		left--;
		l = list_dir(s, join(s->arena, dir, names[i].name));
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

/* Its writer may not have noticed yet that it was renamed. */
static bool
is_still_written(const struct file_identity *file)
{
	return clock_now_ns() - file->ctime_ns <= STILL_WRITTEN_NS;
}

/* ---- Files that the store does not know ---- */

static bool
is_candidate(const struct search *s, const char *path, const struct file_identity *file)
{
	struct follow *f = s->follow;

	if (!S_ISREG(file->mode) || (file->size == 0 && !is_still_written(file)) || same_file(file, &s->list->current) || folders_have(&f->shared->folders, path))
		return false;
	for (size_t i = 0; i < s->found.len; i++) {
		if (same_file(file, &s->found.items[i].file))
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

	if (copied_ns(c) > s->copied_since_ns && (c->packed || is_copy(s, c)))
		return true;
	if (file->birth_ns == 0 || list->born_ns == 0)
		return file->mtime_ns > list->updated_ns;
	if (c->packed)
		return file->mtime_ns > list->born_ns;
	return file->birth_ns > list->born_ns && (list->current.birth_ns == 0 || file->birth_ns <= list->current.birth_ns);
}

/* The size of the text modulo 2^32, as the file's last four bytes say (RFC 1952). */
static uint32_t
text_bytes_of_gzip(int fd, uint64_t size)
{
	uint8_t b[4] = {0};

	if (size < sizeof(b) || file_pread(fd, b, sizeof(b), size - sizeof(b)) != (ssize_t)sizeof(b))
		return 0;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
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
	c->packed = is_packed(c->path, fd, &c->format);
	if (c->packed && c->format == DECOMPRESS_GZ)
		text_bytes = text_bytes_of_gzip(fd, (uint64_t)st.st_size);
	for (size_t i = 0; i < s->list->items.len && found == NULL; i++) {
		struct known *k = &s->list->items.items[i];

		if (k->found || k->proof.head.offset == 0 || !is_of_follow(k, s->follow) || (c->packed && !may_hold(s, fd, c, k, &head)))
			continue;
		/* The same beginning and the same length: not worth decompressing. */
		if ((text_bytes != 0 && text_bytes == (uint32_t)k->position) || match(s, fd, &st, c, k) == MATCH_SAME)
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
		file_identify_path(join(s->arena, listing_dir(l), arena_z(s->arena, (struct str){name, len})), &file) == 0;
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
		c.path = join(s->arena, listing_dir(l), names[i].name);
		if (file_identify_path(c.path, &c.file) < 0) {
			s->busy |= has_vanished(c.path);
			continue;
		}
		if (!is_candidate(s, c.path, &c.file))
			continue;
		if (s->plain_only && without_compression(c.path) != strlen(c.path))
			continue;
		c.known = known_by_content(s, &c);
		if (c.known != NULL)
			c.known->found = true;
		c.order_ns = c.known != NULL && c.known->id.btime_ns != 0 && !is_of_many(s, c.known) ? c.known->id.btime_ns : copied_ns(&c);
		vec_push(&s->found, c);
	}
}

/* Of a file that is emptied again and again no birth tells when a generation began; but a copy is born when one ends. */
static void
born_after_known_copies(struct search *s)
{
	int64_t born_ns = 0;

	for (size_t i = 0; i < s->found.len; i++) {
		const struct candidate *c = &s->found.items[i];

		if (c->known != NULL && !c->packed && c->file.birth_ns > born_ns)
			born_ns = c->file.birth_ns;
	}
	if (born_ns > 0)
		s->list->born_ns = born_ns;
}

/* What the store does not know has to be of the right age. */
static void
leave_out_strangers(struct search *s)
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

static void
leave_out_copies_of_current(struct search *s)
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

/* ---- In order ---- */

/* N of NAME.N: the larger one is the older file. UINT64_MAX: none. */
static uint64_t
number_of(const char *path)
{
	const char *dot = strrchr(path, '.');
	uint64_t n;

	return dot != NULL && str_to_u64(str_from(dot + 1), &n) ? n : UINT64_MAX;
}

static int
compare_numbers(const char *a, const char *b)
{
	uint64_t x = number_of(a), y = number_of(b);

	if (x == UINT64_MAX || y == UINT64_MAX || x == y)
		return strcmp(a, b); /* dates */
	return x < y ? 1 : -1;
}

/* Times of files are as coarse as the kernel's tick: then names decide. */
static int
compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->order_ns != y->order_ns)
		return x->order_ns > y->order_ns ? 1 : -1;
	return x->file.mtime_ns != y->file.mtime_ns ? (x->file.mtime_ns > y->file.mtime_ns ? 1 : -1) : compare_numbers(x->path, y->path);
}

static void
say_unreadable(struct follow *f, const struct candidate *c, int err)
{
	uint64_t read = c->known != NULL ? c->known->position : 0, left = c->file.size > read ? c->file.size - read : 0;

	follow_abandon(f, "unreadable", left);
	log_warn(f->shared->component->id, "cannot read an earlier generation of a file; its unread rest is left out", "path", f->path,
		"generation", c->path, "err", strerror(err), "bytes", log_i64((int64_t)left), NULL);
}

static int
take_kept(int fd, struct stat *ret)
{
	if (fstat(fd, ret) == 0)
		return fd;
	(void)close(fd);
	return -EIO;
}

/* newest: of those found: somebody may still write it. False: there are too few descriptors. */
static bool
read_one(struct follow *f, struct candidate *c, bool newest)
{
	struct stat st;
	int fd;

	bool all = c->known != NULL && !c->known->has_holes && !follow_lags(f, &c->known->id);

	if (c->kept_fd < 0 && all && !c->packed && c->file.size == c->known->position &&
		(!newest || !is_still_written(&c->file)))
		return true;
	fd = c->kept_fd >= 0 ? take_kept(c->kept_fd, &st) : follow_open(c->path, &st);
	c->kept_fd = -1;
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOENT)
		return false;
	if (fd < 0) {
		say_unreadable(f, c, -fd);
		return true;
	}
	if (c->packed && all && c->format == DECOMPRESS_GZ && text_bytes_of_gzip(fd, c->file.size) == (uint32_t)c->known->position) {
		(void)close(fd);
		return true;
	}
	if (st.st_dev != c->file.dev || st.st_ino != c->file.ino) { /* renamed since: once more */
		(void)close(fd);
		return false;
	}
	log_info(f->shared->component->id, c->known != NULL ? "reading what is left of an earlier generation of a file"
			: c->emptied                        ? "reading a generation of a file that was emptied, written and renamed unseen"
							    : "reading a generation of a file that was created and renamed unseen",
		"path", f->path, "generation", c->path, "size", log_i64((int64_t)st.st_size), NULL);
	follow_read_past(f, fd, &st, &(struct past_file){.known = c->known != NULL && !c->known->any_ordinal ? &c->known->id : NULL,
					     .emptied = c->emptied, .packed = c->packed, .format = c->format});
	return true;
}

static bool
read_found(struct search *s)
{
	bool all = true;

	if (s->found.len > 1)
		qsort(s->found.items, s->found.len, sizeof(s->found.items[0]), compare_candidates);
	for (size_t i = 0; i < s->found.len && all; i++)
		all = read_one(s->follow, &s->found.items[i], i + 1 == s->found.len);
	return all;
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

static void
search_init(struct search *s, struct past *past, struct follow *f, struct known_list *list)
{
	*s = (struct search){.past = past, .follow = f, .list = list, .arena = arena_new(0), .copied_since_ns = INT64_MAX};
	vec_push(&s->dirs, list_dir(s, folder_path(f->at.folder)));
	add_real_dir(s);
}

static void
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

static void
find_all_unknown(struct search *s)
{
	for (size_t i = 0; i < s->dirs.len; i++) {
		find_unknown(s, s->dirs.items[i], s->follow->at.name);
		if (s->real_name != NULL)
			find_unknown(s, s->dirs.items[i], s->real_name);
	}
}

/* ---- A file that was emptied, and copied before ---- */

/* What the store knows of the file that the path names; NULL: nothing. */
static const struct known *
known_now(const struct search *s)
{
	for (size_t i = 0; i < s->list->now.len; i++) {
		if (is_of_follow(&s->list->now.items[i], s->follow))
			return &s->list->now.items[i];
	}
	return NULL;
}

/* Nothing of it was ever sent, so that nothing tells whether the file holds still what it held then. */
static bool
is_unproven(const struct known *k)
{
	return k->position == 0 && k->proof.head.offset == 0;
}

static bool
is_emptied(const struct search *s, const struct known *k)
{
	uint64_t offset;
	struct stat st;
	bool other;
	int fd;

	if (k->proof.head.offset == 0)
		return false;
	fd = follow_open(s->follow->path, &st);
	if (fd < 0)
		return false;
	other = match_file(fd, (uint64_t)st.st_size, &k->proof, k->position, &offset) == MATCH_OTHER;
	(void)close(fd);
	return other;
}

/* Since when the store has not seen what was in the file: each copy, also a compressed one, is of a known generation, or of one that nobody knows.
 * Before the first known copy there was none that nobody knows, since longship knows the file. */
static void
find_copies_begin(struct search *s, const struct known *now, bool emptied)
{
	int64_t since_ns = INT64_MAX;

	for (size_t i = 0; i < s->found.len; i++) {
		const struct candidate *c = &s->found.items[i];

		if (c->known != NULL && is_file(&c->known->id, &s->list->current) && copied_ns(c) < since_ns)
			since_ns = copied_ns(c);
	}
	if (now != NULL && (is_unproven(now) || (emptied && since_ns == INT64_MAX)) && now->updated_ns - FILE_TICK_NS < since_ns)
		since_ns = now->updated_ns - FILE_TICK_NS;
	for (size_t i = 0; i < s->list->items.len; i++) {
		const struct known *k = &s->list->items.items[i];
		int64_t begun_ns = k->id.btime_ns == 0 || is_of_many(s, k) ? k->updated_ns : k->id.btime_ns;

		if (!k->found && is_of_follow(k, s->follow) && is_unproven(k) && begun_ns - FILE_TICK_NS < since_ns)
			since_ns = begun_ns - FILE_TICK_NS;
	}
	if (since_ns < clock_now_ns() - REMEMBERED_NS)
		since_ns = clock_now_ns() - REMEMBERED_NS;
	s->copied_since_ns = since_ns;
}

/* What it held is one of the earlier generations now. */
static void
leave_emptied(struct search *s, const struct known *now)
{
	struct file_id next = now->id;

	vec_push(&s->list->items, *now);
	next.generation++;
	follow_begin_generation(s->follow, &next);
}

static bool
say_not_found(struct search *s, const struct known *emptied)
{
	if (emptied != NULL && !newest_is_found(s))
		follow_say_emptied(s->follow, emptied->position, s->list->current.size);
	else
		say_gone(s);
	return true;
}

/* Begins to read what is left of those of the list, and those that the store does not know. */
static bool
recover(struct past *p, struct follow *f, struct known_list *list)
{
	const struct known *now;
	struct search s;
	bool all, emptied;

	search_init(&s, p, f, list);
	now = known_now(&s);
	emptied = now != NULL && is_emptied(&s, now);
	if (emptied)
		leave_emptied(&s, now);
	for (size_t i = 0; i < s.dirs.len; i++)
		(void)find_known(&s, s.dirs.items[i]);
	find_known_kept(&s);
	if (!newest_is_found(&s))
		find_known_around(&s, folder_path(f->at.folder));
	if (!newest_is_found(&s))
		find_known_around(&s, parent_of(&s, folder_path(f->at.folder)));
	find_all_unknown(&s);
	find_copies_begin(&s, now, emptied);
	leave_out_strangers(&s);
	leave_out_copies_of_current(&s);
	all = !s.busy && say_not_found(&s, emptied ? now : NULL) && read_found(&s);
	search_done(&s);
	return all;
}

/* Whether there may be a copy. */
static bool
has_rotated_names(struct past *p, struct follow *f, struct known_list *list)
{
	struct search s;
	bool has = false;

	search_init(&s, p, f, list);
	for (size_t i = 0; i < s.dirs.len && !has; i++)
		has = listing_has_rotated(s.dirs.items[i], f->at.name) || (s.real_name != NULL && listing_has_rotated(s.dirs.items[i], s.real_name));
	search_done(&s);
	return has;
}

bool
generations_recover(struct past *p, struct follow *f)
{
	struct known_list *list = map_get(&p->paths, str_from(f->path));

	f->awaited_dev = list != NULL ? list->current.dev : 0;
	f->awaited_ino = list != NULL ? list->current.ino : 0;
	if (list == NULL || (list->items.len == 0 && (list->now.len == 0 || !has_rotated_names(p, f, list))))
		return true;
	f->opened = true; /* what follows is read from its start */
	for (size_t i = 0; i < list->items.len; i++)
		list->items.items[i].found = false;
	if (list->current.ino == 0) { /* what the path names next may have been renamed again before it is looked at */
		f->last_born_ns = list->born_ns;
		f->last_opened_ns = clock_now_ns();
	}
	return recover(p, f, list);
}

bool
generations_lost(struct past *p, struct follow *f)
{
	struct known_list list = {.born_ns = f->id.btime_ns, .updated_ns = f->rest_mtime_ns};
	bool all;

	(void)file_identify_path(f->path, &list.current);
	/* What is not complete is worth a word when it is gone. */
	vec_push(&list.items, ((struct known){.id = f->id, .position = f->rest_offset,
		.updated_ns = f->rest_size > f->rest_offset ? list.updated_ns : 0}));
	f->last_born_ns = f->id.btime_ns;
	f->last_opened_ns = list.current.ino != 0 ? 0 : list.updated_ns;
	all = recover(p, f, &list);
	vec_done(&list.items);
	return all;
}

/* What a tail that was rotated away just now has read, as far as it is known while the lane has it. emptied: its file holds something else. */
static void
know_running(const struct tail *t, struct known *ret, bool *ret_emptied)
{
	uint64_t size, offset;
	struct stat st;

	*ret = (struct known){.id = t->id};
	(void)pthread_mutex_lock(&t->stream.ledger->lock);
	size = t->stream.size;
	if (t->stream.proof != NULL)
		ret->proof = *t->stream.proof;
	(void)pthread_mutex_unlock(&t->stream.ledger->lock);
	ret->proof.n_tails = 0;
	*ret_emptied = ret->proof.head.offset > 0 && fstat(t->fd, &st) == 0 &&
		((uint64_t)st.st_size < size || match_file(t->fd, (uint64_t)st.st_size, &ret->proof, 0, &offset) == MATCH_OTHER);
}

/* Those of a file that was emptied are looked for again when its lane has seen that. */
static void
leave_out_copies_of(struct search *s, const struct tail *t)
{
	struct known known;
	bool emptied;
	size_t kept = 0;

	know_running(t, &known, &emptied);
	for (size_t i = 0; i < s->found.len; i++) {
		const struct candidate *c = &s->found.items[i];
		bool leave = false;
		uint64_t offset;
		struct stat st;
		int fd = c->packed ? -1 : follow_open(c->path, &st);

		if (fd >= 0)
			leave = emptied ? match_file(fd, (uint64_t)st.st_size, &known.proof, 0, &offset) == MATCH_SAME
					: st.st_size > 0 && match_begin(fd, (uint64_t)st.st_size, t->fd);
		if (fd >= 0)
			(void)close(fd);
		if (!leave)
			s->found.items[kept++] = *c;
	}
	s->found.len = kept;
}

void
generations_between(struct follow *f, const struct tail *rotated)
{
	struct known_list list = {.born_ns = f->last_born_ns, .updated_ns = f->last_opened_ns};
	struct search s;

	(void)file_identify_path(f->path, &list.current);
	search_init(&s, NULL, f, &list);
	s.plain_only = true;
	find_all_unknown(&s);
	leave_out_strangers(&s);
	if (rotated != NULL)
		leave_out_copies_of(&s, rotated);
	(void)read_found(&s);
	search_done(&s);
}

/* What the store knows of this file's generations, the newest first. */
static void
load_generations(struct follow *f, const struct file_id *newest, struct known_list *list)
{
	struct file_id id = *newest;
	struct arena *arena = arena_new(0);
	struct position position;

	for (size_t n = 0; n < GENERATIONS_MAX; n++, id.generation--) {
		if (follow_position(f, &id, arena, &position)) {
			struct known known = {.id = id, .position = position.offset, .updated_ns = position.updated_ns};

			proof_get(&known.proof, &position);
			vec_push(&list->items, known);
			if (n == 0) /* nothing better is known of a file that was emptied for the first time */
				list->born_ns = list->updated_ns = position.updated_ns;
		}
		if (id.generation == 0)
			break;
	}
	arena_free(arena);
}

bool
generations_of_emptied(struct follow *f, const struct tail *t)
{
	struct known_list list = {0};
	struct search s;
	bool found;

	if (f->shared->component->runtime->positions == NULL)
		return false;
	load_generations(f, &t->id, &list);
	(void)file_identify_path(f->path, &list.current);
	list.current.birth_ns = 0; /* copies are born after it */
	search_init(&s, NULL, f, &list);
	find_all_unknown(&s);
	find_copies_begin(&s, list.items.len > 0 ? &list.items.items[0] : NULL, true);
	leave_out_strangers(&s);
	leave_out_copies_of_current(&s);
	(void)read_found(&s);
	found = s.found.len > 0;
	search_done(&s);
	vec_done(&list.items);
	return found;
}

/* What the lane has read of a tail that waits for a copy. */
static void
know_tail(const struct tail *t, struct known *ret)
{
	*ret = (struct known){.id = t->id, .position = t->stream.read_offset};
	(void)pthread_mutex_lock(&t->stream.ledger->lock);
	if (t->stream.proof != NULL)
		ret->proof = *t->stream.proof;
	(void)pthread_mutex_unlock(&t->stream.ledger->lock);
	if (t->proof != 0)
		proof_add(&ret->proof, t->stream.read_offset, t->proof, clock_mono_ns());
}

/* Takes the tail's copy out of what was found: the one with its content; when nothing was read, the oldest since it was opened. */
static int
take_copy(struct search *s, const struct tail *t)
{
	struct stat st;
	int fd;

	if (s->found.len > 1)
		qsort(s->found.items, s->found.len, sizeof(s->found.items[0]), compare_candidates);
	for (size_t i = 0; i < s->found.len; i++) {
		const struct candidate *c = &s->found.items[i];

		if (c->packed || (c->known == NULL && t->stream.read_offset > 0))
			continue;
		fd = follow_open(c->path, &st);
		if (fd >= 0)
			log_info(s->follow->shared->component->id, "file was emptied; going on in a copy of what it held", "path", s->follow->path,
				"copy", c->path, "offset", log_i64((int64_t)t->stream.read_offset), "size", log_i64((int64_t)st.st_size), NULL);
		vec_remove(&s->found, i);
		return fd >= 0 ? fd : -1;
	}
	return -1;
}

int
generations_of_cut(struct follow *f, const struct tail *t)
{
	struct known_list list = {.born_ns = t->opened_ns, .updated_ns = t->opened_ns};
	struct known known;
	struct search s;
	int fd;

	know_tail(t, &known);
	vec_push(&list.items, known);
	(void)file_identify_path(f->path, &list.current);
	list.current.birth_ns = 0; /* copies are born after it */
	search_init(&s, NULL, f, &list);
	s.plain_only = true;
	find_all_unknown(&s);
	born_after_known_copies(&s);
	leave_out_strangers(&s);
	leave_out_copies_of_current(&s);
	fd = take_copy(&s, t);
	if (fd >= 0) /* else nothing tells what came after it */
		(void)read_found(&s);
	search_done(&s);
	vec_done(&list.items);
	return fd;
}

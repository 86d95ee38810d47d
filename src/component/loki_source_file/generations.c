/* SPDX-License-Identifier: Apache-2.0 */
#include "generations.h"

#include <sys/stat.h>
#include <unistd.h>

#include "follow.h"
#include "found.h"
#include "listing.h"
#include "longship/base/arena.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/runtime.h"
#include "longship/positions/positions.h"
#include "search.h"
#include "unseen.h"

#define COPYING_NS (60 * NS_PER_S) /* a copy may have been begun before the file was opened */
#define GENERATIONS_MAX 64 /* of a file that is emptied again and again: as many copies of it are told apart */
#define REMEMBERED_NS (29 * 24 * 3600 * NS_PER_S) /* the store may have forgotten what is older */

/* The file that was read last is gone. */
static void
say_gone(const struct search *s)
{
	const struct known *newest = known_newest(s->list, s->follow);

	if (newest == NULL || newest->found || newest->updated_ns < s->list->updated_ns)
		return;
	log_warn(s->follow->shared->component->id, "the file that this path named last is gone; what it held beyond the offset is lost", "path",
		s->follow->path, "offset", log_i64((int64_t)newest->position), NULL);
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

		if (c->known != NULL && known_is_file(&c->known->id, &s->list->current) && search_copied_ns(c) < since_ns)
			since_ns = search_copied_ns(c);
	}
	if (now != NULL && (known_is_unproven(now) || (emptied && since_ns == INT64_MAX)) && now->updated_ns - FILE_TICK_NS < since_ns)
		since_ns = now->updated_ns - FILE_TICK_NS;
	for (size_t i = 0; i < s->list->items.len; i++) {
		const struct known *k = &s->list->items.items[i];
		int64_t begun_ns = k->id.btime_ns == 0 || known_is_of_many(s->list, k) ? k->updated_ns : k->id.btime_ns;

		if (!k->found && known_is_of_follow(k, s->follow) && known_is_unproven(k) && begun_ns - FILE_TICK_NS < since_ns)
			since_ns = begun_ns - FILE_TICK_NS;
	}
	if (since_ns < clock_now_ns() - REMEMBERED_NS)
		since_ns = clock_now_ns() - REMEMBERED_NS;
	s->copied_since_ns = since_ns;
}

/* What it held is one of the earlier generations now. Once all of these are found and read: a search that comes again has to know of the emptied file. */
static void
leave_emptied(struct search *s, const struct known *emptied)
{
	struct file_id next = emptied->id;

	next.generation++;
	follow_begin_generation(s->follow, &next);
}

static void
say_not_found(struct search *s, const struct known *emptied)
{
	if (emptied != NULL && !known_newest_is_found(s->list, s->follow))
		follow_say_emptied(s->follow, emptied->position, s->list->current.size);
	else
		say_gone(s);
}

/* Begins to read what is left of those of the list, and those that the store does not know. */
static bool
recover(struct past *p, struct follow *f, struct known_list *list)
{
	const struct known *now;
	struct search s;
	bool all, emptied;

	search_init(&s, p, f, list);
	now = known_now(list, f);
	emptied = now != NULL && is_emptied(&s, now);
	if (emptied)
		vec_push(&list->items, *now);
	search_known(&s);
	unseen_find(&s);
	find_copies_begin(&s, now, emptied);
	unseen_leave_out_strangers(&s);
	unseen_leave_out_copies_of_current(&s);
	all = !s.busy && found_read(&s);
	if (all)
		say_not_found(&s, emptied ? now : NULL);
	if (all && emptied)
		leave_emptied(&s, now);
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
	struct known_list *list = past_of(p, f);

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
	f->awaited_dev = list.current.dev;
	f->awaited_ino = list.current.ino;
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

bool
generations_between(struct follow *f, const struct tail *rotated)
{
	struct known_list list = {.born_ns = f->last_born_ns, .updated_ns = f->last_opened_ns};
	struct search s;
	bool all;

	(void)file_identify_path(f->path, &list.current);
	search_init(&s, NULL, f, &list);
	s.plain_only = true;
	unseen_find(&s);
	unseen_leave_out_strangers(&s);
	if (rotated != NULL)
		leave_out_copies_of(&s, rotated);
	all = !s.busy && found_read(&s);
	search_done(&s);
	return all;
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
	unseen_find(&s);
	find_copies_begin(&s, list.items.len > 0 ? &list.items.items[0] : NULL, true);
	unseen_leave_out_strangers(&s);
	unseen_leave_out_copies_of_current(&s);
	(void)found_read(&s);
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
take_copy(struct search *s, const struct tail *t, struct past_file *ret)
{
	found_sort(s);
	for (size_t i = 0; i < s->found.len; i++) {
		const struct candidate c = s->found.items[i];
		struct stat st;
		int fd;

		if (c.known == NULL && (c.packed || t->stream.read_offset > 0))
			continue;
		fd = follow_open(c.path, &st);
		if (fd >= 0)
			log_info(s->follow->shared->component->id, "file was emptied; going on in a copy of what it held", "path", s->follow->path,
				"copy", c.path, "offset", log_i64((int64_t)t->stream.read_offset), "size", log_i64((int64_t)st.st_size), NULL);
		*ret = (struct past_file){.packed = c.packed, .format = c.format};
		vec_remove(&s->found, i);
		return fd >= 0 ? fd : -1;
	}
	return -1;
}

/* plain_only: what is compressed costs more to look into. */
static int
find_copy(struct follow *f, const struct tail *t, bool plain_only, struct past_file *ret)
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
	s.plain_only = plain_only;
	s.packed_since_ns = t->opened_ns - COPYING_NS;
	unseen_find(&s);
	born_after_known_copies(&s);
	unseen_leave_out_strangers(&s);
	unseen_leave_out_copies_of_current(&s);
	fd = take_copy(&s, t, ret);
	if (fd >= 0 && plain_only) /* else nothing tells what came after it */
		(void)found_read(&s);
	search_done(&s);
	vec_done(&list.items);
	return fd;
}

int
generations_of_cut(struct follow *f, const struct tail *t, struct past_file *ret)
{
	int fd = find_copy(f, t, true, ret);

	return fd < 0 ? find_copy(f, t, false, ret) : fd;
}

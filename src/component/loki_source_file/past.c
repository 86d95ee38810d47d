/* SPDX-License-Identifier: Apache-2.0 */
#include "past.h"

#include "follow.h"
#include "known.h"
#include "listing.h"
#include "longship/base/mem.h"
#include "longship/flow/placed.h"
#include "longship/flow/runtime.h"
#include "longship/positions/positions.h"
#include "renumbered.h"

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

static void
note_known(const struct follow_shared *shared, struct known_list *list, const struct known *known, const struct position *position)
{
	if (known->id.btime_ns > list->born_ns)
		list->born_ns = known->id.btime_ns;
	if (known->updated_ns > list->updated_ns)
		list->updated_ns = known->updated_ns;
	if (known_is_file(&known->id, &list->current) && known->id.generation >= follow_generation(shared, &known->id)) {
		/* Nearly all of thousands of paths have one, and no more. */
		list->now.items = mem_realloc(list->now.items, (list->now.len + 1) * sizeof(list->now.items[0]));
		list->now.items[list->now.len] = *known;
		proof_get(&list->now.items[list->now.len++].proof, position);
		list->now.cap = list->now.len;
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

struct known_list *
past_of(struct past *p, const struct follow *f)
{
	return map_get(&p->paths, str_from(f->path));
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

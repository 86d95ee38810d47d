/* SPDX-License-Identifier: Apache-2.0 */
#include "known.h"

#include "follow.h"

bool
known_is_file(const struct file_id *id, const struct file_identity *file)
{
	return id->dev == file->dev && id->ino == file->ino && (id->btime_ns == 0 || file->birth_ns == 0 || id->btime_ns == file->birth_ns);
}

bool
known_was_truncated(const struct known_list *list, const struct known *k)
{
	for (size_t i = 0; i < list->items.len; i++) {
		const struct known *other = &list->items.items[i];

		if (other->id.generation > k->id.generation && other->id.ino == k->id.ino && other->id.dev == k->id.dev &&
			other->id.btime_ns == k->id.btime_ns && other->id.ordinal == k->id.ordinal)
			return true;
	}
	return false;
}

bool
known_is_of_many(const struct known_list *list, const struct known *k)
{
	return k->id.generation > 0 || known_is_file(&k->id, &list->current) || known_was_truncated(list, k);
}

bool
known_is_of_follow(const struct known *k, const struct follow *f)
{
	return k->any_ordinal || k->id.ordinal % NAME_STEP == f->ordinal;
}

bool
known_is_unproven(const struct known *k)
{
	return k->position == 0 && k->proof.head.offset == 0;
}

const struct known *
known_newest(const struct known_list *list, const struct follow *f)
{
	const struct known *newest = NULL;

	for (size_t i = 0; i < list->items.len; i++) {
		const struct known *k = &list->items.items[i];

		if (known_is_of_follow(k, f) && (newest == NULL || k->updated_ns > newest->updated_ns))
			newest = k;
	}
	return newest;
}

bool
known_newest_is_found(const struct known_list *list, const struct follow *f)
{
	const struct known *newest = known_newest(list, f);

	return newest == NULL || newest->found;
}

const struct known *
known_now(const struct known_list *list, const struct follow *f)
{
	for (size_t i = 0; i < list->now.len; i++) {
		if (known_is_of_follow(&list->now.items[i], f))
			return &list->now.items[i];
	}
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/placed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "longship/base/hash.h"
#include "longship/base/mem.h"
#include "longship/os/file.h"
#include "longship/positions/positions.h"

/*
 * The store's entry: the offset as it is; what else there is to know stands in the memory, which
 * the store keeps as opaque bytes: "offset DEV.INO.BIRTH", "invalid DEV.INO.BIRTH" (what is no position is the cursor).
 */

#define PUT_AT_A_TIME	    256 /* a struct position has 1.6 KiB */
#define COMPONENT_BYTES_MAX (POSITIONS_KEY_BYTES_MAX - sizeof("path||0123456789abcdef"))

static const char *const kinds[] = {"offset", "invalid"};

void
placed_identify(const char *path, struct placed_file *ret)
{
	struct file_identity id;

	*ret = (struct placed_file){0};
	if (file_identify_path(path, &id) == 0)
		*ret = (struct placed_file){id.dev, id.ino, id.birth_ns};
}

static struct str
make_key(struct arena *arena, struct str component, struct str path, struct str labels)
{
	uint64_t hash = hash_bytes(labels.s, labels.len, hash_str(path));

	return arena_printf(arena, "path|%.*s|%016" PRIx64, STR_FMT(component), hash);
}

static bool
fits(const struct placed *p)
{
	return p->component.len <= COMPONENT_BYTES_MAX && p->path.len <= POSITIONS_ATTR_BYTES_MAX &&
	       p->labels.len <= POSITIONS_ATTR_BYTES_MAX && p->text.len <= POSITIONS_CURSOR_BYTES_MAX;
}

static int
put_some(struct positions *store, const struct placed *items, size_t n)
{
	struct arena *arena = arena_new(0);
	struct position_update *updates = arena_array(arena, struct position_update, n);
	int r;

	for (size_t i = 0; i < n; i++) {
		const struct placed *p = &items[i];
		struct position *position = arena_make(arena, struct position);

		position->offset = p->offset;
		position->cursor = p->text;
		position->memory = arena_printf(arena, "%s %" PRIx64 ".%" PRIu64 ".%" PRId64, kinds[p->kind],
			p->file.dev, p->file.ino, p->file.birth_ns);
		updates[i] = (struct position_update){.kind = POSITION_SET,
			.key = make_key(arena, p->component, p->path, p->labels),
			.position = position};
		positions_declare(store, updates[i].key, p->path, p->labels);
	}
	r = positions_write(store, updates, n);
	arena_free(arena);
	return r;
}

int
placed_put(struct positions *store, const struct placed *items, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		if (!fits(&items[i]))
			return -ENAMETOOLONG;
	for (size_t i = 0; i < n; i += PUT_AT_A_TIME) {
		int some = put_some(store, &items[i], n - i < PUT_AT_A_TIME ? n - i : PUT_AT_A_TIME);

		r = r == 0 ? some : r;
	}
	return r;
}

static bool
parse_file(struct str text, struct placed_file *ret)
{
	char z[80];
	int end = 0;

	if (text.len >= sizeof(z))
		return false;
	memcpy(z, text.s, text.len);
	z[text.len] = '\0';
	return sscanf(z, "%" SCNx64 ".%" SCNu64 ".%" SCNd64 "%n", &ret->dev, &ret->ino, &ret->birth_ns, &end) == 3 &&
	       (size_t)end == text.len;
}

bool
placed_from_entry(struct str key, struct str path, struct str labels, const struct position *position, struct placed *ret)
{
	struct str prefix, component, rest, kind, file;

	(void)str_cut(key, '|', &prefix, &rest);
	if (!str_is(prefix, "path") || !str_cut(rest, '|', &component, &rest) || position == NULL)
		return false;
	(void)str_cut(position->memory, ' ', &kind, &file);
	*ret = (struct placed){.component = component,
		.path = path,
		.labels = labels,
		.offset = position->offset,
		.text = position->cursor,
		.placed_ns = position->updated_ns};
	for (enum placed_kind k = PLACED_OFFSET; k <= PLACED_INVALID; k++) {
		if (!str_is(kind, kinds[k]))
			continue;
		ret->kind = k;
		return parse_file(file, &ret->file);
	}
	return false;
}

bool
placed_find(struct positions *store, struct str component, struct str path, struct str labels, struct arena *arena,
	struct placed *ret, struct str *ret_key)
{
	const struct str tries[] = {labels, STR(""), STR("{}")};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct str key = make_key(arena, component, path, tries[i]);
		struct position position;

		if (positions_get(store, key, arena, &position) &&
			placed_from_entry(key, path, tries[i], &position, ret)) {
			*ret_key = key;
			return true;
		}
	}
	return false;
}

bool
placed_is_of(const struct placed *p, const struct placed_file *file)
{
	if (p->file.dev == 0 && p->file.ino == 0)
		return file->birth_ns == 0 || file->birth_ns <= p->placed_ns;
	return p->file.dev == file->dev && p->file.ino == file->ino &&
	       (p->file.birth_ns == 0 || file->birth_ns == 0 || p->file.birth_ns == file->birth_ns);
}

void
placed_forget(struct positions *store, struct str key)
{
	(void)positions_write(store, &(struct position_update){.kind = POSITION_FORGET, .key = key}, 1);
}

struct str
file_key_print(struct arena *arena, const struct file_key *k)
{
	return arena_printf(arena, "file|%.*s|%" PRIx64 ".%" PRIu64 ".%" PRId64 ".%" PRIu32 "|%" PRIu32,
		STR_FMT(k->component), k->file.dev, k->file.ino, k->file.birth_ns, k->ordinal, k->generation);
}

bool
file_key_parse(struct str key, struct file_key *ret)
{
	struct str prefix, identity, generation, rest, ordinal;
	uint64_t n, o;
	size_t dot;

	(void)str_cut(key, '|', &prefix, &rest);
	if (!str_is(prefix, "file") || !str_cut(rest, '|', &ret->component, &rest) ||
		!str_cut(rest, '|', &identity, &generation) || !str_to_u64(generation, &n) || n > UINT32_MAX)
		return false;
	for (dot = identity.len; dot > 0 && identity.s[dot - 1] != '.'; dot--)
		;
	ordinal = str_from_offset(identity, dot);
	if (dot == 0 || !str_to_u64(ordinal, &o) || o > UINT32_MAX || !parse_file(str_head(identity, dot - 1), &ret->file))
		return false;
	ret->ordinal = (uint32_t)o;
	ret->generation = (uint32_t)n;
	return true;
}

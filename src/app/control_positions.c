/* SPDX-License-Identifier: Apache-2.0 */
#include "control_positions.h"

#include <errno.h>
#include <inttypes.h>

#include "longship/base/hash.h"
#include "longship/base/log.h"
#include "longship/base/map.h"
#include "longship/base/vec.h"
#include "longship/flow/graph.h"
#include "longship/flow/lane.h"
#include "longship/flow/placed.h"
#include "longship/flow/runtime.h"
#include "longship/flow/stream.h"
#include "longship/positions/positions.h"

#include "control.h"

struct listing {
	struct buf *out;
	uint64_t part, parts, streams;
};

/* The parts of a key up to its second bar. Of a destination that lags, "lag|NN|KEY": those of the key of the stream. Returns the kind. */
static struct str
split_key(struct str key, struct str *ret_component)
{
	struct str kind, rest, lag = STR_EMPTY;

	(void)str_cut(key, '|', &kind, &rest);
	if (str_is(kind, "lag")) {
		lag = kind;
		(void)str_cut(rest, '|', &kind, &rest);
		(void)str_cut(rest, '|', &kind, &rest);
	}
	(void)str_cut(rest, '|', ret_component, &rest);
	return lag.len > 0 ? lag : kind;
}

/* Kinds: "file", a position "placed" for one, "lag" of a destination that lags, any other source's prefix. */
static void
put_entry(struct buf *out, struct str key, struct str path, struct str labels, const struct position *position)
{
	struct file_key file;
	struct placed placed;
	bool is_placed = placed_from_entry(key, path, labels, position, &placed);
	struct str component, kind = split_key(key, &component);

	buf_putc(out, '{');
	control_put_text(out, "kind", is_placed ? STR("placed") : kind);
	control_put_text(out, "component", component);
	control_put_text(out, "path", path);
	control_put_text(out, "labels", labels);
	if (position->cursor.len > 0)
		control_put_text(out, is_placed && placed.kind == PLACED_INVALID ? "invalid" : "cursor", position->cursor);
	buf_printf(out, ",\"offset\":%" PRIu64 ",\"updated_ns\":%" PRId64, position->offset, position->updated_ns);
	if (file_key_parse(key, &file))
		buf_printf(out, ",\"dev\":\"%" PRIx64 "\",\"ino\":\"%" PRIu64 "\",\"birth_ns\":%" PRId64
			   ",\"ordinal\":%" PRIu32 ",\"generation\":%" PRIu32,
			file.file.dev, file.file.ino, file.file.birth_ns, file.ordinal, file.generation);
	buf_z(out, "}\n");
}

static bool
list_entry(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	struct listing *listing = ptr;

	listing->streams++;
	if (position != NULL && hash_str(key) % listing->parts == listing->part)
		put_entry(listing->out, key, path, labels, position);
	return true;
}

void
control_positions_list(struct runtime *runtime, struct graph *graph, const struct json *request, struct buf *reply)
{
	struct listing listing = {
		.out = reply, .part = control_get_number(request, "part"), .parts = control_get_number(request, "parts")};

	if (listing.parts == 0)
		listing.parts = 1;
	positions_each(runtime->positions, list_entry, &listing);
	buf_printf(reply, "{\"streams\":%" PRIu64 ",\"components\":[", listing.streams);
	for (size_t i = 0, n = 0; graph != NULL && i < graph_len(graph); i++) {
		const struct component *c = graph_at(graph, i);

		if (c->type->release == NULL)
			continue;
		if (n++ > 0)
			buf_putc(reply, ',');
		(void)json_tree_quote(reply, str_from(c->id), false);
	}
	buf_z(reply, "]}\n");
}

struct change {
	struct placed placed;
	bool reset;
};

struct changes {
	struct arena *arena;
	struct change *items;
	size_t n;
	struct map by_path;	  /* "COMPONENT NUL PATH" → a change */
	struct buf key;		  /* for looking up in it */
	VEC(struct str) outdated; /* keys of entries that a change makes void */
};

static bool
read_change(struct arena *arena, const struct json *object, struct change *ret)
{
	struct str kind = control_get_text(arena, object, "kind");

	*ret = (struct change){.reset = str_is(kind, "reset")};
	ret->placed.component = control_get_text(arena, object, "component");
	ret->placed.path = control_get_text(arena, object, "path");
	ret->placed.labels = control_get_text(arena, object, "labels");
	ret->placed.text = control_get_text(arena, object, "text");
	ret->placed.offset = control_get_number(object, "offset");
	ret->placed.kind = str_is(kind, "invalid") ? PLACED_INVALID : PLACED_OFFSET;
	return ret->placed.component.len > 0 && ret->placed.path.len > 0 &&
	       memchr(ret->placed.path.s, '\0', ret->placed.path.len) == NULL &&
	       memchr(ret->placed.component.s, '|', ret->placed.component.len) == NULL &&
	       (ret->reset || ret->placed.kind == PLACED_INVALID || str_is(kind, "offset"));
}

static struct str
path_key(struct changes *changes, struct str component, struct str path)
{
	buf_clear(&changes->key);
	buf_str(&changes->key, component);
	buf_putc(&changes->key, '\0');
	buf_str(&changes->key, path);
	return buf_view(&changes->key);
}

static const char *
read_changes(const struct json *request, struct changes *ret)
{
	const struct json *list = json_tree_get(request, STR("changes"));

	if (list == NULL || list->kind != JSON_TREE_ARRAY || list->array.n > CONTROL_CHANGES_MAX)
		return "\"changes\" is to be a list of at most 100000";
	ret->items = arena_array(ret->arena, struct change, list->array.n);
	for (size_t i = 0; i < list->array.n; i++) {
		struct change *change = &ret->items[ret->n++];

		if (!read_change(ret->arena, &list->array.items[i], change))
			return "a change needs component, path and kind";
		(void)map_set(&ret->by_path, path_key(ret, change->placed.component, change->placed.path), change);
	}
	return NULL;
}

/* A reset forgets all of a path; a position for any labels outdates those that were placed before. Both are for all destinations, also for
 * those that lag. */
static bool
find_outdated(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	struct changes *changes = ptr;
	struct str component, kind = split_key(key, &component);
	const struct change *change;

	(void)labels, (void)position;
	change = map_get(&changes->by_path, path_key(changes, component, path));
	if (change != NULL && (change->reset || str_is(kind, "lag") || (str_is(kind, "path") && change->placed.labels.len == 0)))
		vec_push(&changes->outdated, arena_str(changes->arena, key));
	return true;
}

static int
change_store(struct positions *store, struct changes *changes)
{
	struct placed *placed = arena_array(changes->arena, struct placed, changes->n);
	struct position_update *updates;
	size_t n = 0;
	int r;

	positions_each(store, find_outdated, changes);
	updates = arena_array(changes->arena, struct position_update, changes->outdated.len);
	for (size_t i = 0; i < changes->outdated.len; i++)
		updates[i] = (struct position_update){.kind = POSITION_FORGET, .key = changes->outdated.items[i]};
	for (size_t i = 0; i < changes->n; i++) {
		if (changes->items[i].reset)
			continue;
		placed[n] = changes->items[i].placed;
		placed_identify(arena_z(changes->arena, placed[n].path), &placed[n].file);
		n++;
	}
	r = changes->outdated.len > 0 ? positions_write(store, updates, changes->outdated.len) : 0;
	return r == 0 ? placed_put(store, placed, n) : r;
}

static void
release_files(struct graph *graph, const struct changes *changes)
{
	for (size_t i = 0; i < graph_len(graph); i++) {
		struct component *c = graph_at(graph, i);
		struct map paths;

		if (c->type->release == NULL)
			continue;
		map_init(&paths);
		for (size_t k = 0; k < changes->n; k++)
			if (str_is(changes->items[k].placed.component, c->id))
				(void)map_set(&paths, changes->items[k].placed.path, c);
		if (map_len(&paths) > 0)
			c->type->release(c, &paths);
		map_done(&paths);
	}
}

/* A source that runs and cannot let go would write its own position over the change. */
static const char *
find_unable(const struct graph *graph, const struct changes *changes)
{
	for (size_t i = 0; graph != NULL && i < changes->n; i++) {
		const char *id = arena_z(changes->arena, changes->items[i].placed.component);
		const struct component *c = graph_find(graph, id);

		if (c != NULL && c->type->release == NULL)
			return arena_printf(changes->arena,
				"the positions of %s cannot be changed while it runs; stop longship first", id)
				.s;
	}
	return NULL;
}

static int
change(struct runtime *runtime, struct graph *graph, struct changes *changes)
{
	int r;

	if (graph == NULL)
		return change_store(runtime->positions, changes);
	lanes_park(runtime->lanes);
	release_files(graph, changes);
	/* Positions that have moved and were not written yet would come after the change. */
	(void)progress_write(runtime->positions, NULL, 0);
	r = change_store(runtime->positions, changes);
	for (size_t i = 0; i < graph_len(graph); i++) {
		struct component *c = graph_at(graph, i);

		if (c->type->reopen != NULL)
			c->type->reopen(c);
	}
	lanes_resume(runtime->lanes);
	log_info(NULL, "positions were changed by hand", "changes", log_i64((int64_t)changes->n), NULL);
	return r;
}

void
control_positions_change(
	struct runtime *runtime, struct graph *graph, struct arena *arena, const struct json *request, struct buf *reply)
{
	struct changes changes = {.arena = arena};
	const char *error;
	int r = 0;

	map_init(&changes.by_path);
	buf_init(&changes.key, CONTROL_REQUEST_BYTES_MAX);
	error = read_changes(request, &changes);
	if (error == NULL)
		error = find_unable(graph, &changes);
	if (error == NULL) {
		r = change(runtime, graph, &changes);
		if (r == -ENAMETOOLONG)
			error = "a path, its labels or a position is too long";
		else if (r < 0)
			error = strerror(-r);
	}
	if (error != NULL) {
		buf_putc(reply, '{');
		control_put_text(reply, "error", str_from(error));
		buf_z(reply, "}\n");
	} else {
		buf_printf(reply, "{\"changed\":%zu}\n", changes.n);
	}
	buf_done(&changes.key);
	vec_done(&changes.outdated);
	map_done(&changes.by_path);
}

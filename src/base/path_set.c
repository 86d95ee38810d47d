/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/path_set.h"

#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"

/*
 * Chunks of up to CHUNK_PATHS paths, in order; sets share them. In a chunk a path is the number of bytes that it has in common with the
 * one before, the number of those that follow, and these.
 */
#define CHUNK_PATHS 256u

struct chunk {
	size_t refs;
	uint32_t n, bytes;
	uint8_t data[];
};

struct path_set {
	size_t refs, len, n_chunks;
	struct chunk *chunks[];
};

/* ---- Numbers below 2^14, in one byte or two ---- */

static size_t
put_number(uint8_t *to, size_t n)
{
	assert(n < 1u << 14);
	if (n < 0x80) {
		to[0] = (uint8_t)n;
		return 1;
	}
	to[0] = (uint8_t)(0x80 | (n >> 8));
	to[1] = (uint8_t)n;
	return 2;
}

static size_t
get_number(const uint8_t *from, size_t *at)
{
	size_t n = from[(*at)++];

	return n < 0x80 ? n : (n & 0x7f) << 8 | from[(*at)++];
}

/* ---- Chunks ---- */

static size_t
shared_bytes(struct str a, struct str b)
{
	size_t n = 0, max = a.len < b.len ? a.len : b.len;

	while (n < max && a.s[n] == b.s[n])
		n++;
	return n;
}

static struct chunk *
chunk_new(const struct str *paths, size_t n)
{
	struct chunk *c;
	size_t bytes = 0, at = 0;

	assert(n > 0 && n <= CHUNK_PATHS);
	for (size_t i = 0; i < n; i++)
		bytes += 4 + paths[i].len - (i > 0 ? shared_bytes(paths[i - 1], paths[i]) : 0);
	c = mem_alloc(sizeof(*c) + bytes);
	for (size_t i = 0; i < n; i++) {
		size_t shared = i > 0 ? shared_bytes(paths[i - 1], paths[i]) : 0, rest = paths[i].len - shared;

		assert(i == 0 || str_cmp(paths[i - 1], paths[i]) < 0);
		at += put_number(c->data + at, shared);
		at += put_number(c->data + at, rest);
		if (rest > 0)
			memcpy(c->data + at, paths[i].s + shared, rest);
		at += rest;
	}
	c->refs = 1;
	c->n = (uint32_t)n;
	c->bytes = (uint32_t)at;
	return mem_realloc(c, sizeof(*c) + at);
}

static void
chunk_unref(struct chunk *c)
{
	if (--c->refs == 0)
		mem_free(c);
}

static struct str
chunk_first(const struct chunk *c)
{
	size_t at = 1, len = get_number(c->data, &at);

	return (struct str){(const char *)c->data + at, len};
}

/* ---- Sets ---- */

static struct path_set *
set_alloc(size_t n_chunks)
{
	struct path_set *s = mem_zalloc(sizeof(*s) + n_chunks * sizeof(s->chunks[0]));

	s->refs = 1;
	s->n_chunks = n_chunks;
	return s;
}

struct path_set *
path_set_new(const struct str *paths, size_t n)
{
	VEC(struct str) fit = {0};
	struct path_set *s;

	for (size_t i = 0; i < n; i++) {
		if (paths[i].len < PATH_SET_BYTES_MAX)
			vec_push(&fit, paths[i]);
	}
	s = set_alloc((fit.len + CHUNK_PATHS - 1) / CHUNK_PATHS);
	s->len = fit.len;
	for (size_t i = 0; i < s->n_chunks; i++) {
		size_t from = i * CHUNK_PATHS, left = fit.len - from;

		s->chunks[i] = chunk_new(fit.items + from, left < CHUNK_PATHS ? left : CHUNK_PATHS);
	}
	vec_done(&fit);
	return s;
}

struct path_set *
path_set_ref(struct path_set *s)
{
	assert(s->refs > 0);
	s->refs++;
	return s;
}

void
path_set_unref(struct path_set *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	for (size_t i = 0; i < s->n_chunks; i++)
		chunk_unref(s->chunks[i]);
	mem_free(s);
}

size_t
path_set_len(const struct path_set *s)
{
	return s->len;
}

/* The chunk in which the path is or would be. */
static size_t
find_chunk(const struct path_set *s, struct str path)
{
	size_t low = 0, high = s->n_chunks;

	while (low + 1 < high) {
		size_t middle = low + (high - low) / 2;

		if (str_cmp(chunk_first(s->chunks[middle]), path) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* ---- Walking ---- */

void
path_walk_begin(struct path_walk *w, const struct path_set *s)
{
	w->set = s;
	w->chunk = w->in_chunk = w->at = w->len = 0;
	w->path[0] = '\0';
}

bool
path_walk_next(struct path_walk *w, struct str *ret)
{
	const struct chunk *c;
	size_t shared, rest;

	if (w->set == NULL || w->chunk == w->set->n_chunks)
		return false;
	c = w->set->chunks[w->chunk];
	shared = get_number(c->data, &w->at);
	rest = get_number(c->data, &w->at);
	assert(shared <= w->len || w->in_chunk == 0);
	memcpy(w->path + shared, c->data + w->at, rest);
	w->at += rest;
	w->len = shared + rest;
	w->path[w->len] = '\0';
	*ret = (struct str){w->path, w->len};
	if (++w->in_chunk == c->n) {
		w->chunk++;
		w->in_chunk = w->at = 0;
	}
	return true;
}

bool
path_set_has(const struct path_set *s, struct str path)
{
	struct path_walk w;
	struct str found;

	if (s == NULL || s->n_chunks == 0)
		return false;
	path_walk_begin(&w, s);
	w.chunk = find_chunk(s, path);
	for (size_t n = s->chunks[w.chunk]->n; n > 0 && path_walk_next(&w, &found); n--) {
		int order = str_cmp(found, path);

		if (order >= 0)
			return order == 0;
	}
	return false;
}

/* ---- One path more or less ---- */

/* The set with its chunk at `at` replaced by the paths, in one chunk, in two, or none. */
static struct path_set *
with_chunk(const struct path_set *s, size_t at, const struct str *paths, size_t n)
{
	size_t pieces = n > CHUNK_PATHS ? 2 : n > 0, old = s->n_chunks > 0, half = pieces == 2 ? n / 2 : n;
	struct path_set *now = set_alloc(s->n_chunks - old + pieces);

	for (size_t i = 0; i < s->n_chunks; i++) {
		if (i == at)
			continue;
		now->chunks[i < at ? i : i - 1 + pieces] = s->chunks[i];
		s->chunks[i]->refs++;
	}
	if (pieces > 0)
		now->chunks[at] = chunk_new(paths, half);
	if (pieces == 2)
		now->chunks[at + 1] = chunk_new(paths + half, n - half);
	return now;
}

/* The paths of a chunk, in the arena, but for one; how many. */
static size_t
unpack_but(const struct path_set *s, size_t chunk, struct str but, struct arena *arena, struct str *ret)
{
	size_t n = s->n_chunks > 0 ? s->chunks[chunk]->n : 0, kept = 0;
	struct path_walk w;
	struct str path;

	path_walk_begin(&w, s);
	w.chunk = chunk;
	for (size_t i = 0; i < n && path_walk_next(&w, &path); i++) {
		if (!str_eq(path, but))
			ret[kept++] = arena_str(arena, path);
	}
	return kept;
}

struct path_set *
path_set_with(struct path_set *s, struct str path)
{
	struct str paths[CHUNK_PATHS + 1];
	struct path_set *now;
	struct arena *arena;
	size_t at, n, i;

	if (path.len >= PATH_SET_BYTES_MAX || path_set_has(s, path))
		return path_set_ref(s);
	arena = arena_new(0);
	at = find_chunk(s, path);
	n = unpack_but(s, at, path, arena, paths);
	for (i = n; i > 0 && str_cmp(paths[i - 1], path) > 0; i--)
		paths[i] = paths[i - 1];
	paths[i] = path;
	now = with_chunk(s, at, paths, n + 1);
	now->len = s->len + 1;
	arena_free(arena);
	return now;
}

struct path_set *
path_set_without(struct path_set *s, struct str path)
{
	struct str paths[CHUNK_PATHS + 1];
	struct path_set *now;
	struct arena *arena;
	size_t at;

	if (!path_set_has(s, path))
		return path_set_ref(s);
	arena = arena_new(0);
	at = find_chunk(s, path);
	now = with_chunk(s, at, paths, unpack_but(s, at, path, arena, paths));
	now->len = s->len - 1;
	arena_free(arena);
	return now;
}

/* ---- Comparing ---- */

/* Passes the chunks that both have at this place. */
static void
skip_shared(struct path_walk *a, struct path_walk *b)
{
	while (a->set != NULL && b->set != NULL && a->in_chunk == 0 && b->in_chunk == 0 && a->chunk < a->set->n_chunks &&
		b->chunk < b->set->n_chunks && a->set->chunks[a->chunk] == b->set->chunks[b->chunk]) {
		a->chunk++;
		b->chunk++;
	}
}

void
path_set_compare(const struct path_set *before, const struct path_set *now, bool (*fn)(void *ptr, struct str path, bool added), void *ptr)
{
	struct path_walk *a = mem_new(struct path_walk), *b = mem_new(struct path_walk);
	struct str x = STR_EMPTY, y = STR_EMPTY;
	bool has_x = false, has_y = false, on = true;

	path_walk_begin(a, before);
	path_walk_begin(b, now);
	while (on) {
		int order;

		if (!has_x && !has_y)
			skip_shared(a, b);
		has_x = has_x || path_walk_next(a, &x);
		has_y = has_y || path_walk_next(b, &y);
		if (!has_x && !has_y)
			break;
		order = !has_y ? -1 : !has_x ? 1 : str_cmp(x, y);
		if (order != 0)
			on = fn(ptr, order < 0 ? x : y, order > 0);
		has_x = has_x && order > 0;
		has_y = has_y && order < 0;
	}
	mem_free(a);
	mem_free(b);
}

static bool
note_difference(void *ptr, struct str path, bool added)
{
	(void)path;
	(void)added;
	*(bool *)ptr = false;
	return false;
}

bool
path_set_equal(const struct path_set *a, const struct path_set *b)
{
	bool equal = true;

	if (a != b)
		path_set_compare(a, b, note_difference, &equal);
	return equal;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "longship/base/arena.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"

#define DATE_DIGITS 8 /* of a date between stem and extension: worker-1.log is no generation of worker.log */

struct listing {
	struct arena *arena;
	const char *dir;
	VEC(struct listed) by_name;
	struct listed *by_ino; /* as many */
};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static int
compare_inos(const void *a, const void *b)
{
	uint64_t x = ((const struct listed *)a)->ino, y = ((const struct listed *)b)->ino;

	return (x > y) - (x < y);
}

struct listing *
listing_new(const char *dir)
{
	struct listing *l = mem_new(struct listing);
	DIR *d = opendir(dir);
	const struct dirent *e;

	l->arena = arena_new(0);
	l->dir = arena_z(l->arena, str_from(dir));
	while (d != NULL && l->by_name.len < LISTING_NAMES_MAX && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		vec_push(&l->by_name, ((struct listed){(char *)(uintptr_t)arena_z(l->arena, str_from(e->d_name)), e->d_ino, e->d_type == DT_DIR}));
	}
	if (d != NULL)
		(void)closedir(d);
	if (l->by_name.len == 0)
		return l;
	l->by_ino = mem_alloc(l->by_name.len * sizeof(*l->by_ino));
	memcpy(l->by_ino, l->by_name.items, l->by_name.len * sizeof(*l->by_ino));
	qsort(l->by_name.items, l->by_name.len, sizeof(*l->by_ino), compare_names);
	qsort(l->by_ino, l->by_name.len, sizeof(*l->by_ino), compare_inos);
	return l;
}

void
listing_free(struct listing *l)
{
	if (l == NULL)
		return;
	vec_done(&l->by_name);
	mem_free(l->by_ino);
	arena_free(l->arena);
	mem_free(l);
}

const char *
listing_dir(const struct listing *l)
{
	return l->dir;
}

size_t
listing_of_ino(const struct listing *l, uint64_t ino, const struct listed **ret_first)
{
	size_t low = 0, high = l->by_name.len, n = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->by_ino[middle].ino < ino)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + n < l->by_name.len && l->by_ino[low + n].ino == ino)
		n++;
	*ret_first = n > 0 ? &l->by_ino[low] : NULL;
	return n;
}

static size_t
of_prefix(const struct listing *l, const char *prefix, size_t len, const struct listed **ret_first)
{
	size_t low = 0, high = l->by_name.len, n = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strncmp(l->by_name.items[middle].name, prefix, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + n < l->by_name.len && strncmp(l->by_name.items[low + n].name, prefix, len) == 0)
		n++;
	*ret_first = n > 0 ? &l->by_name.items[low] : NULL;
	return n;
}

size_t
listing_of_stem(const struct listing *l, const char *name, const struct listed **ret_first)
{
	const char *dot = strrchr(name, '.');

	return of_prefix(l, name, dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name), ret_first);
}

bool
listing_has_rotated(const struct listing *l, const char *name)
{
	const struct listed *names;
	size_t n = listing_of_stem(l, name, &names);

	for (size_t i = 0; i < n; i++) {
		if (is_rotated_name(name, names[i].name))
			return true;
	}
	return false;
}

size_t
listing_all(const struct listing *l, const struct listed **ret_first)
{
	*ret_first = l->by_name.items;
	return l->by_name.len;
}

size_t
without_compression(const char *name)
{
	static const char *const endings[] = {".gz", ".zst", ".bz2", ".xz"};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t n = strlen(endings[i]);

		if (len > n && strcmp(name + len - n, endings[i]) == 0)
			return len - n;
	}
	return len;
}

/* ".1", "-20261121", ".2026-11-21T10:00:00", …; how many digits. 0: it is no such thing. */
static size_t
count_digits(const char *s, size_t len)
{
	size_t digits = 0;

	if (len < 2 || strchr(".-_", s[0]) == NULL || !isdigit((unsigned char)s[1]))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (isdigit((unsigned char)s[i]))
			digits++;
		else if (strchr(".-_:+TZ", s[i]) == NULL)
			return 0;
	}
	return digits;
}

bool
is_rotated_name(const char *name, const char *candidate)
{
	size_t len = without_compression(candidate), n = strlen(name), stem, extension;
	const char *dot = strrchr(name, '.');

	if (len > n && memcmp(candidate, name, n) == 0)
		return candidate[n] == '.' ? count_digits(candidate + n, len - n) > 0 : count_digits(candidate + n, len - n) >= DATE_DIGITS;
	if (dot == NULL || dot == name)
		return false;
	stem = (size_t)(dot - name);
	extension = n - stem;
	return len > n && memcmp(candidate, name, stem) == 0 && memcmp(candidate + len - extension, dot, extension) == 0 &&
		count_digits(candidate + stem, len - stem - extension) >= DATE_DIGITS;
}

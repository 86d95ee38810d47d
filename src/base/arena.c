/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

/*
 * Chained blocks, newest first; a request larger than a quarter of a block gets one of its own, which
 * goes behind the newest so that the free rest of that is not wasted. Cleared blocks wait as spare ones, in the
 * order in which they were first used: who does the same again finds what fits in front, and allocates nothing.
 */
#define SPARE_BLOCKS 16 /* as many blocks' bytes are kept by arena_clear */

struct block {
	struct block *next;
	size_t bytes; /* of data */
	_Alignas(16) char data[];
};

struct deferred {
	struct deferred *next;
	void (*fn)(void *);
	void *ptr;
};

struct arena {
	struct block *blocks;
	struct block *spare;
	size_t used; /* of the newest block */
	size_t block_bytes;
	size_t bytes; /* of blocks, without spare ones */
	struct deferred *deferred;
};

/* The first spare block of just this size: so what an arena holds does not depend on what it held before. */
static struct block *
take_spare(struct arena *a, size_t bytes)
{
	for (struct block **at = &a->spare; *at != NULL; at = &(*at)->next) {
		struct block *b = *at;

		if (b->bytes == bytes) {
			*at = b->next;
			return b;
		}
	}
	return NULL;
}

static struct block *
block_new(struct arena *a, size_t bytes)
{
	struct block *b = take_spare(a, bytes);

	if (b == NULL) {
		b = mem_alloc(sizeof(*b) + bytes);
		b->bytes = bytes;
		POISON(b->data, bytes);
	}
	a->bytes += sizeof(*b) + bytes;
	return b;
}

static void
block_free(struct block *b)
{
	UNPOISON(b->data, b->bytes);
	mem_free(b);
}

struct arena *
arena_new(size_t block_bytes)
{
	struct arena *a = mem_new(struct arena);

	a->block_bytes = block_bytes > 0 ? block_bytes : 4096;
	return a;
}

static void
run_deferred(struct arena *a)
{
	while (a->deferred != NULL) {
		struct deferred d = *a->deferred;

		a->deferred = d.next;
		d.fn(d.ptr);
	}
}

/* Keeps spare blocks up to so many bytes; those that were there longest first. */
static void
keep_spare(struct arena *a, size_t bytes)
{
	struct block **at = &a->spare;

	while (*at != NULL) {
		struct block *b = *at;

		if (b->bytes <= bytes) {
			bytes -= b->bytes;
			at = &b->next;
		} else {
			*at = b->next;
			block_free(b);
		}
	}
}

void
arena_clear(struct arena *a)
{
	run_deferred(a);
	while (a->blocks != NULL) {
		struct block *b = a->blocks;

		a->blocks = b->next;
		b->next = a->spare;
		a->spare = b;
		a->bytes -= sizeof(*b) + b->bytes;
		POISON(b->data, b->bytes);
	}
	keep_spare(a, SPARE_BLOCKS * a->block_bytes);
	a->used = 0;
}

void
arena_trim(struct arena *a)
{
	keep_spare(a, a->block_bytes);
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	arena_clear(a);
	keep_spare(a, 0);
	mem_free(a);
}

void *
arena_alloc(struct arena *a, size_t bytes)
{
	struct block *b;

	bytes = (bytes + 15) & ~(size_t)15;
	if (a->blocks != NULL && a->blocks->bytes - a->used >= bytes) {
		void *p = a->blocks->data + a->used;

		a->used += bytes;
		UNPOISON(p, bytes);
		return p;
	}
	if (bytes > a->block_bytes / 4 && a->blocks != NULL) {
		b = block_new(a, bytes);
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		b = block_new(a, bytes > a->block_bytes ? bytes : a->block_bytes);
		b->next = a->blocks;
		a->blocks = b;
		a->used = bytes;
	}
	UNPOISON(b->data, bytes);
	return b->data;
}

void *
arena_zalloc(struct arena *a, size_t bytes)
{
	return memset(arena_alloc(a, bytes), 0, bytes);
}

void
arena_defer(struct arena *a, void (*fn)(void *), void *ptr)
{
	struct deferred *d = arena_make(a, struct deferred);

	*d = (struct deferred){a->deferred, fn, ptr};
	a->deferred = d;
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *copy = arena_alloc(a, s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.s, s.len);
	copy[s.len] = '\0';
	return (struct str){copy, s.len};
}

const char *
arena_z(struct arena *a, struct str s)
{
	return arena_str(a, s).s;
}

struct str
arena_printf(struct arena *a, const char *format, ...)
{
	va_list args, again;
	char *text;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(n >= 0);
	text = arena_alloc(a, (size_t)n + 1);
	(void)vsnprintf(text, (size_t)n + 1, format, again);
	va_end(again);
	return (struct str){text, (size_t)n};
}

size_t
arena_bytes(const struct arena *a)
{
	return a->bytes;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Memory with one lifetime: allocated piece by piece, freed in one call. An arena belongs to one
 * thread at a time. Allocation never fails (base/mem.h). Memory is zeroed only by arena_make and
 * arena_array. Used for the lifetimes "configuration generation", "batch" and "call".
 */
#include <stddef.h>

#include "longship/base/str.h"

struct arena;

struct arena *arena_new(size_t block_bytes); /* 0: 4 KiB */
void arena_free(struct arena *); /* runs the deferred calls, last first; NULL is fine */
void arena_clear(struct arena *); /* as arena_free, but keeps up to 16 blocks' bytes for reuse */
void arena_trim(struct arena *); /* of a cleared arena: gives back all but one block */
void *arena_alloc(struct arena *, size_t bytes) __attribute__((returns_nonnull)); /* aligned to 16 */
void *arena_zalloc(struct arena *, size_t bytes) __attribute__((returns_nonnull));
#define arena_make(arena, type) ((type *)arena_zalloc((arena), sizeof(type)))
#define arena_array(arena, type, n) ((type *)arena_zalloc((arena), sizeof(type) * (n)))
/* Calls fn(ptr) when the arena is cleared or freed: for handles that live in it (regexes, fds). */
void arena_defer(struct arena *, void (*fn)(void *), void *ptr);
/* Copies; the result is NUL-terminated behind its last byte. */
struct str arena_str(struct arena *, struct str);
const char *arena_z(struct arena *, struct str);
struct str arena_printf(struct arena *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes taken from the heap since it was last cleared. */
size_t arena_bytes(const struct arena *);

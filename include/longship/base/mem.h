/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Every heap allocation goes through here, so that a test can make the n-th one fail. Running out of
 * memory for such small, bounded structures ends the process with exit status 3 and one line on
 * standard error: the sources are the buffer, so a restart loses nothing. What can be large (spans,
 * batches, requests) is bounded by the memory budget instead (flow/budget.h). Any thread.
 */
#include <stddef.h>

void *mem_alloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t bytes) __attribute__((malloc, returns_nonnull));
/* bytes > 0; p may be NULL. */
void *mem_realloc(void *p, size_t bytes) __attribute__((returns_nonnull));
/* A copy to free, NULL of NULL. */
char *mem_strdup(const char *z) __attribute__((malloc));
/* Gives free memory back to the system: after much was freed at once. */
void mem_trim(void);
void mem_free(void *p);
/* What a failed allocation does: for a library that allocates by itself. */
_Noreturn void mem_exhausted(void);
/* Test hook: the n-th allocation from now on fails (0 = never). */
void mem_fail_after(unsigned long n);

#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))

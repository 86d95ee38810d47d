/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic unsigned long fail_in;

void
mem_fail_after(unsigned long n)
{
	atomic_store(&fail_in, n);
}

_Noreturn void
mem_exhausted(void)
{
	static const char text[] = "longship: out of memory; give it more or lower --memory.budget\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(3);
}

static void *
checked(void *p)
{
	unsigned long n = atomic_load_explicit(&fail_in, memory_order_relaxed);

	if (n > 0 && atomic_fetch_sub(&fail_in, 1) == 1)
		mem_exhausted();
	if (p == NULL)
		mem_exhausted();
	return p;
}

void *
mem_alloc(size_t bytes)
{
	return checked(malloc(bytes > 0 ? bytes : 1));
}

void *
mem_zalloc(size_t bytes)
{
	return checked(calloc(1, bytes > 0 ? bytes : 1));
}

void *
mem_realloc(void *p, size_t bytes)
{
	return checked(realloc(p, bytes > 0 ? bytes : 1));
}

char *
mem_strdup(const char *z)
{
	size_t len;

	if (z == NULL)
		return NULL;
	len = strlen(z) + 1;
	return memcpy(mem_alloc(len), z, len);
}

void
mem_free(void *p)
{
	free(p);
}

void
mem_trim(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * assert is for our own bugs, always compiled in, never for input. Structs reached through void *
 * start with a magic; check_magic states what the pointer must be.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>

#define check_magic(ptr, value) assert((ptr) != NULL && (ptr)->magic == (value))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

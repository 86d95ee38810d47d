/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A growing byte buffer, born with its maximum. What would exceed the maximum is not appended, the
 * call returns false and `overflow` stays set until buf_clear: a writer may append blindly and look
 * once at the end. Reuse keeps the memory.
 *
 *	struct buf b;
 *	buf_init(&b, 64 * 1024);
 *	buf_printf(&b, "%d lines", n);
 *	buf_done(&b);
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/str.h"

struct buf {
	char *data;
	size_t len, cap;
	size_t max_bytes;
	bool overflow;
};

void buf_init(struct buf *, size_t max_bytes);
void buf_done(struct buf *);
/* As init and done, for a buffer that is made for each batch: its memory, up to 64 KiB, waits for the thread's next one
 * that may grow as large. */
void buf_borrow(struct buf *, size_t max_bytes);
void buf_give_back(struct buf *);
void buf_clear(struct buf *);
/* Makes room for `more` bytes behind len. */
bool buf_reserve(struct buf *, size_t more);
bool buf_append(struct buf *, const void *data, size_t len);
bool buf_str(struct buf *, struct str);
bool buf_z(struct buf *, const char *z);
bool buf_putc(struct buf *, char c);
bool buf_printf(struct buf *, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *, const char *format, va_list) __attribute__((format(printf, 2, 0)));
/* What is in it; borrowed until the next change. */
static inline struct str
buf_view(const struct buf *b)
{
	return (struct str){b->data, b->len};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/buf.h"

#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/base/spare.h"

#define SPARE_BYTES_MAX (64u << 10)

void
buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf){.max_bytes = max_bytes};
}

void
buf_done(struct buf *b)
{
	mem_free(b->data);
	*b = (struct buf){.max_bytes = b->max_bytes};
}

/* Memory that waits begins with how much it is. */
static struct spare spare = SPARE(mem_free);

void
buf_borrow(struct buf *b, size_t max_bytes)
{
	size_t *kept = max_bytes >= SPARE_BYTES_MAX ? spare_take(&spare) : NULL;

	buf_init(b, max_bytes);
	if (kept != NULL) {
		b->cap = *kept;
		b->data = (char *)kept;
	}
}

void
buf_give_back(struct buf *b)
{
	if (b->cap < sizeof(b->cap) || b->cap > SPARE_BYTES_MAX) {
		buf_done(b);
		return;
	}
	memcpy(b->data, &b->cap, sizeof(b->cap));
	spare_give(&spare, b->data);
	*b = (struct buf){.max_bytes = b->max_bytes};
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
}

bool
buf_reserve(struct buf *b, size_t more)
{
	size_t cap;

	assert(b->len <= b->cap);
	if (b->cap - b->len >= more)
		return true;
	if (more > b->max_bytes || b->len > b->max_bytes - more) {
		b->overflow = true;
		return false;
	}
	cap = b->cap + b->cap / 2;
	if (cap < b->len + more)
		cap = b->len + more;
	if (cap < 64)
		cap = 64;
	if (cap > b->max_bytes)
		cap = b->max_bytes;
	b->data = mem_realloc(b->data, cap);
	b->cap = cap;
	return true;
}

bool
buf_append(struct buf *b, const void *data, size_t len)
{
	if (!buf_reserve(b, len))
		return false;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return true;
}

bool
buf_str(struct buf *b, struct str s)
{
	return buf_append(b, s.s, s.len);
}

bool
buf_z(struct buf *b, const char *z)
{
	return buf_append(b, z, strlen(z));
}

bool
buf_putc(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

bool
buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	assert(n >= 0);
	/* vsnprintf writes a NUL that is not counted. */
	if (!buf_reserve(b, (size_t)n + 1))
		return false;
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, format, args);
	b->len += (size_t)n;
	return true;
}

bool
buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	bool ok;

	va_start(args, format);
	ok = buf_vprintf(b, format, args);
	va_end(args);
	return ok;
}

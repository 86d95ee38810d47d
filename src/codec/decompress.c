/* SPDX-License-Identifier: Apache-2.0 */
/* What the formats have in common: members in a row, the padding between them, whether the input may end. */
#include "longship/codec/decompress.h"

#include <errno.h>

#include "decompress_priv.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"

#define DECOMPRESSOR_MAGIC 0xdec0de01u

struct decompressor {
	unsigned magic;
	const struct decompress_ops *ops;
	void *state;
	bool inside; /* of a member */
	bool ended;  /* a member: state wants a reset before the next */
	bool full;   /* the last call had no room for more: there may be output without new input */
	bool failed;
};

static const struct decompress_ops *const formats[DECOMPRESS_COUNT] = {
	[DECOMPRESS_GZ] = &decompress_gz,
	[DECOMPRESS_ZLIB] = &decompress_zlib,
	[DECOMPRESS_BZ2] = &decompress_bz2,
	[DECOMPRESS_ZSTD] = &decompress_zstd,
};

bool
decompress_sniff(struct str head, enum decompress_format *ret)
{
	for (int i = 0; i < DECOMPRESS_COUNT; i++) {
		if (formats[i]->magic != NULL && str_starts(head, str_from(formats[i]->magic))) {
			*ret = (enum decompress_format)i;
			return true;
		}
	}
	return false;
}

size_t
decompress_memory_bytes(enum decompress_format format)
{
	assert(format < DECOMPRESS_COUNT);
	return formats[format]->memory_bytes;
}

struct decompressor *
decompressor_new(enum decompress_format format)
{
	struct decompressor *d = mem_new(struct decompressor);

	assert(format < DECOMPRESS_COUNT);
	d->magic = DECOMPRESSOR_MAGIC;
	d->ops = formats[format];
	d->state = d->ops->new();
	return d;
}

void
decompressor_free(struct decompressor *d)
{
	if (d == NULL)
		return;
	check_magic(d, DECOMPRESSOR_MAGIC);
	d->ops->free(d->state);
	d->magic = 0;
	mem_free(d);
}

void
decompressor_reset(struct decompressor *d)
{
	check_magic(d, DECOMPRESSOR_MAGIC);
	d->ops->reset(d->state);
	d->inside = d->ended = d->full = d->failed = false;
}

bool
decompressor_complete(const struct decompressor *d)
{
	return !d->inside && !d->failed;
}

/* To the first byte of the next member; false when there is none yet. */
static bool
enter_member(struct decompressor *d, struct str *in)
{
	while (in->len > 0 && in->s[0] == '\0')
		*in = str_from_offset(*in, 1);
	if (in->len == 0)
		return false;
	if (d->ended)
		d->ops->reset(d->state);
	d->ended = false;
	d->inside = true;
	return true;
}

int
decompressor_run(struct decompressor *d, struct str *in, char *out, size_t room, size_t *ret_made)
{
	check_magic(d, DECOMPRESSOR_MAGIC);
	assert(room > 0 && !d->failed);
	*ret_made = 0;
	/* libzstd takes being asked in vain too often for damage. */
	if (in->len == 0 && !d->full)
		return 0;
	/* A member may be empty: then the next one is looked at. */
	while (*ret_made == 0 && (d->inside || enter_member(d, in))) {
		size_t before = in->len;
		int r = d->ops->run(d->state, in, out, room, ret_made, &d->ended);

		assert(*ret_made <= room && in->len <= before);
		d->failed = r < 0;
		if (r < 0)
			return r;
		d->inside = !d->ended;
		d->full = *ret_made == room;
		if (d->inside && *ret_made == 0 && in->len == 0)
			break;
		/* A format that takes nothing and gives nothing would never end. */
		d->failed = d->inside && *ret_made == 0 && in->len == before;
		if (d->failed)
			return -EBADMSG;
	}
	return 0;
}

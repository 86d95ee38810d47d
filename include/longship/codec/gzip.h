/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading gzip (several members one behind the other are one stream), zlib and bare deflate data: piece by piece, or a
 * whole body at once. An object belongs to one thread at a time.
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/str.h"

struct buf;
struct gzip;

enum gzip_format { GZIP_FORMAT_GZIP, GZIP_FORMAT_ZLIB, GZIP_FORMAT_DEFLATE };

struct gzip *gzip_new(enum gzip_format);
void gzip_free(struct gzip *); /* NULL is fine */
/* Starts a new stream. */
void gzip_reset(struct gzip *);
/*
 * Moves on: takes from the front of *in, writes up to room bytes to out, *ret_made of them. 0 or -EBADMSG when the data is
 * corrupt. Nothing made and *in empty: more input is needed.
 */
int gzip_run(struct gzip *, struct str *in, char *out, size_t room, size_t *ret_made) __attribute__((warn_unused_result));
/* True at the end of a member, and before the first byte: the input may end here. */
bool gzip_complete(const struct gzip *);

/* Appends the contents of a whole stream to out. -EMSGSIZE when it is over out's maximum, -EBADMSG when it is corrupt or cut. */
int gzip_uncompress(struct buf *out, struct str in, enum gzip_format) __attribute__((warn_unused_result));

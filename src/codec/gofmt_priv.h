/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between gofmt.c (formats and values) and gofmt_number.c (digits). */
#include "longship/codec/gofmt.h"

struct gofmt_flags {
	bool has_width, has_precision, minus, plus, sharp, space, zero;
	bool sharp_v; /* %#v */
	int width, precision;
};

/* Appends text padded to the width, which counts characters. */
void gofmt_pad(struct buf *out, const struct gofmt_flags *, struct str text);
void gofmt_padding(struct buf *out, const struct gofmt_flags *, long n);
/* An integer as magnitude and sign in base 2, 8, 10 or 16. */
void gofmt_integer(struct buf *out, const struct gofmt_flags *, uint64_t magnitude, bool negative, int base, char verb);
/* %U */
void gofmt_code_point(struct buf *out, const struct gofmt_flags *, uint64_t rune);
/* A float under the flags; verb as for gofmt_float. */
void gofmt_number(struct buf *out, const struct gofmt_flags *, double f, char verb, int precision);

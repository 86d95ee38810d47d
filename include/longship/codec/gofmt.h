/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Go's fmt.Sprintf over a small argument type: every verb, flag, width, precision and argument index of the
 * kinds below, and the texts with which Go marks a mismatch ("%!d(string=x)", "%!s(MISSING)", "%!(EXTRA int=1)").
 * A format never fails; only the buffer's maximum can end it (buf->overflow). Any thread.
 *
 *	struct gofmt_arg a[] = {gofmt_string(STR("x")), gofmt_int(7)};
 *	gofmt_format(&out, STR("%s=%03d"), a, 2);   -> x=007
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"

enum gofmt_kind {
	GOFMT_NIL,
	GOFMT_BOOL,
	GOFMT_INT,   /* int */
	GOFMT_UINT,  /* uint64 */
	GOFMT_FLOAT, /* float64 */
	GOFMT_STRING,
	GOFMT_LIST, /* []interface {} */
	GOFMT_MAP,  /* map[string]interface {}; printed sorted by key */
};

struct gofmt_field;

struct gofmt_arg {
	enum gofmt_kind kind;
	const char *type; /* Go's name of the type where it is not the kind's own ("int64", "[]string"), or NULL */
	union {
		bool boolean;
		int64_t i;
		uint64_t u;
		double f;
		struct str text;
		struct {
			const struct gofmt_arg *items;
			size_t n;
		} list;
		struct {
			const struct gofmt_field *fields; /* names are unique, in any order */
			size_t n;
		} map;
	};
};

struct gofmt_field {
	struct str name;
	struct gofmt_arg value;
};

#define GOFMT_WIDTH_MAX	  1000000 /* Go's own limit on width and precision */
#define GOFMT_NESTING_MAX 1000	  /* lists and maps in each other; deeper ones print as "..." */

static inline struct gofmt_arg
gofmt_string(struct str s)
{
	return (struct gofmt_arg){.kind = GOFMT_STRING, .text = s};
}
static inline struct gofmt_arg
gofmt_int(int64_t i)
{
	return (struct gofmt_arg){.kind = GOFMT_INT, .i = i};
}

/* Appends; returns !out->overflow. */
bool gofmt_format(struct buf *out, struct str format, const struct gofmt_arg *args, size_t n);
/* One value as %v prints it. */
bool gofmt_value(struct buf *out, const struct gofmt_arg *);
/* strconv.Quote. */
bool gofmt_quote(struct buf *out, struct str);
/* strconv.FormatFloat(f, verb, precision, 64): verbs b e E f g G x X; precision -1 is the shortest that reads back. */
bool gofmt_float(struct buf *out, double f, char verb, int precision);

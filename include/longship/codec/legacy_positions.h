/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The positions files of others, read and written:
 *
 *	positions:                              Promtail, Grafana Agent
 *	  /var/log/a.log: "17623"
 *	  cursor-job: s=96c0…
 *
 *	positions:                              Alloy
 *	  ? path: /var/log/a.log
 *	    labels: '{app="x"}'
 *	  : "17623"
 *
 * Values are kept as text: an offset is decimal, a journal's position is not. Pure functions, any thread; the text
 * may be hostile. Bounded by LEGACY_POSITIONS_BYTES_MAX and codec/yaml.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/str.h"

#define LEGACY_POSITIONS_BYTES_MAX (64u << 20) /* of a file: 100,000 files with long paths and labels are 30 MiB */

enum legacy_positions_format {
	LEGACY_POSITIONS_AUTO, /* by what the keys are; for reading only */
	LEGACY_POSITIONS_PROMTAIL,
	LEGACY_POSITIONS_ALLOY,
};

struct legacy_position {
	struct str path;   /* or "cursor-NAME" for a journal */
	struct str labels; /* {a="b", …} or empty; of Promtail's files "{}", which stands for any */
	struct str value;
};

struct legacy_positions {
	const struct legacy_position *items; /* in the order of the file */
	size_t n;
	enum legacy_positions_format format; /* AUTO when empty */
};

/* Everything lives in the arena or in text. False: *ret_error says what is wrong, with its line. */
bool legacy_positions_parse(struct arena *, struct str text, enum legacy_positions_format,
	struct legacy_positions *ret, struct str *ret_error);
/* Appends the file; items must be sorted if it is to be. Promtail's has no labels: of items with one path the first
 * is written. False when out is full. */
bool legacy_positions_print(
	const struct legacy_position *items, size_t n, enum legacy_positions_format, struct buf *out);
/* "auto", "promtail", "alloy". */
bool legacy_positions_format_parse(struct str, enum legacy_positions_format *ret);

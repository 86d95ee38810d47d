/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Label sets, interned: equal sets of one table are one pointer, so most lines of a batch share one,
 * and grouping by stream is a pointer compare. A set is immutable and sorted by name (bytewise).
 * A table belongs to one lane (no locks). A set that nobody references stays until labels_table_trim,
 * which a lane calls between spans when the table has grown over LABEL_TABLE_BYTES_MAX; whoever keeps a
 * set longer than a span takes a reference.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/limits.h"
#include "longship/base/str.h"

struct label {
	struct str name, value;
};

#define LABELS_TEXT_BYTES_MAX (1u << 20) /* far above any limit of Loki's */

struct labels {
	uint64_t hash;
	uint32_t refs;
	uint32_t n;
	struct str text; /* {a="b", c="d"}: without __ labels, quoted as Go's strconv.Quote; "" if that is over LABELS_TEXT_BYTES_MAX */
	bool sendable;   /* Loki can read the text: all names are legacy names, there is at least one, and it is not too long */
	struct str tenant; /* value of __tenant_id__; s == NULL when absent */
	struct label items[]; /* texts stand behind it in the same allocation */
};

struct labels_table;

#define TENANT_LABEL "__tenant_id__" /* internal: the tenant of an entry */

struct labels_table *labels_table_new(void);
void labels_table_free(struct labels_table *);
size_t labels_table_bytes(const struct labels_table *);
/* Frees the sets that nobody references when the table is over limit bytes and over twice what the last trim had to leave. */
void labels_table_trim(struct labels_table *, size_t limit);

/* n ≤ LABELS_MAX labels, unsorted, names unique (the last of a repeated name wins); an empty value is kept. */
const struct labels *labels_intern(struct labels_table *, const struct label *, size_t n);
const struct labels *labels_empty(struct labels_table *);
/* The value of a label; s == NULL when it is absent. */
struct str labels_get(const struct labels *, struct str name);
/* base with one label set or (value.s == NULL) removed; remembered, so that a repeated change costs one look-up. */
const struct labels *labels_with(struct labels_table *, const struct labels *base, struct str name, struct str value);
const struct labels *labels_ref(const struct labels *);
void labels_unref(const struct labels *);

/* For several changes at once: start from a set, change, intern. At most LABELS_MAX; what is over is left out (false). */
struct labels_builder {
	struct label items[LABELS_MAX];
	size_t n;
};
void labels_builder_from(struct labels_builder *, const struct labels *);
bool labels_builder_set(struct labels_builder *, struct str name, struct str value);
void labels_builder_del(struct labels_builder *, struct str name);
struct str labels_builder_get(const struct labels_builder *, struct str name); /* s == NULL when absent */

/* Appends s quoted as Go's strconv.Quote. */
struct buf;
void labels_quote(struct buf *, struct str);
/* Prometheus' legacy name rule [a-zA-Z_][a-zA-Z0-9_]*. */
bool labels_name_legacy(struct str);

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/label_memo.h"

#include "longship/base/check.h"

#define SLOTS 32 /* power of two: sets × values that a batch usually has, e.g. six levels in four streams */

struct slot {
	const struct labels *base, *result;
	struct value *values;
};

struct value {
	struct str text;
	uint64_t word; /* its last bytes: all of it when it has at most eight */
};

struct label_memo {
	size_t n;
	struct value *now; /* of the entry that is looked for */
	struct slot slots[SLOTS];
};

struct label_memo *
label_memo_new(struct arena *arena, size_t n)
{
	struct label_memo *memo = arena_make(arena, struct label_memo);
	struct value *values = arena_array(arena, struct value, n * (SLOTS + 1) + 1);

	assert(n <= LABELS_MAX);
	memo->n = n;
	memo->now = values + SLOTS * n;
	for (size_t i = 0; i < SLOTS; i++)
		memo->slots[i].values = values + i * n;
	return memo;
}

static inline uint64_t
last_bytes(struct str s)
{
	uint64_t word = 0;
	uint32_t head, tail;

	if (s.len >= 8) {
		memcpy(&word, s.s + s.len - 8, 8);
	} else if (s.len >= 4) {
		memcpy(&head, s.s, 4);
		memcpy(&tail, s.s + s.len - 4, 4);
		word = (uint64_t)head << 32 | tail;
	} else {
		for (size_t i = 0; i < s.len; i++)
			word = word << 8 | (unsigned char)s.s[i];
	}
	return word;
}

static bool
same(const struct value *a, const struct value *b, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		if (a[k].word != b[k].word || a[k].text.len != b[k].text.len ||
			(a[k].text.s == NULL) != (b[k].text.s == NULL))
			return false;
		if (a[k].text.len > 8 && memcmp(a[k].text.s, b[k].text.s, a[k].text.len) != 0)
			return false;
	}
	return true;
}

const struct labels **
label_memo_at(struct label_memo *memo, const struct labels *base, const struct str *values)
{
	uint64_t hash = (uint64_t)(uintptr_t)base >> 4;
	struct slot *slot;

	for (size_t k = 0; k < memo->n; k++) {
		memo->now[k] = (struct value){values[k], last_bytes(values[k])};
		hash = (hash ^ memo->now[k].word ^ values[k].len) * UINT64_C(0x9e3779b97f4a7c15);
	}
	slot = &memo->slots[(hash >> 32 ^ hash) & (SLOTS - 1)];
	if (slot->base != base || !same(slot->values, memo->now, memo->n)) {
		slot->base = base;
		slot->result = NULL;
		if (memo->n > 0)
			memcpy(slot->values, memo->now, memo->n * sizeof(*memo->now));
	}
	return &slot->result;
}

/* What exceeds LABELS_MAX is left out, and so are values that are not UTF-8. */
static const struct labels *
set_all(struct labels_table *table, const struct labels *base, const struct str *names, const struct str *values,
	size_t n)
{
	struct labels_builder builder;

	labels_builder_from(&builder, base);
	for (size_t k = 0; k < n; k++) {
		if (values[k].s != NULL && str_utf8_valid(values[k]))
			(void)labels_builder_set(&builder, names[k], values[k]);
	}
	return labels_intern(table, builder.items, builder.n);
}

const struct labels *
label_memo_set(struct label_memo *memo, struct labels_table *table, const struct labels *base, const struct str *names,
	const struct str *values)
{
	const struct labels **result = label_memo_at(memo, base, values);

	if (*result == NULL)
		*result = set_all(table, base, names, values, memo->n);
	return *result;
}

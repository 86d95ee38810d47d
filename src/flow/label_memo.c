/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/label_memo.h"

#include "longship/base/check.h"

#define SLOTS 32 /* power of two: sets × values that a batch usually has, e.g. six levels in four streams */

struct slot {
	const struct labels *base, *result;
	struct str *values;
};

struct label_memo {
	size_t n;
	struct slot slots[SLOTS];
};

struct label_memo *
label_memo_new(struct arena *arena, size_t n)
{
	struct label_memo *memo = arena_make(arena, struct label_memo);
	struct str *values = arena_array(arena, struct str, n * SLOTS + 1);

	assert(n <= LABELS_MAX);
	memo->n = n;
	for (size_t i = 0; i < SLOTS; i++)
		memo->slots[i].values = values + i * n;
	return memo;
}

/* Length and up to eight bytes tell the values of one label apart well enough. */
static size_t
hash_values(const struct labels *base, const struct str *values, size_t n)
{
	uint64_t hash = (uint64_t)(uintptr_t)base >> 4;

	for (size_t k = 0; k < n; k++) {
		uint64_t word = 0;
		size_t len = values[k].len;

		if (len >= 8)
			memcpy(&word, values[k].s + len - 8, 8);
		else
			for (size_t i = 0; i < len; i++)
				word = word << 8 | (unsigned char)values[k].s[i];
		hash = (hash ^ word ^ len) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return (size_t)(hash >> 32 ^ hash) & (SLOTS - 1);
}

static bool
same(const struct str *a, const struct str *b, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		if ((a[k].s == NULL) != (b[k].s == NULL) || a[k].len != b[k].len)
			return false;
		if (a[k].s != b[k].s && memcmp(a[k].s, b[k].s, a[k].len) != 0)
			return false;
	}
	return true;
}

const struct labels **
label_memo_at(struct label_memo *memo, const struct labels *base, const struct str *values)
{
	struct slot *slot = &memo->slots[hash_values(base, values, memo->n)];

	if (slot->base != base || !same(slot->values, values, memo->n)) {
		slot->base = base;
		slot->result = NULL;
		if (memo->n > 0)
			memcpy(slot->values, values, memo->n * sizeof(*values));
	}
	return &slot->result;
}

/* What exceeds LABELS_MAX is left out. */
static const struct labels *
set_all(struct labels_table *table, const struct labels *base, const struct str *names, const struct str *values, size_t n)
{
	struct labels_builder builder;

	labels_builder_from(&builder, base);
	for (size_t k = 0; k < n; k++) {
		if (values[k].s != NULL)
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
		*result = memo->n == 1 && values[0].s != NULL ? labels_with(table, base, names[0], values[0])
							     : set_all(table, base, names, values, memo->n);
	return *result;
}

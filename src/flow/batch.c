/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/batch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/flow/receipt.h"
#include "longship/flow/stream.h"

struct batch *
batch_new(struct arena *arena, struct labels_table *table, size_t cap)
{
	struct batch *b = arena_make(arena, struct batch);

	assert(cap <= BATCH_ENTRIES_MAX);
	b->arena = arena;
	b->table = table;
	b->cap = cap;
	b->ts = arena_alloc(arena, cap * sizeof(*b->ts));
	b->line = arena_alloc(arena, cap * sizeof(*b->line));
	b->labels = arena_alloc(arena, cap * sizeof(*b->labels));
	b->metadata = arena_zalloc(arena, cap * sizeof(*b->metadata));
	b->origin = arena_alloc(arena, cap * sizeof(*b->origin));
	return b;
}

struct batch *
batch_clone(const struct batch *b)
{
	struct batch *clone = batch_new(b->arena, b->table, b->n);

	clone->receipt = b->receipt;
	clone->memory = b->memory;
	clone->n = b->n;
	memcpy(clone->ts, b->ts, b->n * sizeof(*b->ts));
	memcpy(clone->line, b->line, b->n * sizeof(*b->line));
	memcpy(clone->labels, b->labels, b->n * sizeof(*b->labels));
	memcpy(clone->metadata, b->metadata, b->n * sizeof(*b->metadata));
	memcpy(clone->origin, b->origin, b->n * sizeof(*b->origin));
	if (b->mark != NULL) {
		clone->mark = arena_alloc(b->arena, b->n * sizeof(*b->mark));
		memcpy(clone->mark, b->mark, b->n * sizeof(*b->mark));
	}
	if (b->joined != NULL) {
		clone->joined = arena_alloc(b->arena, b->n * sizeof(*b->joined));
		memcpy(clone->joined, b->joined, b->n * sizeof(*b->joined));
	}
	clone->virtual_ns = b->virtual_ns;
	return clone;
}

struct cell
batch_seed_cell(const struct batch *b, size_t column, size_t i)
{
	struct str value = labels_get(b->seed[i], b->columns->names[column]);

	return value.s != NULL ? cell_string(value) : (struct cell){.kind = CELL_ABSENT};
}

static struct extra *
extra_find(const struct batch *b, struct str name, size_t i)
{
	struct extra *extra = b->extra != NULL ? b->extra[i] : NULL;

	while (extra != NULL && !str_eq(extra->name, name))
		extra = extra->next;
	return extra;
}

void
batch_set_named(struct batch *b, struct str name, size_t i, struct cell cell)
{
	size_t column = columns_find(b->columns, name);
	struct extra *extra;

	if (column != SIZE_MAX) {
		batch_set_cell(b, column, i, cell);
		return;
	}
	if (b->extra == NULL)
		b->extra = arena_zalloc(b->arena, b->cap * sizeof(*b->extra));
	extra = extra_find(b, name, i);
	if (extra != NULL) {
		extra->cell = cell;
		return;
	}
	if (b->extra[i] != NULL && b->extra[i]->n >= EXTRA_VALUES_MAX)
		return;
	extra = arena_make(b->arena, struct extra);
	*extra = (struct extra){name, cell, b->extra[i] != NULL ? b->extra[i]->n + 1 : 1, b->extra[i]};
	b->extra[i] = extra;
}

struct cell
batch_named(const struct batch *b, struct str name, size_t i)
{
	size_t column = columns_find(b->columns, name);
	const struct extra *extra;
	struct str value;

	if (column != SIZE_MAX)
		return batch_cell(b, column, i);
	extra = extra_find(b, name, i);
	if (extra != NULL)
		return extra->cell;
	value = labels_get(b->seed[i], name);
	return value.s != NULL ? cell_string(value) : (struct cell){.kind = CELL_ABSENT};
}

static bool
walk_columns(const struct batch *b, size_t i, struct batch_walk *w, struct str *ret_name, struct cell *ret)
{
	while (w->column < b->columns->n) {
		size_t column = w->column++;

		*ret = batch_cell(b, column, i);
		if (ret->kind != CELL_ABSENT) {
			*ret_name = b->columns->names[column];
			return true;
		}
	}
	return false;
}

bool
batch_walk(const struct batch *b, size_t i, struct batch_walk *w, struct str *ret_name, struct cell *ret)
{
	const struct labels *seed = b->seed[i];

	if (walk_columns(b, i, w, ret_name, ret))
		return true;
	if (!w->in_labels) {
		if (w->extra == NULL)
			w->extra = b->extra != NULL ? b->extra[i] : NULL;
		else
			w->extra = w->extra->next;
		for (; w->extra != NULL; w->extra = w->extra->next) {
			*ret_name = w->extra->name;
			*ret = w->extra->cell;
			if (ret->kind != CELL_ABSENT)
				return true;
		}
		w->in_labels = true;
	}
	while (w->label < seed->n) {
		const struct label *label = &seed->items[w->label++];

		if (columns_find(b->columns, label->name) != SIZE_MAX || extra_find(b, label->name, i) != NULL)
			continue;
		*ret_name = label->name;
		*ret = cell_string(label->value);
		return true;
	}
	return false;
}

static struct str
integer_text(struct arena *arena, int64_t number)
{
	char text[24], *p = text + sizeof(text);
	uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;

	do
		*--p = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (number < 0)
		*--p = '-';
	return arena_str(arena, (struct str){p, (size_t)(text + sizeof(text) - p)});
}

/* printf writes the exact value of a large number; Go writes zeros behind the shortest form's digits. */
static struct str
large_number_text(struct arena *arena, double number, const char *shortest)
{
	struct str out = arena_printf(arena, "%.0f", number);
	char *digits = (char *)(uintptr_t)out.s;
	size_t at = number < 0 ? 1 : 0;

	for (const char *p = shortest + at; *p != 'e' && at < out.len; p++) {
		if (*p != '.')
			digits[at++] = *p;
	}
	memset(digits + at, '0', out.len - at);
	return out;
}

/* The shortest decimal that reads back as the same double, without exponent; small whole numbers need no search. */
struct str
batch_number_text(struct arena *arena, double number)
{
	char text[32];
	int precision = 1, exponent;

	if (isnan(number))
		return STR("NaN");
	if (isinf(number))
		return number > 0 ? STR("+Inf") : STR("-Inf");
	if (fabs(number) < 9007199254740992.0 && number == (double)(int64_t)number && !(number == 0 && signbit(number)))
		return integer_text(arena, (int64_t)number);
	for (;; precision++) {
		(void)snprintf(text, sizeof(text), "%.*e", precision - 1, number);
		if (precision == 17 || strtod(text, NULL) == number)
			break;
	}
	exponent = atoi(strchr(text, 'e') + 1);
	if (precision - 1 - exponent > 0)
		return arena_printf(arena, "%.*f", precision - 1 - exponent, number);
	return large_number_text(arena, number, text);
}

bool
batch_cell_text(const struct batch *b, struct cell cell, struct str *ret)
{
	switch ((enum cell_kind)cell.kind) {
	case CELL_STRING:
		*ret = (struct str){cell.s, cell.len};
		return true;
	case CELL_NUMBER:
		*ret = batch_number_text(b->arena, cell.number);
		return true;
	case CELL_INTEGER:
		*ret = integer_text(b->arena, cell.integer);
		return true;
	case CELL_BOOL:
		*ret = cell.boolean ? STR("true") : STR("false");
		return true;
	case CELL_SEED:
	case CELL_ABSENT:
	case CELL_NIL:
		break;
	}
	return false;
}

void
batch_drop(struct batch *b, size_t i, const struct drop_reason *reason)
{
	if (b->drop == NULL)
		b->drop = arena_zalloc(b->arena, b->cap * sizeof(*b->drop));
	if (b->drop[i] != NULL)
		return;
	b->drop[i] = reason;
	b->n_dropped++;
}

/* Between batches of the same columns, or within one. */
static void
copy_entry(struct batch *to_batch, size_t to, const struct batch *b, size_t from)
{
	to_batch->ts[to] = b->ts[from];
	to_batch->line[to] = b->line[from];
	to_batch->labels[to] = b->labels[from];
	to_batch->metadata[to] = b->metadata[from];
	to_batch->origin[to] = b->origin[from];
	if (b->mark != NULL)
		to_batch->mark[to] = b->mark[from];
	if (to_batch == b && b->picked != NULL)
		to_batch->picked[to] = b->picked[from];
	if (b->seed != NULL)
		to_batch->seed[to] = b->seed[from];
	if (b->joined != NULL && to_batch->joined == NULL)
		to_batch->joined = arena_zalloc(to_batch->arena, to_batch->cap * sizeof(*to_batch->joined));
	if (to_batch->joined != NULL)
		to_batch->joined[to] = b->joined != NULL ? b->joined[from] : NULL;
	if (to_batch->extra != NULL)
		to_batch->extra[to] = b->extra != NULL ? b->extra[from] : NULL;
	for (size_t c = 0; b->cells != NULL && c < b->columns->n; c++)
		to_batch->cells[c][to] = b->cells[c][from];
}

static void
drop_runs(const struct batch *b, size_t i, const char *reason)
{
	struct receipt_run one;
	const struct receipt_run *runs;
	size_t n = batch_runs(b, i, &one, &runs);

	for (size_t k = 0; k < n; k++)
		receipt_drop(runs[k].receipt, (struct origin){runs[k].line, runs[k].lines}, reason);
}

void
batch_branch(const struct batch *b, size_t i, size_t more)
{
	struct receipt_run one;
	const struct receipt_run *runs;
	size_t n = batch_runs(b, i, &one, &runs);

	for (size_t k = 0; k < n; k++)
		receipt_split(runs[k].receipt, (struct origin){runs[k].line, runs[k].lines}, more);
}

void
batch_refuse(const struct batch *b, size_t i, const char *reason)
{
	struct receipt_run one;
	const struct receipt_run *runs;
	size_t n = batch_runs(b, i, &one, &runs);

	for (size_t k = 0; k < n; k++)
		receipt_refuse(runs[k].receipt, runs[k].line, runs[k].lines, reason);
}

void
batch_compact(struct batch *b)
{
	size_t kept = 0;

	if (b->n_dropped == 0)
		return;
	for (size_t i = 0; i < b->n; i++) {
		const struct drop_reason *reason = b->drop[i];

		if (reason == NULL) {
			if (kept != i)
				copy_entry(b, kept, b, i);
			kept++;
			continue;
		}
		b->drop[i] = NULL;
		if (reason->counter != NULL && !(b->receipt != NULL && b->receipt->stream != NULL && b->receipt->stream->reads_lag))
			atomic_fetch_add_explicit(reason->counter, 1, memory_order_relaxed);
		drop_runs(b, i, reason->name);
	}
	assert(kept + b->n_dropped == b->n);
	b->n = kept;
	b->n_dropped = 0;
}

struct batch
batch_slice(const struct batch *b, size_t from, size_t n)
{
	struct batch slice = *b;

	assert(b->columns == NULL && b->n_dropped == 0 && from + n <= b->n);
	slice.n = slice.cap = n;
	slice.ts += from;
	slice.line += from;
	slice.labels += from;
	slice.metadata += from;
	slice.origin += from;
	slice.joined = b->joined != NULL ? b->joined + from : NULL;
	slice.mark = b->mark != NULL ? b->mark + from : NULL;
	slice.drop = NULL;
	return slice;
}

static void *
grown(struct batch *b, const void *old, size_t cap, size_t bytes)
{
	void *more = arena_alloc(b->arena, cap * bytes);

	if (b->n > 0)
		memcpy(more, old, b->n * bytes);
	return more;
}

void
batch_reserve(struct batch *b, size_t cap)
{
	assert(b->n_dropped == 0);
	if (cap <= b->cap)
		return;
	b->ts = grown(b, b->ts, cap, sizeof(*b->ts));
	b->line = grown(b, b->line, cap, sizeof(*b->line));
	b->labels = grown(b, b->labels, cap, sizeof(*b->labels));
	b->metadata = grown(b, b->metadata, cap, sizeof(*b->metadata));
	b->origin = grown(b, b->origin, cap, sizeof(*b->origin));
	if (b->mark != NULL)
		b->mark = grown(b, b->mark, cap, sizeof(*b->mark));
	if (b->picked != NULL)
		b->picked = grown(b, b->picked, cap, sizeof(*b->picked));
	if (b->seed != NULL)
		b->seed = grown(b, b->seed, cap, sizeof(*b->seed));
	if (b->joined != NULL) {
		const struct joined **old = b->joined;

		b->joined = arena_zalloc(b->arena, cap * sizeof(*b->joined));
		memcpy(b->joined, old, b->n * sizeof(*old));
	}
	if (b->extra != NULL) {
		struct extra **old = b->extra;

		b->extra = arena_zalloc(b->arena, cap * sizeof(*b->extra));
		memcpy(b->extra, old, b->n * sizeof(*old));
	}
	for (size_t c = 0; b->cells != NULL && c < b->columns->n; c++)
		b->cells[c] = grown(b, b->cells[c], cap, sizeof(struct cell));
	b->drop = NULL;
	b->cap = cap;
}

/* A list of its own: what is set later for one entry is not that of another. */
static struct extra *
copy_extra(struct arena *arena, const struct extra *from)
{
	struct extra *first = NULL, **end = &first;

	for (; from != NULL; from = from->next) {
		*end = arena_alloc(arena, sizeof(**end));
		**end = *from;
		end = &(*end)->next;
	}
	return first;
}

void
batch_copy(struct batch *b, size_t to, size_t from)
{
	if (to == from)
		return;
	assert(to < b->cap);
	copy_entry(b, to, b, from);
	if (b->extra != NULL)
		b->extra[to] = copy_extra(b->arena, b->extra[from]);
}

struct batch *
batch_like(const struct batch *b, size_t cap)
{
	struct batch *made = arena_make(b->arena, struct batch);

	*made = *b;
	made->n = made->cap = 0;
	made->picked = NULL;
	made->drop = NULL;
	if (b->cells != NULL)
		made->cells = arena_array(b->arena, struct cell *, b->columns->n);
	batch_reserve(made, cap);
	return made;
}

void
batch_append(struct batch *to, const struct batch *b, size_t i)
{
	assert(to->n < to->cap);
	if (to->picked != NULL)
		to->picked[to->n] = b->picked[i];
	copy_entry(to, to->n++, b, i);
}

struct batch *
batch_pick(const struct batch *b, const bool *which, size_t n)
{
	struct batch *picked = batch_like(b, n);

	picked->picked = arena_alloc(b->arena, n * sizeof(*picked->picked));
	for (size_t i = 0; i < b->n; i++) {
		if (!which[i])
			continue;
		copy_entry(picked, picked->n, b, i);
		picked->picked[picked->n++] = (uint32_t)i;
	}
	assert(picked->n == n);
	return picked;
}

/* Whether the picked entries are what they were, one for one. */
static bool
all_there(const bool *which, const struct batch *picked, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (!which[i])
			continue;
		if (k == picked->n || picked->picked[k] != i)
			return false;
		k++;
	}
	return k == picked->n;
}

void
batch_put_back(struct batch *b, const bool *which, const struct batch *picked)
{
	struct batch *merged;
	size_t k = 0;

	assert(b->n_dropped == 0 && picked->n_dropped == 0);
	b->waited_until_ns = picked->waited_until_ns;
	b->held = picked->held;
	b->failure = picked->failure;
	if (b->extra == NULL && picked->extra != NULL)
		b->extra = arena_zalloc(b->arena, b->cap * sizeof(*b->extra));
	if (all_there(which, picked, b->n)) {
		for (; k < picked->n; k++)
			copy_entry(b, picked->picked[k], picked, k);
		return;
	}
	merged = batch_like(b, b->n + picked->n);
	if (b->picked != NULL)
		merged->picked = arena_alloc(b->arena, merged->cap * sizeof(*b->picked));
	for (size_t i = 0; i < b->n; i++) {
		size_t before = merged->n;

		if (!which[i])
			copy_entry(merged, merged->n++, b, i);
		for (; which[i] && k < picked->n && picked->picked[k] == i; k++)
			copy_entry(merged, merged->n++, picked, k);
		for (; b->picked != NULL && before < merged->n; before++)
			merged->picked[before] = b->picked[i];
	}
	*b = *merged;
}

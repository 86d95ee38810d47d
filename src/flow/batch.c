/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/batch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/flow/receipt.h"

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
		return arena_printf(arena, "%" PRId64, (int64_t)number);
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
		*ret = arena_printf(b->arena, "%" PRId64, cell.integer);
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

static void
move_entry(struct batch *b, size_t to, size_t from)
{
	b->ts[to] = b->ts[from];
	b->line[to] = b->line[from];
	b->labels[to] = b->labels[from];
	b->metadata[to] = b->metadata[from];
	b->origin[to] = b->origin[from];
	if (b->mark != NULL)
		b->mark[to] = b->mark[from];
	if (b->seed != NULL)
		b->seed[to] = b->seed[from];
	if (b->extra != NULL)
		b->extra[to] = b->extra[from];
	for (size_t c = 0; b->cells != NULL && c < b->columns->n; c++)
		b->cells[c][to] = b->cells[c][from];
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
				move_entry(b, kept, i);
			kept++;
			continue;
		}
		b->drop[i] = NULL;
		if (reason->counter != NULL)
			atomic_fetch_add_explicit(reason->counter, 1, memory_order_relaxed);
		if (b->receipt != NULL)
			receipt_drop(b->receipt, b->origin[i], reason->name);
	}
	assert(kept + b->n_dropped == b->n);
	b->n = kept;
	b->n_dropped = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "catalog_priv.h"

/*
 * stage.truncate: cuts what is too long. What is longer than limit − suffix is cut to that and gets the
 * suffix, as in Alloy; the kinds that were cut stand in the extracted value "truncated".
 */

enum kind { KIND_EXTRACTED, KIND_LABEL, KIND_LINE, KIND_METADATA, KINDS }; /* sorted by name */

static const char *const kind_names[KINDS] = {"extracted", "label", "line", "structured_metadata"};

struct rule_args {
	int64_t limit;
	struct str suffix, source_type;
	struct str_list sources;
};

static const struct arg_spec rule_spec[] = {
	{.name = "limit",
		.kind = ARG_SIZE,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct rule_args, limit),
		.doc = "Longest text, in bytes."},
	{.name = "suffix",
		.kind = ARG_STRING,
		.offset = offsetof(struct rule_args, suffix),
		.doc = "Put behind what was cut; counts into the limit."},
	{.name = "sources",
		.kind = ARG_STRING_LIST,
		.offset = offsetof(struct rule_args, sources),
		.doc = "Names of the values; none means all."},
	{.name = "source_type",
		.kind = ARG_STRING,
		.offset = offsetof(struct rule_args, source_type),
		.fallback = "\"line\"",
		.doc = "What to cut: \"line\", \"label\", \"structured_metadata\" or \"extracted\"."},
	{0},
};

struct truncate_args {
	struct block_list rules;
};

static const struct arg_spec args[] = {
	{.name = "rule",
		.kind = ARG_BLOCKS,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct truncate_args, rules),
		.sub = rule_spec,
		.sub_size = sizeof(struct rule_args),
		.doc = "What to cut, and where; rules run from top to bottom."},
	{0},
};

struct rule {
	size_t kept; /* limit − suffix */
	struct str suffix;
	enum kind kind;
	struct str *sources;
	size_t n;
	size_t *columns; /* KIND_EXTRACTED with sources */
};

struct state {
	size_t n;
	struct rule *rules;
	size_t truncated; /* column */
	struct metric *counters[KINDS]; /* NULL when only checking */
};

static bool
find_kind(struct str name, enum kind *ret)
{
	for (int k = 0; k < KINDS; k++) {
		if (str_is(name, kind_names[k])) {
			*ret = (enum kind)k;
			return true;
		}
	}
	return false;
}

static bool
build_rule(struct stage_builder *b, const struct rule_args *a, struct rule *rule)
{
	if (!find_kind(a->source_type, &rule->kind)) {
		(void)stage_fail(b, "unknown source_type: %.*s", STR_FMT(a->source_type));
		return false;
	}
	if (a->limit <= 0) {
		(void)stage_fail(b, "limit must be greater than zero");
		return false;
	}
	if (rule->kind == KIND_LINE && a->sources.n > 0) {
		(void)stage_fail(b, "sources cannot be set when source_type is 'line'");
		return false;
	}
	if (a->suffix.len > 0 && (uint64_t)a->limit <= a->suffix.len) {
		(void)stage_fail(b, "suffix length cannot be greater than or equal to limit");
		return false;
	}
	rule->kept = (size_t)a->limit - a->suffix.len;
	rule->suffix = arena_str(b->arena, a->suffix);
	rule->n = a->sources.n;
	rule->sources = arena_array(b->arena, struct str, rule->n + 1);
	rule->columns = arena_array(b->arena, size_t, rule->n + 1);
	for (size_t k = 0; k < rule->n; k++) {
		rule->sources[k] = arena_str(b->arena, a->sources.items[k]);
		if (rule->kind == KIND_EXTRACTED)
			rule->columns[k] = columns_number(b->columns, rule->sources[k]);
	}
	return true;
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct truncate_args *a = arguments;
	const struct rule_args *rules = a->rules.items;
	struct state *s = arena_make(b->arena, struct state);

	s->n = a->rules.n;
	s->rules = arena_array(b->arena, struct rule, s->n + 1);
	for (size_t k = 0; k < s->n; k++) {
		if (!build_rule(b, &rules[k], &s->rules[k]))
			return NULL;
	}
	s->truncated = columns_number(b->columns, STR("truncated"));
	for (size_t k = 0; k < KINDS && b->metrics != NULL; k++)
		s->counters[k] = metric_get(b->metrics, METRIC_COUNTER, "loki_process_truncated_fields_total",
			"A count of all log lines, labels, extracted values, or structured_metadata truncated as a result of a pipeline stage",
			b->component_id, "field", kind_names[k], NULL);
	return s;
}

static struct str
cut(const struct rule *r, struct arena *arena, struct str text)
{
	char *out;

	if (r->suffix.len == 0)
		return str_head(text, r->kept);
	out = arena_alloc(arena, r->kept + r->suffix.len);
	memcpy(out, text.s, r->kept);
	memcpy(out + r->kept, r->suffix.s, r->suffix.len);
	return (struct str){out, r->kept + r->suffix.len};
}

static bool
is_source(const struct rule *r, struct str name)
{
	for (size_t k = 0; k < r->n; k++) {
		if (str_eq(r->sources[k], name))
			return true;
	}
	return r->n == 0;
}

/* Each returns how many values it has cut. */

static size_t
cut_line(const struct rule *r, struct batch *b, size_t i)
{
	if (b->line[i].len <= r->kept)
		return 0;
	b->line[i] = cut(r, b->arena, b->line[i]);
	return 1;
}

static size_t
cut_labels(const struct rule *r, struct batch *b, size_t i)
{
	const struct labels *base = b->labels[i];
	struct label items[LABELS_MAX];
	size_t n = 0;

	for (size_t k = 0; k < base->n; k++)
		n += base->items[k].value.len > r->kept && is_source(r, base->items[k].name);
	if (n == 0)
		return 0;
	for (size_t k = 0; k < base->n; k++) {
		items[k] = base->items[k];
		if (items[k].value.len > r->kept && is_source(r, items[k].name))
			items[k].value = cut(r, b->arena, items[k].value);
	}
	b->labels[i] = labels_intern(b->table, items, base->n);
	return n;
}

static size_t
cut_metadata(const struct rule *r, struct batch *b, size_t i)
{
	const struct metadata *old = b->metadata[i];
	struct metadata *made;
	size_t n = 0;

	for (size_t k = 0; old != NULL && k < old->n; k++)
		n += old->items[k].value.len > r->kept && is_source(r, old->items[k].name);
	if (n == 0)
		return 0;
	made = arena_alloc(b->arena, sizeof(*made) + old->n * sizeof(made->items[0]));
	made->n = old->n;
	for (size_t k = 0; k < old->n; k++) {
		made->items[k] = old->items[k];
		if (old->items[k].value.len > r->kept && is_source(r, old->items[k].name))
			made->items[k].value = cut(r, b->arena, old->items[k].value);
	}
	b->metadata[i] = made;
	return n;
}

static bool
cut_cell(const struct rule *r, struct arena *arena, struct cell *cell)
{
	if (cell->kind != CELL_STRING || cell->len <= r->kept)
		return false;
	*cell = cell_string(cut(r, arena, (struct str){cell->s, cell->len}));
	return true;
}

static size_t
cut_extracted(const struct rule *r, struct batch *b, size_t i)
{
	struct batch_walk walk = {0};
	struct str name;
	struct cell cell;
	size_t n = 0;

	for (size_t k = 0; k < r->n; k++) {
		cell = batch_cell(b, r->columns[k], i);
		if (cut_cell(r, b->arena, &cell)) {
			batch_set_cell(b, r->columns[k], i, cell);
			n++;
		}
	}
	while (r->n == 0 && batch_walk(b, i, &walk, &name, &cell)) {
		if (cut_cell(r, b->arena, &cell)) {
			batch_set_named(b, name, i, cell);
			n++;
		}
	}
	return n;
}

static size_t
cut_one(const struct rule *r, struct batch *b, size_t i)
{
	switch (r->kind) {
	case KIND_LINE:
		return cut_line(r, b, i);
	case KIND_LABEL:
		return cut_labels(r, b, i);
	case KIND_METADATA:
		return cut_metadata(r, b, i);
	case KIND_EXTRACTED:
		return cut_extracted(r, b, i);
	case KINDS:
		break;
	}
	return 0;
}

static int
compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The kinds and what an earlier stage said, each once, sorted, joined by commas. */
static struct str
joined(struct arena *arena, unsigned kinds, struct str before)
{
	struct str *parts = arena_array(arena, struct str, before.len + 1 + KINDS), rest = before;
	char *out = arena_alloc(arena, before.len + 64), *p = out;
	bool more = before.s != NULL;
	size_t n = 0;

	while (more)
		more = str_cut(rest, ',', &parts[n++], &rest);
	for (unsigned k = 0; k < KINDS; k++) {
		if ((kinds >> k & 1) != 0)
			parts[n++] = str_from(kind_names[k]);
	}
	qsort(parts, n, sizeof(*parts), compare);
	for (size_t k = 0; k < n; k++) {
		if (k > 0 && str_eq(parts[k], parts[k - 1]))
			continue;
		if (p > out || k > 0)
			*p++ = ',';
		if (parts[k].len > 0)
			memcpy(p, parts[k].s, parts[k].len);
		p += parts[k].len;
	}
	return (struct str){out, (size_t)(p - out)};
}

static void
note_kinds(const struct state *s, struct batch *b, size_t i, unsigned kinds)
{
	struct cell cell = batch_cell(b, s->truncated, i);
	struct str before = STR_EMPTY;

	if (cell.kind == CELL_STRING)
		before = (struct str){cell.s != NULL ? cell.s : "", cell.len};
	batch_set_cell(b, s->truncated, i, cell_string(joined(b->arena, kinds, before)));
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;

	for (size_t i = 0; i < b->n; i++) {
		unsigned kinds = 0;

		for (size_t k = 0; k < s->n; k++) {
			const struct rule *r = &s->rules[k];
			size_t n = cut_one(r, b, i);

			if (n > 0)
				kinds |= 1u << r->kind;
			if (n > 0 && s->counters[r->kind] != NULL)
				metric_add(s->counters[r->kind], n);
			if (kinds != 0)
				note_kinds(s, b, i, kinds);
		}
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_truncate = {
	.name = "truncate",
	.args = args,
	.args_size = sizeof(struct truncate_args),
	.type = &type,
	.doc = "Cuts lines, labels, metadata and extracted values that are too long.",
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/regex.h"

/*
 * stage.structured_metadata: extracted values and labels become structured metadata; labels are moved. The
 * order is: named ones from the extracted values, then by expression, then the same from the labels.
 */

struct structured_metadata_args {
	struct str_map values;
	struct str regex;
};

static const struct arg_spec args[] = {
	{.name = "values",
		.kind = ARG_STRING_MAP,
		.flags = ARG_NULL_IS_EMPTY,
		.offset = offsetof(struct structured_metadata_args, values),
		.doc = "Name = extracted value or label; an empty one is the name itself."},
	{.name = "regex",
		.kind = ARG_STRING,
		.offset = offsetof(struct structured_metadata_args, regex),
		.doc = "Selects extracted values and labels by name."},
	{0},
};

struct state {
	size_t n;
	struct str *names, *sources;
	size_t *columns;
	const struct regex *regex; /* or NULL */
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct structured_metadata_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->values.n > METADATA_MAX)
		return stage_fail(b, "more than %d values", METADATA_MAX);
	s->n = a->values.n;
	s->names = arena_array(b->arena, struct str, s->n + 1);
	s->sources = arena_array(b->arena, struct str, s->n + 1);
	s->columns = arena_array(b->arena, size_t, s->n + 1);
	for (size_t k = 0; k < s->n; k++) {
		struct str name = a->values.items[k].name, source = a->values.items[k].value;

		if (!stage_label_name_valid(name))
			return stage_fail(b, "invalid label name: %.*s", STR_FMT(name));
		s->names[k] = arena_str(b->arena, name);
		s->sources[k] = arena_str(b->arena, source.len > 0 ? source : name);
		s->columns[k] = columns_number(b->columns, s->sources[k]);
	}
	if (a->regex.len > 0) {
		s->regex = stage_regex_compile(b, a->regex, NULL);
		if (s->regex == NULL)
			return NULL;
	}
	return s;
}

/* What an entry gets. */
struct made {
	struct label items[METADATA_MAX];
	size_t n;
	bool changed;
};

static void
made_from(struct made *m, const struct metadata *old)
{
	m->n = 0;
	m->changed = false;
	for (size_t k = 0; old != NULL && k < old->n && m->n < METADATA_MAX; k++)
		m->items[m->n++] = old->items[k];
}

/* A name that is there gets the new value in its place; what is over METADATA_MAX is left out. */
static void
made_set(struct made *m, struct str name, struct str value)
{
	size_t k = 0;

	while (k < m->n && !str_eq(m->items[k].name, name))
		k++;
	if (k == METADATA_MAX)
		return;
	if (k == m->n)
		m->n++;
	m->items[k] = (struct label){name, value};
	m->changed = true;
}

static void
add_extracted(const struct state *s, const struct batch *b, size_t i, struct made *m)
{
	struct batch_walk walk = {0};
	struct str name, text;
	struct cell cell;

	for (size_t k = 0; k < s->n; k++) {
		if (stage_text(b, s->columns[k], i, &text) && str_utf8_valid(text))
			made_set(m, s->names[k], text);
	}
	while (s->regex != NULL && batch_walk(b, i, &walk, &name, &cell)) {
		if (regex_test(s->regex, name) == REGEX_YES && batch_cell_text(b, cell, &text) && str_utf8_valid(text))
			made_set(m, name, text);
	}
}

/* Adds them to the metadata; the result is without them. */
static const struct labels *
move_labels(const struct state *s, struct labels_table *table, const struct labels *base, struct made *m)
{
	struct label left[LABELS_MAX];
	bool gone[LABELS_MAX] = {false};
	size_t n = 0;

	for (size_t k = 0; k < s->n; k++) {
		for (size_t l = 0; l < base->n; l++) {
			if (str_eq(base->items[l].name, s->sources[k])) {
				made_set(m, s->names[k], base->items[l].value);
				gone[l] = true;
			}
		}
	}
	for (size_t l = 0; s->regex != NULL && l < base->n; l++) {
		if (!gone[l] && regex_test(s->regex, base->items[l].name) == REGEX_YES) {
			made_set(m, base->items[l].name, base->items[l].value);
			gone[l] = true;
		}
	}
	for (size_t l = 0; l < base->n; l++) {
		if (!gone[l])
			left[n++] = base->items[l];
	}
	return n == base->n ? base : labels_intern(table, left, n);
}

static const struct metadata *
made_metadata(struct arena *arena, const struct made *m)
{
	struct metadata *made = arena_alloc(arena, sizeof(*made) + m->n * sizeof(made->items[0]));

	made->n = m->n;
	memcpy(made->items, m->items, m->n * sizeof(made->items[0]));
	return made;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct made made;

	for (size_t i = 0; i < b->n; i++) {
		made_from(&made, b->metadata[i]);
		add_extracted(s, b, i, &made);
		b->labels[i] = move_labels(s, b->table, b->labels[i], &made);
		if (made.changed)
			b->metadata[i] = made_metadata(b->arena, &made);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_structured_metadata = {
	.name = "structured_metadata",
	.args = args,
	.args_size = sizeof(struct structured_metadata_args),
	.type = &type,
	.doc = "Makes structured metadata of extracted values and labels.",
};

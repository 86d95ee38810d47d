/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "catalog_priv.h"
#include "longship/base/buf.h"
#include "longship/codec/json_tree.h"
#include "longship/flow/label_memo.h"

/*
 * stage.pack: labels and extracted values move into the line, which becomes a JSON object. "Now" is the
 * line's own time mark.
 */

#define PACKED_BYTES_MAX (64u << 20) /* lines of a batch, each byte escaped to six */

struct pack_args {
	struct str_list labels;
	bool ingest_timestamp;
};

static const struct arg_spec args[] = {
	{.name = "labels",
		.kind = ARG_STRING_LIST,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct pack_args, labels),
		.doc = "Labels and extracted values to pack."},
	{.name = "ingest_timestamp",
		.kind = ARG_BOOL,
		.offset = offsetof(struct pack_args, ingest_timestamp),
		.fallback = "true",
		.doc = "Set the timestamp to the time at which the line was read."},
	{0},
};

struct state {
	size_t n;
	struct str *names; /* sorted, unique */
	size_t *columns;
	bool ingest_timestamp;
	struct stage_failure *too_large;
};

static int
compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct pack_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->labels.n > LABELS_MAX)
		return stage_fail(b, "more than %d labels", LABELS_MAX);
	s->names = arena_array(b->arena, struct str, a->labels.n + 1);
	s->columns = arena_array(b->arena, size_t, a->labels.n + 1);
	for (size_t k = 0; k < a->labels.n; k++)
		s->names[k] = arena_str(b->arena, a->labels.items[k]);
	if (a->labels.n > 0)
		qsort(s->names, a->labels.n, sizeof(*s->names), compare);
	for (size_t k = 0; k < a->labels.n; k++) {
		if (s->n == 0 || !str_eq(s->names[s->n - 1], s->names[k]))
			s->names[s->n++] = s->names[k];
	}
	for (size_t k = 0; k < s->n; k++)
		s->columns[k] = columns_number(b->columns, s->names[k]);
	s->ingest_timestamp = a->ingest_timestamp;
	s->too_large = stage_failure_new(b, "too large");
	return s;
}

/* Which of the names were packed, for the labels that go. */
static void
put_object(const struct state *s, const struct batch *b, size_t i, struct buf *out, struct str *packed)
{
	struct str text;

	(void)buf_putc(out, '{');
	for (size_t k = 0; k < s->n; k++) {
		packed[k] = STR_EMPTY;
		if (!stage_text(b, s->columns[k], i, &text))
			continue;
		packed[k] = STR("1");
		(void)json_tree_quote(out, s->names[k], true);
		(void)buf_putc(out, ':');
		(void)json_tree_quote(out, text, true);
		(void)buf_putc(out, ',');
	}
	(void)buf_z(out, "\"_entry\":");
	(void)json_tree_quote(out, b->line[i], true);
	(void)buf_putc(out, '}');
}

static const struct labels *
without(const struct state *s, struct labels_table *table, const struct labels *base, const struct str *packed)
{
	struct labels_builder builder;

	labels_builder_from(&builder, base);
	for (size_t k = 0; k < s->n; k++) {
		if (packed[k].s != NULL)
			labels_builder_del(&builder, s->names[k]);
	}
	return labels_intern(table, builder.items, builder.n);
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct label_memo *memo = label_memo_new(b->arena, s->n);
	struct str packed[LABELS_MAX];
	struct buf out;
	size_t n_too_large = 0;

	buf_borrow(&out, PACKED_BYTES_MAX);
	for (size_t i = 0; i < b->n; i++) {
		const struct labels **labels;

		buf_clear(&out);
		put_object(s, b, i, &out, packed);
		if (out.overflow) {
			n_too_large++;
			continue;
		}
		labels = label_memo_at(memo, b->labels[i], packed);
		if (*labels == NULL)
			*labels = without(s, b->table, b->labels[i], packed);
		b->labels[i] = *labels;
		b->line[i] = arena_str(b->arena, buf_view(&out));
		if (s->ingest_timestamp)
			b->ts[i] = b->mark[i];
	}
	buf_give_back(&out);
	stage_failed(s->too_large, b, n_too_large);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_pack = {
	.name = "pack",
	.args = args,
	.args_size = sizeof(struct pack_args),
	.type = &type,
	.doc = "Packs labels and the line into a JSON object.",
};

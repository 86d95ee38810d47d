/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/json_scan.h"
#include "longship/flow/receipt.h"

/*
 * stage.split_json: a line that is a JSON array becomes one entry for each element. All of them are
 * branches of the one line: the ledger counts it once.
 */

struct split_json_args {
	struct str source;
};

static const struct arg_spec args[] = {
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct split_json_args, source),
		.doc = "Extracted value to read instead of the line."},
	{0},
};

struct state {
	size_t source;
	struct stage_failure *malformed;
};

struct parts {
	struct str *items; /* NULL: the entry stays as it is */
	size_t n;
};

/* An empty array has no entries: Alloy counts nothing, here the ledger does. */
static const struct drop_reason empty = {.name = "split_json_empty"};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct split_json_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->source.s != NULL && a->source.len == 0)
		return stage_fail(b, "source cannot be empty");
	s->source = a->source.len > 0 ? columns_number(b->columns, a->source) : STAGE_NO_COLUMN;
	s->malformed = stage_failure_new(b, "no JSON array");
	return s;
}

/* How many entries there will be; one stays for an empty array, to be dropped. */
static size_t
find_parts(const struct state *s, struct batch *b, struct parts *parts)
{
	size_t total = 0, n_malformed = 0;
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		parts[i] = (struct parts){0};
		if (stage_text(b, s->source, i, &text) && !json_scan_elements(b->arena, text, &parts[i].items, &parts[i].n))
			n_malformed++;
		if (parts[i].n == 0)
			total++;
		total += parts[i].n;
	}
	stage_failed(s->malformed, b, n_malformed);
	return total;
}

/* From the last entry on, so that none is overwritten before it was read. */
static void
spread(struct batch *b, const struct parts *parts, size_t total)
{
	size_t to = total;

	for (size_t i = b->n; i-- > 0;) {
		size_t n = parts[i].n > 0 ? parts[i].n : 1;

		batch_branch(b, i, n - 1);
		for (size_t k = n; k-- > 0;) {
			batch_copy(b, --to, i);
			if (parts[i].n > 0)
				b->line[to] = parts[i].items[k];
		}
	}
	b->n = total;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct parts *parts = arena_alloc(b->arena, (b->n + 1) * sizeof(*parts));
	size_t n = b->n, total = find_parts(s, b, parts), at = 0;

	batch_reserve(b, total);
	spread(b, parts, total);
	for (size_t i = 0; i < n; i++) {
		if (parts[i].items != NULL && parts[i].n == 0)
			batch_drop(b, at, &empty);
		at += parts[i].n > 0 ? parts[i].n : 1;
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_split_json = {
	.name = "split_json",
	.args = args,
	.args_size = sizeof(struct split_json_args),
	.type = &type,
	.doc = "Splits a JSON array into entries.",
};

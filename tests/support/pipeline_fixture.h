/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Stage blocks as text → a pipeline, and batches for it. For the tests and the fuzz target of stages; a header
 * because each of them is one program.
 */
#include <stdbool.h>

#include "longship/base/check.h"
#include "longship/flow/memory.h"
#include "longship/flow/pipeline.h"
#include "longship/lang/args.h"
#include "longship/lang/eval.h"
#include "longship/lang/parse.h"

struct fixture {
	struct arena *config;
	struct source source;
	struct diags diags;
	struct metrics *metrics;
	struct variant_list stages;
	struct pipeline *pipeline; /* NULL: diags say why */
	struct arena *arena; /* of a batch */
	struct labels_table *table;
	struct memory memory;
};

static inline const struct arg_spec *
fixture_spec(void)
{
	static const struct arg_spec spec[] = {
		{.name = "stage", .kind = ARG_ENUM_BLOCKS, .variants = stage_variants, .doc = "Steps."},
		{0},
	};

	return spec;
}

static inline void
fixture_init(struct fixture *f, const char *stages)
{
	struct eval_env env = {.module_path = "/"};
	struct body *body;
	uint32_t file;

	*f = (struct fixture){.config = arena_new(0), .arena = arena_new(0), .table = labels_table_new(), .metrics = metrics_new()};
	source_init(&f->source, f->config);
	diags_init(&f->diags, f->config, &f->source);
	file = source_add(&f->source, STR("test.alloy"), arena_printf(f->config, "p {\n%s\n}\n", stages));
	body = parse_file(f->config, &f->source, file, &f->diags);
	if (body != NULL && args_decode(fixture_spec(), body->stmts[0].block, "", &env, f->config, &f->stages, &f->diags))
		f->pipeline = pipeline_new("loki.process.t", &f->stages, f->metrics, &f->diags);
}

static inline void
fixture_done(struct fixture *f)
{
	pipeline_free(f->pipeline);
	metrics_free(f->metrics);
	labels_table_free(f->table);
	diags_done(&f->diags);
	arena_free(f->arena);
	arena_free(f->config);
}

/* An empty batch for cap entries. */
static inline struct batch *
fixture_batch(struct fixture *f, size_t cap)
{
	struct batch *b = batch_new(f->arena, f->table, cap);

	b->memory = &f->memory;
	return b;
}

/* label may be NULL; else it is the value of the label "l". */
static inline void
fixture_add(struct fixture *f, struct batch *b, struct str line, const char *label, int64_t ts)
{
	struct label l = {STR("l"), str_from(label)};

	assert(b->n < b->cap);
	b->line[b->n] = line;
	b->ts[b->n] = ts;
	b->labels[b->n] = labels_intern(f->table, &l, label != NULL);
	b->origin[b->n] = (struct origin){.line = (uint32_t)b->n, .lines = 1};
	b->n++;
}

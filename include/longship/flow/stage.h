/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A stage of loki.process: one file in src/stage/, which exports one const struct stage_type and nothing
 * else. A stage works on a whole batch in place, allocates only from the batch's arena, reads no clock and
 * no random source, and never sleeps. The runner (flow/pipeline.h) counts entries, drops and time.
 */
#include "longship/flow/batch.h"
#include "longship/flow/columns.h"
#include "longship/flow/metric.h"
#include "longship/lang/args.h"

struct stage_builder {
	struct arena *arena; /* of the pipeline: the stage's state lives here */
	struct columns *columns;
	struct metrics *metrics; /* NULL when only checking */
	const char *component_id;
	struct src_pos pos; /* of the stage's block */
	struct diags *diags;
	size_t ordinal; /* number of the stage in its pipeline, inner ones counted on */
};

struct stage_type {
	const char *name; /* "json" */
	const struct arg_spec *args;
	size_t args_size;
	/* Makes the stage's state; NULL with a diagnostic on failure. Called for checking, too: no side effects beyond arena,
	 * columns and metrics. */
	void *(*build)(struct stage_builder *, const void *args);
	void (*apply)(void *state, struct batch *);
	const char *doc; /* one sentence */
};

/* The reason under which this stage drops, with loki_process_dropped_lines_total{reason}. */
const struct drop_reason *stage_drop_reason(struct stage_builder *, struct str name);

/* All stages (src/stage/catalog.c), NULL-terminated, as variants of "stage". */
extern const struct arg_variant *const stage_variants[];

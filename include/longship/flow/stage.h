/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A stage of loki.process: one file in src/stage/, which exports one const struct arg_variant (name,
 * arguments, sentence), whose `type` is its struct stage_type. A stage works on a whole batch in place,
 * allocates only from the batch's arena, reads no clock and no random source, and never sleeps. The runner
 * (flow/pipeline.h) counts entries, drops and time.
 */
#include "longship/flow/batch.h"
#include "longship/flow/columns.h"
#include "longship/flow/metric.h"
#include "longship/lang/args.h"

struct regex;
struct holds;
struct way;

#define STAGE_NO_COLUMN SIZE_MAX /* as a source: the line */

struct stage_builder {
	struct arena *arena; /* of the pipeline: the stage's state lives here */
	struct columns *columns;
	struct metrics *metrics; /* NULL when only checking */
	const char *component_id;
	const char *stage;  /* "json" */
	struct src_pos pos; /* of the stage's block */
	struct diags *diags;
	const struct way *way; /* from this stage on (flow/pipeline.h) */
	struct holds **holds;  /* what the pipeline's stages hold: the list's head */
	size_t ordinal;	      /* number of the stage in its pipeline, inner ones counted on */
	size_t *next_ordinal; /* the runner's */
};

struct stage_type {
	/* Makes the stage's state; NULL with a diagnostic on failure. Called for checking, too: no side effects beyond
	 * arena, columns and metrics. */
	void *(*build)(struct stage_builder *, const void *args);
	void (*apply)(void *state, struct batch *);
};

/* Reports an error at the stage's block; returns NULL, so that build can `return stage_fail(b, "…")`. */
void *stage_fail(struct stage_builder *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The reason under which this stage drops, with loki_process_dropped_lines_total{reason}. */
const struct drop_reason *stage_drop_reason(struct stage_builder *, struct str name);
/*
 * A way in which this stage cannot work on an entry, which then goes on as it is: counted in
 * longship_stage_failures_total{stage,line,reason}, and logged with component, stage and place, at a limited rate. reason is a
 * constant: series are as many as the configuration has stages and stages have reasons. stage_failed: for n entries of a batch, once a batch.
 */
struct stage_failure;
struct stage_failure *stage_failure_new(struct stage_builder *, const char *reason);
void stage_failed(struct stage_failure *, struct batch *, size_t n);
/* An expression in the pipeline's arena. NULL with a diagnostic: the prefix (may be NULL) and Go's words. */
struct regex *stage_regex_compile(struct stage_builder *, struct str pattern, const char *prefix);
/* Prometheus' UTF-8 rule: not empty, well-formed. Beyond it, a name with a quote or backslash is refused: the language
 * takes quoted keys byte for byte, so "" and "\xfd" arrive with those, and Loki would refuse every push. */
bool stage_label_name_valid(struct str);

/*
 * The optional argument `source`: the column of the value, or STAGE_NO_COLUMN for the line when it is not given (s ==
 * NULL). Given but empty is an error ("empty source"): false.
 */
bool stage_source(struct stage_builder *, struct str source, size_t *ret_column);
/* What a stage reads: the line, or an extracted value as text; s is never NULL. False: there is none, or it has no
 * text. */
static inline bool stage_text(const struct batch *, size_t column, size_t i, struct str *ret);

/* A list of names that a stage's argument gives: copied into the pipeline's arena. */
struct stage_names {
	size_t n;
	struct str *items;
};
struct stage_names stage_names_copy(struct stage_builder *, const struct str_list *);
bool stage_names_have(const struct stage_names *, struct str name);
/* Of each entry's labels only those stay that are (keep) or are not among the names. */
void stage_filter_labels(const struct stage_names *, bool keep, struct batch *);

/* All stages (src/stage/catalog.c), NULL-terminated, as variants of "stage". */
extern const struct arg_variant *const stage_variants[];

/* For what is no string. */
bool stage_text_made(const struct batch *, size_t column, size_t i, struct str *ret);

static inline bool
stage_text(const struct batch *b, size_t column, size_t i, struct str *ret)
{
	const struct cell *cell = column != STAGE_NO_COLUMN ? &b->cells[column][i] : NULL;

	if (cell == NULL || cell->kind != CELL_STRING || cell->s == NULL)
		return stage_text_made(b, column, i, ret);
	*ret = (struct str){cell->s, cell->len};
	return true;
}

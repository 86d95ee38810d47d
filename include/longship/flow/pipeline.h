/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A pipeline: the stages of one loki.process (or of a stage.match inside it), built from decoded
 * blocks. Immutable after building; stages keep what changes in the batch's memory. Lanes share it.
 */
#include "longship/flow/stage.h"

struct pipeline;

/* NULL with diagnostics when a stage cannot be built. metrics may be NULL (checking only). */
struct pipeline *pipeline_new(
	const char *component_id, const struct variant_list *stages, struct metrics *, struct diags *);
void pipeline_free(struct pipeline *);
/* Runs all stages over the batch: enters (seeds columns), applies, compacts, leaves. The batch's mark column is set if
 * it was not. */
void pipeline_run(const struct pipeline *, struct batch *);
/* Where entries go that a stage has held and hands on later. Not called by pipeline_run. Lanes are parked, or not there yet. */
void pipeline_set_output(struct pipeline *, void (*output)(void *, struct batch *), void *ptr);
/* Outside of lanes: it is now that late, and (end) nothing more comes: stages hand on what they held. */
void pipeline_time(const struct pipeline *, int64_t now_ns, bool end);
/* For inspect: called after each stage. */
void pipeline_run_traced(const struct pipeline *, struct batch *,
	void (*after)(void *, const char *stage, const struct batch *), void *);
size_t pipeline_stages(const struct pipeline *);

/* What a stage has seen. ns is 0 unless timing was on. Any thread. */
struct pipeline_counts {
	const char *stage; /* "json" */
	uint64_t in, out, ns;
};
struct pipeline_counts pipeline_counts_of(const struct pipeline *, size_t stage);
/* Two readings of the clock a stage and batch; off at first. Any thread. */
void pipeline_timing(struct pipeline *, bool on);

/*
 * The inner pipeline of a stage: it shares the columns of the outer one, lives in the builder's arena, and runs
 * on a batch that has been entered. NULL with diagnostics.
 */
struct pipeline *pipeline_new_inner(struct stage_builder *, const struct variant_list *stages);
void pipeline_run_inner(const struct pipeline *, struct batch *);
/* Labels as they are now overwrite the extracted values of their names (reference 8.1). */
void pipeline_reseed(struct batch *);

/*
 * The way of an entry from one stage on, through the rest of its pipeline and of those around it, to the output. For stages that
 * hold entries: an entered batch without entries, and its run.
 */
struct batch *pipeline_way_batch(const struct way *, struct arena *, struct labels_table *, size_t cap);
void pipeline_way_run(const struct way *, struct batch *);

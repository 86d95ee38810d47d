/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A pipeline: the stages of one loki.process (or of a stage.match inside it), built from decoded
 * blocks. Immutable after building; stages keep what changes in the batch's memory. Lanes share it.
 */
#include "longship/flow/stage.h"

struct pipeline;

/* NULL with diagnostics when a stage cannot be built. metrics may be NULL (checking only). */
struct pipeline *pipeline_new(const char *component_id, const struct variant_list *stages, struct metrics *, struct diags *);
void pipeline_free(struct pipeline *);
/* Runs all stages over the batch: enters (seeds columns), applies, compacts, leaves. */
void pipeline_run(const struct pipeline *, struct batch *);
/* For inspect: called after each stage. */
void pipeline_run_traced(const struct pipeline *, struct batch *, void (*after)(void *, const char *stage, const struct batch *), void *);
size_t pipeline_stages(const struct pipeline *);

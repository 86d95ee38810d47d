/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The text output of inspect: for each entry what each stage changed of line, labels, time, structured metadata
 * and extracted values. A component that has no stages shows only what it forwards.
 */
#include <stdbool.h>

#include "longship/base/buf.h"
#include "longship/flow/component.h"
#include "longship/flow/metric.h"

struct trace;

/* The component is started and its receivers replaced. */
struct trace *trace_new(struct component *, struct metrics *, bool colour);
void trace_free(struct trace *);
/* Runs a batch of one entry through the component. */
void trace_run(struct trace *, struct batch *, struct buf *out);
/* What stages hold is handed on when it is that late, and (end) when nothing more comes. */
void trace_time(struct trace *, int64_t now_ns, bool end, struct buf *out);
/* Called by the collector with what the component forwards. */
void trace_forwarded(struct trace *, const struct batch *, struct buf *out);

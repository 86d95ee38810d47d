/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/receipt.h"
#include "longship/flow/stage.h"

/*
 * What stages could not work on. The series of a pipeline are made with it, at 0, and go with it; the log tells at once and
 * then, summed up, every LOG_INTERVAL_NS. Only that looks at a clock: what becomes of an entry does not depend on it.
 */

#define LOG_INTERVAL_NS (10 * 60 * NS_PER_S)

struct stage_failure {
	const char *component_id, *stage, *place, *reason;
	struct metrics *metrics; /* NULL: nobody counts */
	struct metric *metric;
	_Atomic uint64_t unlogged;
	_Atomic int64_t logged_ns; /* 0: never */
};

static void
release(void *ptr)
{
	struct stage_failure *f = ptr;

	metric_release(f->metrics, f->metric);
}

struct stage_failure *
stage_failure_new(struct stage_builder *b, const char *reason)
{
	struct stage_failure *f = arena_make(b->arena, struct stage_failure);
	uint32_t line = 0, column = 0;
	char number[16] = "";

	f->component_id = arena_z(b->arena, str_from(b->component_id));
	f->stage = b->stage;
	f->reason = reason;
	f->place = "-";
	if (b->diags->source != NULL && b->pos.file > 0) {
		source_line_col(b->diags->source, b->pos, &line, &column);
		f->place = arena_printf(b->arena, "%.*s:%" PRIu32 ":%" PRIu32, STR_FMT(b->diags->source->files[b->pos.file - 1].name), line,
			column).s;
		(void)snprintf(number, sizeof(number), "%" PRIu32, line);
	}
	f->metrics = b->metrics;
	if (f->metrics == NULL)
		return f;
	f->metric = metric_hold_labels(f->metrics, METRIC_COUNTER, "longship_stage_failures_total",
		"Entries that a stage could not work on, which went on without it, by the stage's line in the configuration", NULL, 0,
		f->component_id,
		(const struct metric_label[]){{STR("stage"), str_from(f->stage)}, {STR("line"), str_from(number)}, {STR("reason"), str_from(reason)}}, 3);
	arena_defer(b->arena, release, f);
	return f;
}

/* One of the lanes that come at a time gets the word. */
static bool
may_log(struct stage_failure *f)
{
	int64_t now = clock_mono_ns(), last = atomic_load_explicit(&f->logged_ns, memory_order_relaxed);

	return (last == 0 || now - last >= LOG_INTERVAL_NS) && atomic_compare_exchange_strong(&f->logged_ns, &last, now);
}

void
stage_failed(struct stage_failure *f, struct batch *b, size_t n)
{
	if (n == 0)
		return;
	b->failure = f->reason;
	if (f->metrics == NULL || (b->receipt != NULL && (b->receipt->again || b->receipt->silent)))
		return;
	metric_add(f->metric, n);
	(void)atomic_fetch_add_explicit(&f->unlogged, n, memory_order_relaxed);
	if (may_log(f))
		log_warn(f->component_id, "a stage cannot work on lines; they go on without it", "stage", f->stage, "at", f->place, "reason", f->reason,
			"lines", log_i64((int64_t)atomic_exchange(&f->unlogged, 0)), NULL);
}

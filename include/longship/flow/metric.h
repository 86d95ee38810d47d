/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * longship's own metrics: families with a name, help and type, each with series by labels. A series'
 * address is stable until metric_remove; counting is one relaxed atomic and needs no lock. Registering,
 * removing and printing take the registry's lock. Any thread. Text format: Prometheus exposition 0.0.4.
 * All series of one component can be removed at once. Series per family are limited (METRIC_SERIES_MAX):
 * beyond that a series {overflow="true"} is shared and counted.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"

#define METRIC_SERIES_MAX 10000

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metrics; /* the registry */

struct metric_histogram {
	size_t n; /* buckets without +Inf */
	const double *bounds; /* ascending */
	_Atomic uint64_t *counts; /* n + 1 */
	_Atomic uint64_t count;
	_Atomic double sum;
};

struct metric { /* one series */
	_Atomic uint64_t count; /* METRIC_COUNTER, METRIC_GAUGE of whole numbers */
	_Atomic double gauge; /* METRIC_GAUGE when `is_double` */
	bool is_double;
	struct metric_histogram *histogram;
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *);

/* The series name{labels}; made at 0 when new. labels: pairs name, value, …, NULL. owner: the component's id
 * (adds component_id and component_path="/") or NULL. help and name must live for ever. */
struct metric *metric_get(struct metrics *, enum metric_type, const char *name, const char *help, const char *owner, ...) __attribute__((sentinel));
/* The same with bounds, for histograms. */
struct metric *metric_histogram_get(struct metrics *, const char *name, const char *help, const double *bounds, size_t n_bounds, const char *owner, ...)
	__attribute__((sentinel));
void metric_remove(struct metrics *, struct metric *);
/* Removes all series of a component. */
void metrics_remove_owner(struct metrics *, const char *owner);

static inline void
metric_add(struct metric *m, uint64_t n)
{
	atomic_fetch_add_explicit(&m->count, n, memory_order_relaxed);
}
/* Gauges. */
void metric_set(struct metric *, double value);
void metric_observe(struct metric *, double value);

/* Called at the start of each scrape, before printing, to fill gauges and counters that are kept elsewhere. */
void metrics_on_scrape(struct metrics *, void (*fn)(void *), void *ptr);
void metrics_off_scrape(struct metrics *, void (*fn)(void *), void *ptr);
/* Runs the scrape hooks and prints all families, sorted by name. */
void metrics_print(struct metrics *, struct buf *);

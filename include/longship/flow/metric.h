/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * longship's own metrics: families with a name, help and type, each with series by labels. A series'
 * address is stable until metric_remove; counting is one relaxed atomic and needs no lock. Registering,
 * removing and printing take the registry's lock. Any thread. Text format: Prometheus exposition 0.0.4.
 * All series of one component can be removed at once. Series per family are limited (METRIC_SERIES_MAX):
 * beyond that a series {overflow="true"} is shared and counted (longship_metric_series_overflow_total);
 * metric_remove leaves that one alone.
 *
 * Label values may hold any bytes; what would make the page unreadable is mended here: invalid UTF-8
 * becomes U+FFFD, other characters than [a-zA-Z0-9_] in names "_", of two labels with one name the
 * first stays (component_id always wins). One name with two types (two components' stage.metrics):
 * the first family is printed, the series of the other still count (longship_metric_conflicts_total).
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"

#define METRIC_SERIES_MAX 10000
#define METRIC_LABELS_BYTES_MAX (4u << 10) /* labels of one series as text, twice what Loki takes as a value; more counts as overflow */

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metrics; /* the registry */

struct metric_histogram {
	size_t n;		  /* buckets without +Inf */
	const double *bounds;	  /* ascending */
	_Atomic uint64_t *counts; /* n + 1 */
	_Atomic uint64_t count;
	_Atomic double sum;
};

struct metric {			/* one series */
	_Atomic uint64_t count; /* METRIC_COUNTER, METRIC_GAUGE of whole numbers */
	_Atomic double gauge;	/* METRIC_GAUGE when `is_double` */
	_Atomic bool is_double; /* by the first metric_set: from then on `gauge` is printed */
	struct metric_histogram *histogram;
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *);

struct metric_label {
	struct str name, value;
};

/* The series name{labels}; made at 0 when new, else the one that is there (no reference count: one metric_remove
 * ends it). labels: pairs name, value, …, NULL. owner: the component's id (adds component_id and
 * component_path="/") or NULL. Everything is copied. Never NULL. */
struct metric *metric_get(struct metrics *, enum metric_type, const char *name, const char *help, const char *owner,
	...) __attribute__((sentinel));
/* The same with bounds, for histograms. */
struct metric *metric_histogram_get(struct metrics *, const char *name, const char *help, const double *bounds,
	size_t n_bounds, const char *owner, ...) __attribute__((sentinel));
/* The same with the labels in an array, for labels known at run time only. bounds: NULL unless METRIC_HISTOGRAM. */
struct metric *metric_get_labels(struct metrics *, enum metric_type, const char *name, const char *help,
	const double *bounds, size_t n_bounds, const char *owner, const struct metric_label *labels, size_t n_labels);
void metric_remove(struct metrics *, struct metric *);
/* The same as metric_get_labels with a reference, for series that several may make and let go of (stage.metrics): the last
 * metric_release removes it. */
struct metric *metric_hold_labels(struct metrics *, enum metric_type, const char *name, const char *help,
	const double *bounds, size_t n_bounds, const char *owner, const struct metric_label *labels, size_t n_labels);
void metric_release(struct metrics *, struct metric *);
/* Removes all series of a component. */
void metrics_remove_owner(struct metrics *, const char *owner);

static inline void
metric_add(struct metric *m, uint64_t n)
{
	atomic_fetch_add_explicit(&m->count, n, memory_order_relaxed);
}
/* For gauges of whole numbers, which may go below zero. */
static inline void
metric_sub(struct metric *m, uint64_t n)
{
	atomic_fetch_sub_explicit(&m->count, n, memory_order_relaxed);
}
/* Gauges and counters of fractions (seconds). A series is either set or added to, not both. */
void metric_set(struct metric *, double value);
void metric_observe(struct metric *, double value);
/* To a series that is a double: set, or only added to in this way. */
void metric_add_double(struct metric *, double value);

/* Called at the start of each scrape, before printing, to fill gauges and counters that are kept elsewhere. fn may get
 * and remove series, but not add or remove hooks. After metrics_off_scrape fn no longer runs. */
void metrics_on_scrape(struct metrics *, void (*fn)(void *), void *ptr);
void metrics_off_scrape(struct metrics *, void (*fn)(void *), void *ptr);
/* Runs the scrape hooks and prints all families, sorted by name. */
void metrics_print(struct metrics *, struct buf *);

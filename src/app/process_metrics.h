/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Metrics of the process and the build: process_*, alloy_resources_*, alloy_build_info. Filled at each scrape
 * from /proc; what cannot be read keeps its last value.
 */
#include <stdint.h>

struct metrics;

void process_metrics_init(struct metrics *);
void process_metrics_done(struct metrics *);
/* When the process started, CLOCK_REALTIME. */
int64_t process_metrics_start_ns(void);

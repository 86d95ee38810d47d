/* SPDX-License-Identifier: Apache-2.0 */
#include "config_metrics.h"

#include <string.h>

#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/flow/metric.h"

/* Unlike Alloy, where a configuration that parses but does not evaluate counts as a success, success here is that it
 * runs. */

struct config_metrics {
	struct metrics *registry;
	struct metric *hash, *successful, *timestamp, *failures;
};

struct config_metrics *
config_metrics_new(struct metrics *registry)
{
	struct config_metrics *metrics = mem_new(struct config_metrics);

	metrics->registry = registry;
	metrics->successful = metric_get(
		registry, METRIC_GAUGE, "alloy_config_last_load_successful", "Config loaded successfully.", NULL, NULL);
	metrics->timestamp = metric_get(registry, METRIC_GAUGE, "alloy_config_last_load_success_timestamp_seconds",
		"Timestamp of the last successful configuration load.", NULL, NULL);
	metrics->failures = metric_get(registry, METRIC_COUNTER, "alloy_config_load_failures_total",
		"Configuration load failures.", NULL, NULL);
	return metrics;
}

void
config_metrics_free(struct config_metrics *metrics)
{
	mem_free(metrics);
}

void
config_metrics_loaded(struct config_metrics *metrics, bool ok, const char *hash)
{
	static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

	metric_set(metrics->successful, ok ? 1 : 0);
	if (ok)
		metric_set(metrics->timestamp, (double)(clock_now_ns() / NS_PER_S));
	else
		metric_add(metrics->failures, 1);
	/* The hash is that of the active configuration; before there is one, Alloy shows zeros. */
	if (!ok && metrics->hash != NULL)
		return;
	if (metrics->hash != NULL)
		metric_remove(metrics->registry, metrics->hash);
	metrics->hash = metric_get(metrics->registry, METRIC_GAUGE, "alloy_config_hash",
		"Hash of the currently active config file.", NULL, "sha256", ok && hash[0] != '\0' ? hash : zeros,
		"cluster_name", "", NULL);
	metric_set(metrics->hash, 1);
}

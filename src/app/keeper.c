/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include <string.h>

#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/budget.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"
#include "longship/positions/positions.h"

/*
 * Positions are expired once, some minutes after the start: the store knows when a stream was written or declared, but
 * a quiet file that is followed since the start is neither for as long as the process runs.
 */

#define LOOK_NS	  (60 * NS_PER_S) /* a store that fails keeps all in memory meanwhile */
#define EXPIRE_NS (600 * NS_PER_S)

struct keeper {
	struct runtime *runtime;
	struct loop_timer *timer;
	int64_t start_ns; /* monotonic */
	bool expired;
	int last_error;
};

static void
set(struct keeper *keeper, enum metric_type type, const char *name, const char *help, uint64_t value)
{
	metric_set(metric_get(keeper->runtime->metrics, type, name, help, NULL, NULL), (double)value);
}

static void
on_scrape(void *ptr)
{
	struct keeper *keeper = ptr;
	struct positions_stats stats;

	set(keeper, METRIC_GAUGE, "longship_memory_used_bytes", "Memory of what is in flight.", budget_used());
	set(keeper, METRIC_GAUGE, "longship_memory_budget_bytes", "What --memory.budget allows.", budget_limit());
	positions_stats(keeper->runtime->positions, &stats);
	set(keeper, METRIC_GAUGE, "longship_positions_streams", "Source streams with a position.", stats.streams);
	set(keeper, METRIC_GAUGE, "longship_positions_file_bytes", "Size of the positions store.", stats.file_bytes);
	set(keeper, METRIC_COUNTER, "longship_positions_writes_total", "Writes to the positions store.", stats.writes);
	set(keeper, METRIC_COUNTER, "longship_positions_write_errors_total",
		"Writes that failed; their content is kept in memory.", stats.write_errors);
	set(keeper, METRIC_COUNTER, "longship_positions_syncs_total", "Times the positions store was made durable.",
		stats.syncs);
	set(keeper, METRIC_COUNTER, "longship_positions_compactions_total",
		"Times the positions store was written anew.", stats.compactions);
}

static void
look(void *ptr)
{
	struct keeper *keeper = ptr;
	int64_t now_ns = clock_mono_ns();
	struct positions_stats stats;

	positions_stats(keeper->runtime->positions, &stats);
	if (stats.last_error != 0 && keeper->last_error == 0)
		log_error(NULL, "positions cannot be written, a restart would send again what Loki has", "dir",
			keeper->runtime->storage_path, "err", strerror(stats.last_error), NULL);
	else if (stats.last_error == 0 && keeper->last_error != 0)
		log_info(NULL, "positions are written again", "dir", keeper->runtime->storage_path, NULL);
	keeper->last_error = stats.last_error;
	if (!keeper->expired && now_ns - keeper->start_ns >= EXPIRE_NS) {
		size_t n = positions_expire(keeper->runtime->positions, clock_now_ns(), KEEPER_POSITIONS_AGE_NS);

		keeper->expired = true;
		if (n > 0)
			log_info(NULL, "positions of streams that nobody followed for 30 days are forgotten", "streams",
				log_i64((int64_t)n), NULL);
	}
}

int
keeper_new(struct runtime *runtime, struct keeper **ret)
{
	struct keeper *keeper = mem_new(struct keeper);
	int r = loop_timer_new(runtime->loop, look, keeper, &keeper->timer);

	if (r < 0) {
		mem_free(keeper);
		return r;
	}
	keeper->runtime = runtime;
	keeper->start_ns = clock_mono_ns();
	metrics_on_scrape(runtime->metrics, on_scrape, keeper);
	loop_timer_start(keeper->timer, LOOK_NS, LOOK_NS);
	*ret = keeper;
	return 0;
}

void
keeper_free(struct keeper *keeper)
{
	if (keeper == NULL)
		return;
	metrics_off_scrape(keeper->runtime->metrics, on_scrape, keeper);
	loop_timer_free(keeper->timer);
	mem_free(keeper);
}

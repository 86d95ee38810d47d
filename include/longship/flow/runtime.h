/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What one running longship is made of: handed to every component. Made by app/cmd_run.c (or a command
 * that runs a part of it), which owns all of it; pointers are valid until the last component has
 * stopped. Parts that a command does not need are NULL.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum runtime_lags { LAGS_UNKNOWN, LAGS_NONE, LAGS_SOME };

struct runtime {
	struct loop *loop;           /* os/loop.h: the control thread's */
	struct metrics *metrics;     /* flow/metric.h */
	struct positions *positions; /* positions/positions.h; NULL: nothing is remembered (inspect, targets) */
	struct lanes *lanes;         /* flow/lane.h */
	struct sender *sender;       /* flow/sender.h */
	struct marks *marks;         /* flow/mark.h: hands out line times */
	struct http_access *http_access; /* flow/http_access.h: of longship's own server; NULL: there is none */
	struct watcher *watcher;     /* flow/watcher.h; NULL: sources poll */
	const char *storage_path;
	_Atomic int lags;            /* enum runtime_lags: whether the store knows destinations that lag (flow/lag.c) */
	bool sync_requests;          /* the times of lines are durable before the lines go out; else within a second */
	int64_t drain_timeout_ns;    /* of a graceful stop */
	uint64_t memory_budget_bytes;
};

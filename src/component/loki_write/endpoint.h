/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An endpoint of loki.write: its arguments, and its destinations, one per tenant. Made and freed while the
 * lanes are parked; destinations are found by lanes (one lock).
 */
#include <pthread.h>

#include "longship/base/map.h"
#include "longship/flow/component.h"
#include "longship/flow/dead_letter.h"
#include "longship/flow/http_login.h"
#include "longship/flow/http_settings.h"
#include "longship/flow/sender.h"

#define TENANT_BYTES_MAX 150 /* of a tenant's name that comes from an entry; Loki's limit */
#define TENANTS_MAX 1000 /* tenants of one endpoint: they can come from log content */

struct queue_args {
	int64_t capacity_bytes, min_shards, drain_timeout_ns;
	bool block_on_overflow;
};

struct endpoint_args {
	struct str url, name, tenant_id;
	int64_t batch_wait_ns, batch_size_bytes, remote_timeout_ns, min_backoff_ns, max_backoff_ns, max_backoff_retries, out_of_order_window_ns;
	bool retry_429;
	struct str_map headers;
	struct queue_args *queue;
	struct http_settings http;
	struct src_pos pos;
};

extern const struct arg_spec endpoint_spec[];
bool endpoint_check(const void *args, struct src_pos at, struct diags *);

struct endpoint {
	const struct endpoint_args *args;
	struct component *component;
	char *host;
	struct http_target *target; /* one reference */
	struct http_login *login; /* one reference */
	struct arena *arena;
	struct dead_letters *dead_letters; /* one reference; NULL: not configured */
	pthread_mutex_t lock;
	struct map destinations; /* tenant → struct destination, one reference each */
};

/* Never fails: files that it names are read when something is sent. */
struct endpoint *endpoint_new(struct component *, const struct endpoint_args *, struct dead_letters *);
void endpoint_free(struct endpoint *);
/* Without a reference; lives as long as the endpoint. NULL when there are too many tenants. */
struct destination *endpoint_destination(struct endpoint *, struct str tenant);

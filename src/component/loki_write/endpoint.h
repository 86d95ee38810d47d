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
#include "longship/flow/sender.h"
#include "longship/os/http_client.h"

#define TENANT_BYTES_MAX 150 /* of a tenant's name that comes from an entry; Loki's limit */
#define TENANTS_MAX 1000 /* tenants of one endpoint: they can come from log content */

struct basic_auth_args {
	struct str username, password, password_file;
};

struct tls_args {
	struct str ca_file, cert_file, key_file;
	bool insecure_skip_verify;
};

struct endpoint_args {
	struct str url, name, tenant_id, bearer_token, proxy_url, no_proxy;
	int64_t batch_wait_ns, batch_size_bytes, remote_timeout_ns, min_backoff_ns, max_backoff_ns, max_backoff_retries;
	bool retry_429, follow_redirects, enable_http2;
	struct str_map headers;
	struct basic_auth_args *basic_auth;
	struct tls_args *tls;
	struct src_pos pos;
};

extern const struct arg_spec endpoint_spec[];
bool endpoint_check(const void *args, struct src_pos at, struct diags *);

struct endpoint {
	const struct endpoint_args *args;
	struct component *component;
	char *host;
	struct http_options http;
	struct arena *arena; /* texts of http */
	struct dead_letters *dead_letters; /* one reference; NULL: not configured */
	pthread_mutex_t lock;
	struct map destinations; /* tenant → struct destination, one reference each */
};

/* NULL with the reason in component_fail when a file that it names cannot be read. */
struct endpoint *endpoint_new(struct component *, const struct endpoint_args *, struct dead_letters *);
void endpoint_free(struct endpoint *);
/* Without a reference; lives as long as the endpoint. NULL when there are too many tenants. */
struct destination *endpoint_destination(struct endpoint *, struct str tenant);

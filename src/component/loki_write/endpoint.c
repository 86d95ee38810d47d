/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/limits.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/runtime.h"

#define AT(field) offsetof(struct endpoint_args, field)
#define QUEUE(field) offsetof(struct queue_args, field)

static const struct arg_spec queue_spec[] = {
	{.name = "capacity", .kind = ARG_SIZE, .offset = QUEUE(capacity_bytes), .fallback = "\"10MiB\"", .min = 0, .max = INT64_MAX,
		.doc = "With block_on_overflow = false: bytes that may wait, in whole batches; else --memory.budget bounds them."},
	{.name = "min_shards", .kind = ARG_INT, .offset = QUEUE(min_shards), .fallback = "1", .min = 1, .max = INT64_MAX,
		.doc = "Without effect: as many requests are under way as there are lanes (--lanes)."},
	{.name = "drain_timeout", .kind = ARG_DURATION, .offset = QUEUE(drain_timeout_ns), .fallback = "\"15s\"", .min = 0, .max = INT64_MAX,
		.doc = "Without effect: what a stop leaves unsent is read again by the next start (--drain-timeout)."},
	{.name = "block_on_overflow", .kind = ARG_BOOL, .offset = QUEUE(block_on_overflow), .fallback = "true",
		.doc = "Reads no more while the queue is full; false gives up what comes then."},
	{0},
};

const struct arg_spec endpoint_spec[] = {
	{.kind = ARG_POS, .offset = AT(pos)},
	{.name = "url", .kind = ARG_STRING, .flags = ARG_REQUIRED, .offset = AT(url), .doc = "Full URL of the push endpoint, e.g. http://loki:3100/loki/api/v1/push."},
	{.name = "name", .kind = ARG_STRING, .offset = AT(name), .fallback = "\"\"", .doc = "Name of the endpoint; unique in the component."},
	{.name = "batch_wait", .kind = ARG_DURATION, .offset = AT(batch_wait_ns), .fallback = "\"1s\"", .min = 0, .max = INT64_MAX,
		.doc = "Longest time that an entry waits for others before it is sent."},
	{.name = "batch_size", .kind = ARG_SIZE, .offset = AT(batch_size_bytes), .fallback = "\"1MiB\"", .min = 1, .max = INT64_MAX,
		.doc = "Bytes of lines and metadata in one request; more than 32 MiB is taken as that."},
	{.name = "remote_timeout", .kind = ARG_DURATION, .offset = AT(remote_timeout_ns), .fallback = "\"10s\"", .min = NS_PER_MS,
		.max = INT64_MAX, .doc = "Time limit of one attempt to send."},
	{.name = "headers", .kind = ARG_STRING_MAP, .offset = AT(headers), .fallback = "{}", .doc = "Further request headers."},
	{.name = "min_backoff_period", .kind = ARG_DURATION, .offset = AT(min_backoff_ns), .fallback = "\"500ms\"", .min = NS_PER_MS,
		.max = INT64_MAX, .doc = "First wait after a failure."},
	{.name = "max_backoff_period", .kind = ARG_DURATION, .offset = AT(max_backoff_ns), .fallback = "\"5m\"", .min = NS_PER_MS,
		.max = INT64_MAX, .doc = "Longest wait between attempts."},
	{.name = "max_backoff_retries", .kind = ARG_INT, .offset = AT(max_backoff_retries), .fallback = "0", .min = 0, .max = INT64_MAX,
		.doc = "Attempts before the entries are given up; 0 tries for ever, which loses nothing."},
	{.name = "retry_on_http_429", .kind = ARG_BOOL, .offset = AT(retry_429), .fallback = "true",
		.doc = "Sends again what was rate-limited; false gives it up."},
	{.name = "out_of_order_window", .kind = ARG_DURATION, .offset = AT(out_of_order_window_ns), .fallback = "\"1h\"", .min = 0, .max = INT64_MAX,
		.doc = "Half of Loki's max_chunk_age: entries more than a quarter of it behind their stream's newest are sent apart from other streams, so that a "
		       "refusal shows; 0 sends them together."},
	{.name = "tenant_id", .kind = ARG_STRING, .offset = AT(tenant_id), .fallback = "\"\"",
		.doc = "Tenant for entries without a __tenant_id__ label."},
	{.kind = ARG_SQUASH, .offset = AT(http), .sub = http_settings_spec, .sub_size = sizeof(struct http_settings)},
	{.name = "queue_config", .kind = ARG_BLOCK, .offset = AT(queue), .sub = queue_spec, .sub_size = sizeof(struct queue_args),
		.doc = "What waits to be sent."},
	{0},
};

bool
endpoint_check(const void *ptr, struct src_pos at, struct diags *diags)
{
	const struct endpoint_args *a = ptr;
	struct str host;

	if (!http_settings_host(a->url, &host)) {
		diag_error(diags, at, "endpoint url \"%.*s\" is not an http:// or https:// URL", STR_FMT(a->url));
		return false;
	}
	return http_settings_check(&a->http, at, diags) && http_settings_check_headers(&a->headers, at, diags);
}

/* What is written in the configuration is obeyed, but its price is named once. */
static void
warn_of_losses(const struct endpoint *e)
{
	if (e->args->max_backoff_retries > 0)
		log_warn(e->component->id, "max_backoff_retries is set: entries are given up after so many attempts; 0 loses nothing",
			"url_host", e->host, "max_backoff_retries", log_i64(e->args->max_backoff_retries), NULL);
	if (e->args->batch_size_bytes > REQUEST_BYTES_MAX)
		log_warn(e->component->id, "batch_size is taken as 32 MiB: no request is larger", "url_host", e->host, NULL);
	if (e->args->queue != NULL && !e->args->queue->block_on_overflow)
		log_warn(e->component->id, "block_on_overflow is false: entries that come while the queue is full are given up; true loses nothing",
			"url_host", e->host, NULL);
	if (!e->args->retry_429)
		log_warn(e->component->id, "retry_on_http_429 is false: rate-limited entries are given up; true loses nothing", "url_host",
			e->host, NULL);
}

struct endpoint *
endpoint_new(struct component *c, const struct endpoint_args *args, struct dead_letters *dead_letters)
{
	struct endpoint *e = mem_new(struct endpoint);
	struct str host = STR_EMPTY;
	struct http_options http;

	e->args = args;
	e->component = c;
	e->dead_letters = dead_letters_ref(dead_letters);
	e->arena = arena_new(0);
	(void)pthread_mutex_init(&e->lock, NULL);
	map_init(&e->destinations);
	(void)http_settings_host(args->url, &host);
	e->host = (char *)(uintptr_t)arena_z(e->arena, host);
	http = http_settings_options(&args->http, e->arena, args->url, &args->headers);
	e->target = http_target_new(&http);
	e->login = http_login_new(&args->http);
	warn_of_losses(e);
	return e;
}

void
endpoint_free(struct endpoint *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < map_len(&e->destinations); i++)
		destination_unref(map_value(&e->destinations, i));
	map_done(&e->destinations);
	http_target_unref(e->target);
	http_login_unref(e->login);
	dead_letters_unref(e->dead_letters);
	(void)pthread_mutex_destroy(&e->lock);
	arena_free(e->arena);
	mem_free(e);
}

struct destination *
endpoint_destination(struct endpoint *e, struct str tenant)
{
	const struct destination_options options = {
		.remote_timeout_ns = e->args->remote_timeout_ns,
		.min_backoff_ns = e->args->min_backoff_ns,
		.max_backoff_ns = e->args->max_backoff_ns,
		.attempts_max = (uint64_t)e->args->max_backoff_retries,
		.retry_429 = e->args->retry_429,
		.dead_letters = e->dead_letters,
		.login = e->login,
	};
	struct destination *d;

	(void)pthread_mutex_lock(&e->lock);
	d = map_get(&e->destinations, tenant);
	if (d == NULL && map_len(&e->destinations) < TENANTS_MAX) {
		d = destination_new(e->component->runtime, e->component->id, e->target, str_from(e->host), tenant, &options);
		(void)map_set(&e->destinations, tenant, d);
	}
	(void)pthread_mutex_unlock(&e->lock);
	return d;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/duration.h"
#include "longship/base/hash.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/budget.h"
#include "longship/flow/dead_letter.h"
#include "longship/flow/http_login.h"
#include "longship/flow/runtime.h"
#include "sender_priv.h"

#define RETRY_AFTER_MAX_NS (3600 * NS_PER_S) /* a longer Retry-After is not believed */
#define LOG_INTERVAL_NS (10 * NS_PER_S)      /* of repeated warnings per destination */
#define UNREACHED_WAIT_NS_MAX (15 * NS_PER_S) /* where no connection came about, the next attempt costs nobody much */
#define TLS_LOG_INTERVAL_NS (60 * NS_PER_S)
#define QUOTED_REPLY_BYTES_MAX 1024          /* of a reply in the log */
#define FAILING_NS (1 * NS_PER_S)            /* of failures in a row before a destination is parked */

static const double duration_bounds[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
static const double size_bounds[] = {1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20,
	8 << 20, 16 << 20, 20 << 20};
static const double latency_bounds[] = {.1, .5, 1, 5, 10, 30, 60, 120, 300, 600};

static const char *const drop_reasons[] = {"ingester_error", "rate_limited", "stream_limited", "line_too_long", "queue_is_full"};

static _Atomic bool others_expected; /* destination_expect_others */

/* All that live, for destination_each. */
static struct {
	pthread_mutex_t lock;
	struct destination *first;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char *
copy(struct str s)
{
	char *z = mem_alloc(s.len + 1);

	if (s.len > 0)
		memcpy(z, s.s, s.len);
	z[s.len] = '\0';
	return z;
}

static struct metric *
counter(struct destination *d, const char *name, const char *help)
{
	return metric_get(d->runtime->metrics, METRIC_COUNTER, name, help, d->component_id, "host", d->host, "tenant", d->tenant, NULL);
}

static struct metric *
dropped_counter(struct destination *d, const char *name, const char *help, const char *reason)
{
	return metric_get(d->runtime->metrics, METRIC_COUNTER, name, help, d->component_id, "host", d->host, "tenant", d->tenant,
		"reason", reason, NULL);
}

static void
make_metrics(struct destination *d)
{
	d->encoded_bytes = counter(d, "loki_write_encoded_bytes_total", "Number of bytes encoded and ready to send.");
	d->sent_bytes = counter(d, "loki_write_sent_bytes_total", "Number of bytes sent.");
	d->sent_entries = counter(d, "loki_write_sent_entries_total", "Number of log entries sent to the ingester.");
	d->retries = counter(d, "loki_write_batch_retries_total", "Number of times batches have had to be retried.");
	d->size = metric_histogram_get(d->runtime->metrics, "loki_write_request_size_bytes", "Size of compressed requests in bytes.",
		size_bounds, ARRAY_LEN(size_bounds), d->component_id, "host", d->host, "tenant", d->tenant, NULL);
	d->latency = metric_histogram_get(d->runtime->metrics, "loki_write_entry_propagation_latency_seconds",
		"Time from an entry's reading to its storing.", latency_bounds, ARRAY_LEN(latency_bounds), d->component_id, "host",
		d->host, "tenant", d->tenant, NULL);
	d->parked = metric_get(d->runtime->metrics, METRIC_GAUGE, "longship_destination_parked",
		"1 while the destination takes nothing and its lines wait in their files.", d->component_id, "host", d->host, "tenant",
		d->tenant, NULL);
	for (size_t i = 0; i < ARRAY_LEN(drop_reasons); i++)
		destination_count_dropped(d, drop_reasons[i], 0, 0);
}

struct destination *
destination_new(struct runtime *runtime, const char *component_id, struct http_target *target, struct str host, struct str tenant,
	const struct destination_options *options)
{
	struct destination *d = mem_new(struct destination);
	const char *url = http_target_url(target);

	atomic_init(&d->refs, 1);
	d->runtime = runtime;
	d->component_id = copy(str_from(component_id));
	d->host = copy(host);
	d->tenant = copy(tenant);
	d->target = http_target_ref(target);
	d->options = *options;
	d->options.dead_letters = dead_letters_ref(options->dead_letters);
	d->options.login = http_login_ref(options->login);
	d->timeout_ns = options->remote_timeout_ns;
	atomic_init(&d->batch_bytes_max, UINT64_MAX);
	d->id = hash_str(tenant);
	d->id = hash_bytes(url, strlen(url), d->id);
	d->id = hash_bytes(component_id, strlen(component_id), d->id);
	if (tenant.len > 0) {
		size_t bytes = tenant.len + sizeof("X-Scope-OrgID: ");
		char *header = mem_alloc(bytes);

		(void)snprintf(header, bytes, "X-Scope-OrgID: %s", d->tenant);
		/* A tenant can come from a log line: no second header from it. */
		for (char *p = header; *p != '\0'; p++) {
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				*p = '_';
		}
		d->tenant_header = header;
	}
	make_metrics(d);
	(void)pthread_mutex_lock(&all.lock);
	d->next = all.first;
	all.first = d;
	(void)pthread_mutex_unlock(&all.lock);
	return d;
}

void
destination_ref(struct destination *d)
{
	(void)atomic_fetch_add(&d->refs, 1);
}

void
destination_unref(struct destination *d)
{
	if (d == NULL || atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	(void)pthread_mutex_lock(&all.lock);
	for (struct destination **at = &all.first; *at != NULL; at = &(*at)->next) {
		if (*at == d) {
			*at = d->next;
			break;
		}
	}
	(void)pthread_mutex_unlock(&all.lock);
	http_target_unref(d->target);
	http_login_unref(d->options.login);
	dead_letters_unref(d->options.dead_letters);
	mem_free(d->component_id);
	mem_free(d->host);
	mem_free(d->tenant);
	mem_free((void *)(uintptr_t)d->tenant_header);
	mem_free(d);
}

void
destination_count_dropped(struct destination *d, const char *reason, uint64_t entries, uint64_t bytes)
{
	metric_add(dropped_counter(d, "loki_write_dropped_entries_total",
			   "Number of log entries dropped because they could not be sent.", reason), entries);
	metric_add(dropped_counter(d, "loki_write_dropped_bytes_total", "Number of bytes dropped because they could not be sent.", reason),
		bytes);
}

void
destination_observe(struct destination *d, const struct request *r, const struct http_result *result)
{
	char status[16];

	(void)snprintf(status, sizeof(status), "%d", result->status > 0 ? result->status : -1);
	metric_observe(metric_histogram_get(d->runtime->metrics, "loki_write_request_duration_seconds", "Duration of send requests.",
			       duration_bounds, ARRAY_LEN(duration_bounds), d->component_id, "status_code", status, "host", d->host, "tenant",
			       d->tenant, NULL),
		(double)result->duration_ns / (double)NS_PER_S);
	metric_observe(d->size, (double)r->body_bytes);
}

void
destination_works(struct destination *d)
{
	if (d->failures > 0)
		log_info(d->component_id, "sending works again", "host", d->host, "tenant", d->tenant, "failures",
			log_i64(d->failures), NULL);
	d->failures = 0;
	atomic_store(&d->failures_shown, 0);
	d->retry_at_ns = 0;
	d->failing_ns = 0;
	d->worked_ns = clock_mono_ns();
	destination_set_state(d, DESTINATION_OPEN);
}

uint64_t
destination_id(const struct destination *d)
{
	return d->id;
}

bool
destination_is_open(const struct destination *d)
{
	return atomic_load(&d->state) == DESTINATION_OPEN;
}

bool
destination_has_probe(const struct destination *d)
{
	return atomic_load(&d->state) == DESTINATION_PROBE;
}

bool
destination_take_probe(struct destination *d)
{
	int probe = DESTINATION_PROBE;

	if (!destination_has_probe(d))
		return false;
	atomic_store(&d->probe_ns, clock_mono_ns());
	return atomic_compare_exchange_strong(&d->state, &probe, DESTINATION_PROBING);
}

void
destination_return_probe(struct destination *d, bool sent)
{
	int probing = DESTINATION_PROBING;

	if (!sent)
		(void)atomic_compare_exchange_strong(&d->state, &probing, DESTINATION_PROBE);
}

void
destination_lags(struct destination *d, int n)
{
	(void)atomic_fetch_add(&d->lags, (unsigned)n);
}

/* Destinations that hold something: what memory is shared among. */
static _Atomic unsigned holders;

void
destination_take_bytes(struct destination *d, uint64_t bytes)
{
	if (bytes > 0 && atomic_fetch_add(&d->bytes, bytes) == 0)
		(void)atomic_fetch_add(&holders, 1);
}

void
destination_give_bytes(struct destination *d, uint64_t bytes)
{
	uint64_t before = bytes > 0 ? atomic_fetch_sub(&d->bytes, bytes) : 0;

	assert(before >= bytes);
	if (bytes > 0 && before == bytes)
		(void)atomic_fetch_sub(&holders, 1);
}

bool
destination_is_over_share(const struct destination *d)
{
	return atomic_load_explicit(&d->bytes, memory_order_relaxed) > budget_share(atomic_load_explicit(&holders, memory_order_relaxed));
}

void
destination_warn_full(struct destination *d, const char *name)
{
	int64_t now = clock_mono_ns(), before = atomic_load(&d->warned_ns);

	if ((before != 0 && now - before < 6 * LOG_INTERVAL_NS) || !atomic_compare_exchange_strong(&d->warned_ns, &before, now))
		return;
	log_warn(d->component_id, "a source waits for a destination that takes nothing: it cannot be read a second time, or too many destinations lag behind it",
		"source", name, "host", d->host, "tenant", d->tenant, NULL);
}

void
destination_set_state(struct destination *d, enum destination_state state)
{
	int before = atomic_exchange(&d->state, (int)state);

	metric_set(d->parked, state == DESTINATION_OPEN ? 0 : 1);
	if (before == DESTINATION_OPEN && state == DESTINATION_PARKED)
		log_warn(d->component_id, "parked: it takes nothing, others go on; its lines stay in their files and are read again when it takes them",
			"host", d->host, "tenant", d->tenant, "error", d->last_error, NULL);
	if (before != DESTINATION_OPEN && state == DESTINATION_OPEN)
		log_info(d->component_id, "takes requests again; what it has missed is read again", "host", d->host, "tenant", d->tenant,
			"sources", log_i64((int64_t)atomic_load(&d->lags)), NULL);
}

void
destination_reset(struct destination *d)
{
	atomic_store(&d->state, DESTINATION_OPEN);
	metric_set(d->parked, 0);
}

bool
destination_is_stuck(const struct destination *d, int64_t now, int64_t *again)
{
	int64_t at = INT64_MAX;

	if (d->failing_ns != 0)
		at = d->failing_ns + FAILING_NS;
	if (d->started_ns != 0 && d->started_ns + SILENT_NS < at)
		at = d->started_ns + SILENT_NS;
	if (at > now && at < *again)
		*again = at;
	return at <= now;
}

void
destination_expect_others(void)
{
	atomic_store(&others_expected, true);
}

/* With a single destination, waiting for it is all there is to do. When no other one is known to work, a refusal shows that at least the
 * server does. */
bool
destination_may_park(const struct destination *d, int64_t now)
{
	bool may = d->refuses && atomic_load(&others_expected);

	(void)pthread_mutex_lock(&all.lock);
	for (const struct destination *o = all.first; o != NULL && !may; o = o->next) {
		if (o == d || o->runtime != d->runtime)
			continue;
		may = d->refuses || (o->worked_ns != 0 && o->failing_ns == 0 && (o->started_ns == 0 || now - o->started_ns < SILENT_NS));
	}
	(void)pthread_mutex_unlock(&all.lock);
	return may;
}

void
destination_count_sent(struct destination *d, const struct request *r, uint64_t entries)
{
	metric_add(d->sent_bytes, r->body_bytes);
	metric_add(d->sent_entries, entries);
	metric_observe(d->latency, (double)(clock_now_ns() - r->oldest_ns) / (double)NS_PER_S);
}

/* Uniform in [0, n]. */
static int64_t
random_up_to(int64_t n)
{
	uint64_t word;

	if (n <= 0 || getrandom(&word, sizeof(word), GRND_NONBLOCK) != sizeof(word))
		return n;
	return (int64_t)(word % ((uint64_t)n + 1));
}

static int64_t
back_off(const struct destination *d, int64_t retry_after_ns)
{
	int64_t cap = d->options.min_backoff_ns, wait;

	for (unsigned i = 1; i < d->failures && cap < d->options.max_backoff_ns; i++)
		cap = cap > INT64_MAX / 2 ? INT64_MAX : cap * 2;
	if (cap > d->options.max_backoff_ns)
		cap = d->options.max_backoff_ns;
	wait = d->options.min_backoff_ns / 2 + random_up_to(cap - d->options.min_backoff_ns / 2);
	if (retry_after_ns > RETRY_AFTER_MAX_NS)
		retry_after_ns = RETRY_AFTER_MAX_NS;
	return wait > retry_after_ns ? wait : retry_after_ns;
}

/* A name that does not resolve yet, or a server that has moved to another address, is to be found soon. */
static int64_t
shorter_wait(const struct destination *d, int64_t wait)
{
	int64_t most = d->options.min_backoff_ns > UNREACHED_WAIT_NS_MAX ? d->options.min_backoff_ns : UNREACHED_WAIT_NS_MAX;

	return wait < most ? wait : most;
}

/* The first line of the reply, or curl's words. */
static const char *
say_why(struct arena *arena, const struct http_result *result)
{
	struct str line, rest;

	if (result->error != NULL)
		return result->error;
	(void)str_cut(str_head(result->body, QUOTED_REPLY_BYTES_MAX), '\n', &line, &rest);
	return arena_z(arena, line);
}

void
destination_note_error(struct destination *d, const struct http_result *result)
{
	struct arena *arena = arena_new(0);
	const char *why = say_why(arena, result);

	(void)pthread_mutex_lock(&all.lock);
	d->last_error_ns = clock_now_ns();
	if (result->status > 0)
		(void)snprintf(d->last_error, sizeof(d->last_error), "%d %s", (int)result->status, why);
	else
		(void)snprintf(d->last_error, sizeof(d->last_error), "%s", why);
	(void)pthread_mutex_unlock(&all.lock);
	arena_free(arena);
}

void
destination_look_at_tls(struct destination *d)
{
	const char *error = http_target_tls_error(d->target);

	if (error != NULL && log_rate(&d->tls_logged_ns, TLS_LOG_INTERVAL_NS))
		log_error(d->component_id, "changed certificates are not used; those of before are, where there were any", "host", d->host, "err",
			error, NULL);
}

const char *
destination_quote(struct destination *d)
{
	return d->last_error; /* written by this thread alone */
}

struct str
destination_tenant(const struct destination *d)
{
	return str_from(d->tenant);
}

struct str
destination_host(const struct destination *d)
{
	return str_from(d->host);
}

uint64_t
destination_batch_bytes_max(const struct destination *d)
{
	return atomic_load_explicit(&d->batch_bytes_max, memory_order_relaxed);
}

void
destination_each(void (*fn)(void *ptr, const struct destination_status *), void *ptr)
{
	(void)pthread_mutex_lock(&all.lock);
	for (struct destination *d = all.first; d != NULL; d = d->next)
		fn(ptr, &(struct destination_status){
				.component_id = d->component_id,
				.host = d->host,
				.tenant = d->tenant,
				.sent_bytes = atomic_load(&d->sent_bytes->count),
				.sent_entries = atomic_load(&d->sent_entries->count),
				.retries = atomic_load(&d->retries->count),
				.failures = atomic_load(&d->failures_shown),
				.state = (enum destination_state)atomic_load(&d->state),
				.lags = atomic_load(&d->lags),
				.last_error = d->last_error,
				.last_error_ns = d->last_error_ns,
			});
	(void)pthread_mutex_unlock(&all.lock);
}

void
destination_failed(struct destination *d, const struct request *r, const struct http_result *result, enum reply_kind kind)
{
	int64_t wait;
	char wait_text[DURATION_BYTES];
	struct arena *arena;

	d->failures++;
	if (d->failing_ns == 0)
		d->failing_ns = clock_mono_ns();
	d->refuses = result->status >= 400 && result->status < 500;
	if (atomic_load(&d->state) != DESTINATION_OPEN)
		destination_set_state(d, DESTINATION_PARKED);
	atomic_store(&d->failures_shown, d->failures);
	destination_note_error(d, result);
	wait = back_off(d, result->retry_after_ns);
	if (result->fault == HTTP_FAULT_NAME || result->fault == HTTP_FAULT_CONNECT)
		wait = shorter_wait(d, wait);
	d->retry_at_ns = clock_mono_ns() + wait;
	metric_add(d->retries, 1);
	if (!log_rate(&d->logged_ns, LOG_INTERVAL_NS))
		return;
	arena = arena_new(0);
	if (kind == REPLY_MISCONFIGURED)
		log_error(d->component_id,
			"Loki refuses the request itself: check url, credentials and tenant_id; nothing is lost, sending is tried again",
			"host", d->host, "tenant", d->tenant, "status", log_i64(result->status), "reply", say_why(arena, result), "attempt",
			log_i64((int64_t)r->attempts), "wait", duration_format(wait, wait_text), NULL);
	else
		log_warn(d->component_id, "error sending batch, will retry", "host", d->host, "tenant", d->tenant, "status",
			log_i64(result->status > 0 ? result->status : -1), "error", say_why(arena, result), "attempt",
			log_i64((int64_t)r->attempts), "wait", duration_format(wait, wait_text), NULL);
	arena_free(arena);
}

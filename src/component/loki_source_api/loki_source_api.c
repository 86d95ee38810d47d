/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loki.source.api: an HTTP server for pushes in Loki's own format and for plain lines. The server and all answers belong to
 * the control thread; bodies go through the intake to the lanes. A client is answered when its entries are stored, or durable where
 * their loki.write has a wal, or after ANSWER_NS with 503: of a push that no lane has begun nothing is taken then, one that is under way
 * may arrive all the same. A changed `http` block makes a new server; a reload gives up what is unsettled, so clients whose push was
 * under way get 503 and send it again.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "intake.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/flow/component.h"
#include "longship/flow/lane.h"
#include "longship/os/file.h"
#include "longship/os/http_server.h"
#include "longship/os/loop.h"

#define PEM_BYTES_MAX (1u << 20)   /* a bundle of all public authorities is a quarter of it */
#define TENANT_BYTES_MAX 150       /* Loki's own limit */
#define ANSWER_NS (9 * NS_PER_S)    /* what is not stored by then is answered 503: Promtail and Alloy give up after 10 s */
#define RETRY_NS (10 * NS_PER_S)   /* after a reload whose new address could not be opened */
#define BODIES_BYTES_MIN (4u << 20) /* of pushes at one time; else an eighth of the memory budget */

/* ---- Arguments ---- */

enum client_auth { CLIENT_UNSET, CLIENT_NONE, CLIENT_OPTIONAL, CLIENT_REQUIRED };
static const char *const client_auths[] = {"", "NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert", NULL};
enum tls_version { TLS_DEFAULT, TLS_12, TLS_13 };
static const char *const tls_versions[] = {"", "VersionTLS12", "VersionTLS13", NULL};

struct tls_args {
	struct str cert_pem, cert_file, key_pem, key_file, client_ca, client_ca_file;
	int client_auth_type, min_version;
	struct value cipher_suites;
};

struct http_args {
	struct str listen_address;
	int64_t listen_port, conn_limit, read_timeout_ns, write_timeout_ns, idle_timeout_ns;
	struct tls_args *tls;
	struct value *http2;
};

struct api_args {
	struct http_args *http;
	struct value *grpc;
	int64_t graceful_shutdown_timeout_ns;
	struct ptr_list forward_to;
	struct str_map labels;
	void *relabel_rules;
	bool use_incoming_timestamp;
	int64_t max_send_message_size;
};

static const struct arg_spec no_spec[] = {{0}};

static const struct arg_spec tls_spec[] = {
	{.name = "cert_pem", .kind = ARG_STRING, .offset = offsetof(struct tls_args, cert_pem), .doc = "The server's certificate."},
	{.name = "cert_file", .kind = ARG_STRING, .offset = offsetof(struct tls_args, cert_file), .doc = "The same from a file."},
	{.name = "key_pem", .kind = ARG_SECRET, .offset = offsetof(struct tls_args, key_pem), .doc = "The certificate's key."},
	{.name = "key_file", .kind = ARG_STRING, .offset = offsetof(struct tls_args, key_file), .doc = "The same from a file."},
	{.name = "client_ca", .kind = ARG_STRING, .offset = offsetof(struct tls_args, client_ca),
		.doc = "The authority that clients' certificates must come from."},
	{.name = "client_ca_file", .kind = ARG_STRING, .offset = offsetof(struct tls_args, client_ca_file),
		.doc = "The same from a file."},
	{.name = "client_auth_type", .kind = ARG_CHOICE, .offset = offsetof(struct tls_args, client_auth_type), .fallback = "\"\"",
		.choices = client_auths, .doc = "Whether clients must show a certificate."},
	{.name = "min_version", .kind = ARG_CHOICE, .offset = offsetof(struct tls_args, min_version), .fallback = "\"\"",
		.choices = tls_versions, .doc = "Oldest version of TLS; 1.2 by default."},
	{.name = "cipher_suites", .kind = ARG_ANY, .flags = ARG_UNSUPPORTED, .offset = offsetof(struct tls_args, cipher_suites),
		.doc = "The suites are those of the system's policy."},
	{0},
};

static bool
check_tls(const void *ptr, struct src_pos at, struct diags *diags)
{
	const struct tls_args *tls = ptr;
	bool ca = tls->client_ca.len > 0 || tls->client_ca_file.len > 0;

	if ((tls->cert_pem.len > 0) == (tls->cert_file.len > 0))
		diag_error(diags, at, "exactly one of cert_pem and cert_file must be configured");
	else if ((tls->key_pem.len > 0) == (tls->key_file.len > 0))
		diag_error(diags, at, "exactly one of key_pem and key_file must be configured");
	else if (tls->client_ca.len > 0 && tls->client_ca_file.len > 0)
		diag_error(diags, at, "at most one of client_ca and client_ca_file must be configured");
	else if (ca != (tls->client_auth_type >= CLIENT_OPTIONAL))
		diag_error(diags, at, "a client CA and a client_auth_type that verifies certificates need each other");
	else
		return true;
	return false;
}

static const struct arg_spec http_spec[] = {
	{.name = "listen_address", .kind = ARG_STRING, .offset = offsetof(struct http_args, listen_address), .fallback = "\"\"",
		.doc = "Address to listen on; empty for all."},
	{.name = "listen_port", .kind = ARG_INT, .offset = offsetof(struct http_args, listen_port), .fallback = "8080", .min = 0,
		.max = UINT16_MAX, .doc = "Port to listen on; 0 for any free one, which the log names."},
	{.name = "conn_limit", .kind = ARG_INT, .offset = offsetof(struct http_args, conn_limit), .fallback = "0", .min = 0,
		.max = 65536, .doc = "Connections at one time; 0 for 256."},
	{.name = "server_read_timeout", .kind = ARG_DURATION, .offset = offsetof(struct http_args, read_timeout_ns),
		.fallback = "\"30s\"", .max = INT64_MAX, .doc = "Time for a request's body to arrive."},
	{.name = "server_write_timeout", .kind = ARG_DURATION, .offset = offsetof(struct http_args, write_timeout_ns),
		.fallback = "\"30s\"", .max = INT64_MAX, .doc = "Accepted; an answer is a few bytes, and a client that does not take them ends with server_idle_timeout."},
	{.name = "server_idle_timeout", .kind = ARG_DURATION, .offset = offsetof(struct http_args, idle_timeout_ns),
		.fallback = "\"120s\"", .max = INT64_MAX, .doc = "Time after which a connection without traffic is closed."},
	{.name = "tls", .kind = ARG_BLOCK, .offset = offsetof(struct http_args, tls), .sub = tls_spec, .sub_size = sizeof(struct tls_args),
		.sub_check = check_tls, .doc = "Encryption."},
	{.name = "http2", .kind = ARG_BLOCK, .flags = ARG_UNSUPPORTED, .offset = offsetof(struct http_args, http2), .sub = no_spec,
		.sub_size = sizeof(struct value), .doc = "The server speaks HTTP/1.1, as Alloy's does by default."},
	{0},
};

static const struct arg_spec args[] = {
	{.name = "forward_to", .kind = ARG_CAPSULE_LIST, .flags = ARG_REQUIRED, .offset = offsetof(struct api_args, forward_to),
		.capsule = &capsule_logs_receiver, .doc = "Where entries go."},
	{.name = "labels", .kind = ARG_STRING_MAP, .offset = offsetof(struct api_args, labels), .fallback = "{}",
		.doc = "Labels for all entries; they win over those of the push."},
	{.name = "relabel_rules", .kind = ARG_CAPSULE, .offset = offsetof(struct api_args, relabel_rules),
		.capsule = &capsule_relabel_rules, .doc = "Rules for the labels of each pushed stream, after `labels`."},
	{.name = "use_incoming_timestamp", .kind = ARG_BOOL, .offset = offsetof(struct api_args, use_incoming_timestamp),
		.fallback = "false", .doc = "Whether entries keep the time of the push, not that of their arrival."},
	{.name = "max_send_message_size", .kind = ARG_SIZE, .offset = offsetof(struct api_args, max_send_message_size),
		.fallback = "\"100MiB\"", .min = 1, .max = INT64_C(1) << 30, .doc = "Largest push, packed and unpacked."},
	{.name = "graceful_shutdown_timeout", .kind = ARG_DURATION, .offset = offsetof(struct api_args, graceful_shutdown_timeout_ns),
		.fallback = "\"30s\"", .max = INT64_MAX, .doc = "Accepted; pushes under way get the drain time of the process."},
	{.name = "http", .kind = ARG_BLOCK, .offset = offsetof(struct api_args, http), .sub = http_spec, .sub_size = sizeof(struct http_args),
		.doc = "The HTTP server."},
	{.name = "grpc", .kind = ARG_BLOCK, .flags = ARG_UNSUPPORTED, .offset = offsetof(struct api_args, grpc), .sub = no_spec,
		.sub_size = sizeof(struct value), .doc = "Alloy opens a gRPC port here which serves no logs; leave the block out."},
	{0},
};

/* ---- State ---- */

enum route { ROUTE_PUSH, ROUTE_LOKI_PUSH, ROUTE_RAW, ROUTE_LOKI_RAW, ROUTE_READY, ROUTE_COUNT };
static const struct {
	const char *path, *name; /* as metrics call it */
	const char *method;
} routes[ROUTE_COUNT] = {
	[ROUTE_PUSH] = {"/api/v1/push", "api_v1_push", "POST"},
	[ROUTE_LOKI_PUSH] = {"/loki/api/v1/push", "loki_api_v1_push", "POST"},
	[ROUTE_RAW] = {"/api/v1/raw", "api_v1_raw", "POST"},
	[ROUTE_LOKI_RAW] = {"/loki/api/v1/raw", "loki_api_v1_raw", "POST"},
	[ROUTE_READY] = {"/ready", "ready", "GET"},
};

struct state;

struct api_route {
	struct state *state;
	struct metric *inflight;
};

/* A push that waits for its answer. */
struct waiter {
	struct http_request *http; /* NULL: the client has gone */
	struct api_route *route;
	int64_t since_ns;
};

struct state {
	struct component *component;
	struct intake *intake;
	struct http_server *server;
	struct loop_watch *watch;
	struct loop_timer *late;  /* runs while pushes wait */
	struct loop_timer *retry; /* runs when the address could not be opened by an update */
	struct api_route routes[ROUTE_COUNT];
	struct metric *connections;
	VEC(struct waiter *) waiters; /* in order of arrival */
	char oversize[96];
	char why[HTTP_SERVER_ERROR_BYTES + 64]; /* the server could not be opened */
};

static void
forget_waiter(struct state *s, const struct waiter *w)
{
	for (size_t i = 0; i < s->waiters.len; i++) {
		if (s->waiters.items[i] == w) {
			vec_remove(&s->waiters, i);
			break;
		}
	}
}

static void
respond(struct http_request *http, unsigned status, const char *text)
{
	const struct http_header retry = {"Retry-After", "1"};
	char line[INTAKE_ERROR_BYTES + 2];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	http_respond(http, &(struct http_response){.status = status, .body = {line, text[0] != '\0' ? (size_t)n : 0},
		.headers = &retry, .n_headers = status == 503});
}

static void
on_answer(void *ctx, void *request, unsigned status, const char *text)
{
	struct state *s = ctx;
	struct waiter *w = request;

	if (w->http != NULL) {
		metric_sub(w->route->inflight, 1);
		respond(w->http, status, text);
	}
	forget_waiter(s, w);
	mem_free(w);
}

/* ---- HTTP ---- */

static struct str
media_type(struct str header)
{
	struct str type, rest;

	(void)str_cut(header, ';', &type, &rest);
	return str_trim(type);
}

static bool
str_is_any_case(struct str s, const char *lower)
{
	return s.len == strlen(lower) && strncasecmp(s.s, lower, s.len) == 0;
}

static bool
parse_encoding(struct str header, enum intake_encoding *ret)
{
	if (header.len == 0)
		*ret = INTAKE_PLAIN;
	else if (str_is(header, "gzip"))
		*ret = INTAKE_GZIP;
	else if (str_is(header, "deflate"))
		*ret = INTAKE_DEFLATE;
	else if (str_is(header, "snappy"))
		*ret = INTAKE_SNAPPY;
	else
		return false;
	return true;
}

/* As in Alloy, a header that is no valid tenant counts as none. */
static struct str
parse_tenant(struct str header)
{
	if (header.len > TENANT_BYTES_MAX || str_is(header, ".") || str_is(header, ".."))
		return STR_EMPTY;
	for (size_t i = 0; i < header.len; i++) {
		char c = header.s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("!-_.*'()", c) != NULL))
			return STR_EMPTY;
	}
	return header;
}

static void
on_push(void *ctx, struct http_request *http)
{
	struct api_route *route = ctx;
	struct state *s = route->state;
	bool raw = route == &s->routes[ROUTE_RAW] || route == &s->routes[ROUTE_LOKI_RAW];
	struct str type = media_type(http_request_header(http, "Content-Type"));
	struct str encoding_text = http_request_header(http, "Content-Encoding");
	struct str tenant = parse_tenant(http_request_header(http, "X-Scope-OrgID"));
	enum intake_form form = INTAKE_PROTOBUF;
	enum intake_encoding encoding;
	char text[INTAKE_ERROR_BYTES];
	struct waiter *w;
	struct buf body;

	if (!parse_encoding(encoding_text, &encoding)) {
		(void)snprintf(text, sizeof(text), "Content-Encoding \"%.64s\" not supported", encoding_text.s);
		respond(http, 400, text);
		return;
	}
	if (!raw && type.len == 0) {
		respond(http, 400, "mime: no media type");
		return;
	}
	if (raw)
		form = INTAKE_RAW;
	else if (str_is_any_case(type, "application/json"))
		form = INTAKE_JSON;
	w = mem_new(struct waiter);
	w->http = http;
	w->route = route;
	w->since_ns = clock_mono_ns();
	if (!loop_timer_running(s->late))
		loop_timer_start(s->late, NS_PER_S, NS_PER_S);
	vec_push(&s->waiters, w);
	metric_add(route->inflight, 1);
	http_request_take_body(http, &body);
	intake_put(s->intake, w, form, encoding, &body, tenant);
}

/* Its client is no longer waited for. Frees it, or leaves that to its answer. */
static void
abandon(struct state *s, struct waiter *w)
{
	w->http = NULL;
	metric_sub(w->route->inflight, 1);
	if (intake_forget(s->intake, w)) {
		forget_waiter(s, w);
		mem_free(w);
	}
}

static void
on_gone(void *ctx, struct http_request *http)
{
	struct api_route *route = ctx;
	struct state *s = route->state;

	for (size_t i = 0; i < s->waiters.len; i++) {
		if (s->waiters.items[i]->http == http) {
			abandon(s, s->waiters.items[i]);
			return;
		}
	}
}

static void
on_late(void *ptr)
{
	struct state *s = ptr;
	int64_t before = clock_mono_ns() - ANSWER_NS;

	for (size_t i = s->waiters.len; i-- > 0;) {
		struct waiter *w = s->waiters.items[i];
		struct http_request *http = w->http;

		if (http == NULL || w->since_ns > before)
			continue;
		abandon(s, w);
		respond(http, 503, "the entries could not be stored in time, send them again");
	}
	if (s->waiters.len == 0)
		loop_timer_stop(s->late);
}

static void
on_ready(void *ctx, struct http_request *http)
{
	(void)ctx;
	http_respond(http, &(struct http_response){.status = 200, .body = STR("ready")});
}

static const double duration_bounds[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100};
#define MIB (1024. * 1024.)
static const double size_bounds[] = {1 * MIB, 2.5 * MIB, 5 * MIB, 10 * MIB, 25 * MIB, 50 * MIB, 100 * MIB, 250 * MIB};

static void
on_done(void *ctx, const struct http_done *done)
{
	struct state *s = ctx;
	const struct component *c = s->component;
	struct metrics *m = c->runtime->metrics;
	const char *name = "other";
	char status[16];

	for (size_t i = 0; i < ROUTE_COUNT; i++)
		if (done->route != NULL && done->route->ctx == &s->routes[i])
			name = routes[i].name;
	(void)snprintf(status, sizeof(status), "%u", done->status);
	metric_observe(metric_histogram_get(m, "loki_source_api_request_duration_seconds", "Time (in seconds) spent serving HTTP requests.",
		duration_bounds, ARRAY_LEN(duration_bounds), c->id, "method", done->method, "route", name, "status_code", status, "ws", "false",
		NULL), (double)done->duration_ns / 1e9);
	metric_observe(metric_histogram_get(m, "loki_source_api_request_message_bytes", "Size (in bytes) of messages received in the request.",
		size_bounds, ARRAY_LEN(size_bounds), c->id, "method", done->method, "route", name, NULL), (double)done->request_bytes);
	metric_observe(metric_histogram_get(m, "loki_source_api_response_message_bytes", "Size (in bytes) of messages sent in response.",
		size_bounds, ARRAY_LEN(size_bounds), c->id, "method", done->method, "route", name, NULL), (double)done->response_bytes);
}

static void
on_scrape(void *ptr)
{
	struct state *s = ptr;

	metric_set(s->connections, s->server != NULL ? http_server_connections(s->server) : 0);
}

static void
on_server(void *ptr, int fd, uint32_t events)
{
	struct state *s = ptr;

	(void)fd;
	(void)events;
	http_server_dispatch(s->server);
}

/* ---- The server's life ---- */

static int
read_pem(struct state *s, struct str pem, struct str file, struct buf *out)
{
	char path[4096];
	int r;

	buf_init(out, PEM_BYTES_MAX);
	if (file.len == 0) {
		(void)buf_str(out, pem);
		return 0;
	}
	(void)snprintf(path, sizeof(path), "%.*s", STR_FMT(file));
	r = file_read(path, out);
	if (r < 0)
		(void)snprintf(s->why, sizeof(s->why), "cannot read %.200s: %s", path, strerror(-r));
	return r;
}

static int
open_tls(struct state *s, const struct tls_args *tls, struct http_server_options *o, struct buf pems[3])
{
	int r = read_pem(s, tls->cert_pem, tls->cert_file, &pems[0]);

	if (r == 0)
		r = read_pem(s, tls->key_pem, tls->key_file, &pems[1]);
	if (r == 0)
		r = read_pem(s, tls->client_ca, tls->client_ca_file, &pems[2]);
	if (r == 0 && (pems[0].len == 0 || pems[1].len == 0)) {
		r = -EINVAL;
		(void)snprintf(s->why, sizeof(s->why), "the certificate or its key is empty");
	}
	o->tls_cert_pem = buf_view(&pems[0]);
	o->tls_key_pem = buf_view(&pems[1]);
	o->tls_client_ca_pem = buf_view(&pems[2]);
	o->tls_client_optional = tls->client_auth_type == CLIENT_OPTIONAL;
	o->tls_13_only = tls->min_version == TLS_13;
	return r;
}

static void
add_routes(struct state *s, size_t body_bytes_max)
{
	(void)snprintf(s->oversize, sizeof(s->oversize), "message size too large than max (%zu)\n", body_bytes_max);
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		bool push = i == ROUTE_PUSH || i == ROUTE_LOKI_PUSH;

		http_server_route(s->server, &(struct http_route){
			.method = routes[i].method,
			.path = routes[i].path,
			.handler = i == ROUTE_READY ? on_ready : on_push,
			.gone = i == ROUTE_READY ? NULL : on_gone,
			.ctx = &s->routes[i],
			.body_bytes_max = i == ROUTE_READY ? 0 : body_bytes_max,
			.oversize_status = push ? 400 : 413,
			.oversize_text = s->oversize,
		});
	}
}

/* What of a missing `http` block holds. */
static const struct http_args http_default = {
	.listen_address = {"", 0}, .listen_port = 8080, .read_timeout_ns = 30 * NS_PER_S, .idle_timeout_ns = 120 * NS_PER_S};

static int
open_server(struct component *c, const struct api_args *a)
{
	struct state *s = c->state;
	const struct http_args *http = a->http != NULL ? a->http : &http_default;
	uint64_t share = c->runtime->memory_budget_bytes / 8;
	char address[256], error[HTTP_SERVER_ERROR_BYTES];
	struct buf pems[3] = {0};
	struct http_server_options o = {
		.address = address,
		.port = (uint16_t)http->listen_port,
		.connections_max = (unsigned)http->conn_limit,
		.bodies_bytes_max = share > BODIES_BYTES_MIN ? share : BODIES_BYTES_MIN,
		.idle_timeout_ns = http->idle_timeout_ns,
		.read_timeout_ns = http->read_timeout_ns,
		.done = on_done,
		.ctx = s,
	};
	int r = http->tls != NULL ? open_tls(s, http->tls, &o, pems) : 0;

	(void)snprintf(address, sizeof(address), "%.*s", STR_FMT(http->listen_address));
	if (r == 0) {
		r = http_server_new(&o, &s->server, error);
		if (r < 0)
			(void)snprintf(s->why, sizeof(s->why), "%s", error);
	}
	for (size_t i = 0; i < ARRAY_LEN(pems); i++)
		buf_done(&pems[i]);
	if (r < 0)
		return r;
	add_routes(s, (size_t)a->max_send_message_size);
	r = loop_watch_new(c->runtime->loop, http_server_fd(s->server), EPOLLIN, on_server, s, &s->watch);
	assert(r == 0);
	log_info(c->id, "listening for pushes", "address", address, "port", log_i64(http_server_port(s->server)), NULL);
	return 0;
}

static void
close_server(struct state *s)
{
	loop_watch_free(s->watch);
	s->watch = NULL;
	http_server_free(s->server);
	s->server = NULL;
}

static struct intake_options
intake_options(const struct api_args *a)
{
	return (struct intake_options){
		.forward_to = &a->forward_to,
		.labels = &a->labels,
		.rules = a->relabel_rules,
		.use_incoming_timestamp = a->use_incoming_timestamp,
		.body_bytes_max = (size_t)a->max_send_message_size,
	};
}

static void
try_again(void *ptr)
{
	struct component *c = ptr;
	struct state *s = c->state;

	if (open_server(c, c->args) == 0) {
		loop_timer_stop(s->retry);
		component_set_health(c, HEALTH_HEALTHY, "listening");
	}
}

static void
api_stop(struct component *c)
{
	struct state *s = c->state;

	if (s->intake == NULL)
		return;
	metrics_off_scrape(c->runtime->metrics, on_scrape, s);
	loop_timer_free(s->retry);
	loop_timer_free(s->late);
	if (s->server != NULL)
		close_server(s);
	lanes_park(c->runtime->lanes);
	intake_free(s->intake);
	s->intake = NULL;
	lanes_resume(c->runtime->lanes);
	for (size_t i = 0; i < s->waiters.len; i++)
		mem_free(s->waiters.items[i]);
	vec_done(&s->waiters);
}

static int
api_start(struct component *c, const void *ptr)
{
	const struct api_args *a = ptr;
	const struct intake_options options = intake_options(a);
	struct metrics *m = c->runtime->metrics;
	struct state *s = c->state;
	int r;

	s->component = c;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		s->routes[i].state = s;
		s->routes[i].inflight = metric_get(m, METRIC_GAUGE, "loki_source_api_inflight_requests", "Current number of inflight requests.",
			c->id, "method", routes[i].method, "route", routes[i].name, NULL);
	}
	s->connections = metric_get(m, METRIC_GAUGE, "loki_source_api_tcp_connections", "Current number of accepted TCP connections.", c->id,
		"protocol", "http", NULL);
	s->intake = intake_new(c->runtime, c->id, &options, on_answer, s);
	metrics_on_scrape(m, on_scrape, s);
	r = loop_timer_new(c->runtime->loop, try_again, c, &s->retry);
	assert(r == 0);
	r = loop_timer_new(c->runtime->loop, on_late, s, &s->late);
	assert(r == 0);
	r = open_server(c, a);
	if (r == 0)
		return 0;
	api_stop(c);
	return component_fail(c, r, "%s", s->why);
}

static void
api_update(struct component *c, const void *old_ptr, const void *ptr)
{
	const struct api_args *old = old_ptr, *a = ptr;
	const struct intake_options options = intake_options(a);
	struct state *s = c->state;
	bool same = (old->http != NULL) == (a->http != NULL) && old->max_send_message_size == a->max_send_message_size &&
		(a->http == NULL || args_equal(http_spec, old->http, a->http));

	lanes_park(c->runtime->lanes);
	intake_update(s->intake, &options);
	lanes_resume(c->runtime->lanes);
	/* Certificates in files may have changed though their paths did not. */
	if (same && s->server != NULL && (a->http == NULL || a->http->tls == NULL))
		return;
	if (s->server != NULL)
		close_server(s);
	loop_timer_stop(s->retry);
	if (open_server(c, a) < 0) {
		component_set_health(c, HEALTH_UNHEALTHY, "%s; trying again every 10 s", s->why);
		log_error(c->id, "cannot listen for pushes", "err", s->why, NULL);
		loop_timer_start(s->retry, RETRY_NS, RETRY_NS);
	}
}

const struct component_type loki_source_api = {
	.name = "loki.source.api",
	.flags = COMPONENT_FORWARDS | COMPONENT_SOURCE,
	.args = args,
	.args_size = sizeof(struct api_args),
	.state_size = sizeof(struct state),
	.doc = "Takes log lines that others push over HTTP, in Loki's format or as plain text.",
	.start = api_start,
	.update = api_update,
	.stop = api_stop,
};

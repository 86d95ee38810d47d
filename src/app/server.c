/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/graph.h"
#include "longship/flow/http_access.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/os/http_server.h"
#include "longship/os/loop.h"

#include "status_page.h"

/*
 * The server copies what the `http` block says. User name and password count from the next request on; a
 * changed certificate needs a new listener, which is made a moment later, so that the answer to the reload that
 * brought it is still sent. When the new listener cannot be had, the old settings come back.
 */

#define PAGE_BYTES_MAX	 (64u << 20) /* of metrics or components */
#define RESTART_NS	 (200 * NS_PER_MS)
#define COMPONENT_PREFIX "/api/v0/web/components/"

struct server {
	struct runtime *runtime;
	struct server_hooks hooks;
	const struct graph *graph;
	char host[256];
	uint16_t port;
	struct http_server *http;
	struct loop_watch *watch;
	struct loop_timer *restart;
	struct http_access access; /* written by the block */
	struct arena *arena;	   /* of the copy */
	struct http_access copy;   /* in use */
};

static void
respond_buf(struct http_request *request, unsigned status, const char *type, struct buf *body)
{
	if (body->overflow) {
		http_respond_text(request, 500, "the answer is too large\n");
		buf_done(body);
		return;
	}
	/* A page of many tenants is large: there is but one copy of it. */
	http_respond(request, &(struct http_response){.status = status, .content_type = type, .body = buf_view(body), .body_given = true});
}

static void
on_metrics(void *ptr, struct http_request *request)
{
	struct server *server = ptr;
	struct buf body;

	buf_init(&body, PAGE_BYTES_MAX);
	metrics_print(server->runtime->metrics, &body);
	respond_buf(request, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

static void
on_ready(void *ptr, struct http_request *request)
{
	struct server *server = ptr;

	if (server->hooks.ready(server->hooks.ptr))
		http_respond_text(request, 200, "longship is ready.\n");
	else
		http_respond_text(request, 503, "longship is not ready.\n");
}

static void
on_healthy(void *ptr, struct http_request *request)
{
	struct server *server = ptr;
	bool any = false;
	struct buf body;

	buf_init(&body, PAGE_BYTES_MAX);
	for (size_t i = 0; server->graph != NULL && i < graph_len(server->graph); i++) {
		const struct component *component = graph_at(server->graph, i);
		struct graph_health health;

		graph_health(component, &health);
		if (health.health != HEALTH_UNHEALTHY)
			continue;
		buf_printf(&body, "%s%s", any ? ", " : "unhealthy components: ", component->type->name);
		any = true;
	}
	if (!any)
		buf_z(&body, "All longship components are healthy.");
	buf_putc(&body, '\n');
	respond_buf(request, any ? 500 : 200, NULL, &body);
}

static void
on_reload(void *ptr, struct http_request *request)
{
	struct server *server = ptr;
	struct buf why;

	buf_init(&why, PAGE_BYTES_MAX);
	if (server->hooks.reload(server->hooks.ptr, &why)) {
		buf_done(&why);
		http_respond_text(request, 200, "config reloaded\n");
		return;
	}
	buf_putc(&why, '\n');
	respond_buf(request, 400, NULL, &why);
}

static void
on_components(void *ptr, struct http_request *request)
{
	struct server *server = ptr;
	struct buf body;

	buf_init(&body, PAGE_BYTES_MAX);
	if (server->graph != NULL)
		graph_json_list(server->graph, &body);
	else
		buf_z(&body, "[]");
	respond_buf(request, 200, "application/json", &body);
}

static void
on_component(void *ptr, struct http_request *request)
{
	struct server *server = ptr;
	const char *id = http_request_path(request) + strlen(COMPONENT_PREFIX);
	struct buf body;

	buf_init(&body, PAGE_BYTES_MAX);
	if (server->graph != NULL && graph_json_component(server->graph, id, &body)) {
		respond_buf(request, 200, "application/json", &body);
		return;
	}
	buf_done(&body);
	http_respond_text(request, 404, "404 page not found\n");
}

static void
on_status(void *ptr, struct http_request *request)
{
	struct server *server = ptr;
	struct buf body;

	buf_init(&body, PAGE_BYTES_MAX);
	status_page_print(server->graph, &body);
	respond_buf(request, 200, "text/html; charset=utf-8", &body);
}

static bool
admits(void *ptr, struct str user, struct str password)
{
	return http_access_admits(ptr, user, password);
}

static bool
authorize(void *ptr, struct http_request *request)
{
	struct server *server = ptr;

	return !http_access_guards(&server->copy, str_from(http_request_path(request))) ||
	       http_request_basic_auth(request, admits, &server->copy);
}

static void
on_readable(void *ptr, int fd, uint32_t events)
{
	struct server *server = ptr;

	(void)fd, (void)events;
	http_server_dispatch(server->http);
}

static void
close_http(struct server *server)
{
	loop_watch_free(server->watch);
	server->watch = NULL;
	http_server_free(server->http);
	server->http = NULL;
}

static int
open_http(struct server *server, char error[SERVER_ERROR_BYTES])
{
	const struct http_route routes[] = {
		{.method = "GET", .path = "/metrics", .handler = on_metrics, .ctx = server},
		{.method = "GET", .path = "/-/ready", .handler = on_ready, .ctx = server},
		{.method = "GET", .path = "/-/healthy", .handler = on_healthy, .ctx = server},
		{.method = "GET", .path = "/-/reload", .handler = on_reload, .ctx = server},
		{.method = "POST", .path = "/-/reload", .handler = on_reload, .ctx = server},
		{.method = "GET", .path = "/api/v0/web/components", .handler = on_components, .ctx = server},
		{.method = "GET", .path = COMPONENT_PREFIX, .handler = on_component, .ctx = server},
	};
	const struct http_route status = {.method = "GET", .path = "/", .handler = on_status, .ctx = server};
	char why[HTTP_SERVER_ERROR_BYTES] = "";
	int r = http_server_new(
		&(struct http_server_options){
			.address = server->host,
			.port = server->port,
			.idle_timeout_ns = 120 * NS_PER_S,
			.read_timeout_ns = 30 * NS_PER_S,
			.tls_cert_pem = server->copy.tls_cert_pem,
			.tls_key_pem = server->copy.tls_key_pem,
			.tls_client_ca_pem = server->copy.tls_client_ca_pem,
			.tls_client_optional = server->copy.tls_client_optional,
			.tls_13_only = server->copy.tls_13_only,
			.authorize = authorize,
			.ctx = server,
		},
		&server->http, why);

	if (r >= 0)
		r = loop_watch_new(server->runtime->loop, http_server_fd(server->http), EPOLLIN, on_readable, server,
			&server->watch);
	if (r < 0) {
		/* The server's own reason names the address. */
		snprintf(error, SERVER_ERROR_BYTES, "%s", why[0] != '\0' ? why : strerror(-r));
		close_http(server);
		return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		http_server_route(server->http, &routes[i]);
	http_server_route(server->http, &status);
	server->port = http_server_port(server->http);
	return 0;
}

static bool
same_tls(const struct http_access *a, const struct http_access *b)
{
	return str_eq(a->tls_cert_pem, b->tls_cert_pem) && str_eq(a->tls_key_pem, b->tls_key_pem) &&
	       str_eq(a->tls_client_ca_pem, b->tls_client_ca_pem) && a->tls_client_optional == b->tls_client_optional &&
	       a->tls_13_only == b->tls_13_only;
}

static void
copy_access(struct arena *arena, const struct http_access *from, struct http_access *to)
{
	*to = *from;
	to->username = arena_str(arena, from->username);
	to->password = arena_str(arena, from->password);
	to->paths.items = arena_array(arena, struct str, from->paths.n + 1);
	for (size_t i = 0; i < from->paths.n; i++)
		to->paths.items[i] = arena_str(arena, from->paths.items[i]);
	to->tls_cert_pem = arena_str(arena, from->tls_cert_pem);
	to->tls_key_pem = arena_str(arena, from->tls_key_pem);
	to->tls_client_ca_pem = arena_str(arena, from->tls_client_ca_pem);
}

static void
on_access_changed(void *ptr)
{
	struct server *server = ptr;
	struct arena *arena = arena_new(0);
	struct http_access next;
	bool restart = !same_tls(&server->access, &server->copy);

	copy_access(arena, &server->access, &next);
	arena_free(server->arena);
	server->arena = arena;
	server->copy = next;
	if (restart && server->http != NULL)
		loop_timer_start(server->restart, RESTART_NS, 0);
}

/* A fault of the certificate leaves no server rather than an open one; the next reload tries again. */
static void
on_restart(void *ptr)
{
	struct server *server = ptr;
	char error[SERVER_ERROR_BYTES];

	close_http(server);
	if (open_http(server, error) < 0) {
		log_error(NULL, "HTTP server stopped", "err", error, NULL);
		loop_timer_start(server->restart, 10 * NS_PER_S, 0);
		return;
	}
	log_info(NULL, "now listening for http traffic", "addr", server->host, "tls",
		server->copy.tls_cert_pem.len > 0 ? "true" : "false", NULL);
}

/* "127.0.0.1:12345", "[::1]:0", ":12345". */
static bool
split_address(struct server *server, const char *listen_addr)
{
	const char *colon = strrchr(listen_addr, ':');
	struct str host = {listen_addr, colon != NULL ? (size_t)(colon - listen_addr) : 0};
	uint64_t port;

	if (colon == NULL || !str_to_u64(str_from(colon + 1), &port) || port > UINT16_MAX)
		return false;
	if (host.len >= 2 && host.s[0] == '[' && host.s[host.len - 1] == ']')
		host = (struct str){host.s + 1, host.len - 2};
	if (host.len >= sizeof(server->host))
		return false;
	memcpy(server->host, host.s, host.len);
	server->port = (uint16_t)port;
	return true;
}

int
server_new(struct runtime *runtime, const char *listen_addr, const struct server_hooks *hooks, struct server **ret,
	char error[SERVER_ERROR_BYTES])
{
	struct server *server = mem_new(struct server);
	int r = -EINVAL;

	server->runtime = runtime;
	server->hooks = *hooks;
	server->access = (struct http_access){.changed = on_access_changed, .ptr = server};
	if (!split_address(server, listen_addr))
		snprintf(error, SERVER_ERROR_BYTES, "\"%s\" is not an address of the form HOST:PORT", listen_addr);
	else
		r = open_http(server, error);
	if (r >= 0) {
		r = loop_timer_new(runtime->loop, on_restart, server, &server->restart);
		if (r < 0)
			snprintf(error, SERVER_ERROR_BYTES, "cannot make a timer: %s", strerror(-r));
	}
	if (r < 0) {
		server_free(server);
		return r;
	}
	runtime->http_access = &server->access;
	log_info(NULL, "now listening for http traffic", "addr", listen_addr, NULL);
	*ret = server;
	return 0;
}

void
server_free(struct server *server)
{
	if (server == NULL)
		return;
	server->runtime->http_access = NULL;
	close_http(server);
	loop_timer_free(server->restart);
	arena_free(server->arena);
	mem_free(server);
}

void
server_set_graph(struct server *server, const struct graph *graph)
{
	server->graph = graph;
}

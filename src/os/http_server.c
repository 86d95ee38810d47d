/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd with its epoll instance driven from outside. Our own epoll instance holds what wakes us: microhttpd's, a
 * timerfd for its timeouts, an eventfd for answers given outside of a dispatch, and the sockets of suspended requests,
 * which microhttpd does not watch: their hang-up is how a client that went away is noticed.
 *
 * A request lives from microhttpd's first call for it until its "completed" call. In between it is READING its body, in
 * the HANDLER, SUSPENDED until an answer comes, and ANSWERED: then microhttpd's next call for it (at once, or after
 * resuming) queues the response.
 */
#include "longship/os/http_server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <microhttpd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/os/tls.h"

#define SERVER_MAGIC 0x4775e24eu
#define REQUEST_MAGIC 0x4775e24fu
#define RUNS_MAX 64   /* of microhttpd in one dispatch, before other sources of the loop get their turn */
#define EVENTS_MAX 64
#define BACKLOG 128
#define DRAIN_BYTES_MAX (64u << 20) /* of a refused body are read so that the client sees our answer, not a reset */

enum request_state { REQUEST_READING, REQUEST_HANDLER, REQUEST_SUSPENDED, REQUEST_ANSWERED };

struct http_server {
	unsigned magic;
	struct MHD_Daemon *daemon;
	int epoll_fd, timer_fd, event_fd, listen_fd;
	uint16_t port;
	bool dispatching, ending;
	struct http_server_options options;
	char *pem[3];           /* certificate, key, client CA: microhttpd borrows them */
	struct http_route routes[HTTP_SERVER_ROUTES_MAX];
	size_t n_routes;
	VEC(struct http_request *) suspended;
	size_t bodies_bytes;
	char *error;            /* while starting: where microhttpd's messages go */
};

struct http_request {
	unsigned magic;
	enum request_state state;
	struct http_server *server;
	struct MHD_Connection *connection;
	const struct http_route *route;
	char method[16];
	char *path;
	struct buf body;
	size_t charged;         /* of server->bodies_bytes */
	uint64_t received;
	unsigned refusal;       /* status that will be answered instead of calling the handler */
	int64_t since_ns;
	bool head_only, counted;
	/* The answer. */
	struct MHD_Response *response;
	unsigned status;
	uint64_t response_bytes;
};

/* ---- Routes ---- */

static bool
path_matches(const struct http_route *route, const char *path)
{
	size_t len = strlen(route->path);

	if (len > 0 && route->path[len - 1] == '/')
		return strncmp(path, route->path, len) == 0;
	return strcmp(path, route->path) == 0;
}

/* The longest match; *ret_other says that only the method differs. */
static const struct http_route *
find_route(const struct http_server *server, const char *method, const char *path, const struct http_route **ret_other)
{
	const struct http_route *best = NULL;
	size_t best_len = 0;

	*ret_other = NULL;
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < server->n_routes; i++) {
		const struct http_route *route = &server->routes[i];
		size_t len = strlen(route->path);

		if (!path_matches(route, path))
			continue;
		if (strcmp(route->method, method) != 0) {
			if (*ret_other == NULL || len > strlen((*ret_other)->path))
				*ret_other = route;
		} else if (best == NULL || len > best_len) {
			best = route;
			best_len = len;
		}
	}
	return best;
}

void
http_server_route(struct http_server *server, const struct http_route *route)
{
	check_magic(server, SERVER_MAGIC);
	assert(server->n_routes < HTTP_SERVER_ROUTES_MAX);
	assert(route->path[0] == '/' && route->handler != NULL);
	server->routes[server->n_routes++] = *route;
}

/* ---- Requests ---- */

static struct http_request *
request_new(struct http_server *server, struct MHD_Connection *connection, const char *method, const char *path)
{
	struct http_request *req = mem_new(struct http_request);
	size_t len = strlen(path);

	req->magic = REQUEST_MAGIC;
	req->server = server;
	req->connection = connection;
	req->since_ns = clock_mono_ns();
	(void)snprintf(req->method, sizeof(req->method), "%s", method);
	req->head_only = strcmp(method, "HEAD") == 0;
	req->path = mem_alloc(len + 1);
	memcpy(req->path, path, len + 1);
	return req;
}

static void
request_forget_suspended(struct http_request *req)
{
	struct http_server *server = req->server;
	const union MHD_ConnectionInfo *info;

	for (size_t i = 0; i < server->suspended.len; i++) {
		if (server->suspended.items[i] != req)
			continue;
		vec_remove(&server->suspended, i);
		break;
	}
	info = MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info != NULL)
		(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, info->connect_fd, NULL);
}

static void
request_release_body(struct http_request *req)
{
	assert(req->server->bodies_bytes >= req->charged);
	req->server->bodies_bytes -= req->charged;
	req->charged = 0;
	buf_done(&req->body);
}

static void
request_free(struct http_request *req)
{
	assert(req->state != REQUEST_SUSPENDED);
	request_release_body(req);
	if (req->response != NULL)
		MHD_destroy_response(req->response);
	mem_free(req->path);
	req->magic = 0;
	mem_free(req);
}

const char *
http_request_method(const struct http_request *req)
{
	return req->method;
}

const char *
http_request_path(const struct http_request *req)
{
	return req->path;
}

static struct str
request_value(const struct http_request *req, enum MHD_ValueKind kind, const char *name)
{
	const char *value = NULL;
	size_t len = 0;

	check_magic(req, REQUEST_MAGIC);
	if (MHD_lookup_connection_value_n(req->connection, kind, name, strlen(name), &value, &len) != MHD_YES)
		return STR_EMPTY;
	return value != NULL ? (struct str){value, len} : STR("");
}

struct str
http_request_header(const struct http_request *req, const char *name)
{
	return request_value(req, MHD_HEADER_KIND, name);
}

struct str
http_request_query(const struct http_request *req, const char *name)
{
	return request_value(req, MHD_GET_ARGUMENT_KIND, name);
}

struct str
http_request_body(const struct http_request *req)
{
	return buf_view(&req->body);
}

void
http_request_take_body(struct http_request *req, struct buf *ret)
{
	/* Stays charged until the request ends: whoever takes a body does so to work on it before answering. */
	*ret = req->body;
	req->body = (struct buf){0};
}

const struct sockaddr *
http_request_peer(const struct http_request *req)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info != NULL ? info->client_addr : NULL;
}

bool
http_request_basic_auth(const struct http_request *req, bool (*use)(void *ctx, struct str user, struct str password),
	void *ctx)
{
	char *password = NULL;
	char *user = MHD_basic_auth_get_username_password(req->connection, &password);
	bool ok = false;

	if (user != NULL && password != NULL)
		ok = use(ctx, str_from(user), str_from(password));
	if (password != NULL) {
		explicit_bzero(password, strlen(password));
		MHD_free(password);
	}
	MHD_free(user);
	return ok;
}

/* ---- Answers ---- */

static void
wake(struct http_server *server)
{
	uint64_t one = 1;

	/* Fails only when it is readable already. */
	(void)!write(server->event_fd, &one, sizeof(one));
}

void
http_respond(struct http_request *req, const struct http_response *r)
{
	check_magic(req, REQUEST_MAGIC);
	assert(req->state != REQUEST_ANSWERED && req->response == NULL);
	assert(r->n_headers <= HTTP_SERVER_HEADERS_MAX);
	req->response = MHD_create_response_from_buffer(r->body.len, r->body.len > 0 || r->body_given ? (void *)(uintptr_t)r->body.s : NULL,
		r->body_given ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_MUST_COPY);
	assert(req->response != NULL);
	req->status = r->status;
	req->response_bytes = r->body.len;
	if (r->body.len > 0 || r->content_type != NULL)
		(void)MHD_add_response_header(req->response, MHD_HTTP_HEADER_CONTENT_TYPE,
			r->content_type != NULL ? r->content_type : "text/plain; charset=utf-8");
	for (size_t i = 0; i < r->n_headers; i++)
		(void)MHD_add_response_header(req->response, r->headers[i].name, r->headers[i].value);
	if (r->close)
		(void)MHD_add_response_header(req->response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (req->state == REQUEST_SUSPENDED) {
		request_forget_suspended(req);
		req->state = REQUEST_ANSWERED;
		MHD_resume_connection(req->connection);
		if (!req->server->dispatching)
			wake(req->server);
	}
	req->state = REQUEST_ANSWERED;
}

void
http_respond_text(struct http_request *req, unsigned status, const char *text)
{
	http_respond(req, &(struct http_response){.status = status, .body = str_from(text)});
}

/* The client of a suspended request went, or the server ends: the owner forgets it. */
static void
request_gone(struct http_request *req)
{
	check_magic(req, REQUEST_MAGIC);
	assert(req->state == REQUEST_SUSPENDED && req->route->gone != NULL);
	req->route->gone(req->route->ctx, req);
	assert(req->state == REQUEST_SUSPENDED); /* gone answers nothing */
	http_respond(req, &(struct http_response){.status = 503, .close = true});
}

static enum MHD_Result
queue_answer(struct http_request *req)
{
	assert(req->state == REQUEST_ANSWERED && req->response != NULL);
	return MHD_queue_response(req->connection, req->status, req->response);
}

static void
respond_refusal(struct http_request *req)
{
	const struct http_route *route = req->route;
	const struct http_header basic = {"WWW-Authenticate", "Basic realm=\"longship\", charset=\"UTF-8\""};
	const struct http_header retry = {"Retry-After", "1"};
	const struct http_header allow = {"Allow", route != NULL ? route->method : "GET"};
	struct http_response r = {.status = req->refusal};

	switch (req->refusal) {
	case 401:
		r.body = STR("unauthorized\n");
		r.headers = &basic;
		break;
	case 404:
		r.body = STR("404 page not found\n");
		break;
	case 405:
		r.body = STR("method not allowed\n");
		r.headers = &allow;
		break;
	case 503:
		r.body = STR("too many requests in flight\n");
		r.headers = &retry;
		break;
	default:
		r.body = route != NULL && route->oversize_text != NULL ? str_from(route->oversize_text) :
									STR("request body too large\n");
		break;
	}
	r.n_headers = r.headers != NULL;
	http_respond(req, &r);
}

/* ---- What microhttpd calls ---- */

/* With an optional client certificate, one that is shown must still be good. */
static bool
client_certificate_ok(const struct http_server *server, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;

	if (server->options.tls_client_ca_pem.len == 0)
		return true;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info == NULL || info->tls_session == NULL)
		return false;
	if (!tls_peer_shown(info->tls_session))
		return server->options.tls_client_optional;
	return tls_peer_verified(info->tls_session);
}

/* After the headers: what can be refused is refused before the body is read. */
static void
request_admit(struct http_request *req)
{
	struct http_server *server = req->server;
	const struct http_route *other;
	struct str length;
	uint64_t n;

	req->route = find_route(server, req->method, req->path, &other);
	if (!client_certificate_ok(server, req->connection) ||
		(server->options.authorize != NULL && !server->options.authorize(server->options.ctx, req))) {
		req->refusal = 401;
		return;
	}
	if (req->route == NULL) {
		req->route = other;
		req->refusal = other != NULL ? 405 : 404;
		return;
	}
	buf_init(&req->body, req->route->body_bytes_max);
	length = http_request_header(req, "Content-Length");
	if (req->route->body_bytes_max > 0 && str_to_u64(length, &n) && n > req->route->body_bytes_max)
		req->refusal = req->route->oversize_status != 0 ? req->route->oversize_status : 413;
	else if (req->route->body_bytes_max > 0 && server->bodies_bytes >= server->options.bodies_bytes_max)
		req->refusal = 503;
}

/* False ends the connection. */
static bool
request_take(struct http_request *req, const char *data, size_t len)
{
	struct http_server *server = req->server;
	int64_t limit = server->options.read_timeout_ns;
	size_t before = req->body.cap;

	req->received += len;
	if (limit > 0 && clock_mono_ns() - req->since_ns > limit)
		return false;
	if (req->refusal == 0 && req->route->body_bytes_max > 0) {
		if (!buf_append(&req->body, data, len))
			req->refusal = req->route->oversize_status != 0 ? req->route->oversize_status : 413;
		server->bodies_bytes += req->body.cap - before;
		req->charged += req->body.cap - before;
		if (server->bodies_bytes > server->options.bodies_bytes_max && server->bodies_bytes > req->charged)
			req->refusal = 503;
	}
	if (req->refusal != 0) {
		request_release_body(req);
		return req->received <= DRAIN_BYTES_MAX;
	}
	return true;
}

static enum MHD_Result
request_handle(struct http_request *req)
{
	struct http_server *server = req->server;
	const union MHD_ConnectionInfo *info;
	struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = req};

	if (server->ending)
		req->refusal = 503;
	if (req->refusal != 0) {
		respond_refusal(req);
		return queue_answer(req);
	}
	req->state = REQUEST_HANDLER;
	req->route->handler(req->route->ctx, req);
	if (req->state == REQUEST_ANSWERED)
		return queue_answer(req);
	assert(req->route->gone != NULL);
	req->state = REQUEST_SUSPENDED;
	vec_push(&server->suspended, req);
	MHD_suspend_connection(req->connection);
	info = MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info != NULL)
		(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, info->connect_fd, &event);
	return MHD_YES;
}

static enum MHD_Result
on_access(void *ctx, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
	const char *data, size_t *data_len, void **con_cls)
{
	struct http_server *server = ctx;
	struct http_request *req = *con_cls;

	(void)version;
	if (req == NULL) {
		req = request_new(server, connection, method, url);
		*con_cls = req;
		request_admit(req);
		/* A client that waits for "100 Continue" need not send what will be refused. */
		if (req->refusal != 0 && http_request_header(req, "Expect").len > 0) {
			respond_refusal(req);
			return queue_answer(req);
		}
		return MHD_YES;
	}
	check_magic(req, REQUEST_MAGIC);
	if (req->state == REQUEST_ANSWERED)
		return queue_answer(req);
	if (*data_len > 0) {
		if (!request_take(req, data, *data_len))
			return MHD_NO;
		*data_len = 0;
		return MHD_YES;
	}
	return request_handle(req);
}

static void
on_completed(void *ctx, struct MHD_Connection *connection, void **con_cls, enum MHD_RequestTerminationCode code)
{
	struct http_server *server = ctx;
	struct http_request *req = *con_cls;

	(void)connection;
	(void)code;
	if (req == NULL)
		return;
	check_magic(req, REQUEST_MAGIC);
	if (req->state == REQUEST_ANSWERED && server->options.done != NULL)
		server->options.done(server->options.ctx, &(struct http_done){
			.route = req->route,
			.method = req->method,
			.status = req->status,
			.duration_ns = clock_mono_ns() - req->since_ns,
			.request_bytes = req->received,
			.response_bytes = req->head_only ? 0 : req->response_bytes,
		});
	*con_cls = NULL;
	request_free(req);
}

static void
on_log(void *ctx, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Only the reason why it cannot start matters; later messages are about single connections. */
static void
on_log(void *ctx, const char *format, va_list args)
{
	struct http_server *server = ctx;

	if (server->error == NULL)
		return;
	(void)vsnprintf(server->error, HTTP_SERVER_ERROR_BYTES, format, args);
	server->error[strcspn(server->error, "\r\n")] = '\0';
}

/* ---- The loop's side ---- */

static void
arm_timer(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;
	struct itimerspec at = {0};

	if (MHD_get_timeout(server->daemon, &ms) == MHD_YES) {
		at.it_value.tv_sec = (time_t)(ms / 1000);
		at.it_value.tv_nsec = (long)(ms % 1000) * NS_PER_MS;
		if (ms == 0)
			at.it_value.tv_nsec = 1;
	}
	(void)timerfd_settime(server->timer_fd, 0, &at, NULL);
}

static void
drain(int fd)
{
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
}

static void
dispatch_events(struct http_server *server)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(server->epoll_fd, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++) {
		void *ptr = events[i].data.ptr;
		bool known = false;

		if (ptr == &server->timer_fd)
			drain(server->timer_fd);
		if (ptr == &server->event_fd)
			drain(server->event_fd);
		/* A callback for an earlier event may have ended this request. */
		for (size_t k = 0; k < server->suspended.len && !known; k++)
			known = server->suspended.items[k] == ptr;
		if (known)
			request_gone(ptr);
	}
}

void
http_server_dispatch(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;

	check_magic(server, SERVER_MAGIC);
	assert(!server->dispatching);
	server->dispatching = true;
	dispatch_events(server);
	for (int i = 0; i < RUNS_MAX; i++) {
		(void)MHD_run(server->daemon);
		if (MHD_get_timeout(server->daemon, &ms) != MHD_YES || ms > 0)
			break;
	}
	server->dispatching = false;
	arm_timer(server);
}

int
http_server_fd(const struct http_server *server)
{
	return server->epoll_fd;
}

uint16_t
http_server_port(const struct http_server *server)
{
	return server->port;
}

unsigned
http_server_connections(const struct http_server *server)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info != NULL ? info->num_connections : 0;
}

size_t
http_server_suspended(const struct http_server *server)
{
	return server->suspended.len;
}

/* ---- Start and end ---- */

static int
listen_on(const struct addrinfo *ai)
{
	int on = 1, off = 0;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

/* With no address: one socket for IPv6 and IPv4, or for IPv4 alone where the host has no IPv6. */
static int
open_listener(const struct http_server_options *o, char *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	const char *address = o->address != NULL ? o->address : "";
	const int families[] = {AF_INET6, AF_INET};
	struct addrinfo *list = NULL;
	char port[8];
	int fd = -EADDRNOTAVAIL;
	int r = 0;

	(void)snprintf(port, sizeof(port), "%u", o->port);
	for (size_t i = 0; i < ARRAY_LEN(families) && fd < 0; i++) {
		hints.ai_family = address[0] != '\0' ? AF_UNSPEC : families[i];
		r = getaddrinfo(address[0] != '\0' ? address : NULL, port, &hints, &list);
		if (r != 0)
			continue;
		for (const struct addrinfo *ai = list; ai != NULL && fd < 0; ai = ai->ai_next)
			fd = listen_on(ai);
		freeaddrinfo(list);
		if (fd == -EADDRINUSE)
			break;
	}
	if (fd < 0)
		(void)snprintf(error, HTTP_SERVER_ERROR_BYTES, "cannot listen on %s:%s: %s", address, port,
			r != 0 ? gai_strerror(r) : strerror(-fd));
	return fd;
}

static uint16_t
bound_port(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	if (addr.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static char *
copy_pem(struct str pem)
{
	char *z;

	if (pem.len == 0)
		return NULL;
	z = mem_alloc(pem.len + 1);
	memcpy(z, pem.s, pem.len);
	z[pem.len] = '\0';
	return z;
}

static struct MHD_Daemon *
start_daemon(struct http_server *server)
{
	const struct http_server_options *o = &server->options;
	struct MHD_OptionItem tls[5];
	size_t n = 0;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	if (server->pem[0] != NULL) {
		flags |= MHD_USE_TLS;
		tls[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, server->pem[0]};
		tls[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, server->pem[1]};
		if (server->pem[2] != NULL)
			tls[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, server->pem[2]};
		tls[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
			(void *)(uintptr_t)(o->tls_13_only ? "NORMAL:-VERS-ALL:+VERS-TLS1.3" :
							     "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")};
	}
	tls[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
	return MHD_start_daemon(flags, 0, NULL, NULL, on_access, server,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
		MHD_OPTION_LISTEN_SOCKET, server->listen_fd,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
		MHD_OPTION_CONNECTION_LIMIT, o->connections_max,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_SERVER_HEADER_BYTES_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((o->idle_timeout_ns + NS_PER_S - 1) / NS_PER_S),
		MHD_OPTION_ARRAY, tls,
		MHD_OPTION_END);
}

static int
watch(struct http_server *server, int fd, void *ptr)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = ptr};

	return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int
server_start(struct http_server *server, char *error)
{
	const union MHD_DaemonInfo *info;
	int r;

	server->listen_fd = open_listener(&server->options, error);
	if (server->listen_fd < 0)
		return server->listen_fd;
	server->port = bound_port(server->listen_fd);
	server->error = error;
	server->daemon = start_daemon(server);
	server->error = NULL;
	if (server->daemon == NULL) {
		server->listen_fd = -1; /* microhttpd has closed it */
		return -EINVAL;
	}
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	server->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (server->epoll_fd < 0 || server->timer_fd < 0 || server->event_fd < 0 || info == NULL)
		r = -errno;
	else if ((r = watch(server, info->epoll_fd, server->daemon)) == 0 &&
		(r = watch(server, server->timer_fd, &server->timer_fd)) == 0)
		r = watch(server, server->event_fd, &server->event_fd);
	if (r < 0)
		(void)snprintf(error, HTTP_SERVER_ERROR_BYTES, "cannot start the HTTP server: %s", strerror(-r));
	return r;
}

int
http_server_new(const struct http_server_options *options, struct http_server **ret, char error[HTTP_SERVER_ERROR_BYTES])
{
	struct http_server *server = mem_new(struct http_server);
	int r;

	assert((options->tls_cert_pem.len > 0) == (options->tls_key_pem.len > 0));
	server->magic = SERVER_MAGIC;
	server->options = *options;
	server->listen_fd = server->epoll_fd = server->timer_fd = server->event_fd = -1;
	server->pem[0] = copy_pem(options->tls_cert_pem);
	server->pem[1] = copy_pem(options->tls_key_pem);
	server->pem[2] = copy_pem(options->tls_client_ca_pem);
	if (server->options.connections_max == 0)
		server->options.connections_max = HTTP_SERVER_CONNECTIONS_DEFAULT;
	if (server->options.bodies_bytes_max == 0)
		server->options.bodies_bytes_max = HTTP_SERVER_BODIES_BYTES_DEFAULT;
	(void)snprintf(error, HTTP_SERVER_ERROR_BYTES, "cannot start the HTTP server");
	r = server_start(server, error);
	if (r < 0) {
		http_server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void
http_server_stop_listening(struct http_server *server)
{
	MHD_socket fd;

	if (server->listen_fd < 0)
		return;
	fd = MHD_quiesce_daemon(server->daemon);
	if (fd != MHD_INVALID_SOCKET)
		(void)close(fd);
	server->listen_fd = -1;
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

void
http_server_free(struct http_server *server)
{
	if (server == NULL)
		return;
	check_magic(server, SERVER_MAGIC);
	assert(!server->dispatching);
	server->ending = true;
	if (server->daemon != NULL) {
		while (server->suspended.len > 0)
			request_gone(server->suspended.items[0]);
		/* What was answered just now still goes out. */
		http_server_stop_listening(server);
		http_server_dispatch(server);
	}
	if (server->daemon != NULL)
		MHD_stop_daemon(server->daemon);
	close_fd(server->listen_fd);
	assert(server->bodies_bytes == 0);
	close_fd(server->epoll_fd);
	close_fd(server->timer_fd);
	close_fd(server->event_fd);
	for (size_t i = 0; i < ARRAY_LEN(server->pem); i++) {
		if (server->pem[i] != NULL)
			explicit_bzero(server->pem[i], strlen(server->pem[i]));
		mem_free(server->pem[i]);
	}
	vec_done(&server->suspended);
	server->magic = 0;
	mem_free(server);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An HTTP/1.1 server without threads of its own: add http_server_fd to the control loop (readable, level triggered) and
 * call http_server_dispatch when it is readable; its timeouts, and answers that were given later, make the fd readable,
 * too. Everything here is for that one thread. The process must ignore SIGPIPE.
 *
 *	static void
 *	ready(void *ctx, struct http_request *req)
 *	{
 *		http_respond(req, &(struct http_response){.status = 200, .body = STR("ready\n")});
 *	}
 *	static const struct http_route route = {.method = "GET", .path = "/ready", .handler = ready};
 *
 *	r = http_server_new(&options, &server, error);
 *	http_server_route(server, &route);
 *
 * A handler is called once the whole body is there. It answers with http_respond, at once or later: until then the
 * request is suspended and its pointer valid. If the client goes first, or the server is freed, route.gone is called
 * (when the handler has returned without an answer), and the pointer is dead when that returns.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"

#define HTTP_SERVER_HEADER_BYTES_MAX (32u << 10)      /* a request's line and headers: a few times what clients send */
#define HTTP_SERVER_CONNECTIONS_DEFAULT 256           /* for a server whose limit is 0: far below the descriptor limit */
#define HTTP_SERVER_BODIES_BYTES_DEFAULT (16u << 20)  /* all bodies of one server */
#define HTTP_SERVER_ROUTES_MAX 64
#define HTTP_SERVER_ERROR_BYTES 256
#define HTTP_SERVER_HEADERS_MAX 8                     /* extra headers of a response */

struct http_server;
struct http_request;

struct http_header {
	const char *name, *value;
};

struct http_response {
	unsigned status;
	const char *content_type; /* NULL: text/plain; charset=utf-8, when there is a body */
	struct str body;          /* copied */
	bool body_given;          /* not copied: the memory of a struct buf, the server's from here on */
	const struct http_header *headers;
	size_t n_headers;
	bool close;               /* ends the connection */
};

struct http_route {
	const char *method; /* "GET" takes HEAD, too */
	const char *path;   /* exact, or a prefix when it ends with a slash; the longest one wins */
	void (*handler)(void *ctx, struct http_request *);
	void (*gone)(void *ctx, struct http_request *); /* NULL: the handler always answers at once */
	void *ctx;
	size_t body_bytes_max;       /* a larger body is refused; 0: bodies are read and dropped */
	unsigned oversize_status;    /* 0: 413 */
	const char *oversize_text;   /* NULL: a plain one */
};

/* What is told about each answered request. */
struct http_done {
	const struct http_route *route; /* NULL when none matched */
	const char *method;
	unsigned status;
	int64_t duration_ns;
	uint64_t request_bytes, response_bytes; /* bodies */
};

struct http_server_options {
	const char *address; /* "": all, IPv6 and IPv4; a name or a literal address */
	uint16_t port;       /* 0: any free one, see http_server_port */
	unsigned connections_max; /* 0: HTTP_SERVER_CONNECTIONS_DEFAULT; one that is over waits in the listen queue or is closed */
	size_t bodies_bytes_max;  /* 0: HTTP_SERVER_BODIES_BYTES_DEFAULT; what would exceed it gets 503, unless it is the only one */
	int64_t idle_timeout_ns;  /* of a connection without traffic; whole seconds; 0: none */
	int64_t read_timeout_ns;  /* from a request's headers to the end of its body; 0: none */
	struct str tls_cert_pem, tls_key_pem; /* both or none */
	struct str tls_client_ca_pem;         /* when given, a client must show a certificate of this CA … */
	bool tls_client_optional;             /* … or none at all */
	bool tls_13_only;
	/* Called before the body is read; false answers 401 (use http_request_basic_auth and http_request_path). */
	bool (*authorize)(void *ctx, struct http_request *);
	void (*done)(void *ctx, const struct http_done *);
	void *ctx; /* of these two */
};

/* 0, or -errno with its reason in error. */
int http_server_new(const struct http_server_options *, struct http_server **ret, char error[HTTP_SERVER_ERROR_BYTES])
	__attribute__((warn_unused_result));
/* Ends all connections; NULL is fine. */
void http_server_free(struct http_server *);
/* The route is copied; its texts must outlive the server. */
void http_server_route(struct http_server *, const struct http_route *);
/* Accepts nothing more; requests on open connections are still served. */
void http_server_stop_listening(struct http_server *);
int http_server_fd(const struct http_server *);
void http_server_dispatch(struct http_server *);
uint16_t http_server_port(const struct http_server *);
unsigned http_server_connections(const struct http_server *);
/* Requests that wait for their answer. */
size_t http_server_suspended(const struct http_server *);

/* All borrowed from the request, until it is answered. */
const char *http_request_method(const struct http_request *);
const char *http_request_path(const struct http_request *); /* percent-decoded */
/* A header (any case) or query parameter; s == NULL when absent. */
struct str http_request_header(const struct http_request *, const char *name);
struct str http_request_query(const struct http_request *, const char *name);
struct str http_request_body(const struct http_request *);
/* Moves the body's memory to the caller (buf_done): for another thread, which the request may not outlive. */
void http_request_take_body(struct http_request *, struct buf *ret);
/* The peer; NULL when unknown. */
const struct sockaddr *http_request_peer(const struct http_request *);
/* Calls use with user and password of an Authorization: Basic header and returns its result; false without one. */
bool http_request_basic_auth(const struct http_request *, bool (*use)(void *ctx, struct str user, struct str password),
	void *ctx);

/* Exactly once for each request, unless it is gone. */
void http_respond(struct http_request *, const struct http_response *);
void http_respond_text(struct http_request *, unsigned status, const char *text);

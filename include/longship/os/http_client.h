/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTP requests on one libcurl multi handle. Everything runs in the thread that calls http_client_run, but
 * http_client_wake, which any thread may call. Connections are kept and reused.
 *
 *	struct http_client *client = http_client_new();
 *	struct http_target *target = http_target_new(&options);
 *	call = http_call_start(client, target, headers, body, body_bytes, timeout_ns, done, ptr);
 *	for (;;) http_client_run(client, timeout_ns);	calls done when a call has ended
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/str.h"
#include "longship/os/tls.h"

struct http_client;
struct http_target;
struct http_call;

struct http_options { /* all strings are copied; NULL: not given */
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	struct tls_files_options tls;
	const char *server_name; /* to ask for and to find in the certificate; NULL: the URL's */
	bool insecure_skip_verify;
	int tls_min_minor; /* 0 … 3: TLS 1.0 … 1.3; -1: 1.2 */
	const char *proxy_url, *no_proxy;
	bool proxy_from_environment; /* else http_proxy and its like are not heeded */
	const char *const *proxy_headers; /* for a tunnel; "Name: value", NULL-terminated; may be NULL */
	bool follow_redirects;
	bool http2;
	bool show_certificate; /* cert_expires of the result */
};

#define HTTP_RETRY_AFTER_MAX_NS (INT64_C(86400) * 1000000000)

/* How far a call without a reply has come. */
enum http_fault { HTTP_FAULT_OTHER, HTTP_FAULT_NAME, HTTP_FAULT_CONNECT, HTTP_FAULT_TLS };

struct http_result {
	int status;               /* 0: no reply; error says why */
	const char *error;        /* NULL when there was a reply */
	struct str body;          /* the first REPLY_BYTES_MAX bytes; valid during the callback */
	bool body_cut;            /* there was more */
	int64_t retry_after_ns;   /* of the header, 0: none; at most HTTP_RETRY_AFTER_MAX_NS */
	bool timed_out;
	enum http_fault fault;    /* of what has no reply */
	const char *cert_expires; /* the server's certificate's last day; NULL: not known; valid during the callback */
	bool sent;                /* the whole body had gone out: the other side may have acted on it */
	bool repeated;            /* a kept connection died without an answer and the call went out a second time: both may have been acted on */
	int64_t duration_ns;
};

struct http_client *http_client_new(void);
void http_client_free(struct http_client *); /* no call is under way */
/* Waits up to timeout_ns for something to happen, does it, calls the done callbacks. Returns calls still under way. */
size_t http_client_run(struct http_client *, int64_t timeout_ns);
/* Ends a wait in http_client_run. Any thread. */
void http_client_wake(struct http_client *);

/* Counted, so that many can share its connections and certificates. Calls to one target are made by one thread; references are taken and
 * given back by any. */
struct http_target *http_target_new(const struct http_options *);
struct http_target *http_target_ref(struct http_target *);
void http_target_unref(struct http_target *);
/* As it was given. */
const char *http_target_url(const struct http_target *);
/* Certificates on disk that have changed but cannot be used (the old ones are), or NULL. As of the last call that was started. */
const char *http_target_tls_error(const struct http_target *);

typedef void http_done(void *ptr, const struct http_result *);
/* POSTs body (borrowed until done). The call ends with exactly one callback, from http_client_run, unless it is cancelled. extra_headers are
 * put behind the target's: NULL-terminated, copied. */
struct http_call *http_call_start(struct http_client *, struct http_target *, const char *const *extra_headers, const void *body, size_t body_bytes,
	int64_t timeout_ns, http_done *done, void *ptr);
/* Ends it without a callback. */
void http_call_cancel(struct http_call *);

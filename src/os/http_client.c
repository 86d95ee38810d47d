/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/http_client.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <curl/curl.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"

/*
 * A target keeps easy handles that are set up once; a call takes a free one and gives it back, so that the options are not set
 * again per request. As many are kept as some busy lanes need, since each takes some KiB.
 */
#define IDLE_HANDLES_MAX 8u
#define CONNECT_TIMEOUT_MS 10000L
/* curl's default of 64 KiB costs a system call each, but each call under way has a buffer. */
#define UPLOAD_BUFFER_BYTES (512L << 10)
#define UPLOAD_BUFFER_CROWDED_BYTES (16L << 10)
#define CROWD 4u /* calls under way; beyond, they have small buffers */
#define ADDRESS_AGE_MAX_S 10L /* of a name, for a new connection: the old one may be of a server that has gone */
#define CONNECTION_AGE_MAX_S 60L /* addresses are looked up again at least this often, and one of all of them is taken */

struct http_client {
	CURLM *multi;
	size_t n_calls;
};

struct http_target {
	_Atomic unsigned refs;
	char *given_url, *url, *proxy, *no_proxy;
	char *host_header; /* "Host: …" where server_name stands in the URL instead; else NULL */
	struct curl_slist *connect_to, *proxy_headers;
	struct tls_files *tls;
	VEC(char *) headers;
	bool insecure, follow, http2, show_certificate;
	int tls_min_minor;
	unsigned generation; /* counts on with the certificates */
	VEC(CURL *) idle;    /* of this generation */
};

struct http_call {
	struct http_client *client;
	struct http_target *target;
	CURL *easy;
	unsigned generation; /* of easy */
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	struct buf reply;
	size_t body_bytes;
	bool reply_cut, repeated;
	unsigned tries; /* since the last redirect */
	long redirects;
	int64_t started_ns;
	http_done *done;
	void *ptr;
};

struct http_client *
http_client_new(void)
{
	struct http_client *c = mem_new(struct http_client);

	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	c->multi = curl_multi_init();
	if (c->multi == NULL)
		abort();
	return c;
}

void
http_client_free(struct http_client *c)
{
	if (c == NULL)
		return;
	assert(c->n_calls == 0);
	(void)curl_multi_cleanup(c->multi);
	mem_free(c);
}

static char *
format(const char *text, const char *a, const char *b, const char *c, const char *d)
{
	char *out = NULL;

	if (asprintf(&out, text, a, b, c, d) < 0)
		abort();
	return out;
}

/*
 * curl asks for and verifies the name in the URL. So the server's name goes there, connections to it go to the real host,
 * and that is told in the Host header.
 */
static void
rename_host(struct http_target *t, const char *name)
{
	CURLU *url = curl_url();
	char *host = NULL, *port = NULL, *shown = NULL, *whole = NULL, *text;

	if (url != NULL && curl_url_set(url, CURLUPART_URL, t->url, 0) == CURLUE_OK && curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK && curl_url_set(url, CURLUPART_HOST, name, 0) == CURLUE_OK &&
		curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
		bool usual = curl_url_get(url, CURLUPART_PORT, &shown, 0) != CURLUE_OK;

		text = format("%s:%s:%s:%s", name, port, host, port);
		t->connect_to = curl_slist_append(NULL, text);
		free(text);
		text = format("Host: %s%s%s%s", host, usual ? "" : ":", usual ? "" : port, "");
		t->host_header = mem_strdup(text);
		free(text);
		mem_free(t->url);
		t->url = mem_strdup(whole);
	}
	curl_free(host);
	curl_free(port);
	curl_free(shown);
	curl_free(whole);
	curl_url_cleanup(url);
}

static const char *
environment(const char *lower, const char *upper)
{
	const char *value = getenv(lower);

	return value != NULL && value[0] != '\0' ? value : getenv(upper);
}

struct http_target *
http_target_new(const struct http_options *o)
{
	struct http_target *t = mem_new(struct http_target);
	bool https = strncasecmp(o->url, "https:", 6) == 0;

	atomic_init(&t->refs, 1);
	t->given_url = mem_strdup(o->url);
	t->url = mem_strdup(o->url);
	t->proxy = mem_strdup(o->proxy_from_environment ? environment(https ? "https_proxy" : "http_proxy", https ? "HTTPS_PROXY" : "HTTP_PROXY") : o->proxy_url);
	t->no_proxy = mem_strdup(o->proxy_from_environment ? environment("no_proxy", "NO_PROXY") : o->no_proxy);
	t->tls = tls_files_new(&o->tls);
	t->insecure = o->insecure_skip_verify;
	t->tls_min_minor = o->tls_min_minor;
	t->follow = o->follow_redirects;
	t->http2 = o->http2;
	t->show_certificate = o->show_certificate;
	for (size_t i = 0; o->headers != NULL && o->headers[i] != NULL; i++)
		vec_push(&t->headers, mem_strdup(o->headers[i]));
	for (size_t i = 0; o->proxy_headers != NULL && o->proxy_headers[i] != NULL; i++)
		t->proxy_headers = curl_slist_append(t->proxy_headers, o->proxy_headers[i]);
	if (o->server_name != NULL && https)
		rename_host(t, o->server_name);
	return t;
}

static void
drop_idle(struct http_target *t)
{
	for (size_t i = 0; i < t->idle.len; i++)
		curl_easy_cleanup(t->idle.items[i]);
	t->idle.len = 0;
}

struct http_target *
http_target_ref(struct http_target *t)
{
	(void)atomic_fetch_add(&t->refs, 1);
	return t;
}

const char *
http_target_url(const struct http_target *t)
{
	return t->given_url;
}

void
http_target_unref(struct http_target *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	drop_idle(t);
	for (size_t i = 0; i < t->headers.len; i++)
		mem_free(t->headers.items[i]);
	vec_done(&t->idle);
	vec_done(&t->headers);
	curl_slist_free_all(t->connect_to);
	curl_slist_free_all(t->proxy_headers);
	tls_files_free(t->tls);
	mem_free(t->given_url);
	mem_free(t->url);
	mem_free(t->host_header);
	mem_free(t->proxy);
	mem_free(t->no_proxy);
	mem_free(t);
}

const char *
http_target_tls_error(const struct http_target *t)
{
	return tls_files_error(t->tls);
}

static size_t
on_reply(char *data, size_t size, size_t n, void *ptr)
{
	struct http_call *call = ptr;
	size_t room = REPLY_BYTES_MAX - call->reply.len, len = size * n;

	(void)buf_append(&call->reply, data, len < room ? len : room);
	call->reply_cut = call->reply_cut || len > room;
	return len; /* what does not fit is read and forgotten */
}

/* curl sends a request once more by itself when a kept connection turns out to be dead before an answer came. */
static int
on_sending(void *ptr, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	struct http_call *call = ptr;
	long redirects = 0;

	(void)remote_ip;
	(void)local_ip;
	(void)remote_port;
	(void)local_port;
	(void)curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_COUNT, &redirects);
	if (redirects != call->redirects)
		call->tries = 0;
	call->redirects = redirects;
	call->tries++;
	call->repeated = call->repeated || call->tries > 1;
	return CURL_PREREQFUNC_OK;
}

static void
set_tls(CURL *e, const struct http_target *t)
{
	static const long versions[] = {CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_3};
	static const CURLoption options[TLS_PARTS] = {[TLS_CA] = CURLOPT_CAINFO, [TLS_CERT] = CURLOPT_SSLCERT, [TLS_KEY] = CURLOPT_SSLKEY};

	for (int i = 0; i < TLS_PARTS; i++) {
		const char *path = tls_files_path(t->tls, (enum tls_part)i);

		if (path != NULL)
			(void)curl_easy_setopt(e, options[i], path);
	}
	(void)curl_easy_setopt(e, CURLOPT_SSLVERSION, t->tls_min_minor >= 0 ? versions[t->tls_min_minor] : (long)CURL_SSLVERSION_TLSv1_2);
	if (t->insecure) {
		(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static CURL *
new_easy(const struct http_target *t)
{
	CURL *e = curl_easy_init();

	if (e == NULL)
		abort();
	(void)curl_easy_setopt(e, CURLOPT_URL, t->url);
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	(void)curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, CONNECTION_AGE_MAX_S);
	(void)curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, ADDRESS_AGE_MAX_S);
	(void)curl_easy_setopt(e, CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_reply);
	(void)curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_sending);
	(void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, t->follow ? 1L : 0L);
	(void)curl_easy_setopt(e, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, t->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(e, CURLOPT_PROXY, t->proxy != NULL ? t->proxy : "");
	if (t->no_proxy != NULL)
		(void)curl_easy_setopt(e, CURLOPT_NOPROXY, t->no_proxy);
	if (t->proxy_headers != NULL)
		(void)curl_easy_setopt(e, CURLOPT_PROXYHEADER, t->proxy_headers);
	if (t->connect_to != NULL)
		(void)curl_easy_setopt(e, CURLOPT_CONNECT_TO, t->connect_to);
	(void)curl_easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	if (t->show_certificate)
		(void)curl_easy_setopt(e, CURLOPT_CERTINFO, 1L);
	set_tls(e, t);
	return e;
}

static struct curl_slist *
make_headers(const struct http_target *t, const char *const *extra)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	if (t->host_header != NULL)
		list = curl_slist_append(list, t->host_header);
	for (size_t i = 0; i < t->headers.len; i++)
		list = curl_slist_append(list, t->headers.items[i]);
	for (size_t i = 0; extra != NULL && extra[i] != NULL; i++)
		list = curl_slist_append(list, extra[i]);
	if (list == NULL)
		abort();
	return list;
}

struct http_call *
http_call_start(struct http_client *client, struct http_target *target, const char *const *extra_headers, const void *body,
	size_t body_bytes, int64_t timeout_ns, http_done *done, void *ptr)
{
	struct http_call *call = mem_new(struct http_call);
	int64_t timeout_ms = timeout_ns / NS_PER_MS; /* curl takes no more than an int, and 0 for no limit */

	call->client = client;
	buf_init(&call->reply, REPLY_BYTES_MAX);
	call->target = target;
	call->done = done;
	call->ptr = ptr;
	call->body_bytes = body_bytes;
	if (tls_files_refresh(target->tls)) {
		target->generation++;
		drop_idle(target);
	}
	call->generation = target->generation;
	call->easy = target->idle.len > 0 ? target->idle.items[--target->idle.len] : new_easy(target);
	call->headers = make_headers(target, extra_headers);
	call->started_ns = clock_mono_ns();
	(void)curl_easy_setopt(call->easy, CURLOPT_UPLOAD_BUFFERSIZE, client->n_calls < CROWD ? UPLOAD_BUFFER_BYTES : UPLOAD_BUFFER_CROWDED_BYTES);
	(void)curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
	(void)curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
	(void)curl_easy_setopt(call->easy, CURLOPT_PREREQDATA, call);
	(void)curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
	(void)curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	(void)curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_bytes);
	(void)curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, timeout_ms < INT_MAX ? (long)timeout_ms : (long)INT_MAX);
	(void)curl_multi_add_handle(client->multi, call->easy);
	client->n_calls++;
	return call;
}

/* Gives the easy handle back and forgets the call. */
static void
end_call(struct http_call *call)
{
	(void)curl_multi_remove_handle(call->client->multi, call->easy);
	(void)curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, NULL);
	(void)curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, NULL);
	if (call->generation == call->target->generation && call->target->idle.len < IDLE_HANDLES_MAX)
		vec_push(&call->target->idle, call->easy);
	else
		curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	call->client->n_calls--;
	buf_done(&call->reply);
	mem_free(call);
}

void
http_call_cancel(struct http_call *call)
{
	end_call(call);
}

static enum http_fault
fault_of(CURL *easy, const char *url, CURLcode code)
{
	curl_off_t name_us = 0, connect_us = 0, tls_us = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &name_us);
	(void)curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connect_us);
	(void)curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &tls_us);
	if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY)
		return HTTP_FAULT_NAME;
	if (code == CURLE_COULDNT_CONNECT)
		return HTTP_FAULT_CONNECT;
	if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
		code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CIPHER)
		return HTTP_FAULT_TLS;
	if (code != CURLE_OPERATION_TIMEDOUT)
		return HTTP_FAULT_OTHER;
	return name_us == 0 ? HTTP_FAULT_NAME
		: connect_us == 0 ? HTTP_FAULT_CONNECT
		: tls_us == 0 && strncmp(url, "https:", 6) == 0 ? HTTP_FAULT_TLS : HTTP_FAULT_OTHER;
}

/* Of the first certificate, the server's own. TLS libraries write the name in different case. */
static const char *
cert_expires(CURL *easy)
{
	static const char name[] = "Expire date:";
	struct curl_certinfo *info = NULL;

	if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL || info->num_of_certs < 1)
		return NULL;
	for (const struct curl_slist *field = info->certinfo[0]; field != NULL; field = field->next)
		if (strncasecmp(field->data, name, sizeof(name) - 1) == 0)
			return field->data + sizeof(name) - 1;
	return NULL;
}

static void
finish(struct http_call *call, CURLcode code)
{
	struct http_result result = {.body = buf_view(&call->reply), .body_cut = call->reply_cut, .repeated = call->repeated};
	long status = 0;
	curl_off_t retry_after_s = 0, sent = 0;

	result.duration_ns = clock_mono_ns() - call->started_ns;
	(void)curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	result.sent = sent >= (curl_off_t)call->body_bytes;
	if (call->target->show_certificate)
		result.cert_expires = cert_expires(call->easy);
	if (code == CURLE_OK) {
		(void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
		(void)curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
		result.status = (int)status;
		if (retry_after_s > HTTP_RETRY_AFTER_MAX_NS / NS_PER_S)
			retry_after_s = HTTP_RETRY_AFTER_MAX_NS / NS_PER_S;
		result.retry_after_ns = (int64_t)retry_after_s * NS_PER_S;
	} else {
		result.error = call->error[0] != '\0' ? call->error : curl_easy_strerror(code);
		result.fault = fault_of(call->easy, call->target->url, code);
		result.timed_out = code == CURLE_OPERATION_TIMEDOUT;
	}
	call->done(call->ptr, &result);
	end_call(call);
}

size_t
http_client_run(struct http_client *c, int64_t timeout_ns)
{
	int running = 0, left;
	CURLMsg *message;

	(void)curl_multi_perform(c->multi, &running);
	message = curl_multi_info_read(c->multi, &left);
	if (message == NULL) {
		(void)curl_multi_poll(c->multi, NULL, 0, (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS), NULL);
		(void)curl_multi_perform(c->multi, &running);
		message = curl_multi_info_read(c->multi, &left);
	}
	for (; message != NULL; message = curl_multi_info_read(c->multi, &left)) {
		struct http_call *call = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		finish(call, message->data.result);
	}
	return c->n_calls;
}

void
http_client_wake(struct http_client *c)
{
	(void)curl_multi_wakeup(c->multi);
}

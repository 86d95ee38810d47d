/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/limits.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/runtime.h"

#define SECRET_FILE_BYTES_MAX 4096
#define HEADERS_MAX 64

#define AT(field) offsetof(struct endpoint_args, field)

static const struct arg_spec basic_auth_spec[] = {
	{.name = "username", .kind = ARG_STRING, .offset = offsetof(struct basic_auth_args, username), .doc = "User name."},
	{.name = "password", .kind = ARG_SECRET, .offset = offsetof(struct basic_auth_args, password), .doc = "Password."},
	{.name = "password_file", .kind = ARG_STRING, .offset = offsetof(struct basic_auth_args, password_file),
		.doc = "File that holds the password; read when the component starts."},
	{0},
};

static const struct arg_spec tls_spec[] = {
	{.name = "ca_file", .kind = ARG_STRING, .offset = offsetof(struct tls_args, ca_file), .doc = "CA certificates to trust, PEM."},
	{.name = "cert_file", .kind = ARG_STRING, .offset = offsetof(struct tls_args, cert_file), .doc = "Client certificate, PEM."},
	{.name = "key_file", .kind = ARG_STRING, .offset = offsetof(struct tls_args, key_file), .doc = "Key of the client certificate, PEM."},
	{.name = "insecure_skip_verify", .kind = ARG_BOOL, .offset = offsetof(struct tls_args, insecure_skip_verify), .fallback = "false",
		.doc = "Accepts any server certificate."},
	{0},
};

static bool
basic_auth_check(const void *ptr, struct src_pos at, struct diags *diags)
{
	const struct basic_auth_args *a = ptr;

	if (a->password.len > 0 && a->password_file.len > 0) {
		diag_error(diags, at, "at most one of basic_auth password & password_file must be configured");
		return false;
	}
	return true;
}

const struct arg_spec endpoint_spec[] = {
	{.kind = ARG_POS, .offset = AT(pos)},
	{.name = "url", .kind = ARG_STRING, .flags = ARG_REQUIRED, .offset = AT(url), .doc = "Full URL of the push endpoint, e.g. http://loki:3100/loki/api/v1/push."},
	{.name = "name", .kind = ARG_STRING, .offset = AT(name), .fallback = "\"\"", .doc = "Name of the endpoint; unique in the component."},
	{.name = "batch_wait", .kind = ARG_DURATION, .offset = AT(batch_wait_ns), .fallback = "\"1s\"", .min = 0, .max = INT64_MAX,
		.doc = "Longest time that an entry waits for others before it is sent."},
	{.name = "batch_size", .kind = ARG_SIZE, .offset = AT(batch_size_bytes), .fallback = "\"1MiB\"", .min = 1, .max = REQUEST_BYTES_MAX,
		.doc = "Bytes of lines and metadata in one request."},
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
	{.name = "tenant_id", .kind = ARG_STRING, .offset = AT(tenant_id), .fallback = "\"\"",
		.doc = "Tenant for entries without a __tenant_id__ label."},
	{.name = "bearer_token", .kind = ARG_SECRET, .offset = AT(bearer_token), .doc = "Bearer token to authenticate with."},
	{.name = "proxy_url", .kind = ARG_STRING, .offset = AT(proxy_url), .fallback = "\"\"", .doc = "HTTP proxy to send through."},
	{.name = "no_proxy", .kind = ARG_STRING, .offset = AT(no_proxy), .fallback = "\"\"", .doc = "Hosts that are reached without the proxy, comma-separated."},
	{.name = "follow_redirects", .kind = ARG_BOOL, .offset = AT(follow_redirects), .fallback = "true", .doc = "Follows redirects of the server."},
	{.name = "enable_http2", .kind = ARG_BOOL, .offset = AT(enable_http2), .fallback = "true", .doc = "Offers HTTP/2 to https servers."},
	{.name = "basic_auth", .kind = ARG_BLOCK, .offset = AT(basic_auth), .sub = basic_auth_spec, .sub_size = sizeof(struct basic_auth_args),
		.sub_check = basic_auth_check, .doc = "Basic authentication."},
	{.name = "tls_config", .kind = ARG_BLOCK, .offset = AT(tls), .sub = tls_spec, .sub_size = sizeof(struct tls_args), .doc = "TLS settings."},
	{0},
};

/* "host:port" of an http or https URL, or false. */
static bool
split_url(struct str url, struct str *ret_host)
{
	struct str rest, host, path;

	if (str_starts(url, STR("http://")))
		rest = str_from_offset(url, 7);
	else if (str_starts(url, STR("https://")))
		rest = str_from_offset(url, 8);
	else
		return false;
	for (size_t i = 0; i < rest.len; i++) {
		if ((unsigned char)rest.s[i] <= ' ')
			return false;
	}
	(void)str_cut(rest, '/', &host, &path);
	(void)str_cut(host, '?', &host, &path);
	/* Credentials in the URL belong neither into metrics nor into the log. */
	for (size_t i = host.len; i > 0; i--) {
		if (host.s[i - 1] == '@') {
			host = str_from_offset(host, i);
			break;
		}
	}
	*ret_host = host;
	return host.len > 0;
}

static bool
has_line_break(struct str s)
{
	return s.len > 0 && (memchr(s.s, '\n', s.len) != NULL || memchr(s.s, '\r', s.len) != NULL);
}

bool
endpoint_check(const void *ptr, struct src_pos at, struct diags *diags)
{
	const struct endpoint_args *a = ptr;
	struct str host;

	if (!split_url(a->url, &host)) {
		diag_error(diags, at, "endpoint url \"%.*s\" is not an http:// or https:// URL", STR_FMT(a->url));
		return false;
	}
	if (a->basic_auth != NULL && a->bearer_token.len > 0) {
		diag_error(diags, at, "at most one of basic_auth, authorization, oauth2, bearer_token & bearer_token_file must be configured");
		return false;
	}
	if (a->no_proxy.len > 0 && a->proxy_url.len == 0) {
		diag_error(diags, at, "if no_proxy is configured, proxy_url must also be configured");
		return false;
	}
	if (a->headers.n > HEADERS_MAX) {
		diag_error(diags, at, "at most %d headers can be configured", HEADERS_MAX);
		return false;
	}
	for (size_t i = 0; i < a->headers.n; i++) {
		if (has_line_break(a->headers.items[i].name) || has_line_break(a->headers.items[i].value)) {
			diag_error(diags, at, "header \"%.*s\" holds a line break", STR_FMT(a->headers.items[i].name));
			return false;
		}
	}
	return true;
}

/* The sender sets these itself. */
static bool
is_own_header(struct str name)
{
	static const char *const own[] = {"user-agent", "content-type", "content-encoding", "x-scope-orgid", "content-length"};

	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (name.len == strlen(own[i]) && strncasecmp(name.s, own[i], name.len) == 0)
			return true;
	}
	return false;
}

static void
set_headers(struct endpoint *e)
{
	const char **headers = arena_array(e->arena, const char *, e->args->headers.n + 2);
	size_t n = 0;

	headers[n++] = "User-Agent: longship/" LONGSHIP_VERSION;
	for (size_t i = 0; i < e->args->headers.n; i++) {
		const struct str_pair *h = &e->args->headers.items[i];

		if (!is_own_header(h->name))
			headers[n++] = arena_printf(e->arena, "%.*s: %.*s", STR_FMT(h->name), STR_FMT(h->value)).s;
	}
	e->http.headers = headers;
}

static const char *
z_or_null(struct arena *arena, struct str s)
{
	return s.len > 0 ? arena_z(arena, s) : NULL;
}

/* A secret's file without the line break at its end. */
static int
read_secret(struct arena *arena, struct str path, const char **ret)
{
	char text[SECRET_FILE_BYTES_MAX];
	int fd = open(arena_z(arena, path), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	(void)close(fd);
	if (n < 0)
		return -errno;
	*ret = arena_z(arena, str_trim((struct str){text, (size_t)n}));
	return 0;
}

static int
set_auth(struct endpoint *e)
{
	const struct basic_auth_args *basic = e->args->basic_auth;
	int r;

	e->http.bearer_token = z_or_null(e->arena, e->args->bearer_token);
	if (basic == NULL)
		return 0;
	e->http.username = arena_z(e->arena, basic->username);
	e->http.password = arena_z(e->arena, basic->password);
	if (basic->password_file.len == 0)
		return 0;
	r = read_secret(e->arena, basic->password_file, &e->http.password);
	if (r < 0)
		return component_fail(e->component, r, "cannot read password_file \"%.*s\": %s", STR_FMT(basic->password_file),
			strerror(-r));
	return 0;
}

/* What is written in the configuration is obeyed, but its price is named once. */
static void
warn_of_losses(const struct endpoint *e)
{
	if (e->args->max_backoff_retries > 0)
		log_warn(e->component->id, "max_backoff_retries is set: entries are given up after so many attempts; 0 loses nothing",
			"url_host", e->host, "max_backoff_retries", log_i64(e->args->max_backoff_retries), NULL);
	if (!e->args->retry_429)
		log_warn(e->component->id, "retry_on_http_429 is false: rate-limited entries are given up; true loses nothing", "url_host",
			e->host, NULL);
}

struct endpoint *
endpoint_new(struct component *c, const struct endpoint_args *args, struct dead_letters *dead_letters)
{
	struct endpoint *e = mem_new(struct endpoint);
	struct str host = STR_EMPTY;

	e->args = args;
	e->component = c;
	e->dead_letters = dead_letters_ref(dead_letters);
	e->arena = arena_new(0);
	(void)pthread_mutex_init(&e->lock, NULL);
	map_init(&e->destinations);
	(void)split_url(args->url, &host);
	e->host = (char *)(uintptr_t)arena_z(e->arena, host);
	e->http = (struct http_options){
		.url = arena_z(e->arena, args->url),
		.proxy_url = z_or_null(e->arena, args->proxy_url),
		.no_proxy = z_or_null(e->arena, args->no_proxy),
		.follow_redirects = args->follow_redirects,
		.http2 = args->enable_http2,
	};
	if (args->tls != NULL) {
		e->http.ca_file = z_or_null(e->arena, args->tls->ca_file);
		e->http.cert_file = z_or_null(e->arena, args->tls->cert_file);
		e->http.key_file = z_or_null(e->arena, args->tls->key_file);
		e->http.insecure_skip_verify = args->tls->insecure_skip_verify;
	}
	set_headers(e);
	if (set_auth(e) < 0) {
		endpoint_free(e);
		return NULL;
	}
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
	};
	struct destination *d;

	(void)pthread_mutex_lock(&e->lock);
	d = map_get(&e->destinations, tenant);
	if (d == NULL && map_len(&e->destinations) < TENANTS_MAX) {
		d = destination_new(e->component->runtime, e->component->id, &e->http, str_from(e->host), tenant, &options);
		(void)map_set(&e->destinations, tenant, d);
	}
	(void)pthread_mutex_unlock(&e->lock);
	return d;
}

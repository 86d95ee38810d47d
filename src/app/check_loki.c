/* SPDX-License-Identifier: Apache-2.0 */
#include "check_priv.h"

#include <stdio.h>
#include <string.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/os/file.h"
#include "longship/os/http_client.h"

/*
 * Every endpoint gets one push without streams, as the daemon would send it: what an answer needs (name, connection,
 * certificate, login, tenant, path) is proven by it, and nothing is stored. All are asked at the same time. What is told
 * of an endpoint is its host: an URL may hold a password.
 */

#define ENDPOINTS_MAX 256 /* asked at the same time; each costs a descriptor */
#define ASK_NS (5 * NS_PER_S)
#define SECRET_BYTES_MAX 4096

struct asked {
	struct check *check;
	const char *name; /* component and host */
	const char *host;
	bool tls, proxy;
	bool login_unknown; /* a component exports it once it runs */
	struct http_target *target;
};

static const char *
text_of(struct check *c, const struct arg_spec *spec, const void *args, const char *name)
{
	struct str text = *(const struct str *)check_field(spec, args, name);

	return text.len > 0 ? arena_z(c->arena, text) : NULL;
}

/* Of a checked http:// or https:// URL, without user name and password. */
static struct str
host_of(struct str url)
{
	struct str rest = str_from_offset(url, str_starts(url, STR("https://")) ? 8 : 7), host, path;

	(void)str_cut(rest, '/', &host, &path);
	(void)str_cut(host, '?', &host, &path);
	for (size_t i = host.len; i > 0; i--)
		if (host.s[i - 1] == '@')
			return str_from_offset(host, i);
	return host;
}

static void
take_login(struct check *c, struct asked *a, const struct arg_spec *spec, const void *args, struct http_options *http)
{
	const void *basic = *(const void *const *)check_field(spec, args, "basic_auth");
	const struct arg_spec *sub = check_row(spec, "basic_auth")->sub;
	const char *file;
	struct buf text;
	int r;

	http->bearer_token = text_of(c, spec, args, "bearer_token");
	if (basic == NULL)
		return;
	http->username = text_of(c, sub, basic, "username");
	if (http->username == NULL)
		http->username = "";
	http->password = text_of(c, sub, basic, "password");
	file = text_of(c, sub, basic, "password_file");
	a->login_unknown = http->password == NULL && file == NULL;
	if (file == NULL)
		return;
	buf_init(&text, SECRET_BYTES_MAX);
	r = file_read(file, &text);
	if (r < 0)
		check_finding(c, CHECK_FAIL, arena_printf(c->arena, "setfacl -m u:%s:r %s", c->user, check_word(c, file)).s,
			"%s: cannot read password_file %s: %s", a->name, file, strerror(-r));
	else
		http->password = arena_z(c->arena, str_trim(buf_view(&text)));
	buf_done(&text);
}

static void
take_tls(struct check *c, const struct arg_spec *spec, const void *args, struct http_options *http)
{
	const void *tls = *(const void *const *)check_field(spec, args, "tls_config");
	const struct arg_spec *sub = check_row(spec, "tls_config")->sub;

	if (tls == NULL)
		return;
	http->ca_file = text_of(c, sub, tls, "ca_file");
	http->cert_file = text_of(c, sub, tls, "cert_file");
	http->key_file = text_of(c, sub, tls, "key_file");
	http->insecure_skip_verify = *(const bool *)check_field(sub, tls, "insecure_skip_verify");
}

/* The configured ones that the sender does not set itself, then the sender's. */
static const char *const *
headers_of(struct check *c, const struct arg_spec *spec, const void *args)
{
	static const char *const own[] = {"user-agent", "content-type", "content-encoding", "x-scope-orgid", "content-length"};
	const struct str_map *map = check_field(spec, args, "headers");
	const char *tenant = text_of(c, spec, args, "tenant_id");
	const char **headers = arena_array(c->arena, const char *, map->n + 4);
	size_t n = 0;

	for (size_t i = 0; i < map->n; i++) {
		const char *name = arena_z(c->arena, map->items[i].name);
		bool is_own = false;

		for (size_t k = 0; k < ARRAY_LEN(own); k++)
			is_own = is_own || strcasecmp(name, own[k]) == 0;
		if (!is_own)
			headers[n++] = arena_printf(c->arena, "%s: %.*s", name, STR_FMT(map->items[i].value)).s;
	}
	headers[n++] = "User-Agent: longship/" LONGSHIP_VERSION;
	headers[n++] = "Content-Type: application/x-protobuf";
	if (tenant != NULL)
		headers[n++] = arena_printf(c->arena, "X-Scope-OrgID: %s", tenant).s;
	return headers;
}

static void
tell_fault(const struct asked *a, const struct http_result *result)
{
	struct check *c = a->check;
	struct str host, port;
	const char *word, *peer = a->proxy ? "the proxy of the endpoint" : a->host;

	(void)str_cut(str_from(a->host), ':', &host, &port);
	word = check_word(c, arena_z(c->arena, host));
	switch (result->fault) {
	case HTTP_FAULT_NAME:
		check_finding(c, CHECK_FAIL, arena_printf(c->arena, "getent hosts %s; then /etc/resolv.conf or the url", word).s,
			"%s: the name does not resolve: %s", a->name, result->error);
		return;
	case HTTP_FAULT_CONNECT:
		check_finding(c, CHECK_FAIL, arena_printf(c->arena, "curl -v %s://%s/ready; is Loki up, a firewall between?",
			a->tls ? "https" : "http", a->host).s, "%s: no connection to %s: %s", a->name, peer, result->error);
		return;
	case HTTP_FAULT_TLS:
		check_finding(c, CHECK_FAIL,
			arena_printf(c->arena, "openssl s_client -connect %s%s -servername %s </dev/null; renew the certificate or set tls_config "
				"ca_file", a->host, port.len > 0 ? "" : ":443", word).s,
			"%s: TLS fails: %s", a->name, result->error);
		return;
	case HTTP_FAULT_OTHER:
		break;
	}
	check_finding(c, CHECK_FAIL, arena_printf(c->arena, "curl -v %s://%s/ready", a->tls ? "https" : "http", a->host).s,
		"%s: no answer: %s", a->name, result->error);
}

static void
tell_refusal(const struct asked *a, int status)
{
	struct check *c = a->check;

	if ((status == 401 || status == 403) && a->login_unknown)
		check_finding(c, CHECK_WARN, NULL, "%s: answers %d; the password is known only once longship runs", a->name, status);
	else if (status == 401 || status == 403)
		check_finding(c, CHECK_FAIL, "set tenant_id, and basic_auth or bearer_token, to what Loki's operator gave", "%s: credentials or tenant are refused (%d)",
			a->name, status);
	else if (status == 404 || status == 405)
		check_finding(c, CHECK_FAIL, "let the url end in /loki/api/v1/push", "%s: the path of the url is wrong (%d)", a->name, status);
	else if (status == 429)
		check_finding(c, CHECK_WARN, "raise the tenant's ingestion_rate_mb in Loki", "%s: reached, but the tenant is rate-limited (429)", a->name);
	else if (status >= 300 && status < 400)
		check_finding(c, CHECK_FAIL, "set the url to where it redirects to", "%s: redirects (%d), which is not followed", a->name, status);
	else
		check_finding(c, status >= 500 ? CHECK_FAIL : CHECK_WARN,
			arena_printf(c->arena, "curl -v %s://%s/ready", a->tls ? "https" : "http", a->host).s, "%s: answers %d", a->name, status);
}

static void
on_done(void *ptr, const struct http_result *result)
{
	const struct asked *a = ptr;
	struct check *c = a->check;
	int status = result->status;

	if (status == 0) {
		tell_fault(a, result);
		return;
	}
	check_finding(c, CHECK_OK, NULL, "%s: %s, connects%s%s%s", a->name, a->proxy ? "the proxy answers" : "the name resolves", a->tls ? ", TLS" : "",
		result->cert_expires != NULL ? ", certificate until " : "", result->cert_expires != NULL ? result->cert_expires : "");
	/* A push without streams is answered 400 or 422 by newer Lokis, behind login and tenant. */
	if (status == 200 || status == 204 || status == 400 || status == 422)
		check_finding(c, CHECK_OK, NULL, "%s: pushes are accepted for this login and tenant (%d to an empty one)", a->name, status);
	else
		tell_refusal(a, status);
}

static struct asked *
ask(struct check *c, struct http_client *client, const struct component *component, const void *args)
{
	static const char empty[] = {0}; /* a snappy block of no bytes: a push without streams */
	const struct arg_spec *spec = check_row(component->type->args, "endpoint")->sub;
	struct str url = *(const struct str *)check_field(spec, args, "url");
	struct asked *a = arena_make(c->arena, struct asked);
	struct http_options http = {
		.url = arena_z(c->arena, url),
		.headers = headers_of(c, spec, args),
		.proxy_url = text_of(c, spec, args, "proxy_url"),
		.no_proxy = text_of(c, spec, args, "no_proxy"),
		.follow_redirects = *(const bool *)check_field(spec, args, "follow_redirects"),
		.http2 = *(const bool *)check_field(spec, args, "enable_http2"),
		.show_certificate = true,
	};

	a->check = c;
	a->host = arena_z(c->arena, host_of(url));
	a->name = arena_printf(c->arena, "%s: %s", component->id, a->host).s;
	a->tls = str_starts(url, STR("https://"));
	a->proxy = http.proxy_url != NULL;
	take_login(c, a, spec, args, &http);
	take_tls(c, spec, args, &http);
	a->target = http_target_new(&http);
	(void)http_call_start(client, a->target, NULL, empty, sizeof(empty), ASK_NS, on_done, a);
	return a;
}

void
check_loki(struct check *c)
{
	struct http_client *client = http_client_new();
	struct asked *asked[ENDPOINTS_MAX];
	size_t n = 0, bytes;

	for (size_t i = 0; i < graph_load_len(c->load); i++) {
		const struct component *component = graph_load_at(c->load, i);
		const struct block_list *endpoints;

		if (component == NULL || strcmp(component->type->name, "loki.write") != 0)
			continue;
		endpoints = check_field(component->type->args, component->args, "endpoint");
		bytes = check_row(component->type->args, "endpoint")->sub_size;
		for (size_t k = 0; k < endpoints->n && n < ENDPOINTS_MAX; k++)
			asked[n++] = ask(c, client, component, (const char *)endpoints->items + k * bytes);
	}
	while (http_client_run(client, ASK_NS) > 0)
		;
	for (size_t i = 0; i < n; i++)
		http_target_free(asked[i]->target);
	http_client_free(client);
}

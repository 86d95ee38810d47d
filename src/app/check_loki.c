/* SPDX-License-Identifier: Apache-2.0 */
#include "check_priv.h"

#include <stdio.h>
#include <string.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/flow/http_login.h"

/*
 * Every endpoint gets one push without streams, as the daemon would send it: what an answer needs (name, connection,
 * certificate, login, tenant, path) is proven by it, and nothing is stored. All are asked at the same time. What is told
 * of an endpoint is its host: an URL may hold a password.
 */

#define ENDPOINTS_MAX 256 /* asked at the same time; each costs a descriptor */
#define ASK_NS (5 * NS_PER_S)
#define LOOK_NS (NS_PER_S / 10)

struct asked {
	struct check *check;
	const char *name; /* component and host */
	const char *host;
	bool tls, proxy;
	bool login_unknown; /* a component exports it once it runs */
	bool asked;
	struct str tenant;
	struct http_target *target;
	struct http_login *login;
};

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

static void
send_push(struct asked *a, struct http_client *client)
{
	static const char empty[] = {0}; /* a snappy block of no bytes: a push without streams */
	const char *headers[4] = {"Content-Type: application/x-protobuf", http_login_header(a->login)};

	if (a->tenant.len > 0)
		headers[headers[1] != NULL ? 2 : 1] = arena_printf(a->check->arena, "X-Scope-OrgID: %.*s", STR_FMT(a->tenant)).s;
	(void)http_call_start(client, a->target, headers, empty, sizeof(empty), ASK_NS, on_done, a);
	a->asked = true;
}

/* Asks once the credentials are there. */
static void
go_on(struct asked *a, struct http_client *client)
{
	if (a->asked)
		return;
	switch (http_login_prepare(a->login, client)) {
	case LOGIN_READY:
		send_push(a, client);
		return;
	case LOGIN_WAIT:
		return;
	case LOGIN_FAILED:
		check_finding(a->check, CHECK_FAIL, "let longship's user read the file, or mend the token_url", "%s: no credentials: %s", a->name,
			http_login_error(a->login));
		a->asked = true;
		return;
	}
}

static struct asked *
make_asked(struct check *c, const struct component *component, const void *args)
{
	const struct arg_spec *spec = check_row(component->type->args, "endpoint")->sub;
	const struct http_settings *settings = http_settings_of(spec, args);
	struct str url = *(const struct str *)check_field(spec, args, "url"), host = STR_EMPTY;
	struct asked *a = arena_make(c->arena, struct asked);
	struct http_options http = http_settings_options(settings, c->arena, url, check_field(spec, args, "headers"));

	http.show_certificate = true;
	(void)http_settings_host(url, &host);
	a->check = c;
	a->host = arena_z(c->arena, host);
	a->tenant = *(const struct str *)check_field(spec, args, "tenant_id");
	a->name = arena_printf(c->arena, "%s: %s", component->id, a->host).s;
	a->tls = str_starts(url, STR("https://"));
	a->proxy = http.proxy_url != NULL || http.proxy_from_environment;
	a->login_unknown = settings->basic_auth != NULL && settings->basic_auth->password.len == 0 && settings->basic_auth->password_file.len == 0;
	a->login = http_login_new(settings);
	a->target = http_target_new(&http);
	return a;
}

void
check_loki(struct check *c)
{
	struct http_client *client = http_client_new();
	struct asked *asked[ENDPOINTS_MAX];
	size_t n = 0, bytes, left;

	for (size_t i = 0; i < graph_load_len(c->load); i++) {
		const struct component *component = graph_load_at(c->load, i);
		const struct block_list *endpoints;

		if (component == NULL || strcmp(component->type->name, "loki.write") != 0)
			continue;
		endpoints = check_field(component->type->args, component->args, "endpoint");
		bytes = check_row(component->type->args, "endpoint")->sub_size;
		for (size_t k = 0; k < endpoints->n && n < ENDPOINTS_MAX; k++)
			asked[n++] = make_asked(c, component, (const char *)endpoints->items + k * bytes);
	}
	do {
		left = 0;
		for (size_t i = 0; i < n; i++) {
			go_on(asked[i], client);
			left += !asked[i]->asked;
		}
		left += n > 0 ? http_client_run(client, LOOK_NS) : 0;
	} while (left > 0);
	for (size_t i = 0; i < n; i++) {
		http_target_unref(asked[i]->target);
		http_login_unref(asked[i]->login);
	}
	http_client_free(client);
}

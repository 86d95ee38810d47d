/* SPDX-License-Identifier: Apache-2.0 */
/* Names, defaults and messages are Alloy's (internal/component/common/config/types.go). */
#include "longship/flow/http_settings.h"

#include <string.h>
#include <strings.h>

#include "longship/base/check.h"

#define HEADERS_MAX 64

#define BASIC(field) offsetof(struct http_basic_auth, field)
#define AUTHORIZATION(field) offsetof(struct http_authorization, field)
#define TLS(field) offsetof(struct http_tls, field)
#define PROXY(field) offsetof(struct http_proxy, field)
#define OAUTH2(field) offsetof(struct http_oauth2, field)
#define AT(field) offsetof(struct http_settings, field)

static const char *const tls_versions[] = {"", "TLS10", "TLS11", "TLS12", "TLS13", NULL};

static const struct arg_spec basic_auth_spec[] = {
	{.name = "username", .kind = ARG_STRING, .offset = BASIC(username), .doc = "User name."},
	{.name = "password", .kind = ARG_SECRET, .offset = BASIC(password), .doc = "Password."},
	{.name = "password_file", .kind = ARG_STRING, .offset = BASIC(password_file), .doc = "File that holds the password; read again when it changes."},
	{0},
};

static const struct arg_spec authorization_spec[] = {
	{.name = "type", .kind = ARG_STRING, .offset = AUTHORIZATION(type), .fallback = "\"Bearer\"", .doc = "Scheme of the Authorization header."},
	{.name = "credentials", .kind = ARG_SECRET, .offset = AUTHORIZATION(credentials), .doc = "What stands behind the scheme."},
	{.name = "credentials_file", .kind = ARG_STRING, .offset = AUTHORIZATION(credentials_file),
		.doc = "File that holds the credentials; read again when it changes."},
	{0},
};

static const struct arg_spec tls_spec[] = {
	{.name = "ca_pem", .kind = ARG_STRING, .offset = TLS(ca_pem), .doc = "CA certificates to trust, PEM."},
	{.name = "ca_file", .kind = ARG_STRING, .offset = TLS(ca_file), .doc = "File of CA certificates to trust, PEM; read again when it changes."},
	{.name = "cert_pem", .kind = ARG_STRING, .offset = TLS(cert_pem), .doc = "Client certificate, PEM."},
	{.name = "cert_file", .kind = ARG_STRING, .offset = TLS(cert_file),
		.doc = "File of the client certificate, PEM; read again when it and its key have changed to a pair that fits."},
	{.name = "key_pem", .kind = ARG_SECRET, .offset = TLS(key_pem), .doc = "Key of the client certificate, PEM."},
	{.name = "key_file", .kind = ARG_STRING, .offset = TLS(key_file), .doc = "File of the client certificate's key, PEM."},
	{.name = "server_name", .kind = ARG_STRING, .offset = TLS(server_name), .doc = "Name to ask for and to find in the server's certificate, instead of the URL's."},
	{.name = "insecure_skip_verify", .kind = ARG_BOOL, .offset = TLS(insecure_skip_verify), .fallback = "false",
		.doc = "Accepts any server certificate."},
	{.name = "min_version", .kind = ARG_CHOICE, .offset = TLS(min_version), .fallback = "\"\"", .choices = tls_versions,
		.doc = "Oldest version of TLS that is spoken; TLS 1.2 when not given."},
	{0},
};

#define PROXY_ROWS(base)                                                                                                      \
	{.name = "proxy_url", .kind = ARG_STRING, .offset = (base) + PROXY(url), .fallback = "\"\"", .doc = "HTTP proxy to send through."}, \
	{.name = "no_proxy", .kind = ARG_STRING, .offset = (base) + PROXY(no_proxy), .fallback = "\"\"",                        \
		.doc = "Hosts that are reached without the proxy, comma-separated."},                                           \
	{.name = "proxy_from_environment", .kind = ARG_BOOL, .offset = (base) + PROXY(from_environment), .fallback = "false",   \
		.doc = "Takes the proxy from HTTP_PROXY, HTTPS_PROXY and NO_PROXY."},                                           \
	{.name = "proxy_connect_header", .kind = ARG_SECRET_MAP, .offset = (base) + PROXY(connect_header), .fallback = "{}",    \
		.doc = "Headers for the proxy when a tunnel is asked for."}

static const struct arg_spec oauth2_spec[] = {
	{.name = "client_id", .kind = ARG_STRING, .offset = OAUTH2(client_id), .doc = "Client to get tokens for."},
	{.name = "client_secret", .kind = ARG_SECRET, .offset = OAUTH2(client_secret), .doc = "The client's secret."},
	{.name = "client_secret_file", .kind = ARG_STRING, .offset = OAUTH2(client_secret_file),
		.doc = "File that holds the secret; read again when it changes."},
	{.name = "scopes", .kind = ARG_STRING_LIST, .offset = OAUTH2(scopes), .fallback = "[]", .doc = "Scopes to ask for."},
	{.name = "token_url", .kind = ARG_STRING, .offset = OAUTH2(token_url), .doc = "URL that gives tokens for client credentials."},
	{.name = "endpoint_params", .kind = ARG_STRING_MAP, .offset = OAUTH2(endpoint_params), .fallback = "{}", .doc = "Further parameters for it."},
	PROXY_ROWS(OAUTH2(proxy)),
	{.name = "tls_config", .kind = ARG_BLOCK, .offset = OAUTH2(tls), .sub = tls_spec, .sub_size = sizeof(struct http_tls),
		.doc = "TLS settings for token_url."},
	{0},
};

const struct arg_spec http_settings_spec[] = {
	{.name = "bearer_token", .kind = ARG_SECRET, .offset = AT(bearer_token), .doc = "Bearer token to authenticate with."},
	{.name = "bearer_token_file", .kind = ARG_STRING, .offset = AT(bearer_token_file), .fallback = "\"\"",
		.doc = "File that holds the token; read again when it changes."},
	PROXY_ROWS(AT(proxy)),
	{.name = "follow_redirects", .kind = ARG_BOOL, .offset = AT(follow_redirects), .fallback = "true", .doc = "Follows redirects of the server."},
	{.name = "enable_http2", .kind = ARG_BOOL, .offset = AT(enable_http2), .fallback = "true", .doc = "Offers HTTP/2 to https servers."},
	{.name = "http_headers", .kind = ARG_SECRET_MAP, .offset = AT(http_headers), .fallback = "{}", .doc = "Further request headers, which are kept secret."},
	{.name = "basic_auth", .kind = ARG_BLOCK, .offset = AT(basic_auth), .sub = basic_auth_spec, .sub_size = sizeof(struct http_basic_auth),
		.doc = "Basic authentication."},
	{.name = "authorization", .kind = ARG_BLOCK, .offset = AT(authorization), .sub = authorization_spec,
		.sub_size = sizeof(struct http_authorization), .doc = "An Authorization header."},
	{.name = "oauth2", .kind = ARG_BLOCK, .offset = AT(oauth2), .sub = oauth2_spec, .sub_size = sizeof(struct http_oauth2),
		.doc = "Tokens by OAuth 2.0 client credentials."},
	{.name = "tls_config", .kind = ARG_BLOCK, .offset = AT(tls), .sub = tls_spec, .sub_size = sizeof(struct http_tls), .doc = "TLS settings."},
	{0},
};

/* ---- Checks ---- */

static bool
fault(struct diags *diags, struct src_pos at, const char *text)
{
	diag_error(diags, at, "%s", text);
	return false;
}

bool
http_settings_host(struct str url, struct str *ret)
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
	for (size_t i = host.len; i > 0; i--) {
		if (host.s[i - 1] == '@') {
			host = str_from_offset(host, i);
			break;
		}
	}
	*ret = host;
	return host.len > 0;
}

static bool
check_tls(const struct http_tls *t, struct src_pos at, struct diags *diags)
{
	bool cert, key;

	if (t == NULL)
		return true;
	cert = t->cert_pem.len > 0 || t->cert_file.len > 0;
	key = t->key_pem.len > 0 || t->key_file.len > 0;
	if (t->ca_pem.len > 0 && t->ca_file.len > 0)
		return fault(diags, at, "at most one of ca_pem and ca_file must be configured");
	if (t->cert_pem.len > 0 && t->cert_file.len > 0)
		return fault(diags, at, "at most one of cert_pem and cert_file must be configured");
	if (t->key_pem.len > 0 && t->key_file.len > 0)
		return fault(diags, at, "at most one of key_pem and key_file must be configured");
	if (cert && !key)
		return fault(diags, at, "exactly one of key_pem or key_file must be configured when a client certificate is configured");
	if (key && !cert)
		return fault(diags, at, "exactly one of cert_pem or cert_file must be configured when a client key is configured");
	return true;
}

static bool
has_line_break(struct str s)
{
	return s.len > 0 && (memchr(s.s, '\n', s.len) != NULL || memchr(s.s, '\r', s.len) != NULL || memchr(s.s, '\0', s.len) != NULL);
}

bool
http_settings_check_headers(const struct str_map *headers, struct src_pos at, struct diags *diags)
{
	if (headers->n > HEADERS_MAX) {
		diag_error(diags, at, "at most %d headers can be configured", HEADERS_MAX);
		return false;
	}
	for (size_t i = 0; i < headers->n; i++) {
		if (has_line_break(headers->items[i].name) || has_line_break(headers->items[i].value)) {
			diag_error(diags, at, "header \"%.*s\" holds a line break", STR_FMT(headers->items[i].name));
			return false;
		}
	}
	return true;
}

static bool
check_proxy(const struct http_proxy *p, struct src_pos at, struct diags *diags)
{
	if (p->connect_header.n > 0 && !p->from_environment && p->url.len == 0)
		return fault(diags, at, "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured");
	if (p->from_environment && p->url.len > 0)
		return fault(diags, at, "if proxy_from_environment is configured, proxy_url must not be configured");
	if (p->from_environment && p->no_proxy.len > 0)
		return fault(diags, at, "if proxy_from_environment is configured, no_proxy must not be configured");
	if (p->url.len == 0 && p->no_proxy.len > 0)
		return fault(diags, at, "if no_proxy is configured, proxy_url must also be configured");
	return http_settings_check_headers(&p->connect_header, at, diags);
}

static bool
check_oauth2(const struct http_oauth2 *o, struct src_pos at, struct diags *diags)
{
	struct str host;

	if (o == NULL)
		return true;
	if (o->client_id.len == 0)
		return fault(diags, at, "oauth2 client_id must be configured");
	if (o->client_secret.len == 0 && o->client_secret_file.len == 0)
		return fault(diags, at, "either oauth2 client_secret or client_secret_file must be configured");
	if (o->token_url.len == 0)
		return fault(diags, at, "oauth2 token_url must be configured");
	if (o->client_secret.len > 0 && o->client_secret_file.len > 0)
		return fault(diags, at, "at most one of oauth2 client_secret & client_secret_file must be configured");
	if (!http_settings_host(o->token_url, &host))
		return fault(diags, at, "oauth2 token_url is not an http:// or https:// URL");
	return check_proxy(&o->proxy, at, diags) && check_tls(o->tls, at, diags);
}

static bool
check_authorization(const struct http_authorization *a, struct src_pos at, struct diags *diags)
{
	if (a == NULL)
		return true;
	if (a->credentials.len > 0 && a->credentials_file.len > 0)
		return fault(diags, at, "at most one of authorization credentials & credentials_file must be configured");
	if (a->type.len == 5 && strncasecmp(a->type.s, "basic", 5) == 0)
		return fault(diags, at, "authorization type cannot be set to \"basic\", use \"basic_auth\" block instead");
	return true;
}

/* Those that Prometheus' client keeps for itself. */
static bool
is_reserved(struct str name)
{
	static const char *const reserved[] = {"authorization", "host", "content-encoding", "content-length", "content-type", "user-agent",
		"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "www-authenticate", "accept-encoding"};

	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		if (name.len == strlen(reserved[i]) && strncasecmp(name.s, reserved[i], name.len) == 0)
			return true;
	}
	return false;
}

bool
http_settings_check(const struct http_settings *s, struct src_pos at, struct diags *diags)
{
	int logins = (s->basic_auth != NULL) + (s->authorization != NULL) + (s->oauth2 != NULL) + (s->bearer_token.len > 0) +
		(s->bearer_token_file.len > 0);

	if (logins > 1)
		return fault(diags, at, "at most one of basic_auth, authorization, oauth2, bearer_token & bearer_token_file must be configured");
	if (s->basic_auth != NULL && s->basic_auth->password.len > 0 && s->basic_auth->password_file.len > 0)
		return fault(diags, at, "at most one of basic_auth password & password_file must be configured");
	for (size_t i = 0; i < s->http_headers.n; i++) {
		if (is_reserved(s->http_headers.items[i].name)) {
			diag_error(diags, at, "setting header \"%.*s\" is not allowed", STR_FMT(s->http_headers.items[i].name));
			return false;
		}
	}
	return check_authorization(s->authorization, at, diags) && check_oauth2(s->oauth2, at, diags) && check_proxy(&s->proxy, at, diags) &&
		check_tls(s->tls, at, diags) && http_settings_check_headers(&s->http_headers, at, diags);
}

const struct http_settings *
http_settings_of(const struct arg_spec *spec, const void *args)
{
	for (; spec->kind != ARG_END; spec++) {
		if (spec->kind == ARG_SQUASH && spec->sub == http_settings_spec)
			return (const struct http_settings *)((const char *)args + spec->offset);
	}
	return NULL;
}

/* ---- Options ---- */

static const char *
z_or_null(struct arena *arena, struct str s)
{
	return s.len > 0 ? arena_z(arena, s) : NULL;
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

static const char *const *
header_lines(struct arena *arena, const struct str_map *a, const struct str_map *b)
{
	const char **lines = arena_array(arena, const char *, a->n + (b != NULL ? b->n : 0) + 2);
	size_t n = 0;

	lines[n++] = "User-Agent: longship/" LONGSHIP_VERSION;
	for (const struct str_map *map = a; map != NULL; map = map == a ? b : NULL) {
		for (size_t i = 0; i < map->n; i++) {
			if (!is_own_header(map->items[i].name))
				lines[n++] = arena_printf(arena, "%.*s: %.*s", STR_FMT(map->items[i].name), STR_FMT(map->items[i].value)).s;
		}
	}
	return lines;
}

static void
set_proxy(struct http_options *o, const struct http_proxy *p, struct arena *arena)
{
	const char **lines = arena_array(arena, const char *, p->connect_header.n + 1);

	o->proxy_url = z_or_null(arena, p->url);
	o->no_proxy = z_or_null(arena, p->no_proxy);
	o->proxy_from_environment = p->from_environment;
	for (size_t i = 0; i < p->connect_header.n; i++)
		lines[i] = arena_printf(arena, "%.*s: %.*s", STR_FMT(p->connect_header.items[i].name), STR_FMT(p->connect_header.items[i].value)).s;
	o->proxy_headers = lines;
}

static void
set_tls(struct http_options *o, const struct http_tls *t, struct arena *arena)
{
	if (t == NULL)
		return;
	o->tls = (struct tls_files_options){
		.ca_pem = z_or_null(arena, t->ca_pem),
		.ca_file = z_or_null(arena, t->ca_file),
		.cert_pem = z_or_null(arena, t->cert_pem),
		.cert_file = z_or_null(arena, t->cert_file),
		.key_pem = z_or_null(arena, t->key_pem),
		.key_file = z_or_null(arena, t->key_file),
	};
	o->server_name = z_or_null(arena, t->server_name);
	o->insecure_skip_verify = t->insecure_skip_verify;
	o->tls_min_minor = t->min_version - 1;
}

struct http_options
http_settings_options(const struct http_settings *s, struct arena *arena, struct str url, const struct str_map *headers)
{
	struct http_options o = {
		.url = arena_z(arena, url),
		.headers = header_lines(arena, &s->http_headers, headers),
		.follow_redirects = s->follow_redirects,
		.http2 = s->enable_http2,
		.tls_min_minor = -1,
	};

	set_proxy(&o, &s->proxy, arena);
	set_tls(&o, s->tls, arena);
	return o;
}

struct http_options
http_settings_token_options(const struct http_oauth2 *a, struct arena *arena)
{
	static const struct str_map none = {0};
	struct http_options o = {
		.url = arena_z(arena, a->token_url),
		.headers = header_lines(arena, &none, NULL),
		.follow_redirects = true,
		.http2 = true,
		.tls_min_minor = -1,
	};

	set_proxy(&o, &a->proxy, arena);
	set_tls(&o, a->tls, arena);
	return o;
}

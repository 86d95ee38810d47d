/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How a component speaks to an HTTP server: the arguments that Alloy's components share (basic_auth, tls_config,
 * proxy_url, …). A component squashes the table into its own:
 *
 *	{.kind = ARG_SQUASH, .offset = offsetof(struct my_args, http), .sub = http_settings_spec, .sub_size = sizeof(struct http_settings)},
 *
 * calls http_settings_check in its check, and makes options for os/http_client.h and a login (flow/http_login.h) of it.
 */
#include <stdbool.h>

#include "longship/lang/args.h"
#include "longship/os/http_client.h"

struct http_basic_auth {
	struct str username, password, password_file;
};

struct http_authorization {
	struct str type, credentials, credentials_file;
};

struct http_tls {
	struct str ca_pem, ca_file, cert_pem, cert_file, key_pem, key_file, server_name;
	bool insecure_skip_verify;
	int min_version; /* index of the choices: "", TLS10 … TLS13 */
};

struct http_proxy {
	struct str url, no_proxy;
	bool from_environment;
	struct str_map connect_header;
};

struct http_oauth2 {
	struct str client_id, client_secret, client_secret_file, token_url;
	struct str_list scopes;
	struct str_map endpoint_params;
	struct http_proxy proxy;
	struct http_tls *tls;
};

struct http_settings {
	struct http_basic_auth *basic_auth;
	struct http_authorization *authorization;
	struct http_oauth2 *oauth2;
	struct str bearer_token, bearer_token_file;
	struct http_proxy proxy;
	struct http_tls *tls;
	bool follow_redirects, enable_http2;
	struct str_map http_headers;
};

extern const struct arg_spec http_settings_spec[];
bool http_settings_check(const struct http_settings *, struct src_pos at, struct diags *);
/* Header names and values that fit into a request. */
bool http_settings_check_headers(const struct str_map *, struct src_pos at, struct diags *);
/* The settings of a decoded struct whose table has them squashed in; NULL when it has not. */
const struct http_settings *http_settings_of(const struct arg_spec *, const void *args);
/* For url, with further headers (name and value; the sender's own and those of http_headers that Alloy forbids are left out). All but
 * the login. Lives in the arena. */
struct http_options http_settings_options(const struct http_settings *, struct arena *, struct str url, const struct str_map *headers);
/* The same for the endpoint that gives tokens. */
struct http_options http_settings_token_options(const struct http_oauth2 *, struct arena *);
/* "host:port" of an http or https URL, without user name and password; false when it is none. */
bool http_settings_host(struct str url, struct str *ret);

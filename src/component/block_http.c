/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/flow/component.h"
#include "longship/flow/http_access.h"
#include "longship/flow/runtime.h"

/*
 * The `http` block: user name, password and TLS of longship's own server. Certificates are read when the
 * block is evaluated; a reload reads them again. A file that cannot be read on a reload keeps what was read
 * before, and the block becomes unhealthy.
 */

#define PEM_BYTES_MAX (1u << 20) /* a bundle of all public authorities is a quarter of it */

struct basic_args {
	struct str username, password;
};

struct filter_args {
	struct str_list paths;
	bool authenticate_matching_paths;
};

struct auth_args {
	struct basic_args *basic;
	struct filter_args *filter;
};

struct tls_args {
	struct src_pos pos;
	struct str cert_pem, cert_file, key_pem, key_file, client_ca_pem, client_ca_file;
	int client_auth_type, min_version, max_version;
	struct value cipher_suites, curve_preferences;
	struct value *windows_filter;
};

struct http_args {
	struct auth_args *auth;
	struct tls_args *tls;
};

enum client_auth { CLIENT_NONE, CLIENT_OPTIONAL, CLIENT_REQUIRED };
static const char *const client_auths[] = {
	"NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert", NULL};
enum tls_version { TLS_DEFAULT, TLS_12, TLS_13 };
static const char *const tls_versions[] = {"", "TLS12", "TLS13", NULL};

static const struct arg_spec basic_spec[] = {
	{.name = "username",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct basic_args, username),
		.doc = "Name that is asked for."},
	{.name = "password",
		.kind = ARG_SECRET,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct basic_args, password),
		.doc = "Password that is asked for."},
	{0},
};

static const struct arg_spec filter_spec[] = {
	{.name = "paths",
		.kind = ARG_STRING_LIST,
		.offset = offsetof(struct filter_args, paths),
		.doc = "Prefixes of paths."},
	{.name = "authenticate_matching_paths",
		.kind = ARG_BOOL,
		.offset = offsetof(struct filter_args, authenticate_matching_paths),
		.fallback = "true",
		.doc = "Whether these paths are guarded, or all others."},
	{0},
};

static const struct arg_spec auth_spec[] = {
	{.name = "basic",
		.kind = ARG_BLOCK,
		.offset = offsetof(struct auth_args, basic),
		.sub = basic_spec,
		.sub_size = sizeof(struct basic_args),
		.doc = "Basic authentication."},
	{.name = "filter",
		.kind = ARG_BLOCK,
		.offset = offsetof(struct auth_args, filter),
		.sub = filter_spec,
		.sub_size = sizeof(struct filter_args),
		.doc = "Guards only some paths."},
	{0},
};

static const struct arg_spec no_spec[] = {{0}};

static const struct arg_spec tls_spec[] = {
	{.kind = ARG_POS, .offset = offsetof(struct tls_args, pos)},
	{.name = "cert_pem",
		.kind = ARG_STRING,
		.offset = offsetof(struct tls_args, cert_pem),
		.doc = "The server's certificate."},
	{.name = "cert_file",
		.kind = ARG_STRING,
		.offset = offsetof(struct tls_args, cert_file),
		.doc = "The same from a file."},
	{.name = "key_pem",
		.kind = ARG_SECRET,
		.offset = offsetof(struct tls_args, key_pem),
		.doc = "The certificate's key."},
	{.name = "key_file",
		.kind = ARG_STRING,
		.offset = offsetof(struct tls_args, key_file),
		.doc = "The same from a file."},
	{.name = "client_ca_pem",
		.kind = ARG_STRING,
		.offset = offsetof(struct tls_args, client_ca_pem),
		.doc = "The authority that clients' certificates must come from."},
	{.name = "client_ca_file",
		.kind = ARG_STRING,
		.offset = offsetof(struct tls_args, client_ca_file),
		.doc = "The same from a file."},
	{.name = "client_auth_type",
		.kind = ARG_CHOICE,
		.offset = offsetof(struct tls_args, client_auth_type),
		.fallback = "\"NoClientCert\"",
		.choices = client_auths,
		.doc = "Whether clients must show a certificate."},
	{.name = "min_version",
		.kind = ARG_CHOICE,
		.offset = offsetof(struct tls_args, min_version),
		.fallback = "\"\"",
		.choices = tls_versions,
		.doc = "Oldest version of TLS; 1.2 by default."},
	{.name = "max_version",
		.kind = ARG_CHOICE,
		.offset = offsetof(struct tls_args, max_version),
		.fallback = "\"\"",
		.choices = tls_versions,
		.doc = "Newest version of TLS; only TLS13."},
	{.name = "cipher_suites",
		.kind = ARG_ANY,
		.flags = ARG_UNSUPPORTED,
		.offset = offsetof(struct tls_args, cipher_suites),
		.doc = "The suites are those of the system's policy."},
	{.name = "curve_preferences",
		.kind = ARG_ANY,
		.flags = ARG_UNSUPPORTED,
		.offset = offsetof(struct tls_args, curve_preferences),
		.doc = "The curves are those of the system's policy."},
	{.name = "windows_certificate_filter",
		.kind = ARG_BLOCK,
		.flags = ARG_UNSUPPORTED,
		.offset = offsetof(struct tls_args, windows_filter),
		.sub = no_spec,
		.sub_size = sizeof(struct value),
		.doc = "There is no such store on Linux."},
	{0},
};

static const struct arg_spec spec[] = {
	{.name = "auth",
		.kind = ARG_BLOCK,
		.offset = offsetof(struct http_args, auth),
		.sub = auth_spec,
		.sub_size = sizeof(struct auth_args),
		.doc = "User name and password."},
	{.name = "tls",
		.kind = ARG_BLOCK,
		.offset = offsetof(struct http_args, tls),
		.sub = tls_spec,
		.sub_size = sizeof(struct tls_args),
		.doc = "Encryption."},
	{0},
};

/* At most one of text and file. */
static bool
check_pair(const struct tls_args *tls, struct str pem, struct str file, const char *name, bool required,
	struct diags *diags)
{
	if (pem.len > 0 && file.len > 0)
		diag_error(diags, tls->pos, "at most one of %s_pem and %s_file must be configured", name, name);
	else if (required && pem.len == 0 && file.len == 0)
		diag_error(diags, tls->pos, "%s_pem or %s_file must be configured", name, name);
	else
		return true;
	return false;
}

static bool
check(const void *ptr, struct src_pos at, struct diags *diags)
{
	const struct http_args *args = ptr;
	const struct tls_args *tls = args->tls;
	bool ca;

	(void)at;
	if (tls == NULL)
		return true;
	ca = tls->client_ca_pem.len > 0 || tls->client_ca_file.len > 0;
	if (!check_pair(tls, tls->cert_pem, tls->cert_file, "cert", true, diags) ||
		!check_pair(tls, tls->key_pem, tls->key_file, "key", true, diags) ||
		!check_pair(tls, tls->client_ca_pem, tls->client_ca_file, "client_ca",
			tls->client_auth_type != CLIENT_NONE, diags))
		return false;
	if (ca && tls->client_auth_type == CLIENT_NONE) {
		diag_error(
			diags, tls->pos, "a client CA is only allowed when client_auth_type is not \"NoClientCert\"");
		return false;
	}
	if (tls->max_version == TLS_12) {
		diag_error(diags, tls->pos, "max_version \"TLS12\" cannot be had: TLS 1.3 is always offered");
		return false;
	}
	return true;
}

static int
read_pem(struct component *component, struct arena *arena, struct str pem, struct str file, struct str *ret)
{
	const char *path = arena_z(arena, file);
	char *text;
	FILE *in;
	size_t n;

	if (file.len == 0) {
		*ret = pem;
		return 0;
	}
	in = fopen(path, "re");
	if (in == NULL)
		return component_fail(component, -errno, "cannot read %s: %s", path, strerror(errno));
	text = arena_alloc(arena, PEM_BYTES_MAX + 1);
	n = fread(text, 1, PEM_BYTES_MAX + 1, in);
	fclose(in);
	if (n == 0 || n > PEM_BYTES_MAX)
		return component_fail(component, -EINVAL, "%s is empty or over 1 MiB", path);
	*ret = (struct str){text, n};
	return 0;
}

static int
read_tls(struct component *component, struct arena *arena, const struct tls_args *tls, struct http_access *to)
{
	int r = read_pem(component, arena, tls->cert_pem, tls->cert_file, &to->tls_cert_pem);

	if (r >= 0)
		r = read_pem(component, arena, tls->key_pem, tls->key_file, &to->tls_key_pem);
	if (r >= 0)
		r = read_pem(component, arena, tls->client_ca_pem, tls->client_ca_file, &to->tls_client_ca_pem);
	to->tls_client_optional = tls->client_auth_type == CLIENT_OPTIONAL;
	to->tls_13_only = tls->min_version == TLS_13;
	return r;
}

static int
apply(struct component *component, const struct http_args *args)
{
	struct http_access *access = component->runtime != NULL ? component->runtime->http_access : NULL;
	struct http_access next = {0};
	struct arena *pems;
	int r;

	if (access == NULL)
		return 0;
	next.changed = access->changed, next.ptr = access->ptr;
	if (args->auth != NULL && args->auth->basic != NULL) {
		next.basic = true;
		next.username = args->auth->basic->username;
		next.password = args->auth->basic->password;
	}
	if (args->auth != NULL && args->auth->filter != NULL) {
		next.filter = true;
		next.paths = args->auth->filter->paths;
		next.authenticate_matching_paths = args->auth->filter->authenticate_matching_paths;
	}
	pems = arena_new(0);
	r = args->tls != NULL ? read_tls(component, pems, args->tls, &next) : 0;
	if (r >= 0) {
		*access = next;
		access->changed(access->ptr);
	}
	arena_free(pems);
	return r;
}

static int
start(struct component *component, const void *args)
{
	return apply(component, args);
}

static void
update(struct component *component, const void *old_args, const void *args)
{
	(void)old_args;
	if (apply(component, args) < 0)
		component_set_health(
			component, HEALTH_UNHEALTHY, "the certificate or key cannot be read; the server is as before");
	else
		component_set_health(component, HEALTH_HEALTHY, "applied");
}

static void
stop(struct component *component)
{
	struct http_access *access = component->runtime != NULL ? component->runtime->http_access : NULL;

	if (access == NULL)
		return;
	*access = (struct http_access){.changed = access->changed, .ptr = access->ptr};
	access->changed(access->ptr);
}

const struct component_type block_http = {
	.name = "http",
	.flags = COMPONENT_BLOCK,
	.args = spec,
	.args_size = sizeof(struct http_args),
	.doc = "User name, password and encryption of longship's own HTTP server.",
	.check = check,
	.start = start,
	.update = update,
	.stop = stop,
};

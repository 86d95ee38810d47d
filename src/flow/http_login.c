/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/http_login.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/codec/base64.h"
#include "longship/codec/json_tree.h"
#include "longship/codec/url.h"
#include "longship/os/file.h"

#define SECRET_BYTES_MAX (64u << 10)
#define LOOK_INTERVAL_NS NS_PER_S            /* secrets' files are looked at */
#define TOKEN_TIMEOUT_NS (30 * NS_PER_S)
#define TOKEN_EARLY_NS (10 * NS_PER_S)       /* a token is not used in its last seconds, as Go's oauth2 does */
#define TOKEN_FAILED_NS (5 * NS_PER_S)       /* until the next attempt */
#define TOKEN_SECONDS_MAX 1e9

struct http_login {
	_Atomic unsigned refs;
	const struct http_settings *settings;
	struct str file;               /* that holds the secret; empty: none */
	struct file_identity seen;
	int64_t looked_ns;
	char *header;                  /* "Authorization: …" or NULL */
	char error[512];

	/* OAuth 2.0 */
	struct http_target *target;
	struct http_call *call;
	char *body, *client_header;    /* of the call; borrowed by it */
	int64_t token_ends_ns, token_retry_ns; /* monotonic */
	bool fresh;                    /* the token was not used yet: it may be, however soon it ends */
	bool in_params;                /* the server wants the client's secret in the body, not in a header */
	char *secret;                  /* of the client */
};

/* ---- Secrets ---- */

static void
forget(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	mem_free(*text);
	*text = NULL;
}

static char *
keep(struct str text)
{
	char *z = mem_alloc(text.len + 1);

	if (text.len > 0)
		memcpy(z, text.s, text.len);
	z[text.len] = '\0';
	return z;
}

static void
set_header(struct http_login *l, const char *type, struct str value)
{
	struct arena *arena = arena_new(0);

	forget(&l->header);
	l->header = keep(arena_printf(arena, "Authorization: %s %.*s", type, STR_FMT(value)));
	/* A secret that holds a line break makes no second header. */
	for (char *p = l->header; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
	arena_free(arena);
}

/* The secret is known: makes the header of it. */
static void
use_secret(struct http_login *l, struct str secret)
{
	const struct http_settings *s = l->settings;
	struct arena *arena = arena_new(0);

	if (s->oauth2 != NULL) {
		forget(&l->secret);
		l->secret = keep(secret);
		l->token_ends_ns = 0;
	} else if (s->basic_auth != NULL) {
		struct str pair = arena_printf(arena, "%.*s:%.*s", STR_FMT(s->basic_auth->username), STR_FMT(secret));

		set_header(l, "Basic", base64_encode(arena, pair, BASE64_STANDARD));
	} else {
		set_header(l, s->authorization != NULL ? arena_z(arena, str_trim(s->authorization->type)) : "Bearer", secret);
	}
	arena_free(arena);
}

/* Once a second: the file, when it has changed. False with l->error when it cannot be read. */
static bool
read_secret_file(struct http_login *l)
{
	int64_t now = clock_mono_ns();
	struct file_identity id = {0};
	struct arena *arena;
	struct buf text;
	int r;

	if (l->looked_ns != 0 && now - l->looked_ns < LOOK_INTERVAL_NS)
		return l->error[0] == '\0';
	l->looked_ns = now;
	arena = arena_new(0);
	r = file_identify_path(arena_z(arena, l->file), &id);
	if (r == 0 && l->error[0] == '\0' && id.dev == l->seen.dev && id.ino == l->seen.ino && id.size == l->seen.size && id.mtime_ns == l->seen.mtime_ns) {
		arena_free(arena);
		return true;
	}
	buf_init(&text, SECRET_BYTES_MAX);
	r = r == 0 ? file_read(arena_z(arena, l->file), &text) : r;
	if (r < 0) {
		(void)snprintf(l->error, sizeof(l->error), "cannot read \"%.*s\": %s", STR_FMT(l->file), strerror(-r));
	} else {
		l->error[0] = '\0';
		l->seen = id;
		use_secret(l, str_trim(buf_view(&text)));
	}
	if (text.data != NULL)
		explicit_bzero(text.data, text.cap);
	buf_done(&text);
	arena_free(arena);
	return r >= 0;
}

struct http_login *
http_login_new(const struct http_settings *s)
{
	struct http_login *l = mem_new(struct http_login);

	atomic_init(&l->refs, 1);
	l->settings = s;
	if (s->basic_auth != NULL) {
		l->file = s->basic_auth->password_file;
		if (l->file.len == 0)
			use_secret(l, s->basic_auth->password);
	} else if (s->oauth2 != NULL) {
		struct arena *arena = arena_new(0);
		struct http_options options = http_settings_token_options(s->oauth2, arena);

		l->target = http_target_new(&options);
		arena_free(arena);
		l->file = s->oauth2->client_secret_file;
		if (l->file.len == 0)
			use_secret(l, s->oauth2->client_secret);
	} else if (s->authorization != NULL) {
		l->file = s->authorization->credentials_file;
		if (l->file.len == 0)
			use_secret(l, s->authorization->credentials);
	} else if (s->bearer_token_file.len > 0) {
		l->file = s->bearer_token_file;
	} else if (s->bearer_token.len > 0) {
		use_secret(l, s->bearer_token);
	}
	return l;
}

struct http_login *
http_login_ref(struct http_login *l)
{
	if (l != NULL)
		(void)atomic_fetch_add(&l->refs, 1);
	return l;
}

static void
end_call(struct http_login *l)
{
	l->call = NULL;
	forget(&l->body);
	forget(&l->client_header);
}

void
http_login_cancel(struct http_login *l)
{
	if (l == NULL || l->call == NULL)
		return;
	http_call_cancel(l->call);
	end_call(l);
}

void
http_login_unref(struct http_login *l)
{
	if (l == NULL || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	assert(l->call == NULL);
	http_target_unref(l->target);
	forget(&l->header);
	forget(&l->secret);
	mem_free(l);
}

/* ---- OAuth 2.0, RFC 6749: client credentials ---- */

static void
fail_token(struct http_login *l, const struct http_result *result, const char *why)
{
	struct arena *arena = arena_new(0);
	struct str host = STR_EMPTY, line, rest;

	(void)http_settings_host(l->settings->oauth2->token_url, &host);
	(void)str_cut(str_head(result->body, 200), '\n', &line, &rest);
	if (result->status == 0)
		why = result->error;
	(void)snprintf(l->error, sizeof(l->error), "no token from %.*s: %s%s%.*s", STR_FMT(host), why != NULL ? why : "it answers ",
		why == NULL ? arena_printf(arena, "%d ", result->status).s : "", why == NULL ? (int)line.len : 0, line.s);
	l->token_retry_ns = clock_mono_ns() + TOKEN_FAILED_NS;
	arena_free(arena);
}

static bool
take_token(struct http_login *l, struct str body)
{
	struct arena *arena = arena_new(0);
	struct str error, token, type;
	const struct json *doc = json_tree_parse(arena, body, 0, &error), *ends = json_tree_get(doc, STR("expires_in"));
	double seconds = 0;

	token = json_tree_get_text(doc, STR("access_token"));
	type = json_tree_get_text(doc, STR("token_type"));
	if (token.len > 0) {
		set_header(l, type.len == 0 || (type.len == 6 && strncasecmp(type.s, "bearer", 6) == 0) ? "Bearer" : arena_z(arena, type), token);
		if (ends != NULL && ends->kind == JSON_TREE_STRING)
			(void)json_tree_number(json_tree_parse(arena, ends->text, 0, &error), &seconds);
		else if (ends != NULL)
			(void)json_tree_number(ends, &seconds);
		/* None said: for ever, or until it is refused. */
		if (!(seconds > 0) || seconds > TOKEN_SECONDS_MAX)
			seconds = TOKEN_SECONDS_MAX;
		l->fresh = true;
		l->token_ends_ns = clock_mono_ns() + (int64_t)(seconds * (double)NS_PER_S);
	}
	arena_free(arena);
	return token.len > 0;
}

static void
on_token(void *ptr, const struct http_result *result)
{
	struct http_login *l = ptr;

	end_call(l);
	/* As Go's oauth2: servers that do not know the header are asked again with the secret in the body. */
	if (result->status >= 400 && result->status < 500 && !l->in_params) {
		l->in_params = true;
		return;
	}
	l->error[0] = '\0';
	if (result->status < 200 || result->status > 299)
		fail_token(l, result, NULL);
	else if (!take_token(l, result->body))
		fail_token(l, result, "its answer holds no access_token");
	if (l->error[0] != '\0')
		l->in_params = false;
}

static void
put_param(struct buf *body, struct arena *arena, struct str name, struct str value)
{
	struct str n = url_query_escape(arena, name), v = url_query_escape(arena, value);

	(void)buf_printf(body, "%s%.*s=%.*s", body->len > 0 ? "&" : "", STR_FMT(n), STR_FMT(v));
}

static void
ask_token(struct http_login *l, struct http_client *client)
{
	const struct http_oauth2 *o = l->settings->oauth2;
	const char *headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL, NULL};
	struct arena *arena = arena_new(0);
	struct buf body, scope;

	buf_init(&body, SECRET_BYTES_MAX * 4);
	buf_init(&scope, SECRET_BYTES_MAX);
	put_param(&body, arena, STR("grant_type"), STR("client_credentials"));
	for (size_t i = 0; i < o->scopes.n; i++)
		(void)buf_printf(&scope, "%s%.*s", i > 0 ? " " : "", STR_FMT(o->scopes.items[i]));
	if (scope.len > 0)
		put_param(&body, arena, STR("scope"), buf_view(&scope));
	for (size_t i = 0; i < o->endpoint_params.n; i++)
		put_param(&body, arena, o->endpoint_params.items[i].name, o->endpoint_params.items[i].value);
	if (l->in_params) {
		put_param(&body, arena, STR("client_id"), o->client_id);
		put_param(&body, arena, STR("client_secret"), str_from(l->secret));
	} else {
		struct str id = url_query_escape(arena, o->client_id), secret = url_query_escape(arena, str_from(l->secret));
		struct str pair = arena_printf(arena, "%.*s:%.*s", STR_FMT(id), STR_FMT(secret));

		l->client_header = keep(arena_printf(arena, "Authorization: Basic %.*s", STR_FMT(base64_encode(arena, pair, BASE64_STANDARD))));
		headers[1] = l->client_header;
	}
	l->body = keep(buf_view(&body));
	l->call = http_call_start(client, l->target, headers, l->body, strlen(l->body), TOKEN_TIMEOUT_NS, on_token, l);
	buf_done(&scope);
	buf_done(&body);
	arena_free(arena);
}

/* ---- Use ---- */

enum login_state
http_login_prepare(struct http_login *l, struct http_client *client)
{
	int64_t now = clock_mono_ns();

	if (l->call != NULL)
		return LOGIN_WAIT;
	if (l->file.len > 0 && !read_secret_file(l))
		return LOGIN_FAILED;
	if (l->settings->oauth2 == NULL || l->fresh || l->token_ends_ns > now + TOKEN_EARLY_NS) {
		l->fresh = false;
		return LOGIN_READY;
	}
	if (l->token_retry_ns > now)
		return LOGIN_FAILED;
	ask_token(l, client);
	return LOGIN_WAIT;
}

const char *
http_login_header(const struct http_login *l)
{
	return l->header;
}

const char *
http_login_error(const struct http_login *l)
{
	return l->error;
}

void
http_login_refused(struct http_login *l)
{
	l->token_ends_ns = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who a component is for an HTTP server: the Authorization header of its settings. Secrets in files are read again when
 * the files change; tokens of OAuth 2.0 are fetched when there is none or the last one is about to end.
 *
 *	switch (http_login_prepare(login, client)) {
 *	case LOGIN_READY:  headers[n++] = http_login_header(login);      may be NULL: none needed
 *	case LOGIN_WAIT:   a token is being fetched; ask again after http_client_run
 *	case LOGIN_FAILED: http_login_error(login)                       ask again later
 *	}
 *
 * One thread, that of the http_client; _ref and _unref any thread. What is fetched must have ended, or been cancelled in that thread,
 * before the last reference goes.
 */
#include "longship/flow/http_settings.h"

struct http_login;
enum login_state { LOGIN_READY, LOGIN_WAIT, LOGIN_FAILED };

/* The settings must outlive it. */
struct http_login *http_login_new(const struct http_settings *);
struct http_login *http_login_ref(struct http_login *);
void http_login_unref(struct http_login *);
enum login_state http_login_prepare(struct http_login *, struct http_client *);
const char *http_login_header(const struct http_login *);
const char *http_login_error(const struct http_login *);
/* The server has refused it: the token is not used again. */
void http_login_refused(struct http_login *);
void http_login_cancel(struct http_login *);

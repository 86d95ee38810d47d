/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who may use longship's own HTTP server, as the `http` block says. Made by the
 * server, written by the block, which calls changed after each change; texts are borrowed and valid during that
 * call only, in which the server copies them. Control thread.
 */
#include <stdbool.h>

#include "longship/base/str.h"
#include "longship/lang/args.h"

struct http_access {
	bool basic; /* user name and password are asked for */
	struct str username, password;
	bool filter; /* only some paths: those under `paths`, or all others */
	struct str_list paths;
	bool authenticate_matching_paths;

	struct str tls_cert_pem, tls_key_pem, tls_client_ca_pem; /* empty: none */
	bool tls_client_optional;
	bool tls_13_only;

	void (*changed)(void *ptr);
	void *ptr;
};

/* Whether a path asks for user name and password. */
bool http_access_guards(const struct http_access *, struct str path);
/* Takes the same time for every wrong answer of one length. */
bool http_access_admits(const struct http_access *, struct str username, struct str password);

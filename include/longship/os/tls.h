/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is needed of GnuTLS itself, and certificates that change while they are used. Files are looked at when asked
 * (once a second at most); what has changed is taken over when it is whole and fits together, else the old stays. The
 * parts are handed to curl as paths of memory files, so that it never reads a file that is half written.
 *
 *	struct tls_files *t = tls_files_new(&options);
 *	if (tls_files_refresh(t)) …              other paths than before
 *	curl: tls_files_path(t, TLS_CERT) …      NULL: not configured
 *	tls_files_error(t)                       NULL, or why the newest files are not used
 *
 * One thread at a time.
 */
#include <stdbool.h>

struct tls_files_options { /* all strings are copied; NULL: not given. Of each pair at most one */
	const char *ca_pem, *ca_file, *cert_pem, *cert_file, *key_pem, *key_file;
};

enum tls_part { TLS_CA, TLS_CERT, TLS_KEY, TLS_PARTS };

struct tls_files;
struct tls_files *tls_files_new(const struct tls_files_options *);
void tls_files_free(struct tls_files *);
bool tls_files_refresh(struct tls_files *);
const char *tls_files_path(const struct tls_files *, enum tls_part);
const char *tls_files_error(const struct tls_files *);

/* Of a gnutls_session_t of a server: the other side has shown a certificate; it is good. */
bool tls_peer_shown(void *session);
bool tls_peer_verified(void *session);

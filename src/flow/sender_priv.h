/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What sender.c and destination.c share. */
#include <stdatomic.h>

#include "longship/flow/reply.h"
#include "longship/flow/sender.h"
#include "longship/os/http_client.h"

struct destination {
	_Atomic unsigned refs;
	struct runtime *runtime;
	char *component_id, *host, *tenant;
	const char *tenant_header; /* "X-Scope-OrgID: …", NULL without a tenant */
	struct http_target *target;
	struct destination_options options;

	/* Sender thread. */
	unsigned failures;     /* in a row */
	int64_t retry_at_ns;   /* monotonic; 0: now */
	int64_t logged_ns;     /* log_rate */

	/* Under the lock of all destinations. */
	struct destination *next;
	_Atomic unsigned failures_shown;
	int64_t last_error_ns;
	char last_error[256];

	struct metric *sent_bytes, *sent_entries, *retries, *size, *latency;
};

/* Sender thread. */
void destination_observe(struct destination *, const struct request *, const struct http_result *);
void destination_stored(struct destination *, const struct request *);
/* Sets retry_at_ns. */
void destination_failed(struct destination *, const struct request *, const struct http_result *, enum reply_kind);
/* Marks the refused lines on the receipts and counts them. */
void destination_refused(struct destination *, const struct request *, const struct http_result *, const struct reply *);

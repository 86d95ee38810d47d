/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What sender.c and destination.c share. */
#include <stdatomic.h>

#include "longship/flow/reply.h"
#include "longship/flow/sender.h"
#include "longship/os/http_client.h"

#define SILENT_NS (2 * NS_PER_S) /* without an answer, and a request is taken to be one that gets none soon */

struct destination {
	_Atomic unsigned refs;
	struct runtime *runtime;
	char *component_id, *host, *tenant;
	const char *tenant_header; /* "X-Scope-OrgID: …", NULL without a tenant */
	struct http_target *target;
	struct destination_options options;
	uint64_t id;
	_Atomic int state;            /* enum destination_state */
	_Atomic unsigned lags;
	_Atomic int64_t warned_ns;    /* destination_warn_full */
	_Atomic uint64_t bytes;       /* of the budget, in requests and open batches */
	_Atomic int64_t probe_ns;     /* when the leave was taken; monotonic */

	/* Sender thread. */
	unsigned failures;     /* in a row */
	int64_t retry_at_ns;   /* monotonic; 0: now */
	int64_t logged_ns, tls_logged_ns; /* log_rate */
	struct {
		const char *reason;
		int64_t logged_ns;
	} refusals[4];         /* the last reasons that were warned of */
	int64_t failing_ns;    /* since when; monotonic, 0: the last request was answered well */
	int64_t worked_ns;     /* when that was last; 0: never */
	int64_t started_ns;    /* when the oldest request on the wire was handed to curl; 0: none is */
	unsigned on_wire;
	bool refuses;          /* the last failure was an answer that is about this tenant or its requests */
	unsigned timeouts;     /* in a row */
	int64_t timeout_ns;    /* of the next attempt: remote_timeout, or more when that was too short */

	_Atomic uint64_t batch_bytes_max; /* what the server was found to take; UINT64_MAX: not known */

	/* Under the lock of all destinations. */
	struct destination *next;
	_Atomic unsigned failures_shown;
	int64_t last_error_ns;
	char last_error[256];

	struct metric *encoded_bytes, *sent_bytes, *sent_entries, *retries, *size, *latency, *parked;
};

/* Sender thread. */
void destination_observe(struct destination *, const struct request *, const struct http_result *);
/* It has answered: failures are over. */
void destination_works(struct destination *);
/* So many entries of the request were stored. */
void destination_count_sent(struct destination *, const struct request *, uint64_t entries);
/* It has taken nothing for a while. *again: when it will be so, if nothing changes. */
bool destination_is_stuck(const struct destination *, int64_t now, int64_t *again);
/* Others could go on. */
bool destination_may_park(const struct destination *, int64_t now);
/* Open, without a word. */
void destination_reset(struct destination *);
void destination_set_state(struct destination *, enum destination_state);
/* Sets retry_at_ns. */
void destination_failed(struct destination *, const struct request *, const struct http_result *, enum reply_kind);
/* Says it when certificates have changed and cannot be used. */
void destination_look_at_tls(struct destination *);
/* For status and log. */
void destination_note_error(struct destination *, const struct http_result *);
const char *destination_quote(struct destination *); /* the last one; sender thread */

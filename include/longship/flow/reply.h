/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an answer to a push means. Source: Loki's distributor and ingester, as seen on a live one
 * (docs/loki-replies.md). Pure: no state, any thread; the body is hostile.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/os/http_client.h"

enum reply_kind {
	REPLY_STORED,        /* all of it */
	REPLY_RETRY,         /* the same bytes again, later */
	REPLY_MISCONFIGURED, /* the same again, but somebody must look: credentials, tenant, URL */
	REPLY_PARTIAL,       /* `refused` entries are lost, the others were stored */
	REPLY_REFUSED,       /* nothing was stored and never will be */
};

struct reply {
	enum reply_kind kind;
	const char *reason;   /* why entries are refused, as Loki calls it; for PARTIAL and REFUSED */
	uint64_t refused;     /* PARTIAL: number of entries */
	bool maybe_stored;    /* RETRY: some of it may have been stored before the failure */
};

/* entries: of the request. */
struct reply reply_classify(const struct http_result *, uint64_t entries, bool retry_429);

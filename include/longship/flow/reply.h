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
	REPLY_PARTIAL,       /* some entries were stored, others not: flow/refusal.h says which */
	REPLY_TOO_LARGE,     /* nothing was stored; smaller ones may be */
	REPLY_BAD_STREAM,    /* nothing was stored for one stream's sake: others will be without it */
	REPLY_REFUSED,       /* nothing was stored and never will be */
};

struct reply {
	enum reply_kind kind;
	const char *reason;   /* why entries are refused, as Loki calls it; NULL for STORED, RETRY and MISCONFIGURED */
	bool maybe_stored;    /* RETRY: some of it may have been stored before the failure */
};

struct reply reply_classify(const struct http_result *, bool retry_429);

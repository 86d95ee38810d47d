/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which entries of a request Loki refused, worked out from its answer: the answer names rules and numbers, seldom
 * entries. Each rule is applied to the request again; where that gives the named number, it is exact. Else the named number
 * is counted, and all entries that may be meant are `uncertain`. Source of the texts and rules: Loki 3.6 (pkg/validation,
 * pkg/distributor/validator.go, pkg/ingester/stream.go) and docs/loki-replies.md. The text is hostile. No state, any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/flow/request.h"

enum verdict {
	VERDICT_STORED,
	VERDICT_REFUSED,
	VERDICT_UNCERTAIN, /* stored or refused; `counted` entries of them stand for those that were refused */
	VERDICT_AGAIN,     /* not stored, but will be when it is sent again alone (a limit on its stream) */
	VERDICT_PERHAPS,   /* Loki says nothing of its stream: sent again, apart from the one that it speaks of */
};

struct refused {
	uint8_t verdict;
	bool counted;       /* in the ledger, as refused */
	const char *reason; /* of REFUSED and UNCERTAIN: Loki's name of the rule */
};

struct refusal {
	struct refused *entries; /* one for each of the view's */
	uint64_t n_counted, n_again, n_perhaps;
	bool exact;              /* no entry is uncertain */
};

/* text: the body of a 400 or of a stream's 429; cut: it was longer than what was kept. */
void refusal_find(struct refusal *, const struct request_view *, int status, struct str text, bool cut);
void refusal_done(struct refusal *);

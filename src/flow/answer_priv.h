/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an answer does with its request: counts and settles what is done, and says what has to be sent again in its place.
 * Sender thread.
 */
#include "longship/flow/request.h"
#include "sender_priv.h"

/* After an answer: the requests that stand in the place of r, oldest first, or NULL. The caller frees r. */
struct request *answer_settle(struct destination *, const struct request *, const struct http_result *, const struct reply *);
/* No answer, or none that says anything of the entries: r is to be sent again. After two time-outs in a row its halves stand in its
 * place; else NULL. */
struct request *answer_halve_late(struct destination *, const struct request *, const struct http_result *);

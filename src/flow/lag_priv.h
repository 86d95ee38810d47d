/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of lags share: lag.c the lags of a stream, lag_divert.c how they begin, lag_run.c how they end, lag_store.c. */
#include "longship/base/check.h"
#include "longship/flow/lag.h"
#include "longship/flow/sender.h"

#define LAG_OPEN UINT64_MAX /* until: the main stream does not serve the destination yet */

/* The lag of this destination that covers the span at `from`, by identity: after a reload an endpoint has new destinations. NULL: none. */
struct lag *lag_find_for(const struct stream *main, struct destination *, uint64_t from);
/* With its reader, which has no place yet. */
struct lag *lag_add(struct stream *main, unsigned slot, uint64_t id);
/* The caller has taken it out of the stream's. */
void lag_free(struct lag *);
void lag_bind(struct lag *, struct destination *);
void lag_set_until(struct lag *, uint64_t until);
/* The reader has read something behind `begin`. */
bool lag_has_begun(const struct lag *);
/* What was carried is gone: the reader can begin. */
void lag_set_out(struct lag *);
/* An earlier generation of the file has a lag of the same destination: its lines go first. */
const struct lag *lag_before(const struct stream *main, uint64_t id);
/* The leave to send one request, where the reader has it. */
void lag_give_leave_back(struct lag *);
/* Stores where the reader stands, and the times of all spans ahead of it that begin below the offset: those whose lines may be at the
 * destination, or in front of such lines. */
void lag_store_marks(struct lag *, uint64_t below);
/* Of the reader, in the store. */
struct str lag_key(struct arena *, struct str main_key, unsigned slot);

/* The main stream leaves what begins at this offset to the lag. */
static inline bool
lag_covers(const struct lag *lag, uint64_t offset)
{
	return offset < lag->until;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The positions part of control_answer.h. */
#include "control_answer.h"

void control_positions_list(struct runtime *, struct graph *, const struct json *request, struct buf *reply);
/*
 * Lanes are parked and the sources let go of the files concerned while the store is changed, so that nothing that is on
 * its way can overwrite the change. Without a graph only the store is changed.
 */
void control_positions_change(
	struct runtime *, struct graph *, struct arena *, const struct json *request, struct buf *reply);

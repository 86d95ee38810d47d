/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The page at "/": version, uptime, and each component with its health. */
#include "longship/base/buf.h"

struct graph;

void status_page_print(const struct graph *, struct buf *);

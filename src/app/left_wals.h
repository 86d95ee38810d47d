/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Wals in the storage path whose loki.write is not in the configuration any more: what waits in them is sent by nobody. Warns of each.
 * Control thread, after a load. */
struct graph;

void left_wals_warn(const char *storage_path, const struct graph *);

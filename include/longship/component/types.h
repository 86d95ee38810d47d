/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* All component types, each defined in src/component/NAME.c (or NAME/) and listed in src/app/catalog.c. */

struct component_type;

extern const struct component_type block_http;
extern const struct component_type block_livedebugging;
extern const struct component_type block_logging;
extern const struct component_type loki_process;
extern const struct component_type loki_write_type;

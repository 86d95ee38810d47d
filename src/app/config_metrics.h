/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Alloy's alloy_config_* families: how the last load went. Control thread. */
#include <stdbool.h>

struct config_metrics;
struct metrics;

struct config_metrics *config_metrics_new(struct metrics *);
void config_metrics_free(struct config_metrics *);
/* ok: read, checked and applied. hash: SHA-256 of the texts, "" when they could not be read. */
void config_metrics_loaded(struct config_metrics *, bool ok, const char *hash);

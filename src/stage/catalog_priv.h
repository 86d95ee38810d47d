/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What each file of this folder exports. */
#include "longship/flow/stage.h"

extern const struct arg_variant stage_drop, stage_json, stage_label_drop, stage_label_keep, stage_labels, stage_logfmt,
	stage_output, stage_regex, stage_static_labels, stage_timestamp;

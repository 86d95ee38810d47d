/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What each file of this folder exports. */
#include "longship/flow/stage.h"

extern const struct arg_variant stage_decolorize,
	stage_docker,
	stage_drop,
	stage_eventlogmessage,
	stage_geoip,
	stage_json,
	stage_label_drop,
	stage_label_keep,
	stage_labels,
	stage_limit,
	stage_logfmt,
	stage_luhn,
	stage_match,
	stage_metrics,
	stage_output,
	stage_pack,
	stage_pattern,
	stage_regex,
	stage_replace,
	stage_sampling,
	stage_split_json,
	stage_static_labels,
	stage_structured_metadata,
	stage_structured_metadata_drop,
	stage_template,
	stage_tenant,
	stage_timestamp,
	stage_truncate,
	stage_windowsevent;

/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"

const struct arg_variant *const stage_variants[] = {
	&stage_drop,
	&stage_json,
	&stage_label_drop,
	&stage_label_keep,
	&stage_labels,
	&stage_logfmt,
	&stage_output,
	&stage_regex,
	&stage_static_labels,
	&stage_timestamp,
	NULL,
};

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Guards before the wire: what a Loki with these limits would refuse is cut, moved to structured metadata, or rejected here,
 * where one entry costs no others; labels that explode are found. All of it is counted in longship_write_guarded_total{rule,action}.
 *
 *	struct guard *g = guard_new(component, args);
 *	guard_apply(g, &lane_part, batch, lane)     changes lines, labels and metadata in place; returns the reasons of
 *	                                            entries that are to be rejected, or NULL
 *
 * The guard is shared by the lanes; a guard_lane belongs to one.
 */
#include "longship/flow/batch.h"
#include "longship/flow/component.h"

enum guard_line { GUARD_LINE_TRUNCATE, GUARD_LINE_REJECT };
enum guard_label { GUARD_LABEL_DEMOTE, GUARD_LABEL_REJECT };
enum guard_metadata { GUARD_METADATA_TRUNCATE, GUARD_METADATA_REJECT };
enum guard_values { GUARD_VALUES_WARN, GUARD_VALUES_DEMOTE };

struct guard_args { /* limits of 0 are none */
	int64_t line_bytes_max, label_names_max, label_name_bytes_max, label_value_bytes_max, metadata_max, metadata_bytes_max, label_values_max,
		stream_rate_bytes, stream_burst_bytes;
	int long_line, bad_labels, much_metadata, many_values;
};
extern const struct arg_spec guard_spec[];

struct guard;
struct guard_lane { /* zero at first */
	struct guard_pace *paces; /* of streams; NULL until one is needed */
};

struct guard *guard_new(struct component *, const struct guard_args *);
void guard_free(struct guard *);
void guard_lane_done(struct guard_lane *);
struct lane;
const char *const *guard_apply(struct guard *, struct guard_lane *, struct batch *);

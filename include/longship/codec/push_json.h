/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Loki's JSON push body: {"streams":[{"stream":{"a":"b"},"values":[["<ns>","line",{"name":"value"}]]}]}, with the members in
 * any order and unknown ones skipped, read in one pass (a stream whose values stand before its labels: in two).
 * As push_decode_protobuf. Where Alloy is lenient (a label that is not a string has its JSON text as value, control
 * characters in strings, bytes behind the body's end), so is this.
 */
#include "longship/codec/push_decode.h"

#define PUSH_JSON_NESTING_MAX 64 /* of values that are skipped: one bit each */

bool push_json_decode(struct str body, struct arena *, const struct push_sink *, struct push_place *, const char **ret_error)
	__attribute__((warn_unused_result));

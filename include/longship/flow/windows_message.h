/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the two stages for the messages of Windows events have in common: their arguments, their state, and what becomes of a key
 * and its value. No stage of its own.
 */
#include "longship/flow/stage.h"

struct windows_message_args {
	struct str source;
	bool drop_invalid_labels, overwrite_existing;
};

extern const struct arg_spec windows_message_args[];

struct windows_message {
	size_t source;
	bool drop_invalid, overwrite;
};

/* The state of a stage; the source's name has been found valid. */
struct windows_message *windows_message_build(struct stage_builder *, const struct windows_message_args *);
/* Calls take for each entry that has a message. One whose message is null is dropped, as in Alloy, which counts nothing. */
void windows_message_apply(const struct windows_message *, struct batch *, const struct drop_reason *null_message,
	void (*take)(const struct windows_message *, struct batch *, size_t i, struct str text));
/*
 * key = value becomes an extracted value; no_name: the key is no label's name, so it is left out, or each character that Prometheus'
 * legacy rule refuses becomes "_". A name that has a value already gets the suffix "_extracted", unless it may be overwritten. A value that
 * is not UTF-8 is left out.
 */
void windows_message_set(const struct windows_message *, struct batch *, size_t i, struct str key, bool no_name, struct str value);
struct str windows_message_concat(struct arena *, struct str a, struct str b);

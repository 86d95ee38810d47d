/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Values into C types by the conversions of the language (reference 1.4). The path names the value (its first
 * link) and how it was reached, for messages; on failure one error is reported. null gives the zero value.
 * Results live in the evaluation's arena.
 */
#include "eval_priv.h"
#include "longship/lang/args.h"

bool convert_to_string(struct eval *, const struct value_path *, struct str *ret);
bool convert_to_secret(struct eval *, const struct value_path *, struct str *ret);
bool convert_to_bool(struct eval *, const struct value_path *, bool *ret);
bool convert_to_int(struct eval *, const struct value_path *, int64_t *ret);
bool convert_to_number(struct eval *, const struct value_path *, double *ret);
bool convert_to_duration(struct eval *, const struct value_path *, int64_t *ret_ns);
bool convert_to_size(struct eval *, const struct value_path *, int64_t *ret_bytes);
bool convert_to_choice(struct eval *, const struct value_path *, const char *const *choices, int *ret);
bool convert_to_regex(struct eval *, const struct value_path *, struct str *ret);
bool convert_to_strings(struct eval *, const struct value_path *, struct str_list *ret);
bool convert_to_string_map(struct eval *, const struct value_path *, struct str_map *ret);
bool convert_to_secret_map(struct eval *, const struct value_path *, struct str_map *ret);
bool convert_to_targets(struct eval *, const struct value_path *, struct target_list *ret);
bool convert_to_capsule(struct eval *, const struct value_path *, const struct capsule_type *, void **ret);
bool convert_to_capsules(struct eval *, const struct value_path *, const struct capsule_type *, struct ptr_list *ret);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Argument tables as their parts (decoding, checking, JSON, help) share them. */
#include "eval_priv.h"
#include "longship/lang/args.h"

static inline bool
args_is_block(const struct arg_spec *row)
{
	return row->kind == ARG_BLOCK || row->kind == ARG_BLOCKS || row->kind == ARG_ENUM_BLOCKS;
}

/* Rows of kind ARG_POS and ARG_LABEL have no name. */
static inline bool
args_is_attr(const struct arg_spec *row)
{
	return row->name != NULL && !args_is_block(row);
}

static inline const void *
args_slot(const struct arg_spec *row, const void *args)
{
	return (const char *)args + row->offset;
}

/* Bytes of what stands at a row's offset; 0 for ARG_SQUASH. */
size_t args_slot_bytes(const struct arg_spec *row);
/* True when the two slots of one row hold the same. */
bool args_slot_equal(const struct arg_spec *row, const void *a, const void *b);
/* Writes the row's default (its fallback, else zero) into a slot. */
void args_default(const struct arg_spec *row, struct arena *, void *slot);
/* Converts a value into a slot and checks the row's limits. */
bool args_convert(struct eval *, const struct arg_spec *row, const struct value_path *, void *slot);

/* A row of a table by name, also in squashed groups, whose offset adds up; variant of an enum block. */
struct arg_match {
	const struct arg_spec *row; /* NULL: there is none */
	size_t offset;
	const struct arg_variant *variant;
};
struct arg_match args_find(const struct arg_spec *spec, struct str name);
/* Reports an unknown name, with the nearest known one. */
void args_fail_unknown(struct diags *, const struct arg_spec *spec, const struct stmt *);
/* Reports an attribute used as a block or the reverse; false if so. */
bool args_check_kind(struct diags *, const struct arg_match *, const struct stmt *);
/* Reports a label that is missing or not wanted on a nested block. */
bool args_check_label(struct diags *, const struct arg_match *, const struct block *);
bool args_has_name(const struct body *, struct str name, bool block, size_t before);
/* The rows of a matched block and the size of its struct. */
const struct arg_spec *args_block_spec(const struct arg_match *, size_t *ret_size);

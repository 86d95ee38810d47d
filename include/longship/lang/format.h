/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one way a configuration is laid out (reference 1.8): tabs, aligned "=", kept comments. Only white space
 * and trailing commas change, never a token.
 */
#include "longship/base/buf.h"
#include "longship/lang/ast.h"
#include "longship/lang/diag.h"

/* Appends the whole file, laid out anew. False: it does not parse, the errors are in diags. */
bool format_file(struct arena *, const struct source *, uint32_t file, struct diags *, struct buf *out);
/* Appends one expression without comments: how messages quote it. */
void format_expr(const struct source *, const struct expr *, struct buf *out);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From source text to syntax tree. The parser goes on after an error
 * and reports at most one parse error per line; any error gives NULL. Nesting is limited to
 * CONFIG_NESTING_MAX. Trees live in the arena.
 *
 *	uint32_t file = source_add(&source, STR("c.alloy"), text);
 *	struct body *body = parse_file(arena, &source, file, &diags);
 */
#include "longship/base/arena.h"
#include "longship/lang/ast.h"
#include "longship/lang/diag.h"
#include "longship/lang/source.h"

struct body *parse_file(struct arena *, const struct source *, uint32_t file, struct diags *);
/* The same, with the comments. */
struct body *parse_file_comments(
	struct arena *, const struct source *, uint32_t file, struct diags *, struct comments *ret_comments);
/* The whole file is one expression. */
struct expr *parse_expression(struct arena *, const struct source *, uint32_t file, struct diags *);
/* True for what may be an identifier (a block label, a component name's part): not a keyword. */
bool parse_is_identifier(struct str);

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/ast.h"

const char *
expr_op_text(enum expr_op op)
{
	static const char *const texts[] = {
		[OP_OR] = "||",
		[OP_AND] = "&&",
		[OP_EQ] = "==",
		[OP_NE] = "!=",
		[OP_LT] = "<",
		[OP_LE] = "<=",
		[OP_GT] = ">",
		[OP_GE] = ">=",
		[OP_ADD] = "+",
		[OP_SUB] = "-",
		[OP_MUL] = "*",
		[OP_DIV] = "/",
		[OP_MOD] = "%",
		[OP_POW] = "^",
		[OP_NOT] = "!",
	};

	return texts[op];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration: parsed, evaluated, formatted twice with the same result, its diagnostics printed. */
#include "longship/lang/eval.h"
#include "longship/lang/format.h"
#include "longship/lang/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
evaluate(const struct body *body, struct arena *arena, struct diags *diags)
{
	struct value value;

	for (size_t i = 0; i < body->n; i++)
		if (body->stmts[i].block != NULL)
			evaluate(body->stmts[i].block->body, arena, diags);
		else
			(void)eval_expr(body->stmts[i].attr->expr, &(struct eval_env){0}, arena, diags, &value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct source source;
	struct diags diags;
	struct buf once, twice;
	FILE *null = fopen("/dev/null", "w");
	struct body *body;

	source_init(&source, arena);
	source_add(&source, STR("f"), (struct str){(const char *)data, size});
	diags_init(&diags, arena, &source);
	buf_init(&once, 64 << 20);
	buf_init(&twice, 64 << 20);
	body = parse_file(arena, &source, 1, &diags);
	if (body != NULL) {
		if (!format_file(arena, &source, 1, &diags, &once) ||
			!format_file(arena, &source, source_add(&source, STR("g"), buf_view(&once)), &diags, &twice) ||
			!str_eq(buf_view(&once), buf_view(&twice)))
			__builtin_trap();
		evaluate(body, arena, &diags);
	}
	diags_print(&diags, null, false);
	fclose(null);
	buf_done(&once);
	buf_done(&twice);
	diags_done(&diags);
	arena_free(arena);
	return 0;
}

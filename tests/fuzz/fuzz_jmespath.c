/* SPDX-License-Identifier: Apache-2.0 */
/* First line: an expression. The rest: a document. */
#include "longship/codec/jmespath.h"
#include "longship/codec/json_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct jmespath_run *run = jmespath_run_new();
	const struct jmespath *compiled;
	struct str expression, text, error;
	struct json_value value;

	(void)str_cut((struct str){(const char *)data, size}, '\n', &expression, &text);
	compiled = jmespath_compile(arena, expression, &error);
	if (compiled != NULL && json_tree_parse(arena, text, 0, &error) != NULL && jmespath_run_load(run, text))
		(void)jmespath_run_get(run, compiled, arena, &value);
	jmespath_run_free(run);
	arena_free(arena);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>

#include "longship/codec/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line is the path, the rest the document. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct str path, document, error;
	const struct jsonpath *compiled;
	const struct json *root;

	str_cut((struct str){(const char *)data, size}, '\n', &path, &document);
	compiled = jsonpath_compile(arena, path, &error);
	root = json_tree_parse(arena, document, JSON_TREE_BIG_AS_TEXT, &error);
	if (compiled != NULL && root != NULL)
		(void)jsonpath_get(compiled, root, arena, &error);
	arena_free(arena);
	return 0;
}

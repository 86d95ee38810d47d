/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken apart must be JSON for the library, too; and each part is. */
#include "longship/base/check.h"
#include "longship/codec/json_scan.h"
#include "longship/codec/json_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str text = {(const char *)data, len}, error = STR_EMPTY, *items;
	struct arena *arena = arena_new(0);
	const struct json *tree = json_tree_parse(arena, text, 0, &error);
	struct json_scan_member *members;
	size_t n;

	if (json_scan_elements(arena, text, &items, &n)) {
		assert(tree == NULL || (tree->kind == JSON_TREE_ARRAY && tree->array.n == n));
		for (size_t i = 0; tree != NULL && i < n; i++)
			assert(json_tree_parse(arena, items[i], 0, &error) != NULL);
	} else {
		assert(tree == NULL || tree->kind != JSON_TREE_ARRAY);
	}
	if (json_scan_members(arena, text, &members, &n))
		assert(tree == NULL || (tree->kind == JSON_TREE_OBJECT && tree->object.n <= n));
	else
		assert(tree == NULL || tree->kind != JSON_TREE_OBJECT);
	arena_free(arena);
	return 0;
}

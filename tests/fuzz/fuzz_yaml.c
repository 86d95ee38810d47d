/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>

#include "longship/codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct yaml_tree_error error;

	(void)yaml_tree_parse(arena, (struct str){(const char *)data, size}, &error);
	arena_free(arena);
	return 0;
}

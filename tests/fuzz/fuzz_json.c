/* SPDX-License-Identifier: Apache-2.0 */
/* First line: a path. The rest: a text that is read with it, all fields selected. */
#include "longship/codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
select_all(void *ptr, struct str name)
{
	(void)ptr;
	return name.len < 64;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct json_paths *paths = json_paths_new(arena);
	struct json_fields fields = {.select = select_all};
	struct json_shape shape = {0};
	struct json_value value;
	struct str path, text, error;

	(void)str_cut((struct str){(const char *)data, size}, '\n', &path, &text);
	if (json_paths_add(paths, path, &error)) {
		bool ok = json_extract(paths, text, arena, NULL, &value, NULL);
		struct json_value first = value;

		for (int i = 0; i < 2; i++) {
			if (ok != json_extract(paths, text, arena, &shape, &value, NULL) || (ok && first.kind != value.kind))
				__builtin_trap();
		}
		if (ok != json_extract(paths, text, arena, NULL, &value, &fields))
			__builtin_trap();
	}
	arena_free(arena);
	return 0;
}

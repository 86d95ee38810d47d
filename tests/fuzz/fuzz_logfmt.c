/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/logfmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct logfmt l;
	struct str key, value;

	logfmt_init(&l, (struct str){(const char *)data, size}, arena);
	while (logfmt_next(&l, &key, &value)) {
		if (key.len == 0 || key.len + value.len > 3 * size)
			__builtin_trap();
	}
	arena_free(arena);
	return 0;
}

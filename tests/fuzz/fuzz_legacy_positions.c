/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>

#include "longship/base/check.h"
#include "longship/codec/legacy_positions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read and is written in Alloy's format reads back the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct legacy_positions first, again;
	struct str error;
	struct buf text;

	buf_init(&text, LEGACY_POSITIONS_BYTES_MAX);
	if (legacy_positions_parse(arena, (struct str){(const char *)data, size}, LEGACY_POSITIONS_AUTO, &first, &error) &&
		legacy_positions_print(first.items, first.n, LEGACY_POSITIONS_ALLOY, &text) &&
		legacy_positions_parse(arena, buf_view(&text), LEGACY_POSITIONS_ALLOY, &again, &error)) {
		assert(again.n == first.n);
		for (size_t i = 0; i < first.n; i++)
			assert(str_eq(again.items[i].path, first.items[i].path) &&
			       str_eq(again.items[i].value, first.items[i].value));
	}
	buf_done(&text);
	arena_free(arena);
	return 0;
}

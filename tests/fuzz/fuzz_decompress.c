/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the format and how much is handed over and made at a time. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/codec/decompress.h"

#define MADE_MAX (1u << 20) /* a bomb is not followed to its end */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = {1, 1 << 20, 13, 64}, rooms[] = {7, 4096, 4096, 1};
	struct decompressor *d;
	size_t total = 0, made;
	int r = 0;

	if (size == 0)
		return 0;
	d = decompressor_new((data[0] >> 2) % DECOMPRESS_COUNT);
	for (size_t at = 1; r == 0 && at < size && total < MADE_MAX; at += steps[data[0] & 3]) {
		struct str in = str_head((struct str){(const char *)data + at, size - at}, steps[data[0] & 3]);
		char out[4096];

		do {
			r = decompressor_run(d, &in, out, rooms[data[0] & 3], &made);
			total += r == 0 ? made : 0;
		} while (r == 0 && made > 0 && total < MADE_MAX);
		assert(r < 0 || made > 0 || in.len == 0);
	}
	(void)decompressor_complete(d);
	decompressor_free(d);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "longship/codec/cri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str line = {(const char *)data, size};
	struct cri cri;

	if (cri_parse(line, &cri) && (cri.stream.len != 6 || cri.content.s + cri.content.len != line.s + line.len ||
					     cri.time.len + cri.stream.len + cri.content.len > line.len))
		__builtin_trap();
	return 0;
}

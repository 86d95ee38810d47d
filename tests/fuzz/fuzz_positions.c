/* SPDX-License-Identifier: Apache-2.0 */
/* A positions.db. The checks of its records are made right, so that what is behind them is reached, too. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../positions/journal_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal j = {.io = &journal_io_real, .fd = memfd_create("positions", MFD_CLOEXEC)};
	struct positions_report report;
	uint8_t *copy = malloc(size + 1);
	struct state st;

	memcpy(copy, data, size);
	for (size_t at = 0; at + FORMAT_HEAD_BYTES <= size; at++) {
		size_t len = (size_t)(copy[at + 4] | copy[at + 5] << 8);

		if (copy[at] != FORMAT_MARKER_0 || copy[at + 1] != FORMAT_MARKER_1 ||
			len > size - at - FORMAT_HEAD_BYTES)
			continue;
		for (size_t i = 0; i < 4; i++)
			copy[at + 8 + i] =
				(uint8_t)(format_check(copy + at, copy + at + FORMAT_HEAD_BYTES, len) >> 8 * i);
		at += FORMAT_HEAD_BYTES + len - 1;
	}
	state_init(&st, true);
	if (write(j.fd, copy, size) == (ssize_t)size && journal_load(&j, &st, &report) == 0 &&
		(j.end > size || report.bytes_skipped > size))
		__builtin_trap();
	state_done(&st);
	journal_close(&j);
	free(copy);
	return 0;
}

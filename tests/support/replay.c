/* SPDX-License-Identifier: Apache-2.0 */
/* The main of a fuzz target outside libFuzzer: runs the target once over each file that it is given. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Larger than any file of a corpus. */
#define REPLAY_BYTES_MAX (1u << 20)

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		/* Exactly as large as the input, so that a sanitizer sees a read past its end. */
		uint8_t *all = malloc(REPLAY_BYTES_MAX), *data;
		size_t len;

		if (file == NULL || all == NULL) {
			perror(argv[i]);
			return 3;
		}
		len = fread(all, 1, REPLAY_BYTES_MAX, file);
		(void)fclose(file);
		data = realloc(all, len > 0 ? len : 1);
		if (data == NULL)
			return 3;
		(void)LLVMFuzzerTestOneInput(data, len);
		free(data);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "longship/app/commands.h"

int
cmd_version(int argc, char **argv)
{
	if (argc > 1) {
		bool help = strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0;

		fprintf(help ? stdout : stderr, "usage: longship version\n");
		return help ? STATUS_FINE : STATUS_USAGE;
	}
	printf("longship, version %s\n", LONGSHIP_VERSION);
	return STATUS_FINE;
}

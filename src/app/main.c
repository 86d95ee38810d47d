/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "longship/app/commands.h"
#include "longship/base/mem.h"
#include "longship/base/str.h"
#include "longship/base/vec.h"

static int
unknown_command(const char *name)
{
	VEC(const char *) names = {0};
	const char *nearest;

	for (const struct command *command = commands; command->name != NULL; command++)
		vec_push(&names, command->name);
	nearest = str_nearest(str_from(name), names.items, names.len);
	vec_done(&names);
	fprintf(stderr, "longship: unknown command \"%s\"", name);
	if (nearest != NULL)
		fprintf(stderr, ", did you mean \"%s\"?\n", nearest);
	else
		fprintf(stderr, "; \"longship help\" lists them\n");
	return STATUS_USAGE;
}

int
main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		(void)cmd_help(0, NULL);
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0)
		return cmd_version(1, argv + 1);
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)
		return cmd_help(1, argv + 1);
	if (strcmp(argv[1], JOURNAL_READER_COMMAND) == 0)
		return cmd_journal_reader(argc - 1, argv + 1);
	command = command_find(argv[1]);
	if (command == NULL)
		return unknown_command(argv[1]);
	return command->run(argc - 1, argv + 1);
}

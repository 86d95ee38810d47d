/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/app/commands.h"

#include <stddef.h>
#include <string.h>

const struct command commands[] = {
	{"run", cmd_run, "[flags] PATH…", "Ship logs as the configuration says"},
	{"validate", cmd_validate, "[flags] PATH…", "Check a configuration and print all that is wrong with it"},
	{"check", cmd_check, "[flags] PATH…", "Check on this host that what a configuration needs is there, each fault with its mend"},
	{"targets", cmd_targets, "PATH COMPONENT",
		"Print the targets that a discovery or match component exports now, as JSON"},
	{"inspect", cmd_inspect,
		"PATH COMPONENT [--input=raw|jsonl] [--output=text|jsonl] [--now=RFC3339] [--metrics=FILE]",
		"Feed standard input to one component and print what it forwards"},
	{"test", cmd_test, "[-v] PATH [CASES.jsonl…]", "Run a configuration's own tests: lines in, entries that must come out"},
	{"status", cmd_status, "[--storage.path=DIR] [--worst=N] [--json]",
		"Ask the running longship what it reads, sends and is behind with"},
	{"positions", cmd_positions, "list|export|import|set|reset …",
		"Show and change how far files have been read, also while longship runs"},
	{"replay", cmd_replay, "[--config=PATH] DIR", "Send dead letters to Loki again; what it stores leaves the files"},
	{"fmt", cmd_fmt, "[--write|--test] [PATH]", "Bring a configuration into its usual form"},
	{"eval", cmd_eval, "EXPR", "Print an expression's value as JSON"},
	{"help", cmd_help, "[COMMAND|COMPONENT]", "Explain a command, or a component's arguments"},
	{"version", cmd_version, "", "Print the version"},
	{NULL, NULL, NULL, NULL},
};

const struct command *
command_find(const char *name)
{
	for (const struct command *command = commands; command->name != NULL; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

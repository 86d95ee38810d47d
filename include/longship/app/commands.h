/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The subcommands. argv[0] is the subcommand's name. Each returns the exit status: 0 fine, 1 the input or the
 * configuration is at fault, 2 usage, 3 the system failed. Each understands -h and --help.
 */

#define STATUS_FINE   0
#define STATUS_FAULT  1
#define STATUS_USAGE  2
#define STATUS_SYSTEM 3

int cmd_check(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_fmt(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
/* Started by longship itself (see its file); not in the list. */
#define JOURNAL_READER_COMMAND "journal-reader"
int cmd_journal_reader(int argc, char **argv);
int cmd_positions(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_targets(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_validate(int argc, char **argv);
int cmd_version(int argc, char **argv);

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage; /* what follows the name */
	const char *doc;   /* one line */
};

/* In the order in which help lists them; ends with a NULL name. */
extern const struct command commands[];
const struct command *command_find(const char *name);

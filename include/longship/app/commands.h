/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The subcommands. argv[0] is the subcommand's name. Each returns the exit status: 0 fine, 1 the input or the
 * configuration is at fault, 2 usage, 3 the system failed.
 */

int cmd_eval(int argc, char **argv);
int cmd_fmt(int argc, char **argv);

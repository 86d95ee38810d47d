/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Flags of the commands that load a configuration. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum options_command { OPTIONS_RUN = 1, OPTIONS_VALIDATE = 2, OPTIONS_TARGETS = 4, OPTIONS_CHECK = 8 };

struct options {
	const char *listen_addr; /* host:port */
	const char *storage_path;
	bool sync_requests; /* --storage.sync=request */
	uint64_t memory_budget_bytes;
	unsigned lanes;
	int64_t drain_timeout_ns;
	bool skip_unsupported;
	bool sandbox;
	bool offline;	  /* check: no network */
	const char *user; /* check: as whom, NULL: as oneself */
	char **operands; /* what is left of argv: paths */
	size_t n_operands;
};

/* Borrows from argv. False: *ret_status is what the command is to return at once (help was printed, or the usage is
 * wrong). */
bool options_parse(enum options_command, int argc, char **argv, struct options *ret, int *ret_status);
/* "usage: …" with the flags of a command. */
void options_print_usage(enum options_command, bool to_stderr);

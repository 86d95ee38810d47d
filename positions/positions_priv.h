/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For the tests of the store: its system calls and its thread are theirs to decide. */
#include "journal_priv.h"

/* As positions_open. thread false: compaction happens within positions_write, sync only on demand. */
int positions_open_with(const char *dir, const struct journal_io *, bool thread, struct positions **ret,
	struct positions_report *ret_report, int *ret_pid);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Takes away from this process, for good, what it never needs: gaining privileges, writing outside the directories
 * named, starting programs, and the system calls that only an attacker would want. Reading stays as it is, so that
 * reload and discovery may bring new paths; so do libraries that are loaded late (NSS), and memory that is writable
 * and executable (PCRE2's JIT). Children inherit all of it.
 *
 * Call it from the only thread: landlock does not reach threads that run already. What the kernel does not have is
 * left out, and the report says so.
 */
#include <stdbool.h>
#include <stddef.h>

struct harden_options {
	const char *const *write_dirs; /* must exist; everything below them may be written */
	size_t n_write_dirs;
	bool own_program; /* this program may start itself again: /proc/self/exe */
};

/* Each: 0, or -errno why it is not in force (-ENOSYS, -EOPNOTSUPP: the kernel has none). */
struct harden_report {
	int privileges; /* no_new_privs */
	int landlock;
	int seccomp;
};

/* 0 when all is in force, else the first error of the report; what could be had is in force even then. */
int harden_self(const struct harden_options *, struct harden_report *ret);

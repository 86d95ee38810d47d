/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The reader process: started, and ended, by the control thread. Its answers come out of a pipe. */
#include <sys/types.h>

#include "longship/base/str.h"

struct helper {
	pid_t pid;   /* 0: none */
	int out;     /* its answers, non-blocking; -1: none */
	int lifeline; /* it ends when this is closed; -1: none */
};

#define HELPER_NONE ((struct helper){.pid = 0, .out = -1, .lifeline = -1})

/* 0 or -errno. request: frames of os/journal_wire.h. */
int helper_start(struct helper *, struct str request);
/* Kills it. Returns its wait status, 0 when it cannot be had yet (the process is then reaped later). */
int helper_end(struct helper *);
/* Reaps those that took their time. */
void helper_reap(void);

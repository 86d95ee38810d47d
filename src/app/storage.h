/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A storage path as the commands see it: through the control socket of the longship that runs on it, else by
 * opening its store under the same lock.
 */
#include "longship/base/buf.h"
#include "longship/base/str.h"
#include "longship/flow/runtime.h"

struct storage {
	const char *command; /* for messages: "positions" */
	const char *path;
	bool create;		/* the store is made when there is none */
	struct runtime runtime; /* positions: set once nothing runs */
};

/* "data-longship", as longship run has it; /var/lib/longship, the packages' place, where only that exists. */
const char *storage_default_path(void);
/* Answers a request (control_answer.h): reply is cleared first. 0 or the exit status; what is wrong was said. */
int storage_ask(struct storage *, struct str request, struct buf *reply);
void storage_done(struct storage *);

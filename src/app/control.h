/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The control socket: STORAGE/control.sock, for the owner of the storage path and root only (mode 0600). One
 * request line of JSON, one or more reply lines of JSON, then the connection ends; what can be asked stands in
 * control_answer.h. The server is on the control loop; the client is for commands.
 */
#include <stdbool.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"

struct control;
struct graph;
struct runtime;

#define CONTROL_REQUEST_BYTES_MAX (16u << 20) /* an import is cut into requests of this size */
#define CONTROL_REPLY_BYTES_MAX	  (8u << 20)  /* a list comes in parts of this size */

/* Listens; a socket that a crash left behind is replaced. The storage path is locked by the positions store. 0 or -errno. */
int control_new(struct runtime *, struct control **ret) __attribute__((warn_unused_result));
/* Removes the socket. NULL is fine. */
void control_free(struct control *);
/* The graph that is asked; NULL: none. */
void control_set_graph(struct control *, struct graph *);

/* Sends a request to the instance that runs on the storage path and appends its whole reply. 0 or -errno: -ENOENT and
 * -ECONNREFUSED when nothing runs there, -ETIMEDOUT when it does not answer. */
int control_ask(const char *storage_path, struct str request, struct buf *ret_reply);

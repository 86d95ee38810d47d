/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * longship's own HTTP server on the control loop: metrics, readiness, health, reload, status page, Alloy's
 * component API. It follows the `http` block through runtime->http_access, which it
 * sets.
 */
#include <stdbool.h>

#include "longship/base/buf.h"

struct graph;
struct runtime;
struct server;

struct server_hooks {
	void *ptr;
	/* Loads the configuration again; false: why not is in the buffer. */
	bool (*reload)(void *ptr, struct buf *why);
	/* The first load has succeeded. */
	bool (*ready)(void *ptr);
};

/* Listens on host:port. 0 or -errno, with the reason in error. */
#define SERVER_ERROR_BYTES 640
int server_new(struct runtime *, const char *listen_addr, const struct server_hooks *, struct server **ret,
	char error[SERVER_ERROR_BYTES]) __attribute__((warn_unused_result));
void server_free(struct server *);
/* The graph that health and components are of; NULL: none yet. */
void server_set_graph(struct server *, const struct graph *);

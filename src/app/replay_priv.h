/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* `longship replay`: sending letters (replay.c), apart from files and options (cmd_replay.c). One thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/vec.h"
#include "longship/flow/http_login.h"
#include "longship/flow/labels.h"
#include "longship/lang/args.h"

#include "entry_json_priv.h"

struct replay_endpoint {
	const char *component;
	struct str host, tenant;
	int64_t timeout_ns;
	struct http_target *target;
	struct http_login *login;
};

struct letter {
	struct str text; /* its line in the file */
	struct entry_json entry;
	const struct labels *labels; /* one reference of the table's; NULL: it cannot be read */
	const struct replay_endpoint *endpoint; /* NULL: none of the configuration */
	struct str tenant;
	bool stored, tried;
};

struct letters {
	struct letter *items;
	size_t len, cap;
};

struct replay {
	struct arena *arena;  /* of one file */
	struct arena *config; /* of all */
	struct http_client *client;
	struct labels_table *table;
	const char *component; /* that the letters are of, by their directory */
	VEC(struct replay_endpoint *) endpoints;
	uint64_t n_stored, n_left, n_refused, n_without, n_unreadable;
	const char *refused_reason; /* of the last one */
	char without_host[256];
	bool failed; /* Loki or a file could not be reached */
};

struct replay *replay_new(const char *component);
void replay_free(struct replay *);
/* An endpoint block of loki.write, decoded; must outlive the replay. */
void replay_add_endpoint(struct replay *, const char *component, const struct arg_spec *, const void *args);
/* One line of a file; whole: it ended with a line break. */
void replay_read_letter(struct replay *, struct str line, bool whole, struct letters *);
/* Sends those that can be sent, marks what was stored, counts. False: an endpoint cannot be reached. */
bool replay_send(struct replay *, struct letters *);

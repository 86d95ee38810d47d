/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What happens to a pushed body: it waits for a lane, which unpacks and checks it whole, and then hands its entries on
 * span by span. When all its spans have settled (stored by Loki, or durable in a loki.write's spool), `answer` is called on the control
 * thread: 204, or 503 when a span was given up or returned by a spool, so that the client sends it again; 400 when nothing, or not all, of it could be used.
 *
 * There is one flow stream a lane; they have no position, since a push cannot be read again.
 *
 * Memory: compressed bodies are bounded by the HTTP server; of each lane one body at a time is unpacked, to at most
 * body_bytes_max.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/base/str.h"
#include "longship/flow/metric.h"
#include "longship/flow/relabel.h"
#include "longship/flow/runtime.h"

#define INTAKE_ERROR_BYTES 256

struct intake;

struct intake_options { /* borrowed until the next intake_update has returned */
	const struct ptr_list *forward_to;
	const struct str_map *labels;
	const struct relabel *rules; /* may be NULL */
	bool use_incoming_timestamp;
	size_t body_bytes_max;
};

enum intake_form { INTAKE_RAW, INTAKE_JSON, INTAKE_PROTOBUF };
enum intake_encoding { INTAKE_PLAIN, INTAKE_GZIP, INTAKE_DEFLATE, INTAKE_SNAPPY };

/* text: of an error, "" with 204. Control thread. */
typedef void intake_answer(void *ctx, void *request, unsigned status, const char *text);

struct intake *intake_new(struct runtime *, const char *component_id, const struct intake_options *, intake_answer *, void *ctx);
/* Lanes are parked. */
void intake_update(struct intake *, const struct intake_options *);
/* Lanes are parked. What was not answered will not be. NULL is fine. */
void intake_free(struct intake *);
/* Takes the body's memory. request comes back with the answer; never NULL. Control thread. */
void intake_put(struct intake *, void *request, enum intake_form, enum intake_encoding, struct buf *body, struct str tenant);
/* Nobody waits for the answer any more. True: no lane had begun it, and there will be no answer. Control thread. */
bool intake_forget(struct intake *, const void *request);

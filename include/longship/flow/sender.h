/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The sender: one thread that carries all requests of all endpoints (os/http_client.h). Lanes submit
 * sealed requests to a send queue, one per (endpoint, tenant, lane): of a queue one request at a time is
 * unsettled, so that each source stream arrives in order. Source bytes on the wire are bounded by the sent
 * window (SENT_WINDOW_BYTES), from handing to curl until the settlement is recorded in the positions store;
 * that is what a crash can repeat. Before a request goes out, the marks of its spans are written.
 * What a reply means: flow/reply.h. One back-off per destination, full jitter, Retry-After honoured.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/str.h"
#include "longship/flow/metric.h"
#include "longship/flow/request.h"

struct sender;
struct runtime;
struct http_target; /* os/http_client.h */

struct destination_options {
	int64_t remote_timeout_ns, min_backoff_ns, max_backoff_ns;
	uint64_t attempts_max; /* 0: for ever; else the request is refused after so many */
	bool retry_429;
	struct dead_letters *dead_letters; /* flow/dead_letter.h: keeps what is refused; NULL: nobody does. Referenced */
	struct http_login *login;          /* flow/http_login.h; NULL: none. Referenced */
};

/* Where requests go: an endpoint and a tenant. Shared by the lanes; reference counted; any thread. */
struct destination;
/* Texts are copied; the target is referenced, and shared by the tenants of an endpoint; host is for metrics ("host:port"). */
struct destination *destination_new(struct runtime *, const char *component_id, struct http_target *, struct str host,
	struct str tenant, const struct destination_options *);
void destination_ref(struct destination *);
void destination_unref(struct destination *);
/* Counts entries that were dropped before sending, as loki_write_dropped_*_total. */
void destination_count_dropped(struct destination *, const char *reason, uint64_t entries, uint64_t bytes);
/* Lives as long as the destination. */
struct str destination_tenant(const struct destination *);
struct str destination_host(const struct destination *);
/* Bytes of lines that the server was found to take in one request (413); UINT64_MAX: not known. Any thread. */
uint64_t destination_batch_bytes_max(const struct destination *);

/*
 * Parking. A destination that has taken nothing for a while (it refuses, or does not answer) while others work is *parked*: what lanes
 * have for it is left to the readers of lags (flow/lag.h), so that it delays nobody. When its back-off is over, one reader gets the leave
 * to send one request, and with the first answer it is open again.
 */
enum destination_state { DESTINATION_OPEN, DESTINATION_PARKED, DESTINATION_PROBE, DESTINATION_PROBING };

/* Entries may name their tenants (stage.tenant, relabelling): lines behind those of a destination that is refused may be for others that nobody
 * has seen yet, so that it is parked although it is the only one. Said when such a rule is made; holds for the process. Any thread. */
void destination_expect_others(void);

/* The same for the same component, URL and tenant, in every process. */
uint64_t destination_id(const struct destination *);
/* Any thread. */
bool destination_is_open(const struct destination *);
bool destination_has_probe(const struct destination *);
/* The leave to send one request. Given back when nothing was sent. Any thread. */
bool destination_take_probe(struct destination *);
void destination_return_probe(struct destination *, bool sent);
/* So many readers of lags more. Any thread. */
void destination_lags(struct destination *, int n);
/* Memory of the budget that requests and open batches of the destination hold. Any thread. */
void destination_take_bytes(struct destination *, uint64_t bytes);
void destination_give_bytes(struct destination *, uint64_t bytes);
/* That is more than its share while memory is short (budget_share). Any thread. */
bool destination_is_over_share(const struct destination *);
/* There is no room for another lag behind this stream: it waits for the destination. Any thread. */
void destination_warn_full(struct destination *, const char *name);

struct destination_status { /* borrows */
	const char *component_id, *host, *tenant; /* tenant: "" for none */
	uint64_t sent_bytes, sent_entries, retries;
	unsigned failures;       /* in a row */
	enum destination_state state;
	unsigned lags;           /* source streams that are ahead of it */
	const char *last_error;  /* "" if there was none */
	int64_t last_error_ns;   /* realtime */
};
/* Calls fn for each destination that lives. Any thread. */
void destination_each(void (*fn)(void *ptr, const struct destination_status *), void *ptr);

struct send_queue;
struct send_queue *send_queue_new(struct destination *, uint32_t lane);
/* Its requests are all gone; the sender is quiesced or the queue was never used. Control thread. */
void send_queue_free(struct send_queue *);
/* A lane should prepare no more for it: as many wait as are of use, or its destination holds more than its share of scarce memory. Any
 * thread. */
#define SEND_QUEUE_MAX 2 /* one on the wire, one prepared */
bool send_queue_full(const struct send_queue *);
unsigned send_queue_len(const struct send_queue *);
/* Its destination is not parked. Any thread. */
bool send_queue_is_open(const struct send_queue *);
/* Any thread. */
struct destination *send_queue_destination(const struct send_queue *);
/* Requests are numbered as they are submitted, from 1: the last number; and whether all up to this one are gone. Any thread. */
uint64_t send_queue_submitted(const struct send_queue *);
bool send_queue_is_past(const struct send_queue *, uint64_t number);
/* Takes the request. Lane thread. */
void sender_submit(struct send_queue *, struct request *);

/* Counts up when there may be something for sender_take_parked. Any thread. */
uint64_t sender_parked(const struct sender *);
/* All requests of this lane for a parked destination, oldest first, linked; NULL: none. The caller's. Lane thread. */
struct request *sender_take_parked(struct sender *, uint32_t lane);
/* They have to stay, after all: back into their place, and they are not offered any more. Lane thread. */
void sender_keep(struct request *first);

struct sender *sender_new(struct runtime *);
/* Positions have moved without a request (all lines filtered): writes them soon. Any thread. */
void sender_wake(struct sender *);
/* It has moved since the last call, which woke it. Control thread. */
bool sender_alive(struct sender *);
/* Ends the thread; nothing is queued. */
void sender_free(struct sender *);
/* Goes on sending to destinations that work, for at most QUIESCE_NS; waits for what is on the wire then (each at most its
 * remote_timeout), and gives up all that is left: its receipts are released as discarded. Lanes are parked. Control thread. */
#define QUIESCE_NS (INT64_C(5) * 1000000000)
void sender_quiesce(struct sender *);
void sender_resume(struct sender *);
/* Waits until nothing is left to send. When the time is over first, what is on the wire is cut off and nothing more is sent: false. Control thread. */
bool sender_drain(struct sender *, int64_t timeout_ns);

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/sender.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/flow/budget.h"
#include "longship/flow/http_login.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/os/notify.h"
#include "longship/positions/positions.h"
#include "answer_priv.h"
#include "sender_priv.h"

/*
 * A turn of the thread: pick the queues whose head may go out, write their marks (and all positions that have
 * moved) with one write, hand them to curl, wait for something to happen. A request that has ended is
 * released first (its receipts settle), then the positions are written, and only then its bytes leave the
 * sent window.
 */
#define QUIESCE_FED_NS (300 * NS_PER_S) /* a wait longer than any sensible remote_timeout is a fault */
#define IDLE_WAIT_NS (3600 * NS_PER_S)    /* a wake ends it */
#define STORE_RETRY_NS (1 * NS_PER_S)     /* positions that could not be written are tried again */
#define LOG_INTERVAL_NS (60 * NS_PER_S)
#define PROBE_LOST_NS (10 * NS_PER_S)     /* leave to try a parked destination that nobody made use of is given anew */

struct send_queue {
	struct destination *destination;
	struct sender *sender;
	struct send_queue *next; /* of the sender's list */
	uint32_t lane;
	_Atomic unsigned n;
	struct request *head, **end; /* under the sender's lock; the head is the sender's while on_wire */
	struct http_call *call;      /* sender thread */
	bool on_wire;                /* the same, under the lock; also while its answer is dealt with */
	int64_t started_ns;          /* monotonic, of the call */
	uint64_t submitted;          /* number of the last request; under the lock */
	bool keep;                   /* its requests cannot be left to readers of lags; until it is empty. Under the lock */
	bool watched;                /* the destination is stuck, and is to be parked when the queue is full. Under the lock */
};

struct sender {
	struct runtime *runtime;
	struct http_client *client;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct send_queue *queues;
	_Atomic bool stop, quiesce;
	_Atomic uint64_t turns; /* counts on as long as the thread moves */
	uint64_t turns_seen;    /* control thread: sender_alive */
	_Atomic int64_t quiesce_until_ns; /* monotonic */
	_Atomic bool quiesced; /* nothing is on the wire: queues may go, so that only who has the lock looks at them */
	bool cut_off; /* stays: nothing goes out any more */
	size_t queued; /* requests in all queues */
	_Atomic uint64_t parked;      /* sender_parked */
	uint64_t taken_bytes;         /* of the window: what lanes took back. Under the lock */

	/* Of the thread. */
	size_t on_wire;
	uint64_t window_bytes;
	uint64_t leaving_bytes; /* of the window, once positions are written */
	struct send_queue *largest; /* for a turn: see find_largest */
	struct send_queue *first; /* where the next turn starts to look: fairness */
	bool lively_known;        /* lively_until_ns is that of this look */
	int64_t lively_until_ns;  /* something on the wire may still be answered soon; 0: nothing */
	int64_t store_logged_ns, store_retry_ns;
	VEC(struct receipt *) unmarked;
	VEC(struct send_queue *) starting;
	bool kick; /* lanes have something to do */
};

static void
take_bytes(struct send_queue *q, const struct request *r)
{
	destination_take_bytes(q->destination, r->budget_bytes);
}

struct send_queue *
send_queue_new(struct destination *d, uint32_t lane)
{
	struct send_queue *q = mem_new(struct send_queue);
	struct sender *s = d->runtime->sender;

	destination_ref(d);
	q->destination = d;
	q->sender = s;
	q->lane = lane;
	q->end = &q->head;
	(void)pthread_mutex_lock(&s->lock);
	q->next = s->queues;
	s->queues = q;
	(void)pthread_mutex_unlock(&s->lock);
	return q;
}

void
send_queue_free(struct send_queue *q)
{
	struct sender *s = q->sender;
	struct send_queue **link;

	assert(q->head == NULL);
	(void)pthread_mutex_lock(&s->lock);
	for (link = &s->queues; *link != q; link = &(*link)->next)
		;
	*link = q->next;
	if (s->first == q)
		s->first = NULL;
	(void)pthread_mutex_unlock(&s->lock);
	destination_unref(q->destination);
	mem_free(q);
}

unsigned
send_queue_len(const struct send_queue *q)
{
	return atomic_load_explicit(&q->n, memory_order_relaxed);
}

bool
send_queue_is_open(const struct send_queue *q)
{
	return destination_is_open(q->destination);
}

bool
send_queue_full(const struct send_queue *q)
{
	unsigned n = send_queue_len(q);

	return n >= SEND_QUEUE_MAX || (n > 0 && destination_is_over_share(q->destination));
}

uint64_t
send_queue_submitted(const struct send_queue *q)
{
	uint64_t number;

	(void)pthread_mutex_lock(&q->sender->lock);
	number = q->submitted;
	(void)pthread_mutex_unlock(&q->sender->lock);
	return number;
}

bool
send_queue_is_past(const struct send_queue *q, uint64_t number)
{
	bool past;

	(void)pthread_mutex_lock(&q->sender->lock);
	past = q->head == NULL || q->head->number > number;
	(void)pthread_mutex_unlock(&q->sender->lock);
	return past;
}

struct destination *
send_queue_destination(const struct send_queue *q)
{
	return q->destination;
}

/* What it holds is to be left to readers of lags. Lock held. */
static bool
is_parked(const struct send_queue *q)
{
	return !q->keep && atomic_load(&q->destination->state) == DESTINATION_PARKED;
}

void
sender_submit(struct send_queue *q, struct request *r)
{
	struct sender *s = q->sender;
	bool wake;

	r->next = NULL;
	r->queue = q;
	r->destination = q->destination;
	metric_add(q->destination->encoded_bytes, r->body_bytes);
	(void)pthread_mutex_lock(&s->lock);
	r->number = ++q->submitted;
	wake = q->head == NULL;
	*q->end = r;
	q->end = &r->next;
	s->queued++;
	take_bytes(q, r);
	(void)atomic_fetch_add(&q->n, 1);
	if (is_parked(q))
		(void)atomic_fetch_add(&s->parked, 1);
	if (q->watched && send_queue_full(q)) {
		q->watched = false;
		wake = true;
	}
	(void)pthread_mutex_unlock(&s->lock);
	/* Behind another request of its queue it cannot go out before that one has ended, which wakes the sender anyway: but that may be
	 * long, where nothing is answered, and a stream waits for it now. */
	if (wake)
		http_client_wake(s->client);
}

/* Takes the head off its queue. Lock held. */
static struct request *
pop(struct send_queue *q)
{
	struct request *r = q->head;

	q->head = r->next;
	if (q->head == NULL) {
		q->end = &q->head;
		q->keep = false;
	}
	(void)atomic_fetch_sub(&q->n, 1);
	q->sender->queued--;
	destination_give_bytes(q->destination, r->budget_bytes);
	return r;
}

uint64_t
sender_parked(const struct sender *s)
{
	return atomic_load(&s->parked);
}

/* All that is queued for it. Lock held. */
static struct request *
take_all(struct send_queue *q)
{
	struct request *first = q->head;

	for (struct request *r = first; r != NULL; r = r->next) {
		if (r->in_window)
			q->sender->taken_bytes += r->source_bytes;
		r->in_window = false;
		q->sender->queued--;
		destination_give_bytes(q->destination, r->budget_bytes);
	}
	q->head = NULL;
	q->end = &q->head;
	atomic_store(&q->n, 0);
	return first;
}

struct request *
sender_take_parked(struct sender *s, uint32_t lane)
{
	struct request *first = NULL;

	(void)pthread_mutex_lock(&s->lock);
	for (struct send_queue *q = s->queues; q != NULL && first == NULL; q = q->next) {
		if (q->lane == lane && q->head != NULL && !q->on_wire && is_parked(q))
			first = take_all(q);
	}
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
	/* There is room in the window, and the destination can be tried again. */
	if (first != NULL)
		http_client_wake(s->client);
	return first;
}

void
sender_keep(struct request *first)
{
	struct send_queue *q = first->queue;
	struct sender *s = q->sender;
	struct request *last = first;
	unsigned n = 1;

	take_bytes(q, first);
	for (; last->next != NULL; last = last->next) {
		take_bytes(q, last->next);
		n++;
	}
	(void)pthread_mutex_lock(&s->lock);
	last->next = q->head;
	if (q->head == NULL)
		q->end = &last->next;
	q->head = first;
	q->keep = true;
	s->queued += n;
	(void)atomic_fetch_add(&q->n, n);
	(void)pthread_mutex_unlock(&s->lock);
	http_client_wake(s->client);
}

/* The head is done, or `parts` of it stand in its place. */
static void
replace_head(struct send_queue *q, struct request *parts)
{
	struct sender *s = q->sender;
	struct request *r, *last = parts;
	size_t n = parts != NULL;
	uint64_t left = 0;

	(void)pthread_mutex_lock(&s->lock);
	r = pop(q);
	if (parts != NULL) {
		left = parts->source_bytes;
		parts->number = r->number;
		take_bytes(q, parts);
		for (; last->next != NULL; last = last->next) {
			last->next->number = r->number;
			take_bytes(q, last->next);
			left += last->next->source_bytes;
			n++;
		}
		last->next = q->head;
		q->head = parts;
		if (last->next == NULL)
			q->end = &last->next;
		(void)atomic_fetch_add(&q->n, (unsigned)n);
		s->queued += n;
	}
	(void)pthread_mutex_unlock(&s->lock);
	assert(left <= r->source_bytes);
	if (r->in_window)
		s->leaving_bytes += r->source_bytes - left;
	request_free(r);
}

static void
leave_window(struct sender *s, struct request *r)
{
	if (!r->in_window)
		return;
	r->in_window = false;
	s->window_bytes -= r->source_bytes;
}

static void
left_wire(struct send_queue *q)
{
	struct destination *d = q->destination;

	q->call = NULL;
	q->sender->on_wire--;
	d->started_ns = 0; /* of another lane's request it is known again when that is late */
	d->on_wire--;
}

/* The answer is dealt with: lanes may take the head back, where the destination is parked. */
static void
release(struct send_queue *q)
{
	struct sender *s = q->sender;

	(void)pthread_mutex_lock(&s->lock);
	q->on_wire = false;
	if (q->head != NULL && is_parked(q))
		(void)atomic_fetch_add(&s->parked, 1);
	/* Readers wait for what was on the wire, and for the destination's state. */
	if (is_parked(q) || atomic_load(&q->destination->lags) > 0)
		s->kick = true;
	(void)pthread_mutex_unlock(&s->lock);
}

static void
on_done(void *ptr, const struct http_result *result)
{
	struct send_queue *q = ptr;
	struct sender *s = q->sender;
	struct destination *d = q->destination;
	struct request *r = q->head, *parts;
	struct reply reply = reply_classify(result, d->options.retry_429);
	bool again = reply.kind == REPLY_RETRY || reply.kind == REPLY_MISCONFIGURED;

	left_wire(q);
	destination_observe(d, r, result);
	if (result->status == 401 && d->options.login != NULL)
		http_login_refused(d->options.login);
	if (result->repeated)
		request_count_resent(r);
	if (again && d->options.attempts_max > 0 && r->attempts >= d->options.attempts_max) {
		reply = (struct reply){.kind = REPLY_REFUSED, .reason = result->status == 429 ? "rate_limited" : "ingester_error"};
		again = false;
	}
	if (!again) {
		parts = answer_settle(d, r, result, &reply);
		for (struct request *part = parts; part != NULL; part = part->next)
			part->part = true;
		replace_head(q, parts);
		release(q);
		return;
	}
	destination_failed(d, r, result, reply.kind);
	if (reply.maybe_stored)
		r->maybe_stored = true;
	else if (!r->maybe_stored)
		leave_window(s, r);
	parts = answer_halve_late(d, r, result);
	if (parts != NULL)
		replace_head(q, parts);
	release(q);
}

/* A request is on the wire that has not been there for long: until when that is so. 0: there is none. Lock held. */
static int64_t
lively_until(struct sender *s, int64_t now)
{
	if (s->lively_known)
		return s->lively_until_ns;
	s->lively_known = true;
	s->lively_until_ns = 0;
	for (const struct send_queue *q = s->queues; q != NULL; q = q->next) {
		if (q->call != NULL && q->started_ns + SILENT_NS > now && q->started_ns + SILENT_NS > s->lively_until_ns)
			s->lively_until_ns = q->started_ns + SILENT_NS;
	}
	return s->lively_until_ns;
}

/* The head of q may go out now. Lock held. */
static bool
may_start(struct sender *s, const struct send_queue *q, int64_t now)
{
	uint64_t window = s->window_bytes;

	if (q->head == NULL || q->call != NULL || q->destination->retry_at_ns > now || is_parked(q))
		return false;
	if (s->quiesce && (s->quiesced || q->destination->failures > 0 || now >= s->quiesce_until_ns))
		return false;
	if (q->head->in_window || window == 0 || window + q->head->source_bytes <= SENT_WINDOW_BYTES)
		return true;
	/* What failed and may have been stored fills the window until it is through, and what is not answered until its time-out: they
	 * must not stop the other destinations. */
	return lively_until(s, now) == 0 && s->starting.len == 0;
}

/* The destination's credentials are there. Lock held. */
static bool
may_log_in(struct sender *s, struct send_queue *q)
{
	struct destination *d = q->destination;

	switch (d->options.login != NULL ? http_login_prepare(d->options.login, s->client) : LOGIN_READY) {
	case LOGIN_READY:
		return true;
	case LOGIN_WAIT:
		return false;
	case LOGIN_FAILED:
		break;
	}
	destination_failed(d, q->head, &(struct http_result){.error = http_login_error(d->options.login)}, REPLY_RETRY);
	return false;
}

static void
note_unmarked(struct sender *s, const struct request *r)
{
	for (size_t i = 0; i < r->n_runs; i++) {
		struct receipt *receipt = r->runs[i].receipt;

		if (!receipt->marked) {
			receipt->marked = true;
			vec_push(&s->unmarked, receipt);
		}
	}
}

static void
sooner(int64_t *again, int64_t at)
{
	if (at < *again)
		*again = at;
}

/* A stuck destination that holds streams up is parked: what lanes have for it is left to readers of lags. Lock held. */
static void
park(struct sender *s, struct send_queue *q, int64_t now, int64_t *again)
{
	struct destination *d = q->destination;

	q->watched = false;
	if (q->head == NULL || !destination_is_stuck(d, now, again))
		return;
	q->watched = !send_queue_full(q) && q != s->largest;
	if (q->watched || !destination_may_park(d, now))
		return;
	destination_set_state(d, DESTINATION_PARKED);
	(void)atomic_fetch_add(&s->parked, 1);
	s->kick = true;
	if (d->on_wire == 0)
		sooner(again, d->retry_at_ns);
}

/* Lanes have yet to take back what they have for it. Lock held. */
static bool
is_held_by_lanes(const struct sender *s, const struct destination *d)
{
	for (const struct send_queue *q = s->queues; q != NULL; q = q->next) {
		if (q->destination == d && q->head != NULL && !q->keep)
			return true;
	}
	return false;
}

/* Leave to send one request, when the time has come. Lock held. */
static void
unpark(struct sender *s, struct destination *d, int64_t now, int64_t *again)
{
	int state = atomic_load(&d->state);
	int64_t lost = atomic_load(&d->probe_ns) + PROBE_LOST_NS;

	if (d->on_wire > 0)
		return;
	if (state == DESTINATION_PARKED && d->retry_at_ns > now) {
		sooner(again, d->retry_at_ns);
	} else if (state == DESTINATION_PARKED && is_held_by_lanes(s, d)) {
		(void)atomic_fetch_add(&s->parked, 1);
		s->kick = true;
	} else if (state == DESTINATION_PARKED || (state == DESTINATION_PROBING && lost <= now)) {
		destination_set_state(d, DESTINATION_PROBE); /* in the latter case, what was to be sent came to nothing */
		s->kick = true;
	} else if (state == DESTINATION_PROBING) {
		sooner(again, lost);
	}
}

/* Lock held. */
static void
look_after(struct sender *s, struct send_queue *q, int64_t now, int64_t *again)
{
	struct destination *d = q->destination;

	if (q->call != NULL && (d->started_ns == 0 || q->started_ns < d->started_ns))
		d->started_ns = q->started_ns;
	if (s->quiesce)
		return; /* lanes can do nothing, and all is given up soon */
	if (destination_is_open(d))
		park(s, q, now, again);
	else
		unpark(s, d, now, again);
}

/* While memory is scarce one destination that takes nothing is to leave it though its queue has room: of the one that holds most. Lock held. */
static void
find_largest(struct sender *s, int64_t now)
{
	int64_t again = INT64_MAX;

	s->largest = NULL;
	if (!budget_scarce())
		return;
	for (struct send_queue *q = s->queues; q != NULL; q = q->next) {
		const struct destination *d = q->destination;

		if (q->head == NULL || q->keep || !destination_is_open(d) || !destination_is_stuck(d, now, &again))
			continue;
		if (s->largest == NULL || atomic_load(&d->bytes) > atomic_load(&s->largest->destination->bytes))
			s->largest = q;
	}
}

/* Fills s->starting, and s->unmarked with the spans that go out for the first time. Returns when to look again (monotonic). */
static int64_t
pick(struct sender *s)
{
	int64_t now = clock_mono_ns(), again = now + IDLE_WAIT_NS;
	struct send_queue *q;

	s->starting.len = 0;
	s->unmarked.len = 0;
	(void)pthread_mutex_lock(&s->lock);
	q = s->first != NULL ? s->first : s->queues;
	s->first = NULL;
	s->lively_known = false;
	find_largest(s, now);
	s->window_bytes -= s->taken_bytes;
	s->taken_bytes = 0;
	for (struct send_queue *begin = q; q != NULL && !s->stop && !s->cut_off;) {
		look_after(s, q, now, &again);
		if (may_start(s, q, now) && may_log_in(s, q)) {
			q->on_wire = true;
			if (!q->head->in_window) {
				q->head->in_window = true;
				s->window_bytes += q->head->source_bytes;
			}
			note_unmarked(s, q->head);
			vec_push(&s->starting, q);
		} else if (q->head != NULL && q->call == NULL && !is_parked(q)) {
			if (q->destination->retry_at_ns > now)
				again = q->destination->retry_at_ns < again ? q->destination->retry_at_ns : again;
			else if (s->first == NULL)
				s->first = q; /* the window was full: it goes first next time */
		}
		q = q->next != NULL ? q->next : s->queues;
		if (q == begin)
			break;
	}
	if (s->first != NULL && s->starting.len > 0)
		sooner(&again, now + SILENT_NS);
	else if (s->first != NULL && lively_until(s, now) > 0)
		sooner(&again, s->lively_until_ns);
	(void)pthread_mutex_unlock(&s->lock);
	return again;
}

/* Spans whose lines have times of their own leave no mark. */
static bool
brings_marks(const struct sender *s)
{
	for (size_t i = 0; i < s->unmarked.len; i++)
		if (s->unmarked.items[i]->stream->key.len > 0 && !s->unmarked.items[i]->stream->own_times)
			return true;
	return false;
}

static void
write_store(struct sender *s)
{
	int64_t now = clock_mono_ns();
	int r;

	if (s->runtime->positions == NULL || (s->unmarked.len == 0 && !progress_pending() && s->store_retry_ns == 0))
		return;
	r = progress_write(s->runtime->positions, s->unmarked.items, s->unmarked.len);
	if (r >= 0 && s->runtime->sync_requests && brings_marks(s))
		r = positions_sync(s->runtime->positions);
	s->unmarked.len = 0;
	s->store_retry_ns = r < 0 ? now + STORE_RETRY_NS : 0;
	if (r < 0 && log_rate(&s->store_logged_ns, LOG_INTERVAL_NS))
		log_error(NULL, "positions cannot be saved; shipping goes on, a crash now would send lines again", "path",
			s->runtime->storage_path, "err", strerror(-r), NULL);
}

static void
start(struct send_queue *q)
{
	struct destination *d = q->destination;
	const char *headers[5] = {"Content-Type: application/x-protobuf", "Content-Encoding: snappy"};
	size_t n = 2;

	if (d->tenant_header != NULL)
		headers[n++] = d->tenant_header;
	if (d->options.login != NULL)
		headers[n] = http_login_header(d->options.login);
	if (q->head->maybe_stored)
		request_count_resent(q->head);
	q->head->attempts++;
	q->started_ns = clock_mono_ns();
	if (d->started_ns == 0)
		d->started_ns = q->started_ns;
	d->on_wire++;
	q->sender->on_wire++;
	q->call = http_call_start(q->sender->client, d->target, headers, q->head->body, q->head->body_bytes, d->timeout_ns, on_done, q);
	destination_look_at_tls(d);
}

static void
cancel(struct send_queue *q)
{
	http_call_cancel(q->call);
	left_wire(q);
	release(q);
}

static void
cancel_logins(struct sender *s)
{
	for (struct send_queue *q = s->queues; q != NULL; q = q->next)
		http_login_cancel(q->destination->options.login);
}

static void
cut_off(struct sender *s)
{
	for (struct send_queue *q = s->queues; q != NULL; q = q->next) {
		if (q->call != NULL)
			cancel(q);
	}
	cancel_logins(s);
}

/* Quiescing waits for a call no longer than its remote_timeout, however long the destination's time-outs have grown. Returns when
 * the next one has to end, or INT64_MAX. */
static int64_t
end_late_calls(struct sender *s)
{
	int64_t now = clock_mono_ns(), next = INT64_MAX;

	for (struct send_queue *q = s->queues; q != NULL; q = q->next) {
		int64_t timeout = q->destination->options.remote_timeout_ns, end = timeout < INT64_MAX - q->started_ns ? q->started_ns + timeout : INT64_MAX;

		if (q->call == NULL || q->destination->timeout_ns <= timeout)
			continue;
		if (now >= end)
			cancel(q);
		else if (end < next)
			next = end;
	}
	return next;
}

/* All requests are given up: their lines will be read again. */
static void
discard_all(struct sender *s)
{
	for (struct send_queue *q = s->queues; q != NULL; q = q->next) {
		while (q->head != NULL) {
			struct request *r;

			(void)pthread_mutex_lock(&s->lock);
			r = pop(q);
			(void)pthread_mutex_unlock(&s->lock);
			leave_window(s, r);
			for (size_t i = 0; i < r->n_runs; i++)
				atomic_store(&r->runs[i].receipt->discarded, true);
			request_free(r);
		}
		q->destination->retry_at_ns = 0;
		q->destination->failures = 0;
		q->destination->failing_ns = 0;
		destination_reset(q->destination);
	}
}

/* Answers to the control thread. */
static void
report(struct sender *s)
{
	bool cut;

	(void)pthread_mutex_lock(&s->lock);
	cut = s->cut_off;
	(void)pthread_mutex_unlock(&s->lock);
	if (cut && !s->quiesced)
		cut_off(s);
	if (s->on_wire == 0 && s->quiesce && !s->quiesced) {
		cancel_logins(s);
		discard_all(s);
		write_store(s);
		(void)pthread_mutex_lock(&s->lock);
		s->quiesced = true;
		(void)pthread_mutex_unlock(&s->lock);
	}
	(void)pthread_mutex_lock(&s->lock);
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

static void
turn(struct sender *s)
{
	int64_t again = pick(s), now, wait;

	(void)atomic_fetch_add_explicit(&s->turns, 1, memory_order_relaxed);
	write_store(s);
	s->window_bytes -= s->leaving_bytes;
	if (s->leaving_bytes > 0) {
		/* Room in the window, in queues and in the budget. */
		s->leaving_bytes = 0;
		if (s->runtime->lanes != NULL)
			lanes_kick(s->runtime->lanes);
		if (s->starting.len == 0)
			again = pick(s);
		write_store(s);
	}
	for (size_t i = 0; i < s->starting.len; i++)
		start(s->starting.items[i]);
	if (s->kick && s->runtime->lanes != NULL) {
		s->kick = false;
		lanes_kick(s->runtime->lanes);
	}
	if (s->quiesce && !s->quiesced) {
		int64_t end = end_late_calls(s);

		again = end < again ? end : again;
	}
	report(s);
	now = clock_mono_ns();
	if (s->store_retry_ns != 0 && s->store_retry_ns < again)
		again = s->store_retry_ns;
	wait = again > now ? again - now : 0;
	(void)http_client_run(s->client, wait);
}

static void *
sender_main(void *ptr)
{
	struct sender *s = ptr;

	while (!s->stop)
		turn(s);
	cut_off(s);
	discard_all(s);
	write_store(s);
	return NULL;
}

struct sender *
sender_new(struct runtime *runtime)
{
	struct sender *s = mem_new(struct sender);
	pthread_condattr_t attr;

	s->runtime = runtime;
	s->client = http_client_new();
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (pthread_create(&s->thread, NULL, sender_main, s) != 0)
		abort();
	return s;
}

static void
set(struct sender *s, _Atomic bool *flag, bool value)
{
	atomic_store(flag, value);
	http_client_wake(s->client);
}

void
sender_wake(struct sender *s)
{
	http_client_wake(s->client);
}

bool
sender_alive(struct sender *s)
{
	uint64_t turns = atomic_load(&s->turns);
	bool moved = turns != s->turns_seen;

	s->turns_seen = turns;
	http_client_wake(s->client);
	return moved;
}

void
sender_free(struct sender *s)
{
	if (s == NULL)
		return;
	set(s, &s->stop, true);
	(void)pthread_join(s->thread, NULL);
	http_client_free(s->client);
	vec_done(&s->unmarked);
	vec_done(&s->starting);
	(void)pthread_mutex_destroy(&s->lock);
	(void)pthread_cond_destroy(&s->changed);
	mem_free(s);
}

void
sender_quiesce(struct sender *s)
{
	int64_t begin = clock_mono_ns();

	atomic_store(&s->quiesce_until_ns, begin + QUIESCE_NS);
	set(s, &s->quiesce, true);
	(void)pthread_mutex_lock(&s->lock);
	/* The control thread waits here, for as long as a remote_timeout: that is no reason to be killed by the watchdog. */
	for (int64_t look = begin + NS_PER_S; !s->quiesced; look += NS_PER_S) {
		struct timespec at = {.tv_sec = (time_t)(look / NS_PER_S), .tv_nsec = (long)(look % NS_PER_S)};

		(void)pthread_cond_timedwait(&s->changed, &s->lock, &at);
		if (!s->quiesced && clock_mono_ns() - begin < QUIESCE_FED_NS)
			notify_watchdog();
	}
	(void)pthread_mutex_unlock(&s->lock);
}

void
sender_resume(struct sender *s)
{
	set(s, &s->quiesce, false); /* first, or it would quiesce once more */
	s->quiesced = false;
}

bool
sender_drain(struct sender *s, int64_t timeout_ns)
{
	int64_t now = clock_mono_ns(), end = timeout_ns < INT64_MAX - now ? now + timeout_ns : INT64_MAX;
	struct timespec at = {.tv_sec = (time_t)(end / NS_PER_S), .tv_nsec = (long)(end % NS_PER_S)};
	bool drained;

	(void)pthread_mutex_lock(&s->lock);
	while (s->queued > 0 && clock_mono_ns() < end)
		(void)pthread_cond_timedwait(&s->changed, &s->lock, &at);
	drained = s->queued == 0;
	s->cut_off = !drained;
	(void)pthread_mutex_unlock(&s->lock);
	http_client_wake(s->client);
	return drained;
}

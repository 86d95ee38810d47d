/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/lane.h"

#include <stdlib.h>
#include <pthread.h>
#include <time.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/flow/budget.h"
#include "longship/flow/lag.h"
#include "longship/flow/pace.h"
#include "longship/flow/runtime.h"
#include "longship/flow/sender.h"
#include "longship/flow/spool.h"
#include "longship/positions/positions.h"

/*
 * A lane's streams are each on one of its lists: ready (run soon, in order), waiting (for a time), blocked
 * (for send queues), idle (for lane_wake), or running. One that has ended or was removed stays, idle, until
 * nothing of it is unsettled: until then its lines may have to be read again. All lists are under the lane's lock; what a lane
 * has open (lane_open) belongs to its thread, and to the control thread while the lane is parked.
 */
enum list { LIST_IDLE, LIST_READY, LIST_WAITING, LIST_BLOCKED, LIST_RUNNING };

#define COALESCE_NS (20 * NS_PER_MS)     /* a stream that is woken again this soon waits: one span for many small appends */
#define CROWDED_WAIT_NS (50 * NS_PER_MS) /* a stream with too many unsettled spans looks again after this */
#define LOOK_AHEAD_NS (1 * NS_PER_S)     /* a stream whose lines all wait for parked destinations is read a span at a time */
#define ARENA_BLOCK_BYTES (64u << 10)

struct lane {
	struct lanes *lanes;
	uint32_t number;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct stream *ready, **ready_end;
	struct stream *waiting, *blocked;
	int64_t waiting_at_ns; /* none that waits is due before */
	bool kicked;           /* what blocked streams wait for may have changed since they were looked through */
	VEC(struct stream *) streams; /* all */
	uint64_t parked; /* the park that it has obeyed last */
	bool drained;
	bool sleeps;           /* in the condition's wait */
	_Atomic uint64_t turns; /* counts on as long as the thread moves */
	uint64_t turns_seen;   /* control thread: lanes_alive */

	/* Of the thread. */
	bool noted; /* the sender knows of positions that moved */
	bool told;  /* and that memory is scarce */
	struct lane_open *open;
	struct lane_hold *holds;
	VEC(struct receipt_run) ended; /* holds that end with the span */
	struct send_queue *pressure[STREAM_BLOCKED_MAX]; /* up to the first NULL */
	int64_t paused_until_ns; /* of the stream that runs */
	uint64_t parked_seen;    /* sender_parked when it took back what parked destinations have */
	struct arena *arena;
	struct labels_table *labels;
	char *buffer;
};

struct lanes {
	struct runtime *runtime;
	struct lane *lanes;
	unsigned n;
	unsigned park_depth; /* control thread */
	uint64_t parks;      /* control thread: number of the last park */
	_Atomic uint64_t park; /* number of the park that lanes are to obey; 0: none. A lane that answers late answers for an old one */
	_Atomic bool drain, stop;
	pthread_mutex_t lock; /* for the conditions "parked" and "drained" */
	pthread_cond_t changed;
};

static _Thread_local struct lane *current;

struct lane *
lane_current(void)
{
	return current;
}

uint32_t
lane_number(const struct lane *lane)
{
	return lane->number;
}

struct arena *
lane_arena(struct lane *lane)
{
	return lane->arena;
}

struct labels_table *
lane_labels(struct lane *lane)
{
	return lane->labels;
}

char *
lane_buffer(struct lane *lane)
{
	if (lane->buffer == NULL)
		lane->buffer = mem_alloc(SPAN_BEFORE_BYTES + SPAN_BYTES_MAX);
	return lane->buffer;
}

void
lane_set_pressure(struct lane *lane, struct send_queue *queue)
{
	for (size_t i = 0; i < STREAM_BLOCKED_MAX; i++) {
		if (lane->pressure[i] == queue)
			return;
		if (lane->pressure[i] == NULL) {
			lane->pressure[i] = queue;
			return;
		}
	}
}

bool
lane_pace(struct pace *pace, int64_t cost_ns)
{
	struct lane *lane = current;
	int64_t now, until;

	if (lane == NULL)
		return false;
	now = clock_mono_ns();
	until = now + pace_charge(pace, now, cost_ns);
	if (until > now && until > lane->paused_until_ns)
		lane->paused_until_ns = until;
	return true;
}

void
lane_open_add(struct lane *lane, struct lane_open *open)
{
	open->next = lane->open;
	open->link = &lane->open;
	if (open->next != NULL)
		open->next->link = &open->next;
	lane->open = open;
}

void
lane_open_remove(struct lane_open *open)
{
	*open->link = open->next;
	if (open->next != NULL)
		open->next->link = open->link;
	open->next = NULL;
	open->link = NULL;
}

void
lane_hold_add(struct lane *lane, struct lane_hold *hold)
{
	hold->next = lane->holds;
	hold->link = &lane->holds;
	if (hold->next != NULL)
		hold->next->link = &hold->next;
	lane->holds = hold;
}

void
lane_hold_remove(struct lane_hold *hold)
{
	*hold->link = hold->next;
	if (hold->next != NULL)
		hold->next->link = hold->link;
	hold->next = NULL;
	hold->link = NULL;
}

void
lane_unhold(struct lane *lane, const struct receipt_run *run)
{
	receipt_ending(run->receipt);
	vec_push(&lane->ended, *run);
}

/* The span, or what was handed on, has come to its end. */
static void
end_span(struct lane *lane)
{
	for (size_t i = 0; i < lane->ended.len; i++) {
		const struct receipt_run *run = &lane->ended.items[i];

		receipt_unhold(run->receipt, run->line, run->lines, false);
	}
	lane->ended.len = 0;
	arena_clear(lane->arena);
	labels_table_trim(lane->labels, LABEL_TABLE_BYTES_MAX);
}

bool
lane_caught_up(struct lane *lane, const struct stream *s)
{
	bool caught_up;

	(void)pthread_mutex_lock(&lane->lock);
	caught_up = s->caught_up || s->lane == NULL;
	(void)pthread_mutex_unlock(&lane->lock);
	return caught_up;
}

/* What stages hold is handed on when it is due. No hold leaves the list meanwhile: its pipeline would have to end. */
static void
turn_holds(struct lane *lane, int64_t now, bool drain)
{
	bool any = false;

	for (struct lane_hold *h = lane->holds, *next; h != NULL; h = next) {
		next = h->next;
		if (!drain && h->deadline_ns > now)
			continue;
		if (drain)
			h->stop(h, false);
		else
			h->due(h, now);
		any = true;
	}
	if (any)
		end_span(lane);
}

/* The position cannot move because of what is held of the stream. */
static void
relieve(struct lane *lane, const struct stream *s)
{
	for (struct lane_hold *h = lane->holds, *next; h != NULL; h = next) {
		next = h->next;
		h->relieve(h, s);
	}
	end_span(lane);
}

/* Lists. Lock held. */

static void
push_ready(struct lane *lane, struct stream *s)
{
	s->list = LIST_READY;
	s->next = NULL;
	*lane->ready_end = s;
	lane->ready_end = &s->next;
}

static struct stream *
pop_ready(struct lane *lane)
{
	struct stream *s = lane->ready;

	if (s == NULL)
		return NULL;
	lane->ready = s->next;
	if (lane->ready == NULL)
		lane->ready_end = &lane->ready;
	s->next = NULL;
	return s;
}

static void
push_waiting(struct lane *lane, struct stream *s, int64_t at_ns)
{
	s->list = LIST_WAITING;
	s->wake_at_ns = at_ns;
	s->next = lane->waiting;
	lane->waiting = s;
	if (at_ns < lane->waiting_at_ns)
		lane->waiting_at_ns = at_ns;
}

static void
unlink_from(struct stream **list, struct stream *s)
{
	while (*list != s)
		list = &(*list)->next;
	*list = s->next;
	s->next = NULL;
}

static bool
is_blocked(const struct stream *s)
{
	if (lag_is_held(s))
		return true;
	for (size_t i = 0; i < STREAM_BLOCKED_MAX && s->blocked_on[i] != NULL; i++) {
		if (send_queue_full(s->blocked_on[i]) && (send_queue_is_open(s->blocked_on[i]) || !lag_can(s)))
			return true;
	}
	return false;
}

static void
promote_waiting(struct lane *lane, int64_t now)
{
	int64_t next = INT64_MAX;

	for (struct stream **link = &lane->waiting; *link != NULL;) {
		struct stream *s = *link;

		if (s->wake_at_ns > now && !atomic_load(&s->removed)) {
			next = s->wake_at_ns < next ? s->wake_at_ns : next;
			link = &s->next;
			continue;
		}
		*link = s->next;
		push_ready(lane, s);
	}
	lane->waiting_at_ns = next;
}

static void
promote_blocked(struct lane *lane)
{
	for (struct stream **link = &lane->blocked; *link != NULL;) {
		struct stream *s = *link;

		if (is_blocked(s) && !atomic_load(&s->removed)) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		push_ready(lane, s);
	}
	lane->kicked = false;
}

/* Moves what has waited long enough, and what waits for queues that all have room, to the ready list. Thousands may wait: they are
 * looked through when one of them is due, or something has changed. */
static void
promote(struct lane *lane, int64_t now)
{
	if (lane->waiting != NULL && lane->waiting_at_ns <= now)
		promote_waiting(lane, now);
	if (lane->blocked != NULL && lane->kicked)
		promote_blocked(lane);
}

static int64_t
next_deadline(const struct lane *lane, bool reading, bool holds)
{
	int64_t at = INT64_MAX;

	if (reading && lane->waiting != NULL)
		at = lane->waiting_at_ns;
	for (const struct lane_hold *hold = lane->holds; holds && hold != NULL; hold = hold->next)
		at = hold->deadline_ns < at ? hold->deadline_ns : at;
	for (const struct lane_open *open = lane->open; open != NULL; open = open->next)
		at = open->deadline_ns < at ? open->deadline_ns : at;
	return at;
}

/* Lock held. */
static void
sleep_until(struct lane *lane, int64_t at_ns)
{
	struct timespec at = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)};

	/* While the lane is parked the arena is the control thread's. */
	if (at_ns == INT64_MAX && atomic_load(&lane->lanes->park) == 0)
		arena_trim(lane->arena);
	lane->sleeps = true;
	if (at_ns == INT64_MAX)
		(void)pthread_cond_wait(&lane->wake, &lane->lock);
	else
		(void)pthread_cond_timedwait(&lane->wake, &lane->lock, &at);
	lane->sleeps = false;
	lane->kicked = true;
}

static void
announce_parked(struct lane *lane, uint64_t park)
{
	if (lane->parked == park)
		return;
	(void)pthread_mutex_lock(&lane->lanes->lock);
	lane->parked = park;
	(void)pthread_cond_broadcast(&lane->lanes->changed);
	(void)pthread_mutex_unlock(&lane->lanes->lock);
}

static void
announce_drained(struct lane *lane)
{
	if (lane->drained)
		return;
	(void)pthread_mutex_lock(&lane->lanes->lock);
	lane->drained = true;
	(void)pthread_cond_broadcast(&lane->lanes->changed);
	(void)pthread_mutex_unlock(&lane->lanes->lock);
}

/* Sends what is due, or all of it. No lock held. */
static void
flush_open(struct lane *lane, int64_t now, bool all)
{
	struct lane_open *open = lane->open;

	while (open != NULL) {
		struct lane_open *next = open->next;

		if (all || open->deadline_ns <= now)
			open->flush(open);
		open = next;
	}
}

void
lane_flush(struct lane *lane)
{
	if (lane->pressure[0] == NULL)
		flush_open(lane, 0, true);
}

void
lane_flush_all(struct lane *lane)
{
	flush_open(lane, 0, true);
}

static void
let_go(struct lane *lane, struct stream *s)
{
	struct stream *last = lane->streams.items[lane->streams.len - 1];

	assert(lane->streams.items[s->lane_place] == s);
	lane->streams.items[s->lane_place] = last;
	last->lane_place = s->lane_place;
	lane->streams.len--;
	s->lane = NULL;
	s->list = LIST_IDLE;
	(void)pthread_mutex_unlock(&lane->lock);
	labels_unref(s->labels);
	s->labels = NULL;
	if (s->ops->closed != NULL)
		s->ops->closed(s);
	if (s->reads_lag)
		lag_reader_gone(s);
	stream_unref(s);
	(void)pthread_mutex_lock(&lane->lock);
	lane->kicked = true; /* a reader of a later generation may have waited for this one */
}

/* Spans that are not settled; ret_queued: those of them that the position waits for. */
static size_t
count_unsettled(struct stream *s, size_t *ret_queued)
{
	size_t n;

	(void)pthread_mutex_lock(&s->ledger->lock);
	*ret_queued = s->n_receipts;
	n = s->n_receipts + s->n_passed;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	return n;
}

/* Puts a stream back on a list after it ran. Lock held. */
static void
put_back(struct lane *lane, struct stream *s, enum stream_state state)
{
	size_t queued;

	s->ran_at_ns = clock_mono_ns();
	if (state == STREAM_DONE || atomic_load(&s->removed)) {
		/* In this order: whoever settles the last one sees that it is waited for (receipt.c). */
		atomic_store(&s->ended, true);
		s->list = LIST_IDLE;
		s->caught_up = true;
		if (count_unsettled(s, &queued) == 0 && !lag_has_readers(s))
			let_go(lane, s);
	} else if (lane->pressure[0] != NULL || lag_is_held(s)) {
		memcpy(s->blocked_on, lane->pressure, sizeof(s->blocked_on));
		s->list = LIST_BLOCKED;
		s->next = lane->blocked;
		lane->blocked = s;
		lane->kicked = lane->kicked || !is_blocked(s);
	} else if (state == STREAM_MORE) {
		push_ready(lane, s);
	} else if (s->wanted) {
		push_waiting(lane, s, s->ran_at_ns + COALESCE_NS);
	} else if (state == STREAM_WAIT) {
		push_waiting(lane, s, s->wake_at_ns);
	} else {
		s->list = LIST_IDLE;
	}
}

/* Lock held; released while the stream runs. */
static void
run_stream(struct lane *lane, struct stream *s)
{
	enum stream_state state;
	bool ran = false;
	size_t queued;

	s->list = LIST_RUNNING;
	s->wanted = s->caught_up = false;
	memset(lane->pressure, 0, sizeof(lane->pressure));
	(void)pthread_mutex_unlock(&lane->lock);
	(void)count_unsettled(s, &queued);
	if (!s->reads_lag)
		lag_begin_run(s, lane);
	if (s->reads_lag && (s->lag == NULL || s->lag->rewind || atomic_load(&s->removed))) {
		state = lag_run(s, lane);
	} else if (atomic_load(&s->removed) || atomic_load(&s->ended)) {
		state = STREAM_DONE;
	} else if (lag_is_held(s)) {
		state = STREAM_MORE;
	} else if (queued >= SPANS_UNSETTLED_MAX) {
		relieve(lane, s);
		s->wake_at_ns = clock_mono_ns() + CROWDED_WAIT_NS;
		state = STREAM_WAIT;
	} else if (s->paused_until_ns > clock_mono_ns()) {
		s->wake_at_ns = s->paused_until_ns;
		state = STREAM_WAIT;
	} else {
		lane->paused_until_ns = 0;
		state = s->reads_lag ? lag_run(s, lane) : s->ops->run(s, lane);
		if (s->span_sent)
			s->sent_at_ns = clock_mono_ns();
		if (lag_idles(s) && lane->paused_until_ns == 0)
			lane->paused_until_ns = clock_mono_ns() + LOOK_AHEAD_NS;
		ran = true;
	}
	end_span(lane);
	(void)pthread_mutex_lock(&lane->lock);
	if (ran) {
		s->paused_until_ns = lane->paused_until_ns;
		s->caught_up = state != STREAM_MORE && !s->wanted && lane->pressure[0] == NULL;
	}
	put_back(lane, s, state);
}

static bool
has_parked(struct lane *lane)
{
	return lane->lanes->runtime->sender != NULL && sender_parked(lane->lanes->runtime->sender) != lane->parked_seen;
}

/* What is open or queued for destinations that were parked is left to the readers of lags. No lock held. */
static void
take_back(struct lane *lane)
{
	struct sender *sender = lane->lanes->runtime->sender;
	bool short_of_memory = budget_exhausted();
	struct request *first;

	lane->parked_seen = sender_parked(sender);
	lane->told = false;
	flush_open(lane, 0, true);
	while ((first = sender_take_parked(sender, lane->number)) != NULL) {
		if (!lag_take_back(first->destination, first)) {
			sender_keep(first);
			continue;
		}
		for (struct request *r = first, *next; r != NULL; r = next) {
			next = r->next;
			request_free(r);
		}
	}
	(void)pthread_mutex_lock(&lane->lock);
	lane->kicked = true; /* readers may have waited for what was taken back */
	(void)pthread_mutex_unlock(&lane->lock);
	/* There is room: other lanes may sleep until there is. */
	if (short_of_memory && !budget_exhausted())
		lanes_kick(lane->lanes);
}

/* Refused destinations are to make room: the sender parks them, and may be asleep. */
static void
tell_scarce(struct lane *lane)
{
	bool scarce = budget_scarce();

	if (scarce && !lane->told && lane->lanes->runtime->sender != NULL)
		sender_wake(lane->lanes->runtime->sender);
	lane->told = scarce;
	if (!scarce && budget_relieved())
		mem_trim();
}

static void
turn(struct lane *lane)
{
	struct lanes *lanes = lane->lanes;
	bool drain = atomic_load(&lanes->drain);
	int64_t now;
	struct stream *s;

	(void)pthread_mutex_unlock(&lane->lock);
	if (has_parked(lane))
		take_back(lane);
	now = clock_mono_ns();
	if (lane->holds != NULL)
		turn_holds(lane, now, drain);
	tell_scarce(lane);
	flush_open(lane, now, drain || budget_scarce());
	if (drain && lane->open == NULL)
		announce_drained(lane);
	(void)pthread_mutex_lock(&lane->lock);
	promote(lane, now);
	s = drain || budget_exhausted() ? NULL : pop_ready(lane);
	if (s != NULL)
		run_stream(lane, s);
	else if (progress_pending() && lanes->runtime->sender != NULL && !lane->noted) {
		lane->noted = true; /* once per sleep */
		sender_wake(lanes->runtime->sender);
	} else if (!atomic_load(&lanes->stop) && atomic_load(&lanes->park) == 0 && atomic_load(&lanes->drain) == drain &&
		!has_parked(lane) && (drain || lane->ready == NULL || budget_exhausted())) {
		sleep_until(lane, next_deadline(lane, !drain && !budget_exhausted(), !drain));
		lane->noted = false;
	}
}

static void *
lane_main(void *ptr)
{
	struct lane *lane = ptr;
	struct lanes *lanes = lane->lanes;

	current = lane;
	(void)pthread_mutex_lock(&lane->lock);
	while (!atomic_load(&lanes->stop)) {
		uint64_t park = atomic_load(&lanes->park);

		(void)atomic_fetch_add_explicit(&lane->turns, 1, memory_order_relaxed);
		if (park != 0) {
			announce_parked(lane, park);
			sleep_until(lane, INT64_MAX);
		} else {
			turn(lane);
		}
	}
	(void)pthread_mutex_unlock(&lane->lock);
	return NULL;
}

static void
lane_init(struct lane *lane, struct lanes *lanes, uint32_t number)
{
	pthread_condattr_t attr;

	lane->lanes = lanes;
	lane->number = number;
	lane->ready_end = &lane->ready;
	lane->arena = arena_new(ARENA_BLOCK_BYTES);
	lane->labels = labels_table_new();
	(void)pthread_mutex_init(&lane->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&lane->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
}

struct lanes *
lanes_new(struct runtime *runtime, unsigned n)
{
	struct lanes *lanes = mem_new(struct lanes);

	assert(n > 0 && n <= LANES_MAX);
	lanes->runtime = runtime;
	lanes->n = n;
	lanes->lanes = mem_zalloc(n * sizeof(*lanes->lanes));
	(void)pthread_mutex_init(&lanes->lock, NULL);
	(void)pthread_cond_init(&lanes->changed, NULL);
	for (unsigned i = 0; i < n; i++) {
		lane_init(&lanes->lanes[i], lanes, i);
		if (pthread_create(&lanes->lanes[i].thread, NULL, lane_main, &lanes->lanes[i]) != 0)
			abort();
	}
	return lanes;
}

static void
kick(struct lane *lane)
{
	(void)pthread_mutex_lock(&lane->lock);
	lane->kicked = true;
	(void)pthread_cond_signal(&lane->wake);
	(void)pthread_mutex_unlock(&lane->lock);
}

void
lanes_kick(struct lanes *lanes)
{
	for (unsigned i = 0; i < lanes->n; i++)
		kick(&lanes->lanes[i]);
}

static void
lane_done(struct lane *lane)
{
	(void)pthread_mutex_lock(&lane->lock);
	while (lane->streams.len > 0) {
		struct stream *s = lane->streams.items[lane->streams.len - 1];

		stream_rewind(s);
		let_go(lane, s);
	}
	(void)pthread_mutex_unlock(&lane->lock);
	assert(lane->open == NULL && lane->ended.len == 0);
	vec_done(&lane->ended);
	vec_done(&lane->streams);
	arena_free(lane->arena);
	labels_table_free(lane->labels);
	mem_free(lane->buffer);
	(void)pthread_mutex_destroy(&lane->lock);
	(void)pthread_cond_destroy(&lane->wake);
}

void
lanes_free(struct lanes *lanes)
{
	if (lanes == NULL)
		return;
	atomic_store(&lanes->stop, true);
	lanes_kick(lanes);
	for (unsigned i = 0; i < lanes->n; i++)
		(void)pthread_join(lanes->lanes[i].thread, NULL);
	for (unsigned i = 0; i < lanes->n; i++)
		lane_done(&lanes->lanes[i]);
	(void)pthread_mutex_destroy(&lanes->lock);
	(void)pthread_cond_destroy(&lanes->changed);
	mem_free(lanes->lanes);
	mem_free(lanes);
}

unsigned
lanes_count(const struct lanes *lanes)
{
	return lanes->n;
}

static struct lane *
emptiest(struct lanes *lanes)
{
	struct lane *best = NULL;
	size_t fewest = SIZE_MAX;

	for (unsigned i = 0; i < lanes->n; i++) {
		size_t n;

		(void)pthread_mutex_lock(&lanes->lanes[i].lock);
		n = lanes->lanes[i].streams.len;
		(void)pthread_mutex_unlock(&lanes->lanes[i].lock);
		if (n < fewest) {
			fewest = n;
			best = &lanes->lanes[i];
		}
	}
	return best;
}

uint32_t
lanes_add(struct lanes *lanes, struct stream *s, uint32_t number)
{
	struct lane *lane = number != LANE_ANY ? &lanes->lanes[number % lanes->n] : emptiest(lanes);

	stream_ref(s);
	(void)pthread_mutex_lock(&lane->lock);
	s->lane = lane;
	s->lane_place = lane->streams.len;
	vec_push(&lane->streams, s);
	push_ready(lane, s);
	(void)pthread_cond_signal(&lane->wake);
	(void)pthread_mutex_unlock(&lane->lock);
	return lane->number;
}

/* Lock held. */
static void
make_ready(struct lane *lane, struct stream *s, bool now)
{
	int64_t soon = s->ran_at_ns + COALESCE_NS;

	s->caught_up = false;
	if (soon < s->paused_until_ns)
		soon = s->paused_until_ns;
	switch ((enum list)s->list) {
	case LIST_RUNNING:
		s->wanted = true;
		return;
	case LIST_READY:
		return;
	case LIST_BLOCKED:
		lane->kicked = true; /* a reader may have to be rewound */
		return;
	case LIST_WAITING:
		if (!now && s->wake_at_ns <= soon)
			return;
		unlink_from(&lane->waiting, s);
		break;
	case LIST_IDLE:
		break;
	}
	if (now || clock_mono_ns() >= soon)
		push_ready(lane, s);
	else
		push_waiting(lane, s, soon);
}

void
lane_wake(struct stream *s)
{
	struct lane *lane = s->lane;

	if (lane == NULL)
		return;
	(void)pthread_mutex_lock(&lane->lock);
	if (s->lane == lane) {
		make_ready(lane, s, false);
		(void)pthread_cond_signal(&lane->wake);
	}
	(void)pthread_mutex_unlock(&lane->lock);
}

void
lane_remove(struct stream *s)
{
	struct lane *lane = s->lane;

	atomic_store(&s->removed, true);
	if (lane == NULL)
		return;
	(void)pthread_mutex_lock(&lane->lock);
	if (s->lane == lane) {
		make_ready(lane, s, true);
		lane->kicked = true;
		(void)pthread_cond_signal(&lane->wake);
	}
	(void)pthread_mutex_unlock(&lane->lock);
}

void
lanes_evict(struct lanes *lanes, struct stream *s)
{
	struct lane *lane = s->lane;

	assert(lanes->park_depth > 0);
	if (lane == NULL)
		return;
	for (size_t i = 0; i < s->lags.len; i++)
		lanes_evict(lanes, s->lags.items[i]->reader);
	(void)pthread_mutex_lock(&lane->lock);
	if (s->list == LIST_READY) {
		struct stream **list = &lane->ready;

		unlink_from(list, s);
		for (lane->ready_end = list; *lane->ready_end != NULL; lane->ready_end = &(*lane->ready_end)->next)
			;
	} else if (s->list == LIST_WAITING) {
		unlink_from(&lane->waiting, s);
	} else if (s->list == LIST_BLOCKED) {
		unlink_from(&lane->blocked, s);
	}
	let_go(lane, s);
	(void)pthread_mutex_unlock(&lane->lock);
}

static void
wait_parked(struct lanes *lanes, uint64_t park)
{
	(void)pthread_mutex_lock(&lanes->lock);
	for (unsigned i = 0; i < lanes->n; i++) {
		while (lanes->lanes[i].parked != park)
			(void)pthread_cond_wait(&lanes->changed, &lanes->lock);
	}
	(void)pthread_mutex_unlock(&lanes->lock);
}

/* The lane is parked: its lists and what it has open belong to this thread. */
static void
rewind_lane(struct lane *lane)
{
	(void)pthread_mutex_lock(&lane->lock);
	lane->ready = lane->waiting = lane->blocked = NULL;
	lane->ready_end = &lane->ready;
	for (size_t i = 0; i < lane->streams.len; i++) {
		struct stream *s = lane->streams.items[i];

		stream_rewind(s);
		atomic_store(&s->ended, false);
		push_ready(lane, s);
	}
	for (size_t i = 0; i < lane->streams.len; i++)
		lag_rewound(lane->streams.items[i]);
	(void)pthread_mutex_unlock(&lane->lock);
}

/* What it holds or has open is handed on and sent. The lane is parked. */
static void
stop_lane(struct lane *lane)
{
	current = lane;
	for (struct lane_hold *h = lane->holds, *next; h != NULL; h = next) {
		next = h->next;
		h->stop(h, true);
	}
	end_span(lane);
	while (lane->open != NULL)
		lane->open->flush(lane->open);
	current = NULL;
}

void
lanes_park(struct lanes *lanes)
{
	if (lanes->park_depth++ > 0)
		return;
	atomic_store(&lanes->park, ++lanes->parks);
	lanes_kick(lanes);
	wait_parked(lanes, lanes->parks);
	for (unsigned i = 0; i < lanes->n; i++)
		stop_lane(&lanes->lanes[i]);
	spools_flush();
	if (lanes->runtime->sender != NULL)
		sender_quiesce(lanes->runtime->sender);
	for (unsigned i = 0; i < lanes->n; i++)
		rewind_lane(&lanes->lanes[i]);
}

void
lanes_resume(struct lanes *lanes)
{
	assert(lanes->park_depth > 0);
	if (--lanes->park_depth > 0)
		return;
	if (lanes->runtime->sender != NULL)
		sender_resume(lanes->runtime->sender);
	atomic_store(&lanes->park, 0);
	lanes_kick(lanes);
}

void
lanes_drain(struct lanes *lanes)
{
	atomic_store(&lanes->drain, true);
	lanes_kick(lanes);
	(void)pthread_mutex_lock(&lanes->lock);
	for (unsigned i = 0; i < lanes->n; i++) {
		while (!lanes->lanes[i].drained)
			(void)pthread_cond_wait(&lanes->changed, &lanes->lock);
	}
	(void)pthread_mutex_unlock(&lanes->lock);
}

bool
lanes_alive(struct lanes *lanes)
{
	bool alive = true;

	for (unsigned i = 0; i < lanes->n; i++) {
		struct lane *lane = &lanes->lanes[i];
		uint64_t turns = atomic_load(&lane->turns);
		bool moved = turns != lane->turns_seen;

		lane->turns_seen = turns;
		if (!moved) {
			(void)pthread_mutex_lock(&lane->lock);
			moved = lane->sleeps;
			(void)pthread_mutex_unlock(&lane->lock);
		}
		alive = alive && moved;
	}
	return alive;
}

void
lanes_touch(struct lanes *lanes, struct positions *store)
{
	for (unsigned i = 0; i < lanes->n; i++) {
		struct lane *lane = &lanes->lanes[i];

		(void)pthread_mutex_lock(&lane->lock);
		for (size_t k = 0; k < lane->streams.len; k++) {
			const struct stream *s = lane->streams.items[k];

			if (s->key.len > 0 && !atomic_load(&s->removed))
				positions_touch(store, s->key);
		}
		(void)pthread_mutex_unlock(&lane->lock);
	}
}

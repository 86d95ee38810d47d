/* SPDX-License-Identifier: Apache-2.0 */
#include "rest.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "follow.h"
#include "generations.h"
#include "packed.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/hash.h"
#include "longship/base/log.h"
#include "longship/base/map.h"
#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

#define SLOTS_MIN 16
#define QUIET_NS  (1 * NS_PER_S)     /* a file that was read less long ago stays open, unless others wait */
#define SWEEP_NS  (1 * NS_PER_S)     /* while more are open than may rest open */
#define STUCK_NS  (5 * NS_PER_S)
#define TURN_NS   (50 * NS_PER_MS)   /* while some wait */

#define TOUCH_NS (24 * 3600 * NS_PER_S) /* the store keeps what is not told of for 30 days */

/* ---- Who rests, by inode ---- */

static size_t
home_slot(const struct rests *r, const struct file_id *id)
{
	return (size_t)hash_bytes(&id->ino, sizeof(id->ino), id->dev) & (r->slots_len - 1);
}

static void
put_slot(struct rests *r, struct follow *f)
{
	size_t at = home_slot(r, &f->id);

	while (r->slots[at] != NULL)
		at = (at + 1) & (r->slots_len - 1);
	r->slots[at] = f;
}

static void
resize(struct rests *r, size_t slots_len)
{
	struct follow **old = r->slots;
	size_t old_len = r->slots_len;

	r->slots_len = slots_len;
	r->slots = mem_zalloc(slots_len * sizeof(*r->slots));
	for (size_t i = 0; i < old_len; i++) {
		if (old[i] != NULL)
			put_slot(r, old[i]);
	}
	mem_free(old);
}

void
rest_shrink(struct rests *r)
{
	size_t slots_len = r->slots_len;

	while (slots_len > SLOTS_MIN && r->n * 4 < slots_len)
		slots_len /= 2;
	if (slots_len < r->slots_len)
		resize(r, slots_len);
}

static void
index_add(struct rests *r, struct follow *f)
{
	if ((r->n + 1) * 4 > r->slots_len * 3)
		resize(r, r->slots_len > 0 ? r->slots_len * 2 : SLOTS_MIN);
	put_slot(r, f);
	r->n++;
}

/* Closes the gap, so that no tombstones gather. */
static void
index_remove(struct rests *r, const struct follow *f)
{
	size_t mask = r->slots_len - 1, gap = home_slot(r, &f->id);

	while (r->slots[gap] != f)
		gap = (gap + 1) & mask;
	for (size_t at = (gap + 1) & mask; r->slots[at] != NULL; at = (at + 1) & mask) {
		if (((at - home_slot(r, &r->slots[at]->id)) & mask) >= ((at - gap) & mask)) {
			r->slots[gap] = r->slots[at];
			gap = at;
		}
	}
	r->slots[gap] = NULL;
	r->n--;
}

struct follow *
rest_find(const struct follow_shared *shared, const struct file_id *id, const struct follow *f)
{
	const struct rests *r = &shared->rests;

	if (r->n == 0)
		return NULL;
	for (size_t at = home_slot(r, id); r->slots[at] != NULL; at = (at + 1) & (r->slots_len - 1)) {
		struct follow *other = r->slots[at];

		if (other != f && other->id.dev == id->dev && other->id.ino == id->ino && other->id.btime_ns == id->btime_ns &&
			other->id.ordinal == id->ordinal)
			return other;
	}
	return NULL;
}

/* ---- To rest ---- */

void
rest_begin(struct follow *f, const struct tail *t, uint64_t size, const struct stat *st)
{
	f->id = t->id;
	f->rest_offset = t->stream.position;
	f->rest_size = size;
	f->rest_mtime_ns = st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
	rest_take(f);
}

void
rest_take(struct follow *f)
{
	assert(!f->resting && f->current == NULL);
	f->resting = true;
	index_add(&f->shared->rests, f);
	pack_soon(f->shared);
}

void
rest_end(struct follow *f)
{
	if (!f->resting)
		return;
	f->resting = false;
	index_remove(&f->shared->rests, f);
}

/* All that was read is settled, and there is nothing more to read. */
static bool
can_rest(struct tail *t)
{
	const struct stream *s = &t->stream;
	bool settled;

	if (t->follow == NULL || t != t->follow->current || t->resting || atomic_load(&t->rotated) || !atomic_load(&t->at_end))
		return false;
	(void)pthread_mutex_lock(&s->ledger->lock);
	settled = s->n_receipts == 0 && s->n_passed == 0 && s->n_holes == 0 && s->pool == 0;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	return settled;
}

static int
by_last_read(const void *a, const void *b)
{
	int64_t x = atomic_load(&(*(struct tail *const *)a)->read_ns), y = atomic_load(&(*(struct tail *const *)b)->read_ns);

	return (x > y) - (x < y);
}

static void
close_quiet(struct follow_shared *shared)
{
	struct rests *r = &shared->rests;
	int64_t before = r->n_waiting > 0 ? INT64_MAX : clock_mono_ns() - QUIET_NS;
	size_t keep = r->n_waiting > 0 ? 0 : REST_OPEN, n;
	VEC(struct tail *) quiet = {0};

	if (r->open.len <= keep || shared->component->runtime->positions == NULL)
		return;
	for (size_t i = 0; i < r->open.len; i++) {
		struct tail *t = r->open.items[i];

		if (atomic_load(&t->read_ns) < before && can_rest(t))
			vec_push(&quiet, t);
		else if (!atomic_load(&t->at_end) && atomic_load(&t->read_ns) < clock_mono_ns() - STUCK_NS)
			lane_wake(&t->stream); /* a destination may have stopped to lag */
	}
	if (quiet.len > 0)
		qsort(quiet.items, quiet.len, sizeof(*quiet.items), by_last_read);
	n = r->open.len - keep < quiet.len ? r->open.len - keep : quiet.len;
	for (size_t i = 0; i < n; i++) {
		quiet.items[i]->resting = true;
		lane_remove(&quiet.items[i]->stream);
	}
	vec_done(&quiet);
	if (n > 0)
		r->closed_ns = clock_mono_ns();
}

/* ---- Turns ---- */

static void
arm(struct follow_shared *shared)
{
	struct rests *r = &shared->rests;

	if (r->n_waiting == 0 && r->lost.len == 0 && r->open.len <= REST_OPEN)
		loop_timer_stop(r->timer);
	else if (!loop_timer_running(r->timer))
		loop_timer_start(r->timer, r->n_waiting > 0 ? TURN_NS : SWEEP_NS, 0);
}

static void
take_turns(struct follow_shared *shared)
{
	struct rests *r = &shared->rests;

	for (size_t n = shared->follows.len; n > 0 && r->n_waiting > 0; n--) {
		struct follow *f = shared->follows.items[r->turn++ % shared->follows.len];

		if (!f->waiting)
			continue;
		if (r->open.len >= REST_OPEN_MAX + r->more)
			break;
		f->waiting = false;
		r->n_waiting--;
		follow_look(f);
		if (f->waiting) { /* no descriptor */
			r->turn--;
			break;
		}
	}
	if (r->n_waiting == 0) {
		r->said_full = false;
		r->more = 0;
	}
}

/* Those that are open wait for a destination that takes nothing: others are not to wait with them, as far as descriptors go. */
static void
open_more(struct rests *r)
{
	if (r->n_waiting == 0 || clock_mono_ns() - r->closed_ns < STUCK_NS)
		return;
	r->more += REST_OPEN;
	r->closed_ns = clock_mono_ns();
}

static void find_lost(void *ptr);

static void
on_timer(void *ptr)
{
	struct follow_shared *shared = ptr;
	bool waited;

	if (shared->rests.lost.len > 0)
		find_lost(shared);
	waited = shared->rests.n_waiting > 0 || shared->rests.open.len > 2 * REST_OPEN;
	take_turns(shared);
	close_quiet(shared);
	open_more(&shared->rests);
	arm(shared);
	shared->rests.many = shared->rests.many || waited;
	if (shared->rests.many && !loop_timer_running(shared->rests.timer)) {
		shared->rests.many = false;
		mem_trim();
	}
}

void
rest_opened(struct follow_shared *shared, struct tail *t)
{
	t->open_place = shared->rests.open.len;
	vec_push(&shared->rests.open, t);
	arm(shared);
}

void
rest_closed(struct follow_shared *shared, struct tail *t)
{
	struct rests *r = &shared->rests;
	struct tail *last = r->open.len > 0 ? r->open.items[r->open.len - 1] : NULL;

	if (t->open_place == SIZE_MAX)
		return;
	assert(r->open.items[t->open_place] == t);
	r->open.items[t->open_place] = last;
	last->open_place = t->open_place;
	t->open_place = SIZE_MAX;
	r->open.len--;
}

static void
wait_turn(struct follow *f)
{
	struct rests *r = &f->shared->rests;

	if (f->waiting)
		return;
	f->waiting = true;
	if (r->n_waiting++ == 0)
		loop_timer_start(r->timer, TURN_NS, 0);
}

bool
rest_may_open(struct follow *f)
{
	if (f->shared->rests.open.len < REST_OPEN_MAX + f->shared->rests.more) {
		if (f->waiting)
			f->shared->rests.n_waiting--;
		f->waiting = false;
		return true;
	}
	wait_turn(f);
	return false;
}

void
rest_wait(struct follow *f)
{
	struct rests *r = &f->shared->rests;

	if (!r->said_full)
		log_warn(f->shared->component->id, "no descriptor to open a file; files with something to read wait for their turn",
			"path", f->path, "open", log_i64((int64_t)r->open.len), "hint", "raise LimitNOFILE", NULL);
	r->said_full = true;
	wait_turn(f);
}

/* ---- Renamed while they rested ---- */

/* Each directory is read once for all that were lost in it. The paths are looked at when all files under other names have their
 * readers: one of them may be another's path. */
static void
find_lost(void *ptr)
{
	struct follow_shared *shared = ptr;
	struct rests *r = &shared->rests;
	VEC(struct follow *) done = {0};
	struct past past;
	size_t left = 0;

	past_init(&past, shared);
	for (size_t i = 0; i < r->lost.len; i++) {
		struct follow *f = r->lost.items[i];

		if (f == NULL)
			continue;
		follow_retire_resting(f);
		if (!generations_lost(&past, f)) {
			r->lost.items[left++] = f;
			continue;
		}
		f->lost = false;
		vec_push(&done, f);
	}
	past_done(&past);
	r->lost.len = left;
	for (size_t i = 0; i < done.len; i++)
		follow_look_retired(done.items[i]);
	vec_done(&done);
	if (left > 0)
		loop_timer_start(r->timer, TURN_NS, 0);
}

void
rest_lose(struct follow *f)
{
	struct follow_shared *shared = f->shared;

	if (f->lost)
		return;
	f->lost = true;
	if (shared->rests.lost.len == 0)
		loop_post(shared->component->runtime->loop, find_lost, shared);
	vec_push(&shared->rests.lost, f);
}

void
rest_forget(struct follow *f)
{
	struct rests *r = &f->shared->rests;

	rest_end(f);
	if (f->waiting)
		r->n_waiting--;
	f->waiting = false;
	for (size_t i = 0; f->lost && i < r->lost.len; i++) {
		if (r->lost.items[i] == f)
			r->lost.items[i] = NULL;
	}
	f->lost = false;
}

static void
touch_all(void *ptr)
{
	const struct follow_shared *shared = ptr;

	for (size_t i = 0; i < shared->rests.slots_len; i++) {
		if (shared->rests.slots[i] != NULL)
			follow_touch(shared, &shared->rests.slots[i]->id);
	}
	packed_touch(shared);
}

int
rests_init(struct follow_shared *shared)
{
	struct rests *r = &shared->rests;
	int err = loop_timer_new(shared->component->runtime->loop, on_timer, shared, &r->timer);

	if (err == 0)
		err = loop_timer_new(shared->component->runtime->loop, touch_all, shared, &r->touch);
	if (err == 0)
		loop_timer_start(r->touch, TOUCH_NS, TOUCH_NS);
	return err;
}

void
rests_done(struct follow_shared *shared)
{
	struct rests *r = &shared->rests;

	assert(r->n == 0 && r->n_waiting == 0);
	loop_unpost(shared->component->runtime->loop, shared);
	loop_timer_free(r->timer);
	loop_timer_free(r->touch);
	mem_free(r->slots);
	vec_done(&r->open);
	vec_done(&r->lost);
	*r = (struct rests){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "deleted.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "follow.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

#define LOOK_NS	      (1 * NS_PER_S)
#define BLOCK_BYTES   512 /* what st_blocks counts */
#define WARN_PERCENT  80  /* of the limit */
#define QUIET_PERCENT 50  /* below it is warned of again */

struct held { /* a deleted file */
	struct tail *tail;
	uint64_t bytes; /* on the disk */
	uint64_t unread;
};

struct held_list {
	VEC(struct held) items;
	uint64_t bytes, unread;
	bool waits; /* a file may be deleted yet */
};

/* What was not handed on yet. */
static uint64_t
unread_of(struct tail *t, uint64_t size)
{
	struct stream *s = &t->stream;
	uint64_t to;

	(void)pthread_mutex_lock(&s->ledger->lock);
	to = s->newest != NULL ? s->newest->to : s->position;
	if (t->content.unpack != NULL)
		size = s->size;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	return size > to ? size - to : 0;
}

/* A tail whose file was emptied may have another descriptor at any moment, until it goes on in a copy. */
static void
find_held(const struct follow_shared *shared, struct held_list *list)
{
	for (size_t i = 0; i < map_len(&shared->live); i++) {
		struct tail *t = map_value(&shared->live, i);
		struct stat st;

		if (!atomic_load(&t->rotated) || atomic_load(&t->given_up) || atomic_load(&t->abandoned))
			continue;
		list->waits = true;
		if (atomic_load(&t->truncated) || fstat(t->fd, &st) < 0 || st.st_nlink > 0)
			continue;
		vec_push(&list->items, ((struct held){t, (uint64_t)st.st_blocks * BLOCK_BYTES, unread_of(t, (uint64_t)st.st_size)}));
		list->bytes += list->items.items[list->items.len - 1].bytes;
		list->unread += list->items.items[list->items.len - 1].unread;
	}
}

static int
by_age(const void *a, const void *b)
{
	int64_t x = ((const struct held *)a)->tail->rotated_ns, y = ((const struct held *)b)->tail->rotated_ns;

	return (x > y) - (x < y);
}

/* The oldest first, until what is left is within the limit. */
static void
let_go(struct follow_shared *shared, struct held_list *list)
{
	uint64_t limit = (uint64_t)shared->deleted.limit_bytes;

	if (list->items.len > 1)
		qsort(list->items.items, list->items.len, sizeof(list->items.items[0]), by_age);
	for (size_t i = 0; i < list->items.len && list->bytes > limit; i++) {
		const struct held *h = &list->items.items[i];

		if (!follow_let_go(shared, h->tail, h->unread))
			continue;
		log_warn(shared->component->id, "a deleted file was let go before all of it was read, since deleted_limit is exceeded", "path",
			h->tail->stream.name, "bytes", log_i64((int64_t)h->bytes), "unread", log_i64((int64_t)h->unread), NULL);
		list->bytes -= h->bytes;
		list->unread -= h->unread;
	}
}

static void
warn(struct follow_shared *shared, uint64_t bytes, uint64_t unread)
{
	struct deleted *d = &shared->deleted;
	uint64_t limit = (uint64_t)d->limit_bytes;

	if (!d->warned && bytes > limit / 100 * WARN_PERCENT)
		log_warn(shared->component->id, "deleted files that are not read to their end come near deleted_limit; over it the oldest are let go unread",
			"bytes", log_i64((int64_t)bytes), "unread", log_i64((int64_t)unread), "limit", log_i64(d->limit_bytes), "hint",
			"raise deleted_limit, or let rotation keep more files", NULL);
	d->warned = bytes > limit / 100 * (d->warned ? QUIET_PERCENT : WARN_PERCENT);
}

static void
look(void *ptr)
{
	struct follow_shared *shared = ptr;
	struct held_list list = {0};

	find_held(shared, &list);
	if (shared->deleted.limit_bytes > 0) {
		warn(shared, list.bytes, list.unread);
		let_go(shared, &list);
	}
	metric_set(shared->deleted.bytes, (double)list.bytes);
	metric_set(shared->deleted.unread, (double)list.unread);
	vec_done(&list.items);
	if (list.waits)
		loop_timer_start(shared->deleted.timer, LOOK_NS, 0);
}

int
deleted_init(struct follow_shared *shared)
{
	struct runtime *runtime = shared->component->runtime;

	shared->deleted.bytes = metric_get(runtime->metrics, METRIC_GAUGE, "longship_source_deleted_bytes",
		"Disk space of deleted files that are open until they are read.", shared->component->id, NULL);
	shared->deleted.unread = metric_get(runtime->metrics, METRIC_GAUGE, "longship_source_deleted_unread_bytes",
		"Bytes of deleted files that are not read yet.", shared->component->id, NULL);
	return loop_timer_new(runtime->loop, look, shared, &shared->deleted.timer);
}

void
deleted_done(struct follow_shared *shared)
{
	loop_timer_free(shared->deleted.timer);
	shared->deleted.timer = NULL;
}

void
deleted_watch(struct follow_shared *shared)
{
	if (!loop_timer_running(shared->deleted.timer))
		loop_timer_start(shared->deleted.timer, LOOK_NS, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "catalog_priv.h"
#include "longship/base/hash.h"
#include "longship/base/map.h"
#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/memory.h"
#include "longship/flow/pace.h"
#include "longship/flow/receipt.h"

/*
 * stage.limit: a token bucket for all streams of the component.
 *
 * drop = false is back-pressure: all entries pass, and the lane pauses their stream after the span until the bucket has
 * paid for them; outside of lanes virtual time moves instead. drop = true decides by the lines' time marks.
 *
 * A range that is read again is not charged again. Its decisions start from the bucket as the stream had left it before,
 * which is in the stream's memory; those by label start from full buckets.
 */

#define LABEL_VALUES_MIN 10000        /* Alloy's lower bound of max_distinct_labels */
#define LABEL_VALUES_MAX 1000000      /* upper bound: some 300 MiB of buckets */
#define KEY_BYTES_MAX 64	      /* of a value; of a longer one the head and a hash tell it apart */

struct limit_args {
	double rate;
	int64_t burst, max_distinct_labels;
	bool drop;
	struct str by_label_name;
};

static const struct arg_spec args[] = {
	{.name = "rate",
		.kind = ARG_NUMBER,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct limit_args, rate),
		.doc = "Lines a second."},
	{.name = "burst",
		.kind = ARG_INT,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct limit_args, burst),
		.doc = "Lines that may come at once."},
	{.name = "drop",
		.kind = ARG_BOOL,
		.offset = offsetof(struct limit_args, drop),
		.doc = "Drop what is over the limit, instead of reading more slowly."},
	{.name = "by_label_name",
		.kind = ARG_STRING,
		.offset = offsetof(struct limit_args, by_label_name),
		.doc = "One bucket for each value of this label; needs drop = true."},
	{.name = "max_distinct_labels",
		.kind = ARG_INT,
		.offset = offsetof(struct limit_args, max_distinct_labels),
		.fallback = "10000",
		.max = LABEL_VALUES_MAX,
		.doc = "Label values whose buckets are remembered; at least 10000."},
	{0},
};

struct bucket {
	int64_t paid_ns;
	struct metric *dropped; /* NULL: no entry was dropped yet */
};

struct state {
	struct pace pace;
	bool drop;
	uint64_t key; /* in the stream's memory */
	const struct drop_reason *reason;

	/* By label. */
	struct str label;
	size_t values_max;
	struct metrics *metrics; /* NULL when only checking */
	struct metric *forgotten; /* values whose bucket the bound has cut */
	const char *component_id;
	pthread_mutex_t lock;
	struct map *young, *old; /* value → struct bucket; the old one is forgotten when the young one is full */
};

/* ---- buckets by label; lock held ---- */

static void
forget(struct state *s, struct map *generation)
{
	for (size_t i = 0; i < map_len(generation); i++) {
		struct bucket *bucket = map_value(generation, i);

		if (bucket->dropped != NULL)
			metric_release(s->metrics, bucket->dropped);
		mem_free(bucket);
	}
	map_done(generation);
	map_init(generation);
}

/* As Alloy, which starts its counters by label anew with each generation. */
static void
age(struct state *s)
{
	struct map *young = s->old;
	uint64_t n = 0;

	for (size_t i = 0; s->forgotten != NULL && i < map_len(s->old); i++)
		n += !map_has(s->young, map_key(s->old, i));
	if (s->forgotten != NULL)
		metric_add(s->forgotten, n);
	forget(s, s->old);
	s->old = s->young;
	s->young = young;
	for (size_t i = 0; i < map_len(s->old); i++) {
		struct bucket *bucket = map_value(s->old, i);

		if (bucket->dropped != NULL)
			metric_release(s->metrics, bucket->dropped);
		bucket->dropped = NULL;
	}
}

/* A label's value may be as long as a line. */
static struct str
key_of(struct str value, char text[KEY_BYTES_MAX])
{
	uint64_t hash;

	if (value.len < KEY_BYTES_MAX)
		return value;
	hash = hash_bytes(value.s, value.len, 0);
	memcpy(text, value.s, KEY_BYTES_MAX - sizeof(hash));
	memcpy(text + KEY_BYTES_MAX - sizeof(hash), &hash, sizeof(hash));
	return (struct str){text, KEY_BYTES_MAX};
}

/* Valid until the next call. */
static struct bucket *
bucket_of(struct state *s, struct str value)
{
	char text[KEY_BYTES_MAX];
	struct str key = key_of(value, text);
	struct bucket *bucket = map_get(s->young, key), *before;

	if (bucket != NULL)
		return bucket;
	bucket = mem_new(struct bucket);
	before = map_get(s->old, key);
	if (before != NULL) {
		*bucket = *before;
		before->dropped = NULL;
	}
	(void)map_set(s->young, key, bucket);
	if (map_len(s->young) >= s->values_max)
		age(s);
	return bucket;
}

static void
count_dropped(struct state *s, struct bucket *bucket, struct str value)
{
	struct metric_label labels[] = {{STR("label_name"), s->label}, {STR("label_value"), value}};

	if (s->metrics == NULL)
		return;
	if (bucket->dropped == NULL)
		bucket->dropped = metric_hold_labels(s->metrics, METRIC_COUNTER, "loki_process_dropped_lines_by_label_total",
			"A count of all log lines dropped as a result of a pipeline stage", NULL, 0, s->component_id, labels, 2);
	metric_add(bucket->dropped, 1);
}

static void
done(void *ptr)
{
	struct state *s = ptr;

	forget(s, s->young);
	forget(s, s->old);
	map_done(s->young);
	map_done(s->old);
	(void)pthread_mutex_destroy(&s->lock);
}

/* ---- building ---- */

static void
build_by_label(struct stage_builder *b, struct state *s, const struct limit_args *a)
{
	s->label = arena_str(b->arena, a->by_label_name);
	s->values_max = a->max_distinct_labels < LABEL_VALUES_MIN ? LABEL_VALUES_MIN : (size_t)a->max_distinct_labels;
	s->metrics = b->metrics;
	s->component_id = arena_z(b->arena, str_from(b->component_id));
	if (s->metrics != NULL)
		s->forgotten = metric_get(s->metrics, METRIC_COUNTER, "longship_limit_forgotten_total",
			"Label values whose bucket stage.limit has forgotten, because there were more than max_distinct_labels", s->component_id, NULL);
	s->young = arena_make(b->arena, struct map);
	s->old = arena_make(b->arena, struct map);
	map_init(s->young);
	map_init(s->old);
	(void)pthread_mutex_init(&s->lock, NULL);
	arena_defer(b->arena, done, s);
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct limit_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (!(a->rate > 0) || a->burst <= 0)
		return stage_fail(b, "limit stage failed to parse rate or burst");
	if (a->by_label_name.len > 0 && !a->drop)
		return stage_fail(b, "when ratelimiting by label, drop must be true");
	pace_init(&s->pace, a->rate, (double)a->burst);
	s->drop = a->drop;
	s->key = hash_bytes(&b->ordinal, sizeof(b->ordinal), 1);
	s->reason = stage_drop_reason(b, STR("ratelimit_drop_stage"));
	if (a->by_label_name.len > 0)
		build_by_label(b, s, a);
	return s;
}

/* ---- running ---- */

static bool
is_replay(const struct batch *b)
{
	return b->receipt != NULL && (b->receipt->again || b->receipt->silent || b->receipt->resent);
}

static void
wait_virtual(struct state *s, struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		int64_t now = b->mark[i] > b->waited_until_ns ? b->mark[i] : b->waited_until_ns;
		int64_t wait = pace_charge(&s->pace, now, s->pace.cost_ns);

		if (wait > 0)
			b->waited_until_ns = now + wait;
		b->mark[i] = now + wait;
	}
}

/* All of it passes, and is paid for afterwards. */
static void
slow_down(struct state *s, struct batch *b)
{
	if (!is_replay(b) && !lane_pace(&s->pace, pace_cost(&s->pace, b->n)))
		wait_virtual(s, b);
}

/* Which entries are over the limit; the state of the bucket after them. */
static int64_t
decide(const struct state *s, const struct batch *b, int64_t paid_ns, bool *over)
{
	for (size_t i = 0; i < b->n; i++)
		over[i] = !pace_take(&s->pace, &paid_ns, b->mark[i]);
	return paid_ns;
}

/* One exchange a batch: who was overtaken decides again. */
static void
drop_some(struct state *s, struct batch *b)
{
	bool *over = arena_alloc(b->arena, b->n + 1);
	int64_t paid, mine = 0, next;

	if (b->memory != NULL && !memory_get(b->memory, s->key, &mine))
		mine = 0;
	paid = is_replay(b) ? mine : atomic_load_explicit(&s->pace.paid_ns, memory_order_relaxed);
	do {
		next = decide(s, b, paid > mine ? paid : mine, over);
	} while (!is_replay(b) &&
		 !atomic_compare_exchange_weak_explicit(&s->pace.paid_ns, &paid, next, memory_order_relaxed, memory_order_relaxed));
	if (b->memory != NULL)
		memory_set(b->memory, s->key, next);
	for (size_t i = 0; i < b->n; i++) {
		if (over[i])
			batch_drop(b, i, s->reason);
	}
}

static void
drop_by_label(struct state *s, struct batch *b, struct map *fresh)
{
	for (size_t i = 0; i < b->n; i++) {
		struct str value = labels_get(b->labels[i], s->label);
		struct bucket *bucket;
		int64_t *paid;

		if (value.s == NULL)
			continue;
		bucket = fresh == NULL ? bucket_of(s, value) : NULL;
		paid = fresh == NULL ? &bucket->paid_ns : map_get(fresh, value);
		if (paid == NULL) {
			paid = arena_make(b->arena, int64_t);
			(void)map_set(fresh, value, paid);
		}
		if (pace_take(&s->pace, paid, b->mark[i]))
			continue;
		if (bucket != NULL)
			count_dropped(s, bucket, value);
		batch_drop(b, i, s->reason);
	}
}

static void
apply(void *state, struct batch *b)
{
	struct state *s = state;
	struct map fresh;

	if (b->n == 0)
		return;
	if (!s->drop) {
		slow_down(s, b);
	} else if (s->label.len == 0) {
		drop_some(s, b);
	} else if (is_replay(b)) {
		map_init(&fresh);
		drop_by_label(s, b, &fresh);
		map_done(&fresh);
	} else {
		(void)pthread_mutex_lock(&s->lock);
		drop_by_label(s, b, NULL);
		(void)pthread_mutex_unlock(&s->lock);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_limit = {
	.name = "limit",
	.args = args,
	.args_size = sizeof(struct limit_args),
	.type = &type,
	.doc = "Limits the rate of entries.",
};

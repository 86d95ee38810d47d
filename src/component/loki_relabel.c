/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loki.relabel: rewrites the labels of entries by rules. What the rules make of a label set is kept in a
 * least-recently-used cache that all lanes share under a lock; within a batch a set is looked up once, so the
 * usual line costs a comparison of pointers.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/flow/component.h"
#include "longship/flow/label_memo.h"
#include "longship/flow/metric.h"
#include "longship/flow/relabel.h"
#include "longship/flow/runtime.h"

#define CACHE_SIZE_MAX 10000000 /* entries; some 500 bytes each */

struct relabel_args {
	struct ptr_list forward_to;
	int64_t max_cache_size;
	struct block_list rules;
};

struct entry { /* what became of a label set; its texts stand behind it in the same allocation */
	struct entry *chain; /* of the bucket */
	struct entry *newer, *older;
	uint64_t hash;
	size_t n_from, n_to; /* n_to 0: dropped */
	struct label labels[]; /* from, then to */
};

struct cache {
	pthread_mutex_t lock;
	struct entry **buckets; /* a power of two */
	size_t n_buckets, n, max;
	struct entry *newest, *oldest;
};

struct state {
	struct relabel_kept kept;
	bool cache_made;
	struct cache cache;
	struct drop_reason dropped;
	struct metric *processed, *written, *hits, *misses, *size;
};

static const struct arg_spec spec[] = {
	{.name = "forward_to", .kind = ARG_CAPSULE_LIST, .flags = ARG_REQUIRED, .offset = offsetof(struct relabel_args, forward_to),
		.capsule = &capsule_logs_receiver, .doc = "Where entries go."},
	{.name = "max_cache_size", .kind = ARG_INT, .offset = offsetof(struct relabel_args, max_cache_size), .fallback = "10000", .min = 1,
		.max = CACHE_SIZE_MAX, .doc = "Label sets whose result is remembered."},
	{.name = "rule", .kind = ARG_BLOCKS, .offset = offsetof(struct relabel_args, rules), .sub = relabel_rule_spec,
		.sub_size = sizeof(struct relabel_rule_args), .sub_check = relabel_rule_check, .doc = "A relabelling rule; they run from top to bottom."},
	{0},
};

static const char *const exports[] = {"rules", NULL};

/* The cache. All under its lock. */

static void
unlink_entry(struct cache *cache, struct entry *e)
{
	if (e->newer != NULL)
		e->newer->older = e->older;
	else
		cache->newest = e->older;
	if (e->older != NULL)
		e->older->newer = e->newer;
	else
		cache->oldest = e->newer;
}

static void
link_newest(struct cache *cache, struct entry *e)
{
	e->newer = NULL;
	e->older = cache->newest;
	if (cache->newest != NULL)
		cache->newest->newer = e;
	else
		cache->oldest = e;
	cache->newest = e;
}

static void
evict_oldest(struct cache *cache)
{
	struct entry *e = cache->oldest;
	struct entry **at = &cache->buckets[e->hash & (cache->n_buckets - 1)];

	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	unlink_entry(cache, e);
	mem_free(e);
	cache->n--;
}

static void
cache_shrink(struct cache *cache, size_t max)
{
	while (cache->n > max)
		evict_oldest(cache);
}

static void
cache_grow(struct cache *cache)
{
	size_t n = cache->n_buckets == 0 ? 64 : 2 * cache->n_buckets;
	struct entry **buckets = mem_zalloc(n * sizeof(*buckets));

	for (struct entry *e = cache->newest; e != NULL; e = e->older) {
		e->chain = buckets[e->hash & (n - 1)];
		buckets[e->hash & (n - 1)] = e;
	}
	mem_free(cache->buckets);
	cache->buckets = buckets;
	cache->n_buckets = n;
}

static bool
is_of(const struct entry *e, const struct labels *set)
{
	if (e->hash != set->hash || e->n_from != set->n)
		return false;
	for (size_t i = 0; i < set->n; i++)
		if (!str_eq(e->labels[i].name, set->items[i].name) || !str_eq(e->labels[i].value, set->items[i].value))
			return false;
	return true;
}

static struct entry *
cache_find(struct cache *cache, const struct labels *set)
{
	struct entry *e = cache->n_buckets > 0 ? cache->buckets[set->hash & (cache->n_buckets - 1)] : NULL;

	while (e != NULL && !is_of(e, set))
		e = e->chain;
	if (e != NULL && e != cache->newest) {
		unlink_entry(cache, e);
		link_newest(cache, e);
	}
	return e;
}

static size_t
text_bytes(const struct label *labels, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += labels[i].name.len + labels[i].value.len;
	return bytes;
}

static struct str
copy_text(char **at, struct str s)
{
	struct str copy = {*at, s.len};

	if (s.len > 0)
		memcpy(*at, s.s, s.len);
	*at += s.len;
	return copy;
}

static struct entry *
entry_new(const struct labels *from, const struct label *to, size_t n_to)
{
	size_t n = from->n + n_to;
	struct entry *e = mem_alloc(sizeof(*e) + n * sizeof(e->labels[0]) + text_bytes(from->items, from->n) + text_bytes(to, n_to));
	char *text = (char *)&e->labels[n];

	e->hash = from->hash;
	e->n_from = from->n;
	e->n_to = n_to;
	for (size_t i = 0; i < n; i++) {
		const struct label *label = i < from->n ? &from->items[i] : &to[i - from->n];

		e->labels[i].name = copy_text(&text, label->name);
		e->labels[i].value = copy_text(&text, label->value);
	}
	return e;
}

static void
cache_add(struct cache *cache, struct entry *e)
{
	cache_shrink(cache, cache->max - 1);
	if (cache->n >= cache->n_buckets)
		cache_grow(cache);
	e->chain = cache->buckets[e->hash & (cache->n_buckets - 1)];
	cache->buckets[e->hash & (cache->n_buckets - 1)] = e;
	link_newest(cache, e);
	cache->n++;
}

/* Lanes. */

/* What the rules make of a set; labels_empty: it is dropped. */
static const struct labels *
relabeled(struct state *s, struct batch *b, const struct labels *set)
{
	const struct labels *result;
	struct labels_builder builder;
	struct entry *e;
	size_t size;

	(void)pthread_mutex_lock(&s->cache.lock);
	e = cache_find(&s->cache, set);
	if (e != NULL) {
		result = labels_intern(b->table, e->labels + e->n_from, e->n_to);
		(void)pthread_mutex_unlock(&s->cache.lock);
		metric_add(s->hits, 1);
		return result;
	}
	(void)pthread_mutex_unlock(&s->cache.lock);
	metric_add(s->misses, 1);
	labels_builder_from(&builder, set);
	if (!relabel_apply(s->kept.rules, &builder, b->arena))
		builder.n = 0;
	e = entry_new(set, builder.items, builder.n);
	(void)pthread_mutex_lock(&s->cache.lock);
	if (cache_find(&s->cache, set) == NULL)
		cache_add(&s->cache, e);
	else
		mem_free(e); /* another lane was faster */
	size = s->cache.n;
	(void)pthread_mutex_unlock(&s->cache.lock);
	metric_set(s->size, (double)size);
	return labels_intern(b->table, builder.items, builder.n);
}

static void
consume(struct component *c, struct batch *b)
{
	struct state *s = c->state;
	const struct relabel_args *args = c->args;
	const struct labels *last = NULL, *result = NULL;
	struct label_memo *memo = NULL;
	size_t looked_up = 0;

	metric_add(s->processed, b->n);
	for (size_t i = 0; i < b->n; i++) {
		if (b->labels[i] != last) {
			const struct labels **slot;

			last = b->labels[i];
			memo = memo != NULL ? memo : label_memo_new(b->arena, 0);
			slot = label_memo_at(memo, last, NULL);
			if (*slot == NULL) {
				*slot = relabeled(s, b, last);
				looked_up++;
			}
			result = *slot;
		}
		b->labels[i] = result;
		if (result->n == 0)
			batch_drop(b, i, &s->dropped);
	}
	metric_add(s->hits, b->n - looked_up); /* Alloy looks up every entry */
	batch_compact(b);
	metric_add(s->written, b->n);
	component_forward(&args->forward_to, b);
}

/* Control thread. */

static bool
check(const void *arguments, struct src_pos at, struct diags *diags)
{
	const struct relabel_args *args = arguments;

	(void)at;
	return relabel_check(&args->rules, diags);
}

/* Compiles the rules where they have changed, forgets what the old ones made, and exports them. */
static void
set_rules(struct component *c, const struct relabel_args *args)
{
	struct state *s = c->state;
	struct value value;

	if (!relabel_keep(&s->kept, &args->rules))
		return;
	cache_shrink(&s->cache, 0);
	metric_set(s->size, 0);
	value = value_capsule(&capsule_relabel_rules, s->kept.rules);
	component_export(c, "rules", &value);
}

static void
register_metrics(struct component *c)
{
	struct metrics *m = c->runtime->metrics;
	struct state *s = c->state;

	s->processed = metric_get(m, METRIC_COUNTER, "loki_relabel_entries_processed", "Total number of log entries processed", c->id, NULL);
	s->written = metric_get(m, METRIC_COUNTER, "loki_relabel_entries_written", "Total number of log entries forwarded", c->id, NULL);
	s->hits = metric_get(m, METRIC_COUNTER, "loki_relabel_cache_hits", "Total number of cache hits", c->id, NULL);
	s->misses = metric_get(m, METRIC_COUNTER, "loki_relabel_cache_misses", "Total number of cache misses", c->id, NULL);
	s->size = metric_get(m, METRIC_GAUGE, "loki_relabel_cache_size", "Total size of relabel cache", c->id, NULL);
}

static int
start(struct component *c, const void *arguments)
{
	const struct relabel_args *args = arguments;
	struct state *s = c->state;

	(void)pthread_mutex_init(&s->cache.lock, NULL);
	s->cache_made = true;
	s->cache.max = (size_t)args->max_cache_size;
	s->dropped.name = "relabel";
	register_metrics(c);
	set_rules(c, args);
	return s->kept.rules != NULL ? 0 : component_fail(c, -EINVAL, "the rules cannot be compiled");
}

static void
update(struct component *c, const void *old_arguments, const void *arguments)
{
	const struct relabel_args *args = arguments;
	struct state *s = c->state;

	(void)old_arguments;
	s->cache.max = (size_t)args->max_cache_size;
	cache_shrink(&s->cache, s->cache.max);
	metric_set(s->size, (double)s->cache.n);
	set_rules(c, args);
}

static void
stop(struct component *c)
{
	struct state *s = c->state;

	if (s->cache_made) {
		cache_shrink(&s->cache, 0);
		mem_free(s->cache.buckets);
		(void)pthread_mutex_destroy(&s->cache.lock);
	}
	relabel_kept_done(&s->kept);
	if (c->runtime->metrics != NULL)
		metrics_remove_owner(c->runtime->metrics, c->id);
	*s = (struct state){0};
}

static struct value
zero_export(struct arena *arena, const char *name)
{
	(void)arena;
	(void)name;
	return value_capsule(&capsule_relabel_rules, NULL);
}

const struct component_type loki_relabel = {
	.name = "loki.relabel",
	.flags = COMPONENT_CONSUMES | COMPONENT_FORWARDS,
	.args = spec,
	.args_size = sizeof(struct relabel_args),
	.state_size = sizeof(struct state),
	.exports = exports,
	.doc = "Rewrites the labels of entries by relabelling rules.",
	.check = check,
	.start = start,
	.update = update,
	.consume = consume,
	.stop = stop,
	.zero_export = zero_export,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/ledger.h"

#include <string.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/flow/lag.h"
#include "longship/flow/stream.h"

#define BEHIND_NS (10 * NS_PER_S) /* a stream that keeps up has no series of its own */

/* All that are published, for ledger_each; its lock is taken before a ledger's. */
static struct {
	pthread_mutex_t lock;
	struct ledger *first;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
list(struct ledger *l)
{
	(void)pthread_mutex_lock(&all.lock);
	l->next = all.first;
	all.first = l;
	(void)pthread_mutex_unlock(&all.lock);
}

static void
unlist(struct ledger *l)
{
	(void)pthread_mutex_lock(&all.lock);
	for (struct ledger **at = &all.first; *at != NULL; at = &(*at)->next) {
		if (*at == l) {
			*at = l->next;
			break;
		}
	}
	(void)pthread_mutex_unlock(&all.lock);
}

static void
publish(struct ledger *l, enum metric_type type, const char *name, const char *help, uint64_t value)
{
	struct metric *m = metric_get(l->metrics, type, name, help, l->component_id, NULL);

	atomic_store(&m->count, value);
}

static void
publish_reason(struct ledger *l, const char *name, const char *help, const char *reason, uint64_t value)
{
	struct metric *m = metric_get(l->metrics, METRIC_COUNTER, name, help, l->component_id, "reason", reason, NULL);

	atomic_store(&m->count, value);
}

/* Bytes not yet settled, and the age of the oldest line of them. */
static void
publish_lag(struct ledger *l)
{
	int64_t now = clock_now_ns(), oldest = 0;
	uint64_t bytes = 0, parked = 0;

	for (const struct stream *s = l->streams; s != NULL; s = s->ledger_next) {
		int64_t seen = s->oldest != NULL ? s->oldest->base_ns : s->size > s->position ? s->oldest_ns : 0;

		if (s->reads_lag && s->lag == NULL)
			continue;
		if (s->reads_lag) {
			/* Behind the main stream; all lagging destinations of one file read the same bytes. */
			seen = s->lag->until > s->position ? s->oldest_ns : 0;
			if (s->lag->until > s->position && s->lag->main->position > s->position)
				bytes += s->lag->main->position - s->position;
		} else if (s->size > s->position) {
			bytes += s->size - s->position;
		}
		parked += s->pool > 0 ? (uint64_t)s->pool : 0;
		if (seen != 0 && (oldest == 0 || seen < oldest))
			oldest = seen;
	}
	publish(l, METRIC_GAUGE, "longship_entries_parked",
		"Source records in flight that wait for a destination which takes nothing; they are read again then.", parked);
	publish(l, METRIC_GAUGE, "longship_source_lag_bytes", "Bytes of the source that are not settled yet.", bytes);
	metric_set(metric_get(l->metrics, METRIC_GAUGE, "longship_source_lag_seconds",
			   "Age of the oldest line that is not settled yet; 0 when there is none.", l->component_id, NULL),
		oldest != 0 && now > oldest ? (double)(now - oldest) / (double)NS_PER_S : 0);
}

/* Of a reader of a lag: behind the main stream. */
static uint64_t
bytes_behind(const struct stream *s)
{
	uint64_t end = s->size;

	if (s->reads_lag)
		end = s->lag != NULL && s->lag->until > s->position ? s->lag->main->position : 0;
	return end > s->position ? end - s->position : 0;
}

/* When the oldest line that is not settled was seen, of a stream that is behind for a while; else 0. */
static int64_t
behind_since(const struct stream *s, int64_t now)
{
	int64_t seen = s->oldest != NULL && !s->reads_lag ? s->oldest->base_ns : s->oldest_ns;

	return bytes_behind(s) > 0 && seen != 0 && now - seen >= BEHIND_NS ? seen : 0;
}

/* Those with most bytes first. */
static size_t
find_worst(const struct ledger *l, int64_t now, const struct stream **worst)
{
	size_t n = 0;

	for (const struct stream *s = l->streams; s != NULL; s = s->ledger_next) {
		size_t at = n;

		if (behind_since(s, now) == 0)
			continue;
		while (at > 0 && bytes_behind(worst[at - 1]) < bytes_behind(s))
			at--;
		if (at == LEDGER_WORST_MAX)
			continue;
		if (n < LEDGER_WORST_MAX)
			n++;
		memmove(&worst[at + 1], &worst[at], (n - 1 - at) * sizeof(worst[0]));
		worst[at] = s;
	}
	return n;
}

static struct metric *
worst_gauge(struct ledger *l, bool bytes, const char *name)
{
	return bytes ? metric_get(l->metrics, METRIC_GAUGE, "longship_stream_lag_bytes",
			       "Bytes that are not settled yet, of the streams of a component that are furthest behind.", l->component_id, "path", name, NULL)
		     : metric_get(l->metrics, METRIC_GAUGE, "longship_stream_lag_seconds",
			       "Age of the oldest line that is not settled yet, of the streams of a component that are furthest behind.", l->component_id, "path",
			       name, NULL);
}

/* By name, for others may have removed the series with all of the component's. */
static void
forget_worst(struct ledger *l)
{
	for (; l->n_worst > 0; l->n_worst--) {
		char *name = l->worst[l->n_worst - 1];

		metric_remove(l->metrics, worst_gauge(l, true, name));
		metric_remove(l->metrics, worst_gauge(l, false, name));
		mem_free(name);
	}
}

static void
publish_worst(struct ledger *l)
{
	const struct stream *worst[LEDGER_WORST_MAX + 1];
	int64_t now = clock_now_ns();
	size_t n = find_worst(l, now, worst);

	forget_worst(l);
	/* The worst last: a file and what destinations lag behind it have one series. */
	for (; l->n_worst < n; l->n_worst++) {
		const struct stream *s = worst[n - 1 - l->n_worst];
		size_t len = strlen(s->name) + 1;

		l->worst[l->n_worst] = memcpy(mem_alloc(len), s->name, len);
		metric_set(worst_gauge(l, true, s->name), (double)bytes_behind(s));
		metric_set(worst_gauge(l, false, s->name), (double)(now - behind_since(s, now)) / (double)NS_PER_S);
	}
}

static void
on_scrape(void *ptr)
{
	struct ledger *l = ptr;

	(void)pthread_mutex_lock(&l->lock);
	publish(l, METRIC_COUNTER, "longship_entries_read_total", "Source records read.", l->read);
	publish(l, METRIC_COUNTER, "longship_entries_acknowledged_total", "Source records that were stored.", l->acknowledged);
	publish(l, METRIC_COUNTER, "longship_entries_resent_total",
		"Source records sent again that may have been stored before.", l->resent);
	publish(l, METRIC_GAUGE, "longship_entries_in_flight", "Source records read and not settled yet.", l->in_flight);
	for (size_t i = 0; i < l->n_reasons; i++) {
		const struct ledger_reason *r = &l->reasons[i];

		publish_reason(l, "longship_entries_rejected_total", "Source records that a destination refused.", r->name, r->rejected);
		publish_reason(l, "longship_entries_dropped_total", "Source records dropped before any destination.", r->name, r->dropped);
	}
	publish_lag(l);
	publish_worst(l);
	(void)pthread_mutex_unlock(&l->lock);
}

struct ledger *
ledger_new(struct metrics *metrics, const char *component_id)
{
	struct ledger *l = mem_new(struct ledger);
	size_t len = strlen(component_id) + 1;

	l->metrics = metrics;
	l->component_id = memcpy(mem_alloc(len), component_id, len);
	l->refs = 1;
	(void)pthread_mutex_init(&l->lock, NULL);
	if (metrics != NULL) {
		metrics_on_scrape(metrics, on_scrape, l);
		list(l);
	}
	return l;
}

void
ledger_ref(struct ledger *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->refs++;
	(void)pthread_mutex_unlock(&l->lock);
}

void
ledger_unref(struct ledger *l)
{
	unsigned refs;

	if (l == NULL)
		return;
	(void)pthread_mutex_lock(&l->lock);
	refs = --l->refs;
	(void)pthread_mutex_unlock(&l->lock);
	if (refs > 0)
		return;
	unlist(l);
	if (l->metrics != NULL)
		metrics_off_scrape(l->metrics, on_scrape, l);
	for (size_t i = 0; i < l->n_reasons; i++)
		mem_free((void *)(uintptr_t)l->reasons[i].name);
	for (size_t i = 0; i < l->n_worst; i++)
		mem_free(l->worst[i]);
	(void)pthread_mutex_destroy(&l->lock);
	mem_free(l->component_id);
	mem_free(l);
}

void
ledger_close(struct ledger *l)
{
	if (l == NULL)
		return;
	unlist(l);
	if (l->metrics != NULL)
		metrics_off_scrape(l->metrics, on_scrape, l);
	l->metrics = NULL;
	ledger_unref(l);
}

void
ledger_give_up(struct ledger *l, uint64_t lines)
{
	if (lines == 0)
		return;
	assert(l->in_flight >= lines);
	ledger_reason(l, "given_up")->dropped += lines;
	l->in_flight -= lines;
}

void
ledger_drop_unread(struct ledger *l, const char *reason, uint64_t lines)
{
	l->read += lines;
	ledger_reason(l, reason)->dropped += lines;
}

/*
 * What is in flight of one stream is its unsettled lines and its pool, never less than nothing. Readers run the same pipeline, so what they
 * take is what was put there; should a configuration change between the two, lines that were not counted as read are now.
 */
static void
count_extra(struct ledger *l, struct stream *s, int64_t lines)
{
	l->read += (uint64_t)lines;
	l->in_flight += (uint64_t)lines;
	s->pool += lines;
}

void
ledger_settle(struct ledger *l, struct stream *s, uint64_t lines, uint64_t left)
{
	int64_t before = (int64_t)s->unsettled_lines + s->pool, over = (int64_t)(lines - left) - before;

	if (over > 0)
		count_extra(l, s, over);
	assert(s->unsettled_lines >= lines && l->in_flight >= lines - left);
	s->unsettled_lines -= lines;
	s->pool += (int64_t)left;
	l->in_flight -= lines - left;
}

void
ledger_settle_pool(struct ledger *l, struct stream *s, uint64_t lines, bool earlier)
{
	int64_t over = earlier ? (int64_t)lines : (int64_t)lines - ((int64_t)s->unsettled_lines + s->pool);

	if (over > 0)
		count_extra(l, s, over);
	assert(l->in_flight >= lines);
	s->pool -= (int64_t)lines;
	l->in_flight -= lines;
}

void
ledger_close_pool(struct ledger *l, struct stream *s)
{
	if (s->pool > 0)
		ledger_give_up(l, (uint64_t)s->pool);
	else if (s->pool < 0)
		count_extra(l, s, -s->pool);
	s->pool = 0;
	s->n_debts = 0;
}

struct ledger_reason *
ledger_reason(struct ledger *l, const char *name)
{
	size_t len;

	for (size_t i = 0; i < l->n_reasons; i++) {
		if (strcmp(l->reasons[i].name, name) == 0)
			return &l->reasons[i];
	}
	if (l->n_reasons == DROP_REASONS_MAX)
		return &l->reasons[DROP_REASONS_MAX - 1];
	if (l->n_reasons == DROP_REASONS_MAX - 1)
		name = "other";
	len = strlen(name) + 1;
	l->reasons[l->n_reasons].name = memcpy(mem_alloc(len), name, len);
	return &l->reasons[l->n_reasons++];
}

void
ledger_each(void (*fn)(void *ptr, const struct ledger *), void *ptr)
{
	(void)pthread_mutex_lock(&all.lock);
	for (struct ledger *l = all.first; l != NULL; l = l->next) {
		(void)pthread_mutex_lock(&l->lock);
		fn(ptr, l);
		(void)pthread_mutex_unlock(&l->lock);
	}
	(void)pthread_mutex_unlock(&all.lock);
}

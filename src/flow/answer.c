/* SPDX-License-Identifier: Apache-2.0 */
#include "answer_priv.h"

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/codec/push_decode.h"
#include "longship/flow/dead_letter.h"
#include "longship/flow/refusal.h"
#include "longship/flow/stream.h"

#define REFUSED_LOG_INTERVAL_NS (10 * NS_PER_S)
#define LIMITED_ATTEMPTS 4                   /* then a rate-limited request of one stream is halved */
#define TIMEOUTS_IN_A_ROW 2                  /* then the request is halved and the time-out doubled */
#define TIMEOUT_NS_MAX (300 * NS_PER_S)      /* a configured one may be longer */
#define BATCH_BYTES_MIN 4096                 /* a server's limit below it is no limit but a fault */

static struct request *
halves(const struct request *r, bool by_stream)
{
	struct request_view *v;
	struct request *first = NULL;

	if (r->entries < 2)
		return NULL;
	v = request_open(r);
	if (request_pick_half(v, by_stream)) {
		first = request_part(r, v);
		request_pick_others(v);
		first->next = request_part(r, v);
	}
	request_view_free(v);
	return first;
}

/* Later requests are made no larger. */
static void
learn_size(struct destination *d, const struct request *r)
{
	uint64_t bytes = r->source_bytes / 2 > BATCH_BYTES_MIN ? r->source_bytes / 2 : BATCH_BYTES_MIN;

	if (bytes >= atomic_load(&d->batch_bytes_max))
		return;
	atomic_store(&d->batch_bytes_max, bytes);
	log_warn(d->component_id, "requests are too large for the server: batch_size is taken to be smaller from now on", "host", d->host,
		"tenant", d->tenant, "batch_size", log_i64((int64_t)bytes), "request_bytes", log_i64((int64_t)r->body_bytes), NULL);
}

struct request *
answer_halve_late(struct destination *d, const struct request *r, const struct http_result *result)
{
	if (!result->timed_out || result->fault != HTTP_FAULT_OTHER) {
		d->timeouts = 0;
		return NULL;
	}
	if (++d->timeouts < TIMEOUTS_IN_A_ROW)
		return NULL;
	d->timeouts = 0;
	if (d->timeout_ns < TIMEOUT_NS_MAX)
		d->timeout_ns = d->timeout_ns > TIMEOUT_NS_MAX / 2 ? TIMEOUT_NS_MAX : d->timeout_ns * 2;
	return halves(r, false);
}

/* ---- Refusals ---- */

static void
refuse_entry(const struct request *r, const struct request_entry *e, const char *reason)
{
	for (uint32_t k = 0; k < e->n_runs; k++) {
		struct receipt_run run = request_entry_run(r, e, k);

		receipt_refuse(run.receipt, run.line, run.lines, reason);
	}
}

/* One warning for each reason in REFUSED_LOG_INTERVAL_NS. */
static bool
may_say(struct destination *d, const char *reason)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(d->refusals) && d->refusals[i].reason != NULL && strcmp(d->refusals[i].reason, reason) != 0)
		i++;
	d->refusals[i].reason = reason; /* a literal of flow/reply.c or flow/refusal.c */
	return log_rate(&d->refusals[i].logged_ns, REFUSED_LOG_INTERVAL_NS);
}

static void
say_first(struct destination *d, const struct request *r, const struct request_entry *e, const struct http_result *result, uint64_t n,
	const char *reason, bool exact)
{
	const struct receipt_run run = request_entry_run(r, e, 0);

	if (!may_say(d, reason))
		return;
	log_warn(d->component_id, exact ? "Loki refused entries" : "Loki refused entries, but does not say which", "host", d->host, "tenant",
		d->tenant, "status", log_i64(result->status), "reason", reason, "entries", log_i64((int64_t)n), "of",
		log_i64((int64_t)r->entries), "source", run.receipt->stream->name != NULL ? run.receipt->stream->name : "", "span_offset",
		log_i64((int64_t)run.receipt->from), "line_in_span", log_i64(run.line), "reply", destination_quote(d), NULL);
}

/* Puts refused entries of one request into the dead-letter file; the labels of a stream are read once. */
struct keeping {
	struct destination *destination;
	const struct request_view *view;
	struct arena *arena;
	const struct request_stream *stream;
	struct push_label labels[PUSH_LABELS_MAX];
	size_t n_labels;
};

static struct keeping
keep_begin(struct destination *d, const struct request_view *v)
{
	return (struct keeping){.destination = d, .view = v, .arena = d->options.dead_letters != NULL ? arena_new(0) : NULL};
}

static void
keep(struct keeping *k, const struct request_entry *e, const char *reason, const char *rule)
{
	const struct request_stream *stream = &k->view->streams[e->stream];
	struct push_label metadata[PUSH_METADATA_MAX];
	struct dead_letter letter;
	size_t n = 0, at = 0;

	if (k->arena == NULL)
		return;
	if (k->stream != stream && push_decode_labels(stream->text, k->arena, k->labels, &k->n_labels) != NULL)
		k->n_labels = 0;
	k->stream = stream;
	while (n < PUSH_METADATA_MAX && request_metadata(e, &at, &metadata[n]))
		n++;
	letter = (struct dead_letter){.ts_ns = e->ts_ns, .line = e->line, .labels = k->labels, .n_labels = k->n_labels, .metadata = metadata,
		.n_metadata = n, .tenant = str_from(k->destination->tenant), .endpoint = str_from(k->destination->host), .reason = reason, .rule = rule};
	dead_letters_put(k->destination->options.dead_letters, &letter);
}

static void
keep_end(struct keeping *k)
{
	if (k->arena == NULL)
		return;
	dead_letters_commit(k->destination->options.dead_letters);
	arena_free(k->arena);
}

/* All of it is lost. */
static void
refuse_all(struct destination *d, const struct request *r, const struct http_result *result, const char *reason)
{
	struct request_view *v = request_open(r);
	struct keeping keeping = keep_begin(d, v);

	for (size_t i = 0; i < v->n_entries; i++) {
		refuse_entry(r, &v->entries[i], reason);
		keep(&keeping, &v->entries[i], reason, NULL);
	}
	keep_end(&keeping);
	destination_count_dropped(d, strcmp(reason, "rate_limited") == 0 ? "rate_limited" : "ingester_error", r->entries, r->body_bytes);
	if (v->n_entries > 0)
		say_first(d, r, &v->entries[0], result, r->entries, reason, true);
	request_view_free(v);
}

static void
refuse_some(struct destination *d, const struct request *r, const struct request_view *v, const struct refusal *refusal,
	const struct http_result *result)
{
	struct keeping keeping = keep_begin(d, v);
	const struct request_entry *first = NULL;
	const char *reason = NULL;

	for (size_t i = 0; i < v->n_entries; i++) {
		const struct request_entry *e = &v->entries[i];
		const struct refused *refused = &refusal->entries[i];

		if (refused->counted) {
			refuse_entry(r, e, refused->reason);
			reason = first == NULL ? refused->reason : reason;
			first = first == NULL ? e : first;
		}
		if (refused->verdict == VERDICT_REFUSED)
			keep(&keeping, e, refused->reason, NULL);
		else if (refused->verdict == VERDICT_UNCERTAIN)
			keep(&keeping, e, "uncertain", refused->reason);
	}
	keep_end(&keeping);
	if (first == NULL)
		return;
	destination_count_dropped(d, "ingester_error", refusal->n_counted, 0);
	say_first(d, r, first, result, refusal->n_counted, reason, refusal->exact);
}

static struct request *
part_of(const struct request *r, struct request_view *v, const struct refusal *refusal, enum verdict verdict)
{
	for (size_t i = 0; i < v->n_entries; i++)
		v->entries[i].picked = refusal->entries[i].verdict == verdict;
	return request_part(r, v);
}

/* max_backoff_retries is set and reached. */
static void
give_up(struct refusal *refusal, const struct request_view *v)
{
	for (size_t i = 0; i < v->n_entries; i++) {
		if (refusal->entries[i].verdict == VERDICT_AGAIN)
			refusal->entries[i] = (struct refused){VERDICT_REFUSED, true, "rate_limited"};
		else if (refusal->entries[i].verdict == VERDICT_PERHAPS)
			refusal->entries[i] = (struct refused){VERDICT_UNCERTAIN, false, "rate_limited"};
	}
	refusal->n_counted += refusal->n_again;
	refusal->n_again = refusal->n_perhaps = 0;
}

static struct request *
settle_partial(struct destination *d, const struct request *r, const struct http_result *result)
{
	struct request_view *v = request_open(r);
	struct refusal refusal;
	struct request *perhaps, *again;

	refusal_find(&refusal, v, result->status, result->body, result->body_cut);
	if (d->options.attempts_max > 0 && r->attempts >= d->options.attempts_max)
		give_up(&refusal, v);
	refuse_some(d, r, v, &refusal, result);
	destination_count_sent(d, r, r->entries - refusal.n_counted - refusal.n_again - refusal.n_perhaps);
	perhaps = part_of(r, v, &refusal, VERDICT_PERHAPS);
	again = part_of(r, v, &refusal, VERDICT_AGAIN);
	if (perhaps != NULL) {
		perhaps->maybe_stored = true;
	}
	refusal_done(&refusal);
	request_view_free(v);
	/* A stream that is limited as a whole gets nowhere while it asks for more than the limit lets through at once. */
	if (again != NULL && again->entries == r->entries && r->attempts % LIMITED_ATTEMPTS == 0) {
		struct request *parts = halves(again, false);

		if (parts != NULL) {
			request_free(again);
			again = parts;
		}
	}
	if (again == NULL)
		destination_works(d);
	else
		destination_failed(d, r, result, REPLY_RETRY); /* a limit: it needs time */
	if (perhaps == NULL)
		return again;
	perhaps->next = again;
	return perhaps;
}

struct request *
answer_settle(struct destination *d, const struct request *r, const struct http_result *result, const struct reply *reply)
{
	struct request *parts = NULL;

	d->timeouts = 0;
	if (result->duration_ns < d->options.remote_timeout_ns / 2)
		d->timeout_ns = d->options.remote_timeout_ns;
	if (reply->kind == REPLY_STORED) {
		destination_works(d);
		destination_count_sent(d, r, r->entries);
		return NULL;
	}
	destination_note_error(d, result);
	if (reply->kind == REPLY_PARTIAL)
		return settle_partial(d, r, result);
	if (reply->kind == REPLY_TOO_LARGE)
		learn_size(d, r);
	if (reply->kind == REPLY_TOO_LARGE || reply->kind == REPLY_BAD_STREAM)
		parts = halves(r, reply->kind == REPLY_BAD_STREAM);
	if (parts == NULL)
		refuse_all(d, r, result, reply->reason);
	return parts;
}

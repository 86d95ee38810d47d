/* SPDX-License-Identifier: Apache-2.0 */
#include "control_answer.h"

#include <inttypes.h>
#include <unistd.h>

#include "longship/base/clock.h"
#include "longship/codec/base64.h"
#include "longship/flow/budget.h"
#include "longship/flow/graph.h"
#include "longship/flow/ledger.h"
#include "longship/flow/runtime.h"
#include "longship/flow/sender.h"
#include "longship/flow/spool.h"
#include "longship/flow/stream.h"

#include "control_positions.h"
#include "process_metrics.h"

/* Requests and their way to an answer; the status. Positions: control_positions.c. */

#define WORST_MAX 100 /* streams shown of one source */

void
control_put_text(struct buf *out, const char *name, struct str text)
{
	char last = out->len > 0 ? out->data[out->len - 1] : '{';

	if (last != '{' && last != '[' && last != '\n')
		buf_putc(out, ',');
	if (str_utf8_valid(text)) {
		buf_printf(out, "\"%s\":", name);
		(void)json_tree_quote(out, text, false);
	} else {
		struct arena *arena = arena_new(0);

		buf_printf(out, "\"%s_base64\":\"%.*s\"", name, STR_FMT(base64_encode(arena, text, BASE64_STANDARD)));
		arena_free(arena);
	}
}

struct str
control_get_text(struct arena *arena, const struct json *object, const char *name)
{
	struct str text = json_tree_get_text(object, str_from(name)), bytes;
	size_t offset;

	if (text.len > 0)
		return text;
	text = json_tree_get_text(object, arena_printf(arena, "%s_base64", name));
	return base64_decode(arena, text, BASE64_STANDARD, &bytes, &offset) ? bytes : STR_EMPTY;
}

uint64_t
control_get_number(const struct json *object, const char *name)
{
	const struct json *v = json_tree_get(object, str_from(name));

	return v != NULL && v->kind == JSON_TREE_INT && v->i > 0 ? (uint64_t)v->i : 0;
}

static uint64_t
lag_of(const struct stream *s)
{
	return s->size > s->position ? s->size - s->position : 0;
}

/* When the oldest line that is not settled was seen, 0 without one. */
static int64_t
oldest_of(const struct stream *s)
{
	return s->oldest != NULL ? s->oldest->base_ns : lag_of(s) > 0 ? s->oldest_ns : 0;
}

static double
age_s(int64_t ns)
{
	int64_t now = clock_now_ns();

	return ns != 0 && now > ns ? (double)(now - ns) / (double)NS_PER_S : 0;
}

struct source_list {
	struct buf *out;
	size_t worst;
};

static void
put_worst(struct buf *out, const struct stream *const *worst, size_t n)
{
	buf_z(out, ",\"worst\":[");
	for (size_t i = 0; i < n; i++) {
		buf_z(out, i > 0 ? ",{" : "{");
		control_put_text(out, "path", str_from(worst[i]->name));
		buf_printf(out, ",\"position\":%" PRIu64 ",\"size\":%" PRIu64 ",\"lag_bytes\":%" PRIu64 ",\"lag_seconds\":%.3f}",
			worst[i]->position, worst[i]->size, lag_of(worst[i]), age_s(oldest_of(worst[i])));
	}
	buf_putc(out, ']');
}

/* The streams that are furthest behind, most bytes first; only such that are behind. */
static size_t
find_worst(const struct ledger *l, const struct stream **worst, size_t max)
{
	size_t n = 0;

	for (const struct stream *s = l->streams; s != NULL; s = s->ledger_next) {
		size_t at = n;

		if (lag_of(s) == 0)
			continue;
		while (at > 0 && lag_of(worst[at - 1]) < lag_of(s))
			at--;
		if (at == max)
			continue;
		if (n < max)
			n++;
		memmove(&worst[at + 1], &worst[at], (n - 1 - at) * sizeof(worst[0]));
		worst[at] = s;
	}
	return n;
}

static void
put_source(void *ptr, const struct ledger *l)
{
	struct source_list *list = ptr;
	struct buf *out = list->out;
	const struct stream *worst[WORST_MAX];
	uint64_t rejected = 0, dropped = 0, lag = 0, streams = 0;
	int64_t oldest = 0;

	for (size_t i = 0; i < l->n_reasons; i++) {
		rejected += l->reasons[i].rejected;
		dropped += l->reasons[i].dropped;
	}
	for (const struct stream *s = l->streams; s != NULL; s = s->ledger_next) {
		int64_t seen = oldest_of(s);

		streams++;
		lag += lag_of(s);
		if (seen != 0 && (oldest == 0 || seen < oldest))
			oldest = seen;
	}
	buf_z(out, out->data[out->len - 1] == '[' ? "{" : ",{");
	control_put_text(out, "id", str_from(l->component_id));
	buf_printf(out, ",\"read\":%" PRIu64 ",\"acknowledged\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"dropped\":%" PRIu64
		   ",\"in_flight\":%" PRIu64 ",\"resent\":%" PRIu64 ",\"lag_bytes\":%" PRIu64 ",\"lag_seconds\":%.3f,\"streams\":%" PRIu64,
		l->read, l->acknowledged, rejected, dropped, l->in_flight, l->resent, lag, age_s(oldest), streams);
	put_worst(out, worst, find_worst(l, worst, list->worst));
	buf_putc(out, '}');
}

static void
put_endpoint(void *ptr, const struct destination_status *d)
{
	struct buf *out = ptr;

	buf_z(out, out->data[out->len - 1] == '[' ? "{" : ",{");
	control_put_text(out, "component", str_from(d->component_id));
	control_put_text(out, "host", str_from(d->host));
	control_put_text(out, "tenant", str_from(d->tenant));
	buf_printf(out, ",\"sent_bytes\":%" PRIu64 ",\"sent_entries\":%" PRIu64 ",\"retries\":%" PRIu64 ",\"failures\":%u,\"parked\":%d,\"lagging_sources\":%u",
		d->sent_bytes, d->sent_entries, d->retries, d->failures, d->state != DESTINATION_OPEN, d->lags);
	control_put_text(out, "last_error", str_from(d->last_error));
	if (d->last_error_ns != 0)
		buf_printf(out, ",\"last_error_seconds_ago\":%.0f", age_s(d->last_error_ns));
	buf_putc(out, '}');
}

static void
put_wal(void *ptr, const struct spool_status *w)
{
	struct buf *out = ptr;

	buf_z(out, out->data[out->len - 1] == '[' ? "{" : ",{");
	control_put_text(out, "component", str_from(w->component_id));
	buf_printf(out, ",\"bytes\":%" PRIu64 ",\"max_bytes\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"oldest_seconds\":%.3f",
		w->bytes, w->bytes_max, w->entries, w->dropped, age_s(w->oldest_ns));
	control_put_text(out, "error", w->error != 0 ? str_from(strerror(w->error)) : STR_EMPTY);
	buf_putc(out, '}');
}

static bool
put_components(const struct graph *graph, struct buf *out)
{
	bool healthy = true;

	buf_z(out, ",\"components\":[");
	for (size_t i = 0; graph != NULL && i < graph_len(graph); i++) {
		const struct component *c = graph_at(graph, i);
		struct graph_health health;

		graph_health(c, &health);
		healthy = healthy && health.health != HEALTH_UNHEALTHY && health.health != HEALTH_EXITED;
		buf_z(out, i > 0 ? ",{" : "{");
		control_put_text(out, "id", str_from(c->id));
		control_put_text(out, "health", str_from(graph_health_name(health.health)));
		control_put_text(out, "message", str_from(health.message));
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
	return healthy;
}

static void
answer_status(const struct graph *graph, const struct json *request, struct buf *out)
{
	uint64_t worst = control_get_number(request, "worst");
	bool healthy;

	buf_printf(out, "{\"version\":\"%s\",\"pid\":%d,\"uptime_seconds\":%.0f", LONGSHIP_VERSION, (int)getpid(),
		age_s(process_metrics_start_ns()));
	buf_printf(out, ",\"memory\":{\"used\":%" PRIu64 ",\"budget\":%" PRIu64 "}", (uint64_t)budget_used(),
		(uint64_t)budget_limit());
	healthy = put_components(graph, out);
	buf_printf(out, ",\"healthy\":%s,\"sources\":[", healthy ? "true" : "false");
	ledger_each(put_source, &(struct source_list){out, worst < WORST_MAX ? (size_t)worst : WORST_MAX});
	buf_z(out, "],\"endpoints\":[");
	destination_each(put_endpoint, out);
	buf_z(out, "],\"wals\":[");
	spools_each(put_wal, out);
	buf_z(out, "]}\n");
}

void
control_answer(struct runtime *runtime, struct graph *graph, struct str request, struct buf *reply)
{
	struct arena *arena = arena_new(0);
	struct str error = STR_EMPTY;
	const struct json *doc = json_tree_parse(arena, request, 0, &error);
	struct str command = json_tree_get_text(doc, STR("command"));

	if (str_is(command, "status")) {
		answer_status(graph, doc, reply);
	} else if (str_is(command, "positions.list")) {
		control_positions_list(runtime, graph, doc, reply);
	} else if (str_is(command, "positions.change")) {
		control_positions_change(runtime, graph, arena, doc, reply);
	} else {
		buf_putc(reply, '{');
		control_put_text(reply, "error", doc == NULL ? error : STR("unknown command"));
		buf_z(reply, "}\n");
	}
	arena_free(arena);
}

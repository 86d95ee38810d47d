/* SPDX-License-Identifier: Apache-2.0 */
#include "replay_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/codec/json_tree.h"
#include "longship/codec/loki_push.h"
#include "longship/codec/snappy.h"
#include "longship/flow/refusal.h"
#include "longship/flow/reply.h"

#include "check_priv.h"

/*
 * Letters that go to one endpoint and tenant are sent together, by stream, oldest file and line first. What an answer means is worked
 * out as for any request (flow/reply.h, flow/refusal.h); a batch that is refused whole is halved.
 */
#define BATCH_BYTES (1u << 20)
#define ATTEMPTS_MAX 4
#define WAIT_NS NS_PER_S /* before the next attempt, longer each time */
#define LOOK_NS (NS_PER_S / 10)

struct replay *
replay_new(const char *component)
{
	struct replay *r = mem_new(struct replay);

	r->arena = arena_new(0);
	r->config = arena_new(0);
	r->client = http_client_new();
	r->table = labels_table_new();
	r->component = component;
	return r;
}

void
replay_free(struct replay *r)
{
	for (size_t i = 0; i < r->endpoints.len; i++) {
		http_target_unref(r->endpoints.items[i]->target);
		http_login_unref(r->endpoints.items[i]->login);
	}
	vec_done(&r->endpoints);
	labels_table_free(r->table);
	http_client_free(r->client);
	arena_free(r->arena);
	arena_free(r->config);
	mem_free(r);
}

void
replay_add_endpoint(struct replay *r, const char *component, const struct arg_spec *spec, const void *args)
{
	const struct http_settings *settings = http_settings_of(spec, args);
	struct str url = *(const struct str *)check_field(spec, args, "url");
	struct http_options http = http_settings_options(settings, r->config, url, check_field(spec, args, "headers"));
	struct replay_endpoint *e = arena_make(r->config, struct replay_endpoint);

	e->component = arena_z(r->config, str_from(component));
	(void)http_settings_host(url, &e->host);
	e->tenant = *(const struct str *)check_field(spec, args, "tenant_id");
	e->timeout_ns = *(const int64_t *)check_field(spec, args, "remote_timeout");
	e->target = http_target_new(&http);
	e->login = http_login_new(settings);
	vec_push(&r->endpoints, e);
}

/* The component's own goes before that of another which sends to the same host. */
static const struct replay_endpoint *
find_endpoint(const struct replay *r, struct str host)
{
	const struct replay_endpoint *found = NULL;

	for (size_t i = 0; i < r->endpoints.len; i++) {
		const struct replay_endpoint *e = r->endpoints.items[i];

		if (!str_eq(e->host, host))
			continue;
		if (strcmp(e->component, r->component) == 0)
			return e;
		found = found == NULL ? e : found;
	}
	return found;
}

void
replay_read_letter(struct replay *r, struct str line, bool whole, struct letters *letters)
{
	struct letter l = {.text = line};
	struct str error = STR_EMPTY, host;
	const struct json *doc = whole ? json_tree_parse(r->arena, line, 0, &error) : NULL;

	if (doc == NULL || !entry_json_read(r->arena, doc, true, &l.entry, &error) || !l.entry.has_ts) {
		r->n_unreadable++;
	} else {
		host = json_tree_get_text(doc, STR("endpoint"));
		l.tenant = json_tree_get_text(doc, STR("tenant"));
		l.labels = labels_intern(r->table, l.entry.labels, l.entry.n_labels);
		l.endpoint = find_endpoint(r, host);
		if (l.endpoint == NULL) {
			r->n_without++;
			(void)snprintf(r->without_host, sizeof(r->without_host), "%.*s", STR_FMT(host));
		}
	}
	vec_push(letters, l);
}

/* ---- One request ---- */

struct sending {
	struct replay *replay;
	struct letter **list; /* of one endpoint and tenant, those of a stream together */
	size_t n;
	struct request *request;
	struct request_run run; /* of nobody's lines */
	bool done;
	int status;
	struct reply reply;
	int64_t retry_after_ns;
	char *body;              /* of the answer */
	size_t body_bytes;
	bool body_cut;
	char error[256];
};

static int
compare_streams(const void *a, const void *b)
{
	const struct letter *x = *(struct letter *const *)a, *y = *(struct letter *const *)b;

	if (x->labels != y->labels)
		return (uintptr_t)x->labels < (uintptr_t)y->labels ? -1 : 1;
	return (x > y) - (x < y); /* as in the file */
}

static void
make_request(struct sending *s)
{
	struct buf body, entries;
	char *packed;

	buf_init(&body, SIZE_MAX / 2);
	buf_init(&entries, SIZE_MAX / 2);
	for (size_t i = 0; i < s->n; i++) {
		const struct letter *l = s->list[i];
		const struct metadata *m = l->entry.metadata;
		const struct push_label *pairs = m != NULL ? (const struct push_label *)m->items : NULL;
		size_t n_pairs = m != NULL ? m->n : 0;

		(void)buf_reserve(&entries, loki_push_entry_bytes_max(l->entry.line.len) + loki_push_metadata_bytes_max(pairs, n_pairs));
		entries.len += loki_push_entry(entries.data + entries.len, l->entry.ts_ns, l->entry.line, pairs, n_pairs);
		if (i + 1 < s->n && s->list[i + 1]->labels == l->labels)
			continue;
		(void)buf_reserve(&body, loki_push_stream_header_bytes_max(l->labels->text.len) + entries.len);
		body.len += loki_push_stream_header(body.data + body.len, l->labels->text, entries.len);
		(void)buf_str(&body, buf_view(&entries));
		buf_clear(&entries);
	}
	packed = mem_alloc(snappy_block_bytes_max(body.len));
	s->request = request_new(packed, snappy_block_compress(packed, buf_view(&body)), NULL, 0, NULL, 0);
	s->request->entries = s->n;
	buf_done(&body);
	buf_done(&entries);
}

static void
on_done(void *ptr, const struct http_result *result)
{
	struct sending *s = ptr;

	s->done = true;
	s->status = result->status;
	s->reply = reply_classify(result, true);
	s->retry_after_ns = result->retry_after_ns;
	s->body = mem_zalloc(result->body.len + 1);
	if (result->body.len > 0)
		memcpy(s->body, result->body.s, result->body.len);
	s->body_bytes = result->body.len;
	s->body_cut = result->body_cut;
	(void)snprintf(s->error, sizeof(s->error), "%.*s", (int)strcspn(s->body, "\n"), s->body);
	if (result->error != NULL)
		(void)snprintf(s->error, sizeof(s->error), "%s", result->error);
}

static bool
attempt(struct sending *s)
{
	const struct letter *l = s->list[0];
	const char *headers[5] = {"Content-Type: application/x-protobuf", "Content-Encoding: snappy"};
	enum login_state login;
	size_t n = 2;

	while ((login = http_login_prepare(l->endpoint->login, s->replay->client)) == LOGIN_WAIT)
		(void)http_client_run(s->replay->client, LOOK_NS);
	if (login == LOGIN_FAILED) {
		s->reply = (struct reply){.kind = REPLY_MISCONFIGURED};
		(void)snprintf(s->error, sizeof(s->error), "%s", http_login_error(l->endpoint->login));
		return false;
	}
	if (l->tenant.len > 0)
		headers[n++] = arena_printf(s->replay->arena, "X-Scope-OrgID: %.*s", STR_FMT(l->tenant)).s;
	headers[n] = http_login_header(l->endpoint->login);
	mem_free(s->body);
	s->body = NULL;
	s->done = false;
	(void)http_call_start(s->replay->client, l->endpoint->target, headers, s->request->body, s->request->body_bytes, l->endpoint->timeout_ns,
		on_done, s);
	while (!s->done)
		(void)http_client_run(s->replay->client, LOOK_NS);
	return true;
}

static void
mark_stored(struct replay *r, struct letter *l)
{
	l->stored = true;
	r->n_stored++;
}

static void
settle_partial(struct sending *s)
{
	struct refusal refusal;
	struct request_view *v;

	s->run = (struct request_run){NULL, 0, (uint32_t)s->n, 1, false};
	s->request->runs = &s->run;
	s->request->n_runs = 1;
	v = request_open(s->request);
	refusal_find(&refusal, v, s->status, (struct str){s->body, s->body_bytes}, s->body_cut);
	for (size_t i = 0; i < v->n_entries; i++) {
		if (refusal.entries[i].verdict == VERDICT_STORED) {
			mark_stored(s->replay, s->list[i]);
			continue;
		}
		s->replay->n_refused++;
		s->replay->refused_reason = refusal.entries[i].reason != NULL ? refusal.entries[i].reason : s->reply.reason;
	}
	refusal_done(&refusal);
	request_view_free(v);
	s->request->runs = NULL;
	s->request->n_runs = 0;
}

static bool send_list(struct replay *, struct letter **, size_t n);

/* False: the endpoint cannot be reached. */
static bool
settle(struct sending *s)
{
	switch (s->reply.kind) {
	case REPLY_STORED:
		for (size_t i = 0; i < s->n; i++)
			mark_stored(s->replay, s->list[i]);
		return true;
	case REPLY_PARTIAL:
		settle_partial(s);
		return true;
	case REPLY_TOO_LARGE:
	case REPLY_BAD_STREAM:
	case REPLY_REFUSED:
		if (s->n > 1)
			return send_list(s->replay, s->list, s->n / 2) && send_list(s->replay, s->list + s->n / 2, s->n - s->n / 2);
		s->replay->n_refused++;
		s->replay->refused_reason = s->reply.reason;
		return true;
	case REPLY_RETRY:
	case REPLY_MISCONFIGURED:
		break;
	}
	fprintf(stderr, "longship replay: %.*s: %d %s\n", STR_FMT(s->list[0]->endpoint->host), s->status, s->error);
	s->replay->failed = true;
	return false;
}

static bool
send_list(struct replay *r, struct letter **list, size_t n)
{
	struct sending s = {.replay = r, .list = list, .n = n};
	bool go_on;

	make_request(&s);
	for (int i = 0; i < ATTEMPTS_MAX && attempt(&s) && s.reply.kind == REPLY_RETRY; i++) {
		int64_t wait = s.retry_after_ns > WAIT_NS << i ? s.retry_after_ns : WAIT_NS << i;

		if (i + 1 < ATTEMPTS_MAX)
			(void)usleep((useconds_t)((wait > 60 * NS_PER_S ? 60 * NS_PER_S : wait) / NS_PER_US));
	}
	go_on = settle(&s);
	mem_free(s.body);
	request_free(s.request);
	return go_on;
}

/* ---- Batches ---- */

static bool
goes_with(const struct letter *l, const struct letter *first)
{
	return l->endpoint == first->endpoint && str_eq(l->tenant, first->tenant);
}

/* The next batch: the first letter that was not tried, and those behind it that go to the same place. */
static size_t
take_batch(struct letters *letters, size_t from, struct letter **list)
{
	size_t n = 0, bytes = 0;

	for (size_t i = from; i < letters->len; i++) {
		struct letter *l = &letters->items[i];

		if (l->tried || l->labels == NULL || l->endpoint == NULL || (n > 0 && !goes_with(l, list[0])))
			continue;
		if (n > 0 && bytes + l->entry.line.len > BATCH_BYTES)
			break;
		bytes += l->entry.line.len;
		l->tried = true;
		list[n++] = l;
	}
	return n;
}

bool
replay_send(struct replay *r, struct letters *letters)
{
	struct letter **list = arena_array(r->arena, struct letter *, letters->len + 1);
	bool go_on = true;
	size_t n;

	for (size_t from = 0; go_on && from < letters->len; from++) {
		while (go_on && !letters->items[from].tried && (n = take_batch(letters, from, list)) > 0) {
			qsort(list, n, sizeof(*list), compare_streams);
			go_on = send_list(r, list, n);
		}
	}
	for (size_t i = 0; i < letters->len; i++)
		r->n_left += !letters->items[i].stored;
	return go_on;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "outlet.h"

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/codec/loki_push.h"
#include "longship/codec/snappy.h"
#include "longship/flow/budget.h"
#include "longship/flow/receipt.h"

#define HEAD_ROOM 4096           /* before the log: a single stream's labels go there, and nothing is copied */
#define LOG_FIRST_BYTES 4096     /* an outlet for a quiet stream stays small */
#define KEEP_BYTES (64u << 10)   /* larger shared buffers are given back when a batch was sent by time, not by size */
#define LOG_OVER_BYTES (64u << 10) /* beside twice batch_size: what many short lines may take in encoded form */

struct piece { /* of the log */
	uint32_t from, len;
};

struct slot { /* one stream of the batch */
	const struct labels *labels; /* as the entries carry it; one reference */
	const struct labels *sent;   /* with external labels; one reference */
	VEC(struct piece) pieces;
	uint32_t bytes;
	int64_t newest_ns;           /* of its entries, and of those that were sent before; or NEWEST_UNKNOWN */
	bool late;                   /* some may be too far behind for Loki */
};

struct outlet {
	struct lane_open open; /* first: the lane sees only this */
	struct destination *destination;
	struct send_queue *queue;
	struct lane *lane;
	struct outlet_options options;
	struct outlet_scratch *scratch;
	bool is_open;

	char *log; /* HEAD_ROOM bytes, then the entries */
	size_t log_len, log_cap;
	VEC(struct slot) slots;
	size_t n_slots; /* in use; those behind keep their memory */
	uint32_t *index; /* slot + 1 by label set pointer; a power of two */
	size_t index_len;
	VEC(struct request_run) runs;
	VEC(struct request_turn) turns; /* stream: number of the slot */
	size_t content_bytes; /* lines and metadata: what batch_size counts */
	size_t n_pieces;
	uint64_t source_bytes, entries;
	uint64_t budget_bytes;      /* taken for the log and the lists while the batch is open */
	int64_t opened_ns;
};

static void
free_buffers(struct outlet_scratch *s)
{
	mem_free(s->gathered);
	mem_free(s->packed);
	s->gathered = s->packed = NULL;
	s->gathered_cap = s->packed_cap = 0;
}

void
outlet_scratch_done(struct outlet_scratch *s)
{
	free_buffers(s);
	newest_done(&s->newest);
}

static void flush(struct lane_open *);

struct outlet *
outlet_new(struct destination *d, struct lane *lane, const struct outlet_options *options, struct outlet_scratch *scratch)
{
	struct outlet *o = mem_new(struct outlet);

	o->open.flush = flush;
	o->destination = d;
	o->queue = send_queue_new(d, lane_number(lane));
	o->lane = lane;
	o->options = *options;
	o->options.tenant = destination_tenant(d);
	o->scratch = scratch;
	return o;
}

void
outlet_free(struct outlet *o)
{
	if (o == NULL)
		return;
	assert(!o->is_open);
	send_queue_free(o->queue);
	for (size_t i = 0; i < o->slots.len; i++)
		vec_done(&o->slots.items[i].pieces);
	vec_done(&o->slots);
	vec_done(&o->runs);
	vec_done(&o->turns);
	mem_free(o->index);
	mem_free(o->log);
	mem_free(o);
}

struct destination *
outlet_destination(const struct outlet *o)
{
	return o->destination;
}

struct send_queue *
outlet_queue(const struct outlet *o)
{
	return o->queue;
}

struct send_queue *
outlet_pressure(const struct outlet *o)
{
	return o->options.queue_max == 0 && send_queue_full(o->queue) ? o->queue : NULL;
}

/* Takes from the budget what the open batch has grown by. */
static void
count_memory(struct outlet *o)
{
	uint64_t bytes = o->log_cap + o->runs.cap * sizeof(struct request_run) + o->turns.cap * sizeof(struct request_turn) + o->slots.cap * sizeof(struct slot) +
		o->n_pieces * sizeof(struct piece) + o->index_len * sizeof(*o->index);

	if (bytes <= o->budget_bytes)
		return;
	budget_take(bytes - o->budget_bytes);
	destination_take_bytes(o->destination, bytes - o->budget_bytes);
	o->budget_bytes = bytes;
}

static void
open_batch(struct outlet *o)
{
	int64_t now = clock_mono_ns();

	assert(!o->is_open && o->entries == 0 && o->runs.len == 0);
	o->is_open = true;
	o->opened_ns = clock_now_ns();
	o->open.deadline_ns = o->options.batch_wait_ns < INT64_MAX - now ? now + o->options.batch_wait_ns : INT64_MAX;
	lane_open_add(o->lane, &o->open);
	o->log_len = HEAD_ROOM;
	count_memory(o);
}

/* For this destination. */
static uint64_t
stream_number(const struct outlet *o, const struct slot *slot)
{
	return slot->sent->hash ^ (uintptr_t)o->destination * UINT64_C(0x9e3779b97f4a7c15);
}

/* Empties the outlet. References of runs were passed on. */
static void
close_batch(struct outlet *o)
{
	lane_open_remove(&o->open);
	o->is_open = false;
	for (size_t i = 0; i < o->n_slots; i++) {
		if (o->options.late_ns > 0 && o->slots.items[i].newest_ns != NEWEST_UNKNOWN)
			newest_set(&o->scratch->newest, stream_number(o, &o->slots.items[i]), o->slots.items[i].newest_ns);
		labels_unref(o->slots.items[i].labels);
		labels_unref(o->slots.items[i].sent);
		o->slots.items[i].pieces.len = 0;
	}
	o->n_slots = 0;
	o->n_pieces = 0;
	if (o->index != NULL)
		memset(o->index, 0, o->index_len * sizeof(*o->index));
	o->runs.len = 0;
	o->turns.len = 0;
	o->content_bytes = 0;
	o->source_bytes = o->entries = 0;
	budget_give(o->budget_bytes);
	destination_give_bytes(o->destination, o->budget_bytes);
	o->budget_bytes = 0;
}

static bool
reserve_log(struct outlet *o, size_t more)
{
	size_t cap = o->log_cap > 0 ? o->log_cap : HEAD_ROOM + LOG_FIRST_BYTES;

	if (o->log_cap - o->log_len >= more && o->log_cap > 0)
		return true;
	while (cap < o->log_len + more)
		cap *= 2;
	if (cap > UINT32_MAX)
		return false;
	o->log = mem_realloc(o->log, cap);
	o->log_cap = cap;
	return true;
}

static size_t
index_at(const struct outlet *o, const struct labels *labels)
{
	size_t mask = o->index_len - 1, at = ((uintptr_t)labels >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32 & mask;

	while (o->index[at] != 0 && o->slots.items[o->index[at] - 1].labels != labels)
		at = (at + 1) & mask;
	return at;
}

static void
grow_index(struct outlet *o)
{
	mem_free(o->index);
	o->index_len = o->index_len > 0 ? o->index_len * 2 : 16;
	o->index = mem_zalloc(o->index_len * sizeof(*o->index));
	for (size_t i = 0; i < o->n_slots; i++)
		o->index[index_at(o, o->slots.items[i].labels)] = (uint32_t)i + 1;
}

/* External labels are defaults: an entry's own label wins. */
static const struct labels *
with_external(struct outlet *o, const struct labels *labels)
{
	const struct str_map *external = o->options.external_labels;

	for (size_t i = 0; i < external->n; i++) {
		if (labels_get(labels, external->items[i].name).s == NULL)
			labels = labels_with(lane_labels(o->lane), labels, external->items[i].name, external->items[i].value);
	}
	return labels;
}

/* The slot of a label set; NULL when the batch may hold no further stream. */
static struct slot *
find_slot(struct outlet *o, const struct labels *labels)
{
	struct slot *slot;
	size_t at;

	if (o->n_slots > 0 && o->slots.items[o->n_slots - 1].labels == labels)
		return &o->slots.items[o->n_slots - 1];
	if ((o->n_slots + 1) * 2 > o->index_len)
		grow_index(o);
	at = index_at(o, labels);
	if (o->index[at] != 0)
		return &o->slots.items[o->index[at] - 1];
	if (o->options.streams_max > 0 && o->n_slots >= o->options.streams_max)
		return NULL;
	if (o->n_slots == o->slots.len)
		vec_push(&o->slots, (struct slot){0});
	slot = &o->slots.items[o->n_slots++];
	o->index[at] = (uint32_t)o->n_slots;
	slot->labels = labels_ref(labels);
	slot->sent = labels_ref(with_external(o, labels));
	slot->bytes = 0;
	slot->late = false;
	slot->newest_ns = o->options.late_ns > 0 ? newest_get(&o->scratch->newest, stream_number(o, slot)) : NEWEST_UNKNOWN;
	return slot;
}

static void
note_run(struct outlet *o, const struct receipt_run *run, bool goes_on)
{
	uint32_t lines_each = goes_on ? 0 : run->lines;
	struct request_run *last = lines_each > 0 && o->runs.len > 0 ? &o->runs.items[o->runs.len - 1] : NULL;

	if (last != NULL && last->receipt == run->receipt && last->lines_each == lines_each && last->line + last->lines == run->line) {
		last->lines += run->lines;
		return;
	}
	receipt_ref(run->receipt);
	vec_push(&o->runs, ((struct request_run){run->receipt, run->line, run->lines, lines_each, goes_on}));
}

static void
note_runs(struct outlet *o, const struct batch *b, size_t i)
{
	struct receipt_run one;
	const struct receipt_run *runs;
	size_t n = batch_runs(b, i, &one, &runs);

	for (size_t k = 0; k < n; k++)
		note_run(o, &runs[k], k + 1 < n);
}

static void
note_turn(struct outlet *o, const struct slot *slot)
{
	uint32_t number = (uint32_t)(slot - o->slots.items);
	struct request_turn *last = o->turns.len > 0 ? &o->turns.items[o->turns.len - 1] : NULL;

	if (last != NULL && last->stream == number)
		last->entries++;
	else
		vec_push(&o->turns, ((struct request_turn){number, 1}));
}

void
outlet_refuse(const struct outlet_options *options, const struct batch *b, size_t i, const char *reason)
{
	const struct labels *labels = b->labels[i];
	struct push_label pairs[LABELS_MAX];
	size_t n = 0;

	batch_refuse(b, i, reason);
	if (options->dead_letters == NULL)
		return;
	for (size_t k = 0; k < labels->n && n < LABELS_MAX; k++) {
		if (!str_starts(labels->items[k].name, STR("__")))
			pairs[n++] = (struct push_label){labels->items[k].name, labels->items[k].value};
	}
	dead_letters_put(options->dead_letters, &(struct dead_letter){.ts_ns = b->ts[i], .line = b->line[i], .labels = pairs, .n_labels = n,
		.metadata = b->metadata[i] != NULL ? (const struct push_label *)b->metadata[i]->items : NULL,
		.n_metadata = b->metadata[i] != NULL ? b->metadata[i]->n : 0, .tenant = options->tenant, .endpoint = options->host, .reason = reason});
}

static void
refuse(struct outlet *o, const struct batch *b, size_t i, const char *reason, const char *alloy_reason)
{
	outlet_refuse(&o->options, b, i, reason);
	destination_count_dropped(o->destination, alloy_reason, 1, b->line[i].len);
}

static size_t
metadata_bytes(const struct metadata *m)
{
	size_t bytes = 0;

	for (size_t i = 0; m != NULL && i < m->n; i++)
		bytes += m->items[i].name.len + m->items[i].value.len;
	return bytes;
}

static void seal(struct outlet *, bool by_size);

static void
add_piece(struct outlet *o, struct slot *slot, size_t bytes)
{
	vec_push(&slot->pieces, ((struct piece){(uint32_t)o->log_len, (uint32_t)bytes}));
	o->n_pieces++;
}

/* Labels that Loki cannot read, or none: it would refuse the whole push, other streams with it. */
static void
refuse_labels(struct outlet *o, const struct batch *b, size_t i, const struct labels *labels)
{
	const char *reason = labels->text.len == 0 ? "label_value_too_long" : labels->text.len == 2 ? "missing_labels" : "invalid_labels";

	refuse(o, b, i, reason, "ingester_error");
}

static bool
is_full(const struct outlet *o, size_t content, size_t room)
{
	return o->content_bytes + content > o->options.batch_bytes || o->content_bytes + content > destination_batch_bytes_max(o->destination) ||
		o->log_len - HEAD_ROOM + room > 2 * o->options.batch_bytes + LOG_OVER_BYTES;
}

/* Memory is short and the destination holds more than its share: what is open goes out, once it is worth a request. */
static bool
is_greedy(const struct outlet *o)
{
	return o->content_bytes >= BUDGET_SHARE_MIN_BYTES && destination_is_over_share(o->destination);
}

/* Before the first entry of a stream is sent, Loki may have newer ones of it from an earlier life: then its age counts. */
static void
note_time(struct outlet *o, struct slot *slot, int64_t ts_ns)
{
	int64_t newest = slot->newest_ns != NEWEST_UNKNOWN ? slot->newest_ns : o->opened_ns;

	if (ts_ns < newest - o->options.late_ns)
		slot->late = true;
	if (ts_ns > slot->newest_ns && ts_ns <= o->opened_ns + NEWEST_GRACE_NS)
		slot->newest_ns = ts_ns;
}

static void
put_entry(struct outlet *o, struct slot *slot, const struct batch *b, size_t i, size_t content)
{
	const struct metadata *metadata = b->metadata[i];
	const struct push_label *pairs = metadata != NULL ? (const struct push_label *)metadata->items : NULL;
	size_t n_pairs = metadata != NULL ? metadata->n : 0, n;
	struct piece *last = slot->pieces.len > 0 ? &slot->pieces.items[slot->pieces.len - 1] : NULL;

	n = loki_push_entry(o->log + o->log_len, b->ts[i], b->line[i], pairs, n_pairs);
	if (last != NULL && last->from + last->len == o->log_len)
		last->len += (uint32_t)n;
	else
		add_piece(o, slot, n);
	slot->bytes += (uint32_t)n;
	o->log_len += n;
	o->content_bytes += content;
	o->source_bytes += b->line[i].len + 1;
	o->entries++;
	note_runs(o, b, i);
	note_turn(o, slot);
	if (o->options.late_ns > 0)
		note_time(o, slot, b->ts[i]);
}

void
outlet_add(struct outlet *o, const struct batch *b, size_t i)
{
	const struct metadata *m = b->metadata[i];
	size_t content = b->line[i].len, room = loki_push_entry_bytes_max(b->line[i].len);
	struct slot *slot;

	if (m != NULL) {
		content += metadata_bytes(m);
		room += loki_push_metadata_bytes_max((const struct push_label *)m->items, m->n);
	}
	if (o->is_open && o->entries > 0 && (is_full(o, content, room) || is_greedy(o)))
		seal(o, true);
	if (!o->is_open)
		open_batch(o);
	slot = find_slot(o, b->labels[i]);
	if (slot == NULL)
		refuse(o, b, i, "stream_limited", "stream_limited");
	else if (!slot->sent->sendable)
		refuse_labels(o, b, i, slot->sent);
	else if (!reserve_log(o, room))
		refuse(o, b, i, "line_too_long", "line_too_long");
	else
		put_entry(o, slot, b, i, content);
}

void
outlet_add_run(struct outlet *o, const struct batch *b, size_t i, size_t end)
{
	for (; i < end; i++) {
		if (o->options.queue_max > 0 && send_queue_len(o->queue) >= o->options.queue_max)
			refuse(o, b, i, "queue_is_full", "queue_is_full");
		else
			outlet_add(o, b, i);
	}
	count_memory(o);
}

static char *
reserve(char **data, size_t *cap, size_t bytes)
{
	if (*cap < bytes) {
		mem_free(*data);
		*data = mem_alloc(bytes);
		*cap = bytes;
	}
	return *data;
}

/* One stream whose labels fit into the head room: the log itself is the body. */
static struct str
body_in_place(struct outlet *o)
{
	const struct slot *slot = &o->slots.items[0];
	char head[HEAD_ROOM];
	size_t n = loki_push_stream_header(head, slot->sent->text, slot->bytes);

	assert(n <= HEAD_ROOM && slot->bytes == o->log_len - HEAD_ROOM);
	memcpy(o->log + HEAD_ROOM - n, head, n);
	return (struct str){o->log + HEAD_ROOM - n, n + slot->bytes};
}

static struct str
body_gathered(struct outlet *o)
{
	size_t bytes = 0, n = 0;
	char *out;

	for (size_t i = 0; i < o->n_slots; i++)
		bytes += loki_push_stream_header_bytes_max(o->slots.items[i].sent->text.len) + o->slots.items[i].bytes;
	out = reserve(&o->scratch->gathered, &o->scratch->gathered_cap, bytes);
	for (size_t i = 0; i < o->n_slots; i++) {
		const struct slot *slot = &o->slots.items[i];

		if (slot->bytes == 0)
			continue;
		n += loki_push_stream_header(out + n, slot->sent->text, slot->bytes);
		for (size_t k = 0; k < slot->pieces.len; k++) {
			memcpy(out + n, o->log + slot->pieces.items[k].from, slot->pieces.items[k].len);
			n += slot->pieces.items[k].len;
		}
	}
	assert(n <= bytes);
	return (struct str){out, n};
}

/* A copy of the turns with the streams' numbers in the body, where slots without entries are left out; NULL when there is but one. */
static struct request_turn *
make_turns(const struct outlet *o, size_t *ret_n)
{
	struct request_turn *turns;
	uint32_t *number, n = 0;

	*ret_n = 0;
	if (o->turns.len < 2)
		return NULL;
	number = mem_alloc(o->n_slots * sizeof(*number));
	for (size_t i = 0; i < o->n_slots; i++)
		number[i] = o->slots.items[i].bytes > 0 ? n++ : 0;
	turns = mem_alloc(o->turns.len * sizeof(*turns));
	for (size_t i = 0; i < o->turns.len; i++)
		turns[i] = (struct request_turn){number[o->turns.items[i].stream], o->turns.items[i].entries};
	mem_free(number);
	*ret_n = o->turns.len;
	return turns;
}

static struct request *
make_request(struct outlet *o)
{
	bool single = o->n_slots == 1 && loki_push_stream_header_bytes_max(o->slots.items[0].sent->text.len) <= HEAD_ROOM;
	struct str body = single ? body_in_place(o) : body_gathered(o);
	char *packed = reserve(&o->scratch->packed, &o->scratch->packed_cap, snappy_block_bytes_max(body.len));
	size_t packed_bytes = snappy_block_compress(packed, body), n_turns;
	struct request_run *runs = memcpy(mem_alloc(o->runs.len * sizeof(*runs)), o->runs.items, o->runs.len * sizeof(*runs));
	struct request_turn *turns = make_turns(o, &n_turns);
	struct request *r = request_new(memcpy(mem_alloc(packed_bytes), packed, packed_bytes), packed_bytes, runs, o->runs.len, turns, n_turns);

	r->source_bytes = o->source_bytes;
	r->entries = o->entries;
	r->oldest_ns = o->opened_ns;
	return r;
}

/* A quiet outlet keeps nothing: there can be one for each tenant in each lane. */
static void
give_back(struct outlet *o)
{
	for (size_t i = 0; i < o->slots.len; i++)
		vec_done(&o->slots.items[i].pieces);
	vec_done(&o->slots);
	vec_done(&o->runs);
	vec_done(&o->turns);
	mem_free(o->index);
	mem_free(o->log);
	o->index = NULL;
	o->log = NULL;
	o->index_len = o->log_cap = o->log_len = 0;
	if (o->scratch->packed_cap > KEEP_BYTES || o->scratch->gathered_cap > KEEP_BYTES)
		free_buffers(o->scratch);
}

/* Several streams, some of which may be refused without a word: those become requests of their own. The late streams' numbers in the
 * body, or NULL. */
static bool *
late_streams(const struct outlet *o)
{
	bool *late = NULL;
	size_t n = 0, n_late = 0;

	for (size_t i = 0; i < o->n_slots; i++) {
		n += o->slots.items[i].bytes > 0;
		n_late += o->slots.items[i].bytes > 0 && o->slots.items[i].late;
	}
	if (n < 2 || n_late == 0)
		return NULL;
	late = mem_alloc(n * sizeof(*late));
	n = 0;
	for (size_t i = 0; i < o->n_slots; i++) {
		if (o->slots.items[i].bytes > 0)
			late[n++] = o->slots.items[i].late;
	}
	return late;
}

static void
submit_apart(struct outlet *o, struct request *r, const bool *late)
{
	struct request_view *v = request_open(r);
	struct request *part;

	for (size_t i = 0; i < v->n_entries; i++)
		v->entries[i].picked = !late[v->entries[i].stream];
	part = request_part(r, v);
	if (part != NULL)
		sender_submit(o->queue, part);
	for (uint32_t stream = 0; stream < v->n_streams; stream++) {
		for (size_t i = 0; late[stream] && i < v->n_entries; i++)
			v->entries[i].picked = v->entries[i].stream == stream;
		part = late[stream] ? request_part(r, v) : NULL;
		if (part != NULL)
			sender_submit(o->queue, part);
	}
	request_view_free(v);
	request_free(r);
}

static void
seal(struct outlet *o, bool by_size)
{
	struct request *r = o->entries > 0 ? make_request(o) : NULL;
	bool *late = r != NULL ? late_streams(o) : NULL;

	close_batch(o);
	if (late != NULL)
		submit_apart(o, r, late);
	else if (r != NULL)
		sender_submit(o->queue, r);
	mem_free(late);
	if (!by_size)
		give_back(o);
}

static void
flush(struct lane_open *open)
{
	seal((struct outlet *)open, false);
}

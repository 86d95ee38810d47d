/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/hold.h"

#include <stdatomic.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/map.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/flow/budget.h"
#include "longship/flow/lane.h"
#include "longship/flow/pipeline.h"
#include "longship/flow/receipt.h"
#include "longship/flow/stream.h"

#define HELD_SHARE 4                 /* of the memory budget, for all that is held */
#define LOOK_AGAIN_NS (100 * NS_PER_MS) /* a hold that is due waits for a reader that is behind */
#define LOOKS_ARENA_BYTES 512

#define NOT_HERE SIZE_MAX

struct hold {
	struct hold_table *table;
	struct hold *older, *newer; /* in order of the last line; oldest first in the table */
	uint64_t lineage;
	const struct labels *key; /* one reference */

	size_t lines;
	size_t bytes; /* of the joined text */
	struct buf text;          /* of the lines of earlier batches, joined */
	VEC(struct str) pieces;   /* of those of the current batch */
	VEC(struct receipt_run) runs;
	size_t n_kept;            /* of the runs: held on their receipts */

	/* What the joined entry looks like: an entry of the current batch, or a copy of one. */
	size_t looks_at;
	struct arena *arena; /* of the copy */
	int64_t ts, mark;
	const struct labels *labels, *seed; /* one reference each */
	const struct metadata *metadata;
	struct cell *cells;
	struct extra *extra;
	struct memory *memory; /* outside of lanes */

	bool touched; /* in the current batch */
	bool over;     /* before a crash it was handed on as it is */
	int64_t expires_ns, look_ns; /* monotonic, or virtual */
	uint64_t await; /* the reader has to pass this offset first; 0: not known yet */
	uint64_t budget_bytes;
};

struct hold_table { /* of one lane */
	struct lane_hold hook; /* first */
	struct holds *holds;
	struct lane *lane; /* NULL: outside of lanes */
	struct arena *arena;
	struct labels_table *labels;
	struct map by_key;
	struct hold *oldest, *newest;
};

struct holds {
	struct hold_rules rules;
	const struct way *way;
	struct holds *next;
	struct metric *cut_memory, *cut_position; /* NULL when only checking */
	struct hold_table *tables[LANES_MAX + 1]; /* by lane; the last one for outside of lanes */
};

struct hold_batch {
	struct holds *holds;
	struct hold_table *table;
	struct batch *in, *out;
	size_t at; /* the entry of in that is looked at: what is handed on takes its place */
	uint64_t lineage;
	VEC(struct hold *) touched;
};

static _Atomic uint64_t held_bytes; /* of the process */

/* ---- holds of a lane ---- */

struct hold_key {
	uint64_t lineage;
	const struct labels *labels;
};

static struct str
key_view(const struct hold_key *key)
{
	return (struct str){(const char *)key, sizeof(*key)};
}

static void
unlink_hold(struct hold *h)
{
	struct hold_table *t = h->table;

	*(h->older != NULL ? &h->older->newer : &t->oldest) = h->newer;
	*(h->newer != NULL ? &h->newer->older : &t->newest) = h->older;
	h->older = h->newer = NULL;
}

static void
link_newest(struct hold *h)
{
	struct hold_table *t = h->table;

	h->older = t->newest;
	h->newer = NULL;
	*(t->newest != NULL ? &t->newest->newer : &t->oldest) = h;
	t->newest = h;
}

static struct hold *
make_hold(struct hold_table *t, const struct hold_key *key)
{
	struct hold *h = mem_new(struct hold);

	h->table = t;
	h->lineage = key->lineage;
	h->key = labels_ref(key->labels);
	h->looks_at = NOT_HERE;
	buf_init(&h->text, SIZE_MAX);
	(void)map_set(&t->by_key, key_view(key), h);
	link_newest(h);
	return h;
}

static void
count_bytes(struct hold *h, uint64_t bytes)
{
	budget_take(bytes);
	budget_give(h->budget_bytes);
	atomic_fetch_add(&held_bytes, bytes - h->budget_bytes);
	h->budget_bytes = bytes;
}

static void
drop_looks(struct hold *h)
{
	if (h->labels != NULL) {
		labels_unref(h->labels);
		labels_unref(h->seed);
	}
	h->labels = h->seed = NULL;
	if (h->arena != NULL)
		arena_clear(h->arena);
}

static void
free_hold(struct hold *h)
{
	struct hold_key key = {h->lineage, h->key};

	assert(h->n_kept == 0);
	(void)map_remove(&h->table->by_key, key_view(&key));
	unlink_hold(h);
	count_bytes(h, 0);
	drop_looks(h);
	labels_unref(h->key);
	arena_free(h->arena);
	buf_done(&h->text);
	vec_done(&h->pieces);
	vec_done(&h->runs);
	mem_free(h);
}

static struct stream *
stream_of(const struct hold *h)
{
	return h->runs.len > 0 ? h->runs.items[h->runs.len - 1].receipt->stream : NULL;
}

/* ---- the joined entry ---- */

static struct str
join(const struct hold *h, struct arena *arena)
{
	struct str joint = h->table->holds->rules.joint;
	char *text, *p;

	if (h->pieces.len == 0 && h->text.len == h->bytes)
		return arena_str(arena, buf_view(&h->text));
	if (h->pieces.len == 1 && h->lines == 1)
		return h->pieces.items[0];
	text = p = arena_alloc(arena, h->bytes + 1);
	if (h->text.len > 0)
		p = mempcpy(p, h->text.data, h->text.len);
	for (size_t i = 0; i < h->pieces.len; i++) {
		if (p > text)
			p = mempcpy(p, joint.s, joint.len);
		p = mempcpy(p, h->pieces.items[i].s, h->pieces.items[i].len);
	}
	assert((size_t)(p - text) == h->bytes);
	return (struct str){text, h->bytes};
}

static void
put_copied_looks(const struct hold *h, struct batch *out)
{
	size_t to = out->n++;

	assert(out->n <= out->cap && h->labels != NULL);
	out->ts[to] = h->ts;
	out->mark[to] = h->mark;
	out->labels[to] = h->labels;
	out->seed[to] = h->seed;
	out->metadata[to] = NULL;
	if (h->metadata != NULL) {
		size_t bytes = sizeof(*h->metadata) + h->metadata->n * sizeof(h->metadata->items[0]);
		struct metadata *m = memcpy(arena_alloc(out->arena, bytes), h->metadata, bytes);

		for (size_t i = 0; i < m->n; i++) {
			m->items[i].name = arena_str(out->arena, m->items[i].name);
			m->items[i].value = arena_str(out->arena, m->items[i].value);
		}
		out->metadata[to] = m;
	}
	for (size_t c = 0; c < out->columns->n; c++) {
		struct cell cell = h->cells[c];

		if (cell.kind == CELL_STRING)
			cell.s = arena_str(out->arena, (struct str){cell.s, cell.len}).s;
		out->cells[c][to] = cell;
	}
	if (out->extra != NULL)
		out->extra[to] = NULL;
	for (const struct extra *e = h->extra; e != NULL; e = e->next) {
		struct cell cell = e->cell;

		if (cell.kind == CELL_STRING)
			cell.s = arena_str(out->arena, (struct str){cell.s, cell.len}).s;
		if (out->extra == NULL)
			out->extra = arena_zalloc(out->arena, out->cap * sizeof(*out->extra));
		out->extra[to] = memcpy(arena_make(out->arena, struct extra),
			&(struct extra){arena_str(out->arena, e->name), cell, out->extra[to] != NULL ? out->extra[to]->n + 1 : 1, out->extra[to]},
			sizeof(struct extra));
	}
}

/* Which lines the entry is made of: one run of the batch's own span, or a list. */
static void
put_runs(const struct hold *h, struct batch *out, size_t to)
{
	const struct joined *joined = NULL;

	if (h->runs.len == 0)
		return;
	out->origin[to] = (struct origin){h->runs.items[0].line, h->runs.items[0].lines};
	for (size_t i = 1; i < h->runs.len; i++) {
		const struct receipt_run *run = &h->runs.items[i];
		const struct receipt *first = h->runs.items[0].receipt;

		if (run->receipt != first)
			receipt_begun(run->receipt, run->line, run->lines,
				run->receipt->stream == first->stream ? first->from : BEGUN_EARLIER);
	}
	if (h->runs.len > 1 || h->runs.items[0].receipt != out->receipt) {
		struct joined *made = arena_alloc(out->arena, sizeof(*made) + h->runs.len * sizeof(made->runs[0]));

		made->n = h->runs.len;
		memcpy(made->runs, h->runs.items, h->runs.len * sizeof(made->runs[0]));
		joined = made;
	}
	if (out->joined == NULL && joined != NULL)
		out->joined = arena_zalloc(out->arena, out->cap * sizeof(*out->joined));
	if (out->joined != NULL)
		out->joined[to] = joined;
}

/* The lines belong to the entry that was made of them. */
static void
let_lines_go(struct hold *h)
{
	for (size_t i = 0; i < h->n_kept; i++) {
		if (h->table->lane != NULL)
			lane_unhold(h->table->lane, &h->runs.items[i]);
		else
			receipt_unhold(h->runs.items[i].receipt, h->runs.items[i].line, h->runs.items[i].lines, false);
	}
	h->runs.len = h->n_kept = h->pieces.len = h->lines = h->bytes = 0;
	h->over = false;
	buf_clear(&h->text);
	h->await = 0;
}

/* ---- later ---- */

/* Through the stages behind. The hold is empty afterwards. */
static void
hand_on(struct hold *h)
{
	struct hold_table *t = h->table;
	struct batch *b = pipeline_way_batch(t->holds->way, t->arena, t->labels, 1);
	struct stream *s = stream_of(h);

	b->receipt = h->runs.len > 0 ? h->runs.items[h->runs.len - 1].receipt : NULL;
	b->memory = s != NULL ? &s->memory : h->memory;
	put_copied_looks(h, b);
	/* After a crash the next line must not become a part of it. */
	if (h->runs.len > 0) {
		const struct receipt_run *last = &h->runs.items[h->runs.len - 1];

		receipt_begun(last->receipt, last->line + last->lines - 1, 1, BEGUN_CLOSED);
	}
	b->origin[0] = (struct origin){0, 1};
	b->line[0] = join(h, t->arena);
	put_runs(h, b, 0);
	let_lines_go(h);
	pipeline_way_run(t->holds->way, b);
}

static bool
over_share(void)
{
	return atomic_load(&held_bytes) > budget_limit() / HELD_SHARE;
}

/* Whether the reader has come to where the source ended when the wait was over. */
static bool
reader_is_past(struct hold *h)
{
	struct stream *s = stream_of(h);
	uint64_t size;

	if (s == NULL || lane_caught_up(h->table->lane, s))
		return true;
	if (h->await == 0) {
		(void)pthread_mutex_lock(&s->ledger->lock);
		size = s->size;
		(void)pthread_mutex_unlock(&s->ledger->lock);
		h->await = size > 0 ? size : s->read_offset;
	}
	return s->read_offset >= h->await;
}

static void
cut(struct hold *h, struct metric *reason)
{
	if (h->lines > 0) {
		hand_on(h);
		if (reason != NULL)
			metric_add(reason, 1);
	}
	free_hold(h);
}

static void
set_deadline(struct hold_table *t)
{
	t->hook.deadline_ns = INT64_MAX;
	for (const struct hold *h = t->oldest; h != NULL; h = h->newer) {
		int64_t at = h->look_ns > h->expires_ns ? h->look_ns : h->expires_ns;

		if (at < t->hook.deadline_ns)
			t->hook.deadline_ns = at;
		if (h->look_ns == 0)
			break; /* those behind it expire later */
	}
	if (over_share() && t->oldest != NULL)
		t->hook.deadline_ns = 0;
}

static void
due(struct lane_hold *hook, int64_t now)
{
	struct hold_table *t = (struct hold_table *)hook;
	struct hold *next;

	while (t->oldest != NULL && over_share())
		cut(t->oldest, t->holds->cut_memory);
	for (struct hold *h = t->oldest; h != NULL && h->expires_ns <= now; h = next) {
		next = h->newer;
		if (h->look_ns > now)
			continue;
		if (h->lines == 0 || reader_is_past(h))
			cut(h, NULL);
		else
			h->look_ns = now + LOOK_AGAIN_NS;
	}
	set_deadline(t);
}

/* Whether the position waits for one of its lines. */
static bool
is_in_the_way(const struct hold *h, const struct stream *s)
{
	bool oldest = false;

	(void)pthread_mutex_lock(&s->ledger->lock);
	for (size_t i = 0; i < h->n_kept && !oldest; i++)
		oldest = h->runs.items[i].receipt == s->oldest;
	(void)pthread_mutex_unlock(&s->ledger->lock);
	return oldest;
}

static void
relieve(struct lane_hold *hook, const struct stream *s)
{
	struct hold_table *t = (struct hold_table *)hook;
	struct hold *next;

	for (struct hold *h = t->oldest; h != NULL; h = next) {
		next = h->newer;
		if (is_in_the_way(h, s))
			cut(h, t->holds->cut_position);
	}
	set_deadline(t);
}

static void
give_up(struct hold *h)
{
	for (size_t i = 0; i < h->n_kept; i++)
		receipt_unhold(h->runs.items[i].receipt, h->runs.items[i].line, h->runs.items[i].lines, true);
	h->n_kept = 0;
	free_hold(h);
}

static void
stop(struct lane_hold *hook, bool parked)
{
	struct hold_table *t = (struct hold_table *)hook;
	struct hold *next;

	for (struct hold *h = t->oldest; h != NULL; h = next) {
		const struct stream *s = stream_of(h);

		next = h->newer;
		if (s != NULL && (s->key.len == 0 || s->ops->locate == NULL))
			cut(h, NULL);
		else if (parked)
			give_up(h);
	}
	t->hook.deadline_ns = INT64_MAX;
}

void
holds_expire(struct holds *holds, int64_t now_ns, bool end)
{
	struct hold_table *t = holds->tables[LANES_MAX];

	if (holds->rules.real_only)
		return;
	while (t != NULL && t->oldest != NULL && (end || t->oldest->expires_ns <= now_ns))
		cut(t->oldest, NULL);
}

/* ---- the stage's ---- */

static void
end_holds(void *ptr)
{
	struct holds *holds = ptr;

	for (size_t i = 0; i <= LANES_MAX; i++) {
		struct hold_table *t = holds->tables[i];

		if (t == NULL)
			continue;
		while (t->oldest != NULL)
			give_up(t->oldest);
		map_done(&t->by_key);
		if (t->lane != NULL)
			lane_hold_remove(&t->hook);
		mem_free(t);
	}
}

struct holds *
holds_new(struct stage_builder *b, const struct hold_rules *rules)
{
	struct holds *holds = arena_make(b->arena, struct holds), **end = b->holds;
	static const char name[] = "longship_held_entries_cut_total";
	static const char help[] = "Entries that a stage held and had to hand on before their end had come.";

	holds->rules = *rules;
	holds->way = b->way;
	if (b->metrics != NULL) {
		holds->cut_memory = metric_get(b->metrics, METRIC_COUNTER, name, help, b->component_id, "stage", rules->stage, "reason",
			"memory", NULL);
		holds->cut_position = metric_get(b->metrics, METRIC_COUNTER, name, help, b->component_id, "stage", rules->stage, "reason",
			"position", NULL);
	}
	while (*end != NULL)
		end = &(*end)->next;
	*end = holds;
	arena_defer(b->arena, end_holds, holds);
	return holds;
}

struct holds *
holds_next(const struct holds *holds)
{
	return holds->next;
}

static struct hold_table *
table_of(struct holds *holds, const struct batch *b)
{
	struct lane *lane = lane_current();
	struct hold_table **at = &holds->tables[lane != NULL ? lane_number(lane) : LANES_MAX], *t = *at;

	if (t == NULL) {
		t = *at = mem_new(struct hold_table);
		t->holds = holds;
		t->lane = lane;
		t->hook = (struct lane_hold){.deadline_ns = INT64_MAX, .due = due, .relieve = relieve, .stop = stop};
		map_init(&t->by_key);
		if (lane != NULL)
			lane_hold_add(lane, &t->hook);
	}
	t->arena = b->arena;
	t->labels = b->table;
	return t;
}

bool
holds_empty(const struct holds *holds)
{
	struct lane *lane = lane_current();
	const struct hold_table *t = holds->tables[lane != NULL ? lane_number(lane) : LANES_MAX];

	return t == NULL || t->oldest == NULL;
}

/* ---- a batch ---- */

struct hold_batch *
holds_begin(struct holds *holds, struct batch *b)
{
	struct hold_batch *hb = arena_make(b->arena, struct hold_batch);

	hb->holds = holds;
	hb->table = table_of(holds, b);
	hb->in = b;
	hb->lineage = b->receipt != NULL ? b->receipt->stream->lineage : 0;
	hb->out = batch_like(b, b->n);
	if (b->picked != NULL)
		hb->out->picked = arena_alloc(b->arena, b->n * sizeof(*b->picked));
	return hb;
}

struct hold *
hold_find(struct hold_batch *hb, size_t i)
{
	struct hold_key key = {hb->lineage, hb->in->labels[i]};

	hb->at = i;
	return map_get(&hb->table->by_key, key_view(&key));
}

struct hold *
hold_open(struct hold_batch *hb, size_t i)
{
	struct hold_key key = {hb->lineage, hb->in->labels[i]};

	return make_hold(hb->table, &key);
}

size_t
hold_count(struct hold_batch *hb, size_t i, size_t max)
{
	size_t n = 0;

	hb->at = i;
	if (map_len(&hb->table->by_key) < max)
		return map_len(&hb->table->by_key);
	for (const struct hold *h = hb->table->oldest; h != NULL && n < max; h = h->newer)
		n += h->lineage == hb->lineage && h->lines > 0;
	return n;
}

bool
hold_is_lineless(const struct hold_batch *hb, size_t i)
{
	struct receipt_run one;
	const struct receipt_run *runs;
	size_t n = batch_runs(hb->in, i, &one, &runs);

	return n == 1 && runs[0].lines == 0;
}

size_t
hold_lines(const struct hold *h)
{
	return h->lines;
}

bool
hold_was_over(const struct hold *h)
{
	return h->over;
}

static void
touch(struct hold_batch *hb, struct hold *h)
{
	h->memory = hb->in->memory;
	if (h->touched)
		return;
	h->touched = true;
	vec_push(&hb->touched, h);
}

void
hold_look_like(struct hold_batch *hb, struct hold *h, size_t i)
{
	drop_looks(h);
	h->looks_at = i;
	touch(hb, h);
}

/* Consecutive lines of a span are one run, as long as it is not held on its receipt. */
static void
add_runs(struct hold *h, const struct batch *b, size_t i)
{
	struct receipt_run one;
	const struct receipt_run *runs;
	size_t n = batch_runs(b, i, &one, &runs);

	for (size_t k = 0; k < n; k++) {
		struct receipt_run *last = h->runs.len > h->n_kept ? &h->runs.items[h->runs.len - 1] : NULL;

		if (last != NULL && last->receipt == runs[k].receipt && last->line + last->lines == runs[k].line)
			last->lines += runs[k].lines;
		else
			vec_push(&h->runs, runs[k]);
	}
}

/* Whether its last line was the last one when it was handed on before a crash. */
static bool
closes(const struct hold *h)
{
	const struct receipt_run *last = h->runs.len > 0 ? &h->runs.items[h->runs.len - 1] : NULL;

	for (size_t i = 0; last != NULL && i < last->receipt->begun.len; i++) {
		const struct begun_run *b = &last->receipt->begun.items[i];

		if (b->from == BEGUN_CLOSED && b->line == last->line + last->lines - 1)
			return true;
	}
	return false;
}

void
hold_add(struct hold_batch *hb, struct hold *h, size_t i, struct str text)
{
	h->bytes += text.len + (h->bytes > 0 ? hb->holds->rules.joint.len : 0);
	h->lines++;
	vec_push(&h->pieces, text);
	add_runs(h, hb->in, i);
	h->over = h->over || closes(h);
	touch(hb, h);
}

bool
hold_cut(struct hold *h, size_t bytes)
{
	size_t excess;

	if (h->bytes <= bytes)
		return false;
	/* All but the last piece was cut before. */
	for (excess = h->bytes - bytes; excess > 0 && h->pieces.len > 0;) {
		struct str *last = &h->pieces.items[h->pieces.len - 1];
		size_t n = last->len < excess ? last->len : excess;

		last->len -= n;
		excess -= n;
		if (excess == 0)
			break;
		assert(h->pieces.len == 1);
		h->text.len -= excess;
		excess = 0;
	}
	h->bytes = bytes;
	return true;
}

static void
make_room(struct hold_batch *hb)
{
	if (hb->out->n == hb->out->cap)
		batch_reserve(hb->out, hb->out->cap + hb->out->cap / 2 + 8);
}

void
hold_put(struct hold_batch *hb, struct hold *h)
{
	struct batch *out = hb->out;
	size_t to = out->n;

	assert(h->lines > 0);
	make_room(hb);
	if (h->looks_at != NOT_HERE)
		batch_append(out, hb->in, h->looks_at);
	else
		put_copied_looks(h, out);
	if (out->picked != NULL)
		out->picked[to] = hb->in->picked[hb->at];
	out->line[to] = join(h, out->arena);
	put_runs(h, out, to);
	let_lines_go(h);
	touch(hb, h);
}

void
hold_forget(struct hold_batch *hb, struct hold *h)
{
	for (size_t i = 0; h->touched && i < hb->touched.len; i++) {
		if (hb->touched.items[i] == h) {
			vec_remove(&hb->touched, i);
			break;
		}
	}
	free_hold(h);
}

size_t
hold_put_all(struct hold_batch *hb, size_t i)
{
	struct hold *next;
	size_t n = 0;

	hb->at = i;
	for (struct hold *h = hb->table->oldest; h != NULL; h = next) {
		next = h->newer;
		if (h->lineage != hb->lineage)
			continue;
		if (h->lines > 0) {
			hold_put(hb, h);
			n++;
		}
		hold_forget(hb, h);
	}
	return n;
}

void
hold_pass(struct hold_batch *hb, size_t i)
{
	make_room(hb);
	batch_append(hb->out, hb->in, i);
}

static struct cell
keep_cell(struct arena *arena, const struct batch *b, size_t column, size_t i)
{
	struct cell cell = b->cells[column][i];

	if (cell.kind == CELL_STRING)
		cell.s = arena_str(arena, (struct str){cell.s, cell.len}).s;
	return cell;
}

static const struct metadata *
keep_metadata(struct arena *arena, const struct metadata *from)
{
	struct metadata *m;

	if (from == NULL)
		return NULL;
	m = arena_alloc(arena, sizeof(*m) + from->n * sizeof(m->items[0]));
	m->n = from->n;
	for (size_t i = 0; i < m->n; i++)
		m->items[i] = (struct label){arena_str(arena, from->items[i].name), arena_str(arena, from->items[i].value)};
	return m;
}

static void
keep_looks(struct hold *h, const struct batch *b)
{
	size_t i = h->looks_at;

	if (i == NOT_HERE)
		return;
	if (h->arena == NULL)
		h->arena = arena_new(LOOKS_ARENA_BYTES);
	drop_looks(h);
	h->looks_at = NOT_HERE;
	h->ts = b->ts[i];
	h->mark = b->mark[i];
	h->labels = labels_ref(b->labels[i]);
	h->seed = labels_ref(b->seed[i]);
	h->metadata = keep_metadata(h->arena, b->metadata[i]);
	h->cells = arena_array(h->arena, struct cell, b->columns->n + 1);
	for (size_t c = 0; c < b->columns->n; c++)
		h->cells[c] = keep_cell(h->arena, b, c, i);
	h->extra = NULL;
	for (const struct extra *e = b->extra != NULL ? b->extra[i] : NULL; e != NULL; e = e->next) {
		struct extra *made = arena_make(h->arena, struct extra);

		*made = *e;
		made->name = arena_str(h->arena, e->name);
		if (e->cell.kind == CELL_STRING)
			made->cell.s = arena_str(h->arena, (struct str){e->cell.s, e->cell.len}).s;
		made->next = h->extra;
		h->extra = made;
	}
}

/* What the batch and its span will not keep is copied, and the lines are held on their receipts. */
static void
keep(struct hold_batch *hb, struct hold *h, int64_t now)
{
	struct str joint = hb->holds->rules.joint;

	keep_looks(h, hb->in);
	for (size_t i = 0; i < h->pieces.len; i++) {
		if (h->text.len > 0)
			(void)buf_str(&h->text, joint);
		(void)buf_str(&h->text, h->pieces.items[i]);
	}
	h->pieces.len = 0;
	for (; h->n_kept < h->runs.len; h->n_kept++) {
		const struct receipt_run *run = &h->runs.items[h->n_kept];

		receipt_hold(run->receipt, run->line, run->lines);
	}
	h->expires_ns = hb->holds->rules.wait_ns < INT64_MAX - now ? now + hb->holds->rules.wait_ns : INT64_MAX;
	h->look_ns = 0;
	h->await = 0;
	h->touched = false;
	unlink_hold(h);
	link_newest(h);
	/* Each run keeps a receipt. */
	count_bytes(h, sizeof(*h) + h->text.cap + h->runs.len * sizeof(struct receipt) + h->runs.cap * sizeof(h->runs.items[0]) +
			(h->arena != NULL ? arena_bytes(h->arena) : 0));
}

void
holds_end(struct hold_batch *hb)
{
	int64_t now = hb->touched.len == 0 ? 0 : hb->table->lane != NULL ? clock_mono_ns() : hb->in->virtual_ns;

	for (size_t i = 0; i < hb->touched.len; i++)
		keep(hb, hb->touched.items[i], now);
	hb->out->held = hb->touched.len > 0;
	vec_done(&hb->touched);
	set_deadline(hb->table);
	*hb->in = *hb->out;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/pipeline.h"

#include <stdatomic.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/flow/hold.h"

/*
 * The pipeline owns one arena with the states of its stages. While it is built its columns may grow;
 * afterwards nothing in it changes but the counters.
 */

struct step {
	const struct arg_variant *variant;
	const struct stage_type *type;
	void *state;
	_Atomic uint64_t in, out, ns;
};

struct way {
	struct pipeline *pipeline;
	size_t next;           /* of its steps */
	const struct way *out; /* of the stage that has this inner pipeline; NULL: it is the outer one */
};

struct pipeline {
	struct arena *arena; /* NULL: an inner pipeline, which lives in the outer one's */
	struct holds *holds; /* of all its stages, inner ones, too */
	void (*output)(void *, struct batch *);
	void *output_ptr;
	struct columns columns;
	size_t n;
	struct step *steps;
	_Atomic bool timing;
};

/* What a stage said while it was built begins with its name. */
static void
name_stage(struct diags *diags, size_t from, const char *stage)
{
	for (size_t i = from; i < diags->n; i++)
		diags->items[i].text = arena_printf(diags->arena, "stage.%s: %.*s", stage, STR_FMT(diags->items[i].text));
}

static bool
build(struct pipeline *p, const struct stage_builder *from, const struct variant_list *stages)
{
	bool ok = true;

	p->n = stages->n;
	p->steps = arena_array(from->arena, struct step, stages->n + 1);
	for (size_t i = 0; i < stages->n; i++) {
		const struct variant *v = &stages->items[i];
		struct stage_builder builder = *from;
		struct way *way = arena_make(from->arena, struct way);
		size_t n_before = from->diags->n;

		builder.stage = v->variant->name;
		*way = (struct way){.pipeline = p, .next = i + 1, .out = from->way};
		builder.way = way;
		builder.pos = v->pos;
		builder.ordinal = (*from->next_ordinal)++;
		p->steps[i].variant = v->variant;
		p->steps[i].type = v->variant->type;
		p->steps[i].state = p->steps[i].type->build(&builder, v->args);
		ok = ok && p->steps[i].state != NULL;
		name_stage(from->diags, n_before, v->variant->name);
	}
	return ok;
}

struct pipeline *
pipeline_new(const char *component_id, const struct variant_list *stages, struct metrics *metrics, struct diags *diags)
{
	struct arena *arena = arena_new(0);
	struct pipeline *p = arena_make(arena, struct pipeline);
	size_t next_ordinal = 0;
	struct stage_builder builder = {
		.arena = arena,
		.columns = &p->columns,
		.metrics = metrics,
		.component_id = component_id,
		.diags = diags,
		.next_ordinal = &next_ordinal,
		.holds = &p->holds,
	};

	p->arena = arena;
	columns_init(&p->columns, arena);
	if (build(p, &builder, stages))
		return p;
	pipeline_free(p);
	return NULL;
}

struct pipeline *
pipeline_new_inner(struct stage_builder *outer, const struct variant_list *stages)
{
	struct pipeline *p = arena_make(outer->arena, struct pipeline);

	return build(p, outer, stages) ? p : NULL;
}

void
pipeline_free(struct pipeline *p)
{
	if (p != NULL)
		arena_free(p->arena);
}

size_t
pipeline_stages(const struct pipeline *p)
{
	return p->n;
}

struct pipeline_counts
pipeline_counts_of(const struct pipeline *p, size_t stage)
{
	struct step *s = &p->steps[stage];

	assert(stage < p->n);
	return (struct pipeline_counts){
		.stage = s->variant->name,
		.in = atomic_load_explicit(&s->in, memory_order_relaxed),
		.out = atomic_load_explicit(&s->out, memory_order_relaxed),
		.ns = atomic_load_explicit(&s->ns, memory_order_relaxed),
	};
}

void
pipeline_timing(struct pipeline *p, bool on)
{
	atomic_store_explicit(&p->timing, on, memory_order_relaxed);
}

/* Columns have room for cap, but only what entries there are is filled: most batches of a quiet stream are short. */
static void
enter(const struct pipeline *p, struct batch *b)
{
	assert(b->columns == NULL);
	b->columns = &p->columns;
	b->seed = arena_alloc(b->arena, b->cap * sizeof(*b->seed));
	memcpy(b->seed, b->labels, b->n * sizeof(*b->seed));
	b->cells = arena_alloc(b->arena, p->columns.n * sizeof(*b->cells));
	for (size_t c = 0; c < p->columns.n; c++) {
		b->cells[c] = arena_alloc(b->arena, b->cap * sizeof(struct cell));
		memset(b->cells[c], 0, b->n * sizeof(struct cell));
	}
	if (b->mark == NULL) {
		b->mark = arena_alloc(b->arena, b->cap * sizeof(*b->mark));
		memcpy(b->mark, b->ts, b->n * sizeof(*b->mark));
	}
}

static void
leave(struct batch *b)
{
	b->columns = NULL;
	b->cells = NULL;
	b->seed = NULL;
	b->extra = NULL;
}

static void
run_step(struct step *s, struct batch *b, bool timing)
{
	int64_t start = timing ? clock_mono_ns() : 0;

	atomic_fetch_add_explicit(&s->in, b->n, memory_order_relaxed);
	b->held = false;
	s->type->apply(s->state, b);
	batch_compact(b);
	atomic_fetch_add_explicit(&s->out, b->n, memory_order_relaxed);
	if (timing)
		atomic_fetch_add_explicit(&s->ns, (uint64_t)(clock_mono_ns() - start), memory_order_relaxed);
}

void
pipeline_run_inner(const struct pipeline *p, struct batch *b)
{
	bool timing = atomic_load_explicit(&p->timing, memory_order_relaxed);

	for (size_t i = 0; i < p->n; i++)
		run_step(&p->steps[i], b, timing);
}

void
pipeline_run(const struct pipeline *p, struct batch *b)
{
	enter(p, b);
	pipeline_run_inner(p, b);
	leave(b);
}

void
pipeline_set_output(struct pipeline *p, void (*output)(void *, struct batch *), void *ptr)
{
	p->output = output;
	p->output_ptr = ptr;
}

void
pipeline_time(const struct pipeline *p, int64_t now_ns, bool end)
{
	for (struct holds *h = p->holds; h != NULL; h = holds_next(h))
		holds_expire(h, now_ns, end);
}

static const struct pipeline *
outermost(const struct way *w)
{
	while (w->out != NULL)
		w = w->out;
	return w->pipeline;
}

struct batch *
pipeline_way_batch(const struct way *w, struct arena *arena, struct labels_table *table, size_t cap)
{
	struct batch *b = batch_new(arena, table, cap);

	enter(outermost(w), b);
	return b;
}

void
pipeline_way_run(const struct way *w, struct batch *b)
{
	const struct pipeline *p = outermost(w);

	(void)atomic_fetch_add_explicit(&w->pipeline->steps[w->next - 1].out, b->n, memory_order_relaxed);
	for (; w != NULL; w = w->out) {
		for (size_t i = w->next; i < w->pipeline->n; i++)
			run_step(&w->pipeline->steps[i], b, false);
	}
	leave(b);
	if (p->output != NULL)
		p->output(p->output_ptr, b);
}

void
pipeline_run_traced(const struct pipeline *p, struct batch *b,
	void (*after)(void *, const char *stage, const struct batch *), void *ptr)
{
	enter(p, b);
	for (size_t i = 0; i < p->n; i++) {
		b->failure = NULL;
		run_step(&p->steps[i], b, true);
		after(ptr, p->steps[i].variant->name, b);
	}
	leave(b);
}

/* What seeding again does to entries whose labels were `seed` and are `now`: mostly the same for all of a batch. */
struct reseed {
	const struct labels *seed, *now;
	size_t n, columns[LABELS_MAX]; /* of the labels that have one */
	bool lost; /* a label has gone: its value stays extracted */
};

static void
reseed_prepare(struct reseed *r, const struct batch *b, size_t i)
{
	if (r->seed == b->seed[i] && r->now == b->labels[i])
		return;
	*r = (struct reseed){.seed = b->seed[i], .now = b->labels[i]};
	for (size_t k = 0; k < r->now->n; k++) {
		size_t column = columns_find(b->columns, r->now->items[k].name);

		if (column != SIZE_MAX)
			r->columns[r->n++] = column;
	}
	for (size_t k = 0; k < r->seed->n && r->seed != r->now; k++)
		r->lost |= labels_get(r->now, r->seed->items[k].name).s == NULL;
}

static void
keep_lost(struct batch *b, size_t i)
{
	const struct labels *now = b->labels[i], *seed = b->seed[i];

	for (size_t k = 0; k < seed->n; k++) {
		struct str name = seed->items[k].name;

		if (labels_get(now, name).s == NULL)
			batch_set_named(b, name, i, batch_named(b, name, i));
	}
}

void
pipeline_reseed(struct batch *b)
{
	struct reseed r = {0};

	assert(b->columns != NULL);
	for (size_t i = 0; i < b->n; i++) {
		reseed_prepare(&r, b, i);
		if (r.lost)
			keep_lost(b, i);
		for (size_t k = 0; k < r.n; k++)
			b->cells[r.columns[k]][i].kind = CELL_SEED;
		for (struct extra *e = b->extra != NULL ? b->extra[i] : NULL; e != NULL; e = e->next) {
			struct str value = labels_get(r.now, e->name);

			if (value.s != NULL)
				e->cell = cell_string(value);
		}
		b->seed[i] = r.now;
	}
}

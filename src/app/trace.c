/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_priv.h"

#include "entry_json_priv.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/codec/json_tree.h"
#include "longship/flow/pipeline.h"

/*
 * The stages are run by a pipeline of the trace's own, built from the component's arguments, because only that
 * one can be watched; what is left is then shown as forwarded. What entries were before a stage is kept to tell what
 * it changed; where it made more or fewer of them, their number is told instead.
 */

#define TEXT_SHOWN_BYTES 200 /* of a line or value */

struct seen;

struct trace {
	struct component *component;
	struct pipeline *pipeline; /* NULL: the component has no stages */
	bool colour;
	struct buf *out;

	/* Before the current stage. */
	struct arena *arena;
	struct seen *seen;
	size_t n;
};

struct found {
	struct str name;
	struct cell cell;
};

struct seen { /* an entry */
	struct str line;
	int64_t ts;
	const struct labels *labels;
	const struct metadata *metadata;
	struct found *values; /* extracted ones */
	size_t n;
};

static const struct variant_list *
stages_of(const struct component *c)
{
	for (const struct arg_spec *row = c->type->args; row->kind != ARG_END; row++) {
		if (row->kind == ARG_ENUM_BLOCKS && row->variants == stage_variants)
			return (const struct variant_list *)((uintptr_t)c->args + row->offset);
	}
	return NULL;
}

static void
handed_on(void *ptr, struct batch *b)
{
	struct trace *t = ptr;

	trace_forwarded(t, b, t->out);
}

struct trace *
trace_new(struct component *c, struct metrics *metrics, bool colour)
{
	struct trace *t = mem_new(struct trace);
	const struct variant_list *stages = stages_of(c);
	struct diags diags;

	t->component = c;
	t->colour = colour;
	t->arena = arena_new(0);
	if (stages != NULL) {
		diags_init(&diags, t->arena, component_source(c));
		t->pipeline = pipeline_new(c->id, stages, metrics, &diags);
		diags_done(&diags);
	}
	if (t->pipeline != NULL)
		pipeline_set_output(t->pipeline, handed_on, t);
	return t;
}

void
trace_free(struct trace *t)
{
	if (t == NULL)
		return;
	pipeline_free(t->pipeline);
	arena_free(t->arena);
	mem_free(t);
}

static void
put_colour(const struct trace *t, const char *code)
{
	if (t->colour)
		(void)buf_printf(t->out, "\033[%sm", code);
}

/* Quoted, so that no byte of the input reaches the terminal; cut when long. */
static void
put_text(struct buf *out, struct str s)
{
	(void)json_tree_quote(out, str_head(s, TEXT_SHOWN_BYTES), false);
	if (s.len > TEXT_SHOWN_BYTES)
		(void)buf_printf(out, "… (%zu bytes)", s.len);
}

static void
put_pairs(struct buf *out, const struct label *items, size_t n)
{
	(void)buf_putc(out, '{');
	for (size_t i = 0; i < n; i++) {
		(void)buf_z(out, i > 0 ? ", " : "");
		if (labels_name_legacy(items[i].name))
			(void)buf_str(out, items[i].name);
		else
			(void)json_tree_quote(out, items[i].name, false);
		(void)buf_putc(out, '=');
		put_text(out, items[i].value);
	}
	(void)buf_putc(out, '}');
}

static void
put_metadata(struct buf *out, const struct metadata *m)
{
	put_pairs(out, m != NULL ? m->items : NULL, m != NULL ? m->n : 0);
}

static void
put_cell(struct trace *t, const struct batch *b, struct cell cell)
{
	struct str text;

	if (cell.kind == CELL_ABSENT)
		(void)buf_z(t->out, "(removed)");
	else if (cell.kind == CELL_NIL)
		(void)buf_z(t->out, "null");
	else if (batch_cell_text(b, cell, &text) && cell.kind == CELL_STRING)
		put_text(t->out, text);
	else
		(void)buf_str(t->out, text);
}

static bool
same_cell(struct cell a, struct cell b)
{
	if (a.kind != b.kind)
		return false;
	switch ((enum cell_kind)a.kind) {
	case CELL_STRING:
		return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
	case CELL_NUMBER:
		return memcmp(&a.number, &b.number, sizeof(a.number)) == 0;
	case CELL_INTEGER:
		return a.integer == b.integer;
	case CELL_BOOL:
		return a.boolean == b.boolean;
	case CELL_SEED:
	case CELL_ABSENT:
	case CELL_NIL:
		break;
	}
	return true;
}

/* "  json      " before the first change of a stage, blanks before the others. */
static void
begin_change(struct trace *t, const char **stage, const char *what)
{
	put_colour(t, "36");
	(void)buf_printf(t->out, "  %-22s ", *stage);
	put_colour(t, "0");
	(void)buf_printf(t->out, "%s", what);
	*stage = "";
}

static const struct found *
found_find(const struct found *values, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(values[i].name, name))
			return &values[i];
	return NULL;
}

static void
show_value(struct trace *t, const char **stage, const struct batch *b, struct str name, struct cell cell)
{
	begin_change(t, stage, "extracted ");
	(void)json_tree_quote(t->out, name, false);
	(void)buf_z(t->out, " = ");
	put_cell(t, b, cell);
	(void)buf_putc(t->out, '\n');
}

static void
show_values(struct trace *t, const char **stage, const struct batch *b, const struct seen *old, const struct seen *now)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct found *before = found_find(old->values, old->n, now->values[i].name);

		if (before == NULL || !same_cell(now->values[i].cell, before->cell))
			show_value(t, stage, b, now->values[i].name, now->values[i].cell);
	}
	for (size_t i = 0; i < old->n; i++)
		if (found_find(now->values, now->n, old->values[i].name) == NULL)
			show_value(t, stage, b, old->values[i].name, (struct cell){.kind = CELL_ABSENT});
}

static void
show_changes(struct trace *t, const char **stage, const struct batch *b, const struct seen *old, const struct seen *now)
{
	show_values(t, stage, b, old, now);
	if (now->ts != old->ts) {
		begin_change(t, stage, "time ");
		entry_json_print_time(t->out, now->ts);
		(void)buf_putc(t->out, '\n');
	}
	if (now->labels != old->labels) {
		begin_change(t, stage, "labels ");
		put_pairs(t->out, now->labels->items, now->labels->n);
		(void)buf_putc(t->out, '\n');
	}
	if (now->metadata != old->metadata) {
		begin_change(t, stage, "structured metadata ");
		put_metadata(t->out, now->metadata);
		(void)buf_putc(t->out, '\n');
	}
	if (!str_eq(now->line, old->line)) {
		begin_change(t, stage, "line ");
		put_text(t->out, now->line);
		(void)buf_putc(t->out, '\n');
	}
}

static struct seen
see(struct trace *t, const struct batch *b, size_t i)
{
	struct seen seen = {b->line[i], b->ts[i], b->labels[i], b->metadata[i], NULL, 0};
	struct batch_walk walk = {0};
	struct found value;
	size_t cap = 0;

	while (batch_walk(b, i, &walk, &value.name, &value.cell)) {
		if (seen.n == cap) {
			struct found *grown = arena_array(t->arena, struct found, cap * 2 + 16);

			if (cap > 0)
				memcpy(grown, seen.values, cap * sizeof(*grown));
			seen.values = grown;
			cap = cap * 2 + 16;
		}
		seen.values[seen.n++] = value;
	}
	return seen;
}

/* What the pipeline begins with: the labels are extracted values, too. */
static void
see_first(struct trace *t, const struct batch *b)
{
	struct seen *seen = arena_array(t->arena, struct seen, 1);
	const struct labels *labels = b->labels[0];

	*seen = (struct seen){b->line[0], b->ts[0], labels, b->metadata[0], arena_array(t->arena, struct found, labels->n + 1), labels->n};
	for (size_t i = 0; i < labels->n; i++)
		seen->values[i] = (struct found){labels->items[i].name, cell_string(labels->items[i].value)};
	t->seen = seen;
	t->n = 1;
}

static void
after_stage(void *ptr, const char *stage, const struct batch *b)
{
	struct trace *t = ptr;
	struct seen *now = arena_array(t->arena, struct seen, b->n + 1);

	if (t->n == 0)
		return;
	for (size_t i = 0; i < b->n; i++)
		now[i] = see(t, b, i);
	if (b->n == 0) {
		begin_change(t, &stage, b->held ? "held\n" : t->n == 1 ? "dropped\n" : "all dropped\n");
	} else if (b->n != t->n) {
		begin_change(t, &stage, "");
		(void)buf_printf(t->out, "%zu entries\n", b->n);
	} else {
		for (size_t i = 0; i < b->n; i++)
			show_changes(t, &stage, b, &t->seen[i], &now[i]);
	}
	if (b->failure != NULL) {
		begin_change(t, &stage, "cannot work on it: ");
		(void)buf_printf(t->out, "%s\n", b->failure);
	}
	t->seen = now;
	t->n = b->n;
}

static void
put_entry(struct trace *t, const struct batch *b, size_t i)
{
	entry_json_print_time(t->out, b->ts[i]);
	(void)buf_putc(t->out, ' ');
	put_pairs(t->out, b->labels[i]->items, b->labels[i]->n);
	if (b->metadata[i] != NULL && b->metadata[i]->n > 0) {
		(void)buf_putc(t->out, ' ');
		put_metadata(t->out, b->metadata[i]);
	}
	(void)buf_putc(t->out, ' ');
	put_text(t->out, b->line[i]);
	(void)buf_putc(t->out, '\n');
}

void
trace_forwarded(struct trace *t, const struct batch *b, struct buf *out)
{
	t->out = out;
	for (size_t i = 0; i < b->n; i++) {
		put_colour(t, "32");
		(void)buf_z(t->out, "→ ");
		put_entry(t, b, i);
		put_colour(t, "0");
	}
}

void
trace_time(struct trace *t, int64_t now_ns, bool end, struct buf *out)
{
	size_t before = out->len;

	t->out = out;
	if (t->pipeline != NULL)
		pipeline_time(t->pipeline, now_ns, end);
	else if (t->component->type->time != NULL)
		t->component->type->time(t->component, now_ns, end);
	if (out->len > before)
		(void)buf_putc(out, '\n');
}

void
trace_run(struct trace *t, struct batch *b, struct buf *out)
{
	assert(b->n == 1);
	t->out = out;
	put_colour(t, "1");
	put_entry(t, b, 0);
	put_colour(t, "0");
	if (t->pipeline != NULL) {
		see_first(t, b);
		pipeline_run_traced(t->pipeline, b, after_stage, t);
		trace_forwarded(t, b, out);
	} else {
		t->component->type->consume(t->component, b);
	}
	(void)buf_putc(t->out, '\n');
	arena_clear(t->arena);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_priv.h"

#include "entry_json_priv.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/codec/json_tree.h"
#include "longship/flow/pipeline.h"

/*
 * The stages are run by a pipeline of the trace's own, built from the component's arguments, because only that
 * one can be watched; what is left is then shown as forwarded. The entry's state before a stage is kept to tell what
 * it changed.
 */

#define TEXT_SHOWN_BYTES 200 /* of a line or value */

struct trace {
	struct component *component;
	struct pipeline *pipeline; /* NULL: the component has no stages */
	bool colour;
	struct buf *out;

	/* Before the current stage. */
	struct arena *arena;
	struct str line;
	int64_t ts;
	const struct labels *labels;
	const struct metadata *metadata;
	struct cell *cells;
	bool gone;
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
		diags_init(&diags, t->arena, NULL);
		t->pipeline = pipeline_new(c->id, stages, metrics, &diags);
		diags_done(&diags);
	}
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

static void
show_changes(struct trace *t, const char *stage, const struct batch *b)
{
	for (size_t c = 0; c < b->columns->n; c++) {
		struct cell cell = batch_cell(b, c, 0);

		if (same_cell(cell, t->cells[c]))
			continue;
		begin_change(t, &stage, "extracted ");
		(void)json_tree_quote(t->out, b->columns->names[c], false);
		(void)buf_z(t->out, " = ");
		put_cell(t, b, cell);
		(void)buf_putc(t->out, '\n');
	}
	if (b->ts[0] != t->ts) {
		begin_change(t, &stage, "time ");
		entry_json_print_time(t->out, b->ts[0]);
		(void)buf_putc(t->out, '\n');
	}
	if (b->labels[0] != t->labels) {
		begin_change(t, &stage, "labels ");
		put_pairs(t->out, b->labels[0]->items, b->labels[0]->n);
		(void)buf_putc(t->out, '\n');
	}
	if (b->metadata[0] != t->metadata) {
		begin_change(t, &stage, "structured metadata ");
		put_metadata(t->out, b->metadata[0]);
		(void)buf_putc(t->out, '\n');
	}
	if (!str_eq(b->line[0], t->line)) {
		begin_change(t, &stage, "line ");
		put_text(t->out, b->line[0]);
		(void)buf_putc(t->out, '\n');
	}
}

static void
remember(struct trace *t, const struct batch *b)
{
	t->line = b->line[0];
	t->ts = b->ts[0];
	t->labels = b->labels[0];
	t->metadata = b->metadata[0];
	if (b->columns == NULL)
		return;
	t->cells = arena_array(t->arena, struct cell, b->columns->n + 1);
	for (size_t c = 0; c < b->columns->n; c++)
		t->cells[c] = batch_cell(b, c, 0);
}

static void
after_stage(void *ptr, const char *stage, const struct batch *b)
{
	struct trace *t = ptr;

	if (t->gone)
		return;
	if (b->n == 0) {
		begin_change(t, &stage, "dropped");
		(void)buf_putc(t->out, '\n');
		t->gone = true;
		return;
	}
	/* Before the first stage there was nothing to watch the columns with: seeds are no change. */
	if (t->cells == NULL) {
		t->cells = arena_array(t->arena, struct cell, b->columns->n + 1);
		for (size_t c = 0; c < b->columns->n; c++)
			t->cells[c] = batch_seed_cell(b, c, 0);
	}
	show_changes(t, stage, b);
	remember(t, b);
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
trace_run(struct trace *t, struct batch *b, struct buf *out)
{
	assert(b->n == 1);
	t->out = out;
	t->cells = NULL;
	t->gone = false;
	put_colour(t, "1");
	put_entry(t, b, 0);
	put_colour(t, "0");
	if (t->pipeline != NULL) {
		remember(t, b);
		pipeline_run_traced(t->pipeline, b, after_stage, t);
		trace_forwarded(t, b, out);
	} else {
		t->component->type->consume(t->component, b);
	}
	(void)buf_putc(t->out, '\n');
	arena_clear(t->arena);
}

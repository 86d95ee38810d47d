/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "catalog_priv.h"
#include "longship/base/clock.h"
#include "longship/codec/cri.h"
#include "longship/codec/timefmt.h"
#include "longship/flow/hold.h"
#include "longship/flow/label_memo.h"

/*
 * stage.cri: the lines of a container runtime; partial ones are joined to the record that they are parts of. What is pending is
 * counted for each source stream, so that no number of containers tears records apart.
 */

#define ABANDONED_NS (600 * NS_PER_S) /* a container that died within a record will not end it */

struct cri_args {
	int64_t partial_lines_max, partial_bytes_max;
	bool truncate;
};

static const struct arg_spec args[] = {
	{.name = "max_partial_lines",
		.kind = ARG_INT,
		.offset = offsetof(struct cri_args, partial_lines_max),
		.fallback = "100",
		.min = INT64_MIN,
		.max = INT64_MAX,
		.doc = "How many records of one source, told apart by their labels, may be incomplete; with one more all go on as they are."},
	{.name = "max_partial_line_size",
		.kind = ARG_INT,
		.offset = offsetof(struct cri_args, partial_bytes_max),
		.fallback = "0",
		.min = 0,
		.max = INT64_MAX,
		.doc = "To how many bytes joined records are cut, with max_partial_line_size_truncate."},
	{.name = "max_partial_line_size_truncate",
		.kind = ARG_BOOL,
		.offset = offsetof(struct cri_args, truncate),
		.fallback = "false",
		.doc = "Whether joined records are cut."},
	{0},
};

struct state {
	size_t partial_lines_max, partial_bytes_max;
	bool truncate;
	size_t flags, stream, content, time; /* columns */
	struct str label;
	const struct timefmt *rfc3339;
	struct holds *holds;
	struct metric *flushed, *truncated; /* NULL when only checking */
	struct stage_failure *malformed;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct cri_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->partial_lines_max <= 0)
		return stage_fail(b, "max_partial_lines must be greater than 0");
	s->partial_lines_max = (size_t)a->partial_lines_max;
	s->partial_bytes_max = (size_t)a->partial_bytes_max;
	s->truncate = a->truncate;
	s->flags = columns_number(b->columns, STR("flags"));
	s->stream = columns_number(b->columns, STR("stream"));
	s->content = columns_number(b->columns, STR("content"));
	s->time = columns_number(b->columns, STR("time"));
	s->label = STR("stream");
	s->rfc3339 = timefmt_compile(b->arena, STR("2006-01-02T15:04:05.999999999Z07:00"));
	s->holds = holds_new(b, &(struct hold_rules){.stage = "cri", .joint = STR(""), .wait_ns = ABANDONED_NS, .real_only = true});
	s->malformed = stage_failure_new(b, "not a line of a container runtime");
	if (b->metrics != NULL) {
		s->flushed = metric_get(b->metrics, METRIC_COUNTER, "loki_process_cri_partial_lines_flushed_total",
			"A count of partial lines that were flushed prematurely due to the max_partial_lines limit being exceeded",
			b->component_id, NULL);
		s->truncated = metric_get(b->metrics, METRIC_COUNTER, "loki_process_cri_lines_truncated_total",
			"A count of lines that were truncated due to the max_partial_line_size limit", b->component_id, NULL);
	}
	return s;
}

static void
count(struct metric *metric, size_t n)
{
	if (metric != NULL && n > 0)
		metric_add(metric, n);
}

enum kind { KIND_OTHER, KIND_FULL, KIND_PARTIAL };

/* Takes all entries apart, in place. True when one is partial. */
static bool
parse(const struct state *s, struct batch *b, uint8_t *kinds)
{
	struct label_memo *memo = label_memo_new(b->arena, 1);
	bool any = false;
	struct timefmt_time t;
	struct cri cri;
	size_t n_malformed = 0;

	for (size_t i = 0; i < b->n; i++) {
		kinds[i] = KIND_OTHER;
		if (!cri_parse(b->line[i], &cri)) {
			n_malformed++;
			continue;
		}
		kinds[i] = cri.partial ? KIND_PARTIAL : KIND_FULL;
		any = any || cri.partial;
		batch_set_cell(b, s->flags, i, cell_string(cri.partial ? STR("P") : STR("F")));
		batch_set_cell(b, s->stream, i, cell_string(cri.stream));
		batch_set_cell(b, s->content, i, cell_string(cri.content));
		batch_set_cell(b, s->time, i, cell_string(cri.time));
		b->line[i] = cri.content;
		b->labels[i] = label_memo_set(memo, b->table, b->labels[i], &s->label, &cri.stream);
		if (timefmt_parse(s->rfc3339, cri.time, tz_utc(), tz_utc(), &t))
			(void)timefmt_to_ns(&t, &b->ts[i]);
	}
	stage_failed(s->malformed, b, n_malformed);
	return any;
}

static void
add(const struct state *s, struct hold_batch *hb, struct hold *h, const struct batch *b, size_t i)
{
	hold_look_like(hb, h, i);
	hold_add(hb, h, i, b->line[i]);
	if (s->truncate && hold_cut(h, s->partial_bytes_max))
		count(s->truncated, 1);
}

static void
join(const struct state *s, struct batch *b, const uint8_t *kinds)
{
	struct hold_batch *hb = holds_begin(s->holds, b);

	for (size_t i = 0; i < b->n; i++) {
		uint8_t kind = hold_is_lineless(hb, i) ? KIND_OTHER : kinds[i];
		struct hold *h;

		if (kind == KIND_PARTIAL && hold_count(hb, i, s->partial_lines_max) >= s->partial_lines_max)
			count(s->flushed, hold_put_all(hb, i));
		h = kind != KIND_OTHER ? hold_find(hb, i) : NULL;
		if (h != NULL && hold_was_over(h)) {
			hold_put(hb, h);
			hold_forget(hb, h);
			h = NULL;
		}
		if (kind == KIND_PARTIAL) {
			add(s, hb, h != NULL ? h : hold_open(hb, i), b, i);
		} else if (h != NULL) {
			add(s, hb, h, b, i);
			hold_put(hb, h);
			hold_forget(hb, h);
		} else {
			hold_pass(hb, i);
		}
	}
	holds_end(hb);
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	uint8_t *kinds = arena_alloc(b->arena, b->n + 1);

	if (parse(s, b, kinds) || !holds_empty(s->holds))
		join(s, b, kinds);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_cri = {
	.name = "cri",
	.args = args,
	.args_size = sizeof(struct cri_args),
	.type = &type,
	.doc = "Reads a container runtime's log lines and joins the parts of a record.",
};

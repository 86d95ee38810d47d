/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "catalog_priv.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/duration.h"
#include "longship/base/map.h"
#include "longship/base/mem.h"
#include "longship/flow/receipt.h"

/*
 * stage.metrics: counters, gauges and histograms of what lines say. A series is one label set without its
 * internal labels; it is held as long as it is used, and at the most METRIC_SERIES_MAX of one metric are, the rest share
 * one that is counted. Lines that are read again change nothing.
 *
 * One lock a stage, taken per batch and by the scrape, which lets idle series go: when a scrape finds one idle it is shown once
 * more, as in Alloy. The lane reads no clock: it leaves the line's mark, and the scrape knows between which two of its own visits
 * that was.
 */

enum action { ACTION_INC, ACTION_DEC, ACTION_ADD, ACTION_SUB, ACTION_SET, ACTION_OBSERVE, ACTIONS };

static const char *const action_names[ACTIONS] = {"inc", "dec", "add", "sub", "set", ""};

struct metric_args {
	struct str name, description, source, prefix, value, action;
	int64_t max_idle_ns;
	bool match_all, count_entry_bytes;
	struct value buckets;
};

#define COMMON                                                                                                                    \
	{.name = "name", .kind = ARG_STRING, .flags = ARG_REQUIRED, .offset = offsetof(struct metric_args, name),                 \
		.doc = "Name of the metric, behind the prefix."},                                                                 \
		{.name = "description", .kind = ARG_STRING, .offset = offsetof(struct metric_args, description),                  \
			.doc = "Help text of the metric."},                                                                       \
		{.name = "source", .kind = ARG_STRING, .offset = offsetof(struct metric_args, source),                            \
			.doc = "Extracted value to use; the name when empty."},                                                   \
		{.name = "prefix", .kind = ARG_STRING, .offset = offsetof(struct metric_args, prefix),                            \
			.doc = "Put before the name; \"loki_process_custom_\" when empty."},                                      \
		{.name = "max_idle_duration", .kind = ARG_DURATION, .offset = offsetof(struct metric_args, max_idle_ns),          \
			.fallback = "\"5m\"", .doc = "A series without a change for so long goes."},                              \
		{.name = "value", .kind = ARG_STRING, .offset = offsetof(struct metric_args, value),                              \
			.doc = "Act only when the source is equal to this."}

#define ACTION                                                                                                                    \
	{                                                                                                                         \
		.name = "action", .kind = ARG_STRING, .flags = ARG_REQUIRED, .offset = offsetof(struct metric_args, action),      \
		.doc = "What to do with the metric."                                                                              \
	}

static const struct arg_spec counter_spec[] = {
	COMMON,
	ACTION,
	{.name = "match_all",
		.kind = ARG_BOOL,
		.offset = offsetof(struct metric_args, match_all),
		.doc = "Count every entry, whatever the source."},
	{.name = "count_entry_bytes",
		.kind = ARG_BOOL,
		.offset = offsetof(struct metric_args, count_entry_bytes),
		.doc = "Add the length of the line; needs match_all and action = \"add\"."},
	{0},
};

static const struct arg_spec gauge_spec[] = {COMMON, ACTION, {0}};

static const struct arg_spec histogram_spec[] = {
	COMMON,
	{.name = "buckets",
		.kind = ARG_ANY,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct metric_args, buckets),
		.doc = "Upper bounds, a list of rising numbers."},
	{0},
};

static const enum metric_type types[] = {METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM};

static const struct arg_variant counter_variant = {
	.name = "counter",
	.args = counter_spec,
	.args_size = sizeof(struct metric_args),
	.type = &types[0],
	.doc = "A number that only rises.",
};

static const struct arg_variant gauge_variant = {
	.name = "gauge",
	.args = gauge_spec,
	.args_size = sizeof(struct metric_args),
	.type = &types[1],
	.doc = "A number that rises and falls.",
};

static const struct arg_variant histogram_variant = {
	.name = "histogram",
	.args = histogram_spec,
	.args_size = sizeof(struct metric_args),
	.type = &types[2],
	.doc = "How values are distributed.",
};

static const struct arg_variant *const variants[] = {&counter_variant, &gauge_variant, &histogram_variant, NULL};

struct metrics_args {
	struct variant_list metrics;
};

static const struct arg_spec args[] = {
	{.name = "metric",
		.kind = ARG_ENUM_BLOCKS,
		.offset = offsetof(struct metrics_args, metrics),
		.variants = variants,
		.doc = "A metric to keep."},
	{0},
};

struct series {
	struct metric *metric;
	bool touched;       /* since the last scrape */
	bool idle;          /* the last scrape found it so */
	int64_t mark_ns;    /* of the newest line that touched it since */
	int64_t changed_ns; /* as the scrapes know it */
};

#define SERIES_CACHE 16 /* power of two: label sets that a batch usually has */

struct cached {
	const struct labels *labels;
	struct series *series;
};

struct family { /* one metric.* block */
	enum metric_type type;
	enum action action;
	const char *name, *help;
	size_t source;    /* column */
	struct str value; /* s == NULL: any */
	bool match_all, count_bytes;
	int64_t max_idle_ns;
	size_t n_bounds;
	double *bounds;
	struct map series; /* labels' text → struct series */
	struct series rest; /* what does not fit */
	struct cached *cache; /* of the current batch */
};

struct state {
	pthread_mutex_t lock;
	struct metrics *metrics; /* NULL when only checking */
	const char *component_id;
	int64_t scraped_ns;
	size_t n;
	struct family *families;
	struct stage_failure *no_number;
};

/* ---- building ---- */

static bool
find_action(struct str name, const char *allowed, enum action *ret)
{
	for (int k = 0; k < ACTION_OBSERVE; k++) {
		if (str_is(name, action_names[k]) && strstr(allowed, action_names[k]) != NULL) {
			*ret = (enum action)k;
			return true;
		}
	}
	return false;
}

static const char *
check_counter(const struct metric_args *a, enum action *ret)
{
	if (!find_action(a->action, "inc add", ret))
		return "the 'action' counter field must be either 'inc' or 'add'";
	if (a->match_all && a->value.len > 0)
		return "a 'counter' metric supports either 'match_all' or a 'value', but not both";
	if (a->count_entry_bytes && (!a->match_all || *ret != ACTION_ADD))
		return "the 'count_entry_bytes' counter field must be specified along with match_all set to true or action set to 'add'";
	return NULL;
}

static const char *
check_gauge(const struct metric_args *a, enum action *ret)
{
	if (!find_action(a->action, "set inc dec add sub", ret))
		return "the 'action' gauge field must be one of the following values: [set, inc, dec, add, sub]";
	return NULL;
}

static double
number_of(const struct value *v)
{
	return v->kind == VALUE_INT ? (double)v->i : v->kind == VALUE_UINT ? (double)v->u : v->f;
}

static const char *
read_bounds(struct arena *arena, const struct value *list, struct family *f)
{
	if (list->kind != VALUE_ARRAY && list->kind != VALUE_NULL)
		return "\"buckets\" must be a list of numbers";
	f->n_bounds = list->kind == VALUE_ARRAY ? list->array.n : 0;
	f->bounds = arena_array(arena, double, f->n_bounds + 1);
	for (size_t k = 0; k < f->n_bounds; k++) {
		if (!value_is_number(&list->array.items[k]))
			return "\"buckets\" must be a list of numbers";
		f->bounds[k] = number_of(&list->array.items[k]);
		if (k > 0 && !(f->bounds[k] > f->bounds[k - 1]))
			return "histogram buckets must be in increasing order";
	}
	return NULL;
}

static const char *
check_metric(struct arena *arena, const struct metric_args *a, struct family *f)
{
	if (a->max_idle_ns < NS_PER_S)
		return "max_idle_duration must be greater or equal than 1s";
	if (f->type == METRIC_COUNTER)
		return check_counter(a, &f->action);
	if (f->type == METRIC_GAUGE)
		return check_gauge(a, &f->action);
	f->action = ACTION_OBSERVE;
	return read_bounds(arena, &a->buckets, f);
}

static void
done_map(void *ptr)
{
	map_done(ptr);
}

static bool
build_family(struct stage_builder *b, const struct variant *v, struct family *f)
{
	const struct metric_args *a = v->args;
	const char *why;

	f->type = *(const enum metric_type *)v->variant->type;
	why = check_metric(b->arena, a, f);
	if (why != NULL) {
		diag_error(b->diags, v->pos, "%s", why);
		return false;
	}
	f->name = arena_printf(b->arena, "%.*s%.*s", STR_FMT(a->prefix.len > 0 ? a->prefix : STR("loki_process_custom_")),
		STR_FMT(a->name)).s;
	f->help = arena_z(b->arena, a->description);
	f->source = columns_number(b->columns, a->source.len > 0 ? a->source : a->name);
	f->value = a->value.len > 0 ? arena_str(b->arena, a->value) : STR_EMPTY;
	f->match_all = a->match_all;
	f->count_bytes = a->count_entry_bytes;
	/* Alloy counts whole seconds. */
	f->max_idle_ns = a->max_idle_ns / NS_PER_S * NS_PER_S;
	map_init(&f->series);
	arena_defer(b->arena, done_map, &f->series);
	return true;
}

/* ---- scrapes ---- */

static bool
is_idle(const struct state *s, const struct family *f, struct series *series, int64_t now)
{
	if (series->touched) {
		series->changed_ns = series->mark_ns < s->scraped_ns ? s->scraped_ns : series->mark_ns > now ? now : series->mark_ns;
		series->touched = series->idle = false;
	}
	return now - series->changed_ns >= f->max_idle_ns;
}

/* The map without those that were idle before and still are. */
static void
let_idle_go(struct state *s, struct family *f, int64_t now)
{
	struct map kept;
	size_t gone = 0;

	for (size_t i = 0; i < map_len(&f->series); i++) {
		struct series *series = map_value(&f->series, i);
		bool was_idle = series->idle && !series->touched;

		series->idle = is_idle(s, f, series, now);
		if (was_idle && series->idle) {
			metric_release(s->metrics, series->metric);
			series->metric = NULL;
			gone++;
		}
	}
	if (gone == 0)
		return;
	map_init(&kept);
	for (size_t i = 0; i < map_len(&f->series); i++) {
		struct series *series = map_value(&f->series, i);

		if (series->metric != NULL)
			(void)map_set(&kept, map_key(&f->series, i), series);
		else
			mem_free(series);
	}
	map_done(&f->series);
	f->series = kept;
}

static void
on_scrape(void *ptr)
{
	struct state *s = ptr;
	int64_t now = clock_now_ns();

	(void)pthread_mutex_lock(&s->lock);
	for (size_t k = 0; k < s->n; k++)
		let_idle_go(s, &s->families[k], now);
	s->scraped_ns = now;
	(void)pthread_mutex_unlock(&s->lock);
}

static void
done(void *ptr)
{
	struct state *s = ptr;

	metrics_off_scrape(s->metrics, on_scrape, s);
	for (size_t k = 0; k < s->n; k++) {
		struct family *f = &s->families[k];

		for (size_t i = 0; i < map_len(&f->series); i++) {
			struct series *series = map_value(&f->series, i);

			metric_release(s->metrics, series->metric);
			mem_free(series);
		}
	}
	(void)pthread_mutex_destroy(&s->lock);
}

/* Of blocks with one name only the last acts, as in Alloy. */
static bool
is_repeated(const struct variant_list *metrics, size_t k)
{
	const struct metric_args *a = metrics->items[k].args;

	for (size_t i = k + 1; i < metrics->n; i++) {
		if (str_eq(((const struct metric_args *)metrics->items[i].args)->name, a->name))
			return true;
	}
	return false;
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct metrics_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);
	bool ok = true;

	s->families = arena_array(b->arena, struct family, a->metrics.n + 1);
	for (size_t k = 0; k < a->metrics.n; k++) {
		ok = build_family(b, &a->metrics.items[k], &s->families[s->n]) && ok;
		s->n += ok && !is_repeated(&a->metrics, k);
	}
	if (!ok)
		return NULL;
	s->component_id = arena_z(b->arena, str_from(b->component_id));
	s->no_number = stage_failure_new(b, "no number, or one that a counter cannot add");
	s->metrics = b->metrics;
	if (s->metrics == NULL)
		return s;
	s->scraped_ns = clock_now_ns();
	(void)pthread_mutex_init(&s->lock, NULL);
	arena_defer(b->arena, done, s);
	metrics_on_scrape(s->metrics, on_scrape, s);
	return s;
}

/* ---- values ---- */

/* As Go's strconv.ParseFloat. */
static bool
parse_float(struct str text, double *ret)
{
	char z[512];
	char *end;

	if (text.len == 0 || text.len >= sizeof(z) || strchr(" \t\n\v\f\r", text.s[0]) != NULL)
		return false;
	memcpy(z, text.s, text.len);
	z[text.len] = '\0';
	if (strchr(z, '(') != NULL || (strpbrk(z, "xX") != NULL && strpbrk(z, "pP") == NULL))
		return false;
	errno = 0;
	*ret = strtod(z, &end);
	return end == z + text.len && !(errno == ERANGE && isinf(*ret));
}

static bool
cell_number(const struct cell *cell, double *ret)
{
	struct str text = {cell->s, cell->len};
	int64_t ns;

	switch ((enum cell_kind)cell->kind) {
	case CELL_NUMBER:
		*ret = cell->number;
		return true;
	case CELL_INTEGER:
		*ret = (double)cell->integer;
		return true;
	case CELL_BOOL:
		*ret = cell->boolean;
		return true;
	case CELL_STRING:
		if (parse_float(text, ret))
			return true;
		if (!duration_parse(text, &ns))
			return false;
		*ret = (double)(ns / NS_PER_S) + (double)(ns % NS_PER_S) / 1e9;
		return true;
	case CELL_SEED:
	case CELL_ABSENT:
	case CELL_NIL:
		break;
	}
	return false;
}

/* ---- counting; lock held ---- */

static struct metric *
make_metric(struct state *s, struct family *f, const struct labels *labels, bool hold)
{
	struct metric_label items[LABELS_MAX];
	size_t n = 0;

	for (size_t k = 0; k < labels->n; k++) {
		if (!str_starts(labels->items[k].name, STR("__")) && str_utf8_valid(labels->items[k].name) && labels->items[k].name.len > 0)
			items[n++] = (struct metric_label){labels->items[k].name, labels->items[k].value};
	}
	return (hold ? metric_hold_labels : metric_get_labels)(s->metrics, f->type, f->name, f->help, f->bounds, f->n_bounds,
		s->component_id, items, n);
}

static struct series *
find_series(struct state *s, struct family *f, const struct labels *labels)
{
	struct cached *cached = &f->cache[(uintptr_t)labels >> 6 & (SERIES_CACHE - 1)];

	if (cached->labels == labels)
		return cached->series;
	cached->labels = labels;
	cached->series = labels->text.len <= METRIC_LABELS_BYTES_MAX ? map_get(&f->series, labels->text) : NULL;
	if (cached->series == NULL && labels->text.len <= METRIC_LABELS_BYTES_MAX && map_len(&f->series) < METRIC_SERIES_MAX) {
		cached->series = mem_new(struct series);
		cached->series->metric = make_metric(s, f, labels, true);
		(void)map_set(&f->series, labels->text, cached->series);
	} else if (cached->series == NULL) {
		/* The registry has as many already, or takes none as long: this is the one that the rest shares, which stays. */
		f->rest.metric = make_metric(s, f, labels, false);
		cached->series = &f->rest;
	}
	return cached->series;
}

/* What the action needs; false: nothing happens. */
static bool
amount_of(const struct family *f, const struct batch *b, size_t i, double *ret, bool *ret_failed)
{
	struct cell cell;
	struct str text;

	*ret = 1;
	if (f->match_all && f->count_bytes)
		*ret = (double)b->line[i].len;
	if (f->match_all)
		return f->count_bytes || f->action == ACTION_INC;
	cell = batch_cell(b, f->source, i);
	if (cell.kind == CELL_ABSENT)
		return false;
	if (f->value.s != NULL && (!batch_cell_text(b, cell, &text) || !str_eq(text, f->value)))
		return false;
	if (f->action == ACTION_INC || f->action == ACTION_DEC)
		return true;
	/* A counter does not fall: Alloy's process would end here. */
	if (cell_number(&cell, ret) && !(f->type == METRIC_COUNTER && *ret < 0))
		return true;
	*ret_failed = true;
	return false;
}

static void
act(const struct family *f, struct metric *metric, double amount)
{
	switch (f->action) {
	case ACTION_INC:
	case ACTION_ADD:
		metric_add_double(metric, amount);
		return;
	case ACTION_DEC:
	case ACTION_SUB:
		metric_add_double(metric, -amount);
		return;
	case ACTION_SET:
		metric_set(metric, amount);
		return;
	case ACTION_OBSERVE:
		metric_observe(metric, amount);
		return;
	case ACTIONS:
		break;
	}
	assert(false);
}

static void
count_batch(struct state *s, struct family *f, struct batch *b)
{
	size_t n_failed = 0;

	f->cache = arena_array(b->arena, struct cached, SERIES_CACHE);
	for (size_t i = 0; i < b->n; i++) {
		struct series *series;
		double amount;

		bool failed = false;

		if (!amount_of(f, b, i, &amount, &failed)) {
			n_failed += failed;
			continue;
		}
		series = find_series(s, f, b->labels[i]);
		series->touched = true;
		if (series->mark_ns < b->mark[i])
			series->mark_ns = b->mark[i];
		act(f, series->metric, amount);
	}
	stage_failed(s->no_number, b, n_failed);
}

static void
apply(void *state, struct batch *b)
{
	struct state *s = state;

	if (s->metrics == NULL || b->n == 0 || (b->receipt != NULL && (b->receipt->again || b->receipt->silent)))
		return;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t k = 0; k < s->n; k++)
		count_batch(s, &s->families[k], b);
	(void)pthread_mutex_unlock(&s->lock);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_metrics = {
	.name = "metrics",
	.args = args,
	.args_size = sizeof(struct metrics_args),
	.type = &type,
	.doc = "Keeps metrics of what lines say.",
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <pthread.h>
#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/hash.h"
#include "longship/base/log.h"
#include "longship/base/map.h"
#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/metric.h"
#include "longship/flow/pace.h"
#include "longship/flow/runtime.h"

#define VALUES_WINDOW_NS (3600 * NS_PER_S) /* values of a label are counted anew */
#define VALUES_MAX 100000                  /* of label_values_max: 1.6 MiB of hashes for each label that explodes */
#define LABEL_NAMES_COUNTED_MAX 256
#define EXAMPLES 3
#define EXAMPLE_BYTES 48
#define PACES 1024                         /* streams of a lane whose rate is known; one that comes to a taken place starts anew */

enum rule { RULE_LINE, RULE_LABEL_NAMES, RULE_LABEL_NAME, RULE_LABEL_VALUE, RULE_METADATA, RULE_METADATA_BYTES, RULE_LABEL_VALUES, RULE_COUNT };
enum action { ACTION_CHANGED, ACTION_REJECTED, ACTION_COUNT };

/* As Loki names them, where it has the rule. */
static const char *const rules[RULE_COUNT] = {
	[RULE_LINE] = "line_too_long",
	[RULE_LABEL_NAMES] = "max_label_names_per_series",
	[RULE_LABEL_NAME] = "label_name_too_long",
	[RULE_LABEL_VALUE] = "label_value_too_long",
	[RULE_METADATA] = "structured_metadata_too_many",
	[RULE_METADATA_BYTES] = "structured_metadata_too_large",
	[RULE_LABEL_VALUES] = "too_many_label_values",
};

struct values { /* distinct values of one label in a window */
	uint64_t *hashes;  /* a power of two of places; 0: free */
	size_t n, cap;
	int64_t began_ns;
	bool exploded;     /* over the limit in this window; or, when demoted, in any */
	char examples[EXAMPLES][EXAMPLE_BYTES];
};

struct guard_pace {
	uint64_t stream;
	struct pace pace;
};

struct guard {
	struct component *component;
	const struct guard_args *args;
	struct metric *counts[RULE_COUNT][ACTION_COUNT];
	pthread_mutex_t lock;
	struct map values; /* label name → struct values */
};

static const char *const line_choices[] = {"truncate", "reject", NULL};
static const char *const label_choices[] = {"demote", "reject", NULL};
static const char *const value_choices[] = {"warn", "demote", NULL};

#define AT(field) offsetof(struct guard_args, field)

const struct arg_spec guard_spec[] = {
	{.name = "max_line_size", .kind = ARG_SIZE, .offset = AT(line_bytes_max), .fallback = "\"0B\"", .min = 0, .max = INT64_MAX,
		.doc = "Bytes of a line, 0 for no limit (Loki's max_line_size)."},
	{.name = "long_line", .kind = ARG_CHOICE, .offset = AT(long_line), .fallback = "\"truncate\"", .choices = line_choices,
		.doc = "What becomes of longer ones."},
	{.name = "max_label_names", .kind = ARG_INT, .offset = AT(label_names_max), .fallback = "0", .min = 0, .max = INT32_MAX,
		.doc = "Labels of a stream, 0 for no limit (Loki's max_label_names_per_series)."},
	{.name = "max_label_name_length", .kind = ARG_INT, .offset = AT(label_name_bytes_max), .fallback = "0", .min = 0, .max = INT32_MAX,
		.doc = "Bytes of a label's name, 0 for no limit."},
	{.name = "max_label_value_length", .kind = ARG_INT, .offset = AT(label_value_bytes_max), .fallback = "0", .min = 0, .max = INT32_MAX,
		.doc = "Bytes of a label's value, 0 for no limit."},
	{.name = "bad_labels", .kind = ARG_CHOICE, .offset = AT(bad_labels), .fallback = "\"demote\"", .choices = label_choices,
		.doc = "Labels over these limits (of too many, the last by name) become structured metadata, or the entry is rejected."},
	{.name = "max_metadata", .kind = ARG_INT, .offset = AT(metadata_max), .fallback = "0", .min = 0, .max = INT32_MAX,
		.doc = "Pairs of structured metadata, 0 for no limit (Loki's max_structured_metadata_entries_count)."},
	{.name = "max_metadata_size", .kind = ARG_SIZE, .offset = AT(metadata_bytes_max), .fallback = "\"0B\"", .min = 0, .max = INT64_MAX,
		.doc = "Bytes of structured metadata, 0 for no limit."},
	{.name = "much_metadata", .kind = ARG_CHOICE, .offset = AT(much_metadata), .fallback = "\"truncate\"", .choices = line_choices,
		.doc = "The last pairs are left out, or the entry is rejected."},
	{.name = "max_label_values", .kind = ARG_INT, .offset = AT(label_values_max), .fallback = "0", .min = 0, .max = VALUES_MAX,
		.doc = "Distinct values of one label in an hour, 0 for no limit."},
	{.name = "many_values", .kind = ARG_CHOICE, .offset = AT(many_values), .fallback = "\"warn\"", .choices = value_choices,
		.doc = "A label with more is warned of with examples, or also becomes structured metadata from then on."},
	{.name = "stream_rate", .kind = ARG_SIZE, .offset = AT(stream_rate_bytes), .fallback = "\"0B\"", .min = 0, .max = INT64_MAX,
		.doc = "Bytes of lines a second of one stream, 0 for no limit; a source that has more waits (Loki's per_stream_rate_limit)."},
	{.name = "stream_burst", .kind = ARG_SIZE, .offset = AT(stream_burst_bytes), .fallback = "\"15MiB\"", .min = 1, .max = INT64_MAX,
		.doc = "Bytes of lines that one stream may have at once."},
	{0},
};

struct guard *
guard_new(struct component *c, const struct guard_args *args)
{
	static const char *const actions[RULE_COUNT] = {"truncated", "demoted", "demoted", "demoted", "truncated", "truncated", "demoted"};
	struct guard *g = mem_new(struct guard);

	g->component = c;
	g->args = args;
	(void)pthread_mutex_init(&g->lock, NULL);
	map_init(&g->values);
	for (int i = 0; i < RULE_COUNT; i++) {
		for (int k = 0; k < ACTION_COUNT; k++)
			g->counts[i][k] = metric_get(c->runtime->metrics, METRIC_COUNTER, "longship_write_guarded_total",
				"Entries that a guard of loki.write has changed or rejected.", c->id, "rule", rules[i], "action",
				k == ACTION_CHANGED ? actions[i] : "rejected", NULL);
	}
	return g;
}

void
guard_free(struct guard *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < map_len(&g->values); i++) {
		struct values *v = map_value(&g->values, i);

		mem_free(v->hashes);
		mem_free(v);
	}
	map_done(&g->values);
	(void)pthread_mutex_destroy(&g->lock);
	mem_free(g);
}

void
guard_lane_done(struct guard_lane *l)
{
	mem_free(l->paces);
	l->paces = NULL;
}

/* ---- Values of labels ---- */

static bool
add_hash(struct values *v, uint64_t hash)
{
	size_t at;

	if ((v->n + 1) * 2 > v->cap) {
		struct values old = *v;

		v->cap = old.cap > 0 ? old.cap * 2 : 16;
		v->hashes = mem_zalloc(v->cap * sizeof(*v->hashes));
		v->n = 0;
		for (size_t i = 0; i < old.cap; i++) {
			if (old.hashes[i] != 0)
				(void)add_hash(v, old.hashes[i]);
		}
		mem_free(old.hashes);
	}
	for (at = hash & (v->cap - 1); v->hashes[at] != 0; at = (at + 1) & (v->cap - 1)) {
		if (v->hashes[at] == hash)
			return false;
	}
	v->hashes[at] = hash;
	v->n++;
	return true;
}

static void
say_exploded(const struct guard *g, struct str name, const struct values *v)
{
	char z[128], examples[EXAMPLES * (EXAMPLE_BYTES + 2)] = "";
	size_t len = 0;

	(void)snprintf(z, sizeof(z), "%.*s", STR_FMT(name));
	for (int i = 0; i < EXAMPLES; i++)
		len += (size_t)snprintf(examples + len, sizeof(examples) - len, "%s%s", i > 0 ? ", " : "", v->examples[i]);
	log_warn(g->component->id,
		g->args->many_values == GUARD_VALUES_DEMOTE ? "a label has too many values: it becomes structured metadata from now on"
							     : "a label has too many values: each one is a stream of its own for Loki",
		"label", z, "values", log_i64((int64_t)v->n), "examples", examples, NULL);
}

/* The label with this value has more values than it may. */
static bool
count_value(struct guard *g, struct str name, struct str value)
{
	struct values *v;
	int64_t now = clock_mono_ns();
	bool exploded;

	(void)pthread_mutex_lock(&g->lock);
	v = map_get(&g->values, name);
	if (v == NULL && map_len(&g->values) < LABEL_NAMES_COUNTED_MAX) {
		v = mem_new(struct values);
		v->began_ns = now;
		(void)map_set(&g->values, name, v);
	}
	if (v != NULL && now - v->began_ns > VALUES_WINDOW_NS && !(v->exploded && g->args->many_values == GUARD_VALUES_DEMOTE)) {
		mem_free(v->hashes);
		*v = (struct values){.began_ns = now};
	}
	if (v != NULL && !v->exploded && add_hash(v, hash_str(value) | 1)) {
		(void)snprintf(v->examples[(v->n - 1) % EXAMPLES], EXAMPLE_BYTES, "%.*s", STR_FMT(str_head(value, EXAMPLE_BYTES - 1)));
		v->exploded = v->n > (size_t)g->args->label_values_max;
		if (v->exploded)
			say_exploded(g, name, v);
	}
	exploded = v != NULL && v->exploded;
	(void)pthread_mutex_unlock(&g->lock);
	return exploded;
}

/* ---- Label sets ---- */

struct judged { /* what becomes of one label set, within a batch */
	const struct labels *from, *to;
	const struct metadata *demoted; /* NULL: none */
	enum rule rule;                 /* that was broken; RULE_COUNT: none */
	bool reject;
};

static enum rule
judge_label(struct guard *g, struct label l, bool *ret_exploded)
{
	const struct guard_args *a = g->args;

	*ret_exploded = a->label_values_max > 0 && count_value(g, l.name, l.value);
	if (a->label_name_bytes_max > 0 && l.name.len > (size_t)a->label_name_bytes_max)
		return RULE_LABEL_NAME;
	if (a->label_value_bytes_max > 0 && l.value.len > (size_t)a->label_value_bytes_max)
		return RULE_LABEL_VALUE;
	return RULE_COUNT;
}

static struct judged
judge(struct guard *g, struct batch *b, const struct labels *labels)
{
	struct judged j = {.from = labels, .to = labels, .rule = RULE_COUNT};
	struct metadata *demoted = NULL;
	size_t shown = 0;

	for (size_t i = 0; i < labels->n; i++) {
		bool exploded, internal = str_starts(labels->items[i].name, STR("__"));
		enum rule rule = internal ? RULE_COUNT : judge_label(g, labels->items[i], &exploded);

		if (internal)
			continue;
		shown++;
		if (rule == RULE_COUNT && g->args->label_names_max > 0 && shown > (size_t)g->args->label_names_max)
			rule = RULE_LABEL_NAMES;
		if (rule != RULE_COUNT && g->args->bad_labels == GUARD_LABEL_REJECT) {
			j.rule = rule;
			j.reject = true;
			return j;
		}
		if (rule == RULE_COUNT && exploded && g->args->many_values == GUARD_VALUES_DEMOTE)
			rule = RULE_LABEL_VALUES;
		if (rule == RULE_COUNT)
			continue;
		shown--;
		j.rule = rule;
		if (demoted == NULL)
			demoted = arena_zalloc(b->arena, sizeof(*demoted) + labels->n * sizeof(demoted->items[0]));
		demoted->items[demoted->n++] = labels->items[i];
		j.to = labels_with(b->table, j.to, labels->items[i].name, STR_EMPTY);
	}
	j.demoted = demoted;
	return j;
}

static const struct metadata *
join(struct arena *arena, const struct metadata *a, const struct metadata *b)
{
	size_t n_b = b->n;
	struct metadata *m;

	if (a == NULL)
		return b;
	n_b = a->n + n_b > METADATA_MAX ? METADATA_MAX - a->n : n_b;
	m = arena_zalloc(arena, sizeof(*m) + (a->n + n_b) * sizeof(m->items[0]));
	memcpy(m->items, a->items, a->n * sizeof(m->items[0]));
	memcpy(m->items + a->n, b->items, n_b * sizeof(m->items[0]));
	m->n = a->n + n_b;
	return m;
}

/* ---- Lines and metadata ---- */

/* At a character's border. */
static struct str
cut_line(struct str line, size_t max)
{
	size_t len = max;

	while (len > 0 && max - len < 4 && ((unsigned char)line.s[len] & 0xc0) == 0x80)
		len--;
	return str_head(line, max - len < 4 ? len : max);
}

static bool
fits_metadata(const struct guard_args *a, const struct metadata *m, size_t *ret_n, enum rule *ret_rule)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < m->n; i++) {
		bytes += m->items[i].name.len + m->items[i].value.len;
		*ret_n = i;
		*ret_rule = a->metadata_max > 0 && i >= (size_t)a->metadata_max ? RULE_METADATA
			: a->metadata_bytes_max > 0 && bytes > (uint64_t)a->metadata_bytes_max ? RULE_METADATA_BYTES
											       : RULE_COUNT;
		if (*ret_rule != RULE_COUNT)
			return false;
	}
	return true;
}

static void
count(struct guard *g, enum rule rule, enum action action)
{
	metric_add(g->counts[rule][action], 1);
}

/* RULE_COUNT, or the rule for whose sake the entry is rejected. */
static enum rule
guard_metadata(struct guard *g, struct batch *b, size_t i)
{
	const struct metadata *m = b->metadata[i];
	struct metadata *cut;
	enum rule rule;
	size_t n;

	if (m == NULL || fits_metadata(g->args, m, &n, &rule))
		return RULE_COUNT;
	if (g->args->much_metadata == GUARD_METADATA_REJECT)
		return rule;
	cut = arena_zalloc(b->arena, sizeof(*cut) + n * sizeof(cut->items[0]));
	memcpy(cut->items, m->items, n * sizeof(cut->items[0]));
	cut->n = n;
	b->metadata[i] = n > 0 ? cut : NULL;
	count(g, rule, ACTION_CHANGED);
	return RULE_COUNT;
}

static enum rule
guard_line(struct guard *g, struct batch *b, size_t i)
{
	size_t max = (size_t)g->args->line_bytes_max;

	if (max == 0 || b->line[i].len <= max)
		return RULE_COUNT;
	if (g->args->long_line == GUARD_LINE_REJECT)
		return RULE_LINE;
	b->line[i] = cut_line(b->line[i], max);
	count(g, RULE_LINE, ACTION_CHANGED);
	return RULE_COUNT;
}

/* ---- Rates ---- */

static void
charge(struct guard *g, struct guard_lane *l, const struct labels *labels, size_t bytes)
{
	struct guard_pace *p;

	if (l->paces == NULL)
		l->paces = mem_zalloc(PACES * sizeof(*l->paces));
	p = &l->paces[(labels->hash ^ labels->hash >> 32) % PACES];
	if (p->stream != labels->hash) {
		p->stream = labels->hash;
		pace_init(&p->pace, (double)g->args->stream_rate_bytes, (double)g->args->stream_burst_bytes);
	}
	(void)lane_pace(&p->pace, pace_cost(&p->pace, bytes));
}

const char *const *
guard_apply(struct guard *g, struct guard_lane *l, struct batch *b)
{
	const char **rejected = NULL;
	struct judged j = {0};
	size_t bytes = 0;

	for (size_t i = 0; i < b->n; i++) {
		enum rule rule;

		if (b->labels[i] != j.from) {
			if (bytes > 0)
				charge(g, l, j.to, bytes);
			bytes = 0;
			j = judge(g, b, b->labels[i]);
		}
		if (j.demoted != NULL) {
			b->labels[i] = j.to;
			b->metadata[i] = join(b->arena, b->metadata[i], j.demoted);
			count(g, j.rule, ACTION_CHANGED);
		}
		rule = j.reject ? j.rule : guard_line(g, b, i);
		if (rule == RULE_COUNT)
			rule = guard_metadata(g, b, i);
		if (rule != RULE_COUNT) {
			rejected = rejected != NULL ? rejected : arena_array(b->arena, const char *, b->n);
			rejected[i] = rules[rule];
			count(g, rule, ACTION_REJECTED);
		} else if (g->args->stream_rate_bytes > 0) {
			bytes += b->line[i].len;
		}
	}
	if (bytes > 0)
		charge(g, l, j.to, bytes);
	return rejected;
}

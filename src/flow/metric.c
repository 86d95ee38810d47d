/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/metric.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/hash.h"
#include "longship/base/limits.h"
#include "longship/base/map.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"

/*
 * A family owns its series through a chained hash over their label text, which is both the identity and
 * what is printed: removal is O(1) however many series a stage lets expire, and an address never moves.
 * Families are few and live in a base map under name + type; one without series is not printed.
 * The hooks have a lock of their own, held while they run, so that they may use the registry.
 */
#define LABELS_SERIES_MAX     (LABELS_MAX + 2) /* component_id and component_path come on top */
#define NUMBER_BYTES_MAX      32

struct series {
	struct metric metric; /* first: what callers hold */
	struct family *family;
	struct series *next;
	uint64_t hash;
	uint32_t holds; /* metric_hold_labels */
	char *owner;  /* NULL: nobody's */
	char *labels; /* a="b",c="d" without braces, sorted by name, escaped */
};

struct family {
	char *name, *help;
	enum metric_type type;
	struct series **slots; /* slots_len is a power of two */
	size_t slots_len, len;
	struct series *overflow; /* in slots, too */
};

struct hook {
	void (*fn)(void *);
	void *ptr;
};

struct metrics {
	pthread_mutex_t lock;	    /* families and series */
	struct map families;	    /* name, NUL, type */
	pthread_mutex_t hooks_lock; /* taken before lock */
	VEC(struct hook) hooks;
};

static char *
copy_z(const char *z)
{
	size_t len = strlen(z);

	return memcpy(mem_alloc(len + 1), z, len + 1);
}

struct metrics *
metrics_new(void)
{
	struct metrics *m = mem_new(struct metrics);

	(void)pthread_mutex_init(&m->lock, NULL);
	(void)pthread_mutex_init(&m->hooks_lock, NULL);
	map_init(&m->families);
	return m;
}

static void
series_free(struct series *s)
{
	if (s->metric.histogram != NULL) {
		mem_free((void *)s->metric.histogram->bounds);
		mem_free((void *)s->metric.histogram->counts);
		mem_free(s->metric.histogram);
	}
	mem_free(s->owner);
	mem_free(s->labels);
	mem_free(s);
}

static void
family_free(struct family *f)
{
	for (size_t i = 0; i < f->slots_len; i++) {
		while (f->slots[i] != NULL) {
			struct series *s = f->slots[i];

			f->slots[i] = s->next;
			series_free(s);
		}
	}
	mem_free(f->slots);
	mem_free(f->name);
	mem_free(f->help);
	mem_free(f);
}

void
metrics_free(struct metrics *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < map_len(&m->families); i++)
		family_free(map_value(&m->families, i));
	map_done(&m->families);
	vec_done(&m->hooks);
	(void)pthread_mutex_destroy(&m->lock);
	(void)pthread_mutex_destroy(&m->hooks_lock);
	mem_free(m);
}

static bool
is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static void
append_name(struct buf *b, struct str name)
{
	if (name.len == 0)
		buf_putc(b, '_');
	for (size_t i = 0; i < name.len; i++)
		buf_putc(b, is_name_char(name.s[i], i == 0) ? name.s[i] : '_');
}

/* quotes: in help texts they are not escaped. */
static void
append_escaped(struct buf *b, struct str s, bool quotes)
{
	while (s.len > 0) {
		uint32_t rune;
		size_t n = str_utf8_decode(s, &rune);

		if (n == 0)
			buf_z(b, "\xef\xbf\xbd");
		else if (s.s[0] == '\n')
			buf_z(b, "\\n");
		else if (s.s[0] == '\\' || (quotes && s.s[0] == '"'))
			buf_printf(b, "\\%c", s.s[0]);
		else
			buf_append(b, s.s, n);
		s = str_from_offset(s, n > 0 ? n : 1);
	}
}

static int
compare_labels(const void *a, const void *b)
{
	return str_cmp(((const struct metric_label *)a)->name, ((const struct metric_label *)b)->name);
}

/* Takes over a label under its mended name unless one of that name is there. names holds the mended names. */
static void
add_label(struct metric_label *all, size_t *n, struct buf *names, enum metric_type type, struct metric_label label)
{
	size_t from = names->len;
	struct str name;

	if (*n == LABELS_SERIES_MAX || !buf_reserve(names, label.name.len + 1))
		return;
	append_name(names, label.name);
	name = (struct str){names->data + from, names->len - from};
	if (type == METRIC_HISTOGRAM && str_is(name, "le"))
		return;
	for (size_t i = 0; i < *n; i++)
		if (str_eq(all[i].name, name))
			return;
	all[(*n)++] = (struct metric_label){name, label.value};
}

/* False when the text is too long. */
static bool
labels_text(
	struct buf *ret, enum metric_type type, const char *owner, const struct metric_label *labels, size_t n_labels)
{
	struct metric_label all[LABELS_SERIES_MAX];
	size_t n = 0, names_bytes = 64;
	struct buf names;

	for (size_t i = 0; i < n_labels; i++)
		names_bytes += labels[i].name.len + 1;
	buf_init(&names, names_bytes);
	/* All at once: names borrow from it. */
	(void)buf_reserve(&names, names_bytes);
	if (owner != NULL) {
		add_label(all, &n, &names, type, (struct metric_label){STR("component_id"), str_from(owner)});
		add_label(all, &n, &names, type, (struct metric_label){STR("component_path"), STR("/")});
	}
	for (size_t i = 0; i < n_labels; i++)
		add_label(all, &n, &names, type, labels[i]);
	if (n > 0)
		qsort(all, n, sizeof(*all), compare_labels);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(ret, ',');
		buf_str(ret, all[i].name);
		buf_z(ret, "=\"");
		append_escaped(ret, all[i].value, true);
		buf_putc(ret, '"');
	}
	buf_done(&names);
	return !ret->overflow;
}

static struct family *
family_get(struct metrics *m, enum metric_type type, const char *name, const char *help)
{
	struct buf key;
	struct family *f;

	buf_init(&key, strlen(name) + 16);
	append_name(&key, str_from(name));
	buf_append(&key, "", 1);
	buf_putc(&key, (char)('0' + type));
	assert(!key.overflow);
	f = map_get(&m->families, buf_view(&key));
	if (f == NULL) {
		f = mem_new(struct family);
		f->name = copy_z(key.data);
		f->help = copy_z(help);
		f->type = type;
		f->slots_len = 4;
		f->slots = mem_zalloc(f->slots_len * sizeof(struct series *));
		(void)map_set(&m->families, buf_view(&key), f);
	}
	buf_done(&key);
	return f;
}

static struct series *
family_find(const struct family *f, struct str labels, uint64_t hash)
{
	struct series *s = f->slots[hash & (f->slots_len - 1)];

	while (s != NULL && !(s->hash == hash && str_is(labels, s->labels)))
		s = s->next;
	return s;
}

static void
family_grow(struct family *f)
{
	size_t slots_len = f->slots_len * 2;
	struct series **slots = mem_zalloc(slots_len * sizeof(struct series *));

	for (size_t i = 0; i < f->slots_len; i++) {
		while (f->slots[i] != NULL) {
			struct series *s = f->slots[i];
			struct series **to = &slots[s->hash & (slots_len - 1)];

			f->slots[i] = s->next;
			s->next = *to;
			*to = s;
		}
	}
	mem_free(f->slots);
	f->slots = slots;
	f->slots_len = slots_len;
}

static struct metric_histogram *
histogram_new(const double *bounds, size_t n)
{
	struct metric_histogram *h = mem_new(struct metric_histogram);
	double *copy = mem_alloc(n > 0 ? n * sizeof(*copy) : 1);

	if (n > 0)
		memcpy(copy, bounds, n * sizeof(*copy));
	h->bounds = copy;
	/* Prometheus' own +Inf bound is implied. */
	h->n = n > 0 && isinf(copy[n - 1]) ? n - 1 : n;
	h->counts = mem_zalloc((h->n + 1) * sizeof(*h->counts));
	return h;
}

static struct series *
family_add(struct family *f, struct str labels, uint64_t hash, const double *bounds, size_t n_bounds, const char *owner)
{
	struct series *s = mem_new(struct series);
	struct series **to;

	s->family = f;
	s->hash = hash;
	s->owner = owner != NULL ? copy_z(owner) : NULL;
	s->labels = mem_zalloc(labels.len + 1);
	if (labels.len > 0)
		memcpy(s->labels, labels.s, labels.len);
	if (f->type == METRIC_HISTOGRAM)
		s->metric.histogram = histogram_new(bounds, n_bounds);
	if (f->len >= f->slots_len)
		family_grow(f);
	to = &f->slots[hash & (f->slots_len - 1)];
	s->next = *to;
	*to = s;
	f->len++;
	return s;
}

/* The counters that the registry keeps about itself. */
static void
count_own(struct metrics *m, const char *name, const char *help, const char *about)
{
	struct family *f = family_get(m, METRIC_COUNTER, name, help);
	struct buf labels;
	struct series *s;
	uint64_t hash;

	buf_init(&labels, METRIC_LABELS_BYTES_MAX);
	(void)labels_text(&labels, METRIC_COUNTER, NULL, &(struct metric_label){STR("metric"), str_from(about)}, 1);
	hash = hash_str(buf_view(&labels));
	s = family_find(f, buf_view(&labels), hash);
	if (s == NULL)
		s = family_add(f, buf_view(&labels), hash, NULL, 0, NULL);
	metric_add(&s->metric, 1);
	buf_done(&labels);
}

static struct series *
family_overflow(struct metrics *m, struct family *f, const double *bounds, size_t n_bounds)
{
	struct str labels = STR("overflow=\"true\"");

	if (f->overflow == NULL)
		f->overflow = family_add(f, labels, hash_str(labels), bounds, n_bounds, NULL);
	count_own(m, "longship_metric_series_overflow_total",
		"Series that were not made because their metric has too many; they share one with overflow=\"true\".",
		f->name);
	return f->overflow;
}

static bool
has_other_type(const struct metrics *m, const struct family *f)
{
	for (size_t i = 0; i < map_len(&m->families); i++) {
		const struct family *other = map_value(&m->families, i);

		if (other->type != f->type && other->len > 0 && strcmp(other->name, f->name) == 0)
			return true;
	}
	return false;
}

static struct metric *
get(struct metrics *m, enum metric_type type, const char *name, const char *help, const double *bounds,
	size_t n_bounds, const char *owner, const struct metric_label *labels, size_t n_labels,
	uint32_t holds)
{
	struct buf text;
	struct family *f;
	struct series *s;
	uint64_t hash;
	bool fits;

	buf_init(&text, METRIC_LABELS_BYTES_MAX);
	fits = labels_text(&text, type, owner, labels, n_labels);
	hash = hash_str(buf_view(&text));
	(void)pthread_mutex_lock(&m->lock);
	f = family_get(m, type, name, help);
	s = family_find(f, buf_view(&text), hash);
	if (s == NULL && (!fits || f->len >= METRIC_SERIES_MAX)) {
		s = family_overflow(m, f, bounds, n_bounds);
	} else if (s == NULL) {
		if (f->len == 0 && has_other_type(m, f))
			count_own(m, "longship_metric_conflicts_total",
				"Times a metric was made under a name that another type has; it is not shown.",
				f->name);
		s = family_add(f, buf_view(&text), hash, bounds, n_bounds, owner);
	}
	s->holds += holds;
	(void)pthread_mutex_unlock(&m->lock);
	buf_done(&text);
	return &s->metric;
}

struct metric *
metric_get_labels(struct metrics *m, enum metric_type type, const char *name, const char *help, const double *bounds,
	size_t n_bounds, const char *owner, const struct metric_label *labels, size_t n_labels)
{
	return get(m, type, name, help, bounds, n_bounds, owner, labels, n_labels, 0);
}

struct metric *
metric_hold_labels(struct metrics *m, enum metric_type type, const char *name, const char *help, const double *bounds,
	size_t n_bounds, const char *owner, const struct metric_label *labels, size_t n_labels)
{
	return get(m, type, name, help, bounds, n_bounds, owner, labels, n_labels, 1);
}

static size_t
labels_of_args(va_list args, struct metric_label labels[LABELS_SERIES_MAX])
{
	size_t n = 0;
	const char *name;

	while ((name = va_arg(args, const char *)) != NULL) {
		assert(n < LABELS_SERIES_MAX);
		labels[n++] = (struct metric_label){str_from(name), str_from(va_arg(args, const char *))};
	}
	return n;
}

struct metric *
metric_get(struct metrics *m, enum metric_type type, const char *name, const char *help, const char *owner, ...)
{
	struct metric_label labels[LABELS_SERIES_MAX];
	va_list args;
	size_t n;

	assert(type != METRIC_HISTOGRAM);
	va_start(args, owner);
	n = labels_of_args(args, labels);
	va_end(args);
	return metric_get_labels(m, type, name, help, NULL, 0, owner, labels, n);
}

struct metric *
metric_histogram_get(struct metrics *m, const char *name, const char *help, const double *bounds, size_t n_bounds,
	const char *owner, ...)
{
	struct metric_label labels[LABELS_SERIES_MAX];
	va_list args;
	size_t n;

	va_start(args, owner);
	n = labels_of_args(args, labels);
	va_end(args);
	return metric_get_labels(m, METRIC_HISTOGRAM, name, help, bounds, n_bounds, owner, labels, n);
}

/* Lock held. */
static void
remove_series(struct series *s)
{
	struct series **at = &s->family->slots[s->hash & (s->family->slots_len - 1)];

	if (s == s->family->overflow)
		return;
	while (*at != s) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = s->next;
	s->family->len--;
	series_free(s);
}

void
metric_remove(struct metrics *m, struct metric *metric)
{
	if (metric == NULL)
		return;
	(void)pthread_mutex_lock(&m->lock);
	remove_series((struct series *)metric);
	(void)pthread_mutex_unlock(&m->lock);
}

void
metric_release(struct metrics *m, struct metric *metric)
{
	struct series *s = (struct series *)metric;

	if (metric == NULL)
		return;
	(void)pthread_mutex_lock(&m->lock);
	assert(s->holds > 0);
	if (--s->holds == 0)
		remove_series(s);
	(void)pthread_mutex_unlock(&m->lock);
}

static void
family_remove_owner(struct family *f, const char *owner)
{
	for (size_t i = 0; i < f->slots_len; i++) {
		struct series **at = &f->slots[i];

		while (*at != NULL) {
			struct series *s = *at;

			if (s->owner == NULL || strcmp(s->owner, owner) != 0) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			f->len--;
			series_free(s);
		}
	}
}

void
metrics_remove_owner(struct metrics *m, const char *owner)
{
	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < map_len(&m->families); i++)
		family_remove_owner(map_value(&m->families, i), owner);
	(void)pthread_mutex_unlock(&m->lock);
}

void
metric_set(struct metric *metric, double value)
{
	atomic_store_explicit(&metric->gauge, value, memory_order_relaxed);
	atomic_store_explicit(&metric->is_double, true, memory_order_relaxed);
}

void
metric_add_double(struct metric *metric, double value)
{
	double sum = atomic_load_explicit(&metric->gauge, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(
		&metric->gauge, &sum, sum + value, memory_order_relaxed, memory_order_relaxed))
		;
	atomic_store_explicit(&metric->is_double, true, memory_order_relaxed);
}

void
metric_observe(struct metric *metric, double value)
{
	struct metric_histogram *h = metric->histogram;
	double sum;
	size_t i = 0;

	assert(h != NULL);
	/* Few bounds, and most values are small: a walk beats a search. NaN ends in +Inf, as in Prometheus. */
	while (i < h->n && !(value <= h->bounds[i]))
		i++;
	atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
	sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&h->sum, &sum, sum + value, memory_order_relaxed, memory_order_relaxed))
		;
}

void
metrics_on_scrape(struct metrics *m, void (*fn)(void *), void *ptr)
{
	(void)pthread_mutex_lock(&m->hooks_lock);
	vec_push(&m->hooks, ((struct hook){fn, ptr}));
	(void)pthread_mutex_unlock(&m->hooks_lock);
}

void
metrics_off_scrape(struct metrics *m, void (*fn)(void *), void *ptr)
{
	(void)pthread_mutex_lock(&m->hooks_lock);
	for (size_t i = 0; i < m->hooks.len; i++) {
		if (m->hooks.items[i].fn == fn && m->hooks.items[i].ptr == ptr) {
			vec_remove(&m->hooks, i);
			break;
		}
	}
	(void)pthread_mutex_unlock(&m->hooks_lock);
}

/* The fewest digits that read back as the same number, in the form of Go's strconv 'g', which Prometheus prints. */
static void
append_number(struct buf *b, double value)
{
	char text[NUMBER_BYTES_MAX], digits[NUMBER_BYTES_MAX];
	size_t n = 0;
	int exponent;

	if (isnan(value) || isinf(value)) {
		buf_z(b, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
		return;
	}
	if (value >= 0 && value < 1e6 && value == floor(value)) {
		buf_printf(b, "%d", (int)value);
		return;
	}
	/* Only denormals have fewer than 15 good digits. */
	for (int precision = fabs(value) < DBL_MIN ? 0 : 14; precision <= 16; precision++) {
		(void)snprintf(text, sizeof(text), "%.*e", precision, fabs(value));
		if (strtod(text, NULL) == fabs(value))
			break;
	}
	exponent = atoi(strchr(text, 'e') + 1);
	for (const char *p = text; *p != 'e'; p++)
		if (*p != '.')
			digits[n++] = *p;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	if (exponent < -4 || exponent >= 6)
		buf_printf(b, "%s%c%s%.*se%c%02d", signbit(value) ? "-" : "", digits[0], n > 1 ? "." : "", (int)n - 1,
			digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
	else
		buf_printf(b, "%.*f", (int)n - 1 > exponent ? (int)n - 1 - exponent : 0, value);
}

static void
print_sample(struct buf *b, const struct series *s, const char *suffix, const char *le, double value)
{
	buf_z(b, s->family->name);
	buf_z(b, suffix);
	if (s->labels[0] != '\0' || le != NULL) {
		buf_putc(b, '{');
		buf_z(b, s->labels);
		if (le != NULL)
			buf_printf(b, "%sle=\"%s\"", s->labels[0] != '\0' ? "," : "", le);
		buf_putc(b, '}');
	}
	buf_putc(b, ' ');
	append_number(b, value);
	buf_putc(b, '\n');
}

static void
print_histogram(struct buf *b, const struct series *s)
{
	const struct metric_histogram *h = s->metric.histogram;
	uint64_t sum = 0;

	/* _count is the sum of the buckets, not h->count: an observation in between must not make them differ. */
	for (size_t i = 0; i <= h->n; i++) {
		struct buf le;

		buf_init(&le, NUMBER_BYTES_MAX + 1);
		append_number(&le, i < h->n ? h->bounds[i] : INFINITY);
		buf_putc(&le, '\0');
		sum += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
		print_sample(b, s, "_bucket", le.data, (double)sum);
		buf_done(&le);
	}
	print_sample(b, s, "_sum", NULL, atomic_load_explicit(&h->sum, memory_order_relaxed));
	print_sample(b, s, "_count", NULL, (double)sum);
}

static void
print_series(struct buf *b, const struct series *s)
{
	uint64_t count = atomic_load_explicit(&s->metric.count, memory_order_relaxed);

	if (s->metric.histogram != NULL)
		print_histogram(b, s);
	else if (atomic_load_explicit(&s->metric.is_double, memory_order_relaxed))
		print_sample(b, s, "", NULL, atomic_load_explicit(&s->metric.gauge, memory_order_relaxed));
	else
		print_sample(b, s, "", NULL, s->family->type == METRIC_GAUGE ? (double)(int64_t)count : (double)count);
}

static int
compare_series(const void *a, const void *b)
{
	return strcmp((*(struct series *const *)a)->labels, (*(struct series *const *)b)->labels);
}

static void
print_family(struct buf *b, const struct family *f)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	struct series **all = mem_alloc(f->len * sizeof(struct series *));
	size_t n = 0;

	for (size_t i = 0; i < f->slots_len; i++)
		for (struct series *s = f->slots[i]; s != NULL; s = s->next)
			all[n++] = s;
	assert(n == f->len);
	qsort(all, n, sizeof(struct series *), compare_series);
	buf_printf(b, "# HELP %s ", f->name);
	append_escaped(b, str_from(f->help), false);
	buf_printf(b, "\n# TYPE %s %s\n", f->name, types[f->type]);
	for (size_t i = 0; i < n; i++)
		print_series(b, all[i]);
	mem_free(all);
}

/* By name; of several types the one that was made first comes first. */
static int
compare_families(const void *a, const void *b)
{
	const struct map_entry *const *x = a, *const *y = b;
	int order = strcmp(((const struct family *)(*x)->value)->name, ((const struct family *)(*y)->value)->name);

	return order != 0 ? order : (*x > *y) - (*x < *y);
}

void
metrics_print(struct metrics *m, struct buf *b)
{
	const struct map_entry **all;
	const char *last = "";
	size_t n = 0;

	(void)pthread_mutex_lock(&m->hooks_lock);
	for (size_t i = 0; i < m->hooks.len; i++)
		m->hooks.items[i].fn(m->hooks.items[i].ptr);
	(void)pthread_mutex_unlock(&m->hooks_lock);
	(void)pthread_mutex_lock(&m->lock);
	all = mem_alloc((map_len(&m->families) + 1) * sizeof(struct map_entry *));
	for (size_t i = 0; i < map_len(&m->families); i++)
		if (((const struct family *)map_value(&m->families, i))->len > 0)
			all[n++] = &m->families.entries[i];
	qsort(all, n, sizeof(*all), compare_families);
	for (size_t i = 0; i < n; i++) {
		const struct family *f = all[i]->value;

		if (strcmp(f->name, last) != 0)
			print_family(b, f);
		last = f->name;
	}
	(void)pthread_mutex_unlock(&m->lock);
	mem_free(all);
}

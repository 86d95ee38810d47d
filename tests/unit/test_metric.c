/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/metric.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TEXT_BYTES_MAX (8u << 20)

static void
assert_page(struct metrics *m, const char *expected)
{
	struct buf b;

	buf_init(&b, TEXT_BYTES_MAX);
	metrics_print(m, &b);
	buf_putc(&b, '\0');
	assert_false(b.overflow);
	assert_string_equal(b.data, expected);
	buf_done(&b);
}

static void
test_metric__prints_families_and_series_sorted(void **state)
{
	struct metrics *m = metrics_new();
	struct metric *z = metric_get(m, METRIC_COUNTER, "z_total", "Last.", NULL, NULL);
	struct metric *b = metric_get(m, METRIC_GAUGE, "a", "First \\ with\nnewline \"x\".", "loki.write.x", "z", "2",
		"b", "q\"\\\n\xff", NULL);
	struct metric *a = metric_get(m, METRIC_GAUGE, "a", "", "loki.write.a", "z", "2", NULL);

	(void)state;
	assert_ptr_equal(a, metric_get(m, METRIC_GAUGE, "a", "", "loki.write.a", "z", "2", NULL));
	metric_add(z, 1000000);
	metric_set(b, 0.25);
	metric_sub(a, 3);
	assert_page(m,
		"# HELP a First \\\\ with\\nnewline \"x\".\n# TYPE a gauge\n"
		"a{b=\"q\\\"\\\\\\n\xef\xbf\xbd\",component_id=\"loki.write.x\",component_path=\"/\",z=\"2\"} 0.25\n"
		"a{component_id=\"loki.write.a\",component_path=\"/\",z=\"2\"} -3\n"
		"# HELP z_total Last.\n# TYPE z_total counter\nz_total 1e+06\n");
	metrics_remove_owner(m, "loki.write.x");
	metric_remove(m, a);
	assert_page(m, "# HELP z_total Last.\n# TYPE z_total counter\nz_total 1e+06\n");
	metrics_free(m);
}

/* The right-hand texts are what Go's strconv.FormatFloat(v, 'g', -1, 64) gives. */
static void
test_metric__prints_numbers_as_prometheus(void **state)
{
	static const struct {
		double value;
		const char *text;
	} rows[] = {
		{0, "0"},
		{1, "1"},
		{999999, "999999"},
		{1e6, "1e+06"},
		{1234567, "1.234567e+06"},
		{-1e6, "-1e+06"},
		{-5, "-5"},
		{0.1, "0.1"},
		{0.3, "0.3"},
		{0.1 + 0.2, "0.30000000000000004"},
		{1.0 / 3, "0.3333333333333333"},
		{123456.789, "123456.789"},
		{0.0001, "0.0001"},
		{0.00001, "1e-05"},
		{1.5e-7, "1.5e-07"},
		{1e100, "1e+100"},
		{5e-324, "5e-324"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{9007199254740993.0, "9.007199254740992e+15"},
		{2.5, "2.5"},
		{INFINITY, "+Inf"},
		{-INFINITY, "-Inf"},
		{NAN, "NaN"},
	};
	struct metrics *m = metrics_new();
	struct metric *g = metric_get(m, METRIC_GAUGE, "g", "G.", NULL, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char expected[128];

		metric_set(g, rows[i].value);
		(void)snprintf(expected, sizeof(expected), "# HELP g G.\n# TYPE g gauge\ng %s\n", rows[i].text);
		assert_page(m, expected);
	}
	metrics_free(m);
}

static void
test_metric__histogram_is_cumulative(void **state)
{
	static const double bounds[] = {0.5, 1, 2.5, INFINITY};
	struct metrics *m = metrics_new();
	struct metric *h =
		metric_histogram_get(m, "h_seconds", "H.", bounds, 4, NULL, "host", "a:1", "le", "dropped", NULL);

	(void)state;
	metric_observe(h, 0.5);
	metric_observe(h, 0.75);
	metric_observe(h, 100);
	assert_page(m, "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
		       "h_seconds_bucket{host=\"a:1\",le=\"0.5\"} 1\nh_seconds_bucket{host=\"a:1\",le=\"1\"} 2\n"
		       "h_seconds_bucket{host=\"a:1\",le=\"2.5\"} 2\nh_seconds_bucket{host=\"a:1\",le=\"+Inf\"} 3\n"
		       "h_seconds_sum{host=\"a:1\"} 101.25\nh_seconds_count{host=\"a:1\"} 3\n");
	metrics_free(m);
}

static void
test_metric__mends_names_and_repeated_labels(void **state)
{
	struct metrics *m = metrics_new();

	(void)state;
	metric_add(metric_get(m, METRIC_COUNTER, "9 x", "X.", "id", "a-b", "1", "a.b", "2", "component_id", "3", "",
			   "4", NULL),
		1);
	assert_page(m, "# HELP __x X.\n# TYPE __x "
		       "counter\n__x{_=\"4\",a_b=\"1\",component_id=\"id\",component_path=\"/\"} 1\n");
	metrics_free(m);
}

static void
test_metric__series_overflow_into_one(void **state)
{
	struct metrics *m = metrics_new();
	struct metric *first = NULL, *last = NULL, *before = NULL;
	char value[32];
	struct buf b;

	(void)state;
	for (int i = 0; i < METRIC_SERIES_MAX + 2; i++) {
		(void)snprintf(value, sizeof(value), "%d", i);
		before = last;
		last = metric_get(m, METRIC_COUNTER, "x_total", "X.", "c", "v", value, NULL);
		first = first == NULL ? last : first;
	}
	assert_ptr_equal(before, last);
	metric_add(last, 7);
	metric_remove(m, last);
	metric_add(last, 1);
	buf_init(&b, TEXT_BYTES_MAX);
	metrics_print(m, &b);
	assert_true(str_find(buf_view(&b), STR("x_total{overflow=\"true\"} 8\n")) >= 0);
	assert_true(str_find(buf_view(&b), STR("longship_metric_series_overflow_total{metric=\"x_total\"} 2\n")) >= 0);
	/* Room again: a new series is a series of its own. */
	metric_remove(m, first);
	metric_remove(m, metric_get(m, METRIC_COUNTER, "x_total", "X.", "c", "v", "1", NULL));
	assert_ptr_not_equal(last, metric_get(m, METRIC_COUNTER, "x_total", "X.", "c", "v", "new", NULL));
	buf_done(&b);
	metrics_free(m);
}

static void
test_metric__one_name_with_two_types_shows_the_first(void **state)
{
	struct metrics *m = metrics_new();

	(void)state;
	metric_add(metric_get(m, METRIC_GAUGE, "x", "First.", "a", NULL), 1);
	metric_add(metric_get(m, METRIC_COUNTER, "x", "Second.", "b", NULL), 1);
	assert_page(m,
		"# HELP longship_metric_conflicts_total Times a metric was made under a name that another type has; it "
		"is not shown.\n"
		"# TYPE longship_metric_conflicts_total counter\nlongship_metric_conflicts_total{metric=\"x\"} 1\n"
		"# HELP x First.\n# TYPE x gauge\nx{component_id=\"a\",component_path=\"/\"} 1\n");
	metrics_free(m);
}

static void
fill(void *ptr)
{
	metric_set(metric_get(ptr, METRIC_GAUGE, "filled", "F.", NULL, NULL), 4);
}

static void
test_metric__hooks_fill_at_scrape(void **state)
{
	struct metrics *m = metrics_new();

	(void)state;
	metrics_on_scrape(m, fill, m);
	assert_page(m, "# HELP filled F.\n# TYPE filled gauge\nfilled 4\n");
	metrics_off_scrape(m, fill, m);
	metric_set(metric_get(m, METRIC_GAUGE, "filled", "F.", NULL, NULL), 5);
	assert_page(m, "# HELP filled F.\n# TYPE filled gauge\nfilled 5\n");
	metrics_free(m);
}

static void *
count_much(void *ptr)
{
	static const double bounds[] = {1, 2};
	struct metrics *m = ptr;

	for (int i = 0; i < 2000; i++) {
		metric_add(metric_get(m, METRIC_COUNTER, "n_total", "N.", NULL, NULL), 1);
		metric_observe(metric_histogram_get(m, "h", "H.", bounds, 2, NULL, NULL), 1.5);
		metric_set(metric_get(m, METRIC_GAUGE, "g", "G.", NULL, NULL), 1);
	}
	return NULL;
}

static void
test_metric__threads_count_while_one_prints(void **state)
{
	struct metrics *m = metrics_new();
	pthread_t threads[4];
	struct buf b;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_much, m), 0);
	buf_init(&b, TEXT_BYTES_MAX);
	for (int i = 0; i < 100; i++) {
		buf_clear(&b);
		metrics_print(m, &b);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	buf_clear(&b);
	metrics_print(m, &b);
	assert_true(str_find(buf_view(&b), STR("n_total 8000\n")) >= 0);
	assert_true(str_find(buf_view(&b), STR("h_sum 12000\n")) >= 0);
	assert_true(str_find(buf_view(&b), STR("h_bucket{le=\"2\"} 8000\n")) >= 0);
	buf_done(&b);
	metrics_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metric__prints_families_and_series_sorted),
		cmocka_unit_test(test_metric__prints_numbers_as_prometheus),
		cmocka_unit_test(test_metric__histogram_is_cumulative),
		cmocka_unit_test(test_metric__mends_names_and_repeated_labels),
		cmocka_unit_test(test_metric__series_overflow_into_one),
		cmocka_unit_test(test_metric__one_name_with_two_types_shows_the_first),
		cmocka_unit_test(test_metric__hooks_fill_at_scrape),
		cmocka_unit_test(test_metric__threads_count_while_one_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "longship/base/clock.h"
#include "longship/flow/receipt.h"
#include "longship/base/mem.h"
#include "../support/pipeline_fixture.h"

/* The stages with a state of their own: limit, metrics, sampling. Time is the lines' marks. */

/* A batch of n entries, of time 0, step, 2 × step …, counted from `from`; the label is one of `labels` labels. */
static struct batch *
entries(struct fixture *f, size_t n, size_t from, int64_t step_ns, size_t labels)
{
	struct batch *b = fixture_batch(f, n);

	for (size_t i = 0; i < n; i++)
		fixture_add(f, b, STR("line"), arena_printf(f->config, "%zu", i % labels).s, (int64_t)(from + i) * step_ns + NS_PER_S);
	return b;
}

static size_t
left(struct fixture *f, struct batch *b)
{
	pipeline_run(f->pipeline, b);
	return b->n;
}

static bool
page_has(struct fixture *f, const char *what)
{
	struct buf page;
	bool has;

	buf_init(&page, 1u << 24);
	metrics_print(f->metrics, &page);
	has = str_find(buf_view(&page), str_from(what)) >= 0;
	buf_done(&page);
	return has;
}

static void
test_limit__drops_by_marks(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, "stage.limit {\nrate = 10\nburst = 20\ndrop = true\n}");
	/* 100 lines a second for ten seconds: the burst, and ten a second. */
	assert_in_range(left(&f, entries(&f, 1000, 0, NS_PER_S / 100, 1)), 119, 120);
	assert_true(page_has(&f, "reason=\"ratelimit_drop_stage\"} 88"));
	fixture_done(&f);
}

/* A range that is read again has the same fate, and what comes after it is not charged twice. */
static void
test_limit__replay_is_not_charged(void **state)
{
	struct receipt again = {.again = true, .to = 1000};
	struct memory before;
	struct fixture f;
	struct batch *b;
	size_t first;

	(void)state;
	fixture_init(&f, "stage.limit {\nrate = 10\nburst = 20\ndrop = true\n}");
	(void)left(&f, entries(&f, 100, 0, NS_PER_S / 100, 1));
	before = f.memory;
	first = left(&f, entries(&f, 100, 100, NS_PER_S / 100, 1));
	f.memory = before;
	b = entries(&f, 100, 100, NS_PER_S / 100, 1);
	b->receipt = &again;
	assert_int_equal(left(&f, b), first);
	assert_in_range(left(&f, entries(&f, 100, 200, NS_PER_S / 100, 1)), 9, 11);
	mem_free(again.drops);
	fixture_done(&f);
}

static void
test_limit__by_label(void **state)
{
	struct receipt again = {.again = true, .to = 1000};
	struct fixture f;
	struct batch *b;

	(void)state;
	fixture_init(&f, "stage.limit {\nrate = 1\nburst = 2\ndrop = true\nby_label_name = \"l\"\n}");
	assert_int_equal(left(&f, entries(&f, 100, 0, 1, 5)), 10);
	assert_true(page_has(&f, "loki_process_dropped_lines_by_label_total{component_id=\"loki.process.t\",component_path=\"/\","
				 "label_name=\"l\",label_value=\"3\"} 18"));
	b = entries(&f, 100, 0, 1, 5);
	b->receipt = &again;
	assert_int_equal(left(&f, b), 10);
	assert_int_equal(left(&f, entries(&f, 100, 0, 1, 5)), 0);
	mem_free(again.drops);
	fixture_done(&f);
}

/* Many values: the oldest are forgotten, and memory with them. */
static void
test_limit__forgets_generations(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, "stage.limit {\nrate = 0.001\nburst = 1\ndrop = true\nby_label_name = \"l\"\n}");
	for (size_t k = 0; k < 25000; k += 1000) {
		struct batch *b = fixture_batch(&f, 1000);

		for (size_t i = 0; i < 1000; i++)
			fixture_add(&f, b, STR("x"), arena_printf(f.arena, "v%zu", k + i).s, NS_PER_S);
		assert_int_equal(left(&f, b), 1000);
		arena_clear(f.arena);
	}
	assert_false(page_has(&f, "by_label"));
	assert_true(page_has(&f, "longship_limit_forgotten_total{component_id=\"loki.process.t\",component_path=\"/\"} 10000\n"));
	fixture_done(&f);
}

/* Of a long value the bucket keeps the head and a hash, and its series counts as overflow. */
static void
test_limit__long_values(void **state)
{
	static char one[6000], two[6000];
	struct fixture f;
	struct batch *b;

	(void)state;
	memset(one, 'v', sizeof(one) - 1);
	memset(two, 'v', sizeof(two) - 1);
	two[sizeof(two) - 2] = 'w';
	fixture_init(&f, "stage.limit {\nrate = 0.001\nburst = 1\ndrop = true\nby_label_name = \"l\"\n}");
	b = fixture_batch(&f, 4);
	for (size_t i = 0; i < 4; i++)
		fixture_add(&f, b, STR("x"), i % 2 == 0 ? one : two, NS_PER_S);
	assert_int_equal(left(&f, b), 2);
	assert_true(page_has(&f, "loki_process_dropped_lines_by_label_total{overflow=\"true\"} 2\n"));
	fixture_done(&f);
}

/* Outside of lanes time is virtual, and a waiting limit moves it. */
static void
test_limit__waits_in_virtual_time(void **state)
{
	struct fixture f;
	struct batch *b;

	(void)state;
	fixture_init(&f, "stage.limit {\nrate = 2\nburst = 1\n}\nstage.pack { labels = [] }");
	b = entries(&f, 5, 0, 1, 1);
	assert_int_equal(left(&f, b), 5);
	assert_int_equal(b->waited_until_ns, 3 * NS_PER_S);
	assert_int_equal(b->ts[4], 3 * NS_PER_S);
	assert_int_equal(b->ts[0], NS_PER_S);
	fixture_done(&f);
}

static void
test_metrics__values(void **state)
{
	struct fixture f;
	struct batch *b;

	(void)state;
	fixture_init(&f, "stage.logfmt { mapping = {v = \"\"} }\nstage.metrics {\nmetric.counter {\nname = \"sum\"\nsource = \"v\"\naction = \"add\"\n}\n"
			 "metric.gauge {\nname = \"g\"\nsource = \"v\"\naction = \"sub\"\nprefix = \"my_\"\n}\n"
			 "metric.histogram {\nname = \"h\"\nsource = \"v\"\nbuckets = [0.5, 10]\n}\n}");
	b = fixture_batch(&f, 8);
	fixture_add(&f, b, STR("v=1.5"), "a", 1);
	fixture_add(&f, b, STR("v=250ms"), "a", 2);
	fixture_add(&f, b, STR("v=-4"), "a", 3);
	fixture_add(&f, b, STR("v=0x10"), "a", 4);
	fixture_add(&f, b, STR("v=\" 1\""), "a", 5);
	fixture_add(&f, b, STR("v=1e400"), "a", 6);
	fixture_add(&f, b, STR("v"), "a", 7);
	fixture_add(&f, b, STR("none"), "a", 8);
	pipeline_run(f.pipeline, b);
	assert_true(page_has(&f, "loki_process_custom_sum{component_id=\"loki.process.t\",component_path=\"/\",l=\"a\"} 1.75\n"));
	assert_true(page_has(&f, "my_g{component_id=\"loki.process.t\",component_path=\"/\",l=\"a\"} 2.25\n"));
	assert_true(page_has(&f, "l=\"a\",le=\"0.5\"} 2\n"));
	assert_true(page_has(&f, "l=\"a\",le=\"10\"} 3\n"));
	fixture_done(&f);
}

#define COUNTER "stage.metrics {\nmetric.counter {\nname = \"n\"\naction = \"inc\"\nmatch_all = true\nmax_idle_duration = \"1s\"\n}\n}"

static void
test_metrics__idle_series_go(void **state)
{
	struct fixture f;
	struct batch *b;

	(void)state;
	/* Two stages with one metric: the series is gone when both have let it go. */
	fixture_init(&f, COUNTER "\n" COUNTER);
	(void)left(&f, entries(&f, 1, 0, 1, 1));
	assert_true(page_has(&f, "l=\"0\"} 2\n"));
	(void)usleep(1100000);
	b = fixture_batch(&f, 1);
	fixture_add(&f, b, STR("line"), "1", clock_now_ns()); /* this one is not idle */
	(void)left(&f, b);
	assert_true(page_has(&f, "l=\"0\"} 2\n")); /* found idle, shown once more */
	assert_false(page_has(&f, "l=\"0\""));
	assert_true(page_has(&f, "l=\"1\"} 2\n"));
	(void)left(&f, entries(&f, 1, 0, 1, 1));
	assert_true(page_has(&f, "l=\"0\"} 2\n"));
	pipeline_free(f.pipeline);
	f.pipeline = NULL;
	assert_false(page_has(&f, "custom_n"));
	fixture_done(&f);
}

static void
test_metrics__silent_and_bounded(void **state)
{
	struct receipt again = {.again = true};
	struct fixture f;
	struct batch *b;

	(void)state;
	fixture_init(&f, COUNTER);
	b = entries(&f, 10, 0, 1, 1);
	b->receipt = &again;
	assert_int_equal(left(&f, b), 10);
	assert_false(page_has(&f, "custom_n"));
	for (size_t k = 0; k < METRIC_SERIES_MAX + 500; k += 500) {
		b = fixture_batch(&f, 500);
		for (size_t i = 0; i < 500; i++)
			fixture_add(&f, b, STR("x"), arena_printf(f.arena, "v%zu", k + i).s, NS_PER_S);
		(void)left(&f, b);
		arena_clear(f.arena);
	}
	assert_true(page_has(&f, "loki_process_custom_n{overflow=\"true\"} 500\n"));
	assert_true(page_has(&f, "longship_metric_series_overflow_total{metric=\"loki_process_custom_n\"} 500\n"));
	fixture_done(&f);
}

static void
test_sampling__same_again(void **state)
{
	struct fixture f;
	struct batch *a, *b;

	(void)state;
	fixture_init(&f, "stage.sampling { rate = 0.25 }");
	a = entries(&f, 2000, 0, 1, 1);
	b = entries(&f, 2000, 0, 1, 1);
	assert_in_range(left(&f, a), 400, 600);
	assert_int_equal(left(&f, b), a->n);
	for (size_t i = 0; i < a->n; i++)
		assert_int_equal(a->origin[i].line, b->origin[i].line);
	fixture_done(&f);
	fixture_init(&f, "stage.sampling { rate = 0.5 }\nstage.sampling { rate = 0.5 }");
	assert_in_range(left(&f, entries(&f, 2000, 0, 1, 1)), 400, 600);
	fixture_done(&f);
}

#define FAILURES(line, stage, reason) "longship_stage_failures_total{component_id=\"loki.process.t\",component_path=\"/\",line=\"" line "\",reason=\"" \
	reason "\",stage=\"" stage "\"} "

static void
test_failures__are_counted_by_stage_line_and_reason(void **state)
{
	struct receipt again = {.again = true};
	struct fixture f;
	struct batch *b;

	(void)state;
	fixture_init(&f, "stage.json { expressions = {\"a\" = \"\"} }\nstage.match {\nselector = `{l=\"x\"}`\nstage.logfmt { mapping = {\"k\" = \"\"} }\n}");
	b = fixture_batch(&f, 3);
	fixture_add(&f, b, STR("{\"a\":1}"), "x", 1);
	fixture_add(&f, b, STR("plain"), "x", 2);
	fixture_add(&f, b, STR("k=\"half"), "y", 3);
	assert_int_equal(left(&f, b), 3);
	assert_true(page_has(&f, FAILURES("2", "json", "malformed JSON") "2\n"));
	assert_true(page_has(&f, FAILURES("5", "logfmt", "malformed logfmt") "1\n")); /* {"a":1}: a quote in a key */
	b = fixture_batch(&f, 1);
	b->receipt = &again; /* read again: counted before */
	fixture_add(&f, b, STR("plain"), "x", 2);
	(void)left(&f, b);
	assert_true(page_has(&f, FAILURES("2", "json", "malformed JSON") "2\n"));
	pipeline_free(f.pipeline);
	f.pipeline = NULL;
	assert_false(page_has(&f, "longship_stage_failures_total{"));
	fixture_done(&f);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit__drops_by_marks),
		cmocka_unit_test(test_limit__replay_is_not_charged),
		cmocka_unit_test(test_limit__by_label),
		cmocka_unit_test(test_limit__forgets_generations),
		cmocka_unit_test(test_limit__long_values),
		cmocka_unit_test(test_limit__waits_in_virtual_time),
		cmocka_unit_test(test_metrics__values),
		cmocka_unit_test(test_metrics__idle_series_go),
		cmocka_unit_test(test_metrics__silent_and_bounded),
		cmocka_unit_test(test_sampling__same_again),
		cmocka_unit_test(test_failures__are_counted_by_stage_line_and_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

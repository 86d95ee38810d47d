/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../support/pipeline_fixture.h"

static void
assert_labels(const struct labels *labels, const char *want)
{
	if (!str_is(labels->text, want))
		fail_msg("%.*s, want %s", STR_FMT(labels->text), want);
}

static void
test_pipeline__seeds_from_labels(void **state)
{
	struct fixture f;
	struct batch *b;

	(void)state;
	/* The label of now is not seen, the one of entry is. */
	fixture_init(&f, "stage.static_labels { values = {l = \"new\"} }\nstage.labels { values = {copy = \"l\"} }");
	b = fixture_batch(&f, 2);
	fixture_add(&f, b, STR("x"), "old", 1);
	fixture_add(&f, b, STR("y"), NULL, 2);
	pipeline_run(f.pipeline, b);
	assert_labels(b->labels[0], "{copy=\"old\", l=\"new\"}");
	assert_labels(b->labels[1], "{l=\"new\"}");
	assert_null(b->columns);
	fixture_done(&f);
}

static void
test_pipeline__compacts_after_each_stage(void **state)
{
	struct fixture f;
	struct batch *b;
	struct pipeline_counts n;

	(void)state;
	fixture_init(&f, "stage.json { expressions = {a = \"\"} }\nstage.drop {\nsource = \"a\"\nvalue = \"1\"\n}\nstage.output { source = \"a\" }");
	b = fixture_batch(&f, 5);
	for (int i = 0; i < 5; i++)
		fixture_add(&f, b, i % 2 == 0 ? STR("{\"a\":1}") : STR("{\"a\":2}"), NULL, i);
	pipeline_run(f.pipeline, b);
	assert_int_equal(b->n, 2);
	assert_true(str_is(b->line[1], "2"));
	assert_int_equal(b->ts[1], 3);
	assert_int_equal(b->mark[1], 3);
	assert_int_equal(b->origin[1].line, 3);
	n = pipeline_counts_of(f.pipeline, 1);
	assert_string_equal(n.stage, "drop");
	assert_int_equal(n.in, 5);
	assert_int_equal(n.out, 2);
	assert_int_equal(metric_get(f.metrics, METRIC_COUNTER, "loki_process_dropped_lines_total", "", "loki.process.t", "reason",
				 "drop_stage", NULL)->count, 3);
	fixture_done(&f);
}

#define LINES 300

/* All times of LINES entries in eleven label sets, run in batches of `size`. */
static void
run_in_batches(size_t size, int64_t ts[LINES])
{
	struct fixture f;

	fixture_init(&f, "stage.logfmt { mapping = {t = \"\"} }\nstage.timestamp {\nsource = \"t\"\nformat = \"Unix\"\n}");
	assert_non_null(f.pipeline);
	for (size_t done = 0; done < LINES; done += size) {
		struct batch *b = fixture_batch(&f, size);

		for (size_t i = done; i < done + size && i < LINES; i++) {
			struct str line = i % 7 == 0 ? STR("no time") : arena_printf(f.arena, "t=%zu", i / 40);

			fixture_add(&f, b, line, arena_printf(f.arena, "set%zu", i % 11).s, (int64_t)i);
		}
		pipeline_run(f.pipeline, b);
		memcpy(ts + done, b->ts, b->n * sizeof(*ts));
	}
	fixture_done(&f);
}

static void
test_pipeline__cut_of_batches_changes_nothing(void **state)
{
	static const size_t sizes[] = {1, 2, 13, 299};
	int64_t whole[LINES], cut[LINES];

	(void)state;
	run_in_batches(LINES, whole);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		run_in_batches(sizes[i], cut);
		assert_memory_equal(whole, cut, sizeof(whole));
	}
}

/* A line costs no memory but its own columns. */
static void
test_pipeline__steady_state_allocates_per_batch(void **state)
{
	size_t bytes[2];

	(void)state;
	for (size_t run = 0; run < 2; run++) {
		struct fixture f;
		struct batch *b;

		fixture_init(&f, "stage.json { expressions = {level = \"\", ts = \"\"} }\nstage.labels { values = {level = \"\"} }\n"
				 "stage.timestamp {\nsource = \"ts\"\nformat = \"RFC3339\"\n}");
		b = fixture_batch(&f, 1000);
		for (size_t i = 0; i < (run == 0 ? 10 : 1000); i++)
			fixture_add(&f, b, STR("{\"level\":\"info\",\"ts\":\"2026-01-02T03:04:05Z\",\"n\":12}"), "x", 0);
		pipeline_run(f.pipeline, b);
		assert_labels(b->labels[9], "{l=\"x\", level=\"info\"}");
		bytes[run] = arena_bytes(f.arena);
		fixture_done(&f);
	}
	assert_int_equal(bytes[0], bytes[1]);
}

static void
test_pipeline__all_errors_are_reported(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, "stage.json { }\nstage.output { source = \"a\" }\nstage.logfmt { }");
	assert_null(f.pipeline);
	assert_int_equal(f.diags.n, 2);
	assert_true(str_is(f.diags.items[1].text, "stage.logfmt: logfmt mapping or regex is required"));
	assert_true(str_starts(source_text(&f.source, f.diags.items[1].pos), STR("stage.logfmt")));
	fixture_done(&f);
}

static void
count_stage(void *ptr, const char *stage, const struct batch *b)
{
	size_t *n = ptr;

	assert_string_equal(stage, *n == 0 ? "json" : "labels");
	assert_non_null(b->columns);
	(*n)++;
}

static void
test_pipeline__traced(void **state)
{
	struct fixture f;
	struct batch *b;
	size_t n = 0;

	(void)state;
	fixture_init(&f, "stage.json { expressions = {a = \"\"} }\nstage.labels { values = {a = \"\"} }");
	b = fixture_batch(&f, 1);
	fixture_add(&f, b, STR("{\"a\":\"b\"}"), NULL, 0);
	pipeline_run_traced(f.pipeline, b, count_stage, &n);
	assert_int_equal(n, 2);
	assert_int_equal(pipeline_stages(f.pipeline), 2);
	fixture_done(&f);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipeline__seeds_from_labels),
		cmocka_unit_test(test_pipeline__compacts_after_each_stage),
		cmocka_unit_test(test_pipeline__cut_of_batches_changes_nothing),
		cmocka_unit_test(test_pipeline__steady_state_allocates_per_batch),
		cmocka_unit_test(test_pipeline__all_errors_are_reported),
		cmocka_unit_test(test_pipeline__traced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

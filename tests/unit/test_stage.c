/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "../support/pipeline_fixture.h"

/* What the cases in JSON cannot say: bytes that are not UTF-8, times at their ends, marks, many values. */

/* One entry with label l="x" through the stages; its labels, or NULL when it was dropped. */
static const char *
labels_of(struct fixture *f, const char *stages, struct str line)
{
	struct batch *b;

	fixture_init(f, stages);
	assert_non_null(f->pipeline);
	b = fixture_batch(f, 1);
	fixture_add(f, b, line, "x", 0);
	pipeline_run(f->pipeline, b);
	return b->n > 0 ? arena_z(f->config, b->labels[0]->text) : NULL;
}

static void
test_stage__labels_refuse_bad_utf8(void **state)
{
	struct fixture f;

	(void)state;
	assert_string_equal(labels_of(&f, "stage.logfmt { mapping = {a = \"\", b = \"\"} }\nstage.labels { values = {a = \"\", b = \"\"} }",
				    STR("a=\xff b=ok")), "{b=\"ok\", l=\"x\"}");
	fixture_done(&f);
	assert_string_equal(labels_of(&f, "stage.regex {\nexpression = \"(?P<a>\\\\S+) (?P<b>\\\\S+)\"\nlabels_from_groups = true\n}",
				    STR("\xff ok")), "{b=\"ok\", l=\"x\"}");
	fixture_done(&f);
}

static void
test_stage__regex_group_without_part_is_empty(void **state)
{
	struct fixture f;

	(void)state;
	assert_string_equal(labels_of(&f, "stage.regex {\nexpression = \"a(?P<l>b)?\"\nlabels_from_groups = true\n}", STR("a")), "{l=\"\"}");
	fixture_done(&f);
}

static void
test_stage__drop_joins_bytes(void **state)
{
	struct fixture f;

	(void)state;
	assert_null(labels_of(&f, "stage.json { expressions = {a = \"\", b = \"\"} }\n"
				  "stage.drop {\nsource = \"a,b,none\"\nvalue = \"x\\u0000y;1.5\"\n}", STR("{\"a\":\"x\\u0000y\",\"b\":1.50}")));
	fixture_done(&f);
}

static void
test_stage__json_null_never_matches(void **state)
{
	struct fixture f;
	static const char stages[] = "stage.json { expressions = {a = \"\"} }\nstage.drop {\nsource = \"a\"\nexpression = \"\"\n}";

	(void)state;
	/* The key exists, so source alone drops; an expression finds no text and keeps. */
	fixture_init(&f, stages);
	fixture_done(&f);
	assert_null(labels_of(&f, stages, STR("{\"a\":null}")));
	fixture_done(&f);
	assert_non_null(labels_of(&f, "stage.json { expressions = {a = \"\"} }\nstage.drop {\nsource = \"a\"\nexpression = \".*\"\n}",
		STR("{\"a\":null}")));
	fixture_done(&f);
}

static void
test_stage__many_values_of_a_label(void **state)
{
	struct fixture f;
	struct batch *b;

	(void)state;
	fixture_init(&f, "stage.logfmt { mapping = {v = \"\"} }\nstage.labels { values = {v = \"\"} }");
	b = fixture_batch(&f, 2000);
	for (int i = 0; i < 2000; i++)
		fixture_add(&f, b, arena_printf(f.arena, "v=%d", i % 500), i % 3 == 0 ? "a" : "b", i);
	pipeline_run(f.pipeline, b);
	for (int i = 0; i < 2000; i++) {
		struct str want = arena_printf(f.arena, "{l=\"%s\", v=\"%d\"}", i % 3 == 0 ? "a" : "b", i % 500);

		assert_true(str_eq(b->labels[i]->text, want));
	}
	fixture_done(&f);
}

/* The timestamp that `text` gives under `format`, with the line's own time at now; INT64_MIN when it is not understood. */
static int64_t
parse_time(const char *format, const char *text, const char *now)
{
	struct fixture f;
	struct batch *b;
	int64_t ns = INT64_MIN;
	char config[256];

	(void)snprintf(config, sizeof(config), "stage.timestamp {\nsource = \"l\"\nformat = \"%s\"\naction_on_failure = \"skip\"\n}", format);
	fixture_init(&f, config);
	assert_non_null(f.pipeline);
	b = fixture_batch(&f, 2);
	b->mark = arena_array(f.arena, int64_t, 2);
	/* Twice, so that what the first time left behind is used. */
	for (size_t i = 0; i < 2; i++) {
		assert_true(clock_parse_rfc3339(str_from(now), &b->mark[i]));
		fixture_add(&f, b, STR("x"), text, INT64_MIN);
	}
	pipeline_run(f.pipeline, b);
	assert_true(b->ts[0] == INT64_MIN ? b->ts[1] == INT64_MIN : b->ts[1] == b->ts[0] + (b->ts[0] < INT64_MAX));
	ns = b->ts[0];
	fixture_done(&f);
	return ns;
}

static int64_t
at(const char *text)
{
	int64_t ns;

	assert_true(clock_parse_rfc3339(str_from(text), &ns));
	return ns;
}

static void
test_stage__timestamp_formats(void **state)
{
	static const struct {
		const char *format, *text, *want; /* want NULL: not understood */
	} cases[] = {
		{"RFC3339", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"},
		{"RFC3339", "2026-01-02T03:04:05.5+01:00", "2026-01-02T02:04:05.5Z"},
		{"RFC3339Nano", "2026-01-02T23:59:59.999999999Z", "2026-01-02T23:59:59.999999999Z"},
		{"RFC3339", "2026-01-02T24:04:05Z", NULL},
		{"RFC3339", "2026-02-29T00:00:00Z", NULL},
		{"RFC3339", "1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"},
		{"RFC3339", "2026-01-02 03:04:05Z", NULL},
		{"RFC3339", "2026-01-02T03:04:05.Z", NULL},
		{"Unix", "-1.5", "1969-12-31T23:59:59.5Z"},
		{"Unix", "1.5e3", NULL},
		{"Unix", "1.2.3", NULL},
		{"Unix", "", NULL},
		{"Unix", "9223372036854775807", NULL},
		{"UnixMs", "1562708916414", "2019-07-09T21:48:36.414Z"},
		{"UnixNs", "1562708916414000001", "2019-07-09T21:48:36.414000001Z"},
		{"UnixUs", "1.5", NULL},
		{"Jan _2 15:04:05", "Dec 31 23:59:59", "2018-12-31T23:59:59Z"},
		{"Jan _2 15:04:05", "Jan  1 00:00:00", "2019-01-01T00:00:00Z"},
		{"Jan _2 15:04:05", "Feb 29 00:00:00", "2019-03-01T00:00:00Z"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = parse_time(cases[i].format, cases[i].text, "2019-01-01T12:00:00Z");
		int64_t want = cases[i].want != NULL ? at(cases[i].want) : INT64_MIN;

		if (got != want)
			fail_msg("%s as %s: %lld, want %s", cases[i].text, cases[i].format, (long long)got,
				cases[i].want != NULL ? cases[i].want : "nothing");
	}
}

/* The day that was seen last must not lend its date to another one. */
static void
test_stage__timestamp_days(void **state)
{
	static const char *const texts[] = {
		"2026-01-02T03:04:05Z", "2026-01-02T23:59:59.25Z", "2026-01-03T00:00:00Z", "2025-01-03T00:00:00.000000001Z",
		"2026-01-03T00:00:61Z", "2026-01-03T00:00:05.1234567891Z", "2026-01-03T05:00:00-05:00", "2026-01-03T05:00:00Z",
	};
	static const char *const wants[] = {
		"2026-01-02T03:04:05Z", "2026-01-02T23:59:59.25Z", "2026-01-03T00:00:00Z", "2025-01-03T00:00:00.000000001Z", NULL,
		"2026-01-03T00:00:05.123456789Z", "2026-01-03T10:00:00Z", "2026-01-03T05:00:00Z",
	};
	struct fixture f;
	struct batch *b;

	(void)state;
	fixture_init(&f, "stage.timestamp {\nsource = \"l\"\nformat = \"RFC3339\"\naction_on_failure = \"skip\"\n}");
	b = fixture_batch(&f, ARRAY_LEN(texts));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		fixture_add(&f, b, STR("x"), texts[i], -1);
	pipeline_run(f.pipeline, b);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(b->ts[i], wants[i] != NULL ? at(wants[i]) : -1);
	fixture_done(&f);
}

static void
test_stage__drop_older_than_the_mark(void **state)
{
	struct fixture f;
	struct batch *b;

	(void)state;
	fixture_init(&f, "stage.logfmt { mapping = {t = \"\"} }\nstage.timestamp {\nsource = \"t\"\nformat = \"Unix\"\n}\n"
			 "stage.drop { older_than = \"1h\" }");
	b = fixture_batch(&f, 3);
	fixture_add(&f, b, STR("t=10000"), NULL, 13600 * NS_PER_S);     /* exactly an hour: not older */
	fixture_add(&f, b, STR("t=10000"), NULL, 13600 * NS_PER_S + 2); /* its time is fudged by 1 ns */
	fixture_add(&f, b, STR("x"), NULL, 5);
	pipeline_run(f.pipeline, b);
	assert_int_equal(b->n, 2);
	assert_int_equal(b->ts[0], 10000 * NS_PER_S);
	fixture_done(&f);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stage__labels_refuse_bad_utf8),
		cmocka_unit_test(test_stage__regex_group_without_part_is_empty),
		cmocka_unit_test(test_stage__drop_joins_bytes),
		cmocka_unit_test(test_stage__json_null_never_matches),
		cmocka_unit_test(test_stage__many_values_of_a_label),
		cmocka_unit_test(test_stage__timestamp_formats),
		cmocka_unit_test(test_stage__timestamp_days),
		cmocka_unit_test(test_stage__drop_older_than_the_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

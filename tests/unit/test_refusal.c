/* SPDX-License-Identifier: Apache-2.0 */
/* Which entries a Loki's answer means. The texts are those of Loki 3.6. */
#include "longship/flow/refusal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/codec/snappy.h"

#define T0 (INT64_C(1767225600) * NS_PER_S) /* 2026-01-01T00:00:00Z */

struct made {
	char body[1 << 16], entries[1 << 16];
	size_t body_len, entries_len;
	uint32_t n, stream, n_turns;
	struct str labels;
	struct request_turn turns[64];
};

static struct made made;

static void
end_stream(void)
{
	if (made.entries_len == 0)
		return;
	made.body_len += loki_push_stream_header(made.body + made.body_len, made.labels, made.entries_len);
	memcpy(made.body + made.body_len, made.entries, made.entries_len);
	made.body_len += made.entries_len;
	made.entries_len = 0;
}

static void
stream(const char *labels)
{
	end_stream();
	made.labels = str_from(labels);
}

static void
entry(int64_t seconds, struct str line, const struct push_label *metadata, size_t n)
{
	made.entries_len += loki_push_entry(made.entries + made.entries_len, T0 + seconds * NS_PER_S, line, metadata, n);
	made.n++;
}

static struct request *
request(void)
{
	static struct request_run runs[1];
	char *packed;
	struct request *r;

	end_stream();
	packed = mem_alloc(snappy_block_bytes_max(made.body_len));
	r = request_new(packed, snappy_block_compress(packed, (struct str){made.body, made.body_len}), NULL, 0, NULL, 0);
	r->entries = made.n;
	runs[0] = (struct request_run){NULL, 0, made.n, 1, false};
	r->runs = runs;
	r->n_runs = 1;
	return r;
}

static void
drop_request(struct request *r)
{
	r->runs = NULL;
	r->n_runs = 0;
	request_free(r);
	memset(&made, 0, sizeof(made));
}

/* One letter for each entry: . stored, x refused, ? uncertain, ! uncertain and counted, a again, p perhaps. */
static void
assert_verdicts_cut(const char *text, bool cut, const char *reason, const char *expected)
{
	struct request *r = request();
	struct request_view *v = request_open(r);
	struct refusal refusal;
	char got[128] = "";
	uint64_t counted = 0;

	refusal_find(&refusal, v, 400, str_from(text), cut);
	for (size_t i = 0; i < v->n_entries; i++) {
		const struct refused *e = &refusal.entries[i];

		got[i] = e->verdict == VERDICT_UNCERTAIN ? "?!"[e->counted] : ".x?ap"[e->verdict];
		counted += e->counted;
		if (e->counted)
			assert_string_equal(e->reason, reason);
	}
	assert_string_equal(got, expected);
	assert_int_equal(counted, refusal.n_counted);
	assert_int_equal(refusal.exact, strpbrk(got, "?!") == NULL);
	refusal_done(&refusal);
	request_view_free(v);
	drop_request(r);
}

static void
assert_verdicts(const char *text, const char *reason, const char *expected)
{
	assert_verdicts_cut(text, false, reason, expected);
}

static void
many(int n, int64_t first, int64_t step)
{
	for (int i = 0; i < n; i++)
		entry(first + i * step, STR("x"), NULL, 0);
}

static void
test_refusal__too_old(void **state)
{
	(void)state;
	stream("{app=\"a\"}");
	many(4, 0, 3600);
	stream("{app=\"b\"}");
	many(2, 1800, 7200);
	/* 0 s and 1800 s are behind the border of 3000 s. */
	assert_verdicts("1 errors like: entry for stream '{app=\"a\", service_name=\"a\"}' has timestamp too old: 2026-01-01T00:00:00Z, oldest "
			"acceptable timestamp is: 2026-01-01T00:50:00Z; 1 errors like: entry for stream '{app=\"b\", service_name=\"b\"}' has "
			"timestamp too old: 2026-01-01T00:30:00Z, oldest acceptable timestamp is: 2026-01-01T00:50:00Z",
		"greater_than_max_sample_age", "x...x.");
	/* In another time zone, one error. */
	stream("{app=\"a\"}");
	many(4, 0, 3600);
	assert_verdicts("entry for stream '{app=\"a\", service_name=\"a\"}' has timestamp too old: 2026-01-01T02:00:00+02:00, oldest acceptable "
			"timestamp is: 2026-01-01T02:50:00+02:00", "greater_than_max_sample_age", "x...");
	/* The border falls into a second: the number decides. */
	stream("{app=\"a\"}");
	for (int i = 0; i < 4; i++) {
		made.entries_len += loki_push_entry(made.entries + made.entries_len, T0 + i * NS_PER_S / 4, STR("x"), NULL, 0);
		made.n++;
	}
	assert_verdicts("2 errors like: entry for stream '{app=\"a\"}' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable timestamp "
			"is: 2026-01-01T00:00:00Z", "greater_than_max_sample_age", "xx..");
}

static void
test_refusal__number_does_not_agree(void **state)
{
	(void)state;
	stream("{app=\"a\"}");
	many(3, 0, 3600);
	stream("{app=\"b\"}");
	many(2, 0, 3600);
	/* Two are older than the border. */
	assert_verdicts("entry for stream '{app=\"b\", service_name=\"b\"}' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable timestamp "
			"is: 2026-01-01T00:50:00Z", "greater_than_max_sample_age", "...!?");
	/* A stream that is not in the request. */
	stream("{app=\"a\"}");
	many(3, 0, 3600);
	assert_verdicts("max entry size '1000' bytes exceeded for stream '{app=\"z\"}' while adding an entry with length '1001' bytes", "line_too_long",
		"!??");
	/* More than there are. */
	stream("{app=\"a\"}");
	many(2, 0, 3600);
	assert_verdicts("99999999999999999999 errors like: x; 18446744073709551615 errors like: entry for stream '{app=\"a\"}' has timestamp too new: x",
		"too_far_in_future", "!!");
	/* Equal times on both sides of the border. */
	stream("{app=\"a\"}");
	many(3, 0, 0);
	assert_verdicts("2 errors like: entry for stream '{app=\"a\"}' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: "
			"2026-01-01T00:00:00Z", "greater_than_max_sample_age", "!!?");
}

static void
test_refusal__too_new(void **state)
{
	(void)state;
	stream("{app=\"a\"}");
	many(4, 0, 3600);
	assert_verdicts("1 errors like: entry for stream '{app=\"a\"}' has timestamp too new: 2026-01-01T03:00:00Z; 1 errors like: entry for stream "
			"'{app=\"a\"}' has timestamp too new: 2026-01-01T02:00:00Z", "too_far_in_future", "..xx");
}

static void
test_refusal__sizes(void **state)
{
	static const struct push_label pairs[] = {{{"a", 1}, {"0123456789", 10}}, {{"b", 1}, {"0123456789", 10}}};

	(void)state;
	stream("{app=\"a\"}");
	entry(0, STR("short"), NULL, 0);
	entry(1, STR("a long line"), NULL, 0);
	stream("{app=\"b\"}");
	entry(1, STR("another long line"), NULL, 0);
	assert_verdicts("1 errors like: max entry size '10' bytes exceeded for stream '{app=\"b\"}' while adding an entry with length '17' bytes; 1 errors "
			"like: max entry size '10' bytes exceeded for stream '{app=\"a\"}' while adding an entry with length '11' bytes",
		"line_too_long", ".xx");
	stream("{app=\"a\"}");
	entry(0, STR("x"), pairs, 1);
	entry(1, STR("x"), pairs, 2);
	entry(2, STR("x"), NULL, 0);
	assert_verdicts("stream '{app=\"a\"}' has structured metadata too large: '22' bytes, limit: '21' bytes. Please see `limits_config` or",
		"structured_metadata_too_large", ".x.");
	stream("{app=\"a\"}");
	entry(0, STR("x"), pairs, 1);
	entry(1, STR("x"), pairs, 2);
	entry(2, STR("x"), NULL, 0);
	assert_verdicts("stream '{app=\"a\"}' has too many structured metadata labels: '2', limit: '1'. Please see", "structured_metadata_too_many", ".x.");
	stream("{app=\"a\"}");
	entry(0, STR("x"), pairs, 1);
	entry(1, STR("x"), pairs, 2);
	entry(2, STR("x"), NULL, 0);
	assert_verdicts("2 errors like: stream '{app=\"a\"}' includes structured metadata, but this feature is disallowed. Please see",
		"disallowed_structured_metadata", "xx.");
}

static void
test_refusal__labels(void **state)
{
	(void)state;
	stream("{app=\"a\", b=\"c'd\", e=\"\"}");
	many(2, 0, 1);
	stream("{app=\"b\"}");
	many(2, 0, 1);
	assert_verdicts("entry for stream '{app=\"a\", b=\"c'd\", service_name=\"a\"}' has 16 label names; limit 15", "max_label_names_per_series", "xx..");
	stream("{app=\"a\"}");
	many(2, 0, 1);
	stream("{app=\"' has 9 label names; limit 3\"}");
	many(2, 0, 1);
	assert_verdicts("stream '{app=\"' has 9 label names; limit 3\", service_name=\"a\"}' has label value too long: '' has 9 label names; limit 3'",
		"label_value_too_long", "..xx");
}

static void
test_refusal__two_rules(void **state)
{
	(void)state;
	stream("{app=\"a\"}");
	entry(0, STR("old and long, counted as old"), NULL, 0);
	entry(7200, STR("long enough for the limit"), NULL, 0);
	entry(7200, STR("x"), NULL, 0);
	{
		struct request *r = request();
		struct request_view *v = request_open(r);
		struct refusal refusal;

		refusal_find(&refusal, v, 400, STR("1 errors like: entry for stream '{app=\"a\"}' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable "
			"timestamp is: 2026-01-01T01:00:00Z; 1 errors like: max entry size '10' bytes exceeded for stream '{app=\"a\"}' while adding an "
			"entry with length '25' bytes"), false);
		assert_true(refusal.exact);
		assert_string_equal(refusal.entries[0].reason, "greater_than_max_sample_age");
		assert_string_equal(refusal.entries[1].reason, "line_too_long");
		assert_int_equal(refusal.entries[2].verdict, VERDICT_STORED);
		refusal_done(&refusal);
		request_view_free(v);
		drop_request(r);
	}
}

#define BEHIND(time) "entry with timestamp 2026-01-01 " time " +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: " \
	"2026-01-01T" time "Z, oldest acceptable timestamp is: 2026-01-01T01:00:00Z',\n"
#define RATE(time) "entry with timestamp 2026-01-01 " time " +0000 UTC ignored, reason: 'Per stream rate limit exceeded (limit: 3MB/sec) while " \
	"attempting to ingest for stream '{app=\"b\"}' totaling 1B',\n"

static void
test_refusal__too_far_behind(void **state)
{
	(void)state;
	/* By their times. */
	stream("{app=\"a\"}");
	many(3, 0, 3600);
	stream("{app=\"b\"}");
	many(4, 0, 1800);
	assert_verdicts(BEHIND("00:00:00") BEHIND("00:30:00") "user 'fake', total ignored: 2 out of 4 for stream: {app=\"b\", service_name=\"b\"}",
		"too_far_behind", "...xx..");
	/* More than are named: the oldest, when the border agrees. */
	stream("{app=\"b\"}");
	many(6, 0, 900);
	assert_verdicts(BEHIND("00:00:00") BEHIND("00:15:00") "user 'fake', total ignored: 4 out of 6 for stream: {app=\"b\", service_name=\"b\"}",
		"too_far_behind", "xxxx..");
	stream("{app=\"b\"}");
	many(6, 0, 900);
	assert_verdicts(BEHIND("00:00:00") BEHIND("00:15:00") "user 'fake', total ignored: 3 out of 6 for stream: {app=\"b\", service_name=\"b\"}",
		"too_far_behind", "!!!???");
	/* A shard of it, all named. */
	stream("{app=\"b\"}");
	many(4, 0, 1800);
	assert_verdicts(BEHIND("00:30:00") "user 'fake', total ignored: 1 out of 2 for stream: {__stream_shard__=\"1\", app=\"b\"}", "too_far_behind", ".x..");
	/* Two of equal time. */
	stream("{app=\"b\"}");
	many(2, 0, 0);
	assert_verdicts(BEHIND("00:00:00") "user 'fake', total ignored: 1 out of 2 for stream: {app=\"b\"}", "too_far_behind", "!?");
}

static void
test_refusal__limits_of_a_stream(void **state)
{
	(void)state;
	stream("{app=\"a\"}");
	many(2, 0, 1);
	stream("{app=\"b\"}");
	many(3, 0, 1);
	stream("{app=\"c\"}");
	many(2, 0, 1);
	assert_verdicts(RATE("00:00:00") RATE("00:00:01") RATE("00:00:02") "user 'fake', total ignored: 3 out of 3 for stream: {app=\"b\"}", NULL, "ppaaa..");
	stream("{app=\"b\"}");
	many(3, 0, 1);
	assert_verdicts(RATE("00:00:01") "user 'fake', total ignored: 1 out of 3 for stream: {app=\"b\"}", NULL, ".a.");
	/* Not all are named: what is before the first of them is stored. */
	stream("{app=\"b\"}");
	many(5, 0, 1);
	assert_verdicts(RATE("00:00:02") "user 'fake', total ignored: 3 out of 5 for stream: {app=\"b\"}", NULL, "..aaa");
	stream("{app=\"a\"}");
	many(2, 0, 1);
	stream("{app=\"b\"}");
	many(1, 0, 1);
	assert_verdicts("maximum active stream limit exceeded when trying to create stream {app=\"b\", service_name=\"b\"}, reduce the number of active "
			"streams (reduce labels or reduce label values), or", NULL, "ppa");
}

static void
test_refusal__cut_text(void **state)
{
	(void)state;
	stream("{app=\"a\"}");
	many(4, 0, 3600);
	assert_verdicts_cut("1 errors like: entry for stream '{app=\"a\"}' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: "
			    "2026-01-01T01:30:00Z; 1 errors like: entry for str", true, "greater_than_max_sample_age", "xx..");
}

/* Parts hold what was picked, and the lines that belong to it. */
static void
test_refusal__halves(void **state)
{
	struct request *r;
	struct request_view *v;

	(void)state;
	stream("{app=\"a\"}");
	many(3, 0, 1);
	stream("{app=\"b\"}");
	many(5, 0, 1);
	r = request();
	v = request_open(r);
	assert_true(request_pick_half(v, true));
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(v->entries[i].picked, i < 3);
	request_view_free(v);
	drop_request(r);
	stream("{app=\"a\"}");
	many(3, 0, 1);
	r = request();
	v = request_open(r);
	assert_false(request_pick_half(v, true));
	assert_true(request_pick_half(v, false));
	assert_true(v->entries[0].picked && !v->entries[2].picked);
	request_view_free(v);
	drop_request(r);
	stream("{app=\"a\"}");
	many(1, 0, 1);
	r = request();
	v = request_open(r);
	assert_false(request_pick_half(v, false));
	request_view_free(v);
	drop_request(r);
}

/* Entries that were added in another order than the body's know their lines. */
static void
test_refusal__turns(void **state)
{
	struct request_turn turns[] = {{1, 1}, {0, 2}, {1, 1}};
	/* The last entry is made of lines of two spans. */
	static struct request_run runs[] = {{NULL, 7, 2, 1, false}, {NULL, 20, 3, 3, false}, {NULL, 30, 4, 0, true}, {NULL, 0, 1, 1, false}};
	struct request *r;
	struct request_view *v;

	(void)state;
	stream("{app=\"a\"}");
	many(2, 0, 1);
	stream("{app=\"b\"}");
	many(2, 0, 1);
	r = request();
	r->runs = runs;
	r->n_runs = 4;
	r->turns = turns;
	r->n_turns = 3;
	v = request_open(r);
	assert_int_equal(v->entries[0].at, 8);
	assert_int_equal(v->entries[1].at, 20);
	assert_int_equal(v->entries[1].lines, 3);
	assert_int_equal(v->entries[2].at, 7);
	assert_int_equal(v->entries[3].n_runs, 2);
	assert_int_equal(request_entry_run(r, &v->entries[3], 0).line, 30);
	assert_int_equal(request_entry_run(r, &v->entries[3], 0).lines, 4);
	assert_int_equal(request_entry_run(r, &v->entries[3], 1).line, 0);
	request_view_free(v);
	r->turns = NULL;
	drop_request(r);
}

/* What a source tells of itself is an entry of its own, though it is no line. */
static void
test_refusal__no_line(void **state)
{
	static struct request_run runs[] = {{NULL, 0, 0, 0, false}, {NULL, 0, 2, 1, false}, {NULL, 2, 0, 0, false}, {NULL, 5, 1, 0, true},
		{NULL, 0, 0, 0, false}};
	static const uint32_t at[] = {0, 0, 1, 2, 0}, lines[] = {0, 1, 1, 0, 0}, n_runs[] = {1, 1, 1, 1, 2};
	struct request *r;
	struct request_view *v;

	(void)state;
	stream("{app=\"a\"}");
	many(5, 0, 1);
	r = request();
	r->runs = runs;
	r->n_runs = ARRAY_LEN(runs);
	v = request_open(r);
	for (size_t i = 0; i < v->n_entries; i++) {
		assert_int_equal(v->entries[i].at, at[i]);
		assert_int_equal(v->entries[i].lines, lines[i]);
		assert_int_equal(v->entries[i].n_runs, n_runs[i]);
	}
	request_view_free(v);
	drop_request(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusal__too_old),
		cmocka_unit_test(test_refusal__number_does_not_agree),
		cmocka_unit_test(test_refusal__too_new),
		cmocka_unit_test(test_refusal__sizes),
		cmocka_unit_test(test_refusal__labels),
		cmocka_unit_test(test_refusal__two_rules),
		cmocka_unit_test(test_refusal__too_far_behind),
		cmocka_unit_test(test_refusal__limits_of_a_stream),
		cmocka_unit_test(test_refusal__cut_text),
		cmocka_unit_test(test_refusal__halves),
		cmocka_unit_test(test_refusal__turns),
		cmocka_unit_test(test_refusal__no_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

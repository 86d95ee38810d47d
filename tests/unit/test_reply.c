/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "longship/base/check.h"

static struct reply
classify(int status, const char *body)
{
	const struct http_result r = {.status = status, .body = str_from(body), .sent = true};

	return reply_classify(&r, 100, true);
}

static void
test_reply__by_status(void **state)
{
	static const struct {
		int status;
		enum reply_kind kind;
		bool maybe_stored;
	} cases[] = {
		{200, REPLY_STORED, false}, {204, REPLY_STORED, false}, {260, REPLY_REFUSED, false},
		{301, REPLY_MISCONFIGURED, false}, {401, REPLY_MISCONFIGURED, false}, {403, REPLY_MISCONFIGURED, false},
		{404, REPLY_MISCONFIGURED, false}, {405, REPLY_MISCONFIGURED, false}, {413, REPLY_REFUSED, false},
		{422, REPLY_REFUSED, false}, {429, REPLY_RETRY, false}, {500, REPLY_RETRY, true}, {503, REPLY_RETRY, true},
		{599, REPLY_RETRY, true}, {0, REPLY_RETRY, true}, {999, REPLY_RETRY, true}, {100, REPLY_RETRY, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reply r = classify(cases[i].status, "");

		assert_int_equal(r.kind, cases[i].kind);
		assert_int_equal(r.maybe_stored, cases[i].maybe_stored);
		if (r.kind == REPLY_REFUSED)
			assert_non_null(r.reason);
	}
}

static void
test_reply__nothing_went_out(void **state)
{
	const struct http_result r = {.error = "connection refused"};

	(void)state;
	assert_int_equal(reply_classify(&r, 1, true).kind, REPLY_RETRY);
	assert_false(reply_classify(&r, 1, true).maybe_stored);
}

static void
test_reply__429_given_up_when_configured(void **state)
{
	const struct http_result r = {.status = 429};

	(void)state;
	assert_int_equal(reply_classify(&r, 1, false).kind, REPLY_REFUSED);
	assert_string_equal(reply_classify(&r, 1, false).reason, "rate_limited");
}

static void
assert_partial(const char *body, uint64_t refused, const char *reason)
{
	struct reply r = classify(400, body);

	assert_int_equal(r.kind, REPLY_PARTIAL);
	assert_int_equal(r.refused, refused);
	assert_string_equal(r.reason, reason);
}

static void
test_reply__400_names_what_is_refused(void **state)
{
	(void)state;
	assert_partial("entry with timestamp 2026-01-01 ignored, reason: 'entry too far behind, oldest acceptable timestamp is: x',\n"
		       "user 'fake', total ignored: 7 out of 9 for stream: {a=\"b\"}", 7, "too_far_behind");
	assert_partial("entry out of order total ignored: 7 out of 9 for stream: {a=\"b\"}\ntotal ignored: 5 out of 9", 12, "out_of_order");
	assert_partial("timestamp too old: 1970\ntimestamp too old: 1971\n\n", 2, "greater_than_max_sample_age");
	assert_partial("timestamp too new total ignored: 18446744073709551615 total ignored: 18446744073709551615 out", 100,
		"too_far_in_future");
	assert_partial("timestamp too new total ignored: 99999999999999999999999", 1, "too_far_in_future");
	assert_partial("max entry size total ignored: x", 1, "line_too_long");
}

/* Nothing may count as stored that is not. */
static void
test_reply__400_that_stored_nothing(void **state)
{
	static const char *const bodies[] = {"error parsing labels: x", "couldn't parse labels: 1:1", "tenant ID 'a/b' contains unsupported character '/'",
		"<html>\n<body>400 Bad Request\nnginx</body>", "", "snappy: corrupt input"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		assert_int_equal(classify(400, bodies[i]).kind, REPLY_REFUSED);
		assert_non_null(classify(400, bodies[i]).reason);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply__by_status),
		cmocka_unit_test(test_reply__nothing_went_out),
		cmocka_unit_test(test_reply__429_given_up_when_configured),
		cmocka_unit_test(test_reply__400_names_what_is_refused),
		cmocka_unit_test(test_reply__400_that_stored_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

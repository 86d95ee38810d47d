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

	return reply_classify(&r, true);
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
		{404, REPLY_MISCONFIGURED, false}, {405, REPLY_MISCONFIGURED, false}, {413, REPLY_TOO_LARGE, false},
		{422, REPLY_BAD_STREAM, false}, {429, REPLY_RETRY, false}, {500, REPLY_RETRY, true}, {503, REPLY_RETRY, true},
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
	assert_int_equal(reply_classify(&r, true).kind, REPLY_RETRY);
	assert_false(reply_classify(&r, true).maybe_stored);
}

static void
test_reply__429_given_up_when_configured(void **state)
{
	const struct http_result r = {.status = 429};

	(void)state;
	assert_int_equal(reply_classify(&r, false).kind, REPLY_REFUSED);
	assert_string_equal(reply_classify(&r, false).reason, "rate_limited");
}

static void
assert_partial(int status, const char *body, const char *reason)
{
	struct reply r = classify(status, body);

	assert_int_equal(r.kind, REPLY_PARTIAL);
	assert_string_equal(r.reason, reason);
}

static void
test_reply__some_is_stored(void **state)
{
	(void)state;
	assert_partial(400, "entry with timestamp 2026-01-01 ignored, reason: 'entry too far behind, oldest acceptable timestamp is: x',\n"
		       "user 'fake', total ignored: 7 out of 9 for stream: {a=\"b\"}", "too_far_behind");
	assert_partial(400, "entry for stream '{a=\"b\"}' has timestamp too old: 1970", "greater_than_max_sample_age");
	assert_partial(400, "max entry size '5' bytes exceeded", "line_too_long");
	assert_partial(400, "error parsing labels '{a' with error: x", "invalid_labels");
	assert_partial(429, "user 'fake', total ignored: 1 out of 9 for stream: {a=\"b\"}", "per_stream_rate_limit");
	assert_partial(429, "maximum active stream limit exceeded when trying to create stream {a=\"b\"}, reduce", "per_stream_rate_limit");
}

/* Nothing may count as stored that is not. */
static void
test_reply__400_that_stored_nothing(void **state)
{
	static const struct {
		const char *body;
		enum reply_kind kind;
	} cases[] = {
		{"couldn't parse labels: 1:1", REPLY_BAD_STREAM}, {"tenant ID 'a/b' contains unsupported character '/'", REPLY_REFUSED},
		{"<html>\n<body>400 Bad Request\nnginx</body>", REPLY_REFUSED}, {"", REPLY_REFUSED}, {"snappy: corrupt input", REPLY_REFUSED},
		{"rpc error: grpc: received message larger than max (5 vs. 4)", REPLY_TOO_LARGE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(classify(400, cases[i].body).kind, cases[i].kind);
		assert_non_null(classify(400, cases[i].body).reason);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply__by_status),
		cmocka_unit_test(test_reply__nothing_went_out),
		cmocka_unit_test(test_reply__429_given_up_when_configured),
		cmocka_unit_test(test_reply__some_is_stored),
		cmocka_unit_test(test_reply__400_that_stored_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "longship/flow/pace.h"

#define S INT64_C(1000000000)

static void
test_pace__charges_behind_the_burst(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 10, 5);
	assert_int_equal(pace_charge(&p, 100 * S, pace_cost(&p, 5)), 0);
	assert_int_equal(pace_charge(&p, 100 * S, pace_cost(&p, 1)), S / 10);
	/* After a long time no more than the burst is there. */
	assert_int_equal(pace_charge(&p, 200 * S, pace_cost(&p, 7)), 2 * S / 10);
}

/* Spans of any size, each waited for: what passes in the end is the rate. */
static void
test_pace__long_run_is_exact(void **state)
{
	struct pace p;
	int64_t now = 0;
	size_t lines = 0;

	(void)state;
	pace_init(&p, 700000, 10);
	for (size_t n = 1; n <= 2000; n++) {
		now += pace_charge(&p, now, pace_cost(&p, n));
		lines += n;
	}
	assert_true((double)lines / ((double)now / (double)S) > 699900 && (double)lines / ((double)now / (double)S) < 700100);
}

static void
test_pace__takes_one_by_one(void **state)
{
	struct pace p;
	int64_t paid = 0;

	(void)state;
	pace_init(&p, 2, 2);
	assert_true(pace_take(&p, &paid, 10 * S));
	assert_true(pace_take(&p, &paid, 10 * S));
	assert_false(pace_take(&p, &paid, 10 * S + S / 2 - 1));
	assert_true(pace_take(&p, &paid, 10 * S + S / 2));
	assert_false(pace_take(&p, &paid, 9 * S)); /* a clock that goes back gives nothing */
}

static void
test_pace__ends_do_not_overflow(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 1e-300, 1e18);
	assert_int_equal(pace_charge(&p, 0, pace_cost(&p, SIZE_MAX)), 0);
	assert_true(pace_charge(&p, S, pace_cost(&p, SIZE_MAX)) > 0);
	assert_true(pace_charge(&p, S, pace_cost(&p, SIZE_MAX)) > 0);
	pace_init(&p, 1e300, 1);
	assert_int_equal(pace_charge(&p, 0, pace_cost(&p, 1000)), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pace__charges_behind_the_burst),
		cmocka_unit_test(test_pace__long_run_is_exact),
		cmocka_unit_test(test_pace__takes_one_by_one),
		cmocka_unit_test(test_pace__ends_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

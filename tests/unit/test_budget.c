/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "longship/flow/budget.h"

#define LIMIT (1u << 20)

static int
setup(void **state)
{
	(void)state;
	budget_set_limit(LIMIT);
	return 0;
}

static void
test_budget__shares_are_free_while_half_is(void **state)
{
	(void)state;
	budget_take(LIMIT / 2 - 1);
	assert_true(budget_share(1000) == UINT64_MAX);
	budget_take(1);
	assert_int_equal(budget_share(4), LIMIT / 8);
	assert_int_equal(budget_share(0), LIMIT / 2);
	/* Each can send a small request, however many there are. */
	assert_int_equal(budget_share(1000), BUDGET_SHARE_MIN_BYTES);
	budget_give(LIMIT / 2);
}

static void
test_budget__is_exhausted_while_lanes_have_room_for_a_span(void **state)
{
	(void)state;
	budget_take(LIMIT / 5 * 4 - 1);
	assert_false(budget_scarce());
	budget_take(1);
	assert_true(budget_scarce());
	assert_false(budget_exhausted());
	budget_take(LIMIT / 16 * 15 - budget_used());
	assert_true(budget_exhausted());
	budget_give(budget_used());
}

static void
test_budget__relief_is_told_once(void **state)
{
	(void)state;
	(void)budget_relieved();
	assert_false(budget_relieved());
	budget_take(LIMIT);
	assert_true(budget_scarce());
	assert_false(budget_relieved());
	budget_give(LIMIT / 2);
	assert_false(budget_relieved());
	budget_give(LIMIT / 2);
	assert_true(budget_relieved());
	assert_false(budget_relieved());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget__shares_are_free_while_half_is),
		cmocka_unit_test(test_budget__is_exhausted_while_lanes_have_room_for_a_span),
		cmocka_unit_test(test_budget__relief_is_told_once),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

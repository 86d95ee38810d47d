/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "longship/base/clock.h"
#include "longship/flow/proof.h"

static void
test_proof__keeps_one_of_each_ten_seconds(void **state)
{
	struct proof p = {0};

	(void)state;
	for (uint64_t s = 1; s <= 100; s++)
		proof_add(&p, s * 1000, s, (int64_t)s * NS_PER_S);
	assert_int_equal(p.n_tails, PROOF_TAILS_MAX);
	assert_int_equal(p.tails[3].offset, 100000);
	assert_int_equal(p.tails[2].offset, 90000);
	assert_int_equal(p.tails[1].offset, 80000);
	assert_int_equal(p.tails[0].offset, 70000);
	assert_int_equal(proof_at(&p, 100000), 100);
	assert_int_equal(proof_at(&p, 90000), 0);
}

static void
test_proof__going_back_forgets_what_is_behind(void **state)
{
	struct proof p = {0};

	(void)state;
	proof_add(&p, 10, 1, 0);
	proof_add(&p, 20, 2, 2 * PROOF_SPACING_NS);
	proof_add(&p, 30, 3, 4 * PROOF_SPACING_NS);
	proof_cut(&p, 20);
	assert_int_equal(p.n_tails, 2);
	proof_add(&p, 15, 4, 4 * PROOF_SPACING_NS + 1);
	assert_int_equal(p.n_tails, 2);
	assert_int_equal(proof_at(&p, 15), 4);
	proof_add(&p, 0, 5, 5 * PROOF_SPACING_NS);
	assert_int_equal(p.n_tails, 2);
}

static void
test_proof__through_the_store(void **state)
{
	struct proof p = {.head = {100, 7}}, again;
	struct position position = {.offset = 2000};

	(void)state;
	proof_put(&p, &position); /* the head alone */
	assert_int_equal(position.n_checkpoints, 1);
	proof_add(&p, 1000, 1, 0);
	proof_add(&p, 3000, 2, 2 * PROOF_SPACING_NS);
	proof_put(&p, &position); /* what lies above the position is not stored */
	assert_int_equal(position.n_checkpoints, 2);
	proof_get(&again, &position);
	assert_int_equal(again.head.offset, 100);
	assert_int_equal(proof_at(&again, 1000), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proof__keeps_one_of_each_ten_seconds),
		cmocka_unit_test(test_proof__going_back_forgets_what_is_behind),
		cmocka_unit_test(test_proof__through_the_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/mark.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"

#define THREADS 4
#define TAKES 5000

struct range {
	int64_t from, to;
};

struct taker {
	struct marks *marks;
	struct range taken[TAKES];
	pthread_t thread;
};

static void *
take(void *ptr)
{
	struct taker *t = ptr;

	for (uint64_t i = 0; i < TAKES; i++) {
		uint64_t n = i % 7;
		int64_t base = marks_take(t->marks, INT64_C(1000000) + (int64_t)(i % 5) * 100, n);

		t->taken[i] = (struct range){base, base + (int64_t)(n > 0 ? n : 1)};
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static void
test_mark__ranges_never_overlap(void **state)
{
	static struct taker takers[THREADS];
	static struct range all[THREADS * TAKES];
	struct marks *marks = marks_new(0);

	(void)state;
	for (size_t i = 0; i < THREADS; i++) {
		takers[i].marks = marks;
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take, &takers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(takers[i].thread, NULL);
		for (size_t k = 0; k < TAKES; k++)
			all[i * TAKES + k] = takers[i].taken[k];
	}
	qsort(all, ARRAY_LEN(all), sizeof(all[0]), compare);
	for (size_t i = 1; i < ARRAY_LEN(all); i++)
		assert_true(all[i - 1].to <= all[i].from);
	marks_free(marks);
}

static void
test_mark__base_is_first_seen(void **state)
{
	struct marks *marks = marks_new(500);

	(void)state;
	assert_int_equal(marks_take(marks, 1000, 10), 1000);
	assert_int_equal(marks_take(marks, 1000, 10), 1010);
	assert_int_equal(marks_take(marks, 5, 1), 1020); /* an earlier time does not go back */
	assert_int_equal(marks_take(marks, 2000, 1), 2000);
	marks_free(marks);
}

static void
test_mark__goes_on_after_an_earlier_process(void **state)
{
	struct marks *marks = marks_new(5000);

	(void)state;
	assert_int_equal(marks_take(marks, 1000, 1), 5001);
	marks_free(marks);
}

static void
test_mark__a_clock_far_ahead_is_not_followed(void **state)
{
	int64_t now = clock_now_ns();
	struct marks *marks = marks_new(now + 2 * MARK_AHEAD_MAX_NS);

	(void)state;
	assert_int_equal(marks_take(marks, now, 1), now);
	assert_int_equal(marks_take(marks, now, 1), now + 1);
	marks_free(marks);
	marks = marks_new(now + MARK_AHEAD_MAX_NS / 2);
	assert_int_equal(marks_take(marks, now, 1), now + MARK_AHEAD_MAX_NS / 2 + 1);
	marks_free(marks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mark__ranges_never_overlap),
		cmocka_unit_test(test_mark__base_is_first_seen),
		cmocka_unit_test(test_mark__goes_on_after_an_earlier_process),
		cmocka_unit_test(test_mark__a_clock_far_ahead_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

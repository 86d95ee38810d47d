/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEYS 500

static struct str
key_of(char text[16], unsigned i)
{
	return (struct str){text, (size_t)snprintf(text, 16, "key %u", i)};
}

static void
test_map__finds_what_was_set(void **state)
{
	struct map m;
	int a, b;

	(void)state;
	map_init(&m);
	assert_null(map_get(&m, STR("a")));
	assert_null(map_remove(&m, STR("a")));
	assert_null(map_set(&m, STR("a"), &a));
	assert_null(map_set(&m, STR(""), &b));
	assert_ptr_equal(map_set(&m, STR("a"), &b), &a);
	assert_ptr_equal(map_get(&m, STR("a")), &b);
	assert_ptr_equal(map_remove(&m, STR("")), &b);
	assert_false(map_has(&m, STR("")));
	assert_int_equal(map_len(&m), 1);
	map_done(&m);
}

/* Against an array that says what must be there, at sizes where slots wrap around and collide. */
static void
test_map__any_order_of_changes(void **state)
{
	uintptr_t there[KEYS] = {0};
	struct map m;
	size_t n = 0;

	(void)state;
	srand(7);
	map_init(&m);
	for (unsigned step = 0; step < 50000; step++) {
		unsigned i = (unsigned)rand() % KEYS;
		char text[16];
		struct str key = key_of(text, i);

		if (rand() % 2 == 0) {
			assert_int_equal((uintptr_t)map_set(&m, key, (void *)(uintptr_t)(step + 1)), there[i]);
			n += there[i] == 0;
			there[i] = step + 1;
		} else {
			assert_int_equal((uintptr_t)map_remove(&m, key), there[i]);
			n -= there[i] != 0;
			there[i] = 0;
		}
		assert_int_equal(map_len(&m), n);
	}
	for (unsigned i = 0; i < KEYS; i++) {
		char text[16];

		assert_int_equal((uintptr_t)map_get(&m, key_of(text, i)), there[i]);
	}
	for (size_t i = 0; i < map_len(&m); i++)
		assert_ptr_equal(map_get(&m, map_key(&m, i)), map_value(&m, i));
	map_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map__finds_what_was_set),
		cmocka_unit_test(test_map__any_order_of_changes),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}

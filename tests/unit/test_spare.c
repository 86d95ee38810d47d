/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/spare.h"

static unsigned destroyed;

static void
destroy(void *ptr)
{
	(void)ptr;
	destroyed++;
}

static struct spare spare = SPARE(destroy);

static void *
give_one(void *ptr)
{
	assert_null(spare_take(&spare));
	spare_give(&spare, ptr);
	assert_ptr_equal(spare_take(&spare), ptr);
	spare_give(&spare, ptr);
	return NULL;
}

static void
test_spare__one_a_thread(void **state)
{
	int a, b, c;
	pthread_t thread;

	(void)state;
	destroyed = 0;
	assert_null(spare_take(&spare));
	spare_give(&spare, &a);
	spare_give(&spare, &b);
	assert_int_equal(destroyed, 1);
	assert_int_equal(pthread_create(&thread, NULL, give_one, &c), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(destroyed, 2); /* with its thread */
	assert_ptr_equal(spare_take(&spare), &a);
	assert_null(spare_take(&spare));
}

static void
test_spare__buffers(void **state)
{
	struct buf b, small;
	const char *memory;

	(void)state;
	buf_borrow(&b, 1 << 20);
	assert_true(buf_z(&b, "some text"));
	memory = b.data;
	buf_give_back(&b);
	buf_borrow(&small, 16); /* a kept one could be larger than it may be */
	assert_true(buf_z(&small, "0123456789abcdef"));
	assert_false(buf_putc(&small, 'x'));
	buf_done(&small);
	buf_borrow(&b, 1 << 20);
	assert_ptr_equal(b.data, memory);
	assert_int_equal(b.len, 0);
	assert_true(buf_reserve(&b, 100000));
	buf_give_back(&b); /* too large to wait */
	buf_borrow(&b, 1 << 20);
	assert_null(b.data);
	buf_give_back(&b);
}

static void
test_spare__arenas_use_their_blocks_again(void **state)
{
	struct arena *arena = arena_new(4096);
	void *first, *large;
	size_t bytes;

	(void)state;
	first = arena_alloc(arena, 100);
	large = arena_alloc(arena, 3000);
	(void)arena_alloc(arena, 4000);
	bytes = arena_bytes(arena);
	arena_clear(arena);
	assert_int_equal(arena_bytes(arena), 0);
	assert_ptr_equal(arena_alloc(arena, 100), first);
	assert_ptr_equal(arena_alloc(arena, 3000), large);
	(void)arena_alloc(arena, 4000);
	assert_int_equal(arena_bytes(arena), bytes); /* what it held before makes no difference */
	arena_clear(arena);
	arena_trim(arena);
	arena_free(arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spare__one_a_thread),
		cmocka_unit_test(test_spare__buffers),
		cmocka_unit_test(test_spare__arenas_use_their_blocks_again),
	};

	return cmocka_run_group_tests_name("spare", tests, NULL, NULL);
}

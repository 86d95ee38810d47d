/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "longship/base/clock.h"
#include "longship/os/loop.h"

struct seen {
	struct loop *loop;
	struct loop_timer *timer;
	struct loop_watch *watch;
	int n, quit_at;
};

static struct loop *
make(void)
{
	struct loop *loop;

	assert_int_equal(loop_new(&loop), 0);
	return loop;
}

static void
count(void *ptr)
{
	struct seen *seen = ptr;

	if (++seen->n == seen->quit_at)
		loop_quit(seen->loop, seen->n);
}

static void
test_loop__one_shot_timer_fires_once_and_not_early(void **state)
{
	struct seen seen = {.loop = make(), .quit_at = 1};
	int64_t start_ns = clock_mono_ns();

	(void)state;
	assert_int_equal(loop_timer_new(seen.loop, count, &seen, &seen.timer), 0);
	assert_false(loop_timer_running(seen.timer));
	loop_timer_start(seen.timer, 20 * NS_PER_MS, 0);
	assert_true(loop_timer_running(seen.timer));
	assert_int_equal(loop_run(seen.loop), 1);
	assert_true(clock_mono_ns() - start_ns >= 20 * NS_PER_MS);
	assert_false(loop_timer_running(seen.timer));
	assert_int_equal(loop_turn(seen.loop, 30 * NS_PER_MS), 0);
	assert_int_equal(seen.n, 1);
	loop_timer_free(seen.timer);
	loop_free(seen.loop);
}

static void
test_loop__repeating_timer_repeats_until_stopped(void **state)
{
	struct seen seen = {.loop = make(), .quit_at = 5};

	(void)state;
	assert_int_equal(loop_timer_new(seen.loop, count, &seen, &seen.timer), 0);
	loop_timer_start(seen.timer, 0, 2 * NS_PER_MS);
	assert_int_equal(loop_run(seen.loop), 5);
	loop_timer_stop(seen.timer);
	assert_int_equal(loop_turn(seen.loop, 10 * NS_PER_MS), 0);
	assert_int_equal(seen.n, 5);
	loop_timer_free(seen.timer);
	loop_free(seen.loop);
}

static void
free_own_timer(void *ptr)
{
	struct seen *seen = ptr;

	loop_timer_free(seen->timer);
	loop_quit(seen->loop, 0);
}

static void
test_loop__a_callback_may_free_its_own_timer(void **state)
{
	struct seen seen = {.loop = make()};

	(void)state;
	assert_int_equal(loop_timer_new(seen.loop, free_own_timer, &seen, &seen.timer), 0);
	loop_timer_start(seen.timer, 0, NS_PER_MS);
	assert_int_equal(loop_run(seen.loop), 0);
	loop_free(seen.loop);
}

static void
on_readable(void *ptr, int fd, uint32_t events)
{
	struct seen *seen = ptr;
	char c;

	assert_true((events & EPOLLIN) != 0);
	assert_int_equal(read(fd, &c, 1), 1);
	if (c == 'q') {
		loop_watch_free(seen->watch);
		loop_quit(seen->loop, 7);
	}
	seen->n++;
}

static void
test_loop__watch_follows_events_and_can_rest(void **state)
{
	struct seen seen = {.loop = make()};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_watch_new(seen.loop, fds[0], EPOLLIN, on_readable, &seen, &seen.watch), 0);
	assert_int_equal(write(fds[1], "a", 1), 1);
	assert_int_equal(loop_turn(seen.loop, NS_PER_S), 1);
	assert_int_equal(loop_watch_set(seen.watch, 0), 0);
	assert_int_equal(write(fds[1], "bq", 2), 2);
	assert_int_equal(loop_turn(seen.loop, 5 * NS_PER_MS), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(loop_watch_set(seen.watch, EPOLLIN), 0);
	assert_int_equal(loop_run(seen.loop), 7);
	assert_int_equal(seen.n, 3);
	close(fds[0]);
	close(fds[1]);
	loop_free(seen.loop);
}

static void *
poster(void *ptr)
{
	struct seen *seen = ptr;

	for (int i = 0; i < 1000; i++)
		loop_post(seen->loop, count, seen);
	return NULL;
}

static void
test_loop__calls_from_threads_all_arrive(void **state)
{
	struct seen seen = {.loop = make(), .quit_at = 4000};
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, poster, &seen), 0);
	assert_int_equal(loop_run(seen.loop), 4000);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	loop_free(seen.loop);
}

static void
unpost_other(void *ptr)
{
	struct seen *pair = ptr;

	loop_unpost(pair[0].loop, &pair[1]);
	loop_quit(pair[0].loop, 0);
}

static void
test_loop__unpost_forgets_queued_and_running_calls(void **state)
{
	struct seen pair[2] = {{.loop = make()}};

	(void)state;
	loop_post(pair[0].loop, count, &pair[1]);
	loop_unpost(pair[0].loop, &pair[1]);
	loop_post(pair[0].loop, unpost_other, pair);
	loop_post(pair[0].loop, count, &pair[1]);
	assert_int_equal(loop_run(pair[0].loop), 0);
	assert_int_equal(pair[1].n, 0);
	loop_free(pair[0].loop);
}

static void
on_signal(void *ptr, int signal_number)
{
	struct seen *seen = ptr;

	loop_quit(seen->loop, signal_number);
}

static void
test_loop__signals_arrive_as_calls(void **state)
{
	struct seen seen = {.loop = make()};

	(void)state;
	assert_int_equal(loop_signal(seen.loop, SIGHUP, on_signal, &seen), 0);
	assert_int_equal(loop_signal(seen.loop, SIGTERM, on_signal, &seen), 0);
	assert_int_equal(raise(SIGHUP), 0);
	assert_int_equal(loop_run(seen.loop), SIGHUP);
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	assert_int_equal(loop_run(seen.loop), SIGTERM);
	loop_free(seen.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop__one_shot_timer_fires_once_and_not_early),
		cmocka_unit_test(test_loop__repeating_timer_repeats_until_stopped),
		cmocka_unit_test(test_loop__a_callback_may_free_its_own_timer),
		cmocka_unit_test(test_loop__watch_follows_events_and_can_rest),
		cmocka_unit_test(test_loop__calls_from_threads_all_arrive),
		cmocka_unit_test(test_loop__unpost_forgets_queued_and_running_calls),
		cmocka_unit_test(test_loop__signals_arrive_as_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"

/*
 * A thin coat over sd-event: our callbacks have no return value (an error of a callback is its own
 * business, it must not switch off its source as sd-event would do), repeating timers are re-armed before
 * the call, and calls from other threads come through a queue with an eventfd. The queue is swapped out
 * before it is run, so a call that posts again runs in the next turn and cannot starve the other sources.
 */

#define SIGNALS_MAX 8 /* SIGTERM, SIGINT, SIGHUP and a few to spare */

struct posted {
	void (*fn)(void *);
	void *ptr;
};

struct loop_signal {
	void (*fn)(void *ptr, int signal_number);
	void *ptr;
	sd_event_source *source;
};

struct loop {
	sd_event *event;
	int post_fd;
	sd_event_source *post_source;
	pthread_mutex_t lock;
	VEC(struct posted) posted;  /* under the lock */
	VEC(struct posted) running; /* being run, or left over from it; only the loop's thread */
	struct loop_signal signals[SIGNALS_MAX];
	size_t n_signals;
	bool quitting;
	int code;
};

struct loop_watch {
	void (*fn)(void *ptr, int fd, uint32_t events);
	void *ptr;
	sd_event_source *source;
};

struct loop_timer {
	struct loop *loop;
	void (*fn)(void *ptr);
	void *ptr;
	sd_event_source *source;
	int64_t repeat_ns;
};

static int
on_posted(sd_event_source *source, int fd, uint32_t events, void *ptr)
{
	struct loop *loop = ptr;
	uint64_t count;

	(void)source, (void)events;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return 0;
	pthread_mutex_lock(&loop->lock);
	loop->running.len = 0;
	for (size_t i = 0; i < loop->posted.len; i++)
		vec_push(&loop->running, loop->posted.items[i]);
	loop->posted.len = 0;
	pthread_mutex_unlock(&loop->lock);
	for (size_t i = 0; i < loop->running.len; i++) {
		struct posted call = loop->running.items[i];

		if (call.fn != NULL)
			call.fn(call.ptr);
	}
	loop->running.len = 0;
	return 0;
}

int
loop_new(struct loop **ret)
{
	struct loop *loop = mem_new(struct loop);
	int r;

	pthread_mutex_init(&loop->lock, NULL);
	loop->post_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->post_fd < 0) {
		r = -errno;
		goto fail;
	}
	r = sd_event_new(&loop->event);
	if (r < 0)
		goto fail;
	r = sd_event_add_io(loop->event, &loop->post_source, loop->post_fd, EPOLLIN, on_posted, loop);
	if (r < 0)
		goto fail;
	*ret = loop;
	return 0;
fail:
	loop_free(loop);
	return r;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	for (size_t i = 0; i < loop->n_signals; i++)
		sd_event_source_disable_unref(loop->signals[i].source);
	sd_event_source_disable_unref(loop->post_source);
	sd_event_unref(loop->event);
	if (loop->post_fd >= 0)
		close(loop->post_fd);
	vec_done(&loop->posted);
	vec_done(&loop->running);
	pthread_mutex_destroy(&loop->lock);
	mem_free(loop);
}

int
loop_run(struct loop *loop)
{
	loop->quitting = false;
	while (!loop->quitting) {
		int r = loop_turn(loop, -1);

		if (r < 0)
			return r;
	}
	return loop->code;
}

void
loop_quit(struct loop *loop, int code)
{
	loop->quitting = true;
	loop->code = code;
}

int
loop_turn(struct loop *loop, int64_t wait_ns)
{
	int r = sd_event_run(loop->event, wait_ns < 0 ? UINT64_MAX : (uint64_t)(wait_ns + NS_PER_US - 1) / NS_PER_US);

	return r == -EINTR ? 0 : r;
}

static int
on_watch(sd_event_source *source, int fd, uint32_t events, void *ptr)
{
	struct loop_watch *watch = ptr;

	(void)source;
	watch->fn(watch->ptr, fd, events);
	return 0;
}

int
loop_watch_new(struct loop *loop, int fd, uint32_t events, void (*fn)(void *, int, uint32_t), void *ptr,
	struct loop_watch **ret)
{
	struct loop_watch *watch = mem_new(struct loop_watch);
	int r = sd_event_add_io(loop->event, &watch->source, fd, events, on_watch, watch);

	assert(fn != NULL);
	if (r < 0) {
		mem_free(watch);
		return r;
	}
	watch->fn = fn;
	watch->ptr = ptr;
	*ret = watch;
	return 0;
}

int
loop_watch_set(struct loop_watch *watch, uint32_t events)
{
	int r;

	if (events == 0)
		return sd_event_source_set_enabled(watch->source, SD_EVENT_OFF);
	r = sd_event_source_set_io_events(watch->source, events);
	return r < 0 ? r : sd_event_source_set_enabled(watch->source, SD_EVENT_ON);
}

void
loop_watch_free(struct loop_watch *watch)
{
	if (watch == NULL)
		return;
	sd_event_source_disable_unref(watch->source);
	mem_free(watch);
}

/* sd-event's relative setter reads the clock of the loop's last turn; a busy turn would shorten the delay. */
static void
timer_arm(struct loop_timer *timer, int64_t delay_ns)
{
	int64_t slack_ns = delay_ns / 20 < LOOP_SLACK_NS ? delay_ns / 20 : LOOP_SLACK_NS;
	uint64_t at_us;
	int r;

	assert(delay_ns >= 0);
	at_us = (uint64_t)clock_mono_ns() / NS_PER_US + (uint64_t)delay_ns / NS_PER_US + 1;
	r = sd_event_source_set_time(timer->source, at_us);
	assert(r >= 0);
	r = sd_event_source_set_time_accuracy(timer->source, (uint64_t)(slack_ns / NS_PER_US) + 1);
	assert(r >= 0);
	r = sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
	assert(r >= 0);
}

static int
on_timer(sd_event_source *source, uint64_t at_us, void *ptr)
{
	struct loop_timer *timer = ptr;

	(void)source, (void)at_us;
	if (timer->repeat_ns > 0)
		timer_arm(timer, timer->repeat_ns);
	timer->fn(timer->ptr);
	return 0;
}

int
loop_timer_new(struct loop *loop, void (*fn)(void *), void *ptr, struct loop_timer **ret)
{
	struct loop_timer *timer = mem_new(struct loop_timer);
	int r = sd_event_add_time(loop->event, &timer->source, CLOCK_MONOTONIC, UINT64_MAX - 1, 0, on_timer, timer);

	assert(fn != NULL);
	if (r >= 0)
		r = sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
	if (r < 0) {
		sd_event_source_disable_unref(timer->source);
		mem_free(timer);
		return r;
	}
	timer->loop = loop;
	timer->fn = fn;
	timer->ptr = ptr;
	*ret = timer;
	return 0;
}

void
loop_timer_start(struct loop_timer *timer, int64_t delay_ns, int64_t repeat_ns)
{
	timer->repeat_ns = repeat_ns;
	timer_arm(timer, delay_ns > 0 ? delay_ns : 0);
}

void
loop_timer_stop(struct loop_timer *timer)
{
	int r = sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);

	assert(r >= 0);
	timer->repeat_ns = 0;
}

bool
loop_timer_running(const struct loop_timer *timer)
{
	int state = SD_EVENT_OFF;

	return sd_event_source_get_enabled(timer->source, &state) >= 0 && state != SD_EVENT_OFF;
}

void
loop_timer_free(struct loop_timer *timer)
{
	if (timer == NULL)
		return;
	sd_event_source_disable_unref(timer->source);
	mem_free(timer);
}

static int
on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *ptr)
{
	struct loop_signal *handler = ptr;

	(void)source;
	handler->fn(handler->ptr, (int)info->ssi_signo);
	return 0;
}

int
loop_signal(struct loop *loop, int signal_number, void (*fn)(void *, int), void *ptr)
{
	struct loop_signal *handler;
	sigset_t set;
	int r;

	assert(loop->n_signals < SIGNALS_MAX);
	handler = &loop->signals[loop->n_signals];
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (r != 0)
		return -r;
	handler->fn = fn;
	handler->ptr = ptr;
	r = sd_event_add_signal(loop->event, &handler->source, signal_number, on_signal, handler);
	if (r < 0)
		return r;
	loop->n_signals++;
	return 0;
}

void
loop_post(struct loop *loop, void (*fn)(void *), void *ptr)
{
	uint64_t one = 1;
	bool wake;

	assert(fn != NULL);
	pthread_mutex_lock(&loop->lock);
	wake = loop->posted.len == 0;
	vec_push(&loop->posted, ((struct posted){fn, ptr}));
	pthread_mutex_unlock(&loop->lock);
	if (wake) {
		ssize_t n = write(loop->post_fd, &one, sizeof(one));

		assert(n == (ssize_t)sizeof(one) || errno == EAGAIN);
	}
}

void
loop_unpost(struct loop *loop, const void *ptr)
{
	pthread_mutex_lock(&loop->lock);
	for (size_t i = loop->posted.len; i-- > 0;)
		if (loop->posted.items[i].ptr == ptr)
			vec_remove(&loop->posted, i);
	pthread_mutex_unlock(&loop->lock);
	for (size_t i = 0; i < loop->running.len; i++)
		if (loop->running.items[i].ptr == ptr)
			loop->running.items[i].fn = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The event loop of the control thread, on sd-event. All functions belong to the thread that made the
 * loop, except loop_post, which any thread may call. A callback may free its own watch or timer, start
 * and stop any other, and quit the loop; it must not block.
 *
 *	struct loop *loop;
 *	if (loop_new(&loop) < 0) …
 *	loop_timer_new(loop, tick, state, &timer);
 *	loop_timer_start(timer, NS_PER_S, NS_PER_S);
 *	code = loop_run(loop);
 *	loop_timer_free(timer);
 *	loop_free(loop);
 *
 * Errors are -errno. Times are nanoseconds of CLOCK_MONOTONIC, rounded up to microseconds; a timer may be
 * late by a twentieth of its delay, at most LOOP_SLACK_NS, so that wake-ups coalesce.
 */
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_watch;
struct loop_timer;

#define LOOP_SLACK_NS INT64_C(250000000)

int loop_new(struct loop **ret) __attribute__((warn_unused_result));
/* All watches and timers must be gone. Calls still posted are forgotten. NULL is fine. */
void loop_free(struct loop *);
/* Runs until loop_quit; gives its code, or -errno when the loop itself fails. May be called again. */
int loop_run(struct loop *);
void loop_quit(struct loop *, int code);
/* Waits at most wait_ns (-1: for ever) for something to happen and handles it: 1 handled, 0 time over, -errno. */
int loop_turn(struct loop *, int64_t wait_ns);

/* Calls fn for the events (EPOLLIN, EPOLLOUT…; level-triggered) of fd, which stays the caller's and must outlive the
 * watch. */
int loop_watch_new(struct loop *, int fd, uint32_t events, void (*fn)(void *ptr, int fd, uint32_t events), void *ptr,
	struct loop_watch **ret) __attribute__((warn_unused_result));
/* 0: waits for nothing but keeps the watch. */
int loop_watch_set(struct loop_watch *, uint32_t events);
void loop_watch_free(struct loop_watch *);

/* A timer, at rest. */
int loop_timer_new(struct loop *, void (*fn)(void *ptr), void *ptr, struct loop_timer **ret)
	__attribute__((warn_unused_result));
/* Fires after delay_ns, then (repeat_ns > 0) again and again; missed turns are skipped. Starting a running timer sets
 * it anew. */
void loop_timer_start(struct loop_timer *, int64_t delay_ns, int64_t repeat_ns);
void loop_timer_stop(struct loop_timer *);
bool loop_timer_running(const struct loop_timer *);
void loop_timer_free(struct loop_timer *);

/* Calls fn for each arrival of the signal, which is blocked in this thread and in all that it starts later: call before
 * any thread is made. Once per signal; lives as long as the loop. */
int loop_signal(struct loop *, int signal_number, void (*fn)(void *ptr, int signal_number), void *ptr)
	__attribute__((warn_unused_result));

/* Any thread: runs fn(ptr) on the control thread in one of its next turns, in the order posted. Who posts sees to it
 * that the number of calls under way is bounded (one flag per poster is the usual way). From the control thread: a
 * deferred call. */
void loop_post(struct loop *, void (*fn)(void *ptr), void *ptr);
/* Forgets the calls posted so far with this ptr; for its owner's end, on the control thread. */
void loop_unpost(struct loop *, const void *ptr);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a thread keeps to use again: an object that is made and let go of for each batch, but whose memory had better
 * stay. One object of a kind for each thread; it is freed when the thread ends. Any thread.
 *
 *	static struct spare spare = SPARE(run_destroy);
 *
 *	struct run *run = spare_take(&spare);
 *	if (run == NULL)
 *		run = run_make();
 *	…
 *	spare_give(&spare, run);
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct spare {
	void (*destroy)(void *);
	pthread_mutex_t lock; /* for making the key */
	pthread_key_t key;
	_Atomic bool made;
};

#define SPARE(function) {.destroy = (function), .lock = PTHREAD_MUTEX_INITIALIZER}

/* The thread's spare object, which is now the caller's; NULL when it has none. */
void *spare_take(struct spare *);
/* Keeps the object, or destroys it when the thread has one already. */
void spare_give(struct spare *, void *);

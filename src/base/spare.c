/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/spare.h"

#include "longship/base/check.h"

static pthread_key_t
key_of(struct spare *s)
{
	if (atomic_load_explicit(&s->made, memory_order_acquire))
		return s->key;
	(void)pthread_mutex_lock(&s->lock);
	if (!atomic_load_explicit(&s->made, memory_order_relaxed)) {
		assert(pthread_key_create(&s->key, s->destroy) == 0);
		atomic_store_explicit(&s->made, true, memory_order_release);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return s->key;
}

void *
spare_take(struct spare *s)
{
	pthread_key_t key = key_of(s);
	void *object = pthread_getspecific(key);

	if (object != NULL)
		(void)pthread_setspecific(key, NULL);
	return object;
}

void
spare_give(struct spare *s, void *object)
{
	pthread_key_t key = key_of(s);

	/* Without memory for the thread's slots there is none to keep either. */
	if (pthread_getspecific(key) != NULL || pthread_setspecific(key, object) != 0)
		s->destroy(object);
}

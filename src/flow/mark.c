/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/mark.h"

#include <stdatomic.h>

#include "longship/base/clock.h"
#include "longship/base/mem.h"

struct marks {
	_Atomic int64_t last_ns;
};

struct marks *
marks_new(int64_t last_ns)
{
	struct marks *m = mem_new(struct marks);

	atomic_init(&m->last_ns, last_ns);
	return m;
}

void
marks_free(struct marks *m)
{
	mem_free(m);
}

int64_t
marks_take(struct marks *m, int64_t seen_ns, uint64_t n)
{
	int64_t last = atomic_load(&m->last_ns), ahead = clock_now_ns() + MARK_AHEAD_MAX_NS, base;

	do {
		base = seen_ns;
		if (last <= ahead && base <= last)
			base = last + 1;
	} while (!atomic_compare_exchange_weak(&m->last_ns, &last, base + (int64_t)(n > 0 ? n - 1 : 0)));
	return base;
}

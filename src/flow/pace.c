/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/pace.h"

#include <math.h>

#define TIME_MAX_NS (INT64_MAX / 2) /* what costs more waits for ever: a rate of one in 146 years */

static int64_t
to_ns(double ns)
{
	return ns < (double)(TIME_MAX_NS / 2) ? (int64_t)llround(ns) : TIME_MAX_NS / 2;
}

void
pace_init(struct pace *p, double rate, double burst)
{
	atomic_init(&p->paid_ns, 0);
	p->each_ns = 1e9 / rate;
	p->cost_ns = to_ns(p->each_ns);
	p->burst_ns = to_ns(burst * p->each_ns);
}

static int64_t
later(int64_t ns, int64_t cost_ns)
{
	return ns > TIME_MAX_NS - cost_ns ? TIME_MAX_NS : ns + cost_ns;
}

int64_t
pace_charge(struct pace *p, int64_t now_ns, int64_t cost_ns)
{
	int64_t paid = atomic_load_explicit(&p->paid_ns, memory_order_relaxed), next, wait;

	do {
		next = later(paid > now_ns ? paid : now_ns, cost_ns);
	} while (!atomic_compare_exchange_weak_explicit(&p->paid_ns, &paid, next, memory_order_relaxed, memory_order_relaxed));
	wait = next - now_ns - p->burst_ns;
	return wait > 0 ? wait : 0;
}

bool
pace_take(const struct pace *p, int64_t *paid_ns, int64_t now_ns)
{
	int64_t next = later(*paid_ns > now_ns ? *paid_ns : now_ns, p->cost_ns);

	if (next - now_ns > p->burst_ns)
		return false;
	*paid_ns = next;
	return true;
}

int64_t
pace_cost(const struct pace *p, size_t n)
{
	return to_ns(p->each_ns * (double)n);
}

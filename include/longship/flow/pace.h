/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A token bucket that several threads share: one atomic, the time at which all that was charged so far is paid for at the
 * rate. It may lie up to the burst ahead of now. Which clock "now" is, is the caller's affair. Times stay within ±146 years.
 *
 *	pace_init(&pace, 100, 10);                            100/s, 10 at once
 *	wait_ns = pace_charge(&pace, now, pace_cost(&pace, n));  what has happened, whatever it takes
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pace {
	_Atomic int64_t paid_ns;
	int64_t cost_ns, burst_ns; /* of one; of as many as may come at once */
	double each_ns;            /* cost_ns, not rounded */
};

/* rate > 0 a second, burst > 0. */
void pace_init(struct pace *, double rate, double burst);
/* Charges cost_ns. How long to wait from now until it is within the burst; 0: it is. */
int64_t pace_charge(struct pace *, int64_t now_ns, int64_t cost_ns);
/* Takes one at now from a bucket whose state is *paid_ns, if there is one: for many decisions in a row, with one exchange behind them. */
bool pace_take(const struct pace *, int64_t *paid_ns, int64_t now_ns);
/* n of them: does not overflow. */
int64_t pace_cost(const struct pace *, size_t n);

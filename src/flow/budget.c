/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/budget.h"

#include <stdatomic.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"

/* The one process-wide pool. */
static _Atomic uint64_t used;
static _Atomic uint64_t limit = MEMORY_BUDGET_BYTES;
static _Atomic bool was_scarce;

void
budget_set_limit(uint64_t bytes)
{
	atomic_store(&limit, bytes);
}

uint64_t
budget_limit(void)
{
	return atomic_load(&limit);
}

uint64_t
budget_used(void)
{
	return atomic_load(&used);
}

void
budget_take(uint64_t bytes)
{
	(void)atomic_fetch_add(&used, bytes);
}

void
budget_give(uint64_t bytes)
{
	uint64_t before = atomic_fetch_sub(&used, bytes);

	assert(before >= bytes);
}

uint64_t
budget_share(unsigned users)
{
	uint64_t half = budget_limit() / 2, share = half / (users > 0 ? users : 1);

	if (budget_used() < half)
		return UINT64_MAX;
	return share > BUDGET_SHARE_MIN_BYTES ? share : BUDGET_SHARE_MIN_BYTES;
}

bool
budget_exhausted(void)
{
	return budget_used() >= budget_limit() / 16 * 15;
}

bool
budget_scarce(void)
{
	bool is_scarce = budget_used() >= budget_limit() / 5 * 4;

	if (is_scarce)
		atomic_store_explicit(&was_scarce, true, memory_order_relaxed);
	return is_scarce;
}

bool
budget_relieved(void)
{
	return atomic_load_explicit(&was_scarce, memory_order_relaxed) && budget_used() < budget_limit() / 4 && atomic_exchange(&was_scarce, false);
}

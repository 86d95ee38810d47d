/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/budget.h"

#include <stdatomic.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"

/* The one process-wide pool. */
static _Atomic uint64_t used;
static _Atomic uint64_t limit = MEMORY_BUDGET_BYTES;

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

bool
budget_exhausted(void)
{
	return budget_used() >= budget_limit();
}

bool
budget_scarce(void)
{
	return budget_used() >= budget_limit() / 5 * 4;
}

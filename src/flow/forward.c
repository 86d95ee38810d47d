/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/flow/component.h"
#include "longship/flow/receipt.h"

static const struct drop_reason no_receiver = {.name = "no_receiver"};

void
component_forward(const struct ptr_list *receivers, struct batch *b)
{
	size_t n = receivers->n;

	if (b->n == 0)
		return;
	if (n == 0) {
		for (size_t i = 0; i < b->n; i++)
			batch_drop(b, i, &no_receiver);
		batch_compact(b);
		return;
	}
	for (size_t i = 0; n > 1 && i < b->n; i++)
		batch_branch(b, i, n - 1);
	for (size_t i = 0; i < n; i++) {
		struct component *c = receivers->items[i];

		check_magic(c, COMPONENT_MAGIC);
		c->type->consume(c, i + 1 < n ? batch_clone(b) : b);
	}
}

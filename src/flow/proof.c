/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/proof.h"

#include <string.h>

#include "longship/base/hash.h"

uint64_t
proof_hash(const void *bytes, size_t n)
{
	uint64_t hash = hash_bytes(bytes, n, 0);

	return hash != 0 ? hash : 1;
}

void
proof_cut(struct proof *p, uint64_t offset)
{
	while (p->n_tails > 0 && p->tails[p->n_tails - 1].offset > offset) {
		p->n_tails--;
		p->kept_ns = INT64_MIN / 2; /* the one below is to stay */
	}
}

void
proof_add(struct proof *p, uint64_t offset, uint64_t tail_hash, int64_t mono_ns)
{
	if (offset == 0)
		return;
	proof_cut(p, offset - 1);
	if (p->n_tails > 0 && mono_ns - p->kept_ns < PROOF_SPACING_NS) {
		p->n_tails--;
	} else {
		p->kept_ns = mono_ns;
		if (p->n_tails == PROOF_TAILS_MAX)
			memmove(&p->tails[0], &p->tails[1], --p->n_tails * sizeof(p->tails[0]));
	}
	p->tails[p->n_tails++] = (struct position_checkpoint){offset, tail_hash};
}

uint64_t
proof_at(const struct proof *p, uint64_t offset)
{
	const struct position_checkpoint *newest = p->n_tails > 0 ? &p->tails[p->n_tails - 1] : NULL;

	return newest != NULL && newest->offset == offset ? newest->tail_hash : 0;
}

void
proof_put(const struct proof *p, struct position *position)
{
	size_t n = 0;

	if (p->head.offset > 0) {
		position->checkpoints[n++] = p->head;
		for (size_t i = 0; i < p->n_tails && p->tails[i].offset <= position->offset; i++)
			position->checkpoints[n++] = p->tails[i];
	}
	position->n_checkpoints = n;
}

void
proof_get(struct proof *p, const struct position *position)
{
	*p = (struct proof){0};
	if (position->n_checkpoints == 0 || position->checkpoints[0].offset > PROOF_HEAD_BYTES)
		return;
	p->head = position->checkpoints[0];
	for (size_t i = 1; i < position->n_checkpoints && p->n_tails < PROOF_TAILS_MAX; i++)
		p->tails[p->n_tails++] = position->checkpoints[i];
}

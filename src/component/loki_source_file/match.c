/* SPDX-License-Identifier: Apache-2.0 */
#include "match.h"

#include <string.h>

#include "longship/base/mem.h"
#include "longship/os/file.h"

#define COMPARE_BYTES (64u << 10)

/* Whether the n bytes before offset hash to it. */
static bool
holds(int fd, uint64_t offset, uint64_t n, uint64_t hash)
{
	char bytes[PROOF_HEAD_BYTES];

	if (n > offset)
		n = offset;
	return file_pread(fd, bytes, (size_t)n, offset - n) == (ssize_t)n && proof_hash(bytes, (size_t)n) == hash;
}

_Static_assert(PROOF_TAIL_BYTES <= PROOF_HEAD_BYTES, "both fit");

enum match
match_file(int fd, uint64_t size, const struct proof *p, uint64_t position, uint64_t *ret_offset)
{
	bool head_holds;

	*ret_offset = 0;
	if (p == NULL || p->n_tails == 0) {
		if (position > size)
			return MATCH_OTHER;
		*ret_offset = position;
		return MATCH_SAME;
	}
	head_holds = p->head.offset <= size && holds(fd, p->head.offset, PROOF_HEAD_BYTES, p->head.tail_hash);
	for (size_t i = p->n_tails; i > 0; i--) {
		const struct position_checkpoint *tail = &p->tails[i - 1];

		/* Below the head, which grows with a small file, the head says nothing. */
		if (tail->offset > size || tail->offset > position || (!head_holds && p->head.offset <= tail->offset) ||
			!holds(fd, tail->offset, PROOF_TAIL_BYTES, tail->tail_hash))
			continue;
		*ret_offset = i == p->n_tails && position <= size ? position : tail->offset;
		return *ret_offset == position ? MATCH_SAME : MATCH_EARLIER;
	}
	return MATCH_OTHER;
}

bool
match_begin(int fd_a, int fd_b, uint64_t size)
{
	char *a = mem_alloc(COMPARE_BYTES), *b = mem_alloc(COMPARE_BYTES);
	uint64_t at = 0;

	while (at < size) {
		size_t n = size - at < COMPARE_BYTES ? (size_t)(size - at) : COMPARE_BYTES;

		if (file_pread(fd_a, a, n, at) != (ssize_t)n || file_pread(fd_b, b, n, at) != (ssize_t)n || memcmp(a, b, n) != 0)
			break;
		at += n;
	}
	mem_free(a);
	mem_free(b);
	return at >= size;
}

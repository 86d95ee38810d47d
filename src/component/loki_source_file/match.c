/* SPDX-License-Identifier: Apache-2.0 */
#include "match.h"

#include <errno.h>

#include "longship/os/file.h"
#include "unpack.h"

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

static ssize_t
read_packed(struct unpack *u, int fd, char *buffer, size_t n, uint64_t offset)
{
	ssize_t r;

	do
		r = unpack_read(u, fd, buffer, n, offset);
	while (r == -EAGAIN);
	return r;
}

static int
match_text(struct unpack *u, int fd, const struct proof *p, const struct position_checkpoint *tail)
{
	size_t want = tail->offset < PROOF_TAIL_BYTES ? (size_t)tail->offset : PROOF_TAIL_BYTES;
	char bytes[PROOF_HEAD_BYTES];
	ssize_t n = read_packed(u, fd, bytes, (size_t)p->head.offset, 0);

	if (n != (ssize_t)p->head.offset || proof_hash(bytes, (size_t)n) != p->head.tail_hash)
		return n == -EBUSY ? -EBUSY : 0;
	if (tail->offset > MATCH_PACKED_BYTES_MAX)
		return 1;
	n = read_packed(u, fd, bytes, want, tail->offset - want);
	return n == -EBUSY ? -EBUSY : n == (ssize_t)want && proof_hash(bytes, want) == tail->tail_hash;
}

int
match_packed(int fd, enum decompress_format format, const struct proof *p, uint64_t position)
{
	const struct position_checkpoint *tail = p->n_tails > 0 ? &p->tails[p->n_tails - 1] : NULL;
	struct unpack *u;
	int r;

	if (tail == NULL || p->head.offset == 0 || tail->offset > position)
		return 0;
	u = unpack_new(format);
	r = match_text(u, fd, p, tail);
	unpack_free(u);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "match.h"

#include <errno.h>
#include <string.h>

#include "longship/base/mem.h"
#include "longship/os/file.h"
#include "unpack.h"

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
	head_holds = p == NULL || p->head.offset == 0 ||
		(p->head.offset <= size && holds(fd, p->head.offset, PROOF_HEAD_BYTES, p->head.tail_hash));
	if (p == NULL || p->n_tails == 0) {
		if (position > size || !head_holds)
			return MATCH_OTHER;
		*ret_offset = position;
		return MATCH_SAME;
	}
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
match_begin(int fd, uint64_t size, int whole_fd)
{
	char *a = mem_alloc(COMPARE_BYTES), *b = mem_alloc(COMPARE_BYTES);
	uint64_t at = 0;

	while (at < size) {
		size_t n = size - at < COMPARE_BYTES ? (size_t)(size - at) : COMPARE_BYTES;

		if (file_pread(fd, a, n, at) != (ssize_t)n || file_pread(whole_fd, b, n, at) != (ssize_t)n || memcmp(a, b, n) != 0)
			break;
		at += n;
	}
	mem_free(a);
	mem_free(b);
	return at >= size;
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
	size_t want = tail != NULL && tail->offset < PROOF_TAIL_BYTES ? (size_t)tail->offset : PROOF_TAIL_BYTES;
	char bytes[PROOF_HEAD_BYTES];
	ssize_t n = read_packed(u, fd, bytes, (size_t)p->head.offset, 0);

	if (n != (ssize_t)p->head.offset || proof_hash(bytes, (size_t)n) != p->head.tail_hash)
		return n == -EBUSY ? -EBUSY : 0;
	if (tail == NULL || tail->offset > MATCH_PACKED_BYTES_MAX)
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

	if (p->head.offset == 0 || (tail == NULL && position > 0) || (tail != NULL && tail->offset > position))
		return 0;
	u = unpack_new(format);
	r = match_text(u, fd, p, tail);
	unpack_free(u);
	return r;
}

ssize_t
match_packed_head(int fd, enum decompress_format format, char ret[PROOF_HEAD_BYTES])
{
	struct unpack *u = unpack_new(format);
	ssize_t n = read_packed(u, fd, ret, PROOF_HEAD_BYTES, 0);

	unpack_free(u);
	return n;
}

uint32_t
match_gzip_text_bytes(int fd, uint64_t size)
{
	uint8_t b[4] = {0};

	if (size < sizeof(b) || file_pread(fd, b, sizeof(b), size - sizeof(b)) != (ssize_t)sizeof(b))
		return 0;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

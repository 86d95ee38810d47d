/* SPDX-License-Identifier: Apache-2.0 */
/* A file of the disk spool, behind a byte of choices: 1: the checks are made right, so that what is behind them is reached, too; 2: the rest are the
 * items of a record. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/flow/spool_files.h"
#include "longship/base/check.h"
#include "longship/base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_items(struct str items)
{
	struct spool_reader r = {.rest = items};
	struct spool_content c;
	enum spool_item item;
	size_t n = 0;

	while ((item = spool_read(&r, &c)) == SPOOL_LABELS || item == SPOOL_ENTRY) {
		struct str pairs = c.pairs;

		for (size_t i = 0; i < c.n_pairs; i++)
			(void)spool_pair(&pairs);
		assert(pairs.len == 0 && c.line.len <= items.len);
		n++;
	}
	assert(n <= items.len);
}

static void
put_check(uint8_t *at, const uint8_t *bytes, size_t len, uint64_t salt)
{
	uint64_t check = hash_bytes(bytes, len, salt);

	for (size_t i = 0; i < 4; i++)
		at[i] = (uint8_t)(check >> 8 * i);
}

static void
mend(uint8_t *bytes, size_t size)
{
	uint64_t salt = 0;

	if (size < SPOOL_FILE_HEAD_BYTES)
		return;
	put_check(bytes + 20, bytes, 20, 0);
	if (spool_file_head_read((struct str){(const char *)bytes, size}, &salt) < 0)
		return;
	for (size_t at = SPOOL_FILE_HEAD_BYTES; at + SPOOL_HEAD_BYTES <= size; at++) {
		size_t len = (size_t)(bytes[at + 4] | bytes[at + 5] << 8);

		if (bytes[at] != 0xb7 || bytes[at + 1] != 0x57 || len > size - at - SPOOL_HEAD_BYTES)
			continue;
		put_check(bytes + at + 40, bytes + at + SPOOL_HEAD_BYTES, len, salt);
		put_check(bytes + at + 44, bytes + at, 44, salt);
		at += SPOOL_HEAD_BYTES + len - 1;
	}
}

/* Lines of records before it may point into the buffer. */
static void
unpack(struct buf *items, const struct spool_head *head, struct str packed)
{
	const char *data;
	int r;

	if (!buf_reserve(items, head->unpacked_bytes + 1))
		abort();
	data = items->data;
	r = spool_unpack(items, head, packed);
	if (items->data != data || items->len != (r == 0 ? head->unpacked_bytes : 0))
		abort();
	if (r == 0)
		read_items(buf_view(items));
}

static void
walk(int fd, size_t size)
{
	static char buffer[64 << 10];
	struct spool_walk w = {.fd = fd, .size = size, .buffer = buffer, .cap = sizeof(buffer)};
	struct spool_head head;
	struct str packed;
	struct buf items;
	int r = spool_walk_begin(&w);

	while (r == 0 && spool_walk_next(&w, &head, &packed)) {
		assert(w.at <= size && w.start < w.at);
		buf_init(&items, SPOOL_UNPACKED_BYTES_MAX + 1);
		unpack(&items, &head, packed);
		buf_done(&items);
	}
	assert(w.at <= size && w.skipped <= size);
	spool_walk_done(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	int fd;

	if (size == 0)
		return 0;
	if ((data[0] & 2) != 0) {
		read_items((struct str){(const char *)data + 1, size - 1});
		return 0;
	}
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	if ((data[0] & 1) != 0)
		mend(copy, size - 1);
	fd = memfd_create("spool", MFD_CLOEXEC);
	if (write(fd, copy, size - 1) == (ssize_t)(size - 1))
		walk(fd, size - 1);
	(void)close(fd);
	free(copy);
	return 0;
}

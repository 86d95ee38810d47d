/* SPDX-License-Identifier: Apache-2.0 */
#include "../../src/component/loki_source_file/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "longship/base/check.h"

/* The lines 0 … n - 1, each of 8 bytes, through a command that compresses. */
static int
packed(const char *command, int n)
{
	char path[] = "/tmp/longship-unpack.XXXXXX", line[200];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	(void)snprintf(line, sizeof(line), "awk 'BEGIN { for (i = 0; i < %d; i++) printf \"%%07d\\n\", i }' | %s >%s", n, command, path);
	assert_int_equal(system(line), 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

static void
append(int fd, int from, off_t offset, off_t len)
{
	char buffer[4096];

	while (len > 0) {
		ssize_t n = pread(from, buffer, len < 4096 ? (size_t)len : 4096, offset);

		assert_true(n > 0 && pwrite(fd, buffer, (size_t)n, lseek(fd, 0, SEEK_END)) == n);
		offset += n;
		len -= n;
	}
}

/* Reads at an offset what must be there of n lines. */
static void
expect(struct unpack *u, int fd, uint64_t offset, size_t bytes, int n)
{
	char buffer[1000], want[20];
	uint64_t left = offset < 8 * (uint64_t)n ? 8 * (uint64_t)n - offset : 0;
	ssize_t got;

	assert_true(bytes <= sizeof(buffer));
	while ((got = unpack_read(u, fd, buffer, bytes, offset)) == -EAGAIN)
		;
	assert_int_equal(got, left < bytes ? left : bytes);
	for (size_t i = 0; i < (size_t)got; i++) {
		(void)snprintf(want, sizeof(want), "%07d\n", (int)((offset + i) / 8));
		assert_int_equal(buffer[i], want[(offset + i) % 8]);
	}
	/* As a reader does that used half of it and wants 16 bytes before that again. */
	if (got > 0)
		unpack_keep(u, buffer, (size_t)got, offset + (size_t)got / 2 > 16 ? offset + (size_t)got / 2 - 16 : 0);
}

static void
test_unpack__any_offset(void **state)
{
	static const struct {
		const char *command;
		enum decompress_format format;
	} formats[] = {{"gzip -c", DECOMPRESS_GZ}, {"bzip2 -c", DECOMPRESS_BZ2}};
	enum { LINES = 300000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		int fd = packed(formats[i].command, LINES);
		struct unpack *u = unpack_new(formats[i].format);

		expect(u, fd, 0, 100, LINES);
		expect(u, fd, 50, 100, LINES);
		expect(u, fd, 84, 1000, LINES);
		expect(u, fd, 2000000, 1000, LINES); /* on the way to it all is thrown away */
		expect(u, fd, 2000490, 1000, LINES);
		expect(u, fd, 8, 16, LINES);         /* back: from the start */
		expect(u, fd, 8 * LINES - 20, 1000, LINES);
		assert_int_equal(u->end, UNPACK_COMPLETE);
		unpack_rest(u);
		assert_null(u->decompressor);
		expect(u, fd, 8 * LINES - 20, 1000, LINES);
		expect(u, fd, 8 * LINES, 10, LINES);
		assert_int_equal(u->end, UNPACK_COMPLETE);
		expect(u, fd, 8 * LINES + 1000, 10, LINES); /* behind the end */
		assert_true(u->out < 8 * LINES + 1000);
		unpack_free(u);
		(void)close(fd);
	}
}

static void
test_unpack__a_file_that_grows(void **state)
{
	char path[] = "/tmp/longship-unpack.XXXXXX";
	int whole = packed("gzip -c", 1000), fd = mkstemp(path), more;
	struct unpack *u = unpack_new(DECOMPRESS_GZ);
	off_t size = lseek(whole, 0, SEEK_END), second;
	char buffer[8000];

	(void)state;
	(void)unlink(path);
	append(fd, whole, 0, size - 6);
	assert_int_equal(unpack_read(u, fd, buffer, sizeof(buffer), 0), 8000);
	unpack_keep(u, buffer, 8000, 8000 - 20);
	assert_int_equal(unpack_read(u, fd, buffer, sizeof(buffer), 7990), 10);
	assert_int_equal(u->end, UNPACK_CUT);
	unpack_keep(u, buffer, 10, 7990);
	unpack_rest(u);
	append(fd, whole, size - 6, 6);
	assert_int_equal(unpack_read(u, fd, buffer, sizeof(buffer), 7995), 5);
	assert_int_equal(u->end, UNPACK_COMPLETE);
	unpack_keep(u, buffer, 5, 7995);
	unpack_rest(u);
	/* Another member behind it is read without the first. */
	more = packed("gzip -c", 3);
	second = lseek(more, 0, SEEK_END);
	append(fd, more, 0, second);
	assert_int_equal(unpack_read(u, fd, buffer, sizeof(buffer), 8000), 24);
	assert_memory_equal(buffer, "0000000\n0000001\n0000002\n", 24);
	assert_int_equal(u->out, 8024);
	assert_int_equal(u->in, size + second);
	unpack_free(u);
	(void)close(more);
	(void)close(whole);
	(void)close(fd);
}

static void
test_unpack__resumes_at_a_member(void **state)
{
	char path[] = "/tmp/longship-unpack.XXXXXX", buffer[100];
	int first = packed("gzip -c", 1000), fd = mkstemp(path);
	off_t size = lseek(first, 0, SEEK_END);
	struct unpack *u = unpack_new(DECOMPRESS_GZ);
	struct unpack_mark mark;

	(void)state;
	(void)unlink(path);
	for (int i = 0; i < 3; i++)
		append(fd, first, 0, size);
	assert_int_equal(unpack_read(u, fd, buffer, 100, 20000), 100);
	mark = unpack_mark(u, 20000);
	assert_true(mark.in == 2 * (uint64_t)size && mark.out == 16000);
	mark = unpack_mark(u, 10000);
	assert_true(mark.in == (uint64_t)size && mark.out == 8000);
	assert_int_equal(unpack_read(u, fd, buffer, 100, 24000), 0);
	mark = unpack_mark(u, 24000);
	assert_true(mark.in == 3 * (uint64_t)size && mark.out == 24000);
	/* Back within what is known: from the second member. */
	assert_int_equal(unpack_read(u, fd, buffer, 8, 16008), 8);
	assert_memory_equal(buffer, "0000001\n", 8);
	unpack_free(u);

	/* Another life; the head is looked at first. */
	u = unpack_new(DECOMPRESS_GZ);
	unpack_resume(u, (struct unpack_mark){2 * (uint64_t)size, 16000});
	assert_int_equal(unpack_read(u, fd, buffer, 4, 0), 4);
	assert_int_equal(unpack_read(u, fd, buffer, 8, 16008), 8);
	assert_memory_equal(buffer, "0000001\n", 8);
	assert_false(u->doubtful);
	unpack_free(u);

	/* Not the file that it was: from the start. */
	u = unpack_new(DECOMPRESS_GZ);
	unpack_resume(u, (struct unpack_mark){10, 16000});
	assert_int_equal(unpack_read(u, fd, buffer, 8, 16016), 8);
	assert_memory_equal(buffer, "0000002\n", 8);
	assert_int_equal(u->end, UNPACK_MORE);
	unpack_free(u);
	(void)close(first);
	(void)close(fd);
}

/* Four of bzip2 at 3.7 MB fit in, a fifth does not; what is given back is free for the next. */
static void
test_unpack__memory_is_shared(void **state)
{
	struct unpack *u[6];
	int fd = packed("bzip2 -c", 100), busy = -1;
	char buffer[100];

	(void)state;
	for (int i = 0; i < 6; i++) {
		ssize_t n;

		u[i] = unpack_new(DECOMPRESS_BZ2);
		n = unpack_read(u[i], fd, buffer, 50, 0);
		assert_true(n == 50 || n == -EBUSY);
		if (n < 0 && busy < 0)
			busy = i;
	}
	assert_int_equal(busy, 4);
	unpack_free(u[0]);
	assert_int_equal(unpack_read(u[busy], fd, buffer, 50, 0), 50);
	for (int i = 1; i < 6; i++)
		unpack_free(u[i]);
	u[0] = unpack_new(DECOMPRESS_ZSTD); /* one alone always gets it */
	assert_int_equal(unpack_read(u[0], fd, buffer, 50, 0), 0);
	assert_int_equal(u[0]->end, UNPACK_DAMAGED);
	unpack_free(u[0]);
	(void)close(fd);
}

static uint64_t
bytes_read(void)
{
	unsigned long long n = 0;
	FILE *io = fopen("/proc/self/io", "re");

	assert_true(io != NULL && fscanf(io, "rchar: %llu", &n) == 1);
	(void)fclose(io);
	return n;
}

/* Few bytes far behind the start: what lies before them is read once. */
static void
test_unpack__a_few_bytes_far_behind(void **state)
{
	enum { LINES = 1000000 };
	int fd = packed("gzip -c", LINES);
	struct unpack *u = unpack_new(DECOMPRESS_GZ);
	uint64_t before = bytes_read(), size = (uint64_t)lseek(fd, 0, SEEK_END);

	(void)state;
	expect(u, fd, 8 * LINES - 100, 100, LINES);
	assert_in_range(bytes_read() - before, size / 2, 8 * size);
	unpack_free(u);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpack__any_offset),
		cmocka_unit_test(test_unpack__a_file_that_grows),
		cmocka_unit_test(test_unpack__resumes_at_a_member),
		cmocka_unit_test(test_unpack__memory_is_shared),
		cmocka_unit_test(test_unpack__a_few_bytes_far_behind),
	};

	return cmocka_run_group_tests_name("unpack", tests, NULL, NULL);
}

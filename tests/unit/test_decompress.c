/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/decompress.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "longship/base/check.h"

/* "hello hello hello\n" by python3's gzip (mtime=0), zlib and bz2, and by `zstd --no-check`. */
#define GZ "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x5c\x00\x3b\x7c\x8a\xdf\x12\x00\x00\x00"
#define ZL "\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x5c\x00\x40\xb5\x06\x87"
#define BZ "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xe5\xb5\xf3\x09\x00\x00\x04\x51\x00\x00\x10\x40\x00\x02\x44\xa0\x00\x21\xb5\x18\x0c\x02\x90\x69\xc2\xa3\x0b\xb9\x22\x9c\x28\x48\x72\xda\xf9\x84\x80"
#define ZS "\x28\xb5\x2f\xfd\x00\x58\x6d\x00\x00\x38\x68\x65\x6c\x6c\x6f\x20\x0a\x01\x00\x31\x4a\x11"
#define TEXT "hello hello hello\n"
/* Of `zstd --ultra -22 --long=27` over 20 MB that came through a pipe: a window of 128 MiB. */
#define WIDE "\x28\xb5\x2f\xfd\x04\x88\x4c\x00\x00\x08\x00\x01\x00\xfc\xff\x39\x10\x02\x02\x00\x10\x00\x02\x00"

static const struct sample {
	enum decompress_format format;
	struct str one, two, padded;
} samples[] = {
	{DECOMPRESS_GZ, {GZ, sizeof(GZ) - 1}, {GZ GZ, sizeof(GZ GZ) - 1}, {GZ "\0\0\0" GZ "\0", sizeof(GZ "\0\0\0" GZ "\0") - 1}},
	{DECOMPRESS_ZLIB, {ZL, sizeof(ZL) - 1}, {ZL ZL, sizeof(ZL ZL) - 1}, {ZL "\0\0\0" ZL "\0", sizeof(ZL "\0\0\0" ZL "\0") - 1}},
	{DECOMPRESS_BZ2, {BZ, sizeof(BZ) - 1}, {BZ BZ, sizeof(BZ BZ) - 1}, {BZ "\0\0\0" BZ "\0", sizeof(BZ "\0\0\0" BZ "\0") - 1}},
	{DECOMPRESS_ZSTD, {ZS, sizeof(ZS) - 1}, {ZS ZS, sizeof(ZS ZS) - 1}, {ZS "\0\0\0" ZS "\0", sizeof(ZS "\0\0\0" ZS "\0") - 1}},
};

/* The text of what comes in pieces of `step` bytes, room bytes at a time. */
static int
run(struct decompressor *d, struct str all, size_t step, size_t room, char *out, size_t *ret_len)
{
	size_t len = 0;

	for (size_t at = 0; at < all.len; at += step) {
		struct str in = str_head(str_from_offset(all, at), step);
		size_t made = 1;

		while (made > 0) {
			int r = decompressor_run(d, &in, out + len, room, &made);

			if (r < 0)
				return r;
			assert_true(made <= room);
			len += made;
		}
		assert_int_equal(in.len, 0);
	}
	*ret_len = len;
	return 0;
}

static void
expect(const struct sample *s, struct str in, const char *want)
{
	static const size_t sizes[][2] = {{1, 1}, {1, 100}, {1000, 1}, {1000, 100}, {7, 3}};
	char out[1000];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct decompressor *d = decompressor_new(s->format);
		size_t len;

		for (int again = 0; again < 2; again++) {
			assert_int_equal(run(d, in, sizes[i][0], sizes[i][1], out, &len), 0);
			assert_true(str_is((struct str){out, len}, want));
			assert_true(decompressor_complete(d));
			decompressor_reset(d);
		}
		decompressor_free(d);
	}
}

static void
test_decompress__members_and_padding(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		expect(&samples[i], samples[i].one, TEXT);
		expect(&samples[i], samples[i].two, TEXT TEXT);
		expect(&samples[i], samples[i].padded, TEXT TEXT);
		expect(&samples[i], STR_EMPTY, "");
	}
}

/* A file that is still written ends anywhere: no error, not complete, and it goes on when there is more. */
static void
test_decompress__cut_anywhere(void **state)
{
	char out[1000];
	size_t len, more;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		const struct sample *s = &samples[i];

		for (size_t cut = 1; cut < s->one.len; cut++) {
			struct decompressor *d = decompressor_new(s->format);

			assert_int_equal(run(d, str_head(s->one, cut), 1000, 100, out, &len), 0);
			assert_false(decompressor_complete(d));
			for (int again = 0; again < 100; again++) {
				struct str none = STR_EMPTY;

				assert_int_equal(decompressor_run(d, &none, out, 1, &more), 0);
				assert_int_equal(more, 0);
			}
			assert_int_equal(run(d, str_from_offset(s->one, cut), 1000, 100, out + len, &more), 0);
			assert_true(decompressor_complete(d));
			assert_true(str_is((struct str){out, len + more}, TEXT));
			decompressor_free(d);
		}
	}
}

static void
test_decompress__damage_is_an_error(void **state)
{
	char out[1000], bytes[200];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		const struct sample *s = &samples[i];
		struct decompressor *d = decompressor_new(s->format);

		assert_int_equal(run(d, STR("plain text\n"), 1000, 100, out, &len), -EBADMSG);
		assert_false(decompressor_complete(d));
		decompressor_reset(d);
		/* What was good before the damage has been made. */
		memcpy(bytes, s->one.s, s->one.len);
		memcpy(bytes + s->one.len, "garbage", 7);
		assert_int_equal(run(d, (struct str){bytes, s->one.len}, 1000, 100, out, &len), 0);
		assert_true(str_is((struct str){out, len}, TEXT));
		assert_int_equal(run(d, (struct str){bytes + s->one.len, 7}, 1000, 100, out, &len), -EBADMSG);
		decompressor_reset(d);
		assert_int_equal(run(d, s->one, 1000, 100, out, &len), 0);
		decompressor_free(d);
	}
}

static void
test_decompress__a_zstd_window_is_bounded(void **state)
{
	struct decompressor *d = decompressor_new(DECOMPRESS_ZSTD);
	char out[100];
	size_t len;

	(void)state;
	assert_int_equal(run(d, STR(WIDE), 1000, 100, out, &len), -E2BIG);
	decompressor_free(d);
}

static void
test_decompress__sniff(void **state)
{
	enum decompress_format format;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		bool found = decompress_sniff(str_head(samples[i].one, DECOMPRESS_MAGIC_BYTES), &format);

		assert_int_equal(found, samples[i].format != DECOMPRESS_ZLIB);
		assert_true(!found || format == samples[i].format);
		assert_true(decompress_memory_bytes(samples[i].format) > 0);
	}
	assert_false(decompress_sniff(STR("line"), &format));
	assert_false(decompress_sniff(STR("\x1f"), &format));
	assert_false(decompress_sniff(STR_EMPTY, &format));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decompress__members_and_padding),
		cmocka_unit_test(test_decompress__cut_anywhere),
		cmocka_unit_test(test_decompress__damage_is_an_error),
		cmocka_unit_test(test_decompress__a_zstd_window_is_bounded),
		cmocka_unit_test(test_decompress__sniff),
	};

	return cmocka_run_group_tests_name("decompress", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/snappy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/buf.h"

static void
test_snappy__round_trip(void **state)
{
	static const size_t lens[] = {0, 1, 100, 65536, 300000};

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		char *in = malloc(lens[i] + 1);
		char *packed = malloc(snappy_block_bytes_max(lens[i]));
		struct buf out;
		size_t n;

		for (size_t k = 0; k < lens[i]; k++)
			in[k] = (char)(k % 7 * k);
		n = snappy_block_compress(packed, (struct str){in, lens[i]});
		buf_init(&out, 1 << 20);
		assert_int_equal(snappy_block_uncompress(&out, (struct str){packed, n}), 0);
		assert_true(str_eq(buf_view(&out), (struct str){in, lens[i]}));
		/* Every cut is noticed. */
		for (size_t cut = 0; cut < n; cut += 1 + n / 50)
			assert_int_not_equal(snappy_block_uncompress(&out, (struct str){packed, cut}), 0);
		buf_done(&out);
		free(packed);
		free(in);
	}
}

static void
test_snappy__length_is_checked_before_memory_is_taken(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	/* Promises 4 GiB - 1. */
	assert_int_equal(snappy_block_uncompress(&out, STR("\xff\xff\xff\xff\x0f\x00" "a")), -EBADMSG);
	assert_int_equal(snappy_block_uncompress(&out, STR("")), -EBADMSG);
	assert_null(out.data);
	buf_done(&out);
}

static void
test_snappy__too_much_is_emsgsize(void **state)
{
	char in[4096] = {0};
	char packed[8192];
	struct buf out;
	size_t n = snappy_block_compress(packed, (struct str){in, sizeof(in)});

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(snappy_block_uncompress(&out, (struct str){packed, n}), -EMSGSIZE);
	buf_done(&out);
}

static void
test_snappy__framed(void **state)
{
	/* stream id, a plain chunk "Wikipedia", a skippable chunk, a block chunk "Wikipedia" (literal). */
	static const char in[] = "\xff\x06\x00\x00sNaPpY"
				 "\x01\x0d\x00\x00\xf4\x44\x49\x0f" "Wikipedia"
				 "\x80\x01\x00\x00x"
				 "\x00\x0f\x00\x00\xf4\x44\x49\x0f\x09\x20Wikipedia";
	struct str s = {in, sizeof(in) - 1};
	char bad[sizeof(in)];
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(snappy_framed_uncompress(&out, s), 0);
	assert_true(str_is(buf_view(&out), "WikipediaWikipedia"));
	memcpy(bad, in, sizeof(in));
	bad[20] ^= 1;
	assert_int_equal(snappy_framed_uncompress(&out, (struct str){bad, s.len}), -EBADMSG);
	assert_int_equal(snappy_framed_uncompress(&out, str_head(s, s.len - 1)), -EBADMSG);
	assert_int_equal(snappy_framed_uncompress(&out, str_from_offset(s, 10)), -EBADMSG);
	buf_done(&out);
	buf_init(&out, 10);
	assert_int_equal(snappy_framed_uncompress(&out, s), -EMSGSIZE);
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snappy__round_trip),
		cmocka_unit_test(test_snappy__length_is_checked_before_memory_is_taken),
		cmocka_unit_test(test_snappy__too_much_is_emsgsize),
		cmocka_unit_test(test_snappy__framed),
	};

	return cmocka_run_group_tests_name("snappy", tests, NULL, NULL);
}

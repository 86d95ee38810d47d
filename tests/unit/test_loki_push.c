/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/loki_push.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static size_t
put_slow(char *out, uint64_t n)
{
	size_t len = 0;

	for (; n >= 0x80; n >>= 7)
		out[len++] = (char)(n | 0x80);
	out[len++] = (char)n;
	return len;
}

static void
test_loki_push__varint_equals_the_plain_loop(void **state)
{
	char fast[16], slow[16];

	(void)state;
	for (unsigned bit = 0; bit < 56; bit++) {
		for (int64_t d = -2; d <= 2; d++) {
			uint64_t n = (UINT64_C(1) << bit) + (uint64_t)d;
			size_t len;

			if (n >> 56 != 0)
				continue;
			len = put_slow(slow, n);
			assert_int_equal(loki_push_varint(fast, n) - fast, len);
			assert_int_equal(loki_push_varint_bytes(n), len);
			assert_memory_equal(fast, slow, len);
		}
	}
}

/* An exact allocation of bytes_max, so that ASan sees a store behind it. */
static void
expect_entry(int64_t ts, const char *line, const struct push_label *md, size_t n, const char *want, size_t want_len)
{
	size_t room = loki_push_entry_bytes_max(strlen(line)) + loki_push_metadata_bytes_max(md, n);
	char *out = malloc(room);
	size_t len = loki_push_entry(out, ts, str_from(line), md, n);

	assert_in_range(len, 1, room);
	assert_int_equal(len, want_len);
	assert_memory_equal(out, want, want_len);
	assert_int_equal(loki_push_entry_any(out, ts, str_from(line), md, n), want_len);
	assert_memory_equal(out, want, want_len);
	free(out);
}
#define EXPECT_ENTRY(ts, line, md, n, want) expect_entry(ts, line, md, n, want, sizeof(want) - 1)

static void
test_loki_push__entry_as_gogo_proto(void **state)
{
	const struct push_label md[] = {{STR("i"), STR("0")}, {STR("e"), STR("")}};

	(void)state;
	EXPECT_ENTRY(1700000000000000007, "hi", NULL, 0, "\x12\x0e\x0a\x08\x08\x80\xe2\xcf\xaa\x06\x10\x07\x12\x02hi");
	EXPECT_ENTRY(1700000000000000000, "hi", NULL, 0, "\x12\x0c\x0a\x06\x08\x80\xe2\xcf\xaa\x06\x12\x02hi");
	EXPECT_ENTRY(1700000000999999999, "hi", NULL, 0,
		"\x12\x12\x0a\x0c\x08\x80\xe2\xcf\xaa\x06\x10\xff\x93\xeb\xdc\x03\x12\x02hi");
	EXPECT_ENTRY(0, "", NULL, 0, "\x12\x02\x0a\x00");
	EXPECT_ENTRY(5, "x", NULL, 0, "\x12\x07\x0a\x02\x10\x05\x12\x01x");
	EXPECT_ENTRY(-1, "x", NULL, 0,
		"\x12\x16\x0a\x11\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\xff\x93\xeb\xdc\x03\x12\x01x");
	EXPECT_ENTRY(2000000000, "x", md, 2,
		"\x12\x14\x0a\x02\x08\x02\x12\x01x\x1a\x06\x0a\x01i\x12\x01" "0\x1a\x03\x0a\x01" "e");
}

static void
test_loki_push__long_lines_fit_their_room(void **state)
{
	static const size_t lens[] = {1, 100, 127, 128, 16383, 16384, 300000};

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		char *line = malloc(lens[i]);
		char *out = malloc(loki_push_entry_bytes_max(lens[i]));
		size_t len;

		memset(line, 'a', lens[i]);
		len = loki_push_entry(out, INT64_MAX, (struct str){line, lens[i]}, NULL, 0);
		assert_memory_equal(out + len - lens[i], line, lens[i]);
		assert_int_equal(loki_push_entry_any(out, INT64_MAX, (struct str){line, lens[i]}, NULL, 0), len);
		free(line);
		free(out);
	}
}

static void
test_loki_push__stream_header(void **state)
{
	char *out = malloc(loki_push_stream_header_bytes_max(7));

	(void)state;
	assert_int_equal(loki_push_stream_header(out, STR("{a=\"b\"}"), 200), 12);
	assert_memory_equal(out, "\x0a\xd1\x01\x0a\x07{a=\"b\"}", 12);
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loki_push__varint_equals_the_plain_loop),
		cmocka_unit_test(test_loki_push__entry_as_gogo_proto),
		cmocka_unit_test(test_loki_push__long_lines_fit_their_room),
		cmocka_unit_test(test_loki_push__stream_header),
	};

	return cmocka_run_group_tests_name("loki_push", tests, NULL, NULL);
}

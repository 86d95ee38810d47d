/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/gzip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/buf.h"

/* "hello hello hello\n" by python3's gzip.compress(…, mtime=0) and zlib. */
#define GZ "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x5c\x00\x3b\x7c\x8a\xdf\x12\x00\x00\x00"
#define ZL "\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x5c\x00\x40\xb5\x06\x87"
#define RAW "\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x5c\x00"
#define TEXT "hello hello hello\n"

static void
expect(struct str in, enum gzip_format format, size_t max, int want_r, const char *want)
{
	struct buf out;

	buf_init(&out, max);
	assert_int_equal(gzip_uncompress(&out, in, format), want_r);
	if (want_r == 0)
		assert_true(str_is(buf_view(&out), want));
	assert_true(out.cap <= max);
	buf_done(&out);
}

static void
test_gzip__formats(void **state)
{
	(void)state;
	expect(STR(GZ), GZIP_FORMAT_GZIP, 1000, 0, TEXT);
	expect(STR(GZ GZ), GZIP_FORMAT_GZIP, 1000, 0, TEXT TEXT);
	expect(STR(ZL), GZIP_FORMAT_ZLIB, 1000, 0, TEXT);
	expect(STR(RAW), GZIP_FORMAT_DEFLATE, 1000, 0, TEXT);
	expect(STR(ZL), GZIP_FORMAT_GZIP, 1000, -EBADMSG, NULL);
	expect(STR(GZ "x"), GZIP_FORMAT_GZIP, 1000, -EBADMSG, NULL);
	expect(STR(RAW "x"), GZIP_FORMAT_DEFLATE, 1000, -EBADMSG, NULL);
	expect(STR(""), GZIP_FORMAT_GZIP, 1000, -EBADMSG, NULL);
	for (size_t cut = 1; cut < sizeof(GZ) - 1; cut++)
		expect(str_head(STR(GZ), cut), GZIP_FORMAT_GZIP, 1000, -EBADMSG, NULL);
}

static void
test_gzip__limits(void **state)
{
	(void)state;
	expect(STR(GZ), GZIP_FORMAT_GZIP, 18, 0, TEXT);
	expect(STR(GZ), GZIP_FORMAT_GZIP, 17, -EMSGSIZE, NULL);
	expect(STR(GZ GZ), GZIP_FORMAT_GZIP, 18, -EMSGSIZE, NULL);
	expect(STR(GZ), GZIP_FORMAT_GZIP, 0, -EMSGSIZE, NULL);
}

static void
test_gzip__byte_by_byte(void **state)
{
	struct gzip *g = gzip_new(GZIP_FORMAT_GZIP);
	struct str all = STR(GZ GZ);
	char out[100];
	size_t n = 0;

	(void)state;
	assert_true(gzip_complete(g));
	for (size_t i = 0; i < all.len; i++) {
		struct str in = {all.s + i, 1};
		size_t made = 1;

		while (in.len > 0 || made > 0) {
			assert_int_equal(gzip_run(g, &in, out + n, 1, &made), 0);
			n += made;
		}
		assert_int_equal(gzip_complete(g), (i + 1) % (sizeof(GZ) - 1) == 0);
	}
	assert_true(str_is((struct str){out, n}, TEXT TEXT));
	gzip_reset(g);
	assert_true(gzip_complete(g));
	gzip_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip__formats),
		cmocka_unit_test(test_gzip__limits),
		cmocka_unit_test(test_gzip__byte_by_byte),
	};

	return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}

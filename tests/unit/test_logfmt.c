/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/codec/logfmt.h"

/* All pairs as key<value>, then ! when malformed. */
static void
expect(struct str text, const char *want)
{
	struct arena *arena = arena_new(0);
	struct buf out;
	struct logfmt l;
	struct str key, value;
	/* A copy of exactly this size, so that ASan sees a read beyond it. */
	char *exact = mem_alloc(text.len > 0 ? text.len : 1);

	if (text.len > 0)
		memcpy(exact, text.s, text.len);
	buf_init(&out, 1 << 20);
	logfmt_init(&l, (struct str){exact, text.len}, arena);
	while (logfmt_next(&l, &key, &value))
		buf_printf(&out, "%.*s<%.*s>", STR_FMT(key), STR_FMT(value));
	if (l.failed)
		buf_putc(&out, '!');
	if (!str_is(buf_view(&out), want))
		fail_msg("%.*s: %.*s, want %s", STR_FMT(text), STR_FMT(buf_view(&out)), want);
	buf_done(&out);
	mem_free(exact);
	arena_free(arena);
}

static void
test_logfmt__pairs(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", ""},
		{" \t", ""},
		{"a=1 b=2", "a<1>b<2>"},
		{"a", "a<>"},
		{"a= b", "a<>b<>"},
		{"a=", "a<>"},
		{"a=\"\"", "a<>"},
		{"a=\"x y\"b=2", "a<x y>b<2>"},
		{"a=\"\\\"\\\\\\/\\'\\b\\f\\n\\r\\t\"", "a<\"\\/'\b\f\n\r\t>"},
		{"a=\"\\u00e9\\ud83d\\ude00\\ud83dx\"", "a<\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx>"},
		{"a=\"\\n\xff\"", "a<\n\xef\xbf\xbd>"},
		{"a=\"\xff\"", "a<\xff>"},
		{"a=\xff", "a<\xff>"},
		{"\xc3\xa9=1", "\xc3\xa9<1>"},
		{"\xff=1", "!"},
		{"a=1\r\nb=2\n\n c=3", "a<1>b<2>c<3>"},
		{"a=1 =x", "a<1>!"},
		{"a=1 b=x=y c=1", "a<1>!"},
		{"a=1 x\"y b=2", "a<1>!"},
		{"a=\"x", "!"},
		{"a=\"x\\\"", "!"},
		{"a=\"x\\q\"", "!"},
		{"a=\"\\u12\"", "!"},
		{"a=\"x\\n\ty\"", "!"},
		{"a=\"x\ty\"", "a<x\ty>"},
		{"{\"a\":1}", "!"},
		{"a=1\nb=\"\nc=3", "a<1>!"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(str_from(cases[i].text), cases[i].want);
}

static void
test_logfmt__long_records_fail(void **state)
{
	char *text = mem_alloc(LOGFMT_RECORD_BYTES_MAX + 8);

	(void)state;
	memset(text, ' ', LOGFMT_RECORD_BYTES_MAX + 8);
	memcpy(text + LOGFMT_RECORD_BYTES_MAX - 1, "a\nb=1", 5);
	expect((struct str){text, LOGFMT_RECORD_BYTES_MAX + 4}, "a<>b<1>");
	expect((struct str){text, LOGFMT_RECORD_BYTES_MAX}, "a<>");
	memcpy(text + LOGFMT_RECORD_BYTES_MAX, "a\nb=1", 5);
	expect((struct str){text, LOGFMT_RECORD_BYTES_MAX + 5}, "!");
	mem_free(text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logfmt__pairs),
		cmocka_unit_test(test_logfmt__long_records_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/legacy_positions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena *arena;

static struct legacy_positions
parse(const char *text)
{
	struct legacy_positions p = {0};
	struct str error = STR_EMPTY;

	if (!legacy_positions_parse(arena, str_from(text), LEGACY_POSITIONS_AUTO, &p, &error))
		fail_msg("%.*s", STR_FMT(error));
	return p;
}

static void
expect(const struct legacy_position *p, const char *path, const char *labels, const char *value)
{
	assert_true(str_is(p->path, path));
	assert_true(str_is(p->labels, labels));
	assert_true(str_is(p->value, value));
}

static void
test_legacy_positions__promtail(void **state)
{
	struct legacy_positions p = parse("some: thing\npositions:\n  /tmp/a.log: \"17623\"\n  /tmp/b.log: 12\n"
					  "  cursor-job: s=96c0;i=2\n");

	(void)state;
	assert_int_equal(p.n, 3);
	assert_int_equal(p.format, LEGACY_POSITIONS_PROMTAIL);
	expect(&p.items[0], "/tmp/a.log", "{}", "17623");
	expect(&p.items[1], "/tmp/b.log", "{}", "12");
	expect(&p.items[2], "cursor-job", "{}", "s=96c0;i=2");
}

static void
test_legacy_positions__alloy(void **state)
{
	struct legacy_positions p = parse("\npositions:\n  ? path: /tmp/a.log\n    labels: '{job=\"tmp\"}'\n  : \"1\"\n"
					  "  ? path: /tmp/a.log\n    labels: '{}'\n  : \"2\"\n"
					  "  ? path: /tmp/a.log\n    labels: ''\n  : \"3\"\n  ? path: /tmp/b.log\n  : \"4\"\n");

	(void)state;
	assert_int_equal(p.n, 4);
	assert_int_equal(p.format, LEGACY_POSITIONS_ALLOY);
	expect(&p.items[0], "/tmp/a.log", "{job=\"tmp\"}", "1");
	expect(&p.items[1], "/tmp/a.log", "{}", "2");
	expect(&p.items[2], "/tmp/a.log", "", "3");
	expect(&p.items[3], "/tmp/b.log", "", "4");
}

static void
test_legacy_positions__empty(void **state)
{
	(void)state;
	assert_int_equal(parse("").n, 0);
	assert_int_equal(parse("positions:\n").n, 0);
	assert_int_equal(parse("positions: {}\n").n, 0);
	assert_int_equal(parse("other: 1\n").n, 0);
}

static void
test_legacy_positions__refuses(void **state)
{
	static const char *const texts[] = {
		"[]",
		"positions: []",
		"positions: 5",
		"positions:\n  /a: [1]\n",
		"positions:\n  /a: {b: 1}\n",
		"positions:\n  ? [a]\n  : 1\n",
		"positions:\n  ? path: [a]\n  : 1\n",
		"positions:\n  ? labels: '{}'\n  : 1\n",
		"positions:\n  \"/a\\0b\": 1\n",
		"positions:\n  /a: 1\n  ? path: /b\n  : 2\n",
		"positions:\n  ? path: /b\n  : 2\n  /a: 1\n",
		"positions:\n  /a: 1\n  /a: 2\n",
		"positions:\n  ? path: /tmp/random.log\n    labels: \"{}\"\n  : \"176\n",
		"positions:\n\t/a: 1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct legacy_positions p;
		struct str error = STR_EMPTY;

		if (legacy_positions_parse(arena, str_from(texts[i]), LEGACY_POSITIONS_AUTO, &p, &error))
			fail_msg("taken: %s", texts[i]);
		assert_true(str_starts(error, STR("line ")));
	}
	{
		struct legacy_positions p;
		struct str error;
		char *zeros = calloc(1, 4096);

		assert_false(legacy_positions_parse(arena, (struct str){zeros, 4096}, LEGACY_POSITIONS_AUTO, &p, &error));
		free(zeros);
		assert_false(legacy_positions_parse(arena, STR("positions: {/a: 1}"), LEGACY_POSITIONS_ALLOY, &p, &error));
	}
}

static void
test_legacy_positions__print(void **state)
{
	const struct legacy_position items[] = {
		{STR("/var/log/a.log"), STR("{app=\"x\"}"), STR("17623")},
		{STR("/var/log/it's here"), STR(""), STR("5")},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_true(legacy_positions_print(items, 2, LEGACY_POSITIONS_ALLOY, &out));
	assert_true(str_is(buf_view(&out), "positions:\n  ? path: /var/log/a.log\n    labels: '{app=\"x\"}'\n  : \"17623\"\n"
					   "  ? path: '/var/log/it''s here'\n    labels: ''\n  : \"5\"\n"));
	buf_clear(&out);
	assert_true(legacy_positions_print(items, 2, LEGACY_POSITIONS_PROMTAIL, &out));
	assert_true(str_is(buf_view(&out), "positions:\n  /var/log/a.log: \"17623\"\n  '/var/log/it''s here': \"5\"\n"));
	buf_done(&out);
}

/* Whatever stands in them: what was written reads back the same. */
static void
test_legacy_positions__round_trip(void **state)
{
	static char longest[4096];
	struct legacy_position items[] = {
		{STR("/a b: c #d"), STR("{x=\"\\n\\\"\"}"), STR("1")},
		{STR("true"), STR("null"), STR("2")},
		{STR("/new\nline\ttab"), STR("{}"), STR("3")},
		{STR("/caf\xc3\xa9/\xe2\x80\xa8/\xf0\x9f\x98\x80"), STR(" {} "), STR("-")},
		{STR("/not utf-8 \xff\xfe"), STR("\xff"), STR("\xff")},
		{STR("/del\x7f/nel\xc2\x85"), STR("'"), STR("")},
		{{longest, sizeof(longest)}, STR("{}"), STR("18446744073709551615")},
		{STR("*glob"), STR("& ! | > @ `"), STR("s=1;i=2 # x")},
	};
	size_t n = sizeof(items) / sizeof(items[0]);

	(void)state;
	memset(longest, 'p', sizeof(longest));
	for (enum legacy_positions_format f = LEGACY_POSITIONS_PROMTAIL; f <= LEGACY_POSITIONS_ALLOY; f++) {
		struct legacy_positions p;
		struct buf out;

		buf_init(&out, 1 << 20);
		assert_true(legacy_positions_print(items, n, f, &out));
		buf_putc(&out, '\0');
		out.len--;
		p = parse(out.data);
		assert_int_equal(p.n, n);
		assert_int_equal(p.format, f);
		for (size_t i = 0; i < n; i++) {
			assert_true(str_eq(p.items[i].path, items[i].path));
			assert_true(str_eq(p.items[i].value, items[i].value));
			if (f == LEGACY_POSITIONS_ALLOY)
				assert_true(str_eq(p.items[i].labels, items[i].labels));
		}
		buf_done(&out);
	}
}

static void
test_legacy_positions__many(void **state)
{
	struct buf text;
	struct legacy_positions p;

	(void)state;
	buf_init(&text, LEGACY_POSITIONS_BYTES_MAX);
	buf_z(&text, "positions:\n");
	for (int i = 0; i < 20000; i++)
		buf_printf(&text, "  ? path: /var/log/%d.log\n    labels: '{n=\"%d\"}'\n  : \"%d\"\n", i, i, i);
	buf_putc(&text, '\0');
	p = parse(text.data);
	assert_int_equal(p.n, 20000);
	expect(&p.items[19999], "/var/log/19999.log", "{n=\"19999\"}", "19999");
	buf_done(&text);
}

static int
set_up(void **state)
{
	(void)state;
	arena = arena_new(0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_legacy_positions__promtail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_legacy_positions__alloy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_legacy_positions__empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_legacy_positions__refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_legacy_positions__print, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_legacy_positions__round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_legacy_positions__many, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../src/component/loki_source_journal/mapping.h"
#include "../../src/component/loki_source_journal/selection.h"
#include "longship/base/check.h"
#include "longship/os/journal_wire.h"
#include "longship/os/sdjournal.h"

/* ---- Selection ---- */

struct test_rule {
	const char *action, *source, *regex, *target;
};

static struct relabel *
make_rules(struct arena *arena, const struct test_rule *rules, size_t n)
{
	struct relabel_rule_args *items = arena_array(arena, struct relabel_rule_args, n + 1);
	struct block_list list = {.items = items, .n = n};
	struct diags diags;
	struct relabel *relabel;

	for (size_t i = 0; i < n; i++) {
		items[i] = (struct relabel_rule_args){.separator = STR(";"), .regex = str_from(rules[i].regex != NULL ? rules[i].regex : "(.*)"),
			.target_label = str_from(rules[i].target), .replacement = STR("$1"), .action = str_from(rules[i].action)};
		items[i].source_labels.items = arena_array(arena, struct str, 1);
		items[i].source_labels.items[0] = str_from(rules[i].source);
		items[i].source_labels.n = rules[i].source != NULL;
	}
	diags_init(&diags, arena, NULL);
	relabel = relabel_compile(arena, &list, &diags);
	assert_non_null(relabel);
	diags_done(&diags);
	return relabel;
}

/* The frames as text: "=A=b" a match, "+" or, "&" and, ".A" a field, "~x" a regex, "!" own lines. */
static void
expect_selection(const char *matches, const struct test_rule *rules, size_t n, const char *want)
{
	static const char marks[] = {[JOURNAL_ASK_MATCH] = '=', [JOURNAL_ASK_OR] = '+', [JOURNAL_ASK_AND] = '&', [JOURNAL_ASK_FIELD] = '.',
		[JOURNAL_ASK_FIELD_REGEX] = '~', [JOURNAL_ASK_OWN_LINES] = '!'};
	struct arena *arena = arena_new(0);
	const struct str_map labels = {0};
	struct journal_frame frame;
	struct buf request, text;
	struct str in, body;

	buf_init(&request, JOURNAL_WIRE_REQUEST_BYTES_MAX);
	buf_init(&text, 1 << 16);
	assert_true(selection_write(&request, str_from(matches), make_rules(arena, rules, n), &labels));
	in = buf_view(&request);
	while (journal_wire_take(&in, &frame, &body) > 0)
		(void)buf_printf(&text, "%s%c%.*s", text.len > 0 ? " " : "", marks[frame.kind], STR_FMT(body));
	assert_int_equal(in.len, 0);
	(void)buf_putc(&text, '\0');
	assert_string_equal(text.data, want);
	buf_done(&text);
	buf_done(&request);
	arena_free(arena);
}
#define EXPECT(matches, want, ...) \
	do { \
		const struct test_rule rules_[] = {__VA_ARGS__}; \
		expect_selection(matches, rules_, ARRAY_LEN(rules_), want); \
	} while (0)
#define UNIT "__journal__systemd_unit"

static void
test_journal__matches(void **state)
{
	(void)state;
	EXPECT(" A=b  C=d=e + F=1", "=A=b =C=d=e + =F=1 ._PID", {"replace", "__journal__pid", NULL, "pid"});
}

static void
test_journal__keep_rule_is_pushed_down(void **state)
{
	(void)state;
	EXPECT("", "& =_SYSTEMD_UNIT=a.service =_SYSTEMD_UNIT=b-c@1.service ._SYSTEMD_UNIT", {"keep", UNIT, "a\\.service|b-c@1\\.service", NULL});
	EXPECT("", "& =_SYSTEMD_UNIT=ab ._SYSTEMD_UNIT", {"keep", UNIT, "(?:ab)", NULL});
	EXPECT("X=1", "=X=1 & =_SYSTEMD_UNIT=ab =_SYSTEMD_UNIT=cd ._SYSTEMD_UNIT", {"keep", UNIT, "(ab|cd)", NULL});
	/* Behind rules that leave the label alone, too. */
	EXPECT("", "& =_SYSTEMD_UNIT=ab ._PID ._SYSTEMD_UNIT", {"replace", "__journal__pid", NULL, "pid"}, {"keep", UNIT, "ab", NULL});
	EXPECT("", "& =PRIORITY=3 .PRIORITY", {"keep", "__journal_priority", "3", NULL});
}

static void
test_journal__keep_rule_that_says_more_is_not(void **state)
{
	static const char *const regexes[] = {"a.service", "a|", "", "a+", "(a|b)c", "a|b|(c)", "a(?i)b", "[ab]", "^a$", "a\\d", "a\\", "(?i:ab)"};

	(void)state;
	for (size_t i = 0; i + 2 < ARRAY_LEN(regexes); i++)
		EXPECT("", "._SYSTEMD_UNIT", {"keep", UNIT, regexes[i], NULL});
	EXPECT("", "._SYSTEMD_UNIT", {"keep", UNIT, "(?i:ab)", NULL});
	EXPECT("", "._SYSTEMD_UNIT", {"drop", UNIT, "ab", NULL});
	/* Somebody changes the label before. */
	EXPECT("", ".A ._SYSTEMD_UNIT", {"replace", "__journal_a", NULL, UNIT}, {"keep", UNIT, "ab", NULL});
	EXPECT("", ".A ._SYSTEMD_UNIT", {"replace", "__journal_a", NULL, "x_$1"}, {"keep", UNIT, "ab", NULL});
	EXPECT("", "~a(.+) ._SYSTEMD_UNIT", {"labelmap", NULL, "a(.+)", NULL}, {"keep", UNIT, "ab", NULL});
	/* No field. */
	EXPECT("", ".PRIORITY", {"keep", "__journal_priority_keyword", "error", NULL});
	EXPECT("", "", {"keep", "job", "x", NULL});
}

static void
test_journal__own_lines_are_wanted_where_named(void **state)
{
	(void)state;
	EXPECT("_SYSTEMD_UNIT=longship.service", "=_SYSTEMD_UNIT=longship.service ._PID !", {"replace", "__journal__pid", NULL, "pid"});
	EXPECT("", "& =_SYSTEMD_UNIT=longship.service ._SYSTEMD_UNIT !", {"keep", UNIT, "longship\\.service", NULL});
}

static void
test_journal__bad_matches(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	assert_null(selection_check_matches(arena, STR("")));
	assert_null(selection_check_matches(arena, STR(" A=b + _C=")));
	assert_non_null(selection_check_matches(arena, STR("A")));
	assert_non_null(selection_check_matches(arena, STR("a=b")));
	assert_non_null(selection_check_matches(arena, STR("1A=b")));
	assert_non_null(selection_check_matches(arena, STR("+ A=b")));
	assert_non_null(selection_check_matches(arena, STR("A=b +")));
	assert_non_null(selection_check_matches(arena, STR("A=b + + B=c")));
	arena_free(arena);
}

/* ---- Mapping ---- */

static struct str
make_fields(struct arena *arena, const char *const *pairs)
{
	struct buf out;
	struct str fields;

	buf_init(&out, 1 << 16);
	for (; pairs[0] != NULL; pairs += 2)
		assert_true(journal_wire_put_field(&out, str_from(pairs[0]), str_from(pairs[1])));
	fields = arena_str(arena, buf_view(&out));
	buf_done(&out);
	return fields;
}

static void
test_journal__labels(void **state)
{
	static const char *const pairs[] = {"_SYSTEMD_UNIT", "a.service", "PRIORITY", "4", "BAD", "\xff", NULL};
	const struct test_rule rules[] = {{"labelmap", NULL, "__journal_(.+)", NULL}};
	struct str_pair extra[] = {{STR("job"), STR("mine")}, {STR("env"), STR("x")}, {STR("none"), STR("")}};
	const struct str_map labels = {extra, ARRAY_LEN(extra)};
	struct labels_table *table = labels_table_new();
	struct arena *arena = arena_new(0);
	struct mapping m = {.job = STR("id"), .labels = &labels};
	const struct labels *set;

	(void)state;
	m.rules = make_rules(arena, rules, 1);
	set = mapping_labels(&m, arena, table, make_fields(arena, pairs));
	assert_non_null(set);
	assert_true(str_is(set->text, "{_systemd_unit=\"a.service\", env=\"x\", job=\"id\", priority=\"4\", priority_keyword=\"warning\"}"));
	arena_free(arena);
	labels_table_free(table);
}

static void
test_journal__no_labels_left(void **state)
{
	const struct test_rule rules[] = {{"labeldrop", NULL, "job", NULL}};
	const struct str_map labels = {0};
	struct labels_table *table = labels_table_new();
	struct arena *arena = arena_new(0);
	struct mapping m = {.job = STR("id"), .labels = &labels};
	static const char *const pairs[] = {"A", "b", NULL};

	(void)state;
	m.rules = make_rules(arena, rules, 1);
	assert_null(mapping_labels(&m, arena, table, make_fields(arena, pairs)));
	arena_free(arena);
	labels_table_free(table);
}

static void
test_journal__json(void **state)
{
	static const char *const pairs[] = {"Z", "1", "A", "<\n>", "M", "first", "M", "\xff", NULL};
	struct arena *arena = arena_new(0);
	struct str json = mapping_json(arena, make_fields(arena, pairs));

	(void)state;
	assert_true(str_is(json, "{\"A\":\"\\u003c\\n\\u003e\",\"M\":\"\xef\xbf\xbd\",\"Z\":\"1\"}") ||
		str_is(json, "{\"A\":\"\\u003c\\n\\u003e\",\"M\":\"\\ufffd\",\"Z\":\"1\"}"));
	arena_free(arena);
}

/* ---- Wire ---- */

static void
test_journal__frames_that_are_cut(void **state)
{
	struct journal_frame frame;
	struct str in, body;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_true(journal_wire_put(&out, JOURNAL_PROGRESS, NULL, 0, STR("s=1")));
	for (size_t n = 0; n < out.len; n++) {
		in = (struct str){out.data, n};
		assert_int_equal(journal_wire_take(&in, &frame, &body), 0);
	}
	in = buf_view(&out);
	assert_int_equal(journal_wire_take(&in, &frame, &body), 1);
	assert_true(str_is(body, "s=1") && in.len == 0);
	((struct journal_frame *)(void *)out.data)->bytes = UINT32_MAX;
	in = buf_view(&out);
	assert_true(journal_wire_take(&in, &frame, &body) < 0);
	buf_done(&out);
}

static void
test_journal__cursors(void **state)
{
	struct sdjournal_place place;

	(void)state;
	assert_true(sdjournal_cursor_place(
		STR("s=409f852fd0f345a8adeb8eb804f412f2;i=1ff;b=00000000000000000000000000000b07;m=3e8;t=3e8;x=abc;k=7"), &place));
	assert_int_equal(place.seqnum, 0x1ff);
	assert_int_equal(place.realtime_ns, 1000000);
	assert_memory_equal(place.seqnum_id, "409f852fd0f345a8adeb8eb804f412f2", 32);
	assert_false(sdjournal_cursor_place(STR(""), &place));
	assert_false(sdjournal_cursor_place(STR("s=409f852fd0f345a8adeb8eb804f412f2;i=xyz;t=1"), &place));
	assert_false(sdjournal_cursor_place(STR("s=409f;i=1;t=1"), &place));
	assert_false(sdjournal_cursor_place(STR("s=409f852fd0f345a8adeb8eb804f412f2;i=1;t=ffffffffffffffff"), &place));
}

static int
compare(const char *a, const char *b)
{
	struct sdjournal_place x, y;

	assert_true(sdjournal_cursor_place(str_from(a), &x));
	assert_true(sdjournal_cursor_place(str_from(b), &y));
	assert_int_equal(sdjournal_compare(&x, &y), -sdjournal_compare(&y, &x));
	return sdjournal_compare(&x, &y);
}

/* libsystemd's order: numbers of one id, then the clock of one boot, then the time, then the content. */
static void
test_journal__order(void **state)
{
#define A "s=409f852fd0f345a8adeb8eb804f412f2;"
#define B "s=509f852fd0f345a8adeb8eb804f412f2;"
#define BOOT "b=609f852fd0f345a8adeb8eb804f412f2;"
#define OTHER "b=709f852fd0f345a8adeb8eb804f412f2;"
	(void)state;
	assert_int_equal(compare(A "i=1;" BOOT "m=9;t=9;x=9", A "i=2;" BOOT "m=1;t=1;x=1"), -1);
	assert_int_equal(compare(A "i=9;" BOOT "m=1;t=9;x=9", B "i=1;" BOOT "m=2;t=1;x=1"), -1);
	assert_int_equal(compare(A "i=9;" BOOT "m=9;t=1;x=9", B "i=1;" OTHER "m=1;t=2;x=1"), -1);
	assert_int_equal(compare(A "i=9;" BOOT "m=1;t=1;x=1", B "i=1;" BOOT "m=1;t=1;x=2"), -1);
	assert_int_equal(compare(A "i=1;" BOOT "m=1;t=1;x=1", B "i=1;" BOOT "m=1;t=1;x=1"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal__matches),
		cmocka_unit_test(test_journal__keep_rule_is_pushed_down),
		cmocka_unit_test(test_journal__keep_rule_that_says_more_is_not),
		cmocka_unit_test(test_journal__own_lines_are_wanted_where_named),
		cmocka_unit_test(test_journal__bad_matches),
		cmocka_unit_test(test_journal__labels),
		cmocka_unit_test(test_journal__no_labels_left),
		cmocka_unit_test(test_journal__json),
		cmocka_unit_test(test_journal__frames_that_are_cut),
		cmocka_unit_test(test_journal__cursors),
		cmocka_unit_test(test_journal__order),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}

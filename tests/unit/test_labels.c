/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/flow/memory.h"

static void
assert_quoted(struct str s, const char *want)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	labels_quote(&b, s);
	(void)buf_putc(&b, '\0');
	assert_string_equal(b.data, want);
	buf_done(&b);
}

/* Results of Go's strconv.Quote. */
static void
test_labels__quoted_as_in_go(void **state)
{
	(void)state;
	assert_quoted(STR(""), "\"\"");
	assert_quoted(STR("plain text"), "\"plain text\"");
	assert_quoted(STR("\a\b\f\r\n\t\v"), "\"\\a\\b\\f\\r\\n\\t\\v\"");
	assert_quoted(STR("\\ \""), "\"\\\\ \\\"\"");
	assert_quoted(STR("abc\xff" "def"), "\"abc\\xffdef\"");
	assert_quoted((struct str){"\0\x01\x1f\x7f", 4}, "\"\\x00\\x01\\x1f\\x7f\"");
	assert_quoted(STR("\u263a"), "\"\u263a\"");
	assert_quoted(STR("\U0010ffff"), "\"\\U0010ffff\"");
	assert_quoted(STR("\u200b"), "\"\\u200b\"");
	assert_quoted(STR("\ufeff"), "\"\\ufeff\"");
	assert_quoted(STR("\u00a0"), "\"\\u00a0\"");
	assert_quoted(STR("\u00ad"), "\"\\u00ad\"");
	assert_quoted(STR("\u00e9\u4e16\u754c\U0001f600"), "\"\u00e9\u4e16\u754c\U0001f600\"");
	assert_quoted(STR("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\""); /* a surrogate */
	assert_quoted(STR("\xc0\x80"), "\"\\xc0\\x80\"");
}

static const struct labels *
intern(struct labels_table *t, const char *text)
{
	struct label items[8];
	size_t n = 0;
	struct str rest = str_from(text), one;

	while (rest.len > 0) {
		(void)str_cut(rest, ',', &one, &rest);
		(void)str_cut(one, '=', &items[n].name, &items[n].value);
		n++;
	}
	return labels_intern(t, items, n);
}

static void
assert_text(const struct labels *set, const char *want)
{
	assert_int_equal(set->text.len, strlen(want));
	assert_memory_equal(set->text.s, want, set->text.len);
}

static void
test_labels__equal_sets_are_one_pointer(void **state)
{
	struct labels_table *t = labels_table_new();
	const struct labels *set = intern(t, "b=2,a=1,__path__=x");

	(void)state;
	assert_ptr_equal(set, intern(t, "__path__=x,a=1,b=2"));
	assert_ptr_equal(set, intern(t, "a=0,b=2,__path__=x,a=1")); /* the last of a name wins */
	assert_ptr_not_equal(set, intern(t, "a=1,b=2"));
	assert_text(set, "{a=\"1\", b=\"2\"}");
	assert_text(labels_empty(t), "{}");
	assert_true(set->sendable);
	assert_false(labels_empty(t)->sendable);
	assert_false(intern(t, "a-b=1")->sendable);
	assert_false(intern(t, "__x=1")->sendable);
	assert_null(labels_get(set, STR("c")).s);
	assert_true(str_is(intern(t, "a=1,__tenant_id__=t")->tenant, "t"));
	assert_non_null(labels_get(intern(t, "e=,f=1"), STR("e")).s); /* an empty value is kept */
	labels_table_free(t);
}

static void
test_labels__changes(void **state)
{
	struct labels_table *t = labels_table_new();
	const struct labels *base = intern(t, "a=1"), *more = intern(t, "a=1,b=2");

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(labels_with(t, base, STR("b"), STR("2")), more);
		assert_ptr_equal(labels_with(t, more, STR("b"), STR_EMPTY), base);
		assert_ptr_equal(labels_with(t, base, STR("a"), STR("1")), base);
		assert_ptr_equal(labels_with(t, base, STR("z"), STR_EMPTY), base);
	}
	labels_table_free(t);
}

static void
test_labels__no_more_than_the_maximum(void **state)
{
	struct labels_table *t = labels_table_new();
	struct labels_builder b = {0};
	char names[LABELS_MAX + 1][8];

	(void)state;
	for (size_t i = 0; i <= LABELS_MAX; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "n%zu", i);
		assert_int_equal(labels_builder_set(&b, str_from(names[i]), STR("v")), i < LABELS_MAX);
	}
	assert_int_equal(labels_intern(t, b.items, b.n)->n, LABELS_MAX);
	labels_table_free(t);
}

static void
test_labels__text_beyond_the_maximum(void **state)
{
	struct labels_table *t = labels_table_new();
	char *value = malloc(LABELS_TEXT_BYTES_MAX);
	const struct labels *set;

	(void)state;
	assert_non_null(value);
	memset(value, 'x', LABELS_TEXT_BYTES_MAX);
	set = labels_intern(t, &(struct label){STR("a"), {value, LABELS_TEXT_BYTES_MAX}}, 1);
	assert_int_equal(set->text.len, 0);
	assert_false(set->sendable);
	free(value);
	labels_table_free(t);
}

/* What is referenced stays the same set; trimming again and again for nothing is avoided. */
static void
test_labels__trim(void **state)
{
	struct labels_table *t = labels_table_new();
	const struct labels *kept = labels_ref(intern(t, "keep=me"));
	char text[32];
	size_t left;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(text, sizeof(text), "n=%d", i);
		(void)labels_with(t, intern(t, text), STR("more"), STR("1"));
	}
	labels_table_trim(t, SIZE_MAX);
	assert_true(labels_table_bytes(t) > 100000);
	labels_table_trim(t, 1000);
	left = labels_table_bytes(t);
	assert_true(left < 1000);
	assert_ptr_equal(intern(t, "keep=me"), kept);
	assert_text(labels_with(t, kept, STR("more"), STR("1")), "{keep=\"me\", more=\"1\"}");
	for (int i = 0; i < 50; i++) {
		(void)snprintf(text, sizeof(text), "n=%d", i);
		(void)labels_ref(intern(t, text));
	}
	labels_table_trim(t, 0);
	left = labels_table_bytes(t);
	(void)intern(t, "one=more");
	labels_table_trim(t, 0);
	assert_true(labels_table_bytes(t) > left); /* not twice as much yet */
	labels_unref(kept);
	labels_table_free(t);
}

static void
test_memory__bounded_and_in_order_of_use(void **state)
{
	struct memory m = {0}, copy;
	struct memory *kept;
	int64_t value;

	(void)state;
	for (uint64_t i = 0; i < MEMORY_SLOTS_MAX; i++)
		memory_set(&m, i, (int64_t)i);
	assert_true(memory_get(&m, 0, &value));
	memory_set(&m, 1000, 7); /* the least recently used goes: 1 */
	assert_false(memory_get(&m, 1, &value));
	assert_true(memory_get(&m, 0, &value) && value == 0);
	assert_int_equal(m.n, MEMORY_SLOTS_MAX);
	kept = memory_keep(&m);
	memory_copy(&copy, kept);
	assert_int_equal(memory_bytes(kept), sizeof(m));
	assert_memory_equal(&copy, &m, sizeof(m));
	mem_free(kept);
	memory_copy(&copy, NULL);
	assert_int_equal(copy.n, 0);
	assert_null(memory_keep(&copy));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels__quoted_as_in_go),
		cmocka_unit_test(test_labels__equal_sets_are_one_pointer),
		cmocka_unit_test(test_labels__changes),
		cmocka_unit_test(test_labels__no_more_than_the_maximum),
		cmocka_unit_test(test_labels__text_beyond_the_maximum),
		cmocka_unit_test(test_labels__trim),
		cmocka_unit_test(test_memory__bounded_and_in_order_of_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

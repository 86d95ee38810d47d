/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/flow/relabel.h"

#define SOURCES_MAX 4

/* A rule as text: "action|source,source|regex|target|replacement|separator|modulus"; an empty field is the default, "-" is empty. */
static struct str
field(struct str *rest, const char *fallback)
{
	struct str head, tail;

	(void)str_cut(*rest, '|', &head, &tail);
	*rest = tail;
	return head.len == 0 ? str_from(fallback) : str_is(head, "-") ? STR("") : head;
}

static struct relabel_rule_args
rule(struct arena *arena, const char *text)
{
	struct str rest = str_from(text), sources, modulus;
	struct relabel_rule_args args = {.action = field(&rest, "replace")};

	sources = field(&rest, "");
	args.source_labels.items = arena_array(arena, struct str, SOURCES_MAX);
	while (sources.len > 0)
		(void)str_cut(sources, ',', &args.source_labels.items[args.source_labels.n++], &sources);
	args.regex = field(&rest, "(.*)");
	args.target_label = field(&rest, "");
	args.replacement = field(&rest, "$1");
	args.separator = field(&rest, ";");
	modulus = field(&rest, "0");
	assert_true(str_to_i64(modulus, &args.modulus));
	return args;
}

/* Labels as "a=1 b=2". */
static void
labels(struct labels_builder *b, const char *text)
{
	struct str rest = str_from(text), pair, name, value;

	b->n = 0;
	while (rest.len > 0) {
		(void)str_cut(rest, ' ', &pair, &rest);
		(void)str_cut(pair, '=', &name, &value);
		assert_true(labels_builder_set(b, name, value));
	}
}

static int
by_name(const void *a, const void *b)
{
	return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static const struct {
	const char *rules[3], *in, *out; /* out NULL: dropped */
} applied[] = {
	{{"|a|f(.*)|d|ch${1}-ch${1}"}, "a=foo b=bar", "a=foo b=bar d=choo-choo"},
	{{"|a,b|f(.*);(.*)r|a|b${1}${2}m", "|c,a|(b).*b(.*)ba(.*)|d|$1$2$2$3"}, "a=foo b=bar c=baz", "a=boobam b=bar c=baz d=boooom"},
	{{"drop|a|.*o.*"}, "a=foo", NULL},
	{{"drop|a|f"}, "a=foo", "a=foo"},
	{{"keep|a|f.*"}, "a=foo", "a=foo"},
	{{"keep|a|no"}, "a=foo", NULL},
	{{"keep", "drop"}, "a=v", NULL},
	{{"|a|(f).*|$1|$2"}, "a=foo f=baz", "a=foo"},
	{{"hashmod|c||d|||1000"}, "c=baz", "c=baz d=976"},
	{{"hashmod|no||t|||10"}, "a=v", "a=v t=8"},
	{{"labelmap||(b.*)||bar_${1}"}, "a=foo b1=bar", "a=foo b1=bar bar_b1=bar"},
	{{"labelmap||a_(.*)"}, "a_x=1 x=2", "a_x=1 x=1"},
	{{"labelkeep||(b.*)"}, "a=foo b1=bar", "b1=bar"},
	{{"labeldrop||(b.*)"}, "a=foo b1=bar", "a=foo"},
	{{"labeldrop||.*"}, "a=foo", ""},
	{{"uppercase|a||u", "lowercase|a||l"}, "a=b\xc3\x84r", "a=b\xc3\x84r l=b\xc3\xa4r u=B\xc3\x84R"},
	{{"lowercase|no||t"}, "a=v t=old", "a=v"},
	{{"keepequal|a||b"}, "a=1 b=1", "a=1 b=1"},
	{{"keepequal|a||b"}, "a=1 b=2", NULL},
	{{"dropequal|a||b"}, "a=1 b=1", NULL},
	{{"dropequal|a||b"}, "a=1 b=2", "a=1 b=2"},
	{{"|a,missing,b||j||/"}, "a=1 b=2", "a=1 b=2 j=1//2"},
	{{"|||env|prod"}, "a=1", "a=1 env=prod"},
	{{"|a||a|-"}, "a=1 b=2", "b=2"},
	{{"|a|-|x|was_empty"}, "b=2", "b=2 x=was_empty"},
	{{"|a|x.y|m|yes"}, "a=x\ny", "a=x\ny m=yes"},
	{{"|a|(?P<who>.*)@(?P<host>.*)|u_${host}|${who}"}, "a=bob@h1", "a=bob@h1 u_h1=bob"},
	{{"|a||t|$1x"}, "a=v", "a=v"},
	{{"|a||t|$$1"}, "a=v", "a=v t=$1"},
	{{"|a||pre_$1|z"}, "a=has-dash", "a=has-dash"},
	{{"|empty|-|t|yes", "labelmap||(e.*)||x_$1"}, "a=1 empty=", "a=1 t=yes"},
};

static void
test_relabel__applies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(applied); i++) {
		struct arena *arena = arena_new(0);
		struct relabel_rule_args rules[3];
		struct block_list list = {.items = rules};
		struct labels_builder got, expected;
		struct diags diags;
		struct relabel *relabel;
		bool keep;

		for (; list.n < 3 && applied[i].rules[list.n] != NULL; list.n++)
			rules[list.n] = rule(arena, applied[i].rules[list.n]);
		diags_init(&diags, arena, NULL);
		relabel = relabel_compile(arena, &list, &diags);
		assert_non_null(relabel);
		labels(&got, applied[i].in);
		keep = relabel_apply(relabel, &got, arena);
		assert_int_equal(keep, applied[i].out != NULL);
		if (keep) {
			labels(&expected, applied[i].out);
			qsort(got.items, got.n, sizeof(got.items[0]), by_name);
			qsort(expected.items, expected.n, sizeof(expected.items[0]), by_name);
			assert_int_equal(got.n, expected.n);
			for (size_t l = 0; l < got.n; l++)
				assert_true(str_eq(got.items[l].name, expected.items[l].name) &&
					str_eq(got.items[l].value, expected.items[l].value));
		}
		diags_done(&diags);
		arena_free(arena);
	}
}

static void
test_relabel__refuses_in_alloys_words(void **state)
{
	static const struct {
		const char *rule, *error; /* NULL: accepted */
	} cases[] = {
		{"replace", "relabel configuration for replace action requires 'target_label' value"},
		{"lowercase", "relabel configuration for lowercase action requires 'target_label' value"},
		{"lowercase|||${3}", NULL},
		{"|a||${3}", NULL},
		{"|a||0${3}", "\"0${3}\" is invalid 'target_label' for replace action"},
		{"|a||-foo${1}bar-", "\"-foo${1}bar-\" is invalid 'target_label' for replace action"},
		{"|a||${", "\"${\" is invalid 'target_label' for replace action"},
		{"|a||${}", "\"${}\" is invalid 'target_label' for replace action"},
		{"|a||asd$2asd", NULL},
		{"|a||a-b", NULL},
		{"|a||_${1}_", NULL},
		{"labelmap||x||-label", "\"-label\" is invalid 'replacement' for labelmap action"},
		{"hashmod|a||b", "relabel configuration for hashmod requires non-zero modulus"},
		{"nope|a||b", "unrecognized action type \"nope\""},
		{"labeldrop|a|b", "labeldrop action requires only 'regex', and no other fields"},
		{"keepequal|a|x|b", "keepequal action requires only 'source_labels' and 'target_label', and no other fields"},
		{"uppercase|a||b|x", "'replacement' can not be set for uppercase action"},
		{"keep|a|(", "error parsing regexp: missing closing ): `^(?s:()$`"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *arena = arena_new(0);
		struct relabel_rule_args args = rule(arena, cases[i].rule);
		struct block_list list = {.items = &args, .n = 1};
		struct diags diags;

		diags_init(&diags, arena, NULL);
		if (cases[i].error == NULL) {
			assert_non_null(relabel_compile(arena, &list, &diags));
		} else {
			assert_null(relabel_compile(arena, &list, &diags));
			assert_int_equal(diags.n, 1);
			assert_string_equal(arena_z(arena, diags.items[0].text), cases[i].error);
		}
		diags_done(&diags);
		arena_free(arena);
	}
}

static void
test_relabel__equal(void **state)
{
	struct arena *arena = arena_new(0);
	struct relabel_rule_args a = rule(arena, "|a|x|t|y"), b = rule(arena, "|a|x|t|z");
	struct block_list list_a = {.items = &a, .n = 1}, list_b = {.items = &b, .n = 1};
	struct diags diags;
	struct relabel *one, *same, *other;

	(void)state;
	diags_init(&diags, arena, NULL);
	one = relabel_compile(arena, &list_a, &diags);
	same = relabel_compile(arena, &list_a, &diags);
	other = relabel_compile(arena, &list_b, &diags);
	assert_true(relabel_equal(one, same));
	assert_false(relabel_equal(one, other));
	assert_false(relabel_equal(one, NULL));
	diags_done(&diags);
	arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relabel__applies),
		cmocka_unit_test(test_relabel__refuses_in_alloys_words),
		cmocka_unit_test(test_relabel__equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

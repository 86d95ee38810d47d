/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/flow/receipt.h"
#include "../support/pipeline_fixture.h"

/* Batches that grow, parts of them, and stages within stages. */

/* The lines of a batch, joined by blanks. */
static const char *
lines(struct fixture *f, const struct batch *b)
{
	struct str out = STR("");

	for (size_t i = 0; i < b->n; i++)
		out = arena_printf(f->config, "%.*s%s%.*s", STR_FMT(out), i > 0 ? " " : "", STR_FMT(b->line[i]));
	return out.s;
}

/* One entry a line, label l = its first letter, through the stages. */
static struct batch *
run(struct fixture *f, const char *stages, const char *const *texts, size_t n)
{
	struct batch *b;

	fixture_init(f, stages);
	assert_non_null(f->pipeline);
	b = fixture_batch(f, n);
	for (size_t i = 0; i < n; i++)
		fixture_add(f, b, str_from(texts[i]), arena_z(f->config, str_head(str_from(texts[i]), 1)), (int64_t)i + 1);
	pipeline_run(f->pipeline, b);
	return b;
}

static void
test_batch__order_through_match(void **state)
{
	static const char *const texts[] = {"a1", "b1", "[1,2]", "b2", "a2", "[]", "[3]", "a3"};
	struct fixture f;
	struct batch *b;

	(void)state;
	b = run(&f, "stage.match {\nselector = \"{l!=\\\"b\\\"}\"\nstage.match {\nselector = \"{l=\\\"[\\\"}\"\nstage.split_json {}\n"
		    "stage.static_labels { values = {split = \"yes\"} }\n}\nstage.drop { expression = \"a2|3\" }\n}",
		texts, 8);
	assert_string_equal(lines(&f, b), "a1 b1 1 2 b2");
	assert_true(str_is(labels_get(b->labels[3], STR("split")), "yes"));
	assert_null(labels_get(b->labels[4], STR("split")).s);
	assert_int_equal(b->ts[3], 3);
	assert_int_equal(b->origin[2].line, 2);
	assert_int_equal(b->origin[3].line, 2);
	fixture_done(&f);
}

static void
test_batch__grows_beyond_its_entries(void **state)
{
	struct arena *arena = arena_new(0);
	size_t n = 3 * BATCH_ENTRIES_MAX, len = 0;
	char *text = arena_alloc(arena, 2 * n + 2);
	const char *texts[3];
	struct fixture f;
	struct batch *b;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		text[len++] = i == 0 ? '[' : ',';
		text[len++] = (char)('0' + i % 10);
	}
	text[len++] = ']';
	text[len] = '\0';
	texts[0] = "x";
	texts[1] = text;
	texts[2] = "y";
	b = run(&f, "stage.split_json {}\nstage.drop { expression = \"7\" }", texts, 3);
	assert_int_equal(b->n, 2 + n - n / 10);
	assert_true(str_is(b->line[0], "x") && str_is(b->line[8], "8") && str_is(b->line[b->n - 1], "y"));
	fixture_done(&f);
	arena_free(arena);
}

/* What is extracted is copied: a later change of one part is not seen by the other. */
static void
test_batch__parts_have_values_of_their_own(void **state)
{
	static const char *const texts[] = {"k=v [\"n=1 w=2\",\"n=3\"]"};
	struct fixture f;
	struct batch *b;

	(void)state;
	b = run(&f, "stage.regex { expression = \"(?P<list>\\\\[.*\\\\])\" }\nstage.logfmt { regex = \"^k|n|w$\" }\n"
		    "stage.split_json { source = \"list\" }\nstage.logfmt { regex = \"n|w\" }\nstage.structured_metadata { regex = \"^.$\" }",
		texts, 1);
	assert_int_equal(b->n, 2);
	for (size_t i = 0; i < b->n; i++) {
		for (size_t k = 0; k < b->metadata[i]->n; k++) {
			struct label m = b->metadata[i]->items[k];

			if (str_is(m.name, "n"))
				assert_true(str_is(m.value, i == 0 ? "1" : "3\""));
			assert_false(i == 1 && str_is(m.name, "w"));
		}
	}
	fixture_done(&f);
}

/* Seeding again: labels of now win, those that went stay extracted, others of the map stay, too. */
static void
test_batch__seeds_again(void **state)
{
	static const char *const texts[] = {"app=json other=kept"};
	struct fixture f;
	struct batch *b;

	(void)state;
	b = run(&f, "stage.static_labels { values = {gone = \"g\", now = \"1\"} }\nstage.logfmt { mapping = {app = \"\", other = \"\", l = \"app\"} }\n"
		    "stage.match {\nselector = \"{now=\\\"1\\\"}\"\nstage.label_drop { values = [\"gone\"] }\n"
		    "stage.match {\nselector = \"{now=\\\"1\\\"}\"\n"
		    "stage.labels { values = {g2 = \"gone\", n2 = \"now\", l2 = \"l\", o2 = \"other\"} }\n}\n}",
		texts, 1);
	assert_string_equal(arena_z(f.config, b->labels[0]->text), "{g2=\"g\", l=\"a\", l2=\"a\", n2=\"1\", now=\"1\", o2=\"kept\"}");
	fixture_done(&f);
}

static void
test_batch__extra_values_are_limited(void **state)
{
	struct arena *arena = arena_new(0);
	struct str text = STR("");
	const char *texts[1];
	struct fixture f;
	struct batch *b;

	(void)state;
	for (int i = 0; i < EXTRA_VALUES_MAX + 100; i++)
		text = arena_printf(arena, "%.*sk%d=1 ", STR_FMT(text), i);
	texts[0] = arena_z(arena, text);
	b = run(&f, "stage.logfmt { regex = \".\" }\nstage.structured_metadata { regex = \".\" }", texts, 1);
	assert_int_equal(b->metadata[0]->n, METADATA_MAX);
	fixture_done(&f);
	arena_free(arena);
}

/* A line of n parts is dropped once, when the last of them is. */
static void
test_batch__split_line_counts_once(void **state)
{
	struct receipt r = {.to = 10};

	(void)state;
	receipt_split(&r, (struct origin){3, 1}, 2);
	receipt_drop(&r, (struct origin){3, 1}, "x");
	receipt_drop(&r, (struct origin){3, 1}, "x");
	assert_int_equal(r.n_drops, 0);
	receipt_drop(&r, (struct origin){3, 1}, "y");
	assert_int_equal(r.n_drops, 1);
	assert_string_equal(r.drops[0].reason, "y");
	assert_int_equal(r.drops[0].lines, 1);
	/* More than can be counted: never dropped. */
	receipt_split(&r, (struct origin){4, 1}, 100000);
	for (int i = 0; i < 200000; i++)
		receipt_drop(&r, (struct origin){4, 1}, "z");
	assert_int_equal(r.n_drops, 1);
	mem_free(r.extra_branches);
	mem_free(r.drops);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch__order_through_match),
		cmocka_unit_test(test_batch__grows_beyond_its_entries),
		cmocka_unit_test(test_batch__parts_have_values_of_their_own),
		cmocka_unit_test(test_batch__seeds_again),
		cmocka_unit_test(test_batch__extra_values_are_limited),
		cmocka_unit_test(test_batch__split_line_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

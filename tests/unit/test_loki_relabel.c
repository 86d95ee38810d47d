/* SPDX-License-Identifier: Apache-2.0 */
/* loki.relabel between a batch and a receiver that remembers what it got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "component_fixture.h"

extern const struct component_type loki_relabel;

static void
expect_metrics(struct fixture *f, unsigned processed, unsigned written, unsigned hits, unsigned misses, unsigned size)
{
	static const char *const names[] = {"entries_processed", "entries_written", "cache_hits", "cache_misses", "cache_size"};
	const unsigned values[] = {processed, written, hits, misses, size};
	struct buf page;
	char line[128];

	buf_init(&page, 1 << 20);
	metrics_print(f->runtime.metrics, &page);
	for (size_t i = 0; i < 5; i++) {
		(void)snprintf(line, sizeof(line), "loki_relabel_%s{component_id=\"loki.relabel.r\",component_path=\"/\"} %u\n", names[i], values[i]);
		if (str_find(buf_view(&page), str_from(line)) < 0)
			fail_msg("%s not in\n%.*s", line, STR_FMT(buf_view(&page)));
	}
	buf_done(&page);
}

#define DROP_X "  rule {\n    source_labels = [\"a\"]\n    regex = \"x\"\n    action = \"drop\"\n  }\n"
#define A_TO_B "  rule {\n    source_labels = [\"a\"]\n    target_label = \"b\"\n  }\n"

static void
test_loki_relabel__rewrites_drops_and_counts(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &loki_relabel, DROP_X A_TO_B);
	send(&f, "11x1", "l{a=\"1\", b=\"1\"} l{a=\"1\", b=\"1\"} l{a=\"1\", b=\"1\"} ");
	expect_metrics(&f, 4, 3, 2, 2, 2);
	send(&f, "x1", "l{a=\"1\", b=\"1\"} ");
	expect_metrics(&f, 6, 4, 4, 2, 2);
	end(&f);
}

static void
test_loki_relabel__without_labels_an_entry_is_dropped(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &loki_relabel, "  rule {\n    action = \"labeldrop\"\n    regex = \"a\"\n  }\n");
	send(&f, "12", "");
	end(&f);
}

static void
test_loki_relabel__the_cache_is_bounded_and_new_rules_empty_it(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &loki_relabel, "  max_cache_size = 2\n" A_TO_B);
	send(&f, "123", "l{a=\"1\", b=\"1\"} l{a=\"2\", b=\"2\"} l{a=\"3\", b=\"3\"} ");
	expect_metrics(&f, 3, 3, 0, 3, 2);
	send(&f, "2", "l{a=\"2\", b=\"2\"} ");
	send(&f, "1", "l{a=\"1\", b=\"1\"} "); /* was evicted; now 3 is */
	expect_metrics(&f, 5, 5, 1, 4, 2);
	load(&f, "  max_cache_size = 1\n" A_TO_B);
	expect_metrics(&f, 5, 5, 1, 4, 1);
	load(&f, "  max_cache_size = 1\n" DROP_X);
	expect_metrics(&f, 5, 5, 1, 4, 0);
	send(&f, "1x", "l{a=\"1\"} ");
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loki_relabel__rewrites_drops_and_counts),
		cmocka_unit_test(test_loki_relabel__without_labels_an_entry_is_dropped),
		cmocka_unit_test(test_loki_relabel__the_cache_is_bounded_and_new_rules_empty_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

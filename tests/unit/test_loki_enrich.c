/* SPDX-License-Identifier: Apache-2.0 */
/* loki.enrich between a batch and a receiver that remembers what it got. Rules are those of Alloy's component. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "component_fixture.h"

extern const struct component_type loki_enrich;

/* Of two targets that match with the same value the last counts; one without the label never matches. */
#define TARGETS                                                                                                        \
	"  targets = [{\"a\" = \"1\", \"env\" = \"old\"}, {\"a\" = \"1\", \"env\" = \"prod\", \"__meta_x\" = \"m\"},"    \
	" {\"a\" = \"2\", \"env\" = \"dev\", \"empty\" = \"\"}, {\"env\" = \"none\"}]\n"

static void
test_loki_enrich__copies_all_labels_of_the_last_target_that_matches(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &loki_enrich, TARGETS "  target_match_label = \"a\"\n  labels_to_copy = [\"env\", \"nowhere\"]\n");
	send(&f, "1312", "l{a=\"1\", env=\"prod\"} l{a=\"3\"} l{a=\"1\", env=\"prod\"} l{a=\"2\", env=\"dev\"} ");
	end(&f);
	begin(&f, &loki_enrich, TARGETS "  target_match_label = \"a\"\n");
	send(&f, "1", "l{a=\"1\", env=\"prod\"} "); /* __meta_x is internal: not in the text */
	end(&f);
}

static void
test_loki_enrich__a_target_overwrites_the_label_of_an_entry(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &loki_enrich,
		"  targets = [{\"host\" = \"1\", \"a\" = \"one\"}]\n  target_match_label = \"host\"\n  logs_match_label = \"a\"\n");
	send(&f, "12", "l{a=\"one\", host=\"1\"} l{a=\"2\"} ");
	end(&f);
}

static void
test_loki_enrich__new_targets_are_used(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &loki_enrich, "  targets = []\n  target_match_label = \"a\"\n");
	send(&f, "1", "l{a=\"1\"} ");
	load(&f, TARGETS "  target_match_label = \"a\"\n  labels_to_copy = [\"env\"]\n");
	send(&f, "1", "l{a=\"1\", env=\"prod\"} ");
	load(&f, "  targets = [{\"a\" = \"1\", \"env\" = \"new\"}]\n  target_match_label = \"a\"\n");
	send(&f, "1", "l{a=\"1\", env=\"new\"} ");
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loki_enrich__copies_all_labels_of_the_last_target_that_matches),
		cmocka_unit_test(test_loki_enrich__a_target_overwrites_the_label_of_an_entry),
		cmocka_unit_test(test_loki_enrich__new_targets_are_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

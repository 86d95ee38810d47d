/* SPDX-License-Identifier: Apache-2.0 */
/* loki.relabel between a batch and a receiver that remembers what it got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "longship/base/buf.h"
#include "longship/flow/graph.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

extern const struct component_type loki_relabel;

static struct buf got;

struct sink_args {
	char none;
};

static const struct arg_spec sink_spec[] = {{0}};

static int
sink_start(struct component *c, const void *args)
{
	(void)c, (void)args;
	return 0;
}

static void
sink_consume(struct component *c, struct batch *b)
{
	(void)c;
	for (size_t i = 0; i < b->n; i++)
		(void)buf_printf(&got, "%.*s%.*s ", STR_FMT(b->line[i]), STR_FMT(b->labels[i]->text));
}

static const struct component_type sink = {
	.name = "toy.sink",
	.flags = COMPONENT_CONSUMES,
	.args = sink_spec,
	.args_size = sizeof(struct sink_args),
	.state_size = 1,
	.doc = "Remembers.",
	.start = sink_start,
	.consume = sink_consume,
};

static const struct component_type *const types[] = {&loki_relabel, &sink, NULL};

struct fixture {
	struct runtime runtime;
	struct graph *graph;
	struct labels_table *table;
};

static void
load(struct fixture *f, const char *arguments)
{
	struct graph_load *loaded;
	char text[1024];

	(void)snprintf(text, sizeof(text), "loki.relabel \"r\" {\n  forward_to = [toy.sink.s.receiver]\n%s}\ntoy.sink \"s\" {}\n", arguments);
	loaded = graph_load_text(f->graph, STR("t.alloy"), str_from(text), GRAPH_LOAD_RUN);
	if (!graph_apply(f->graph, loaded))
		diags_print(graph_load_diags(loaded), stderr, false);
	assert_false(diags_failed(graph_load_diags(loaded)));
	graph_load_free(loaded);
}

static void
begin(struct fixture *f, const char *arguments)
{
	*f = (struct fixture){0};
	buf_init(&got, 1 << 16);
	assert_int_equal(loop_new(&f->runtime.loop), 0);
	f->runtime.metrics = metrics_new();
	f->graph = graph_new(&f->runtime, &(struct graph_options){.types = types});
	f->table = labels_table_new();
	load(f, arguments);
}

static void
end(struct fixture *f)
{
	graph_free(f->graph);
	metrics_free(f->runtime.metrics);
	loop_free(f->runtime.loop);
	labels_table_free(f->table);
	buf_done(&got);
}

/* Sends one line for each value of the label a; what arrives must read so. */
static void
send(struct fixture *f, const char *values, const char *expected)
{
	struct arena *arena = arena_new(0);
	struct batch *b = batch_new(arena, f->table, 16);
	struct component *c = graph_find(f->graph, "loki.relabel.r");

	for (; *values != '\0'; values++, b->n++) {
		struct label label = {STR("a"), {values, 1}};

		b->line[b->n] = STR("l");
		b->labels[b->n] = labels_intern(f->table, &label, 1);
		b->origin[b->n] = (struct origin){(uint32_t)b->n, 1};
	}
	buf_clear(&got);
	c->type->consume(c, b);
	(void)buf_putc(&got, '\0');
	assert_string_equal(got.data, expected);
	arena_free(arena);
}

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
	begin(&f, DROP_X A_TO_B);
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
	begin(&f, "  rule {\n    action = \"labeldrop\"\n    regex = \"a\"\n  }\n");
	send(&f, "12", "");
	end(&f);
}

static void
test_loki_relabel__the_cache_is_bounded_and_new_rules_empty_it(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, "  max_cache_size = 2\n" A_TO_B);
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

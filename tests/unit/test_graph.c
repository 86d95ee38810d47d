/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "longship/base/buf.h"
#include "longship/base/clock.h"
#include "longship/flow/graph.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

/* Toy components that write what happens to them into a journal: "start toy.value.a", … */

static struct buf journal;

static void
note(const char *what, const struct component *component)
{
	buf_printf(&journal, "%s %s\n", what, component->id);
}

struct value_args {
	struct str text;
	bool fail;
};

static const struct arg_spec value_spec[] = {
	{.name = "text",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct value_args, text),
		.doc = "Exported."},
	{.name = "fail", .kind = ARG_BOOL, .offset = offsetof(struct value_args, fail), .doc = "Fails to start."},
	{0},
};

static void
export_text(struct component *component, const struct value_args *args)
{
	struct value value = value_string(args->text);

	component_export(component, "text", &value);
}

static int
value_start(struct component *component, const void *args)
{
	const struct value_args *a = args;

	note("start", component);
	if (a->fail)
		return component_fail(component, -EINVAL, "told to fail");
	export_text(component, a);
	return 0;
}

static void
value_update(struct component *component, const void *old_args, const void *args)
{
	assert_ptr_not_equal(old_args, args);
	note("update", component);
	export_text(component, args);
}

static void
any_stop(struct component *component)
{
	note("stop", component);
}

static struct value
value_zero(struct arena *arena, const char *name)
{
	(void)arena, (void)name;
	return value_string(STR(""));
}

static const char *const value_exports[] = {"text", NULL};
static const struct component_type toy_value = {
	.name = "toy.value",
	.args = value_spec,
	.args_size = sizeof(struct value_args),
	.exports = value_exports,
	.doc = "Exports a text.",
	.start = value_start,
	.update = value_update,
	.stop = any_stop,
	.zero_export = value_zero,
};

static int
any_start(struct component *component, const void *args)
{
	(void)args;
	note("start", component);
	return 0;
}

static void
any_update(struct component *component, const void *old_args, const void *args)
{
	(void)old_args, (void)args;
	note("update", component);
}

struct sink_args {
	struct str url;
	int64_t number;
	struct value old_setting;
};

static bool
sink_check(const void *args, struct src_pos at, struct diags *diags)
{
	const struct sink_args *a = args;

	if (a->url.len == 0)
		diag_error(diags, at, "url must not be empty");
	return a->url.len > 0;
}

static const struct arg_spec sink_spec[] = {
	{.name = "url",
		.kind = ARG_STRING,
		.offset = offsetof(struct sink_args, url),
		.fallback = "\"x\"",
		.doc = "Where to."},
	{.name = "number", .kind = ARG_INT, .offset = offsetof(struct sink_args, number), .doc = "Any."},
	{.name = "old_setting",
		.kind = ARG_ANY,
		.flags = ARG_UNSUPPORTED,
		.offset = offsetof(struct sink_args, old_setting),
		.doc = "It is gone."},
	{0},
};

static const struct component_type toy_sink = {
	.name = "toy.sink",
	.flags = COMPONENT_CONSUMES,
	.args = sink_spec,
	.args_size = sizeof(struct sink_args),
	.doc = "Takes entries.",
	.check = sink_check,
	.start = any_start,
	.update = any_update,
	.stop = any_stop,
};

struct pipe_args {
	struct ptr_list forward_to;
	struct str text;
};

static const struct arg_spec pipe_spec[] = {
	{.name = "forward_to",
		.kind = ARG_CAPSULE_LIST,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct pipe_args, forward_to),
		.capsule = &capsule_logs_receiver,
		.doc = "Receivers."},
	{.name = "text", .kind = ARG_STRING, .offset = offsetof(struct pipe_args, text), .doc = "Any."},
	{0},
};

static const struct component_type toy_pipe = {
	.name = "toy.pipe",
	.flags = COMPONENT_CONSUMES | COMPONENT_FORWARDS,
	.args = pipe_spec,
	.args_size = sizeof(struct pipe_args),
	.doc = "Forwards entries.",
	.start = any_start,
	.update = any_update,
	.stop = any_stop,
};

static const struct component_type toy_block = {
	.name = "logging",
	.flags = COMPONENT_BLOCK,
	.args = value_spec,
	.args_size = sizeof(struct value_args),
	.doc = "A config block.",
	.start = any_start,
	.update = any_update,
	.stop = any_stop,
};

static const struct component_type *const types[] = {&toy_value, &toy_sink, &toy_pipe, &toy_block, NULL};
static const char *const known[] = {"otelcol.receiver.loki", "toy.value", NULL};

struct fixture {
	struct runtime runtime;
	struct graph *graph;
};

static void
begin(struct fixture *f, bool skip, const char *only)
{
	*f = (struct fixture){0};
	buf_init(&journal, 1 << 20);
	assert_int_equal(loop_new(&f->runtime.loop), 0);
	f->runtime.metrics = metrics_new();
	f->graph = graph_new(&f->runtime,
		&(struct graph_options){.types = types, .known = known, .skip_unsupported = skip, .only = only});
}

static void
end(struct fixture *f)
{
	graph_free(f->graph);
	metrics_free(f->runtime.metrics);
	loop_free(f->runtime.loop);
	buf_done(&journal);
}

static void
expect_journal(const char *text)
{
	buf_putc(&journal, '\0');
	assert_string_equal(journal.data, text);
	buf_clear(&journal);
}

/* Messages of all diagnostics in order, one per line. */
static void
expect_diags(struct graph_load *load, const char *text)
{
	const struct diags *diags = graph_load_diags(load);
	struct buf all;

	buf_init(&all, 1 << 20);
	for (size_t i = 0; i < diags->n; i++)
		buf_printf(&all, "%.*s\n", STR_FMT(diags->items[i].text));
	buf_putc(&all, '\0');
	assert_string_equal(all.data, text);
	buf_done(&all);
}

static void
load_ok(struct fixture *f, const char *text)
{
	struct graph_load *load = graph_load_text(f->graph, STR("t.alloy"), str_from(text), GRAPH_LOAD_RUN);

	expect_diags(load, "");
	assert_true(graph_apply(f->graph, load));
	graph_load_free(load);
}

static void
load_fails(struct fixture *f, const char *text, enum graph_load_mode mode, const char *why)
{
	struct graph_load *load = graph_load_text(f->graph, STR("t.alloy"), str_from(text), mode);

	assert_false(graph_apply(f->graph, load));
	expect_diags(load, why);
	graph_load_free(load);
}

static void
expect_health(struct fixture *f, const char *id, enum component_health expected, const char *message)
{
	struct graph_health health;

	graph_health(graph_find(f->graph, id), &health);
	assert_int_equal(health.health, expected);
	assert_string_equal(health.message, message);
}

static const char chain[] = "toy.pipe \"p\" {\n\tforward_to = [toy.sink.s.receiver]\n\ttext = toy.value.v.text\n}\n"
			    "toy.sink \"s\" { }\n"
			    "toy.value \"v\" { text = \"one\" }\n";

static void
test_graph__starts_in_order_of_dependency_and_stops_in_reverse(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_ok(&f, chain);
	expect_journal("start toy.sink.s\nstart toy.value.v\nstart toy.pipe.p\n");
	assert_string_equal(((const struct pipe_args *)graph_find(f.graph, "toy.pipe.p")->args)->text.s,
		"one"); /* of the start, not the zero */
	assert_ptr_equal(((const struct pipe_args *)graph_find(f.graph, "toy.pipe.p")->args)->forward_to.items[0],
		graph_find(f.graph, "toy.sink.s"));
	graph_stop(f.graph);
	expect_journal("stop toy.pipe.p\nstop toy.value.v\nstop toy.sink.s\n");
	end(&f);
}

static void
test_graph__reload_leaves_alone_what_has_not_changed(void **state)
{
	struct fixture f;
	struct component *sink;

	(void)state;
	begin(&f, false, NULL);
	load_ok(&f, chain);
	sink = graph_find(f.graph, "toy.sink.s");
	expect_journal("start toy.sink.s\nstart toy.value.v\nstart toy.pipe.p\n");
	load_ok(&f, chain);
	expect_journal("");
	load_ok(&f, "toy.sink \"new\" { }\n"
		    "toy.pipe \"p\" { forward_to = [toy.sink.s.receiver, toy.sink.new.receiver] }\n"
		    "toy.sink \"s\" { }\n");
	assert_ptr_equal(graph_find(f.graph, "toy.sink.s"), sink);
	expect_journal("stop toy.value.v\nstart toy.sink.new\nupdate toy.pipe.p\n");
	end(&f);
}

static void
test_graph__an_update_reaches_users_within_the_same_load(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_ok(&f, chain);
	buf_clear(&journal);
	load_ok(&f, "toy.pipe \"p\" {\n\tforward_to = [toy.sink.s.receiver]\n\ttext = toy.value.v.text\n}\n"
		    "toy.sink \"s\" { }\n"
		    "toy.value \"v\" { text = \"two\" }\n");
	expect_journal("update toy.value.v\nupdate toy.pipe.p\n");
	assert_string_equal(((const struct pipe_args *)graph_find(f.graph, "toy.pipe.p")->args)->text.s, "two");
	end(&f);
}

static void
test_graph__a_bad_reload_changes_nothing(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_ok(&f, chain);
	buf_clear(&journal);
	load_fails(&f, "toy.sink \"s\" { number = true }\ntoy.value \"other\" { text = \"x\" }\n", GRAPH_LOAD_RUN,
		"true should be number, got bool\n");
	load_fails(&f, "toy.sink \"s\" {\n", GRAPH_LOAD_RUN, "expected }, got EOF\n");
	load_fails(&f, "toy.sink \"s\" { url = \"\" }\n", GRAPH_LOAD_RUN,
		"Failed to build component: decoding configuration: url must not be empty\n");
	expect_journal("");
	assert_int_equal(graph_len(f.graph), 3);
	end(&f);
}

static void
test_graph__errors_in_names_come_all_at_once(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_fails(&f,
		"x = 1\n"
		"toy.sink { }\n"
		"logging \"a\" { text = \"\" }\n"
		"toy.snk \"a\" { }\n"
		"otelcol.receiver.loki \"a\" { }\n"
		"toy.sink \"d\" { }\n"
		"toy.sink \"d\" { }\n"
		"toy.sink \"old\" { old_setting = 1 }\n"
		"toy.pipe \"p\" { forward_to = [toy.sink.c.receiver, nothing.at.all] }\n",
		GRAPH_LOAD_RUN,
		"unrecognized attribute x\n"
		"component \"toy.sink\" must have a label\n"
		"block \"logging\" does not support specifying labels\n"
		"cannot find the definition of component name \"toy.snk\", did you mean \"toy.sink\"?\n"
		"\"otelcol.receiver.loki\" exists in Alloy, longship does not have it\n"
		"block toy.sink.d already declared at t.alloy:6:1\n"
		"attribute \"old_setting\" exists in Alloy, longship does not have it: It is gone.\n"
		"component \"nothing.at.all\" does not exist or is out of scope\n");
	assert_int_equal(graph_len(f.graph), 0);
	expect_journal("");
	end(&f);
}

static void
test_graph__a_mistyped_reference_is_guessed(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_fails(&f, "toy.sink \"default\" { }\ntoy.pipe \"p\" { forward_to = [toy.sink.defualt.receiver] }\n",
		GRAPH_LOAD_RUN,
		"component \"toy.sink.defualt.receiver\" does not exist or is out of scope, did you mean "
		"\"toy.sink.default\"?\n");
	end(&f);
}

static void
test_graph__cycles_are_refused(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_fails(&f,
		"toy.pipe \"b\" { forward_to = [toy.pipe.c.receiver] }\n"
		"toy.pipe \"c\" { forward_to = [toy.pipe.a.receiver] }\n"
		"toy.pipe \"a\" { forward_to = [toy.pipe.b.receiver] }\n"
		"toy.pipe \"me\" { forward_to = [toy.pipe.me.receiver] }\n",
		GRAPH_LOAD_VALIDATE, "cycle: toy.pipe.b, toy.pipe.c, toy.pipe.a\nself reference: toy.pipe.me\n");
	end(&f);
}

static void
test_graph__validate_goes_on_after_errors(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_fails(&f,
		"toy.snk \"a\" { }\n"
		"toy.pipe \"p\" { forward_to = [toy.snk.a.receiver] }\n"
		"toy.sink \"s\" {\n\tnumber = true\n\tbogus = 1\n\turl = []\n}\n"
		"toy.value \"v\" { }\n",
		GRAPH_LOAD_VALIDATE,
		"cannot find the definition of component name \"toy.snk\", did you mean \"toy.sink\"?\n"
		"expected number, got bool\n"
		"unrecognized attribute name \"bogus\"\n"
		"expected string, got array\n"
		"missing required attribute \"text\"\n");
	end(&f);
}

static void
test_graph__what_only_the_start_can_tell_is_checked_after_it(void **state)
{
	static const char text[] = "toy.sink \"s\" { url = toy.value.v.text }\ntoy.value \"v\" { text = \"%s\" }\n";
	char good[sizeof(text) + 8], bad[sizeof(text) + 8];
	struct fixture f;

	(void)state;
	snprintf(good, sizeof(good), text, "http");
	snprintf(bad, sizeof(bad), text, "");
	begin(&f, false, NULL);
	load_fails(
		&f, bad, GRAPH_LOAD_RUN, "Failed to build component: decoding configuration: url must not be empty\n");
	expect_journal("start toy.value.v\nstop toy.value.v\n");
	assert_int_equal(graph_len(f.graph), 0);
	load_ok(&f, good);
	expect_journal("start toy.value.v\nstart toy.sink.s\n");
	end(&f);
}

static void
test_graph__a_failed_start_undoes_the_first_load(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_fails(&f, "toy.sink \"s\" { }\ntoy.value \"v\" {\n\ttext = \"\"\n\tfail = true\n}\n", GRAPH_LOAD_RUN,
		"Failed to build component: building component: told to fail\n");
	expect_journal("start toy.sink.s\nstart toy.value.v\nstop toy.value.v\nstop toy.sink.s\n");
	assert_int_equal(graph_len(f.graph), 0);
	end(&f);
}

static void
test_graph__a_failed_start_on_reload_is_unhealthy_and_mended_by_the_next(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_ok(&f, "toy.sink \"s\" { }\n");
	load_fails(&f, "toy.sink \"s\" { }\ntoy.value \"v\" {\n\ttext = \"\"\n\tfail = true\n}\n", GRAPH_LOAD_RUN,
		"Failed to build component: building component: told to fail\n");
	expect_health(&f, "toy.value.v", HEALTH_UNHEALTHY, "told to fail");
	expect_health(&f, "toy.sink.s", HEALTH_HEALTHY, "component evaluated");
	assert_int_equal(graph_count(f.graph, HEALTH_UNHEALTHY), 1);
	buf_clear(&journal);
	load_ok(&f, "toy.sink \"s\" { }\ntoy.value \"v\" { text = \"\" }\n");
	expect_journal("start toy.value.v\n");
	expect_health(&f, "toy.value.v", HEALTH_HEALTHY, "started component");
	end(&f);
}

static void
test_graph__exports_update_users_in_the_next_turn_once(void **state)
{
	struct value three = value_string(STR("three")), four = value_string(STR("four"));
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_ok(&f, chain);
	buf_clear(&journal);
	component_export(graph_find(f.graph, "toy.value.v"), "text", &three);
	component_export(graph_find(f.graph, "toy.value.v"), "text", &four);
	expect_journal("");
	assert_int_equal(loop_turn(f.runtime.loop, NS_PER_S), 1);
	expect_journal("update toy.pipe.p\n");
	assert_string_equal(((const struct pipe_args *)graph_find(f.graph, "toy.pipe.p")->args)->text.s, "four");
	component_export(graph_find(f.graph, "toy.value.v"), "text", &four);
	assert_int_equal(loop_turn(f.runtime.loop, 0), 0);
	expect_journal("");
	end(&f);
}

static void
test_graph__a_failed_reevaluation_keeps_the_last_good_arguments(void **state)
{
	struct value empty = value_string(STR("")), good = value_string(STR("b"));
	struct fixture f;

	(void)state;
	begin(&f, false, NULL);
	load_ok(&f, "toy.sink \"s\" { url = toy.value.v.text }\ntoy.value \"v\" { text = \"a\" }\n");
	buf_clear(&journal);
	component_export(graph_find(f.graph, "toy.value.v"), "text", &empty);
	assert_int_equal(loop_turn(f.runtime.loop, NS_PER_S), 1);
	expect_journal("");
	assert_string_equal(((const struct sink_args *)graph_find(f.graph, "toy.sink.s")->args)->url.s, "a");
	expect_health(&f, "toy.sink.s", HEALTH_UNHEALTHY,
		"t.alloy:1:1: Failed to build component: decoding configuration: url must not be empty");
	component_export(graph_find(f.graph, "toy.value.v"), "text", &good);
	assert_int_equal(loop_turn(f.runtime.loop, NS_PER_S), 1);
	expect_journal("update toy.sink.s\n");
	assert_int_equal(graph_count(f.graph, HEALTH_UNHEALTHY), 0);
	end(&f);
}

static void
test_graph__skip_unsupported_leaves_out_what_only_serves_the_unknown(void **state)
{
	struct fixture f;
	struct graph_load *load;

	(void)state;
	begin(&f, true, NULL);
	load = graph_load_text(f.graph, STR("t.alloy"),
		STR("otelcol.receiver.loki \"o\" { }\n"
		    "some.source \"x\" { forward_to = [toy.pipe.lost.receiver] }\n"
		    "toy.pipe \"lost\" { forward_to = [toy.sink.lonely.receiver] }\n"
		    "toy.sink \"lonely\" { }\n"
		    "toy.pipe \"dead_end\" { forward_to = [otelcol.receiver.loki.o.receiver] }\n"
		    "toy.pipe \"stays\" { forward_to = [otelcol.receiver.loki.o.receiver, toy.sink.s.receiver] }\n"
		    "toy.pipe \"needs\" {\n\tforward_to = [toy.sink.s.receiver]\n\ttext = some.source.x.text\n}\n"
		    "toy.sink \"s\" {\n\told_setting = 1\n\tbogus = 2\n}\n"
		    "logging { text = some.source.x.text\n\tfail = false }\n"),
		GRAPH_LOAD_RUN);
	expect_diags(load,
		"left out: \"otelcol.receiver.loki\" exists in Alloy, longship does not have it\n"
		"left out: cannot find the definition of component name \"some.source\"\n"
		"left out: attribute \"old_setting\" exists in Alloy, longship does not have it: It is gone.\n"
		"left out: longship does not know attribute \"bogus\"\n"
		"left out of the list: otelcol.receiver.loki.o is left out\n"
		"left out: toy.pipe.dead_end has nothing left in a list\n"
		"left out of the list: otelcol.receiver.loki.o is left out\n"
		"left out: toy.pipe.needs needs some.source.x, which is left out\n"
		"left out: attribute \"text\" refers to what is left out\n"
		"left out: toy.pipe.lost only serves what is left out\n"
		"left out: toy.sink.lonely only serves what is left out\n"
		"Failed to evaluate node for config block: decoding configuration: missing required attribute "
		"\"text\"\n");
	graph_load_free(load);
	end(&f);
}

static void
test_graph__only_one_component_and_what_it_refers_to(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false, "toy.sink.s");
	load_ok(&f, "toy.sink \"s\" { url = toy.value.v.text }\ntoy.value \"v\" { text = \"a\" }\n"
		    "toy.value \"w\" { text = toy.value.v.text }\n");
	expect_journal("start toy.value.v\nstart toy.sink.s\n");
	load_fails(&f, "toy.value \"v\" { text = \"a\" }\n", GRAPH_LOAD_RUN, "there is no component \"toy.sink.s\"\n");
	end(&f);
}

static void
test_graph__the_component_api_shows_arguments_exports_and_edges(void **state)
{
	struct fixture f;
	struct buf out;

	(void)state;
	begin(&f, false, NULL);
	load_ok(&f, chain);
	buf_init(&out, 1 << 20);
	assert_false(graph_json_component(f.graph, "toy.value.none", &out));
	assert_true(graph_json_component(f.graph, "toy.value.v", &out));
	buf_putc(&out, '\0');
	assert_non_null(strstr(out.data,
		"{\"name\":\"toy.value\",\"type\":\"block\",\"localID\":\"toy.value.v\",\"moduleID\":\"\","
		"\"label\":\"v\",\"referencesTo\":[],\"referencedBy\":[\"toy.pipe.p\"],\"dataFlowEdgesTo\":[],"
		"\"health\":{\"state\":\"healthy\",\"message\":\"started component\",\"updatedTime\":\""));
	assert_non_null(strstr(out.data, "\"exports\":[{\"name\":\"text\",\"type\":\"attr\",\"value\":{\"type\":"
					 "\"string\",\"value\":\"one\"}}]"));
	buf_clear(&out);
	graph_json_list(f.graph, &out);
	buf_putc(&out, '\0');
	assert_non_null(strstr(out.data, "\"referencesTo\":[\"toy.sink.s\",\"toy.value.v\"]"));
	assert_non_null(strstr(out.data, "\"dataFlowEdgesTo\":[\"toy.sink.s\"]"));
	buf_done(&out);
	end(&f);
}

static void
test_graph__metrics_count_components_by_health(void **state)
{
	struct fixture f;
	struct buf out;

	(void)state;
	begin(&f, false, NULL);
	load_ok(&f, chain);
	component_set_health(graph_find(f.graph, "toy.sink.s"), HEALTH_UNHEALTHY, "no route to %s", "host");
	buf_init(&out, 1 << 20);
	metrics_print(f.runtime.metrics, &out);
	buf_putc(&out, '\0');
	assert_non_null(strstr(
		out.data, "running_components{controller_id=\"\",controller_path=\"/\",health_type=\"healthy\"} 2\n"));
	assert_non_null(strstr(out.data,
		"running_components{controller_id=\"\",controller_path=\"/\",health_type=\"unhealthy\"} 1\n"));
	assert_null(strstr(out.data, "health_type=\"exited\""));
	buf_done(&out);
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_graph__starts_in_order_of_dependency_and_stops_in_reverse),
		cmocka_unit_test(test_graph__reload_leaves_alone_what_has_not_changed),
		cmocka_unit_test(test_graph__an_update_reaches_users_within_the_same_load),
		cmocka_unit_test(test_graph__a_bad_reload_changes_nothing),
		cmocka_unit_test(test_graph__errors_in_names_come_all_at_once),
		cmocka_unit_test(test_graph__a_mistyped_reference_is_guessed),
		cmocka_unit_test(test_graph__cycles_are_refused),
		cmocka_unit_test(test_graph__validate_goes_on_after_errors),
		cmocka_unit_test(test_graph__what_only_the_start_can_tell_is_checked_after_it),
		cmocka_unit_test(test_graph__a_failed_start_undoes_the_first_load),
		cmocka_unit_test(test_graph__a_failed_start_on_reload_is_unhealthy_and_mended_by_the_next),
		cmocka_unit_test(test_graph__exports_update_users_in_the_next_turn_once),
		cmocka_unit_test(test_graph__a_failed_reevaluation_keeps_the_last_good_arguments),
		cmocka_unit_test(test_graph__skip_unsupported_leaves_out_what_only_serves_the_unknown),
		cmocka_unit_test(test_graph__only_one_component_and_what_it_refers_to),
		cmocka_unit_test(test_graph__the_component_api_shows_arguments_exports_and_edges),
		cmocka_unit_test(test_graph__metrics_count_components_by_health),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

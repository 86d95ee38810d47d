/* SPDX-License-Identifier: Apache-2.0 */
/* The components that make and rewrite targets, in a graph of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/buf.h"
#include "longship/base/clock.h"
#include "longship/flow/graph.h"
#include "longship/flow/metric.h"
#include "longship/flow/relabel.h"
#include "longship/flow/runtime.h"
#include "longship/flow/watcher.h"
#include "longship/lang/path_targets.h"
#include "longship/os/loop.h"

extern const struct component_type discovery_relabel, local_file, local_file_match;

static const struct component_type *const types[] = {&discovery_relabel, &local_file, &local_file_match, NULL};

struct fixture {
	struct runtime runtime;
	struct graph *graph;
	char dir[64];
};

static void
begin(struct fixture *f)
{
	*f = (struct fixture){.dir = "/tmp/longship-targets-XXXXXX"};
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(loop_new(&f->runtime.loop), 0);
	assert_int_equal(watcher_new(f->runtime.loop, &f->runtime.watcher), 0);
	f->runtime.metrics = metrics_new();
	f->graph = graph_new(&f->runtime, &(struct graph_options){.types = types});
}

static void
end(struct fixture *f)
{
	char command[128];

	graph_free(f->graph);
	metrics_free(f->runtime.metrics);
	watcher_free(f->runtime.watcher);
	loop_free(f->runtime.loop);
	(void)snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
}

static void
write_file(const struct fixture *f, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs(text, file);
	(void)fclose(file);
}

/* Loads a configuration in which every @ stands for the directory. */
static void
load(struct fixture *f, const char *config)
{
	struct graph_load *loaded;
	struct buf text;

	buf_init(&text, 1 << 16);
	for (; *config != '\0'; config++)
		(void)(*config == '@' ? buf_z(&text, f->dir) : buf_putc(&text, *config));
	loaded = graph_load_text(f->graph, STR("t.alloy"), buf_view(&text), GRAPH_LOAD_RUN);
	if (!graph_apply(f->graph, loaded))
		diags_print(graph_load_diags(loaded), stderr, false);
	assert_false(diags_failed(graph_load_diags(loaded)));
	graph_load_free(loaded);
	buf_done(&text);
}

/* Whether an export as JSON, in which every directory is @, is this text. */
static bool
exports(const struct fixture *f, const char *id, const char *name, const char *expected)
{
	const struct value *value = graph_export_of(graph_find(f->graph, id), name);
	struct str json, dir = str_from(f->dir);
	struct buf text, plain;
	bool same;

	buf_init(&text, 1 << 16);
	buf_init(&plain, 1 << 16);
	value_to_json(value, &text, false);
	json = buf_view(&text);
	while (json.len > 0) {
		if (str_starts(json, dir)) {
			(void)buf_putc(&plain, '@');
			json = str_from_offset(json, dir.len);
		} else {
			(void)buf_putc(&plain, json.s[0]);
			json = str_from_offset(json, 1);
		}
	}
	same = str_is(buf_view(&plain), expected);
	if (!same)
		print_message("%.*s\n", STR_FMT(buf_view(&plain)));
	buf_done(&text);
	buf_done(&plain);
	return same;
}

static void
turns(struct fixture *f, int64_t ns)
{
	int64_t until_ns = clock_mono_ns() + ns;

	while (clock_mono_ns() < until_ns)
		assert_true(loop_turn(f->runtime.loop, 10 * NS_PER_MS) >= 0);
}

static void
test_targets__files_are_found_again_and_again(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	write_file(&f, "b.log", "");
	write_file(&f, "a.log", "");
	write_file(&f, "c.gz", "");
	load(&f, "local.file_match \"m\" {\n"
		 "  path_targets = [{__path__ = \"@/*\", __path_exclude__ = \"@/*.gz\", job = \"x\"}, {__path__ = \"@/a.*\"}]\n"
		 "  sync_period = \"20ms\"\n"
		 "}\n"
		 "local.file_match \"n\" {\n" /* expressions look into the list */
		 "  path_targets = array.concat([local.file_match.m.targets[0]], [local.file_match.m[\"targets\"][2]])\n"
		 "}\n"
		 "discovery.relabel \"r\" {\n"
		 "  targets = local.file_match.m.targets\n"
		 "  rule {\n"
		 "    source_labels = [\"job\"]\n"
		 "    regex = \"x\"\n"
		 "    action = \"keep\"\n"
		 "  }\n"
		 "  rule {\n"
		 "    regex = \"job|__path_exclude__\"\n"
		 "    action = \"labeldrop\"\n"
		 "  }\n"
		 "}\n");
	assert_true(exports(&f, "local.file_match.m", "targets",
		"[{\"__path__\":\"@/a.log\",\"__path_exclude__\":\"@/*.gz\",\"job\":\"x\"},"
		"{\"__path__\":\"@/b.log\",\"__path_exclude__\":\"@/*.gz\",\"job\":\"x\"},{\"__path__\":\"@/a.log\"}]"));
	assert_true(exports(&f, "discovery.relabel.r", "output", "[{\"__path__\":\"@/a.log\"},{\"__path__\":\"@/b.log\"}]"));
	assert_true(exports(&f, "local.file_match.n", "targets", "[{\"__path__\":\"@/a.log\",\"__path_exclude__\":\"@/*.gz\",\"job\":\"x\"},"
		"{\"__path__\":\"@/a.log\"}]"));
	write_file(&f, "0.log", "");
	turns(&f, 200 * NS_PER_MS);
	assert_true(exports(&f, "discovery.relabel.r", "output",
		"[{\"__path__\":\"@/0.log\"},{\"__path__\":\"@/a.log\"},{\"__path__\":\"@/b.log\"}]"));
	end(&f);
}

static bool
has_export(const struct fixture *f, const char *expected)
{
	struct arena *arena = arena_new(0);
	struct value value = path_targets_expanded(arena, graph_export_of(graph_find(f->graph, "local.file_match.m"), "targets"));
	bool found = false;

	for (size_t i = 0; i < value.array.n && !found; i++) {
		struct str path = value_get(&value.array.items[i], STR("__path__"))->text;

		found = str_is(str_from_offset(path, strlen(f->dir)), expected);
	}
	arena_free(arena);
	return found;
}

static void
wait_for(struct fixture *f, const char *file, bool there)
{
	int64_t until_ns = clock_mono_ns() + 20 * NS_PER_S;

	while (has_export(f, file) != there && clock_mono_ns() < until_ns)
		turns(f, 5 * NS_PER_MS);
	assert_int_equal(has_export(f, file), there);
}

/* The period is an hour: only what the kernel tells makes it look. */
static void
test_targets__new_files_are_told_of(void **state)
{
	struct fixture f;
	char path[128], other[128];

	(void)state;
	begin(&f);
	(void)snprintf(other, sizeof(other), "%s/c", f.dir);
	(void)snprintf(path, sizeof(path), "%s/a", f.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	write_file(&f, "a/1.log", "");
	load(&f, "local.file_match \"m\" {\n"
		 "  path_targets = [{__path__ = \"@/*/*.log\"}, {__path__ = \"@/deep/**/x\"}]\n"
		 "  sync_period = \"1h\"\n"
		 "}\n");
	wait_for(&f, "/a/1.log", true);
	write_file(&f, "a/2.log", "");
	wait_for(&f, "/a/2.log", true);
	(void)snprintf(path, sizeof(path), "%s/b", f.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	turns(&f, 100 * NS_PER_MS);
	write_file(&f, "b/3.log", "");
	wait_for(&f, "/b/3.log", true);
	(void)snprintf(path, sizeof(path), "%s/a/1.log", f.dir);
	assert_int_equal(unlink(path), 0);
	wait_for(&f, "/a/1.log", false);
	(void)snprintf(path, sizeof(path), "%s/b", f.dir);
	assert_int_equal(rename(path, other), 0);
	wait_for(&f, "/c/3.log", true);
	assert_false(has_export(&f, "/b/3.log"));
	end(&f);
}

static void
test_targets__old_files_and_directories_are_left_out(void **state)
{
	struct fixture f;
	char path[128];

	(void)state;
	begin(&f);
	write_file(&f, "old.log", "");
	write_file(&f, "new.log", "");
	(void)snprintf(path, sizeof(path), "%s/dir.log", f.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/old.log", f.dir);
	assert_int_equal(utimensat(-1, path, (struct timespec[]){{1000, 0}, {1000, 0}}, 0), 0);
	load(&f, "local.file_match \"m\" {\n"
		 "  path_targets = [{__path__ = \"@/x/..//*.log\"}, {__path__ = \"@/[a\"}, {__path__ = \"\"}]\n"
		 "  ignore_older_than = \"1h\"\n"
		 "}\n");
	assert_true(exports(&f, "local.file_match.m", "targets", "[{\"__path__\":\"@/new.log\"}]"));
	end(&f);
}

static void
test_targets__rules_without_targets(void **state)
{
	struct fixture f;
	const struct value *value;
	const void *rules;

	(void)state;
	begin(&f);
	load(&f, "discovery.relabel \"r\" {\n  rule {\n    action = \"labeldrop\"\n    regex = \"x\"\n  }\n}\n");
	assert_true(exports(&f, "discovery.relabel.r", "output", "[]"));
	value = graph_export_of(graph_find(f.graph, "discovery.relabel.r"), "rules");
	assert_ptr_equal(value->capsule.type, &capsule_relabel_rules);
	rules = value->capsule.ptr;
	assert_int_equal(relabel_rules(rules), 1);
	/* Other targets, same rules: those who use the rules hear nothing. */
	load(&f, "discovery.relabel \"r\" {\n  targets = [{a = \"b\", x = \"y\"}]\n  rule {\n    action = \"labeldrop\"\n    regex = \"x\"\n  }\n}\n");
	assert_true(exports(&f, "discovery.relabel.r", "output", "[{\"a\":\"b\"}]"));
	assert_ptr_equal(graph_export_of(graph_find(f.graph, "discovery.relabel.r"), "rules")->capsule.ptr, rules);
	end(&f);
}

static void
test_targets__a_file_is_read_again_when_it_changes(void **state)
{
	struct fixture f;
	char from[128], to[128];

	(void)state;
	begin(&f);
	write_file(&f, "token", "one\n");
	load(&f, "local.file \"t\" {\n  filename = \"@/token\"\n}\n");
	assert_true(exports(&f, "local.file.t", "content", "\"one\\n\""));
	write_file(&f, "next", "two");
	(void)snprintf(from, sizeof(from), "%s/next", f.dir);
	(void)snprintf(to, sizeof(to), "%s/token", f.dir);
	assert_int_equal(rename(from, to), 0);
	turns(&f, 200 * NS_PER_MS);
	assert_true(exports(&f, "local.file.t", "content", "\"two\""));
	/* Gone: the old content stays. */
	assert_int_equal(unlink(to), 0);
	turns(&f, 200 * NS_PER_MS);
	assert_true(exports(&f, "local.file.t", "content", "\"two\""));
	assert_int_equal(graph_count(f.graph, HEALTH_UNHEALTHY), 1);
	write_file(&f, "token", "three");
	turns(&f, 200 * NS_PER_MS);
	assert_true(exports(&f, "local.file.t", "content", "\"three\""));
	assert_int_equal(graph_count(f.graph, HEALTH_UNHEALTHY), 0);
	load(&f, "local.file \"t\" {\n  filename = \"@/token\"\n  is_secret = true\n}\n");
	assert_true(exports(&f, "local.file.t", "content", "\"(secret)\""));
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets__files_are_found_again_and_again),
		cmocka_unit_test(test_targets__new_files_are_told_of),
		cmocka_unit_test(test_targets__old_files_and_directories_are_left_out),
		cmocka_unit_test(test_targets__rules_without_targets),
		cmocka_unit_test(test_targets__a_file_is_read_again_when_it_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* loki.source.file as a component: real files, the real loop and watcher, receivers that hold. */
#include "flow_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "../../src/flow/graph_priv.h"
#include "longship/base/check.h"
#include "longship/flow/watcher.h"
#include "longship/os/loop.h"

extern const struct component_type loki_source_file;

#define FILES_MAX 256
#define FIXTURE __attribute__((unused)) static

struct file_test {
	struct path path;
	struct sink sink;
	void *items[1];
	struct graph_node node;
	void *args;
	struct str_pair labels[FILES_MAX][2];
	struct target targets[FILES_MAX];
	char names[FILES_MAX][128];
};

/* Of the component, or squashed into its arguments. */
FIXTURE void *
arg(struct file_test *f, const char *name)
{
	const struct arg_spec *spec = loki_source_file.args;
	size_t base = 0;

	while (spec->name == NULL || strcmp(spec->name, name) != 0) {
		if (spec->kind == ARG_SQUASH) {
			base = spec->offset;
			spec = spec->sub;
		} else {
			spec++;
		}
	}
	return (char *)f->args + base + spec->offset;
}

FIXTURE const char *
in_dir(struct file_test *f, const char *name, char out[128])
{
	(void)snprintf(out, 128, "%s/logs/%s", f->path.dir, name);
	return out;
}

/* names: of the files; label: one more label, NULL: none. */
FIXTURE void
set_targets(struct file_test *f, size_t n, const char *const *names, const char *label)
{
	struct target_list *list = arg(f, "targets");

	for (size_t i = 0; i < n; i++) {
		f->labels[i][0] = (struct str_pair){STR("__path__"), str_from(in_dir(f, names[i], f->names[i]))};
		f->labels[i][1] = (struct str_pair){STR("app"), str_from(label != NULL ? label : "")};
		f->targets[i] = (struct target){f->labels[i], label != NULL ? 2 : 1};
	}
	*list = (struct target_list){.items = f->targets, .n = n};
	*(struct ptr_list *)arg(f, "forward_to") = (struct ptr_list){f->items, 1};
}

FIXTURE int
setup(void **state)
{
	struct file_test *f = mem_new(struct file_test);
	char logs[128];

	path_init(&f->path, 2, false);
	assert_int_equal(mkdir(in_dir(f, "", logs), 0700), 0);
	assert_int_equal(loop_new(&f->path.runtime.loop), 0);
	assert_int_equal(watcher_new(f->path.runtime.loop, &f->path.runtime.watcher), 0);
	sink_init(&f->sink, SINK_HOLD);
	f->items[0] = &f->sink.component;
	f->args = mem_zalloc(loki_source_file.args_size);
	*(int64_t *)arg(f, "flush_partial_after") = 5 * NS_PER_S;
	*(int64_t *)arg(f, "rotated_wait") = 10 * NS_PER_S;
	(void)pthread_mutex_init(&f->node.health_lock, NULL);
	f->node.component = (struct component){.magic = COMPONENT_MAGIC, .type = &loki_source_file, .id = "loki.source.file.t",
		.runtime = &f->path.runtime, .node = &f->node, .state = mem_zalloc(loki_source_file.state_size)};
	*state = f;
	return 0;
}

FIXTURE void
turn(struct file_test *f)
{
	(void)loop_turn(f->path.runtime.loop, 5 * NS_PER_MS);
}

#define turn_until(condition)                                                                  \
	do {                                                                                   \
		int64_t until_ = clock_mono_ns() + 2 * PATIENCE_NS;                            \
		while (!(condition) && clock_mono_ns() < until_)                               \
			turn(f);                                                               \
		assert_true(condition);                                                        \
	} while (0)

FIXTURE void
begin(struct file_test *f)
{
	assert_int_equal(loki_source_file.start(&f->node.component, f->args), 0);
}

FIXTURE void
update(struct file_test *f)
{
	loki_source_file.update(&f->node.component, f->args, f->args);
}

FIXTURE void
stop(struct file_test *f)
{
	sink_release_all(&f->sink, true);
	loki_source_file.stop(&f->node.component);
	while (loop_turn(f->path.runtime.loop, 0) > 0)
		;
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	memset(f->node.component.state, 0, loki_source_file.state_size);
}

FIXTURE int
teardown(void **state)
{
	struct file_test *f = *state;

	stop(f);
	watcher_free(f->path.runtime.watcher);
	mem_free(f->node.component.state);
	mem_free(f->args);
	lanes_free(f->path.runtime.lanes);
	loop_free(f->path.runtime.loop);
	f->path.runtime.lanes = NULL;
	path_done(&f->path);
	sink_done(&f->sink);
	(void)pthread_mutex_destroy(&f->node.health_lock);
	mem_free(f);
	return 0;
}

FIXTURE void
append(struct file_test *f, const char *name, const char *text)
{
	char path[128];
	int fd = open(in_dir(f, name, path), O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

FIXTURE void
rename_to(struct file_test *f, const char *from, const char *to)
{
	char a[128], b[128];

	assert_int_equal(rename(in_dir(f, from, a), in_dir(f, to, b)), 0);
}

/* How often a line has arrived. */
FIXTURE size_t
seen(struct file_test *f, const char *text)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&f->sink.lock);
	for (size_t i = 0; i < f->sink.held.len; i++)
		n += strcmp(f->sink.held.items[i].text, text) == 0;
	(void)pthread_mutex_unlock(&f->sink.lock);
	return n;
}

/* Empties the file and writes this into it, as one step for whoever looks. */
FIXTURE void
write_over(struct file_test *f, const char *name, const char *text)
{
	char path[128];
	int fd = open(in_dir(f, name, path), O_WRONLY | O_TRUNC);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

FIXTURE void
settle(struct file_test *f)
{
	sink_release_all(&f->sink, false);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
}

/* Where a line stands among those that have arrived. */
FIXTURE size_t
place_of(struct file_test *f, const char *text)
{
	size_t i = 0;

	(void)pthread_mutex_lock(&f->sink.lock);
	while (i < f->sink.held.len && strcmp(f->sink.held.items[i].text, text) != 0)
		i++;
	(void)pthread_mutex_unlock(&f->sink.lock);
	return i;
}

/* The writer goes on in the renamed file for a while: these lines come before those of the new one. */

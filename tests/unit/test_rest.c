/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are quiet are not open; nothing that happens to them meanwhile is lost. */
#include "source_file_fixture.h"

#include <dirent.h>

#include "../../src/component/loki_source_file/follow.h"

#define FILES 140 /* more than stay open */

/* Log files that this process has open. */
static size_t
open_files(struct file_test *f)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	size_t n = 0;
	char logs[128];

	assert_non_null(dir);
	(void)in_dir(f, "", logs);
	while ((e = readdir(dir)) != NULL) {
		char path[256] = "";

		n += readlinkat(dirfd(dir), e->d_name, path, sizeof(path) - 1) > 0 && strncmp(path, logs, strlen(logs)) == 0;
	}
	(void)closedir(dir);
	return n;
}

/* FILES files are followed, "0" the first that was written. What they hold has settled, and those that were written first
 * are not open. */
static void
begin_many(struct file_test *f, const char *first)
{
	static char texts[FILES][8];
	const char *names[FILES];

	for (size_t i = 0; i < FILES; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "%zu", i);
		names[i] = texts[i];
		append(f, texts[i], i == 0 ? first : "line\n");
	}
	set_targets(f, FILES, names, NULL);
	begin(f);
	turn_until(seen(f, "line") == FILES - 1);
	settle(f);
	/* All but the first are written again, so that it is the one that was quiet longest. */
	for (size_t i = 1; i < FILES; i++)
		append(f, texts[i], "more\n");
	turn_until(seen(f, "more") == FILES - 1);
	settle(f);
	turn_until(open_files(f) <= REST_OPEN);
}

static bool
is_open(struct file_test *f, const char *name)
{
	char path[128], link[256], fd[64];
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	bool found = false;

	(void)in_dir(f, name, path);
	while ((e = readdir(dir)) != NULL) {
		ssize_t n;

		(void)snprintf(fd, sizeof(fd), "/proc/self/fd/%.20s", e->d_name);
		n = readlink(fd, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		found |= strcmp(link, path) == 0;
	}
	(void)closedir(dir);
	return found;
}

static void
test_rest__read_on_when_written(void **state)
{
	struct file_test *f = *state;

	begin_many(f, "first\n");
	assert_false(is_open(f, "0"));
	assert_int_equal(seen(f, "first"), 1);
	append(f, "0", "second\n");
	turn_until(seen(f, "second") == 1);
	append(f, "0", "third\n");
	turn_until(seen(f, "third") == 1);
	assert_int_equal(seen(f, "first") + seen(f, "second"), 2);
}

static void
test_rest__renamed_and_written(void **state)
{
	struct file_test *f = *state;

	begin_many(f, "first\n");
	assert_false(is_open(f, "0"));
	rename_to(f, "0", "0.old");
	append(f, "0.old", "late\n");
	append(f, "0", "new\n");
	turn_until(seen(f, "late") == 1 && seen(f, "new") == 1);
	assert_true(place_of(f, "late") < place_of(f, "new"));
	append(f, "0.old", "later\n"); /* its writer has not opened the new one yet */
	turn_until(seen(f, "later") == 1);
	assert_int_equal(seen(f, "first") + seen(f, "late") + seen(f, "new"), 3);
}

static void
test_rest__renamed_read_and_deleted(void **state)
{
	struct file_test *f = *state;
	char path[128];

	begin_many(f, "first\n");
	assert_false(is_open(f, "0"));
	rename_to(f, "0", "0.old");
	turn_until(is_open(f, "0.old"));
	append(f, "0.old", "late\n");
	assert_int_equal(unlink(in_dir(f, "0.old", path)), 0);
	turn_until(seen(f, "late") == 1);
}

static void
test_rest__truncated(void **state)
{
	struct file_test *f = *state;

	begin_many(f, "firstly\n");
	assert_false(is_open(f, "0"));
	write_over(f, "0", "new\n");
	turn_until(seen(f, "new") == 1);
	append(f, "0", "newer\n");
	turn_until(seen(f, "newer") == 1);
	assert_int_equal(seen(f, "new") + seen(f, "firstly"), 2);
}

static void
test_rest__written_over_with_the_same_size(void **state)
{
	struct file_test *f = *state;

	begin_many(f, "first\n");
	assert_false(is_open(f, "0"));
	write_over(f, "0", "other\n");
	turn_until(seen(f, "other") == 1);
	assert_int_equal(seen(f, "first"), 1);
}

static void
test_rest__line_not_complete(void **state)
{
	struct file_test *f = *state;

	begin_many(f, "whole\npart");
	append(f, "0", "ial\n");
	turn_until(seen(f, "partial") == 1);
	assert_int_equal(seen(f, "whole"), 1);
}

static void
test_rest__after_a_restart(void **state)
{
	struct file_test *f = *state;

	begin_many(f, "first\n");
	stop(f);
	append(f, "0", "second\n");
	begin(f);
	turn_until(seen(f, "second") == 1);
	turn_until(open_files(f) <= REST_OPEN + 1); /* what has nothing to read is not opened beyond that */
	assert_int_equal(seen(f, "first"), 1);
	append(f, "139", "again\n");
	turn_until(seen(f, "again") == 1);
	assert_int_equal(seen(f, "line"), FILES - 1);
}

static void
test_rest__targets_change(void **state)
{
	struct file_test *f = *state;

	begin_many(f, "first\n");
	assert_false(is_open(f, "0"));
	set_targets(f, 1, (const char *const[]){"0"}, "app");
	update(f);
	append(f, "0", "second\n");
	turn_until(seen(f, "second") == 1);
	assert_int_equal(seen(f, "first"), 1);
	set_targets(f, 0, NULL, NULL);
	update(f);
	turn_until(open_files(f) == 0 || (settle(f), false));
}

/* The second name's lines are its own, whether the first rests or not. */
static void
test_rest__second_name_of_a_file(void **state)
{
	struct file_test *f = *state;
	struct target_list list;
	struct str_pair other;
	char a[128], b[128];

	begin_many(f, "first\n");
	assert_false(is_open(f, "0"));
	assert_int_equal(symlink(in_dir(f, "0", a), in_dir(f, "link", b)), 0);
	list = *(struct target_list *)arg(f, "targets");
	other = list.items[1].labels[0];
	list.items[1].labels[0].value = str_from(b); /* takes the place of "1" */
	update(f);
	turn_until(seen(f, "first") == 2);
	append(f, "0", "second\n");
	turn_until(seen(f, "second") == 2);
	list.items[1].labels[0] = other;
}

/* ---- Packed: what rested when the component began has left nothing but a name in its directory's index ---- */

static struct follow_shared *
shared_of(struct file_test *f)
{
	struct { /* as struct file_source begins */
		struct component *component;
		struct follow_shared shared;
	} *source = f->node.component.state;

	return &source->shared;
}

/* FILES files that were read before; the last ones are packed. */
static void
begin_packed(struct file_test *f)
{
	begin_many(f, "first\n");
	stop(f);
	begin(f);
	turn_until(shared_of(f)->n_packed == FILES - REST_OPEN);
	assert_false(is_open(f, "139"));
}

static void
test_rest__packed_written(void **state)
{
	struct file_test *f = *state;

	begin_packed(f);
	append(f, "139", "second\n");
	turn_until(seen(f, "second") == 1);
	assert_int_equal(shared_of(f)->n_packed, FILES - REST_OPEN - 1);
	append(f, "139", "third\n");
	turn_until(seen(f, "third") == 1);
	assert_int_equal(seen(f, "line"), FILES - 1);
}

static void
test_rest__packed_renamed_and_written(void **state)
{
	struct file_test *f = *state;

	begin_packed(f);
	rename_to(f, "139", "139.old");
	append(f, "139.old", "late\n");
	append(f, "139", "new\n");
	turn_until(seen(f, "late") == 1 && seen(f, "new") == 1);
	assert_true(place_of(f, "late") < place_of(f, "new"));
	assert_int_equal(seen(f, "line"), FILES - 1);
}

static void
test_rest__packed_truncated(void **state)
{
	struct file_test *f = *state;

	begin_packed(f);
	write_over(f, "139", "new\n");
	turn_until(seen(f, "new") == 1);
	write_over(f, "138", "x\nx\nx\nx\nx\nend\n"); /* more than it had */
	turn_until(seen(f, "end") == 1);
	assert_int_equal(seen(f, "line"), FILES - 1);
}

/* An event that changes nothing leaves it packed. */
static void
test_rest__packed_touched(void **state)
{
	struct file_test *f = *state;
	char path[128];

	begin_packed(f);
	assert_int_equal(chmod(in_dir(f, "139", path), 0640), 0);
	for (size_t i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(shared_of(f)->n_packed, FILES - REST_OPEN);
	assert_false(is_open(f, "139"));
	append(f, "139", "second\n");
	turn_until(seen(f, "second") == 1);
}

static void
test_rest__packed_targets_change(void **state)
{
	struct file_test *f = *state;

	begin_packed(f);
	update(f); /* the same targets */
	assert_int_equal(shared_of(f)->n_packed, FILES - REST_OPEN);
	set_targets(f, 2, (const char *const[]){"139", "138"}, "app");
	update(f);
	append(f, "139", "second\n");
	turn_until(seen(f, "second") == 1);
	assert_int_equal(seen(f, "line"), FILES - 1);
	set_targets(f, 0, NULL, NULL);
	update(f);
	turn_until(open_files(f) == 0 || (settle(f), false));
	assert_int_equal(shared_of(f)->n_packed, 0);
	assert_int_equal(shared_of(f)->follows.len, 0);
	assert_int_equal(shared_of(f)->n_active, 0);
}

/* The second name's lines are its own. */
static void
test_rest__packed_second_name(void **state)
{
	struct file_test *f = *state;
	struct target_list *list = arg(f, "targets");
	struct str_pair other;
	char a[128], b[128];

	begin_packed(f);
	assert_int_equal(link(in_dir(f, "139", a), in_dir(f, "link", b)), 0);
	other = list->items[1].labels[0];
	list->items[1].labels[0].value = str_from(b); /* takes the place of "1" */
	update(f);
	turn_until(seen(f, "line") == FILES);
	append(f, "139", "second\n");
	turn_until(seen(f, "second") == 1 || seen(f, "second") == 2);
	append(f, "link", "third\n");
	turn_until(seen(f, "third") >= 1 && seen(f, "second") == 2);
	list->items[1].labels[0] = other;
}

/* A new name of the file while its own path names nothing: it goes on under that. */
static void
test_rest__packed_path_renamed_to_another(void **state)
{
	struct file_test *f = *state;
	char path[128];

	begin_packed(f);
	assert_int_equal(unlink(in_dir(f, "0", path)), 0);
	rename_to(f, "139", "0");
	append(f, "0", "second\n");
	turn_until(seen(f, "second") == 1);
	for (size_t i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(seen(f, "second"), 1);
	assert_int_equal(seen(f, "line"), FILES - 1);
}

/* The position is set from outside: read again from there. */
static void
test_rest__packed_released(void **state)
{
	struct file_test *f = *state;
	char path[128];
	struct map paths;

	begin_packed(f);
	map_init(&paths);
	(void)map_set(&paths, str_from(in_dir(f, "139", path)), f);
	loki_source_file.release(&f->node.component, &paths);
	loki_source_file.reopen(&f->node.component);
	map_done(&paths);
	append(f, "139", "second\n");
	turn_until(seen(f, "second") == 1);
	assert_int_equal(seen(f, "line"), FILES - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rest__read_on_when_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__renamed_and_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__renamed_read_and_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__written_over_with_the_same_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__line_not_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__after_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__targets_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__second_name_of_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__packed_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__packed_renamed_and_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__packed_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__packed_touched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__packed_targets_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__packed_second_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__packed_path_renamed_to_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest__packed_released, setup, teardown),
	};

	return cmocka_run_group_tests_name("rest", tests, NULL, NULL);
}

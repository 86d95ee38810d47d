/* SPDX-License-Identifier: Apache-2.0 */
/* What is no longer followed, or no longer there, is let go. */
#include "source_file_fixture.h"

#include "longship/lang/path_targets.h"

#define GROUPS 3

/* Three groups, of which the first two have the same labels, with this file; NULL: with none. */
static void
set_groups(struct file_test *f, const char *name)
{
	static const char *const apps[GROUPS] = {"a", "a", "b"};
	struct path_targets *targets = path_targets_new(GROUPS);
	char path[128];
	struct str text = name != NULL ? str_from(in_dir(f, name, path)) : STR_EMPTY;

	for (size_t i = 0; i < GROUPS; i++) {
		struct str_pair labels[] = {{STR("__path__"), STR("")}, {STR("app"), str_from(apps[i])}};

		path_targets_set(targets, i, &(struct target){labels, 2}, path_set_new(&text, name != NULL));
	}
	*(struct target_list *)arg(f, "targets") = (struct target_list){.n = targets->len, .paths = targets};
	*(struct ptr_list *)arg(f, "forward_to") = (struct ptr_list){f->items, 1};
}

static void
drop_groups(struct file_test *f)
{
	struct target_list *list = arg(f, "targets");

	path_targets_unref(list->paths);
	list->paths = NULL;
}

static void
test_source_file_ends__all_of_a_path_although_one_was_repeated(void **state)
{
	struct file_test *f = *state;
	struct metric *active = metric_get(f->path.runtime.metrics, METRIC_GAUGE, "loki_source_file_files_active_total", "", "loki.source.file.t", NULL);

	append(f, "a", "one\n");
	set_groups(f, NULL);
	begin(f);
	drop_groups(f);
	set_groups(f, "a");
	update(f);
	drop_groups(f);
	turn_until(seen(f, "one") == 2);
	assert_int_equal((int)atomic_load(&active->gauge), 2);
	set_groups(f, NULL);
	update(f);
	drop_groups(f);
	assert_int_equal((int)atomic_load(&active->gauge), 0);
}

/* The copy in which a file was read on after it was emptied is deleted by the next rotation. */
static void
test_source_file_ends__a_deleted_copy_counts(void **state)
{
	struct file_test *f = *state;
	const char *id = "loki.source.file.t";
	struct metric *bytes = metric_get(f->path.runtime.metrics, METRIC_GAUGE, "longship_source_deleted_bytes", "", id, NULL);
	char line[16384], path[128], copy[128], command[320];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 2] = '\n';
	line[sizeof(line) - 1] = '\0';
	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	append(f, "a.log", line);
	append(f, "a.log", "two\n");
	turn_until(seen(f, "two") == 1);
	(void)snprintf(command, sizeof(command), "cp %s %s", in_dir(f, "a.log", path), in_dir(f, "a.log.1", copy));
	assert_int_equal(system(command), 0);
	write_over(f, "a.log", "three\n");
	turn_until(seen(f, "three") == 1);
	assert_int_equal((int)atomic_load(&bytes->gauge), 0);
	assert_int_equal(unlink(copy), 0);
	turn_until(atomic_load(&bytes->gauge) >= sizeof(line));
	*(int64_t *)arg(f, "deleted_limit") = 1;
	update(f);
	turn_until((int)atomic_load(&bytes->gauge) == 0);
	assert_int_equal(seen(f, "one") + seen(f, "two") + seen(f, "three"), 3);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_source_file_ends__all_of_a_path_although_one_was_repeated),
		T(test_source_file_ends__a_deleted_copy_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

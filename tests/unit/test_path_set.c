/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/path_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/lang/path_targets.h"

#define PATHS 3000

struct model {
	char names[PATHS][40]; /* ascending */
	bool in[PATHS];
};

static struct str
name_of(const struct model *m, size_t i)
{
	return str_from(m->names[i]);
}

static struct model *
model_new(void)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	for (size_t i = 0; i < PATHS; i++)
		(void)snprintf(m->names[i], sizeof(m->names[i]), "/logs/app-%02zu/service-%05zu.log", i / 100, i);
	return m;
}

static size_t
model_len(const struct model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < PATHS; i++)
		n += m->in[i];
	return n;
}

static void
check_set(const struct model *m, const struct path_set *s)
{
	struct path_walk w;
	struct str path;
	size_t i = 0;

	path_walk_begin(&w, s);
	while (path_walk_next(&w, &path)) {
		while (i < PATHS && !m->in[i])
			i++;
		assert_true(i < PATHS);
		assert_string_equal(path.s, m->names[i]);
		i++;
	}
	while (i < PATHS && !m->in[i])
		i++;
	assert_int_equal(i, PATHS);
	assert_int_equal(path_set_len(s), model_len(m));
}

/* Random paths come and go; each set of before stays what it was. */
static void
test_path_set__any_order_of_changes(void **state)
{
	struct model *m = model_new();
	struct path_set *s = path_set_new(NULL, 0), *old;

	(void)state;
	srand(11);
	for (size_t step = 0; step < 20000; step++) {
		size_t i = (size_t)rand() % PATHS;
		bool put = rand() % 3 > 0;
		size_t len = path_set_len(s);

		assert_int_equal(path_set_has(s, name_of(m, i)), m->in[i]);
		old = s;
		s = put ? path_set_with(s, name_of(m, i)) : path_set_without(s, name_of(m, i));
		assert_int_equal(path_set_len(old), len);
		assert_int_equal(path_set_has(old, name_of(m, i)), m->in[i]);
		m->in[i] = put;
		path_set_unref(old);
		if (step % 1000 == 0)
			check_set(m, s);
	}
	check_set(m, s);
	for (size_t i = 0; i < PATHS; i++) {
		old = s;
		s = path_set_without(s, name_of(m, i));
		m->in[i] = false;
		path_set_unref(old);
	}
	check_set(m, s);
	path_set_unref(s);
	free(m);
}

struct difference {
	struct model *m;
	size_t added, gone;
};

static bool
note(void *ptr, struct str path, bool added)
{
	struct difference *d = ptr;
	size_t i = 0;

	while (i < PATHS && !str_eq(name_of(d->m, i), path))
		i++;
	assert_true(i < PATHS);
	assert_int_equal(d->m->in[i], !added);
	d->m->in[i] = added;
	*(added ? &d->added : &d->gone) += 1;
	return true;
}

/* What it tells makes the one set of the other. */
static void
test_path_set__differences(void **state)
{
	struct model *m = model_new();
	struct str all[PATHS], some[PATHS];
	struct path_set *a, *b;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		all[i] = name_of(m, i);
		if (i % 7 != 0)
			some[n++] = name_of(m, i);
		m->in[i] = true;
	}
	a = path_set_new(all, PATHS);
	b = path_set_new(some, n);
	path_set_compare(a, b, note, &(struct difference){.m = m});
	check_set(m, b);
	path_set_compare(b, a, note, &(struct difference){.m = m});
	check_set(m, a);
	assert_false(path_set_equal(a, b));
	path_set_unref(b);
	b = path_set_new(all, PATHS);
	assert_true(path_set_equal(a, b));
	path_set_unref(b);
	for (size_t i = 0; i < 3; i++) { /* one path of many, first, in the middle, last */
		struct difference d = {.m = m};

		b = path_set_without(a, all[i * (PATHS - 1) / 2]);
		path_set_compare(a, b, note, &d);
		assert_int_equal(d.gone, 1);
		assert_int_equal(d.added, 0);
		check_set(m, b);
		path_set_compare(b, a, note, &d);
		path_set_unref(b);
	}
	path_set_compare(a, NULL, note, &(struct difference){.m = m});
	assert_int_equal(model_len(m), 0);
	path_set_unref(a);
	free(m);
}

/* Paths of any length, with little or all in common. */
static void
test_path_set__long_paths(void **state)
{
	static char x[PATH_SET_BYTES_MAX + 1], y[PATH_SET_BYTES_MAX];
	struct path_set *s;
	struct path_walk w;
	struct str path;

	(void)state;
	memset(x, 'x', sizeof(x) - 1);
	memset(y, 'x', sizeof(y) - 1);
	s = path_set_new((struct str[]){STR_EMPTY, STR("/"), {y, 128}, {y, sizeof(y) - 1}, {x, sizeof(x) - 1}}, 5);
	assert_int_equal(path_set_len(s), 4); /* without the one that is too long */
	path_walk_begin(&w, s);
	assert_true(path_walk_next(&w, &path) && path.len == 0);
	assert_true(path_walk_next(&w, &path) && str_is(path, "/"));
	assert_true(path_walk_next(&w, &path) && path.len == 128);
	assert_true(path_walk_next(&w, &path) && path.len == sizeof(y) - 1 && memcmp(path.s, y, path.len) == 0);
	assert_false(path_walk_next(&w, &path));
	path_set_unref(s);
}

/* As a value it is the array that it stands for. */
static void
test_path_set__targets(void **state)
{
	struct str paths[] = {STR("/a"), STR("/b")};
	struct str_pair labels[] = {{STR("__path__"), STR("/*")}, {STR("job"), STR("j")}};
	struct path_targets *t = path_targets_new(2), *u;
	struct arena *arena = arena_new(0);
	struct value value, array, copy;
	struct buf json;

	(void)state;
	path_targets_set(t, 0, &(struct target){labels, 2}, path_set_new(paths, 2));
	path_targets_set(t, 1, &(struct target){labels, 1}, path_set_new(paths, 1));
	value = path_targets_value(t);
	copy = value_copy(arena, &value);
	array = path_targets_expanded(arena, &value);
	assert_int_equal(array.array.n, 3);
	buf_init(&json, 4096);
	value_to_json(&copy, &json, false);
	assert_true(str_is(buf_view(&json), "[{\"__path__\":\"/a\",\"job\":\"j\"},{\"__path__\":\"/b\",\"job\":\"j\"},{\"__path__\":\"/a\"}]"));
	buf_done(&json);
	assert_true(value_equal(&value, &array) && value_equal(&array, &value) && value_equal(&value, &copy));
	u = path_targets_with(t, 1, path_set_new(paths + 1, 1));
	assert_true(path_targets_alike(t, u));
	assert_false(path_targets_equal(t, u));
	path_targets_unref(u);
	path_targets_unref(t);
	assert_int_equal(copy.paths->len, 3); /* the arena's reference */
	arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_set__any_order_of_changes),
		cmocka_unit_test(test_path_set__differences),
		cmocka_unit_test(test_path_set__long_paths),
		cmocka_unit_test(test_path_set__targets),
	};

	return cmocka_run_group_tests_name("path_set", tests, NULL, NULL);
}

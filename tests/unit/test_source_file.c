/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/placed.h"

#include "source_file_fixture.h"

#include <sys/resource.h>

#include "../../src/component/loki_source_file/unpack.h"

static void
test_source_file__rotated_to_another_followed_path(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "one\ntwo\n");
	set_targets(f, 2, (const char *const[]){"a", "a.1"}, NULL);
	begin(f);
	turn_until(seen(f, "two") == 1);
	rename_to(f, "a", "a.1");
	append(f, "a", "three\n");
	append(f, "a.1", "late\n");
	turn_until(seen(f, "three") == 1 && seen(f, "late") == 1);
	for (int i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(seen(f, "one") + seen(f, "two") + seen(f, "three") + seen(f, "late"), 4);
}

static void
test_source_file__late_lines_before_new_ones(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "one\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	for (int i = 0; i < 5; i++) {
		char late[32], fresh[32], line[64];

		rename_to(f, "a", "b");
		append(f, "a", "");
		for (int k = 0; k < 10; k++)
			turn(f);
		(void)snprintf(late, sizeof(late), "late %d", i);
		(void)snprintf(fresh, sizeof(fresh), "fresh %d", i);
		(void)snprintf(line, sizeof(line), "%s\n", late);
		append(f, "b", line);
		(void)snprintf(line, sizeof(line), "%s\n", fresh);
		append(f, "a", line);
		turn_until(seen(f, late) == 1 && seen(f, fresh) == 1);
		assert_true(place_of(f, late) < place_of(f, fresh));
	}
}

static void
test_source_file__target_gone_and_back(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "one\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	set_targets(f, 0, NULL, NULL);
	update(f);
	append(f, "a", "two\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	update(f);
	for (int i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(seen(f, "one"), 1); /* not again while the first one is in flight */
	sink_release_all(&f->sink, false);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	turn_until(seen(f, "two") == 1);
	assert_int_equal(seen(f, "one"), 1);
}

static void
test_source_file__label_change_keeps_what_is_in_flight(void **state)
{
	struct file_test *f = *state;
	int64_t ts;

	append(f, "a", "one\n");
	set_targets(f, 1, (const char *const[]){"a"}, "old");
	begin(f);
	turn_until(seen(f, "one") == 1);
	ts = f->sink.held.items[0].ts;
	sink_release_all(&f->sink, true);
	(void)usleep(10000);
	set_targets(f, 1, (const char *const[]){"a"}, "new");
	update(f);
	turn_until(seen(f, "one") == 2);
	assert_int_equal(f->sink.held.items[1].ts, ts);
	append(f, "a", "two\n");
	turn_until(seen(f, "two") == 1);
}

static void
test_source_file__truncated(void **state)
{
	struct file_test *f = *state;
	char path[128];

	append(f, "a", "one\ntwo\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "two") == 1);
	assert_int_equal(truncate(in_dir(f, "a", path), 0), 0);
	append(f, "a", "new\n");
	turn_until(seen(f, "new") == 1); /* although the old generation is still in flight */
	append(f, "a", "newer\n");
	turn_until(seen(f, "newer") == 1);
	assert_int_equal(seen(f, "one"), 1);
}

static void
test_source_file__rewritten_to_the_same_size(void **state)
{
	struct file_test *f = *state;
	char path[128];

	append(f, "a", "one\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	assert_int_equal(truncate(in_dir(f, "a", path), 0), 0);
	append(f, "a", "two\n");
	turn_until(seen(f, "two") == 1);
	assert_int_equal(seen(f, "one"), 1);
}

static void
test_source_file__rotated_before_anything_was_settled(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "one\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	stop(f);
	rename_to(f, "a", "a.1");
	append(f, "a", "two\n");
	begin(f);
	turn_until(seen(f, "one") == 2 && seen(f, "two") == 1);
}

static void
test_source_file__tail_from_end(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "old\npart");
	*(bool *)arg(f, "tail_from_end") = true;
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	append(f, "a", "ial\n");
	turn_until(seen(f, "partial") == 1);
	rename_to(f, "a", "b");
	append(f, "a", "fresh\n"); /* a rotated file's successor is read from its start */
	turn_until(seen(f, "fresh") == 1);
	assert_int_equal(seen(f, "old"), 0);
	stop(f);
	append(f, "a", "while down\n");
	begin(f);
	turn_until(seen(f, "while dow") == 1);
	assert_int_equal(seen(f, "old"), 0);
}

static void
test_source_file__tail_from_end_is_remembered(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "old\n");
	*(bool *)arg(f, "tail_from_end") = true;
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn(f);
	stop(f);
	append(f, "a", "down\n");
	begin(f);
	turn_until(seen(f, "down") == 1);
	assert_int_equal(seen(f, "old"), 0);
}

static void
test_source_file__two_names_of_one_file(void **state)
{
	struct file_test *f = *state;
	char a[128], b[128];

	append(f, "a", "one\n");
	assert_int_equal(symlink(in_dir(f, "a", a), in_dir(f, "b", b)), 0);
	set_targets(f, 2, (const char *const[]){"a", "b"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 2);
	append(f, "a", "two\n");
	turn_until(seen(f, "two") == 2);
}

static void
test_source_file__deleted_with_its_target(void **state)
{
	struct file_test *f = *state;
	char path[128];

	append(f, "a", "one\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	append(f, "a", "last\n");
	assert_int_equal(unlink(in_dir(f, "a", path)), 0);
	set_targets(f, 0, NULL, NULL);
	update(f);
	turn_until(seen(f, "last") == 1);
}

static void
test_source_file__directory_made_again(void **state)
{
	struct file_test *f = *state;
	char path[128];

	append(f, "a", "one\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	assert_int_equal(unlink(in_dir(f, "a", path)), 0);
	assert_int_equal(rmdir(in_dir(f, "", path)), 0);
	for (int i = 0; i < 10; i++)
		turn(f);
	assert_int_equal(mkdir(in_dir(f, "", path), 0700), 0);
	append(f, "a", "again\n");
	turn_until(seen(f, "again") == 1);
	append(f, "a", "watched\n");
	turn_until(seen(f, "watched") == 1);
}

static void
test_source_file__truncated_and_grown_past_the_offset(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "one\ntwo\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "two") == 1);
	write_over(f, "a", "red\nblue\ngreen\n");
	turn_until(seen(f, "red") == 1 && seen(f, "blue") == 1 && seen(f, "green") == 1);
	append(f, "a", "more\n");
	turn_until(seen(f, "more") == 1);
	assert_int_equal(seen(f, "one") + seen(f, "two") + seen(f, "red") + seen(f, "blue") + seen(f, "green"), 5);
}

static void
test_source_file__another_content_while_down(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "one\ntwo\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "two") == 1);
	settle(f);
	stop(f);
	write_over(f, "a", "red\nblue\ngreen\n");
	begin(f);
	turn_until(seen(f, "red") == 1 && seen(f, "blue") == 1 && seen(f, "green") == 1);
	settle(f);
	stop(f);
	append(f, "a", "more\n");
	begin(f);
	turn_until(seen(f, "more") == 1);
	assert_int_equal(seen(f, "red"), 1);
}

/* As after a power cut: what was settled last is no longer in the file, and other lines stand there. */
static void
test_source_file__goes_on_at_what_is_proven(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "one\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f); /* the next life keeps its first checkpoint and adds one */
	append(f, "a", "two\n");
	begin(f);
	turn_until(seen(f, "two") == 1);
	settle(f);
	stop(f);
	write_over(f, "a", "one\nXXX\nafter\n");
	begin(f);
	turn_until(seen(f, "after") == 1 && seen(f, "XXX") == 1);
	assert_int_equal(seen(f, "one"), 1);
}

/* The order of what arrived, as "one two three ". */
static void
order(struct file_test *f, char *out, size_t bytes)
{
	out[0] = '\0';
	(void)pthread_mutex_lock(&f->sink.lock);
	for (size_t i = 0; i < f->sink.held.len; i++)
		(void)snprintf(out + strlen(out), bytes - strlen(out), "%s ", f->sink.held.items[i].text);
	(void)pthread_mutex_unlock(&f->sink.lock);
}

static void
test_source_file__rotated_while_down(void **state)
{
	struct file_test *f = *state;
	char text[256];

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	append(f, "a.log", "two\n");
	rename_to(f, "a.log", "kept-elsewhere"); /* by identity, whatever its name is */
	append(f, "a.log", "three\n");
	rename_to(f, "a.log", "a.log.2"); /* never seen: by name and birth */
	(void)usleep(20000); /* times of files are as coarse as the kernel's tick */
	append(f, "a.log", "four\n");
	rename_to(f, "a.log", "a-20261121.log");
	append(f, "a.log.bak", "not ours\n");
	append(f, "a.log", "five\n");
	begin(f);
	turn_until(seen(f, "five") == 1);
	order(f, text, sizeof(text));
	assert_string_equal(text, "one two three four five ");
	settle(f);
	stop(f);
	append(f, "a.log", "six\n");
	begin(f);
	turn_until(seen(f, "six") == 1);
	order(f, text, sizeof(text));
	assert_string_equal(text, "one two three four five six ");
}

struct renamed {
	struct arena *arena;
	VEC(struct str) keys;
};

static bool
note_key(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	struct renamed *r = ptr;

	(void)path;
	(void)labels;
	if (position != NULL)
		vec_push(&r->keys, arena_str(r->arena, key));
	return true;
}

/* As if all files had been on another device when the store was written. */
static void
renumber(struct file_test *f, const char *path)
{
	struct positions *store = f->path.runtime.positions;
	struct renamed r = {.arena = arena_new(0)};

	positions_each(store, note_key, &r);
	for (size_t i = 0; i < r.keys.len; i++) {
		struct position position;
		struct file_key file;
		struct str key;

		assert_true(file_key_parse(r.keys.items[i], &file));
		assert_true(positions_get(store, r.keys.items[i], r.arena, &position));
		file.file.dev += 4711;
		key = file_key_print(r.arena, &file);
		positions_declare(store, key, str_from(path), STR_EMPTY);
		assert_int_equal(positions_write(store,
					 (struct position_update[]){{.kind = POSITION_SET, .key = key, .position = &position},
						 {.kind = POSITION_FORGET, .key = r.keys.items[i]}},
					 2), 0);
	}
	vec_done(&r.keys);
	arena_free(r.arena);
}

static void
test_source_file__disk_with_another_number(void **state)
{
	struct file_test *f = *state;
	char path[128];

	append(f, "a", "one\n");
	set_targets(f, 1, (const char *const[]){"a"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	renumber(f, in_dir(f, "a", path));
	append(f, "a", "two\n");
	begin(f);
	turn_until(seen(f, "two") == 1);
	assert_int_equal(seen(f, "one"), 1);
	settle(f);
	stop(f);
	/* And when it was rotated meanwhile. */
	renumber(f, in_dir(f, "a", path));
	append(f, "a", "three\n");
	rename_to(f, "a", "a.1");
	append(f, "a", "four\n");
	begin(f);
	turn_until(seen(f, "three") == 1 && seen(f, "four") == 1);
	assert_int_equal(seen(f, "one"), 1);
	assert_int_equal(seen(f, "two"), 1);
}

static void
test_source_file__rotated_twice_between_two_looks(void **state)
{
	struct file_test *f = *state;
	char text[256];

	append(f, "a.log.7", "old\n");
	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	rename_to(f, "a.log", "a.log.3");
	append(f, "a.log", "two\n");
	rename_to(f, "a.log", "a.log.2");
	append(f, "a.log", "three\n");
	rename_to(f, "a.log", "a.log.1");
	append(f, "a.log", "four\n");
	turn_until(seen(f, "four") == 1);
	order(f, text, sizeof(text));
	assert_string_equal(text, "one two three four ");
}

static void
test_source_file__moved_to_another_directory_while_down(void **state)
{
	struct file_test *f = *state;
	char path[128], text[256];

	assert_int_equal(mkdir(in_dir(f, "old", path), 0700), 0);
	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	append(f, "a.log", "two\n");
	rename_to(f, "a.log", "old/a.log.1");
	append(f, "a.log", "three\n");
	begin(f);
	turn_until(seen(f, "three") == 1);
	order(f, text, sizeof(text));
	assert_string_equal(text, "one two three ");
}

static void
test_source_file__rotated_while_down_to_another_followed_path(void **state)
{
	struct file_test *f = *state;

	append(f, "a", "one\n");
	append(f, "a.1", "zero\n");
	set_targets(f, 2, (const char *const[]){"a.1", "a"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1 && seen(f, "zero") == 1);
	settle(f);
	stop(f);
	append(f, "a", "two\n");
	rename_to(f, "a.1", "a.2");
	rename_to(f, "a", "a.1");
	append(f, "a", "three\n");
	begin(f);
	turn_until(seen(f, "two") >= 1 && seen(f, "three") == 1);
	append(f, "a.1", "late\n");
	turn_until(seen(f, "late") == 1);
	for (int i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(seen(f, "zero") + seen(f, "one") + seen(f, "two") + seen(f, "three") + seen(f, "late"), 5);
}

static void
command(struct file_test *f, const char *text)
{
	char line[512], dir[128];

	(void)snprintf(line, sizeof(line), "cd %s && %s", in_dir(f, "", dir), text);
	assert_int_equal(system(line), 0);
}

static void
expect_all(struct file_test *f, const char *all)
{
	char text[256];

	order(f, text, sizeof(text));
	assert_string_equal(text, all);
}

static void
expect_order(struct file_test *f, const char *last, const char *all)
{
	turn_until(seen(f, last) == 1);
	expect_all(f, all);
}

/* What was written between the last look and the copy is in the copy alone. */
static void
test_source_file__copytruncate(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	append(f, "a.log", "two\n");
	command(f, "cp a.log a.log.1 && : >a.log && echo three-33333333 >>a.log");
	expect_order(f, "three-333", "one two three-333 ");
	append(f, "a.log", "four\n");
	expect_order(f, "four", "one two three-333 four ");
	settle(f);
	stop(f);
	append(f, "a.log", "five\n");
	begin(f);
	expect_order(f, "five", "one two three-333 four five ");
}

/* The copy is compressed before anybody has looked. */
static void
test_source_file__copytruncate_and_compress(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	append(f, "a.log", "two\n");
	turn_until(seen(f, "two") == 1);
	command(f, "printf 'three\nfo' >>a.log && cp a.log a.log.1 && : >a.log && gzip a.log.1 && echo five >>a.log");
	expect_order(f, "five", "one two three fo five ");
	settle(f);
	stop(f);
	append(f, "a.log", "six\n");
	begin(f);
	expect_order(f, "six", "one two three fo five six ");
}

static void
test_source_file__copytruncate_while_down(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	append(f, "a.log", "two\n");
	(void)usleep(20000); /* times of files are as coarse as the kernel's tick */
	command(f, "cp a.log a.log.2 && : >a.log && echo three >>a.log && sleep 0.02 && cp a.log a.log.1 && : >a.log && echo four >>a.log");
	begin(f);
	expect_order(f, "four", "one two three four ");
	settle(f);
	stop(f);
	append(f, "a.log", "five\n");
	begin(f);
	expect_order(f, "five", "one two three four five ");
}

/* A generation cannot be looked into at first, since others use all memory for decompressing: the next search still knows that the file was emptied. */
static void
test_source_file__copytruncate_while_down_and_a_busy_search(void **state)
{
	struct file_test *f = *state;
	struct metric *rewound = metric_get(f->path.runtime.metrics, METRIC_COUNTER, "longship_source_rewound_total", "", "loki.source.file.t", "reason",
		"changed", NULL);
	struct unpack *others[4];
	char buffer[50], path[128];
	int fd;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	(void)usleep(20000); /* times of files are as coarse as the kernel's tick */
	command(f, ": >a.log && echo two >>a.log && sleep 0.02 && cp a.log a.log.1 && : >a.log && echo three >>a.log");
	command(f, "seq 100 | bzip2 >a.log.2.bz2 && touch -d '2 days ago' a.log.2.bz2 && cp a.log.2.bz2 other");
	fd = open(in_dir(f, "other", path), O_RDONLY);
	for (size_t i = 0; i < 4; i++) {
		others[i] = unpack_new(DECOMPRESS_BZ2);
		assert_int_equal(unpack_read(others[i], fd, buffer, sizeof(buffer), 0), sizeof(buffer));
	}
	begin(f);
	for (int i = 0; i < 5; i++)
		turn(f);
	assert_int_equal(seen(f, "three"), 0);
	assert_int_equal(atomic_load(&rewound->count), 0);
	for (size_t i = 0; i < 4; i++)
		unpack_free(others[i]);
	(void)close(fd);
	expect_order(f, "three", "one two three ");
	assert_int_equal(atomic_load(&rewound->count), 1);
}

static void
test_source_file__emptied_without_a_copy(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	append(f, "a.log.1", "nothing to do with it\n");
	write_over(f, "a.log", "two\n");
	expect_order(f, "two", "one two ");
}

static void
test_source_file__compressed_while_down(void **state)
{
	static const char *const tools[] = {"gzip", "bzip2", "zstd -q --rm"};
	struct file_test *f = *state;
	char text[512] = "";

	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		char line[64], n[3][16];

		for (size_t k = 0; k < 3; k++)
			(void)snprintf(n[k], sizeof(n[k]), "n%zu-%zu", i, k);
		(void)snprintf(line, sizeof(line), "echo %s >>a.log", n[0]);
		command(f, line);
		begin(f);
		turn_until(seen(f, n[0]) == 1);
		settle(f);
		stop(f);
		(void)snprintf(line, sizeof(line), "printf %s >>a.log", n[1]); /* the last line lacks its end */
		command(f, line);
		(void)snprintf(line, sizeof(line), "mv a.log a.log.%zu && %s a.log.%zu", 9 - i, tools[i], 9 - i);
		command(f, line);
		(void)snprintf(line, sizeof(line), "echo %s >>a.log", n[2]);
		command(f, line);
		begin(f);
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s %s %s ", n[0], n[1], n[2]);
		expect_order(f, n[2], text);
		settle(f);
		stop(f);
		begin(f);
		(void)snprintf(line, sizeof(line), "echo m%zu >>a.log", i);
		command(f, line);
		(void)snprintf(line, sizeof(line), "m%zu", i);
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", line);
		expect_order(f, line, text);
		settle(f);
		stop(f);
	}
	command(f, "sleep 0.02 && printf 'never\\nseen\\n' >a.log.3 && gzip a.log.3 && mv a.log a.log.1 && echo last >a.log");
	begin(f);
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "never seen last ");
	expect_order(f, "last", text);
}

/* The store has seen the generation, but nothing of what it holds, and knows the one behind it, too. */
static void
test_source_file__compressed_before_anything_was_read(void **state)
{
	struct file_test *f = *state;
	struct positions_stats stats;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	command(f, "mv a.log a.log.2 && sleep 0.02 && : >a.log");
	turn_until((settle(f), positions_stats(f->path.runtime.positions, &stats), stats.streams == 2));
	command(f, "sleep 0.02; : >time; sleep 0.02; mv a.log a.log.1 && : >a.log");
	turn_until((settle(f), positions_stats(f->path.runtime.positions, &stats), stats.streams == 3));
	stop(f);
	command(f, "echo two >>a.log.1; touch -r time a.log.1; gzip a.log.1; echo three >>a.log");
	begin(f);
	expect_order(f, "three", "one two three ");
}

static size_t
descriptors_of(struct file_test *f, const char *name)
{
	char line[512], path[128];
	FILE *p;
	size_t n = 0;

	(void)snprintf(line, sizeof(line), "ls -l /proc/%d/fd 2>&- | grep -c '%s'", (int)getpid(), in_dir(f, name, path));
	p = popen(line, "re"); /* NOLINT(cert-env33-c) */
	assert_true(p != NULL && fscanf(p, "%zu", &n) == 1);
	(void)pclose(p);
	return n;
}

/* Its labels change before anybody has looked at what was renamed. */
static void
test_source_file__rotated_at_a_reload(void **state)
{
	struct file_test *f = *state;

	f->sink.mode = SINK_PASS;
	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, "old");
	begin(f);
	turn_until(seen(f, "one") == 1);
	command(f, "sleep 0.02; echo two >>a.log && mv a.log a.log.2 && echo three >a.log && sleep 0.02 && mv a.log a.log.1 && echo four >a.log");
	set_targets(f, 1, (const char *const[]){"a.log"}, "new");
	update(f);
	expect_order(f, "four", "one two three four ");
	command(f, "sleep 0.02; echo five >>a.log && mv a.log a.log.0"); /* nocreate */
	set_targets(f, 1, (const char *const[]){"a.log"}, "newer");
	update(f);
	command(f, "sleep 0.02; echo six >a.log && sleep 0.02 && mv a.log a.log.00 && echo seven >a.log");
	expect_order(f, "seven", "one two three four five six seven ");
}

#define MANY 140 /* more than stay open while nothing comes */

/* The same of files that rest, before and after it was seen that their paths have lost them. */
static void
test_source_file__lost_at_a_reload(void **state)
{
	struct file_test *f = *state;
	static char names[MANY][24];
	const char *list[MANY];

	f->sink.mode = SINK_PASS;
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "a%d.log", i);
		list[i] = names[i];
		append(f, names[i], "one\n");
	}
	set_targets(f, MANY, list, "old");
	begin(f);
	turn_until(seen(f, "one") == MANY);
	stop(f);
	begin(f);
	for (int turns = 0; turns < 4; turns++) {
		char line[192], late[24], label[24];
		int i = MANY - 1 - turns;

		assert_int_equal(descriptors_of(f, names[i]), 0);
		(void)snprintf(line, sizeof(line), "echo late-%d >>a%d.log && mv a%d.log a%d.log.1 && echo new >a%d.log", turns, i, i, i, i);
		command(f, line);
		for (int k = 0; k < turns; k++)
			turn(f);
		(void)snprintf(label, sizeof(label), "label-%d", turns);
		set_targets(f, MANY, list, label);
		update(f);
		(void)snprintf(late, sizeof(late), "late-%d", turns);
		turn_until(seen(f, late) == 1 && seen(f, "new") == (size_t)turns + 1);
	}
	assert_int_equal(seen(f, "one"), MANY);
}

/* The last line without its end is sent when nothing was added for a while; the file stays open longer. */
static void
test_source_file__waits_of_a_rotated_file(void **state)
{
	struct file_test *f = *state;
	int64_t begun;

	*(int64_t *)arg(f, "flush_partial_after") = 200 * NS_PER_MS;
	*(int64_t *)arg(f, "rotated_wait") = 1500 * NS_PER_MS;
	append(f, "a.log", "one\ntw");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	begun = clock_mono_ns();
	while (clock_mono_ns() - begun < 400 * NS_PER_MS) /* longer than both would count since it was written last */
		turn(f);
	assert_int_equal(seen(f, "tw"), 0);
	begun = clock_mono_ns();
	rename_to(f, "a.log", "a.log.1");
	append(f, "a.log", "four\n");
	turn_until(seen(f, "tw") == 1);
	assert_true(clock_mono_ns() - begun >= 200 * NS_PER_MS);
	append(f, "a.log.1", "late\n");
	turn_until(seen(f, "late") == 1);
	settle(f);
	begun = clock_mono_ns();
	turn_until((settle(f), descriptors_of(f, "a.log.1") == 0));
	assert_in_range(clock_mono_ns() - begun, 1000 * NS_PER_MS, PATIENCE_NS);
}

/* A quiet file that is renamed: its writer may write once more, before it opens the new one. */
static void
test_source_file__written_after_it_was_renamed(void **state)
{
	struct file_test *f = *state;
	int64_t begun;

	*(int64_t *)arg(f, "flush_partial_after") = 100 * NS_PER_MS;
	*(int64_t *)arg(f, "rotated_wait") = 600 * NS_PER_MS;
	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	begun = clock_mono_ns();
	while (clock_mono_ns() - begun < 700 * NS_PER_MS)
		turn(f);
	rename_to(f, "a.log", "a.log.1");
	append(f, "a.log", "three\n");
	turn_until(seen(f, "three") == 1);
	begun = clock_mono_ns();
	while (clock_mono_ns() - begun < 300 * NS_PER_MS)
		turn(f);
	append(f, "a.log.1", "two\n");
	turn_until(seen(f, "two") == 1);
}

/* A compressed file is younger than the generation behind it. */
static void
test_source_file__compressed_ones_in_order(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	command(f, "mv a.log a.log.3 && sleep 0.02 && echo two >a.log && sleep 0.02 && mv a.log a.log.2 && echo three >a.log && sleep 0.02 && mv a.log a.log.1 && "
		   "gzip a.log.2 && echo four >a.log");
	begin(f);
	expect_order(f, "four", "one two three four ");
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	stop(f); /* nothing of it has settled */
	begin(f);
	turn_until(seen(f, "four") == 2);
	expect_all(f, "one two three four two three four ");
}

/* Its writer has it open, and has not written yet. */
static void
test_source_file__renamed_while_empty(void **state)
{
	struct file_test *f = *state;
	char path[128];
	int fd;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	command(f, "mv a.log a.log.2 && sleep 0.02 && : >a.log");
	fd = open(in_dir(f, "a.log", path), O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	command(f, "mv a.log a.log.1 && sleep 0.02 && echo three >a.log");
	turn_until(seen(f, "three") == 1);
	assert_int_equal(write(fd, "two\n", 4), 4);
	expect_order(f, "two", "one three two ");
	settle(f);
	stop(f);
	(void)close(fd);
	command(f, "mv a.log a.log.0 && sleep 0.02 && : >a.log");
	fd = open(in_dir(f, "a.log", path), O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	command(f, "mv a.log a.log.00 && sleep 0.02 && echo five >a.log");
	begin(f);
	turn_until(seen(f, "five") == 1);
	assert_int_equal(write(fd, "four\n", 5), 5);
	expect_order(f, "four", "one three two five four ");
	(void)close(fd);
}

/* logrotate's nocreate: the path names nothing until the writer opens its file again. */
static void
test_source_file__renamed_again_while_the_path_names_nothing(void **state)
{
	struct file_test *f = *state;
	char path[128];

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	append(f, "a.log", "two\n");
	rename_to(f, "a.log", "a.log.3");
	expect_order(f, "two", "one two ");
	append(f, "a.log", "three\n");
	rename_to(f, "a.log", "a.log.2");
	expect_order(f, "three", "one two three ");
	append(f, "a.log", "four\n");
	rename_to(f, "a.log", "a.log.1");
	expect_order(f, "four", "one two three four ");
	assert_int_equal(access(in_dir(f, "a.log", path), F_OK), -1);
}

/* What the path names cannot be opened, as when it is renamed again at that moment; then one comes and goes unseen. */
static void
test_source_file__renamed_again_before_it_was_opened(void **state)
{
	struct file_test *f = *state;
	char path[128];

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	append(f, "a.log", "two\n");
	command(f, "mv a.log a.log.2 && mkdir a.log");
	expect_order(f, "two", "one two ");
	for (int i = 0; i < 5; i++)
		turn(f);
	assert_int_equal(rmdir(in_dir(f, "a.log", path)), 0);
	command(f, "sleep 0.02; echo three >a.log && sleep 0.02 && mv a.log a.log.1 && echo four >a.log");
	expect_order(f, "four", "one two three four ");
}

/* Two rotations at a moment at which there are no descriptors. */
static void
test_source_file__rotated_twice_without_descriptors(void **state)
{
	enum { OTHERS = 100, SPARE = 8 };
	struct file_test *f = *state;
	struct rlimit limit, low;
	int others[OTHERS];

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	for (size_t i = 0; i < OTHERS; i++)
		assert_true((others[i] = dup(STDERR_FILENO)) >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)others[OTHERS - 1] + SPARE; /* fewer than are left to others */
	command(f, "mv a.log a.log.2 && sleep 0.02 && echo two >a.log && sleep 0.02 && mv a.log a.log.1 && echo three >a.log");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (int i = 0; i < 5; i++)
		turn(f);
	assert_int_equal(seen(f, "two") + seen(f, "three"), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (size_t i = 0; i < OTHERS; i++)
		(void)close(others[i]);
	expect_order(f, "three", "one two three ");
}

/* A crash when a part of what is in a compressed generation has settled: the next start knows it again. */
static void
test_source_file__compressed_and_settled_in_part(void **state)
{
	struct file_test *f = *state;
	char text[256];

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	(void)progress_write(f->path.runtime.positions, (struct receipt *[]){f->sink.held.items[0].receipt}, 1);
	stop(f);
	command(f, "sleep 0.02; echo two >>a.log && mv a.log a.log.1 && gzip a.log.1 && echo three >a.log");
	begin(f);
	turn_until(seen(f, "three") == 1);
	sink_release(&f->sink, 1, false); /* the second "one" is a span of its own, as it was before */
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	stop(f);
	begin(f);
	turn_until(seen(f, "three") == 2);
	order(f, text, sizeof(text));
	assert_string_equal(text, "one one two three two three ");
}

static void
test_source_file__copytruncate_twice_between_two_looks(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	append(f, "a.log", "two\n");
	command(f, "sleep 0.02; cp a.log a.log.2 && : >a.log && echo three >>a.log && sleep 0.02 && cp a.log a.log.1 && : >a.log && echo four >>a.log"
		   " && sleep 0.02 && cp a.log a.log.0"); /* this one is not whole yet */
	expect_order(f, "four", "one two three four ");
	append(f, "a.log", "five\n");
	expect_order(f, "five", "one two three four five ");
}

/* The copies of all generations are known again, and the file that they were made of goes on. */
static void
test_source_file__copytruncate_three_times_and_a_crash(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	command(f, "cp a.log a.log.3 && : >a.log && echo two >>a.log");
	turn_until(seen(f, "two") == 1);
	command(f, "cp a.log a.log.2 && : >a.log && echo three >>a.log");
	turn_until(seen(f, "three") == 1);
	settle(f);
	command(f, "cp a.log a.log.1 && : >a.log && echo four >>a.log");
	turn_until(seen(f, "four") == 1);
	settle(f);
	append(f, "a.log", "five\n");
	turn_until(seen(f, "five") == 1);
	stop(f);
	begin(f);
	turn_until(seen(f, "five") == 2);
	for (int i = 0; i < 20; i++)
		turn(f);
	expect_order(f, "four", "one two three four five five ");
}

/* A crash after the file was emptied: the store knows that it holds something else, but not what. Then it is copied and emptied again. */
static void
test_source_file__copytruncate_while_nothing_of_it_was_read(void **state)
{
	struct file_test *f = *state;
	struct positions_stats stats;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	command(f, "sleep 0.02; cp a.log a.log.1 && : >a.log");
	turn_until((settle(f), positions_stats(f->path.runtime.positions, &stats), stats.streams == 2));
	stop(f);
	command(f, "sleep 0.02; echo two >>a.log && mv a.log.1 a.log.2 && cp a.log a.log.1 && : >a.log && echo three >>a.log && sleep 0.02 && "
		   "mv a.log.2 a.log.3 && mv a.log.1 a.log.2 && cp a.log a.log.1 && : >a.log && echo four >>a.log");
	begin(f);
	expect_order(f, "four", "one two three four ");
	settle(f);
	stop(f);
	append(f, "a.log", "five\n");
	begin(f);
	expect_order(f, "five", "one two three four five ");
}

/* What is left of a copy comes behind what is left of an older one, also where the store knows one by its content and the other by its inode. */
static void
test_source_file__copies_in_order(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one") == 1);
	settle(f);
	stop(f);
	command(f, "sleep 0.02; cp a.log a.log.2 && : >a.log && echo two >>a.log && sleep 0.02 && cp a.log a.log.1 && : >a.log && echo three >>a.log");
	begin(f);
	turn_until(seen(f, "three") == 1);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	stop(f); /* nothing of the two has settled */
	command(f, "sleep 0.02; mv a.log.2 a.log.3 && mv a.log.1 a.log.2 && cp a.log a.log.1 && : >a.log && echo four >>a.log");
	begin(f);
	expect_order(f, "four", "one two three two three four ");
}

/* The file was emptied, written again and renamed, all between two looks: what it holds now belongs between the two. */
static void
test_source_file__emptied_and_renamed(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one-11111\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one-11111") == 1);
	command(f, ": >a.log && echo two >>a.log && mv a.log a.log.1 && echo three >a.log");
	expect_order(f, "three", "one-11111 two three ");
	append(f, "a.log", "four\n");
	command(f, "cp a.log a.log.3 && : >a.log && echo five >>a.log && echo six-22222 >>a.log && mv a.log a.log.2 && echo seven >a.log");
	expect_order(f, "seven", "one-11111 two three four five six-22222 seven ");
	settle(f);
	stop(f);
	append(f, "a.log", "eight\n");
	begin(f);
	expect_order(f, "eight", "one-11111 two three four five six-22222 seven eight ");
}

static void
test_source_file__emptied_and_renamed_while_down(void **state)
{
	struct file_test *f = *state;

	append(f, "a.log", "one-11111\n");
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	begin(f);
	turn_until(seen(f, "one-11111") == 1);
	settle(f);
	stop(f);
	command(f, "sleep 0.02; echo two >>a.log && cp a.log a.log.2 && : >a.log && echo three >>a.log && mv a.log moved && sleep 0.02 && echo four >a.log");
	begin(f);
	expect_order(f, "four", "one-11111 two three four ");
	settle(f);
	stop(f);
	append(f, "moved", "late\n");
	append(f, "a.log", "five\n");
	begin(f);
	expect_order(f, "five", "one-11111 two three four late five ");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_source_file__rotated_to_another_followed_path),
		T(test_source_file__late_lines_before_new_ones),
		T(test_source_file__target_gone_and_back),
		T(test_source_file__label_change_keeps_what_is_in_flight),
		T(test_source_file__truncated),
		T(test_source_file__rewritten_to_the_same_size),
		T(test_source_file__rotated_before_anything_was_settled),
		T(test_source_file__tail_from_end),
		T(test_source_file__tail_from_end_is_remembered),
		T(test_source_file__two_names_of_one_file),
		T(test_source_file__deleted_with_its_target),
		T(test_source_file__directory_made_again),
		T(test_source_file__truncated_and_grown_past_the_offset),
		T(test_source_file__another_content_while_down),
		T(test_source_file__goes_on_at_what_is_proven),
		T(test_source_file__rotated_while_down),
		T(test_source_file__disk_with_another_number),
		T(test_source_file__rotated_twice_between_two_looks),
		T(test_source_file__moved_to_another_directory_while_down),
		T(test_source_file__rotated_while_down_to_another_followed_path),
		T(test_source_file__copytruncate),
		T(test_source_file__copytruncate_and_compress),
		T(test_source_file__copytruncate_while_down),
		T(test_source_file__copytruncate_while_down_and_a_busy_search),
		T(test_source_file__emptied_without_a_copy),
		T(test_source_file__compressed_while_down),
		T(test_source_file__compressed_and_settled_in_part),
		T(test_source_file__compressed_before_anything_was_read),
		T(test_source_file__compressed_ones_in_order),
		T(test_source_file__rotated_at_a_reload),
		T(test_source_file__lost_at_a_reload),
		T(test_source_file__waits_of_a_rotated_file),
		T(test_source_file__written_after_it_was_renamed),
		T(test_source_file__renamed_again_before_it_was_opened),
		T(test_source_file__rotated_twice_without_descriptors),
		T(test_source_file__renamed_while_empty),
		T(test_source_file__renamed_again_while_the_path_names_nothing),
		T(test_source_file__copytruncate_three_times_and_a_crash),
		T(test_source_file__copytruncate_while_nothing_of_it_was_read),
		T(test_source_file__copies_in_order),
		T(test_source_file__emptied_and_renamed),
		T(test_source_file__emptied_and_renamed_while_down),
		T(test_source_file__copytruncate_twice_between_two_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

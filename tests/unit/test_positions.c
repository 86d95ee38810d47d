/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/positions/positions.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../positions/positions_priv.h"
#include "longship/base/arena.h"
#include "longship/base/clock.h"
#include "longship/base/hash.h"

#define IMAGE_BYTES_MAX (1u << 20)

static char dir[64];
static struct positions_report report;

static int
make_temp(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/longship-positions-XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int
remove_temp(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *
in_dir(const char *name)
{
	static char path[2][128];
	static int turn;

	turn = !turn;
	(void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static struct positions *
open_store(const struct journal_io *io, bool thread)
{
	struct positions *p = NULL;

	assert_int_equal(positions_open_with(dir, io, thread, &p, &report, NULL), 0);
	return p;
}

static struct positions *
open_plain(void)
{
	return open_store(&journal_io_real, false);
}

static int
set(struct positions *p, const char *key, uint64_t offset)
{
	struct position position = {.offset = offset};

	return positions_write(
		p, &(struct position_update){.kind = POSITION_SET, .key = str_from(key), .position = &position}, 1);
}

static int
mark(struct positions *p, const char *key, uint64_t from, uint64_t to, int64_t base_ns)
{
	struct position_mark m = {.from = from, .to = to, .base_ns = base_ns, .lines = 10, .memory = STR("m")};

	return positions_write(
		p, &(struct position_update){.kind = POSITION_MARK, .key = str_from(key), .mark = &m}, 1);
}

static uint64_t
offset_of(struct positions *p, const char *key)
{
	struct arena *a = arena_new(0);
	struct position position;
	uint64_t offset = positions_get(p, str_from(key), a, &position) ? position.offset : UINT64_MAX;

	arena_free(a);
	return offset;
}

static size_t
marks_of(struct positions *p, const char *key, uint64_t froms[8])
{
	struct arena *a = arena_new(0);
	struct position_mark *marks;
	size_t n = positions_marks(p, str_from(key), a, &marks);

	for (size_t i = 0; i < n && i < 8; i++)
		froms[i] = marks[i].from;
	arena_free(a);
	return n;
}

static size_t
read_image(uint8_t *image)
{
	int fd = open(in_dir(JOURNAL_NAME), O_RDONLY);
	ssize_t n = read(fd, image, IMAGE_BYTES_MAX);

	assert_true(n >= 0);
	(void)close(fd);
	return (size_t)n;
}

static void
write_image(const uint8_t *image, size_t len)
{
	int fd = open(in_dir(JOURNAL_NAME), O_WRONLY | O_CREAT | O_TRUNC, 0640);

	assert_int_equal(write(fd, image, len), len);
	(void)close(fd);
}

static bool
count_stream(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	(void)key;
	assert_true(str_is(path, "/var/log/a.log") && str_is(labels, "{a=\"c\"}"));
	assert_non_null(position);
	++*(int *)ptr;
	return true;
}

static void
test_positions__round_trip(void **state)
{
	struct position out, in = {
				     .offset = 12345678901,
				     .cursor = STR("s=1;i=2"),
				     .memory = STR("\0x\xff"),
				     .n_holes = 2,
				     .n_checkpoints = 4,
				     .holes = {{1, 2}, {30, 40}},
				     .checkpoints = {{1, 2}, {3, 4}, {5, 6}, {7, UINT64_MAX}},
			     };
	struct position_mark *marks, m = {12345678901, 12345679000, 1700000000000000000, 7, STR("memory")};
	struct position_update updates[] = {
		{.kind = POSITION_SET, .key = STR("k"), .position = &in},
		{.kind = POSITION_MARK, .key = STR("k"), .mark = &m},
		{.kind = POSITION_ATTR, .key = STR("k"), .path = STR("/var/log/a.log"), .labels = STR("{a=\"c\"}")},
		{.kind = POSITION_SET, .key = STR("gone"), .position = &in},
		{.kind = POSITION_FORGET, .key = STR("gone")},
		{.kind = POSITION_FORGET, .key = STR("never there")},
	};
	struct positions *p = open_plain();
	struct arena *a = arena_new(0);
	int n = 0;

	(void)state;
	assert_true(report.created);
	positions_declare(p, STR("k"), STR("/old"), STR("{}"));
	assert_false(positions_get(p, STR("k"), a, &out));
	assert_int_equal(positions_write(p, updates, 6), 0);
	for (int round = 0; round < 2; round++) {
		assert_true(positions_get(p, STR("k"), a, &out));
		assert_true(llabs(out.updated_ns - clock_now_ns()) < 60 * NS_PER_S);
		assert_int_equal(out.offset, in.offset);
		assert_true(str_eq(out.cursor, in.cursor) && str_eq(out.memory, in.memory));
		assert_int_equal(out.n_holes, 2);
		assert_memory_equal(out.holes, in.holes, 2 * sizeof(in.holes[0]));
		assert_int_equal(out.n_checkpoints, 4);
		assert_memory_equal(out.checkpoints, in.checkpoints, 4 * sizeof(in.checkpoints[0]));
		assert_int_equal(positions_marks(p, STR("k"), a, &marks), 1);
		assert_true(marks[0].from == m.from && marks[0].to == m.to && marks[0].base_ns == m.base_ns &&
			    marks[0].lines == 7);
		assert_true(str_is(marks[0].memory, "memory"));
		assert_false(positions_get(p, STR("gone"), a, &out));
		assert_int_equal(positions_last_ns(p), m.base_ns + 7);
		positions_each(p, count_stream, &n);
		positions_close(p);
		p = open_plain();
		assert_false(report.created);
		assert_string_equal(report.text, "");
	}
	assert_int_equal(n, 2);
	positions_close(p);
	arena_free(a);
}

static void
test_positions__marks_go_when_settled_and_stay_under_holes(void **state)
{
	struct positions *p = open_plain();
	struct position held = {.offset = 300, .n_holes = 1, .holes = {{110, 120}}};
	uint64_t froms[8];

	(void)state;
	for (uint64_t from = 0; from < 500; from += 100)
		assert_int_equal(mark(p, "k", from, from + 100, 1000), 0);
	assert_int_equal(
		positions_write(
			p, &(struct position_update){.kind = POSITION_SET, .key = STR("k"), .position = &held}, 1),
		0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(marks_of(p, "k", froms), 3);
		assert_true(froms[0] == 100 && froms[1] == 300 && froms[2] == 400);
		positions_close(p);
		p = open_plain();
	}
	/* Inside of a mark: it stays. */
	assert_int_equal(set(p, "k", 350), 0);
	assert_int_equal(marks_of(p, "k", froms), 2);
	/* A mark takes the place of those that begin inside of it. */
	assert_int_equal(mark(p, "k", 310, 500, 2000), 0);
	assert_int_equal(marks_of(p, "k", froms), 2);
	assert_true(froms[0] == 300 && froms[1] == 310);
	assert_int_equal(mark(p, "k", 310, 320, 2000), 0);
	assert_int_equal(marks_of(p, "k", froms), 2);
	assert_int_equal(set(p, "k", 500), 0);
	assert_int_equal(marks_of(p, "k", froms), 0);
	assert_int_equal(positions_last_ns(p), 2010);
	positions_close(p);
	p = open_plain();
	assert_int_equal(marks_of(p, "k", froms), 0);
	assert_int_equal(positions_last_ns(p), 2010);
	positions_close(p);
}

static void
test_positions__compaction_keeps_the_file_small(void **state)
{
	struct positions *p = open_plain();
	struct positions_stats stats;
	char key[32];

	(void)state;
	for (uint64_t i = 0; i < 60000; i++) {
		(void)snprintf(key, sizeof(key), "stream %d", (int)(i % 100));
		assert_int_equal(set(p, key, i), 0);
	}
	assert_int_equal(mark(p, "stream 0", 70000, 70001, 5), 0);
	positions_stats(p, &stats);
	assert_true(stats.compactions >= 2);
	assert_true(stats.file_bytes < (1u << 20) + 4096);
	assert_int_equal(stats.streams, 100);
	assert_int_equal(stats.writes, 60001);
	positions_close(p);
	p = open_plain();
	for (uint64_t i = 59900; i < 60000; i++) {
		(void)snprintf(key, sizeof(key), "stream %d", (int)(i % 100));
		assert_int_equal(offset_of(p, key), i);
	}
	assert_int_equal(positions_last_ns(p), 15);
	positions_close(p);
}

static void
test_positions__keys_and_limits(void **state)
{
	struct positions *p = open_plain();
	struct position position = {.n_holes = POSITIONS_HOLES_MAX + 1};
	char big[POSITIONS_ATTR_BYTES_MAX + 10] = "x";
	struct position_update u = {.kind = POSITION_SET, .key = STR("k"), .position = &position};

	(void)state;
	assert_int_equal(positions_write(p, &u, 1), -EINVAL);
	position.n_holes = 0;
	position.memory = (struct str){big, POSITIONS_MEMORY_BYTES_MAX + 1};
	assert_int_equal(positions_write(p, &u, 1), -EINVAL);
	position.memory.len--;
	u.key = (struct str){big, POSITIONS_KEY_BYTES_MAX + 1};
	assert_int_equal(positions_write(p, &u, 1), -EINVAL);
	u.key.len--;
	positions_declare(p, u.key, (struct str){big, sizeof(big)}, (struct str){big, sizeof(big)});
	assert_int_equal(positions_write(p, &u, 1), 0);
	positions_close(p);
	p = open_plain();
	assert_int_equal(report.streams, 1);
	assert_int_equal(report.records_damaged, 0);
	positions_close(p);
}

/* Ten streams with a DECLARE and a SET each, and a few later SETs. */
static size_t
make_image(uint8_t *image)
{
	struct positions *p = open_plain();
	char key[32];

	for (uint64_t i = 0; i < 15; i++) {
		(void)snprintf(key, sizeof(key), "stream %d", (int)(i % 10));
		assert_int_equal(set(p, key, 100 + i), 0);
	}
	positions_close(p);
	return read_image(image);
}

/* How many of the ten streams have no position, and how many an older one. */
static void
count_lost(struct positions *p, int *ret_lost, int *ret_old)
{
	char key[32];

	*ret_lost = *ret_old = 0;
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t offset;

		(void)snprintf(key, sizeof(key), "stream %d", (int)i);
		offset = offset_of(p, key);
		*ret_lost += offset == UINT64_MAX;
		*ret_old += offset == 100 + i && i < 5;
		assert_true(offset == UINT64_MAX || offset == 100 + i || (i < 5 && offset == 110 + i));
	}
}

static void
test_positions__every_prefix_loads(void **state)
{
	static uint8_t image[IMAGE_BYTES_MAX];
	size_t len = make_image(image);
	int lost, old, last = 15;

	(void)state;
	for (size_t n = 0; n <= len; n++) {
		struct positions *p;

		write_image(image, n);
		p = open_plain();
		count_lost(p, &lost, &old);
		/* A longer prefix never knows less. */
		assert_true(lost + old <= last);
		last = lost + old;
		/* And the store goes on from there. */
		assert_int_equal(set(p, "new", n), 0);
		positions_close(p);
		p = open_plain();
		assert_string_equal(report.text, "");
		assert_int_equal(offset_of(p, "new"), n);
		count_lost(p, &lost, &old);
		assert_int_equal(lost + old, last);
		positions_close(p);
	}
	assert_int_equal(last, 0);
}

static void
test_positions__every_flipped_bit_loses_one_stream_at_most(void **state)
{
	static uint8_t image[IMAGE_BYTES_MAX];
	size_t len = make_image(image);
	int lost, old;

	(void)state;
	for (size_t bit = 0; bit < len * 8; bit++) {
		struct positions *p;

		image[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_image(image, len);
		p = open_plain();
		count_lost(p, &lost, &old);
		assert_true(report.records_damaged >= 1 && report.records_damaged <= 3);
		assert_true(report.bytes_skipped > 0 && report.bytes_skipped < 200);
		assert_true(lost + old <= (bit / 8 < FORMAT_HEADER_BYTES ? 0 : 1));
		assert_true(strstr(report.text, "damaged") != NULL);
		positions_close(p);
		image[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void
test_positions__damage_is_kept_aside_with_the_first_write(void **state)
{
	static uint8_t image[IMAGE_BYTES_MAX], after[IMAGE_BYTES_MAX];
	size_t len = make_image(image);
	struct positions *p;

	(void)state;
	memset(image + 100, 0, 60);
	write_image(image, len);
	p = open_plain();
	positions_close(p);
	assert_int_equal(read_image(after), len);
	assert_memory_equal(image, after, len);
	p = open_plain();
	assert_int_equal(set(p, "x", 1), 0);
	positions_close(p);
	p = open_plain();
	assert_string_equal(report.text, "");
	positions_close(p);
	assert_int_equal(rename(in_dir(JOURNAL_NAME_DAMAGED), in_dir(JOURNAL_NAME)), 0);
	assert_true(read_image(after) >= len);
	assert_memory_equal(image, after, len);
}

static void
test_positions__garbage_files_load(void **state)
{
	static uint8_t image[IMAGE_BYTES_MAX];
	struct positions *p;

	(void)state;
	for (int round = 0; round < 3; round++) {
		uint64_t x = 88172645463325252u;

		for (size_t i = 0; i < 100000; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			image[i] = round == 0 ? 0 : round == 1 ? (uint8_t)x : i % 2 ? FORMAT_MARKER_1 : FORMAT_MARKER_0;
		}
		write_image(image, 100000);
		p = open_plain();
		assert_int_equal(report.streams, 0);
		assert_int_equal(report.bytes_skipped, 100000);
		assert_int_equal(set(p, "x", 1), 0);
		positions_close(p);
		p = open_plain();
		assert_string_equal(report.text, "");
		assert_int_equal(offset_of(p, "x"), 1);
		positions_close(p);
	}
}

static void
test_positions__second_instance_is_refused(void **state)
{
	struct positions *p = open_plain(), *second = NULL;
	int pid = 0;

	(void)state;
	assert_int_equal(positions_open(dir, &second, &report, &pid), -EWOULDBLOCK);
	assert_int_equal(pid, getpid());
	assert_null(second);
	positions_close(p);
	positions_close(open_plain());
}

static void
test_positions__newer_version_is_refused_and_left_alone(void **state)
{
	static uint8_t image[IMAGE_BYTES_MAX], after[IMAGE_BYTES_MAX];
	size_t len = make_image(image);
	struct positions *p = NULL;
	uint32_t check;

	(void)state;
	image[8] = FORMAT_VERSION + 1;
	check = (uint32_t)hash_bytes(image, 12, 0);
	for (int i = 0; i < 4; i++)
		image[12 + i] = (uint8_t)(check >> 8 * i);
	write_image(image, len);
	assert_int_equal(positions_open(dir, &p, &report, NULL), -EPROTONOSUPPORT);
	assert_null(p);
	assert_int_equal(read_image(after), len);
	assert_memory_equal(image, after, len);
}

static void
test_positions__directory_is_made_and_errors_are_told(void **state)
{
	struct positions *p = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(positions_open(in_dir("a/b/c"), &p, &report, NULL), 0);
	positions_close(p);
	assert_int_equal(stat(in_dir("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 07027, 0);
	assert_int_equal(positions_open(in_dir("a/b/c/lock"), &p, &report, NULL), -ENOTDIR);
}

static void
test_positions__expiry(void **state)
{
	struct positions *p = open_plain();
	int64_t later_ns = clock_now_ns() + 100 * NS_PER_S;

	(void)state;
	assert_int_equal(set(p, "old", 1), 0);
	assert_int_equal(mark(p, "marked", 0, 10, clock_now_ns()), 0);
	assert_int_equal(positions_expire(p, later_ns, 200 * NS_PER_S), 0);
	positions_close(p);
	p = open_plain();
	assert_int_equal(positions_expire(p, later_ns, 200 * NS_PER_S), 0);
	assert_int_equal(positions_expire(p, later_ns, 50 * NS_PER_S), 2);
	assert_int_equal(offset_of(p, "old"), UINT64_MAX);
	positions_close(p);
	p = open_plain();
	assert_int_equal(report.streams, 0);
	/* It expired under a source that still reads it. */
	assert_int_equal(set(p, "old", 7), 0);
	positions_close(p);
	p = open_plain();
	assert_int_equal(offset_of(p, "old"), 7);
	positions_close(p);
}

static bool
has_attributes(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	(void)key;
	(void)position;
	*(bool *)ptr = str_is(path, "/a") && str_is(labels, "{b=\"c\"}");
	return true;
}

static void
test_positions__touch_changes_no_attributes(void **state)
{
	struct positions *p = open_plain();
	bool has = false;

	(void)state;
	positions_touch(p, STR("unknown"));
	positions_declare(p, STR("live"), STR("/a"), STR("{b=\"c\"}"));
	assert_int_equal(set(p, "live", 1), 0);
	positions_touch(p, STR("live"));
	assert_int_equal(set(p, "live", 2), 0);
	positions_close(p);
	p = open_plain();
	assert_int_equal(report.streams, 1);
	positions_each(p, has_attributes, &has);
	assert_true(has);
	positions_close(p);
}

static void
test_positions__file_that_cannot_grow(void **state)
{
	struct rlimit unlimited, small = {3000, RLIM_INFINITY};
	struct positions *p = open_plain();
	struct positions_stats stats;
	char key[32];
	int errors = 0;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
	small.rlim_max = unlimited.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint64_t i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "stream %d", (int)i);
		errors += set(p, key, i) == -EFBIG;
	}
	assert_int_equal(
		positions_write(p, &(struct position_update){.kind = POSITION_FORGET, .key = STR("stream 3")}, 1),
		-EFBIG);
	assert_true(errors > 10);
	positions_stats(p, &stats);
	assert_int_equal(stats.last_error, EFBIG);
	assert_int_equal(stats.write_errors, errors + 1);
	assert_int_equal(offset_of(p, "stream 99"), 99);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
	assert_int_equal(set(p, "last", 5), 0);
	positions_stats(p, &stats);
	assert_int_equal(stats.last_error, 0);
	positions_close(p);
	p = open_plain();
	assert_string_equal(report.text, "");
	for (uint64_t i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "stream %d", (int)i);
		assert_int_equal(offset_of(p, key), i == 3 ? UINT64_MAX : i);
	}
	positions_close(p);
}

static void *
write_much(void *ptr)
{
	struct positions *p = ptr;
	static _Atomic int next;
	char key[32];

	(void)snprintf(key, sizeof(key), "thread %d", next++);
	positions_declare(p, str_from(key), STR("/path"), STR("{}"));
	for (uint64_t i = 1; i <= 10000; i++) {
		assert_int_equal(mark(p, key, i - 1, i, (int64_t)i), 0);
		assert_int_equal(set(p, key, i), 0);
		if (i % 2500 == 0)
			assert_int_equal(positions_sync(p), 0);
	}
	return NULL;
}

static void
test_positions__threads(void **state)
{
	struct positions *p = open_store(&journal_io_real, true);
	struct positions_stats stats;
	pthread_t threads[4];
	char key[32];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_much, p), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < 50; i++) {
		positions_stats(p, &stats);
		if (stats.compactions > 0)
			break;
		(void)usleep(100000);
	}
	assert_true(stats.compactions > 0);
	positions_close(p);
	p = open_plain();
	for (int i = 0; i < 4; i++) {
		(void)snprintf(key, sizeof(key), "thread %d", i);
		assert_int_equal(offset_of(p, key), 10000);
	}
	positions_close(p);
}

/* Random texts and numbers, again and again under other paths, also after a restart. */
#define ODD 400

struct odd {
	char key[600], path[400], labels[64];
	struct position position;
};

static void
make_text(char *to, size_t max, const char *characters)
{
	size_t n = (size_t)rand() % max;

	for (size_t i = 0; i < n; i++)
		to[i] = characters[(size_t)rand() % strlen(characters)];
	to[n] = '\0';
}

static uint64_t
make_number(void)
{
	return ((uint64_t)rand() << 40 ^ (uint64_t)rand() << 16 ^ (uint64_t)rand()) >> rand() % 64;
}

static void
make_odd(struct odd *o, size_t i, bool whole)
{
	struct position *p = &o->position;

	if (whole)
		(void)snprintf(o->key, sizeof(o->key), "%zu", i);
	if (whole)
		make_text(o->key + strlen(o->key), rand() % 4 == 0 ? 400 : 40, rand() % 2 == 0 ? "0123456789.|" : "0.|ab/\xff");
	make_text(o->path, rand() % 4 == 0 ? 300 : 12, "/ab");
	make_text(o->labels, 3, "xy");
	*p = (struct position){.offset = make_number(), .n_holes = (size_t)rand() % 3, .n_checkpoints = (size_t)rand() % 6};
	for (size_t k = 0; k < p->n_holes; k++)
		p->holes[k] = (struct position_hole){make_number(), make_number()};
	for (size_t k = 0; k < p->n_checkpoints; k++) /* in any order, as a damaged file may have them */
		p->checkpoints[k] = (struct position_checkpoint){make_number(), make_number()};
	if (rand() % 4 == 0)
		p->cursor = STR("a cursor");
	if (rand() % 4 == 0)
		p->memory = STR("memory");
}

static bool
check_odd(void *ptr, struct str key, struct str path, struct str labels, const struct position *position)
{
	const struct odd *odd = ptr;
	size_t i = 0;

	while (i < ODD && !str_is(key, odd[i].key))
		i++;
	assert_true(i < ODD);
	assert_true(str_is(path, odd[i].path) && str_is(labels, odd[i].labels));
	assert_int_equal(position->offset, odd[i].position.offset);
	assert_int_equal(position->n_holes, odd[i].position.n_holes);
	assert_int_equal(position->n_checkpoints, odd[i].position.n_checkpoints);
	assert_memory_equal(position->holes, odd[i].position.holes, position->n_holes * sizeof(position->holes[0]));
	assert_memory_equal(position->checkpoints, odd[i].position.checkpoints, position->n_checkpoints * sizeof(position->checkpoints[0]));
	assert_true(str_eq(position->cursor, odd[i].position.cursor) && str_eq(position->memory, odd[i].position.memory));
	return true;
}

static void
test_positions__any_texts_and_numbers(void **state)
{
	static struct odd odd[ODD];
	struct positions_stats stats;
	struct positions *p;

	(void)state;
	srand(5);
	p = open_plain();
	for (size_t step = 0; step < 5 * ODD; step++) {
		struct odd *o = &odd[step < ODD ? step : (size_t)rand() % ODD];

		make_odd(o, step, step < ODD);
		positions_declare(p, str_from(o->key), str_from(o->path), str_from(o->labels));
		assert_int_equal(positions_write(p, &(struct position_update){.kind = POSITION_SET, .key = str_from(o->key), .position = &o->position}, 1), 0);
	}
	for (size_t turn = 0; turn < 2; turn++) {
		positions_each(p, check_odd, odd);
		positions_stats(p, &stats);
		assert_int_equal(stats.streams, ODD);
		positions_close(p);
		p = open_plain();
	}
	for (size_t i = 0; i < ODD; i++)
		assert_int_equal(positions_write(p, &(struct position_update){.kind = POSITION_FORGET, .key = str_from(odd[i].key)}, 1), 0);
	positions_stats(p, &stats);
	assert_int_equal(stats.streams, 0);
	positions_close(p);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_temp, remove_temp)
	const struct CMUnitTest tests[] = {
		CASE(test_positions__any_texts_and_numbers),
		CASE(test_positions__round_trip),
		CASE(test_positions__marks_go_when_settled_and_stay_under_holes),
		CASE(test_positions__compaction_keeps_the_file_small),
		CASE(test_positions__keys_and_limits),
		CASE(test_positions__every_prefix_loads),
		CASE(test_positions__every_flipped_bit_loses_one_stream_at_most),
		CASE(test_positions__damage_is_kept_aside_with_the_first_write),
		CASE(test_positions__garbage_files_load),
		CASE(test_positions__second_instance_is_refused),
		CASE(test_positions__newer_version_is_refused_and_left_alone),
		CASE(test_positions__directory_is_made_and_errors_are_told),
		CASE(test_positions__expiry),
		CASE(test_positions__touch_changes_no_attributes),
		CASE(test_positions__file_that_cannot_grow),
		CASE(test_positions__threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

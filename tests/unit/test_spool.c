/* SPDX-License-Identifier: Apache-2.0 */
/* The disk spool: what was acknowledged arrives once, as it was, through restarts, damage, and disks that are full. */
#include "spool_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "longship/base/hash.h"
#include "longship/codec/snappy.h"
#include "longship/flow/ledger.h"
#include "../../src/flow/spool_priv.h"

static const struct spool_options plenty = {.bytes_max = UINT64_C(1) << 40};

static struct board board;

static _Atomic ino_t unreadable;     /* reads of this file that do not begin at its start fail: 0: none ... */
static _Atomic unsigned read_errors; /* ... so many did */

ssize_t
pread(int fd, void *to, size_t n, off_t at)
{
	struct stat st;

	if (unreadable != 0 && at > 0 && fstat(fd, &st) == 0 && st.st_ino == unreadable) {
		(void)atomic_fetch_add(&read_errors, 1);
		errno = EIO;
		return -1;
	}
	return (ssize_t)syscall(SYS_pread64, fd, to, n, at);
}

static _Atomic ino_t watched;         /* a directory, synced ... */
static _Atomic unsigned watched_syncs; /* ... so many times */

int
fsync(int fd)
{
	struct stat st;

	if (watched != 0 && fstat(fd, &st) == 0 && st.st_ino == watched)
		(void)atomic_fetch_add(&watched_syncs, 1);
	return (int)syscall(SYS_fsync, fd);
}

/* The ledger of the spool: as a scrape sees it. */
struct look {
	struct sums sums;
	uint64_t full, old, damaged, given_up;
};

static void
look_at(void *ptr, const struct ledger *l)
{
	struct look *look = ptr;

	if (strcmp(l->component_id, "test.outpost") != 0)
		return;
	*look = (struct look){.sums = {.read = l->read, .acknowledged = l->acknowledged, .in_flight = l->in_flight}};
	for (size_t i = 0; i < l->n_reasons; i++) {
		const struct ledger_reason *r = &l->reasons[i];

		look->sums.rejected += r->rejected;
		look->sums.dropped += r->dropped;
		look->full += strcmp(r->name, "wal_full") == 0 ? r->dropped : 0;
		look->old += strcmp(r->name, "wal_too_old") == 0 ? r->dropped : 0;
		look->damaged += strcmp(r->name, "wal_damaged") == 0 ? r->dropped : 0;
		look->given_up += strcmp(r->name, "given_up") == 0 ? r->dropped : 0;
	}
	assert_int_equal(l->read, l->acknowledged + look->sums.rejected + look->sums.dropped + l->in_flight);
}

static struct look
look(void)
{
	struct look found = {0};

	ledger_each(look_at, &found);
	return found;
}

static void
begin_stand(struct stand *s)
{
	memset(&board, 0, sizeof(board));
	stand_init(s, &board);
}

/* The files of the spool by name, ascending. */
static size_t
list_spool(const struct stand *s, char names[][64], size_t max)
{
	char path[128];
	struct dirent **found;
	int n;
	size_t kept = 0;

	(void)snprintf(path, sizeof(path), "%s/test.outpost/wal", s->path.dir);
	n = scandir(path, &found, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (found[i]->d_name[0] != '.' && kept < max)
			(void)snprintf(names[kept++], 64, "%.63s", found[i]->d_name);
		free(found[i]);
	}
	if (n >= 0)
		free(found);
	return kept;
}

static int
open_file(const struct stand *s, const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/test.outpost/wal/%s", s->path.dir, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void
each_arrived(uint64_t from, uint64_t to, int times)
{
	for (uint64_t i = from; i < to; i++)
		assert_int_equal(board.arrived[i], times);
	assert_int_equal(board.wrong, 0);
}

static uint64_t
count_arrived(uint64_t lines)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < lines; i++) {
		assert_true(board.arrived[i] <= 1);
		n += (uint64_t)board.arrived[i];
	}
	return n;
}

static void
passes_entries_as_they_were(void **state)
{
	struct stand s;

	(void)state;
	begin_stand(&s);
	open_spool(&s, &plenty);
	push(&s, 5000);
	wait_until(board.n_settled == 5000);
	wait_until(board.n_arrived == 5000);
	each_arrived(0, 5000, 1);
	assert_false(s.out.disordered);
	wait_until(look().sums.acknowledged == 5000);
	assert_int_equal(sums_of(s.path.ledger).acknowledged, 5000);
	assert_int_equal(spool_status_now().entries, 0);
	stand_done(&s);
}

/* The directory of a component that is new is in its parent when an entry is acknowledged, also after a power cut. */
static void
a_new_directory_is_durable(void **state)
{
	struct stand s;
	struct stat st;

	(void)state;
	begin_stand(&s);
	assert_int_equal(stat(s.path.dir, &st), 0);
	watched_syncs = 0;
	open_spool(&s, &plenty);
	wait_until(!progress_pending());
	watched = st.st_ino;
	push(&s, 1);
	wait_until(board.n_settled == 1);
	watched = 0;
	assert_true(watched_syncs > 0);
	stand_done(&s);
}

static void
a_large_push_in_few_records(void **state)
{
	struct stand s;

	(void)state;
	begin_stand(&s);
	s.pusher->push_lines = BATCH_ENTRIES_MAX;
	s.pusher->pad = 700;
	open_spool(&s, &plenty);
	push(&s, 3 * BATCH_ENTRIES_MAX);
	wait_until(board.n_arrived == 3 * BATCH_ENTRIES_MAX);
	each_arrived(0, 3 * BATCH_ENTRIES_MAX, 1);
	assert_false(s.out.disordered);
	stand_done(&s);
}

/* Lanes that wait for the budget go on when the disk has what they wait for. */
static void
goes_on_within_a_small_budget(void **state)
{
	uint64_t before = budget_limit();
	struct stand s;

	(void)state;
	begin_stand(&s);
	budget_set_limit(32 << 10);
	s.pusher->pad = 500;
	open_spool(&s, &plenty);
	push(&s, 5000);
	wait_until(board.n_arrived == 5000);
	each_arrived(0, 5000, 1);
	budget_set_limit(before);
	stand_done(&s);
}

static void
acknowledges_while_nothing_is_sent(void **state)
{
	struct stand s;

	(void)state;
	begin_stand(&s);
	s.out.hold = true;
	open_spool(&s, &plenty);
	push(&s, 1000);
	wait_until(board.n_settled == 1000);
	assert_int_equal(spool_status_now().entries, 1000);
	wait_until(board.n_arrived == 1000);
	assert_true(spool_status_now().oldest_ns > 0);
	let_go(&s, false);
	wait_until(spool_status_now().entries == 0);
	assert_int_equal(spool_status_now().oldest_ns, 0);
	stand_done(&s);
}

static void
a_restart_sends_what_is_left(void **state)
{
	struct stand s;

	(void)state;
	begin_stand(&s);
	open_spool(&s, &plenty);
	push(&s, 300);
	wait_until(look().sums.acknowledged == 300);
	s.out.hold = true;
	push(&s, 500);
	wait_until(board.n_arrived == 800);
	let_go(&s, true);
	close_spool(&s);
	each_arrived(0, 800, 1);
	let_go(&s, true);

	s.out.hold = false;
	open_spool(&s, &plenty);
	wait_until(look().sums.acknowledged == 500);
	each_arrived(0, 300, 1);
	each_arrived(300, 800, 2);
	push(&s, 20);
	wait_until(board.n_arrived == 800 + 500 + 20);
	wait_until(look().sums.acknowledged == 520);
	close_spool(&s);

	open_spool(&s, &plenty);
	push(&s, 1);
	wait_until(board.n_arrived == 800 + 500 + 20 + 1);
	assert_int_equal(look().sums.read, 1);
	assert_false(s.out.disordered);
	stand_done(&s);
}

static void
what_is_given_up_is_read_again(void **state)
{
	struct stand s;

	(void)state;
	begin_stand(&s);
	s.out.hold = true;
	open_spool(&s, &plenty);
	push(&s, 95);
	wait_until(board.n_arrived == 95);
	let_go(&s, true);
	s.out.hold = false;
	lanes_park(s.path.runtime.lanes);
	lanes_resume(s.path.runtime.lanes);
	wait_until(look().sums.acknowledged == 95);
	each_arrived(0, 95, 2);
	assert_int_equal(look().sums.read, 95);
	stand_done(&s);
}

static void
full_returns_pushes(void **state)
{
	const struct spool_options small = {.bytes_max = 1 << 20};
	struct stand s;

	(void)state;
	begin_stand(&s);
	s.out.hold = true;
	s.pusher->pad = 500;
	open_spool(&s, &small);
	push(&s, 10000);
	wait_until(board.n_settled + board.n_returned == 10000);
	assert_true(board.n_settled > 500 && board.n_returned > 5000);
	assert_int_equal(sums_of(s.path.ledger).rejected, board.n_returned);
	assert_true(spool_status_now().bytes <= small.bytes_max);
	/* What was taken is sent, then there is room again. */
	s.out.hold = false;
	let_go(&s, false);
	wait_until(look().sums.acknowledged == board.n_settled);
	wait_until(spool_status_now().bytes < small.bytes_max / 4);
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(board.arrived[i], board.acknowledged[i]);
	push(&s, 10);
	wait_until(board.arrived[10009] == 1);
	assert_int_equal(look().sums.dropped, 0);
	stand_done(&s);
}

static void
full_drops_the_oldest(void **state)
{
	const struct spool_options small = {.bytes_max = 1 << 20, .when_full = SPOOL_DROP_OLDEST};
	struct stand s;
	struct look now;
	uint64_t arrived = 0;

	(void)state;
	begin_stand(&s);
	s.out.hold = true;
	s.pusher->pad = 500;
	lanes_park(s.path.runtime.lanes);
	s.pusher->wanted = 10000;
	open_spool(&s, &small);
	lanes_resume(s.path.runtime.lanes);
	wait_until(board.n_settled == 10000);
	assert_int_equal(board.n_returned, 0);
	assert_true(spool_status_now().bytes <= small.bytes_max);
	now = look();
	assert_int_equal(now.sums.rejected, 0);
	/* All that was not read before it was dropped is counted; what was read is in memory and arrives. */
	s.out.hold = false;
	let_go(&s, false);
	wait_until(spool_status_now().entries == 0);
	now = look();
	for (uint64_t i = 0; i < 10000; i++) {
		assert_true(board.arrived[i] <= 1);
		arrived += (uint64_t)board.arrived[i];
	}
	assert_int_equal(arrived + now.full, 10000);
	assert_int_equal(now.sums.dropped, now.full);
	assert_int_equal(now.sums.read, 10000);
	assert_int_equal(board.arrived[9999], 1);
	stand_done(&s);
}

/* Keeps its lane from running anything else. */
struct blocker {
	struct stream stream; /* first */
	_Atomic bool running, released;
};

static enum stream_state
blocker_run(struct stream *stream, struct lane *lane)
{
	struct blocker *b = (struct blocker *)stream;

	(void)lane;
	atomic_store(&b->running, true);
	while (!atomic_load(&b->released))
		(void)usleep(500);
	return STREAM_IDLE;
}

static void
blocker_free(struct stream *stream)
{
	mem_free(stream);
}

static const struct stream_ops blocker_ops = {.run = blocker_run, .free = blocker_free};

static struct blocker *
block_lane(struct stand *s, struct stream *beside)
{
	struct blocker *b = mem_new(struct blocker);

	stream_init(&b->stream, &blocker_ops, &s->path.runtime, s->path.ledger, STR_EMPTY, "blocker");
	(void)lanes_add(s->path.runtime.lanes, &b->stream, lane_number(beside->lane));
	wait_until(b->running);
	return b;
}

static void
unblock_lane(struct stand *s, struct blocker *b)
{
	atomic_store(&b->released, true);
	lanes_park(s->path.runtime.lanes);
	lanes_evict(s->path.runtime.lanes, &b->stream);
	lanes_resume(s->path.runtime.lanes);
	stream_unref(&b->stream);
}

/* What was on its way when its file was dropped and the process ended is counted by the next one; what was dropped unread is not counted twice. */
static void
drops_are_counted_once(void **state)
{
	const struct spool_options small = {.bytes_max = 1 << 20, .when_full = SPOOL_DROP_OLDEST};
	struct stand s, crashed;
	struct blocker *blocker;
	char command[256];
	uint64_t dropped, arrived;

	(void)state;
	begin_stand(&crashed);
	crashed.out.hold = true;
	crashed.pusher->pad = 500;
	open_spool(&crashed, &small);
	push(&crashed, 100);
	wait_until(board.n_arrived == 100);
	blocker = block_lane(&crashed, crashed.out.spool->stream);
	push(&crashed, 9900);
	wait_until(board.n_settled == 10000);
	dropped = look().full;
	assert_true(dropped > 5000 && dropped < 9900);
	stand_init(&s, &board);
	(void)snprintf(command, sizeof(command), "mkdir %s/test.outpost && cp -r %s/test.outpost/wal %s/test.outpost/wal", s.path.dir, crashed.path.dir,
		s.path.dir);
	assert_int_equal(system(command), 0);
	crashed.out.hold = false;
	let_go(&crashed, false);
	unblock_lane(&crashed, blocker);
	stand_done(&crashed);

	/* As the other store has it. */
	positions_declare(s.path.runtime.positions, STR("wal|test.outpost"), STR_EMPTY, STR_EMPTY);
	assert_int_equal(positions_write(s.path.runtime.positions, &(struct position_update){.kind = POSITION_SET, .key = STR("wal|test.outpost"),
		.position = &(struct position){.offset = 0}}, 1), 0);
	memset(&board, 0, sizeof(board));
	open_spool(&s, &small);
	wait_until(spool_status_now().entries == 0);
	arrived = count_arrived(10000);
	assert_int_equal(look().given_up, 100);
	assert_int_equal(look().sums.dropped, 100);
	assert_int_equal(arrived + 100 + dropped, 10000);
	stand_done(&s);
}

static void
too_old_is_dropped(void **state)
{
	const struct spool_options short_lived = {.bytes_max = 1 << 20, .age_max_ns = 100 * NS_PER_MS};
	struct stand s;

	(void)state;
	begin_stand(&s);
	s.out.hold = true;
	open_spool(&s, &plenty);
	push(&s, 50);
	wait_until(board.n_arrived == 50);
	let_go(&s, true);
	close_spool(&s);
	let_go(&s, true);
	/* The store's position is before them: they are not settled, and too old when they are looked at. */
	(void)usleep(150 * 1000);
	lanes_park(s.path.runtime.lanes);
	open_spool(&s, &short_lived);
	wait_until(spool_status_now().bytes == 0);
	s.out.hold = false;
	lanes_resume(s.path.runtime.lanes);
	wait_until(look().old == 50);
	wait_until(spool_status_now().entries == 0);
	push(&s, 1);
	wait_until(board.arrived[50] == 1);
	assert_int_equal(board.n_arrived, 51);
	assert_int_equal(look().sums.read, 51);
	stand_done(&s);
}

static double
count_of(struct stand *s, const char *name)
{
	return (double)metric_get(s->path.runtime.metrics, METRIC_COUNTER, name, "", "test.outpost", NULL)->count;
}

/* What was read, and is on its way when its file is dropped, is told; the next process knows what became of it, although no record tells. */
static void
drops_on_their_way_are_told(void **state)
{
	const struct spool_options short_lived = {.bytes_max = 1 << 20, .age_max_ns = 100 * NS_PER_MS};
	struct stand s;

	(void)state;
	begin_stand(&s);
	s.out.hold = true;
	open_spool(&s, &short_lived);
	push(&s, 50);
	wait_until(board.n_arrived == 50);
	wait_until(spool_status_now().bytes == 0);
	wait_until(count_of(&s, "longship_wal_dropped_entries_total") == 50);
	assert_int_equal(look().sums.dropped, 0);
	assert_int_equal(look().old, 0);
	let_go(&s, true);
	close_spool(&s);

	s.out.hold = false;
	open_spool(&s, &plenty);
	push(&s, 10);
	wait_until(board.arrived[59] == 1);
	wait_until(spool_status_now().entries == 0);
	assert_int_equal(look().given_up, 50);
	assert_int_equal(look().damaged, 0);
	each_arrived(0, 60, 1);
	stand_done(&s);
}

/* Fills a spool with some records of ten lines, and closes it with nothing sent. */
static void
fill(struct stand *s, uint64_t lines)
{
	begin_stand(s);
	lanes_park(s->path.runtime.lanes);
	open_spool(s, &plenty);
	lanes_resume(s->path.runtime.lanes);
	s->out.hold = true;
	for (uint64_t n = 0; n < lines; n += 10) {
		push(s, 10);
		wait_until(board.n_settled == n + 10 && board.n_arrived == n + 10);
	}
	let_go(s, true);
	close_spool(s);
	let_go(s, true);
	s->out.hold = false;
	memset(&board.arrived, 0, sizeof(board.arrived));
	board.n_arrived = 0;
}

static void
a_flipped_bit_costs_its_record(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++) {
		struct stand s;
		char names[4][64], byte;
		struct stat st;
		off_t at;
		int fd;

		fill(&s, 100);
		assert_int_equal(list_spool(&s, names, 4), 1);
		fd = open_file(&s, names[0]);
		assert_int_equal(fstat(fd, &st), 0);
		at = 24 + (off_t)(seed * 7919 % (uint64_t)(st.st_size - 24));
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte = (char)(byte ^ 1 << seed % 8);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		(void)close(fd);
		open_spool(&s, &plenty);
		push(&s, 10); /* tells where the damage at the end ends, too */
		wait_until(board.arrived[109] == 1);
		wait_until(spool_status_now().entries == 0);
		assert_int_equal(count_arrived(110), 100);
		/* In the last record nobody knows how many there were. */
		assert_true(look().damaged == 10 || board.arrived[90] == 0);
		assert_int_equal(board.wrong, 0);
		assert_int_equal(look().sums.acknowledged, 100);
		stand_done(&s);
	}
}

static void
a_cut_end_costs_what_was_cut(void **state)
{
	(void)state;
	for (int back = 1; back < 400; back += 61) {
		struct stand s;
		char names[4][64];
		struct stat st;
		int fd;

		fill(&s, 60);
		assert_int_equal(list_spool(&s, names, 4), 1);
		fd = open_file(&s, names[0]);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(ftruncate(fd, st.st_size > back ? st.st_size - back : 0), 0);
		(void)close(fd);
		open_spool(&s, &plenty);
		push(&s, 10);
		wait_until(board.arrived[69] == 1);
		wait_until(spool_status_now().entries == 0);
		assert_true(count_arrived(70) % 10 == 0 && count_arrived(70) <= 60);
		assert_int_equal(board.wrong, 0);
		assert_int_equal(look().sums.dropped, 0);
		stand_done(&s);
	}
}

static void
a_head_that_is_damaged_costs_its_file(void **state)
{
	struct stand s;
	char names[4][64];
	int fd;

	(void)state;
	fill(&s, 50);
	assert_int_equal(list_spool(&s, names, 4), 1);
	fd = open_file(&s, names[0]);
	assert_int_equal(pwrite(fd, "x", 1, 3), 1);
	(void)close(fd);
	open_spool(&s, &plenty);
	push(&s, 10);
	wait_until(board.arrived[59] == 1);
	assert_int_equal(count_arrived(60), 10);
	/* It is kept for who wants to look. */
	assert_int_equal(list_spool(&s, names, 4), 2);
	assert_non_null(strstr(names[0], ".damaged") != NULL ? names[0] : strstr(names[1], ".damaged"));
	stand_done(&s);
}

static void
a_missing_file_is_counted(void **state)
{
	struct stand s;
	char names[4][64], path[256];

	(void)state;
	fill(&s, 50);
	s.out.hold = true;
	open_spool(&s, &plenty);
	push(&s, 10);
	wait_until(board.n_arrived == 60);
	let_go(&s, true);
	close_spool(&s);
	let_go(&s, true);
	assert_int_equal(list_spool(&s, names, 4), 2);
	(void)snprintf(path, sizeof(path), "%s/test.outpost/wal/%s", s.path.dir, names[0]);
	assert_int_equal(unlink(path), 0);
	s.out.hold = false;
	memset(&board.arrived, 0, sizeof(board.arrived));
	open_spool(&s, &plenty);
	wait_until(board.arrived[59] == 1);
	wait_until(spool_status_now().entries == 0);
	assert_int_equal(count_arrived(60), 10);
	assert_int_equal(look().damaged, 50);
	stand_done(&s);
}

/* Lines of the record before point into the buffer: what a block says of its own length does not make it grow. */
static void
a_record_that_is_longer_than_its_head(void **state)
{
	char text[1000], packed[2000];
	struct spool_head head = {.unpacked_bytes = 100};
	struct str block = {packed, 0};
	struct buf items;
	const char *data;

	(void)state;
	memset(text, 'x', sizeof(text));
	block.len = snappy_block_compress(packed, (struct str){text, sizeof(text)});
	buf_init(&items, SPOOL_UNPACKED_BYTES_MAX);
	assert_true(buf_reserve(&items, head.unpacked_bytes + 1));
	data = items.data;
	assert_int_equal(spool_unpack(&items, &head, block), -EBADMSG);
	assert_ptr_equal(items.data, data);
	assert_int_equal(items.len, 0);
	block.len = snappy_block_compress(packed, (struct str){text, 100});
	assert_int_equal(spool_unpack(&items, &head, block), 0);
	assert_ptr_equal(items.data, data);
	assert_int_equal(items.len, 100);
	buf_done(&items);
}

/* Only a name that the spool would give, too. */
static void
a_stranger_is_left_alone(void **state)
{
	static const char *const strangers[] = {"+5.wal", "5.wal", "000000000000000000005.wal", "00000000000000000005.wal~"};
	struct stand s;
	char path[256];
	int fd;

	(void)state;
	fill(&s, 50);
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/test.outpost/wal/%s", s.path.dir, strangers[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		(void)close(fd);
	}
	open_spool(&s, &plenty);
	assert_int_equal(s.out.spool->error, 0);
	wait_until(look().sums.acknowledged == 50);
	assert_int_equal(look().sums.dropped, 0);
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/test.outpost/wal/%s", s.path.dir, strangers[i]);
		assert_int_equal(unlink(path), 0);
	}
	stand_done(&s);
}

/* A disk that does not read for a while costs nothing. */
static void
a_read_error_is_tried_again(void **state)
{
	const uint64_t lines = 3 * BATCH_ENTRIES_MAX;
	struct stand s;
	struct stat st;
	char names[4][64];
	int fd;

	(void)state;
	begin_stand(&s);
	s.out.hold = true;
	s.pusher->push_lines = BATCH_ENTRIES_MAX;
	s.pusher->pad = 700;
	open_spool(&s, &plenty);
	push(&s, lines);
	wait_until(board.n_arrived == lines);
	let_go(&s, true);
	close_spool(&s);
	let_go(&s, true);
	s.out.hold = false;
	memset(&board.arrived, 0, sizeof(board.arrived));
	assert_int_equal(list_spool(&s, names, 4), 1);
	fd = open_file(&s, names[0]);
	assert_int_equal(fstat(fd, &st), 0);
	(void)close(fd);

	lanes_park(s.path.runtime.lanes);
	open_spool(&s, &plenty);
	read_errors = 0;
	unreadable = st.st_ino;
	lanes_resume(s.path.runtime.lanes);
	wait_until(read_errors >= 3);
	assert_int_equal(look().sums.dropped, 0);
	unreadable = 0;
	wait_until(look().sums.acknowledged == lines);
	each_arrived(0, lines, 1);
	assert_int_equal(look().sums.dropped, 0);
	stand_done(&s);
}

/* What is cut off while the spool knows of it does not come back. */
static void
a_file_that_is_cut_under_it(void **state)
{
	static const off_t sizes[] = {0, 10, 100};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct stand s;
		char names[4][64];
		int fd;

		fill(&s, 50);
		assert_int_equal(list_spool(&s, names, 4), 1);
		lanes_park(s.path.runtime.lanes);
		open_spool(&s, &plenty);
		fd = open_file(&s, names[0]);
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		(void)close(fd);
		push(&s, 10);
		lanes_resume(s.path.runtime.lanes);
		wait_until(board.arrived[59] == 1);
		wait_until(spool_status_now().entries == 0);
		assert_int_equal(count_arrived(60), 10);
		assert_int_equal(look().damaged, 50);
		stand_done(&s);
	}
}

static void
a_file_that_is_removed_under_it(void **state)
{
	struct stand s;
	struct blocker *blocker;
	char names[4][64], path[256];

	(void)state;
	begin_stand(&s);
	open_spool(&s, &plenty);
	push(&s, 10);
	wait_until(board.arrived[9] == 1);
	wait_until(spool_status_now().entries == 0);
	blocker = block_lane(&s, s.out.spool->stream);
	push(&s, 20);
	wait_until(board.n_settled == 30);
	assert_int_equal(list_spool(&s, names, 4), 1);
	(void)snprintf(path, sizeof(path), "%s/test.outpost/wal/%s", s.path.dir, names[0]);
	assert_int_equal(unlink(path), 0);
	push(&s, 10);
	wait_until(board.n_settled == 40);
	unblock_lane(&s, blocker);
	wait_until(spool_status_now().entries == 0);
	/* The reader may have the file open: then nothing is lost. What came behind goes to another file. */
	assert_int_equal(count_arrived(40) + look().damaged, 40);
	assert_int_equal(board.arrived[39], 1);
	stand_done(&s);
}

/* The head of a file of a later version. */
static void
newer_head(char head[24])
{
	static const char newer[] = "\x89LSWAL\r\n\x02\0\0\0\0\0\0\0\0\0\0\0";
	uint64_t check;

	memcpy(head, newer, 20);
	check = hash_bytes(head, 20, 0);
	for (int i = 0; i < 4; i++)
		head[20 + i] = (char)(check >> 8 * i);
}

/* In place of the file, which goes aside. */
static void
make_newer(const char *path, const char *aside)
{
	char head[24];
	int fd;

	newer_head(head);
	assert_int_equal(rename(path, aside), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
	(void)close(fd);
}

static void
a_newer_format_is_not_touched(void **state)
{
	struct stand s;
	char names[4][64], head[24], after[24];
	int fd;

	(void)state;
	fill(&s, 20);
	assert_int_equal(list_spool(&s, names, 4), 1);
	newer_head(head);
	fd = open_file(&s, names[0]);
	assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
	open_spool(&s, &plenty);
	push(&s, 10);
	wait_until(board.n_returned == 10);
	assert_int_equal(spool_status_now().error, EPROTONOSUPPORT);
	assert_int_equal(list_spool(&s, names, 4), 1);
	assert_int_equal(pread(fd, after, sizeof(after), 0), sizeof(after));
	assert_memory_equal(head, after, sizeof(head));
	(void)close(fd);
	stand_done(&s);
}

/* What the store has for the spool's stream. */
static uint64_t
stored_position(struct stand *s)
{
	struct arena *arena = arena_new(0);
	struct position p = {0};

	assert_true(positions_get(s->path.runtime.positions, STR("wal|test.outpost"), arena, &p));
	arena_free(arena);
	return p.offset;
}

/* Two files, of which one cannot be looked into: when it can, all is sent. */
static void
keep_what_cannot_be_read(size_t which)
{
	struct stand s;
	char names[4][64], dir[128], aside[256], path[256];

	fill(&s, 50);
	s.out.hold = true;
	open_spool(&s, &plenty);
	push(&s, 10);
	wait_until(board.n_arrived == 60);
	let_go(&s, true);
	close_spool(&s);
	let_go(&s, true);
	assert_int_equal(list_spool(&s, names, 4), 2);
	assert_int_equal(stored_position(&s), 0);
	(void)snprintf(dir, sizeof(dir), "%s/test.outpost/wal", s.path.dir);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, names[which]);
	(void)snprintf(aside, sizeof(aside), "%s/aside", dir);
	make_newer(path, aside);

	s.out.hold = false;
	memset(&board.arrived, 0, sizeof(board.arrived));
	assert_true(spool_has_files(&s.out.component)); /* they are not forgotten without the block either */
	open_spool(&s, &plenty);
	assert_int_equal(s.out.spool->error, EPROTONOSUPPORT);
	push(&s, 10);
	wait_until(board.n_returned == 10);
	close_spool(&s);
	assert_int_equal(stored_position(&s), 0);

	assert_int_equal(rename(aside, path), 0);
	open_spool(&s, &plenty);
	wait_until(look().sums.acknowledged == 60);
	each_arrived(0, 60, 1);
	assert_int_equal(look().sums.dropped, 0);
	assert_false(s.out.disordered);
	stand_done(&s);
}

static void
what_could_not_be_read_is_kept(void **state)
{
	(void)state;
	keep_what_cannot_be_read(0);
	keep_what_cannot_be_read(1);
}

/* What a failed write could not remove has the next file's name. */
static void
a_leftover_is_put_aside(void **state)
{
	struct stand s;
	char path[256];
	int fd;

	(void)state;
	begin_stand(&s);
	open_spool(&s, &plenty);
	(void)snprintf(path, sizeof(path), "mkdir -p %s/test.outpost/wal", s.path.dir);
	assert_int_equal(system(path), 0);
	(void)snprintf(path, sizeof(path), "%s/test.outpost/wal/%020d.wal", s.path.dir, 0);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, path, 100), 100);
	(void)close(fd);
	push(&s, 10);
	wait_until(board.n_settled == 10);
	wait_until(board.n_arrived == 10);
	assert_int_equal(look().sums.read, 10);
	(void)strcat(path, ".damaged");
	assert_int_equal(unlink(path), 0);
	stand_done(&s);
}

static void
what_cannot_be_written_goes_round(void **state)
{
	struct stand s;
	char path[128];
	int fd;

	(void)state;
	begin_stand(&s);
	(void)snprintf(path, sizeof(path), "%s/test.outpost", s.path.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* no directory can be made here */
	assert_true(fd >= 0);
	(void)close(fd);
	open_spool(&s, &plenty);
	push(&s, 10);
	wait_until(board.n_returned == 10 || board.n_settled == 10);
	wait_until(spool_status_now().error != 0);
	push(&s, 10);
	wait_until(board.arrived[19] == 1);
	wait_until(board.n_settled >= 10);
	/* It is empty: the second push went the way that it would go without a spool. */
	assert_int_equal(look().sums.read, 0);
	assert_int_equal(unlink(path), 0);
	wait_until(spool_status_now().error == 0);
	push(&s, 10);
	wait_until(board.arrived[29] == 1);
	assert_int_equal(look().sums.read, 10);
	stand_done(&s);
}

static void
closed_sends_what_is_there(void **state)
{
	const struct spool_options closed = {.bytes_max = 1 << 20, .closed = true};
	struct stand s;

	(void)state;
	fill(&s, 50);
	assert_true(spool_has_files(&s.out.component));
	open_spool(&s, &closed);
	wait_until(look().sums.acknowledged == 50);
	push(&s, 10);
	wait_until(board.arrived[59] == 1);
	assert_int_equal(look().sums.read, 50);
	stand_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_entries_as_they_were),
		cmocka_unit_test(a_new_directory_is_durable),
		cmocka_unit_test(a_large_push_in_few_records),
		cmocka_unit_test(goes_on_within_a_small_budget),
		cmocka_unit_test(acknowledges_while_nothing_is_sent),
		cmocka_unit_test(a_restart_sends_what_is_left),
		cmocka_unit_test(what_is_given_up_is_read_again),
		cmocka_unit_test(full_returns_pushes),
		cmocka_unit_test(full_drops_the_oldest),
		cmocka_unit_test(drops_are_counted_once),
		cmocka_unit_test(too_old_is_dropped),
		cmocka_unit_test(drops_on_their_way_are_told),
		cmocka_unit_test(a_flipped_bit_costs_its_record),
		cmocka_unit_test(a_cut_end_costs_what_was_cut),
		cmocka_unit_test(a_head_that_is_damaged_costs_its_file),
		cmocka_unit_test(a_missing_file_is_counted),
		cmocka_unit_test(a_record_that_is_longer_than_its_head),
		cmocka_unit_test(a_stranger_is_left_alone),
		cmocka_unit_test(a_read_error_is_tried_again),
		cmocka_unit_test(a_file_that_is_cut_under_it),
		cmocka_unit_test(a_file_that_is_removed_under_it),
		cmocka_unit_test(a_newer_format_is_not_touched),
		cmocka_unit_test(what_could_not_be_read_is_kept),
		cmocka_unit_test(a_leftover_is_put_aside),
		cmocka_unit_test(what_cannot_be_written_goes_round),
		cmocka_unit_test(closed_sends_what_is_there),
	};

	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}

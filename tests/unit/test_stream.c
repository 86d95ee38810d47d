/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts, streams, ledger and lanes together, with a toy source and receivers that settle when the test says so. */
#include "flow_fixture.h"

struct fixture {
	struct path path;
	struct sink a, b;
	void *items[2];
	struct ptr_list one, two;
	_Atomic int freed;
};

static int
setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);

	path_init(&f->path, 2, false);
	sink_init(&f->a, SINK_HOLD);
	sink_init(&f->b, SINK_HOLD);
	f->items[0] = &f->a.component;
	f->items[1] = &f->b.component;
	f->one = (struct ptr_list){.items = f->items, .n = 1};
	f->two = (struct ptr_list){.items = f->items, .n = 2};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	path_done(&f->path);
	sink_done(&f->a);
	sink_done(&f->b);
	mem_free(f);
	return 0;
}

static struct toy *
start(struct fixture *f, const char *key, const struct ptr_list *to, uint64_t lines, uint64_t span_lines)
{
	struct toy *t = toy_new(&f->path, key, to, lines, span_lines);

	t->freed = &f->freed;
	(void)lanes_add(f->path.runtime.lanes, &t->stream, LANE_ANY);
	return t;
}

static void
end(struct fixture *f, struct toy *t)
{
	int before = f->freed;

	lane_remove(&t->stream);
	wait_until(t->closed == 1);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	stream_unref(&t->stream);
	wait_until(f->freed == before + 1);
}

static void
test_stream__position_moves_in_order(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 3, 1);

	wait_until(sums_of(f->path.ledger).in_flight == 3);
	sink_release(&f->a, 1, false);
	assert_int_equal(position_of(t), 0);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 1);
	sink_release(&f->a, 0, false);
	assert_int_equal(position_of(t), 2 * LINE_BYTES);
	assert_true(progress_pending());
	sink_release(&f->a, 2, false);
	assert_int_equal(position_of(t), 3 * LINE_BYTES);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 0);
	end(f, t);
}

static void
test_stream__a_line_with_several_fates(void **state)
{
	struct fixture *f = *state;
	struct toy *t;
	struct sums s;

	f->b.mode = SINK_DROP; /* one branch drops, the other stores: acknowledged */
	t = start(f, "k", &f->two, 4, 4);
	wait_until(sums_of(f->path.ledger).in_flight == 4);
	receipt_refuse(f->a.held.items[0].receipt, 1, 2, "because");
	receipt_refuse(f->a.held.items[0].receipt, 2, 1, "again"); /* counts once */
	sink_release_all(&f->a, false);
	s = sums_of(f->path.ledger);
	assert_int_equal(s.acknowledged + s.rejected, 4);
	assert_true(s.rejected >= 2);
	end(f, t);
}

static void
test_stream__dropped_by_all(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	f->a.mode = f->b.mode = SINK_DROP;
	t = start(f, "k", &f->two, 5, 2);
	wait_until(sums_of(f->path.ledger).dropped == 5);
	assert_int_equal(position_of(t), 5 * LINE_BYTES);
	end(f, t);
}

/* More branches than are counted: the sum holds. */
static void
test_stream__many_branches(void **state)
{
	struct fixture *f = *state;
	void *items[600];
	struct ptr_list many = {.items = items, .n = 600};
	struct toy *t;

	f->a.mode = SINK_DROP;
	for (size_t i = 0; i < 600; i++)
		items[i] = &f->a.component;
	t = start(f, "k", &many, 3, 3);
	wait_until(position_of(t) == 3 * LINE_BYTES);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 0);
	end(f, t);
}

static void
test_stream__no_receiver(void **state)
{
	struct fixture *f = *state;
	struct ptr_list none = {0};
	struct toy *t = start(f, "k", &none, 3, 3);

	wait_until(sums_of(f->path.ledger).dropped == 3);
	assert_string_equal(f->path.ledger->reasons[0].name, "no_receiver");
	end(f, t);
}

/* The same lines with the same times, counted as read once. */
static void
assert_repeated(struct sink *s, size_t first, size_t n, size_t from)
{
	assert_true(sink_count(s) >= first + n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(s->held.items[first + i].text, s->held.items[from + i].text);
		assert_int_equal(s->held.items[first + i].ts, s->held.items[from + i].ts);
	}
}

static void
test_stream__rewound_gives_the_same_entries(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 6, 2);

	wait_until(sink_count(&f->a) == 6);
	sink_release(&f->a, 0, false);
	sink_release(&f->a, 1, false);
	sink_release_all(&f->a, true);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 4);
	lanes_park(f->path.runtime.lanes);
	t->span_lines = 100; /* larger reads do not cross what was recorded */
	lanes_resume(f->path.runtime.lanes);
	wait_until(sink_count(&f->a) == 10);
	assert_repeated(&f->a, 6, 4, 2);
	wait_until(sums_of(f->path.ledger).in_flight == 4);
	assert_int_equal(sums_of(f->path.ledger).read, 6);
	sink_release_all(&f->a, false);
	wait_until(sums_of(f->path.ledger).acknowledged == 6); /* the lane may not have ended the last span yet */
	end(f, t);
}

/* What had settled behind an unsettled span is read again, but counted no more. */
static void
test_stream__settled_behind_a_gap_is_silent(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 4, 2);

	wait_until(sink_count(&f->a) == 4);
	wait_until(sums_of(f->path.ledger).read == 4);
	sink_release(&f->a, 2, false);
	sink_release(&f->a, 3, false);
	sink_release_all(&f->a, true);
	lanes_park(f->path.runtime.lanes);
	lanes_resume(f->path.runtime.lanes);
	wait_until(sink_count(&f->a) == 8);
	assert_repeated(&f->a, 4, 4, 0);
	sink_release_all(&f->a, false);
	wait_until(sums_of(f->path.ledger).in_flight == 0);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 4);
	end(f, t);
}

static void
test_stream__source_cut_shorter(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 5, 5);

	wait_until(sums_of(f->path.ledger).in_flight == 5);
	sink_release_all(&f->a, true);
	lanes_park(f->path.runtime.lanes);
	t->size = 2 * LINE_BYTES;
	lanes_resume(f->path.runtime.lanes);
	wait_until(sink_count(&f->a) == 7);
	assert_repeated(&f->a, 5, 2, 0);
	wait_until(sums_of(f->path.ledger).in_flight == 5);
	t->size = 7 * LINE_BYTES; /* it comes again, and more */
	lane_wake(&t->stream);
	wait_until(sink_count(&f->a) == 12);
	assert_repeated(&f->a, 7, 3, 2);
	sink_release_all(&f->a, false);
	wait_until(sums_of(f->path.ledger).in_flight == 0);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 7);
	end(f, t);
}

/* Lines of an entry that was settled with an earlier span are passed over in both parts. */
static void
test_stream__cut_shorter_passes_over_what_began_earlier(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 7, 7);

	wait_until(sums_of(f->path.ledger).in_flight == 7);
	receipt_begun(f->a.held.items[0].receipt, 1, 3, BEGUN_EARLIER);
	receipt_begun(f->a.held.items[0].receipt, 5, 1, BEGUN_EARLIER);
	sink_release_all(&f->a, true);
	lanes_park(f->path.runtime.lanes);
	t->size = 2 * LINE_BYTES;
	lanes_resume(f->path.runtime.lanes);
	wait_until(sink_count(&f->a) == 8);
	assert_repeated(&f->a, 7, 1, 0);
	t->size = 8 * LINE_BYTES;
	lane_wake(&t->stream);
	wait_until(sink_count(&f->a) == 11);
	assert_repeated(&f->a, 8, 1, 4);
	assert_repeated(&f->a, 9, 1, 6);
	sink_release_all(&f->a, false);
	wait_until(sums_of(f->path.ledger).in_flight == 0);
	end(f, t);
}

static void
test_stream__cut_and_gone_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 5, 5);

	wait_until(sums_of(f->path.ledger).in_flight == 5);
	sink_release_all(&f->a, true);
	lanes_park(f->path.runtime.lanes);
	t->size = 2 * LINE_BYTES;
	lanes_resume(f->path.runtime.lanes);
	wait_until(sink_count(&f->a) == 7);
	sink_release_all(&f->a, false);
	end(f, t);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 0);
	assert_int_equal(sums_of(f->path.ledger).dropped, 3);
}

/* The same range holds more, then fewer lines than before. */
static void
test_stream__source_written_over(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 4, 4);

	for (uint32_t factor = 1; factor <= 2; factor++) {
		wait_until(sums_of(f->path.ledger).in_flight == 4 * (factor == 1 ? 1 : 2));
		sink_release_all(&f->a, true);
		lanes_park(f->path.runtime.lanes);
		t->lines_factor = factor == 1 ? 2 : 1;
		lanes_resume(f->path.runtime.lanes);
	}
	wait_until(sums_of(f->path.ledger).in_flight == 4);
	assert_int_equal(sums_of(f->path.ledger).dropped, 4);
	sink_release_all(&f->a, false);
	wait_until(sums_of(f->path.ledger).acknowledged == 4);
	end(f, t);
}

static void
test_stream__restored_from_the_store(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 6, 2);
	struct receipt *wire[2];

	wait_until(sink_count(&f->a) == 6);
	wait_until(sums_of(f->path.ledger).in_flight == 6);
	sink_release(&f->a, 0, false);
	sink_release(&f->a, 1, false);
	wire[0] = f->a.held.items[2].receipt;
	wire[1] = f->a.held.items[4].receipt;
	assert_int_equal(progress_write(f->path.runtime.positions, wire, 2), 0);
	sink_release_all(&f->a, true);
	lanes_park(f->path.runtime.lanes);
	lanes_evict(f->path.runtime.lanes, &t->stream);
	lanes_resume(f->path.runtime.lanes);
	stream_unref(&t->stream);
	assert_int_equal(f->freed, 1);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 0);

	t = toy_new(&f->path, "k", &f->one, 6, 100);
	t->freed = &f->freed;
	assert_true(stream_restore(&t->stream));
	assert_int_equal(t->stream.read_offset, 2 * LINE_BYTES);
	(void)lanes_add(f->path.runtime.lanes, &t->stream, LANE_ANY);
	wait_until(sink_count(&f->a) == 10);
	assert_repeated(&f->a, 6, 4, 2);
	wait_until(sums_of(f->path.ledger).resent == 4);
	sink_release_all(&f->a, false);
	end(f, t);
}

static void
test_stream__heir_takes_what_is_in_flight(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 4, 2), *heir = toy_new(&f->path, "k", &f->one, 4, 2);

	heir->freed = &f->freed;
	wait_until(sums_of(f->path.ledger).in_flight == 4);
	sink_release_all(&f->a, true);
	lanes_park(f->path.runtime.lanes);
	lanes_evict(f->path.runtime.lanes, &t->stream);
	stream_inherit(&heir->stream, &t->stream);
	stream_unref(&t->stream);
	(void)lanes_add(f->path.runtime.lanes, &heir->stream, LANE_ANY);
	lanes_resume(f->path.runtime.lanes);
	wait_until(sink_count(&f->a) == 8);
	assert_repeated(&f->a, 4, 4, 0);
	sink_release_all(&f->a, false);
	wait_until(sums_of(f->path.ledger).acknowledged == 4);
	assert_int_equal(sums_of(f->path.ledger).read, 4);
	end(f, heir);
}

/* A source that has ended, or whose target is gone, is let go when its last line has settled. */
static void
test_stream__ended_waits_for_its_receipts(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 3, 3);

	wait_until(sink_count(&f->a) == 3);
	t->finished = true;
	lane_wake(&t->stream);
	wait_until(atomic_load(&t->stream.ended));
	(void)usleep(20000);
	assert_int_equal(t->closed, 0);
	sink_release_all(&f->a, true);
	lanes_park(f->path.runtime.lanes);
	lanes_resume(f->path.runtime.lanes);
	wait_until(sink_count(&f->a) == 6); /* read again although it had ended */
	assert_repeated(&f->a, 3, 3, 0);
	sink_release_all(&f->a, false);
	wait_until(t->closed == 1);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 3);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	stream_unref(&t->stream);
}

static void
test_stream__removed_gives_up_when_rewound(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 3, 3);

	wait_until(sums_of(f->path.ledger).in_flight == 3);
	lane_remove(&t->stream);
	(void)usleep(20000);
	assert_int_equal(t->closed, 0);
	sink_release_all(&f->a, true);
	lanes_park(f->path.runtime.lanes);
	lanes_resume(f->path.runtime.lanes);
	wait_until(t->closed == 1);
	stream_unref(&t->stream);
	wait_until(f->freed == 1);
	assert_int_equal(sums_of(f->path.ledger).dropped, 3);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 0);
}

/* Without a position nothing can be read again. */
static void
test_stream__keyless_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "", &f->one, 3, 3);

	wait_until(sums_of(f->path.ledger).in_flight == 3);
	t->size = 0;
	sink_release_all(&f->a, true);
	lanes_park(f->path.runtime.lanes);
	lanes_resume(f->path.runtime.lanes);
	assert_int_equal(sums_of(f->path.ledger).dropped, 3);
	end(f, t);
}

/* Nothing runs between park and resume, however soon one follows the other. */
/* Lines 1 and 4 of a span of six are held beyond it; all others have settled. */
static struct receipt *
hold_two(struct fixture *f, struct toy **ret, struct lane_hold *hold)
{
	struct receipt *r;
	struct toy *t;

	f->a.mode = SINK_HOLD;
	t = toy_new(&f->path, "k", &f->one, 0, 6);
	t->freed = &f->freed;
	t->hold_lines = 1u << 1 | 1u << 4;
	t->hold = hold;
	t->size = 6 * LINE_BYTES;
	(void)lanes_add(f->path.runtime.lanes, &t->stream, LANE_ANY);
	wait_until(sums_of(f->path.ledger).in_flight == 6);
	r = f->a.held.items[0].receipt;
	assert_int_equal(sink_count(&f->a), 4);
	sink_release_all(&f->a, false);
	*ret = t;
	return r;
}

static void
test_hold__position_passes_and_leaves_holes(void **state)
{
	struct fixture *f = *state;
	struct arena *arena = arena_new(0);
	struct position p;
	struct receipt *r;
	struct toy *t;

	r = hold_two(f, &t, NULL);
	assert_int_equal(position_of(t), 6 * LINE_BYTES);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 4);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 2);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	assert_true(positions_get(f->path.runtime.positions, STR("k"), arena, &p));
	assert_int_equal(p.offset, 6 * LINE_BYTES);
	assert_int_equal(p.n_holes, 2);
	assert_int_equal(p.holes[0].from, LINE_BYTES);
	assert_int_equal(p.holes[0].to, 2 * LINE_BYTES);
	assert_int_equal(p.holes[1].from, 4 * LINE_BYTES);
	/* The next spans go on behind it. */
	t->size = 8 * LINE_BYTES;
	t->hold_lines = 0;
	lane_wake(&t->stream);
	wait_until(sink_count(&f->a) == 6);
	sink_release_all(&f->a, false);
	assert_int_equal(position_of(t), 8 * LINE_BYTES);
	/* One is handed on and refused, the other stored. */
	receipt_ref(r);
	receipt_unhold(r, 1, 1, false);
	receipt_refuse(r, 1, 1, "because");
	receipt_unref(r);
	/* Its hole is gone. */
	assert_int_equal(sums_of(f->path.ledger).in_flight, 1);
	assert_int_equal(sums_of(f->path.ledger).rejected, 1);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	assert_true(positions_get(f->path.runtime.positions, STR("k"), arena, &p));
	assert_int_equal(p.n_holes, 1);
	assert_int_equal(p.holes[0].from, 4 * LINE_BYTES);
	receipt_unhold(r, 4, 1, false);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 0);
	assert_int_equal(sums_of(f->path.ledger).rejected, 1);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 7);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	assert_true(positions_get(f->path.runtime.positions, STR("k"), arena, &p));
	assert_int_equal(p.n_holes, 0);
	arena_free(arena);
	end(f, t);
}

/* As a stage does that holds them. */
struct hook {
	struct lane_hold hold; /* first */
	struct receipt *receipt;
};

static void
hook_stop(struct lane_hold *hold, bool parked)
{
	struct hook *h = (struct hook *)hold;

	if (!parked || h->receipt == NULL)
		return;
	receipt_unhold(h->receipt, 1, 1, true);
	receipt_unhold(h->receipt, 4, 1, true);
	h->receipt = NULL;
}

/* Only the two lines come again, with their times, and then what follows. */
static void
test_hold__rewound_reads_the_holes(void **state)
{
	struct fixture *f = *state;
	struct receipt *r;
	struct hook hook = {.hold = {.deadline_ns = INT64_MAX, .stop = hook_stop}};
	struct toy *t;
	int64_t ts;

	r = hold_two(f, &t, &hook.hold);
	hook.receipt = r;
	ts = f->a.held.items[0].ts;
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	t->hold_lines = 0;
	lanes_park(f->path.runtime.lanes);
	lanes_resume(f->path.runtime.lanes);
	t->size = 7 * LINE_BYTES;
	lane_wake(&t->stream);
	wait_until(sink_count(&f->a) == 7);
	assert_string_equal(f->a.held.items[4].text, "000000001");
	assert_int_equal(f->a.held.items[4].ts, ts + 1);
	assert_string_equal(f->a.held.items[5].text, "000000004");
	assert_int_equal(f->a.held.items[5].ts, ts + 4);
	assert_string_equal(f->a.held.items[6].text, "000000006");
	assert_int_equal(sums_of(f->path.ledger).read, 7);
	sink_release_all(&f->a, false);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 7);
	assert_int_equal(sums_of(f->path.ledger).resent, 0);
	assert_int_equal(position_of(t), 7 * LINE_BYTES);
	lanes_park(f->path.runtime.lanes);
	lane_hold_remove(&hook.hold);
	lanes_resume(f->path.runtime.lanes);
	end(f, t);
}

/* Another process: the span's mark is known, where it was on the wire. */
static void
test_hold__restored_reads_the_holes(void **state)
{
	struct fixture *f = *state;
	struct position p = {.offset = 12 * LINE_BYTES, .n_holes = 3,
		.holes = {{LINE_BYTES, 2 * LINE_BYTES}, {4 * LINE_BYTES, 5 * LINE_BYTES}, {9 * LINE_BYTES, 11 * LINE_BYTES}}};
	struct position_mark mark = {.from = 0, .to = 6 * LINE_BYTES, .base_ns = SEEN_NS - 1000, .lines = 60};
	struct position_update updates[] = {
		{.kind = POSITION_MARK, .key = STR("k"), .mark = &mark},
		{.kind = POSITION_SET, .key = STR("k"), .position = &p},
	};
	struct toy *t = toy_new(&f->path, "k", &f->one, 13, 6);
	struct arena *arena = arena_new(0);

	t->freed = &f->freed;
	assert_int_equal(positions_write(f->path.runtime.positions, updates, 2), 0);
	assert_true(stream_restore(&t->stream));
	assert_int_equal(t->stream.read_offset, 0);
	(void)lanes_add(f->path.runtime.lanes, &t->stream, LANE_ANY);
	wait_until(sink_count(&f->a) == 5);
	assert_string_equal(f->a.held.items[0].text, "000000001");
	assert_int_equal(f->a.held.items[0].ts, mark.base_ns + 1);
	assert_string_equal(f->a.held.items[1].text, "000000004");
	assert_int_equal(f->a.held.items[1].ts, mark.base_ns + 4);
	assert_string_equal(f->a.held.items[2].text, "000000009");
	assert_string_equal(f->a.held.items[3].text, "000000010");
	assert_string_equal(f->a.held.items[4].text, "000000012");
	assert_int_equal(sums_of(f->path.ledger).read, 5);
	/* A hole closes when its span has settled; a crash before would read it again. */
	sink_release(&f->a, 0, false);
	sink_release(&f->a, 2, false);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	assert_true(positions_get(f->path.runtime.positions, STR("k"), arena, &p));
	assert_int_equal(p.n_holes, 3);
	sink_release_all(&f->a, false);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	assert_true(positions_get(f->path.runtime.positions, STR("k"), arena, &p));
	assert_int_equal(p.n_holes, 0);
	assert_int_equal(p.offset, 13 * LINE_BYTES);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 5);
	arena_free(arena);
	end(f, t);
}

static void
test_lane__parked_means_parked(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	f->a.mode = SINK_PASS;
	t = start(f, "k", &f->one, 1000000000, 1);
	for (int i = 0; i < 300; i++) {
		int runs;

		lanes_park(f->path.runtime.lanes);
		assert_false(atomic_load(&t->running));
		runs = t->runs;
		sched_yield();
		assert_int_equal(t->runs, runs);
		lanes_resume(f->path.runtime.lanes);
	}
	t->size = 0;
	(void)sums_of(f->path.ledger);
	end(f, t);
}

static void
test_lane__alive(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 0, 1);

	wait_until(t->runs > 0);
	wait_until(lanes_alive(f->path.runtime.lanes));
	(void)usleep(50000);
	assert_true(lanes_alive(f->path.runtime.lanes)); /* asleep */
	end(f, t);
}

static void
test_lane__wake_while_running_is_not_lost(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	f->a.mode = SINK_PASS;
	t = start(f, "k", &f->one, 0, 1);
	for (uint64_t i = 1; i <= 200; i++) {
		t->size = i * LINE_BYTES;
		lane_wake(&t->stream);
		if (i % 16 == 0)
			wait_until(sink_count(&f->a) == i);
	}
	wait_until(sink_count(&f->a) == 200);
	assert_true(t->runs <= 2 * 200); /* and a wake does not cost more than a look */
	end(f, t);
}

static void
test_lane__budget_used_up_stops_reading(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, "k", &f->one, 0, 1);
	int runs;

	wait_until(t->runs > 0);
	budget_take(budget_limit());
	runs = t->runs;
	t->size = LINE_BYTES;
	lane_wake(&t->stream);
	(void)usleep(60000);
	assert_int_equal(t->runs, runs);
	budget_give(budget_limit());
	lanes_kick(f->path.runtime.lanes);
	wait_until(sink_count(&f->a) == 1);
	sink_release_all(&f->a, false);
	end(f, t);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_stream__position_moves_in_order),
		T(test_stream__a_line_with_several_fates),
		T(test_stream__dropped_by_all),
		T(test_stream__many_branches),
		T(test_stream__no_receiver),
		T(test_stream__rewound_gives_the_same_entries),
		T(test_stream__settled_behind_a_gap_is_silent),
		T(test_stream__source_cut_shorter),
		T(test_stream__cut_shorter_passes_over_what_began_earlier),
		T(test_stream__cut_and_gone_is_given_up),
		T(test_stream__source_written_over),
		T(test_stream__restored_from_the_store),
		T(test_stream__heir_takes_what_is_in_flight),
		T(test_stream__ended_waits_for_its_receipts),
		T(test_stream__removed_gives_up_when_rewound),
		T(test_stream__keyless_is_given_up),
		T(test_hold__position_passes_and_leaves_holes),
		T(test_hold__rewound_reads_the_holes),
		T(test_hold__restored_reads_the_holes),
		T(test_lane__parked_means_parked),
		T(test_lane__alive),
		T(test_lane__wake_while_running_is_not_lost),
		T(test_lane__budget_used_up_stops_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

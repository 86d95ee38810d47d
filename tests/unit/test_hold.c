/* SPDX-License-Identifier: Apache-2.0 */
/* What stages hold beyond spans: blocks of ten lines of a toy source, whose line n is its number, through a pipeline in lanes. */
#include "flow_fixture.h"

#include "../support/pipeline_fixture.h"

#define TEXT_BYTES 256

struct joined_text {
	char text[TEXT_BYTES];
	int64_t ts;
};

struct sorter { /* a pipeline, and what comes out of it; all of it is settled at once */
	struct component component;
	struct fixture pipeline;
	pthread_mutex_t lock;
	VEC(struct joined_text) blocks;
};

struct blocks {
	struct path path;
	struct sorter sorter;
	void *items[1];
	struct ptr_list receivers;
	_Atomic int freed;
};

static void
collect(void *ptr, struct batch *b)
{
	struct sorter *s = ptr;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < b->n; i++) {
		struct joined_text block = {.ts = b->ts[i]};

		(void)snprintf(block.text, sizeof(block.text), "%.*s", STR_FMT(b->line[i]));
		vec_push(&s->blocks, block);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

static void
consume(struct component *c, struct batch *b)
{
	struct sorter *s = c->state;

	pipeline_run(s->pipeline.pipeline, b);
	collect(s, b);
}

static const struct component_type sorter_type = {.name = "test.sorter", .flags = COMPONENT_CONSUMES, .consume = consume};

static void
begin(struct blocks *t, const char *stages)
{
	*t = (struct blocks){0};
	path_init(&t->path, 1, false);
	t->sorter.component = (struct component){.magic = COMPONENT_MAGIC, .type = &sorter_type, .id = "test.sorter", .state = &t->sorter};
	(void)pthread_mutex_init(&t->sorter.lock, NULL);
	fixture_init(&t->sorter.pipeline, stages);
	assert_non_null(t->sorter.pipeline.pipeline);
	pipeline_set_output(t->sorter.pipeline.pipeline, collect, &t->sorter);
	t->items[0] = &t->sorter.component;
	t->receivers = (struct ptr_list){.items = t->items, .n = 1};
}

static struct toy *
start(struct blocks *t, const char *key, uint64_t lines, uint64_t span_lines)
{
	struct toy *toy = toy_new(&t->path, key, &t->receivers, 0, span_lines);

	toy->freed = &t->freed;
	toy->size = lines * LINE_BYTES;
	(void)lanes_add(t->path.runtime.lanes, &toy->stream, LANE_ANY);
	return toy;
}

static void
more(struct toy *toy, uint64_t lines)
{
	toy->size = lines * LINE_BYTES;
	lane_wake(&toy->stream);
}

static size_t
count(struct blocks *t)
{
	size_t n;

	(void)pthread_mutex_lock(&t->sorter.lock);
	n = t->sorter.blocks.len;
	(void)pthread_mutex_unlock(&t->sorter.lock);
	return n;
}

/* The stream goes first, so that nothing is held of it. */
static void
end(struct blocks *t, struct toy *toy)
{
	lanes_park(t->path.runtime.lanes);
	if (toy != NULL) {
		lanes_evict(t->path.runtime.lanes, &toy->stream);
		stream_unref(&toy->stream);
	}
	fixture_done(&t->sorter.pipeline);
	lanes_resume(t->path.runtime.lanes);
	path_done(&t->path);
	vec_done(&t->sorter.blocks);
	(void)pthread_mutex_destroy(&t->sorter.lock);
}

/* Block n: lines 10 n … 10 n + lines - 1. */
static void
assert_block(struct blocks *t, size_t i, uint64_t n, uint64_t lines)
{
	char want[TEXT_BYTES] = "";
	size_t len = 0;

	for (uint64_t k = 0; k < lines; k++)
		len += (size_t)snprintf(want + len, sizeof(want) - len, "%s%09llu", k > 0 ? "\n" : "", (unsigned long long)(10 * n + k));
	assert_string_equal(t->sorter.blocks.items[i].text, want);
}

static void
test_hold__blocks_across_spans(void **state)
{
	struct blocks t;
	struct toy *toy;

	(void)state;
	begin(&t, "stage.multiline { firstline = \"0$\" }");
	toy = start(&t, "k", 1000, 7);
	wait_until(count(&t) == 99);
	for (size_t i = 0; i < 99; i++)
		assert_block(&t, i, i, 10);
	wait_until(sums_of(t.path.ledger).in_flight == 10);
	assert_int_equal(sums_of(t.path.ledger).acknowledged, 990);
	/* Nothing but the last block keeps the position from the end. */
	wait_until(position_of(toy) == 1000 * LINE_BYTES);
	assert_int_equal(toy->stream.n_holes, 2);
	end(&t, toy);
}

/* What is no line goes by on its own, and leaves the block and the position alone. */
static void
test_hold__no_line_passes(void **state)
{
	struct blocks t;
	struct toy *toy;

	(void)state;
	begin(&t, "stage.multiline { firstline = \"0$|announced\" }");
	toy = toy_new(&t.path, "k", &t.receivers, 20, 7);
	toy->freed = &t.freed;
	toy->announces = true;
	(void)lanes_add(t.path.runtime.lanes, &toy->stream, LANE_ANY);
	wait_until(count(&t) == 4);
	assert_string_equal(t.sorter.blocks.items[0].text, "announced");
	assert_string_equal(t.sorter.blocks.items[1].text, "announced");
	assert_block(&t, 2, 0, 10);
	assert_string_equal(t.sorter.blocks.items[3].text, "announced");
	wait_until(position_of(toy) == 20 * LINE_BYTES);
	assert_int_equal(sums_of(t.path.ledger).in_flight, 10);
	end(&t, toy);
}

static void
test_hold__ends_by_time(void **state)
{
	struct blocks t;
	struct toy *toy;

	(void)state;
	begin(&t, "stage.multiline {\nfirstline = \"0$\"\nmax_wait_time = \"100ms\"\n}\nstage.drop { expression = \"000000010\" }");
	toy = start(&t, "k", 13, 4);
	wait_until(sums_of(t.path.ledger).dropped == 3);
	assert_int_equal(count(&t), 1);
	assert_int_equal(sums_of(t.path.ledger).in_flight, 0);
	/* What comes later has no block to go on with. */
	more(toy, 14);
	wait_until(count(&t) == 2);
	assert_string_equal(t.sorter.blocks.items[1].text, "000000013");
	end(&t, toy);
}

static void
test_hold__parked_is_read_again(void **state)
{
	struct blocks t;
	struct toy *toy;
	int64_t ts;

	(void)state;
	begin(&t, "stage.multiline { firstline = \"0$\" }");
	toy = start(&t, "k", 25, 8);
	wait_until(position_of(toy) == 25 * LINE_BYTES);
	lanes_park(t.path.runtime.lanes);
	assert_int_equal(count(&t), 2);
	assert_int_equal(sums_of(t.path.ledger).in_flight, 5);
	ts = t.sorter.blocks.items[1].ts;
	toy->size = 31 * LINE_BYTES;
	lanes_resume(t.path.runtime.lanes);
	wait_until(count(&t) == 3);
	assert_block(&t, 2, 2, 10);
	assert_true(t.sorter.blocks.items[2].ts > ts);
	assert_int_equal(sums_of(t.path.ledger).read, 31);
	end(&t, toy);
}

static void
test_hold__drained_leaves_holes(void **state)
{
	struct arena *arena = arena_new(0);
	struct position p;
	struct blocks t;
	struct toy *toy;

	(void)state;
	begin(&t, "stage.multiline { firstline = \"0$\" }");
	toy = start(&t, "k", 15, 20);
	wait_until(position_of(toy) == 15 * LINE_BYTES);
	lanes_drain(t.path.runtime.lanes);
	assert_int_equal(count(&t), 1);
	(void)progress_write(t.path.runtime.positions, NULL, 0);
	assert_true(positions_get(t.path.runtime.positions, STR("k"), arena, &p));
	assert_int_equal(p.offset, 15 * LINE_BYTES);
	assert_int_equal(p.n_holes, 1);
	assert_int_equal(p.holes[0].from, 10 * LINE_BYTES);
	assert_int_equal(p.holes[0].to, 15 * LINE_BYTES);
	arena_free(arena);
	end(&t, toy);
}

/* After a crash: a span was on the wire whose first lines belong to a block of the one before; that one was not, and is read again, too. */
static void
test_hold__block_from_a_span_without_mark(void **state)
{
	struct {
		struct packed_begun begun;
		char n;
	} __attribute__((packed)) memory = {{.from = 0, .line = 0, .lines = 3}, 1};
	struct position_mark mark = {.from = 7 * LINE_BYTES, .to = 14 * LINE_BYTES, .base_ns = SEEN_NS, .lines = 70,
		.memory = {(const char *)&memory, sizeof(memory)}};
	struct position_update update = {.kind = POSITION_MARK, .key = STR("k"), .mark = &mark};
	struct blocks t;
	struct toy *toy;

	(void)state;
	begin(&t, "stage.multiline { firstline = \"0$\" }");
	toy = toy_new(&t.path, "k", &t.receivers, 21, 7);
	toy->freed = &t.freed;
	assert_int_equal(positions_write(t.path.runtime.positions, &update, 1), 0);
	assert_true(stream_restore(&toy->stream));
	(void)lanes_add(t.path.runtime.lanes, &toy->stream, LANE_ANY);
	wait_until(count(&t) == 2);
	assert_block(&t, 0, 0, 10);
	assert_block(&t, 1, 1, 10);
	end(&t, toy);
}

static void
test_hold__keyless_is_handed_on(void **state)
{
	struct blocks t;
	struct toy *toy;

	(void)state;
	begin(&t, "stage.multiline { firstline = \"0$\" }");
	toy = start(&t, "", 15, 20);
	wait_until(count(&t) == 1);
	lanes_drain(t.path.runtime.lanes);
	assert_int_equal(count(&t), 2);
	assert_block(&t, 1, 1, 5);
	assert_int_equal(sums_of(t.path.ledger).acknowledged, 15);
	end(&t, toy);
}

static uint64_t
cut_for(struct blocks *t, const char *reason)
{
	return metric_get(t->sorter.pipeline.metrics, METRIC_COUNTER, "longship_held_entries_cut_total", "", "loki.process.t", "stage",
		"multiline", "reason", reason, NULL)->count;
}

static void
test_hold__no_more_than_a_share_of_memory(void **state)
{
	uint64_t limit = budget_limit();
	struct blocks t;
	struct toy *toy;

	(void)state;
	budget_set_limit(64 << 10);
	begin(&t, "stage.multiline {\nfirstline = \"000000000$\"\nmax_lines = 0\n}");
	toy = start(&t, "k", 20000, 50);
	wait_until(position_of(toy) == 20000 * LINE_BYTES || sums_of(t.path.ledger).read == 20000);
	wait_until(cut_for(&t, "memory") > 0);
	assert_true(count(&t) > 0);
	end(&t, toy);
	budget_set_limit(limit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hold__blocks_across_spans),
		cmocka_unit_test(test_hold__no_line_passes),
		cmocka_unit_test(test_hold__ends_by_time),
		cmocka_unit_test(test_hold__parked_is_read_again),
		cmocka_unit_test(test_hold__drained_leaves_holes),
		cmocka_unit_test(test_hold__block_from_a_span_without_mark),
		cmocka_unit_test(test_hold__keyless_is_handed_on),
		cmocka_unit_test(test_hold__no_more_than_a_share_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

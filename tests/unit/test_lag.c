/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destinations that lag, step by step in one thread: the lane is parked, and the sender with it, so that what is queued stays where it is
 * until the test takes it back, or says that it has arrived. Two endpoints get every line of a toy file: what the live one gets is
 * settled when the test says so, too.
 */
#include "flow_fixture.h"

#include "../../src/flow/lag_priv.h"
#include "../../src/flow/sender_priv.h"
#include "longship/os/http_client.h"

#define LINES_MAX 1000

struct arrival {
	uint32_t line; /* of the file */
	int64_t ts;
};

struct toy_file;

/* An endpoint: what is queued for it carries the numbers and times of its lines as its body. */
struct endpoint {
	struct destination *destination;
	struct send_queue *queue;
	bool sends; /* what it is given goes out, as the first of its queue */
	VEC(struct arrival) arrivals;
};

struct fixture {
	struct path path;
	struct endpoint live, dead;
	struct arena *arena;
	struct labels_table *labels;
	uint64_t size;
	uint32_t split; /* the dead endpoint is parked before this line of the file is handed on; UINT32_MAX: it is not */
	struct toy_file *main;
};

struct toy_file {
	struct stream stream; /* first */
	struct fixture *fixture;
};

/* As the sender does it: marks first. */
static void
goes_out(struct fixture *f, struct request *r)
{
	r->attempts++;
	for (size_t i = 0; i < r->n_runs; i++) {
		if (!r->runs[i].receipt->marked) {
			atomic_store(&r->runs[i].receipt->marked, true);
			(void)progress_write(f->path.runtime.positions, &r->runs[i].receipt, 1);
		}
	}
}

struct open_request {
	struct request_run runs[LINES_MAX];
	struct arrival body[LINES_MAX];
	size_t n;
};

static void
submit(struct fixture *f, struct endpoint *e, struct open_request *open)
{
	struct arrival *body = mem_alloc((open->n + 1) * sizeof(*body));
	struct request_run *runs = mem_alloc((open->n + 1) * sizeof(*runs));
	struct request *r;

	memcpy(body, open->body, open->n * sizeof(*body));
	memcpy(runs, open->runs, open->n * sizeof(*runs));
	r = request_new((char *)body, open->n * sizeof(*body), runs, open->n, NULL, 0);
	r->entries = open->n;
	if (open->n == 0) {
		request_free(r);
		return;
	}
	sender_submit(e->queue, r);
	if (e->sends && (e == &f->live || send_queue_len(e->queue) == 1))
		goes_out(f, r);
	open->n = 0;
}

/* What a consumer has of a span for one endpoint: one request; two where the endpoint is parked meanwhile. */
static void
send_span(struct fixture *f, struct endpoint *e, struct batch *b)
{
	struct open_request open = {.n = 0};

	for (size_t i = 0; i < b->n; i++) {
		uint32_t line = (uint32_t)atoi(b->line[i].s);

		if (e == &f->dead && line == f->split) {
			submit(f, e, &open);
			destination_set_state(e->destination, DESTINATION_PARKED);
		}
		if (lag_is_plain(e->destination, b) || !lag_diverts(e->queue, b, i)) {
			receipt_ref(b->receipt);
			open.runs[open.n] = (struct request_run){.receipt = b->receipt, .line = b->origin[i].line, .lines = 1, .lines_each = 1};
			open.body[open.n++] = (struct arrival){line, b->ts[i]};
		}
	}
	submit(f, e, &open);
}

static enum stream_state
file_run(struct stream *s, struct lane *lane)
{
	struct toy_file *file = (struct toy_file *)s;
	struct fixture *f = file->fixture;
	uint64_t to = s->read_offset + 10 * LINE_BYTES, limit = stream_next_limit(s);
	struct receipt *r;
	struct batch *b;
	uint32_t n;

	to = to < f->size ? to : f->size;
	to = to < limit ? to : limit;
	if (to <= s->read_offset)
		return STREAM_IDLE;
	r = stream_begin(s, lane, to, to - s->read_offset, SEEN_NS);
	n = (uint32_t)(to - s->read_offset) / LINE_BYTES;
	b = batch_new(f->arena, f->labels, n);
	b->receipt = r;
	b->memory = &s->memory;
	for (uint32_t i = 0; i < n; i++) {
		b->ts[i] = r->base_ns + i;
		b->line[i] = arena_printf(f->arena, "%u", (unsigned)(s->read_offset / LINE_BYTES + i));
		b->origin[i] = (struct origin){i, 1};
	}
	b->n = n;
	send_span(f, &f->live, b);
	send_span(f, &f->dead, b);
	stream_end(s, lane, r, n);
	return STREAM_MORE;
}

static void
file_free(struct stream *s)
{
	mem_free(s);
}

static struct stream *file_reader(struct stream *, struct str key, const char *name);

static const struct stream_ops file_ops = {.run = file_run, .free = file_free, .reader = file_reader};

static struct stream *
make_file(struct fixture *f, struct str key, const char *name)
{
	struct toy_file *file = mem_new(struct toy_file);

	file->fixture = f;
	stream_init(&file->stream, &file_ops, &f->path.runtime, f->path.ledger, key, name);
	return &file->stream;
}

static struct stream *
file_reader(struct stream *main, struct str key, const char *name)
{
	return make_file(((struct toy_file *)main)->fixture, key, name);
}

static void
endpoint_init(struct fixture *f, struct endpoint *e, const char *url)
{
	const struct destination_options options = {.remote_timeout_ns = NS_PER_S, .min_backoff_ns = NS_PER_S, .max_backoff_ns = NS_PER_S};
	struct http_target *target = http_target_new(&(struct http_options){.url = url});

	e->destination = destination_new(&f->path.runtime, "test.writer", target, STR("host"), STR("tenant"), &options);
	http_target_unref(target);
	e->queue = send_queue_new(e->destination, 0);
}

static int
setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);

	path_init(&f->path, 1, true);
	lanes_park(f->path.runtime.lanes);
	endpoint_init(f, &f->live, "http://127.0.0.1:1/live");
	endpoint_init(f, &f->dead, "http://127.0.0.1:1/dead");
	f->arena = arena_new(0);
	f->labels = labels_table_new();
	f->live.sends = true;
	f->split = UINT32_MAX;
	positions_declare(f->path.runtime.positions, STR("k"), STR("k"), STR_EMPTY);
	f->main = (struct toy_file *)make_file(f, STR("k"), "k");
	(void)lanes_add(f->path.runtime.lanes, &f->main->stream, 0);
	*state = f;
	return 0;
}

/* Takes all that is queued: it has arrived, or (not) nobody will ever know. */
static void
empty(struct fixture *f, struct endpoint *e, bool arrived)
{
	int live = atomic_load(&f->live.destination->state), dead = atomic_load(&f->dead.destination->state);
	struct request *r, *next;

	atomic_store(&f->live.destination->state, e == &f->live ? DESTINATION_PARKED : DESTINATION_OPEN);
	atomic_store(&f->dead.destination->state, e == &f->dead ? DESTINATION_PARKED : DESTINATION_OPEN);
	r = sender_take_parked(f->path.runtime.sender, 0);
	atomic_store(&f->live.destination->state, live);
	atomic_store(&f->dead.destination->state, dead);
	for (; r != NULL; r = next) {
		const struct arrival *a = (const struct arrival *)r->body;

		next = r->next;
		if (arrived)
			goes_out(f, r);
		for (size_t i = 0; arrived && i < r->entries; i++)
			vec_push(&e->arrivals, a[i]);
		for (size_t i = 0; !arrived && i < r->n_runs; i++)
			atomic_store(&r->runs[i].receipt->discarded, true);
		request_free(r);
	}
}

/* As a lane does when the destination is parked. */
static bool
take_back(struct endpoint *e)
{
	struct request *r = sender_take_parked(e->destination->runtime->sender, 0), *next;

	if (r == NULL)
		return true;
	if (!lag_take_back(e->destination, r)) {
		sender_keep(r);
		return false;
	}
	for (; r != NULL; r = next) {
		next = r->next;
		request_free(r);
	}
	return true;
}

static void
read_main(struct fixture *f)
{
	struct stream *s = &f->main->stream;

	lag_begin_run(s, s->lane);
	while (file_run(s, s->lane) == STREAM_MORE)
		lag_begin_run(s, s->lane);
}

static void
append(struct fixture *f, uint32_t lines)
{
	f->size += lines * LINE_BYTES;
	read_main(f);
}

static struct lag *
lag_of(struct fixture *f, size_t i)
{
	assert_true(i < f->main->stream.lags.len);
	return f->main->stream.lags.items[i];
}

/* A turn of each reader, as the lane gives it. Returns how many ran. */
static size_t
run_readers(struct fixture *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->main->stream.lags.len; i++) {
		struct lag *lag = f->main->stream.lags.items[i];
		struct stream *reader = lag->reader;

		if (lag->waits || lag_is_held(reader))
			continue;
		n++;
		if (atomic_load(&reader->ended) && !lag->rewind) {
			if (reader->oldest == NULL)
				lanes_evict(f->path.runtime.lanes, reader);
		} else if (lag_run(reader, reader->lane) == STREAM_DONE) {
			atomic_store(&reader->ended, true);
		}
	}
	return n;
}

/* The dead endpoint is well again, until nothing is left to do. */
static void
catch_up(struct fixture *f)
{
	destination_set_state(f->dead.destination, DESTINATION_OPEN);
	for (int i = 0; i < 100; i++) {
		empty(f, &f->dead, true);
		empty(f, &f->live, true);
		(void)run_readers(f);
		read_main(f);
	}
	assert_int_equal(f->main->stream.lags.len, 0);
}

/* Each line is there, in the order of times; what came twice has the same time. */
static void
assert_all_in_order(struct endpoint *e, uint32_t lines)
{
	int64_t times[LINES_MAX] = {0};

	for (size_t i = 0; i < e->arrivals.len; i++) {
		const struct arrival *a = &e->arrivals.items[i];

		assert_true(a->line < LINES_MAX);
		if (times[a->line] != 0 && times[a->line] != a->ts)
			fail_msg("line %u has come with two times", (unsigned)a->line);
		times[a->line] = a->ts;
	}
	for (uint32_t i = 0; i < lines; i++) {
		if (times[i] == 0)
			fail_msg("line %u has not arrived", (unsigned)i);
		if (i > 0 && times[i] <= times[i - 1])
			fail_msg("line %u comes before line %u", (unsigned)i, (unsigned)i - 1);
	}
}

static void
assert_settled(struct fixture *f)
{
	struct sums s = sums_of(f->path.ledger);

	assert_int_equal(s.in_flight, 0);
	assert_int_equal(s.dropped, 0);
	assert_int_equal(s.acknowledged, f->size / LINE_BYTES);
}

static void
assert_once(const struct endpoint *e, uint32_t lines)
{
	assert_int_equal(e->arrivals.len, lines);
}

/* The file is let go; what its requests carry is discarded, and nothing is written any more: the process ends. */
static void
let_go(struct fixture *f)
{
	struct stream *s = &f->main->stream;

	empty(f, &f->live, false);
	empty(f, &f->dead, false);
	stream_rewind(s);
	for (size_t i = 0; i < s->lags.len; i++) {
		stream_rewind(s->lags.items[i]->reader);
		s->lags.items[i]->reader->forgotten = true;
	}
	s->forgotten = true;
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	lanes_evict(f->path.runtime.lanes, s);
	stream_unref(s);
	arena_clear(f->arena);
}

/* Killed, and started again with what the store has. */
static void
crash(struct fixture *f)
{
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	let_go(f);
	ledger_close(f->path.ledger);
	f->path.ledger = ledger_new(f->path.runtime.metrics, "test.source");
	f->main = (struct toy_file *)make_file(f, STR("k"), "k");
	(void)stream_restore(&f->main->stream);
	(void)lanes_add(f->path.runtime.lanes, &f->main->stream, 0);
	destination_set_state(f->dead.destination, DESTINATION_OPEN);
}

/* As a reload does: all that is unsettled is given up. */
static void
rewind_all(struct fixture *f)
{
	empty(f, &f->live, false);
	empty(f, &f->dead, false);
	stream_rewind(&f->main->stream);
	for (size_t i = 0; i < f->main->stream.lags.len; i++) {
		stream_rewind(lag_of(f, i)->reader);
		atomic_store(&lag_of(f, i)->reader->ended, false);
	}
	lag_rewound(&f->main->stream);
	destination_set_state(f->dead.destination, DESTINATION_OPEN);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	let_go(f);
	send_queue_free(f->live.queue);
	send_queue_free(f->dead.queue);
	destination_unref(f->live.destination);
	destination_unref(f->dead.destination);
	vec_done(&f->live.arrivals);
	vec_done(&f->dead.arrivals);
	labels_table_free(f->labels);
	arena_free(f->arena);
	lanes_resume(f->path.runtime.lanes);
	path_done(&f->path);
	mem_free(f);
	return 0;
}

static void
park(struct fixture *f)
{
	destination_set_state(f->dead.destination, DESTINATION_PARKED);
}

/* What was queued when the endpoint was parked may still be on the wire when longship is killed: the store must not be ahead of it. */
static void
test_lag__what_is_carried_survives_a_crash(void **state)
{
	struct fixture *f = *state;

	f->dead.sends = true;
	append(f, 20); /* carried */
	park(f);
	append(f, 20); /* left to a lag */
	empty(f, &f->live, true);
	crash(f);
	read_main(f);
	catch_up(f);
	assert_all_in_order(&f->dead, 40);
	assert_once(&f->dead, 40);
	assert_settled(f);
}

/* The same with a part of a span: some of its lines were handed to the endpoint before it was parked. */
static void
test_lag__begins_within_a_span(void **state)
{
	struct fixture *f = *state;

	f->split = 15;
	append(f, 30);
	assert_int_equal(lag_of(f, 0)->begin, 10 * LINE_BYTES);
	assert_int_equal(lag_of(f, 0)->begin_line, 5);
	f->split = UINT32_MAX;
	catch_up(f); /* those lines arrive, and the reader brings the others */
	assert_all_in_order(&f->dead, 30);
	assert_once(&f->dead, 30);
	assert_settled(f);
}

static void
test_lag__waits_for_what_is_carried(void **state)
{
	struct fixture *f = *state;

	append(f, 20);
	park(f);
	append(f, 20);
	destination_set_state(f->dead.destination, DESTINATION_OPEN);
	assert_int_equal(run_readers(f), 0);
	empty(f, &f->dead, true);
	assert_int_equal(run_readers(f), 1);
	catch_up(f);
	assert_all_in_order(&f->dead, 40);
	assert_once(&f->dead, 40);
	assert_settled(f);
}

/* What is carried is taken back after all: the lag begins with it. */
static void
test_lag__takes_back_what_is_carried(void **state)
{
	struct fixture *f = *state;

	append(f, 20);
	park(f);
	append(f, 20);
	assert_true(take_back(&f->dead));
	assert_int_equal(lag_of(f, 0)->begin, 0);
	assert_int_equal(f->main->stream.lags.len, 1);
	catch_up(f);
	assert_all_in_order(&f->dead, 40);
	assert_once(&f->dead, 40);
	assert_settled(f);
}

/* A reload gives up what is carried: the lag begins with it, whoever runs first then. */
static void
test_lag__what_is_carried_survives_a_reload(void **state)
{
	struct fixture *f = *state;

	f->dead.sends = true;
	append(f, 20);
	park(f);
	append(f, 20);
	empty(f, &f->live, true);
	rewind_all(f);
	for (int i = 0; i < 10; i++)
		(void)run_readers(f);
	catch_up(f);
	assert_all_in_order(&f->dead, 40);
	assert_settled(f);
}

/* A reload while the live endpoint is slow: what the reader has brought already is not brought again. */
static void
test_lag__a_reload_sets_no_reader_back(void **state)
{
	struct fixture *f = *state;

	park(f);
	append(f, 40);
	destination_set_state(f->dead.destination, DESTINATION_OPEN);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(run_readers(f), 1);
		empty(f, &f->dead, true);
	}
	rewind_all(f);
	read_main(f);
	catch_up(f);
	assert_all_in_order(&f->dead, 40);
	assert_once(&f->dead, 40);
	assert_settled(f);
}

/* Parked again while the last request of its reader is on its way: what comes then is the business of another lag. */
static void
test_lag__parked_again_at_its_end(void **state)
{
	struct fixture *f = *state;

	park(f);
	append(f, 10);
	destination_set_state(f->dead.destination, DESTINATION_OPEN);
	assert_int_equal(run_readers(f), 1); /* has read all, and joins */
	append(f, 10);                       /* carried, behind the reader's request */
	park(f);
	append(f, 10);
	assert_int_equal(f->main->stream.lags.len, 2);
	assert_true(take_back(&f->dead));
	catch_up(f);
	assert_all_in_order(&f->dead, 30);
	assert_once(&f->dead, 30);
	assert_settled(f);
}

/* The same, and killed then. */
static void
test_lag__parked_again_and_killed(void **state)
{
	struct fixture *f = *state;

	park(f);
	append(f, 10);
	destination_set_state(f->dead.destination, DESTINATION_OPEN);
	assert_int_equal(run_readers(f), 1);
	append(f, 10);
	park(f);
	append(f, 10);
	crash(f); /* the live one has not answered: all is read again, with the times of the first reading */
	read_main(f);
	catch_up(f);
	assert_all_in_order(&f->dead, 30);
	assert_all_in_order(&f->live, 30);
	assert_settled(f);
}

/* Behind a restart a reader gives its lines new times: the main stream must not serve the endpoint with older ones. */
static void
test_lag__does_not_join_what_is_read_again(void **state)
{
	struct fixture *f = *state;

	park(f);
	append(f, 30);
	crash(f); /* the live one had all, and its answers are not known */
	lag_begin_run(&f->main->stream, f->main->stream.lane);
	assert_int_equal(file_run(&f->main->stream, f->main->stream.lane), STREAM_MORE);
	for (int i = 0; i < 5; i++) {
		empty(f, &f->dead, true);
		(void)run_readers(f);
	}
	assert_int_equal(lag_of(f, 0)->until, LAG_OPEN);
	read_main(f);
	catch_up(f);
	assert_all_in_order(&f->dead, 30);
	assert_settled(f);
}

/* Lines that are read again with an old time must not stand behind such without one after a crash. */
static void
test_lag__marks_leave_no_gap(void **state)
{
	struct fixture *f = *state;

	f->dead.sends = true;
	append(f, 30);
	rewind_all(f);
	f->dead.sends = false;
	append(f, 10);
	park(f);
	assert_true(take_back(&f->dead));
	crash(f);
	read_main(f);
	catch_up(f);
	assert_all_in_order(&f->dead, 40);
	assert_settled(f);
}

/* The endpoint has another address after a restart: what it had yet to get is read once, counted, and then forgotten. */
static void
test_lag__of_an_endpoint_that_is_gone(void **state)
{
	struct fixture *f = *state;
	struct metric *gone = metric_get(f->path.runtime.metrics, METRIC_COUNTER, "longship_source_abandoned_bytes_total", "", "test.source", "reason",
		"destination_gone", NULL);
	struct arena *arena = arena_new(0);
	struct position position;

	park(f);
	append(f, 20);
	empty(f, &f->live, true);
	crash(f);
	send_queue_free(f->dead.queue);
	destination_unref(f->dead.destination);
	endpoint_init(f, &f->dead, "http://127.0.0.1:1/moved");
	append(f, 10);
	catch_up(f);
	assert_int_equal(atomic_load(&gone->count), 20 * LINE_BYTES);
	assert_int_equal(f->dead.arrivals.len, 10);
	(void)progress_write(f->path.runtime.positions, NULL, 0);
	assert_false(positions_get(f->path.runtime.positions, STR("lag|00|k"), arena, &position));
	arena_free(arena);
}

static void
do_something(struct fixture *f, unsigned n)
{
	unsigned more = n >> 4;

	switch (n & 15) {
	case 0:
	case 1:
	case 2:
		append(f, 1 + more % 25);
		break;
	case 3:
		f->split = (uint32_t)(f->size / LINE_BYTES) + more % 17;
		append(f, 17);
		f->split = UINT32_MAX;
		break;
	case 4:
		park(f);
		break;
	case 5:
		if (!destination_is_open(f->dead.destination))
			(void)take_back(&f->dead);
		break;
	case 6:
	case 7:
	case 8:
		destination_set_state(f->dead.destination, DESTINATION_OPEN);
		break;
	case 9:
	case 10:
		(void)run_readers(f);
		break;
	case 11:
		empty(f, &f->dead, true);
		break;
	case 12:
		empty(f, &f->live, true);
		break;
	case 13:
		if (more % 3 == 0)
			rewind_all(f);
		break;
	case 14:
		if (more % 3 == 0)
			crash(f);
		break;
	default:
		f->dead.sends = !f->dead.sends;
		break;
	}
}

/* Whatever happens, in any order: everything arrives, in order, and is counted. */
static void
test_lag__any_order(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct fixture *f;
		void *made;
		uint32_t lines;

		assert_int_equal(setup(&made), 0);
		f = made;
		for (unsigned step = 0; step < 60 && f->size < (LINES_MAX - 100) * LINE_BYTES; step++) {
			seed = seed * 1103515245u + 12345u;
			do_something(f, seed >> 16);
		}
		lines = (uint32_t)(f->size / LINE_BYTES);
		read_main(f);
		catch_up(f);
		assert_all_in_order(&f->dead, lines);
		assert_all_in_order(&f->live, lines);
		assert_int_equal(sums_of(f->path.ledger).in_flight, 0);
		assert_int_equal(sums_of(f->path.ledger).dropped, 0);
		assert_int_equal(teardown(&made), 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_lag__what_is_carried_survives_a_crash),
		T(test_lag__begins_within_a_span),
		T(test_lag__waits_for_what_is_carried),
		T(test_lag__takes_back_what_is_carried),
		T(test_lag__what_is_carried_survives_a_reload),
		T(test_lag__a_reload_sets_no_reader_back),
		T(test_lag__parked_again_at_its_end),
		T(test_lag__parked_again_and_killed),
		T(test_lag__does_not_join_what_is_read_again),
		T(test_lag__marks_leave_no_gap),
		T(test_lag__of_an_endpoint_that_is_gone),
		cmocka_unit_test(test_lag__any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

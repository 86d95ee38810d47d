/* SPDX-License-Identifier: Apache-2.0 */
/* The sender and loki.write's outlets, against a server that answers by script. */
#include "flow_fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "../../src/component/loki_write/outlet.h"
#include "longship/base/check.h"
#include "longship/os/http_client.h"

/* ---- The server: one thread a connection ---- */

#define STEPS_MAX 64
enum { CLOSE = -1, HANG = -2 };

struct step { /* of the script; behind its end all is 204 */
	int status;
	const char *headers, *body;
	unsigned delay_ms;
};

struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
	_Atomic bool stop;
	pthread_mutex_t lock;
	struct step steps[STEPS_MAX];
	size_t n_steps, n_requests;
	int64_t at_ns[1024]; /* of each request */
	size_t bytes[1024];
	_Atomic int under_way, most_under_way;
	_Atomic int threads;
};

struct conversation {
	struct server *server;
	int fd;
};

static bool
read_request(struct server *s, int fd, size_t *ret_bytes)
{
	char text[1 << 16];
	size_t have = 0, length = 0, head = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (s->stop)
			return false;
		if (poll(&p, 1, 20) <= 0)
			continue;
		n = read(fd, text + (head > 0 ? 0 : have), sizeof(text) - 1 - (head > 0 ? 0 : have));
		if (n <= 0)
			return false;
		have += (size_t)n;
		if (head == 0) {
			char *end, *field;

			text[have] = '\0';
			end = strstr(text, "\r\n\r\n");
			if (end == NULL)
				continue;
			head = (size_t)(end - text) + 4;
			field = strcasestr(text, "content-length:");
			length = field != NULL ? (size_t)strtoul(field + 15, NULL, 10) : 0;
		}
		if (have >= head + length)
			break;
	}
	*ret_bytes = length;
	return true;
}

static struct step
next_step(struct server *s, size_t bytes)
{
	struct step step = {.status = 204};

	(void)pthread_mutex_lock(&s->lock);
	assert(s->n_requests < ARRAY_LEN(s->at_ns));
	if (s->n_requests < s->n_steps)
		step = s->steps[s->n_requests];
	s->at_ns[s->n_requests] = clock_mono_ns();
	s->bytes[s->n_requests++] = bytes;
	(void)pthread_mutex_unlock(&s->lock);
	return step;
}

static void *
converse(void *ptr)
{
	struct conversation *c = ptr;
	struct server *s = c->server;
	size_t bytes;

	while (read_request(s, c->fd, &bytes)) {
		struct step step = next_step(s, bytes);
		int now = atomic_fetch_add(&s->under_way, 1) + 1;
		char out[2048];
		int n;

		if (now > s->most_under_way)
			s->most_under_way = now;
		(void)usleep(step.delay_ms * 1000);
		atomic_fetch_sub(&s->under_way, 1);
		if (step.status == CLOSE)
			break;
		while (step.status == HANG && !s->stop)
			(void)usleep(5000);
		if (s->stop)
			break;
		n = snprintf(out, sizeof(out), "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", step.status,
			step.headers != NULL ? step.headers : "", step.body != NULL ? strlen(step.body) : 0, step.body != NULL ? step.body : "");
		if (write(c->fd, out, (size_t)n) != n)
			break;
	}
	(void)close(c->fd);
	atomic_fetch_sub(&s->threads, 1);
	mem_free(c);
	return NULL;
}

static void *
serve(void *ptr)
{
	struct server *s = ptr;

	while (!s->stop) {
		struct pollfd p = {.fd = s->fd, .events = POLLIN};
		struct conversation *c;
		pthread_t thread;

		if (poll(&p, 1, 20) <= 0)
			continue;
		c = mem_new(struct conversation);
		c->server = s;
		c->fd = accept(s->fd, NULL, NULL);
		atomic_fetch_add(&s->threads, 1);
		assert(pthread_create(&thread, NULL, converse, c) == 0);
		(void)pthread_detach(thread);
	}
	return NULL;
}

static void
server_start(struct server *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	(void)pthread_mutex_init(&s->lock, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, len) == 0 && listen(s->fd, 64) == 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void
server_stop(struct server *s)
{
	s->stop = true;
	(void)pthread_join(s->thread, NULL);
	(void)close(s->fd);
	wait_until(s->threads == 0);
	(void)pthread_mutex_destroy(&s->lock);
}

static size_t
requests_of(struct server *s)
{
	size_t n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->n_requests;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

/* ---- A writer: a component with one outlet for each lane ---- */

struct fixture {
	struct path path;
	struct server server;
	struct component writer;
	struct destination *destination;
	struct outlet *outlets[LANES_MAX];
	struct outlet_scratch scratch[LANES_MAX];
	struct outlet_options options;
	struct str_map external;
	void *items[1];
	struct ptr_list to;
	_Atomic int freed;
};

static void
write_batch(struct component *c, struct batch *b)
{
	struct fixture *f = c->state;
	struct lane *lane = lane_current();
	uint32_t n = lane_number(lane);

	if (f->outlets[n] == NULL)
		f->outlets[n] = outlet_new(f->destination, lane, &f->options, &f->scratch[n]);
	outlet_add_run(f->outlets[n], b, 0, b->n);
	if (outlet_pressure(f->outlets[n]) != NULL)
		lane_set_pressure(lane, outlet_pressure(f->outlets[n]));
}

static const struct component_type writer_type = {.name = "test.writer", .flags = COMPONENT_CONSUMES, .consume = write_batch};

static int
setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	const struct destination_options options = {.remote_timeout_ns = 300 * NS_PER_MS, .min_backoff_ns = 40 * NS_PER_MS,
		.max_backoff_ns = 80 * NS_PER_MS, .retry_429 = true};
	struct http_target *target;
	char url[64];

	path_init(&f->path, 2, true);
	server_start(&f->server);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/push", f->server.port);
	target = http_target_new(&(struct http_options){.url = url});
	f->destination = destination_new(&f->path.runtime, "test.writer", target, STR("host"), STR("tenant"), &options);
	http_target_unref(target);
	f->writer = (struct component){.magic = COMPONENT_MAGIC, .type = &writer_type, .id = "test.writer", .state = f};
	f->options = (struct outlet_options){.batch_bytes = 900, .batch_wait_ns = 30 * NS_PER_MS, .external_labels = &f->external};
	f->items[0] = &f->writer;
	f->to = (struct ptr_list){.items = f->items, .n = 1};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	lanes_park(f->path.runtime.lanes);
	for (size_t i = 0; i < LANES_MAX; i++) {
		outlet_free(f->outlets[i]);
		outlet_scratch_done(&f->scratch[i]);
	}
	lanes_resume(f->path.runtime.lanes);
	destination_unref(f->destination);
	server_stop(&f->server);
	path_done(&f->path);
	mem_free(f);
	return 0;
}

static void
script(struct fixture *f, const struct step *steps, size_t n)
{
	memcpy(f->server.steps, steps, n * sizeof(*steps));
	f->server.n_steps = n;
}

static struct toy *
start(struct fixture *f, uint64_t lines, uint64_t span_lines)
{
	struct toy *t = toy_new(&f->path, "k", &f->to, lines, span_lines);

	t->freed = &f->freed;
	(void)lanes_add(f->path.runtime.lanes, &t->stream, 0);
	return t;
}

static void
end(struct fixture *f, struct toy *t)
{
	lane_remove(&t->stream);
	wait_until(t->closed == 1);
	stream_unref(&t->stream);
	wait_until(f->freed == 1);
}

static void
test_sender__stores_and_records(void **state)
{
	struct fixture *f = *state;
	struct toy *t = start(f, 1000, 25);
	struct position position;
	struct arena *arena = arena_new(0);

	wait_until(sums_of(f->path.ledger).acknowledged == 1000);
	assert_true(requests_of(&f->server) >= 10);
	wait_until(!progress_pending());
	wait_until(positions_get(f->path.runtime.positions, STR("k"), arena, &position) && position.offset == 1000 * LINE_BYTES);
	wait_until(budget_used() == 0);
	arena_free(arena);
	end(f, t);
}

/* --storage.sync=request: when the first request is seen, its marks are durable; else that takes a second. */
static void
test_sender__syncs_before_it_sends(void **state)
{
	struct fixture *f = *state;
	struct positions_stats stats;
	struct toy *t;

	f->path.runtime.sync_requests = true;
	t = start(f, 1000, 25);
	wait_until(requests_of(&f->server) >= 1);
	positions_stats(f->path.runtime.positions, &stats);
	assert_true(stats.syncs >= 1);
	wait_until(sums_of(f->path.ledger).acknowledged == 1000);
	wait_until(budget_used() == 0);
	end(f, t);
}

/* Of one queue one request at a time, whatever waits. */
static void
test_sender__one_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct step slow[STEPS_MAX];
	struct toy *t;

	for (size_t i = 0; i < STEPS_MAX; i++)
		slow[i] = (struct step){.status = 204, .delay_ms = 5};
	script(f, slow, STEPS_MAX);
	t = start(f, 2000, 100);
	wait_until(sums_of(f->path.ledger).acknowledged == 2000);
	assert_int_equal(f->server.most_under_way, 1);
	end(f, t);
}

static void
test_sender__failures_are_sent_again(void **state)
{
	struct fixture *f = *state;
	struct toy *t;
	size_t first;

	script(f, (struct step[]){{.status = CLOSE}, {.status = 500}, {.status = 503}, {.status = 401}, {.status = HANG}, {.status = 429}}, 6);
	t = start(f, 10, 10);
	wait_until(sums_of(f->path.ledger).acknowledged == 10);
	assert_int_equal(requests_of(&f->server), 7);
	first = f->server.bytes[0];
	for (size_t i = 1; i < 7; i++) {
		assert_int_equal(f->server.bytes[i], first); /* the same bytes */
		assert_true(f->server.at_ns[i] - f->server.at_ns[i - 1] >= 15 * NS_PER_MS); /* at least half the first back-off */
	}
	end(f, t);
}

static void
test_sender__retry_after(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	script(f, (struct step[]){{.status = 429, .headers = "Retry-After: 1\r\n"}}, 1);
	t = start(f, 10, 10);
	wait_until(sums_of(f->path.ledger).acknowledged == 10);
	assert_true(f->server.at_ns[1] - f->server.at_ns[0] >= 990 * NS_PER_MS);
	end(f, t);
}

/* No arithmetic overflows, and a reload need not wait for it. */
static void
test_sender__hostile_retry_after(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	script(f, (struct step[]){{.status = 503, .headers = "Retry-After: 9223372036854775807\r\n"}}, 1);
	t = start(f, 10, 10);
	wait_until(requests_of(&f->server) == 1);
	(void)usleep(100000);
	assert_int_equal(requests_of(&f->server), 1);
	lanes_park(f->path.runtime.lanes);
	lanes_resume(f->path.runtime.lanes);
	wait_until(sums_of(f->path.ledger).acknowledged == 10);
	assert_int_equal(sums_of(f->path.ledger).resent, 10);
	end(f, t);
}

static void
test_sender__refusals_are_counted(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	script(f, (struct step[]){{.status = 400, .body = "entry too far behind total ignored: 3 out of 10"}}, 1);
	t = start(f, 10, 10);
	wait_until(sums_of(f->path.ledger).rejected == 3);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 7);
	end(f, t);
}

/* Too large: its halves go out at once, and later requests are no larger. */
static void
test_sender__too_large_is_halved(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	script(f, (struct step[]){{.status = 413}}, 1);
	t = start(f, 10, 10);
	wait_until(sums_of(f->path.ledger).acknowledged == 10);
	assert_int_equal(requests_of(&f->server), 3);
	assert_true(f->server.bytes[1] < f->server.bytes[0] && f->server.bytes[2] < f->server.bytes[0]);
	assert_true(destination_batch_bytes_max(f->destination) < UINT64_MAX);
	end(f, t);
	assert_int_equal(budget_used(), 0);
}

/* A single entry that is too large is refused, the others are not. */
static void
test_sender__bisects_to_the_one(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	/* 8 lines: 8, 4 (4 good), 2 (2 good), 1 bad, 1 good. */
	script(f, (struct step[]){{.status = 413}, {.status = 413}, {.status = 413}, {.status = 413}}, 4);
	t = start(f, 8, 8);
	wait_until(sums_of(f->path.ledger).acknowledged + sums_of(f->path.ledger).rejected == 8);
	assert_int_equal(sums_of(f->path.ledger).rejected, 1);
	assert_int_equal(requests_of(&f->server), 7);
	end(f, t);
}

/* An entry that is no line of the source is taken apart with the others, and counts for none. */
static void
test_sender__halves_with_what_is_no_line(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	script(f, (struct step[]){{.status = 413}, {.status = 413}, {.status = 413}, {.status = 413}}, 4);
	t = toy_new(&f->path, "k", &f->to, 7, 7);
	t->freed = &f->freed;
	t->announces = true;
	(void)lanes_add(f->path.runtime.lanes, &t->stream, 0);
	wait_until(sums_of(f->path.ledger).acknowledged + sums_of(f->path.ledger).rejected == 7);
	/* The first one is refused: what was announced. */
	assert_int_equal(sums_of(f->path.ledger).rejected, 0);
	assert_int_equal(requests_of(&f->server), 7);
	end(f, t);
}

/* Two time-outs in a row: the halves go out, with twice the time; what may be stored already is counted as sent again. */
static void
test_sender__late_answers(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	script(f, (struct step[]){{.status = HANG}, {.status = HANG}, {.status = 204, .delay_ms = 400}}, 3);
	t = start(f, 10, 10);
	wait_until(sums_of(f->path.ledger).acknowledged == 10);
	assert_int_equal(requests_of(&f->server), 4);
	assert_int_equal(f->server.bytes[1], f->server.bytes[0]);
	assert_true(f->server.bytes[2] < f->server.bytes[0]);
	assert_int_equal(f->path.ledger->resent, 20);
	end(f, t);
}

/* A limit of the stream: what was not stored comes again, the rest does not. */
static void
test_sender__stream_again(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	script(f, (struct step[]){{.status = 429, .headers = "Retry-After: 1\r\n", .body = "user 'fake', total ignored: 10 out of 10 for stream: {toy=\"k\"}"}}, 1);
	t = start(f, 10, 10);
	wait_until(sums_of(f->path.ledger).acknowledged == 10);
	assert_int_equal(requests_of(&f->server), 2);
	assert_int_equal(f->server.bytes[1], f->server.bytes[0]);
	assert_true(f->server.at_ns[1] - f->server.at_ns[0] >= NS_PER_S);
	end(f, t);
}

/* While nothing is taken, no more than two requests and one open batch are made for a queue. */
static void
test_sender__pressure(void **state)
{
	struct fixture *f = *state;
	struct step down[STEPS_MAX];
	struct toy *t;

	for (size_t i = 0; i < STEPS_MAX; i++)
		down[i] = (struct step){.status = 503};
	script(f, down, STEPS_MAX);
	t = start(f, 100000, 50);
	wait_until(requests_of(&f->server) >= 3);
	assert_true(sums_of(f->path.ledger).read <= 500);
	(void)usleep(100000);
	assert_true(sums_of(f->path.ledger).read <= 500);
	t->size = 0;
	lanes_park(f->path.runtime.lanes);
	lanes_resume(f->path.runtime.lanes);
	end(f, t);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 0);
}

/* Park sends what is open while that works: nothing is repeated. */
static void
test_sender__quiesce_sends_what_it_can(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	f->options.batch_wait_ns = 3600 * NS_PER_S;
	f->options.batch_bytes = 1 << 20;
	t = start(f, 100, 100);
	wait_until(sums_of(f->path.ledger).in_flight == 100);
	lanes_park(f->path.runtime.lanes);
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 100);
	lanes_resume(f->path.runtime.lanes);
	assert_int_equal(requests_of(&f->server), 1);
	end(f, t);
}

static void
test_sender__drain(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	f->options.batch_wait_ns = 3600 * NS_PER_S;
	t = start(f, 50, 50);
	wait_until(sums_of(f->path.ledger).in_flight == 50);
	lanes_drain(f->path.runtime.lanes);
	assert_true(sender_drain(f->path.runtime.sender, PATIENCE_NS));
	assert_int_equal(sums_of(f->path.ledger).acknowledged, 50);
	lanes_park(f->path.runtime.lanes);
	lanes_evict(f->path.runtime.lanes, &t->stream);
	lanes_resume(f->path.runtime.lanes);
	stream_unref(&t->stream);
}

/* When the drain's time is over nothing goes out again, not even while the lanes are parked for the end. */
static void
test_sender__drain_cut_off(void **state)
{
	struct fixture *f = *state;
	struct toy *t;
	size_t requests;
	int64_t before;

	script(f, (struct step[]){{.status = HANG}, {.status = HANG}, {.status = HANG}, {.status = HANG}}, 4);
	t = start(f, 10, 10);
	wait_until(requests_of(&f->server) >= 1);
	lanes_drain(f->path.runtime.lanes);
	before = clock_mono_ns();
	assert_false(sender_drain(f->path.runtime.sender, 20 * NS_PER_MS));
	(void)usleep(10000);
	requests = requests_of(&f->server);
	lanes_park(f->path.runtime.lanes);
	assert_true(clock_mono_ns() - before < 2 * NS_PER_S);
	assert_int_equal(requests_of(&f->server), requests);
	assert_int_equal(sums_of(f->path.ledger).in_flight, 10);
	lanes_evict(f->path.runtime.lanes, &t->stream);
	lanes_resume(f->path.runtime.lanes);
	stream_unref(&t->stream);
}

/* What fits goes out together, and a quiet outlet holds nothing. */
static void
test_outlet__one_batch(void **state)
{
	struct fixture *f = *state;
	struct toy *t;

	f->options.batch_bytes = 9 * 1000000;
	t = start(f, 2000, 2000);
	wait_until(sums_of(f->path.ledger).acknowledged == 2000);
	wait_until(budget_used() == 0);
	assert_int_equal(requests_of(&f->server), 1);
	end(f, t);
}

/* They would make Loki refuse what else is in the push. */
static void
test_outlet__labels_that_loki_cannot_read(void **state)
{
	struct fixture *f = *state;
	struct str_pair bad = {STR("not-a-name"), STR("v")};
	struct toy *t;

	f->external = (struct str_map){&bad, 1};
	t = start(f, 20, 20);
	wait_until(sums_of(f->path.ledger).rejected == 20);
	assert_string_equal(f->path.ledger->reasons[0].name, "invalid_labels");
	assert_int_equal(requests_of(&f->server), 0);
	wait_until(budget_used() == 0);
	end(f, t);
}

static void
test_sender__alive(void **state)
{
	struct fixture *f = *state;

	(void)sender_alive(f->path.runtime.sender);
	(void)usleep(50000);
	assert_true(sender_alive(f->path.runtime.sender));
}

/* ---- An endpoint that takes connections, and never answers ---- */

struct silent {
	int fd;
	struct destination *destination;
	struct send_queue *queue;
};

static void
silent_start(struct fixture *f, struct silent *s)
{
	const struct destination_options options = {.remote_timeout_ns = 60 * NS_PER_S, .min_backoff_ns = 40 * NS_PER_MS,
		.max_backoff_ns = 80 * NS_PER_MS};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	struct http_target *target;
	char url[64];

	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, len) == 0 && listen(s->fd, 64) == 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/push", ntohs(at.sin_port));
	target = http_target_new(&(struct http_options){.url = url});
	s->destination = destination_new(&f->path.runtime, "test.writer", target, STR("silent"), STR("tenant"), &options);
	http_target_unref(target);
	s->queue = send_queue_new(s->destination, 1);
}

/* Its connections are reset; what is queued for it is given up. */
static void
silent_stop(struct fixture *f, struct silent *s)
{
	(void)close(s->fd);
	lanes_park(f->path.runtime.lanes);
	send_queue_free(s->queue);
	lanes_resume(f->path.runtime.lanes);
	destination_unref(s->destination);
}

static void
submit(struct send_queue *q, uint64_t source_bytes)
{
	struct request *r = request_new(memcpy(mem_alloc(1), "x", 1), 1, NULL, 0, NULL, 0);

	r->source_bytes = source_bytes;
	sender_submit(q, r);
}

/* It is known to give no answer before anything waits for it: it is parked when something does, and not at its time-out. */
static void
test_sender__parks_when_the_queue_fills_late(void **state)
{
	struct fixture *f = *state;
	struct silent silent;
	struct send_queue *live = send_queue_new(f->destination, 1);
	int64_t begin;

	silent_start(f, &silent);
	submit(live, 1);
	wait_until(send_queue_len(live) == 0);
	begin = clock_mono_ns();
	submit(silent.queue, 1);
	wait_until(clock_mono_ns() - begin > 2500 * NS_PER_MS);
	assert_true(destination_is_open(silent.destination));
	submit(silent.queue, 1);
	wait_until(!destination_is_open(silent.destination));
	silent_stop(f, &silent);
	lanes_park(f->path.runtime.lanes);
	send_queue_free(live);
	lanes_resume(f->path.runtime.lanes);
}

/* While memory is scarce a destination that takes nothing makes room at once, not when its queue is full: lanes read nothing that could fill it. */
static void
test_sender__scarce_memory_parks_what_is_stuck(void **state)
{
	struct fixture *f = *state;
	struct silent silent;
	struct send_queue *live = send_queue_new(f->destination, 1);
	uint64_t bytes = budget_limit() / 10 * 9;
	int64_t begin = clock_mono_ns();

	silent_start(f, &silent);
	submit(live, 1);
	wait_until(send_queue_len(live) == 0);
	submit(silent.queue, 1);
	wait_until(clock_mono_ns() - begin > 2500 * NS_PER_MS);
	assert_true(destination_is_open(silent.destination));
	budget_take(bytes);
	sender_wake(f->path.runtime.sender);
	wait_until(!destination_is_open(silent.destination));
	budget_give(bytes);
	silent_stop(f, &silent);
	lanes_park(f->path.runtime.lanes);
	send_queue_free(live);
	lanes_resume(f->path.runtime.lanes);
}

/* With half of the memory in use a destination that holds more than its share of it gets no second request; one that holds little does. */
static void
test_sender__a_queue_is_full_at_its_share(void **state)
{
	struct fixture *f = *state;
	struct silent greedy, modest;
	uint64_t bytes = budget_limit() / 8 * 5;

	silent_start(f, &greedy);
	silent_start(f, &modest);
	submit(greedy.queue, 1);
	submit(modest.queue, 1);
	destination_take_bytes(greedy.destination, bytes);
	assert_false(send_queue_full(greedy.queue));
	budget_take(bytes);
	assert_true(send_queue_full(greedy.queue));
	assert_false(send_queue_full(modest.queue));
	budget_give(bytes);
	assert_false(send_queue_full(greedy.queue));
	destination_give_bytes(greedy.destination, bytes);
	/* Lanes are parked for one of them, and wait for what is on the wire of both. */
	(void)close(modest.fd);
	modest.fd = -1;
	silent_stop(f, &greedy);
	silent_stop(f, &modest);
}

/* A destination that is refused waits where it is alone; but not where lines behind its own may be another's. */
static void
test_sender__parks_alone_where_tenants_vary(void **state)
{
	struct fixture *f = *state;
	struct send_queue *q = send_queue_new(f->destination, 1);
	struct step refused[STEPS_MAX];

	for (size_t i = 0; i < STEPS_MAX; i++)
		refused[i] = (struct step){.status = 429, .delay_ms = 20};
	script(f, refused, STEPS_MAX);
	submit(q, 1);
	submit(q, 1);
	wait_until(requests_of(&f->server) > 0 && clock_mono_ns() - f->server.at_ns[0] > 1300 * NS_PER_MS);
	assert_true(destination_is_open(f->destination));
	destination_expect_others();
	wait_until(!destination_is_open(f->destination));
	lanes_park(f->path.runtime.lanes);
	send_queue_free(q);
	lanes_resume(f->path.runtime.lanes);
}

/* What gets no answer fills the sent window until its time-out: others go on. */
static void
test_sender__silence_does_not_fill_the_window(void **state)
{
	struct fixture *f = *state;
	struct silent silent;
	struct send_queue *live = send_queue_new(f->destination, 1);

	silent_start(f, &silent);
	submit(silent.queue, SENT_WINDOW_BYTES);
	wait_until(poll(&(struct pollfd){.fd = silent.fd, .events = POLLIN}, 1, 0) == 1); /* it is on the wire */
	for (size_t i = 0; i < 3; i++)
		submit(live, 1000);
	wait_until(send_queue_len(live) == 0);
	assert_int_equal(send_queue_len(silent.queue), 1);
	silent_stop(f, &silent);
	lanes_park(f->path.runtime.lanes);
	send_queue_free(live);
	lanes_resume(f->path.runtime.lanes);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_sender__stores_and_records),
		T(test_sender__syncs_before_it_sends),
		T(test_sender__one_at_a_time),
		T(test_sender__failures_are_sent_again),
		T(test_sender__retry_after),
		T(test_sender__hostile_retry_after),
		T(test_sender__refusals_are_counted),
		T(test_sender__too_large_is_halved),
		T(test_sender__bisects_to_the_one),
		T(test_sender__halves_with_what_is_no_line),
		T(test_sender__late_answers),
		T(test_sender__stream_again),
		T(test_sender__pressure),
		T(test_sender__quiesce_sends_what_it_can),
		T(test_sender__drain),
		T(test_sender__drain_cut_off),
		T(test_sender__alive),
		T(test_sender__parks_when_the_queue_fills_late),
		T(test_sender__silence_does_not_fill_the_window),
		T(test_sender__scarce_memory_parks_what_is_stuck),
		T(test_sender__a_queue_is_full_at_its_share),
		T(test_outlet__one_batch),
		T(test_outlet__labels_that_loki_cannot_read),
		T(test_sender__parks_alone_where_tenants_vary), /* changes the process: the last one */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

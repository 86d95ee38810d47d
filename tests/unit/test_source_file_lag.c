/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of which one destination has yet to get something while they are rotated: the second reader of a tail. The destination is parked
 * and opened by the test; what its readers have for it is held like what the other receiver gets, which gets that, too.
 */
#include "../../src/flow/sender_priv.h"
#include "longship/flow/lag.h"
#include "longship/os/http_client.h"
#include "source_file_fixture.h"

struct lagging {
	struct sink sink; /* what it was given */
	struct component component;
	struct destination *destination;
	struct send_queue *queue;
	void *receivers[2];
};

static struct lagging lagging;

static void
lagging_consume(struct component *c, struct batch *b)
{
	(void)c;
	for (size_t i = 0; i < b->n; i++) {
		struct held h = {.receipt = b->receipt, .line = b->origin[i].line, .ts = b->ts[i]};

		if (!lag_is_plain(lagging.destination, b) && lag_diverts(lagging.queue, b, i))
			continue;
		memcpy(h.text, b->line[i].s, b->line[i].len < sizeof(h.text) ? b->line[i].len : sizeof(h.text) - 1);
		receipt_ref(b->receipt);
		(void)pthread_mutex_lock(&lagging.sink.lock);
		vec_push(&lagging.sink.held, h);
		(void)pthread_mutex_unlock(&lagging.sink.lock);
	}
}

static const struct component_type lagging_type = {.name = "test.lagging", .flags = COMPONENT_CONSUMES, .consume = lagging_consume};

static int
setup_lagging(void **state)
{
	const struct destination_options options = {.remote_timeout_ns = NS_PER_S, .min_backoff_ns = NS_PER_S, .max_backoff_ns = NS_PER_S};
	struct http_target *target = http_target_new(&(struct http_options){.url = "http://127.0.0.1:1/lagging"});
	struct file_test *f;

	assert_int_equal(setup(state), 0);
	f = *state;
	lanes_park(f->path.runtime.lanes);
	f->path.runtime.sender = sender_new(&f->path.runtime);
	lanes_resume(f->path.runtime.lanes);
	sender_quiesce(f->path.runtime.sender); /* it opens nothing that the test has parked */
	sink_init(&lagging.sink, SINK_HOLD);
	lagging.component = (struct component){.magic = COMPONENT_MAGIC, .type = &lagging_type, .id = "test.lagging"};
	lagging.destination = destination_new(&f->path.runtime, "test.lagging", target, STR("host"), STR("tenant"), &options);
	lagging.queue = send_queue_new(lagging.destination, 0);
	http_target_unref(target);
	return 0;
}

static int
teardown_lagging(void **state)
{
	struct file_test *f = *state;

	sink_release_all(&lagging.sink, true);
	stop(f);
	send_queue_free(lagging.queue);
	destination_unref(lagging.destination);
	sender_resume(f->path.runtime.sender);
	assert_int_equal(teardown(state), 0);
	sink_done(&lagging.sink);
	return 0;
}

static void
follow_log(struct file_test *f)
{
	set_targets(f, 1, (const char *const[]){"a.log"}, NULL);
	lagging.receivers[0] = &f->sink.component;
	lagging.receivers[1] = &lagging.component;
	*(struct ptr_list *)arg(f, "forward_to") = (struct ptr_list){lagging.receivers, 2};
}

static void
park(struct file_test *f, bool parked)
{
	destination_set_state(lagging.destination, parked ? DESTINATION_PARKED : DESTINATION_OPEN);
	lanes_kick(f->path.runtime.lanes);
}

static void
settle_both(struct file_test *f)
{
	sink_release_all(&lagging.sink, false);
	settle(f);
}

static void
command(struct file_test *f, const char *text)
{
	char line[512], dir[128];

	(void)snprintf(line, sizeof(line), "cd %s && %s", in_dir(f, "", dir), text);
	assert_int_equal(system(line), 0);
}

/* What it was given, as "one two three ". */
static const char *
given(char *out, size_t bytes)
{
	out[0] = '\0';
	(void)pthread_mutex_lock(&lagging.sink.lock);
	for (size_t i = 0; i < lagging.sink.held.len; i++)
		(void)snprintf(out + strlen(out), bytes - strlen(out), "%s ", lagging.sink.held.items[i].text);
	(void)pthread_mutex_unlock(&lagging.sink.lock);
	return out;
}

static uint64_t
abandoned(struct file_test *f)
{
	return atomic_load(&metric_get(f->path.runtime.metrics, METRIC_COUNTER, "longship_source_abandoned_bytes_total", "", f->node.component.id,
		"reason", "lagging_destination", NULL)->count);
}

static void
expect_given(struct file_test *f, const char *all)
{
	char text[256];
	int64_t until = clock_mono_ns() + PATIENCE_NS;

	while (strcmp(given(text, sizeof(text)), all) != 0 && abandoned(f) == 0 && clock_mono_ns() < until) {
		turn(f);
		settle_both(f); /* a later generation waits for it */
	}
	assert_string_equal(text, all);
	assert_int_equal(abandoned(f), 0);
}

/* It gets "zero"; the rest is left to a lag. */
static void
begin_to_lag(struct file_test *f)
{
	append(f, "a.log", "zero\n");
	follow_log(f);
	begin(f);
	turn_until(seen(f, "zero") > 0 && sink_count(&lagging.sink) == 1);
	settle_both(f);
	park(f, true);
	append(f, "a.log", "one\ntwo\n");
	turn_until(seen(f, "two") > 0);
	settle_both(f);
}

/* logrotate has compressed the generation before the destination had all of it. */
static void
test_source_file_lag__compressed_while_down(void **state)
{
	struct file_test *f = *state;

	begin_to_lag(f);
	stop(f);
	command(f, "sleep 0.02; mv a.log a.log.1 && gzip a.log.1 && echo three >a.log");
	begin(f);
	turn_until(seen(f, "three") > 0);
	park(f, false);
	expect_given(f, "zero one two three ");
}

/* The main tail sees first that the file was emptied, and waits for the copy. */
static void
test_source_file_lag__copytruncate(void **state)
{
	struct file_test *f = *state;

	begin_to_lag(f);
	command(f, "cp a.log a.log.1 && : >a.log && echo three >>a.log");
	turn_until(seen(f, "three") > 0);
	park(f, false);
	expect_given(f, "zero one two three ");
}

/* The reader sees it first: nobody has looked at the file since. */
static void
test_source_file_lag__copytruncate_seen_by_the_reader(void **state)
{
	struct file_test *f = *state;

	begin_to_lag(f);
	command(f, "cp a.log a.log.1 && : >a.log");
	park(f, false);
	expect_given(f, "zero one two ");
}

/* The same, and the copy was compressed before anybody has looked. */
static void
test_source_file_lag__copytruncate_and_compress(void **state)
{
	struct file_test *f = *state;

	begin_to_lag(f);
	command(f, "cp a.log a.log.1 && : >a.log && gzip a.log.1 && echo three >>a.log");
	park(f, false);
	expect_given(f, "zero one two three ");
}

/* Both run while nobody can answer yet. */
static void
test_source_file_lag__waits_for_the_answer(void **state)
{
	struct file_test *f = *state;
	int64_t until;

	begin_to_lag(f);
	lanes_park(f->path.runtime.lanes);
	command(f, "cp a.log a.log.1 && : >a.log && echo three >>a.log");
	park(f, false);
	lanes_resume(f->path.runtime.lanes);
	until = clock_mono_ns() + 300 * NS_PER_MS; /* longer than a reader waits until it looks again */
	while (clock_mono_ns() < until && abandoned(f) == 0)
		(void)usleep(1000);
	expect_given(f, "zero one two three ");
}

/* There is no copy: what it had yet to get is counted, and what comes then goes on. */
static void
test_source_file_lag__emptied_without_a_copy(void **state)
{
	struct file_test *f = *state;
	char text[256];

	begin_to_lag(f);
	command(f, ": >a.log && echo three >>a.log");
	park(f, false);
	turn_until((settle_both(f), strcmp(given(text, sizeof(text)), "zero three ") == 0));
	assert_int_equal(abandoned(f), strlen("one\ntwo\n"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_lagging, teardown_lagging)
	const struct CMUnitTest tests[] = {
		T(test_source_file_lag__compressed_while_down),
		T(test_source_file_lag__copytruncate),
		T(test_source_file_lag__copytruncate_seen_by_the_reader),
		T(test_source_file_lag__copytruncate_and_compress),
		T(test_source_file_lag__waits_for_the_answer),
		T(test_source_file_lag__emptied_without_a_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loki.source.file against a model: by a seed, files are written, rotated, emptied and deleted, receivers settle spans in any order,
 * positions are saved or not, the component stops, crashes and starts. The model knows of each line whether it may come, and in the
 * end that each has come.
 *
 * What it holds longship to: the lines of a path come for the first time in order, none is unknown; a line that has come comes again
 * only after a stop or crash, and never when a saved position is behind it; in the end all lines have settled, and a start reads nothing
 * again.
 *
 * SEED=n runs that one.
 */
#include "flow_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "../../src/flow/graph_priv.h"
#include "longship/base/check.h"
#include "longship/flow/watcher.h"
#include "longship/os/file.h"
#include "longship/os/loop.h"

extern const struct component_type loki_source_file;

#define PATHS	  3
#define LINES_MAX 20000 /* of a path */
#define STEPS	  1000
#define TICK_US	  5000
#define TEXT	  "%c%07zu" /* path, number */

struct line {
	unsigned generation; /* of the file in which it stands */
	unsigned epoch;      /* in which it came last; 0: never */
	bool settled;        /* since it came last */
	bool saved;          /* the store has a position behind it */
};

struct model { /* of a path */
	char name;
	struct line *lines;
	size_t written;      /* whole lines */
	size_t first_new;    /* no line from here on has come yet */
	unsigned epoch;      /* counts stops and crashes: each line that is not saved comes once in each */
	unsigned generation; /* of fd */
	int fd;              /* the writer's; it may be of an earlier generation */
	bool half, stale;    /* the next line is half written; fd is not what the path names */
	unsigned rotations;
};

struct world {
	struct path path;
	struct component sink;
	void *items[1];
	struct graph_node node;
	void *args;
	struct str_pair labels[PATHS][1];
	struct target targets[PATHS];
	char names[PATHS][128];
	bool running;

	pthread_mutex_t lock; /* the rest */
	struct model models[PATHS];
	VEC(struct entry {
		struct receipt *receipt; /* one reference; NULL: released */
		unsigned path;
		size_t line;
	}) held;
	bool ending;     /* what comes now is given up at once */
	char wrong[256]; /* the first thing that was */

	uint64_t dice;
	unsigned step;
};

static uint64_t
roll(struct world *w, uint64_t sides)
{
	w->dice ^= w->dice << 13;
	w->dice ^= w->dice >> 7;
	w->dice ^= w->dice << 17;
	return w->dice % sides;
}

/* ---- The model ---- */

static void
wrong(struct world *w, const char *what, const struct model *m, size_t line)
{
	if (w->wrong[0] == '\0')
		(void)snprintf(w->wrong, sizeof(w->wrong), "step %u: %s: line %zu of %c (written %zu, came up to %zu)", w->step, what, line,
			m->name, m->written, m->first_new);
}

/* Lock held. */
static void
arrive(struct world *w, unsigned p, size_t line)
{
	struct model *m = &w->models[p];

	if (line >= m->written + 1) /* the writer counts a line when it has written it */
		wrong(w, "was never written", m, line);
	else if (line > m->first_new)
		wrong(w, "comes before an earlier one", m, line);
	else if (line < m->first_new && m->lines[line].epoch == m->epoch)
		wrong(w, "comes twice", m, line);
	else if (m->lines[line].saved)
		wrong(w, "was saved and comes again", m, line);
	if (w->wrong[0] != '\0')
		return;
	m->lines[line].epoch = m->epoch;
	if (line == m->first_new)
		m->first_new++;
}

static void
consume(struct component *c, struct batch *b)
{
	struct world *w = c->state;

	(void)pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < b->n; i++) {
		struct entry e = {.receipt = b->receipt};
		char text[16] = "", name;

		if (b->line[i].len < sizeof(text))
			memcpy(text, b->line[i].s, b->line[i].len);
		e.path = (unsigned)(text[0] - 'a');
		if (b->line[i].len != 8 || sscanf(text, "%c%zu", &name, &e.line) != 2 || e.path >= PATHS) {
			(void)snprintf(w->wrong, sizeof(w->wrong), "step %u: not a line that was written: %.*s", w->step, STR_FMT(str_head(b->line[i], 40)));
			continue;
		}
		arrive(w, e.path, e.line);
		if (w->ending) {
			atomic_store(&b->receipt->discarded, true);
		} else {
			receipt_ref(b->receipt);
			vec_push(&w->held, e);
		}
	}
	(void)pthread_mutex_unlock(&w->lock);
	batch_compact(b);
}

static const struct component_type sink_of_model = {.name = "test.sink", .flags = COMPONENT_CONSUMES, .consume = consume};

/* A position moves over what has settled, in each generation by itself. Lock held. */
static void
note_saved(struct model *m)
{
	bool gap = false;

	for (size_t i = 0; i < m->first_new; i++) {
		gap = (gap && m->lines[i].generation == m->lines[i - 1].generation) || !m->lines[i].settled;
		m->lines[i].saved = m->lines[i].saved || !gap;
	}
}

/* Lock held. */
static bool
has_come(const struct model *m, size_t line)
{
	return line < m->first_new && (m->lines[line].saved || m->lines[line].epoch == m->epoch);
}

/* Whether all lines have come; else *ret_model and *ret_line are one that has not. */
static bool
all_came(struct world *w, const struct model **ret_model, size_t *ret_line)
{
	bool all = true;

	(void)pthread_mutex_lock(&w->lock);
	for (unsigned p = 0; p < PATHS; p++) {
		for (size_t i = 0; all && i < w->models[p].written; i++) {
			all = has_come(&w->models[p], i);
			*ret_model = &w->models[p];
			*ret_line = i;
		}
	}
	all = all || w->wrong[0] != '\0';
	(void)pthread_mutex_unlock(&w->lock);
	return all;
}

/* ---- The world ---- */

/* Of the component, or squashed into its arguments. */
static void *
arg(struct world *w, const char *name)
{
	const struct arg_spec *spec = loki_source_file.args;
	size_t base = 0;

	while (spec->name == NULL || strcmp(spec->name, name) != 0) {
		if (spec->kind == ARG_SQUASH) {
			base = spec->offset;
			spec = spec->sub;
		} else {
			spec++;
		}
	}
	return (char *)w->args + base + spec->offset;
}

static const char *
path_of_model(struct world *w, const struct model *m, const char *suffix)
{
	static char out[2][160];
	static unsigned turn;

	turn ^= 1;
	(void)snprintf(out[turn], sizeof(out[turn]), "%s/logs/%c%s", w->path.dir, m->name, suffix);
	return out[turn];
}

static void
turns(struct world *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		(void)loop_turn(w->path.runtime.loop, NS_PER_MS);
}

static void
begin(struct world *w)
{
	assert_int_equal(loki_source_file.start(&w->node.component, w->args), 0);
	w->running = true;
}

/* Whether the lane has handed on the whole span: it holds no reference any more. Lock held. */
static bool
is_whole(struct world *w, const struct receipt *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->held.len; i++)
		n += w->held.items[i].receipt == r;
	return atomic_load(&((struct receipt *)(uintptr_t)r)->refs) == n;
}

/* Settles the lines of one span, or gives them up. Whole spans, so that positions are where the model has them. */
static void
release(struct world *w, struct receipt *r, bool discard)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&w->lock);
	if (discard)
		atomic_store(&r->discarded, true);
	else if (!is_whole(w, r))
		r = NULL;
	for (size_t i = 0; r != NULL && i < w->held.len; i++) {
		struct entry *e = &w->held.items[i];

		if (e->receipt != r)
			continue;
		w->models[e->path].lines[e->line].settled = !discard;
		e->receipt = NULL;
		n++;
	}
	while (w->held.len > 0 && w->held.items[w->held.len - 1].receipt == NULL)
		w->held.len--;
	(void)pthread_mutex_unlock(&w->lock);
	while (n-- > 0)
		receipt_unref(r);
}

static struct receipt *
held_at(struct world *w, size_t i)
{
	struct receipt *r;

	(void)pthread_mutex_lock(&w->lock);
	r = i < w->held.len ? w->held.items[i].receipt : NULL;
	(void)pthread_mutex_unlock(&w->lock);
	return r;
}

static size_t
n_held(struct world *w)
{
	size_t n;

	(void)pthread_mutex_lock(&w->lock);
	n = w->held.len;
	(void)pthread_mutex_unlock(&w->lock);
	return n;
}

static void
release_all(struct world *w, bool discard)
{
	for (size_t i = 0; i < n_held(w); i++) {
		struct receipt *r = held_at(w, i);

		if (r != NULL)
			release(w, r, discard);
	}
}

static void
settle_some(struct world *w)
{
	size_t n = n_held(w);
	struct receipt *r = n > 0 ? held_at(w, roll(w, n)) : NULL;

	if (r != NULL)
		release(w, r, false);
}

/* When all has come. */
static void
settle_everything(struct world *w)
{
	int64_t until = clock_mono_ns() + PATIENCE_NS;

	do
		release_all(w, false);
	while (n_held(w) > 0 && clock_mono_ns() < until);
}

static void
save(struct world *w)
{
	(void)progress_write(w->path.runtime.positions, NULL, 0);
	(void)pthread_mutex_lock(&w->lock);
	for (unsigned p = 0; p < PATHS; p++)
		note_saved(&w->models[p]);
	(void)pthread_mutex_unlock(&w->lock);
}

static void
end(struct world *w)
{
	(void)pthread_mutex_lock(&w->lock);
	w->ending = true;
	(void)pthread_mutex_unlock(&w->lock);
	release_all(w, true);
	loki_source_file.stop(&w->node.component);
	w->ending = false;
	while (loop_turn(w->path.runtime.loop, 0) > 0)
		;
	memset(w->node.component.state, 0, loki_source_file.state_size);
	w->running = false;
	for (unsigned p = 0; p < PATHS; p++) {
		struct model *m = &w->models[p];

		m->epoch++;
		for (size_t i = 0; i < m->first_new; i++)
			m->lines[i].settled = m->lines[i].saved;
	}
}

static void
stop(struct world *w)
{
	save(w);
	end(w);
	(void)progress_write(w->path.runtime.positions, NULL, 0);
}

/* The store as the disk has it now is what the next start finds. */
static void
crash(struct world *w)
{
	char store[128], copy[160], command[400];
	struct positions_report report;
	int pid;

	(void)snprintf(store, sizeof(store), "%s/positions.db", w->path.dir);
	(void)snprintf(copy, sizeof(copy), "%s.copy", store);
	(void)snprintf(command, sizeof(command), "cp %s %s", store, copy);
	assert_int_equal(system(command), 0);
	end(w);
	(void)progress_write(w->path.runtime.positions, NULL, 0);
	positions_close(w->path.runtime.positions);
	assert_int_equal(rename(copy, store), 0);
	assert_int_equal(positions_open(w->path.dir, &w->path.runtime.positions, &report, &pid), 0);
}

/* ---- What happens to files ---- */

static void
put(struct model *m, const char *text, size_t len)
{
	assert_int_equal(write(m->fd, text, len), (ssize_t)len);
}

static void
write_lines(struct world *w, struct model *m, size_t n, bool half)
{
	for (size_t i = 0; i < n && m->written < LINES_MAX - 1; i++) {
		char text[16];
		int len = snprintf(text, sizeof(text), TEXT "\n", m->name, m->written);
		int from = m->half ? 4 : 0;

		put(m, text + from, (size_t)(len - from));
		m->half = false;
		(void)pthread_mutex_lock(&w->lock);
		m->lines[m->written++].generation = m->generation;
		(void)pthread_mutex_unlock(&w->lock);
	}
	if (half && !m->half) {
		char text[16];

		(void)snprintf(text, sizeof(text), TEXT, m->name, m->written);
		put(m, text, 4);
		m->half = true;
	}
}

static void
open_again(struct world *w, struct model *m)
{
	if (m->half)
		write_lines(w, m, 1, false);
	if (m->fd >= 0)
		(void)close(m->fd);
	/* Generations are told apart by their birth, which has the resolution of the kernel's tick. */
	if (access(path_of_model(w, m, ""), F_OK) < 0) {
		(void)usleep(TICK_US);
		m->generation++;
	}
	m->fd = open(path_of_model(w, m, ""), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(m->fd >= 0);
	m->stale = false;
}

/* The writer goes on in the renamed file until it opens the path again. A path that the store does not know yet has no past. */
static void
rotate(struct world *w, struct model *m)
{
	char suffix[16];

	if (m->stale)
		open_again(w, m);
	if (!m->lines[0].saved)
		return;
	/* As by logrotate's dateext: files of one tick of the clock are put in order by name. */
	(void)snprintf(suffix, sizeof(suffix), "-2026%04u", ++m->rotations);
	assert_int_equal(rename(path_of_model(w, m, ""), path_of_model(w, m, suffix)), 0);
	m->stale = true;
	if (roll(w, 2) == 0)
		open_again(w, m);
}

static bool
is_quiet(struct world *w)
{
	int64_t until = clock_mono_ns() + PATIENCE_NS;
	const struct model *m;
	size_t line;

	if (!w->running)
		return false;
	while (!all_came(w, &m, &line) && clock_mono_ns() < until)
		turns(w, 1);
	if (!all_came(w, &m, &line))
		wrong(w, "does not come", m, line);
	return w->wrong[0] == '\0';
}

/* Only what has settled may go; half a line would be lost with it. */
static bool
may_go(struct world *w, struct model *m)
{
	if (m->stale)
		open_again(w, m);
	if (m->half)
		write_lines(w, m, 1, false);
	if (!is_quiet(w))
		return false;
	settle_everything(w);
	save(w);
	return true;
}

static void
empty(struct world *w, struct model *m)
{
	if (!may_go(w, m))
		return;
	assert_int_equal(truncate(path_of_model(w, m, ""), 0), 0);
	m->generation++;
	write_lines(w, m, 1, false);
}

static void
delete(struct world *w, struct model *m)
{
	if (!may_go(w, m))
		return;
	assert_int_equal(unlink(path_of_model(w, m, "")), 0);
	open_again(w, m);
}

static void
act(struct world *w)
{
	struct model *m = &w->models[roll(w, PATHS)];
	uint64_t what = roll(w, 100);

	if (what < 35) {
		if (m->stale && roll(w, 2) == 0)
			open_again(w, m);
		write_lines(w, m, roll(w, 10) == 0 ? roll(w, 300) : roll(w, 4), roll(w, 8) == 0);
	} else if (what < 50) {
		rotate(w, m);
	} else if (what < 52) {
		empty(w, m);
	} else if (what < 54) {
		delete(w, m);
	} else if (!w->running) {
		if (what < 70)
			begin(w);
	} else if (what < 70) {
		turns(w, (unsigned)roll(w, 5));
	} else if (what < 85) {
		settle_some(w);
	} else if (what < 88) {
		release_all(w, false);
	} else if (what < 95) {
		save(w);
	} else if (what < 97) {
		stop(w);
	} else if (what < 99) {
		crash(w);
	}
}

/* ---- All of it ---- */

static void
make_world(struct world *w, uint64_t seed)
{
	char logs[128];
	struct target_list *list;

	*w = (struct world){.dice = seed * UINT64_C(0x9E3779B97F4A7C15) + 1};
	(void)pthread_mutex_init(&w->lock, NULL);
	path_init(&w->path, 2, false);
	(void)snprintf(logs, sizeof(logs), "%s/logs", w->path.dir);
	assert_int_equal(mkdir(logs, 0700), 0);
	assert_int_equal(loop_new(&w->path.runtime.loop), 0);
	assert_int_equal(watcher_new(w->path.runtime.loop, &w->path.runtime.watcher), 0);
	w->sink = (struct component){.magic = COMPONENT_MAGIC, .type = &sink_of_model, .id = "test.sink", .state = w};
	w->items[0] = &w->sink;
	w->args = mem_zalloc(loki_source_file.args_size);
	*(int64_t *)arg(w, "flush_partial_after") = 60 * NS_PER_S; /* a writer that stands still for a while is no fault */
	*(int64_t *)arg(w, "rotated_wait") = 60 * NS_PER_S;
	(void)pthread_mutex_init(&w->node.health_lock, NULL);
	w->node.component = (struct component){.magic = COMPONENT_MAGIC, .type = &loki_source_file, .id = "loki.source.file.t",
		.runtime = &w->path.runtime, .node = &w->node, .state = mem_zalloc(loki_source_file.state_size)};
	for (unsigned p = 0; p < PATHS; p++) {
		struct model *m = &w->models[p];

		*m = (struct model){.name = (char)('a' + p), .epoch = 1, .fd = -1, .lines = mem_zalloc(LINES_MAX * sizeof(struct line))};
		open_again(w, m);
		(void)snprintf(w->names[p], sizeof(w->names[p]), "%s", path_of_model(w, m, ""));
		w->labels[p][0] = (struct str_pair){STR("__path__"), str_from(w->names[p])};
		w->targets[p] = (struct target){w->labels[p], 1};
	}
	list = arg(w, "targets");
	*list = (struct target_list){.items = w->targets, .n = PATHS};
	*(struct ptr_list *)arg(w, "forward_to") = (struct ptr_list){w->items, 1};
}

static void
free_world(struct world *w)
{
	if (w->running)
		end(w);
	watcher_free(w->path.runtime.watcher);
	mem_free(w->node.component.state);
	mem_free(w->args);
	lanes_free(w->path.runtime.lanes);
	loop_free(w->path.runtime.loop);
	w->path.runtime.lanes = NULL;
	path_done(&w->path);
	for (unsigned p = 0; p < PATHS; p++) {
		(void)close(w->models[p].fd);
		mem_free(w->models[p].lines);
	}
	vec_done(&w->held);
	(void)pthread_mutex_destroy(&w->node.health_lock);
	(void)pthread_mutex_destroy(&w->lock);
}

static void
finish(struct world *w)
{
	if (!w->running)
		begin(w);
	if (!is_quiet(w))
		return;
	settle_everything(w);
	save(w);
	for (unsigned p = 0; p < PATHS; p++)
		for (size_t i = 0; i < w->models[p].written; i++)
			if (!w->models[p].lines[i].saved)
				wrong(w, "has not settled", &w->models[p], i);
	stop(w);
	begin(w);
	turns(w, 20);
	if (n_held(w) > 0)
		wrong(w, "comes again at the end", &w->models[w->held.items[0].path], w->held.items[0].line);
}

static void
run_seed(uint64_t seed)
{
	static struct world w;
	size_t lines = 0, rotations = 0;
	char said[256];

	make_world(&w, seed);
	for (w.step = 0; w.step < STEPS && w.wrong[0] == '\0'; w.step++)
		act(&w);
	if (w.wrong[0] == '\0')
		finish(&w);
	for (unsigned p = 0; p < PATHS; p++) {
		lines += w.models[p].written;
		rotations += w.models[p].rotations;
	}
	memcpy(said, w.wrong, sizeof(said));
	free_world(&w);
	print_message("seed %llu: %zu lines, %zu rotations%s%s\n", (unsigned long long)seed, lines, rotations, said[0] != '\0' ? ": " : "", said);
	assert_string_equal(said, "");
}

static void
test_source_file_model__fixed_seeds(void **state)
{
	const char *one = getenv("SEED");

	(void)state;
	if (one != NULL) {
		run_seed(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_seed(seed);
}

static void
test_source_file_model__random_seed(void **state)
{
	(void)state;
	if (getenv("SEED") == NULL)
		run_seed((uint64_t)clock_now_ns() % 1000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source_file_model__fixed_seeds),
		cmocka_unit_test(test_source_file_model__random_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

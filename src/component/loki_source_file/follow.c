/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/positions/positions.h"

static const char *
target_label(const struct target *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		if (str_is(t->labels[i].name, name))
			return t->labels[i].value.s;
	}
	return NULL;
}

static struct target
copy_target(struct arena *arena, const struct target *t)
{
	struct target copy = {arena_array(arena, struct str_pair, t->n), t->n};

	for (size_t i = 0; i < t->n; i++)
		copy.labels[i] = (struct str_pair){arena_str(arena, t->labels[i].name), arena_str(arena, t->labels[i].value)};
	return copy;
}

static void
split_path(struct arena *arena, const char *path, const char **ret_dir, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		*ret_dir = ".";
	else if (slash == path)
		*ret_dir = "/";
	else
		*ret_dir = arena_z(arena, (struct str){path, (size_t)(slash - path)});
	*ret_name = slash != NULL ? slash + 1 : path;
}

static void
make_metrics(struct follow *f)
{
	struct component *c = f->shared->component;
	struct metrics *m = c->runtime->metrics;

	f->metrics.read_bytes = metric_get(m, METRIC_GAUGE, "loki_source_file_read_bytes_total", "Number of bytes read.", c->id, "path",
		f->path, NULL);
	f->metrics.file_bytes = metric_get(m, METRIC_GAUGE, "loki_source_file_file_bytes_total", "Number of bytes total.", c->id, "path",
		f->path, NULL);
	f->metrics.read_lines = metric_get(m, METRIC_COUNTER, "loki_source_file_read_lines_total", "Number of lines read.", c->id, "path",
		f->path, NULL);
	f->metrics.split_lines = f->shared->lines_split;
}

/* An event of the directory: only our own name is looked at. */
static void
on_event(void *ptr, const char *name, uint32_t mask)
{
	struct follow *f = ptr;

	(void)mask;
	if (name == NULL || strcmp(name, f->name) == 0 || (f->real_name != NULL && strcmp(name, f->real_name) == 0))
		follow_look(f);
}

/* The path may be a link: what is written then shows in the directory that it leads to. */
static void
watch_real(struct follow *f)
{
	struct watcher *w = f->shared->component->runtime->watcher;
	char *real = realpath(f->path, NULL), *slash;

	if (real == NULL)
		return;
	slash = strrchr(real, '/');
	if (slash == NULL || (f->real_dir != NULL && strncmp(real, f->real_dir, (size_t)(slash - real)) == 0 &&
				     f->real_dir[slash - real] == '\0' && strcmp(slash + 1, f->real_name) == 0)) {
		free(real);
		return;
	}
	watcher_unwatch(f->real_watch);
	f->real_watch = NULL;
	f->real_name = (char *)(uintptr_t)arena_z(f->arena, str_from(slash + 1));
	*slash = '\0';
	f->real_dir = (char *)(uintptr_t)arena_z(f->arena, str_from(slash == real ? "/" : real));
	free(real);
	if (strcmp(f->real_dir, f->dir) != 0 && watcher_watch(w, f->real_dir, on_event, f, &f->real_watch) < 0)
		f->polled = true;
}

static void
watch_path(struct follow *f)
{
	struct watcher *w = f->shared->component->runtime->watcher;
	int r;

	if (w == NULL) {
		f->polled = true;
		return;
	}
	if (f->watch == NULL) {
		r = watcher_watch(w, f->dir, on_event, f, &f->watch);
		f->polled = r < 0 && r != -ENOENT && r != -EACCES;
	}
	if (f->watch != NULL)
		watch_real(f);
}

struct follow *
follow_new(struct follow_shared *shared, const struct target *target, uint32_t ordinal)
{
	struct follow *f = mem_new(struct follow);

	f->shared = shared;
	f->arena = arena_new(0);
	f->target = copy_target(f->arena, target);
	f->path = target_label(&f->target, "__path__");
	f->ordinal = ordinal;
	split_path(f->arena, f->path, &f->dir, &f->name);
	make_metrics(f);
	return f;
}

bool
follow_is(const struct follow *f, const struct target *t, uint32_t ordinal)
{
	if (f->ordinal != ordinal || f->target.n != t->n)
		return false;
	for (size_t i = 0; i < t->n; i++) {
		if (!str_eq(f->target.labels[i].name, t->labels[i].name) || !str_eq(f->target.labels[i].value, t->labels[i].value))
			return false;
	}
	return true;
}

static void
count_active(struct follow_shared *shared, int change)
{
	shared->n_active += (size_t)change;
	metric_set(shared->files_active, (double)shared->n_active);
}

static void
let_go(struct follow *f, struct tail *t, bool parked)
{
	t->owner = NULL;
	if (parked)
		lanes_evict(f->shared->component->runtime->lanes, &t->stream);
	else
		lane_remove(&t->stream);
	stream_unref(&t->stream);
}

void
follow_free(struct follow *f, bool parked)
{
	struct metrics *m = f->shared->component->runtime->metrics;

	watcher_unwatch(f->watch);
	watcher_unwatch(f->real_watch);
	if (f->current != NULL) {
		let_go(f, f->current, parked);
		count_active(f->shared, -1);
	}
	for (size_t i = 0; i < f->rotated.len; i++)
		let_go(f, f->rotated.items[i], parked);
	vec_done(&f->rotated);
	/* Several label sets of one path share its series: the component's end removes them. Without lanes in them they can go now. */
	if (parked && f->ordinal == 0) {
		metric_remove(m, f->metrics.read_bytes);
		metric_remove(m, f->metrics.file_bytes);
		metric_remove(m, f->metrics.read_lines);
	}
	arena_free(f->arena);
	mem_free(f);
}

static void
say(struct follow *f, int err, const char *hint)
{
	f->missing = true;
	f->shared->look_soon(f->shared->component);
	if (f->said_errno == err)
		return;
	f->said_errno = err;
	log_warn(f->shared->component->id, "cannot follow file; it is looked for again", "path", f->path, "err", strerror(err), "hint",
		hint, NULL);
}

static const char *
hint_for(int err)
{
	if (err == EACCES || err == EPERM)
		return "give longship read access: usermod -aG adm longship, or CAP_DAC_READ_SEARCH in its unit";
	if (err == EISDIR)
		return "__path__ must name a file; use local.file_match for patterns";
	if (err == EMFILE || err == ENFILE)
		return "raise LimitNOFILE";
	return "";
}

/* Identity of an open file; generation as the store or this process knows it. */
static void
identify(struct follow *f, const struct stat *st, int fd, struct file_id *id)
{
	struct statx sx;
	char text[96];
	uintptr_t known;

	*id = (struct file_id){.dev = st->st_dev, .ino = st->st_ino, .ordinal = f->ordinal};
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) == 0 && (sx.stx_mask & STATX_BTIME) != 0)
		id->btime_ns = sx.stx_btime.tv_sec * NS_PER_S + sx.stx_btime.tv_nsec;
	(void)snprintf(text, sizeof(text), "%" PRIx64 ".%" PRIu64 ".%" PRId64 ".%" PRIu32, id->dev, id->ino, id->btime_ns, id->ordinal);
	known = (uintptr_t)map_get(&f->shared->generations, str_from(text));
	id->generation = known > 0 ? (uint32_t)known - 1 : 0;
}

static void
set_generation(struct follow *f, const struct file_id *id)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%" PRIx64 ".%" PRIu64 ".%" PRId64 ".%" PRIu32, id->dev, id->ino, id->btime_ns, id->ordinal);
	(void)map_set(&f->shared->generations, str_from(text), (void *)(uintptr_t)(id->generation + 1));
}

static struct str
make_key(struct follow *f, const struct file_id *id, struct arena *arena)
{
	return arena_printf(arena, "file|%s|%" PRIx64 ".%" PRIu64 ".%" PRId64 ".%" PRIu32 "|%" PRIu32, f->shared->component->id, id->dev,
		id->ino, id->btime_ns, id->ordinal, id->generation);
}

/* The stored offset lies behind the end: the file was cut while nobody looked. */
static void
say_rewound(struct follow *f, uint64_t offset, uint64_t size)
{
	struct component *c = f->shared->component;

	metric_add(metric_get(c->runtime->metrics, METRIC_COUNTER, "longship_source_rewound_total",
			   "Files that are read again from the start.", c->id, "reason", "truncated", NULL),
		1);
	log_warn(c->id, "file is shorter than what was read of it; reading from its start", "path", f->path, "offset",
		log_i64((int64_t)offset), "size", log_i64((int64_t)size), NULL);
}

static void on_tail_end(void *owner, struct tail *);

static struct tail *
make_tail(struct follow *f, const struct file_id *id, int fd, const struct stat *st)
{
	struct runtime *runtime = f->shared->component->runtime;
	struct arena *arena = arena_new(0);
	struct str key = make_key(f, id, arena);
	int64_t mtime = st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec, now = clock_now_ns();
	struct tail *t;

	if (runtime->positions != NULL)
		positions_declare(runtime->positions, key, str_from(f->path), STR_EMPTY);
	t = tail_new(runtime, f->shared->ledger, id, key, f->path, fd, &f->target, f->shared->forward_to, (uint64_t)st->st_size,
		mtime < now ? mtime : now);
	t->metrics = f->metrics;
	t->on_end = on_tail_end;
	t->owner = f;
	arena_free(arena);
	return t;
}

/* Takes fd. */
static void
start_tail(struct follow *f, int fd, const struct stat *st, bool new_generation)
{
	struct file_id id;
	struct tail *t;

	identify(f, st, fd, &id);
	if (new_generation)
		id.generation++;
	t = make_tail(f, &id, fd, st);
	if (stream_restore(&t->stream)) {
		if (t->stream.read_offset > (uint64_t)st->st_size) {
			int again = dup(fd);

			say_rewound(f, t->stream.read_offset, (uint64_t)st->st_size);
			stream_unref(&t->stream);
			set_generation(f, &id);
			if (again >= 0)
				start_tail(f, again, st, true);
			return;
		}
	} else if (f->shared->tail_from_end && id.generation == 0 && f->said_errno == 0) {
		tail_skip_to_end(t, (uint64_t)st->st_size);
	}
	set_generation(f, &id);
	f->current = t;
	f->missing = false;
	f->said_errno = 0;
	count_active(f->shared, 1);
	log_info(f->shared->component->id, "start tailing file", "path", f->path, "offset", log_i64((int64_t)t->stream.read_offset), NULL);
	lanes_add(f->shared->component->runtime->lanes, &t->stream, LANE_ANY);
}

static void
open_current(struct follow *f, bool new_generation)
{
	struct stat st;
	int fd = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int err = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		err = errno;
	else if (S_ISDIR(st.st_mode))
		err = EISDIR;
	else if (!S_ISREG(st.st_mode))
		err = EINVAL;
	if (err != 0) {
		if (fd >= 0)
			(void)close(fd);
		say(f, err, hint_for(err));
		return;
	}
	start_tail(f, fd, &st, new_generation);
}

static void
retire_current(struct follow *f)
{
	atomic_store(&f->current->rotated, true);
	lane_wake(&f->current->stream);
	vec_push(&f->rotated, f->current);
	f->current = NULL;
	count_active(f->shared, -1);
}

void
follow_look(struct follow *f)
{
	struct stat st;
	bool there = stat(f->path, &st) == 0;

	watch_path(f);
	if (f->current != NULL) {
		if (there && st.st_dev == f->current->id.dev && st.st_ino == f->current->id.ino) {
			lane_wake(&f->current->stream);
			return;
		}
		retire_current(f);
	}
	if (there || f->said_errno != ENOENT)
		open_current(f, false);
	else
		f->missing = true;
}

/* The lane has let a generation go. */
static void
on_tail_end(void *owner, struct tail *t)
{
	struct follow *f = owner;
	bool truncated = atomic_load(&t->truncated);

	t->owner = NULL;
	if (t == f->current) {
		f->current = NULL;
		count_active(f->shared, -1);
		if (truncated)
			open_current(f, true);
		else
			say(f, EIO, "");
	} else {
		for (size_t i = 0; i < f->rotated.len; i++) {
			if (f->rotated.items[i] == t) {
				vec_remove(&f->rotated, i);
				break;
			}
		}
	}
	stream_unref(&t->stream);
}

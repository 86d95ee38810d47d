/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "generations.h"
#include "match.h"
#include "packed.h"
#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/hash.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/labels.h"
#include "longship/flow/lag.h"
#include "longship/flow/lane.h"
#include "longship/flow/placed.h"
#include "longship/flow/runtime.h"
#include "longship/os/file.h"
#include "longship/os/notify.h"
#include "longship/positions/positions.h"

#define SERIES_KEPT 1000    /* paths whose series stay while their files rest */
#define KEPT_NAME_BYTES 32
#define NAMES_MAX 16        /* links to one file that are followed at a time */
#define FD_RESERVE 64      /* descriptors that files leave to connections, discovery and the positions */
#define BETWEEN_NS (60 * NS_PER_S) /* so long what cannot be looked into is looked for again before the path's file is opened */
#define FAILS_MAX 10       /* a file that cannot be read is tried again after so many seconds at most */

static const char *
target_label(const struct target *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		if (str_is(t->labels[i].name, name))
			return t->labels[i].value.s;
	}
	return NULL;
}

/* ---- The series of a path ---- */

/* Follows with several label sets and tails of several generations share them; they go with the last. */
struct path_use {
	unsigned n;
	struct tail_metrics metrics;
};

static const struct tail_metrics *
use_path(struct follow_shared *shared, const char *path)
{
	struct path_use *use = map_get(&shared->paths, str_from(path));
	const char *id = shared->component->id;
	struct metrics *m = shared->component->runtime->metrics;

	if (use == NULL) {
		use = mem_new(struct path_use);
		(void)map_set(&shared->paths, str_from(path), use);
		use->metrics.read_bytes =
			metric_get(m, METRIC_GAUGE, "loki_source_file_read_bytes_total", "Number of bytes read.", id, "path", path, NULL);
		use->metrics.file_bytes =
			metric_get(m, METRIC_GAUGE, "loki_source_file_file_bytes_total", "Number of bytes total.", id, "path", path, NULL);
		use->metrics.read_lines =
			metric_get(m, METRIC_COUNTER, "loki_source_file_read_lines_total", "Number of lines read.", id, "path", path, NULL);
		use->metrics.synthetic = shared->synthetic;
	}
	use->n++;
	return &use->metrics;
}

static void
leave_path(struct follow_shared *shared, const char *path)
{
	struct path_use *use = map_get(&shared->paths, str_from(path));
	struct metrics *m = shared->component->runtime->metrics;

	assert(use != NULL && use->n > 0);
	if (--use->n > 0)
		return;
	metric_remove(m, use->metrics.read_bytes);
	metric_remove(m, use->metrics.file_bytes);
	metric_remove(m, use->metrics.read_lines);
	(void)map_remove(&shared->paths, str_from(path));
	mem_free(use);
}

/* The series of a path are there as long as a tail of it is, and those of the first SERIES_KEPT paths for good. */
static void
keep_series(struct follow *f, bool keep)
{
	if (keep && !f->has_series)
		(void)use_path(f->shared, f->path);
	if (!keep && f->has_series)
		leave_path(f->shared, f->path);
	f->has_series = keep;
}

/* ---- Watches ---- */

/* The other name of a file whose path is a link: what is written shows in the directory that it leads to. */
struct real_name {
	struct folder_name at;
	char name[];
};

static void
leave_real(struct follow *f)
{
	if (f->real == NULL)
		return;
	folder_leave(&f->real->at);
	mem_free(f->real);
	f->real = NULL;
}

static void
watch_real(struct follow *f)
{
	struct stat st;
	char *real, *slash;

	if (lstat(f->path, &st) < 0 || !S_ISLNK(st.st_mode) || (real = realpath(f->path, NULL)) == NULL) {
		leave_real(f);
		return;
	}
	slash = strrchr(real, '/');
	*slash = '\0';
	if (f->real == NULL || strcmp(f->real->name, slash + 1) != 0 || strcmp(folder_path(f->real->at.folder), real) != 0) {
		size_t len = strlen(slash + 1) + 1;

		leave_real(f);
		f->real = mem_zalloc(sizeof(*f->real) + len);
		memcpy(f->real->name, slash + 1, len);
		folder_enter(&f->shared->folders, str_from(slash == real ? "/" : real), f->real->name, f, &f->real->at);
	}
	(void)folder_watch(f->real->at.folder);
	free(real);
}

static void
enter_folder(struct follow *f)
{
	const char *slash = strrchr(f->path, '/');

	folder_enter(&f->shared->folders, folder_dir(f->path), slash != NULL ? slash + 1 : f->path, f, &f->at);
}

bool
follow_polled(const struct follow *f)
{
	return folder_polled(f->at.folder) || (f->real != NULL && folder_polled(f->real->at.folder));
}

struct follow *
follow_make(struct follow_shared *shared, const char *path, struct shared_labels *labels, uint32_t ordinal)
{
	size_t bytes = strlen(path) + 1;
	struct follow *f = mem_zalloc(sizeof(*f) + bytes);

	f->shared = shared;
	f->labels = labels;
	memcpy(f->path, path, bytes);
	f->ordinal = ordinal;
	enter_folder(f);
	f->lane = LANE_ANY;
	f->place = (uint32_t)shared->follows.len;
	vec_push(&shared->follows, f);
	return f;
}

const char *
follow_path_of(const struct target *t)
{
	return target_label(t, "__path__");
}

struct follow *
follow_new(struct follow_shared *shared, const struct target *target, uint32_t ordinal)
{
	struct follow *f = follow_make(shared, follow_path_of(target), shared_labels_get(&shared->label_sets, target), ordinal);

	f->past_due = shared->component->runtime->positions != NULL;
	return f;
}

struct follow *
follow_find(struct follow_shared *shared, const char *path, uint32_t ordinal)
{
	const struct folder_name *n = NULL;

	unpack_path(shared, path);
	while ((n = folders_find(&shared->folders, path, n)) != NULL) {
		if (n->follow->ordinal == ordinal && strcmp(n->follow->path, path) == 0)
			return n->follow;
	}
	return NULL;
}

static void
leave_list(struct follow *f)
{
	struct follow_shared *shared = f->shared;
	struct follow *last = shared->follows.items[--shared->follows.len];

	assert(shared->follows.items[f->place] == f || last == f);
	shared->follows.items[f->place] = last;
	last->place = f->place;
}

void
follow_leave(struct follow *f)
{
	rest_end(f);
	folder_leave(&f->at);
	leave_list(f);
	vec_done(&f->rotated);
	mem_free(f);
}

bool
follow_is(const struct follow *f, const struct target *t, uint32_t ordinal)
{
	return f->ordinal == ordinal && strcmp(f->path, target_label(t, "__path__")) == 0 && shared_labels_are_of(f->labels, t);
}

static void
count_active(struct follow_shared *shared, int change)
{
	shared->n_active += (size_t)change;
	metric_set(shared->files_active, (double)shared->n_active);
}

/* f: who has a line in its stream say so; NULL: nobody. */
static void
abandon(struct follow_shared *shared, struct follow *f, const char *path, const char *reason, uint64_t bytes)
{
	struct component *c = shared->component;
	struct buf text;
	char *line;

	metric_add(metric_get(c->runtime->metrics, METRIC_COUNTER, "longship_source_abandoned_bytes_total",
			   "Bytes that could not be read.", c->id, "reason", reason, NULL),
		bytes);
	if (bytes == 0 || f == NULL)
		return;
	buf_init(&text, POSITIONS_ATTR_BYTES_MAX + 256);
	buf_printf(&text, "longship: %" PRIu64 " bytes of an earlier generation of %s were lost before they were read (%s)", bytes, path, reason);
	line = memcpy(mem_zalloc(text.len + 1), text.data, text.len);
	buf_done(&text);
	if (f->current != NULL) {
		tail_announce(f->current, line);
		return;
	}
	mem_free(f->announce);
	f->announce = line;
}

void
follow_abandon(struct follow *f, const char *reason, uint64_t bytes)
{
	abandon(f->shared, f, f->path, reason, bytes);
}

static bool
names(const char *path, const struct file_id *id)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == id->dev && st.st_ino == id->ino;
}

void
follow_free(struct follow *f)
{
	if (f->resting)
		count_active(f->shared, -1);
	rest_forget(f);
	leave_real(f);
	folder_leave(&f->at);
	if (f->current != NULL) {
		struct tail *t = f->current;

		t->follow = NULL;
		if (names(f->path, &t->id)) {
			lane_remove(&t->stream);
		} else {
			tail_rotated(t, clock_now_ns());
			t->rotated_ns = clock_mono_ns();
			deleted_watch(f->shared);
		}
		count_active(f->shared, -1);
	}
	for (size_t i = 0; i < f->rotated.len; i++)
		f->rotated.items[i]->follow = NULL;
	vec_done(&f->rotated);
	keep_series(f, false);
	leave_list(f);
	shared_labels_unref(&f->shared->label_sets, f->labels);
	mem_free(f->announce);
	mem_free(f);
}

static void rotate_current(struct follow *);

/* Its file may have another name already, of which no look has told yet. */
static void
note_rotation(struct follow *f, struct follow *heir)
{
	if (f->current != NULL && !names(f->path, &f->current->id))
		rotate_current(f);
	heir->past_due = f->past_due;
	if (f->lost) {
		follow_retire_resting(f);
		heir->past_due = true;
	}
	heir->awaited_dev = f->awaited_dev;
	heir->awaited_ino = f->awaited_ino;
	heir->last_born_ns = f->last_born_ns;
	heir->last_opened_ns = f->last_opened_ns;
	heir->between_ns = f->between_ns;
}

/* What was rotated away keeps the labels that it had. */
void
follow_replace(struct follow *f, struct follow *heir)
{
	note_rotation(f, heir);
	for (size_t i = 0; i < f->rotated.len; i++) {
		f->rotated.items[i]->follow = heir;
		vec_push(&heir->rotated, f->rotated.items[i]);
	}
	f->rotated.len = 0;
	heir->lane = f->lane;
	heir->opened = f->opened;
	if (f->resting) {
		heir->id = f->id;
		heir->rest_offset = f->rest_offset;
		heir->rest_size = f->rest_size;
		heir->rest_mtime_ns = f->rest_mtime_ns;
		rest_end(f);
		rest_take(heir);
	}
	if (f->current != NULL) {
		struct tail *t = f->current;

		f->current = NULL;
		t->follow = NULL;
		count_active(f->shared, -1);
		t->evicted = true;
		rest_closed(f->shared, t);
		lanes_evict(f->shared->component->runtime->lanes, &t->stream);
	}
	follow_free(f);
}

int
follow_shared_init(struct follow_shared *shared)
{
	int err;

	folders_init(&shared->folders, shared, follow_look);
	map_init(&shared->generations);
	map_init(&shared->live);
	map_init(&shared->paths);
	map_init(&shared->label_sets);
	map_init(&shared->taken);
	err = deleted_init(shared);
	return err < 0 ? err : rests_init(shared);
}

void
follow_shared_done(struct follow_shared *shared)
{
	for (size_t i = 0; i < map_len(&shared->live); i++) {
		struct tail *t = map_value(&shared->live, i);

		t->owner = NULL;
		rest_closed(shared, t);
		lanes_evict(shared->component->runtime->lanes, &t->stream);
		stream_unref(&t->stream);
	}
	for (size_t i = 0; i < map_len(&shared->paths); i++)
		mem_free(map_value(&shared->paths, i));
	deleted_done(shared);
	pack_done(shared);
	rests_done(shared);
	folders_done(&shared->folders);
	map_done(&shared->generations);
	map_done(&shared->live);
	map_done(&shared->paths);
	map_done(&shared->label_sets);
	map_done(&shared->taken);
	content_rules_unref(shared->rules);
	shared->rules = NULL;
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
	if (err == EINVAL)
		return "only regular files can be followed";
	return "";
}

static struct str
identity_text(const struct file_id *id, struct arena *arena)
{
	return arena_printf(arena, "%" PRIx64 ".%" PRIu64 ".%" PRId64 ".%" PRIu32, id->dev, id->ino, id->btime_ns, id->ordinal);
}

uint32_t
follow_generation(const struct follow_shared *shared, const struct file_id *id)
{
	struct arena *arena;
	uintptr_t known;

	if (map_len(&shared->generations) == 0)
		return 0;
	arena = arena_new(0);
	known = (uintptr_t)map_get(&shared->generations, identity_text(id, arena));
	arena_free(arena);
	return known > 0 ? (uint32_t)known - 1 : 0;
}

/* Identity of an open file; generation as the store or this process knows it. */
static void
identify(struct follow *f, const struct stat *st, int fd, uint32_t ordinal, struct file_id *id)
{
	struct statx sx;

	*id = (struct file_id){.dev = st->st_dev, .ino = st->st_ino, .ordinal = ordinal};
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) == 0 && (sx.stx_mask & STATX_BTIME) != 0)
		id->btime_ns = sx.stx_btime.tv_sec * NS_PER_S + sx.stx_btime.tv_nsec;
	id->generation = follow_generation(f->shared, id);
}

static void
set_generation(struct follow *f, const struct file_id *id, struct arena *arena)
{
	if (id->generation > follow_generation(f->shared, id))
		(void)map_set(&f->shared->generations, identity_text(id, arena), (void *)((uintptr_t)id->generation + 1));
}

void
follow_begin_generation(struct follow *f, const struct file_id *id)
{
	struct arena *arena = arena_new(0);

	set_generation(f, id, arena);
	arena_free(arena);
}

static struct str
make_key(const struct follow *f, const struct file_id *id, struct arena *arena)
{
	return file_key_print(arena, &(struct file_key){.component = str_from(f->shared->component->id),
						.file = {id->dev, id->ino, id->btime_ns},
						.ordinal = id->ordinal,
						.generation = id->generation});
}

static int
compare_pairs(const void *a, const void *b)
{
	return str_cmp(((const struct str_pair *)a)->name, ((const struct str_pair *)b)->name);
}

/* {a="b", c="d"} of the target's public labels, as Alloy's positions file has them. */
static struct str
labels_text(const struct follow *f, struct arena *arena)
{
	const struct target *t = &f->labels->labels;
	struct str_pair *pairs = arena_array(arena, struct str_pair, t->n);
	size_t n = 0;
	struct buf text;
	struct str copy;

	for (size_t i = 0; i < t->n; i++) {
		if (!str_starts(t->labels[i].name, STR("__")) && !str_is(t->labels[i].name, "filename"))
			pairs[n++] = t->labels[i];
	}
	if (n > 0)
		qsort(pairs, n, sizeof(*pairs), compare_pairs);
	buf_init(&text, POSITIONS_ATTR_BYTES_MAX);
	buf_putc(&text, '{');
	for (size_t i = 0; i < n; i++) {
		buf_printf(&text, "%s%.*s=", i > 0 ? ", " : "", STR_FMT(pairs[i].name));
		labels_quote(&text, pairs[i].value);
	}
	buf_putc(&text, '}');
	copy = arena_str(arena, buf_view(&text));
	buf_done(&text);
	return copy;
}

/* The store knows under which path a packed one was followed. */
static struct follow *
find_resting(struct follow *f, const struct file_id *id)
{
	struct follow *other = rest_find(f->shared, id, f);
	struct file_id rested = *id;
	struct arena *arena;
	struct str path;

	if (other != NULL || f->shared->n_packed == 0)
		return other;
	rested.generation = follow_generation(f->shared, id);
	arena = arena_new(0);
	path = positions_path(f->shared->component->runtime->positions, make_key(f, &rested, arena), arena);
	if (path.len > 0 && !str_is(path, f->path)) {
		unpack_path(f->shared, path.s);
		other = rest_find(f->shared, id, f);
	}
	arena_free(arena);
	return other;
}

/* Whether another follow, whose path still names the file, rests under this identity. One that lost it has it no more. */
static bool
has_resting(struct follow *f, const struct file_id *id)
{
	struct follow *other = find_resting(f, id);

	if (other == NULL)
		return false;
	if (names(other->path, id))
		return true;
	follow_retire_resting(other);
	other->missing = true; /* its own look finds what the path names now */
	f->shared->look_soon(f->shared->component);
	return false;
}

/* The first identity that no live tail has: a file that is followed under several names (links) gets an ordinal for each.
 * False: another tail still has to finish with it, e.g. it was renamed to this path, or the target was gone for a while. */
static bool
free_identity(struct follow *f, const struct stat *st, int fd, bool new_generation, struct arena *arena, struct file_id *id)
{
	for (uint32_t n = 0; n < NAMES_MAX; n++) {
		const struct tail *other;

		identify(f, st, fd, f->ordinal + n * NAME_STEP, id);
		id->generation += new_generation;
		if (has_resting(f, id))
			continue;
		other = map_get(&f->shared->live, make_key(f, id, arena));
		if (other == NULL || other->evicted)
			return true;
		if (other->follow == NULL || other->follow == f || other != other->follow->current || !names(other->follow->path, id))
			return false;
	}
	return false;
}

static void
say_rewound(struct follow *f, const char *reason, const char *text, uint64_t from, uint64_t to, uint64_t size)
{
	struct component *c = f->shared->component;

	metric_add(metric_get(c->runtime->metrics, METRIC_COUNTER, "longship_source_rewound_total",
			   "Files that are read again from the start or from an earlier checkpoint.", c->id, "reason", reason, NULL),
		1);
	log_warn(c->id, text, "path", f->path, "reason", reason, "offset", log_i64((int64_t)from), "goes_on_at", log_i64((int64_t)to),
		"size", log_i64((int64_t)size), NULL);
}

void
follow_say_emptied(struct follow *f, uint64_t position, uint64_t size)
{
	say_rewound(f, size < position ? "truncated" : "changed", "file is not what was read of it; reading from its start", position, 0, size);
}

static void on_tail_end(void *owner, struct tail *);
static void on_tail_cut(void *owner, struct tail *);

/* Takes fd. */
static struct tail *
make_tail(struct follow *f, const struct file_id *id, int fd, const struct stat *st, struct arena *arena)
{
	struct runtime *runtime = f->shared->component->runtime;
	struct str key = make_key(f, id, arena);
	int64_t mtime = st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec, now = clock_now_ns();
	struct tail *t;

	if (runtime->positions != NULL)
		positions_declare(runtime->positions, key, str_from(f->path), labels_text(f, arena));
	t = tail_new(runtime, f->shared->ledger, id, key, f->path, fd, &f->labels->labels, f->shared->forward_to, f->shared->rules, (uint64_t)st->st_size,
		mtime < now ? mtime : now);
	t->on_end = on_tail_end;
	t->on_cut = on_tail_cut;
	t->owner = f->shared;
	t->follow = f;
	return t;
}

/* What was read before is no longer there, or only a part of it. False: nothing of it, this is another generation. */
static bool
check_content(struct follow *f, struct tail *t, uint64_t size)
{
	uint64_t position = t->stream.position, offset = position;
	enum match match = t->content.unpack != NULL ? MATCH_SAME : match_file(t->fd, size, t->stream.proof, position, &offset);

	if (match == MATCH_EARLIER) {
		say_rewound(f, "lost_tail", "file lost its end; reading from what is proven", position, offset, size);
		stream_go_back(&t->stream, offset);
	}
	tail_take_proof(t);
	return match != MATCH_OTHER;
}

/* Where it goes on. False: what the store knows is not of this file as it is now. */
static bool
place_tail(struct follow *f, struct tail *t, uint64_t size)
{
	struct tail *evicted = map_remove(&f->shared->live, t->stream.key);
	bool first = !f->opened && f->said_errno == 0 && t->id.generation == 0;

	if (evicted != NULL) {
		assert(evicted->evicted);
		stream_inherit(&t->stream, &evicted->stream);
		evicted->owner = NULL;
		leave_path(f->shared, evicted->stream.name);
		stream_unref(&evicted->stream);
	} else if (!stream_restore(&t->stream)) {
		if (first && f->shared->tail_from_end)
			tail_skip_to_end(t, size);
		/* The next start knows the file: it skips nothing of it, and looks for it if it was renamed by then. */
		progress_note(&t->stream);
	}
	content_resume(&t->content, t->fd, t->stream.position_cursor);
	return check_content(f, t, size);
}

static void
join_lineage(struct follow *f, struct tail *t)
{
	if (f->lineage == 0)
		f->lineage = t->stream.lineage;
	t->stream.lineage = f->lineage;
}

static void
run_tail(struct follow *f, struct tail *t)
{
	struct lanes *lanes = f->shared->component->runtime->lanes;

	bool again = f->id.dev == t->id.dev && f->id.ino == t->id.ino && f->id.generation == t->id.generation;

	f->id = t->id;
	keep_series(f, true);
	t->metrics = *use_path(f->shared, f->path);
	tail_announce(t, f->announce);
	f->announce = NULL;
	(void)map_set(&f->shared->live, t->stream.key, t);
	if (f->fails == 0 && !again) {
		f->said_errno = 0;
		log_info(f->shared->component->id, "start tailing file", "path", f->path, "offset",
			log_i64((int64_t)t->stream.read_offset), NULL);
	}
	join_lineage(f, t);
	if (f->rotated.len > 0)
		tail_follow_on(t, f->rotated.items[f->rotated.len - 1]);
	f->current = t;
	f->missing = false;
	f->opened = true;
	count_active(f->shared, 1);
	watch_real(f);
	if (folder_has_moved(f->at.folder))
		f->shared->look_soon(f->shared->component);
	f->lane = lanes_add(lanes, &t->stream, f->lane);
	rest_opened(f->shared, t);
}

/* There is nothing to read, and enough files are open. */
static bool
rests_at_once(const struct follow *f, const struct tail *t, uint64_t size)
{
	return f->shared->rests.open.len >= REST_OPEN && f->shared->component->runtime->positions != NULL && t->stream.position == size &&
		t->stream.replays.len == 0 && t->stream.unread.len == 0 && t->content.unpack == NULL && f->rotated.len == 0 && !f->reads_past &&
		!lag_is_stored(f->shared->component->runtime, t->stream.key);
}

static void
rest_tail(struct follow *f, struct tail *t, const struct stat *st)
{
	rest_begin(f, t, (uint64_t)st->st_size, st);
	count_active(f->shared, 1);
	f->missing = false;
	f->opened = true;
	f->said_errno = 0;
	watch_real(f);
	if (folder_has_moved(f->at.folder))
		f->shared->look_soon(f->shared->component);
	stream_unref(&t->stream);
}

void
follow_forget_taken(struct follow_shared *shared)
{
	for (size_t i = 0; i < map_len(&shared->taken); i++)
		placed_forget(shared->component->runtime->positions, map_key(&shared->taken, i));
	map_done(&shared->taken);
	map_init(&shared->taken);
}

/* Sets the store's position of the file that is about to be read to the placed one. False: it is not to be followed. */
static bool
obey_placed(struct follow *f, struct tail *t, const struct placed *placed, uint64_t size)
{
	struct positions *store = f->shared->component->runtime->positions;
	struct position position = {.offset = placed->offset};

	if (placed->kind == PLACED_INVALID) {
		log_warn(f->shared->component->id, "the stored position is not a number; on_positions_file_error decides",
			"path", f->path, NULL);
		if (f->shared->on_invalid == INVALID_SKIP)
			return false;
		position.offset = 0;
		if (f->shared->on_invalid == INVALID_FROM_END) {
			tail_skip_to_end(t, size);
			position.offset = t->stream.position;
		}
	}
	(void)positions_write(store,
		&(struct position_update){.kind = POSITION_SET, .key = t->stream.key, .position = &position}, 1);
	return true;
}

/* Looks for a position that was placed for this file. False: it is not to be followed. */
static bool
take_placed(struct follow *f, struct tail *t, uint64_t size)
{
	struct component *c = f->shared->component;
	const struct placed_file file = {t->id.dev, t->id.ino, t->id.btime_ns};
	struct arena *arena;
	struct placed placed;
	struct str key;
	bool follow = true;

	if (c->runtime->positions == NULL || map_has(&f->shared->live, t->stream.key))
		return true;
	arena = arena_new(0);
	if (placed_find(c->runtime->positions, str_from(c->id), str_from(f->path), labels_text(f, arena), arena, &placed, &key)) {
		bool is_of = placed_is_of(&placed, &file);

		if (is_of)
			follow = obey_placed(f, t, &placed, size);
		else if (!f->reads_past)
			log_info(c->id, "the placed position is of an earlier file of this path", "path", f->path, NULL);
		if (follow && (is_of || !f->reads_past))
			(void)map_set(&f->shared->taken, key, f);
		if (!f->shared->keep_taken)
			follow_forget_taken(f->shared);
	}
	arena_free(arena);
	return follow;
}

/* The store's position is of another content: that may go on in a copy. */
static void
leave_content(struct follow *f, const struct tail *t, uint64_t size)
{
	if (!generations_of_emptied(f, t))
		follow_say_emptied(f, t->stream.position, size);
}

static bool
is_file(const struct file_id *id, const struct stat *st)
{
	return st->st_dev == id->dev && st->st_ino == id->ino;
}

/* Takes fd. past: an earlier generation of the path; NULL: what it names now. */
static void
start_tail(struct follow *f, int fd, const struct stat *st, const struct past_file *past, bool new_generation)
{
	const struct file_id *known = past != NULL ? past->known : NULL;
	struct arena *arena = arena_new(0);
	struct file_id id;

	if (known != NULL)
		id = *known;
	if (known != NULL ? map_has(&f->shared->live, make_key(f, &id, arena)) : !free_identity(f, st, fd, new_generation, arena, &id)) {
		(void)close(fd);
		f->missing = true;
		f->shared->look_soon(f->shared->component);
	} else {
		int again = dup(fd); /* a tail closes its own */
		struct tail *t = make_tail(f, &id, fd, st, arena);
		bool fits;

		if (past != NULL && past->packed && t->content.unpack == NULL)
			t->content.unpack = unpack_new(past->format);
		f->skipped = !take_placed(f, t, (uint64_t)st->st_size);
		fits = !f->skipped && place_tail(f, t, (uint64_t)st->st_size);
		set_generation(f, &id, arena);
		if (f->skipped) {
			f->missing = false;
			stream_unref(&t->stream);
		} else if (fits && rests_at_once(f, t, (uint64_t)st->st_size)) {
			rest_tail(f, t, st);
		} else if (fits) {
			run_tail(f, t);
		} else {
			if (past == NULL)
				leave_content(f, t, (uint64_t)st->st_size);
			stream_unref(&t->stream);
			if (again >= 0 && (known == NULL || is_file(known, st))) {
				start_tail(f, again, st, past != NULL ? &(struct past_file){.emptied = true} : NULL, true);
				again = -1;
			}
		}
		if (again >= 0)
			(void)close(again);
	}
	arena_free(arena);
}

/* New descriptors have the lowest free number, so a high one tells that the process has few left. */
static bool
is_of_reserve(int fd)
{
	struct rlimit limit;
	rlim_t reserve;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	reserve = limit.rlim_cur / 4 < FD_RESERVE ? limit.rlim_cur / 4 : FD_RESERVE;
	return (rlim_t)fd >= limit.rlim_cur - reserve;
}

int
follow_open(const char *path, struct stat *ret)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), err = 0;

	if (fd < 0 || fstat(fd, ret) < 0)
		err = errno;
	else if (S_ISDIR(ret->st_mode))
		err = EISDIR;
	else if (!S_ISREG(ret->st_mode))
		err = EINVAL;
	else if (is_of_reserve(fd))
		err = EMFILE;
	if (err != 0 && fd >= 0)
		(void)close(fd);
	return err != 0 ? -err : fd;
}

/* What was read of a resting file has to be in the store before it is opened again. */
static void
wake(struct follow *f)
{
	if (!f->resting)
		return;
	rest_end(f);
	count_active(f->shared, -1);
	if (progress_pending())
		(void)progress_write(f->shared->component->runtime->positions, NULL, 0);
}

static void
open_current(struct follow *f, bool new_generation)
{
	struct stat st;
	int fd;

	f->missing = false;
	if (!rest_may_open(f))
		return;
	fd = follow_open(f->path, &st);
	if (fd == -EMFILE || fd == -ENFILE) {
		rest_wait(f);
		return;
	}
	if (fd < 0) {
		say(f, -fd, hint_for(-fd));
		return;
	}
	wake(f);
	start_tail(f, fd, &st, NULL, new_generation);
}

/* What the service manager calls a generation's descriptor. */
static void
kept_name(struct str key, char ret[KEPT_NAME_BYTES])
{
	(void)snprintf(ret, KEPT_NAME_BYTES, "file-%016" PRIx64, hash_str(key));
}

/* A file that the path no longer names may be deleted before it is read: its descriptor is to outlive a crash. */
static void
keep_descriptor(struct tail *t)
{
	char name[KEPT_NAME_BYTES];

	kept_name(t->stream.key, name);
	notify_keep_fd(t->fd, name);
	t->kept = true;
}

int
follow_kept(struct follow *f, const struct file_id *id)
{
	struct arena *arena = arena_new(0);
	char name[KEPT_NAME_BYTES];

	kept_name(make_key(f, id, arena), name);
	arena_free(arena);
	return notify_kept_fd(name);
}

bool
follow_let_go(struct follow_shared *shared, struct tail *t, uint64_t unread)
{
	if (!tail_abandon(t))
		return false;
	if (t->kept) {
		char name[KEPT_NAME_BYTES];

		kept_name(t->stream.key, name);
		notify_forget_fd(name);
		t->kept = false;
	}
	abandon(shared, t->follow, t->stream.name, "deleted_limit", unread);
	return true;
}

static void
retire_current(struct follow *f)
{
	f->current->rotated_ns = clock_mono_ns();
	deleted_watch(f->shared);
	vec_push(&f->rotated, f->current);
	f->current = NULL;
	f->fails = 0;
	count_active(f->shared, -1);
}

bool
follow_position(struct follow *f, const struct file_id *id, struct arena *arena, struct position *ret)
{
	return positions_get(f->shared->component->runtime->positions, make_key(f, id, arena), arena, ret);
}

bool
follow_lags(struct follow *f, const struct file_id *id)
{
	struct arena *arena = arena_new(0);
	bool lags = lag_is_stored(f->shared->component->runtime, make_key(f, id, arena));

	arena_free(arena);
	return lags;
}

bool
follow_knows(struct follow *f, const struct file_id *id)
{
	struct positions *store = f->shared->component->runtime->positions;
	struct arena *arena = arena_new(0);
	struct str key = make_key(f, id, arena);
	struct position position;
	bool known = map_has(&f->shared->live, key) || map_has(&f->shared->generations, identity_text(id, arena)) ||
		(store != NULL && positions_get(store, key, arena, &position));

	arena_free(arena);
	return known;
}

void
follow_read_past(struct follow *f, int fd, const struct stat *st, const struct past_file *past)
{
	struct tail *current = f->current;
	struct file_id id = f->id;

	f->current = NULL;
	f->reads_past = true;
	start_tail(f, fd, st, past, past->emptied);
	f->reads_past = false;
	if (f->current != NULL) {
		keep_descriptor(f->current);
		tail_rotated(f->current, past->packed ? st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec
						      : st->st_ctim.tv_sec * NS_PER_S + st->st_ctim.tv_nsec);
		retire_current(f);
	}
	if (current != NULL)
		f->id = id;
	f->current = current;
}

void
follow_touch(const struct follow_shared *shared, const struct file_id *id)
{
	struct arena *arena = arena_new(0);
	struct str key = file_key_print(arena, &(struct file_key){.component = str_from(shared->component->id),
							  .file = {id->dev, id->ino, id->btime_ns},
							  .ordinal = id->ordinal,
							  .generation = id->generation});

	positions_touch(shared->component->runtime->positions, key);
	arena_free(arena);
}

void
follow_retire_resting(struct follow *f)
{
	wake(f);
	f->fails = 0;
}

/* Reads on, from its position, in a generation that the path no longer names while it has another one already. Takes fd. */
static void
read_on(struct follow *f, const struct file_id *id, int fd)
{
	struct runtime *runtime = f->shared->component->runtime;
	struct arena *arena = arena_new(0);
	struct stat st;
	struct tail *t;

	if (fstat(fd, &st) < 0 || map_has(&f->shared->live, make_key(f, id, arena))) {
		(void)close(fd);
		arena_free(arena);
		return;
	}
	if (progress_pending())
		(void)progress_write(runtime->positions, NULL, 0);
	t = make_tail(f, id, fd, &st, arena);
	(void)stream_restore(&t->stream);
	tail_take_proof(t);
	atomic_store(&t->rotated, true);
	t->rotated_ns = clock_mono_ns();
	deleted_watch(f->shared);
	t->metrics = *use_path(f->shared, f->path);
	(void)map_set(&f->shared->live, t->stream.key, t);
	join_lineage(f, t);
	if (f->rotated.len > 0)
		tail_follow_on(t, f->rotated.items[f->rotated.len - 1]);
	vec_push(&f->rotated, t);
	f->lane = lanes_add(runtime->lanes, &t->stream, f->lane);
	rest_opened(f->shared, t);
	arena_free(arena);
}

void
follow_release(struct follow *f)
{
	struct tail *t = f->current;

	f->skipped = false;
	wake(f);
	if (t == NULL)
		return;
	f->current = NULL;
	count_active(f->shared, -1);
	t->owner = NULL;
	t->follow = NULL;
	(void)map_remove(&f->shared->live, t->stream.key);
	leave_path(f->shared, t->stream.name);
	rest_closed(f->shared, t);
	lanes_evict(f->shared->component->runtime->lanes, &t->stream);
	stream_unref(&t->stream);
}

/* The path leads to another file now, or to none. */
static void
rotate_current(struct follow *f)
{
	if (f->between_ns == 0) {
		f->last_born_ns = f->current->id.btime_ns;
		f->last_opened_ns = f->current->opened_ns;
	}
	keep_descriptor(f->current);
	tail_rotated(f->current, clock_now_ns());
	retire_current(f);
}

static bool
is_unchanged(const struct follow *f, const struct stat *st)
{
	return (uint64_t)st->st_size == f->rest_size && st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec == f->rest_mtime_ns;
}

/* It was rotated away after the earlier generations were looked for, so it is one of them now. */
static bool
came_too_late(struct follow *f, bool there, const struct stat *st)
{
	bool late = f->awaited_ino != 0 && f->current == NULL && !f->resting &&
		(!there || st->st_dev != f->awaited_dev || st->st_ino != f->awaited_ino);

	f->awaited_ino = 0;
	if (late) {
		f->past_due = f->missing = true;
		f->shared->look_soon(f->shared->component);
	}
	return late;
}

/* Since it was looked at last, for a path that names nothing. */
static bool
directory_has_changed(struct follow *f)
{
	struct file_identity dir;
	bool changed;

	if (file_identify_path(folder_path(f->at.folder), &dir) < 0)
		return false;
	changed = dir.mtime_ns != f->directory_ns;
	/* Within a tick of the clock it may change again. */
	f->directory_ns = clock_now_ns() - dir.mtime_ns > FILE_TICK_NS ? dir.mtime_ns : 0;
	return changed;
}

/* What the path named until it was rotated away, while its descriptor stays. */
static const struct tail *
last_named(const struct follow *f, bool rotated)
{
	if (rotated)
		return f->rotated.items[f->rotated.len - 1];
	if (f->between_ns == 0)
		return NULL;
	for (size_t i = f->rotated.len; i > 0; i--) {
		const struct tail *t = f->rotated.items[i - 1];

		if (t->opened_ns == f->last_opened_ns && t->id.btime_ns == f->last_born_ns)
			return atomic_load(&t->truncated) ? NULL : t;
	}
	return NULL;
}

/* rotated: just now. False: they have to be looked for again, at the next look. */
static bool
read_between(struct follow *f, bool rotated)
{
	if (generations_between(f, last_named(f, rotated))) {
		f->between_ns = 0;
		return true;
	}
	if (f->between_ns == 0)
		f->between_ns = clock_mono_ns();
	if (clock_mono_ns() - f->between_ns > BETWEEN_NS) {
		log_warn(f->shared->component->id, "cannot look into all that a path named meanwhile; going on without", "path", f->path, NULL);
		f->between_ns = 0;
		return true;
	}
	f->directory_ns = 0;
	f->missing = true;
	f->shared->look_soon(f->shared->component);
	return false;
}

/* A file that rests at once, after others of which nobody has looked: they go first. */
static void
open_again(struct follow *f)
{
	follow_retire_resting(f);
	f->past_due = f->last_opened_ns == 0;
	f->directory_ns = 0;
	f->missing = true;
	f->shared->look_soon(f->shared->component);
}

/* Until the path's file is open it may be renamed in its turn, and be one that nobody has seen. st: what the path named before; NULL: nothing. */
static void
know_opened(struct follow *f, const struct stat *st)
{
	bool other = st == NULL || !is_file(f->current != NULL ? &f->current->id : &f->id, st);
	size_t before = f->rotated.len;

	if (f->current == NULL && !f->resting)
		return;
	if (other && f->resting && (st != NULL || f->last_opened_ns != 0)) {
		open_again(f);
		return;
	}
	if (other && f->last_opened_ns != 0) {
		bool all = read_between(f, false);

		if (f->rotated.len > before)
			tail_follow_on_later(f->current, f->rotated.items[f->rotated.len - 1]);
		if (!all)
			return;
	} else if (other && st != NULL) {
		f->past_due = f->missing = true;
		f->shared->look_soon(f->shared->component);
	}
	f->last_opened_ns = f->between_ns = 0;
}

/* retired: what the path named until now was just rotated away. */
static void
look(struct follow *f, bool retired)
{
	struct stat st;
	bool there = stat(f->path, &st) == 0, rotated = false;

	if (f->past_due) {
		if (f->current != NULL && there && is_file(&f->current->id, &st))
			lane_wake(&f->current->stream);
		return;
	}
	(void)folder_watch(f->at.folder);
	if (f->lost || came_too_late(f, there, &st))
		return;
	if (f->resting && (!there || !is_file(&f->id, &st))) {
		rest_lose(f);
		return;
	}
	if (f->resting && is_unchanged(f, &st)) {
		f->missing = false;
		return;
	}
	if (f->current != NULL && there && is_file(&f->current->id, &st)) {
		f->missing = false;
		if (f->between_ns != 0)
			know_opened(f, NULL);
		lane_wake(&f->current->stream);
		return;
	}
	if (f->current != NULL) {
		rotate_current(f);
		rotated = true;
	}
	if (f->last_opened_ns != 0 && (rotated || (there && f->real != NULL) || directory_has_changed(f)) && !read_between(f, rotated))
		return;
	if (f->skipped || (f->fails > 0 && clock_mono_ns() < f->look_at_ns))
		return;
	/* Between a rename and the next file of that name there is a moment without: nothing to warn of yet. */
	if (there || (f->said_errno != ENOENT && !retired && !rotated)) {
		open_current(f, false);
		know_opened(f, there ? &st : NULL);
	} else {
		f->missing = true;
		f->shared->look_soon(f->shared->component);
	}
}

void
follow_look(struct follow *f)
{
	look(f, false);
}

void
follow_look_retired(struct follow *f)
{
	look(f, true);
}

/* What the file was written with after it was emptied, and before or after the path named another one. */
static void
read_emptied(struct follow *f, const struct tail *t)
{
	struct stat st;
	int fd = dup(t->fd);

	if (fd >= 0 && fstat(fd, &st) == 0)
		follow_read_past(f, fd, &st, &(struct past_file){.emptied = true});
	else if (fd >= 0)
		(void)close(fd);
}

static int
find_rest(struct follow *f, struct tail *t, bool named, struct past_file *ret)
{
	int copy = generations_of_cut(f, t, ret);

	if (copy < 0 && t->lost_bytes > 0) {
		follow_abandon(f, "truncated", t->lost_bytes);
		log_warn(f->shared->component->id, "file was emptied before all of it was read, and there is no copy", "path", f->path,
			"bytes", log_i64((int64_t)t->lost_bytes), "hint", "rotate by renaming (logrotate: create instead of copytruncate)", NULL);
	}
	if (!named)
		read_emptied(f, t);
	return copy;
}

/* The same of a tail that was rotated away: what is found has its place behind it, before those that came later. */
static int
find_rest_of_rotated(struct follow *f, struct tail *t, bool named, struct past_file *ret)
{
	VEC(struct tail *) later = {0};
	size_t at = 0;
	struct tail *next;
	int copy;

	while (f->rotated.items[at] != t)
		at++;
	for (size_t i = at + 1; i < f->rotated.len; i++)
		vec_push(&later, f->rotated.items[i]);
	next = later.len > 0 ? later.items[0] : f->current;
	f->rotated.len = at + 1;
	copy = find_rest(f, t, named, ret);
	if (next != NULL && f->rotated.len > at + 1)
		tail_follow_on_later(next, f->rotated.items[f->rotated.len - 1]);
	for (size_t i = 0; i < later.len; i++)
		vec_push(&f->rotated, later.items[i]);
	vec_done(&later);
	return copy;
}

/* The lane has seen the file shorter than what it had read: what is there now is a new generation. */
static void
on_tail_cut(void *owner, struct tail *t)
{
	struct follow *f = t->follow;
	bool current = f != NULL && t == f->current, named = f != NULL && names(f->path, &t->id);
	struct past_file what = {0};
	int copy = -1;

	(void)owner;
	if (current)
		retire_current(f);
	if (f != NULL)
		copy = current ? find_rest(f, t, named, &what) : find_rest_of_rotated(f, t, named, &what);
	if (copy >= 0 && what.packed)
		t->copy_format = (int)what.format;
	tail_go_on_in(t, copy);
	if (current)
		open_current(f, named);
}

static void
end_current(struct follow *f, const struct tail *t)
{
	int err = atomic_load(&t->failed);

	f->current = NULL;
	count_active(f->shared, -1);
	if (t->has_read)
		f->said_errno = 0;
	f->fails = t->has_read ? 1 : f->fails + 1;
	f->look_at_ns = clock_mono_ns() + (f->fails < FAILS_MAX ? f->fails : FAILS_MAX) * NS_PER_S;
	say(f, err != 0 ? err : EIO, "");
}

/* A file that was quiet was let go to rest. What came meanwhile is seen now; what comes from now on the kernel tells of. */
static void
end_resting(struct follow *f, const struct tail *t, bool is_current)
{
	struct stat st;
	bool there = fstat(t->fd, &st) == 0, grown = there && (uint64_t)st.st_size != t->read_to;

	if (!is_current) { /* it was rotated away at this moment */
		int fd = grown ? dup(t->fd) : -1;

		if (fd >= 0)
			read_on(f, &t->id, fd);
		return;
	}
	f->current = NULL;
	if (!there)
		st = (struct stat){0};
	rest_begin(f, t, t->read_to, &st);
	if (map_len(&f->shared->paths) > SERIES_KEPT)
		keep_series(f, false);
	if (grown)
		follow_look(f);
}

/* The lane has let a generation go. */
static void
on_tail_end(void *owner, struct tail *t)
{
	struct follow_shared *shared = owner;
	struct follow *f = t->follow;
	bool is_current = f != NULL && t == f->current;

	rest_closed(shared, t);
	if (t->kept) {
		char name[KEPT_NAME_BYTES];

		kept_name(t->stream.key, name);
		notify_forget_fd(name);
	}
	t->owner = NULL;
	t->follow = NULL;
	if (map_get(&shared->live, t->stream.key) == t)
		(void)map_remove(&shared->live, t->stream.key);
	for (size_t i = 0; f != NULL && i < f->rotated.len; i++) {
		if (f->rotated.items[i] == t) {
			vec_remove(&f->rotated, i);
			break;
		}
	}
	if (f != NULL && t->resting && atomic_load(&t->failed) == 0)
		end_resting(f, t, is_current);
	else if (is_current)
		end_current(f, t);
	leave_path(shared, t->stream.name);
	stream_unref(&t->stream);
}

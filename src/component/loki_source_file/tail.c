/* SPDX-License-Identifier: Apache-2.0 */
#include "tail.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/limits.h"
#include "longship/base/log.h"
#include "longship/base/mem.h"
#include "longship/flow/batch.h"
#include "longship/flow/component.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

#define ROTATED_IDLE_NS (10 * NS_PER_S) /* a writer may go on in a renamed file until it has reopened its log */
#define ROTATED_LOOK_NS (250 * NS_PER_MS)
#define TURN_LOOK_NS (10 * NS_PER_MS) /* how soon a generation sees that the one before is drained */

static const struct stream_ops ops;

struct tail *
tail_new(struct runtime *runtime, struct ledger *ledger, const struct file_id *id, struct str key, const char *path, int fd,
	const struct target *target, const struct ptr_list *forward_to, uint64_t size, int64_t first_seen_ns)
{
	struct tail *t = mem_new(struct tail);

	stream_init(&t->stream, &ops, runtime, ledger, key, path);
	t->stream.forward_to = forward_to;
	t->stream.size = size;
	t->stream.oldest_ns = first_seen_ns;
	t->id = *id;
	t->fd = fd;
	t->opened_ns = clock_now_ns();
	t->arena = arena_new(TARGET_ARENA_BYTES);
	t->label_pairs = arena_array(t->arena, struct str_pair, target->n + 1);
	for (size_t i = 0; i < target->n; i++) {
		struct str name = target->labels[i].name;

		if (str_starts(name, STR("__")) || str_eq(name, STR("filename")))
			continue;
		t->label_pairs[t->n_labels++] = (struct str_pair){arena_str(t->arena, name), arena_str(t->arena, target->labels[i].value)};
	}
	t->label_pairs[t->n_labels++] = (struct str_pair){STR("filename"), arena_str(t->arena, str_from(path))};
	t->seen[t->n_seen].size = size;
	t->seen[t->n_seen++].ns = first_seen_ns;
	t->grown_at_ns = clock_mono_ns();
	return t;
}

/* whole: after an error the part before it is not wanted. */
static ssize_t
read_at(int fd, char *buffer, size_t bytes, uint64_t offset, bool whole)
{
	size_t have = 0;

	while (have < bytes) {
		ssize_t n = pread(fd, buffer + have, bytes - have, (off_t)(offset + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return have > 0 && !whole ? (ssize_t)have : -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

void
tail_skip_to_end(struct tail *t, uint64_t size)
{
	char buffer[4096];
	uint64_t end = size;

	while (end > 0) {
		size_t want = end < sizeof(buffer) ? (size_t)end : sizeof(buffer);
		ssize_t n = read_at(t->fd, buffer, want, end - want, false);
		const char *newline = n > 0 ? memrchr(buffer, '\n', (size_t)n) : NULL;

		if (newline != NULL) {
			t->stream.read_offset = end - want + (uint64_t)(newline - buffer) + 1;
			t->stream.position = t->stream.read_offset;
			return;
		}
		end -= want;
	}
}

/* Remembers when the file was seen this large. When all places are taken the newest two become one: older data gets a
 * time that is rather too early than too late. */
static void
note_size(struct tail *t, uint64_t size)
{
	if (t->n_seen > 0 && size <= t->seen[t->n_seen - 1].size)
		return;
	t->grown_at_ns = clock_mono_ns();
	if (t->n_seen == SEEN_MAX) {
		t->seen[SEEN_MAX - 1].size = size;
		return;
	}
	t->seen[t->n_seen].size = size;
	t->seen[t->n_seen++].ns = clock_now_ns();
}

/* When the byte at the read offset was first seen; forgets what lies before it. */
static int64_t
first_seen(struct tail *t)
{
	size_t past = 0;

	while (past + 1 < t->n_seen && t->seen[past].size <= t->stream.read_offset)
		past++;
	if (past > 0) {
		memmove(&t->seen[0], &t->seen[past], (t->n_seen - past) * sizeof(t->seen[0]));
		t->n_seen -= past;
	}
	return t->seen[0].ns;
}

static const struct labels *
intern_labels(struct tail *t, struct lane *lane)
{
	struct label items[LABELS_MAX];
	size_t n = t->n_labels < LABELS_MAX ? t->n_labels : LABELS_MAX;

	for (size_t i = 0; i < n; i++)
		items[i] = (struct label){t->label_pairs[i].name, t->label_pairs[i].value};
	return labels_ref(labels_intern(lane_labels(lane), items, n));
}

/* Hands on the lines of text; the last may lack its newline. Returns how many. */
static uint32_t
emit_lines(struct tail *t, struct lane *lane, struct receipt *receipt, struct str text)
{
	const char *p = text.s, *end = text.s + text.len;
	const struct labels *labels = t->stream.labels;
	uint32_t line = 0;

	while (p < end) {
		struct batch *b = stream_batch(&t->stream, lane, receipt, BATCH_ENTRIES_MAX);

		for (; p < end && b->n < b->cap; b->n++, line++) {
			const char *newline = memchr(p, '\n', (size_t)(end - p));
			const char *stop = newline != NULL ? newline : end;
			size_t len = (size_t)(stop - p);

			if (newline != NULL && len > 0 && p[len - 1] == '\r')
				len--;
			b->ts[b->n] = receipt->base_ns + line;
			b->line[b->n] = (struct str){p, len};
			b->labels[b->n] = labels;
			b->origin[b->n] = (struct origin){line, 1};
			p = stop + (newline != NULL);
		}
		stream_emit(&t->stream, b);
		/* A span of very short lines makes many batches: what one needed is not kept for the next. */
		if (p < end) {
			arena_clear(lane_arena(lane));
			labels_table_trim(lane_labels(lane), LABEL_TABLE_BYTES_MAX);
		}
	}
	return line;
}

static void
count(struct tail *t, uint32_t lines, uint64_t size, bool split)
{
	if (t->metrics.read_lines == NULL)
		return;
	metric_add(t->metrics.read_lines, lines);
	if (split)
		metric_add(t->metrics.split_lines, 1);
	metric_set(t->metrics.read_bytes, (double)t->stream.read_offset);
	metric_set(t->metrics.file_bytes, (double)size);
}

/* How much of the n bytes read makes whole lines. 0: wait for more. */
static size_t
whole_lines(struct tail *t, const char *buffer, size_t n, uint64_t limit, bool at_end)
{
	uint64_t end = t->stream.read_offset + n;
	const char *newline;

	if (end == limit || n == 0)
		return n; /* a span that was read before ends here, whatever stands there */
	newline = memrchr(buffer, '\n', n);
	if (newline != NULL)
		return (size_t)(newline - buffer) + 1;
	if (n == SPAN_BYTES_MAX)
		return n; /* a line longer than a span: split */
	return at_end ? n : 0;
}

static enum stream_state
wait_for_more(struct tail *t, uint64_t size)
{
	struct stream *s = &t->stream;

	t->read_to = size;
	if (!atomic_load(&t->rotated))
		return STREAM_IDLE;
	if (clock_mono_ns() - t->grown_at_ns >= ROTATED_IDLE_NS)
		return STREAM_DONE;
	s->wake_at_ns = clock_mono_ns() + ROTATED_LOOK_NS;
	return STREAM_WAIT;
}

void
tail_take_proof(struct tail *t)
{
	struct stream *s = &t->stream;

	(void)pthread_mutex_lock(&s->ledger->lock);
	t->head_bytes = s->proof != NULL ? s->proof->head.offset : 0;
	t->proof = s->proof != NULL ? proof_at(s->proof, s->read_offset) : 0;
	(void)pthread_mutex_unlock(&s->ledger->lock);
}

/* A small file's head grows with it: it is hashed again each time that it has doubled. */
static void
prove_head(struct tail *t, struct str text)
{
	struct stream *s = &t->stream;
	uint64_t to = s->read_offset + text.len, want = to < PROOF_HEAD_BYTES ? to : PROOF_HEAD_BYTES;
	char head[PROOF_HEAD_BYTES];
	const char *bytes = text.s;

	if (t->head_bytes >= PROOF_HEAD_BYTES || (want < 2 * t->head_bytes && want < PROOF_HEAD_BYTES))
		return;
	if (s->read_offset > 0) {
		if (read_at(t->fd, head, (size_t)want, 0, true) != (ssize_t)want)
			return;
		bytes = head;
	}
	stream_prove_head(s, want, proof_hash(bytes, (size_t)want));
	t->head_bytes = want;
}

/* text stands behind `before` bytes that were read with it. */
static void
read_span(struct tail *t, struct lane *lane, struct str text, size_t before, uint64_t size)
{
	size_t tail = before + text.len < PROOF_TAIL_BYTES ? before + text.len : PROOF_TAIL_BYTES;
	struct stream *s = &t->stream;
	struct receipt *receipt;
	uint32_t lines;

	if (s->labels == NULL)
		s->labels = intern_labels(t, lane);
	receipt = stream_begin(s, lane, s->read_offset + text.len, text.len, first_seen(t));
	prove_head(t, text);
	receipt->tail_hash = t->proof = proof_hash(text.s + text.len - tail, tail);
	lines = emit_lines(t, lane, receipt, text);
	stream_end(s, lane, receipt, lines);
	count(t, lines, size, text.len == SPAN_BYTES_MAX && text.s[text.len - 1] != '\n');
}

static enum stream_state
fail(struct tail *t, int err)
{
	atomic_store(&t->failed, err); /* follow.c says it */
	atomic_store(&t->drained, true);
	return STREAM_DONE;
}

static void
tell_cut(void *ptr)
{
	struct tail *t = ptr;

	if (t->owner != NULL)
		t->on_cut(t->owner, t);
	stream_unref(&t->stream);
}

/* The next generation need not wait until all of this one has settled. */
static enum stream_state
cut(struct tail *t)
{
	atomic_store(&t->drained, true);
	if (!atomic_exchange(&t->truncated, true)) {
		stream_ref(&t->stream);
		loop_post(t->stream.runtime->loop, tell_cut, t);
	}
	return STREAM_DONE;
}

static void
note_lag(struct tail *t, uint64_t size)
{
	struct stream *s = &t->stream;

	(void)pthread_mutex_lock(&s->ledger->lock);
	s->size = size;
	s->oldest_ns = first_seen(t);
	(void)pthread_mutex_unlock(&s->ledger->lock);
}

void
tail_rotated(struct tail *t, int64_t written_ns)
{
	int64_t ago = clock_now_ns() - written_ns;

	if (ago > 0)
		atomic_store(&t->grown_at_ns, clock_mono_ns() - (ago < ROTATED_IDLE_NS ? ago : ROTATED_IDLE_NS));
	atomic_store(&t->rotated, true);
	lane_wake(&t->stream);
}

void
tail_follow_on(struct tail *t, struct tail *before)
{
	assert(t->after == NULL);
	stream_ref(&before->stream);
	t->after = before;
}

/* Lets go of the generation before when nothing more comes of it; the one before that takes its place. */
static void
leave_drained(struct tail *t)
{
	while (t->after != NULL && atomic_load(&t->after->drained)) {
		struct tail *before = t->after;

		t->after = before->after;
		if (t->after != NULL)
			stream_ref(&t->after->stream);
		stream_unref(&before->stream);
	}
}

/* The lines of earlier generations go first, so that the stream stays in order. A writer may go on in the old file until it has
 * opened the new one: what the old ones have by now was written before what the new one will get. */
static bool
must_wait(struct tail *t)
{
	leave_drained(t);
	for (struct tail *before = t->after; before != NULL; before = before->after) {
		struct stat st;

		if (atomic_load(&before->drained) || atomic_load(&before->stream.ended) || fstat(before->fd, &st) < 0 ||
			(uint64_t)st.st_size == before->read_to)
			continue;
		lane_wake(&before->stream);
		t->stream.wake_at_ns = clock_mono_ns() + TURN_LOOK_NS;
		return true;
	}
	return false;
}

/* What stands before the read offset is what stood there when it was read: a file that was emptied and has grown past it since is
 * not. */
static bool
still_the_same(const struct tail *t, const char *buffer, size_t before, size_t n)
{
	return n >= before && (t->proof == 0 || proof_hash(buffer, before) == t->proof);
}

static enum stream_state
run(struct stream *s, struct lane *lane)
{
	struct tail *t = (struct tail *)s;
	uint64_t limit = stream_next_limit(s), want;
	size_t before = s->read_offset < PROOF_TAIL_BYTES ? (size_t)s->read_offset : PROOF_TAIL_BYTES, len;
	char *buffer = lane_buffer(lane);
	bool idle, more;
	struct stat st;
	ssize_t n;

	if (fstat(t->fd, &st) < 0)
		return fail(t, errno);
	if (must_wait(t))
		return STREAM_WAIT;
	if (atomic_load(&t->truncated) || (uint64_t)st.st_size < s->read_offset)
		return cut(t);
	note_size(t, (uint64_t)st.st_size);
	note_lag(t, (uint64_t)st.st_size);
	want = (uint64_t)st.st_size - s->read_offset;
	if (want > limit - s->read_offset)
		want = limit - s->read_offset;
	if (want > SPAN_BYTES_MAX)
		want = SPAN_BYTES_MAX;
	/* Also where the file is no larger: it may have been emptied and written to the same size. */
	n = read_at(t->fd, buffer, before + (size_t)want, s->read_offset - before, limit != UINT64_MAX);
	if (n < 0)
		return fail(t, (int)-n);
	if (!still_the_same(t, buffer, before, (size_t)n))
		return cut(t);
	n -= (ssize_t)before;
	idle = atomic_load(&t->rotated) && clock_mono_ns() - t->grown_at_ns >= ROTATED_IDLE_NS;
	t->has_read = t->has_read || n > 0;
	len = whole_lines(t, buffer + before, (size_t)n, limit, idle);
	if (len == 0)
		return wait_for_more(t, (uint64_t)st.st_size);
	more = s->read_offset + len < (uint64_t)st.st_size;
	read_span(t, lane, (struct str){buffer + before, len}, before, (uint64_t)st.st_size);
	return more ? STREAM_MORE : wait_for_more(t, (uint64_t)st.st_size);
}

static void
tell_end(void *ptr)
{
	struct tail *t = ptr;

	if (t->owner != NULL)
		t->on_end(t->owner, t);
	stream_unref(&t->stream);
}

static void
closed(struct stream *s)
{
	struct tail *t = (struct tail *)s;

	atomic_store(&t->drained, true);
	if (t->after != NULL)
		stream_unref(&t->after->stream);
	t->after = NULL;
	stream_ref(s);
	loop_post(s->runtime->loop, tell_end, t);
}

static void
rewound(struct stream *s)
{
	struct tail *t = (struct tail *)s;

	atomic_store(&t->failed, 0);
	tail_take_proof(t);
	t->read_to = 0;
	if (!atomic_load(&t->truncated))
		atomic_store(&t->drained, false);
}

static void
free_tail(struct stream *s)
{
	struct tail *t = (struct tail *)s;

	if (t->after != NULL) /* it never came to a lane */
		stream_unref(&t->after->stream);
	if (t->fd >= 0)
		(void)close(t->fd);
	arena_free(t->arena);
	mem_free(t);
}

static const struct stream_ops ops = {.run = run, .rewound = rewound, .closed = closed, .free = free_tail};

/* SPDX-License-Identifier: Apache-2.0 */
#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
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

#define ROTATED_LOOK_NS (250 * NS_PER_MS)
#define BUSY_LOOK_NS (50 * NS_PER_MS) /* all memory for decompressing is in use */
#define TURN_LOOK_NS (10 * NS_PER_MS) /* how soon a generation sees that the one before is drained */

static const struct stream_ops ops, reader_ops;

struct tail *
tail_new(struct runtime *runtime, struct ledger *ledger, const struct file_id *id, struct str key, const char *path, int fd,
	const struct target *target, const struct ptr_list *forward_to, struct content_rules *rules, uint64_t size,
	int64_t first_seen_ns)
{
	struct tail *t = mem_new(struct tail);

	stream_init(&t->stream, &ops, runtime, ledger, key, path);
	t->stream.forward_to = forward_to;
	t->stream.size = size;
	t->stream.oldest_ns = first_seen_ns;
	t->id = *id;
	t->fd = fd;
	t->opened_ns = clock_now_ns();
	atomic_init(&t->copy_fd, -1);
	t->copy_format = -1;
	content_init(&t->content, rules);
	t->open_place = SIZE_MAX;
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
	if (content_delay_ns(rules) > 0)
		t->not_before_ns = t->grown_at_ns + content_delay_ns(rules);
	atomic_init(&t->read_ns, t->grown_at_ns);
	return t;
}

void
tail_skip_to_end(struct tail *t, uint64_t size)
{
	t->stream.read_offset = t->stream.position = content_last_line(&t->content, t->fd, size);
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

	while (past + 1 < t->n_seen && t->seen[past].size <= content_taken(&t->content, t->stream.read_offset))
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

static void
count(struct tail *t, uint32_t lines, uint64_t size)
{
	if (t->metrics.read_lines == NULL)
		return;
	metric_add(t->metrics.read_lines, lines);
	metric_set(t->metrics.read_bytes, (double)t->stream.read_offset);
	metric_set(t->metrics.file_bytes, (double)size);
}

/* How much of the n bytes read makes whole lines. 0: wait for more. */
static size_t
whole_lines(struct tail *t, struct str text, uint64_t limit, bool at_end)
{
	uint64_t offset = t->stream.read_offset;
	bool recognised;
	size_t len;

	if (text.len == 0)
		return 0;
	/* Before the span's end is looked at: a span that is read again from the start is the first that shows the encoding. */
	recognised = content_recognise(&t->content, t->fd, text, offset);
	if (offset + text.len == limit)
		return text.len; /* a span that was read before ends here, whatever stands there */
	if (!recognised && offset == 0 && !at_end)
		return 0;
	len = content_whole_lines(&t->content, text, offset);
	return len == 0 && at_end ? text.len : len;
}

static enum stream_state
wait_for_more(struct tail *t, uint64_t size)
{
	struct stream *s = &t->stream;

	t->read_to = size;
	if (t->content.unpack != NULL)
		unpack_rest(t->content.unpack);
	if (!atomic_load(&t->rotated)) {
		atomic_store(&t->at_end, s->lags.len == 0);
		return STREAM_IDLE;
	}
	if (clock_mono_ns() - t->grown_at_ns >= content_rotated_wait_ns(t->content.rules))
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
		if (content_read(&t->content, t->fd, head, (size_t)want, 0, true) != (ssize_t)want)
			return;
		bytes = head;
	}
	stream_prove_head(s, want, proof_hash(bytes, (size_t)want));
	t->head_bytes = want;
}

/* A line of longship's own; it is no line of the source and counts for none. */
static void
announce(struct tail *t, struct lane *lane, struct receipt *receipt, char *text)
{
	struct batch *b = stream_batch(&t->stream, lane, receipt, 1);

	b->ts[0] = receipt->base_ns;
	b->line[0] = str_from(text);
	b->labels[0] = t->stream.labels;
	b->origin[0] = (struct origin){0, 0};
	b->n = 1;
	stream_emit(&t->stream, b);
	if (t->metrics.synthetic != NULL)
		metric_add(t->metrics.synthetic, 1);
	mem_free(text);
}

/* text stands behind `before` bytes that were read with it. to: where the span ends, behind the text when that is all NUL. */
static void
read_span(struct tail *t, struct lane *lane, struct str text, size_t before, uint64_t to, uint64_t size)
{
	size_t tail = before + text.len < PROOF_TAIL_BYTES ? before + text.len : PROOF_TAIL_BYTES;
	bool hole = to > t->stream.read_offset + text.len, packed = t->content.unpack != NULL;
	struct stream *s = &t->stream;
	struct receipt *receipt;
	uint32_t lines, wanted;
	char *text_lost;

	if (s->labels == NULL)
		s->labels = intern_labels(t, lane);
	receipt = stream_begin(s, lane, to, hole ? 1 : text.len, first_seen(t));
	if (!packed)
		prove_head(t, text);
	/* Where less was read than the next look will have before it, nothing is known. */
	t->proof = tail == PROOF_TAIL_BYTES || tail == to ? proof_hash(text.s + text.len - tail, tail) : 0;
	/* Who opens a compressed file does not look into it; but when it is a generation that was not compressed before, it is looked for again by
	 * what stands in it. */
	receipt->tail_hash = packed && t->head_bytes == 0 ? 0 : t->proof;
	text_lost = atomic_exchange(&t->announce, NULL);
	if (text_lost != NULL)
		announce(t, lane, receipt, text_lost);
	lines = hole ? content_pass(&t->content, receipt) : content_emit(&t->content, s, lane, receipt, text, before);
	wanted = receipt->passed ? receipt->wanted : lines;
	t->text = text;
	t->before = before;
	if (t->of == NULL)
		receipt->cursor = content_cursor(&t->content, t->fd, to);
	stream_end(s, lane, receipt, lines);
	t->text = STR_EMPTY;
	if (s->read_offset != to)
		tail_take_proof(t);
	count(t, wanted, size);
}

static bool
locate(struct stream *s, struct lane *lane, struct receipt *r, struct open_run *runs, size_t n)
{
	struct tail *t = (struct tail *)s;

	return content_locate(&t->content, s, lane, r, t->text, t->before, runs, n);
}

static bool
waits(struct stream *s)
{
	for (const struct tail *before = ((struct tail *)s)->after; before != NULL; before = before->after) {
		const struct stream *b = &before->stream;
		bool unsettled;

		(void)pthread_mutex_lock(&b->ledger->lock);
		unsettled = b->oldest != NULL || b->passed != NULL || b->unread.len > 0;
		(void)pthread_mutex_unlock(&b->ledger->lock);
		if (unsettled)
			return true;
	}
	return false;
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

	if (t->owner != NULL && !atomic_load(&t->abandoned))
		t->on_cut(t->owner, t);
	else
		tail_go_on_in(t, -1);
	stream_unref(&t->stream);
}

/* A second reader has seen it: where the lines go on is asked for by the first. When that has looked since and goes on, they are nowhere. */
static enum stream_state
leave_to_first(struct tail *t)
{
	struct tail *of = t->of;

	if (atomic_load(&of->stream.ended) || atomic_load(&of->stream.removed) || (t->asked && t->looks != of->looks))
		return STREAM_DONE;
	t->asked = true;
	t->looks = of->looks;
	lane_wake(&of->stream);
	return STREAM_IDLE;
}

/* Waits for the answer. */
static enum stream_state
cut(struct tail *t)
{
	uint64_t size = t->n_seen > 0 ? t->seen[t->n_seen - 1].size : 0;

	if (atomic_load(&t->abandoned))
		return STREAM_IDLE; /* was woken */
	if (t->of != NULL)
		return leave_to_first(t);
	if (!atomic_exchange(&t->truncated, true)) {
		t->lost_bytes = size > t->stream.read_offset ? size - t->stream.read_offset : 0;
		t->read_to = UINT64_MAX;
		stream_ref(&t->stream);
		loop_post(t->stream.runtime->loop, tell_cut, t);
	}
	return STREAM_IDLE;
}

void
tail_go_on_in(struct tail *t, int fd)
{
	assert(atomic_load(&t->copy_fd) < 0);
	atomic_store(&t->rotated, true);
	atomic_store(&t->copy_fd, fd);
	atomic_store(&t->given_up, fd < 0);
	lane_wake(&t->stream);
}

void
tail_announce(struct tail *t, char *text)
{
	mem_free(atomic_exchange(&t->announce, text));
}

/* Its descriptor becomes that of an empty file, in one step. The lane changes the number only while the tail is truncated, which this thread
 * begins with tail_go_on_in. */
bool
tail_abandon(struct tail *t)
{
	int empty = memfd_create("longship-abandoned", MFD_CLOEXEC);
	bool done;

	if (empty < 0)
		return false;
	atomic_store(&t->abandoned, true);
	done = dup3(empty, t->fd, O_CLOEXEC) >= 0;
	if (!done)
		atomic_store(&t->abandoned, false);
	(void)close(empty);
	lane_wake(&t->stream);
	return done;
}

/* Another file is read from here on. */
static void
forget_sizes(struct tail *t)
{
	t->seen[0] = t->seen[t->n_seen - 1];
	t->seen[0].size = 0;
	t->n_seen = 1;
}

/* True: it goes on. False: it waits, or has ended (*ret). */
static bool
leave_truncated(struct tail *t, enum stream_state *ret)
{
	int fd = atomic_exchange(&t->copy_fd, -1);

	if (fd >= 0) {
		(void)close(t->fd);
		t->fd = fd;
		if (t->copy_format >= 0 && t->content.unpack == NULL)
			t->content.unpack = unpack_new((enum decompress_format)t->copy_format);
		forget_sizes(t);
		t->copies++;
		atomic_store(&t->truncated, false);
		return true;
	}
	*ret = STREAM_IDLE;
	if (!atomic_load(&t->given_up))
		return false;
	/* The next generation need not wait until all of this one has settled. */
	atomic_store(&t->drained, true);
	*ret = STREAM_DONE;
	return false;
}

static void
note_lag(struct tail *t, uint64_t size)
{
	struct stream *s = &t->stream;

	if (t->of != NULL)
		return;
	(void)pthread_mutex_lock(&s->ledger->lock);
	s->size = content_size(&t->content, s->read_offset, size);
	s->oldest_ns = first_seen(t);
	(void)pthread_mutex_unlock(&s->ledger->lock);
}

void
tail_rotated(struct tail *t, int64_t written_ns)
{
	int64_t ago = clock_now_ns() - written_ns;

	atomic_store(&t->grown_at_ns, clock_mono_ns() - (ago > 0 ? ago : 0));
	atomic_store(&t->unseen, true);
	atomic_store(&t->rotated, true);
	lane_wake(&t->stream);
}

void
tail_follow_on(struct tail *t, struct tail *before)
{
	char bytes[PROOF_TAIL_BYTES];
	ssize_t n;

	assert(t->after == NULL);
	n = t->stream.read_offset == 0 && t->content.unpack == NULL ? content_read(&t->content, t->fd, bytes, sizeof(bytes), 0, false) : 0;
	if (n > 0) {
		t->begin_bytes = (size_t)n;
		t->begin = proof_hash(bytes, (size_t)n);
	}
	stream_ref(&before->stream);
	t->after = before;
	stream_ref(&before->stream);
	t->stream.predecessor = &before->stream;
}

void
tail_follow_on_later(struct tail *t, struct tail *before)
{
	struct tail *earlier;

	stream_ref(&before->stream);
	earlier = atomic_exchange(&t->after_too, before);
	if (earlier != NULL)
		stream_unref(&earlier->stream);
	lane_wake(&t->stream);
}

static void
take_after_too(struct tail *t)
{
	struct tail *before = atomic_exchange(&t->after_too, NULL);

	if (before == NULL)
		return;
	if (t->after != NULL)
		stream_unref(&t->after->stream);
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

/* It may be too early to read. The lines of earlier generations go first, so that the stream stays in order. A writer may go on in the old file until it has
 * opened the new one: what the old ones have by now was written before what the new one will get. */
static bool
must_wait(struct tail *t)
{
	if (t->not_before_ns > 0 && t->not_before_ns > clock_mono_ns()) {
		t->stream.wake_at_ns = t->not_before_ns;
		return true;
	}
	t->not_before_ns = 0;
	take_after_too(t);
	leave_drained(t);
	for (struct tail *before = t->after; before != NULL; before = before->after) {
		struct stat st;

		if (atomic_load(&before->drained) || atomic_load(&before->stream.ended) || fstat(before->fd, &st) < 0 ||
			((uint64_t)st.st_size == before->read_to && !atomic_load(&before->unseen)))
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
still_the_same(const struct tail *t, const char *buffer, size_t before)
{
	return t->proof == 0 || proof_hash(buffer, before) == t->proof;
}

/* The same for a file that was opened and is read only now, since earlier generations came first. */
static bool
begins_as_seen(struct tail *t, const char *buffer, size_t n)
{
	size_t bytes = t->begin_bytes;

	t->begin_bytes = 0;
	return bytes == 0 || n < bytes || t->stream.read_offset > 0 || proof_hash(buffer, bytes) == t->begin;
}

/* A file whose content cannot be read to its end is kept, what came before the damage is sent. */
static void
tell_damage(struct tail *t)
{
	const struct unpack *u = t->content.unpack;

	if (u == NULL || u->end != UNPACK_DAMAGED || t->told_damage)
		return;
	t->told_damage = true;
	log_error(t->stream.ledger->component_id, "cannot decompress the rest of the file", "path", t->stream.name, "err",
		u->error == -E2BIG ? "it needs more memory than longship gives it" : "damaged, or in another format", "offset",
		log_i64((int64_t)u->in), NULL);
}

/* Why there is less than was read before, of a compressed file: it may not be written to its end yet. */
static enum stream_state
come_too_short(struct tail *t, uint64_t size)
{
	if (t->content.unpack != NULL && t->content.unpack->end != UNPACK_COMPLETE)
		return wait_for_more(t, size);
	return cut(t);
}

static enum stream_state
read_failed(struct tail *t, int err)
{
	if (err == EAGAIN)
		return STREAM_MORE;
	if (err != EBUSY)
		return fail(t, err);
	t->stream.wake_at_ns = clock_mono_ns() + BUSY_LOOK_NS;
	return STREAM_WAIT;
}

/* Hands on what makes whole lines of n bytes at the read offset; `before` bytes stand before them. */
static enum stream_state
use_bytes(struct tail *t, struct lane *lane, const char *bytes, size_t before, size_t n, uint64_t limit, uint64_t size)
{
	struct stream *s = &t->stream;
	bool idle = atomic_load(&t->rotated) && clock_mono_ns() - t->grown_at_ns >= content_flush_partial_ns(t->content.rules);
	uint64_t end = limit < size || t->content.unpack != NULL ? limit : size, to = 0;
	size_t len = whole_lines(t, (struct str){bytes, n}, limit, idle || content_is_final(&t->content));

	if (n > 0) {
		t->has_read = true;
		atomic_store(&t->read_ns, clock_mono_ns());
	}
	content_used(&t->content, bytes - before, before + n, s->read_offset + len > PROOF_TAIL_BYTES ? s->read_offset + len - PROOF_TAIL_BYTES : 0);
	if (len == 0)
		return wait_for_more(t, size);
	if (*bytes == '\0')
		to = content_hole(&t->content, t->fd, (struct str){bytes, len}, s->read_offset, end);
	if (to <= s->read_offset + len)
		to = s->read_offset + len;
	read_span(t, lane, (struct str){bytes, len}, before, to, size);
	return s->read_offset < content_size(&t->content, s->read_offset, size) ? STREAM_MORE : wait_for_more(t, size);
}

static enum stream_state
run(struct stream *s, struct lane *lane)
{
	struct tail *t = (struct tail *)s;
	uint64_t limit = stream_next_limit(s), want = SPAN_BYTES_MAX;
	size_t before = content_before(&t->content, s->read_offset, t->proof != 0);
	char *buffer = lane_buffer(lane);
	enum stream_state state;
	struct stat st;
	ssize_t n;

	if (atomic_load(&t->abandoned)) {
		atomic_store(&t->drained, true);
		return STREAM_DONE;
	}
	if (atomic_load(&t->truncated) && !leave_truncated(t, &state))
		return state;
	atomic_store(&t->at_end, false);
	if (fstat(t->fd, &st) < 0)
		return fail(t, errno);
	if (must_wait(t))
		return STREAM_WAIT;
	/* Also when it is shorter than it was, but not than what was read of it. */
	if ((uint64_t)st.st_size < content_taken(&t->content, s->read_offset) || (uint64_t)st.st_size < t->seen[t->n_seen - 1].size)
		return cut(t);
	if (t->content.unpack == NULL && want > (uint64_t)st.st_size - s->read_offset)
		want = (uint64_t)st.st_size - s->read_offset;
	if (want > limit - s->read_offset)
		want = limit - s->read_offset;
	if (s->read_offset > 0)
		(void)content_recognise(&t->content, t->fd, STR_EMPTY, s->read_offset);
	/* Also where the file is no larger: it may have been emptied and written to the same size. */
	n = content_read(&t->content, t->fd, buffer, before + (size_t)want, s->read_offset - before, limit != UINT64_MAX);
	if (n >= (ssize_t)before && (!still_the_same(t, buffer, before) || !begins_as_seen(t, buffer, (size_t)n)))
		return cut(t);
	atomic_store(&t->unseen, false);
	note_size(t, (uint64_t)st.st_size);
	note_lag(t, (uint64_t)st.st_size);
	if (n < 0)
		return read_failed(t, (int)-n);
	t->looks++;
	t->asked = false;
	tell_damage(t);
	if ((size_t)n < before || content_is_short(&t->content, s->read_offset))
		return come_too_short(t, (uint64_t)st.st_size);
	return use_bytes(t, lane, buffer + before, before, (size_t)n - before, limit, (uint64_t)st.st_size);
}

static void
tell_end(void *ptr)
{
	struct tail *t = ptr;

	if (t->owner != NULL)
		t->on_end(t->owner, t);
	/* Others may know the tail for as long as they have nothing to read; the file may be deleted. */
	if (t->fd >= 0)
		(void)close(t->fd);
	t->fd = -1;
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
	if (!atomic_load(&t->given_up) && !atomic_load(&t->abandoned))
		atomic_store(&t->drained, false);
}

static void
free_tail(struct stream *s)
{
	struct tail *t = (struct tail *)s;

	take_after_too(t);
	if (t->after != NULL) /* it never came to a lane */
		stream_unref(&t->after->stream);
	mem_free(t->announce);
	if (t->copy_fd >= 0)
		(void)close(t->copy_fd);
	if (t->fd >= 0)
		(void)close(t->fd);
	arena_free(t->arena);
	content_done(&t->content);
	mem_free(t);
}

/* A generation may be compressed where the rules say nothing of it. */
static void
unpack_as_first(struct tail *t)
{
	const struct unpack *unpack = t->of->content.unpack;

	if (unpack != NULL && t->content.unpack == NULL)
		t->content.unpack = unpack_new(unpack->format);
}

/* A second stream on the same file: it reads behind the first, whose descriptor it shares. */
static struct stream *
make_reader(struct stream *main, struct str key, const char *name)
{
	const struct tail *of = (const struct tail *)main;
	struct tail *t = mem_new(struct tail);

	stream_init(&t->stream, &reader_ops, main->runtime, main->ledger, key, name);
	t->stream.forward_to = main->forward_to;
	t->id = of->id;
	t->fd = of->fd;
	atomic_init(&t->copy_fd, -1);
	t->of = (struct tail *)main;
	t->copies = of->copies;
	content_init(&t->content, of->content.rules);
	unpack_as_first(t);
	t->arena = arena_new(TARGET_ARENA_BYTES);
	t->label_pairs = arena_array(t->arena, struct str_pair, of->n_labels);
	for (; t->n_labels < of->n_labels; t->n_labels++)
		t->label_pairs[t->n_labels] = (struct str_pair){arena_str(t->arena, of->label_pairs[t->n_labels].name),
			arena_str(t->arena, of->label_pairs[t->n_labels].value)};
	t->seen[t->n_seen++].ns = clock_now_ns();
	t->grown_at_ns = clock_mono_ns();
	return &t->stream;
}

/* The file is no longer what the first reader has read of it. Another may be anywhere before, with nothing of its own to compare. */
static bool
has_changed(struct tail *of)
{
	uint64_t offset = of->stream.read_offset;
	size_t before = content_before(&of->content, offset, true);
	char bytes[SPAN_BEFORE_BYTES];
	struct stat st;

	if (fstat(of->fd, &st) < 0)
		return false;
	if ((uint64_t)st.st_size < content_taken(&of->content, offset) || (uint64_t)st.st_size < of->seen[of->n_seen - 1].size)
		return true;
	return of->content.unpack == NULL && content_read(&of->content, of->fd, bytes, before, offset - before, true) == (ssize_t)before &&
		!still_the_same(of, bytes, before);
}

static enum stream_state
run_reader(struct stream *s, struct lane *lane)
{
	struct tail *t = (struct tail *)s, *of = t->of;

	if (atomic_load(&of->given_up) || atomic_load(&of->abandoned) || atomic_load(&of->failed) != 0)
		return STREAM_DONE;
	if (atomic_load(&of->truncated)) /* it waits for a copy; whoever runs readers looks again (lag_run) */
		return STREAM_IDLE;
	t->fd = of->fd;
	if (t->copies != of->copies) {
		t->copies = of->copies;
		unpack_as_first(t);
		forget_sizes(t);
		t->asked = false;
	}
	if (has_changed(of))
		return leave_to_first(t);
	return run(s, lane);
}

static void
free_reader(struct stream *s)
{
	struct tail *t = (struct tail *)s;

	t->fd = -1; /* the first one's */
	free_tail(s);
}

static const struct stream_ops ops = {.run = run, .rewound = rewound, .closed = closed, .free = free_tail, .locate = locate,
	.waits = waits, .reader = make_reader};
static const struct stream_ops reader_ops = {.run = run_reader, .rewound = rewound, .free = free_reader};

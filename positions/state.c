/* SPDX-License-Identifier: Apache-2.0 */
#include "state_priv.h"

#include "longship/base/check.h"
#include "longship/base/hash.h"
#include "longship/base/mem.h"

/*
 * A stream is one allocation, of about 110 bytes for a file that was read once: what it shares with others is kept once, the rest is packed.
 * Marks are rare (only what is on the wire has some).
 */
struct state_marks {
	uint32_t len, cap;
	struct position_mark items[]; /* ascending by from; each owns its memory */
};

#define SLOTS_MIN 16
#define FIRST_POSITION_BYTES 31 /* of a small file with two checkpoints */

void
state_init(struct state *st, bool loading)
{
	*st = (struct state){.next_number = 1, .slots_len = SLOTS_MIN};
	st->slots = mem_zalloc(st->slots_len * sizeof(struct stream *));
	if (loading)
		st->numbers = mem_zalloc(st->slots_len * sizeof(struct stream *));
}

void
state_loaded(struct state *st)
{
	mem_free(st->numbers);
	st->numbers = NULL;
}

static void
marks_free(struct state_marks *marks)
{
	if (marks == NULL)
		return;
	for (size_t i = 0; i < marks->len; i++)
		mem_free((void *)marks->items[i].memory.s);
	mem_free(marks);
}

void
state_done(struct state *st)
{
	for (size_t i = 0; i < st->slots_len; i++) {
		if (st->slots[i] != NULL) {
			marks_free(st->slots[i]->marks);
			shared_text_unref(&st->texts, st->slots[i]->shared);
			mem_free(st->slots[i]);
		}
	}
	shared_texts_done(&st->texts);
	mem_free(st->slots);
	mem_free(st->numbers);
	*st = (struct state){0};
}

/* ---- Texts ---- */

static size_t
digits_bytes(const struct stream *s)
{
	return ((size_t)s->digits + 1) / 2;
}

static const uint8_t *
packed_position(const struct stream *s)
{
	return s->data + digits_bytes(s) + s->name_len;
}

static struct str
get_key(const struct stream *s, char to[POSITIONS_KEY_BYTES_MAX])
{
	memcpy(to, s->shared->text, s->shared->begin_len);
	packed_get_digits(s->data, s->digits, to + s->shared->begin_len);
	return (struct str){to, (size_t)s->shared->begin_len + s->digits};
}

void
stream_texts(const struct stream *s, struct stream_texts *ret)
{
	char *path = ret->bytes + POSITIONS_KEY_BYTES_MAX;

	ret->key = get_key(s, ret->bytes);
	memcpy(path, s->shared->text + s->shared->begin_len, s->shared->dir_len);
	memcpy(path + s->shared->dir_len, s->data + digits_bytes(s), s->name_len);
	ret->path = (struct str){path, (size_t)s->shared->dir_len + s->name_len};
	ret->labels = (struct str){s->shared->text + s->shared->begin_len + s->shared->dir_len, s->shared->labels_len};
}

void
stream_position(const struct stream *s, struct position *ret)
{
	assert(stream_has_position(s));
	packed_get_position(packed_position(s), ret);
}

int64_t
stream_updated_ns(const struct stream *s)
{
	return packed_updated_ns(packed_position(s));
}

/* ---- Indexes ---- */

static uint32_t
key_hash(const struct stream *s)
{
	char key[POSITIONS_KEY_BYTES_MAX];

	return (uint32_t)hash_str(get_key(s, key));
}

static uint16_t
tag_of(uint64_t hash)
{
	return (uint16_t)(hash >> 32);
}

static bool
has_key(const struct stream *s, struct str key, uint64_t hash)
{
	char text[UINT8_MAX];

	if (s->tag != tag_of(hash) || key.len != (size_t)s->shared->begin_len + s->digits || memcmp(key.s, s->shared->text, s->shared->begin_len) != 0)
		return false;
	packed_get_digits(s->data, s->digits, text);
	return memcmp(key.s + s->shared->begin_len, text, s->digits) == 0;
}

static size_t
number_hash(uint64_t number)
{
	return (size_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* The two indexes are alike but for what they go by. */
static size_t
home_slot(const struct state *st, bool by_number, const struct stream *s)
{
	return (by_number ? number_hash(s->number) : key_hash(s)) & (st->slots_len - 1);
}

static void
index_add(struct state *st, bool by_number, struct stream *s)
{
	struct stream **index = by_number ? st->numbers : st->slots;
	size_t at = home_slot(st, by_number, s);

	while (index[at] != NULL)
		at = (at + 1) & (st->slots_len - 1);
	index[at] = s;
}

static size_t
index_place(const struct state *st, bool by_number, const struct stream *s)
{
	struct stream *const *index = by_number ? st->numbers : st->slots;
	size_t at = home_slot(st, by_number, s);

	while (index[at] != s) {
		assert(index[at] != NULL);
		at = (at + 1) & (st->slots_len - 1);
	}
	return at;
}

/* Closes the gap, so that no tombstones gather. */
static void
index_remove(struct state *st, bool by_number, const struct stream *s)
{
	struct stream **index = by_number ? st->numbers : st->slots;
	size_t mask = st->slots_len - 1, gap = index_place(st, by_number, s);

	for (size_t at = (gap + 1) & mask; index[at] != NULL; at = (at + 1) & mask) {
		size_t home = home_slot(st, by_number, index[at]);

		if (((at - home) & mask) >= ((at - gap) & mask)) {
			index[gap] = index[at];
			gap = at;
		}
	}
	index[gap] = NULL;
}

static void
grow(struct state *st)
{
	struct stream **old = st->slots;
	size_t old_len = st->slots_len;

	st->slots_len *= 2;
	st->slots = mem_zalloc(st->slots_len * sizeof(struct stream *));
	if (st->numbers != NULL) {
		mem_free(st->numbers);
		st->numbers = mem_zalloc(st->slots_len * sizeof(struct stream *));
	}
	for (size_t i = 0; i < old_len; i++) {
		if (old[i] == NULL)
			continue;
		index_add(st, false, old[i]);
		if (st->numbers != NULL)
			index_add(st, true, old[i]);
	}
	mem_free(old);
}

struct stream *
state_find(const struct state *st, struct str key)
{
	uint64_t hash = hash_str(key);
	size_t at = (uint32_t)hash & (st->slots_len - 1);

	while (st->slots[at] != NULL && !has_key(st->slots[at], key, hash))
		at = (at + 1) & (st->slots_len - 1);
	return st->slots[at];
}

static struct stream *
find_number(const struct state *st, uint64_t number)
{
	size_t at = number_hash(number) & (st->slots_len - 1);

	assert(st->numbers != NULL);
	while (st->numbers[at] != NULL && st->numbers[at]->number != number)
		at = (at + 1) & (st->slots_len - 1);
	return st->numbers[at];
}

static uint64_t
stream_size(const struct stream *s)
{
	uint64_t size = format_declare_size((size_t)s->shared->begin_len + s->digits, (size_t)s->shared->dir_len + s->name_len, s->shared->labels_len);

	if (stream_has_position(s))
		size += format_set_size(packed_set_bytes(packed_position(s)));
	for (size_t i = 0; s->marks != NULL && i < s->marks->len; i++)
		size += format_mark_size(s->marks->items[i].memory.len);
	return size;
}

/* The heap gives 8 bytes more than a multiple of 16: what a first position needs, and all that is left. */
static size_t
with_room(size_t bytes, size_t *ret_room)
{
	size_t whole = (bytes + FIRST_POSITION_BYTES + 7) / 16 * 16 + 8;

	*ret_room = whole - bytes;
	return whole;
}

static struct stream *
stream_new(struct state *st, struct str key, struct str path, struct str labels)
{
	size_t digits = packed_digits(key), dir, room;
	struct shared_text *shared;
	struct stream *s;

	assert(key.len > 0 && key.len <= POSITIONS_KEY_BYTES_MAX);
	assert(path.len <= POSITIONS_ATTR_BYTES_MAX && labels.len <= POSITIONS_ATTR_BYTES_MAX);
	shared = shared_text_get(&st->texts, str_head(key, key.len - digits), path, labels);
	dir = shared->dir_len;
	s = mem_zalloc(with_room(offsetof(struct stream, data) + (digits + 1) / 2 + path.len - dir, &room));
	s->room = (uint8_t)room;
	s->tag = tag_of(hash_str(key));
	s->shared = shared;
	s->digits = (uint8_t)digits;
	s->name_len = (uint16_t)(path.len - dir);
	packed_put_digits(s->data, str_from_offset(key, key.len - digits));
	if (s->name_len > 0)
		memcpy(s->data + digits_bytes(s), path.s + dir, s->name_len);
	return s;
}

static void
stream_free(struct state *st, struct stream *s)
{
	shared_text_unref(&st->texts, s->shared);
	mem_free(s);
}

static struct stream *
add(struct state *st, uint64_t number, struct str key, struct str path, struct str labels)
{
	struct stream *s;

	if (st->len >= STATE_STREAMS_MAX)
		return NULL;
	if ((st->len + 1) * 8 > st->slots_len * 7)
		grow(st);
	s = stream_new(st, key, path, labels);
	s->number = number;
	index_add(st, false, s);
	if (st->numbers != NULL)
		index_add(st, true, s);
	st->len++;
	st->live_bytes += stream_size(s);
	return s;
}

/* The same stream with another position, which takes its place in memory. */
static struct stream *
with_position(struct state *st, struct stream *s, const uint8_t *position, size_t len)
{
	size_t at, number_at = 0, texts = digits_bytes(s) + s->name_len;

	if (len > s->room) {
		at = index_place(st, false, s);
		if (st->numbers != NULL)
			number_at = index_place(st, true, s);
		s = mem_realloc(s, offsetof(struct stream, data) + texts + len);
		s->room = len < UINT8_MAX ? (uint8_t)len : UINT8_MAX;
		st->slots[at] = s;
		if (st->numbers != NULL)
			st->numbers[number_at] = s;
	}
	s->position_len = (uint16_t)len;
	memcpy(s->data + texts, position, len);
	return s;
}

/* The same stream with other texts: it moves. */
static struct stream *
replace(struct state *st, struct stream *old, struct str path, struct str labels)
{
	struct stream_texts texts;
	struct stream *s;

	stream_texts(old, &texts);
	if (str_eq(texts.path, path) && str_eq(texts.labels, labels))
		return old;
	s = stream_new(st, texts.key, path, labels);
	s->number = old->number;
	s->marks = old->marks;
	s->seen_s = old->seen_s;
	/* The new texts are not in the file yet. */
	s->flags = old->flags & (uint8_t)~STREAM_DECLARED;
	st->live_bytes -= stream_size(old);
	st->slots[index_place(st, false, old)] = s;
	if (st->numbers != NULL)
		st->numbers[index_place(st, true, old)] = s;
	if (stream_has_position(old))
		s = with_position(st, s, packed_position(old), old->position_len);
	st->live_bytes += stream_size(s);
	stream_free(st, old);
	return s;
}

struct stream *
state_declare(struct state *st, struct str key, struct str path, struct str labels)
{
	struct stream *s = state_find(st, key);

	return s != NULL ? replace(st, s, path, labels) : add(st, st->next_number++, key, path, labels);
}

void
state_forget(struct state *st, struct stream *s)
{
	index_remove(st, false, s);
	if (st->numbers != NULL)
		index_remove(st, true, s);
	st->len--;
	st->live_bytes -= stream_size(s);
	marks_free(s->marks);
	stream_free(st, s);
}

static bool
mark_is_needed(const struct position_mark *mark, const struct position *p)
{
	if (mark->to > p->offset)
		return true;
	for (size_t i = 0; i < p->n_holes; i++)
		if (mark->from < p->holes[i].to && p->holes[i].from < mark->to)
			return true;
	return false;
}

static void
drop_settled_marks(struct stream *s, const struct position *p)
{
	struct state_marks *marks = s->marks;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < marks->len; i++) {
		if (mark_is_needed(&marks->items[i], p))
			marks->items[kept++] = marks->items[i];
		else
			mem_free((void *)marks->items[i].memory.s);
	}
	marks->len = kept;
	if (kept == 0) {
		mem_free(marks);
		s->marks = NULL;
	}
}

void
state_set(struct state *st, struct stream *s, struct str set)
{
	uint8_t packed[PACKED_POSITION_BYTES_MAX];
	struct position p;
	bool valid = format_decode_set(set, &p);

	assert(valid);
	st->live_bytes -= stream_size(s);
	s = with_position(st, s, packed, packed_put_position(packed, &p));
	if (s->marks != NULL)
		drop_settled_marks(s, &p);
	st->live_bytes += stream_size(s);
}

/* The new one takes the place of those that begin inside of it. */
static void
insert_mark(struct state_marks *marks, struct position_mark mark)
{
	uint32_t at = marks->len, end;

	while (at > 0 && marks->items[at - 1].from >= mark.from)
		at--;
	for (end = at; end < marks->len && (marks->items[end].from == mark.from || marks->items[end].from < mark.to);
		end++)
		mem_free((void *)marks->items[end].memory.s);
	memmove(&marks->items[at + 1], &marks->items[end], (marks->len - end) * sizeof(marks->items[0]));
	marks->len = marks->len - (end - at) + 1;
	marks->items[at] = mark;
}

void
state_mark(struct state *st, struct stream *s, const struct position_mark *mark)
{
	struct position_mark copy = *mark;
	char *memory = NULL;
	int64_t last_ns;

	st->live_bytes -= stream_size(s);
	if (s->marks == NULL || s->marks->len == s->marks->cap) {
		uint32_t len = s->marks != NULL ? s->marks->len : 0, cap = len < 4 ? 4 : len * 2;

		s->marks = mem_realloc(s->marks, sizeof(*s->marks) + cap * sizeof(s->marks->items[0]));
		s->marks->len = len;
		s->marks->cap = cap;
	}
	if (mark->memory.len > 0)
		memory = memcpy(mem_alloc(mark->memory.len), mark->memory.s, mark->memory.len);
	copy.memory = (struct str){memory, mark->memory.len};
	insert_mark(s->marks, copy);
	if (s->marks->len > STATE_MARKS_MAX) {
		mem_free((void *)s->marks->items[0].memory.s);
		s->marks->len--;
		memmove(&s->marks->items[0], &s->marks->items[1], s->marks->len * sizeof(s->marks->items[0]));
	}
	st->live_bytes += stream_size(s);
	if (!__builtin_add_overflow(mark->base_ns, mark->lines, &last_ns) && last_ns > st->last_ns)
		st->last_ns = last_ns;
}

size_t
state_marks(const struct stream *s, const struct position_mark **ret)
{
	*ret = s->marks != NULL ? s->marks->items : NULL;
	return s->marks != NULL ? s->marks->len : 0;
}

/* A number or a key that was declared before may come again: then it is the same stream. A known number under another
 * key, or the other way round, can only stand in a damaged file: the newer record is right. */
static bool
apply_declare(struct state *st, const struct format_record *r)
{
	struct stream *s = find_number(st, r->number), *same_key = state_find(st, r->key);

	if (s != NULL && s == same_key)
		return replace(st, s, r->path, r->labels) != NULL;
	if (s != NULL)
		state_forget(st, s);
	if (same_key != NULL)
		state_forget(st, same_key);
	return add(st, r->number, r->key, r->path, r->labels) != NULL;
}

bool
state_apply(struct state *st, const struct format_record *r)
{
	struct stream *s = NULL;

	if (r->type == FORMAT_CLOCK) {
		if (r->last_ns > st->last_ns)
			st->last_ns = r->last_ns;
		return true;
	}
	/* Also for records that are refused: the number was in use. */
	if (r->number >= st->next_number && r->number < UINT64_MAX)
		st->next_number = r->number + 1;
	if (r->type == FORMAT_DECLARE)
		return apply_declare(st, r);
	s = find_number(st, r->number);
	if (s == NULL)
		return r->type == FORMAT_FORGET;
	if (r->type == FORMAT_SET)
		state_set(st, s, r->set);
	else if (r->type == FORMAT_MARK)
		state_mark(st, s, &r->mark);
	else
		state_forget(st, s);
	return true;
}

bool
state_encode(const struct stream *s, struct buf *b)
{
	struct stream_texts texts;
	struct position position;
	struct buf set;

	stream_texts(s, &texts);
	format_put_declare(b, s->number, texts.key, texts.path, texts.labels);
	if (stream_has_position(s)) {
		buf_init(&set, FORMAT_RECORD_BYTES_MAX);
		stream_position(s, &position);
		(void)format_encode_set(&set, &position);
		format_put_set(b, s->number, buf_view(&set));
		buf_done(&set);
	}
	for (size_t i = 0; s->marks != NULL && i < s->marks->len; i++)
		format_put_mark(b, s->number, &s->marks->items[i]);
	return !b->overflow;
}

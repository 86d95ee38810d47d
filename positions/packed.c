/* SPDX-License-Identifier: Apache-2.0 */
#include "packed_priv.h"

#include "format_priv.h"
#include "longship/base/check.h"
#include "longship/base/hash.h"
#include "longship/base/mem.h"

#define SLOTS_MIN  16
#define DIGITS_MAX 255

/* ---- Texts in common ---- */

static uint32_t
hash_of(struct str begin, struct str dir, struct str labels)
{
	return (uint32_t)hash_bytes(labels.s, labels.len, hash_bytes(dir.s, dir.len, hash_str(begin)));
}

static void
grow(struct shared_texts *all)
{
	size_t slots_len = all->slots_len > 0 ? all->slots_len * 2 : SLOTS_MIN;
	struct shared_text **slots = mem_zalloc(slots_len * sizeof(*slots));

	for (size_t i = 0; i < all->slots_len; i++) {
		while (all->slots[i] != NULL) {
			struct shared_text *t = all->slots[i];
			struct shared_text **to = &slots[t->hash & (slots_len - 1)];

			all->slots[i] = t->next;
			t->next = *to;
			*to = t;
		}
	}
	mem_free(all->slots);
	all->slots = slots;
	all->slots_len = slots_len;
}

static bool
is_text(const struct shared_text *t, uint32_t hash, struct str begin, struct str dir, struct str labels)
{
	return t->hash == hash && str_eq((struct str){t->text, t->begin_len}, begin) &&
		str_eq((struct str){t->text + t->begin_len, t->dir_len}, dir) &&
		str_eq((struct str){t->text + t->begin_len + t->dir_len, t->labels_len}, labels);
}

static char *
put(char *to, struct str s)
{
	if (s.len > 0)
		memcpy(to, s.s, s.len);
	return to + s.len;
}

static struct shared_text *
find(const struct shared_texts *all, uint32_t hash, struct str begin, struct str dir, struct str labels)
{
	struct shared_text *t = all->slots[hash & (all->slots_len - 1)];

	while (t != NULL && !is_text(t, hash, begin, dir, labels))
		t = t->next;
	return t;
}

static size_t
dir_len(struct str path)
{
	while (path.len > 0 && path.s[path.len - 1] != '/')
		path.len--;
	return path.len;
}

/* The directory that a path has in common with the one that came last. */
static size_t
common_dir(const struct shared_texts *all, struct str path)
{
	size_t n = 0;

	while (n < path.len && n < all->last_len && path.s[n] == all->last[n])
		n++;
	return dir_len(str_head(path, n));
}

/* Its directory, if that is known to be one of several; else what it has in common with the one before: a directory may have one file only. */
struct shared_text *
shared_text_get(struct shared_texts *all, struct str begin, struct str path, struct str labels)
{
	struct str dir = str_head(path, dir_len(path));
	uint32_t hash = hash_of(begin, dir, labels);
	struct shared_text *t;

	if (all->len == all->slots_len)
		grow(all);
	t = find(all, hash, begin, dir, labels);
	if (t == NULL) {
		dir.len = common_dir(all, path);
		hash = hash_of(begin, dir, labels);
		t = find(all, hash, begin, dir, labels);
	}
	all->last_len = dir_len(path) < sizeof(all->last) ? dir_len(path) : 0;
	memcpy(all->last, path.s != NULL ? path.s : "", all->last_len);
	if (t != NULL) {
		t->refs++;
		return t;
	}
	t = mem_alloc(sizeof(*t) + begin.len + dir.len + labels.len);
	*t = (struct shared_text){.next = all->slots[hash & (all->slots_len - 1)], .refs = 1, .hash = hash,
		.begin_len = (uint16_t)begin.len, .dir_len = (uint16_t)dir.len, .labels_len = (uint16_t)labels.len};
	(void)put(put(put(t->text, begin), dir), labels);
	all->slots[hash & (all->slots_len - 1)] = t;
	all->len++;
	return t;
}

void
shared_text_unref(struct shared_texts *all, struct shared_text *t)
{
	struct shared_text **at;

	assert(t->refs > 0);
	if (--t->refs > 0)
		return;
	for (at = &all->slots[t->hash & (all->slots_len - 1)]; *at != t; at = &(*at)->next)
		assert(*at != NULL);
	*at = t->next;
	all->len--;
	mem_free(t);
}

void
shared_texts_done(struct shared_texts *all)
{
	assert(all->len == 0);
	mem_free(all->slots);
	*all = (struct shared_texts){0};
}

/* ---- Keys ---- */

static const char alphabet[16] = "0123456789.|";

/* 0: none; else its place in the alphabet + 1. */
static unsigned
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 1;
	return c == '.' ? 11 : c == '|' ? 12 : 0;
}

size_t
packed_digits(struct str key)
{
	size_t n = 0;

	while (n < key.len && n < DIGITS_MAX && digit_of(key.s[key.len - n - 1]) != 0)
		n++;
	return n;
}

void
packed_put_digits(uint8_t *out, struct str digits)
{
	memset(out, 0, (digits.len + 1) / 2);
	for (size_t i = 0; i < digits.len; i++)
		out[i / 2] |= (uint8_t)((digit_of(digits.s[i]) - 1) << (i % 2 * 4));
}

void
packed_get_digits(const uint8_t *in, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = alphabet[in[i / 2] >> (i % 2 * 4) & 15];
}

/* ---- Positions ---- */

/* Seven bits a byte, the low ones first. */
static uint8_t *
put_number(uint8_t *to, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		*to++ = (uint8_t)(n | 0x80);
	*to++ = (uint8_t)n;
	return to;
}

static const uint8_t *
get_number(const uint8_t *from, uint64_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0;; shift += 7) {
		*ret |= (uint64_t)(*from & 0x7f) << shift;
		if (*from++ < 0x80)
			return from;
	}
}

struct head { /* of a packed position */
	uint64_t n_holes, n_checkpoints, cursor_len, memory_len;
};

static const uint8_t *
get_head(const uint8_t *from, struct head *ret)
{
	from = get_number(from + sizeof(int64_t), &ret->n_holes);
	from = get_number(from, &ret->n_checkpoints);
	from = get_number(from, &ret->cursor_len);
	return get_number(from, &ret->memory_len);
}

size_t
packed_put_position(uint8_t out[PACKED_POSITION_BYTES_MAX], const struct position *p)
{
	uint8_t *to = out;
	uint64_t last = 0;

	memcpy(to, &p->updated_ns, sizeof(p->updated_ns));
	to = put_number(to + sizeof(p->updated_ns), p->n_holes);
	to = put_number(to, p->n_checkpoints);
	to = put_number(to, p->cursor.len);
	to = put_number(to, p->memory.len);
	to = put_number(to, p->offset);
	for (size_t i = 0; i < p->n_holes; i++)
		to = put_number(put_number(to, p->holes[i].from), p->holes[i].to);
	for (size_t i = 0; i < p->n_checkpoints; i++) {
		to = put_number(to, p->checkpoints[i].offset - last); /* ascending; if not, it wraps around both ways */
		last = p->checkpoints[i].offset;
		memcpy(to, &p->checkpoints[i].tail_hash, sizeof(uint64_t));
		to += sizeof(uint64_t);
	}
	to = (uint8_t *)put(put((char *)to, p->cursor), p->memory);
	assert((size_t)(to - out) <= PACKED_POSITION_BYTES_MAX);
	return (size_t)(to - out);
}

void
packed_get_position(const uint8_t *in, struct position *ret)
{
	const uint8_t *from;
	struct head h;
	uint64_t last = 0;

	from = get_number(get_head(in, &h), &ret->offset);
	ret->updated_ns = packed_updated_ns(in);
	ret->n_holes = h.n_holes;
	ret->n_checkpoints = h.n_checkpoints;
	for (size_t i = 0; i < ret->n_holes; i++)
		from = get_number(get_number(from, &ret->holes[i].from), &ret->holes[i].to);
	for (size_t i = 0; i < ret->n_checkpoints; i++) {
		from = get_number(from, &ret->checkpoints[i].offset);
		last = ret->checkpoints[i].offset += last;
		memcpy(&ret->checkpoints[i].tail_hash, from, sizeof(uint64_t));
		from += sizeof(uint64_t);
	}
	ret->cursor = (struct str){(const char *)from, h.cursor_len};
	ret->memory = (struct str){(const char *)from + h.cursor_len, h.memory_len};
}

int64_t
packed_updated_ns(const uint8_t *in)
{
	int64_t ns;

	memcpy(&ns, in, sizeof(ns));
	return ns;
}

size_t
packed_set_bytes(const uint8_t *in)
{
	struct head h;

	(void)get_head(in, &h);
	return format_set_bytes_of(h.n_holes, h.n_checkpoints, h.cursor_len, h.memory_len);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/labels.h"

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/hash.h"
#include "longship/base/mem.h"

/*
 * One allocation per set: the struct, its items, the bytes of names and values, the text. The table is an
 * open-addressing hash of pointers. Changes are remembered in a direct-mapped cache, keyed by (base set,
 * name, value): the common "level = info" of a stage is one probe and one compare.
 */
#define CHANGES 1024 /* power of two; 64 KiB a lane */

struct change {
	const struct labels *base, *result;
	struct str name, value; /* in result's or base's memory; value.s == NULL: removed */
};

struct labels_table {
	struct labels **slots;
	size_t slots_len, used;
	size_t bytes, bytes_left; /* now; after the last trim */
	struct change changes[CHANGES];
};

static const struct str tenant_label = {TENANT_LABEL, sizeof(TENANT_LABEL) - 1};

struct labels_table *
labels_table_new(void)
{
	struct labels_table *t = mem_new(struct labels_table);

	t->slots_len = 64;
	t->slots = mem_zalloc(t->slots_len * sizeof(struct labels *));
	return t;
}

void
labels_table_free(struct labels_table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->slots_len; i++)
		mem_free(t->slots[i]);
	mem_free(t->slots);
	mem_free(t);
}

static size_t
set_bytes(const struct labels *set)
{
	size_t bytes = sizeof(*set) + set->n * sizeof(set->items[0]) + set->text.len;

	for (size_t i = 0; i < set->n; i++)
		bytes += set->items[i].name.len + set->items[i].value.len;
	return bytes;
}

size_t
labels_table_bytes(const struct labels_table *t)
{
	return t->bytes;
}

static void
put_slot(struct labels_table *t, struct labels *set)
{
	size_t at = (size_t)set->hash & (t->slots_len - 1);

	while (t->slots[at] != NULL)
		at = (at + 1) & (t->slots_len - 1);
	t->slots[at] = set;
}

static void
rebuild(struct labels_table *t, size_t slots_len)
{
	struct labels **old = t->slots;
	size_t old_len = t->slots_len;

	t->slots = mem_zalloc(slots_len * sizeof(struct labels *));
	t->slots_len = slots_len;
	for (size_t i = 0; i < old_len; i++) {
		if (old[i] != NULL)
			put_slot(t, old[i]);
	}
	mem_free(old);
}

void
labels_table_trim(struct labels_table *t, size_t limit)
{
	if (t->bytes <= limit || t->bytes / 2 <= t->bytes_left)
		return;
	for (size_t i = 0; i < t->slots_len; i++) {
		struct labels *set = t->slots[i];

		if (set != NULL && set->refs == 0) {
			t->bytes -= set_bytes(set);
			t->used--;
			t->slots[i] = NULL;
			mem_free(set);
		}
	}
	memset(t->changes, 0, sizeof(t->changes));
	rebuild(t, t->slots_len);
	t->bytes_left = t->bytes;
}

/* Sorts by name; of equal names the last stays. Returns the new count. */
static size_t
sort_labels(struct label *items, size_t n)
{
	size_t kept = 0;

	/* Insertion sort: n is small, mostly sorted, and it keeps the order of equal names. */
	for (size_t i = 1; i < n; i++) {
		struct label item = items[i];
		size_t j = i;

		for (; j > 0 && str_cmp(items[j - 1].name, item.name) > 0; j--)
			items[j] = items[j - 1];
		items[j] = item;
	}
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && str_eq(items[kept - 1].name, items[i].name))
			items[kept - 1] = items[i];
		else
			items[kept++] = items[i];
	}
	return kept;
}

static uint64_t
hash_labels(const struct label *items, size_t n)
{
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++) {
		hash = hash_bytes(items[i].name.s, items[i].name.len, hash);
		hash = hash_bytes(items[i].value.s, items[i].value.len, hash);
	}
	return hash;
}

static bool
same_labels(const struct labels *set, const struct label *items, size_t n)
{
	if (set->n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!str_eq(set->items[i].name, items[i].name) || !str_eq(set->items[i].value, items[i].value))
			return false;
	}
	return true;
}

static bool
is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* What Go's strconv.IsPrint refuses, but for unassigned code points. */
static bool
is_printable(uint32_t rune)
{
	if (rune < 0xa1)
		return rune >= ' ' && rune < 0x7f;
	if (rune == 0xad || (rune >= 0x2000 && rune <= 0x200f) || (rune >= 0x2028 && rune <= 0x202f) ||
		(rune >= 0x205f && rune <= 0x206f) || rune == 0x3000 || rune == 0x1680 || rune == 0xfeff)
		return false;
	if ((rune >= 0xe000 && rune <= 0xf8ff) || (rune >= 0xfff0 && rune <= 0xfffb) || (rune & 0xfffe) == 0xfffe)
		return false;
	return rune < 0xe0000;
}

static void
quote_rune(struct buf *b, uint32_t rune, struct str bytes)
{
	static const char names[] = "abtnvfr"; /* 7 to 13 */

	if (rune == '"' || rune == '\\')
		(void)buf_printf(b, "\\%c", (char)rune);
	else if (rune >= 7 && rune <= 13)
		(void)buf_printf(b, "\\%c", names[rune - 7]);
	else if (is_printable(rune))
		(void)buf_str(b, bytes);
	else if (rune < ' ' || rune == 0x7f)
		(void)buf_printf(b, "\\x%02x", rune);
	else if (rune < 0x10000)
		(void)buf_printf(b, "\\u%04x", rune);
	else
		(void)buf_printf(b, "\\U%08x", rune);
}

void
labels_quote(struct buf *b, struct str s)
{
	(void)buf_putc(b, '"');
	while (s.len > 0) {
		size_t plain = 0, n;
		uint32_t rune = 0;

		while (plain < s.len && is_plain((unsigned char)s.s[plain]))
			plain++;
		(void)buf_append(b, s.s, plain);
		s = str_from_offset(s, plain);
		if (s.len == 0)
			break;
		n = str_utf8_decode(s, &rune);
		if (n == 0) {
			(void)buf_printf(b, "\\x%02x", (unsigned char)s.s[0]);
			n = 1;
		} else {
			quote_rune(b, rune, str_head(s, n));
		}
		s = str_from_offset(s, n);
	}
	(void)buf_putc(b, '"');
}

/* False: Loki would not take it. */
static bool
put_text(struct buf *b, const struct label *items, size_t n)
{
	bool first = true, good = true;

	(void)buf_putc(b, '{');
	for (size_t i = 0; i < n; i++) {
		if (str_starts(items[i].name, STR("__")))
			continue;
		(void)buf_z(b, first ? "" : ", ");
		(void)buf_str(b, items[i].name);
		(void)buf_putc(b, '=');
		labels_quote(b, items[i].value);
		first = false;
		good = good && labels_name_legacy(items[i].name);
	}
	(void)buf_putc(b, '}');
	return good && !first && !b->overflow;
}

static struct str
place(char **at, struct str s)
{
	struct str copy = {*at, s.len};

	if (s.len > 0)
		memcpy(*at, s.s, s.len);
	*at += s.len;
	return copy;
}

static struct labels *
make_set(const struct label *items, size_t n, uint64_t hash)
{
	struct labels *set;
	struct buf text;
	size_t bytes = sizeof(*set) + n * sizeof(set->items[0]);
	char *at;

	bool sendable;

	buf_init(&text, LABELS_TEXT_BYTES_MAX);
	sendable = put_text(&text, items, n);
	if (text.overflow)
		buf_clear(&text);
	for (size_t i = 0; i < n; i++)
		bytes += items[i].name.len + items[i].value.len;
	set = mem_alloc(bytes + text.len);
	*set = (struct labels){.hash = hash, .n = (uint32_t)n, .sendable = sendable};
	at = (char *)&set->items[n];
	for (size_t i = 0; i < n; i++) {
		set->items[i].name = place(&at, items[i].name);
		set->items[i].value = place(&at, items[i].value);
		if (str_eq(items[i].name, tenant_label))
			set->tenant = set->items[i].value;
	}
	set->text = place(&at, buf_view(&text));
	buf_done(&text);
	return set;
}

/* items are sorted and unique. */
static const struct labels *
intern_sorted(struct labels_table *t, const struct label *items, size_t n)
{
	uint64_t hash = hash_labels(items, n);
	size_t at = (size_t)hash & (t->slots_len - 1);
	struct labels *set;

	for (; t->slots[at] != NULL; at = (at + 1) & (t->slots_len - 1)) {
		if (t->slots[at]->hash == hash && same_labels(t->slots[at], items, n))
			return t->slots[at];
	}
	set = make_set(items, n, hash);
	t->bytes += set_bytes(set);
	t->used++;
	if (t->used * 4 > t->slots_len * 3)
		rebuild(t, t->slots_len * 2);
	put_slot(t, set);
	return set;
}

const struct labels *
labels_intern(struct labels_table *t, const struct label *labels, size_t n)
{
	struct label items[LABELS_MAX];

	assert(n <= LABELS_MAX);
	if (n > 0)
		memcpy(items, labels, n * sizeof(items[0]));
	return intern_sorted(t, items, sort_labels(items, n));
}

const struct labels *
labels_empty(struct labels_table *t)
{
	return intern_sorted(t, NULL, 0);
}

static struct str
find_value(const struct label *items, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(items[i].name, name))
			return items[i].value.s != NULL ? items[i].value : STR("");
	}
	return STR_EMPTY;
}

struct str
labels_get(const struct labels *set, struct str name)
{
	return find_value(set->items, set->n, name);
}

static bool
same_value(struct str a, struct str b)
{
	return (a.s == NULL) == (b.s == NULL) && str_eq(a, b);
}

/* The key must live as long as the entry: its bytes are those of the set that has the label. */
static void
remember(struct change *change, const struct labels *base, const struct labels *result, struct str name, bool removed)
{
	const struct labels *holder = removed ? base : result;

	*change = (struct change){.base = base, .result = result};
	for (size_t i = 0; i < holder->n; i++) {
		if (str_eq(holder->items[i].name, name)) {
			change->name = holder->items[i].name;
			change->value = removed ? STR_EMPTY : holder->items[i].value;
		}
	}
}

const struct labels *
labels_with(struct labels_table *t, const struct labels *base, struct str name, struct str value)
{
	uint64_t hash = hash_bytes(value.s, value.len, (uint64_t)(uintptr_t)base ^ hash_str(name));
	struct change *change = &t->changes[hash & (CHANGES - 1)];
	const struct labels *result;
	struct labels_builder builder;

	if (change->base == base && str_eq(change->name, name) && same_value(change->value, value))
		return change->result;
	if (same_value(labels_get(base, name), value))
		return base;
	labels_builder_from(&builder, base);
	if (value.s == NULL)
		labels_builder_del(&builder, name);
	else if (!labels_builder_set(&builder, name, value))
		return base;
	result = labels_intern(t, builder.items, builder.n);
	remember(change, base, result, name, value.s == NULL);
	return result;
}

const struct labels *
labels_ref(const struct labels *set)
{
	((struct labels *)(uintptr_t)set)->refs++;
	return set;
}

void
labels_unref(const struct labels *set)
{
	if (set == NULL)
		return;
	assert(set->refs > 0);
	((struct labels *)(uintptr_t)set)->refs--;
}

void
labels_builder_from(struct labels_builder *b, const struct labels *set)
{
	b->n = set->n;
	if (set->n > 0)
		memcpy(b->items, set->items, set->n * sizeof(b->items[0]));
}

bool
labels_builder_set(struct labels_builder *b, struct str name, struct str value)
{
	for (size_t i = 0; i < b->n; i++) {
		if (str_eq(b->items[i].name, name)) {
			b->items[i].value = value;
			return true;
		}
	}
	if (b->n == LABELS_MAX)
		return false;
	b->items[b->n++] = (struct label){name, value};
	return true;
}

void
labels_builder_del(struct labels_builder *b, struct str name)
{
	for (size_t i = 0; i < b->n; i++) {
		if (str_eq(b->items[i].name, name)) {
			memmove(&b->items[i], &b->items[i + 1], (b->n - i - 1) * sizeof(b->items[0]));
			b->n--;
			return;
		}
	}
}

struct str
labels_builder_get(const struct labels_builder *b, struct str name)
{
	return find_value(b->items, b->n, name);
}

bool
labels_name_legacy(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.s[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && !(i > 0 && c >= '0' && c <= '9'))
			return false;
	}
	return s.len > 0;
}

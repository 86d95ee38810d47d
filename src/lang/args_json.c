/* SPDX-License-Identifier: Apache-2.0 */
#include "args_priv.h"

#include <string.h>

#include "longship/base/check.h"
#include "longship/base/duration.h"
#include "longship/base/size.h"
#include "longship/lang/path_targets.h"

/*
 * Decoded arguments compared and shown. A slot's C type follows from its row's kind, so both walk the table.
 * The JSON is that of Alloy's component API; a capsule shows its type, a secret "(secret)".
 */

static bool
pairs_equal(const struct str_pair *a, const struct str_pair *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!str_eq(a[i].name, b[i].name) || !str_eq(a[i].value, b[i].value))
			return false;
	return true;
}

/* Maps are the same in any order. */
static bool
maps_equal(const struct str_map *a, const struct str_map *b)
{
	if (a->n != b->n || pairs_equal(a->items, b->items, a->n))
		return a->n == b->n;
	for (size_t i = 0; i < a->n; i++) {
		size_t k = 0;

		while (k < b->n && !str_eq(a->items[i].name, b->items[k].name))
			k++;
		if (k == b->n || !str_eq(a->items[i].value, b->items[k].value))
			return false;
	}
	return true;
}

/* A list that changes its form is not the same: its owner compares more closely. */
static bool
targets_equal(const struct target_list *a, const struct target_list *b)
{
	if (a->n != b->n || (a->paths == NULL) != (b->paths == NULL))
		return false;
	if (a->paths != NULL)
		return path_targets_equal(a->paths, b->paths);
	for (size_t i = 0; i < a->n; i++)
		if (a->items[i].n != b->items[i].n ||
			!pairs_equal(a->items[i].labels, b->items[i].labels, a->items[i].n))
			return false;
	return true;
}

static bool
lists_equal(const struct str_list *a, const struct str_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(a->items[i], b->items[i]))
			return false;
	return true;
}

static bool
blocks_equal(const struct arg_spec *row, const struct block_list *a, const struct block_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!args_equal(row->sub, (const char *)a->items + i * row->sub_size,
			    (const char *)b->items + i * row->sub_size))
			return false;
	return true;
}

static bool
variants_equal(const struct variant_list *a, const struct variant_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->items[i].variant != b->items[i].variant ||
			!args_equal(a->items[i].variant->args, a->items[i].args, b->items[i].args))
			return false;
	return true;
}

static bool
block_equal(const struct arg_spec *row, const void *a, const void *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return args_equal(row->sub, a, b);
}

bool
args_slot_equal(const struct arg_spec *row, const void *a, const void *b)
{
	const struct ptr_list *pa = a, *pb = b;

	switch (row->kind) {
	case ARG_STRING:
	case ARG_SECRET:
	case ARG_REGEX:
	case ARG_LABEL:
		return str_eq(*(const struct str *)a, *(const struct str *)b);
	case ARG_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case ARG_INT:
	case ARG_DURATION:
	case ARG_SIZE:
		return *(const int64_t *)a == *(const int64_t *)b;
	case ARG_NUMBER:
		return *(const double *)a == *(const double *)b;
	case ARG_CHOICE:
		return *(const int *)a == *(const int *)b;
	case ARG_STRING_LIST:
		return lists_equal(a, b);
	case ARG_STRING_MAP:
	case ARG_SECRET_MAP:
		return maps_equal(a, b);
	case ARG_TARGETS:
		return targets_equal(a, b);
	case ARG_CAPSULE:
		return *(void *const *)a == *(void *const *)b;
	case ARG_CAPSULE_LIST:
		return pa->n == pb->n && (pa->n == 0 || memcmp(pa->items, pb->items, pa->n * sizeof(void *)) == 0);
	case ARG_ANY:
		return value_equal(a, b);
	case ARG_BLOCK:
		return block_equal(row, *(void *const *)a, *(void *const *)b);
	case ARG_BLOCKS:
		return blocks_equal(row, a, b);
	case ARG_ENUM_BLOCKS:
		return variants_equal(a, b);
	case ARG_SQUASH:
		return args_equal(row->sub, a, b);
	default:
		return true; /* where a block stands does not matter */
	}
}

bool
args_equal(const struct arg_spec *spec, const void *a, const void *b)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++)
		if (!args_slot_equal(row, args_slot(row, a), args_slot(row, b)))
			return false;
	return true;
}

static void
put_string(struct str s, struct buf *out)
{
	struct value v = value_string(s);

	value_to_json(&v, out, true);
}

static void
put_typed(const char *type, struct str s, struct buf *out)
{
	buf_printf(out, "{\"type\":\"%s\",\"value\":", type);
	put_string(s, out);
	buf_putc(out, '}');
}

static void
put_capsule(const struct capsule_type *type, struct buf *out)
{
	char name[128];
	int n = snprintf(name, sizeof(name), "capsule(\"%s\")", type->name);

	put_typed("capsule", str_head(str_from(name), (size_t)n), out);
}

/* "," between elements. */
static void
put_comma(struct buf *out, size_t i)
{
	if (i > 0)
		buf_putc(out, ',');
}

static void put_value(const struct value *v, struct buf *out);

static void
put_value_list(const struct value *v, struct buf *out)
{
	bool array = v->kind == VALUE_ARRAY;
	size_t n = array ? v->array.n : v->object.n;

	buf_printf(out, "{\"type\":\"%s\",\"value\":[", array ? "array" : "object");
	for (size_t i = 0; i < n; i++) {
		put_comma(out, i);
		if (array) {
			put_value(&v->array.items[i], out);
			continue;
		}
		buf_z(out, "{\"key\":");
		put_string(v->object.fields[i].name, out);
		buf_z(out, ",\"value\":");
		put_value(v->object.fields[i].value, out);
		buf_putc(out, '}');
	}
	buf_z(out, "]}");
}

static void
put_value(const struct value *v, struct buf *out)
{
	switch (v->kind) {
	case VALUE_ARRAY:
	case VALUE_OBJECT:
	case VALUE_TARGET:
		put_value_list(v, out);
		return;
	case VALUE_CAPSULE:
		put_capsule(v->capsule.type, out);
		return;
	case VALUE_BYTES:
		put_typed("string", v->text, out);
		return;
	default:
		buf_printf(out, "{\"type\":\"%s\",\"value\":", value_type_name(v));
		value_to_json(v, out, true);
		buf_putc(out, '}');
		return;
	}
}

static void
put_strings(const struct str_list *list, struct buf *out)
{
	buf_z(out, "{\"type\":\"array\",\"value\":[");
	for (size_t i = 0; i < list->n; i++) {
		put_comma(out, i);
		put_typed("string", list->items[i], out);
	}
	buf_z(out, "]}");
}

static void
put_pairs(const struct str_pair *pairs, size_t n, bool secret, struct buf *out)
{
	buf_z(out, "{\"type\":\"object\",\"value\":[");
	for (size_t i = 0; i < n; i++) {
		put_comma(out, i);
		buf_z(out, "{\"key\":");
		put_string(pairs[i].name, out);
		buf_z(out, ",\"value\":");
		put_typed(secret ? "capsule" : "string", secret ? STR("(secret)") : pairs[i].value, out);
		buf_putc(out, '}');
	}
	buf_z(out, "]}");
}

static void
put_paths(const struct path_targets *paths, struct buf *out)
{
	struct arena *arena = arena_new(0);
	struct value array = path_targets_expand(arena, paths);

	buf_z(out, "{\"type\":\"array\",\"value\":[");
	for (size_t i = 0; i < array.array.n; i++) {
		const struct value *target = &array.array.items[i];
		struct str_pair *pairs = arena_array(arena, struct str_pair, target->object.n + 1);

		for (size_t k = 0; k < target->object.n; k++)
			pairs[k] = (struct str_pair){target->object.fields[k].name, target->object.fields[k].value->text};
		put_comma(out, i);
		put_pairs(pairs, target->object.n, false, out);
	}
	buf_z(out, "]}");
	arena_free(arena);
}

static void
put_targets(const struct target_list *list, struct buf *out)
{
	if (list->paths != NULL) {
		put_paths(list->paths, out);
		return;
	}
	buf_z(out, "{\"type\":\"array\",\"value\":[");
	for (size_t i = 0; i < list->n; i++) {
		put_comma(out, i);
		put_pairs(list->items[i].labels, list->items[i].n, false, out);
	}
	buf_z(out, "]}");
}

static void
put_capsules(const struct arg_spec *row, const struct ptr_list *list, struct buf *out)
{
	buf_z(out, "{\"type\":\"array\",\"value\":[");
	for (size_t i = 0; i < list->n; i++) {
		put_comma(out, i);
		put_capsule(row->capsule, out);
	}
	buf_z(out, "]}");
}

static void
put_scalar(const struct arg_spec *row, const void *slot, struct buf *out)
{
	char text[DURATION_BYTES > SIZE_BYTES ? DURATION_BYTES : SIZE_BYTES];
	struct value v = {.kind = VALUE_NULL};

	switch (row->kind) {
	case ARG_BOOL:
		v = value_bool(*(const bool *)slot);
		break;
	case ARG_INT:
		v = value_int(*(const int64_t *)slot);
		break;
	case ARG_NUMBER:
		v = value_float(*(const double *)slot);
		break;
	case ARG_DURATION:
		v = value_string(str_from(duration_format(*(const int64_t *)slot, text)));
		break;
	case ARG_SIZE:
		v = value_string(str_from(size_format((uint64_t) * (const int64_t *)slot, text)));
		break;
	case ARG_CHOICE:
		v = value_string(str_from(row->choices[*(const int *)slot]));
		break;
	case ARG_CAPSULE:
		if (*(void *const *)slot != NULL)
			v = value_capsule(row->capsule, *(void *const *)slot);
		break;
	default:
		v = value_string(*(const struct str *)slot);
		break;
	}
	put_value(&v, out);
}

static void
put_slot(const struct arg_spec *row, const void *slot, struct buf *out)
{
	const struct str_map *map = slot;

	switch (row->kind) {
	case ARG_SECRET:
		put_typed("capsule", STR("(secret)"), out);
		return;
	case ARG_STRING_LIST:
		put_strings(slot, out);
		return;
	case ARG_STRING_MAP:
	case ARG_SECRET_MAP:
		put_pairs(map->items, map->n, row->kind == ARG_SECRET_MAP, out);
		return;
	case ARG_TARGETS:
		put_targets(slot, out);
		return;
	case ARG_CAPSULE_LIST:
		put_capsules(row, slot, out);
		return;
	case ARG_ANY:
		put_value(slot, out);
		return;
	default:
		put_scalar(row, slot, out);
		return;
	}
}

static bool
is_default(const struct arg_spec *row, const void *slot)
{
	struct arena *scratch = arena_new(0);
	void *standard = arena_zalloc(scratch, args_slot_bytes(row) + 1);
	bool same;

	args_default(row, scratch, standard);
	same = args_slot_equal(row, slot, standard);
	arena_free(scratch);
	return same;
}

static void put_rows(const struct arg_spec *spec, const void *args, struct buf *out, size_t *n);

static struct str
label_of(const struct arg_spec *spec, const void *args)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++)
		if (row->kind == ARG_LABEL)
			return *(const struct str *)args_slot(row, args);
	return STR_EMPTY;
}

static void
put_block(const char *name, const char *variant, const struct arg_spec *sub, const void *args, struct buf *out,
	size_t *n)
{
	struct str label = label_of(sub, args);
	size_t inner = 0;

	put_comma(out, (*n)++);
	buf_printf(out, "{\"name\":\"%s%s%s\",\"type\":\"block\",", name, variant[0] != '\0' ? "." : "", variant);
	if (label.len > 0) {
		buf_z(out, "\"label\":");
		put_string(label, out);
		buf_putc(out, ',');
	}
	buf_z(out, "\"body\":[");
	put_rows(sub, args, out, &inner);
	buf_z(out, "]}");
}

static void
put_blocks(const struct arg_spec *row, const void *slot, struct buf *out, size_t *n)
{
	const struct block_list *blocks = slot;
	const struct variant_list *variants = slot;
	const void *block = *(void *const *)slot;

	if (row->kind == ARG_BLOCK) {
		if (block != NULL)
			put_block(row->name, "", row->sub, block, out, n);
	} else if (row->kind == ARG_BLOCKS) {
		for (size_t i = 0; i < blocks->n; i++)
			put_block(row->name, "", row->sub, (const char *)blocks->items + i * row->sub_size, out, n);
	} else {
		for (size_t i = 0; i < variants->n; i++)
			put_block(row->name, variants->items[i].variant->name, variants->items[i].variant->args,
				variants->items[i].args, out, n);
	}
}

static void
put_rows(const struct arg_spec *spec, const void *args, struct buf *out, size_t *n)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++) {
		const void *slot = args_slot(row, args);

		if (row->kind == ARG_SQUASH) {
			put_rows(row->sub, slot, out, n);
		} else if (args_is_block(row)) {
			put_blocks(row, slot, out, n);
		} else if (args_is_attr(row) && ((row->flags & ARG_REQUIRED) || !is_default(row, slot))) {
			put_comma(out, (*n)++);
			buf_printf(out, "{\"name\":\"%s\",\"type\":\"attr\",\"value\":", row->name);
			put_slot(row, slot, out);
			buf_putc(out, '}');
		}
	}
}

void
args_to_json(const struct arg_spec *spec, const void *args, struct buf *out)
{
	size_t n = 0;

	buf_putc(out, '[');
	put_rows(spec, args, out, &n);
	buf_putc(out, ']');
}

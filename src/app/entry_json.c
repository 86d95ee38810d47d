/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "entry_json_priv.h"
#include "longship/base/clock.h"
#include "longship/codec/base64.h"
#include "longship/codec/json_tree.h"

#define AT_MS_MAX 1e15 /* 30,000 years */

static bool
fail(struct str *ret_error, struct str text)
{
	*ret_error = text;
	return false;
}

/* An object of strings as names and values. */
static bool
read_pairs(struct arena *arena, const struct json *value, size_t max, struct label **ret, size_t *ret_n)
{
	*ret_n = 0;
	if (value == NULL || value->kind == JSON_TREE_NULL)
		return true;
	if (value->kind != JSON_TREE_OBJECT || value->object.n > max)
		return false;
	*ret = arena_array(arena, struct label, value->object.n + 1);
	for (size_t i = 0; i < value->object.n; i++) {
		const struct json_field *f = &value->object.fields[i];

		if (f->value.kind != JSON_TREE_STRING)
			return false;
		(*ret)[i] = (struct label){f->name, f->value.text};
	}
	*ret_n = value->object.n;
	return true;
}

static bool
read_metadata(struct arena *arena, const struct json *value, const struct metadata **ret)
{
	struct metadata *made;
	struct label *items;
	size_t n;

	*ret = NULL;
	if (!read_pairs(arena, value, METADATA_MAX, &items, &n))
		return false;
	if (n == 0)
		return true;
	made = arena_zalloc(arena, sizeof(*made) + n * sizeof(made->items[0]));
	made->n = n;
	memcpy(made->items, items, n * sizeof(*items));
	*ret = made;
	return true;
}

static bool
read_line(struct arena *arena, const struct json *doc, struct str *ret)
{
	const struct json *line = json_tree_get(doc, STR("line")), *base64 = json_tree_get(doc, STR("line_base64"));
	size_t offset;

	if (base64 != NULL && base64->kind == JSON_TREE_STRING)
		return base64_decode(arena, base64->text, BASE64_STANDARD, ret, &offset);
	if (line == NULL || line->kind != JSON_TREE_STRING)
		return false;
	*ret = line->text;
	return true;
}

static bool
read_times(const struct json *doc, struct entry_json *ret)
{
	const struct json *ts = json_tree_get(doc, STR("ts")), *at = json_tree_get(doc, STR("at_ms"));
	double ms;

	if (ts != NULL && ts->kind != JSON_TREE_NULL) {
		ret->has_ts = true;
		if (ts->kind != JSON_TREE_STRING || !clock_parse_rfc3339(ts->text, &ret->ts_ns))
			return false;
	}
	if (at != NULL && at->kind != JSON_TREE_NULL) {
		ret->has_at = true;
		if (!json_tree_number(at, &ms) || ms < 0 || ms > AT_MS_MAX)
			return false;
		ret->at_ns = (int64_t)(ms * 1000) * NS_PER_US;
	}
	return true;
}

bool
entry_json_read(struct arena *arena, const struct json *doc, bool needs_line, struct entry_json *ret, struct str *ret_error)
{
	*ret = (struct entry_json){0};
	if (doc->kind != JSON_TREE_OBJECT)
		return fail(ret_error, STR("an object is expected"));
	if ((needs_line || entry_json_has(doc, "line") || entry_json_has(doc, "line_base64")) && !read_line(arena, doc, &ret->line))
		return fail(ret_error, STR("\"line\" (a string) or \"line_base64\" is required"));
	if (!read_times(doc, ret))
		return fail(ret_error, STR("\"ts\" must be RFC 3339, \"at_ms\" a number of milliseconds"));
	if (!read_pairs(arena, json_tree_get(doc, STR("labels")), LABELS_MAX, &ret->labels, &ret->n_labels))
		return fail(ret_error, STR("\"labels\" must be an object of at most 128 strings"));
	if (!read_metadata(arena, json_tree_get(doc, STR("structured_metadata")), &ret->metadata))
		return fail(ret_error, STR("\"structured_metadata\" must be an object of at most 128 strings"));
	return true;
}

bool
entry_json_has(const struct json *doc, const char *name)
{
	const struct json *value = json_tree_get(doc, str_from(name));

	return value != NULL && value->kind != JSON_TREE_NULL;
}

bool
entry_json_parse(struct arena *arena, struct str text, struct entry_json *ret, struct str *ret_error)
{
	const struct json *doc = json_tree_parse(arena, text, 0, ret_error);

	*ret = (struct entry_json){0};
	return doc != NULL && entry_json_read(arena, doc, true, ret, ret_error);
}

void
entry_json_print_time(struct buf *out, int64_t ns)
{
	char text[CLOCK_RFC3339_BYTES];
	size_t len;

	/* …05.123000000Z: cut the zeros, and a point without digits. */
	len = strlen(clock_format_rfc3339(ns, text)) - 1;
	while (text[len - 1] == '0' && memchr(text, '.', len) != NULL)
		len--;
	if (text[len - 1] == '.')
		len--;
	(void)buf_append(out, text, len);
	(void)buf_putc(out, 'Z');
}

static int
compare_names(const void *a, const void *b)
{
	return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static void
print_pairs(struct buf *out, const struct label *items, size_t n)
{
	(void)buf_putc(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)buf_putc(out, ',');
		(void)json_tree_quote(out, items[i].name, false);
		(void)buf_putc(out, ':');
		(void)json_tree_quote(out, items[i].value, false);
	}
	(void)buf_putc(out, '}');
}

static void
print_metadata(struct buf *out, struct arena *arena, const struct metadata *metadata)
{
	struct label *sorted;

	if (metadata == NULL || metadata->n == 0) {
		(void)buf_z(out, "{}");
		return;
	}
	sorted = arena_array(arena, struct label, metadata->n);
	memcpy(sorted, metadata->items, metadata->n * sizeof(*sorted));
	qsort(sorted, metadata->n, sizeof(*sorted), compare_names);
	print_pairs(out, sorted, metadata->n);
}

void
entry_json_print(struct buf *out, struct arena *arena, const struct batch *b, size_t i)
{
	struct str line = b->line[i];

	(void)buf_z(out, "{\"labels\":");
	print_pairs(out, b->labels[i]->items, b->labels[i]->n);
	if (str_utf8_valid(line)) {
		(void)buf_z(out, ",\"line\":");
		(void)json_tree_quote(out, line, false);
	} else {
		(void)buf_z(out, ",\"line_base64\":\"");
		(void)buf_str(out, base64_encode(arena, line, BASE64_STANDARD));
		(void)buf_putc(out, '"');
	}
	(void)buf_z(out, ",\"structured_metadata\":");
	print_metadata(out, arena, b->metadata[i]);
	(void)buf_z(out, ",\"ts\":\"");
	entry_json_print_time(out, b->ts[i]);
	(void)buf_z(out, "\"}");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "position_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "longship/app/commands.h"
#include "longship/codec/json_tree.h"
#include "longship/os/file.h"

#include "control.h"
#include "control_answer.h"

/*
 * A store with very many streams does not fit one answer: the list is asked for again in more parts until each fits.
 * Which of a path's entries counts is worked out here, from what the path names now: the store keeps those of earlier
 * files for 30 days.
 */

#define PARTS_MAX 4096

static bool
is_error(struct arena *arena, struct str line, struct str *ret_error)
{
	struct str error;
	const struct json *doc = json_tree_parse(arena, line, 0, &error);

	*ret_error = doc == NULL ? error : json_tree_get_text(doc, STR("error"));
	return ret_error->len > 0;
}

static void
take_file(struct arena *arena, const struct json *line, struct position_row *row)
{
	struct str dev = json_tree_get_text(line, STR("dev"));

	row->key.file.dev = strtoull(arena_z(arena, dev), NULL, 16);
	(void)str_to_u64(json_tree_get_text(line, STR("ino")), &row->key.file.ino);
	row->key.file.birth_ns = (int64_t)control_get_number(line, "birth_ns");
	row->key.ordinal = (uint32_t)control_get_number(line, "ordinal");
	row->key.generation = (uint32_t)control_get_number(line, "generation");
}

static void
take_row(struct position_rows *rows, const struct json *line)
{
	struct arena *arena = rows->arena;
	struct str kind = json_tree_get_text(line, STR("kind"));
	struct position_row row = {
		.component = arena_str(arena, control_get_text(arena, line, "component")),
		.path = arena_str(arena, control_get_text(arena, line, "path")),
		.labels = arena_str(arena, control_get_text(arena, line, "labels")),
		.text = arena_str(arena, control_get_text(arena, line, "cursor")),
		.offset = control_get_number(line, "offset"),
		.updated_ns = (int64_t)control_get_number(line, "updated_ns"),
	};

	row.state = str_is(kind, "placed") ? POSITION_PLACED
		: str_is(kind, "file") ? POSITION_EARLIER
		: str_is(kind, "lag") ? POSITION_LAGGING : POSITION_CURSOR;
	if (row.state == POSITION_LAGGING)
		row.text = STR_EMPTY;
	if (row.state == POSITION_PLACED && json_tree_get(line, STR("invalid")) != NULL) {
		row.invalid = true;
		row.text = arena_str(arena, control_get_text(arena, line, "invalid"));
	}
	if (row.state == POSITION_EARLIER)
		take_file(arena, line, &row);
	vec_push(&rows->rows, row);
}

static void
take_components(struct position_rows *rows, const struct json *line)
{
	const struct json *list = json_tree_get(line, STR("components"));

	rows->components.len = 0;
	for (size_t i = 0; list->kind == JSON_TREE_ARRAY && i < list->array.n; i++)
		if (list->array.items[i].kind == JSON_TREE_STRING)
			vec_push(&rows->components, arena_str(rows->arena, list->array.items[i].text));
}

static void
take_lines(struct position_rows *rows, struct str component, struct str lines)
{
	while (lines.len > 0) {
		struct arena *call = arena_new(0);
		struct str line, error;
		const struct json *doc;

		(void)str_cut(lines, '\n', &line, &lines);
		doc = json_tree_parse(call, line, 0, &error);
		if (json_tree_get(doc, STR("components")) != NULL)
			take_components(rows, doc);
		else if (doc != NULL &&
			 (component.len == 0 || str_eq(json_tree_get_text(doc, STR("component")), component)))
			take_row(rows, doc);
		arena_free(call);
	}
}

/* All in this many parts; 0, the exit status, or -1: a part does not fit. */
static int
ask_parts(struct storage *storage, struct str component, unsigned parts, struct position_rows *rows, struct buf *reply)
{
	rows->rows.len = 0;
	for (unsigned part = 0; part < parts; part++) {
		char request[96];
		struct str first, rest, error;
		int r;

		snprintf(request, sizeof(request), "{\"command\":\"positions.list\",\"part\":%u,\"parts\":%u}", part, parts);
		r = storage_ask(storage, str_from(request), reply);
		if (r != 0)
			return r;
		if (reply->overflow)
			return -1;
		(void)str_cut(buf_view(reply), '\n', &first, &rest);
		if (is_error(rows->arena, first, &error)) {
			if (str_is(error, "the answer is too large"))
				return -1;
			fprintf(stderr, "longship positions: %.*s\n", STR_FMT(error));
			return STATUS_SYSTEM;
		}
		take_lines(rows, component, buf_view(reply));
	}
	return 0;
}

static int
compare_rows(const void *a, const void *b)
{
	const struct position_row *x = a, *y = b;
	int order = str_cmp(x->component, y->component);

	if (order == 0)
		order = str_cmp(x->path, y->path);
	if (order == 0)
		order = str_cmp(x->labels, y->labels);
	if (order == 0)
		order = (x->state > y->state) - (x->state < y->state);
	return order != 0 ? order : (x->updated_ns < y->updated_ns) - (x->updated_ns > y->updated_ns);
}

static bool
same_file(const struct placed_file *a, const struct file_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && (a->birth_ns == 0 || b->birth_ns == 0 || a->birth_ns == b->birth_ns);
}

/* Of one component and path: marks which entries are of the file that is there now, the newest generation of each ordinal. */
static void
mark_current(struct position_row *rows, size_t n)
{
	struct file_identity id;
	bool there = file_identify_path(rows[0].path.s, &id) == 0;

	for (size_t i = 0; i < n; i++) {
		struct position_row *row = &rows[i];
		bool newest = true;

		if (row->state == POSITION_CURSOR || row->state == POSITION_LAGGING)
			continue;
		row->has_size = there && (row->state == POSITION_PLACED || same_file(&row->key.file, &id));
		row->size = there ? id.size : 0;
		if (row->state == POSITION_PLACED)
			continue;
		for (size_t k = 0; k < n; k++) {
			const struct position_row *other = &rows[k];

			if (other->state == POSITION_PLACED || other->state == POSITION_LAGGING || other->key.ordinal != row->key.ordinal)
				continue;
			if (there && same_file(&other->key.file, &id) && other->key.generation > row->key.generation)
				newest = false;
			if (!there && other->updated_ns > row->updated_ns)
				newest = false;
		}
		if (newest && (row->has_size || !there))
			row->state = there ? POSITION_CURRENT : POSITION_GONE;
	}
}

/* What was placed takes the place of the entries of its labels, or of all of the path. */
static void
mark_outdated(struct position_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].state != POSITION_PLACED)
			continue;
		for (size_t k = 0; k < n; k++) {
			bool all = rows[i].labels.len == 0 || str_is(rows[i].labels, "{}");

			if ((rows[k].state == POSITION_CURRENT || rows[k].state == POSITION_GONE) &&
				(all || str_eq(rows[i].labels, rows[k].labels)))
				rows[k].state = POSITION_EARLIER;
		}
	}
}

int
position_rows_get(struct storage *storage, struct str component, struct position_rows *ret)
{
	struct buf reply;
	int r = -1;

	*ret = (struct position_rows){.arena = arena_new(64 << 10)};
	buf_init(&reply, CONTROL_REPLY_BYTES_MAX + (1u << 20));
	for (unsigned parts = 1; r == -1 && parts <= PARTS_MAX; parts *= 16)
		r = ask_parts(storage, component, parts, ret, &reply);
	buf_done(&reply);
	if (r == -1) {
		fprintf(stderr, "longship positions: the store has too many streams\n");
		r = STATUS_SYSTEM;
	}
	if (ret->rows.len > 0)
		qsort(ret->rows.items, ret->rows.len, sizeof(ret->rows.items[0]), compare_rows);
	for (size_t i = 0, n; r == 0 && i < ret->rows.len; i += n) {
		struct position_row *rows = &ret->rows.items[i];

		for (n = 1; i + n < ret->rows.len && str_eq(rows[n].path, rows[0].path) &&
			    str_eq(rows[n].component, rows[0].component);
			n++)
			;
		mark_current(rows, n);
		mark_outdated(rows, n);
	}
	if (ret->rows.len > 0)
		qsort(ret->rows.items, ret->rows.len, sizeof(ret->rows.items[0]), compare_rows);
	return r;
}

void
position_rows_done(struct position_rows *rows)
{
	vec_done(&rows->rows);
	vec_done(&rows->components);
	arena_free(rows->arena);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/args.h"

#include "args_priv.h"
#include "longship/base/check.h"
#include "longship/base/duration.h"
#include "longship/base/limits.h"
#include "longship/base/size.h"
#include "longship/lang/parse.h"
#include "longship/lang/path_targets.h"
#include "value_convert_priv.h"

/*
 * Decoding walks the statements of a block in file order, finds each one's row and converts into the row's
 * place in the struct; defaults are written first, missing rows are looked for last. The first error ends it,
 * as in Alloy.
 */

#define CANDIDATES_MAX 256 /* names of one table, for "did you mean" */

struct decoder {
	struct eval ev;
	const char *prefix;
	struct src_pos top; /* the outermost block: where errors without a place of their own stand */
};

size_t
args_slot_bytes(const struct arg_spec *row)
{
	static const size_t bytes[] = {
		[ARG_STRING] = sizeof(struct str),
		[ARG_SECRET] = sizeof(struct str),
		[ARG_REGEX] = sizeof(struct str),
		[ARG_BOOL] = sizeof(bool),
		[ARG_INT] = sizeof(int64_t),
		[ARG_NUMBER] = sizeof(double),
		[ARG_DURATION] = sizeof(int64_t),
		[ARG_SIZE] = sizeof(int64_t),
		[ARG_CHOICE] = sizeof(int),
		[ARG_STRING_LIST] = sizeof(struct str_list),
		[ARG_STRING_MAP] = sizeof(struct str_map),
		[ARG_SECRET_MAP] = sizeof(struct str_map),
		[ARG_TARGETS] = sizeof(struct target_list),
		[ARG_CAPSULE] = sizeof(void *),
		[ARG_CAPSULE_LIST] = sizeof(struct ptr_list),
		[ARG_ANY] = sizeof(struct value),
		[ARG_BLOCK] = sizeof(void *),
		[ARG_BLOCKS] = sizeof(struct block_list),
		[ARG_ENUM_BLOCKS] = sizeof(struct variant_list),
		[ARG_SQUASH] = 0,
		[ARG_POS] = sizeof(struct src_pos),
		[ARG_LABEL] = sizeof(struct str),
	};

	return bytes[row->kind];
}

static struct arg_match
find_variant(const struct arg_spec *row, struct str name)
{
	struct str prefix = str_from(row->name), rest;

	if (!str_starts(name, prefix) || name.len <= prefix.len || name.s[prefix.len] != '.')
		return (struct arg_match){0};
	rest = str_from_offset(name, prefix.len + 1);
	for (size_t i = 0; row->variants[i] != NULL; i++)
		if (str_is(rest, row->variants[i]->name))
			return (struct arg_match){row, row->offset, row->variants[i]};
	return (struct arg_match){0};
}

struct arg_match
args_find(const struct arg_spec *spec, struct str name)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++) {
		struct arg_match match = {0};

		if (row->kind == ARG_SQUASH) {
			match = args_find(row->sub, name);
			match.offset += row->offset;
		} else if (row->kind == ARG_ENUM_BLOCKS) {
			match = find_variant(row, name);
		} else if (row->name != NULL && str_is(name, row->name)) {
			match = (struct arg_match){row, row->offset, NULL};
		}
		if (match.row != NULL)
			return match;
	}
	return (struct arg_match){0};
}

/* Collects what a statement of this kind could have been named. */
static void
list_names(const struct arg_spec *spec, bool blocks, struct arena *arena, const char **names, size_t *n)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++) {
		if (row->kind == ARG_SQUASH)
			list_names(row->sub, blocks, arena, names, n);
		if (row->name == NULL || args_is_block(row) != blocks)
			continue;
		if (row->kind != ARG_ENUM_BLOCKS) {
			if (*n < CANDIDATES_MAX)
				names[(*n)++] = row->name;
			continue;
		}
		for (size_t i = 0; row->variants[i] != NULL && *n < CANDIDATES_MAX; i++)
			names[(*n)++] = arena_printf(arena, "%s.%s", row->name, row->variants[i]->name).s;
	}
}

void
args_fail_unknown(struct diags *diags, const struct arg_spec *spec, const struct stmt *s)
{
	bool block = s->block != NULL;
	struct str name = block ? s->block->name : s->attr->name;
	const char *names[CANDIDATES_MAX], *nearest;
	struct arena *scratch = arena_new(0);
	size_t n = 0;

	list_names(spec, block, scratch, names, &n);
	nearest = str_nearest(name, names, n);
	diag_error(diags, block ? s->block->pos : s->attr->pos, "unrecognized %s name \"%.*s\"%s%s%s",
		block ? "block" : "attribute", STR_FMT(name), nearest != NULL ? "; did you mean \"" : "",
		nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
	arena_free(scratch);
}

bool
args_check_kind(struct diags *diags, const struct arg_match *match, const struct stmt *s)
{
	bool block = s->block != NULL;
	struct str name = block ? s->block->name : s->attr->name;

	if (args_is_block(match->row) == block)
		return true;
	diag_error(diags, block ? s->block->pos : s->attr->pos, "\"%.*s\" must be %s, but is used as %s", STR_FMT(name),
		block ? "an attribute" : "a block", block ? "a block" : "an attribute");
	return false;
}

const struct arg_spec *
args_block_spec(const struct arg_match *match, size_t *ret_size)
{
	*ret_size = match->variant != NULL ? match->variant->args_size : match->row->sub_size;
	return match->variant != NULL ? match->variant->args : match->row->sub;
}

static bool
needs_label(const struct arg_match *match)
{
	size_t size;

	if (match->row->flags & ARG_NEEDS_LABEL)
		return true;
	for (const struct arg_spec *row = args_block_spec(match, &size); row != NULL && row->kind != ARG_END; row++)
		if (row->kind == ARG_LABEL)
			return true;
	return false;
}

bool
args_check_label(struct diags *diags, const struct arg_match *match, const struct block *block)
{
	bool needed = needs_label(match);
	struct src_pos head = block->name_pos;

	if (needed == block->has_label)
		return true;
	head.len = block->open_pos.off + block->open_pos.len - head.off;
	diag_error(diags, head, "block \"%.*s\" %s", STR_FMT(block->name),
		needed ? "requires non-empty label" : "does not support specifying labels");
	return false;
}

/* Whether one of the first `before` statements has this name. */
bool
args_has_name(const struct body *body, struct str name, bool block, size_t before)
{
	for (size_t i = 0; i < before; i++) {
		const struct stmt *s = &body->stmts[i];

		if (block == (s->block != NULL) && str_eq(block ? s->block->name : s->attr->name, name))
			return true;
	}
	return false;
}

/* A limit in the row's unit. */
static struct str
limit_text(struct arena *arena, const struct arg_spec *row, int64_t limit)
{
	char text[DURATION_BYTES > SIZE_BYTES ? DURATION_BYTES : SIZE_BYTES];

	if (row->kind == ARG_DURATION)
		return arena_str(arena, str_from(duration_format(limit, text)));
	if (row->kind == ARG_SIZE && limit >= 0)
		return arena_str(arena, str_from(size_format((uint64_t)limit, text)));
	return arena_printf(arena, "%lld", (long long)limit);
}

static bool
check_limits(struct eval *ev, const struct arg_spec *row, const struct value_path *path, double n, const char *unit)
{
	bool has_max = row->max > row->min;
	struct str limit;

	if ((row->min == 0 && row->max == 0) || (n >= (double)row->min && (!has_max || n <= (double)row->max)))
		return true;
	limit = limit_text(ev->arena, row, n < (double)row->min ? row->min : row->max);
	return eval_fail(ev, path, "must %s at %s %.*s%s", unit[0] != '\0' ? "have" : "be",
		n < (double)row->min ? "least" : "most", STR_FMT(limit), unit);
}

static bool
convert_list(struct eval *ev, const struct arg_spec *row, const struct value_path *path, void *slot)
{
	size_t n;

	switch (row->kind) {
	case ARG_STRING_LIST:
		if (!convert_to_strings(ev, path, slot))
			return false;
		n = ((struct str_list *)slot)->n;
		break;
	case ARG_STRING_MAP:
		if (!convert_to_string_map(ev, path, slot))
			return false;
		n = ((struct str_map *)slot)->n;
		break;
	case ARG_SECRET_MAP:
		if (!convert_to_secret_map(ev, path, slot))
			return false;
		n = ((struct str_map *)slot)->n;
		break;
	case ARG_TARGETS:
		if (!convert_to_targets(ev, path, slot))
			return false;
		n = ((struct target_list *)slot)->n;
		break;
	default:
		assert(row->kind == ARG_CAPSULE_LIST);
		if (!convert_to_capsules(ev, path, row->capsule, slot))
			return false;
		n = ((struct ptr_list *)slot)->n;
		break;
	}
	return check_limits(ev, row, path, (double)n, " elements");
}

/* The owner takes the value as it is, or gets the array that it stands for. */
static bool
convert_paths(struct eval *ev, const struct arg_spec *row, const struct value_path *path, void *slot)
{
	struct path_targets *paths = path->value->paths;
	struct value array = {.kind = VALUE_NULL};
	struct value_path expanded = *path;
	uint32_t marked = path->value->origin & 0xffffff;

	if (row->kind == ARG_TARGETS && (row->flags & ARG_PATHS) != 0) {
		path_targets_keep(paths, ev->arena);
		*(struct target_list *)slot = (struct target_list){.n = paths->len, .paths = paths};
		return check_limits(ev, row, path, (double)paths->len, " elements");
	}
	array = path_targets_expand(ev->arena, paths);
	array.origin = marked & 0xffffff;
	expanded.value = &array;
	return args_convert(ev, row, &expanded, slot);
}

bool
args_convert(struct eval *ev, const struct arg_spec *row, const struct value_path *path, void *slot)
{
	if (path->value->kind == VALUE_PATHS)
		return convert_paths(ev, row, path, slot);
	switch (row->kind) {
	case ARG_STRING:
		return convert_to_string(ev, path, slot);
	case ARG_SECRET:
		return convert_to_secret(ev, path, slot);
	case ARG_REGEX:
		return convert_to_regex(ev, path, slot);
	case ARG_BOOL:
		return convert_to_bool(ev, path, slot);
	case ARG_INT:
		return convert_to_int(ev, path, slot) && check_limits(ev, row, path, (double)*(int64_t *)slot, "");
	case ARG_NUMBER:
		return convert_to_number(ev, path, slot) && check_limits(ev, row, path, *(double *)slot, "");
	case ARG_DURATION:
		return convert_to_duration(ev, path, slot) && check_limits(ev, row, path, (double)*(int64_t *)slot, "");
	case ARG_SIZE:
		return convert_to_size(ev, path, slot) && check_limits(ev, row, path, (double)*(int64_t *)slot, "");
	case ARG_CHOICE:
		return convert_to_choice(ev, path, row->choices, slot);
	case ARG_CAPSULE:
		return convert_to_capsule(ev, path, row->capsule, slot);
	case ARG_ANY:
		*(struct value *)slot = value_copy(ev->arena, path->value);
		return true;
	default:
		return convert_list(ev, row, path, slot);
	}
}

void
args_default(const struct arg_spec *row, struct arena *arena, void *slot)
{
	struct source source;
	struct diags diags;
	struct eval ev;
	struct value v;
	struct value_path path = {.value = &v};
	struct expr *e;
	bool ok;

	memset(slot, 0, args_slot_bytes(row));
	if (row->fallback == NULL)
		return;
	source_init(&source, arena);
	source_add(&source, STR_EMPTY, str_from(row->fallback));
	diags_init(&diags, arena, &source);
	e = parse_expression(arena, &source, 1, &diags);
	eval_init(&ev, NULL, &source, arena, &diags);
	ok = e != NULL && eval_run(&ev, e, &v) && args_convert(&ev, row, &path, slot);
	eval_done(&ev);
	diags_done(&diags);
	assert(ok && "default of an argument table");
}

static void
set_defaults(const struct arg_spec *spec, struct arena *arena, char *out)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++) {
		if (row->kind == ARG_SQUASH)
			set_defaults(row->sub, arena, out + row->offset);
		else
			args_default(row, arena, out + row->offset);
	}
}

/* The block's own place and label, where the table wants them. */
static void
set_identity(const struct arg_spec *spec, const struct block *block, struct arena *arena, char *out)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++) {
		if (row->kind == ARG_SQUASH)
			set_identity(row->sub, block, arena, out + row->offset);
		else if (row->kind == ARG_POS)
			*(struct src_pos *)(out + row->offset) = block->pos;
		else if (row->kind == ARG_LABEL)
			*(struct str *)(out + row->offset) = arena_str(arena, block->label);
	}
}

static bool decode_block(struct decoder *d, const struct arg_spec *spec, const struct block *block, char *out);

static bool
decode_attr(struct decoder *d, const struct arg_spec *spec, const struct body *body, size_t i, char *out)
{
	const struct attr *attr = body->stmts[i].attr;
	struct diags *diags = d->ev.diags;
	struct arg_match match;
	struct value v;
	struct value_path path = {.value = &v};

	if (args_has_name(body, attr->name, false, i)) {
		diag_error(diags, attr->pos, "attribute \"%.*s\" may only be provided once", STR_FMT(attr->name));
		return false;
	}
	match = args_find(spec, attr->name);
	if (match.row == NULL) {
		args_fail_unknown(diags, spec, &body->stmts[i]);
		return false;
	}
	if (!args_check_kind(diags, &match, &body->stmts[i]))
		return false;
	if (match.row->flags & ARG_DEPRECATED)
		diag_warning(diags, attr->pos, "attribute \"%.*s\" is deprecated", STR_FMT(attr->name));
	return eval_run(&d->ev, attr->expr, &v) && args_convert(&d->ev, match.row, &path, out + match.offset);
}

static size_t
count_blocks(const struct body *body, struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < body->n; i++)
		n += body->stmts[i].block != NULL && str_eq(body->stmts[i].block->name, name);
	return n;
}

/* All blocks of the body that belong to an enumeration. */
static size_t
count_variants(const struct body *body, const struct arg_spec *row)
{
	size_t n = 0;

	for (size_t i = 0; i < body->n; i++)
		n += body->stmts[i].block != NULL && find_variant(row, body->stmts[i].block->name).row != NULL;
	return n;
}

/* Room for a block's struct, of which the slot then knows. NULL: there is one already. */
static void *
place_block(struct arena *arena, const struct body *body, const struct block *block, const struct arg_match *match,
	size_t size, char *slot)
{
	struct variant_list *variants = (struct variant_list *)slot;
	struct block_list *blocks = (struct block_list *)slot;
	void *args;

	switch (match->row->kind) {
	case ARG_BLOCK:
		if (count_blocks(body, block->name) > 1)
			return NULL;
		args = arena_zalloc(arena, size + 1);
		*(void **)slot = args;
		return args;
	case ARG_BLOCKS:
		if (blocks->n == 0)
			blocks->items = arena_zalloc(arena, size * count_blocks(body, block->name) + 1);
		return (char *)blocks->items + size * blocks->n++;
	default:
		if (variants->n == 0)
			variants->items = arena_array(arena, struct variant, count_variants(body, match->row));
		args = arena_zalloc(arena, size + 1);
		variants->items[variants->n++] = (struct variant){match->variant, args, block->pos};
		return args;
	}
}

static bool
decode_nested(struct decoder *d, const struct arg_spec *spec, const struct body *body, size_t i, char *out)
{
	const struct block *block = body->stmts[i].block;
	struct arg_match match = args_find(spec, block->name);
	bool (*check)(const void *, struct src_pos, struct diags *);
	const struct arg_spec *sub;
	size_t size;
	void *args;

	if (match.row == NULL) {
		args_fail_unknown(d->ev.diags, spec, &body->stmts[i]);
		return false;
	}
	if (!args_check_kind(d->ev.diags, &match, &body->stmts[i]))
		return false;
	sub = args_block_spec(&match, &size);
	args = place_block(d->ev.arena, body, block, &match, size, out + match.offset);
	if (args == NULL) {
		diag_error(d->ev.diags, block->pos, "block \"%.*s\" may only be specified once", STR_FMT(block->name));
		return false;
	}
	if (!args_check_label(d->ev.diags, &match, block) || !decode_block(d, sub, block, args))
		return false;
	check = match.variant != NULL ? match.variant->check : match.row->sub_check;
	return check == NULL || check(args, block->pos, d->ev.diags);
}

static bool
check_required(struct decoder *d, const struct arg_spec *spec, const struct body *body)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++) {
		bool block = args_is_block(row);

		if (row->kind == ARG_SQUASH && !check_required(d, row->sub, body))
			return false;
		if (!(row->flags & ARG_REQUIRED) || row->name == NULL || row->kind == ARG_ENUM_BLOCKS ||
			args_has_name(body, str_from(row->name), block, body->n))
			continue;
		diag_error(d->ev.diags, d->top, "%smissing required %s \"%s\"", d->prefix,
			block ? "block" : "attribute", row->name);
		return false;
	}
	return true;
}

static bool
decode_block(struct decoder *d, const struct arg_spec *spec, const struct block *block, char *out)
{
	const struct body *body = block->body;

	set_defaults(spec, d->ev.arena, out);
	set_identity(spec, block, d->ev.arena, out);
	for (size_t i = 0; i < body->n; i++)
		if (body->stmts[i].block != NULL ? !decode_nested(d, spec, body, i, out)
						 : !decode_attr(d, spec, body, i, out))
			return false;
	return check_required(d, spec, body);
}

bool
args_decode(const struct arg_spec *spec, const struct block *block, const char *prefix, const struct eval_env *env,
	struct arena *arena, void *out, struct diags *diags)
{
	struct decoder d = {.prefix = prefix, .top = block->pos};
	bool ok;

	eval_init(&d.ev, env, diags->source, arena, diags);
	ok = decode_block(&d, spec, block, out);
	eval_done(&d.ev);
	return ok;
}

bool
args_decode_empty(const struct arg_spec *spec, struct arena *arena, void *out, struct diags *diags)
{
	(void)diags;
	set_defaults(spec, arena, out);
	return true;
}

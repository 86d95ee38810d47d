/* SPDX-License-Identifier: Apache-2.0 */
#include "args_priv.h"

#include "longship/base/duration.h"
#include "longship/base/size.h"

/*
 * The reference page of a table: attributes first, then blocks with their own attributes indented below. A
 * group of blocks that holds itself (stages in stage.match) is written once.
 */

#define INDENT 2
#define NESTING_MAX 8 /* of groups; the deepest table has two */

struct page {
	struct buf *out;
	const struct arg_variant *const *groups[NESTING_MAX]; /* being written */
	size_t n_groups;
};

static void
put_indent(struct page *p, int depth)
{
	for (int i = 0; i < depth * INDENT; i++)
		buf_putc(p->out, ' ');
}

static const char *
type_text(enum arg_kind kind)
{
	switch (kind) {
	case ARG_SECRET:
		return "secret";
	case ARG_REGEX:
		return "string (RE2 regular expression)";
	case ARG_BOOL:
		return "bool";
	case ARG_INT:
	case ARG_NUMBER:
		return "number";
	case ARG_DURATION:
		return "duration";
	case ARG_SIZE:
		return "size";
	case ARG_STRING_LIST:
		return "list(string)";
	case ARG_STRING_MAP:
		return "map(string)";
	case ARG_SECRET_MAP:
		return "map(list(secret))";
	case ARG_TARGETS:
		return "list(map(string))";
	case ARG_ANY:
		return "any";
	default:
		return "string";
	}
}

static void
put_type(struct page *p, const struct arg_spec *row)
{
	if (row->kind == ARG_CAPSULE) {
		buf_z(p->out, row->capsule->name);
	} else if (row->kind == ARG_CAPSULE_LIST) {
		buf_printf(p->out, "list(%s)", row->capsule->name);
	} else if (row->kind == ARG_CHOICE) {
		for (size_t i = 0; row->choices[i] != NULL; i++)
			buf_printf(p->out, "%s\"%s\"", i > 0 ? " | " : "", row->choices[i]);
	} else {
		buf_z(p->out, type_text(row->kind));
	}
}

static void
put_limit(struct page *p, const struct arg_spec *row, const char *word, int64_t limit)
{
	char text[DURATION_BYTES > SIZE_BYTES ? DURATION_BYTES : SIZE_BYTES];

	if (row->kind == ARG_DURATION)
		buf_printf(p->out, ", at %s \"%s\"", word, duration_format(limit, text));
	else if (row->kind == ARG_SIZE)
		buf_printf(p->out, ", at %s \"%s\"", word, size_format((uint64_t)limit, text));
	else
		buf_printf(p->out, ", at %s %lld", word, (long long)limit);
}

static void
put_doc(struct page *p, const char *doc, int depth)
{
	if (doc == NULL)
		return;
	put_indent(p, depth);
	buf_z(p->out, doc);
	buf_putc(p->out, '\n');
}

static void
put_attr(struct page *p, const struct arg_spec *row, int depth)
{
	put_indent(p, depth);
	buf_printf(p->out, "%s  ", row->name);
	put_type(p, row);
	if (row->flags & ARG_REQUIRED)
		buf_z(p->out, ", required");
	else if (row->fallback != NULL)
		buf_printf(p->out, ", default %s", row->fallback);
	if (row->min > 0 || (row->min == 0 && row->max != 0))
		put_limit(p, row, "least", row->min);
	if (row->max > row->min && row->max < INT64_MAX)
		put_limit(p, row, "most", row->max);
	if (row->flags & ARG_DEPRECATED)
		buf_z(p->out, ", deprecated");
	if (row->flags & ARG_UNSUPPORTED)
		buf_z(p->out, ", only in Alloy");
	buf_putc(p->out, '\n');
	put_doc(p, row->doc, depth + 2);
}

static void put_table(struct page *p, const struct arg_spec *spec, int depth);

static bool
has_label(const struct arg_spec *spec)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++)
		if (row->kind == ARG_LABEL)
			return true;
	return false;
}

static void
put_group(struct page *p, const struct arg_spec *row, int depth)
{
	bool known = p->n_groups == NESTING_MAX;

	for (size_t i = 0; i < p->n_groups; i++)
		known = known || p->groups[i] == row->variants;
	if (known) {
		put_indent(p, depth);
		buf_printf(p->out, "%s.*  blocks, as above\n", row->name);
		put_doc(p, row->doc, depth + 2);
		return;
	}
	p->groups[p->n_groups++] = row->variants;
	put_doc(p, row->doc, depth);
	for (size_t i = 0; row->variants[i] != NULL; i++) {
		put_indent(p, depth);
		buf_printf(p->out, "%s.%s  block, in order with the other %s.* blocks\n", row->name,
			row->variants[i]->name, row->name);
		put_doc(p, row->variants[i]->doc, depth + 2);
		put_table(p, row->variants[i]->args, depth + 1);
	}
	p->n_groups--;
}

static void
put_block(struct page *p, const struct arg_spec *row, int depth)
{
	put_indent(p, depth);
	buf_printf(p->out, "%s%s  block%s%s%s\n", row->name,
		(row->flags & ARG_NEEDS_LABEL) || has_label(row->sub) ? " \"LABEL\"" : "",
		row->flags & ARG_REQUIRED ? ", required" : "", row->kind == ARG_BLOCKS ? ", repeatable" : "",
		row->flags & ARG_DEPRECATED ? ", deprecated" : row->flags & ARG_UNSUPPORTED ? ", only in Alloy" : "");
	put_doc(p, row->doc, depth + 2);
	put_table(p, row->sub, depth + 1);
}

static void
put_rows(struct page *p, const struct arg_spec *spec, bool blocks, int depth)
{
	for (const struct arg_spec *row = spec; row != NULL && row->kind != ARG_END; row++) {
		if (row->kind == ARG_SQUASH)
			put_rows(p, row->sub, blocks, depth);
		else if (!blocks && args_is_attr(row))
			put_attr(p, row, depth);
		else if (blocks && row->kind == ARG_ENUM_BLOCKS)
			put_group(p, row, depth);
		else if (blocks && args_is_block(row))
			put_block(p, row, depth);
	}
}

static void
put_table(struct page *p, const struct arg_spec *spec, int depth)
{
	put_rows(p, spec, false, depth);
	put_rows(p, spec, true, depth);
}

void
args_print_help(const struct arg_spec *spec, struct buf *out)
{
	struct page p = {.out = out};

	put_table(&p, spec, 1);
}

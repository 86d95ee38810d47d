/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/format.h"

#include "layout_priv.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/vec.h"
#include "longship/lang/parse.h"

/*
 * The tree is walked in the order of the text and each token is put with its place in the source. White
 * space between two tokens is held back until the second one comes, because comments that stand between them
 * in the source go there first and bring line ends of their own. Where the line of the next token matters
 * (blank lines, elements on lines of their own), the source decides.
 */
enum space {
	SPACE_NONE,
	SPACE_BLANK,
	SPACE_ALIGN,   /* what follows stands aligned with its neighbours above and below */
	SPACE_NEWLINE,
	SPACE_SECTION, /* a newline that ends alignment */
	SPACE_INDENT,
	SPACE_UNINDENT,
};

#define NEWLINES_MAX 2
#define PASSES_MAX 6

struct spot {
	size_t off, line;
};

struct printer {
	const struct source *source;
	VEC(size_t) line_starts;
	VEC(enum space) spaces; /* held back */
	struct layout layout;
	const struct comments *comments; /* NULL: none */
	size_t comment; /* the next one */
	size_t indent;
	struct spot pos;  /* where in the source we are */
	struct spot last; /* end of the last text put */
	bool after_number;
};

static size_t
line_of(const struct printer *p, size_t off)
{
	size_t low = 0, high = p->line_starts.len;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (p->line_starts.items[middle] <= off)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static struct spot
spot_of(const struct printer *p, struct src_pos pos)
{
	return (struct spot){pos.off, line_of(p, pos.off)};
}

static size_t
first_line(const struct printer *p, struct src_pos pos)
{
	return line_of(p, pos.off);
}

static size_t
last_line(const struct printer *p, struct src_pos pos)
{
	return line_of(p, pos.len > 0 ? pos.off + pos.len - 1 : pos.off);
}

static void
put_indent(struct printer *p)
{
	if (!p->layout.at_start)
		return;
	for (size_t i = 0; i < p->indent; i++)
		layout_tab(&p->layout, false);
}

static void
put_newlines(struct printer *p, size_t n, bool section)
{
	for (size_t i = 0; i < n && i < NEWLINES_MAX; i++) {
		put_indent(p);
		layout_newline(&p->layout, section);
	}
}

/* Puts the first n of the spaces held back. */
static void
put_spaces(struct printer *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		switch (p->spaces.items[i]) {
		case SPACE_NONE:
			break;
		case SPACE_BLANK:
			put_indent(p);
			layout_blank(&p->layout);
			break;
		case SPACE_ALIGN:
			put_indent(p);
			layout_tab(&p->layout, true);
			break;
		case SPACE_NEWLINE:
		case SPACE_SECTION:
			put_newlines(p, 1, p->spaces.items[i] == SPACE_SECTION);
			break;
		case SPACE_INDENT:
			p->indent++;
			break;
		case SPACE_UNINDENT:
			assert(p->indent > 0);
			p->indent--;
			break;
		}
	}
	for (size_t i = n; i < p->spaces.len; i++)
		p->spaces.items[i - n] = p->spaces.items[i];
	p->spaces.len -= n;
}

static void
put_raw(struct printer *p, struct spot at, struct str text, bool literal)
{
	put_indent(p);
	if (literal)
		layout_literal(&p->layout, text);
	else
		layout_text(&p->layout, text);
	p->pos = (struct spot){at.off + text.len, at.line};
	for (size_t i = 0; i < text.len; i++)
		p->pos.line += text.s[i] == '\n';
	p->last = p->pos;
}

/* What stands between the last text and a comment. */
static void
put_before_comment(struct printer *p, struct spot next, struct spot comment)
{
	size_t n = 0;

	if (p->layout.empty)
		return;
	if (comment.line == p->last.line) {
		put_indent(p);
		if (comment.line == next.line)
			layout_blank(&p->layout);
		else
			layout_tab(&p->layout, false);
		return;
	}
	/* Indentation that comes before the first other space holds for the comment, too. */
	for (size_t i = 0; i < p->spaces.len; i++)
		if (p->spaces.items[i] != SPACE_INDENT && p->spaces.items[i] != SPACE_UNINDENT) {
			p->spaces.items[i] = SPACE_NONE;
			n = i;
			break;
		}
	put_spaces(p, n);
	if (comment.line > p->last.line)
		put_newlines(p, comment.line - p->last.line, true);
}

static void
put_after_comment(struct printer *p, struct spot next, const struct comment *comment)
{
	bool section = false;

	if (str_starts(comment->text, STR("/*")) && next.line == last_line(p, comment->pos))
		layout_blank(&p->layout);
	for (size_t i = 0; i < p->spaces.len; i++) {
		enum space *space = &p->spaces.items[i];

		section = section || *space == SPACE_SECTION;
		if (*space != SPACE_INDENT && *space != SPACE_UNINDENT)
			*space = SPACE_NONE;
	}
	put_spaces(p, p->spaces.len);
	if (next.line > p->last.line)
		put_newlines(p, next.line - p->last.line, section);
}

/* Puts the comments up to this place; true if there were any. */
static bool
put_comments(struct printer *p, struct spot next, bool at_end)
{
	const struct comment *comment = NULL;

	while (p->comments != NULL && p->comment < p->comments->n &&
		p->comments->items[p->comment].pos.off <= next.off) {
		struct spot at;

		comment = &p->comments->items[p->comment++];
		at = spot_of(p, comment->pos);
		put_before_comment(p, next, at);
		put_raw(p, at, comment->text, false);
	}
	if (comment != NULL && !at_end)
		put_after_comment(p, next, comment);
	return comment != NULL;
}

static void
hold(struct printer *p, enum space space)
{
	vec_push(&p->spaces, space);
	p->after_number = false;
}

/* Puts text at the place where we are, after what must come before it. */
static void
put(struct printer *p, struct str text, bool literal)
{
	struct spot at = p->pos;

	/* "1 .a": without a blank the number would take the dot. */
	if (p->after_number && text.s[0] == '.')
		hold(p, SPACE_BLANK);
	p->after_number = false;
	if (!put_comments(p, at, false))
		put_spaces(p, p->spaces.len);
	put_raw(p, at, text, literal);
}

static void
put_at(struct printer *p, struct src_pos pos, struct str text)
{
	p->pos = spot_of(p, pos);
	put(p, text, false);
}

static void
put_closing(struct printer *p, struct src_pos whole, struct str text)
{
	put_at(p, (struct src_pos){whole.file, whole.off + whole.len - 1, 1}, text);
}

static void put_expr(struct printer *p, const struct expr *e);

static void
put_literal(struct printer *p, const struct expr *e)
{
	p->pos = spot_of(p, e->pos);
	put(p, source_text(p->source, e->pos), true);
	p->after_number = e->literal.value.kind == VALUE_INT || e->literal.value.kind == VALUE_UINT ||
		e->literal.value.kind == VALUE_FLOAT;
}

static void
put_array(struct printer *p, const struct expr *e)
{
	size_t line = first_line(p, e->pos);

	put_at(p, e->pos, STR("["));
	for (size_t i = 0; i < e->array.n; i++) {
		const struct expr *item = e->array.items[i];
		bool own_line = first_line(p, item->pos) != line;

		/* Indented before the newline, so that comments in front of it are, too. */
		if (own_line) {
			hold(p, SPACE_INDENT);
			hold(p, SPACE_SECTION);
		} else if (i > 0) {
			hold(p, SPACE_BLANK);
		}
		line = last_line(p, item->pos);
		put_expr(p, item);
		if (i + 1 < e->array.n)
			put(p, STR(","), false);
		if (own_line)
			hold(p, SPACE_UNINDENT);
	}
	if (e->array.n > 0 && last_line(p, e->pos) != line) {
		put(p, STR(","), false);
		hold(p, SPACE_INDENT);
		hold(p, SPACE_SECTION);
		hold(p, SPACE_UNINDENT);
	}
	put_closing(p, e->pos, STR("]"));
}

static bool
is_one_line(const struct printer *p, struct src_pos pos)
{
	return first_line(p, pos) == last_line(p, pos);
}

static void
put_object(struct printer *p, const struct expr *e)
{
	size_t line = first_line(p, e->pos);

	put_at(p, e->pos, STR("{"));
	hold(p, SPACE_INDENT);
	for (size_t i = 0; i < e->object.n; i++) {
		const struct expr_field *field = &e->object.fields[i];

		if (first_line(p, field->name_pos) != line)
			hold(p, i > 0 && is_one_line(p, e->object.fields[i - 1].value->pos) ? SPACE_NEWLINE
											    : SPACE_SECTION);
		else if (i > 0)
			hold(p, SPACE_BLANK);
		line = first_line(p, field->name_pos);
		put_at(p, field->name_pos, source_text(p->source, field->name_pos));
		hold(p, SPACE_ALIGN);
		put(p, STR("="), false);
		hold(p, SPACE_BLANK);
		put_expr(p, field->value);
		if (i + 1 < e->object.n)
			put(p, STR(","), false);
	}
	if (e->object.n > 0 && last_line(p, e->pos) != line) {
		put(p, STR(","), false);
		hold(p, SPACE_SECTION);
	}
	hold(p, SPACE_UNINDENT);
	put_closing(p, e->pos, STR("}"));
}

static void
put_call(struct printer *p, const struct expr *e)
{
	size_t line = first_line(p, e->call.open_pos);

	put_expr(p, e->call.base);
	put_at(p, e->call.open_pos, STR("("));
	for (size_t i = 0; i < e->call.n; i++) {
		const struct expr *arg = e->call.args[i];
		bool own_line = first_line(p, arg->pos) != line;

		if (own_line) {
			hold(p, SPACE_SECTION);
			hold(p, SPACE_INDENT);
		}
		put_expr(p, arg);
		line = last_line(p, arg->pos);
		if (i + 1 < e->call.n) {
			put(p, STR(","), false);
			hold(p, SPACE_BLANK);
		}
		if (own_line)
			hold(p, SPACE_UNINDENT);
	}
	if (e->call.n > 0 && last_line(p, e->pos) != line) {
		put(p, STR(","), false);
		hold(p, SPACE_SECTION);
	}
	put_closing(p, e->pos, STR(")"));
}

static void
put_expr(struct printer *p, const struct expr *e)
{
	switch (e->kind) {
	case EXPR_LITERAL:
		put_literal(p, e);
		break;
	case EXPR_IDENTIFIER:
		put_at(p, e->pos, e->identifier.name);
		break;
	case EXPR_ACCESS:
		put_expr(p, e->access.base);
		put(p, STR("."), false);
		put_at(p, e->access.name_pos, e->access.name);
		break;
	case EXPR_INDEX:
		put_expr(p, e->index.base);
		put(p, STR("["), false);
		put_expr(p, e->index.index);
		put_closing(p, e->pos, STR("]"));
		break;
	case EXPR_CALL:
		put_call(p, e);
		break;
	case EXPR_UNARY:
		put_at(p, e->pos, str_from(expr_op_text(e->unary.op)));
		put_expr(p, e->unary.operand);
		break;
	case EXPR_BINARY:
		put_expr(p, e->binary.left);
		hold(p, SPACE_BLANK);
		put_at(p, e->binary.op_pos, str_from(expr_op_text(e->binary.op)));
		hold(p, SPACE_BLANK);
		put_expr(p, e->binary.right);
		break;
	case EXPR_ARRAY:
		put_array(p, e);
		break;
	case EXPR_OBJECT:
		put_object(p, e);
		break;
	case EXPR_PAREN:
		put_at(p, e->pos, STR("("));
		put_expr(p, e->inner);
		put_closing(p, e->pos, STR(")"));
		break;
	}
}

static void put_body(struct printer *p, const struct body *body);

static void
put_block(struct printer *p, const struct block *block)
{
	put_at(p, block->name_pos, block->name);
	if (block->has_label) {
		hold(p, SPACE_BLANK);
		put_at(p, block->label_pos, source_text(p->source, block->label_pos));
	}
	hold(p, SPACE_BLANK);
	put_at(p, block->open_pos, STR("{"));
	hold(p, SPACE_INDENT);
	if (block->body->n > 0) {
		hold(p, SPACE_SECTION);
		put_body(p, block->body);
	} else {
		hold(p, SPACE_BLANK);
	}
	hold(p, SPACE_UNINDENT);
	put_closing(p, block->pos, STR("}"));
}

static struct src_pos
stmt_pos(const struct stmt *s)
{
	return s->block != NULL ? s->block->pos : s->attr->pos;
}

static void
put_body(struct printer *p, const struct body *body)
{
	for (size_t i = 0; i < body->n; i++) {
		const struct stmt *s = &body->stmts[i];

		/* An empty line before each block but the first, and where the source has one. */
		if (i > 0 && (s->block != NULL ||
				     first_line(p, stmt_pos(s)) > last_line(p, stmt_pos(&body->stmts[i - 1])) + 1))
			hold(p, SPACE_SECTION);
		if (s->block != NULL) {
			put_block(p, s->block);
		} else {
			put_at(p, s->attr->name_pos, s->attr->name);
			hold(p, SPACE_ALIGN);
			put(p, STR("="), false);
			hold(p, SPACE_BLANK);
			put_expr(p, s->attr->expr);
		}
		hold(p, is_one_line(p, stmt_pos(s)) ? SPACE_NEWLINE : SPACE_SECTION);
	}
}

static void
init(struct printer *p, const struct source *source, uint32_t file, const struct comments *comments)
{
	struct str text = file > 0 && file <= source->n_files ? source->files[file - 1].text : STR_EMPTY;

	*p = (struct printer){.source = source, .comments = comments};
	layout_init(&p->layout);
	vec_push(&p->line_starts, 0);
	for (size_t i = 0; i < text.len; i++)
		if (text.s[i] == '\n')
			vec_push(&p->line_starts, i + 1);
}

static void
done(struct printer *p)
{
	layout_done(&p->layout);
	vec_done(&p->line_starts);
	vec_done(&p->spaces);
}

/* One pass over one file. */
static bool
format_once(struct arena *arena, const struct source *source, uint32_t file, struct diags *diags, struct buf *out)
{
	struct comments comments;
	struct body *body = parse_file_comments(arena, source, file, diags, &comments);
	struct printer p;
	bool ok;

	if (body == NULL)
		return false;
	init(&p, source, file, &comments);
	put_body(&p, body);
	put_comments(&p, (struct spot){SIZE_MAX, SIZE_MAX}, true);
	layout_print(&p.layout, out);
	buf_putc(out, '\n');
	ok = !p.layout.text.overflow && !out->overflow;
	done(&p);
	if (!ok)
		diag_error(diags, (struct src_pos){0}, "the formatted file is larger than %zu bytes", out->max_bytes);
	return ok;
}

/* Formats what a pass has made. */
static bool
format_again(struct str text, struct diags *diags, struct buf *out)
{
	struct arena *arena = arena_new(0);
	struct source source;
	struct diags problems;
	bool ok;

	source_init(&source, arena);
	source_add(&source, STR_EMPTY, text);
	diags_init(&problems, arena, &source);
	ok = format_once(arena, &source, 1, &problems, out);
	if (!ok)
		diag_error(diags, (struct src_pos){0}, "the file cannot be formatted without changing it: %.*s",
			STR_FMT(problems.items[0].text));
	diags_done(&problems);
	arena_free(arena);
	return ok;
}

/* A block that becomes one line changes what stands aligned around it: passes follow until nothing changes. */
bool
format_file(struct arena *arena, const struct source *source, uint32_t file, struct diags *diags, struct buf *out)
{
	struct buf text, again;
	bool ok, same = false;

	buf_init(&text, out->max_bytes);
	ok = format_once(arena, source, file, diags, &text);
	for (int i = 0; ok && !same && i < PASSES_MAX; i++) {
		buf_init(&again, out->max_bytes);
		ok = format_again(buf_view(&text), diags, &again);
		same = str_eq(buf_view(&text), buf_view(&again));
		buf_done(&text);
		text = again;
	}
	if (ok)
		buf_str(out, buf_view(&text));
	buf_done(&text);
	return ok;
}

void
format_expr(const struct source *source, const struct expr *e, struct buf *out)
{
	struct printer p;

	init(&p, source, e->pos.file, NULL);
	put_expr(&p, e);
	layout_print(&p.layout, out);
	done(&p);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "longship/base/limits.h"
#include "longship/codec/unicode.h"

/*
 * The parser: one function per rule of Go's grammar, with up to three tokens of look-ahead, since "$x foo" and
 * "$x := foo" part only behind the space. The first error ends it: from then on every token is K_EOF, so that all
 * rules run out by themselves.
 */

struct parser {
	struct arena *arena;
	struct template *template;
	struct tlexer lexer;
	struct ttoken tokens[3]; /* given back, last first */
	size_t n_back;
	size_t line;	    /* of the last token */
	size_t action_line; /* where the current action began */
	struct str *variables; /* names, by number */
	size_t n_variables, cap_variables;
	size_t *visible; /* numbers of names in scope */
	size_t n_visible, cap_visible;
	size_t ranges, nesting;
	bool failed;
	struct str error;
};

static struct tpipe *parse_pipeline(struct parser *, const char *context, enum ttoken_kind end);
static struct tnode *parse_text_or_action(struct parser *);
static struct tnode *parse_branch(struct parser *, enum tnode_kind);

static void __attribute__((format(printf, 2, 3)))
fail(struct parser *p, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (p->failed)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	p->failed = true;
	p->error = arena_printf(p->arena, "template: pipeline_template:%zu: %s", p->line, text);
}

static struct ttoken
next(struct parser *p)
{
	struct ttoken t = {K_EOF, STR("EOF"), p->line};

	if (p->failed)
		return t;
	if (p->n_back > 0)
		return p->tokens[--p->n_back];
	t = template_lex_next(&p->lexer);
	p->line = t.line;
	return t;
}

static void
back(struct parser *p, struct ttoken t)
{
	if (!p->failed)
		p->tokens[p->n_back++] = t;
}

static struct ttoken
peek(struct parser *p)
{
	struct ttoken t = next(p);

	back(p, t);
	return t;
}

static struct ttoken
next_word(struct parser *p)
{
	struct ttoken t;

	do {
		t = next(p);
	} while (t.kind == K_SPACE);
	return t;
}

static struct ttoken
peek_word(struct parser *p)
{
	struct ttoken t = next_word(p);

	back(p, t);
	return t;
}

static void
unexpected(struct parser *p, struct ttoken t, const char *context)
{
	if (t.kind == K_ERROR && p->action_line != 0 && p->action_line != t.line)
		fail(p, "%.*s%s started at pipeline_template:%zu", STR_FMT(t.text), str_ends(t.text, STR(" action")) ? "" : " in action",
			p->action_line);
	else if (t.kind == K_ERROR)
		fail(p, "%.*s", STR_FMT(t.text));
	else if (t.kind == K_EOF)
		fail(p, "unexpected EOF in %s", context);
	else if (t.kind >= K_BLOCK || t.kind == K_NIL || t.kind == K_DOT)
		fail(p, "unexpected <%.*s> in %s", STR_FMT(t.text), context);
	else if (t.text.len > 10)
		fail(p, "unexpected \"%.*s\"... in %s", 10, t.text.s, context);
	else
		fail(p, "unexpected \"%.*s\" in %s", STR_FMT(t.text), context);
}

static struct ttoken
expect(struct parser *p, enum ttoken_kind kind, const char *context)
{
	struct ttoken t = next_word(p);

	if (t.kind != kind)
		unexpected(p, t, context);
	return t;
}

static bool
enter(struct parser *p)
{
	if (++p->nesting > TEMPLATE_NESTING_MAX)
		fail(p, "max expression depth exceeded");
	return !p->failed;
}

static struct tnode *
new_node(struct parser *p, enum tnode_kind kind)
{
	struct tnode *n = arena_make(p->arena, struct tnode);

	n->kind = kind;
	return n;
}

static void
append(struct tlist_node *list, struct tnode *n)
{
	if (list->last != NULL)
		list->last->next = n;
	else
		list->first = n;
	list->last = n;
}

/* ---- names ---- */

static void *
grow(struct parser *p, void *items, size_t n, size_t *cap, size_t bytes)
{
	void *more;

	if (n < *cap)
		return items;
	*cap = *cap > 0 ? *cap * 2 : 8;
	more = arena_zalloc(p->arena, *cap * bytes);
	if (n > 0)
		memcpy(more, items, n * bytes);
	return more;
}

static size_t
variable_number(struct parser *p, struct str name)
{
	for (size_t i = 0; i < p->n_variables; i++) {
		if (str_eq(p->variables[i], name))
			return i;
	}
	p->variables = grow(p, p->variables, p->n_variables, &p->cap_variables, sizeof(*p->variables));
	p->variables[p->n_variables] = name;
	return p->n_variables++;
}

static void
declare(struct parser *p, size_t number)
{
	p->visible = grow(p, p->visible, p->n_visible, &p->cap_visible, sizeof(*p->visible));
	p->visible[p->n_visible++] = number;
}

static size_t
name_number(struct parser *p, struct str name)
{
	struct template *t = p->template;

	for (size_t i = 0; i < t->n_names; i++) {
		if (str_eq(t->names[i], name))
			return i;
	}
	t->names = grow(p, t->names, t->n_names, &t->cap_names, sizeof(*t->names));
	t->names[t->n_names] = name;
	return t->n_names++;
}

/* ---- terms ---- */

/* Fields that follow a term: ".a.b" is one token each. */
static void
add_fields(struct parser *p, struct tnode *n)
{
	size_t cap = n->chain.n;

	while (peek(p).kind == K_FIELD) {
		struct str name = str_from_offset(next(p).text, 1);

		n->chain.names = grow(p, n->chain.names, n->chain.n, &cap, sizeof(*n->chain.names));
		n->chain.names[n->chain.n++] = (struct tname){name, name_number(p, name)};
	}
}

static struct tnode *
parse_string(struct parser *p, struct ttoken t)
{
	struct tnode *n = new_node(p, N_STRING);

	if (!template_unquote(p->arena, t.text, &n->text))
		fail(p, "invalid syntax");
	return n;
}

static struct tnode *
parse_variable(struct parser *p, struct ttoken t)
{
	struct tnode *n = new_node(p, N_VARIABLE);
	bool known = str_is(t.text, "$");

	n->chain.variable = variable_number(p, t.text);
	for (size_t i = 0; i < p->n_visible; i++)
		known = known || p->visible[i] == n->chain.variable;
	if (!known)
		fail(p, "undefined variable \"%.*s\"", STR_FMT(t.text));
	return n;
}

static struct tnode *
parse_function(struct parser *p, struct ttoken t)
{
	struct tnode *n = new_node(p, N_FUNCTION);

	n->function = template_function_find(t.text);
	if (n->function == NULL)
		fail(p, "function \"%.*s\" not defined", STR_FMT(t.text));
	else if (n->function->refused != NULL)
		fail(p, "function \"%.*s\" is not available: %s", STR_FMT(t.text), n->function->refused);
	return n;
}

static struct tnode *
parse_constant(struct parser *p, struct ttoken t)
{
	struct tnode *n = new_node(p, N_NUMBER);
	struct str error = STR_EMPTY;

	if (!template_number(p->arena, t, &n->number, &error))
		fail(p, "%.*s", STR_FMT(error));
	return n;
}

static struct tnode *
parse_parenthesis(struct parser *p)
{
	struct tnode *n = new_node(p, N_PIPE);

	if (enter(p))
		n->pipe = parse_pipeline(p, "parenthesized pipeline", K_CLOSE);
	p->nesting--;
	return n;
}

/* NULL: what comes next is no term. */
static struct tnode *
parse_term(struct parser *p)
{
	struct ttoken t = next_word(p);
	struct tnode *n;

	switch (t.kind) {
	case K_IDENTIFIER:
		return parse_function(p, t);
	case K_DOT:
		return new_node(p, N_DOT);
	case K_NIL:
		return new_node(p, N_NIL);
	case K_VARIABLE:
		return parse_variable(p, t);
	case K_FIELD:
		n = new_node(p, N_FIELD);
		back(p, t);
		add_fields(p, n);
		return n;
	case K_BOOL:
		n = new_node(p, N_BOOL);
		n->boolean = str_is(t.text, "true");
		return n;
	case K_CHARACTER:
	case K_COMPLEX:
	case K_NUMBER:
		return parse_constant(p, t);
	case K_OPEN:
		return parse_parenthesis(p);
	case K_STRING:
	case K_RAW:
		return parse_string(p, t);
	default:
		back(p, t);
		return NULL;
	}
}

static struct tnode *
parse_operand(struct parser *p)
{
	struct tnode *n = parse_term(p), *chain;

	if (n == NULL || peek(p).kind != K_FIELD)
		return n;
	switch (n->kind) {
	case N_VARIABLE:
		add_fields(p, n);
		return n;
	case N_BOOL:
	case N_STRING:
	case N_NUMBER:
	case N_NIL:
	case N_DOT:
		fail(p, "unexpected . after term");
		return n;
	default:
		chain = new_node(p, N_CHAIN);
		chain->chain.term = n;
		add_fields(p, chain);
		return chain;
	}
}

/* regexMatch "…" and its like: the expression is compiled once. One that does not compile is an error of each execution, as in Go. */
static void
compile_constant(struct parser *p, const struct tcommand *c)
{
	struct str pattern, error;
	size_t offset;

	if (p->failed || c->n < 2 || c->args[0]->kind != N_FUNCTION || strstr(c->args[0]->function->name, "egex") == NULL ||
		c->args[1]->kind != N_STRING)
		return;
	pattern = c->args[1]->text;
	if (!map_has(&p->template->regexes, pattern))
		(void)map_set(&p->template->regexes, pattern, regex_compile(p->arena, pattern, 0, &error, &offset));
}

static struct tcommand *
parse_command(struct parser *p)
{
	struct tcommand *c = arena_make(p->arena, struct tcommand);
	size_t cap = 0;

	for (;;) {
		struct tnode *operand;
		struct ttoken t;

		(void)peek_word(p);
		operand = parse_operand(p);
		if (operand != NULL) {
			c->args = grow(p, c->args, c->n, &cap, sizeof(*c->args));
			c->args[c->n++] = operand;
		}
		t = next(p);
		if (t.kind == K_SPACE)
			continue;
		if (t.kind == K_RIGHT || t.kind == K_CLOSE)
			back(p, t);
		else if (t.kind != K_PIPE)
			unexpected(p, t, "operand");
		break;
	}
	if (c->n == 0)
		fail(p, "empty command");
	compile_constant(p, c);
	return c;
}

/* ---- pipelines ---- */

static void
add_declaration(struct parser *p, struct tpipe *pipe, struct str name)
{
	size_t number = variable_number(p, name);

	pipe->variables[pipe->n_variables++] = number;
	declare(p, number);
}

/* "$x :=", "$x =", "$i, $x :=" of a range. */
static void
parse_declarations(struct parser *p, struct tpipe *pipe, const char *context)
{
	while (peek_word(p).kind == K_VARIABLE && !p->failed) {
		struct ttoken variable = next_word(p), behind = next(p), then = behind.kind == K_SPACE ? next_word(p) : behind;

		if (then.kind == K_ASSIGN || then.kind == K_DECLARE) {
			pipe->assign = then.kind == K_ASSIGN;
			add_declaration(p, pipe, variable.text);
			return;
		}
		if (then.kind == K_CHAR && str_is(then.text, ",")) {
			enum ttoken_kind kind;

			add_declaration(p, pipe, variable.text);
			if (strcmp(context, "range") != 0 || pipe->n_variables >= 2) {
				fail(p, "too many declarations in %s", context);
				return;
			}
			kind = peek_word(p).kind;
			if (kind != K_VARIABLE && kind != K_RIGHT && kind != K_CLOSE)
				fail(p, "range can only initialize variables");
			continue;
		}
		back(p, then);
		if (behind.kind == K_SPACE)
			back(p, behind);
		back(p, variable);
		return;
	}
}

static void
check_pipeline(struct parser *p, const struct tpipe *pipe, const char *context)
{
	size_t stage = 1;

	if (p->failed)
		return;
	if (pipe->commands == NULL) {
		fail(p, "missing value for %s", context);
		return;
	}
	for (const struct tcommand *c = pipe->commands->next; c != NULL; c = c->next) {
		enum tnode_kind kind = c->args[0]->kind;

		stage++;
		if (kind == N_BOOL || kind == N_DOT || kind == N_NIL || kind == N_NUMBER || kind == N_STRING)
			fail(p, "non executable command in pipeline stage %zu", stage);
	}
}

static struct tpipe *
parse_pipeline(struct parser *p, const char *context, enum ttoken_kind end)
{
	struct tpipe *pipe = arena_make(p->arena, struct tpipe);
	struct tcommand **last = &pipe->commands;

	parse_declarations(p, pipe, context);
	while (!p->failed) {
		struct ttoken t = next_word(p);

		if (t.kind == end)
			break;
		switch (t.kind) {
		case K_BOOL:
		case K_CHARACTER:
		case K_COMPLEX:
		case K_DOT:
		case K_FIELD:
		case K_IDENTIFIER:
		case K_NUMBER:
		case K_NIL:
		case K_RAW:
		case K_STRING:
		case K_VARIABLE:
		case K_OPEN:
			back(p, t);
			*last = parse_command(p);
			last = &(*last)->next;
			break;
		default:
			unexpected(p, t, context);
			break;
		}
	}
	check_pipeline(p, pipe, context);
	return pipe;
}

/* ---- lists and actions ---- */

/* Up to {{end}} or {{else}}, which is returned. */
static enum tnode_kind
parse_list(struct parser *p, struct tlist_node *list)
{
	while (peek_word(p).kind != K_EOF) {
		struct tnode *n = parse_text_or_action(p);

		if (p->failed)
			return N_END;
		if (n->kind == N_END || n->kind == N_ELSE)
			return n->kind;
		append(list, n);
	}
	fail(p, "unexpected EOF");
	return N_END;
}

/* "else if" and "else with" leave their word: the inner one takes the {{end}} of the whole. */
static void
parse_else(struct parser *p, struct tnode *n)
{
	enum ttoken_kind kind = peek(p).kind;

	n->branch.has_other = true;
	if ((n->kind == N_IF && kind == K_IF) || (n->kind == N_WITH && kind == K_WITH)) {
		(void)next(p);
		append(&n->branch.other, parse_branch(p, n->kind));
	} else if (parse_list(p, &n->branch.other) != N_END) {
		fail(p, "expected end; found {{else}}");
	}
}

static struct tnode *
parse_branch(struct parser *p, enum tnode_kind kind)
{
	const char *context = kind == N_IF ? "if" : kind == N_WITH ? "with" : "range";
	struct tnode *n = new_node(p, kind);
	size_t visible = p->n_visible;
	enum tnode_kind end;

	if (!enter(p))
		return n;
	n->branch.pipe = parse_pipeline(p, context, K_RIGHT);
	p->ranges += kind == N_RANGE;
	end = parse_list(p, &n->branch.list);
	p->ranges -= kind == N_RANGE;
	if (end == N_ELSE)
		parse_else(p, n);
	p->n_visible = visible;
	p->nesting--;
	return n;
}

static struct str
parse_name(struct parser *p, struct ttoken t, const char *context)
{
	struct str name = STR_EMPTY;

	if (t.kind != K_STRING && t.kind != K_RAW)
		unexpected(p, t, context);
	else if (!template_unquote(p->arena, t.text, &name))
		fail(p, "invalid syntax");
	return name;
}

static bool
is_empty(const struct tlist_node *list)
{
	for (const struct tnode *n = list->first; n != NULL; n = n->next) {
		if (n->kind != N_TEXT || unicode_trim_space(n->text).len > 0)
			return false;
	}
	return true;
}

/* Of two definitions of a name one must be empty, and the other counts. */
static void
add_definition(struct parser *p, struct str name, struct tlist_node list)
{
	struct tdefinition *d = p->template->definitions;

	while (d != NULL && !str_eq(d->name, name))
		d = d->next;
	if (d == NULL) {
		d = arena_make(p->arena, struct tdefinition);
		*d = (struct tdefinition){name, list, p->template->definitions};
		p->template->definitions = d;
	} else if (is_empty(&d->list)) {
		d->list = list;
	} else if (!is_empty(&list)) {
		fail(p, "template: multiple definition of template \"%.*s\"", STR_FMT(name));
	}
}

/* The body of {{define}} or {{block}}: its variables and ranges are its own. */
static void
parse_definition(struct parser *p, struct str name, const char *context)
{
	size_t *visible = p->visible, n = p->n_visible, cap = p->cap_visible, ranges = p->ranges;
	struct tlist_node list = {0};

	p->visible = NULL;
	p->n_visible = p->cap_visible = p->ranges = 0;
	if (enter(p) && parse_list(p, &list) != N_END)
		fail(p, "unexpected {{else}} in %s", context);
	p->nesting--;
	p->visible = visible;
	p->n_visible = n;
	p->cap_visible = cap;
	p->ranges = ranges;
	if (!p->failed)
		add_definition(p, name, list);
}

static struct tnode *
parse_call(struct parser *p, bool block)
{
	const char *context = block ? "block clause" : "template clause";
	struct tnode *n = new_node(p, N_TEMPLATE);
	struct ttoken t;

	n->call.name = parse_name(p, next_word(p), context);
	t = next_word(p);
	if (block || t.kind != K_RIGHT) {
		back(p, t);
		n->call.pipe = parse_pipeline(p, context, K_RIGHT);
	}
	if (block && !p->failed)
		parse_definition(p, n->call.name, context);
	return n;
}

static struct tnode *
parse_jump(struct parser *p, enum tnode_kind kind)
{
	const char *name = kind == N_BREAK ? "{{break}}" : "{{continue}}";

	(void)expect(p, K_RIGHT, name);
	if (p->ranges == 0)
		fail(p, "%s outside {{range}}", name);
	return new_node(p, kind);
}

static struct tnode *
parse_else_word(struct parser *p)
{
	enum ttoken_kind kind = peek_word(p).kind;

	if (kind != K_IF && kind != K_WITH)
		(void)expect(p, K_RIGHT, "else");
	return new_node(p, N_ELSE);
}

static struct tnode *
parse_action(struct parser *p)
{
	struct ttoken t = next_word(p);
	struct tnode *n;

	switch (t.kind) {
	case K_BLOCK:
		return parse_call(p, true);
	case K_TEMPLATE:
		return parse_call(p, false);
	case K_BREAK:
		return parse_jump(p, N_BREAK);
	case K_CONTINUE:
		return parse_jump(p, N_CONTINUE);
	case K_ELSE:
		return parse_else_word(p);
	case K_END:
		(void)expect(p, K_RIGHT, "end");
		return new_node(p, N_END);
	case K_IF:
		return parse_branch(p, N_IF);
	case K_RANGE:
		return parse_branch(p, N_RANGE);
	case K_WITH:
		return parse_branch(p, N_WITH);
	default:
		back(p, t);
		n = new_node(p, N_ACTION);
		n->pipe = parse_pipeline(p, "command", K_RIGHT);
		return n;
	}
}

/* Never NULL. */
static struct tnode *
parse_text_or_action(struct parser *p)
{
	struct ttoken t = next_word(p);
	struct tnode *n = new_node(p, N_TEXT);

	if (t.kind == K_TEXT) {
		n->text = t.text;
	} else if (t.kind == K_LEFT) {
		p->action_line = t.line;
		n = parse_action(p);
		p->action_line = 0;
	} else {
		unexpected(p, t, "input");
	}
	return n;
}

static void
parse_define(struct parser *p)
{
	struct str name = parse_name(p, next_word(p), "define clause");

	(void)expect(p, K_RIGHT, "define clause");
	if (!p->failed)
		parse_definition(p, name, "define clause");
}

static void
parse_top(struct parser *p)
{
	struct tlist_node list = {0};

	while (peek(p).kind != K_EOF && !p->failed) {
		struct ttoken left = next(p), word;
		struct tnode *n;

		if (left.kind == K_LEFT) {
			word = next_word(p);
			if (word.kind == K_DEFINE) {
				parse_define(p);
				continue;
			}
			back(p, word);
		}
		back(p, left);
		n = parse_text_or_action(p);
		if (n->kind == N_END || n->kind == N_ELSE)
			fail(p, "unexpected %s", n->kind == N_END ? "{{end}}" : "{{else}}");
		append(&list, n);
	}
	if (!p->failed)
		add_definition(p, STR("pipeline_template"), list);
}

/* ---- afterwards ---- */

static struct tdefinition *
find_definition(const struct template *t, struct str name)
{
	struct tdefinition *d = t->definitions;

	while (d != NULL && !str_eq(d->name, name))
		d = d->next;
	return d;
}

/* {{template}} may stand before its {{define}}. Depth is that of the parser. */
static void
link_calls(const struct template *t, struct tnode *n)
{
	for (; n != NULL; n = n->next) {
		if (n->kind == N_TEMPLATE)
			n->call.definition = find_definition(t, n->call.name);
		if (n->kind != N_IF && n->kind != N_WITH && n->kind != N_RANGE)
			continue;
		link_calls(t, n->branch.list.first);
		link_calls(t, n->branch.other.first);
	}
}

static void
template_done(void *ptr)
{
	struct template *t = ptr;

	map_done(&t->regexes);
}

const struct template *
template_compile(struct arena *arena, struct str text, struct str *ret_error)
{
	struct template *t = arena_make(arena, struct template);
	struct parser p = {.arena = arena, .template = t, .line = 1};
	struct str ignored;

	if (text.len > TEMPLATE_BYTES_MAX) {
		*ret_error = arena_printf(arena, "template: pipeline_template:1: longer than %d bytes", TEMPLATE_BYTES_MAX);
		return NULL;
	}
	map_init(&t->regexes);
	arena_defer(arena, template_done, t);
	template_lex_init(&p.lexer, arena, arena_str(arena, text));
	(void)variable_number(&p, STR("$"));
	parse_top(&p);
	if (p.failed) {
		*ret_error = p.error;
		return NULL;
	}
	for (struct tdefinition *d = t->definitions; d != NULL; d = d->next)
		link_calls(t, d->list.first);
	t->main = find_definition(t, STR("pipeline_template"));
	t->local = tz_load(arena, STR("Local"), &ignored);
	if (t->local == NULL)
		t->local = tz_utc();
	return t;
}

size_t
template_names(const struct template *t)
{
	return t->n_names;
}

struct str
template_name(const struct template *t, size_t number)
{
	return t->names[number];
}
